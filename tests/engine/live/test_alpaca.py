"""The feed of Alpaca against a server on loopback that speaks as Alpaca does."""

import sys
import threading
import time
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest

from engine.common.clock import NEW_YORK, to_utc
from engine.common.enums import Resolution
from engine.live import alpaca as module
from engine.live import clock
from engine.live.alpaca import AlpacaFeed
from engine.live.corporate import Told
from engine.live.session import Options, run_project
from engine.live.state import AccountStore
from engine.market.market_hours import MarketHoursDatabase
from tests.engine.folder import business_days, write_folder
from tests.engine.live.machine import BUYING, SimulatedMachine

pytest.importorskip("alpaca", reason="alpaca-py is not installed (requirements/live.txt)")
from tests.engine.live.fake_alpaca import KEY, SECRET, FakeAlpaca, bar

DAYS = business_days(datetime(2010, 1, 4).date(), 10)
ROWS = [(100 + i, 103 + i, 99 + i, 101 + i, 1000) for i in range(10)]


def utc(*when):
    return to_utc(datetime(*when), NEW_YORK)


def wait_for(condition):
    """Wait until something holds that another thread brings about."""
    until = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.005)


@pytest.fixture
def server():
    made = FakeAlpaca()
    made.bars["ABC", "1Day"] = [
        bar(to_utc(datetime(day.year, day.month, day.day), NEW_YORK), row)
        for day, row in zip(DAYS, ROWS, strict=True)
    ]
    yield made
    made.close()


class Feed:
    """A feed on a clock that a test sets, and what it tells."""

    def __init__(self, root, server, **environment):
        write_folder(root / "data", {"OTHER": [(1, 1, 1, 1, 1)]})
        self.now, self.told = utc(2010, 1, 11, 12), []
        self.hours = MarketHoursDatabase(root / "data").equity_hours
        self.feed = AlpacaFeed(
            self.hours, lambda: self.now, self.told.append, {}, server.environment | environment
        )

    def serve(self, symbol):
        self.feed.serve(symbol, self.hours("ABC"))
        self.feed.poll()
        self.feed._stream._reconnect_min_backoff = 0.02

    def days(self):
        found = self.feed.bars.between("ABC", Resolution.DAILY, datetime.min, datetime.max)
        return {start.day: float(row.close) for start, row in found}

    def minutes(self):
        found = self.feed.bars.between("ABC", Resolution.MINUTE, datetime.min, datetime.max)
        return {f"{start:%d %H:%M}": float(row.close) for start, row in found}


@pytest.fixture
def watched(tmp_path, server):
    made = Feed(tmp_path, server)
    yield made
    made.feed.close()


class Abc:
    """What a feed needs of a symbol."""

    value = "ABC"


def test_history_comes_in_pages_and_each_span_once(watched, server):
    for day in (4, 5, 6):
        watched.feed.fetch("ABC", Resolution.DAILY, datetime(2010, 1, day))
    # Monday's own bar is none before its close.
    assert watched.days() == {4: 101, 5: 102, 6: 103, 7: 104, 8: 105}
    pages = [query.get("page_token") for query in server.asked]
    assert pages == [None, "3"]
    # What is recent is asked for again, a minute later at the earliest.
    watched.feed.fetch("ABC", Resolution.DAILY, datetime(2010, 1, 11))
    assert len(server.asked) == 2
    watched.now = utc(2010, 1, 11, 16, 21)
    watched.feed.fetch("ABC", Resolution.DAILY, datetime(2010, 1, 11))
    assert watched.days()[11] == 106


def test_a_bar_that_cannot_be_read_is_told_and_skipped(watched, server):
    del server.bars["ABC", "1Day"][1]["h"]
    server.bars["ABC", "1Day"][2]["c"] = 1000
    watched.feed.fetch("ABC", Resolution.DAILY, datetime(2010, 1, 4))
    assert watched.days() == {4: 101, 7: 104, 8: 105}
    watched.feed.poll()
    assert [text.partition("skipped: ")[2] for text in watched.told] == [
        "KeyError 'h'",
        "ValueError high must be the highest price; received '105'",
    ]


def test_older_history_is_asked_for_alone(watched, server):
    watched.feed.fetch("ABC", Resolution.DAILY, datetime(2010, 1, 6))
    watched.feed.fetch("ABC", Resolution.DAILY, datetime(2009, 12, 1))
    assert server.asked[-1]["start"][:10] == "2009-12-01"
    assert server.asked[-1]["end"][:10] == "2010-01-01"


def test_asked_too_often_it_waits(watched, server, monkeypatch):
    waited = []
    monkeypatch.setattr("alpaca.common.rest.time.sleep", waited.append)
    server.refusals = 2
    watched.feed.fetch("ABC", Resolution.DAILY, datetime(2010, 1, 4))
    assert watched.days()[4] == 101
    assert waited == [3, 3]


