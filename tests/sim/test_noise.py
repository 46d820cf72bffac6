"""Uniforms for joint markets: uniform, covering, dependent as fitted or as it was."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import signal, special, stats

from models.forecast.config import ForecasterConfig
from models.forecast.distributions import MIN_UNIFORM
from models.forecast.forecaster import Forecaster
from models.market.features import LOOKBACK
from models.market.market_view import MarketView
from sim import noise as noise_module
from sim.blocks import matched_rows
from sim.copula import Copula, PartCopula, margin
from sim.dates import CommonDates
from sim.noise import (
    N_PARTS,
    CheckerboardNoise,
    CopulaNoise,
    DatedNoise,
    Residuals,
    completed,
    placed_points,
)
from sim.succession import scores
from tests.sim.joint import CALENDAR, HISTORIES, TABLES

R = np.array([[1.0, 0.6, 0.2], [0.6, 1.0, 0.4], [0.2, 0.4, 1.0]])
SHAPES = ((6.0, -0.7), (10.0, 0.0), (np.inf, 0.0), (4.0, 0.45), (7.0, -0.3))


def noise():
    whole = np.kron(np.eye(N_PARTS), R)
    return CopulaNoise(Copula(whole, tuple(margin(*shape) for shape in SHAPES)))


def dealt(noise, n, n_steps, rng):
    """Noise of so many bars, shape (B, S, T, 5)."""
    return np.stack([noise.deal(drawn) for drawn in noise.draw(n, n_steps, rng)], axis=2)


@pytest.fixture(scope="module")
def forecaster():
    config = ForecasterConfig(units=8, window=20, epochs=2, masks=4)
    return Forecaster.fit(TABLES, config, seed=1)


@pytest.fixture(scope="module")
def residuals(forecaster):
    return Residuals.of(TABLES, [forecaster.hindcast(table) for table in TABLES])


def test_every_part_of_every_symbol_is_uniform():
    u = dealt(noise(), 512, 70, np.random.default_rng(0))
    assert u.shape == (512, 3, 70, 5)
    assert ((u > 0) & (u < 1)).all()
    for s, p in np.ndindex(3, N_PARTS):
        # Points of one bar are more even than chance, those of one place are independent.
        assert stats.kstest(u[:, s, :, p].ravel(), "uniform").pvalue > 1e-3
    for place in (0, 200, 511):
        assert stats.kstest(u[place, 1, :, 0], "uniform").pvalue > 1e-3


def test_symbols_depend_as_the_copula_says_and_bars_not_at_all():
    u = dealt(noise(), 1024, 40, np.random.default_rng(1))
    for p, (df, skew) in enumerate(SHAPES):
        of = margin(df, skew)
        want = np.polyval(of.hermite[::-1], R)
        scores = special.ndtri(np.clip(u[..., p], 1e-9, 1 - 1e-9))
        found = np.corrcoef(scores.swapaxes(0, 1).reshape(3, -1))
        np.testing.assert_allclose(found, want, atol=0.03)
        late, early = scores[:, :, 1:].ravel(), scores[:, :, :-1].ravel()
        assert abs(np.corrcoef(late, early)[0, 1]) < 0.02
    both = u.reshape(-1, 5)
    assert np.abs(np.corrcoef(both.T) - np.eye(5)).max() < 0.02  # of one symbol, at one bar


def test_one_symbol_alone_takes_the_points_themselves():
    alone = CopulaNoise.independent(1)
    u = dealt(alone, 16, 7, np.random.default_rng(3))
    points = list(placed_points(16, N_PARTS, 7, np.random.default_rng(3)))
    np.testing.assert_array_equal(u[:, 0].swapaxes(0, 1), points)
    assert alone.lean.shape == (1, 2)


def test_points_are_stratified_in_every_dimension_at_every_step():
    for points in placed_points(64, 20, 5, np.random.default_rng(4)):
        assert points.shape == (64, 20)
        strata = np.sort((points * 64).astype(int), axis=0)
        assert (strata == np.arange(64)[:, None]).all()


@pytest.mark.parametrize("n", [1, 2, 37, 64, 100])
def test_points_come_in_the_order_of_their_first_coordinate(n):
    """Beside sorting them."""
    rng = np.random.default_rng(0)
    sobol = noise_module.qmc.Sobol(3, scramble=True, bits=noise_module.BITS, seed=rng)
    points = sobol.random_base2(int(np.ceil(np.log2(n))))[:n]
    digits = (points * 2.0**noise_module.BITS).astype(np.uint32)
    blocks = np.arange(n) // max(int(np.sqrt(n)), 1)
    for found in placed_points(n, 2, 3, np.random.default_rng(0)):
        shifted = digits ^ rng.integers(2**noise_module.BITS, size=3, dtype=np.uint32)
        shifted = shifted[np.argsort(shifted[:, 0])][np.argsort(blocks + rng.random(n))]
        np.testing.assert_array_equal(found, (shifted[:, 1:] + 0.5) * 2.0**-noise_module.BITS)


def test_points_cover_places_and_noise_together():
    """In each eighth of the places, one point in each eighth of the first dimensions."""
    for points in placed_points(64, 4, 10, np.random.default_rng(4)):
        for eighth in points[:, 0].reshape(8, 8):
            np.testing.assert_array_equal(np.sort((eighth * 8).astype(int)), np.arange(8))


def test_points_of_a_place_are_uniform_and_independent_of_those_before():
    for place in (0, 5, 11):
        found = np.array(
            [points[place] for points in placed_points(12, 3, 4000, np.random.default_rng(place))]
        )
        for column in found.T:
            assert stats.kstest(column, "uniform").pvalue > 1e-3
        assert (np.abs(np.corrcoef(found.T) - np.eye(3)) < 0.06).all()
        assert np.abs(np.corrcoef(found[1:].T, found[:-1].T)[:3, 3:]).max() < 0.06


def test_a_chain_whose_state_is_the_order_is_covered_far_better_than_by_chance():
    """Returns of a GARCH process: deviations over seeds of their mean, size and deviation."""

    def sample(points, rng, n=128):
        variance, found = np.exp(rng.permutation(np.linspace(-1, 1, n))), []
        for drawn in points(n, 4, 20, rng):
            order = np.argsort(variance)
            z = np.empty(n)
            z[order] = special.ndtri(drawn[:, 0])
            found.append(np.sqrt(variance) * z)
            variance = 0.03 + 0.9 * variance + 0.06 * found[-1] ** 2
        returns = np.array(found)
        return returns.mean(), np.abs(returns).mean(), returns.std()

    def chance(n_points, n_dimensions, n_steps, rng):
        yield from rng.random((n_steps, n_points, n_dimensions))

    ours, by_chance = (
        np.std([sample(points, np.random.default_rng(seed)) for seed in range(40)], axis=0)
        for points in (placed_points, chance)
    )
    assert (ours < np.array([0.25, 0.35, 0.6]) * by_chance).all()


def test_beyond_the_sobol_dimensions_come_random_numbers(monkeypatch):
    monkeypatch.setattr(noise_module, "MAX_DIMENSIONS", 6)
    (points,) = placed_points(64, 9, 1, np.random.default_rng(5))
    strata = np.sort((points * 64).astype(int), axis=0) == np.arange(64)[:, None]
    assert strata[:, :5].all()
    assert not strata[:, 5:].all(axis=0).any()
    assert ((points > 0) & (points < 1)).all()


def test_the_common_factor_is_covered_better_than_by_chance():
    """Means over markets of all symbols' scores, a tenth of plain Monte Carlo's deviation."""
    whole = np.kron(np.eye(N_PARTS), 0.4 * np.eye(8) + 0.6)
    many = CopulaNoise(Copula(whole, (margin(np.inf, 0.0),) * 5))
    means = [
        special.ndtri(dealt(many, 256, 5, np.random.default_rng(seed))).mean(axis=(0, 1))
        for seed in range(8)
    ]
    by_chance = np.sqrt(0.65 / 256)
    assert np.std(means) < 0.1 * by_chance


@pytest.mark.parametrize("many", [noise(), CopulaNoise.independent(3)])
def test_levels_that_no_bar_had_keep_their_distance_from_the_ends(many):
    drawn = np.full((4, 5 * 3 + 5), 0.5)
    drawn[1], drawn[2] = 1e-9, 1.0 - 1e-9
    found = many.deal(drawn if many.copula.mixed else drawn[:, :15])
    assert found.min() == MIN_UNIFORM
    assert found.max() == 1.0 - MIN_UNIFORM


def test_no_cell_reaches_beyond_the_wildest_real_bar_and_what_is_drawn():
    """Neither where real ones are wilder than that nor where they are not."""
    inner = np.linspace(0.01, 0.99, 40)
    wild = np.concatenate([[2e-5, 1e-3], inner, [1.0 - 1e-3, 1.0 - 4e-5]])
    calm = np.concatenate([[2e-3, 6e-3], inner, [1.0 - 6e-3, 1.0 - 2e-3]])
    for levels, least, most in (
        (wild, 2e-5, 1.0 - 4e-5),
        (calm, MIN_UNIFORM, 1.0 - MIN_UNIFORM),
    ):
        found = checkerboard(np.broadcast_to(levels[:, None, None], (len(levels), 1, N_PARTS)))
        assert found.low.min() == pytest.approx(least)
        assert (found.low + found.width).max() == pytest.approx(most, abs=1e-12)
        assert (found.width > 0).all()


def test_residuals_are_the_transforms_of_the_bars_of_each_date(residuals, forecaster):
    first = LOOKBACK + 19
    np.testing.assert_array_equal(residuals.dates, CommonDates.of(HISTORIES, first + 1).dates)
    for s, (history, table) in enumerate(zip(HISTORIES, TABLES, strict=True)):
        there = np.isin(residuals.dates, history.time[first + 1 :].astype("datetime64[D]"))
        np.testing.assert_array_equal(np.isfinite(residuals.uniforms[:, s]).all(axis=1), there)
        # Walked through one by one, they give the bars back.
        state = forecaster.start(MarketView.at_rows(table, [first], window=20))
        for row in range(first + 1, first + 30):
            at = np.searchsorted(residuals.dates, history.time[row].astype("datetime64[D]"))
            drawn = forecaster.draw(state, residuals.uniforms[at, s][None])
            missed = np.abs(drawn.parts[0] - table.parts[row])
            assert (missed < 2e-3 * np.abs(table.parts[first:]).max(axis=0)).all()
            pits = forecaster.returns_pit(state, table.parts[row : row + 1, :2])
            forecaster.advance(state, table.rows[row : row + 1], pits)


def test_what_histories_have_is_laid_out_by_date():
    """Beside looking each date up in each history."""
    first, width = 320, 2
    common = CommonDates.of(HISTORIES, first)
    rng = np.random.default_rng(0)
    values = [rng.random((len(history) - first, width)) for history in HISTORIES]
    found = common.laid_out(values, first)
    assert found.shape == (*common.rows.shape, width)
    for k, s in np.ndindex(common.rows.shape):
        at = np.flatnonzero(HISTORIES[s].time[first:].astype("datetime64[D]") == common.dates[k])
        wanted = values[s][at[0]] if at.size else np.full(width, np.nan)
        np.testing.assert_array_equal(found[k, s], wanted)
    assert np.isnan(found).any()


def test_wicks_of_zero_are_spread_over_their_atom(residuals):
    upper = residuals.uniforms[:, 0, 2]
    upper = upper[np.isfinite(upper)]
    assert stats.kstest(upper, "uniform").statistic < 0.12
    assert len(np.unique(upper)) == len(upper)


def test_dated_noise_is_that_of_whole_dates(residuals):
    whole = completed(residuals.uniforms, fitted(residuals))
    levels = (np.arange(len(whole)) + 0.5) / len(whole)
    dated = DatedNoise(whole, residuals.missed, levels, 10.0)
    starts = (np.arange(40) + 0.5) / 40
    dates = dated.draw(starts, 60, np.random.default_rng(6))
    np.testing.assert_array_equal(
        dates, matched_rows(levels, starts, 60, 10.0, np.random.default_rng(6))
    )
    np.testing.assert_array_equal(dated.on(dates[:, 7]), whole[dates[:, 7]].swapaxes(0, 1))
    for s in range(3):
        found = dated.luck_on(dates[:, 7])[s]
        np.testing.assert_array_equal(found, dated.luck[s, dates[:, 7]])
        missed = residuals.missed[:, s][np.isfinite(residuals.missed[:, s, 0])]
        np.testing.assert_allclose(dated.lean[s], missed.mean(axis=0), atol=1e-12)


def fitted(residuals):
    return Copula.fit(residuals.uniforms, "skewed-t")


def test_what_symbols_lack_is_drawn_once_from_their_own_transforms(residuals):
    whole = completed(residuals.uniforms, fitted(residuals))
    again = completed(residuals.uniforms, fitted(residuals))
    np.testing.assert_array_equal(whole, again)
    there = np.isfinite(residuals.uniforms)
    np.testing.assert_array_equal(whole[there], residuals.uniforms[there])
    assert not there[:, 1].all()
    for p in range(N_PARTS):
        own = residuals.uniforms[there[:, 1, p], 1, p]
        made = whole[~there[:, 1, p], 1, p]
        assert own.min() <= made.min() <= made.max() <= own.max()
    # NEW was not listed on the first third of the dates, and falls there when the others fall.
    missing = ~there[:, 1, 1]
    scores = special.ndtri(whole[missing][:, [0, 1], 1])
    assert np.corrcoef(scores.T)[0, 1] > 0.1


def test_a_date_that_all_have_needs_no_drawing(residuals):
    every = residuals.uniforms[np.isfinite(residuals.uniforms).all(axis=(1, 2))]
    assert completed(every, fitted(residuals)) is every


def checkerboard(uniforms, levels=None):
    """Noise of dates that go on without end."""
    n = len(uniforms)
    levels = (np.arange(n) + 0.5) / n if levels is None else levels
    dated = DatedNoise(uniforms, np.zeros((n, 1, 2)), levels, 40.0)
    return CheckerboardNoise.of(dated, np.ones(uniforms.shape[:2], bool))


def forgetful(noise):
    """The same of days that remember nothing."""
    owed = noise.autoregression
    z = scores(owed.ranks, len(owed.ranks))
    weights = np.zeros_like(owed.weights)
    return replace(noise, autoregression=replace(owed, weights=weights, unexpected=z))


def drawn_anew(noise, n_markets, n_steps, rng):
    """Noise (T, S, B, 5) and its dates (B, T)."""
    starts = (np.arange(n_markets) + 0.5) / n_markets
    dates, found = noise.draw(starts, np.full(n_markets, -1), n_steps, rng)
    return found, dates


def test_checkerboard_noise_has_the_margins_and_the_ranks_of_real_dates():
    rng = np.random.default_rng(8)
    n, s = 300, 2
    z = rng.standard_normal((n, s, N_PARTS))
    z[:, 1] += z[:, 0]  # symbols move together,
    z[:, :, 4] = np.abs(z[:, :, 1]) + 0.1 * z[:, :, 4]  # and large moves come with volume
    uniforms = special.ndtr(z)
    noise = forgetful(checkerboard(uniforms))
    u, dates = drawn_anew(noise, 2048, 20, rng)
    assert u.shape == (20, s, 2048, N_PARTS)
    assert ((u > 0) & (u < 1)).all()
    assert len(np.unique(u)) == u.size
    for k, p in np.ndindex(s, N_PARTS):
        edges = np.sort(uniforms[:, k, p])
        edges = 0.5 * (edges[1:] + edges[:-1])  # between the cells
        of = np.searchsorted(edges, uniforms[:, k, p])
        np.testing.assert_array_equal(np.searchsorted(edges, u[:, k, :, p]), of[dates].T)
        bounds = np.quantile(uniforms[:, k, p], [0.1, 0.5, 0.9])
        found = np.quantile(u[:, k, :, p], [0.1, 0.5, 0.9])
        np.testing.assert_allclose(found, bounds, atol=0.02)
        below = (u[:, k, :, p, None] < bounds).mean(axis=(0, 1))
        np.testing.assert_allclose(below, [0.1, 0.5, 0.9], atol=0.02)
    every = np.corrcoef(uniforms.reshape(n, -1).T)
    found = np.corrcoef(u.swapaxes(1, 2).reshape(-1, s * N_PARTS).T)
    assert np.abs(found - every).max() < 0.06


def test_a_cell_reaches_halfway_to_its_neighbours():
    uniforms = np.full((4, 1, N_PARTS), 0.5)
    uniforms[:, 0, 1] = [0.3, 0.1, 0.95, 0.4]
    noise = checkerboard(uniforms)
    np.testing.assert_allclose(noise.low[0, :, 1], [MIN_UNIFORM, 0.2, 0.35, 0.675], atol=1e-8)
    high = (noise.low + noise.width)[0, :, 1]
    np.testing.assert_allclose(high, [0.2, 0.35, 0.675, 1.0 - MIN_UNIFORM], atol=1e-8)
    np.testing.assert_array_equal(noise.width[0, :, 0], 0.0)
    one, _ = drawn_anew(checkerboard(uniforms[:1]), 3, 2, np.random.default_rng(0))
    np.testing.assert_array_equal(one[..., 1], 0.3)


def test_checkerboard_noise_is_of_the_ranks_that_markets_remember():
    """In their cells; its dates' own would remember nothing."""
    rng = np.random.default_rng(9)
    z = rng.standard_normal((600, 2, N_PARTS))
    z[..., 4] = signal.lfilter([0.6], [1.0, -0.8], z[..., 4], axis=0)
    uniforms = special.ndtr(z)
    noise = checkerboard(uniforms)
    u, dates = drawn_anew(noise, 64, 30, rng)
    ranks = noise.autoregression.ranks_on(dates, np.full(64, -1))
    ordered = np.sort(uniforms, axis=0)
    for s, p in np.ndindex(2, N_PARTS):
        middle = 0.5 * (ordered[1:, s, p] + ordered[:-1, s, p])
        np.testing.assert_array_equal(np.searchsorted(middle, u[:, s, :, p]), ranks[:, s, :, p])
    volume = u[..., 0, :, 4]
    of_dates = uniforms[dates, 0, 4].T
    assert np.corrcoef(volume[1:].ravel(), volume[:-1].ravel())[0, 1] > 0.6
    assert np.corrcoef(of_dates[1:].ravel(), of_dates[:-1].ravel())[0, 1] < 0.3


