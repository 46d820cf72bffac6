"""Universes of LEAN's daily files of all US equities: when they select, and what they are shown."""

import math
from datetime import datetime

import pytest

from engine.common.enums import Resolution, SecurityType
from engine.common.settings import UniverseSettings
from engine.framework import (
    CoarseFundamentalUniverseSelectionModel,
    EmaCrossUniverseSelectionModel,
    ETFConstituentsUniverseSelectionModel,
    FundamentalUniverse,
    FundamentalUniverseSelectionModel,
    Universe,
)
from engine.market.fundamentals import (
    CoarseFundamental,
    ETFConstituentUniverse,
    Fundamental,
    read_line,
)
from engine.market.symbols import Symbol
from engine.run.runner import run_algorithm
from tests.engine.folder import flat, write_folder
from tests.engine.test_universes import Base

FILES = {
    "20100108": [
        "ABC {sid},ABC,100,2000,200000,True,0.5,0.25",
        "ZED {sid},ZED,10,5000,50000,False",
    ],
    "20100111": [
        "ABC {sid},ABC,101,1000,101000,True",
        "a line that is none",
        "ZED {sid},ZED,11,9,99",
    ],
    "20100113": ["ZED {sid},ZED,12,9000,108000,False,1,1"],
}


@pytest.fixture
def folder(tmp_path):
    data = tmp_path / "data"
    write_folder(data, {"ZED": flat(10, 20), "ABC": flat(100, 20)})
    coarse = data / "equity" / "usa" / "fundamental" / "coarse"
    coarse.mkdir(parents=True)
    for day, lines in FILES.items():
        text = "\n".join(line.format(sid="R735QTJ8XC9X") for line in lines)
        (coarse / f"{day}.csv").write_text(text + "\n")
    return tmp_path


class Selecting(Base):
    """From Saturday the 9th to Thursday the 14th."""

    def initialize(self):
        super().initialize()
        self.set_start_date(2010, 1, 9)
        self.set_end_date(2010, 1, 14)

    def choose(self, stocks):
        self.note([stock.symbol.value for stock in stocks])
        return [stock.symbol for stock in stocks]


def run(folder, kind):
    result = run_algorithm(kind, data_folder=folder / "data", store=folder / "store", parameters={})
    return result.algorithm.lines


SELECTED = [
    "09 00 ['ABC', 'ZED']", "09 00 +ABC,ZED -", "12 00 ['ABC', 'ZED']", "13 00 []",
    "13 00 + -ABC,ZED", "14 00 ['ZED']", "14 00 +ZED -",
]  # fmt: skip


@pytest.mark.parametrize(
    "add",
    [
        lambda self: self.add_universe(self.choose),
        lambda self: self.add_universe(FundamentalUniverse.usa(self.choose)),
        lambda self: self.add_universe(CoarseFundamental, "all", Resolution.DAILY, self.choose),
        lambda self: self.add_universe_selection(FundamentalUniverseSelectionModel(self.choose)),
        lambda self: self.set_universe_selection(
            CoarseFundamentalUniverseSelectionModel(self.choose)
        ),
    ],
)
def test_it_selects_at_once_and_after_each_trading_day_also_from_missing_files(folder, add):
    """On Saturday from Friday's file; what lacks a file selects from nothing."""

    class Each(Selecting):
        def start(self):
            add(self)

    assert run(folder, Each) == SELECTED


def test_a_schedule_selects_on_its_days_and_at_once_if_one_was_before(folder):
    class Scheduled(Selecting):
        def start(self):
            rules = self.date_rules
            self.add_universe(rules.on(datetime(2010, 1, 13)), self.choose)
            settings = UniverseSettings(self.universe_settings)
            settings.schedule.on(rules.on(datetime(2010, 1, 8), datetime(2010, 1, 14)))
            self.add_universe(FundamentalUniverse.usa(self.choose, settings))

    chosen = [line for line in run(folder, Scheduled) if "[" in line]
    assert chosen == ["09 00 ['ABC', 'ZED']", "13 00 []", "14 00 ['ZED']"]


def test_what_is_shown_is_the_files(folder):
    class Reading(Selecting):
        def start(self):
            self.add_universe(self.read)

        def read(self, stocks):
            if self.lines:
                return Universe.UNCHANGED
            abc, zed = stocks
            self.lines += [abc, zed]
            return []

    abc, zed = run(folder, Reading)
    assert type(abc) is Fundamental
    assert (abc.price, abc.value, abc.volume, abc.DollarVolume) == (100, 100, 2000, 200000)
    assert (abc.price_factor, abc.split_factor) == (0.5, 0.25)
    assert (abc.price_scale_factor, abc.adjusted_price) == (0.125, 12.5)
    assert (zed.price_scale_factor, zed.adjusted_price) == (1, 10)
    # As LEAN where it has these files only, whatever they say.
    assert not abc.has_fundamental_data
    assert (abc.time, abc.end_time) == (datetime(2010, 1, 8), datetime(2010, 1, 9))
    assert abc.market == "usa"
    assert math.isnan(Fundamental(abc.time, abc.symbol).dollar_volume)
    with pytest.raises(NotImplementedError, match=r"Fundamental\.market_cap is not supported"):
        abc.market_cap  # noqa: B018


