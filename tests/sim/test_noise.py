"""Uniforms for joint markets: uniform, antithetic, covering, dependent as fitted or as it was."""

import numpy as np
import pytest
from scipy import special, stats

from models.forecast.config import ForecasterConfig
from models.forecast.forecaster import Forecaster
from models.market.features import LOOKBACK
from models.market.market_view import MarketView
from sim.copula import Copula, PartCopula, margin
from sim.dates import CommonDates
from sim.noise import (
    N_PARTS,
    QMC_STEPS,
    CopulaNoise,
    DatedNoise,
    Residuals,
    completed,
    covered_uniforms,
)
from tests.sim.joint import CALENDAR, HISTORIES, TABLES

R = np.array([[1.0, 0.6, 0.2], [0.6, 1.0, 0.4], [0.2, 0.4, 1.0]])
SHAPES = ((6.0, -0.7), (10.0, 0.0), (np.inf, 0.0), (4.0, 0.45), (7.0, -0.3))


def noise():
    whole = np.kron(np.eye(N_PARTS), R)
    return CopulaNoise(Copula(whole, tuple(margin(*shape) for shape in SHAPES)))


@pytest.fixture(scope="module")
def forecaster():
    config = ForecasterConfig(units=8, window=20, epochs=2, masks=4)
    return Forecaster.fit(TABLES, config, seed=1)


@pytest.fixture(scope="module")
def residuals(forecaster):
    return Residuals.of(TABLES, [forecaster.hindcast(table) for table in TABLES])


def test_every_part_of_every_symbol_is_uniform():
    u = noise().draw(512, 70, np.random.default_rng(0))
    assert u.shape == (512, 3, 70, 5)
    assert ((u > 0) & (u < 1)).all()
    for s, p in np.ndindex(3, N_PARTS):
        for steps in (slice(0, QMC_STEPS), slice(QMC_STEPS, None)):
            # Antithetic halves are not independent: one of each pair.
            assert stats.kstest(u[::2, s, steps, p].ravel(), "uniform").pvalue > 1e-3


def test_symbols_depend_as_the_copula_says_and_bars_not_at_all():
    u = noise().draw(1024, 40, np.random.default_rng(1))
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


def test_pairs_mirror_z_and_share_the_mixing_variables():
    u = noise().draw(64, 10, np.random.default_rng(2))
    for p, (df, skew) in enumerate(SHAPES):
        one, two = u[0::2, ..., p], u[1::2, ..., p]
        if skew == 0.0:
            np.testing.assert_allclose(one + two, 1.0, atol=1e-5)
        else:  # the mean of x is skew · (W - 1), which both know
            of = margin(df, skew)
            total = of.quantile(one) + of.quantile(two)
            np.testing.assert_allclose(total, total[:, [0, 0, 0]], rtol=0.01, atol=0.01)


def test_one_symbol_alone_takes_the_sobol_points_themselves():
    alone = CopulaNoise.independent(1)
    u = alone.draw(16, 65, np.random.default_rng(3))
    points = covered_uniforms(8, 1, 65, np.random.default_rng(3))
    np.testing.assert_array_equal(u[0::2], points)
    np.testing.assert_array_equal(u[1::2], 1.0 - points)
    assert alone.lean.shape == (1, 2)


def test_first_bars_are_stratified_in_every_dimension():
    """Sobol points: one in each of 64 strata, whatever the group, the bar and the part."""
    u = covered_uniforms(64, 4, QMC_STEPS + 5, np.random.default_rng(4))
    strata = np.sort((u * 64).astype(int), axis=0)
    np.testing.assert_array_equal(strata[:, :, :QMC_STEPS].reshape(64, -1).T[0], np.arange(64))
    assert (strata[:, :, :QMC_STEPS] == np.arange(64)[:, None, None, None]).all()
    assert (strata[:, :, QMC_STEPS:] != np.arange(64)[:, None, None, None]).any()


def test_many_symbols_have_as_many_sobol_dimensions_as_there_are():
    u = covered_uniforms(2, 80, QMC_STEPS, np.random.default_rng(5))
    assert u.shape == (2, 80, QMC_STEPS, 5)
    assert ((u >= 0) & (u < 1)).all()


def test_the_common_factor_is_covered_better_than_by_chance():
    """Means over markets of all symbols' scores, a tenth of plain Monte Carlo's deviation."""
    whole = np.kron(np.eye(N_PARTS), 0.4 * np.eye(8) + 0.6)
    many = CopulaNoise(Copula(whole, (margin(np.inf, 0.0),) * 5))
    means = [
        special.ndtri(many.draw(512, 5, np.random.default_rng(seed))[0::2]).mean(axis=(0, 1))
        for seed in range(8)
    ]
    by_chance = np.sqrt(0.65 / 256)
    assert np.std(means) < 0.1 * by_chance


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
            forecaster.advance(state, table.rows[row : row + 1], drawn.pits)


def test_wicks_of_zero_are_spread_over_their_atom(residuals):
    upper = residuals.uniforms[:, 0, 2]
    upper = upper[np.isfinite(upper)]
    assert stats.kstest(upper, "uniform").statistic < 0.12
    assert len(np.unique(upper)) == len(upper)


def test_dated_noise_takes_whole_dates_in_blocks(residuals):
    dated = DatedNoise(completed(residuals.uniforms, fitted(residuals)), residuals.lean, 10.0)
    u = dated.draw(40, 60, np.random.default_rng(6))
    assert u.shape == (40, 3, 60, 5)
    rows = {tuple(day.ravel()): k for k, day in enumerate(dated.uniforms)}
    found = np.array(
        [[rows[tuple(u[b, :, t].ravel())] for t in range(60)] for b in range(40)]
    )  # a KeyError here would be a day that never was
    follows = np.diff(found, axis=1) % len(dated.uniforms) == 1
    assert 1 - follows.mean() == pytest.approx(1 / 10, rel=0.2)
    assert len(np.unique(found[:, 0])) > 25  # markets have blocks of their own


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
