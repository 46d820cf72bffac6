"""What a policy earns on market tapes: all paths at once, one decision per bar."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.agent.q_agent import QAgent
from sim.accounting import Rules
from sim.market_env import MarketVectorEnv
from sim.paths import Paths

Policy = Callable[[NDArray[np.float32], NDArray[np.float32]], NDArray[np.float64]]
"""Market observations (B, D) and account features (B, K) to target exposures (B,) in [-1, 1]."""


@dataclass(frozen=True)
class Rollout:
    """B accounts over T decisions.

    Attributes:
        reward: log growth of equity in each step, shape (B, T); 0 after ruin.
        controlled: the same less its control variate (`sim.accounting.control_variate`): same
            mean, less noise; `reward` where the tape knows no innovations.
        exposure: weight over cap after each step, shape (B, T); 0 from ruin on.
        turnover: value traded in each step over the equity before it and the cap, shape (B, T);
            0 from ruin on.
        equity: at the end, shape (B,), in $.
    """

    reward: NDArray[np.float64]
    controlled: NDArray[np.float64]
    exposure: NDArray[np.float64]
    turnover: NDArray[np.float64]
    equity: NDArray[np.float64]

    @property
    def mean_reward(self) -> float:
        """Log growth per bar, over all paths."""
        return float(self.reward.mean())

    @property
    def mean_turnover(self) -> float:
        """Traded value per bar over equity and cap, over all paths."""
        return float(self.turnover.mean())


def rollout(policy: Policy, paths: Paths, rules: Rules) -> Rollout:
    """Trade every path from row 0 to its end, starting with cash only.

    Every path is an environment (`sim.market_env`) with one episode of its whole length. One that
    is ruined trades on elsewhere, unheard, so that the policy always decides for B accounts.

    Args:
        policy: what decides.
        paths: B tapes of T decisions, one symbol each.
        rules: the account's size, its caps (one, or one for each series) and costs.

    Raises:
        ValueError: for paths of several symbols, or a policy that asks for more than the cap.
    """
    b, t_max, width = paths.n_paths, paths.n_steps, paths.observations.shape[3]
    envs = MarketVectorEnv(paths, rules, b, actions=None)
    # The seed is for where the ruined go on.
    seen, _ = envs.reset(seed=0, options={"path": np.arange(b), "row": 0})
    reward, controlled, exposure, turnover = np.zeros((4, b, t_max))
    equity = np.full(b, float(rules.equity))
    alive = np.ones(b, bool)
    for t in range(t_max):
        target = np.asarray(policy(seen[:, :width], seen[:, width:]), dtype=float)
        seen, _, terminated, _, info = envs.step(target[:, None])
        moved = info
        if "final_info" in info:
            ended, last = info["_final_info"], info["final_info"]
            moved = {name: np.where(ended, last[name], info[name]) for name in _HEARD}
        growth = moved["log_growth"]
        reward[alive, t] = growth[alive]
        controlled[alive, t] = (growth - moved["control_variate"])[alive]
        equity = np.where(alive, moved["equity"], equity)
        ruined = alive & terminated
        alive &= ~terminated
        exposure[alive, t] = moved["exposure"][alive]
        turnover[alive, t] = moved["turnover"][alive]
        if ruined.any():  # what is left may be less than nothing; the floored reward tells
            equity[ruined] = rules.equity * np.exp(reward[ruined].sum(axis=1))
    return Rollout(reward, controlled, exposure, turnover, equity)


_HEARD = ("log_growth", "control_variate", "equity", "exposure", "turnover")


def greedy(agent: QAgent, hurdle: ArrayLike | None = None) -> Policy:
    """The policy of an agent; `hurdle` as in `QAgent.act`."""
    actions = agent.actions
    return lambda observation, account: actions[agent.act(observation, account, hurdle)]


def constant(exposure: float) -> Policy:
    """Always the same target exposure: 1 is a constant mix at the cap, 0 stays flat."""
    return lambda observation, account: np.full(len(observation), exposure)
