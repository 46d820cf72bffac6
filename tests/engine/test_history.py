"""History calls: frames shaped as LEAN's, and never a bar from the future."""

import json
import re
import zipfile
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from random import Random

import pandas as pd
import pytest

from engine.api.algorithm import QCAlgorithm
from engine.common.enums import DataNormalizationMode, Resolution, SecurityType, SplitType
from engine.common.net_exceptions import InvalidOperationException
from engine.feed.auxiliary_files import AuxiliaryData
from engine.feed.bar_files import BarFiles
from engine.feed.frames import tickers_in_frames
from engine.feed.history import HistoryProvider
from engine.feed.history_requests import HistoryRequest
from engine.feed.subscriptions import Sources
from engine.market.data import Dividend, QuoteBar, Split, TradeBar
from engine.market.market_hours import MarketHoursDatabase
from engine.market.symbols import Symbol, SymbolCache
from engine.run.runner import run_algorithm
from tests.engine.folder import write_folder

LEAN = Path(__file__).parents[3] / "shared" / "lean"
ADJUSTED = LEAN / "oracle" / "adjusted_prices.json"

needs_sample = pytest.mark.skipif(
    not ADJUSTED.exists(), reason="LEAN's sample data and prices are not in ../shared/lean"
)

MODES = [
    DataNormalizationMode.RAW,
    DataNormalizationMode.ADJUSTED,
    DataNormalizationMode.SPLIT_ADJUSTED,
]
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
            "typed": self.history[TradeBar](first, 2, Resolution.DAILY),
            "slices": self.history(1),
            "late": self.history([first], 50, Resolution.DAILY),
            "by_name": self.history(self.symbols, 2).loc["ABC"].close.tolist(),
        }
        for ticker in ("NEW", ["NEW"]):
            try:
                self.history(ticker, 2, Resolution.DAILY)
            except (InvalidOperationException, NotImplementedError) as error:
                self.answers[f"ticker {ticker}"] = type(error)


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


def test_typed_bars_and_slices_are_leans_sequences(answers):
    typed, slices = answers["typed"], answers["slices"]
    assert (typed.count, len(typed), typed.empty, slices.count) == (2, 2, False, 1)
    assert type(typed).__name__ == "MemoizingEnumerable[TradeBar]"
    assert type(slices).__name__ == "MemoizingEnumerable[Slice]"
    with pytest.raises(TypeError, match="not subscriptable"):
        typed[0]


def test_tickers_that_were_not_added_name_no_symbol(answers):
    assert answers["ticker NEW"] is InvalidOperationException
    assert answers["ticker ['NEW']"] is NotImplementedError


def test_spans_and_ranges(answers):
    assert len(answers["span"]) == 2 * 3  # the 7th, 8th and 11th ended within five days
    days = [time.day for _, time in answers["range"].index]
    assert days == [5, 6]  # a bar that ends after the range's end is not in it


def test_tickers_find_their_rows(answers):
    assert answers["by_name"] == [104.5, 105.5]


def test_a_key_that_no_frame_has_is_told_in_leans_words(answers):
    told = "No key found for either mapped or original key. Mapped Key: "
    for key, names in (("nope", "['nope']; Original Key: ['nope']"), (("a", 1), "[]; Original")):
        with tickers_in_frames(), pytest.raises(KeyError, match=re.escape(told + names)):
            answers["bars"][key]
    with tickers_in_frames(), pytest.raises(KeyError, match=r"Mapped Key: \['NONE'\]"):
        answers["bars"].loc["NONE"]
    with pytest.raises(KeyError, match=r"^'nope'$"):
        answers["bars"]["nope"]


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


def _provider_pair(data, horizon):
    """A provider that keeps columns, and one that reads bar by bar."""
    sources = Sources(BarFiles(data), AuxiliaryData(data))
    SymbolCache.start(lambda t, market: sources.auxiliary.map_files.sid(t, market, horizon))
    return [
        HistoryProvider(sources, partial(bool, strict), lambda: horizon, files_grow=grows)
        for strict in (True, False)
        for grows in (False, True)
    ]


def _facts(point):
    prices = point.open_exact, point.high_exact, point.low_exact, point.value_exact
    texts = [str(number) for number in (*prices, point.volume_exact)]
    return point.time, point.end_time, point.is_fill_forward, point.symbol.value, texts


