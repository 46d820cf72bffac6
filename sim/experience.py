"""From market tapes to transitions: every decision row, every action, exactly accounted."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from models.agent.account import ACCOUNT_FEATURES
from models.agent.replay import Transitions
from sim.accounting import Rules
from sim.market_env import MarketVectorEnv
from sim.paths import Paths
from sim.rewards import Reward


def transitions(
    paths: Paths,
    rules: Rules,
    actions: Sequence[float],
    rng: np.random.Generator,
    reward: Reward | None = None,
) -> Transitions:
    """All decisions that the tapes allow, each from a random position.

    They are the outcomes of one environment per decision row, with an episode of one step. A
    position is one that the actions lead to, each equally likely, whatever an agent would do, so
    every position is learned about. Rewards come without their control variate.

    Args:
        paths: B tapes of T decisions, one symbol each.
        rules: the account's size, its caps (one, or one for each series) and costs.
        actions: target exposures, shape (A,).
        rng: stream of the positions.
        reward: what a step is worth, each as the first of an account; log growth by default.

    Returns:
        B·T transitions, path by path.

    Raises:
        ValueError: for paths of several symbols.
    """
    paths.require_single()
    path, row = np.divmod(np.arange(paths.n_paths * paths.n_steps), paths.n_steps)
    envs = MarketVectorEnv(
        paths,
        rules,
        len(path),
        actions,
        horizon=1,
        control_variate=True,
        positions="random",
        reward=reward,
    )
    envs.np_random = rng
    seen, _ = envs.reset(options={"path": path, "row": row})
    found = envs.outcomes()
    width = seen.shape[1] - len(ACCOUNT_FEATURES)
    return Transitions(
        observation=seen[:, :width],
        account=seen[:, width:],
        reward=found.reward.astype(np.float32),
        next_observation=paths.observations[:, 0, 1:].reshape(-1, width),
        next_account=found.account,
        terminated=found.terminated.astype(np.float32),
    )
