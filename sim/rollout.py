"""What a policy earns on market tapes: all paths at once, one decision per bar."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.agent.account import Standing
from models.agent.outlook import Outlook
from models.agent.q_agent import QAgent
from sim.accounting import Rules
from sim.market_env import MarketVectorEnv
from sim.paths import Paths
from sim.rewards import Reward

Policy = Callable[[Outlook, Standing], NDArray[np.float64]]
"""What is known of B markets and where the accounts stand, to target exposures (B, S) in [-1, 1];
NaN keeps a position. Any agent's `act` is one."""


@dataclass(frozen=True)
class Rollout:
    """B accounts with S symbols over T decisions.

    Attributes:
        reward: of each step (`sim.rewards`), shape (B, T); 0 after ruin.
        controlled: the same less its control variate: same mean, less noise; `reward` where the
            tape knows no innovations.
        growth: log growth of equity in each step, shape (B, T); 0 after ruin.
        exposure: weights over caps after each step, shape (B, S, T); 0 from ruin on.
        turnover: value traded in each step over the equity before it, shape (B, T); 0 from ruin
            on.
        costs: fees and slippage of each step over the equity before it, shape (B, T); 0 from ruin
            on.
        equity: after each step, shape (B, T), in $; constant from ruin on.
    """

    reward: NDArray[np.float64]
    controlled: NDArray[np.float64]
    growth: NDArray[np.float64]
    exposure: NDArray[np.float64]
    turnover: NDArray[np.float64]
    costs: NDArray[np.float64]
    equity: NDArray[np.float64]

    @property
    def mean_reward(self) -> float:
        """Reward per bar, over all paths."""
        return float(self.reward.mean())

    @property
    def mean_turnover(self) -> float:
        """Traded value per bar over equity, over all paths."""
        return float(self.turnover.mean())


def rollout(policy: Policy, paths: Paths, rules: Rules, reward: Reward | None = None) -> Rollout:
    """Trade every market from row 0 to its end in one account, starting with cash only.

    Every market is an environment (`sim.market_env`) with one episode of its whole length. One that
    is ruined trades on elsewhere, unheard, so that the policy always decides for B accounts.

    Args:
        policy: what decides.
        paths: B tapes of T decisions. Agents that look at forecasts need tapes that carry them.
        rules: the account's size, its caps (one, or one for each series) and costs.
        reward: what steps are worth; log growth by default.

    Raises:
        ValueError: for a policy that asks for more than a cap or for other symbols.
    """
    b, t_max = paths.n_paths, paths.n_steps
    envs = MarketVectorEnv(paths, rules, b, actions=None, reward=reward)
    # The seed is for where the ruined go on.
    envs.reset(seed=0, options={"path": np.arange(b), "row": 0})
    rewards, controlled, growth, turnover, costs, equity = np.zeros((6, b, t_max))
    exposure = np.zeros((b, paths.n_symbols, t_max))
    present = np.full(b, float(rules.equity))
    alive = np.ones(b, bool)
    for t in range(t_max):
        target = policy(envs.outlook(), envs.standing())
        _, earned, terminated, _, info = envs.trade(target)
        moved = info
        if "final_info" in info:
            ended, last = info["_final_info"], info["final_info"]
            moved = {name: np.where(ended, last[name].T, info[name].T).T for name in _HEARD}
        rewards[alive, t] = earned[alive]
        controlled[alive, t] = (earned - moved["control_variate"])[alive]
        growth[alive, t] = moved["log_growth"][alive]
        present = np.where(alive, moved["equity"], present)
        ruined = alive & terminated
        alive &= ~terminated
        exposure[alive, :, t] = moved["exposure"].reshape(b, -1)[alive]
        turnover[alive, t] = moved["turnover"][alive]
        costs[alive, t] = moved["costs"][alive]
        if ruined.any():  # what is left may be less than nothing; the floored growth tells
            present[ruined] = rules.equity * np.exp(growth[ruined].sum(axis=1))
        equity[:, t] = present
    return Rollout(rewards, controlled, growth, exposure, turnover, costs, equity)


_HEARD = ("log_growth", "control_variate", "equity", "exposure", "turnover", "costs")


def greedy(agent: QAgent, hurdle: ArrayLike | None = None) -> Policy:
    """The policy of a Q agent; `hurdle` as in `QAgent.act`."""
    return lambda outlook, standing: agent.act(outlook, standing, hurdle)


def constant(exposure: float) -> Policy:
    """Always the same target exposure: 1 is a constant mix at the caps, 0 stays flat."""
    return lambda outlook, standing: np.full(standing.exposure.shape, exposure)
