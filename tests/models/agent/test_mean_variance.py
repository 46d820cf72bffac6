"""The analytic agent beside closed forms, a general solver and its own symmetries."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from models.agent.account import Standing
from models.agent.mean_variance import MeanVariance, MeanVarianceConfig, outside_band
from models.agent.outlook import FORECAST, Outlook


def outlook(deviation, correlation, long_run=0.02, distance=0.0) -> Outlook:
    """Of B markets; the trend follows from one distance to all averages."""
    deviation = np.atleast_2d(np.asarray(deviation, dtype=float))
    known = dict.fromkeys(FORECAST, 0.0) | {"deviation": deviation, "long_run": long_run}
    known |= dict.fromkeys(("sma_20", "sma_50", "sma_200"), distance)
    columns = [np.broadcast_to(known[name], deviation.shape) for name in FORECAST]
    shape = (*deviation.shape, deviation.shape[1])
    return Outlook(
        np.zeros((*deviation.shape, 0), np.float32),
        np.stack(columns, axis=-1).astype(float),
        np.array(np.broadcast_to(correlation, shape), dtype=float),
    )


def random_outlook(seed, markets, symbols) -> Outlook:
    rng = np.random.default_rng(seed)
    factors = rng.normal(size=(markets, symbols, symbols + 2))
    covariance = factors @ factors.swapaxes(1, 2)
    root = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
    return outlook(
        np.exp(rng.normal(np.log(0.02), 0.6, (markets, symbols))),
        covariance / root[:, :, None] / root[:, None, :],
        np.exp(rng.normal(np.log(0.02), 0.3, (markets, symbols))),
        rng.normal(0.0, 0.5, (markets, symbols)),
    )


def test_one_symbol_is_premium_over_aversion_times_variance():
    agent = MeanVariance(MeanVarianceConfig(aversion=5.0, sharpe_ratio=0.6, trend=0.5))
    seen = outlook([[0.03], [0.01]], 1.0, long_run=0.02, distance=0.1)
    premium = 0.6 / np.sqrt(252) * 0.02 * (1 + 0.5 * np.tanh(0.3))
    wanted = premium / (5.0 * np.array([0.03, 0.01]) ** 2)
    np.testing.assert_allclose(agent.premium(seen)[:, 0], premium)
    found = agent.aim(seen, np.array([[1.0]]), 1.0)[:, 0]
    np.testing.assert_allclose(found, np.minimum(wanted, 1.0))
    assert wanted[0] < 1 < wanted[1]


def test_without_binding_bounds_it_is_the_inverse_covariance():
    seen = random_outlook(1, 20, 4)
    agent = MeanVariance(MeanVarianceConfig(aversion=1000.0, allow_short=True))
    found = agent.aim(seen, np.ones((1, 4)), 1.0)
    wanted = np.linalg.solve(seen.covariance, agent.premium(seen)[..., None])[..., 0] / 1000.0
    assert (np.abs(wanted).sum(axis=1) < 1).all()
    np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-9)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    symbols=st.integers(1, 6),
    aversion=st.floats(0.5, 20.0),
    gross=st.floats(0.1, 1.0),
    short=st.booleans(),
)
def test_under_all_bounds_it_is_what_a_general_solver_finds(seed, symbols, aversion, gross, short):
    seen = random_outlook(seed, 1, symbols)
    agent = MeanVariance(MeanVarianceConfig(aversion=aversion, allow_short=short))
    caps = np.random.default_rng(seed).uniform(0.05, 0.5, (1, symbols))
    mean, covariance = agent.premium(seen)[0], seen.covariance[0]

    def utility(weights):
        return weights @ mean - aversion / 2 * weights @ covariance @ weights

    found = agent.aim(seen, caps, gross)[0] * caps[0]
    assert (np.abs(found) <= caps[0] * (1 + 1e-12)).all()
    assert np.abs(found).sum() <= gross * (1 + 1e-9)
    assert short or (found >= 0).all()
    # Long and short parts apart: the sum of absolute weights is then a linear bound.
    other = minimize(
        lambda x: -1e4 * utility(x[:symbols] - x[symbols:]),
        np.zeros(2 * symbols),
        method="SLSQP",
        bounds=[(0, cap) for cap in caps[0]] + [(0, cap * short) for cap in caps[0]],
        constraints={"type": "ineq", "fun": lambda x: gross - x.sum()},
        options={"maxiter": 1000, "ftol": 1e-14},
    )
    # The general solver sometimes ends outside the bounds; then it has nothing to say.
    assume(other.x.sum() <= gross * (1 + 1e-9))
    assert utility(found) >= utility(other.x[:symbols] - other.x[symbols:]) - 1e-9


def test_the_order_of_symbols_and_the_batch_do_not_matter():
    seen = random_outlook(3, 40, 5)
    agent, caps = MeanVariance(), np.array([[0.1, 0.2, 0.3, 0.2, 0.4]])
    whole = agent.aim(seen, caps, 0.9)
    order = np.array([3, 0, 4, 1, 2])
    turned = Outlook(
        seen.observation[:, order],
        seen.forecast[:, order],
        seen.correlation[:, order][:, :, order],
    )
    np.testing.assert_allclose(agent.aim(turned, caps[:, order], 0.9), whole[:, order], atol=1e-7)
    np.testing.assert_array_equal(agent.aim(seen.take(slice(7, 9)), caps, 0.9), whole[7:9])


def test_symbols_that_fall_together_are_held_less():
    agent = MeanVariance()
    apart, alike = (
        agent.aim(outlook([0.03, 0.03], [[1, c], [c, 1]]), np.full((1, 2), 0.5), 1.0)
        for c in (0.0, 0.8)
    )
    np.testing.assert_allclose(alike * 1.8, apart)


def test_a_position_is_kept_within_the_band_and_left_for_good():
    aim = np.array([[0.5, 0.5, 0.5, 0.0, 0.0]])
    held = np.array([[0.35, 0.71, 0.30, 0.1, 0.0]])
    np.testing.assert_array_equal(outside_band(aim, held, 0.2), [[np.nan, 0.5, 0.5, 0.0, 0.0]])
    agent = MeanVariance(MeanVarianceConfig(band=1.0))
    standing = Standing(np.array([[0.0]]), np.array([[0.5]]))
    assert np.isnan(agent.act(outlook([[0.05]], 1.0), standing)).all()


def test_it_comes_back_from_its_arrays():
    agent = MeanVariance(MeanVarianceConfig(aversion=3.0, band=0.0, allow_short=True))
    assert MeanVariance.from_arrays(agent.to_arrays()) == agent
    assert not agent.stays_flat
    assert MeanVariance(MeanVarianceConfig(sharpe_ratio=0.0)).stays_flat
    for bad in ({}, {"config": np.frombuffer(b'{"aversion": -1}', np.uint8)}):
        with pytest.raises(ValueError, match="must"):
            MeanVariance.from_arrays(bad)


@pytest.mark.parametrize(
    "change", [{"aversion": 0.0}, {"sharpe_ratio": -0.1}, {"trend": 1.5}, {"band": -0.1}]
)
def test_bad_settings_are_named(change):
    with pytest.raises(ValueError, match=f"{next(iter(change))} must be"):
        MeanVarianceConfig(**change)
