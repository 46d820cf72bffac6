"""Symbols and security identifiers: LEAN's texts, equality and hashing."""

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.common.enums import SecurityType
from engine.market.security_definitions import SecurityDefinitions
from engine.market.symbols import SecurityIdentifier, Symbol, SymbolCache, encode_base36


@pytest.mark.parametrize(
    ("ticker", "listed", "text"),
    [
        ("SPY", datetime(1998, 1, 2), "SPY R735QTJ8XC9X"),
        ("GOOCV", datetime(2014, 3, 27), "GOOCV VP83T1ZUHROL"),
    ],
)
def test_known_identifiers(ticker, listed, text):
    sid = SecurityIdentifier.generate_equity(listed, ticker)
    assert str(sid) == text
    assert SecurityIdentifier.parse(text) == sid
    assert (sid.date, sid.market, sid.security_type) == (listed, "usa", SecurityType.EQUITY)


@given(st.integers(0, 10**18))
def test_base_36_is_pythons(number):
    assert int(encode_base36(number), 36) == number


@pytest.mark.parametrize("text", ["SPY", "SPY r735", "SPY A B"])
def test_malformed_identifiers_are_refused(text):
    with pytest.raises(ValueError, match=r"received|splittable"):
        SecurityIdentifier.parse(text)


def test_dates_before_the_epoch_are_refused():
    with pytest.raises(ValueError, match="1899"):
        SecurityIdentifier.generate_equity(datetime(1800, 1, 1), "SPY")


def test_symbols_are_equal_by_identifier_whatever_their_ticker():
    sid = SecurityIdentifier.parse("GOOCV VP83T1ZUHROL")
    old, new = Symbol(sid, "GOOCV"), Symbol(sid, "GOOG")
    assert old == new
    assert len({old, new}) == 1
    assert new.update_mapped_symbol("GOOGL").value == "GOOGL"


def test_symbols_compare_by_ticker_with_symbols_and_texts():
    spy = Symbol(SecurityIdentifier.parse("SPY R735QTJ8XC9X"), "SPY")
    assert spy >= "AAPL"
    assert spy <= spy
    assert (spy.compare_to("spy"), spy.equals(spy.id), spy.underlying) == (0, True, None)
    assert (str(Symbol.NONE), Symbol.NONE.value) == ("NONE 0", "NONE")


def test_other_names_of_a_security(tmp_path):
    folder = tmp_path / "symbol-properties"
    folder.mkdir()
    line = "AAPL R735QTJ8XC9X,03783310,BBG000B9XRY4,2046251,US0378331005,320193"
    (folder / "security-database.csv").write_text(f"# made up\n{line}\n")
    SymbolCache.start(None, SecurityDefinitions(tmp_path))
    try:
        aapl = Symbol(SecurityIdentifier.parse("AAPL R735QTJ8XC9X"), "AAPL")
        assert (aapl.cusip, aapl.composite_figi, aapl.sedol, aapl.isin, aapl.cik) == (
            "03783310", "BBG000B9XRY4", "2046251", "US0378331005", 320193,
        )  # fmt: skip
        assert SymbolCache.definitions.sids("isin", "us0378331005") == ["AAPL R735QTJ8XC9X"]
        assert Symbol(SecurityIdentifier.parse("IBM R735QTJ8XC9X"), "IBM").cusip is None
    finally:
        SymbolCache.clear()
