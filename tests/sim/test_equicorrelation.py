"""How strongly symbols move together by level, and noise brought from one level to another."""

from dataclasses import replace
from functools import cache
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special
from statsmodels.nonparametric.kernel_regression import KernelReg

from models.forecast.distributions import MIN_UNIFORM
from models.kernels import LANES
from sim.dates import CommonDates
from sim.equicorrelation import LEVELS, Equicorrelation, _functions, local_linear, log_size
from tests.sim.joint import HISTORIES, TABLES

FIRST = 300


def correlation(levels):
    """Of the made-up market, from .1 in the calmest bar to .7 in the wildest."""
    return 0.1 + 0.6 * levels


def scores_at(levels, symbols, rng):
    """Scores of symbols, of standard normal margins, at levels (N,), shape (N, S, 5)."""
    size = (len(levels), 1, 5)
    share = correlation(levels)[:, None, None]
    own = rng.normal(size=(len(levels), symbols, 5))
    return np.sqrt(share) * rng.normal(size=size) + np.sqrt(1.0 - share) * own


def hindcasts(seed=0):
    """That know nothing but volatilities and scales."""
    rng, found = np.random.default_rng(seed), []
    for s, table in enumerate(TABLES):
        count = len(table) - FIRST
        volatility = np.exp(rng.normal(-4.0 + s, 0.3, count))
        scales = rng.normal(0.0, 0.2, (count - 1, 2))
        state = SimpleNamespace(volatility=volatility)
        found.append(SimpleNamespace(first=FIRST, state=state, scales=scales))
    return found


@cache
def fitted(symbols=3, seed=0):
    """To the made-up market, whose dates come in the order of their levels.

    Returns:
        What is known of it, and its noise, shape (N, S, 5).
    """
    known = hindcasts()
    common = CommonDates.of(HISTORIES, FIRST + 1)
    n = len(common.dates)
    blank = Equicorrelation.of(TABLES, known, np.full((n, symbols, 5), 0.5))
    rng = np.random.default_rng(seed)
    noise = special.expit(scores_at(blank.of_dates, symbols, rng))
    return Equicorrelation.of(TABLES, known, noise), noise


def test_local_linear_regressions_are_those_of_statsmodels():
    rng = np.random.default_rng(0)
    levels, at = rng.random(200), np.linspace(0, 1, 9)
    values = np.stack([levels**2 + rng.normal(0, 0.1, 200), rng.normal(size=200)], axis=1)
    found = local_linear(levels, values, at, 0.1)
    for column in (0, 1):
        twin = KernelReg(values[:, column], levels, "c", reg_type="ll", bw=[0.1])
        np.testing.assert_allclose(found[:, column], twin.fit(at)[0], rtol=1e-6)


def test_straight_lines_are_found_to_their_ends():
    levels = np.random.default_rng(1).random(60)
    found = local_linear(levels, 3.0 - 2.0 * levels[:, None], LEVELS, 0.05)
    np.testing.assert_allclose(found[:, 0], 3.0 - 2.0 * LEVELS, atol=1e-8)


@pytest.mark.parametrize("symbols", [2, 5])
def test_what_symbols_correlate_by_is_found_at_every_level(symbols):
    rng = np.random.default_rng(2)
    levels = (np.arange(20_000) + 0.5) / 20_000
    scores = scores_at(levels, symbols, rng) * 1.7 + 0.3 * levels[:, None, None]
    together, apart, centre = _functions(levels, special.expit(scores)).swapaxes(0, 1)
    wanted = correlation(LEVELS)[:, None]
    at_level = (together**2 - apart**2) / (together**2 + (symbols - 1) * apart**2)
    assert np.abs(at_level - wanted).max() < 0.15
    assert np.abs((at_level - wanted).mean(axis=0)).max() < 0.03
    assert np.abs(centre - 0.3 * LEVELS[:, None]).max() < 0.3
    # Eigenvalues of a correlation matrix of so many symbols.
    np.testing.assert_allclose(together**2 + (symbols - 1) * apart**2, symbols, rtol=1e-12)


def test_noise_correlates_as_at_the_level_it_is_brought_to():
    """From the wildest and the calmest dates, with the deviation it had there."""
    known, _ = fitted()
    share = np.tile(correlation(LEVELS)[:, None], 5)
    truth = [np.sqrt(1.0 + 2.0 * share), np.sqrt(1.0 - share), np.zeros_like(share)]
    known = replace(known, functions=np.stack(truth, axis=1))
    rng = np.random.default_rng(3)
    date = np.argsort(known.of_dates)
    for source, target in ((-1, 0.1), (0, 0.9), (-1, 0.5)):
        dates = np.full(40_000, date[source])
        level = known.of_dates[date[source]]
        scores = scores_at(np.full(40_000, level), 3, rng)
        noise = special.expit(scores).swapaxes(0, 1)
        found = special.logit(known.brought(noise, dates, np.full(40_000, target)))
        for part in range(5):
            each = np.corrcoef(found[..., part])[np.triu_indices(3, 1)]
            assert each.mean() == pytest.approx(correlation(target), abs=0.01)
            assert np.abs(found[..., part].mean(axis=1)).max() < 0.02
            assert found[..., part].std() == pytest.approx(1.0, abs=0.01)


