"""When a clock says to look."""

import threading
from datetime import datetime, timedelta

from engine.live.clock import EventClock, PacedClock, SystemClock, WindowClock
from engine.live.day_notes import DayNotes
from engine.market.market_hours import MarketHoursDatabase
from tests.engine.folder import write_folder
from tests.engine.live.machine import SimulatedMachine

NOON = datetime(2010, 1, 4, 12)
SECOND = timedelta(seconds=1)


def test_event_time_jumps_to_what_is_due_on_a_whole_second():
    clock = EventClock(NOON, NOON + timedelta(hours=2))
    assert clock.wait_until(NOON + timedelta(minutes=5, milliseconds=300)) == datetime(
        2010, 1, 4, 12, 5, 1
    )
    assert clock.wait_until(NOON) == clock.now == datetime(2010, 1, 4, 12, 5, 1)
    assert clock.wait_until(NOON + timedelta(hours=3)) is None
    assert clock.now == NOON + timedelta(hours=2)


def test_time_between_windows_does_not_pass():
    called = []
    clock = WindowClock(
        NOON,
        [
            (NOON - SECOND, NOON + 5 * SECOND),
            lambda: called.append(clock.now),
            (NOON + 60 * SECOND, NOON + 70 * SECOND),
        ],
    )
    assert clock.wait_until(NOON + 2 * SECOND) == NOON + 2 * SECOND
    # Due between the windows: seen at the first beat of the next one, a second after its start.
    assert clock.wait_until(NOON + 20 * SECOND) == NOON + 61 * SECOND
    assert called == [NOON + 5 * SECOND]
    assert clock.wait_until(NOON + 20 * SECOND) == NOON + 61 * SECOND
    assert clock.wait_until(datetime.max.replace(microsecond=0)) is None
    assert clock.now == NOON + 70 * SECOND


def test_windows_that_are_past_are_left_out():
    clock = WindowClock(NOON, [(NOON - 9 * SECOND, NOON), (NOON + 9 * SECOND, NOON + 12 * SECOND)])
    assert clock.wait_until(NOON) == NOON + 10 * SECOND


class Waiting:
    """Stands for the event that a paced clock waits for; nobody waits."""

    def __init__(self):
        self.seconds = []

    def wait(self, seconds):
        self.seconds.append(seconds)


def test_a_paced_clock_waits_for_a_fraction_of_the_time():
    clock = PacedClock(NOON, NOON + timedelta(days=1), 60)
    clock._wake = waiting = Waiting()
    assert clock.wait_until(NOON + timedelta(hours=3)) == NOON + timedelta(hours=3)
    assert 0 < waiting.seconds[0] <= 180


def test_a_paced_clock_wakes_when_it_is_stopped():
    clock = PacedClock(NOON, NOON + timedelta(days=1), 1)
    threading.Timer(0.05, clock.stop).start()
    assert clock.wait_until(NOON + timedelta(hours=20)) is None
    assert clock.now == NOON


def system(machine, **named):
    told = []
    clock = SystemClock(tell=told.append, machine=machine, **named)
    return clock, told


def test_the_machines_clock_waits_for_what_is_due():
    machine = SimulatedMachine(datetime(2010, 1, 4, 12), stride=1)
    clock, told = system(machine)
    start = clock.now
    assert clock.wait_until(start + timedelta(seconds=3, milliseconds=200)) == start + 4 * SECOND
    # At most one beat a second, however much is due.
    assert clock.wait_until(start) == start + 5 * SECOND
    assert told == []


def test_news_of_a_feed_come_before_what_is_due():
    machine = SimulatedMachine(datetime(2010, 1, 4, 12), stride=1)
    news = iter([False, True])
    clock, _ = system(machine, news=lambda: next(news))
    start = clock.now
    assert clock.wait_until(start + timedelta(hours=1)) == start + SECOND


