"""A warm-up that has a resolution of its own."""

import zipfile
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from engine.api.algorithm import QCAlgorithm
from engine.common.enums import Resolution, SecurityType
from engine.common.net_exceptions import KeyNotFoundException
from engine.indicators import Field, PythonIndicator, SimpleMovingAverage
from engine.market.symbols import Market, Symbol
from engine.run.runner import run_algorithm
from tests.engine.folder import flat, write_folder


@pytest.fixture
def folder(tmp_path):
    """Daily bars at 100 from January 4, minutes of January 12 at 50 and of 13 at 51."""
    write_folder(tmp_path / "data", {"ABC": flat(100, 20), "DEF": flat(10, 20)})
    minutes = tmp_path / "data" / "equity" / "usa" / "minute" / "abc"
    minutes.mkdir(parents=True)
    for day, price in ((12, 50), (13, 51)):
        for kind, sides in (("trade", 1), ("quote", 2)):
            side = f"{price}0000," * 4 + "10"
            rows = [f"{minute * 60_000},{','.join([side] * sides)}" for minute in (570, 571, 959)]
            name = f"201001{day}_{kind}"
            with zipfile.ZipFile(minutes / f"{name}.zip", "w") as archive:
                archive.writestr(f"{name}.csv", "\n".join(rows) + "\n")
    return tmp_path


def test_fields_of_quotes_read_quotes_where_lean_asks_for_them(folder):
    class Quoted(QCAlgorithm):
        def initialize(self):
            self.set_start_date(2010, 1, 13)
            self.set_end_date(2010, 1, 13)
            abc = self.add_equity("ABC", Resolution.MINUTE).symbol
            self.ask = self.sma(abc, 2, Resolution.MINUTE, Field.ASK_PRICE)
            # LEAN registers with trades, of which the field of quotes gives the value.
            self.own = SimpleMovingAverage(2)
            self.register_indicator(abc, self.own, Resolution.MINUTE, Field.ASK_PRICE)
            minute, mean = Resolution.MINUTE, SimpleMovingAverage(2)
            self.past = self.indicator_history(mean, abc, timedelta(1), minute, Field.BID_HIGH)

    result = run_algorithm(
        Quoted, data_folder=folder / "data", store=folder / "store", parameters={}
    )
    algorithm = result.algorithm
    inputs = [
        next(iter(one.consolidators)).input_type.__name__ for one in (algorithm.ask, algorithm.own)
    ]
    assert inputs == ["QuoteBar", "TradeBar"]
    assert (algorithm.ask.current.value, algorithm.own.current.value) == (51, 51)
    *_, point = algorithm.past
    assert algorithm.past.current.count == algorithm.past.count > 1
    assert str(point) == "01/12/2010 16:00:00 current: 50, rollingsum: 100"
    assert (point.price, str(point.symbol), point["RollingSum"].value) == (50, "", 100)
    with pytest.raises(KeyNotFoundException, match="'nope' does not exist"):
        point["Nope"]


@pytest.mark.parametrize("named", [{"bar_count": 3}, {"time_span": timedelta(days=5)}])
def test_minute_data_warms_up_on_daily_bars(folder, named):
    class Warming(QCAlgorithm):
        def initialize(self):
            self.set_start_date(2010, 1, 13)
            self.set_end_date(2010, 1, 13)
            symbol = self.add_equity("ABC", Resolution.MINUTE).symbol
            self.add_equity("DEF", Resolution.DAILY)
            self.mean = self.sma(symbol, 2, Resolution.DAILY)
            self.set_warm_up(resolution=Resolution.DAILY, **named)
            self.seen = []
            self.repeated = 0

        def on_data(self, data):
            bar = data.bars["ABC"]
            quotes = len(data.quote_bars)
            self.repeated += self.time.day == 13 and data.bars.contains_key("DEF")
            self.seen.append((self.time, bar.period, bar.close, quotes, self.mean.samples))

    result = run_algorithm(
        Warming, data_folder=folder / "data", store=folder / "store", parameters={}
    )
    seen = result.algorithm.seen
    session = timedelta(hours=6.5)
    assert seen[-393:-390] == [
        (datetime(2010, 1, day, 16), session, 100, 0, n) for day, n in ((8, 1), (11, 2), (12, 3))
    ]
    # From the start on minutes, and gaps filled at minutes.
    assert len(seen) == 393
    assert seen[3] == (datetime(2010, 1, 13, 9, 31), timedelta(minutes=1), 51, 1, 3)
    assert seen[-1][0] == datetime(2010, 1, 13, 16)
    assert seen[-1][4] == 4
    # The daily bars' gaps, too: 389 times the 12th's and then the 13th's.
    assert result.algorithm.repeated == 390


LEAN = Path(__file__).parents[3] / "shared" / "lean" / "data"


@pytest.mark.skipif(not LEAN.exists(), reason="LEAN's data are not in ../shared/lean")
def test_indicators_of_symbols_that_were_not_added_are_warmed_up_to_the_bar_that_ends_now(tmp_path):
    class Bare(PythonIndicator):
        def __init__(self):
            self.value = 0

        def update(self, point):
            self.value = point.value
            return True

    class Warming(QCAlgorithm):
        def initialize(self):
            self.set_start_date(2013, 10, 11)
            self.set_end_date(2013, 10, 11)
            ibm = Symbol.create("IBM", SecurityType.EQUITY, Market.USA)
            self.average = SimpleMovingAverage(100)
            self.warm_up_indicator(ibm, self.average, timedelta(minutes=60))
            self.samples = self.average.samples
            self.until = self.average.current.end_time
            self.warm_up_indicator(ibm, self.average, Resolution.DAILY)
            self.values = self.indicator_history(Bare(), ibm, timedelta(days=2), Resolution.DAILY)
            days = datetime(2013, 10, 8), datetime(2013, 10, 11)
            self.volumes = [
                self.indicator_history(Bare(), ibm, *days, *rest, selector=lambda bar: bar)
                for rest in ((), (Resolution.DAILY,))
            ]
            self.volumes.append(
                self.indicator_history(Bare(), {ibm: 1}.keys(), *days, resolution=Resolution.DAILY)
            )
            self.added = self.securities.contains_key(ibm)

    algorithm = run_algorithm(Warming, data_folder=LEAN, store=tmp_path, parameters={}).algorithm
    # LEAN's own tests have a ready average of 100; a resolution begins it anew.
    assert (algorithm.samples, algorithm.until) == (100, datetime(2013, 10, 10, 16))
    assert (algorithm.average.samples, algorithm.added) == (100, False)
    assert len(algorithm.values.data_frame) == 2
    assert [len(one.data_frame) for one in algorithm.volumes[1:]] == [3, 3]
