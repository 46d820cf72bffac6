import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats

from models.forecast.levels import EDGE, KNOTS, PRIOR_COUNT, LevelMap, LevelMaps

GRID = special.expit(np.linspace(-15.0, 15.0, 4001))

increasing = st.lists(st.floats(-3.0, 1.0), min_size=len(KNOTS), max_size=len(KNOTS)).map(
    lambda steps: LevelMap(special.expit(special.logit(KNOTS) + np.cumsum(np.exp(steps)) / 10.0))
)


def test_the_identity_changes_nothing():
    same = LevelMap.identity()
    np.testing.assert_allclose(same.distribution(GRID), GRID, rtol=1e-12)
    np.testing.assert_allclose(same.quantile(GRID), GRID, rtol=1e-12)
    np.testing.assert_allclose(same.density(GRID), 1.0, rtol=1e-12)
    assert LevelMaps.identity().mapped.tolist() == [list(KNOTS)] * 5


@given(increasing)
def test_maps_increase_and_their_quantile_is_their_inverse(made):
    to = made.distribution(GRID)
    assert (np.diff(to) > 0).all()
    assert (to > 0).all()
    assert (to < 1).all()
    back = made.quantile(to)
    np.testing.assert_allclose(special.logit(back), special.logit(GRID), atol=1e-6)
    np.testing.assert_allclose(made.distribution(np.array(KNOTS)), made.mapped, rtol=1e-9)


@given(increasing)
def test_the_density_is_the_slope(made):
    middle = special.expit(special.logit(KNOTS)[:-1] + 0.4)
    inside = np.concatenate([middle, [1e-5, 1e-4, 0.9999]])
    step = 1e-4 * inside * (1.0 - inside)
    slope = (made.distribution(inside + step) - made.distribution(inside - step)) / (2.0 * step)
    np.testing.assert_allclose(made.density(inside), slope, rtol=1e-5, atol=1e-8)


def test_a_fit_makes_distorted_levels_uniform():
    rng = np.random.default_rng(1)
    pits, later = rng.beta(0.8, 1.4, (2, 100_000))
    made = LevelMap.fit(pits)
    assert stats.kstest(pits[:20_000], "uniform").pvalue < 1e-6
    assert stats.kstest(made.distribution(later), "uniform").statistic < 0.012
    np.testing.assert_allclose(made.mapped, stats.beta(0.8, 1.4).cdf(KNOTS), atol=0.004)


def test_few_levels_change_little_and_none_change_nothing():
    np.testing.assert_allclose(LevelMap.fit(np.empty(0)).mapped, KNOTS, rtol=1e-12)
    once = LevelMap.fit(np.full(1, 0.6))
    widths = np.diff(KNOTS, prepend=0.0, append=1.0)
    share = widths * PRIOR_COUNT / (widths + PRIOR_COUNT)
    share[8] *= (1.0 + PRIOR_COUNT) / PRIOR_COUNT  # 0.6 lies between the knots 0.5 and 0.75
    np.testing.assert_allclose(once.mapped, np.cumsum(share / share.sum())[:-1])
    assert np.abs(once.mapped - KNOTS).max() < 0.05


def test_levels_of_0_and_1_stay_within():
    made = LevelMap.fit(np.random.default_rng(2).beta(2.0, 1.0, 1000))
    ends = np.array([0.0, 1.0])
    for found in (made.distribution(ends), made.quantile(ends)):
        assert 0.0 < found[0] < 1e3 * EDGE
        assert 1.0 - 1e3 * EDGE < found[1] < 1.0
    assert np.isfinite(made.density(ends)).all()


def test_what_does_not_increase_is_refused():
    with pytest.raises(ValueError, match=r"mapped must have shape \(15,\); received \(3,\)"):
        LevelMap(np.array([0.1, 0.5, 0.9]))
    for wrong in (np.array(KNOTS)[::-1], np.append(0.0, KNOTS[1:]), np.append(KNOTS[:-1], 1.0)):
        with pytest.raises(ValueError, match=r"mapped must increase within \(0, 1\); received \["):
            LevelMap(wrong)
    with pytest.raises(ValueError, match="read-only"):
        LevelMap.identity().mapped[0] = 0.5
