"""Compiled draws and expectations beside the formulas of the density in NumPy."""

import numpy as np
import pytest
from scipy import special

from models import kernels
from models.forecast import drawing
from models.forecast.config import ForecasterConfig
from models.forecast.distributions import SkewedT, TailShape
from models.forecast.forecaster import Forecaster
from models.forecast.levels import LevelMap, LevelMaps
from models.forecast.recalibration import CORRECTED, CorrectedT, quantile
from models.market.features import BASELINE, COLUMN, baseline_volatility
from models.market.market_view import MarketView
from tests.models.synthetic import garch_table, random_forecaster

CONFIG = ForecasterConfig(units=4, window=12)
TABLES = [garch_table(name, 700, seed) for seed, name in enumerate(("AAA", "BBB"))]
COUNT = 2 * kernels.LANES + 9


@pytest.fixture(scope="module")
def wild() -> Forecaster:
    """Symbols far apart, levels far from right."""
    rng = np.random.default_rng(5)
    maps = [LevelMap.fit(rng.beta(*rng.uniform(0.7, 1.5, 2), 3000)) for _ in range(5)]
    return random_forecaster(TABLES, CONFIG, 1, spread=0.3, levels=LevelMaps(tuple(maps)))


def standing(forecaster, seed=0, order=None):
    """A state of both symbols and a stranger, unevenly many, with memories and masks."""
    rng = np.random.default_rng(seed)
    strange = garch_table("ZZZ", 700, 9)
    counts = (COUNT - 7, 5, COUNT)
    rows = [rng.integers(400, 690, count) for count in counts]
    view = MarketView.concatenate(
        [
            MarketView.at_rows(table, at, window=CONFIG.window)
            for table, at in zip([*TABLES, strange], rows, strict=True)
        ]
    )
    memory = forecaster.hindcast(TABLES[0]).memory_at(np.concatenate(rows))
    state = forecaster.start(view, forecaster.masks(sum(counts), rng), memory)
    return state, rng.random((sum(counts), 5))


def expected(forecaster, state):
    return dict(zip(drawing.EXPECTED, forecaster.expect(state), strict=True))


def test_drawn_bars_are_those_of_the_density(wild):
    """Parts to some millionths of the volatility or their size; wicks of zero are exactly zero."""
    state, uniforms = standing(wild)
    uniforms[:40] *= 1e-3
    uniforms[-40:] = 1.0 - 1e-3 * uniforms[-40:]
    ends = np.array([0.0, 1e-7, 1e-6, 1e-5])
    uniforms[40:48] = np.concatenate([ends, 1.0 - ends])[:, None]
    found = wild.draw(state, uniforms)
    density = wild.parameters(state)
    levels, correction = uniforms.copy(), state.memory.coefficients(shift=False)
    levels[:, CORRECTED] = quantile(levels[:, CORRECTED], correction)
    wanted, given_gap = density.draw(levels, wild._quantiles, state.traits.rows)
    assert 0.01 < (wanted[:, 2:4] == 0).mean() < 0.99
    np.testing.assert_array_equal(found.parts == 0, wanted == 0)
    unit = np.where(np.arange(5) < 4, state.volatility[:, None], 1.0)
    np.testing.assert_allclose(found.parts / unit, wanted / unit, rtol=5e-6, atol=5e-6)
    means = wild._means(given_gap, correction, state.traits.rows)
    np.testing.assert_allclose(found.means / unit[:, :2], means / unit[:, :2], rtol=5e-6, atol=5e-6)
    np.testing.assert_array_equal(found.pits, uniforms[:, :2])


def test_what_is_expected_is_what_the_density_says(wild):
    state, _ = standing(wild)
    state.masks = None
    told, density = expected(wild, state), wild.parameters(state)
    given = density.given_typical_gap
    parts = [
        CorrectedT(base, wild._levels[i], correction, wild._moments[state.traits.rows, i])
        for i, (base, correction) in enumerate(
            zip(
                (density.gap, given.intraday),
                state.memory.coefficients(shift=False).swapaxes(0, 1),
                strict=True,
            )
        )
    ]
    whole = density.typical_return()
    wanted = {
        "mean": parts[0].mean + parts[1].mean,
        "deviation": np.sqrt(parts[0].variance + parts[1].variance),
        "ratio": whole.location / whole.scale,
        "width": np.log(whole.scale / density.volatility),
        "gap_share": np.log(density.gap.scale / given.intraday.scale),
        "volume": density.outputs[:, 4],
    }
    for name, values in wanted.items():
        unit = state.volatility if name in ("mean", "deviation") else 1.0
        np.testing.assert_allclose(
            told[name] / unit, values / unit, rtol=1e-6, atol=1e-6, err_msg=name
        )
    rise = 1.0 - SkewedT(whole.location, whole.scale, whole.shape).cdf(np.zeros(len(state)))
    np.testing.assert_allclose(told["rise"], rise, atol=1e-5)
    assert set(told) == {*wanted, "rise"}


