"""A small data folder in LEAN's format, and a class to write algorithms of a test with."""

import json
import zipfile
from datetime import date, datetime, timedelta

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday")
HOURS = {
    "entries": {
        "Equity-usa-[*]": {
            "dataTimeZone": "America/New_York",
            "exchangeTimeZone": "America/New_York",
            "sunday": [],
            "saturday": [],
            **{
                day: [
                    {"start": "04:00:00", "end": "09:30:00", "state": "premarket"},
                    {"start": "09:30:00", "end": "16:00:00", "state": "market"},
                    {"start": "16:00:00", "end": "20:00:00", "state": "postmarket"},
                ]
                for day in WEEKDAYS
            },
            "holidays": ["1/1/2010", "1/18/2010"],
            "earlyCloses": {"1/29/2010": "13:00:00"},
            "lateOpens": {},
        }
    }
}


def business_days(start, count):
    """The first `count` days from `start` on that are neither weekend nor holiday."""
    closed = {date(2010, 1, 1), date(2010, 1, 18)}
    days: list[date] = []
    day = start
    while len(days) < count:
        if day.weekday() < 5 and day not in closed:
            days.append(day)
        day += timedelta(days=1)
    return days


def write_folder(root, bars, start=date(2010, 1, 4), factors=None):
    """Write daily bars.

    Args:
        root: the data folder.
        bars: by ticker, rows of (open, high, low, close, volume), a business day each.
        start: first day.
        factors: by ticker, lines of the factor file; a file without events by default.

    Returns:
        The days of the bars.
    """
    (root / "market-hours").mkdir(parents=True)
    (root / "market-hours" / "market-hours-database.json").write_text(json.dumps(HOURS))
    (root / "symbol-properties").mkdir()
    (root / "symbol-properties" / "symbol-properties-database.csv").write_text(
        "market,symbol,type,description,quote_currency,contract_multiplier,"
        "minimum_price_variation,lot_size\nusa,[*],equity,,USD,1,0.01,1\n"
    )
    usa = root / "equity" / "usa"
    for name in ("daily", "map_files", "factor_files"):
        (usa / name).mkdir(parents=True)
    days = business_days(start, max(len(rows) for rows in bars.values()))
    for ticker, rows in bars.items():
        key = ticker.lower()
        text = "".join(
            f"{day:%Y%m%d} 00:00,"
            + ",".join(str(round(price * 10_000)) for price in row[:4])
            + f",{row[4]}\n"
            for day, row in zip(days, rows, strict=False)
        )
        with zipfile.ZipFile(usa / "daily" / f"{key}.zip", "w") as archive:
            archive.writestr(f"{key}.csv", text)
        (usa / "map_files" / f"{key}.csv").write_text(f"{start:%Y%m%d},{key},Q\n20501231,{key},Q\n")
        lines = (factors or {}).get(ticker, f"{start:%Y%m%d},1,1,1\n20501231,1,1,0\n")
        (usa / "factor_files" / f"{key}.csv").write_text(lines)
    return days


def flat(price, count, volume=1_000_000):
    """Rows of bars that never move."""
    return [(price, price, price, price, volume)] * count


def at(day, hour=0, minute=0):
    """A time of a day."""
    return datetime(day.year, day.month, day.day, hour, minute)
