"""Learning by doing: the Q agent in any Gymnasium environment with discrete actions.

Where the outcome of every action can be computed, as in `sim.market_env`, an agent learns from all
of them (`sim.experience`) and has nothing to explore. Elsewhere it knows only what followed the
action that it took. It takes random actions with a probability that falls from step to step, and
the same networks, updates and replay memory learn from the actions taken (Mnih et al. 2015, with
double-DQN targets).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from numpy.typing import NDArray

from models.agent.account import ACCOUNT_FEATURES
from models.agent.q_agent import (
    UPDATES_PER_CALL,
    QAgent,
    QAgentConfig,
    borrowed_learner,
    initial_weights,
)
from models.agent.replay import ReplayMemory, Steps


@dataclass(frozen=True)
class ExploringConfig:
    """How an agent explores.

    Attributes:
        steps: of single environments in all, >= 1.
        first: random steps before anything is learned, >= 1.
        steps_per_update: of single environments for one update, >= 1.
        epsilon: probability of a random action at the start and at the end, each in [0, 1].
        decay: share of the steps over which it falls from one to the other, in (0, 1].
        reward_scale: rewards are multiplied by this for training, > 0: action values should be of
            order one.

    Raises:
        ValueError: naming the field, the rule and the received value.
    """

    steps: int = 500_000
    first: int = 10_000
    steps_per_update: int = 10
    epsilon: tuple[float, float] = (1.0, 0.05)
    decay: float = 0.5
    reward_scale: float = 1.0

    def __post_init__(self) -> None:
        rules = {
            "steps": (">= 1", self.steps >= 1),
            "first": (">= 1", self.first >= 1),
            "steps_per_update": (">= 1", self.steps_per_update >= 1),
            "epsilon": ("two in [0, 1]", len(self.epsilon) == 2 and _within(self.epsilon)),
            "decay": ("in (0, 1]", 0 < self.decay <= 1),
            "reward_scale": ("finite and > 0", 0 < self.reward_scale < math.inf),
        }
        for name, (rule, holds) in rules.items():
            if not holds:
                raise ValueError(f"{name} must be {rule}; received {getattr(self, name)!r}")

    def epsilon_at(self, step: int) -> float:
        """Probability of a random action after so many steps."""
        first, last = self.epsilon
        return first + (last - first) * min(step / (self.decay * self.steps), 1.0)


def _within(values: tuple[float, ...]) -> bool:
    return all(0 <= value <= 1 for value in values)


def explore(
    envs: VectorEnv,
    config: QAgentConfig,
    exploring: ExploringConfig,
    *,
    weights_rng: np.random.Generator,
    replay_rng: np.random.Generator,
    episodes_rng: np.random.Generator,
) -> QAgent:
    """Train an agent by what it does.

    Observations are taken as they are, the last of them in place of the account's features; so are
    those of `sim.market_env`. Action i of the environment is action i of the agent.

    Args:
        envs: with observations Box(D + K,) and A discrete actions, that start anew within a step
            (`AutoresetMode.SAME_STEP`).
        config: of D observations and A actions.
        exploring: how.
        weights_rng: stream of the initial weights.
        replay_rng: stream of the batches.
        episodes_rng: stream of random actions and of the environments' seed.

    Raises:
        ValueError: for environments that do not fit the configuration.
    """
    _check(envs, config)
    memory = ReplayMemory(config.memory)
    weights = initial_weights(config, weights_rng)
    width = config.observation_width
    zeros, ones = np.zeros(width, np.float32), np.ones(width, np.float32)
    agent = QAgent(config, weights, weights, zeros, ones, exploring.reward_scale)
    n, actions = envs.num_envs, len(config.actions)
    seen, _ = envs.reset(seed=int(episodes_rng.integers(2**31)))
    calls = max((exploring.steps - exploring.first) // _steps_per_call(exploring), 1)
    done = call = 0
    with borrowed_learner(config) as learner:
        learner.load(agent.online, agent.target)
        while done < exploring.steps:
            action = best_actions(agent, seen)
            wander = episodes_rng.random(n) < exploring.epsilon_at(done)
            action = np.where(wander, episodes_rng.integers(actions, size=n), action)
            after, reward, terminated, truncated, info = envs.step(action)
            ended = terminated | truncated
            last = after
            if ended.any():
                last = after.copy()
                last[ended] = np.stack(info["final_obs"][ended])
            memory.add(
                Steps(
                    *(
                        np.asarray(value, np.float32)
                        for value in (seen, action, reward, last, terminated)
                    )
                )
            )
            seen, done = after, done + n
            while call < calls and done >= exploring.first + call * _steps_per_call(exploring):
                rows = replay_rng.integers(len(memory), size=(UPDATES_PER_CALL, config.batch_size))
                before, taken, earned, later, over = memory.gather(rows)
                rate = config.learning_rate * (0.55 + 0.45 * math.cos(math.pi * call / calls))
                scaled = earned * np.float32(exploring.reward_scale)
                learner.update_taken(rate, before, taken.astype(np.int32), scaled, later, over)
                online, target = learner.weights()
                agent, call = replace(agent, online=online, target=target), call + 1
    return agent


def best_actions(agent: QAgent, seen: NDArray[np.float32]) -> NDArray[np.int64]:
    """What an agent does when it explores no more, for observations (E, D + K)."""
    width = agent.config.observation_width
    return agent.q_values(seen[:, :width], seen[:, width:]).argmax(axis=1)


def _steps_per_call(exploring: ExploringConfig) -> int:
    return exploring.steps_per_update * UPDATES_PER_CALL


def _check(envs: VectorEnv, config: QAgentConfig) -> None:
    shape = (config.observation_width + len(ACCOUNT_FEATURES),)
    if envs.single_observation_space.shape != shape:
        raise ValueError(
            f"envs must have observations of shape {shape}; received "
            f"{envs.single_observation_space}"
        )
    space = envs.single_action_space
    if not isinstance(space, spaces.Discrete) or space.n != len(config.actions):
        raise ValueError(f"envs must have {len(config.actions)} actions; received {space}")
    if envs.metadata.get("autoreset_mode") != AutoresetMode.SAME_STEP:
        raise ValueError(
            "envs must start anew within a step (AutoresetMode.SAME_STEP); received "
            f"{envs.metadata.get('autoreset_mode')}"
        )
