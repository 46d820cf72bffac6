import dataclasses
from itertools import pairwise

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, special, stats

from models.forecast.density import OUTPUTS, BarDensity, DensityParameters, QuantileTables
from models.forecast.distributions import EDGE_UNIFORM, NUMPY
from models.forecast.levels import LevelMap, LevelMaps
from models.forecast.network import TENSORFLOW
from models.market.features import bars_from_parts


def parameters(seed=0, spread=0.3):
    rng = np.random.default_rng(seed)
    initial = DensityParameters.initial().by_name()
    return DensityParameters(
        **{name: value + spread * rng.normal(size=len(value)) for name, value in initial.items()}
    )


def density_of(outputs=None, count=1, volatility=0.015, seed=0):
    outputs = np.zeros((count, len(OUTPUTS))) if outputs is None else outputs
    return BarDensity(NUMPY, outputs, np.full(len(outputs), volatility), parameters(seed))


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10**6))
def test_every_conditional_density_integrates_to_one(seed):
    rng = np.random.default_rng(seed)
    made = density_of(rng.normal(size=(1, len(OUTPUTS))), seed=seed)
    gap, intraday, volume, upper = rng.normal(size=(4, 1)) * 0.02
    given_gap = made.given_gap(gap)
    given_intraday = given_gap.given_intraday(intraday)
    given_volume = given_intraday.given_volume(volume)
    parts = [made.gap, given_gap.intraday, given_intraday.volume]
    for part in parts:

        def density(x, part=part):
            return np.exp(part.log_density(NUMPY, part.location + part.scale * x))[0]

        total = part.scale[0] * integrate.quad(density, -np.inf, np.inf)[0]
        assert np.isclose(total, 1.0, rtol=1e-5)
    for wick in (
        given_volume.upper_wick,
        given_volume.given_upper_wick(np.abs(upper)).lower_wick,
    ):

        def of_log(x, wick=wick):
            size = wick.scale * np.exp(x)
            return np.exp(wick.log_density(NUMPY, size) + np.log(size))[0]

        zero = np.exp(wick.log_density(NUMPY, np.zeros(1)))[0]
        least = np.array([1.0001e-6])
        edges = [np.log(least[0] / wick.scale[0]), 0.0, 15.0]
        total = sum(integrate.quad(of_log, a, b, limit=200)[0] for a, b in pairwise(edges))
        # What lies between 0 and a hundredth of a basis point is counted as zero; tails end at 15.
        assert np.isclose(total, 1.0 - wick.cdf(least)[0], atol=2e-4)
        assert np.isclose(zero, wick.cdf(np.zeros(1))[0])


def test_samples_follow_the_density():
    """The conditional distribution functions of samples are uniform and independent."""
    count = 20_000
    rng = np.random.default_rng(5)
    outputs = 0.5 * rng.normal(size=(count, len(OUTPUTS)))
    parts = density_of(outputs).sample(rng.random((count, 5)), QuantileTables.of(parameters()))
    pit = density_of(outputs).pit(parts)
    for column in (0, 1, 4):
        assert stats.kstest(pit[:, column], "uniform").pvalue > 1e-3
    assert np.abs(np.corrcoef(pit.T) - np.eye(5)).max() < 4 / np.sqrt(count)


def test_wicks_above_zero_are_uniform_after_their_distribution_function():
    count = 20_000
    rng = np.random.default_rng(6)
    parts = density_of(count=count).sample(rng.random((count, 5)), QuantileTables.of(parameters()))
    _, _, upper, lower, _ = density_of(count=count).conditionals(parts)
    for wick, values in ((upper, parts[:, 2]), (lower, parts[:, 3])):
        zero = 1.0 / (1.0 + np.exp(-wick.logit))
        assert abs((values == 0).mean() - zero.mean()) < 4 * np.sqrt(zero.mean() / count)
        above = values > 0
        pit = (wick.cdf(values)[above] - zero[above]) / (1.0 - zero[above])
        assert stats.kstest(pit, "uniform").pvalue > 1e-3


def test_large_returns_bring_large_ranges_and_volumes_when_the_coupling_says_so():
    coupled = dataclasses.replace(
        DensityParameters.initial(),
        volume_location_on=[0.0, 0.0, 0.5, *[0.0] * 5],
        upper_scale_on=[0.0, 0.0, 0.5, *[0.0] * 4],
    )
    outputs = np.zeros((5000, len(OUTPUTS)))
    made = BarDensity(NUMPY, outputs, np.full(5000, 0.01), coupled)
    uniforms = np.random.default_rng(0).random((5000, 5))
    parts = made.sample(uniforms, QuantileTables.of(coupled))
    size = np.abs(parts[:, 1])
    assert stats.spearmanr(size, parts[:, 4]).statistic > 0.2
    assert stats.spearmanr(size, parts[:, 2]).statistic > 0.1


