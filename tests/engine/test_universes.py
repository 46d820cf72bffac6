"""Securities that come and go: when LEAN tells of them, when their data begins and ends."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from engine.api.algorithm import QCAlgorithm
from engine.brokerage.fees import ConstantFeeModel
from engine.common.enums import (
    DataNormalizationMode,
    OrderStatus,
    Resolution,
    SecurityType,
    SubscriptionTransportMedium,
)
from engine.common.net_exceptions import KeyNotFoundException
from engine.common.settings import UniverseSettings
from engine.feed.custom_data import PythonData
from engine.feed.universe_selection import SecurityChanges
from engine.framework.universe import (
    CustomUniverseSelectionModel,
    ManualUniverseSelectionModel,
    ScheduledUniverse,
    ScheduledUniverseSelectionModel,
    Universe,
)
from engine.market.data_sources import SubscriptionDataSource
from engine.market.symbols import Market, SecurityIdentifier, Symbol
from engine.run.runner import run_algorithm
from engine.statistics.order_hash import time_json
from tests.engine.folder import flat, write_folder

LEAN = Path(__file__).parents[3] / "shared" / "lean" / "data"
needs_sample = pytest.mark.skipif(not LEAN.exists(), reason="LEAN's data are not in ../shared/lean")


@pytest.fixture
def folder(tmp_path):
    write_folder(tmp_path / "data", {"ZED": flat(10, 20), "ABC": flat(100, 20)})
    return tmp_path


class Base(QCAlgorithm):
    """Three weeks; notes bars and changes by day and hour."""

    def initialize(self):
        self.set_start_date(2010, 1, 4)
        self.set_end_date(2010, 1, 22)
        self.universe_settings.resolution = Resolution.DAILY
        self.lines = []
        self.start()

    def note(self, text):
        self.lines.append(f"{self.time:%d %H} {text}")

    def on_securities_changed(self, changes):
        added = [security.symbol.value for security in changes.added_securities]
        removed = [security.symbol.value for security in changes.removed_securities]
        self.note(f"+{','.join(added)} -{','.join(removed)}")


def run(folder, kind):
    result = run_algorithm(kind, data_folder=folder / "data", store=folder / "store", parameters={})
    return result.algorithm.lines


def test_what_is_added_in_on_data_is_told_at_once_and_has_bars_from_the_next_day(folder):
    class Adding(Base):
        def start(self):
            self.add_equity("ZED")

        def on_data(self, data):
            self.note(",".join(sorted(pair.key.value for pair in data.bars)))
            if self.time.day == 5:
                self.add_equity("ABC")

    lines = run(folder, Adding)
    assert lines[:5] == ["04 00 +ZED -", "04 16 ZED", "05 16 ZED", "05 16 +ABC -", "06 16 ABC,ZED"]


def test_what_is_removed_keeps_its_data_until_a_selection_finds_it_free(folder):
    class Removing(Base):
        def start(self):
            self.add_equity("ZED")
            self.abc = self.add_equity("ABC").symbol

        def on_data(self, data):
            held = self.portfolio[self.abc].quantity
            self.note(f"{len(data.bars)} {len(self.securities)} {held:g}")
            if self.time.day == 4:
                self.market_order(self.abc, 5)
                self.limit_order(self.abc, 1, 50)
            if self.time.day == 6:
                assert self.remove_security(self.abc)
                assert not self.securities[self.abc].is_tradable
            if self.time.day == 11:
                self.add_equity("ABC")
            if self.time.day == 12:
                self.market_order(self.abc, -2)

    lines = run(folder, Removing)
    assert lines == [
        "04 00 +ABC,ZED -",
        "04 16 2 2 0",
        "05 16 2 2 5",
        "06 16 2 2 5",
        "06 16 + -ABC",  # sold the next day, so it stays until something selects
        "07 16 2 2 0",
        "08 16 2 2 0",
        "11 16 2 2 0",
        "11 16 +ABC -",
        "12 16 2 2 0",
        "13 16 2 2 -2",
        *(f"{day} 16 2 2 -2" for day in (14, 15, 19, 20, 21, 22)),
    ]


def test_removing_cancels_and_sells_with_its_tag(folder):
    class Removing(Base):
        def start(self):
            self.abc = self.add_equity("ABC").symbol

        def on_data(self, data):
            if self.time.day == 4:
                self.market_order(self.abc, 5)
                self.limit = self.limit_order(self.abc, 1, 50)
            if self.time.day == 6:
                self.remove_security(self.abc)
                self.note(self.limit.status == OrderStatus.CANCELED)
                self.note(self.transactions.get_order_by_id(3).tag)

    assert run(folder, Removing)[1:3] == ["06 16 True", "06 16 Removed"]


def test_a_symbol_of_a_universe_prints_as_its_identifier(folder):
    def symbols():
        return [Symbol.create(ticker, SecurityType.EQUITY, Market.USA) for ticker in ("ZED", "ABC")]

    class Scheduled(Base):
        def start(self):
            rules = self.date_rules.every_day(), self.time_rules.at(8, 0)
            self.add_universe_selection(
                ScheduledUniverseSelectionModel(*rules, lambda time: symbols())
            )

        def on_data(self, data):
            self.lines.append(str(next(iter(data.bars)).key))

    class Manual(Scheduled):
        def start(self):
            self.add_universe_selection(ManualUniverseSelectionModel(symbols()))

    assert run(folder, Scheduled)[:2] == ["04 08 +ABC,ZED -", "ABC UJ0T0SKEFN1H"]
    assert run(folder, Manual)[:2] == ["04 00 +ABC,ZED -", "ABC"]


def test_a_universe_of_given_symbols_loses_what_is_removed_and_makes_do_with_what_was_added(folder):
    class Given(Base):
        def start(self):
            self.universe_settings.resolution = Resolution.HOUR
            tickers = ("ZED", "ABC")
            given = [Symbol.create(t, SecurityType.EQUITY, Market.USA) for t in tickers]
            self.add_universe_selection(ManualUniverseSelectionModel(given))
            self.add_equity("ZED", Resolution.DAILY)

        def on_data(self, data):
            if (self.time.day, self.time.hour) == (7, 10):
                kept = self.securities["ZED"].subscriptions
                self.note([config.resolution.net_name for config in kept])
                self.remove_security("ABC")

    lines = run(folder, Given)
    assert lines == ["04 00 +ABC,ZED -", "07 10 ['Daily']", "07 10 + -ABC"]


def test_tickers_by_a_function_of_the_time(folder):
    class Alternating(Base):
        def start(self):
            universe = self.add_universe("turns", lambda time: [("ZED", "ABC")[time.day % 2]])
            assert universe.universe_settings is self.universe_settings
            assert universe.securities.count == 0
            assert (universe.security_type, universe.market) == (SecurityType.EQUITY, "usa")

        def on_data(self, data):
            (universe,) = self.universe_manager.values()
            members = [member.security for member in universe.securities.values()]
            assert members == list(universe.members.values())

    lines = run(folder, Alternating)
    # At the start, then at midnights of trading days; a member stays a day.
    assert lines[:4] == ["04 00 +ZED -", "05 00 +ABC -ZED", "06 00 +ZED -ABC", "07 00 +ABC -ZED"]


def test_changes_are_sorted_and_what_was_added_was_not_removed():
    class Security:
        def __init__(self, ticker):
            self.symbol = Symbol.create(ticker, SecurityType.EQUITY, Market.USA)

    a, b, c = map(Security, "ABC")
    changes = SecurityChanges([c, a], [b]) + SecurityChanges([b], [c])
    assert changes.added_securities == [a, b, c]
    assert changes.removed_securities == []
    assert str(SecurityChanges()) == "SecurityChanges: None"


def test_universes_select_at_one_moment_from_the_finest_on_then_by_their_symbols(folder):
    class Selecting(Base):
        def start(self):
            self.add_universe("ZZ", Resolution.DAILY, lambda time: self.choose("zz", ["ZED"]))
            self.add_universe("AA", Resolution.DAILY, lambda time: self.choose("aa", ["ABC"]))
            settings = UniverseSettings(Resolution.DAILY, 1, True, False, timedelta(1))
            self.add_universe(
                SecurityType.EQUITY, "MM", Resolution.DAILY, Market.USA, settings,
                lambda time: self.choose("mm", Universe.UNCHANGED),
            )  # fmt: skip
            self.add_equity("ABC", Resolution.HOUR)
            names = [pair.key.value for pair in self.universe_manager]
            self.note(",".join(names))

        def choose(self, name, chosen):
            self.note(name)
            return chosen

        def on_data(self, data):
            if self.time.day == 5:
                universe = self.universe_manager[Symbol(SecurityIdentifier("ZZ", 101), "ZZ")]
                self.note(f"{[s.value for s in universe.selected]} {universe.symbol.id}")
                self.quit()

    lines = run(folder, Selecting)
    assert lines[0] == "04 00 ZZ,AA,MM,QC-UNIVERSE-USERDEFINED-USA-EQUITY"
    assert lines[1:5] == ["04 00 aa", "04 00 mm", "04 00 zz", "04 00 +ABC,ZED -"]
    assert lines[-1].endswith("['ZED'] ZZ 2T")


def test_a_selection_model_that_fills_gaps_selects_anew_a_tick_after_the_first_subscription(folder):
    # LEAN begins such universes again when the finest resolution changes from a minute to a day.
    class Custom(Base):
        def start(self):
            self.set_end_date(2010, 1, 6)
            self.add_universe_selection(CustomUniverseSelectionModel("own", self.choose))

        def choose(self, time):
            self.note(f"selects {time:%d %H:%M:%S.%f}")
            return ["ZED"] if time.day < 6 else ["ABC", "ZED"]

        def on_securities_changed(self, changes):
            if self.time.day == 6:
                self.limit_order(next(iter(self.securities.keys())), 1, 5)

    result = run_algorithm(
        Custom, data_folder=folder / "data", store=folder / "store", parameters={}
    )
    midnights = [f"{day} 00 selects {day} 00:00:00.000000" for day in ("04", "04", "05", "06")]
    assert result.algorithm.lines == midnights
    (order,) = result.orders
    assert (order.time.microsecond, time_json(order.time_naive)) == (
        0,
        '"2010-01-06T05:00:00.0000001Z"',
    )
    assert [time.day for time, _ in result.equity if time.hour == 5] == [4, 5, 5, 6, 6]


def test_a_universe_takes_only_its_own_subscription_of_a_shared_security_with_it(folder):
    class Sharing(Base):
        def start(self):
            self.add_equity("ZED", Resolution.DAILY)
            self.universe_settings.extended_market_hours = True
            self.add_universe("own", Resolution.DAILY, lambda time: ["ZED"] * (time.day == 5))

        def on_data(self, data):
            service = self.subscription_manager.subscription_data_config_service
            configs = service.get_subscription_data_configs("ZED")
            self.note([config.extended_market_hours for config in configs])

    lines = run(folder, Sharing)
    # LEAN tells of the removal although the algorithm's own universe keeps the security.
    assert lines[:6] == [
        "04 00 +ZED -",
        "04 16 [False]",
        "05 00 +ZED -",
        "05 16 [False, True]",
        "06 00 + -ZED",
        "06 16 [False]",
    ]


def test_active_are_the_members_of_universes_from_their_selection_on(folder):
    class Active(Base):
        def start(self):
            self.add_equity("ZED", Resolution.DAILY)
            self.note(self.active_securities.count)

        def on_data(self, data):
            if self.time.day == 4:
                self.add_equity("ABC", Resolution.DAILY)
                self.note(self.active_securities.contains_key("ABC"))
            self.note([pair.key.value for pair in self.active_securities])

    lines = [line for line in run(folder, Active) if "+" not in line]
    assert lines[:4] == ["04 00 0", "04 16 False", "04 16 ['ZED']", "05 16 ['ZED', 'ABC']"]


@pytest.mark.parametrize("seeds", [True, False])
def test_new_securities_have_their_last_prices_where_the_settings_say_so(folder, seeds):
    class Seeded(Base):
        def start(self):
            self.set_start_date(2010, 1, 11)
            self.settings.seed_initial_prices = seeds
            self.set_security_initializer(lambda security: self.note(f"{security.price:g}"))
            self.add_equity("ZED", Resolution.DAILY)
            self.add_universe("own", Resolution.DAILY, lambda time: ["ABC"])

        def on_securities_changed(self, changes):
            self.note([f"{security.price:g}" for security in changes.added_securities])

    zed, abc = ("10", "100") if seeds else ("0", "0")
    # LEAN seeds what is added by hand before its initializer, what is selected after it.
    assert run(folder, Seeded) == [f"11 00 {zed}", "11 00 0", f"11 00 ['{abc}', '{zed}']"]


@needs_sample
def test_an_order_for_what_was_not_added_fills_at_the_ask(tmp_path):
    class Ordering(QCAlgorithm):
        def initialize(self):
            self.set_start_date(2013, 10, 7)
            self.set_end_date(2013, 10, 7)
            self.add_equity("SPY")

        def on_data(self, data):
            if not self.portfolio.invested:
                self.market_order(Symbol.create("AIG", SecurityType.EQUITY, Market.USA), 100)

    result = run_algorithm(Ordering, data_folder=LEAN, store=tmp_path, parameters={})
    # The last trade was at 41.386147488; LEAN's account ended with 6.76 $ less.
    assert result.order_events[1].fill_price == pytest.approx(41.386147488 / 48.96 * 49.04)


def test_a_schedule_of_the_settings_says_on_which_days_universes_select(folder):
    class Weekly(Base):
        def start(self):
            self.universe_settings.schedule.on(self.date_rules.week_start())
            self.add_universe("MY", Resolution.DAILY, self.choose)
            universe = self.add_universe(
                ScheduledUniverse(
                    self.date_rules.on(datetime(2010, 1, 7)), self.time_rules.at(8, 0), self.late
                )
            )
            # Nothing is selected before its first time.
            assert list(universe.selected) == []
            assert universe.selected.count == 0

        def choose(self, time):
            self.note(f"chosen {time:%d}")
            return ["ZED"]

        def late(self, time):
            self.note(f"late {time:%d %H}")
            return ["ABC"]

    lines = run(folder, Weekly)
    # The scheduled universe selects at Mondays' midnights, UTC, from the first after its own time.
    assert [line for line in lines if "+" not in line] == [
        "04 00 chosen 04",
        "10 19 late 11 00",
        "11 00 chosen 11",
        "17 19 late 18 00",
        "18 00 chosen 18",
    ]


@needs_sample
def test_a_selected_security_is_initialized_before_it_has_subscriptions(tmp_path):
    """Its first price is then the last minute's, not the last day's: LEAN's end of equity."""

    class Alternating(QCAlgorithm):
        def initialize(self):
            self.set_start_date(2014, 3, 24)
            self.set_end_date(2014, 4, 7)
            self.set_cash(50_000)
            self.universe_settings.resolution = Resolution.DAILY
            self.universe_settings.data_normalization_mode = DataNormalizationMode.RAW
            self.set_security_initializer(self.seed)
            self.add_universe("alternating", Resolution.DAILY, self.select)

        def seed(self, security):
            security.set_fee_model(ConstantFeeModel(0))
            for point in self.get_last_known_prices(security):
                security.set_market_price(point)

        def select(self, time):
            return ["AIG", "BAC", "IBM"] if time.day % 2 else ["SPY", "IWM", "QQQ"]

        def on_securities_changed(self, changes):
            for security in changes.removed_securities:
                if security.invested:
                    self.liquidate(security.symbol)
            for security in changes.added_securities:
                self.set_holdings(security.symbol, 0.2)

    result = run_algorithm(Alternating, data_folder=LEAN, store=tmp_path)
    assert result.statistics["End Equity"] == "48726.48"
    assert result.statistics["OrderListHash"] == "4fb8ffbdfd2cce69ac28b0d0992d7198"


