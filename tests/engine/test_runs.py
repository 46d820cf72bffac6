"""Whole runs: schedule, warm-up, parameters, errors, determinism."""

import gc
import json
import re
import zipfile
from datetime import UTC, datetime, timedelta
from decimal import getcontext

import pytest

from engine.api.algorithm import QCAlgorithm
from engine.common.decimals import to_double
from engine.common.enums import (
    AccountType,
    AlgorithmStatus,
    BrokerageName,
    DataNormalizationMode,
    OrderStatus,
    Resolution,
)
from engine.common.net_exceptions import NotSupportedException
from engine.indicators import SimpleMovingAverage
from engine.market.data import TradeBar
from engine.run.runner import run_algorithm, run_backtest
from tests.engine.folder import flat, write_folder

ROWS = [(100 + i, 101 + i, 99 + i, 100.5 + i, 1_000_000) for i in range(20)]


@pytest.fixture
def folder(tmp_path):
    write_folder(tmp_path / "data", {"ABC": ROWS})
    return tmp_path


class Base(QCAlgorithm):
    """A week of one stock."""

    first, last = datetime(2010, 1, 11), datetime(2010, 1, 15)

    def initialize(self):
        self.set_start_date(self.first)
        self.set_end_date(self.last)
        self.set_cash(100_000)
        self.symbol = self.add_equity("ABC", Resolution.DAILY).symbol
        self.seen = []


def run(folder, kind, **options):
    return run_algorithm(
        kind, data_folder=folder / "data", store=folder / "store", parameters=options
    )


def test_bars_arrive_at_the_close_with_naive_local_and_aware_utc_times(folder):
    class Watching(Base):
        def on_data(self, data):
            self.seen.append((self.time, self.utc_time, data.bars[self.symbol].close))

    seen = run(folder, Watching).algorithm.seen
    assert seen[0] == (datetime(2010, 1, 11, 16), datetime(2010, 1, 11, 21, tzinfo=UTC), 105.5)
    assert [time.day for time, _, _ in seen] == [11, 12, 13, 14, 15]


def test_dictionaries_have_dot_nets_properties_and_pythons_calls(folder):
    class Asking(Base):
        def on_end_of_algorithm(self):
            managers = (
                self.securities,
                self.portfolio,
                self.universe_manager,
                self.active_securities,
            )
            universe = self.UniverseManager.Values[0]
            for one in (*managers, self.portfolio.cash_book, universe.Members):
                assert list(one.Keys) == list(one.keys()) != []
                assert one.Count == one.Keys.Count == one.Values.Count == len(one.values()) == 1
                assert one.copy() == one.fromkeys(one.Keys) == dict(one.items())
                with pytest.raises(NotSupportedException, match=f"for {type(one).__name__}"):
                    one.popitem()
            self.seen = [x.Symbol.Value for x in self.Portfolio.Values if not x.Invested]
            assert self.Portfolio.TryGetValue(self.symbol, None)[0]

    assert run(folder, Asking).algorithm.seen == ["ABC"]


def test_prices_that_only_history_has_stop_the_run_as_lean_stops_it(folder):
    class Scaled(Base):
        def initialize(self):
            super().initialize()
            mode = DataNormalizationMode.SCALED_RAW
            self.add_equity("XYZ", Resolution.DAILY, data_normalization_mode=mode)

    result = run(folder, Scaled)
    assert result.status is AlgorithmStatus.RUNTIME_ERROR
    assert "ScaledRaw normalization mode only intended for history" in result.runtime_error
    assert not result.orders


