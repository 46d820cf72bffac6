import numpy as np
import pytest
from scipy import stats

from models.market.features import FeatureTable
from research.benchmarks.rollout_calibration import (
    DECAY,
    HISTORICAL_BARS,
    LEVELS,
    STEPS,
    Ranked,
    covered,
    ewma_rollouts,
    garch_rollouts,
    historical_rollouts,
    horizon_statistics,
    line,
    mirage_rollouts,
    pit_of_draws,
    ranked,
    starts_of,
    uncertainty,
)
from research.held_out import Stock
from sim.baselines import GarchFit
from tests.sim.forecasting import history, small_forecaster

WHOLE = history(n=760)
PAST = WHOLE.until(WHOLE.time[620])
ROWS = np.array([620, 650, 690])


@pytest.fixture(scope="module")
def stock():
    return Stock(WHOLE, FeatureTable.of(PAST), small_forecaster())


def test_returns_add_up_and_volatility_is_the_root_of_squares():
    returns = np.array([[1.0, -2.0, 3.0, 4.0]])
    found = horizon_statistics(returns, 3)
    assert found["return"] == [2.0]
    assert found["volatility"] == pytest.approx(np.sqrt([14.0]))


def test_a_pit_is_a_rank():
    draws = np.array([[1.0, 2.0, 3.0], [1.0, 1.0, 5.0]])
    assert pit_of_draws(draws, np.array([2.5, 1.0])).tolist() == [2.5 / 4, 1.5 / 4]


def test_draws_of_the_same_law_are_calibrated_and_narrow_ones_cover_too_little():
    rng = np.random.default_rng(0)
    wide, narrow = rng.normal(size=(2, 4000, 200)) * np.array([1.0, 0.5])[:, None, None]
    observed = rng.normal(size=4000)
    np.testing.assert_allclose(covered(pit_of_draws(wide, observed)), LEVELS, atol=0.025)
    want = 2 * stats.norm.cdf(0.5 * stats.norm.ppf(0.5 + 0.5 * np.array(LEVELS))) - 1
    np.testing.assert_allclose(covered(pit_of_draws(narrow, observed)), want, atol=0.03)


@pytest.mark.parametrize("rollouts", [garch_rollouts, ewma_rollouts, historical_rollouts])
def test_rivals_know_nothing_newer_than_a_start(rollouts):
    bars = WHOLE.bars.copy()
    bars[ROWS[1] + 1 :, :4] *= np.linspace(1, 3, len(bars) - ROWS[1] - 1)[:, None]
    other = type(WHOLE)(WHOLE.symbol, WHOLE.time, bars)
    found, changed = (rollouts(PAST, h, ROWS, 50, np.random.default_rng(0)) for h in (WHOLE, other))
    np.testing.assert_array_equal(found[:2], changed[:2])
    assert (found[2] != changed[2]).any()
    assert found.shape[0] == 3
    assert found.shape[2] == STEPS


def test_garch_goes_on_from_the_filtered_variance():
    found = garch_rollouts(PAST, WHOLE, ROWS, 20_000, np.random.default_rng(0))
    fit = GarchFit.of(PAST.log_returns[1:], True)
    variance, residual = fit.variance[-1], fit.residual[-1]
    for row in range(621, 691):
        variance = fit.next_variance(residual, variance)
        residual = WHOLE.log_returns[row] - fit.mean
        if row + 1 in (651, 691):
            wanted = np.sqrt(fit.next_variance(residual, variance))
            place = ROWS.tolist().index(row)
            # A Student's t sample: the interquartile range is steadier than the deviation.
            spread = (
                stats.iqr(found[place, :, 0])
                / stats.iqr(stats.t.ppf(np.linspace(0.001, 0.999, 999), fit.df))
                * np.sqrt(fit.df / (fit.df - 2))
            )
            assert spread == pytest.approx(wanted, rel=0.05)


def test_ewma_has_the_variance_of_the_start():
    found = ewma_rollouts(PAST, WHOLE, ROWS, 4000, np.random.default_rng(0))
    square = WHOLE.log_returns[1:] ** 2
    variance = square[: len(PAST) - 1].mean()
    for value in square[: ROWS[1]]:
        variance = DECAY * variance + (1 - DECAY) * value
    assert found[1].std() == pytest.approx(np.sqrt(variance), rel=0.01)


def test_historical_rollouts_are_stretches_of_the_past():
    found = historical_rollouts(PAST, WHOLE, ROWS, 1, np.random.default_rng(0))
    assert found.shape == (3, HISTORICAL_BARS - STEPS + 1, STEPS)
    np.testing.assert_array_equal(found[1, -1], WHOLE.log_returns[651 - STEPS : 651])
    np.testing.assert_array_equal(found[1, 0], WHOLE.log_returns[651 - HISTORICAL_BARS :][:STEPS])


def test_imagined_rollouts_know_nothing_newer_than_their_start(stock):
    bars = WHOLE.bars.copy()
    bars[651:, :4] *= 1.5
    other = Stock(type(WHOLE)(WHOLE.symbol, WHOLE.time, bars), stock.past, stock.forecaster)
    found, changed = (mirage_rollouts(one, ROWS[:2], 8, 0.5, seed=1) for one in (stock, other))
    np.testing.assert_array_equal(found, changed)
    assert found.shape == (2, 8, STEPS)


def test_starts_leave_room_for_what_came(stock):
    rows = starts_of(stock, 10)
    assert rows[0] == len(stock.past) - 1
    assert rows[-1] + STEPS < len(WHOLE) <= rows[-1] + STEPS + 10


def test_a_line_averages_stocks():
    rng = np.random.default_rng(0)
    each = [
        ranked(rng.normal(size=(40, 100, STEPS)), rng.normal(size=(40, STEPS)))["return", 5]
        for _ in range(2)
    ]
    text = line("model", each, 6)
    pit = np.concatenate([one.pit for one in each])
    assert f"{covered(pit)[0]:.3f}" in text
    assert f"{pit.mean():.3f}" in text
    assert f"{50 * (each[0].crps.mean() + each[1].crps.mean()):.3f}" in text


def test_uncertainty_of_a_coverage_is_of_independent_blocks_of_starts():
    """Binomial where starts are independent; neither more stocks nor longer runs tell more."""
    blocks, run = 400, 6
    pit = np.random.default_rng(0).random(blocks)
    binomial = np.mean([np.sqrt(level * (1.0 - level) / blocks) for level in LEVELS])
    alone = [Ranked(pit, pit)]
    assert uncertainty(alone, 1) == pytest.approx(binomial, rel=0.1)
    assert uncertainty(alone * 3, 1) == uncertainty(alone, 1)
    runs = [Ranked(np.repeat(pit, run), np.repeat(pit, run))]
    assert uncertainty(runs, 6 * run) == pytest.approx(binomial, rel=0.15)
    assert uncertainty(runs, 1) < 0.5 * binomial
