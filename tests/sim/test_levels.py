"""How wild days and markets are, and days that are alike in that."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from sim import levels as levels_module
from sim.dates import CommonDates
from sim.levels import REACH, Levels, like, means_of_like, spread
from tests.sim.joint import HISTORIES, TABLES

FIRST = 300


def told(seed=0):
    """Hindcasts that know nothing but volatilities, and the logarithms of these."""
    rng = np.random.default_rng(seed)
    wild = [rng.normal(-4.0 + s, 0.3, len(table) - FIRST) for s, table in enumerate(TABLES)]
    each = [
        SimpleNamespace(first=FIRST, state=SimpleNamespace(volatility=np.exp(one))) for one in wild
    ]
    return each, wild


def test_the_argument_is_distributed_as_the_sum_of_two_uniforms_is():
    sums = np.random.default_rng(0).uniform([0, -REACH], [1, REACH], (20_000, 2)).sum(axis=1)
    assert stats.kstest(sums, spread).pvalue > 1e-3
    np.testing.assert_allclose(spread(np.array([-REACH, 0.5, 1 + REACH])), [0, 0.5, 1], atol=1e-12)


def test_days_of_markets_at_all_levels_are_all_days_equally_often():
    rng = np.random.default_rng(1)
    wanted = rng.random(20_000)
    found = like(wanted, rng.random(20_000))
    assert stats.kstest(found, "uniform").pvalue > 1e-3
    assert np.abs(found - wanted).max() < 1.5 * REACH
    assert np.corrcoef(found, wanted)[0, 1] > 0.9


@given(st.floats(0, 1), st.floats(0, 1, exclude_max=True))
def test_levels_stay_levels(level, uniform):
    assert 0.0 <= like(np.array(level), np.array(uniform)) <= 1.0


def test_the_level_of_a_date_is_the_share_that_was_calmer():
    """Beside counting them, date by date and symbol by symbol."""
    hindcasts, wild = told()
    found = Levels.of(TABLES, hindcasts)
    common = CommonDates.of(HISTORIES, FIRST + 1)
    usual = [one[:-1].mean() for one in wild]
    above = []
    for rows in common.rows:
        # What was known at the close before: forecasts do not see the bar they are of.
        known = [wild[s][row - FIRST - 1] - usual[s] for s, row in enumerate(rows) if row >= 0]
        above.append(sum(known) / len(known))
    np.testing.assert_allclose(found.above, above, rtol=1e-12)
    calmer = [sum(other < one for other in above) for one in above]
    np.testing.assert_allclose(found.of_dates, (np.array(calmer) + 0.5) / len(above))


def test_markets_have_the_level_of_the_date_that_follows_their_start():
    hindcasts, _ = told()
    found = Levels.of(TABLES, hindcasts)
    common = CommonDates.of(HISTORIES, FIRST + 1)
    rows = common.rows[(common.rows >= 0).all(axis=1)]
    there = (common.rows >= 0).all(axis=1)
    np.testing.assert_allclose(found.of_starts(rows - 1), found.of_dates[there], atol=1e-9)
    low, high = found.above.min() - 1, found.above.max() + 1
    n = len(found.above)
    np.testing.assert_allclose(found.of_markets(np.array([low, high])), [0.5 / n, 1 - 0.5 / n])


def test_the_mean_of_like_days_is_theirs_less_that_of_all():
    """Beside counting them, where some have no value and one has none that is like it."""
    rng = np.random.default_rng(3)
    levels = rng.random(60)
    values = levels[:, None] + rng.normal(0, 0.1, (60, 2))
    values[rng.random((60, 2)) < 0.2] = np.nan
    found = means_of_like(levels, values)
    for column in (0, 1):
        like_it = [np.abs(levels - one) <= REACH for one in levels]
        means = np.array([np.nanmean(values[near, column]) for near in like_it])
        np.testing.assert_allclose(found[:, column], means - means.mean(), atol=1e-12)
    lonely = means_of_like(levels, np.where(levels < 0.5, np.nan, values[:, 0]))
    assert np.isfinite(lonely).all()
    assert lonely.mean() == pytest.approx(0.0, abs=1e-12)


def test_levels_do_not_hang_on_the_last_bit():
    hindcasts, _ = told()
    found = Levels.of(TABLES, hindcasts)
    moved = Levels(found.above * (1.0 + 1e-15), found.at_rows, FIRST)
    np.testing.assert_array_equal(found.of_dates, moved.of_dates)


@pytest.mark.parametrize("reach", [0.05, 0.5])
def test_any_reach_leaves_days_uniform(monkeypatch, reach):
    monkeypatch.setattr(levels_module, "REACH", reach)
    rng = np.random.default_rng(2)
    found = like(rng.random(20_000), rng.random(20_000))
    assert stats.kstest(found, "uniform").pvalue > 1e-3
