"""From market tapes to transitions: every decision row, every action, exactly accounted."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from models.agent.account import account_features
from models.agent.replay import Transitions
from models.market.history import CLOSE, OPEN
from sim.accounting import Account, Rules, all_action_outcomes
from sim.paths import Paths

DRIFT = 0.05
"""Relative deviation of positions from their size at the last order, as drift leaves it."""


def transitions(
    paths: Paths,
    rules: Rules,
    actions: Sequence[float],
    rng: np.random.Generator,
    equity: float = 100_000.0,
) -> Transitions:
    """All decisions that the tapes allow, each from a random position.

    A position is one that the actions lead to, drifted a little; each is equally likely, whatever
    an agent would do, so every position is learned about. Where the simulator knows what it
    expected, rewards come without luck (`sim.accounting.luck`).

    Args:
        paths: B tapes of T decisions.
        rules: with one cap.
        actions: shares of the cap, shape (A,).
        rng: stream of the positions.
        equity: $ of every account; it matters only for fees per share and whole lots.

    Returns:
        B·T transitions, path by path.
    """
    closes, opens = paths.bars[..., CLOSE], paths.bars[..., OPEN]
    now, opened, then = closes[:, :-1].ravel(), opens[:, 1:].ravel(), closes[:, 1:].ravel()
    shares = np.asarray(actions, dtype=float)[rng.integers(len(actions), size=len(now))]
    drift = np.exp(rng.normal(0.0, DRIFT, len(now)))
    exposure = np.clip(shares * (1.0 - rules.buffer) * drift, -1.0, 1.0)
    account = Account.holding((exposure * rules.caps[0])[:, None], now[:, None], equity)
    surprises = None if paths.surprises is None else paths.surprises.reshape(-1, 2)
    out = all_action_outcomes(account, actions, now, opened, then, rules, equity, surprises)
    width = paths.observations.shape[2]
    return Transitions(
        observation=paths.observations[:, :-1].reshape(-1, width),
        account=account_features(exposure * rules.caps[0], rules.caps[0]),
        reward=out.reward.astype(np.float32),
        next_observation=paths.observations[:, 1:].reshape(-1, width),
        next_account=account_features(out.weight, rules.caps[0]),
        terminated=out.ruined.astype(np.float32),
    )
