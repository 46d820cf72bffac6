from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from algorithm.live_trading.outbox import Outbox

CLOSE, NEXT = datetime(2013, 7, 1, 16), datetime(2013, 7, 2, 16)
OPENS = datetime(2013, 7, 2, 9, 30)
MORNING = datetime(2013, 7, 2, 9, 20)


def filled(**targets) -> Outbox:
    made = Outbox()
    made.record(CLOSE, targets)
    return made


def test_a_close_that_comes_in_parts_adds_up():
    box = filled(AAPL=10, IBM=-3)
    box.record(CLOSE, {"IBM": 0, "GOOG": 2})
    assert box.take(MORNING, OPENS) == ({"AAPL": 10.0, "IBM": 0.0, "GOOG": 2.0}, "")


def test_a_later_close_replaces_an_earlier_one():
    box = filled(AAPL=10)
    box.record(NEXT, {"IBM": 1})
    assert (box.close, box.targets) == (NEXT, {"IBM": 1.0})


def test_what_is_taken_stays():
    """The event may raise and be run again: the second time sees the same targets."""
    box = filled(AAPL=10)
    assert box.take(MORNING, OPENS) == box.take(MORNING, OPENS) == ({"AAPL": 10.0}, "")


def test_a_target_is_amended_until_the_next_close_decides():
    box = filled(AAPL=10)
    box.amend("AAPL", 4.0)
    box.amend("IBM", 7.0)
    assert box.targets == {"AAPL": 4.0}
    box.record(NEXT, {"AAPL": 10})
    assert box.targets == {"AAPL": 10.0}


@pytest.mark.parametrize("now", [OPENS, datetime(2013, 7, 2, 11), datetime(2013, 7, 3, 9, 20)])
def test_what_comes_too_late_is_not_ordered_and_says_so_once(now):
    box = filled(IBM=1, AAPL=10)
    targets, why = box.take(now, OPENS)
    assert targets == {}
    assert why.startswith("AAPL, IBM: what was decided at 2013-07-01 16:00:00 was to be ordered")
    assert "the open of 2013-07-02 09:30:00" in why
    assert box.take(now, OPENS) == ({}, "")


def test_what_was_ordered_is_asked_again_before_the_open_only():
    """A brokerage may have forgotten it; after the open it was filled, or will be decided anew."""
    box = filled(AAPL=10)
    box.ordered = True
    again = Outbox()
    again.restore(box.to_state())
    assert again.take(MORNING, OPENS) == ({"AAPL": 10.0}, "")
    assert again.take(OPENS, OPENS) == ({}, "")
    again.record(NEXT, {"AAPL": 5})
    assert not again.ordered


@pytest.mark.parametrize(
    ("held", "factor", "wanted"),
    # LEAN's own: 10 shares of AAPL became 69 in June 2014, for 1/0.1428572 is less than 7.
    [(10, 0.1428572, 69), (10, 0.5, 20), (-5, 2, -2), (0, 0.5, 0)],
)
def test_a_split_changes_what_is_to_be_held_as_it_changes_holdings(held, factor, wanted):
    box = filled(AAPL=held, IBM=3)
    box.scale("AAPL", factor)
    box.scale("GOOG", factor)
    assert box.targets == {"AAPL": wanted, "IBM": 3}


def test_bad_input_is_refused():
    box = filled(AAPL=1)
    with pytest.raises(ValueError, match="AAPL: target must be finite; received nan"):
        box.record(CLOSE, {"AAPL": float("nan")})
    with pytest.raises(ValueError, match="close must not lie before 2013-07-01 16:00:00"):
        box.record(datetime(2013, 6, 28, 16), {"AAPL": 1})
    with pytest.raises(ValueError, match="split factor must be finite and > 0; received 0"):
        box.scale("AAPL", 0)
    assert box.targets == {"AAPL": 1}


names = st.sampled_from(["AAPL", "IBM", "GOOG"])


@given(st.dictionaries(names, st.floats(-1e9, 1e9)))
def test_a_restart_brings_back_the_same(targets):
    box = filled(**targets)
    again = Outbox()
    again.restore(box.to_state())
    assert (again.close, again.targets) == (box.close, box.targets)
    empty = Outbox()
    empty.restore(Outbox().to_state())
    assert (empty.close, empty.targets) == (None, {})
