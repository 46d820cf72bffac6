"""The baselines that the forecaster is scored beside, against slow twins and known answers."""

import numpy as np
import pytest
from scipy import stats

from research.benchmarks.forecast_scores import Scores, ewma, garch, historical_simulation
from research.experiments.constants import Scored, student_t

RETURNS = np.random.default_rng(0).standard_t(5, 600) * 0.01


def test_a_row_of_the_table():
    scores = Scores(np.array([0.01, 0.05, 0.5, 0.96]), np.full(4, 0.02), np.array([1, 2, 3, 4.0]))
    covered, error, ks, crps, log_score = scores.row()
    # Covered at 50, 80, 90 and 95 %: 1, 1, 2 and 3 of 4.
    assert (covered, error) == (0.5, pytest.approx((0.25 + 0.55 + 0.4 + 0.2) / 4))
    assert ks == pytest.approx(stats.kstest(scores.pit, "uniform").statistic)
    assert (crps, log_score) == (pytest.approx(2.0), 2.5)


def test_ewma_knows_yesterday_and_nothing_newer():
    first = 300
    scores = ewma(RETURNS, first)
    variance = np.var(RETURNS[:250])
    for t, value in enumerate(RETURNS):
        if t >= first:
            normal = stats.norm(0, np.sqrt(variance))
            assert scores.pit[t - first] == pytest.approx(normal.cdf(value))
            assert scores.log_score[t - first] == pytest.approx(normal.logpdf(value))
        variance = 0.94 * variance + 0.06 * value**2


def test_historical_simulation_ranks_among_the_last_250():
    first = 400
    scores = historical_simulation(RETURNS, first)
    for row in (400, 477, 599):
        past = RETURNS[row - 250 : row]
        assert scores.pit[row - first] == pytest.approx(((past < RETURNS[row]).sum() + 0.5) / 251)
        width = 0.9 * past.std(ddof=1) * 250**-0.2
        density = stats.norm.pdf(RETURNS[row], past, width).mean()
        assert scores.log_score[row - first] == pytest.approx(np.log(density))
        pairs = np.abs(past[:, None] - past).sum() / (250 * 249)  # unbiased: distinct pairs
        crps = np.abs(past - RETURNS[row]).mean() - 0.5 * pairs
        assert scores.crps[row - first] == pytest.approx(crps)


def test_garch_is_fitted_on_the_past_alone():
    first = 400
    other = RETURNS.copy()
    other[first + 1 :] *= 5
    ours, theirs = garch(RETURNS, first, 1), garch(other, first, 1)
    assert len(ours.pit) == 200
    assert ours.pit[0] == theirs.pit[0]
    assert ours.log_score[0] == theirs.log_score[0]
    assert (ours.log_score[1:] != theirs.log_score[1:]).all()


def test_differences_between_days_are_averaged_over_the_names_of_a_day_first():
    day = np.array([1, 2, 2, 3])
    one = Scored(day, np.array([3.0, 1.0, 2.0, 5.0]), np.zeros(4))
    other = Scored(day, np.ones(4), np.zeros(4))
    mean, error = one.difference(other, "log_score")
    of_day = np.array([2.0, 0.5, 4.0])
    assert mean == pytest.approx(of_day.mean())
    assert error == pytest.approx(of_day.std(ddof=1) / np.sqrt(3))


def test_students_t_is_found_from_its_draws():
    z = 0.7 * np.random.default_rng(1).standard_t(5, 50_000)
    scale, df = student_t(z)
    # scipy maximises the same likelihood.
    wanted_df, _, wanted_scale = stats.t.fit(z, floc=0)
    assert (scale, df) == (
        pytest.approx(wanted_scale, rel=1e-2),
        pytest.approx(wanted_df, rel=3e-2),
    )
