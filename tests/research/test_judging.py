"""Figures of a run, and comparisons, beside worked examples."""

import numpy as np
import pytest

from research.figures import sharpe
from research.judging import (
    Figures,
    Run,
    deflated,
    deflated_sharpe,
    difference_interval,
    expected_best,
    shortfall,
)


def run_of(growth, **others) -> Run:
    zeros = np.zeros(len(growth))
    series = {"turnover": zeros, "costs": zeros, "exposure": zeros} | others
    return Run(np.asarray(growth, dtype=float), **series)


def test_figures_by_hand():
    growth = np.log([1.1, 0.5, 1.2, 1.0])
    found = Figures.of(
        run_of(growth, turnover=[1, 0, 0, 1], costs=[0.01, 0, 0, 0.03], exposure=[0.2, 0.4, 1, 0])
    )
    assert found.drawdown == pytest.approx(0.5)
    assert found.growth == pytest.approx((1.1 * 0.5 * 1.2) ** 63 - 1)
    assert found.sharpe == sharpe(growth)
    assert found.shortfall == pytest.approx(0.5)
    assert found.turnover == 0.5
    assert found.costs == pytest.approx(252 * 0.01)
    assert found.exposure == pytest.approx(0.4)
    other = Figures.of(run_of(growth))
    assert Figures.mean([found, other]).exposure == pytest.approx(0.2)


def test_shortfall_is_the_mean_of_the_worst_twentieth():
    returns = np.log1p(np.arange(-50, 50) / 1000)
    assert shortfall(returns) == pytest.approx(np.mean([0.05, 0.049, 0.048, 0.047, 0.046]))


def test_a_part_of_a_run():
    part = run_of(np.arange(5.0)).part(slice(1, 4))
    assert part.growth.tolist() == [1, 2, 3]
    with pytest.raises(ValueError, match=r"turnover must have shape \(T,\), T >= 2"):
        run_of(np.zeros(3), turnover=np.zeros(2))
    with pytest.raises(ValueError, match="growth must be finite"):
        run_of([0.0, -np.inf])


def test_the_deflated_ratio_of_the_paper():
    """Its example: 2.5 a year on 1,250 days, variance of trials .5, skewness -3, kurtosis 10.

    100 trials have a best of .1132 a day by chance, and the ratio exceeds that with .9004; of 46
    trials with .9505.
    """
    spread = np.sqrt(0.5 / 250) * np.array([-1.0, 1.0]) / np.sqrt(2)
    best = expected_best(spread, 100)
    assert best == pytest.approx(0.1132, abs=5e-5)
    ratio = 2.5 / np.sqrt(250)
    assert deflated(ratio, best, 1250, -3.0, 10.0) == pytest.approx(0.9004, abs=5e-5)
    fewer = expected_best(spread, 46)
    assert deflated(ratio, fewer, 1250, -3.0, 10.0) == pytest.approx(0.9505, abs=5e-4)
    with pytest.raises(ValueError, match="trials must be at least 2; received 1"):
        expected_best(spread, 1)


def test_nothing_to_deflate_is_a_half_where_the_ratio_is_met():
    growth = np.random.default_rng(0).normal(5e-4, 0.01, 1000)
    assert deflated_sharpe(growth, sharpe(growth)) == pytest.approx(0.5)
    assert deflated_sharpe(growth, sharpe(growth) - 1) > 0.9


def test_the_interval_of_independent_days_is_the_known_one():
    rng = np.random.default_rng(3)
    a, b = rng.normal(1e-3, 0.01, (2, 5000))
    low, high = difference_interval(a, b, mean_block=1)
    # Each ratio per bar has an error of about 1 / sqrt(T); independent runs add their variances.
    width = 2 * 1.96 * np.sqrt(252) * np.sqrt(2 / 5000)
    assert high - low == pytest.approx(width, rel=0.1)
    assert low < sharpe(a) - sharpe(b) < high
    assert (low, high) == difference_interval(a, b, mean_block=1)


def test_paired_runs_differ_by_less_than_either_errs():
    rng = np.random.default_rng(4)
    a = rng.normal(1e-3, 0.01, 3000)
    low, high = difference_interval(a, a + rng.normal(0, 1e-4, 3000))
    assert high - low < 0.05
    assert difference_interval(a, a) == (0.0, 0.0)
    with pytest.raises(ValueError, match="runs must be of the same days"):
        difference_interval(a, a[1:])


def test_an_account_that_never_moves_has_no_ratio():
    a = np.random.default_rng(5).normal(1e-3, 0.01, 500)
    low, high = difference_interval(np.zeros(500), a)
    assert low < -sharpe(a) < high


def test_several_seeds_are_averaged():
    rng = np.random.default_rng(6)
    a, b = rng.normal(1e-3, 0.01, (2, 800))
    assert difference_interval(np.stack([a, a]), b) == pytest.approx(difference_interval(a, b))
    low, high = difference_interval(np.stack([a, b]), b)
    one = difference_interval(a, b)
    assert (low, high) == pytest.approx((one[0] / 2, one[1] / 2))