class Picks(PythonData):
    """Tickers of a day, known from the next midnight on."""

    source = ""

    def get_source(self, config, date, is_live_mode):
        return SubscriptionDataSource(self.source, SubscriptionTransportMedium.LOCAL_FILE)

    def reader(self, config, line, date, is_live_mode):
        day, *tickers = line.split(",")
        made = Picks()
        made.symbol = config.symbol
        made.time = datetime.strptime(day, "%Y%m%d")
        made.end_time = made.time + timedelta(days=1)
        made["tickers"] = tickers
        return made


def test_a_universe_of_own_data_selects_when_there_is_some(folder, monkeypatch):
    """LEAN begins a day before, and what is known by then comes together at the start."""
    text = "20100101,ZED\n20100102,ZED\n20100103,ABC\n20100106,ABC,ZED\n20100107,ZED\n"
    (folder / "picks.csv").write_text(text)
    monkeypatch.setattr(Picks, "source", str(folder / "picks.csv"))

    class Picking(Base):
        def start(self):
            self.own = self.add_universe(Picks, "own", Resolution.DAILY, self.pick)

        def pick(self, data):
            self.note([ticker for point in data for ticker in point["tickers"]])
            return data[-1]["tickers"]

        def on_end_of_algorithm(self):
            self.lines.append((self.own.symbol.value, type(self.own).__name__))

    assert run(folder, Picking) == [
        "04 00 ['ZED', 'ABC']", "04 00 +ABC -", "07 00 ['ABC', 'ZED']", "07 00 +ZED -",
        "08 00 ['ZED']", "08 00 + -ABC", ("OWN", "FuncUniverse"),
    ]  # fmt: skip


