"""What a broker refuses is asked for again, less and less often."""

import json
from datetime import datetime, timedelta

import pytest

from algorithm.live_trading.refusals import CLOSING, GROWING, Refusals

DAYS = [datetime(2014, 3, 3, 16) + timedelta(days=day) for day in range(60)]


def asked(refusals, days, reason=lambda i: f"order {i}: not today", kind=CLOSING):
    """Days on which an order was asked for, each twice, that is refused every time."""
    found = []
    for i, day in enumerate(days):
        waits = [refusals.waits("AAA", kind, day) for _ in range(2)]
        assert len(set(waits)) == 1
        if not waits[0]:
            found.append(i)
            refusals.note("AAA", kind, reason(i), day)
        restored = Refusals()
        restored.restore(json.loads(json.dumps(refusals.to_state())))
        assert restored.to_state() == refusals.to_state()
        refusals = restored
    return found


def test_refused_for_the_same_reason_it_waits_longer_every_time_and_at_last_for_a_week():
    assert asked(Refusals(), DAYS[:20]) == [0, 1, 3, 6, 11, 16]


def test_another_reason_is_news():
    """Numbers make no other reason."""
    refusals = Refusals()
    found = [refusals.note("AAA", CLOSING, said, DAYS[0])
             for said in ("no 1", "no 22.5", "no -3", "halted", "no 4")]  # fmt: skip
    assert found == [(1, 0), (2, 1), (3, 2), (1, 0), (1, 0)]


def test_closing_does_not_wait_for_what_holds_up_buying_but_buying_for_what_holds_up_closing():
    refusals = Refusals()
    for day in DAYS[:2]:
        refusals.note("AAA", GROWING, "buying power", day)
        refusals.note("BBB", CLOSING, "halted", day)
    waits = {
        (name, kind): refusals.waits(name, kind, DAYS[2])
        for name in ("AAA", "BBB", "CCC")
        for kind in (CLOSING, GROWING)
    }
    assert {key for key, each in waits.items() if each} == {
        ("AAA", GROWING), ("BBB", CLOSING), ("BBB", GROWING),
    }  # fmt: skip


@pytest.mark.parametrize("count", [1, 2])
def test_what_is_taken_is_forgotten(count):
    refusals = Refusals()
    for day in DAYS[:count]:
        refusals.note("AAA", CLOSING, "halted", day)
    assert refusals.taken("AAA") == (count > 1)
    assert refusals.to_state() == []
    assert not refusals.taken("AAA")