def test_a_stock_without_numbers_is_one():
    def read(text):
        stock = read_line(text, datetime(2010, 1, 8), lambda sid, ticker: Symbol.EMPTY)
        return stock.price, stock.volume, stock.dollar_volume, stock.adjusted_price

    assert read("ABC R735QTJ8XC9X,ABC,,,,,,") == (0, 0, 0, 0)
    assert read("ABC R735QTJ8XC9X,ABC,7,,50,False,,1") == (7, 0, 50, 0)
    price, volume, traded, _ = read("ABC R735QTJ8XC9X,ABC,7,100")
    assert (price, volume) == (0, 0)
    assert math.isnan(traded)


def test_ready_made_universes(folder):
    class Ready(Selecting):
        def start(self):
            self.chosen = self.add_universe(self.universe.top(1))

        def on_end_of_algorithm(self):
            self.note(f"{self.chosen.selected.count} {[s.value for s in self.chosen.selected]}")

    lines = run(folder, Ready)
    assert lines == ["09 00 +ABC -", "13 00 + -ABC", "14 00 +ZED -", "15 00 1 ['ZED']"]


def test_the_cross_of_averages_chooses_what_is_farthest_above():
    """Averages of one and of two days: the second is the mean of the first two prices."""
    stocks = {name: Symbol.create(name, SecurityType.EQUITY, "usa") for name in "ABC"}

    def day(number, prices):
        rows = zip(stocks.values(), prices, strict=True)
        time = datetime(2010, 1, number)
        return [Fundamental.of(time, s, ("", "", p, "1", "1")) for s, p in rows]

    model = EmaCrossUniverseSelectionModel(1, 2, 1)
    assert model.select_coarse(None, day(4, ("10", "10", "10"))) == []
    assert model.select_coarse(None, day(5, ("11", "10.1", "20"))) == [stocks["C"]]
    assert model.select_coarse(None, day(6, ("11", "9", "5"))) == [stocks["A"]]


def test_what_there_is_no_data_for_is_refused(folder, tmp_path):
    class Fine(Selecting):
        def start(self):
            self.add_universe(self.choose, self.choose)

    with pytest.raises(NotImplementedError, match=r"add_universe\(coarse, fine\)"):
        run(folder, Fine)
    write_folder(tmp_path / "bare" / "data", {"ABC": flat(10, 5)})

    class Bare(Selecting):
        def start(self):
            self.add_universe(self.choose)

    with pytest.raises(NotImplementedError, match="no files in equity/usa/fundamental/coarse"):
        run(tmp_path / "bare", Bare)


FUND = {
    "20100104": "ABC,ABC R735QTJ8XC9X,20100104,0.25,10,1000.5\nZED,ZED R735QTJ8XC9X,,,,\n\n",
    "20100106": "ZED,ZED R735QTJ8XC9X,20100105,0.5,1,2\n",
}


@pytest.fixture
def fund(folder):
    held = folder / "data" / "equity" / "usa" / "universes" / "etf" / "fun"
    held.mkdir(parents=True)
    for day, text in FUND.items():
        (held / f"{day}.csv").write_text(text)
    return folder


@pytest.mark.parametrize(
    "add",
    [
        lambda self: self.add_universe(self.universe.etf("FUN", self.universe_settings, self.all)),
        lambda self: self.add_universe_selection(
            ETFConstituentsUniverseSelectionModel("FUN", None, self.all)
        ),
    ],
)
def test_what_a_fund_holds_is_selected_the_day_after_each_of_its_files(fund, add):
    class Holding(Selecting):
        def initialize(self):
            super().initialize()
            self.set_start_date(2010, 1, 5)

        def start(self):
            add(self)

        def all(self, held):
            self.note([(one.symbol.value, one.weight, one.shares_held) for one in held])
            self.lines.append(held[0])
            self.zed = held[-1].symbol
            return [one.symbol for one in held]

        def on_data(self, data):
            cache = self.securities[self.zed].cache
            self.note(cache.get_data[ETFConstituentUniverse]().market_value)

    first, abc, *lines = run(fund, Holding)
    assert first == "05 00 [('ABC', 0.25, 10.0), ('ZED', None, None)]"
    assert (abc.last_update, abc.market_value) == (datetime(2010, 1, 4), 1000.5)
    assert (abc.time, abc.end_time) == (datetime(2010, 1, 4), datetime(2010, 1, 5))
    assert [line for line in lines if isinstance(line, str)][:5] == [
        "05 00 +ABC,ZED -", "05 16 None", "06 16 None", "07 00 [('ZED', 0.5, 1.0)]",
        "07 00 + -ABC",
    ]  # fmt: skip


def test_funds_without_files_and_history_of_universes_are_refused(fund):
    class Other(Selecting):
        def start(self):
            self.add_universe(self.universe.etf("ZED"))

    with pytest.raises(NotImplementedError, match="what ZED holds: there are no files"):
        run(fund, Other)

    class Past(Selecting):
        def start(self):
            self.history(self.add_universe(self.universe.etf("FUN")), 1)

    with pytest.raises(NotImplementedError, match="history of a universe"):
        run(fund, Past)
