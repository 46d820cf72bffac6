"""Markets that stay as they began, where the answer is known."""

from dataclasses import astuple

import numpy as np
import pytest

from sim import steadiness
from sim.steadiness import DEVIATIONS, HIGHEST, LOWEST, SLOPES, START, second_moments, steady

ENDLESS = 10**9


def recursion(kept, fresh, feedback, bars=80):
    """Variances, from 1 on, of x' = g x + fresh e with g as near 1 as kept and feedback let it be.

    What is calm, wild or own adds to what is kept, what is taken back is lost.
    """
    g = np.array(kept) + np.array([feedback.calm, feedback.wild, feedback.own, -feedback.back])
    variance, found = np.ones(4), []
    for _ in range(bars):
        found.append(variance)
        variance = g**2 * variance + np.array(fresh) ** 2
    return np.array(found)


def test_the_feedback_that_keeps_a_recursion_as_it_began_is_found(monkeypatch):
    """Variance 1 stays where g² is 1 less the square of what is fresh: g = .8 where that is .6."""
    monkeypatch.setattr(steadiness, "ROUNDS", 12)
    found = steady(lambda x: recursion((0.9, 0.7, 0.65, 0.82), (0.6,) * 4, x), ENDLESS)
    assert found.calm == pytest.approx(-0.1, abs=1e-3)
    assert found.wild == pytest.approx(0.1, abs=1e-3)
    assert found.own == pytest.approx(0.15, abs=1e-3)
    assert found.back == pytest.approx(0.02, abs=1e-3)


def test_few_dates_are_believed_less_and_none_not_at_all(monkeypatch):
    monkeypatch.setattr(steadiness, "ROUNDS", 12)
    found = [
        steady(lambda x: recursion((0.9, 0.7, 0.65, 0.82), (0.6,) * 4, x), dates).calm
        for dates in (1, 500, ENDLESS)
    ]
    assert found[0] == pytest.approx(START[0], abs=0.01)
    assert -0.09 < found[1] < -0.01
    assert found[2] == pytest.approx(-0.1, abs=1e-3)


def test_numbers_are_drawn_to_what_others_have_as_far_as_their_memory_is_long(monkeypatch):
    """Where each moment grows by its slope, what is missed and what is doubted are as heavy."""
    monkeypatch.setattr(steadiness, "ROUNDS", 12)
    target, dates = START + np.array([0.1, 0.1, 0.1, 0.01]), 500

    def trial(feedback):
        return np.stack([np.ones(4), np.exp(SLOPES * (np.array(astuple(feedback)) - target))])

    doubt = np.array([2 * 60, 2 * 20, 2 * 15, 2 * 10]) / 500 / (SLOPES * DEVIATIONS**2)
    wanted = START + SLOPES / (SLOPES + doubt) * (target - START)
    np.testing.assert_allclose(astuple(steady(trial, dates)), wanted, rtol=2e-3)


def test_numbers_stay_within_their_bounds(monkeypatch):
    monkeypatch.setattr(steadiness, "ROUNDS", 4)
    wild = steady(lambda x: recursion((1.5,) * 4, (1.0,) * 4, x), ENDLESS)
    np.testing.assert_array_equal(astuple(wild), [*LOWEST[:3], HIGHEST[3]])
    tame = steady(lambda x: recursion((0.1,) * 4, (0.1,) * 4, x), ENDLESS)
    np.testing.assert_array_equal(astuple(tame), [*HIGHEST[:3], LOWEST[3]])


def test_second_moments_are_of_calm_wild_own_and_scales():
    """By hand: sizes .3, .1 are .2 together and .1 on either side; -.5, -.1 are -.3 and .2."""
    sizes = np.array([[0.3, -0.5], [0.1, -0.1]])
    scales = np.array([[[0.1, 0.0], [0.3, 0.0]], [[-0.1, 0.2], [-0.3, 0.0]]])
    found = second_moments(sizes, scales)
    np.testing.assert_allclose(found, [[0, 0.04, 0.01, 0.05], [0.09, 0, 0.04, 0.01]], atol=1e-15)
