"""What is left to follow of a split that two tell of."""

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


@pytest.mark.parametrize("dividend", [1.0, 0.985])
def test_targets_follow_one_split_of_no_common_ratio_as_the_broker_tells_of_it(dividend):
    known = KnownSplits(lambda line: None)
    known.history_scaled("BBB", dividend / 6, NOW)
    assert known.broker_told("BBB", 1 / 6, NOW.date(), NOW, None) == (1.0, 1 / 6)
    assert known.broker_told("BBB", 1 / 2, NOW.date(), NOW, None) == (1 / 2, 1 / 2)