def test_checkerboard_noise_goes_on_from_the_last_date_of_each_market():
    z = np.random.default_rng(10).standard_normal((600, 1, N_PARTS))
    z[..., 4] = signal.lfilter([0.6], [1.0, -0.8], z[..., 4], axis=0)
    noise = checkerboard(special.ndtr(z))
    busiest, quietest = np.argmax(z[:, 0, 4]), np.argmin(z[:, 0, 4])
    last = np.repeat([busiest, quietest], 200)
    _, found = noise.draw(np.tile(np.linspace(0, 1, 200), 2), last, 2, np.random.default_rng(0))
    volume = found[0, 0, :, 4]
    assert volume[:200].mean() > volume[200:].mean() + 0.3


def test_checkerboard_noise_takes_all_dates_equally_often_in_another_order():
    noise = checkerboard(np.random.default_rng(0).random((400, 2, N_PARTS)))
    _, dates = drawn_anew(noise, 800, 60, np.random.default_rng(1))
    count = np.bincount(dates.ravel(), minlength=400)
    assert count.std() < 0.2 * count.mean()
    assert (np.diff(dates, axis=1) == 1).mean() < 0.1


def test_histories_on_one_calendar_share_dates():
    common = CommonDates.of(HISTORIES)
    np.testing.assert_array_equal(common.dates, CALENDAR)
    np.testing.assert_array_equal(common.rows[:, 0], np.arange(640))
    assert (common.rows[:200, 1] == -1).all()
    np.testing.assert_array_equal(common.rows[200:, 1], np.arange(440))
    assert common.present[:, 2].sum() == len(HISTORIES[2])
    for s, history in enumerate(HISTORIES):
        rows = common.rows[common.present[:, s], s]
        np.testing.assert_array_equal(
            history.time[rows].astype("datetime64[D]"), common.dates[common.present[:, s]]
        )


def test_a_part_of_one_symbol_has_no_partner():
    part = PartCopula(np.eye(1), margin(np.inf, 0.0))
    assert part.n_symbols == 1
    assert Copula.fit(np.random.default_rng(0).random((50, 1, 5)), "skewed-t").independent
