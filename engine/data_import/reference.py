"""What LEAN must know about the exchange: hours, holidays, price steps."""

from __future__ import annotations

import json
from functools import cache

import exchange_calendars
import pandas as pd

FIRST_DAY, LAST_DAY = "1998-01-01", "2030-12-31"
WEEK = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")


@cache
def nyse() -> exchange_calendars.ExchangeCalendar:
    """NYSE's calendar from `FIRST_DAY` to `LAST_DAY` (future holidays by today's rules)."""
    return exchange_calendars.get_calendar("XNYS", start=FIRST_DAY, end=LAST_DAY)


def sessions() -> pd.DatetimeIndex:
    """NYSE's trading days, naive dates."""
    return nyse().sessions


def sessions_between(first: pd.Timestamp, last: pd.Timestamp) -> pd.DatetimeIndex:
    """Those of them from `first` to `last`, without making the whole calendar."""
    margin = pd.Timedelta(days=14)
    found = exchange_calendars.get_calendar("XNYS", start=first - margin, end=last + margin)
    return found.sessions[(found.sessions >= first) & (found.sessions <= last)]


def market_hours() -> bytes:
    """market-hours-database.json with the entries that US equities and indices need.

    NYSE's holidays and early closes hold for both. Hours are LEAN's: equities 09:30-16:00 New York
    with pre-market from 04:00 and post-market to 20:00; the S&P 500 08:30-15:15 Chicago, where its
    derivatives trade; the NASDAQ Composite 09:30-16:00 New York.
    """
    new_york, chicago = "America/New_York", "America/Chicago"
    regular = _segment("09:30:00", "16:00:00", "market")
    extended = [
        _segment("04:00:00", "09:30:00", "premarket"),
        regular,
        _segment("16:00:00", "20:00:00", "postmarket"),
    ]
    index_day = [_segment("08:30:00", "15:15:00", "market")]
    entries = {
        "Equity-usa-[*]": _entry(new_york, extended),
        "Index-usa-[*]": _entry(chicago, index_day),
        "Index-usa-COMP": _entry(new_york, [regular]),
        "Index-usa-SPX": _entry(chicago, index_day),
    }
    return (json.dumps({"entries": entries}, indent=2) + "\n").encode("ascii")


def _segment(start: str, end: str, state: str) -> dict[str, str]:
    return {"start": start, "end": end, "state": state}


def _entry(time_zone: str, day: list[dict[str, str]]) -> dict[str, object]:
    calendar = nyse()
    weekdays = pd.bdate_range(FIRST_DAY, LAST_DAY)
    closes = {
        _us_date(session): f"{calendar.session_close(session).tz_convert(time_zone):%H:%M:%S}"
        for session in calendar.early_closes
    }
    opens = {
        _us_date(session): f"{calendar.session_open(session).tz_convert(time_zone):%H:%M:%S}"
        for session in calendar.late_opens
    }
    open_on = set(WEEK[1:6])
    return {
        "dataTimeZone": time_zone,
        "exchangeTimeZone": time_zone,
        **{name: day if name in open_on else [] for name in WEEK},
        "holidays": [_us_date(holiday) for holiday in weekdays.difference(calendar.sessions)],
        "earlyCloses": closes,
        "lateOpens": opens,
    }


def _us_date(day: pd.Timestamp) -> str:
    return f"{day.month}/{day.day}/{day.year}"


def symbol_properties() -> bytes:
    """symbol-properties-database.csv: a cent is the smallest step, a share the smallest lot."""
    columns = (
        "market,symbol,type,description,quote_currency,contract_multiplier,minimum_price_variation,"
        "lot_size,market_ticker,minimum_order_size,price_magnifier,strike_multiplier"
    )
    rows = ("usa,[*],equity,,USD,1,0.01,1", "usa,[*],index,,USD,1,0.01,1")
    return "\n".join([columns, "", *rows, ""]).encode("ascii")


def security_database() -> bytes:
    """security-database.csv: translates CUSIP, FIGI and ISIN for LEAN; none are known here."""
    return b"# symbol,cusip,composite figi,sedol,isin,cik\n"
