"""Bars that are appended to files while a run goes on, on a simulated machine."""

import contextlib
import json
import sqlite3
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest

from engine.common.clock import NEW_YORK, from_utc, to_utc
from engine.common.enums import Resolution
from engine.live import clock
from engine.live.arrivals import Prices
from engine.live.corporate import Told
from engine.live.folder import FolderFeed
from engine.live.session import LEAN_PAPER, PAPER, Options, run_project
from engine.live.state import DATABASE, AccountStore
from engine.live.status import told
from engine.market.market_hours import MarketHoursDatabase
from tests.engine.folder import business_days, write_folder
from tests.engine.live.machine import BUYING, SimulatedMachine

DAYS = business_days(datetime(2010, 1, 4).date(), 25)
ROWS = [(100 + i, 103 + i, 99 + i, 101 + i, 1000) for i in range(25)]
HEADER = "date,open,high,low,close,volume\n"


def line(i, **changed):
    cells = dict(zip(("open", "high", "low", "close", "volume"), ROWS[i], strict=True)) | changed
    return ",".join([f"{DAYS[i]}", *map(str, cells.values())]) + "\n"


class Watched:
    """A folder feed, its clock and what it tells."""

    def __init__(self, root):
        write_folder(root / "data", {"OTHER": [(1, 1, 1, 1, 1)]})
        self.folder = root / "feed"
        self.folder.mkdir()
        self.now = to_utc(datetime(2010, 1, 15, 20), NEW_YORK)
        self.told = []
        hours = MarketHoursDatabase(root / "data").equity_hours
        self.feed = FolderFeed(self.folder, hours, lambda: self.now, self.told.append, {})

    def write(self, name, text, mode="a"):
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        with open(path, mode, encoding="utf-8", newline="") as file:
            file.write(text)

    def days(self, ticker="ABC"):
        found = self.feed.bars.between(ticker, Resolution.DAILY, datetime.min, datetime.max)
        return {start.day: float(row.close) for start, row in found}

    def minutes(self, ticker="ABC"):
        found = self.feed.bars.between(ticker, Resolution.MINUTE, datetime.min, datetime.max)
        return {f"{start:%d %H:%M}": row for start, row in found}


@pytest.fixture
def watched(tmp_path):
    return Watched(tmp_path)


def test_rows_that_are_appended_are_read_once(watched):
    watched.write("abc.csv", HEADER + line(0) + line(1))
    watched.feed.want("ABC")
    assert watched.days() == {4: 101, 5: 102}
    assert not watched.feed.poll()
    watched.write("abc.csv", line(2))
    assert watched.feed.poll()
    assert watched.days() == {4: 101, 5: 102, 6: 103}
    assert watched.told == []


def test_a_half_written_line_is_waited_for(watched):
    watched.write("ABC.csv", HEADER + line(0) + line(1)[:-7])
    watched.feed.want("ABC")
    assert watched.days() == {4: 101}
    assert not watched.feed.poll()
    watched.now += timedelta(minutes=2)
    watched.feed.poll()
    watched.feed.poll()
    assert [text.partition("ABC.csv")[2] for text in watched.told] == [
        ": the last line has no end; it is waited for"
    ]
    watched.write("ABC.csv", line(1)[-7:])
    assert watched.feed.poll()
    assert watched.days() == {4: 101, 5: 102}


def test_late_repeated_and_corrected_rows_are_taken_and_told(watched):
    watched.write("ABC.csv", HEADER + line(0) + line(2))
    watched.feed.want("ABC")
    watched.write("ABC.csv", line(1) + line(2) + line(0, close=100.5))
    assert watched.feed.poll()
    assert watched.days() == {4: 100.5, 5: 102, 6: 103}
    assert [text.partition("ABC.csv, ")[2] for text in watched.told] == [
        "line 6: the bar of 2010-01-04 is corrected (close 101 to 100.5); history has it from now "
        "on, what was done before stays",
        "line 4: the bar of 2010-01-05 came after that of 2010-01-06: it is late, or out of order",
        "line 5: the bar of 2010-01-06 came twice",
    ]


def test_a_file_that_is_replaced_is_read_anew(watched):
    watched.write("ABC.csv", HEADER + line(0) + line(1))
    watched.feed.want("ABC")
    watched.write("ABC.csv", HEADER + line(0) + line(1, close=102.5) + line(2), "w")
    assert watched.feed.poll()
    assert watched.days() == {4: 101, 5: 102.5, 6: 103}
    (told,) = watched.told
    assert "line 3: the bar of 2010-01-05 is corrected (close 102 to 102.5)" in told


@pytest.mark.parametrize(
    ("row", "rule"),
    [
        ("2010-01-05,1,2,0.5,x,7", "close must be a finite number; received 'x'"),
        ("2010-01-05,1,2,0.5,3,7", "high must be the highest price; received '2'"),
        ("2010-01-05,1,2,1.5,1.5,7", "low must be the lowest price; received '1.5'"),
        ("2010-01-05,-1,2,0.5,1,7", "open must be > 0: prices are positive; received '-1'"),
        ("2010-01-05,1,2,0.5,1,-7", "volume must be >= 0; received '-7'"),
        ("2010-01-05,1,2", "low must be a finite number; received ''"),
        ("5.1.2010,1,2,0.5,1,7", "date must read yyyy-MM-dd or yyyyMMdd, HH:mm behind it for a "),
        ("2010-01-05 10:00:30,1,2,0.5,1,7", "date must be a whole minute; received '2010-01-05 "),
        ("2010-01-09,1,2,0.5,1,7", "date must be a day on which the exchange is open; received "),
        ("2010-01-19,1,2,0.5,1,7", "date must not be in the future; received 2010-01-19"),
    ],
)
def test_a_bad_row_is_named_and_skipped(watched, row, rule):
    watched.write("ABC.csv", HEADER + line(0) + row + "\n" + line(2))
    watched.feed.want("ABC")
    assert watched.days() == {4: 101, 6: 103}
    (told,) = watched.told
    assert told.startswith(f"feed: {watched.folder / 'ABC.csv'}, line 3: {rule}")
    assert told.endswith(": the row is skipped")


