"""The environments against Gymnasium's contract, against each other, and against accounting."""

from dataclasses import replace

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env, data_equivalence
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.vector.utils import batch_space

from models.agent.outlook import FORECAST, prior_moments
from models.market.history import CLOSE
from sim.accounting import Rules, replay
from sim.costs import InteractiveBrokersCost
from sim.market_env import MOVED, MarketEnv, MarketVectorEnv, observation
from sim.paths import Paths
from sim.rewards import DifferentialSharpe, LogGrowth, MeanVariance
from tests.sim.markets import joined, random_tape, tape_of

RULES = Rules(np.array([0.8]), 100_000.0, costs=InteractiveBrokersCost(slippage=0.001))
VARIANTS = [
    pytest.param({}, id="discrete"),
    pytest.param({"actions": None}, id="continuous"),
    pytest.param({"horizon": 7, "reward_scale": 100.0}, id="short"),
    pytest.param({"control_variate": True}, id="controlled"),
    pytest.param({"positions": "random"}, id="random"),
    pytest.param(
        {"actions": None, "positions": "random", "control_variate": True}, id="random continuous"
    ),
    pytest.param({"reward": MeanVariance(8.0), "control_variate": True}, id="mean variance"),
    pytest.param(
        {"reward": DifferentialSharpe(0.1), "control_variate": True, "horizon": 7}, id="sharpe"
    ),
]
INFO = {"equity", "exposure", "log_growth", "control_variate", "turnover", "costs"}


def joint(b=5, s=3, t=30, volatility=0.02, forecasts=True):
    """Markets of several symbols with innovations, and forecasts of nothing in particular."""
    paths = joined(random_tape(b=b * s, t=t, volatility=volatility, known=True), s)
    if not forecasts:
        return paths
    noise = np.random.default_rng(0).normal(0.0, 1.0, (b, s, t + 1, len(FORECAST)))
    return replace(paths, forecasts=noise, moments=np.tile(prior_moments(s), (b, 1, 1)))


THREE = Rules(
    np.array([0.5, 0.3, 0.6]), 50_000.0, 0.9, ruin=0.3, costs=InteractiveBrokersCost(slippage=0.001)
)
MARKETS = [
    pytest.param(random_tape(known=True), RULES, id="one"),
    pytest.param(joint(), THREE, id="three"),
    pytest.param(joint(forecasts=False), THREE, id="not forecast"),
]


@pytest.mark.parametrize(("paths", "rules"), MARKETS)
@pytest.mark.parametrize("options", VARIANTS)
@pytest.mark.filterwarnings("ignore:.*Box observation space m")  # market features have no bounds
def test_gymnasium_accepts_the_environment(paths, rules, options):
    check_env(MarketEnv(paths, rules, **options))


@pytest.mark.parametrize(("paths", "rules"), MARKETS)
@pytest.mark.parametrize("options", VARIANTS)
def test_vector_spaces_and_types(paths, rules, options):
    envs = MarketVectorEnv(paths, rules, 6, **options)
    assert envs.observation_space == batch_space(envs.single_observation_space, 6)
    assert envs.action_space == batch_space(envs.single_action_space, 6)
    assert envs.metadata["autoreset_mode"] == AutoresetMode.SAME_STEP
    observations, _ = envs.reset(seed=1)
    assert observations in envs.observation_space
    envs.action_space.seed(1)
    for _ in range(40):
        step = envs.step(envs.action_space.sample())
        assert step[0] in envs.observation_space
        assert [x.dtype for x in step[1:4]] == [np.float64, np.bool_, np.bool_]
        assert all(x.shape == (6,) for x in step[1:4])
    envs.close()