def test_extreme_uniforms_still_give_valid_bars():
    corners = np.array(np.meshgrid(*[[0.0, 0.5, 1.0]] * 5)).reshape(5, -1).T
    parts = density_of(count=len(corners)).sample(corners, QuantileTables.of(parameters()))
    bars = bars_from_parts(np.full(len(corners), 10.0), np.full(len(corners), 12.0), parts)
    assert np.isfinite(bars).all()
    assert (bars[:, 2] <= bars[:, [0, 3]].min(axis=1)).all()
    assert (bars[:, 1] >= bars[:, [0, 3]].max(axis=1)).all()


def test_mirrored_uniforms_give_mirrored_gaps_when_both_sides_are_alike():
    uniforms = np.random.default_rng(0).random((100, 5))
    even = dataclasses.replace(parameters(), gap=[-0.8, 1.0, 1.0, 0.0])
    made = BarDensity(NUMPY, np.zeros((100, len(OUTPUTS))), np.full(100, 0.015), even)
    tables = QuantileTables.of(even)
    there, back = made.sample(uniforms, tables)[:, 0], made.sample(1.0 - uniforms, tables)[:, 0]
    np.testing.assert_allclose(there, -back, atol=1e-9)


def test_conditionals_do_not_depend_on_what_else_was_asked_before():
    """Stages are immutable: another bar's parts, asked in between, change nothing."""
    rng = np.random.default_rng(7)
    made = density_of(rng.normal(size=(4, len(OUTPUTS))))
    one, other = np.abs(0.02 * rng.normal(size=(2, 4, 5)))
    first = made.given_gap(one[:, 0])
    before = first.given_intraday(one[:, 1]).volume
    made.given_gap(other[:, 0]).given_intraday(other[:, 1]).given_volume(other[:, 4])
    again = first.given_intraday(one[:, 1]).volume
    np.testing.assert_array_equal(again.location, before.location)
    np.testing.assert_array_equal(again.scale, before.scale)
    np.testing.assert_array_equal(made.log_density(one), density_of(made.outputs).log_density(one))


def test_every_part_depends_on_the_earlier_ones_alone():
    """Change a part: its own and the earlier conditionals stay, the later ones move."""
    order = (0, 1, 4, 2, 3)
    rng = np.random.default_rng(8)
    made = density_of(rng.normal(size=(6, len(OUTPUTS))))
    parts = np.abs(0.01 * rng.normal(size=(6, 5))) + 1e-4
    level = made.pit(parts)
    for place, column in enumerate(order):
        changed = parts.copy()
        changed[:, column] *= 3.0
        found = made.pit(changed)
        earlier, later = list(order[:place]), list(order[place + 1 :])
        np.testing.assert_array_equal(found[:, earlier], level[:, earlier])
        assert (found[:, later] != level[:, later]).all()


def test_parameters_have_their_shapes_and_cannot_be_written_to():
    with pytest.raises(
        ValueError, match=r"parameter upper must have shape \(3,\), .*; received \(2,\)"
    ):
        dataclasses.replace(DensityParameters.initial(), upper=np.zeros(2))
    given = np.array([-1.0, 2.0, 2.0, 0.0])
    kept = dataclasses.replace(DensityParameters.initial(), gap=given)
    given[0] = 5.0
    assert kept.gap[0] == -1.0
    with pytest.raises(ValueError, match="read-only"):
        kept.gap[0] = 0.0


# --- parameters of each bar, levels corrected


def bent():
    """Level maps that are far from doing nothing, each its own."""
    rng = np.random.default_rng(11)
    shapes = rng.uniform(0.7, 1.5, (5, 2))
    return LevelMaps(tuple(LevelMap.fit(rng.beta(*shape, 3000)) for shape in shapes))


def of_symbols(count=3):
    """Parameters of several symbols, arrays (count, n)."""
    return DensityParameters.split(np.stack([parameters(seed).joined() for seed in range(count)]))


def mixed(count, symbols=3, seed=12):
    """Bars that are each of one of several symbols: which, outputs, volatility."""
    rng = np.random.default_rng(seed)
    outputs = 0.5 * rng.normal(size=(count, len(OUTPUTS)))
    return rng.integers(symbols, size=count), outputs, rng.uniform(0.005, 0.03, count)