def test_many_bad_rows_are_counted(watched):
    watched.write("ABC.csv", HEADER + line(0) + "x\n" * 30)
    watched.feed.want("ABC")
    assert len(watched.told) == 6
    assert watched.told[-1].endswith("25 more of this kind")


def test_a_file_without_a_column_is_skipped_until_it_is_changed(watched):
    watched.write("ABC.csv", "date,open,high,low\n2010-01-04,1,1,1\n")
    watched.feed.want("ABC")
    watched.feed.poll()
    assert "the header must name date, open, high, low, close" in watched.told[0]
    assert "without close: the file is skipped until it is changed" in watched.told[0]
    assert len(watched.told) == 2
    watched.write("ABC.csv", HEADER + line(0), "w")
    assert watched.feed.poll()
    assert watched.days() == {4: 101}


@pytest.mark.parametrize(("minutes", "count"), [(60, 3), (30, 4), (5, 6), (1440, 3)])
def test_bars_longer_than_a_minute_are_refused(watched, minutes, count):
    """Hourly rows, and days that are stamped with a time, are no minutes."""
    first = datetime(2010, 1, 4, 9, 30)
    rows = [f"{first + timedelta(minutes=minutes * i)},1,2,0.5,1,7\n" for i in range(count)]
    watched.write("ABC.csv", HEADER + "".join(rows))
    watched.feed.want("ABC")
    assert watched.minutes() == {}
    assert (
        f"ABC.csv: its rows are {minutes} minutes apart; rows with a time of day"
        in (watched.told[0])
    )
    watched.write("ABC.csv", "2010-01-08 09:31,1,2,0.5,1,7\n2010-01-08 09:32,1,2,0.5,1,7\n")
    watched.feed.poll()
    watched.feed.poll()
    assert "bars of a minute after all" in watched.told[-1]
    assert len(watched.minutes()) == count + 2


def test_leans_daily_and_minute_columns(watched):
    watched.write("abc.csv", "20100104 00:00,1000000,1030000,990000,1010000,1000\n")
    watched.write("abc/20100105_trade.csv", "34200000,1015000,1020000,1010000,1020000,70\n")
    watched.feed.want("ABC")
    assert watched.days() == {4: 101}
    expected = Prices(*map(Decimal, ("101.5", "102", "101", "102", "70")))
    assert watched.minutes() == {"05 09:30": expected}


def test_columns_in_any_order_and_times_with_an_offset(watched):
    watched.write(
        "ABC.csv",
        "Volume,Close,Low,High,Open,Time\n"
        "7,1.5,1,2,1,2010-01-04T14:30:00+00:00\n"
        "7,1.5,1,2,1,2010-01-04T00:00:00+00:00\n",
    )
    watched.write("XYZ.csv", ",open,high,low,close\n2010-01-05,1,2,1,2\n")
    watched.feed.want("XYZ")
    assert watched.days("XYZ") == {5: 2}
    watched.feed.want("ABC")
    assert list(watched.minutes()) == ["04 09:30"]
    assert watched.days() == {4: 1.5}


def test_events_are_read_and_corrections_told(watched):
    watched.write("events.csv", "date,symbol,split,dividend\n2010-01-12,abc,3/2,\n")
    watched.write("ABC.csv", HEADER + line(0))
    watched.feed.want("ABC")
    watched.write("events.csv", "2010-01-15,ABC,,0.25\n2010-01-19,ABC,0,\n")
    watched.feed.poll()
    assert watched.feed.actions.of("ABC") == {
        datetime(2010, 1, 12).date(): Told(split=Fraction(3, 2)),
        datetime(2010, 1, 15).date(): Told(dividend=Decimal("0.25")),
    }
    assert [text.partition("events.csv, ")[2] for text in watched.told] == [
        "line 4: split must be new shares for one old, > 0; received '0': the row is skipped",
    ]
    watched.write("events.csv", "2010-01-15,ABC,,0.3\n")
    watched.feed.poll()
    assert watched.told[-1].endswith(
        "line 5: the event of ABC of 2010-01-15 is corrected: history follows it, cash and "
        "positions keep what was booked"
    )


def test_split_and_dividend_of_a_day_may_be_two_rows(watched):
    """What a row leaves empty stays; a file that was changed above its end begins anew."""

    def told():
        watched.feed.poll()
        of = watched.feed.actions.of("ABC")[datetime(2010, 1, 12).date()]
        return of.split, of.dividend, len([text for text in watched.told if "corrected" in text])

    watched.write("ABC.csv", HEADER + line(0))
    watched.write("events.csv", EVENT + "2010-01-12,ABC,2,\n2010-01-12,ABC,,0.5\n")
    watched.feed.want("ABC")
    assert told() == (2, Decimal("0.5"), 0)
    watched.write("events.csv", "2010-01-12,ABC,1,\n")
    assert told() == (1, Decimal("0.5"), 1)
    watched.write("events.csv", "2010-01-12,ABC,3,\n2010-01-12,ABC,,0.25\n2010-01-12,ABC,,0.5\n")
    assert told() == (3, Decimal("0.5"), 1)
    watched.write("events.csv", EVENT + "2010-01-12,ABC,,0.5\n", "w")
    assert told() == (1, Decimal("0.5"), 2)


def test_parquet_without_pyarrow_is_refused_with_the_remedy(watched, monkeypatch):
    import pandas as pd

    def lacking(path):
        raise ImportError("no pyarrow")

    monkeypatch.setattr(pd, "read_parquet", lacking)
    watched.write("ABC.parquet", "PAR1")
    watched.feed.want("ABC")
    assert "needs pyarrow to be read: pip install -r requirements/live.txt" in watched.told[0]


def test_parquet(watched):
    pytest.importorskip("pyarrow", reason="pyarrow is not installed (requirements/live.txt)")
    import pandas as pd

    def frame(count):
        columns = ("open", "high", "low", "close", "volume")
        index = pd.DatetimeIndex(DAYS[:count], name="date")
        return pd.DataFrame(ROWS[:count], columns=columns, index=index)

    path = watched.folder / "ABC.parquet"
    frame(2).to_parquet(path)
    watched.feed.want("ABC")
    assert watched.days() == {4: 101, 5: 102}
    whole = frame(3).reset_index()
    whole.to_parquet(path)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    assert not watched.feed.poll()
    path.write_bytes(content)
    assert watched.feed.poll()
    assert watched.days() == {4: 101, 5: 102, 6: 103}
    assert watched.told == []


