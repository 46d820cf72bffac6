"""Work beside trading: one piece at a time."""

import threading

from algorithm.live_trading.background import Background


def test_a_second_piece_is_refused_until_the_first_is_done():
    going_on, done = threading.Event(), []
    work = Background("test")
    assert not work.running
    assert work.start(lambda: done.append(going_on.wait(10)))
    assert work.running
    assert not work.start(lambda: done.append("second"))
    assert not work.wait(0.01)
    going_on.set()
    assert work.wait(10)
    assert work.start(lambda: done.append("third"))
    assert work.wait(10)
    assert done == [True, "third"]


def test_work_that_waits_for_itself_does_not_hang():
    found = []
    work = Background("test")
    assert work.start(lambda: found.append(work.wait()))
    assert work.wait(10)
    assert found == [False]
