"""Gymnasium environments of one account trading one symbol on market tapes.

`MarketEnv` and `MarketVectorEnv` share one core, so a step of the one is a row of the other, to
the last bit. What a step does is `sim.accounting.step`: a decision after the close of bar t fills
at the open of t+1 and is valued at the close of t+1.

## Action
`Discrete(A)`: an index into `actions`, target weights as a share of the cap, by default
(-1, 0, 1); or, with `actions=None`, `Box(-1, 1, (1,))`: the share itself.

## Observation
`Box(D + K,)`, float32: the market observation of the tape, then
`models.agent.account.ACCOUNT_FEATURES` of the position at the same close. Market observations are
finite but carry no bounds.

## Reward
Log growth of equity from close t to close t+1, times `reward_scale`, after costs; a step that
ruins the account is floored (`sim.accounting.finite_growth`).

## Episode
Starts with cash only, on a path and a row drawn from the environment's generator, or given by
`reset(options={"path": i, "row": j})`. Ruin (equity at or below `rules.ruin` of the initial
equity) terminates; `horizon` decisions truncate. The vector environment resets within the same
step (`AutoresetMode.SAME_STEP`): the last observations come in `info["final_obs"]`.

## Info
`equity` in $, after the step (after the reset in a step that resets).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from models.agent.account import ACCOUNT_FEATURES, account_features
from models.market.history import CLOSE, OPEN
from sim.accounting import Account, Rules, finite_growth, is_ruined, step
from sim.paths import Paths

ACTIONS = (-1.0, 0.0, 1.0)
"""Default discrete actions, shares of the cap: short, flat, long."""


class _Core:
    """E accounts on the tapes, without anything of Gymnasium."""

    def __init__(
        self,
        paths: Paths,
        rules: Rules,
        n: int,
        actions: Sequence[float] | None,
        horizon: int | None,
        initial_cash: float,
        reward_scale: float,
    ) -> None:
        if rules.caps.size != 1:
            raise ValueError(f"rules must have one cap; received {rules.caps.size}")
        self.horizon = paths.n_steps if horizon is None else horizon
        if not 1 <= self.horizon <= paths.n_steps:
            raise ValueError(f"horizon must lie in 1..{paths.n_steps}; received {horizon}")
        if not (np.isfinite(initial_cash) and initial_cash > 0):
            raise ValueError(f"initial_cash must be finite and > 0; received {initial_cash!r}")
        if not (np.isfinite(reward_scale) and reward_scale > 0):
            raise ValueError(f"reward_scale must be finite and > 0; received {reward_scale!r}")
        self.weights = None
        if actions is not None:
            shares = np.asarray(actions, dtype=float)
            if shares.ndim != 1 or shares.size < 2 or not (np.abs(shares) <= 1).all():
                raise ValueError(f"actions must be two or more in [-1, 1]; received {actions!r}")
            self.weights = shares * rules.caps[0]
        self.rules, self.n, self.cash, self.scale = rules, n, float(initial_cash), reward_scale
        self.rows = paths.n_steps + 1
        self.n_paths = paths.n_paths
        self.opens = paths.bars[..., OPEN].ravel()
        self.closes = paths.bars[..., CLOSE].ravel()
        self.width = paths.observations.shape[2]
        # One row holds what an observation needs, so a step gathers it in one go.
        blank = np.zeros((*paths.observations.shape[:2], len(ACCOUNT_FEATURES)), np.float32)
        tape = np.concatenate([paths.observations, blank], axis=2)
        self.tape = tape.reshape(-1, tape.shape[2])
        self.account = Account.opened(np.full(n, self.cash))
        self.at = np.zeros(n, dtype=np.int64)
        self.end = np.zeros(n, dtype=np.int64)
        self.close = np.empty((n, 1))

    def observation_space(self) -> spaces.Box:
        return spaces.Box(-np.inf, np.inf, (self.width + len(ACCOUNT_FEATURES),), np.float32)

    def action_space(self) -> spaces.Discrete | spaces.Box:
        if self.weights is None:
            return spaces.Box(-1.0, 1.0, (1,), np.float64)
        return spaces.Discrete(len(self.weights))

    def start(self, who: NDArray[np.bool_], path: NDArray, row: NDArray) -> NDArray[np.float32]:
        """Begin new episodes for the chosen environments; their observations."""
        at = path * self.rows + row
        self.at[who], self.end[who] = at, at + self.horizon
        self.close[who, 0] = self.closes[at]
        self.account.cash[who] = self.account.equity[who] = self.cash
        self.account.shares[who] = 0.0
        return self.tape[at]

    def draw(self, count: int, rng: np.random.Generator) -> tuple[NDArray, NDArray]:
        """Random paths and rows with room for a whole horizon."""
        path = rng.integers(self.n_paths, size=count)
        return path, rng.integers(self.rows - self.horizon, size=count)

    def targets(self, actions: Any) -> NDArray[np.float64]:
        """Target weights (E, 1) of checked actions (E,) or (E, 1)."""
        if self.weights is None:
            shares = np.asarray(actions, dtype=float).reshape(self.n, 1)
            if not (np.abs(shares) <= 1).all():
                raise ValueError(f"actions must lie in [-1, 1]; received {actions!r}")
            return shares * self.rules.caps[0]
        index = np.asarray(actions).reshape(self.n)
        if index.dtype.kind not in "iu" or index.min() < 0 or index.max() >= len(self.weights):
            raise ValueError(
                f"actions must be whole numbers in 0..{len(self.weights) - 1}; received {actions!r}"
            )
        return self.weights[index][:, None]

    def step(self, actions: Any) -> tuple[NDArray, NDArray, NDArray, NDArray]:
        """Observations (E, D+K), rewards (E,), terminated (E,), truncated (E,)."""
        targets = self.targets(actions)
        self.at += 1
        closes = self.closes.take(self.at)[:, None]
        done = step(
            self.account, targets, self.close, self.opens.take(self.at)[:, None], closes, self.rules
        )
        rewards = finite_growth(done.growth, self.account.equity, self.cash, self.rules)
        if self.scale != 1.0:
            rewards = rewards * self.scale
        account = done.account
        terminated = is_ruined(account.equity, self.cash, self.rules)
        truncated = self.at >= self.end
        ended = terminated.any()
        observations = self.tape.take(self.at, axis=0)
        value = account.shares[:, 0] * closes[:, 0]
        if ended:  # a ruined account may have no equity to measure against
            weight = np.where(terminated, 0.0, value) / np.where(terminated, 1.0, account.equity)
            truncated &= ~terminated
        else:
            weight = value / account.equity
        observations[:, self.width :] = account_features(weight, self.rules.caps[0])
        self.account, self.close = account, closes
        return observations, rewards, terminated, truncated


class MarketEnv(gym.Env[NDArray[np.float32], Any]):
    """One account on one symbol; see the module's description.

    Args:
        paths: the market tapes.
        rules: caps (one), costs, lots, ruin.
        actions: shares of the cap in [-1, 1], or None for a continuous share.
        horizon: decisions in an episode, 1..T; default T.
        initial_cash: in $, > 0.
        reward_scale: factor on the reward, > 0.

    Raises:
        ValueError: naming the argument, the rule and the received value.
    """

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012 (Gymnasium's name and type)

    def __init__(
        self,
        paths: Paths,
        rules: Rules,
        actions: Sequence[float] | None = ACTIONS,
        horizon: int | None = None,
        initial_cash: float = 100_000.0,
        reward_scale: float = 1.0,
    ) -> None:
        self._core = _Core(paths, rules, 1, actions, horizon, initial_cash, reward_scale)
        self.observation_space = self._core.observation_space()
        self.action_space = self._core.action_space()
        self._running = False

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Start an episode; `options` may fix its `path` and `row`."""
        super().reset(seed=seed)
        path, row = _placed(self._core, 1, self.np_random, options)
        observation = self._core.start(np.ones(1, bool), path, row)[0]
        self._running = True
        return observation, self._info()

    def step(self, action: Any) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Trade once.

        Raises:
            ValueError: before the first reset, after the end of an episode, or for an action
                outside the action space.
        """
        if not self._running:
            raise ValueError("step needs a running episode; call reset first")
        observation, reward, terminated, truncated = self._core.step(np.asarray(action))
        self._running = not (terminated[0] or truncated[0])
        return (
            observation[0],
            float(reward[0]),
            bool(terminated[0]),
            bool(truncated[0]),
            self._info(),
        )

    def _info(self) -> dict[str, Any]:
        return {"equity": float(self._core.account.equity[0])}


class MarketVectorEnv(VectorEnv[NDArray[np.float32], Any, NDArray]):
    """E accounts at once; see the module's description and `MarketEnv` for the arguments."""

    metadata: dict[str, Any] = {  # noqa: RUF012 (Gymnasium's name and type)
        "render_modes": [],
        "autoreset_mode": AutoresetMode.SAME_STEP,
    }

    def __init__(
        self,
        paths: Paths,
        rules: Rules,
        num_envs: int,
        actions: Sequence[float] | None = ACTIONS,
        horizon: int | None = None,
        initial_cash: float = 100_000.0,
        reward_scale: float = 1.0,
    ) -> None:
        if num_envs < 1:
            raise ValueError(f"num_envs must be at least 1; received {num_envs}")
        self.num_envs = num_envs
        self._core = _Core(paths, rules, num_envs, actions, horizon, initial_cash, reward_scale)
        self.single_observation_space = self._core.observation_space()
        self.single_action_space = self._core.action_space()
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._running = False

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Start all episodes; `options` may fix `path` and `row`, one number or one per env."""
        super().reset(seed=seed)
        everyone = np.ones(self.num_envs, bool)
        path, row = _placed(self._core, self.num_envs, self.np_random, options)
        self._running = True
        return self._core.start(everyone, path, row), self._info(everyone)

    def step(self, actions: Any) -> tuple[NDArray, NDArray, NDArray, NDArray, dict[str, Any]]:
        """Trade once in every environment; ended episodes start anew in the same step.

        Raises:
            ValueError: before the first reset, or for actions outside the action space.
        """
        if not self._running:
            raise ValueError("step needs running episodes; call reset first")
        core = self._core
        observations, rewards, terminated, truncated = core.step(actions)
        ended = terminated | truncated
        if not ended.any():
            return observations, rewards, terminated, truncated, self._info(~ended)
        final = np.full(self.num_envs, None, dtype=object)
        for i in np.flatnonzero(ended):
            final[i] = observations[i].copy()
        equity = np.where(ended, core.account.equity, 0.0)
        observations[ended] = core.start(ended, *core.draw(int(ended.sum()), self.np_random))
        info = self._info(np.ones(self.num_envs, bool))
        info |= {"final_obs": final, "_final_obs": ended}
        info |= {"final_info": {"equity": equity, "_equity": ended}, "_final_info": ended}
        return observations, rewards, terminated, truncated, info

    def _info(self, present: NDArray[np.bool_]) -> dict[str, Any]:
        return {"equity": self._core.account.equity.copy(), "_equity": present}


def _placed(
    core: _Core, n: int, rng: np.random.Generator, options: dict[str, Any] | None
) -> tuple[NDArray, NDArray]:
    """Paths and rows of new episodes: drawn, except where the options give them."""
    given = dict(options or {})
    path, row = core.draw(n, rng)
    limits = {"path": core.n_paths - 1, "row": core.rows - 1 - core.horizon}
    for name, high in limits.items():
        if name not in given:
            continue
        value = np.broadcast_to(np.asarray(given.pop(name)), (n,))
        if value.dtype.kind not in "iu" or value.min() < 0 or value.max() > high:
            raise ValueError(f"{name} must be whole numbers in 0..{high}; received {value}")
        path, row = (value, row) if name == "path" else (path, value)
    if given:
        raise ValueError(f"options must be among path, row; received {sorted(given)}")
    return path, row