def test_times_without_a_name_and_single_precision(watched, monkeypatch):
    """A frame as pandas makes it of a download."""
    import pandas as pd

    times = pd.DatetimeIndex(["2010-01-04 14:30", "2010-01-04 14:31"], tz="UTC")
    prices = {name: [2.1, 2.3] for name in ("Open", "High", "Low", "Close")}
    frame = pd.DataFrame(prices, index=times, dtype="float32")
    monkeypatch.setattr(pd, "read_parquet", lambda path: frame.copy())
    watched.write("ABC.parquet", "PAR1")
    watched.feed.want("ABC")
    assert {when: str(row.close) for when, row in watched.minutes().items()} == {
        "04 09:30": "2.1",
        "04 09:31": "2.3",
    }
    assert watched.told == []


# A run ----------------------------------------------------------------------------------------


class Run:
    """A project that trades on a folder, on a simulated machine."""

    def __init__(self, root, monkeypatch):
        self.root = root
        self._monkeypatch = monkeypatch
        write_folder(root / "data", {"OTHER": [(1, 1, 1, 1, 1)]})
        self.feed = root / "feed"
        self.feed.mkdir()
        (root / "main.py").write_text(BUYING)
        self.runs = 0

    def append(self, text, name="ABC.csv"):
        with open(self.feed / name, "a", encoding="utf-8") as file:
            file.write(text)

    def trade(self, start, end, events=(), brokerage=PAPER):
        """The log's lines from one New York time to the end of another's day."""
        self.runs += 1
        results = self.root / "live" / f"run {self.runs}"
        results.mkdir(parents=True)
        script = [(when, lambda what=what: what()) for when, what in events]
        machine = SimulatedMachine(start, script)
        self.machine = machine
        self._monkeypatch.setattr(clock, "Machine", lambda: machine)
        options = Options(
            data_folder=self.root / "data",
            store=self.root / "storage",
            state=self.root / "live" / "state",
            results=results,
            first=None,
            last=end,
            feed="folder",
            feed_folder=self.feed,
            brokerage=brokerage,
        )
        session = run_project(self.root, options)
        assert session.live.told == ""
        return (results / "live.log").read_text().splitlines()

    def fills(self):
        """Time in New York, quantity and price of every fill."""
        store = AccountStore(self.root / "live" / "state", read_only=True)
        try:
            return [
                (
                    f"{from_utc(datetime.fromisoformat(event['time']), NEW_YORK):%d %H:%M}",
                    event["fill_quantity"],
                    event["fill_price"],
                )
                for event in store.events()
                if event["status"] == "FILLED"
            ]
        finally:
            store.close()


@pytest.fixture
def run(tmp_path, monkeypatch):
    return Run(tmp_path, monkeypatch)


def said(lines, what):
    """Times and texts of the lines that begin so."""
    return [(text[8:16], text[20:]) for text in lines if text[20:].startswith(what)]


def test_daily_bars_are_decided_on_when_they_come_and_fill_at_their_open(run):
    run.append(HEADER + "".join(line(i) for i in range(5)))
    evening = [
        (datetime(2010, 1, day, 17, 30), lambda i=i: run.append(line(i)))
        for i, day in ((5, 11), (6, 12))
    ]
    # Wednesday's comes after midnight: its orders fill at its open all the same.
    night = [(datetime(2010, 1, 14, 2), lambda: run.append(line(7)))]
    log = run.trade(datetime(2010, 1, 11, 8), datetime(2010, 1, 14), [*evening, *night])
    assert said(log, "bar") == [
        ("11 17:30", "bar 11 16:00 105 108 104 106"),
        ("12 17:30", "bar 12 16:00 106 109 105 107"),
        ("14 02:00", "bar 13 16:00 107 110 106 108"),
    ]
    assert run.fills() == [("12 16:00", "1", "106"), ("13 16:00", "1", "107")]


def minute(when, *row):
    """A minute's row that is written two seconds after its end."""
    text = f"{when:%Y-%m-%d %H:%M},{','.join(map(str, row))}\n"
    return when + timedelta(minutes=1, seconds=2), text


def test_minute_bars_fill_at_the_open_and_add_up_to_the_day(run):
    run.append(HEADER + "".join(line(i) for i in range(5)))
    day = datetime(2010, 1, 11)
    open_ = timedelta(hours=9, minutes=30)
    tuesday = day + timedelta(days=1)
    rows = [
        minute(day + open_, 105, 106, 104, 105.5, 10),
        minute(day + timedelta(hours=12), 105.5, 109, 105, 108, 20),
        minute(day + timedelta(hours=15, minutes=59), 108, 108, 103, 107, 30),
        minute(tuesday + open_, 110, 111, 109, 110, 10),
        minute(tuesday + open_ + timedelta(minutes=1), 120, 121, 119, 120, 10),
    ]
    events = [(when, lambda text=text: run.append(text)) for when, text in rows]
    log = run.trade(datetime(2010, 1, 11, 8), datetime(2010, 1, 12), events)
    ((time, text), *_) = said(log, "bar")
    assert time in ("11 16:00", "11 16:01")
    assert text == "bar 11 16:00 105 109 103 107"
    assert run.fills() == [("12 09:31", "1", "110")]


def test_a_day_without_minutes_after_one_with_them_fills_at_its_own_open(run):
    """Minutes on Monday, then its own row; on Tuesday a row that is written at noon, once."""
    run.append(HEADER + "".join(line(i) for i in range(5)))
    when, text = minute(datetime(2010, 1, 11, 9, 30), 105, 108, 104, 107, 10)
    events = [
        (when, lambda: run.append(text)),
        (datetime(2010, 1, 11, 17), lambda: run.append(line(5))),
        (datetime(2010, 1, 12, 12), lambda: run.append(line(6))),
    ]
    log = run.trade(datetime(2010, 1, 11, 8), datetime(2010, 1, 12), events)
    assert run.fills() == [("12 16:00", "1", "106")]
    assert [text.partition("ABC")[2] for _, text in said(log, "feed: ")] == [
        ".csv, line 8: the bar of 2010-01-11 is not that of its minutes (close 107 to 106, volume "
        "10 to 1000); history has it from now on, what was done before stays",
        ": the bar of 2010-01-12 came at 2010-01-12 12:00, before the close, and none since: it is "
        "taken for the whole day's",
    ]


