"""Slices and their dictionaries: what is listed how, what is refused, what points print."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from engine.api.pandas_converter import PandasConverter
from engine.common.enums import SecurityType, SplitType
from engine.common.net_exceptions import (
    InvalidOperationException,
    KeyNotFoundException,
    NotSupportedException,
)
from engine.feed.custom_data import PythonData
from engine.market.data import Bar, Dividend, QuoteBar, Split, TradeBar
from engine.market.slices import Slice, TradeBars
from engine.market.symbols import Market, SecurityIdentifier, Symbol, SymbolCache

NOW = datetime(2013, 10, 7, 9, 31)


class Signal(PythonData):
    """A user's class of data."""


@pytest.fixture
def symbols():
    SymbolCache.start(None)
    made = [Symbol.create(t, SecurityType.EQUITY, Market.USA) for t in ("SPY", "AIG", "IBM")]
    for symbol in made:
        SymbolCache.set(symbol.value, symbol)
    yield made
    SymbolCache.clear()


def bar(symbol, close="144.7558"):
    prices = [Decimal(p) for p in ("144.7644", "145.64635", "144.6088", close)]
    return TradeBar(NOW, symbol, *prices, Decimal(94247874), timedelta(minutes=1))


@pytest.fixture
def data(symbols):
    spy, aig, ibm = symbols
    quote = QuoteBar(NOW, ibm, Bar(1, 1, 1, 1), 5, Bar(3, 3, 3, 3), 7)
    points = [bar(spy), quote, Dividend(aig, NOW, Decimal("0.10"), 40), bar(aig)]
    return Slice(NOW, points, datetime(2013, 10, 7, 13, 31))


def test_symbols_come_by_ticker_and_quotes_stand_apart(data):
    assert [symbol.value for symbol in data.keys()] == ["AIG", "SPY"]  # noqa: SIM118
    assert [symbol.value for symbol in data.bars.keys()] == ["AIG", "SPY"]  # noqa: SIM118
    assert [symbol.value for symbol in data.Keys] == ["AIG", "SPY"]
    assert data.count == len(data) == 2
    assert "IBM" not in data
    assert "IBM" in data.quote_bars
    assert data.quote_bars["IBM"].close == 2


def test_a_class_of_data_in_brackets_or_as_an_argument(data):
    assert data.get[TradeBar]()["SPY"] is data.get(TradeBar)["SPY"] is data["SPY"]
    assert data.get[QuoteBar]("IBM").close == data.Get[QuoteBar]()["IBM"].close == 2
    assert data.get[Split]().count == 0
    assert data.get("IBM") is None
    with pytest.raises(KeyNotFoundException):
        data.get[TradeBar]("IBM")


def test_times(data):
    assert data.time == NOW
    assert data.utc_time == datetime(2013, 10, 7, 13, 31, tzinfo=UTC)
    assert data.bars.time == NOW


def test_a_symbol_with_nothing_but_an_event_has_no_price(symbols):
    data = Slice(NOW, [Dividend(symbols[0], NOW, 1, 40)])
    assert "SPY" in data
    assert data.count == 1
    assert data["SPY"] is None
    assert data.get("SPY") is None
    assert data.values() == []
    assert list(data) == []


def test_pairs_have_dotnet_names(data):
    assert [type(pair).__name__ for pair in data.bars] == ["KeyValuePair[Symbol,TradeBar]"] * 2
    assert [type(pair).__name__ for pair in data.quote_bars] == ["KeyValuePair[Symbol,QuoteBar]"]
    assert [pair.key.value for pair in data] == ["AIG", "SPY"]


def test_missing_keys(data, symbols):
    for key in ("XYZ", symbols[2]):
        with pytest.raises(KeyNotFoundException) as error:
            data[key]
        assert isinstance(error.value, KeyError)
        assert data.get(key) is None
    with pytest.raises(KeyNotFoundException, match="'IBM' wasn't found in the TradeBars object"):
        data.bars["IBM"]
    assert data.bars.try_get_value("IBM") == (False, None)


def test_a_slice_is_read_only(data, symbols):
    with pytest.raises(NotSupportedException):
        data["SPY"] = 1
    for call in (data.clear, lambda: data.pop("SPY"), lambda: data.update({})):
        with pytest.raises(InvalidOperationException):
            call()
    assert data.pop("IBM", 3) == 3


def test_points_of_a_class(data):
    assert data.get(TradeBar) is data.bars
    assert data.get(Dividend, "AIG").distribution == 0.1
    assert data.get(Split).count == 0


def test_an_empty_slice_keeps_to_itself(symbols):
    first, second = Slice(NOW), Slice(NOW)
    first.add(bar(symbols[0]))
    assert second.bars.count == 0
    assert not second.has_data


