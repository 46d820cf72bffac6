import dataclasses

import numpy as np

from models.forecast.calibration import calibrate
from models.forecast.density import OUTPUTS, BarDensity, DensityParameters, QuantileTables
from models.forecast.distributions import NUMPY

START = DensityParameters.initial()


def made(count, seed, **changed):
    """Bars that follow known parameters, and the outputs and volatility they follow."""
    rng = np.random.default_rng(seed)
    parameters = dataclasses.replace(START, **changed)
    outputs = 0.2 * rng.normal(size=(count, len(OUTPUTS)))
    volatility = 0.01 * np.exp(0.3 * rng.normal(size=count))
    density = BarDensity(NUMPY, outputs, volatility, parameters)
    uniforms = rng.random((count, 5))
    return outputs, volatility, density.sample(uniforms, QuantileTables.of(parameters))


def test_wrong_scales_and_tails_are_put_right():
    outputs, volatility, parts = made(
        4000, 1, gap=(-0.7, 3.0), intraday=(-0.4, 1.0), upper=(-1.0, 0.5, 1.0), zero=(-2.0, -3.0)
    )
    found = calibrate(START, outputs[None], volatility, parts).parameters
    assert abs(found.gap[0] + 0.7) < 0.06
    assert found.gap[1] > 1.8
    assert abs(found.intraday[0] + 0.4) < 0.06
    assert abs(found.upper[0] + 1.0) < 0.06
    assert abs(found.zero[0] + 2.0) < 0.25


def test_little_data_moves_little():
    outputs, volatility, parts = made(30, 2, gap=(-0.4, 3.0))
    found = calibrate(START, outputs[None], volatility, parts).parameters
    assert -1.0 < found.gap[0] < -0.5


def test_calibrated_intervals_cover_bars_not_seen():
    truth = {"gap": (-0.7, 0.5), "intraday": (-0.1, 1.0)}
    outputs, volatility, parts = made(1500, 3, **truth)
    found = calibrate(START, outputs[None], volatility, parts).parameters
    outputs, volatility, parts = made(6000, 4, **truth)
    covered = {}
    for name, parameters in (("before", START), ("after", found)):
        pit = BarDensity(NUMPY, outputs, volatility, parameters).pit(parts)
        covered[name] = np.mean(np.abs(pit[:, :2] - 0.5) <= 0.45, axis=0)
    assert (np.abs(covered["after"] - 0.9) < 0.02).all()
    assert (np.abs(covered["before"] - 0.9) > 0.03).all()


def test_the_given_parameters_and_the_couplings_stay_as_they_are():
    outputs, volatility, parts = made(200, 5, gap=(-0.5, 1.0))
    before = {name: value.copy() for name, value in START.by_name().items()}
    found = calibrate(START, outputs[None], volatility, parts).parameters
    for name, value in before.items():
        assert np.array_equal(START.by_name()[name], value)
        if name.endswith("_on"):
            assert np.array_equal(found.by_name()[name], value)


def test_masks_are_averaged_as_a_mixture():
    """Twice the same outputs are one model, not twice the evidence."""
    outputs, volatility, parts = made(300, 6, gap=(-0.5, 1.0))
    once = calibrate(START, outputs[None], volatility, parts).parameters
    twice = calibrate(START, np.stack([outputs, outputs]), volatility, parts).parameters
    np.testing.assert_allclose(once.gap, twice.gap, atol=1e-3)


def test_a_calibration_says_whether_it_converged():
    outputs, volatility, parts = made(500, 7, gap=(-0.5, 2.0), volume=(-0.8, 1.0))
    found = calibrate(START, outputs[None], volatility, parts)
    assert found.converged
    hurried = calibrate(START, outputs[None], volatility, parts, max_iterations=1)
    assert not hurried.converged
    assert "LIMIT" in hurried.message.upper()