def test_an_order_that_waited_over_a_stop_fills_at_its_open(run):
    """Stopped in the evening, started two days later: the bars of both days have come meanwhile."""
    run.append(HEADER + "".join(line(i) for i in range(5)))
    events = [(datetime(2010, 1, 11, 17, 30), lambda: run.append(line(5)))]
    run.trade(datetime(2010, 1, 11, 8), datetime(2010, 1, 11), events)
    run.append(line(6) + line(7))
    run.trade(datetime(2010, 1, 13, 20), datetime(2010, 1, 13))
    assert run.fills() == [("12 16:00", "1", "106")]


def test_a_split_and_a_dividend_of_the_events_file(run):
    run.append(HEADER + "".join(line(i) for i in range(5)))
    halved = {name: value / 2 for name, value in zip(("open", "high", "low", "close"), ROWS[7][:4],
                                                     strict=True)}  # fmt: skip
    events = [
        (datetime(2010, 1, 11, 17), lambda: run.append(line(5))),
        (datetime(2010, 1, 12, 17), lambda: run.append(line(6))),
        (
            datetime(2010, 1, 13, 7),
            lambda: run.append("date,symbol,split,dividend\n2010-01-13,ABC,2,0.5\n", "events.csv"),
        ),
        (datetime(2010, 1, 13, 17), lambda: run.append(line(7, **halved))),
    ]
    run.trade(datetime(2010, 1, 11, 8), datetime(2010, 1, 13), events)
    # Bought 1 at 106; split in two; paid half a dollar a new share; 2 more at the halved open.
    assert run.fills() == [("12 16:00", "1", "106"), ("13 16:00", "2", "53.5")]
    store = AccountStore(run.root / "live" / "state", read_only=True)
    assert store.positions()["ABC"][0] == 4
    assert store.cash == 100_000 - 106 - 2 * Decimal("53.5") - 2 + 1
    store.close()


def account(run):
    """Positions and cash on disk."""
    store = AccountStore(run.root / "live" / "state", read_only=True)
    try:
        return store.positions(), store.cash
    finally:
        store.close()


EVENT = "date,symbol,split,dividend\n"


def test_what_is_told_after_eight_of_its_day_is_followed_then(run):
    """Told at noon: dividend and split are of the share of before, not of this morning's."""
    run.append(HEADER + "".join(line(i) for i in range(5)))
    halved = dict(zip(("open", "high", "low", "close"), (x / 2 for x in ROWS[7][:4]), strict=True))
    day = datetime(2010, 1, 13)
    opened, text = minute(day + timedelta(hours=9, minutes=30), 53, 54, 52, 53.5, 10)
    events = [
        (datetime(2010, 1, 11, 17), lambda: run.append(line(5))),
        (datetime(2010, 1, 12, 17), lambda: run.append(line(6))),
        (opened, lambda: run.append(text)),
        (
            day + timedelta(hours=12),
            lambda: run.append(EVENT + "2010-01-13,ABC,2,1\n", "events.csv"),
        ),
        (day + timedelta(hours=17), lambda: run.append(line(7, **halved))),
    ]
    log = run.trade(datetime(2010, 1, 11, 8), datetime(2010, 1, 13), events)
    assert said(log, "The split or dividend of ABC that belongs to 2010-01-13 08:00")
    # Bought 1 at 106 and, on the day itself, 1 at 53; a dollar for each of the two shares that the
    # first has become.
    assert run.fills() == [("12 16:00", "1", "106"), ("13 09:31", "1", "53")]
    positions, cash = account(run)
    assert positions["ABC"] == (3, 53)
    assert cash == 100_000 - 106 - 53 - 2 + 2
    # Once: also where a restart looks for what came while nothing ran.
    log = run.trade(datetime(2010, 1, 14, 12), datetime(2010, 1, 14))
    assert not any("While nothing ran" in text for text in log)
    assert account(run)[0]["ABC"][0] == 3


def test_what_was_taken_back_and_is_told_again_late_is_followed_then(run):
    """Of Wednesday's split Monday tells, Tuesday takes it back, and Wednesday at noon has it."""
    run.append(HEADER + "".join(line(i) for i in range(5)))
    run.append(EVENT + "2010-01-13,ABC,2,\n", "events.csv")
    (run.root / "main.py").write_text(BUYING.replace("bar is None or", "self.time.day > 11 or"))

    def tell(split):
        return lambda: run.append(f"2010-01-13,ABC,{split},\n", "events.csv")

    events = [
        (datetime(2010, 1, 11, 17), lambda: run.append(line(5))),
        (datetime(2010, 1, 12, 12), tell(1)),
        (datetime(2010, 1, 12, 17), lambda: run.append(line(6))),
        (datetime(2010, 1, 13, 12), tell(2)),
        # Followed by now: what is taken back and told again is a correction.
        (datetime(2010, 1, 13, 13), tell(1)),
        (datetime(2010, 1, 13, 14), tell(2)),
    ]
    log = run.trade(datetime(2010, 1, 11, 8), datetime(2010, 1, 13), events)
    assert len(said(log, "The split or dividend of ABC that belongs to 2010-01-13")) == 1
    assert account(run) == ({"ABC": (2, 53)}, 100_000 - 106 - 1)


def test_what_was_bought_since_a_split_that_is_told_late_keeps_its_price(run):
    """All of it was bought after eight, at prices of the new scale."""
    run.append(HEADER + "".join(line(i) for i in range(6)))
    (run.root / "main.py").write_text(BUYING.replace("bar is None or", "self.time.day != 12 or"))
    opened, text = minute(datetime(2010, 1, 13, 9, 30), 53, 54, 52, 53.5, 10)
    events = [
        (datetime(2010, 1, 12, 17), lambda: run.append(line(6))),
        (opened, lambda: run.append(text)),
        (
            datetime(2010, 1, 13, 12),
            lambda: run.append(EVENT + "2010-01-13,ABC,2,1\n", "events.csv"),
        ),
    ]
    log = run.trade(datetime(2010, 1, 12, 8), datetime(2010, 1, 13), events)
    assert said(log, "The split or dividend of ABC that belongs to 2010-01-13 08:00")
    assert run.fills() == [("13 09:31", "1", "53")]
    assert account(run) == ({"ABC": (1, 53)}, 100_000 - 53 - 1)


