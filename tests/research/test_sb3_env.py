"""The adapter against the environment it wraps; without Stable-Baselines3, on a stand-in."""

import importlib
import sys
from types import ModuleType

import numpy as np
import pytest

from sim.accounting import Rules
from sim.market_env import MarketVectorEnv
from tests.sim.markets import random_tape, tape_of

RULES = Rules(np.array([0.95]), 50_000.0, ruin=0.3)
INSTALLED = importlib.util.find_spec("stable_baselines3") is not None


class StandIn:
    """What the base class of Stable-Baselines3 does for its subclasses."""

    def __init__(self, num_envs, observation_space, action_space):
        self.num_envs = num_envs
        self.observation_space, self.action_space = observation_space, action_space
        self._seeds = [None] * num_envs
        self.render_mode = self.get_attr("render_mode")[0]

    def seed(self, seed):
        self._seeds = [seed + i for i in range(self.num_envs)]

    def step(self, actions):
        self.step_async(actions)
        return self.step_wait()

    def _reset_seeds(self):
        self._seeds = [None] * self.num_envs

    def _reset_options(self):
        pass

    def _get_indices(self, indices):
        if indices is None:
            return range(self.num_envs)
        return [indices] if isinstance(indices, int) else indices


@pytest.fixture
def adapter(monkeypatch):
    if not INSTALLED:
        for name in ("stable_baselines3", "stable_baselines3.common"):
            monkeypatch.setitem(sys.modules, name, ModuleType(name))
        module = ModuleType("stable_baselines3.common.vec_env")
        module.VecEnv = StandIn
        monkeypatch.setitem(sys.modules, module.__name__, module)
        monkeypatch.delitem(sys.modules, "research.sb3_env", raising=False)
    yield importlib.import_module("research.sb3_env").StableBaselinesEnv
    if not INSTALLED:
        sys.modules.pop("research.sb3_env")


@pytest.mark.parametrize("actions", [(-1.0, 0.0, 1.0), None])
def test_steps_are_those_of_the_environment(actions, adapter):
    """Ends by ruin and by the horizon included."""
    paths = random_tape(b=30, t=12, volatility=0.5, known=True)
    options = {"actions": actions, "horizon": 8, "control_variate": True, "positions": "random"}
    plain = MarketVectorEnv(paths, RULES, 20, **options)
    wrapped = adapter(MarketVectorEnv(paths, RULES, 20, **options))
    assert wrapped.observation_space == plain.single_observation_space
    assert wrapped.action_space == plain.single_action_space
    wrapped.seed(7)
    np.testing.assert_array_equal(wrapped.reset(), plain.reset(seed=7)[0])
    plain.action_space.seed(0)
    ruined = cut = 0
    for _ in range(40):
        choice = plain.action_space.sample()
        seen, rewards, terminated, truncated, info = plain.step(choice)
        mine = wrapped.step(choice)
        np.testing.assert_array_equal(mine[0], seen)
        np.testing.assert_array_equal(mine[1], rewards.astype(np.float32))
        np.testing.assert_array_equal(mine[2], terminated | truncated)
        for i in range(20):
            if not (terminated[i] or truncated[i]):
                assert mine[3][i] == {}
                continue
            last = mine[3][i]
            np.testing.assert_array_equal(last["terminal_observation"], info["final_obs"][i])
            assert last["TimeLimit.truncated"] == truncated[i]
            assert last["equity"] == info["final_info"]["equity"][i]
            ruined += terminated[i]
            cut += truncated[i]
    assert ruined > 2
    assert cut > 2


def test_attributes_belong_to_all_environments(adapter):
    wrapped = adapter(MarketVectorEnv(random_tape(), RULES, 3))
    assert wrapped.get_attr("num_envs", [0, 2]) == [3, 3]
    assert wrapped.env_is_wrapped(object, 1) == [False]
    wrapped.set_attr("render_mode", "none")
    assert wrapped.envs.render_mode == "none"
    with pytest.raises(ValueError, match="indices must name all 3"):
        wrapped.set_attr("render_mode", "none", [1])
    with pytest.raises(ValueError, match="call outcomes on `envs`"):
        wrapped.env_method("outcomes")


@pytest.mark.skipif(not INSTALLED, reason="Stable-Baselines3 comes with requirements/agents.txt")
def test_stable_baselines_own_agents_train_in_it(adapter):
    """The leaked sign of tomorrow's move is worth taking, and a short training finds it."""
    from stable_baselines3 import DQN

    rng = np.random.default_rng(0)
    returns = rng.choice([-0.02, 0.02], (20, 40))
    seen = np.sign(np.pad(returns, ((0, 0), (0, 1))))[..., None]
    paths = tape_of(returns, seen, gap_share=0.0)
    envs = MarketVectorEnv(paths, RULES, 10, positions="random", reward_scale=100.0)
    agent = DQN(
        "MlpPolicy",
        adapter(envs),
        gamma=0.5,
        learning_starts=100,
        train_freq=1,
        seed=0,
        target_update_interval=100,
        learning_rate=1e-3,
        device="cpu",
        policy_kwargs={"net_arch": [16]},
    )
    agent.learn(5_000)
    for sign, action in ((-1.0, 0), (1.0, 2)):
        chosen, _ = agent.predict(np.array([[sign, 0.0]], np.float32), deterministic=True)
        assert chosen[0] == action