def test_the_machines_clock_ends_on_its_last_day_and_when_it_is_stopped():
    machine = SimulatedMachine(datetime(2010, 1, 4, 12), stride=1)
    clock, _ = system(machine, end=machine.now + 3 * SECOND)
    assert clock.wait_until(machine.now + timedelta(hours=1)) is None
    clock, _ = system(SimulatedMachine(datetime(2010, 1, 4, 12)))
    clock.stop(interrupted=False)
    assert clock.wait_until(clock.now) is None
    assert not clock.interrupted


def test_a_suspended_machine_is_told_of():
    night = datetime(2010, 1, 4, 12, 0, 10)
    machine = SimulatedMachine(
        datetime(2010, 1, 4, 12),
        [(night, lambda: machine.suspend(timedelta(hours=15)))],
        stride=1,
    )
    clock, told = system(machine)
    due = clock.now + timedelta(hours=4)
    assert clock.wait_until(due) == due + timedelta(hours=11, seconds=10)
    assert told == [
        "The machine stood still, or its clock was set forward: from 2010-01-04 12:00:09 to "
        "2010-01-05 03:00:10 New York time. What was due meanwhile comes now"
    ]


def test_a_stopped_process_is_told_of():
    machine = SimulatedMachine(
        datetime(2010, 1, 4, 12),
        [(datetime(2010, 1, 4, 12, 0, 5), lambda: machine.pass_(timedelta(hours=2)))],
        stride=1,
    )
    clock, told = system(machine)
    clock.wait_until(clock.now + timedelta(hours=1))
    assert "from 2010-01-04 12:00:04 to 2010-01-04 14:00:05" in told[0]


def test_a_long_beat_is_no_jump():
    machine = SimulatedMachine(datetime(2010, 1, 4, 12), stride=1)
    clock, told = system(machine)
    clock.wait_until(clock.now)
    machine.pass_(timedelta(minutes=40))  # a training
    clock.wait_until(clock.now)
    assert told == []


def test_time_does_not_run_backwards_where_the_clock_is_set_back():
    machine = SimulatedMachine(
        datetime(2010, 1, 4, 12),
        [(datetime(2010, 1, 4, 12, 0, 5), lambda: machine.suspend(timedelta(minutes=-3)))],
        stride=1,
    )
    clock, told = system(machine)
    start = clock.now
    beats = [clock.wait_until(start) for _ in range(8)]
    assert beats == [start + i * SECOND for i in range(8)]
    assert told == [
        "The machine's clock was set back, to 2010-01-04 11:57:05 New York time: nothing is done "
        "until it has passed 2010-01-04 12:00:04 again"
    ]


def test_notes_of_short_days_holidays_and_clock_changes(tmp_path):
    write_folder(tmp_path / "data", {"ABC": [(1, 1, 1, 1, 1)]})
    notes = DayNotes(MarketHoursDatabase(tmp_path / "data").equity_hours("ABC"))
    days = [datetime(2010, 1, 15, 8) + timedelta(hours=6 * i) for i in range(4 * 320)]
    assert [line for day in days for line in notes.lines(day)] == [
        "2010-01-18: the exchange is closed all day",
        "2010-01-29: a short day: the exchange is open from 09:30 to 13:00",
        "2010-03-14: the exchange's clocks have gone forward an hour: its time is UTC-4 now",
        "2010-11-07: the exchange's clocks have gone back an hour: its time is UTC-5 now",
    ]


def test_a_clock_change_that_nobody_looked_at_is_told_later(tmp_path):
    write_folder(tmp_path / "data", {"ABC": [(1, 1, 1, 1, 1)]})
    notes = DayNotes(MarketHoursDatabase(tmp_path / "data").equity_hours("ABC"))
    assert notes.lines(datetime(2010, 3, 12, 17)) == []
    assert notes.lines(datetime(2010, 3, 15, 9)) == [
        "2010-03-15: the exchange's clocks have gone forward an hour: its time is UTC-4 now"
    ]
