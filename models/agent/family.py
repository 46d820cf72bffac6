"""The agents there are, by the name that a setting gives them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from models.agent.agent import Agent
from models.agent.mean_variance import MeanVariance
from models.agent.q_agent import QAgent

MEAN_VARIANCE, DQN = "mean_variance", "dqn"

RESTORE: Mapping[str, Callable[[Mapping[str, np.ndarray]], Agent]] = {
    MEAN_VARIANCE: MeanVariance.from_arrays,
    DQN: QAgent.from_arrays,
}
"""From the arrays of an agent of each kind to the agent."""

AGENTS = tuple(RESTORE)
"""Every kind."""


def kind_of(agent: Agent) -> str:
    """The name of an agent's kind."""
    return {MeanVariance: MEAN_VARIANCE, QAgent: DQN}[type(agent)]
