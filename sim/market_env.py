"""Gymnasium environments of one account trading one symbol on market tapes.

`MarketEnv` and `MarketVectorEnv` share one core, so a step of the one is a row of the other, to
the last bit. What a step does is `sim.accounting.step`: a decision after the close of bar t fills
at the open of t+1 and is valued at the close of t+1. The project's own agent learns
(`sim.experience`) and is judged (`sim.rollout`) in the vector environment and nowhere else.

## Action
`Discrete(A)`: an index into `actions`, target exposures (weights over the cap), by default short,
flat, long; or, with `actions=None`, `Box(-1, 1, (1,))`: the target exposure itself. The cap is that
of the path's symbol (`Rules.caps_of`).

## Observation
`Box(D + K,)`, float32: the market observation of the tape, then
`models.agent.account.ACCOUNT_FEATURES` of the position at the same close. Market observations are
finite but carry no bounds.

## Reward
Log growth of equity from close t to close t+1, times `reward_scale`, after costs; a step that
ruins the account is floored (`sim.accounting.finite_growth`). With `control_variate`, less
`sim.accounting.control_variate` (before scaling): the same mean with less noise, where the tape
knows its innovations, and no difference where it does not.

## Episode
Starts on a path and a row drawn from the environment's generator, or given by
`reset(options={"path": i, "row": j})`, with `rules.equity` in $. `positions="flat"` starts with
cash only. `positions="random"` starts in a position that the actions lead to, each equally likely,
in fractional shares: (1 - buffer) of the action's exposure, drifted by a lognormal factor of
deviation band / 2 (two deviations reach the edge of the band, where an order would bring it back),
at most 1; with continuous actions, uniform in [-1, 1]. Ruin (`sim.accounting.is_ruined`)
terminates; `horizon` decisions truncate. The vector environment resets within the same step
(`AutoresetMode.SAME_STEP`): the last observations come in `info["final_obs"]`.

## Info
At the present close: `equity` in $ and `exposure`, not clipped; of the step: `log_growth` (the
reward without scale and control variate), `control_variate` (0 where innovations are not known) and
`turnover` (traded value at the closes of the decision over equity and cap). The last three are 0
after a reset; in a vector step that resets, the ended episode's values come in
`info["final_info"]`.

## All actions at once
`outcomes()` gives what `step` would give for every discrete action, without stepping.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from models.agent.account import ACCOUNT_FEATURES, ACTIONS, account_features
from models.market.history import CLOSE, OPEN
from sim import accounting
from sim.accounting import Account, Rules, all_action_outcomes, finite_growth, is_ruined
from sim.paths import Paths

POSITIONS = ("flat", "random")


@dataclass(frozen=True)
class ActionOutcomes:
    """What each of A actions would do in E environments (the scalar one has no axis E).

    Attributes:
        reward: as `step` would return, shape (E, A).
        account: account features of the next observation, shape (E, A, K), float32; those before
            any reset.
        terminated: whether the action ruins the account, shape (E, A).
    """

    reward: NDArray[np.float64]
    account: NDArray[np.float32]
    terminated: NDArray[np.bool_]


class _Core:
    """E accounts on the tapes, without anything of Gymnasium."""

    def __init__(
        self,
        paths: Paths,
        rules: Rules,
        n: int,
        actions: Sequence[float] | None,
        horizon: int | None,
        reward_scale: float,
        control_variate: bool,
        positions: str,
    ) -> None:
        paths.require_single()
        self.horizon = paths.n_steps if horizon is None else horizon
        if not 1 <= self.horizon <= paths.n_steps:
            raise ValueError(f"horizon must lie in 1..{paths.n_steps}; received {horizon}")
        if not (np.isfinite(reward_scale) and reward_scale > 0):
            raise ValueError(f"reward_scale must be finite and > 0; received {reward_scale!r}")
        if positions not in POSITIONS:
            raise ValueError(f"positions must be one of {POSITIONS}; received {positions!r}")
        self.exposures = None
        if actions is not None:
            self.exposures = np.array(actions, dtype=float)
            if (
                self.exposures.ndim != 1
                or self.exposures.size < 2
                or not (np.abs(self.exposures) <= 1).all()
            ):
                raise ValueError(f"actions must be two or more in [-1, 1]; received {actions!r}")
        self.rules, self.n, self.scale = rules, n, reward_scale
        self.controlled, self.random = control_variate, positions == "random"
        self.rows = paths.n_steps + 1
        self.n_paths = paths.n_paths
        self.opens = paths.bars[..., OPEN].ravel()
        self.closes = paths.bars[..., CLOSE].ravel()
        self.innovations = None
        if paths.innovations is not None:
            # Beside the bar that they belong to; none belongs to a path's first.
            aligned = np.zeros((paths.n_paths, self.rows, 2))
            aligned[:, 1:] = paths.innovations[:, 0]
            self.innovations = aligned.reshape(-1, 2)
        self.width = paths.observations.shape[3]
        # One row holds what an observation needs, so a step gathers it in one go.
        blank = np.zeros((self.n_paths, self.rows, len(ACCOUNT_FEATURES)), np.float32)
        tape = np.concatenate([paths.observations[:, 0], blank], axis=2)
        self.tape = tape.reshape(-1, tape.shape[2])
        self.path_caps = rules.caps_of(paths.series[:, 0])
        one_cap = len(self.path_caps) == 1
        self.caps = self.path_caps if one_cap else np.ones((n, 1))
        self.account = Account.opened(np.zeros(n))
        self.exposure = np.zeros(n)
        self.moved = {name: np.zeros(n) for name in ("log_growth", "control_variate", "turnover")}
        self.at = np.zeros(n, dtype=np.int64)
        self.end = np.zeros(n, dtype=np.int64)
        self.close = np.empty((n, 1))

    def observation_space(self) -> spaces.Box:
        return spaces.Box(-np.inf, np.inf, (self.width + len(ACCOUNT_FEATURES),), np.float32)

    def action_space(self) -> spaces.Discrete | spaces.Box:
        if self.exposures is None:
            return spaces.Box(-1.0, 1.0, (1,), np.float64)
        return spaces.Discrete(len(self.exposures))

    def draw(
        self, count: int, rng: np.random.Generator, given: dict[str, NDArray] | None = None
    ) -> tuple[NDArray, NDArray, NDArray]:
        """Paths, rows with room for a whole horizon and exposures of new episodes.

        What is given is not drawn.
        """
        placed = given or {}
        path = placed["path"] if "path" in placed else rng.integers(self.n_paths, size=count)
        row = (
            placed["row"] if "row" in placed else rng.integers(self.rows - self.horizon, size=count)
        )
        if not self.random:
            return path, row, np.zeros(count)
        if self.exposures is None:
            return path, row, rng.uniform(-1.0, 1.0, count)
        ordered = self.exposures[rng.integers(len(self.exposures), size=count)]
        drift = np.exp(rng.normal(0.0, 0.5 * self.rules.band, count))
        return path, row, np.clip(ordered * (1.0 - self.rules.buffer) * drift, -1.0, 1.0)

    def start(
        self, who: NDArray[np.bool_], path: NDArray, row: NDArray, exposure: NDArray
    ) -> NDArray[np.float32]:
        """Begin new episodes for the chosen environments; their observations."""
        at = path * self.rows + row
        close = self.closes[at][:, None]
        caps = self.path_caps
        if len(caps) > 1:
            caps = caps[path]
            self.caps[who] = caps
        weights = exposure[:, None] * caps
        opened = Account.at_weights(weights, close, self.rules.equity)
        self.at[who], self.end[who], self.close[who] = at, at + self.horizon, close
        self.account.cash[who] = opened.cash
        self.account.holdings[who] = opened.holdings
        self.account.equity[who] = opened.equity
        self.exposure[who] = exposure
        self.moved = {name: np.where(who, 0.0, value) for name, value in self.moved.items()}
        observations = self.tape[at]
        observations[:, self.width :] = account_features(weights[:, 0], caps[:, 0])
        return observations

    def targets(self, actions: Any) -> NDArray[np.float64]:
        """Target weights (E, 1) of checked actions (E,) or (E, 1)."""
        if self.exposures is None:
            exposures = np.asarray(actions, dtype=float).reshape(self.n, 1)
            if not (np.abs(exposures) <= 1).all():
                raise ValueError(f"actions must lie in [-1, 1]; received {actions!r}")
            return exposures * self.caps
        index = np.asarray(actions).reshape(self.n)
        last = len(self.exposures) - 1
        if index.dtype.kind not in "iu" or index.min() < 0 or index.max() > last:
            raise ValueError(f"actions must be whole numbers in 0..{last}; received {actions!r}")
        return self.exposures[index][:, None] * self.caps

    def step(self, actions: Any) -> tuple[NDArray, NDArray, NDArray, NDArray]:
        """Observations (E, D+K), rewards (E,), terminated (E,), truncated (E,)."""
        targets = self.targets(actions)
        self.at += 1
        opens = self.opens.take(self.at)[:, None]
        closes = self.closes.take(self.at)[:, None]
        before = self.account
        done = accounting.step(before, targets, self.close, opens, closes, self.rules, self.caps)
        growth = finite_growth(done.growth, before.equity, self.rules)
        if self.innovations is None:
            known = np.zeros(self.n)
        else:
            missed = self.innovations.take(self.at, axis=0)
            known = accounting.control_variate(before, done, self.close, opens, missed)
        cap = self.caps[:, 0]
        turnover = np.abs(done.orders[:, 0] * self.close[:, 0]) / before.equity / cap
        account = done.account
        terminated = is_ruined(account.equity, self.rules)
        truncated = self.at >= self.end
        value = account.holdings[:, 0] * closes[:, 0]
        if terminated.any():  # a ruined account may have no equity to measure against
            weight = np.where(terminated, 0.0, value) / np.where(terminated, 1.0, account.equity)
            truncated &= ~terminated
        else:
            weight = value / account.equity
        observations = self.tape.take(self.at, axis=0)
        observations[:, self.width :] = account_features(weight, cap)
        self.account, self.close, self.exposure = account, closes, weight / cap
        self.moved = {"log_growth": growth, "control_variate": known, "turnover": turnover}
        return observations, self.rewards(growth, known), terminated, truncated

    def rewards(self, growth: NDArray, known: NDArray) -> NDArray[np.float64]:
        """Rewards of given log growth and control variates, of any shape; a new array."""
        return (growth - known if self.controlled else growth) * self.scale

    def outcomes(self) -> ActionOutcomes:
        """What every action would do."""
        if self.exposures is None:
            raise ValueError("outcomes need discrete actions; received a continuous action space")
        at = self.at + 1
        found = all_action_outcomes(
            self.account,
            self.exposures,
            self.close[:, 0],
            self.opens.take(at),
            self.closes.take(at),
            self.rules,
            self.caps,
            None if self.innovations is None else self.innovations.take(at, axis=0),
        )
        return ActionOutcomes(
            self.rewards(found.log_growth, found.control_variate),
            account_features(found.weight, self.caps),
            found.ruined,
        )

    def info(self) -> dict[str, NDArray[np.float64]]:
        """What the module's description lists, shape (E,) each."""
        return {"equity": self.account.equity.copy(), "exposure": self.exposure.copy()} | self.moved


