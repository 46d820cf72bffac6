"""A live run that is killed at any moment goes on as if it had not been."""

import random

import pytest

from research.conditions import ROOT
from tests.integration.kills import POINTS, RANDOM, Outcome, prove


@pytest.mark.slow
def test_a_killed_run_is_the_unbroken_one(tmp_path):
    assert prove(tmp_path, 15, random.Random(7), [RANDOM, *POINTS]) == 0


def test_a_difference_is_seen_either_way():
    order, fill = ("2010-03-02", "AAA", "5", "FILLED"), ("2010-03-02T14:31:00", "AAA", "5", "9.5")
    one = Outcome([order], [fill], "10", [("AAA", "5", "9.5")])
    twice = Outcome([order, order], [fill], "10", [("AAA", "5", "9.5")])
    poorer = Outcome([order], [], "9", [])
    assert one.difference(one) == []
    assert twice.difference(one) == [f"orders: too many {order}"]
    assert [line.split(":")[0] for line in poorer.difference(one)] == ["fills", "positions", "cash"]


def test_every_point_of_the_code_is_there(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "engine" / "shim")
    assert all(callable(point.found()[1]) for point in POINTS.values())