@pytest.mark.parametrize("symbols", [1, 3, 9])
@pytest.mark.parametrize("options", VARIANTS)
def test_vector_environment_equals_gymnasiums_own_over_the_scalar_one(options, symbols):
    """One path, so that resets agree too: observations, rewards, ends and infos, bit for bit.

    Random positions come from the generator of each environment, so there one is compared.
    """
    paths = random_tape(b=1, t=12, known=True) if symbols == 1 else joint(1, symbols, 12)
    rules = RULES if symbols == 1 else replace(THREE, caps=np.linspace(0.2, 0.6, symbols))
    options = options | ({"horizon": 12} if "horizon" in options else {})
    n = 1 if options.get("positions") == "random" else 4
    ours = MarketVectorEnv(paths, rules, n, **options)
    theirs = SyncVectorEnv(
        [lambda: MarketEnv(paths, rules, **options)] * n, autoreset_mode=AutoresetMode.SAME_STEP
    )
    assert data_equivalence(ours.reset(seed=0), theirs.reset(seed=0), exact=True)
    ours.action_space.seed(5)
    ended = 0
    for _ in range(30):
        actions = ours.action_space.sample()
        mine = ours.step(actions)
        reference: tuple = theirs.step(actions)
        for a, b in zip(mine[:4], reference[:4], strict=True):
            np.testing.assert_array_equal(a, b)
        assert mine[4].keys() == reference[4].keys() >= INFO
        for name in INFO:
            np.testing.assert_array_equal(mine[4][name], reference[4][name])
            np.testing.assert_array_equal(mine[4][f"_{name}"], reference[4][f"_{name}"])
        if "final_obs" in mine[4]:
            ended += 1
            np.testing.assert_array_equal(mine[4]["_final_obs"], reference[4]["_final_obs"])
            for a, b in zip(mine[4]["final_obs"], reference[4]["final_obs"], strict=True):
                np.testing.assert_array_equal(a, b)
            assert data_equivalence(mine[4]["final_info"], reference[4]["final_info"], exact=True)
    assert ended == 2


@pytest.mark.parametrize("options", VARIANTS)
def test_infos_tell_what_each_step_did(options):
    """Growth, turnover and exposure from equity and the tape alone, over ends and resets."""
    paths = random_tape(b=7, t=9, known=True, series=[0, 1, 0, 1, 1, 0, 1])
    paths.observations[..., 0] = paths.series[..., None]
    rules = Rules(np.array([0.8, 0.3]), 50_000.0, lot_size=0)
    options = options | ({"horizon": 7} if "horizon" in options else {})
    env = MarketEnv(paths, rules, **options)
    env.action_space.seed(1)
    observation, info = env.reset(seed=1)
    reward_of = options.get("reward", LogGrowth())
    state = reward_of.start(1)
    for _ in range(40):
        before = info
        observation, reward, terminated, truncated, info = env.step(env.action_space.sample())
        assert info["log_growth"] == pytest.approx(np.log(info["equity"] / before["equity"]))
        controlled = options.get("control_variate", False)
        worth, state = reward_of.step(np.array([info["log_growth"]]), state)
        left = worth[0] - (info["control_variate"] if controlled else 0.0)
        assert reward == pytest.approx(left * options.get("reward_scale", 1.0), rel=1e-12)
        assert info["control_variate"] != 0.0 or abs(info["exposure"]) < 1e-9
        assert observation[-1] == np.float32(info["exposure"])
        cap = rules.caps[int(observation[0])]
        assert info["turnover"] <= 2.0 * cap
        if abs(info["exposure"]) < 1e-9:
            assert info["turnover"] == pytest.approx(abs(before["exposure"]) * cap, abs=1e-9)
        if terminated or truncated:
            observation, info = env.reset()
            state = reward_of.start(1)
            assert [info[name] for name in MOVED] == [0] * 4


@pytest.mark.parametrize("options", [v for v in VARIANTS if "continuous" not in v.id])
def test_outcomes_are_what_a_step_with_each_action_gives(options):
    """Bit for bit, ruin and ends of episodes included, and asking changes nothing."""
    paths = random_tape(b=40, t=9, volatility=0.6, known=True, series=np.arange(40) % 2)
    rules = Rules(np.array([0.95, 0.4]), 50_000.0, ruin=0.3)
    options = options | ({"horizon": 7} if "horizon" in options else {})
    asked = MarketVectorEnv(paths, rules, 200, **options)
    takers = [MarketVectorEnv(paths, rules, 200, **options) for _ in range(3)]
    for envs in [asked, *takers]:
        envs.reset(seed=4)
    # Whatever happened before: two steps in, the same for all.
    rng = np.random.default_rng(0)
    for _ in range(2):
        actions = rng.integers(3, size=200)
        for envs in [asked, *takers]:
            envs.step(actions)
    found, again = asked.outcomes(), asked.outcomes()
    np.testing.assert_array_equal(found.reward, again.reward)
    assert found.terminated.any()
    assert not found.terminated.all()
    for action, envs in enumerate(takers):
        seen, reward, terminated, truncated, info = envs.step(np.full(200, action))
        ended = terminated | truncated
        for i in np.flatnonzero(ended):
            seen[i] = info["final_obs"][i]
        np.testing.assert_array_equal(found.reward[:, action], reward)
        np.testing.assert_array_equal(found.account[:, action], seen[:, 3:])
        np.testing.assert_array_equal(found.terminated[:, action], terminated)