@pytest.mark.parametrize("seed", range(4))
def test_columns_hold_what_is_read_bar_by_bar(tmp_path, seed):
    """Splits, dividends, a ticker change, gaps and prices that are no whole ten-thousandths."""
    random = Random(seed)
    rows = [(100 + i, 101 + i, 99 + i, 100.5 + i, 1001 + 7 * i) for i in range(40)]
    factors = {"ABC": "20100104,0.9123456,0.25,1\n20100113,0.95,0.5,100\n20501231,1,1,0\n"}
    data = tmp_path / "data"
    write_folder(data, {"ABC": rows, "OLD": rows[:20], "XYZ": rows[:5]}, factors=factors)
    usa = data / "equity" / "usa"
    (usa / "map_files" / "abc.csv").write_text("20100104,old,Q\n20100115,old,Q\n20100225,abc,Q\n")
    with zipfile.ZipFile(usa / "daily" / "xyz.zip", "w") as archive:
        lines = ["20100105 00:00,10000.5,10001,9999,10000,12.5", "20100108 00:00,2,2,2,2,0"]
        archive.writestr("xyz.csv", "\n".join(lines))
    hours = MarketHoursDatabase(data).equity_hours("[*]")
    providers = _provider_pair(data, datetime(2010, 4, 1))
    for _ in range(25):
        start = datetime(2010, 1, 1) + timedelta(minutes=random.randrange(80 * 24 * 60))
        request = HistoryRequest(
            Symbol.create(random.choice(["ABC", "XYZ"]), SecurityType.EQUITY, "usa"),
            TradeBar,
            Resolution.DAILY,
            start,
            start + timedelta(minutes=random.randrange(40 * 24 * 60)),
            random.random() < 0.7,
            random.random() < 0.3,
            random.choice(MODES),
            hours,
        )
        columns, bars, loose, loose_bars = (p.points(request) for p in providers)
        assert [_facts(p) for p in columns] == [_facts(p) for p in bars]
        assert [_facts(p) for p in loose] == [_facts(p) for p in loose_bars]
        frames = [p.frame([request]) for p in providers]
        pd.testing.assert_frame_equal(frames[0], frames[1], check_exact=True)
        # Bars bear the ticker of their day.
        if request.symbol.value == "ABC" and not request.fill_forward:
            for bar in columns:
                assert bar.symbol.value == ("OLD" if bar.time < datetime(2010, 1, 16) else "ABC")


def test_after_a_half_day_a_count_reaches_one_bar_further(tmp_path):
    """LEAN counts whole days back from 13:00, and the bar of that first day ends at 16:00."""

    class Early(QCAlgorithm):
        def initialize(self):
            self.set_start_date(2010, 1, 28)
            self.set_end_date(2010, 1, 29)
            self.symbol = self.add_equity("ABC", Resolution.DAILY).symbol
            self.days = {}

        def on_data(self, data):
            frame = self.history(self.symbol, 2, Resolution.DAILY)
            self.days[self.time] = [time.day for _, time in frame.index]

    rows = [(100, 101, 99, 100, 1000)] * 30
    write_folder(tmp_path / "data", {"ABC": rows})
    run = run_algorithm(Early, data_folder=tmp_path / "data", store=tmp_path / "store")
    seen = run.algorithm.days
    assert seen == {datetime(2010, 1, 28, 16): [27, 28], datetime(2010, 1, 29, 13): [27, 28, 29]}


class _Asked(QCAlgorithm):
    """Asks on its last day; subclasses say what."""

    def initialize(self):
        self.set_start_date(2010, 1, 14)
        self.set_end_date(2010, 1, 15)
        self.symbol = self.add_equity("XYZ", Resolution.DAILY).symbol
        self.other = self.qc_create_symbol("ABC")
        self.answer = None

    def on_data(self, data):
        if self.time.day == 15:
            self.answer = self.ask()


def ask(tmp_path, question, factors=None):
    """What an algorithm is answered on the 15th of January."""
    folder = tmp_path / "data"
    if not folder.exists():
        write_folder(folder, {"ABC": ROWS, "XYZ": [(*row[:4], 0) for row in ROWS]}, factors=factors)
    kind = type("Asked", (_Asked,), {"ask": question})
    run = run_algorithm(kind, data_folder=folder, store=tmp_path / "store")
    assert not run.runtime_error, run.runtime_error
    return run.algorithm.answer