def test_seconds_are_read_and_filled_forward(folder):
    seconds = folder / "data" / "equity" / "usa" / "second" / "abc"
    seconds.mkdir(parents=True)
    for kind, side in (
        ("trade", "1000000,1010000,990000,1000000,7"),
        ("quote", "999900," * 4 + "5"),
    ):
        rows = [f"{at * 1000},{side}{',' + '1000100,' * 4 + '6' if kind == 'quote' else ''}"
                for at in (34200, 34203, 57599)]  # fmt: skip
        with zipfile.ZipFile(seconds / f"20100111_{kind}.zip", "w") as archive:
            archive.writestr(f"20100111_abc_second_{kind}.csv", "\n".join(rows))

    class Seconds(QCAlgorithm):
        def initialize(self):
            self.set_start_date(2010, 1, 11)
            self.set_end_date(2010, 1, 11)
            self.symbol = self.add_equity("ABC", Resolution.SECOND).symbol
            self.name = self.sma(self.symbol, 2).name
            self.seen = []

        def on_data(self, data):
            bar = data.bars[self.symbol]
            self.seen.append((self.time, bar.period, bar.volume, data.quote_bars.count))
            if len(self.seen) == 2:
                self.market_order(self.symbol, 1)
                self.past = self.history(self.symbol, 2)
            if len(self.seen) == 9:
                self.quit()

    algorithm = run(folder, Seconds).algorithm
    second = timedelta(seconds=1)
    start = datetime(2010, 1, 11, 9, 30)
    volumes = (7, 0, 0, 7, 0)
    assert algorithm.seen[:5] == [
        (start + second * n, second, volume, 1) for n, volume in enumerate(volumes, start=1)
    ]
    assert (algorithm.name, algorithm.past.volume.tolist()) == ("SMA(2,ABC_sec)", [7, 0])
    assert algorithm.portfolio[algorithm.symbol].average_price == 100.01  # the ask's close
    (last,) = {point.end_time for point in algorithm.get_last_known_prices(algorithm.symbol)}
    assert last == datetime(2010, 1, 8, 16)  # LEAN asks for minutes, then for daily bars


def test_warm_up_comes_first_and_takes_no_orders(folder):
    class Warming(Base):
        def initialize(self):
            super().initialize()
            self.set_warm_up(timedelta(5))

        def on_data(self, data):
            self.seen.append((self.time.day, self.is_warming_up))
            if self.is_warming_up:
                self.ticket = self.market_order(self.symbol, 1)

        def on_warmup_finished(self):
            self.seen.append("finished")

    result = run(folder, Warming)
    assert result.algorithm.seen[:4] == [(6, True), (7, True), (8, True), "finished"]
    assert result.algorithm.seen[4] == (11, False)
    assert result.algorithm.ticket.status == OrderStatus.INVALID
    assert not [event for event in result.order_events if event.status == OrderStatus.FILLED]


def test_schedule(folder):
    class Scheduled(Base):
        def initialize(self):
            super().initialize()
            for name, time_rule in {
                "open": self.time_rules.after_market_open("ABC", 30),
                "close": self.time_rules.before_market_close("ABC", 10),
                "at": self.time_rules.at(12, 15),
            }.items():
                rule = self.date_rules.every_day("ABC")
                self.schedule.on(rule, time_rule, lambda name=name: self.note(name))
            self.train(self.date_rules.week_start("ABC"), self.time_rules.midnight, self.learn)

        def note(self, name):
            self.seen.append((self.time.day, self.time.hour, self.time.minute, name))

        def learn(self):
            self.note("train")

    seen = run(folder, Scheduled).algorithm.seen
    assert seen[:4] == [
        (11, 0, 0, "train"),
        (11, 10, 0, "open"),
        (11, 12, 15, "at"),
        (11, 15, 50, "close"),
    ]
    assert len(seen) == 1 + 3 * 5


def test_parameters_have_the_type_of_their_default(folder):
    class Reading(Base):
        def initialize(self):
            super().initialize()
            self.read = (
                self.get_parameter("whole", 1),
                self.get_parameter("whole", 1.0),
                self.get_parameter("real", 1),
                self.get_parameter("real", 1.0),
                self.get_parameter("real"),
                self.get_parameter("none", "x"),
                self.get_parameter("none"),
            )

    read = run(folder, Reading, whole="5", real="5.5").algorithm.read
    # A whole number is not read from "5.5": LEAN falls back to the default without a word.
    assert read == (5, 5.0, 1, 5.5, "5.5", "x", None)


def test_unknown_names_and_lacking_calls_differ(folder):
    class Calling(Base):
        def initialize(self):
            super().initialize()
            with pytest.raises(NotImplementedError, match="add_option"):
                self.add_option("ABC")
            with pytest.raises(AttributeError, match="add_optoin"):
                self.add_optoin("ABC")
            self.SetCash(5000)

    assert run(folder, Calling).statistics["Start Equity"] == "5000"


