"""Gymnasium environments of one account trading the symbols of market tapes.

`MarketEnv` and `MarketVectorEnv` share one core, so a step of the one is a row of the other, to
the last bit. What a step does is `sim.accounting.step`: a decision after the close of bar t fills
at the open of t+1 and is valued at the close of t+1. The project's own agents learn
(`sim.experience`) and are judged (`sim.rollout`) in the vector environment and nowhere else.

An account trades all S symbols of a market. One symbol is the special case without an axis of
symbols; `Paths.each` makes it of any tape.

## Action
`Discrete(A)`, with several symbols `MultiDiscrete([A] * S)`: indices into `actions`, target
exposures (weights over caps), by default short, flat, long; or, with `actions=None`,
`Box(-1, 1, (S,))`: the target exposures themselves. Caps are those of the tape's series
(`Rules.caps_of`); the gross cap binds after them. The vector environment also takes exposures
outright, with NaN for positions to keep (`MarketVectorEnv.trade`).

## Observation
Of one symbol `Box(D + K,)`, float32: the market observation of the tape, then
`models.agent.account.ACCOUNT_FEATURES` of the position at the same close. Of several
`Box(S, D + S + K + 1)`, a row for each symbol: its market observation, its correlations with all
symbols (no columns where the tape has no forecasts), the features of its position, and the sum of
absolute weights over the gross cap, the same in each row. Market observations are finite but carry
no bounds. `observation` makes the same of an `Outlook` and a `Standing`, which the vector
environment has too.

## Reward
What `reward` (`sim.rewards`), by default log growth, makes of the growth of equity from close t to
close t+1, times `reward_scale`, after costs; a step that ruins the account is floored
(`sim.accounting.finite_growth`). A reward that remembers starts anew with each episode. With
`control_variate`, less `sim.accounting.control_variate` times the reward's slope (before scaling):
the same mean with less noise, where the tape knows its innovations, and no difference where it does
not.

## Episode
Starts on a path and a row drawn from the environment's generator, or given by
`reset(options={"path": i, "row": j})`, with `rules.equity` in $. `positions="flat"` starts with
cash only. `positions="random"` starts in positions that the actions lead to, each equally likely,
in fractional shares: (1 - buffer) of the action's exposure (several symbols: fitted to the gross
cap), drifted by a lognormal factor of deviation band / 2 (two deviations reach the edge of the
band, where an order would bring it back), at most the caps; with continuous actions, uniform in
[-1, 1] (several symbols: fitted to the gross cap). Ruin (`sim.accounting.is_ruined`) terminates;
`horizon` decisions truncate. The vector environment resets within the same step
(`AutoresetMode.SAME_STEP`): the last observations come in `info["final_obs"]`.

## Info
At the present close: `equity` in $ and `exposure` (of several symbols an array), not clipped; of
the step: `log_growth`, `control_variate` (what the reward is less of, before scaling, if asked to;
0 where innovations are not known), `turnover` (traded value at the closes of the decision over
equity) and `costs` (fees and slippage over equity). The last four are 0 after a reset; in a vector
step that resets, the ended episode's values come in `info["final_info"]`.

## All actions at once
`outcomes()` gives what `step` would give for every discrete action on one symbol, without stepping.
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

from models.agent.account import (
    ACCOUNT_FEATURES,
    ACTIONS,
    Standing,
    account_features,
    exposure_features,
)
from models.agent.outlook import Outlook
from models.limits import cap_weights
from models.market.history import CLOSE, OPEN
from sim import accounting
from sim.accounting import Account, Rules, all_action_outcomes, finite_growth, is_ruined
from sim.paths import Paths
from sim.rewards import LogGrowth, Reward

POSITIONS = ("flat", "random")

MOVED = ("log_growth", "control_variate", "turnover", "costs")
"""What the infos tell of a step."""


def observation(outlook: Outlook, standing: Standing) -> NDArray[np.float32]:
    """What the environments show of markets (B) and accounts: so that others' agents can decide.

    Returns:
        Shape (B, D + K) for one symbol, else (B, S, D + S + K + 1); see the module's description.
    """
    parts: list[NDArray] = [outlook.observation, exposure_features(standing.exposure)]
    if standing.exposure.shape[1] == 1:
        return np.concatenate([part[:, 0] for part in parts], axis=1)
    if outlook.forecasts:
        parts.insert(1, outlook.correlation)
    used = _gross_use(standing.weights, standing.gross)
    parts.append(np.broadcast_to(used[:, None], (*standing.exposure.shape, 1)))
    return np.concatenate(parts, axis=2, dtype=np.float32)


def _gross_use(weights: NDArray[np.float64], gross: float) -> NDArray[np.float64]:
    """Sum of absolute weights (B, S) over the gross cap, shape (B, 1)."""
    return np.abs(weights).sum(axis=1, keepdims=True) / gross


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
        reward: Reward | None,
    ) -> None:
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
        self.reward = LogGrowth() if reward is None else reward
        self.memory = self.reward.start(n)
        self.paths = paths
        self.rows = paths.n_steps + 1
        self.n_paths = paths.n_paths
        self.symbols = paths.n_symbols
        self.opens = self._by_row(paths.bars[..., OPEN])
        self.closes = self._by_row(paths.bars[..., CLOSE])
        self.innovations = None
        if paths.innovations is not None:
            # Beside the bar that they belong to; none belongs to a path's first.
            aligned = np.zeros((*paths.bars.shape[:3], 2))
            aligned[:, :, 1:] = paths.innovations
            self.innovations = self._by_row(aligned)
        self.tape, self.width = self._tape()
        self.path_caps = rules.caps_of(paths.series)
        one_row = len(self.path_caps) == 1
        self.caps = self.path_caps if one_row else np.ones((n, self.symbols))
        self.account = Account.opened(np.zeros(n), self.symbols)
        self.exposure = np.zeros((n, self.symbols))
        self.moved = {name: np.zeros(n) for name in MOVED}
        self.at = np.zeros(n, dtype=np.int64)
        self.end = np.zeros(n, dtype=np.int64)
        self.close = np.empty((n, self.symbols))

    def _by_row(self, values: NDArray) -> NDArray:
        """Of every row of every market, (B·(T+1), S, ...), from (B, S, T+1, ...)."""
        rows = np.ascontiguousarray(np.moveaxis(values, 1, 2))
        return rows.reshape(-1, *rows.shape[2:])

    def _tape(self) -> tuple[NDArray[np.float32], int]:
        """What an observation needs, so that a step gathers it in one go; width of what is fixed.

        Shape (B·(T+1), D+K) for one symbol, else (B·(T+1), S, D+S+K+1).
        """
        parts = [self._by_row(self.paths.observations)]
        if self.symbols > 1 and self.paths.forecasts is not None:
            parts.append(self.paths.correlations.reshape(-1, self.symbols, self.symbols))
        width = sum(part.shape[2] for part in parts)
        own = len(ACCOUNT_FEATURES) + (self.symbols > 1)
        parts.append(np.zeros((*parts[0].shape[:2], own), np.float32))
        tape = np.concatenate(parts, axis=2)
        return (tape[:, 0] if self.symbols == 1 else tape), width

    def observation_space(self) -> spaces.Box:
        return spaces.Box(-np.inf, np.inf, self.tape.shape[1:], np.float32)

    def action_space(self) -> spaces.Discrete | spaces.MultiDiscrete | spaces.Box:
        if self.exposures is None:
            return spaces.Box(-1.0, 1.0, (self.symbols,), np.float64)
        if self.symbols == 1:
            return spaces.Discrete(len(self.exposures))
        return spaces.MultiDiscrete([len(self.exposures)] * self.symbols)

    def draw(
        self, count: int, rng: np.random.Generator, given: dict[str, NDArray] | None = None
    ) -> tuple[NDArray, NDArray, NDArray]:
        """Paths, rows with room for a whole horizon and exposures (count, S) of new episodes.

        What is given is not drawn.
        """
        placed = given or {}
        path = placed["path"] if "path" in placed else rng.integers(self.n_paths, size=count)
        row = (
            placed["row"] if "row" in placed else rng.integers(self.rows - self.horizon, size=count)
        )
        size = (count, self.symbols)
        if not self.random:
            return path, row, np.zeros(size)
        if self.exposures is None:
            return path, row, self._fit(rng.uniform(-1.0, 1.0, size), path)
        ordered = self._fit(self.exposures[rng.integers(len(self.exposures), size=size)], path)
        drift = np.exp(rng.normal(0.0, 0.5 * self.rules.band, size))
        held = np.clip(ordered * (1.0 - self.rules.buffer) * drift, -1.0, 1.0)
        return path, row, self._fit(held, path)

    def _fit(self, exposure: NDArray, path: NDArray) -> NDArray:
        """Exposures (count, S) that the gross cap allows."""
        if self.symbols == 1:
            return exposure
        caps = self.path_caps if len(self.path_caps) == 1 else self.path_caps[path]
        return cap_weights(exposure * caps, caps, self.rules.gross) / caps

    def start(
        self, who: NDArray[np.bool_], path: NDArray, row: NDArray, exposure: NDArray
    ) -> NDArray[np.float32]:
        """Begin new episodes for the chosen environments; their observations."""
        at = path * self.rows + row
        close = self.closes[at]
        caps = self.path_caps
        if len(caps) > 1:
            caps = caps[path]
            self.caps[who] = caps
        weights = exposure * caps
        opened = Account.at_weights(weights, close, self.rules.equity)
        self.at[who], self.end[who], self.close[who] = at, at + self.horizon, close
        self.account.cash[who] = opened.cash
        self.account.holdings[who] = opened.holdings
        self.account.equity[who] = opened.equity
        self.exposure[who] = exposure
        if self.reward.entries:
            self.memory[who] = self.reward.start(len(path))
        self.moved = {name: np.where(who, 0.0, value) for name, value in self.moved.items()}
        observations = self.tape[at]
        self._show(observations, weights, account_features(weights, caps))
        return observations

    def _show(self, observations: NDArray, weights: NDArray, features: NDArray) -> None:
        """Write what is seen of accounts into their observations."""
        if self.symbols == 1:
            observations[:, self.width :] = features[:, 0]
            return
        observations[..., self.width : -1] = features
        observations[..., -1] = _gross_use(weights, self.rules.gross)

    def targets(self, actions: Any) -> NDArray[np.float64]:
        """Target exposures (E, S) of checked actions (E, S), for one symbol also (E,)."""
        shape = (self.n, self.symbols)
        if self.exposures is None:
            exposures = np.asarray(actions, dtype=float).reshape(shape)
            if not (np.abs(exposures) <= 1).all():
                raise ValueError(f"actions must lie in [-1, 1]; received {actions!r}")
            return exposures
        index = np.asarray(actions).reshape(shape)
        last = len(self.exposures) - 1
        if index.dtype.kind not in "iu" or index.min() < 0 or index.max() > last:
            raise ValueError(f"actions must be whole numbers in 0..{last}; received {actions!r}")
        return self.exposures[index]

    def _prices(self, at: NDArray) -> tuple[NDArray, NDArray]:
        """Opens and closes (E, S) of rows."""
        return self.opens.take(at, axis=0), self.closes.take(at, axis=0)

    def step(self, exposures: NDArray) -> tuple[NDArray, NDArray, NDArray, NDArray]:
        """Trade towards exposures (E, S), NaN to keep a position.

        Returns:
            Observations (E, ...), rewards (E,), terminated (E,), truncated (E,).
        """
        targets = exposures * self.caps
        self.at += 1
        opens, closes = self._prices(self.at)
        before = self.account
        done = accounting.step(before, targets, self.close, opens, closes, self.rules, self.caps)
        growth = finite_growth(done.growth, before.equity, self.rules)
        if self.innovations is None:
            known = np.zeros(self.n)
        else:
            missed = self.innovations.take(self.at, axis=0)
            known = accounting.control_variate(before, done, self.close, opens, missed)
            known = known * self.reward.slope(self.memory)
        earned, self.memory = self.reward.step(growth, self.memory)
        turnover = accounting.traded(before, done, self.close)
        costs = accounting.costs_paid(before, done, opens)
        account = done.account
        terminated = is_ruined(account.equity, self.rules)
        truncated = self.at >= self.end
        value = account.holdings * closes
        if terminated.any():  # a ruined account may have no equity to measure against
            solvent = np.where(terminated, 1.0, account.equity)
            weights = np.where(terminated[:, None], 0.0, value) / solvent[:, None]
            truncated &= ~terminated
        else:
            weights = value / account.equity[:, None]
        exposure = weights / self.caps
        observations = self.tape.take(self.at, axis=0)
        self._show(observations, weights, exposure_features(exposure))
        self.account, self.close, self.exposure = account, closes, exposure
        self.moved = dict(zip(MOVED, (growth, known, turnover, costs), strict=True))
        return observations, self._scaled(earned, known), terminated, truncated

    def _scaled(self, earned: NDArray, known: NDArray) -> NDArray[np.float64]:
        """What comes of rewards and their control variates, of any shape; a new array."""
        return (earned - known if self.controlled else earned) * self.scale

    def outcomes(self) -> ActionOutcomes:
        """What every action would do."""
        if self.exposures is None:
            raise ValueError("outcomes need discrete actions; received a continuous action space")
        if self.symbols > 1:
            raise ValueError(f"outcomes need one symbol; received {self.symbols}")
        at = self.at + 1
        opens, closes = self._prices(at)
        found = all_action_outcomes(
            self.account,
            self.exposures,
            self.close[:, 0],
            opens[:, 0],
            closes[:, 0],
            self.rules,
            self.caps,
            None if self.innovations is None else self.innovations.take(at, axis=0)[:, 0],
        )
        memory = self.memory[:, None]
        earned, _ = self.reward.step(found.log_growth, memory)
        known = found.control_variate * self.reward.slope(memory)
        return ActionOutcomes(
            self._scaled(earned, known),
            account_features(found.weight, self.caps),
            found.ruined,
        )

    def outlook(self) -> Outlook:
        """What is known of the markets at the present rows."""
        market, row = np.divmod(self.at, self.rows)
        if self.paths.forecasts is None:
            return Outlook.unforecast(self.paths.observations[market, :, row])
        return self.paths.outlook(row, market)

    def standing(self) -> Standing:
        """Where the accounts stand at the present rows."""
        return Standing(self.exposure.copy(), self.caps.copy(), self.rules.gross)

    def info(self) -> dict[str, NDArray[np.float64]]:
        """What the module's description lists, shape (E,) each, exposures (E, S) of several."""
        exposure = self.exposure[:, 0] if self.symbols == 1 else self.exposure
        return {"equity": self.account.equity.copy(), "exposure": exposure.copy()} | self.moved