def test_what_a_series_gives_does_not_depend_on_those_beside_it(wild):
    """In any order, alone or among others: the same bits."""
    state, uniforms = standing(wild)
    order = np.random.default_rng(1).permutation(len(state))
    whole, told = wild.draw(state, uniforms), expected(wild, state)
    for rows in (order, order[:3], order[:1], np.arange(len(state))[1:]):
        found = wild.draw(state.take(rows), uniforms[rows])
        np.testing.assert_array_equal(found.parts, whole.parts[rows])
        np.testing.assert_array_equal(found.means, whole.means[rows])
        for name, values in expected(wild, state.take(rows)).items():
            np.testing.assert_array_equal(values, told[name][rows])


def test_a_state_moves_on_as_formulas_say(wild):
    """Features held and scaled to the bit, volatility and memory as their own modules have them."""
    state, uniforms = standing(wild)
    rng = np.random.default_rng(2)
    rows = rng.normal(0.0, 2.0, (len(state), len(wild.config.columns)))
    rows[:, COLUMN["volatility_ewma"]] -= 4.0
    memory, beside = state.memory.take(np.arange(len(state))), state.take(np.arange(len(state)))
    beside.masks = None
    wild.advance(state, rows, uniforms[:, :2])
    held = wild.scaler.held(rows[:, None], state.traits.ranges)[:, 0]
    np.testing.assert_array_equal(state.scaled, held)
    wanted = baseline_volatility(rows, state.traits.anchors)
    assert (np.log(wanted) - state.traits.anchors > BASELINE.high).any()
    np.testing.assert_allclose(state.volatility, wanted, rtol=1e-12)
    before = memory.take(np.arange(len(memory)))
    memory.push(uniforms[:, :2])
    np.testing.assert_allclose(state.memory.sums, memory.sums, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(state.memory.count, memory.count, rtol=1e-12)
    alone = beside.take(np.arange(len(beside)))
    wild.advance_beside(beside, state)
    wild.advance(alone, rows, uniforms[:, :2])
    np.testing.assert_array_equal(beside.hidden, alone.hidden)
    np.testing.assert_array_equal(beside.scaled, alone.scaled)
    kept = alone.memory
    wild.advance(alone, rows)
    np.testing.assert_array_equal(alone.memory.sums, kept.sums)
    assert (before.count != memory.count).all()
    rows[70, 3] = np.nan
    with pytest.raises(ValueError, match="feature upper_wick must be finite; received nan"):
        wild.advance(alone, rows)


def test_uniforms_of_another_shape_are_refused(wild):
    state, uniforms = standing(wild)
    for wrong in (uniforms[1:], uniforms[:, :4]):
        with pytest.raises(ValueError, match=rf"uniforms must have shape \({len(state)}, 5\)"):
            wild.draw(state, wrong)


def test_the_probability_of_a_rise_is_that_of_the_distribution():
    shapes = TailShape(
        np.array([2.6, 4.0, 30.0]), np.array([5.0, 4.0, 3.0]), np.array([0.4, 0.5, 0.6])
    )
    ratios = np.linspace(-20.0, 20.0, 997)
    table = drawing._rise_table(shapes)
    grid = np.linspace(-4.0, 4.0, table.shape[1])
    for k in range(3):
        exact = 1.0 - SkewedT(ratios, 1.0, shapes.take(k)).cdf(np.zeros(1))
        found = np.interp(np.arcsinh(ratios), grid, table[k])
        np.testing.assert_allclose(found, exact, atol=1e-5)


def test_hinges_are_the_level_map():
    levels = LevelMap.fit(np.random.default_rng(0).beta(0.7, 1.4, 3000))
    u = np.concatenate([np.linspace(1e-5, 1 - 1e-5, 999), levels.mapped])
    x, hinges = special.logit(u), drawing._hinges(levels)
    bent = x + hinges[0, 0] + (hinges[1:, 1] * np.maximum(x[:, None] - hinges[1:, 0], 0)).sum(1)
    np.testing.assert_allclose(special.expit(bent), levels.quantile(u), rtol=1e-12)
