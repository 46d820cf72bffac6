"""History calls: frames shaped as LEAN's, and never a bar from the future."""

import json
from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from engine.api.algorithm import QCAlgorithm
from engine.common.enums import Resolution
from engine.market.data import TradeBar
from engine.run.runner import run_algorithm
from tests.engine.folder import write_folder

LEAN = Path(__file__).parents[3] / "shared" / "lean"
ADJUSTED = LEAN / "oracle" / "adjusted_prices.json"

needs_sample = pytest.mark.skipif(
    not ADJUSTED.exists(), reason="LEAN's sample data and prices are not in ../shared/lean"
)

ROWS = [(100 + i, 101 + i, 99 + i, 100.5 + i, 1000 + i) for i in range(15)]


class Asking(QCAlgorithm):
    """Asks on the tenth bar."""

    def initialize(self):
        self.set_start_date(2010, 1, 4)
        self.set_end_date(2010, 1, 15)
        self.names = ["ABC", "XYZ"]
        self.symbols = [self.add_equity(name, Resolution.DAILY).symbol for name in self.names]
        self.answers = {}
        self.count = 0

    def on_data(self, data):
        self.count += 1
        if self.count != 6:
            return
        first = self.symbols[0]
        self.answers = {
            "bars": self.history(self.symbols, 3, Resolution.DAILY),
            "span": self.history(self.symbols, timedelta(5), Resolution.DAILY),
            "range": self.history(
                [first], datetime(2010, 1, 5), datetime(2010, 1, 7), Resolution.DAILY
            ),
            "typed": list(self.history[TradeBar](first, 2, Resolution.DAILY)),
            "late": self.history([first], 50, Resolution.DAILY),
            "by_name": self.history(self.symbols, 2).loc["ABC"].close.tolist(),
        }


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("history")
    write_folder(folder / "data", {"ABC": ROWS, "XYZ": ROWS})
    result = run_algorithm(Asking, data_folder=folder / "data", store=folder / "store")
    assert not result.runtime_error
    # Asked at the close of Monday the 11th, the sixth bar.
    return result.algorithm.answers


def test_frames_are_indexed_by_symbol_and_end_time(answers):
    frame = answers["bars"]
    assert frame.index.names == ["symbol", "time"]
    assert list(frame.columns) == ["close", "high", "low", "open", "volume"]
    assert len(frame) == 6
    times = frame.index.get_level_values("time").unique()
    assert list(times) == [pd.Timestamp(2010, 1, day, 16) for day in (7, 8, 11)]
    assert frame["close"].tolist() == [103.5, 104.5, 105.5] * 2
    assert {str(dtype) for dtype in frame.dtypes} == {"float64"}


def test_the_latest_bar_is_the_one_just_closed(answers):
    assert answers["late"]["close"].tolist() == [100.5 + i for i in range(6)]
    assert [bar.close for bar in answers["typed"]] == [104.5, 105.5]


def test_spans_and_ranges(answers):
    assert len(answers["span"]) == 2 * 3  # the 7th, 8th and 11th ended within five days
    days = [time.day for _, time in answers["range"].index]
    assert days == [5, 6]  # a bar that ends after the range's end is not in it


def test_tickers_find_their_rows(answers):
    assert answers["by_name"] == [104.5, 105.5]


@needs_sample
def test_adjusted_prices_are_leans_to_the_last_bit(tmp_path):
    class Adjusted(QCAlgorithm):
        def initialize(self):
            self.set_start_date(2013, 1, 2)
            self.set_end_date(2013, 1, 4)
            symbol = self.add_equity("AAPL", Resolution.DAILY).symbol
            span = datetime(2009, 1, 1), datetime(2013, 1, 1)
            self.prices = self.history(symbol, *span, Resolution.DAILY).loc[symbol]

    result = run_algorithm(Adjusted, data_folder=LEAN / "data", store=tmp_path)
    assert not result.runtime_error
    prices = result.algorithm.prices
    prices.index = prices.index.strftime("%Y-%m-%d")
    seen = json.loads(ADJUSTED.read_text())["bars"]
    assert len(seen) > 100
    for bar in seen:
        row = prices.loc[bar["end"], ["open", "high", "low", "close"]]
        assert [price.hex() for price in row] == bar["ohlc"], bar["end"]


@pytest.mark.parametrize("hour", [9, 17])
def test_on_the_day_of_a_split_no_bar_is_given_twice(tmp_path, hour):
    """A row of Wednesday: the split comes on Thursday, before that day's bar."""

    class Morning(QCAlgorithm):
        def initialize(self):
            self.set_start_date(2010, 1, 14)
            self.set_end_date(2010, 1, 15)
            self.symbol = self.add_equity("ABC", Resolution.DAILY).symbol
            self.answer = None
            day, time = self.date_rules.on(2010, 1, 14), self.time_rules.at(hour, 20)
            self.schedule.on(day, time, self.ask)

        def ask(self):
            self.answer = self.history(self.symbol, 4, Resolution.DAILY)["close"]

    factors = {"ABC": "20100104,1,0.5,1\n20100113,1,0.5,100\n20501231,1,1,0\n"}
    write_folder(tmp_path / "data", {"ABC": ROWS}, factors=factors)
    run = run_algorithm(Morning, data_folder=tmp_path / "data", store=tmp_path / "store")
    days = [time.day for _, time in run.algorithm.answer.index]
    assert days == ([8, 11, 12, 13] if hour == 9 else [11, 12, 13, 14])