class MarketEnv(gym.Env[NDArray[np.float32], Any]):
    """One account on the symbols of a market; see the module's description.

    Args:
        paths: the market tapes.
        rules: the account's size, caps (one, or one for each series of the paths), costs, lots,
            ruin.
        actions: target exposures of a symbol in [-1, 1], or None for continuous ones.
        horizon: decisions in an episode, 1..T; default T.
        reward_scale: factor on the reward, > 0.
        control_variate: whether rewards come without their control variate.
        positions: what episodes start with, ``"flat"`` or ``"random"``.
        reward: what steps are worth; `sim.rewards.LogGrowth` by default.

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
        reward: Reward | None = None,
    ) -> None:
        self._core = _Core(
            paths, rules, 1, actions, horizon, reward_scale, control_variate, positions, reward
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
        core = self._core
        observation, reward, terminated, truncated = core.step(core.targets(action))
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
            ValueError: outside a running episode, for a continuous action space or for several
                symbols.
        """
        self._require_running()
        found = self._core.outcomes()
        return ActionOutcomes(found.reward[0], found.account[0], found.terminated[0])

    def _require_running(self) -> None:
        if not self._running:
            raise ValueError("a running episode is needed; call reset first")

    def _info(self) -> dict[str, Any]:
        return {
            name: float(value[0]) if value.ndim == 1 else value[0]
            for name, value in self._core.info().items()
        }


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
        reward: Reward | None = None,
    ) -> None:
        if num_envs < 1:
            raise ValueError(f"num_envs must be at least 1; received {num_envs}")
        self.num_envs = num_envs
        self._core = _Core(
            paths,
            rules,
            num_envs,
            actions,
            horizon,
            reward_scale,
            control_variate,
            positions,
            reward,
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
        return self._moved(self._core.targets(actions))

    def trade(
        self, exposures: NDArray[np.float64]
    ) -> tuple[NDArray, NDArray, NDArray, NDArray, dict[str, Any]]:
        """A step with given target exposures, whatever the action space.

        Args:
            exposures: of every symbol, shape (E, S), in [-1, 1]; NaN keeps a position.

        Raises:
            ValueError: before the first reset, or for exposures of another shape or outside
                [-1, 1].
        """
        self._require_running()
        wanted = np.asarray(exposures, dtype=float)
        shape = (self.num_envs, self._core.symbols)
        if wanted.shape != shape or (np.abs(wanted) > 1).any():
            raise ValueError(
                f"exposures must have shape {shape} and lie in [-1, 1] or be NaN; received shape "
                f"{wanted.shape}, {exposures!r}"
            )
        return self._moved(wanted)

    def _moved(
        self, exposures: NDArray[np.float64]
    ) -> tuple[NDArray, NDArray, NDArray, NDArray, dict[str, Any]]:
        core = self._core
        observations, rewards, terminated, truncated = core.step(exposures)
        ended = terminated | truncated
        if not ended.any():
            return observations, rewards, terminated, truncated, self._info()
        final = np.full(self.num_envs, None, dtype=object)
        for i in np.flatnonzero(ended):
            final[i] = observations[i].copy()
        last: dict[str, NDArray] = {}
        for name, value in core.info().items():
            heard = ended if value.ndim == 1 else ended[:, None]
            last |= {name: np.where(heard, value, 0.0), f"_{name}": ended}
        observations[ended] = core.start(ended, *core.draw(int(ended.sum()), self.np_random))
        info = self._info()
        info |= {"final_obs": final, "_final_obs": ended, "final_info": last, "_final_info": ended}
        return observations, rewards, terminated, truncated, info

    def outcomes(self) -> ActionOutcomes:
        """What each action would do now in each environment, exactly.

        Nothing moves: the same call gives the same again, and a step with any of the actions
        gives the reward, the (unreset) account features and the end that are said here.

        Raises:
            ValueError: before the first reset, for a continuous action space or for several
                symbols.
        """
        self._require_running()
        return self._core.outcomes()

    def outlook(self) -> Outlook:
        """What is known of each environment's market at its present close.

        Raises:
            ValueError: before the first reset.
        """
        self._require_running()
        return self._core.outlook()

    def standing(self) -> Standing:
        """Where each environment's account stands at its present close, and what binds it.

        Raises:
            ValueError: before the first reset.
        """
        self._require_running()
        return self._core.standing()

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
