import dataclasses
import functools

import numpy as np
import pytest

from models.forecast.calibration import (
    COMMON_PRIOR,
    SYMBOL_PRIOR,
    Calibration,
    _objective,
    calibrate,
)
from models.forecast.density import OUTPUTS, BarDensity, DensityParameters, QuantileTables
from models.forecast.distributions import NUMPY

START = DensityParameters.initial()
common = functools.partial(calibrate, prior=COMMON_PRIOR)


def made(count, seed, **changed):
    """Bars that follow known parameters, and the outputs and volatility they follow."""
    rng = np.random.default_rng(seed)
    parameters = dataclasses.replace(START, **changed)
    outputs = 0.2 * rng.normal(size=(count, len(OUTPUTS)))
    volatility = 0.01 * np.exp(0.3 * rng.normal(size=count))
    density = BarDensity(NUMPY, outputs, volatility, parameters)
    uniforms = rng.random((count, 5))
    return outputs, volatility, density.sample(uniforms, QuantileTables.of(parameters))


def of_symbols(*bars) -> Calibration:
    """The calibration of several symbols, each with its bars from `made`."""
    outputs, volatility, parts = (np.concatenate(x) for x in zip(*bars, strict=True))
    groups = np.repeat(np.arange(len(bars)), [len(each[1]) for each in bars])
    return calibrate(START, outputs[None], volatility, parts, SYMBOL_PRIOR, groups)


def test_wrong_scales_and_tails_are_put_right():
    outputs, volatility, parts = made(
        4000, 1, gap=(-0.7, 3.0, 3.0, 0.0), upper=(-1.0, 0.5, 1.0), zero=(-2.0, -3.0)
    )
    found = common(START, outputs[None], volatility, parts).parameters.take(0)
    assert abs(found.gap[0] + 0.7) < 0.06
    assert (found.gap[1:3] > 1.5).all()
    assert abs(found.intraday[0] + 0.4) < 0.06
    assert abs(found.upper[0] + 1.0) < 0.06
    assert abs(found.zero[0] + 2.0) < 0.25


def test_little_data_moves_little():
    outputs, volatility, parts = made(30, 2, gap=(-0.4, 3.0, 3.0, 0.0))
    found = common(START, outputs[None], volatility, parts).parameters.take(0)
    assert -1.0 < found.gap[0] < -0.5


def test_calibrated_intervals_cover_bars_not_seen():
    truth = {"gap": (-0.7, 0.5, 0.5, 0.0), "intraday": (-0.1, 1.0, 1.0, 0.0)}
    outputs, volatility, parts = made(1500, 3, **truth)
    found = common(START, outputs[None], volatility, parts).parameters.take(0)
    outputs, volatility, parts = made(6000, 4, **truth)
    covered = {}
    for name, parameters in (("before", START), ("after", found)):
        pit = BarDensity(NUMPY, outputs, volatility, parameters).pit(parts)
        covered[name] = np.mean(np.abs(pit[:, :2] - 0.5) <= 0.45, axis=0)
    assert (np.abs(covered["after"] - 0.9) < 0.02).all()
    assert (np.abs(covered["before"] - 0.9) > 0.03).all()


def test_the_given_parameters_and_the_couplings_stay_as_they_are():
    outputs, volatility, parts = made(200, 5, gap=(-0.5, 1.0, 1.0, 0.0))
    before = {name: value.copy() for name, value in START.by_name().items()}
    found = common(START, outputs[None], volatility, parts).parameters.take(0)
    for name, value in before.items():
        assert np.array_equal(START.by_name()[name], value)
        if name.endswith("_on") or name == "gain":
            assert np.array_equal(found.by_name()[name], value)


def test_masks_are_averaged_as_a_mixture():
    """Twice the same outputs are one model, not twice the evidence."""
    outputs, volatility, parts = made(300, 6, gap=(-0.5, 1.0, 1.0, 0.0))
    once = common(START, outputs[None], volatility, parts).parameters.take(0)
    twice = common(START, np.stack([outputs, outputs]), volatility, parts).parameters.take(0)
    np.testing.assert_allclose(once.gap, twice.gap, atol=1e-3)


