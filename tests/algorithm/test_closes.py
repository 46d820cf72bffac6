"""A close in one slice or in several."""

import math
from datetime import datetime, timedelta

import pytest

from algorithm.closes import Close

END = datetime(2009, 1, 2, 16)
LATER = END + timedelta(microseconds=300)
NONE = {"A": math.nan, "B": math.nan}


@pytest.fixture
def close():
    return Close()


def test_a_close_in_one_slice_is_what_was_decided(close):
    weights = {"A": 0.3, "B": math.nan}
    found = close.add(END, END, ["A", "B"], weights)
    assert found["A"] == 0.3
    assert math.isnan(found["B"])
    assert close.fresh_at(END) == {"A", "B"}


def test_slices_of_one_close_add_up_though_the_clock_has_moved_on(close):
    close.add(END, END, ["A"], NONE | {"A": 0.3})
    found = close.add(END, LATER, ["B"], NONE | {"B": -0.2})
    assert found == {"A": 0.3, "B": -0.2}
    assert close.fresh_at(LATER) == {"A", "B"}
    assert close.fresh_at(END) == set()


def test_a_stop_in_a_later_slice_counts_for_what_came_before(close):
    close.add(END, END, ["A"], NONE | {"A": 0.3})
    assert close.add(END, LATER, ["B"], {"A": 0.0, "B": 0.0}) == {"A": 0.0, "B": 0.0}


def test_the_next_close_starts_anew(close):
    close.add(END, END, ["A", "B"], {"A": 0.3, "B": 0.2})
    next_end = END + timedelta(days=1)
    found = close.add(next_end, next_end, ["B"], NONE | {"B": 0.1})
    assert math.isnan(found["A"])
    assert found["B"] == 0.1
    assert close.fresh_at(next_end) == {"B"}


def test_between_decisions_nothing_is_fresh(close):
    assert close.fresh_at(END) == set()
    close.add(END, END, ["A"], NONE | {"A": 0.3})
    assert close.fresh_at(END + timedelta(hours=1)) == set()


def test_what_is_given_back_is_a_copy(close):
    close.add(END, END, ["A"], NONE | {"A": 0.3})["A"] = 9.0
    close.fresh_at(END).clear()
    assert close.add(END, LATER, ["B"], NONE)["A"] == 0.3
    assert close.fresh_at(LATER) == {"A", "B"}