@pytest.mark.parametrize("runs", [False, True])
def test_what_is_told_after_a_restart_of_a_day_that_was_followed_is_followed_then(run, runs):
    """Wednesday's split and dividend are told on Thursday, to the next run or before it starts."""
    run.append(HEADER + "".join(line(i) for i in range(5)))
    halved = dict(zip(("open", "high", "low", "close"), (x / 2 for x in ROWS[7][:4]), strict=True))
    events = [
        (datetime(2010, 1, 11, 17), lambda: run.append(line(5))),
        (datetime(2010, 1, 12, 17), lambda: run.append(line(6))),
        (datetime(2010, 1, 13, 17), lambda: run.append(line(7, **halved))),
    ]
    run.trade(datetime(2010, 1, 11, 8), datetime(2010, 1, 13), events)
    before, cash = account(run)
    assert before["ABC"][0] == 2

    def tell():
        run.append(EVENT + "2010-01-13,ABC,2,1\n", "events.csv")

    if not runs:
        tell()
    later = [(datetime(2010, 1, 14, 10), tell)] if runs else []
    log = run.trade(datetime(2010, 1, 14, 8, 30), datetime(2010, 1, 14), later)
    # One was bought at 106 before the split; the other on its day, at 53.5.
    positions, now = account(run)
    quantity, average = positions["ABC"]
    assert (quantity, float(average)) == (3, pytest.approx((106 + 53.5) / 3))
    assert now == cash + 2
    if not runs:
        assert said(log, "Told while nothing ran, of 2010-01-13: ABC was split; holds 3 now")
    log = run.trade(datetime(2010, 1, 15, 8), datetime(2010, 1, 15))
    assert account(run) == (positions, now)
    assert not any("was told" in text or "nothing ran" in text for text in log)


@pytest.mark.parametrize("runs", [False, True])
@pytest.mark.parametrize(
    ("first", "then", "held", "paid"),
    [
        # A dollar on each of the two shares that the one has become.
        ("2,", ",1", 2, 2),
        # A dollar on the share that there was: nobody knew of a split.
        (",1", "2,", 2, 1),
        (",1", "2,1", 2, 1),
    ],
)
def test_a_day_of_which_one_event_was_followed_has_the_other_later(
    run, first, then, held, paid, runs
):
    """Told in the morning and at noon, to the run or, the other one, while nothing runs."""
    run.append(HEADER + "".join(line(i) for i in range(5)))
    events = [
        (datetime(2010, 1, 11, 17), lambda: run.append(line(5))),
        (datetime(2010, 1, 12, 17), lambda: run.append(line(6))),
        (
            datetime(2010, 1, 13, 7),
            lambda: run.append(f"{EVENT}2010-01-13,ABC,{first}\n", "events.csv"),
        ),
    ]
    (run.root / "main.py").write_text(BUYING.replace("bar is None or", "self.time.day > 11 or"))

    def tell():
        run.append(f"2010-01-13,ABC,{then}\n", "events.csv")

    end = datetime(2010, 1, 13)
    if runs:
        log = run.trade(datetime(2010, 1, 11, 8), end, [*events, (end + timedelta(hours=12), tell)])
        assert len(said(log, "The split or dividend of ABC that belongs to 2010-01-13")) == 1
    else:
        log = run.trade(datetime(2010, 1, 11, 8), end, events)
        tell()
        log = run.trade(datetime(2010, 1, 14, 7), end + timedelta(days=1))
        assert len(said(log, "Told while nothing ran, of 2010-01-13: ABC")) == 1
    expected = {"ABC": (held, 106 / Decimal(held))}, 100_000 - 106 - 1 + paid
    assert account(run) == expected
    log = run.trade(datetime(2010, 1, 15, 8), datetime(2010, 1, 15))
    assert account(run) == expected
    assert not any("was told" in text or "nothing ran" in text for text in log)


def test_what_was_followed_is_told_no_more_when_its_file_comes_back(run):
    """The file of the events is gone at a start, and there again at noon."""
    (run.root / "main.py").write_text(
        BUYING
        + """
    def on_splits(self, splits):
        self.log(f"heard {list(splits.values())[0].type}")

    def on_dividends(self, dividends):
        self.log("heard a dividend")
"""
    )
    run.append(HEADER + "".join(line(i) for i in range(5)))
    run.append(EVENT + "2010-01-13,ABC,2,1\n", "events.csv")
    events = [
        (datetime(2010, 1, day, 17), lambda i=day - 6: run.append(line(i))) for day in (11, 12)
    ]
    log = run.trade(datetime(2010, 1, 11, 8), datetime(2010, 1, 13), events)
    assert len(said(log, "heard")) == 3
    before = account(run)
    file = run.feed / "events.csv"
    away = file.rename(run.root / "away.csv")
    back = [(datetime(2010, 1, 14, 12), lambda: away.rename(file))]
    log = run.trade(datetime(2010, 1, 14, 7), datetime(2010, 1, 14), back)
    assert file.exists()
    assert not said(log, "heard")
    assert account(run) == before


