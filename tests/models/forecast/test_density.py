import dataclasses
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from models.forecast.density import OUTPUTS, BarDensity, DensityParameters, QuantileTables
from models.forecast.distributions import MIN_UNIFORM, NUMPY, QuantileTable, StudentT, ZeroOrBurr
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


def test_student_t_density_and_distribution_are_scipys():
    ours = StudentT(0.3, 2.0, 3.7)
    x = np.linspace(-20, 20, 41)
    theirs = stats.t(3.7, 0.3, 2.0)
    np.testing.assert_allclose(ours.log_density(NUMPY, x), theirs.logpdf(x), rtol=1e-6)
    np.testing.assert_allclose(ours.cdf(x), theirs.cdf(x))


def test_burr_density_and_distribution_are_scipys_beside_the_zeros():
    ours = ZeroOrBurr(np.log(0.1 / 0.9), 0.004, 1.3, 4.0)
    x = np.geomspace(1e-5, 0.5, 41)
    theirs = stats.burr12(1.3, 4.0, scale=0.004)
    np.testing.assert_allclose(ours.log_density(NUMPY, x), theirs.logpdf(x) + np.log(0.9))
    np.testing.assert_allclose(ours.cdf(x), 0.1 + 0.9 * theirs.cdf(x))
    assert np.isclose(ours.log_density(NUMPY, np.zeros(1))[0], np.log(0.1))
    np.testing.assert_allclose(ours.quantile(ours.cdf(x)), x, rtol=1e-6)
    assert ours.quantile(np.array([0.05])) == 0.0


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
        edges = [np.log(1.0001e-6 / wick.scale[0]), 0.0, 15.0]
        total = sum(integrate.quad(of_log, a, b, limit=200)[0] for a, b in pairwise(edges))
        # What lies between 0 and a hundredth of a basis point is counted as zero.
        assert 0.995 < zero + total < 1.0001


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
        volume_location_on=[0.0, 0.0, 0.5, 0.0],
        upper_scale_on=[0.0, 0.0, 0.5, 0.0, 0.0],
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


def test_mirrored_uniforms_give_mirrored_gaps():
    uniforms = np.random.default_rng(0).random((100, 5))
    tables = QuantileTables.of(parameters())
    there = density_of(count=100).sample(uniforms, tables)[:, 0]
    back = density_of(count=100).sample(1.0 - uniforms, tables)[:, 0]
    np.testing.assert_allclose(there, -back, atol=1e-12)


@pytest.mark.parametrize("df", [2.6, 5.0, 40.0])
def test_the_quantile_table_is_exact_to_five_digits(df):
    levels = np.append(
        np.geomspace(MIN_UNIFORM, 0.5, 1000), 1 - np.geomspace(MIN_UNIFORM, 0.5, 999)
    )
    exact = stats.t(df).ppf(levels)
    np.testing.assert_allclose(QuantileTable(df)(levels), exact, rtol=1e-5, atol=1e-7)


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
        ValueError, match=r"parameter upper must have shape \(3,\); received \(2,\)"
    ):
        dataclasses.replace(DensityParameters.initial(), upper=np.zeros(2))
    given = np.array([-1.0, 2.0])
    kept = dataclasses.replace(DensityParameters.initial(), gap=given)
    given[0] = 5.0
    assert kept.gap[0] == -1.0
    with pytest.raises(ValueError, match="read-only"):
        kept.gap[0] = 0.0