def test_a_calibration_says_whether_it_converged():
    outputs, volatility, parts = made(
        500, 7, gap=(-0.5, 2.0, 2.0, 0.0), volume=(-0.8, 1.0, 1.0, 0.0)
    )
    found = common(START, outputs[None], volatility, parts)
    assert found.converged
    hurried = common(START, outputs[None], volatility, parts, max_iterations=1)
    assert not hurried.converged
    assert "LIMIT" in hurried.message.upper()


def test_the_slope_is_that_of_finite_differences():
    """At numbers away from the start, for two symbols and two masks."""
    rng = np.random.default_rng(8)
    outputs, volatility, parts = made(40, 8)
    parts[::5, 2] = 0.0
    masks = np.stack([outputs, outputs + 0.1 * rng.normal(size=outputs.shape)])
    values = np.tile(START.joined(), (2, 1))
    values += 0.1 * rng.normal(size=values.shape)
    groups = rng.integers(2, size=40)
    given = masks, volatility, parts, groups
    lost, scores = _objective()(values, *given)
    slope = np.stack([scores[groups == group].sum(axis=0) for group in range(2)])
    own = DensityParameters.split(values).take(groups)
    of_bars = BarDensity(NUMPY, masks, volatility, own).log_density(np.stack([parts] * 2))
    exact = -np.logaddexp(*of_bars.sum(axis=-1)).sum()
    assert np.isclose(lost, exact, rtol=1e-10)
    step = 1e-5
    for place in np.ndindex(values.shape):
        there, back = values.copy(), values.copy()
        there[place] += step
        back[place] -= step
        wanted = (_objective()(there, *given)[0] - _objective()(back, *given)[0]) / (2 * step)
        assert slope[place] == pytest.approx(wanted, rel=1e-4, abs=1e-4), place


def test_a_symbol_with_gaps_of_its_own_is_recognised():
    usual = made(1500, 9)
    calm = made(1500, 10, gap=(-1.8, 4.0, 4.0, 0.0))
    found = of_symbols(usual, calm).parameters
    assert abs(found.gap[0, 0] + 1.0) < 0.08
    assert abs(found.gap[1, 0] + 1.8) < 0.08
    assert found.gap[1, 1:3].mean() > found.gap[0, 1:3].mean() + 0.5
    # What is usual of it stays usual.
    assert np.abs(found.intraday[1] - START.intraday)[0] < 0.1
    assert abs(found.volume[1, 0] - START.volume[0]) < 0.1


def test_a_symbol_skewed_or_coupled_otherwise_is_recognised():
    skewed = made(2500, 11, intraday=(-0.4, 1.0, 1.0, 0.8))
    coupled = made(2500, 12, volume_location_on=(0.0, 0.0, 0.4, *[0.0] * 5))
    found = of_symbols(skewed, coupled).parameters
    assert found.intraday[0, 3] > found.intraday[1, 3] + 0.2
    on = found.volume_location_on
    assert on[1, [2, 4, 7]].sum() > on[0, [2, 4, 7]].sum() + 0.1


def test_a_symbol_with_few_bars_stays_near_what_all_share():
    few = made(12, 13, gap=(-1.8, 4.0, 4.0, 0.0))
    many = made(1500, 13, gap=(-1.8, 4.0, 4.0, 0.0))
    found = of_symbols(few, many).parameters
    moved = np.abs(found.gap[:, 0] + 1.0)
    assert moved[0] < 0.75 * moved[1]
    spread = np.concatenate([SYMBOL_PRIOR[name] for name in DensityParameters.shapes()])
    away = np.abs(found.joined() - START.joined()) / spread
    few_moved, many_moved = np.sqrt((away**2).mean(axis=1))
    assert few_moved < 0.4
    assert few_moved < 0.7 * many_moved


def test_symbols_do_not_disturb_each_other():
    one, other = made(400, 14, gap=(-0.7, 1.0, 1.0, 0.0)), made(300, 15, volume=(-0.9, 1, 1, 0))
    together = of_symbols(one, other).parameters.joined()
    alone = [of_symbols(bars).parameters.joined()[0] for bars in (one, other)]
    np.testing.assert_allclose(together, alone, atol=0.05)


def test_every_parameter_of_a_symbol_may_move():
    assert set(SYMBOL_PRIOR) == set(DensityParameters.shapes())
    for prior in (COMMON_PRIOR, SYMBOL_PRIOR):
        for name, spread in prior.items():
            assert DensityParameters.shapes()[name] == (len(spread),)
            assert min(spread) >= 0