def test_a_universe_of_own_data_selects_equities_at_any_time(folder, monkeypatch):
    (folder / "picks.csv").write_text("20100106,ZED\n")
    monkeypatch.setattr(Picks, "source", str(folder / "picks.csv"))

    class Itself(Base):
        def start(self):
            self.add_universe(Picks, lambda data: [point.symbol for point in data])

    paths = {"data_folder": folder / "data", "store": folder / "store"}
    assert "only equities" in run_algorithm(Itself, **paths).runtime_error

    class Scheduled(Base):
        def start(self):
            self.universe_settings.schedule.on(self.date_rules.month_start())
            self.add_universe(Picks, lambda data: [])

    with pytest.raises(NotImplementedError, match="a schedule of a universe of data"):
        run(folder, Scheduled)


def test_a_universe_that_is_taken_out_gives_up_its_members_at_the_next_step(folder):
    class Taking(Base):
        def start(self):
            self.own = self.add_universe("own", Resolution.DAILY, lambda time: ["ABC", "ZED"])
            self.other = self.add_universe("other", Resolution.DAILY, lambda time: ["ABC"])
            manager = self.universe_manager
            assert manager.remove(self.other.symbol)
            assert not manager.remove(self.other.symbol)

        def on_data(self, data):
            self.note(f"{data.bars.count} {self.own.members.count}")
            if self.time.day == 4:
                member = next(iter(self.own.securities.values()))
                assert member.added == datetime(2010, 1, 4, 5, tzinfo=UTC)
                # Sixteen hours are a day, eleven are none.
                assert self.own.can_remove_member(self.utc_time, member.security)
                early = self.utc_time - timedelta(hours=5)
                assert not self.own.can_remove_member(early, member.security)
                assert self.universe_manager.pop(self.own.symbol) is self.own
                assert self.own.dispose_requested
                with pytest.raises(KeyNotFoundException, match="not found in your universe list"):
                    self.universe_manager[self.own.symbol]

    assert run(folder, Taking) == ["04 00 +ABC,ZED -", "04 16 2 2", "05 00 + -ABC,ZED"]
