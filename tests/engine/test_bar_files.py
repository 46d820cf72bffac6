"""Rows of LEAN's zips: read exactly, or refused with file, line, field and rule."""

import zipfile
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from engine.common.enums import Resolution, SecurityType, TickType
from engine.feed.bar_files import BarFiles
from engine.market.symbols import Symbol

DAY = datetime(2010, 1, 4)
TRADE = "34200000,1000000,1010000,990000,1005000,500"
QUOTE = "34200000,1000000,1010000,990000,1005000,5,1001000,1011000,991000,1006000,7"


@pytest.fixture
def files(tmp_path):
    """Write a zip, then read the bars of the day from it."""

    def read(name, lines, resolution=Resolution.MINUTE, tick_type=TickType.TRADE):
        path = tmp_path / "equity" / "usa" / name
        path.parent.mkdir(parents=True)
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("bars.csv", "\n".join(lines) + "\n")
        symbol = Symbol.create("ABC", SecurityType.EQUITY, "usa")
        return list(BarFiles(tmp_path).bars(symbol, "ABC", resolution, tick_type, DAY))

    return read


def trades(files, *lines):
    return files("minute/abc/20100104_trade.zip", lines)


def quotes(files, *lines):
    return files("minute/abc/20100104_quote.zip", lines, tick_type=TickType.QUOTE)


def hours(files, *lines):
    return files("hour/abc.zip", lines, Resolution.HOUR)


def test_a_minute_bar_is_read_exactly(files):
    (bar,) = trades(files, TRADE)
    assert (bar.time, bar.period) == (datetime(2010, 1, 4, 9, 30), timedelta(minutes=1))
    prices = (bar.open_exact, bar.high_exact, bar.low_exact, bar.value_exact)
    assert prices == (100, 101, 99, Decimal("100.5"))
    assert bar.volume_exact == 500


def test_a_quote_may_lack_a_side(files):
    full, without_ask = quotes(files, QUOTE, "34260000,1000000,1010000,990000,1005000,5,,,,,")
    assert (full.bid.close_exact, full.ask.close_exact) == (Decimal("100.5"), Decimal("100.6"))
    assert without_ask.ask is None


def test_blank_lines_count_but_are_no_bars(files):
    assert len(trades(files, TRADE, "", TRADE.replace("34200000", "34260000"))) == 2


def test_missing_days_have_no_bars(tmp_path):
    symbol = Symbol.create("ABC", SecurityType.EQUITY, "usa")
    bars = BarFiles(tmp_path).bars(symbol, "ABC", Resolution.MINUTE, TickType.TRADE, DAY)
    assert list(bars) == []


@pytest.mark.parametrize(
    ("read", "lines", "message"),
    [
        (trades, [TRADE, TRADE], r"trade\.zip, line 2: bars must be sorted and unique by time"),
        (trades, [TRADE, "", TRADE.replace("342", "341")], r"line 3: .*sorted.*'34100000' after"),
        (trades, [TRADE.replace("342", "nan")], r"line 1: malformed time; received 'nan00000'"),
        (trades, [TRADE.replace("990000", "nan")], r"line 1: .*low must be a finite number"),
        (trades, [TRADE.replace("1010000", "10")], r"line 1: .*high must be the highest price"),
        (trades, [TRADE.replace(",500", ",")], r"volume must be a finite number; received ''"),
        (quotes, [QUOTE.replace("1001000", "-1")], r"quote\.zip, line 1: .*ask open must be > 0"),
        (quotes, [QUOTE.replace("990000", "")], r"bid low must be a finite number; received ''"),
        (quotes, [QUOTE[:-1] + "-7"], r"ask size must be >= 0; received '-7'"),
        (hours, ["20100104 10:00,1,1,1,1,1", "20100104 09:00,1,1,1,1,1"], r"line 2: .*sorted"),
        (hours, ["20100104 99:00,1,1,1,1,1"], r"hour.abc\.zip, line 1: malformed time"),
        (hours, ["20100104 10:00,1,1,1,1,1", "20190104 10:00,1,1,1,0,1"], r"line 2: .*close must"),
    ],
)
def test_a_malformed_row_is_named(files, read, lines, message):
    with pytest.raises(ValueError, match=message):
        read(files, *lines)