def test_an_error_of_the_algorithm_is_told_with_its_own_lines(folder):
    project = folder / "project"
    project.mkdir()
    (project / "main.py").write_text(
        "from AlgorithmImports import *\n"
        "class Failing(QCAlgorithm):\n"
        "    def initialize(self):\n"
        "        self.set_start_date(2010, 1, 11)\n"
        "        self.set_end_date(2010, 1, 15)\n"
        "        self.add_equity('ABC', Resolution.DAILY)\n"
        "    def on_data(self, data):\n"
        "        if self.time.day == 13:\n"
        "            raise ZeroDivisionError('the test')\n"
    )
    result = run_backtest(
        project,
        data_folder=folder / "data",
        store=folder / "store",
        results=folder / "results",
    )
    assert result.status == AlgorithmStatus.RUNTIME_ERROR
    assert "ZeroDivisionError: the test" in result.runtime_error
    assert "main.py" in result.runtime_error
    assert "loop.py" not in result.runtime_error
    written = next(
        path
        for path in (folder / "results").iterdir()
        if path.suffix == ".json"
        and path.stem.rpartition("-")[2] not in {"events", "summary"}
        and "runtimeStatistics" in path.read_text()
    )
    assert json.loads(written.read_text())["state"]["Status"] == "RuntimeError"


class Trading(Base):
    """Buys, sells and saves a note."""

    def on_data(self, data):
        if not self.portfolio.invested:
            self.set_holdings(self.symbol, 0.5)
        else:
            self.liquidate()
        self.object_store.save("note", str(self.time))
        self.plot("Mine", "close", data[self.symbol].close)


def test_runs_repeat_themselves_and_leak_nothing(folder):
    threshold = gc.get_threshold()
    first, second = run(folder, Trading), run(folder, Trading)
    assert first.statistics == second.statistics
    assert [str(event) for event in first.order_events] == [
        str(event) for event in second.order_events
    ]
    assert first.equity == second.equity
    assert first.orders[0] is not second.orders[0]
    assert [order.id for order in second.orders] == list(range(1, len(second.orders) + 1))
    assert gc.get_threshold() == threshold


def test_a_run_calculates_with_as_many_digits_as_net(folder):
    class Averaging(Base):
        def initialize(self):
            super().initialize()
            self.mean = SimpleMovingAverage(3)
            for day, price in enumerate((1, 1, 2), start=1):
                self.mean.update(datetime(2010, 1, day), price)

    mean = run(folder, Averaging).algorithm.mean.current
    assert str(mean.value_exact) == "1.3333333333333333333333333333"
    assert mean.value == to_double(mean.value_exact) != 4 / 3
    assert getcontext().prec == 28


def test_cash_and_equity_add_up(folder):
    result = run(folder, Trading)
    cash = 100_000 - sum(
        event.fill_price * event.fill_quantity + event.order_fee.value.amount
        for event in result.order_events
        if event.status == OrderStatus.FILLED
    )
    portfolio = result.algorithm.portfolio
    held = (
        portfolio[result.algorithm.symbol].quantity
        * result.algorithm.securities[result.algorithm.symbol].price
    )
    assert portfolio.cash == pytest.approx(cash)
    assert portfolio.total_portfolio_value == pytest.approx(cash + held)


def test_quit_ends_the_run(folder):
    class Quitting(Base):
        def on_data(self, data):
            self.seen.append(self.time.day)
            if self.time.day == 12:
                self.quit("enough")

    assert run(folder, Quitting).algorithm.seen == [11, 12]


# Bad input ----------------------------------------------------------------------------------


def test_a_missing_data_folder_is_named(tmp_path):
    with pytest.raises(ValueError, match="nowhere"):
        run_algorithm(Base, data_folder=tmp_path / "nowhere", store=tmp_path / "store")


def test_a_missing_project_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"main\.py"):
        run_backtest(tmp_path, data_folder=tmp_path, store=tmp_path / "store")


def test_an_end_before_the_start_is_refused(folder):
    class Backwards(Base):
        first, last = Base.last, Base.first

    with pytest.raises(ValueError, match=r"(?i)start.*end|end.*start"):
        run(folder, Backwards)


def test_an_unknown_ticker_is_added_without_data(folder):
    class Unknown(Base):
        def initialize(self):
            super().initialize()
            self.other = self.add_equity("NOPE", Resolution.DAILY)

        def on_data(self, data):
            if self.portfolio.invested or "NOPE" in data:
                return
            self.refused = self.market_order("NOPE", 1)

    algorithm = run(folder, Unknown).algorithm
    assert (str(algorithm.other.symbol.id), algorithm.other.has_data) == ("NOPE 2T", False)
    assert algorithm.refused.status == OrderStatus.INVALID
    assert "NOPE: The security does not have an accurate price" in str(
        algorithm.refused.submit_request.response
    )