@pytest.mark.parametrize("told", [8, 10])
def test_what_is_told_late_without_a_bar_before_it_is_followed_once_that_comes(run, told):
    """Wednesday's split and dividend are told on Thursday, the rows before them come at noon."""
    run.append(HEADER + "".join(line(i) for i in range(5)))
    events = [
        (datetime(2010, 1, day, 17), lambda i=day - 6: run.append(line(i))) for day in (11, 12)
    ]
    (run.root / "main.py").write_text(BUYING.replace("bar is None or", "self.time.day > 11 or"))
    run.trade(datetime(2010, 1, 11, 8), datetime(2010, 1, 13), events)
    assert account(run) == ({"ABC": (1, 106)}, 100_000 - 106 - 1)

    def tell():
        run.append(EVENT + "2010-01-13,ABC,2,1\n", "events.csv")

    halved = dict(zip(("open", "high", "low", "close"), (x / 2 for x in ROWS[7][:4]), strict=True))
    file = run.feed / "ABC.csv"
    before = file.read_text()
    file.write_text(HEADER + line(7, **halved))
    day = datetime(2010, 1, 14)
    later = [(day + timedelta(hours=12), lambda: file.write_text(before + line(7, **halved)))]
    if told == 8:
        tell()
    else:
        later.insert(0, (day + timedelta(hours=told), tell))
    log = run.trade(day + timedelta(hours=8, minutes=30), day, later)
    ((when, _),) = said(log, "The split or dividend of ABC that belongs to 2010-01-13 08:00")
    assert when == "14 12:00"
    waits = said(log, "The split or dividend of ABC on 2010-01-13 was told later and waits")
    assert len(waits) == 1
    # A dollar for each of the two shares that the one has become.
    followed = {"ABC": (2, 53)}, 100_000 - 106 - 1 + 2
    assert account(run) == followed
    log = run.trade(datetime(2010, 1, 15, 8), datetime(2010, 1, 15))
    assert account(run) == followed
    assert not any("was told" in text or "nothing ran" in text for text in log)


def test_what_lean_paper_begins_with_is_of_now_whatever_was_before(run):
    """A split of its first day, told of in the evening without a bar before it: nothing waits."""
    run.append(HEADER + line(8))
    run.append(EVENT + "2010-01-14,ABC,2,\n", "events.csv")
    start = datetime(2010, 1, 14, 20)
    log = run.trade(start, datetime(2010, 1, 14), brokerage=LEAN_PAPER)
    assert not said(log, "The split or dividend of ABC")


@pytest.mark.parametrize("runs", [False, True])
def test_a_split_that_is_told_late_restates_what_was_ordered_before_the_open(run, runs):
    """Of the evening and before the open, and one of ten o'clock; told at noon, or at a start."""
    ordering = """
        for hour in (9, 10):
            self.schedule.on(
                self.date_rules.every_day("ABC"), self.time_rules.at(hour, 0), self.order_anew
            )

    def order_anew(self):
        if self.time.day == 13 and not self.is_warming_up:
            self.limit_order("ABC", 3, 70 if self.time.hour == 9 else 40)

    def on_data(self, data):
        if self.time.day == 12 and not self.is_warming_up:
            self.limit_order("ABC", 1, 80)
"""
    (run.root / "main.py").write_text(BUYING[: BUYING.index("    def on_data")].rstrip() + ordering)
    run.append(HEADER + "".join(line(i) for i in range(6)))
    noon = datetime(2010, 1, 13, 12)

    def tell():
        run.append(EVENT + "2010-01-13,ABC,2,\n", "events.csv")

    events = [(datetime(2010, 1, 12, 17), lambda: run.append(line(6)))]
    run.trade(datetime(2010, 1, 12, 8), datetime(2010, 1, 13), [*events, (noon, tell)][: 1 + runs])
    if not runs:
        tell()
        run.trade(datetime(2010, 1, 14, 7), datetime(2010, 1, 14))
    store = AccountStore(run.root / "live" / "state", read_only=True)
    waiting = [(int(each["quantity"]), float(each["limit_price"])) for each in store.open_orders()]
    store.close()
    assert waiting == [(2, 40), (6, 35), (3, 40)]


@pytest.mark.parametrize("runs", [False, True])
def test_a_dividend_that_is_told_after_later_splits_is_of_the_share_of_its_day(run, runs):
    """Tuesday's is told on Friday; one share has become ten on Wednesday and Thursday."""
    (run.root / "main.py").write_text(BUYING.replace("bar is None or", "self.time.day > 8 or"))
    run.append(HEADER + "".join(line(i) for i in range(4)))
    run.append(EVENT + "2010-01-13,ABC,2,\n2010-01-14,ABC,5,\n", "events.csv")
    events = [
        (datetime(2010, 1, day, 17), lambda i=i: run.append(line(i)))
        for day, i in ((8, 4), (11, 5))
    ]

    def tell():
        run.append("2010-01-12,ABC,,7\n", "events.csv")

    friday = datetime(2010, 1, 15)
    late = [(friday + timedelta(hours=12), tell)] if runs else []
    run.trade(datetime(2010, 1, 8, 8), friday, [*events, *late])
    if not runs:
        assert account(run) == ({"ABC": (10, 105 / Decimal(10))}, 100_000 - 105 - 1)
        tell()
        run.trade(datetime(2010, 1, 19, 7), datetime(2010, 1, 19))
    positions, cash = account(run)
    assert (positions["ABC"][0], cash) == (10, 100_000 - 105 - 1 + 7)


@pytest.mark.parametrize("runs", [False, True])
@pytest.mark.parametrize(
    ("told", "shares", "paid"),
    [
        # Seven dollars on the one share of before, and nothing on that which was bought since.
        ("2010-01-12,ABC,,7", 20, 7),
        # The one of before is four, and with the one that was bought since ten times as many.
        ("2010-01-12,ABC,4,", 50, 0),
    ],
)
def test_what_was_filled_before_later_splits_is_of_their_scale(run, told, shares, paid, runs):
    """Bought on Monday and Tuesday; Tuesday's event is told after Wednesday's and Thursday's."""
    (run.root / "main.py").write_text(BUYING.replace("bar is None or", "self.time.day > 11 or"))
    run.append(HEADER + "".join(line(i) for i in range(4)))
    run.append(EVENT + "2010-01-13,ABC,2,\n2010-01-14,ABC,5,\n", "events.csv")
    events = [
        (datetime(2010, 1, day, 17), lambda i=i: run.append(line(i)))
        for day, i in ((8, 4), (11, 5), (12, 6))
    ]

    def tell():
        run.append(f"{told}\n", "events.csv")

    friday = datetime(2010, 1, 15)
    late = [(friday + timedelta(hours=12), tell)] if runs else []
    run.trade(datetime(2010, 1, 8, 8), friday, [*events, *late])
    assert [fill[1:] for fill in run.fills()] == [("1", "105"), ("1", "106")]
    if not runs:
        tell()
        run.trade(datetime(2010, 1, 19, 7), datetime(2010, 1, 19))
    positions, cash = account(run)
    assert (positions["ABC"][0], cash) == (shares, 100_000 - 105 - 106 - 2 + paid)


