"""Symbols and security identifiers: LEAN's texts, equality and hashing."""

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.common.enums import SecurityType
from engine.market.symbols import SecurityIdentifier, Symbol, encode_base36


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
    with pytest.raises(ValueError, match="received"):
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