def test_dictionaries_can_be_made(symbols):
    bars = TradeBars(NOW)
    bars.add(symbols[0], bar(symbols[0]))
    bars[symbols[1]] = bar(symbols[1])
    assert bars.remove("SPY")
    assert not bars.remove("SPY")
    assert [str(key) for key in bars.copy()] == ["AIG"]


def test_points_print_as_leans(symbols):
    spy = symbols[0]
    text = "SPY: O: 144.7644 H: 145.6464 L: 144.6088 C: 144.7558 V: 94247874"
    assert str(bar(spy)) == text
    assert str(Dividend(spy, NOW, Decimal("0.10"), Decimal("40.5"))) == "Dividend: SPY: 0.10 | 40.5"
    warning = Split(spy, NOW, Decimal(0), Decimal("0.5"), SplitType.WARNING)
    assert str(warning) == "Split Warning: SPY: 0.5 | 0"


def test_an_empty_bar_takes_its_first_price_for_all(symbols):
    made = TradeBar()
    made.close = 5
    made.update(7, volume=3)
    assert (made.open, made.high, made.low, made.close, made.volume) == (5, 7, 5, 7, 3)
    copy = TradeBar(made)
    copy.close = 1
    assert made.close == 7
    made.update_trade(4, 2)
    assert (made.high, made.low, made.close, made.volume) == (7, 4, 4, 5)


def test_a_quotes_updates_are_its_value(symbols):
    quote = QuoteBar(NOW, symbols[0])
    quote.update_bid(5, 1)
    quote.update_ask(6, 2)
    assert (quote.bid.close, quote.ask.close, quote.value, quote.last_ask_size) == (5, 6, 6, 2)
    quote.update_quote(4, 3, 0, 0)
    assert (quote.bid.low, quote.value, quote.last_bid_size) == (4, 4, 3)
    quote.update_trade(9, 1)
    assert (quote.value, quote.close) == (9, 5)
    assert (quote.clone().value, quote.clone().close) == (9, 5)
    quote.value = 7
    assert (quote.value, quote.price, quote.close) == (7, 7, 5)
    assert quote.equals(quote)


def test_frames_of_points_are_those_of_history(symbols):
    later = TradeBar(NOW + timedelta(minutes=1), symbols[1], 3, 4, 2, 3, 50)
    get_data_frame = PandasConverter().get_data_frame
    frame = get_data_frame[TradeBar]([bar(symbols[0]), later], force_multi_value_symbol=True)
    assert list(frame.columns) == ["close", "high", "low", "open", "volume"]
    assert [symbol.value for symbol in frame.index.get_level_values("symbol")] == ["SPY", "AIG"]
    assert frame.loc[symbols[1]].volume.tolist() == [50]
    with pytest.raises(NotImplementedError, match="symbol_only_index"):
        get_data_frame([later], symbol_only_index=True)
    with pytest.raises(NotImplementedError, match="force_multi_value_symbol=True"):
        get_data_frame[TradeBar]([bar(symbols[0]), later])
    with pytest.raises(TypeError, match="'int' value cannot be converted"):
        get_data_frame([3])


def test_frames_of_slices_have_custom_data_and_the_kind_that_is_asked_for(symbols):
    own = Signal()
    own.symbol = Symbol(SecurityIdentifier.generate_base("OWN.Signal"), "OWN")
    own.time, own.value = NOW, 3
    quote = QuoteBar(NOW, symbols[0])
    quote.update_bid(5, 1)
    get_data_frame = PandasConverter().get_data_frame
    slices = [Slice(NOW, [bar(symbols[0]), quote, Dividend(symbols[0], NOW, 1, 40), own])]
    both = get_data_frame(slices)
    assert sorted(symbol.value for symbol in both.index.get_level_values("symbol").unique()) == [
        "OWN",
        "SPY",
    ]
    assert both.loc[own.symbol].value.tolist() == [3]
    assert {"volume", "bidclose"} <= set(both.columns)
    assert "bidclose" not in get_data_frame(slices, data_type=TradeBar).columns
    assert "volume" not in get_data_frame(slices, False, QuoteBar).columns
    paid = get_data_frame(slices, data_type=Dividend)
    assert paid.loc[symbols[0]].distribution.tolist() == [1]
    assert "close" not in paid.columns


def test_the_getters_of_net_and_copies_of_some(data, symbols):
    spy, _, ibm = symbols
    assert [symbol.value for symbol in data.get_keys()] == ["AIG", "SPY"]
    assert [point.symbol.value for point in data.get_values()] == ["AIG", "SPY"]
    assert data.fromkeys([spy, ibm], 5) == {spy: data["SPY"], ibm: 5}
    assert data.bars.fromkeys(["SPY"], None) == {spy: data["SPY"]}
    with pytest.raises(InvalidOperationException, match="Remove/pop"):
        data.remove(spy)
    assert str(data) == "QuantConnect.Data.Slice"
    assert str(data.bars) == "QuantConnect.Data.Market.TradeBars"