def test_outcomes_of_the_scalar_environment_are_a_row_of_the_vectors():
    paths = random_tape(b=1, known=True)
    one, many = MarketEnv(paths, RULES, horizon=5), MarketVectorEnv(paths, RULES, 1, horizon=5)
    one.reset(seed=0)
    many.reset(seed=0)
    mine, row = one.outcomes(), many.outcomes()
    assert mine.reward.shape == (3,)
    assert mine.account.shape == (3, 1)
    for name in ("reward", "account", "terminated"):
        np.testing.assert_array_equal(getattr(mine, name), getattr(row, name)[0])


def test_random_positions_are_those_of_the_actions_drifted():
    """Each a third of the episodes; two deviations of the drift reach the edge of the band."""
    paths = random_tape(b=2, t=3, series=[0, 1])
    rules = Rules(np.array([0.5, 0.2]), 1000.0, buffer=0.05, band=0.2)
    envs = MarketVectorEnv(paths, rules, 30_000, positions="random", actions=(-0.5, 0.0, 0.5))
    _, info = envs.reset(seed=0)
    exposure = info["exposure"]
    for sign in (-1, 0, 1):
        assert np.mean(np.sign(exposure) == sign) == pytest.approx(1 / 3, abs=0.015)
    drift = np.log(np.abs(exposure[exposure != 0]) / (0.5 * 0.95))
    assert drift.mean() == pytest.approx(0.0, abs=0.005)
    assert drift.std() == pytest.approx(0.1, rel=0.03)
    free = MarketVectorEnv(paths, rules, 30_000, positions="random", actions=None)
    exposure = free.reset(seed=0)[1]["exposure"]
    assert np.histogram(exposure, 4, (-1, 1))[0] == pytest.approx(7500, rel=0.06)


def test_several_symbols_are_seen_with_their_dependence_and_the_portfolio():
    """Row s is symbol s; the same is made of outlook and standing, whatever happened."""
    paths = joint(b=6, t=9, volatility=0.4)
    for tape, width in ((paths, 3 + 3), (replace(paths, forecasts=None, moments=None), 3)):
        envs = MarketVectorEnv(tape, THREE, 20, actions=None, positions="random", horizon=7)
        seen, info = envs.reset(seed=1)
        envs.action_space.seed(1)
        ended = 0
        for _ in range(20):
            assert seen.shape == (20, 3, width + 2)
            outlook, standing = envs.outlook(), envs.standing()
            np.testing.assert_array_equal(seen[..., :3], outlook.observation)
            if tape.forecasts is not None:
                np.testing.assert_array_equal(seen[..., 3:6], outlook.correlation.astype("f4"))
            np.testing.assert_array_equal(standing.exposure, info["exposure"])
            np.testing.assert_array_equal(standing.caps, THREE.caps[None])
            gross = np.abs(standing.weights).sum(axis=1) / 0.9
            np.testing.assert_allclose(seen[..., -1], np.tile(gross[:, None], 3), rtol=1e-6)
            np.testing.assert_array_equal(observation(outlook, standing), seen)
            seen, _, terminated, _, info = envs.step(envs.action_space.sample())
            ended += terminated.sum()
        assert ended


def test_one_symbol_is_seen_alike_from_outlook_and_standing():
    paths = random_tape(b=4, t=9, volatility=0.3, series=[0, 1, 0, 1])
    envs = MarketVectorEnv(paths, Rules(np.array([0.9, 0.3]), 1e5), 30)
    seen, _ = envs.reset(seed=0)
    envs.action_space.seed(0)
    for _ in range(20):
        np.testing.assert_array_equal(observation(envs.outlook(), envs.standing()), seen)
        seen = envs.step(envs.action_space.sample())[0]
    assert envs.standing().caps.shape == (30, 1)


def test_random_positions_of_several_symbols_keep_every_cap():
    """Independent symbols; where the gross cap leaves room, as those of one symbol."""
    for actions in ((-1.0, 0.0, 1.0), None):
        envs = MarketVectorEnv(joint(b=2), THREE, 20_000, actions, positions="random")
        envs.reset(seed=0)
        standing = envs.standing()
        gross = np.abs(standing.weights).sum(axis=1)
        assert gross.max() <= 0.9 * (1 + 1e-9)
        assert np.mean(gross > 0.8) > 0.05
        assert np.abs(standing.exposure).max() <= 1.0
        corr = np.corrcoef(standing.exposure.T)
        assert np.abs(corr - np.eye(3)).max() < 0.03


