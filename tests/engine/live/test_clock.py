"""When a clock says to look."""

import threading
from datetime import datetime, timedelta

from engine.live.clock import EventClock, PacedClock, WindowClock

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