@pytest.mark.parametrize("ex_date", ["2010-01-12", "2010-01-13"])
def test_a_security_that_is_added_on_the_way_hears_of_no_event_before(run, ex_date):
    """A source tells of its past, here as the security is added: of yesterday, of this morning."""
    (run.root / "main.py").write_text(
        BUYING.replace(
            """        self.market_order("ABC", 1)
""",
            f"""        if self.time.day == 13:
            with open({str(run.feed / "events.csv")!r}, "a") as file:
                file.write("{EVENT.strip()}\\n{ex_date},NEW,2,1\\n")
            self.add_equity("NEW", Resolution.DAILY)

    def on_splits(self, splits):
        self.log("heard of a split")
""",
        )
    )
    run.append(HEADER + "".join(line(i) for i in range(5)))
    run.append(HEADER + "".join(line(i) for i in range(7)), "NEW.csv")
    events = [
        (datetime(2010, 1, day, 17), lambda i=day - 6: run.append(line(i))) for day in (11, 12, 13)
    ]
    log = run.trade(datetime(2010, 1, 11, 8), datetime(2010, 1, 14), events)
    assert (run.feed / "events.csv").exists()
    assert not said(log, "heard")
    assert not any("was told later" in text for text in log)


def test_a_day_that_version_2_noted_is_followed_no_more(run):
    """It noted the day alone, whatever the day had."""
    run.append(HEADER + "".join(line(i) for i in range(5)))
    run.append(EVENT + "2010-01-13,ABC,2,1\n", "events.csv")
    events = [
        (datetime(2010, 1, day, 17), lambda i=day - 6: run.append(line(i))) for day in (11, 12)
    ]
    run.trade(datetime(2010, 1, 11, 8), datetime(2010, 1, 13), events)
    before = account(run)
    assert before[0]["ABC"] == (2, 53)
    path = run.root / "live" / "state" / DATABASE

    def noted():
        with contextlib.closing(sqlite3.connect(path)) as connection:
            ((kept,),) = connection.execute("SELECT value FROM facts WHERE name='events_followed'")
            return json.loads(kept), *connection.execute("PRAGMA user_version").fetchone()

    now, version = noted()
    day = "2010-01-13T00:00:00"
    assert now == {"ABC": {day: ["dividend", "split"]}}
    with contextlib.closing(sqlite3.connect(path)) as connection:
        old = json.dumps({"ABC": [day]})
        connection.execute("UPDATE facts SET value=? WHERE name='events_followed'", (old,))
        connection.execute("PRAGMA user_version=2")
        connection.commit()
    log = run.trade(datetime(2010, 1, 14, 7), datetime(2010, 1, 14))
    assert not any("nothing ran" in text for text in log)
    assert account(run) == before
    assert noted() == (now, version)


def test_what_is_told_on_the_weekend_before_counts_once(run):
    run.append(HEADER + "".join(line(i) for i in range(5)))
    events = [
        (datetime(2010, 1, 11, 17), lambda: run.append(line(5))),
        (datetime(2010, 1, 12, 17), lambda: run.append(line(6))),
        (
            datetime(2010, 1, 17, 12),
            lambda: run.append(EVENT + "2010-01-19,ABC,2,\n", "events.csv"),
        ),
    ]
    run.trade(datetime(2010, 1, 11, 8), datetime(2010, 1, 20), events)
    assert account(run)[0]["ABC"] == (2, 53)


@pytest.mark.parametrize(
    ("named", "rule"),
    [
        ({"feed": "folder"}, "--feed-folder must be given with --feed folder"),
        ({"feed_folder": "x"}, "--feed-folder must be given with --feed folder"),
        ({"feed": "ticker"}, "--feed must be one of replay, folder, alpaca"),
        ({"last": None}, "--to must be given for a replay"),
        ({"first": datetime(2099, 1, 1)}, "--from must be before 2050-12-31, .* 2099-01-01"),
        ({"last": datetime(2099, 1, 1)}, "--to must be before 2050-12-31, .* 2099-01-01"),
        ({"feed": "folder", "feed_folder": "x", "speed": 2.0}, "--from and --speed must not be"),
    ],
)
def test_options_of_another_feed_are_refused(tmp_path, named, rule):
    given = {"first": None, "last": datetime(2010, 1, 11)} | named
    with pytest.raises(ValueError, match=rule):
        Options(tmp_path, tmp_path, tmp_path, tmp_path, **given)


def test_an_account_of_a_replay_does_not_go_on_in_the_present(run):
    run.append(HEADER + line(0))
    run.trade(datetime(2010, 1, 11, 8), datetime(2010, 1, 11))
    store = AccountStore(run.root / "live" / "state")
    store.note({"feed": "replay"})
    store.close()
    with pytest.raises(ValueError, match="this one was traded on --feed replay"):
        run.trade(datetime(2010, 1, 12, 8), datetime(2010, 1, 12))


def test_a_start_that_fails_leaves_nothing(run):
    run.feed.rmdir()
    with pytest.raises(ValueError, match="--feed-folder must be a folder"):
        run.trade(datetime(2010, 1, 11, 8), datetime(2010, 1, 11))
    assert [path.name for path in (run.root / "live").iterdir()] == ["run 1"]
    assert list((run.root / "live" / "run 1").iterdir()) == []


def test_a_machine_that_was_suspended_over_closes_and_a_split_goes_on(run):
    """Asleep from Tuesday noon to Thursday evening: nothing of it is lost, all of it is told."""
    run.append(HEADER + "".join(line(i) for i in range(5)))
    halved = dict(zip(("open", "high", "low", "close"), (x / 2 for x in ROWS[7][:4]), strict=True))

    def sleep():
        run.append(line(6) + line(7, **halved))
        run.append("date,symbol,split,dividend\n2010-01-13,ABC,2,\n", "events.csv")
        run.machine.suspend(timedelta(days=2, hours=8))

    events = [
        (datetime(2010, 1, 11, 17), lambda: run.append(line(5))),
        (datetime(2010, 1, 12, 12), sleep),
    ]
    log = run.trade(datetime(2010, 1, 11, 8), datetime(2010, 1, 14), events)
    assert len([text for text in log if "The machine stood still" in text]) == 1
    assert said(log, "feed: ABC: the bars of 2010-01-12 came together with a later one")
    # Wednesday's split is followed at once; then Tuesday's open comes, at the scale after it.
    ((time, quantity, price),) = run.fills()
    assert (time, quantity, float(price)) == ("12 16:00", "2", 53)
    store = AccountStore(run.root / "live" / "state", read_only=True)
    assert store.positions() == {"ABC": (2, 53)}
    assert store.cash == 100_000 - 2 * 53 - 1
    store.close()