def test_exposures_are_traded_outright_and_nan_keeps_a_position():
    paths = joint(b=4, volatility=0.01)
    first = MarketVectorEnv(paths, THREE, 4, actions=None)
    other = MarketVectorEnv(paths, THREE, 4)
    for envs in (first, other):
        envs.reset(options={"path": np.arange(4), "row": 0})
    wanted = np.array([[0.5, -0.25, 0.1]] * 4)
    for mine, theirs in zip(first.step(wanted)[:4], other.trade(wanted)[:4], strict=True):
        np.testing.assert_array_equal(mine, theirs)
    *_, info = first.trade(np.array([[np.nan, 0.0, np.nan]] * 4))
    assert (np.abs(info["turnover"] - 0.25 * 0.3) < 0.02).all()
    *_, info = first.trade(np.full((4, 3), np.nan))
    np.testing.assert_array_equal(info["turnover"], 0.0)
    np.testing.assert_array_equal(info["costs"], 0.0)
    # A target would have been corrected by now.
    assert (np.abs(info["exposure"][:, 0]) > 0.4).all()


def test_the_account_and_its_fees_are_as_large_as_the_rules_say():
    """A calm market: what is lost in the first step is the fee, 1 $ on six shares of 50 $ each."""
    paths = tape_of([[0.0]])
    for equity, fee in ((1_000.0, 1.0), (1_000_000.0, 31.0)):
        env = MarketEnv(paths, Rules(np.array([0.32]), equity))
        assert env.reset()[1]["equity"] == equity
        info = env.step(2)[-1]
        assert equity - info["equity"] == pytest.approx(fee, abs=0.05)


def test_scalar_and_vector_agree_to_the_last_bit_on_many_paths():
    """With violent markets, so that some accounts are ruined on the way."""
    paths = random_tape(b=150, t=25, volatility=0.2, series=np.arange(150) % 2)
    rules = Rules(np.array([0.95, 0.5]), 1e5, ruin=0.3, costs=InteractiveBrokersCost())
    envs = MarketVectorEnv(paths, rules, 150)
    observations, _ = envs.reset(options={"path": np.arange(150), "row": 0})
    rng = np.random.default_rng(0)
    actions = rng.integers(3, size=(25, 150))
    record = [envs.step(a) for a in actions]
    ruined = 0
    for i in range(150):
        env = MarketEnv(paths, rules)
        observation, _ = env.reset(options={"path": i, "row": 0})
        np.testing.assert_array_equal(observation, observations[i])
        for t in range(25):
            observation, reward, terminated, truncated, info = env.step(actions[t, i])
            batch = record[t]
            assert (reward, terminated, truncated) == (batch[1][i], batch[2][i], batch[3][i])
            if terminated or truncated:
                np.testing.assert_array_equal(observation, batch[4]["final_obs"][i])
                assert info["equity"] == batch[4]["final_info"]["equity"][i]
                ruined += terminated
                break
            np.testing.assert_array_equal(observation, batch[0][i])
            assert info["equity"] == batch[4]["equity"][i]
    assert ruined > 5


def test_rewards_sum_to_the_replayed_equity_curve():
    paths = random_tape(b=1, t=30)
    env = MarketEnv(paths, RULES)
    env.reset()
    rng = np.random.default_rng(3)
    actions = rng.integers(3, size=30)
    rewards = [env.step(a)[1] for a in actions]
    decisions = np.append(np.array([-0.8, 0.0, 0.8])[actions], np.nan)[:, None]
    curve = replay(decisions, paths.bars[0, 0][:, None], RULES)
    np.testing.assert_allclose(np.cumsum(rewards), np.log(curve[1:] / curve[0]), atol=1e-12)


def test_the_reward_is_tomorrows_not_todays():
    """Buying after the close before a jump at the open earns nothing; holding through it does."""
    paths = tape_of([[0.0, 0.1, 0.0]], gap_share=1.0)
    rules = Rules(np.array([1.0]), 1e5, buffer=0.0, band=0.0, lot_size=0)
    env = MarketEnv(paths, rules)
    env.reset()
    env.step(1)
    assert env.step(2)[1] == pytest.approx(0.0, abs=2e-4)
    env.reset()
    env.step(2)
    assert env.step(2)[1] == pytest.approx(0.1, abs=2e-4)