class MarketEnv(gym.Env[NDArray[np.float32], Any]):
    """One account on one symbol; see the module's description.

    Args:
        paths: the market tapes, one symbol each (`Paths.each`).
        rules: the account's size, caps (one, or one for each series of the paths), costs, lots,
            ruin.
        actions: target exposures in [-1, 1], or None for continuous ones.
        horizon: decisions in an episode, 1..T; default T.
        reward_scale: factor on the reward, > 0.
        control_variate: whether rewards come without their control variate.
        positions: what episodes start with, ``"flat"`` or ``"random"``.

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
        reward_scale: float = 1.0,
        control_variate: bool = False,
        positions: str = "flat",
    ) -> None:
        self._core = _Core(
            paths, rules, 1, actions, horizon, reward_scale, control_variate, positions
        )
        self.observation_space = self._core.observation_space()
        self.action_space = self._core.action_space()
        self._running = False

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Start an episode; `options` may fix its `path` and `row`."""
        super().reset(seed=seed)
        placed = self._core.draw(1, self.np_random, _given(self._core, 1, options))
        observation = self._core.start(np.ones(1, bool), *placed)[0]
        self._running = True
        return observation, self._info()

    def step(self, action: Any) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Trade once.

        Raises:
            ValueError: before the first reset, after the end of an episode, or for an action
                outside the action space.
        """
        self._require_running()
        observation, reward, terminated, truncated = self._core.step(np.asarray(action))
        self._running = not (terminated[0] or truncated[0])
        return (
            observation[0],
            float(reward[0]),
            bool(terminated[0]),
            bool(truncated[0]),
            self._info(),
        )

    def outcomes(self) -> ActionOutcomes:
        """What each action would do now: arrays of shape (A,), (A, K) and (A,).

        Raises:
            ValueError: outside a running episode or for a continuous action space.
        """
        self._require_running()
        found = self._core.outcomes()
        return ActionOutcomes(found.reward[0], found.account[0], found.terminated[0])

    def _require_running(self) -> None:
        if not self._running:
            raise ValueError("a running episode is needed; call reset first")

    def _info(self) -> dict[str, Any]:
        return {name: float(value[0]) for name, value in self._core.info().items()}


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
        reward_scale: float = 1.0,
        control_variate: bool = False,
        positions: str = "flat",
    ) -> None:
        if num_envs < 1:
            raise ValueError(f"num_envs must be at least 1; received {num_envs}")
        self.num_envs = num_envs
        self._core = _Core(
            paths, rules, num_envs, actions, horizon, reward_scale, control_variate, positions
        )
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
        given = _given(self._core, self.num_envs, options)
        everyone = np.ones(self.num_envs, bool)
        self._running = True
        placed = self._core.draw(self.num_envs, self.np_random, given)
        return self._core.start(everyone, *placed), self._info()

    def step(self, actions: Any) -> tuple[NDArray, NDArray, NDArray, NDArray, dict[str, Any]]:
        """Trade once in every environment; ended episodes start anew in the same step.

        Raises:
            ValueError: before the first reset, or for actions outside the action space.
        """
        self._require_running()
        core = self._core
        observations, rewards, terminated, truncated = core.step(actions)
        ended = terminated | truncated
        if not ended.any():
            return observations, rewards, terminated, truncated, self._info()
        final = np.full(self.num_envs, None, dtype=object)
        for i in np.flatnonzero(ended):
            final[i] = observations[i].copy()
        last: dict[str, NDArray] = {}
        for name, value in core.info().items():
            last |= {name: np.where(ended, value, 0.0), f"_{name}": ended}
        observations[ended] = core.start(ended, *core.draw(int(ended.sum()), self.np_random))
        info = self._info()
        info |= {"final_obs": final, "_final_obs": ended, "final_info": last, "_final_info": ended}
        return observations, rewards, terminated, truncated, info

    def outcomes(self) -> ActionOutcomes:
        """What each action would do now in each environment, exactly.

        Nothing moves: the same call gives the same again, and a step with any of the actions
        gives the reward, the (unreset) account features and the end that are said here.

        Raises:
            ValueError: before the first reset or for a continuous action space.
        """
        self._require_running()
        return self._core.outcomes()

    def _require_running(self) -> None:
        if not self._running:
            raise ValueError("running episodes are needed; call reset first")

    def _info(self) -> dict[str, Any]:
        present = np.ones(self.num_envs, bool)
        info: dict[str, Any] = {}
        for name, value in self._core.info().items():
            info |= {name: value, f"_{name}": present}
        return info


def _given(core: _Core, n: int, options: dict[str, Any] | None) -> dict[str, NDArray]:
    """Checked paths and rows (n,) that the options of a reset fix."""
    asked = dict(options or {})
    limits = {"path": core.n_paths - 1, "row": core.rows - 1 - core.horizon}
    given = {}
    for name, high in limits.items():
        if name not in asked:
            continue
        value = np.broadcast_to(np.asarray(asked.pop(name)), (n,))
        if value.dtype.kind not in "iu" or value.min() < 0 or value.max() > high:
            raise ValueError(f"{name} must be whole numbers in 0..{high}; received {value}")
        given[name] = value
    if asked:
        raise ValueError(f"options must be among path, row; received {sorted(asked)}")
    return given