def test_noise_of_a_date_as_wild_as_the_market_is_its_own():
    known, noise = fitted()
    dates = np.arange(len(noise))
    found = known.brought(noise.swapaxes(0, 1), dates, known.of_dates)
    np.testing.assert_allclose(found.swapaxes(0, 1), noise, rtol=1e-12)


@pytest.mark.parametrize(
    ("symbols", "markets"), [(2, 1), (3, LANES), (3, 2 * LANES + 5), (50, LANES + 1)]
)
def test_the_compiled_kernel_is_the_formula(symbols, markets):
    known, _ = fitted(symbols)
    rng = np.random.default_rng(markets)
    noise, levels = rng.random((symbols, markets, 5)), rng.random(markets)
    dates = rng.integers(len(known.of_dates), size=markets)

    def at(where, which):
        parts = known.functions[:, which].T
        return np.stack([np.interp(where, LEVELS, part) for part in parts], axis=-1)

    of = known.of_dates[dates]
    scores = special.logit(noise)
    mean, centre = scores.mean(axis=0), at(of, 2)
    shared = centre + at(levels, 0) / at(of, 0) * (mean - centre)
    wanted = special.expit(shared + at(levels, 1) / at(of, 1) * (scores - mean))
    wanted = np.clip(wanted, known.least[:, None], known.most[:, None])
    np.testing.assert_allclose(known.brought(noise, dates, levels), wanted, rtol=1e-11)
    np.testing.assert_array_equal(
        known.brought(noise[:, -1:], dates[-1:], levels[-1:]),
        known.brought(noise, dates, levels)[:, -1:],
    )


def test_no_noise_is_wilder_than_that_of_real_bars_and_what_is_drawn():
    known, noise = fitted()
    assert (known.least <= MIN_UNIFORM).all()
    assert (known.most >= 1.0 - MIN_UNIFORM).all()
    ends = np.tile([1e-9, 1.0 - 1e-9], (3, 5, 1)).swapaxes(1, 2)
    found = known.brought(ends, np.zeros(2, int), np.array([0.99, 0.99]))
    np.testing.assert_array_equal(found[:, 0], known.least)
    np.testing.assert_array_equal(found[:, 1], known.most)
    np.testing.assert_array_equal(known.least, np.minimum(noise.min(axis=0), MIN_UNIFORM))


@given(st.floats(0, 1), st.floats(0, 1))
def test_noise_is_finite_at_the_ends_as_well(uniform, level):
    known, _ = fitted()
    noise = np.full((3, 1, 5), uniform)
    noise[0] = 0.5
    found = known.brought(noise, np.array([0]), np.array([level]))
    assert (found > 0.0).all()
    assert (found < 1.0).all()


def test_days_that_have_nothing_in_common_or_nothing_else_are_allowed():
    n = len(CommonDates.of(HISTORIES, FIRST + 1).dates)
    rng = np.random.default_rng(5)
    own = rng.random((n, 3, 5))
    same = np.repeat(own[:, :1], 3, axis=1)
    for noise in (same, np.full_like(own, 0.5)):
        known = Equicorrelation.of(TABLES, hindcasts(), noise)
        found = known.brought(own.swapaxes(0, 1), np.arange(n), rng.random(n))
        assert np.isfinite(found).all()


def test_the_level_of_a_date_is_the_share_whose_forecasts_were_narrower():
    """Beside counting them, date by date and symbol by symbol."""
    known = hindcasts()
    common = CommonDates.of(HISTORIES, FIRST + 1)
    found = Equicorrelation.of(TABLES, known, np.full((len(common.dates), 3, 5), 0.5))
    sizes = [
        0.5 * np.log(((one.state.volatility[:-1, None] * np.exp(one.scales)) ** 2).sum(axis=1))
        for one in known
    ]
    above = []
    for rows in common.rows:
        said = [
            sizes[s][row - FIRST - 1] - sizes[s].mean() for s, row in enumerate(rows) if row >= 0
        ]
        above.append(sum(said) / len(said))
    narrower = [sum(other < one for other in above) for one in above]
    np.testing.assert_allclose(found.of_dates, (np.array(narrower) + 0.5) / len(above))


def test_log_sizes_are_those_of_gap_and_intraday_return_together():
    assert log_size(np.array(0.02), np.log([3.0, 4.0])) == pytest.approx(np.log(0.02 * 5.0))