def test_observation_shows_the_market_and_the_position():
    paths = random_tape(b=1, d=2)
    env = MarketEnv(paths, RULES)
    observation, _ = env.reset()
    np.testing.assert_array_equal(observation, [*paths.observations[0, 0, 0], 0.0])
    observation, *_, info = env.step(2)
    holding = np.floor(0.97 * 0.8 * 100_000 / paths.bars[0, 0, 0, CLOSE] + 1e-9)
    weight = holding * paths.bars[0, 0, 1, CLOSE] / info["equity"]
    np.testing.assert_array_equal(observation[:2], paths.observations[0, 0, 1])
    assert observation[2] == pytest.approx(weight / 0.8, rel=1e-6)


def test_ruin_terminates_and_does_not_truncate():
    paths = tape_of([[0.9, 0.9, 0.9]])
    env = MarketEnv(paths, Rules(np.array([0.95]), 1e5, ruin=0.5))
    env.reset()
    _, reward, terminated, truncated, _ = env.step(0)
    assert terminated
    assert not truncated
    assert np.isfinite(reward)
    with pytest.raises(ValueError, match="call reset first"):
        env.step(1)


def test_seeds_repeat_and_differ():
    paths = random_tape(b=50)
    first = MarketVectorEnv(paths, RULES, 8, horizon=5)
    again = MarketVectorEnv(paths, RULES, 8, horizon=5)
    a, b = first.reset(seed=3)[0], again.reset(seed=3)[0]
    np.testing.assert_array_equal(a, b)
    for _ in range(12):
        x, y = first.step(np.ones(8, int)), again.step(np.ones(8, int))
        np.testing.assert_array_equal(x[0], y[0])
    assert not np.array_equal(a, first.reset(seed=4)[0])


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (
            lambda p: MarketEnv(
                Paths(p.bars, p.observations, p.series + 2, p.start_row),
                Rules(np.array([0.5, 0.5]), 1.0),
            ),
            r"series must have a cap each, 0\.\.1; received 2\.\.2",
        ),
        (lambda p: MarketEnv(p, RULES, horizon=31), r"horizon must lie in 1..30; received 31"),
        (lambda p: MarketEnv(p, RULES, positions="any"), r"positions must be one of .*'any'"),
        (lambda p: MarketEnv(p, RULES).outcomes(), "call reset first"),
        (lambda p: MarketVectorEnv(p, RULES, 2).outcomes(), "call reset first"),
        (lambda p: _outcomes(MarketEnv(p, RULES, actions=None)), "discrete"),
        (lambda p: MarketVectorEnv(p, RULES, 2).outlook(), "call reset first"),
        (lambda p: MarketVectorEnv(p, RULES, 2).standing(), "call reset first"),
        (lambda p: _outcomes(MarketEnv(joint(), THREE)), "outcomes need one symbol; received 3"),
        (lambda p: _trade(p, np.full((2, 1), 1.5)), r"exposures must have .* \[-1, 1\] or be NaN"),
        (lambda p: _trade(p, np.zeros(2)), r"exposures must have shape \(2, 1\)"),
        (lambda p: MarketEnv(p, RULES, reward_scale=0), "reward_scale"),
        (lambda p: MarketEnv(p, RULES, actions=(2.0, 1.0)), "actions"),
        (lambda p: MarketEnv(p, RULES, actions=(1.0,)), "actions"),
        (lambda p: MarketVectorEnv(p, RULES, 0), "num_envs"),
        (lambda p: MarketEnv(p, RULES).step(0), "call reset first"),
        (lambda p: MarketEnv(p, RULES).reset(options={"path": 5}), r"path .* 0..4; received"),
        (lambda p: MarketEnv(p, RULES).reset(options={"x": 5}), "options"),
        (lambda p: _step(MarketEnv(p, RULES), 3), r"0..2; received"),
        (lambda p: _step(MarketEnv(p, RULES), 0.5), "whole numbers"),
        (lambda p: _step(MarketEnv(p, RULES, actions=None), [1.1]), r"\[-1, 1\]"),
        (lambda p: _step(MarketEnv(p, RULES, actions=None), [np.nan]), r"\[-1, 1\]"),
    ],
)
def test_bad_input_is_named(act, words):
    with pytest.raises(ValueError, match=words):
        act(random_tape())


def _outcomes(env):
    env.reset()
    env.outcomes()


def _trade(paths, exposures):
    envs = MarketVectorEnv(paths, RULES, 2)
    envs.reset()
    envs.trade(exposures)


def _step(env, action):
    env.reset()
    env.step(action)