def run_until_error(folder, kind):
    """What went wrong, whether `initialize` raised or the run ended with an error."""
    try:
        return run(folder, kind).runtime_error
    except ValueError as error:
        return str(error)


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"not a zip", r"abc\.zip"),
        ("20100104 00:00,1,2\n", r"abc\.zip.*malformed"),
        ("20100105 00:00,1,1,1,1,1\n20100104 00:00,1,1,1,1,1\n", r"abc\.zip.*sorted"),
        ("20100104 00:00,-1,1,1,1,1\n", r"abc\.zip.*positive"),
    ],
)
def test_damaged_bars_are_named(folder, content, match):
    path = folder / "data" / "equity" / "usa" / "daily" / "abc.zip"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("abc.csv", content)

    class Early(Base):
        first = datetime(2010, 1, 4)

    assert re.search(match, run_until_error(folder, Early))


def test_a_truncated_zip_is_named(folder):
    path = folder / "data" / "equity" / "usa" / "daily" / "abc.zip"
    path.write_bytes(path.read_bytes()[:60])
    assert "abc.zip" in run_until_error(folder, Base)


def test_gaps_are_filled_forward(tmp_path):
    write_folder(tmp_path / "data", {"ABC": flat(100, 20), "XYZ": flat(50, 8)})

    class Pair(Base):
        def initialize(self):
            super().initialize()
            self.other = self.add_equity("XYZ", Resolution.DAILY).symbol

        def on_data(self, data):
            bar = data.bars[self.other]
            self.seen.append((self.time.day, bar.close, bar.is_fill_forward))

    seen = run(tmp_path, Pair).algorithm.seen
    assert seen == [
        (11, 50.0, False),
        (12, 50.0, False),
        (13, 50.0, False),
        (14, 50.0, True),
        (15, 50.0, True),
    ]


def test_what_lean_refuses_is_refused_with_its_exceptions(folder):
    class Wrong(Base):
        told: tuple[str, ...] = ()

        def attempt(self, call):
            try:
                call()
            except Exception as error:
                self.told += (f"{type(error).__name__}: {error}",)

        def initialize(self):
            super().initialize()
            security = self.securities["ABC"]
            self.attempt(lambda: security.set_leverage(0.5))
            self.attempt(lambda: setattr(self, "time", 1))
            self.attempt(lambda: setattr(security, "price", 1))
            self.attempt(lambda: self.plot("Exposure", "x", 1))
            self.attempt(lambda: self.plot("x", "y", float("nan")))
            self.attempt(lambda: self.object_store.save("../x", "y"))
            self.attempt(lambda: Resolution.WEEKLY)
            self.attempt(lambda: self.get_parameter(5))
            assert next(iter(self.portfolio)).key == self.symbol
            with pytest.raises(TypeError, match="unpack"):
                _, _ = next(iter(self.portfolio))

    told = run(folder, Wrong).algorithm.told
    assert [text.split("\n")[0] for text in told] == [
        "ArgumentException: Leverage must be greater than or equal to 1.",
        "TypeError: property is read-only",
        "TypeError: property is read-only",
        "ArgumentException: 'Exposure' is a reserved chart name.",
        "ArgumentException: It is not possible to cast a non-finite floating-point value (NaN) as "
        "decimal. Please review math operations and verify the result is valid. (Parameter "
        "'input')",
        "ArgumentException: LocalObjectStore: path is not supported: '../x'",
        "AttributeError: type object 'Resolution' has no attribute 'WEEKLY'",
        "TypeError: No method matches given arguments for get_parameter: (<class 'int'>). The "
        "following overloads are available:",
    ]


def test_a_broker_chosen_late_leaves_the_leverage_of_securities(folder):
    class Late(Base):
        def initialize(self):
            super().initialize()
            self.set_brokerage_model(BrokerageName.DEFAULT, AccountType.CASH)
            self.late = self.add_equity("LATE", Resolution.DAILY)
            self.seen = [self.securities["ABC"].leverage, self.late.leverage]

    assert run(folder, Late).algorithm.seen == [2.0, 1.0]


def test_a_call_that_takes_brackets_may_be_hidden_as_any_method(folder):
    class Hiding(Base):
        def initialize(self):
            super().initialize()
            self.history = list(self.history[TradeBar]("ABC", 2, Resolution.DAILY))
            self.consolidate = None

    algorithm = run(folder, Hiding).algorithm
    assert [bar.close for bar in algorithm.history] == [103.5, 104.5]
    assert algorithm.consolidate is None