def test_what_cannot_be_had_is_told_once_and_asked_for_again(watched, server):
    watched.feed.fetch("ABC", Resolution.DAILY, datetime(2010, 1, 8))
    server.status = 500
    for minutes in (2, 4):
        watched.now = utc(2010, 1, 12, 17, minutes)
        watched.feed.fetch("ABC", Resolution.DAILY, datetime(2010, 1, 12))
    (told,) = watched.told
    assert told.startswith("feed: history of ABC cannot be had from Alpaca, and is asked for again")
    server.status = 200
    watched.now = utc(2010, 1, 12, 17, 6)
    watched.feed.fetch("ABC", Resolution.DAILY, datetime(2010, 1, 12))
    assert watched.days()[12] == 107


def test_splits_and_dividends(watched, server):
    server.actions = {
        "forward_splits": [
            {"symbol": "ABC", "ex_date": "2010-01-12", "new_rate": 3, "old_rate": 2}
        ],
        "reverse_splits": [
            {"symbol": "ABC", "ex_date": "2010-01-13", "new_rate": 1, "old_rate": 10}
        ],
        "cash_dividends": [{"symbol": "ABC", "ex_date": "2010-01-12", "rate": 0.25}],
    }
    watched.feed.fetch("ABC", Resolution.DAILY, datetime(2010, 1, 4))
    assert watched.feed.actions.of("ABC") == {
        datetime(2010, 1, 12).date(): Told(Fraction(3, 2), Decimal("0.25")),
        datetime(2010, 1, 13).date(): Told(Fraction(1, 10)),
    }


def test_a_split_or_dividend_that_cannot_be_read_is_named_once_and_skipped(watched, server):
    day = "2010-01-12"
    server.actions = {
        "forward_splits": [
            {"symbol": "ABC", "ex_date": day, "new_rate": 2, "old_rate": 0},
            {"symbol": "ABC", "ex_date": day, "new_rate": 0, "old_rate": 1},
            {"symbol": "ABC", "ex_date": day, "new_rate": 2, "old_rate": 1},
        ],
        "cash_dividends": [
            {"symbol": "ABC", "ex_date": day, "rate": None},
            {"symbol": "ABC", "rate": 0.25},
            {"symbol": "ABC", "ex_date": day, "rate": 0.25},
            {"symbol": "ABC", "ex_date": day, "rate": 0.5},
        ],
    }
    for past in (4, 1):
        watched.feed.fetch("ABC", Resolution.DAILY, datetime(2009, 12, past))
    assert watched.feed.actions.of("ABC") == {
        datetime(2010, 1, 12).date(): Told(Fraction(2), Decimal("0.75")),
    }
    watched.feed.poll()
    told = [text for text in watched.told if "cannot be read" in text]
    assert [text.partition("skipped: ")[2].split(" ")[0] for text in told] == [
        "ZeroDivisionError",
        "ValueError",
        "InvalidOperation",
        "KeyError",
    ]


def test_minutes_are_streamed_and_corrected(watched, server):
    server.bars["ABC", "1Min"] = [bar(utc(2010, 1, 11, 9, 30), ROWS[5])]
    watched.serve(Abc)
    assert watched.minutes() == {"11 09:30": 106}
    wait_for(lambda: server.connections)
    assert server.subscribed["bars"] == server.subscribed["updatedBars"] == ["ABC"]
    watched.feed.poll()
    server.push("ABC", utc(2010, 1, 11, 12, 0), (105, 106, 104, 105.5, 10))
    wait_for(watched.feed.poll)
    assert watched.minutes() == {"11 09:30": 106, "11 12:00": 105.5}
    assert not watched.feed.poll()
    server.push("ABC", utc(2010, 1, 11, 12, 0), (105, 107, 104, 106.5, 12), kind="u")
    wait_for(watched.feed.poll)
    assert watched.minutes()["11 12:00"] == 106.5


def test_a_lost_connection_is_made_again_and_what_it_missed_is_asked_for(watched, server):
    watched.serve(Abc)
    wait_for(lambda: server.connections == 1)
    server.push("ABC", utc(2010, 1, 11, 12, 0), (105, 106, 104, 105, 10))
    wait_for(lambda: watched.minutes())
    server.bars["ABC", "1Min"] = [
        bar(utc(2010, 1, 11, 12, minute), (105, 110, 104, 105 + minute, 10)) for minute in range(3)
    ]
    server.drop()
    wait_for(lambda: server.connections == 2)
    watched.now = utc(2010, 1, 11, 12, 3)
    wait_for(lambda: watched.feed.poll() or "11 12:02" in watched.minutes())
    assert watched.minutes() == {"11 12:00": 105, "11 12:01": 106, "11 12:02": 107}
    assert watched.told == [
        "feed: connected to Alpaca's stream",
        "feed: no connection to Alpaca's stream; it is tried again and again",
        "feed: connected to Alpaca's stream again; what was missed is asked for",
    ]


