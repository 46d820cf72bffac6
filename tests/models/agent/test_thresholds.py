"""From a probability to an exposure: linear between two thresholds, after costs, on either side."""

import math
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from models.agent.thresholds import ThresholdAgent, ThresholdConfig, Thresholds, rise
from tests.models.agent.outlooks import seen, standing

CONFIG = ThresholdConfig(horizon=4, flat=0.52, full=(0.56, 0.6), band=0.1)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("horizon", 0),
        ("flat", 0.49),
        ("flat", 1.0),
        ("full", ()),
        ("full", (0.5,)),
        ("full", (0.6, 0.55)),
        ("full", (0.6, 1.1)),
        ("full", (math.nan,)),
        ("band", 1.5),
    ],
)
def test_configurations_that_make_no_sense_are_refused(name, value):
    with pytest.raises(ValueError, match=rf"^{name} must be .*; received"):
        ThresholdConfig(**{name: value})


@pytest.mark.parametrize(
    ("name", "value"), [("cost", -1e-3), ("cost", math.inf), ("full", 0.52), ("full", 1.01)]
)
def test_thresholds_that_make_no_sense_are_refused(name, value):
    with pytest.raises(ValueError, match=rf"^{name} must be .*; received"):
        Thresholds(CONFIG, **{name: value})


def test_exposure_rises_from_flat_to_full_on_either_side():
    thresholds = Thresholds(CONFIG, full=0.56)
    probability = np.array([0.5, 0.52, 0.53, 0.54, 0.56, 0.9, 0.48, 0.46, 0.44, 0.0])
    wanted = [0, 0, 0.25, 0.5, 1, 1, 0, -0.5, -1, -1]
    found = thresholds.exposures(probability, np.full(10, 0.01))
    np.testing.assert_allclose(found, wanted, atol=1e-12)
    long = Thresholds(ThresholdConfig(flat=0.52, full=(0.56,), allow_short=False), full=0.56)
    found = long.exposures(probability, np.full(10, 0.01))
    np.testing.assert_allclose(found, np.maximum(wanted, 0), atol=1e-12)


def test_both_thresholds_move_up_by_what_trading_costs():
    """In and out, in deviations of the horizon, under a normal forecast."""
    thresholds = Thresholds(CONFIG, cost=0.001, full=0.56)
    deviation = np.array([0.005, 0.02])
    charge = norm.cdf(2 * 0.001 / (deviation * 2)) - 0.5
    assert (charge > [0.07, 0.01]).all()
    for p, wanted in ((0.52, 0.0), (0.54, 0.5), (0.56, 1.0)):
        found = thresholds.exposures(p + charge, deviation)
        np.testing.assert_allclose(found, wanted, atol=1e-12)
        np.testing.assert_allclose(thresholds.exposures(1 - p - charge, deviation), -found)


@given(
    st.floats(0, 1), st.floats(0.001, 0.1), st.floats(0, 0.01), st.sampled_from([None, 0.55, 0.9])
)
def test_exposures_are_odd_bounded_and_rise_with_the_probability(p, deviation, cost, full):
    thresholds = Thresholds(CONFIG, cost, full)
    exposure, mirrored, more = thresholds.exposures(
        np.array([p, 1.0 - p, min(p + 0.01, 1.0)]), np.full(3, deviation)
    )
    assert -1 <= exposure <= more <= 1
    assert mirrored == pytest.approx(-exposure, abs=1e-9)
    if full is None:
        assert exposure == 0


def test_a_rise_is_counted_from_where_a_martingale_has_its_median():
    deviation, horizon = 0.02, 9
    moved = deviation * 3
    for log_return, rose in ((0.0, True), (-0.49 * moved**2, True), (-0.51 * moved**2, False)):
        assert (rise(np.array([log_return]), np.array([deviation]), horizon)[0] > 0) == rose
    rng = np.random.default_rng(0)
    martingale = rng.normal(-0.5 * moved**2, moved, 200_000)
    share = (rise(martingale, np.full(200_000, deviation), horizon) > 0).mean()
    assert share == pytest.approx(0.5, abs=4 * 0.5 / math.sqrt(200_000))


@pytest.mark.parametrize("full", [None, 0.56])
def test_thresholds_survive_arrays(full):
    thresholds = Thresholds(CONFIG, 0.0007, full)
    assert Thresholds.from_arrays(thresholds.to_arrays()) == thresholds


@pytest.mark.parametrize("wrong", ["thresholds", "cost", "full", "two"])
def test_arrays_that_are_no_thresholds_are_refused(wrong):
    arrays = Thresholds(CONFIG, full=0.56).to_arrays()
    if wrong == "two":
        arrays["full"] = np.array([0.56, 0.6])
    else:
        del arrays[wrong]
    with pytest.raises(ValueError, match="must have"):
        Thresholds.from_arrays(arrays)


@dataclass(frozen=True)
class Known(ThresholdAgent):
    """One that reads the probability off its observation."""

    def probability(self, outlook):
        return norm.cdf(0.2 * outlook.observation[..., 0].astype(float))

    def to_arrays(self):
        return self.thresholds.to_arrays()


def test_an_agent_keeps_what_lies_within_the_band_of_its_aim():
    agent, outlook, now = Known(Thresholds(CONFIG, full=0.6)), seen(), standing()
    aim = agent.thresholds.exposures(agent.probability(outlook), outlook.column("deviation"))
    near = (np.abs(aim - now.exposure) < 0.1) & (aim != 0)
    assert near.any()
    np.testing.assert_array_equal(agent.act(outlook, now), np.where(near, np.nan, aim))


def test_an_agent_without_a_full_threshold_stays_flat():
    agent = Known(Thresholds(CONFIG))
    assert agent.stays_flat
    assert not agent.act(seen(), standing()).any()
    assert not agent.with_thresholds(Thresholds(CONFIG, full=0.6)).stays_flat