@pytest.mark.parametrize("sleeps", [True, False])
def test_two_splits_that_nobody_saw_both_count(run, sleeps):
    """Wednesday's and Thursday's, two for one each: the machine sleeps over them, or is off."""
    run.append(HEADER + "".join(line(i) for i in range(5)))
    names = ("open", "high", "low", "close")
    later = [
        line(i, **dict(zip(names, (x / part for x in ROWS[i][:4]), strict=True)))
        for i, part in ((7, 2), (8, 4))
    ]

    def tell():
        run.append(line(6) + "".join(later))
        run.append(EVENT + "2010-01-13,ABC,2,\n2010-01-14,ABC,2,\n", "events.csv")

    def sleep():
        tell()
        run.machine.suspend(timedelta(days=2, hours=8))

    events = [(datetime(2010, 1, 11, 17), lambda: run.append(line(5)))]
    events += [(datetime(2010, 1, 12, 12), sleep)] if sleeps else []
    run.trade(datetime(2010, 1, 11, 8), datetime(2010, 1, 14 if sleeps else 12), events)
    if not sleeps:
        tell()
        log = run.trade(datetime(2010, 1, 14, 20), datetime(2010, 1, 14))
        assert len(said(log, "While nothing ran, ABC was split")) == 2
    (quantity, average) = account(run)[0]["ABC"]
    assert (quantity, float(average)) == (4, 106 / 4)


def test_the_log_names_a_short_day_and_a_change_of_the_clocks(run):
    run.append(HEADER + "".join(line(i) for i in range(5)))
    log = run.trade(datetime(2010, 1, 28, 8), datetime(2010, 1, 29))
    assert any(
        "2010-01-29: a short day: the exchange is open from 09:30 to 13:00" in t for t in log
    )
    log = run.trade(datetime(2010, 3, 13, 8), datetime(2010, 3, 14))
    assert any("2010-03-14: the exchange's clocks have gone forward an hour" in t for t in log)


def test_an_order_from_before_a_split_fills_at_the_scale_after_it(run):
    """Stopped before the split, started after it: the account has followed it by then."""
    run.append(HEADER + "".join(line(i) for i in range(5)))
    events = [(datetime(2010, 1, 11, 17, 30), lambda: run.append(line(5)))]
    run.trade(datetime(2010, 1, 11, 8), datetime(2010, 1, 11), events)
    halved = dict(zip(("open", "high", "low", "close"), (x / 2 for x in ROWS[7][:4]), strict=True))
    run.append(line(6) + line(7, **halved))
    run.append("date,symbol,split,dividend\n2010-01-13,ABC,2,\n", "events.csv")
    run.trade(datetime(2010, 1, 13, 20), datetime(2010, 1, 13))
    ((time, quantity, price),) = run.fills()
    assert (time, quantity, float(price)) == ("12 16:00", "2", 53)


def test_a_row_of_today_counts_once_its_session_is_over(run):
    """Somebody writes the day's row again and again while the day goes on."""
    run.append(HEADER + "".join(line(i) for i in range(5)))
    events = [
        (datetime(2010, 1, 11, 12), lambda: run.append(line(5, close=104.5))),
        (datetime(2010, 1, 11, 15, 59), lambda: run.append(line(5, close=105.5))),
        (datetime(2010, 1, 11, 16, 0, 20), lambda: run.append(line(5))),
    ]
    log = run.trade(datetime(2010, 1, 11, 8), datetime(2010, 1, 11), events)
    ((time, text),) = said(log, "bar")
    assert (time, text) in (("11 16:00", "bar 11 16:00 105 108 104 106"), ("11 16:01", text))
    assert text.endswith(" 106")


def test_a_folder_that_vanishes_is_waited_for(watched):
    watched.write("ABC.csv", HEADER + line(0))
    watched.feed.want("ABC")
    away = watched.folder.rename(watched.folder.parent / "away")
    assert not watched.feed.poll()
    assert not watched.feed.poll()
    assert ["the folder is waited for" in text for text in watched.told] == [True]
    away.rename(watched.folder)
    watched.write("ABC.csv", line(1))
    assert watched.feed.poll()
    assert watched.days() == {4: 101, 5: 102}


def test_before_the_first_beat_status_knows_the_last_bars(run):
    run.append(HEADER + "".join(line(i) for i in range(5)))
    run.trade(datetime(2010, 1, 11, 20), datetime(2010, 1, 11))
    lines = told(run.root / "live" / "state")
    assert not any(text.startswith("Clock") for text in lines)
    (bars,) = [text for text in lines if text.startswith("Last bars")]
    assert bars.startswith("Last bars      ABC    2010-01-08 16:00:00, ")


def test_an_order_of_a_day_ends_with_it_whether_its_bar_has_come_or_not(run):
    """Ordered in the morning on bars of the evening: LEAN looks once a second, not at bars."""
    ordering = """
        self.schedule.on(
            self.date_rules.every_day("ABC"), self.time_rules.at(9, 20), self.order_for_today
        )

    def order_for_today(self):
        if self.is_warming_up or self.time.day != 11:
            return
        today = OrderProperties()
        today.time_in_force = TimeInForce.DAY
        self.limit_order("ABC", 1, 200, order_properties=today)

    def on_data(self, data):
        pass
"""
    (run.root / "main.py").write_text(BUYING[: BUYING.index("    def on_data")].rstrip() + ordering)
    run.append(HEADER + "".join(line(i) for i in range(5)))
    evening = [(datetime(2010, 1, 11, 17, 30), lambda: run.append(line(5)))]
    log = run.trade(datetime(2010, 1, 11, 8), datetime(2010, 1, 12), evening)
    ((time, text),) = [(t, x) for t, x in said(log, "New Order Event") if "expired" in x]
    assert time in ("11 16:00", "11 16:01")
    assert "Status: Canceled" in text