def test_rows_follow_the_request_and_a_column_of_zeros_is_missing(tmp_path):
    def both(self):
        return self.history([self.symbol, self.other], 2, Resolution.DAILY)

    frame = ask(tmp_path, both)
    assert [symbol.value for symbol, _ in frame.index] == ["XYZ", "XYZ", "ABC", "ABC"]
    assert frame.volume.isna().tolist() == [True, True, False, False]
    alone = ask(tmp_path, lambda self: self.history(self.symbol, 2))
    assert list(alone.columns) == ["close", "high", "low", "open"]


def test_events_by_class(tmp_path):
    factors = {"ABC": "20100104,0.9,0.5,1\n20100107,0.9,0.5,110\n20100112,1,0.5,100\n"
               "20100113,1,0.5,50\n20501231,1,1,0\n"}  # fmt: skip
    splits = ask(
        tmp_path, lambda self: self.history[Split](self.other, 9, Resolution.DAILY), factors
    )
    warning, occurred = SplitType.WARNING, SplitType.SPLIT_OCCURRED
    assert [(s.time.day, s.type, s.split_factor) for s in splits] == [
        (13, warning, 0.5), (14, occurred, 0.5),
    ]  # fmt: skip
    span = timedelta(10)
    frame = ask(tmp_path, lambda self: self.history(Dividend, self.other, span, Resolution.DAILY))
    assert list(frame.columns) == ["distribution", "referenceprice", "value"]
    assert frame.distribution.tolist() == [11.0]
    assert [time.day for _, time in frame.index] == [8]


def test_several_symbols_of_a_class_are_dictionaries(tmp_path):
    def several(self):
        return self.history[TradeBar]([self.symbol, self.other], 2, Resolution.DAILY)

    found = ask(tmp_path, several)
    assert [type(item).__name__ for item in found] == ["TradeBars", "TradeBars"]
    assert [[symbol.value for symbol in item.Keys] for item in found] == [["ABC", "XYZ"]] * 2
    assert ask(tmp_path, lambda self: len(list(self.history(3)))) == 3


def test_what_there_is_not_is_refused(tmp_path):
    def quotes(self):
        with pytest.raises(ValueError, match="Requested Type: QuoteBar") as error:
            self.history[QuoteBar](self.symbol, 2, Resolution.DAILY)
        assert self.history(QuoteBar, self.symbol, 2, Resolution.DAILY).empty
        assert self.history(self.symbol, -1, Resolution.DAILY).empty
        with pytest.raises(NotImplementedError, match="resolution=Tick"):
            self.history(self.symbol, 2, Resolution.TICK)
        with pytest.raises(TypeError, match="start"):
            self.history(self.symbol, datetime(2010, 1, 4))
        with pytest.raises(NotImplementedError, match="history of Tick"):
            self.history["Tick"](self.symbol, 2)
        ratio = DataNormalizationMode.BACKWARDS_RATIO
        with pytest.raises(ValueError, match="out of the range of valid values") as mode:
            self.history(self.symbol, 2, data_normalization_mode=ratio)
        assert type(mode.value).__name__ == "ArgumentOutOfRangeException"
        return type(error.value).__name__

    assert ask(tmp_path, quotes) == "ArgumentException"


def test_scaled_raw_prices_are_those_of_the_end(tmp_path):
    factors = {"ABC": "20100104,1,0.25,1\n20100106,1,0.25,1\n20100113,1,0.5,100\n20501231,1,1,0\n"}

    def scaled(self):
        span = datetime(2010, 1, 5), datetime(2010, 1, 9)
        mode = DataNormalizationMode.SCALED_RAW
        return self.history(self.other, *span, Resolution.DAILY, data_normalization_mode=mode)

    # Up to the 6th the shares were twice those of the 8th, which is raw.
    assert ask(tmp_path, scaled, factors).close.tolist() == [50.75, 51.25, 103.5, 104.5]


def test_last_known_prices(tmp_path):
    def known(self):
        one = self.get_last_known_price(self.symbol)
        found = self.get_last_known_prices([self.symbol, self.other])
        return one.end_time, one.close, [key.value for key in found.keys()]  # noqa: SIM118

    assert ask(tmp_path, known) == (datetime(2010, 1, 15, 16), 109.5, ["ABC", "XYZ"])
