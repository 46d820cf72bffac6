"""The residual agent: the analytic policy until it has learned, whatever the symbols' order."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from models.agent.account import Standing
from models.agent.mean_variance import MeanVarianceConfig
from models.agent.outlook import FORECAST, Outlook
from models.agent.residual_agent import (
    MARKET_INPUTS,
    ResidualAgent,
    ResidualAgentConfig,
    market_inputs,
    new_agent,
    with_weights,
)

WIDTH = 4
LONG = MeanVarianceConfig(allow_short=False)
CONFIG = ResidualAgentConfig(WIDTH, policy=LONG, units=(8, 6))


def seen(seed=0, markets=20, symbols=3) -> Outlook:
    """Random outlooks."""
    rng = np.random.default_rng(seed)
    forecast = rng.normal(size=(markets, symbols, len(FORECAST)))
    forecast[..., :4] = np.exp(rng.normal(np.log(0.015), 0.4, (markets, symbols, 4)))
    forecast[..., 0] -= 0.015
    factors = rng.normal(size=(markets, symbols, symbols + 3))
    covariance = factors @ factors.swapaxes(1, 2)
    root = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
    observation = rng.normal(size=(markets, symbols, WIDTH)).astype(np.float32)
    return Outlook(observation, forecast, covariance / root[:, :, None] / root[:, None, :])


def standing(seed=1, markets=20, symbols=3, cap=0.4) -> Standing:
    rng = np.random.default_rng(seed)
    exposure = rng.uniform(0.0, 1.0, (markets, symbols))
    return Standing(exposure, cap * rng.uniform(0.5, 1.0, (markets, symbols)), 0.9)


def untrained(config=CONFIG) -> ResidualAgent:
    rng = np.random.default_rng(2)
    return new_agent(config, rng.normal(1.0, 3.0, (50, config.observation_width)), rng)


def trained(config=CONFIG, seed=3) -> ResidualAgent:
    """With weights that no training led to, large enough to matter."""
    rng = np.random.default_rng(seed)
    weights = [rng.normal(0, 0.3, shape).astype(np.float32) for shape in config.shapes]
    weights[-2] -= weights[-2].mean()
    weights[-1] *= 0.0
    return with_weights(untrained(config), tuple(weights))


@pytest.mark.parametrize(
    "wrong",
    [
        {"observation_width": -1},
        {"units": ()},
        {"units": (8, 0)},
        {"range": 0.0},
        {"pull": -1.0},
        {"pull": math.nan},
        {"learning_rate": 0.0},
        {"markets": 0},
        {"horizon": 0},
    ],
)
def test_configurations_that_make_no_sense_are_refused(wrong):
    (name,) = wrong
    with pytest.raises(ValueError, match=name):
        ResidualAgentConfig(**({"observation_width": 3} | wrong))


def test_an_untrained_agent_is_the_analytic_policy():
    agent, outlook, now = untrained(), seen(), standing()
    np.testing.assert_array_equal(agent.act(outlook, now), agent.policy.act(outlook, now))
    assert np.isnan(agent.act(outlook, now)).any()


def test_position_is_kept_within_the_band_of_the_target():
    agent, outlook, now = trained(), seen(), standing()
    target, asked = agent.target(outlook, now), agent.act(outlook, now)
    near = (np.abs(target - now.exposure) < CONFIG.policy.band) & (target != 0.0)
    assert 0.1 < near.mean() < 0.9
    np.testing.assert_array_equal(asked, np.where(near, np.nan, target))


def test_correction_symbol_by_symbol():
    """The same numbers from loops over symbols and layers."""
    agent, outlook, now = trained(), seen(), standing()
    aim = agent.policy.aim(outlook, now.caps, now.gross)
    known = market_inputs(outlook, aim, now.caps, now.gross)
    found = agent.correction(outlook, now, aim)
    w1, b1, w2, b2, w3, b3 = agent.weights
    for b in range(3):
        gross = np.abs(now.exposure[b] * now.caps[b]).sum() / now.gross
        firsts = []
        for s in range(3):
            own = (outlook.observation[b, s] - agent.mean) / agent.deviation
            inputs = [*np.clip(own, -6, 6), *known[b, s], now.exposure[b, s], gross]
            firsts.append(np.maximum(np.array(inputs) @ w1 + b1, 0))
        for s in range(3):
            both = np.concatenate([firsts[s], np.mean(firsts, axis=0)])
            out = np.maximum(both @ w2 + b2, 0) @ w3 + b3
            assert found[b, s] == pytest.approx(
                CONFIG.range * math.tanh(out[0]), rel=1e-4, abs=1e-6
            )
    assert np.abs(found).max() <= CONFIG.range
    assert found.std() > 0.05


def test_inputs_have_no_units():
    """Prices and volatilities twice as large, correlations and trends alike: the same inputs."""
    outlook, now = seen(), standing()
    aim = np.full((20, 3), 0.5)
    wild = outlook.forecast.copy()
    wild[..., :4] *= 2.0
    inputs = market_inputs(outlook, aim, now.caps, now.gross)
    twice = market_inputs(replace(outlook, forecast=wild), aim, now.caps, now.gross)
    np.testing.assert_allclose(inputs, twice, rtol=1e-5, atol=1e-6)
    deviation = inputs[..., MARKET_INPUTS.index("deviation")]
    wanted = np.log(outlook.column("deviation") / outlook.column("long_run"))
    np.testing.assert_allclose(deviation, wanted, rtol=1e-5, atol=1e-6)
    mean = (outlook.correlation.sum(axis=2) - 1) / 2
    np.testing.assert_allclose(inputs[..., MARKET_INPUTS.index("correlation")], mean, atol=1e-6)
    alone = market_inputs(seen(symbols=1), aim[:, :1], now.caps[:, :1], now.gross)
    assert (np.abs(alone[..., MARKET_INPUTS.index("correlation")]) < 1e-6).all()


def test_decisions_follow_their_symbols_when_these_change_places():
    agent, outlook, now = trained(), seen(symbols=5), standing(symbols=5)
    order = np.array([3, 0, 4, 1, 2])
    moved = Outlook(
        outlook.observation[:, order],
        outlook.forecast[:, order],
        outlook.correlation[:, order][:, :, order],
    )
    then = Standing(now.exposure[:, order], now.caps[:, order], now.gross)
    found = agent.target(moved, then)
    np.testing.assert_allclose(found, agent.target(outlook, now)[:, order], atol=1e-5)
    assert agent.target(outlook, now).std() > 0.05


@pytest.mark.parametrize("symbols", [1, 2, 30])
def test_any_number_of_symbols_will_do(symbols):
    agent = trained()
    now = standing(symbols=symbols)
    target = agent.target(seen(symbols=symbols), now)
    assert target.shape == (20, symbols)
    assert ((target >= 0) & (target <= 1)).all()
    assert (np.abs(target * now.caps).sum(axis=1) <= 0.9 + 1e-9).all()


def test_identical_symbols_decide_as_one_alone_at_the_same_gross():
    """The mean over symbols does not count them."""
    agent, one = trained(), seen(symbols=1)
    wide = Outlook(
        np.repeat(one.observation, 4, axis=1),
        np.repeat(one.forecast, 4, axis=1),
        np.broadcast_to(np.eye(4), (20, 4, 4)),
    )
    aim = np.full((20, 4), 0.3)
    held = np.full((20, 4), 0.2)
    found = agent.correction(wide, Standing(held, np.full((1, 4), 0.1), 0.4), aim)
    alone = Standing(held[:, :1], np.full((1, 1), 0.4), 0.4)
    wanted = agent.correction(one, alone, aim[:, :1])
    np.testing.assert_allclose(found, np.repeat(wanted, 4, axis=1), atol=1e-6)


def test_shorts_only_where_allowed():
    outlook, now = seen(), standing()
    target = trained(replace(CONFIG, range=2.0)).target(outlook, now)
    assert target.min() == 0
    short = trained(replace(CONFIG, range=2.0, policy=MeanVarianceConfig(allow_short=True)))
    target = short.target(outlook, now)
    assert target.min() < 0
    assert (np.abs(target * now.caps).sum(axis=1) <= 0.9 + 1e-9).all()


def test_stays_flat_only_if_nothing_is_expected_and_nothing_learned():
    nothing = replace(CONFIG, policy=MeanVarianceConfig(sharpe_ratio=0.0))
    assert untrained(nothing).stays_flat
    assert not trained(nothing).stays_flat
    assert not untrained().stays_flat


def test_observations_are_scaled_to_those_of_the_first_training():
    rows = np.random.default_rng(0).normal(5.0, 2.0, (10, 40, WIDTH)).astype(np.float32)
    rows[..., 1] = 7.0
    agent = new_agent(CONFIG, rows, np.random.default_rng(1))
    scaled = agent.scaled(rows).reshape(-1, WIDTH)
    np.testing.assert_allclose(scaled.mean(axis=0), 0.0, atol=1e-5)
    np.testing.assert_allclose(scaled.std(axis=0), [1.0, 0.0, 1.0, 1.0], atol=1e-5)
    assert agent.scaled(np.full((1, WIDTH), 1e9, np.float32)).max() == 6.0


@pytest.mark.parametrize("pull", [1.0, math.inf])
def test_arrays_hold_everything(pull):
    policy = MeanVarianceConfig(aversion=5.0, allow_short=True)
    agent = trained(replace(CONFIG, pull=pull, policy=policy))
    arrays = agent.to_arrays()
    assert all(np.isfinite(value).all() for value in arrays.values())
    back = ResidualAgent.from_arrays(arrays)
    assert back.config == agent.config
    np.testing.assert_array_equal(back.act(seen(), standing()), agent.act(seen(), standing()))


def broken(name):
    arrays = dict(trained().to_arrays())
    if name == "config":
        raw = json.loads(arrays["config"].tobytes()) | {"range": -1.0}
        arrays["config"] = np.frombuffer(json.dumps(raw).encode(), np.uint8)
    elif name == "text":
        arrays["config"] = np.frombuffer(b"{", np.uint8)
    elif name == "strange":
        raw = json.loads(arrays["config"].tobytes()) | {"colour": "red"}
        arrays["config"] = np.frombuffer(json.dumps(raw).encode(), np.uint8)
    elif name == "missing":
        del arrays["weights_3"]
    elif name == "policy":
        del arrays["policy"]
    elif name == "shape":
        arrays["weights_2"] = arrays["weights_2"][:-1]
    elif name == "nan":
        arrays["weights_1"] = np.full_like(arrays["weights_1"], np.nan)
    elif name == "mean":
        arrays["mean"] = arrays["mean"][:-1]
    else:
        arrays["deviation"] = np.zeros_like(arrays["deviation"])
    return arrays


@pytest.mark.parametrize(
    "name",
    ["config", "text", "strange", "missing", "policy", "shape", "nan", "mean", "deviation"],
)
def test_arrays_that_are_no_agent_are_refused(name):
    with pytest.raises(ValueError, match=r"range|agent|weights|mean|deviation"):
        ResidualAgent.from_arrays(broken(name))


def test_what_an_agent_cannot_read_is_refused():
    agent, outlook, now = trained(), seen(), standing()
    with pytest.raises(ValueError, match="observation"):
        agent.act(replace(outlook, observation=outlook.observation[..., :-1]), now)
    with pytest.raises(ValueError, match="observations"):
        new_agent(CONFIG, np.zeros((3, WIDTH + 1), np.float32), np.random.default_rng(0))
    odd = outlook.forecast.copy()
    odd[0, 0, FORECAST.index("volatility")] = 0.0
    with pytest.raises(ValueError, match="outlook"):
        agent.act(replace(outlook, forecast=odd), now)


def test_agent_and_its_arrays_cannot_be_changed():
    agent = trained()
    with pytest.raises(ValueError, match="read-only"):
        agent.weights[0][0] = 1.0
    with pytest.raises(ValueError, match="read-only"):
        agent.mean[0] = 1.0
