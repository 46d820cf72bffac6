"""What is left to follow of a split that two tell of."""

import math
from datetime import datetime

import pytest

from algorithm.live_trading.known_splits import Following, KnownSplits

NOW = datetime(2014, 3, 24, 9)
NOTHING = Following()


@pytest.mark.parametrize("dividend", [1.0, 0.985])
@pytest.mark.parametrize("factors", [(1 / 2, 1 / 3), (1 / 3, 1 / 2)])
def test_targets_follow_the_splits_of_a_scale_and_not_its_dividend(factors, dividend):
    """Two for one and three for one, and a dividend on top of them: a share becomes six."""
    known = KnownSplits(lambda line: None)
    known.history_scaled("BBB", dividend / 6, NOW)
    first = known.broker_told("BBB", factors[0], NOW.date(), NOW, None)
    assert first == (1.0, pytest.approx(1 / 6, rel=1e-12))
    assert known.broker_told("BBB", factors[1], NOW.date(), NOW, None) == NOTHING


@pytest.mark.parametrize("dividend", [0.95, 0.75, 0.8])
@pytest.mark.parametrize("factors", [(1 / 2,), (1 / 3, 1 / 2)])
def test_a_large_dividend_of_a_splits_day_is_no_part_of_it(dividend, factors):
    """A share becomes two, or six by two splits: not two and two thirds, or two and a half."""
    known, whole = KnownSplits(lambda line: None), math.prod(factors)
    known.history_scaled("BBB", dividend * whole, NOW)
    first = known.broker_told("BBB", factors[0], NOW.date(), NOW, None, dividend)
    assert first == (1.0, pytest.approx(whole, rel=1e-12))
    for factor in factors[1:]:
        assert known.broker_told("BBB", factor, NOW.date(), NOW, None) == NOTHING


def test_targets_that_followed_a_split_and_a_dividend_as_one_follow_the_split():
    """A half and a fifth less look like five for two; the broker tells of two for one."""
    known = KnownSplits(lambda line: None)
    known.history_told("BBB", 2 / 5, NOW, followed=False)
    found = known.broker_told("BBB", 1 / 2, NOW.date(), NOW, None, 0.8)
    assert found == (1.0, pytest.approx(5 / 4, rel=1e-12))


@pytest.mark.parametrize("dividend", [1.0, 0.985])
def test_targets_follow_one_split_of_no_common_ratio_as_the_broker_tells_of_it(dividend):
    known = KnownSplits(lambda line: None)
    known.history_scaled("BBB", dividend / 6, NOW)
    assert known.broker_told("BBB", 1 / 6, NOW.date(), NOW, None) == (1.0, 1 / 6)
    assert known.broker_told("BBB", 1 / 2, NOW.date(), NOW, None) == (1 / 2, 1 / 2)
