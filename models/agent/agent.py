"""What every agent is: something that decides target exposures of all symbols together.

Agents differ in what they learn and how; whoever trades with one (`sim.rollout`, `algorithm`),
judges it or keeps it needs no more than this.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from models.agent.account import Standing
from models.agent.outlook import Outlook


class Agent(Protocol):
    """Decides at a close; immutable, and a function of what it is given alone.

    It takes any number of symbols, in any order: the decision on a symbol does not depend on where
    it stands among the others.
    """

    @property
    def stays_flat(self) -> bool:
        """Whether it takes no position whatever it sees."""
        ...

    def act(self, outlook: Outlook, standing: Standing) -> NDArray[np.float64]:
        """Target exposures of B accounts with S symbols.

        Args:
            outlook: what is known, B markets of S symbols.
            standing: where the accounts stand, and what binds them.

        Returns:
            Shape (B, S), in [-1, 1] of each cap; NaN leaves a position as it is.
        """
        ...

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Everything it is, as plain arrays of finite numbers."""
        ...


def window_of(agent: Agent) -> int:
    """How many of the last observations an agent looks at (`Outlook.recent`).

    Most look at the newest only; another says how far it looks back by an attribute ``window``.
    """
    return getattr(agent, "window", 1)
