"""What a policy earns on market tapes: all paths at once, one decision per bar."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.agent.account import account_features
from models.agent.q_agent import QAgent
from models.market.history import CLOSE, OPEN
from sim.accounting import Account, Rules, finite_growth, is_ruined, luck, step
from sim.paths import Paths

Policy = Callable[[NDArray[np.float32], NDArray[np.float32]], NDArray[np.float64]]
"""Market observations (B, D) and account features (B, K) to shares of the cap (B,) in [-1, 1]."""


@dataclass(frozen=True)
class Rollout:
    """B accounts over T decisions.

    Attributes:
        reward: log growth of equity in each step, shape (B, T); 0 after ruin.
        earned: the same less luck (`sim.accounting.luck`) where the simulator knows what it
            expected: same mean, less noise.
        exposure: weight over cap after each step, shape (B, T).
        traded: value traded in each step over equity before it and cap, shape (B, T).
        equity: at the end, shape (B,), in $.
    """

    reward: NDArray[np.float64]
    earned: NDArray[np.float64]
    exposure: NDArray[np.float64]
    traded: NDArray[np.float64]
    equity: NDArray[np.float64]

    @property
    def mean_reward(self) -> float:
        """Log growth per bar, over all paths."""
        return float(self.reward.mean())

    @property
    def turnover(self) -> float:
        """Traded value per bar as a share of equity and cap."""
        return float(self.traded.mean())


def rollout(policy: Policy, paths: Paths, rules: Rules, cash: float = 100_000.0) -> Rollout:
    """Trade every path from row 0 to its end, starting with cash only.

    Args:
        policy: what decides.
        paths: B tapes of T decisions.
        rules: with one cap.
        cash: $ at the start.
    """
    b, t_max, cap = paths.n_paths, paths.n_steps, rules.caps[0]
    opens, closes = paths.bars[..., OPEN, None], paths.bars[..., CLOSE, None]
    account = Account.opened(np.full(b, cash))
    reward, earned, exposure, traded = np.zeros((4, b, t_max))
    surprises = paths.surprises_or_zero()
    alive = np.ones(b, bool)
    state = account_features(np.zeros(b), cap)
    for t in range(t_max):
        shares = np.asarray(policy(paths.observations[:, t], state), dtype=float)
        done = step(
            account, shares[:, None] * cap, closes[:, t], opens[:, t + 1], closes[:, t + 1], rules
        )
        reward[:, t] = np.where(alive, finite_growth(done.growth, account.equity, cash, rules), 0.0)
        lucky = luck(account, done, closes[:, t], opens[:, t + 1], surprises[:, t])
        earned[:, t] = reward[:, t] - np.where(alive, lucky, 0.0)
        traded[:, t] = np.abs(done.orders[:, 0] * closes[:, t, 0]) / account.equity / cap
        alive &= ~is_ruined(done.account.equity, cash, rules)
        # A ruined account goes on as an empty one, so that the batch keeps its shape.
        account = Account(
            np.where(alive, done.account.cash, cash),
            np.where(alive[:, None], done.account.shares, 0.0),
            np.where(alive, done.account.equity, cash),
        )
        weight = account.shares[:, 0] * closes[:, t + 1, 0] / account.equity
        exposure[:, t] = weight / cap
        state = account_features(weight, cap)
        traded[:, t] *= alive
    equity = np.where(alive, account.equity, cash * np.exp(reward.sum(axis=1)))
    return Rollout(reward, earned, exposure, traded, equity)


def greedy(agent: QAgent, hurdle: ArrayLike | None = None) -> Policy:
    """The policy of an agent; `hurdle` as in `QAgent.act`."""
    actions = agent.actions
    return lambda observation, account: actions[agent.act(observation, account, hurdle)]


def constant(share: float) -> Policy:
    """Always the same share of the cap: 1 is buy and hold, 0 stays flat."""
    return lambda observation, account: np.full(len(observation), share)