def test_bars_of_several_symbols_are_those_of_each_symbol_alone():
    every, levels = of_symbols(), bent()
    which, outputs, volatility = mixed(60)
    uniforms = np.random.default_rng(13).random((60, 5))
    together = BarDensity(NUMPY, outputs, volatility, every.take(which))
    parts = together.sample(uniforms, QuantileTables.of(every, levels), which)
    found = together.log_density(parts), together.pit(parts, levels)
    for symbol in range(3):
        mine = which == symbol
        alone = BarDensity(NUMPY, outputs[mine], volatility[mine], every.take(symbol))
        tables = QuantileTables.of(every.take(symbol), levels)
        np.testing.assert_allclose(alone.sample(uniforms[mine], tables), parts[mine], rtol=1e-12)
        np.testing.assert_allclose(alone.log_density(parts[mine]), found[0][mine], rtol=1e-12)
        positive = (parts[mine] != 0).all(axis=1)
        pit = alone.pit(parts[mine], levels)
        np.testing.assert_allclose(pit[positive], found[1][mine][positive], rtol=1e-12)


@pytest.mark.parametrize("levels", [None, bent()])
def test_the_pit_of_a_sample_is_its_uniform(levels):
    every = of_symbols()
    which, outputs, volatility = mixed(2000)
    made = BarDensity(NUMPY, outputs, volatility, every.take(which))
    uniforms = np.random.default_rng(14).uniform(EDGE_UNIFORM, 1.0 - EDGE_UNIFORM, (2000, 5))
    parts = made.sample(uniforms, QuantileTables.of(every, levels), which)
    pit = made.pit(parts, levels)
    positive = parts[:, 2:4] >= 1e-6
    returns = [0, 1, 4]
    np.testing.assert_allclose(pit[:, returns], uniforms[:, returns], atol=5e-5)
    np.testing.assert_allclose(pit[:, 2:4][positive], uniforms[:, 2:4][positive], atol=1e-9)
    # The tables' intervals in which a map bends are the only coarse ones.
    off = np.abs(pit[:, returns] - uniforms[:, returns])
    assert np.quantile(off, 0.95) < 1e-6


@pytest.mark.parametrize("levels", [None, bent()])
def test_pits_of_samples_are_uniform_zero_wicks_included(levels):
    every = of_symbols()
    which, outputs, volatility = mixed(20_000)
    outputs[:, -2:] += 1.5  # many zero wicks
    made = BarDensity(NUMPY, outputs, volatility, every.take(which))
    uniforms = np.random.default_rng(15).random((20_000, 5))
    parts = made.sample(uniforms, QuantileTables.of(every, levels), which)
    zero = parts[:, 2:4] == 0
    assert (zero.mean(axis=0) > 0.1).all()
    assert zero.all(axis=1).sum() > 200
    pit = made.pit(parts, levels)
    for column in range(5):
        assert stats.kstest(pit[:, column], "uniform").pvalue > 1e-3
    assert np.abs(np.corrcoef(pit.T) - np.eye(5)).max() < 4 / np.sqrt(20_000)
    both = pit[zero.all(axis=1)][:, 2:4] / special.expit(
        np.stack([x.logit for x in made.conditionals(parts)[2:4]], axis=1)[zero.all(axis=1)]
    )
    # Where both wicks are zero, their places below P(zero) are independent too.
    assert abs(np.corrcoef(both.T)[0, 1]) < 4 / np.sqrt(len(both))


def test_levels_are_the_distribution_functions_that_a_map_is_fitted_on():
    """Fitted on the levels of bars of another density, maps make their PITs uniform."""
    count = 30_000
    wide = dataclasses.replace(
        parameters(),
        gap=[-0.6, 0.0, 0.0, 0.3],
        volume=[-1.0, 3.0, 0.0, 0.0],
        upper=[-0.4, 0.9, 1.0],
    )
    rng = np.random.default_rng(16)
    made = BarDensity(NUMPY, np.zeros((count, len(OUTPUTS))), np.full(count, 0.01), wide)
    parts = made.sample(rng.random((count, 5)), QuantileTables.of(wide))
    wrong = BarDensity(NUMPY, made.outputs, made.volatility, parameters())
    found = wrong.levels(parts)
    assert [len(level) for level in found[:2]] == [count, count]
    assert len(found[2]) == (parts[:, 2] >= 1e-6).sum()
    np.testing.assert_allclose(found[0], wrong.pit(parts)[:, 0], rtol=1e-12)
    maps = LevelMaps(tuple(LevelMap.fit(level) for level in found))
    before, after = (wrong.pit(parts, m)[:, 0] for m in (None, maps))
    assert stats.kstest(before, "uniform").statistic > 0.03
    assert stats.kstest(after, "uniform").statistic < 0.012
    positive = maps[2].distribution(found[2])
    assert stats.kstest(positive, "uniform").statistic < 0.012