def test_a_stream_that_is_silent_in_the_session_is_helped_out(watched, server):
    watched.serve(Abc)
    wait_for(lambda: server.connections == 1)
    watched.feed.poll()
    asked = len(server.asked)
    watched.now = utc(2010, 1, 11, 12, 4)
    server.bars["ABC", "1Min"] = [bar(utc(2010, 1, 11, 12, 2), ROWS[5])]
    assert watched.feed.poll()
    assert not watched.feed.poll()
    assert len(server.asked) == asked + 1
    assert watched.minutes() == {"11 12:02": 106}


def test_a_refused_key_is_named_without_being_shown(tmp_path, server):
    feed = Feed(tmp_path, server, APCA_API_SECRET_KEY="a wrong one").feed
    with pytest.raises(ValueError, match="refuses the key in APCA_API_KEY_ID") as caught:
        feed.fetch("ABC", Resolution.DAILY, datetime(2010, 1, 4))
    assert "a wrong one" not in str(caught.value)
    assert KEY not in str(caught.value)


def test_a_key_that_is_not_set_is_named(tmp_path, server):
    with pytest.raises(ValueError, match="APCA_API_SECRET_KEY is not set"):
        Feed(tmp_path, server, APCA_API_SECRET_KEY="")


def test_data_that_alpaca_does_not_have_are_refused(tmp_path, server):
    with pytest.raises(ValueError, match=r"one of iex, sip.* in APCA_DATA_FEED; received 'six'"):
        Feed(tmp_path, server, APCA_DATA_FEED="six")


def test_without_the_package_the_command_is_named(tmp_path, server, monkeypatch):
    monkeypatch.setitem(sys.modules, "alpaca.data", None)
    with pytest.raises(ValueError, match=r"pip install -r requirements/live\.txt"):
        Feed(tmp_path, server)


def test_a_run_trades_on_the_stream_and_keeps_the_key_to_itself(tmp_path, server, monkeypatch):
    write_folder(tmp_path / "data", {"OTHER": [(1, 1, 1, 1, 1)]})
    (tmp_path / "main.py").write_text(BUYING)
    results = tmp_path / "live" / "one"
    results.mkdir(parents=True)
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    heard = threading.Semaphore(0)
    hear = AlpacaFeed._hear

    async def counted(self, minute):
        await hear(self, minute)
        heard.release()

    monkeypatch.setattr(AlpacaFeed, "_hear", counted)

    def push(day, hour, minute, *row):
        def now():
            wait_for(lambda: server.connections)
            server.push("ABC", utc(2010, 1, day, hour, minute), row)
            assert heard.acquire(timeout=10)

        return datetime(2010, 1, day, hour, minute) + timedelta(seconds=61), now

    machine = SimulatedMachine(
        datetime(2010, 1, 11, 8),
        [
            push(11, 9, 30, 105, 106, 104, 105, 10),
            push(11, 15, 59, 108, 109, 107, 108, 10),
            push(12, 9, 30, 110, 111, 109, 110.5, 10),
        ],
    )
    monkeypatch.setattr(clock, "Machine", lambda: machine)
    # Simulated hours are over before a request is answered.
    monkeypatch.setattr(module, "_SILENT", timedelta(days=1))
    shown = []
    session = run_project(
        tmp_path,
        Options(
            data_folder=tmp_path / "data",
            store=tmp_path / "storage",
            state=tmp_path / "live" / "state",
            results=results,
            first=None,
            last=datetime(2010, 1, 12),
            feed="alpaca",
            show=shown.append,
        ),
    )
    assert session.live.told == ""
    log = (results / "live.log").read_text()
    assert "bar 11 16:00 105 109 104 108" in log
    store = AccountStore(tmp_path / "live" / "state", read_only=True)
    fills = [
        (event["fill_quantity"], event["fill_price"])
        for event in store.events()
        if event["status"] == "FILLED"
    ]
    store.close()
    assert fills == [("1", "110")]
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(written) > 5
    for path in written:
        content = path.read_bytes()
        assert KEY.encode() not in content, path
        assert SECRET.encode() not in content, path
    assert not any(KEY in line or SECRET in line for line in shown)


def test_a_vendor_that_cannot_be_reached_is_named_in_one_line(tmp_path, server):
    feed = Feed(tmp_path, server, APCA_API_DATA_URL="http://127.0.0.1:9").feed
    with pytest.raises(OSError, match=r"^Alpaca cannot be reached \(ConnectionError\)$"):
        feed.fetch("ABC", Resolution.DAILY, datetime(2010, 1, 4))