def test_tensorflow_and_numpy_give_the_same_density_of_every_bar():
    every = of_symbols()
    which, outputs, volatility = mixed(30)
    own = every.take(which)
    parts = BarDensity(NUMPY, outputs, volatility, own).sample(
        np.random.default_rng(17).random((30, 5)), QuantileTables.of(every), which
    )
    parts[::4, 2] = 0.0
    values = tf.constant(own.joined())
    theirs = BarDensity(
        TENSORFLOW, tf.constant(outputs), tf.constant(volatility), DensityParameters.split(values)
    ).log_density(tf.constant(parts))
    ours = BarDensity(NUMPY, outputs, volatility, own).log_density(parts)
    np.testing.assert_allclose(ours, theirs.numpy(), rtol=1e-9)


def test_the_joint_density_of_returns_and_volume_integrates_to_one():
    """A grid over the first three parts, in their own standard units."""
    made = BarDensity(NUMPY, np.zeros((1, len(OUTPUTS))), np.array([0.01]), parameters(2))
    # Nodes at quantiles of a wide normal, so that few of them reach far out.
    level = (np.arange(60) + 0.5) / 60
    z, weight = 6.0 * special.ndtri(level), 6.0 / 60 / stats.norm.pdf(special.ndtri(level))
    gap, intraday, volume = (x.ravel() for x in np.meshgrid(z, z, z, indexing="ij"))
    wide = BarDensity(NUMPY, np.zeros((len(gap), 10)), np.full(len(gap), 0.01), made.parameters)
    parts = np.column_stack([0.005 * gap, 0.01 * intraday, 0 * gap, 0 * gap, 0.7 * volume])
    joint = np.exp(wide.log_density(parts)[:, [0, 1, 4]].sum(axis=1))
    widths = np.einsum("i,j,k->ijk", weight, weight, weight).ravel()
    assert np.isclose((joint * widths).sum() * 0.005 * 0.01 * 0.7, 1.0, atol=0.01)


def test_a_gain_multiplies_what_the_network_says():
    rng = np.random.default_rng(18)
    outputs = 0.4 * rng.normal(size=(5, len(OUTPUTS)))
    own = dataclasses.replace(parameters(), gain=[0.5, -0.3, 0.2])
    plain = dataclasses.replace(own, gain=np.zeros(3))
    factors = np.ones(len(OUTPUTS))
    for names, gain in (
        (["volume_location"], 0.5),
        (["gap_scale", "intraday_scale"], -0.3),
        (["upper_scale", "lower_scale"], 0.2),
    ):
        factors[[OUTPUTS.index(name) for name in names]] += gain
    parts = np.abs(0.01 * rng.normal(size=(5, 5)))
    volatility = np.full(5, 0.01)
    np.testing.assert_allclose(
        BarDensity(NUMPY, outputs, volatility, own).log_density(parts),
        BarDensity(NUMPY, outputs * factors, volatility, plain).log_density(parts),
        rtol=1e-12,
    )


def test_the_size_of_the_whole_return_moves_volume_and_wicks():
    """The same intraday return brings more volume after a gap on its side than on the other."""
    on = dataclasses.replace(
        DensityParameters.initial(),
        volume_location_on=[*[0.0] * 4, 0.5, *[0.0] * 3],
        upper_scale_on=[*[0.0] * 6, 0.5],
    )
    made = BarDensity(NUMPY, np.zeros((2, len(OUTPUTS))), np.full(2, 0.01), on)
    given = made.given_gap(np.array([0.02, -0.02])).given_intraday(np.array([0.02, 0.02]))
    assert given.volume.location[0] > given.volume.location[1] + 0.3
    z = 0.04 / np.sqrt(0.01**2 * (np.exp(-2.0) + np.exp(-0.8)))
    assert np.isclose(given.return_magnitude[0], 0.5 * np.log1p(z**2))
    assert np.isclose(given.return_signed[1], 0.0)
    np.testing.assert_allclose(
        given.volume.location, 3.0 * np.tanh(0.5 * given.return_magnitude / 3)
    )
    wick = given.given_volume(given.volume.location).upper_wick
    assert wick.scale[0] > 1.2 * wick.scale[1]


def test_parameters_split_what_was_joined():
    every = of_symbols()
    back = DensityParameters.split(every.joined())
    for name, value in every.by_name().items():
        np.testing.assert_array_equal(back.by_name()[name], value)
        np.testing.assert_array_equal(every.take([2, 0]).by_name()[name], value[[2, 0]])
    sizes = [count for (count,) in DensityParameters.shapes().values()]
    assert every.joined().shape == (3, sum(sizes))
