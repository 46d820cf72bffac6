"""Several agents that trade only where they agree.

What all members want is taken: the smallest of their exposures where all are on one side, nothing
where they are not. A member that would leave a position as it is wants what is held.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from models.agent.account import Standing
from models.agent.agent import Agent, window_of
from models.agent.outlook import Outlook

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Agreement:
    """The agent; immutable.

    Attributes:
        members: two or more agents by kind.

    Raises:
        ValueError: for fewer.
    """

    members: Mapping[str, Agent]

    def __post_init__(self) -> None:
        if len(self.members) < 2:
            raise ValueError(f"members must be two or more; received {list(self.members)}")
        object.__setattr__(self, "members", MappingProxyType(dict(self.members)))

    def __reduce__(self) -> tuple[type[Agreement], tuple[dict[str, Agent]]]:
        """Candidates learn in processes of their own, and a read-only mapping does not travel."""
        return Agreement, (dict(self.members),)

    @property
    def stays_flat(self) -> bool:
        """Whether a member does: then it agrees to nothing."""
        return any(member.stays_flat for member in self.members.values())

    @property
    def window(self) -> int:
        """As many observations as the member that looks back farthest."""
        return max(map(window_of, self.members.values()))

    def act(self, outlook: Outlook, standing: Standing) -> Floats:
        """See `models.agent.agent.Agent`; NaN where the members agree on what is held."""
        asked = np.stack([member.act(outlook, standing) for member in self.members.values()])
        kept = np.isnan(asked)
        wanted = np.where(kept, standing.exposure, asked)
        size = np.abs(wanted)
        least = size.min(axis=0)
        long, short = (wanted > 0).all(axis=0), (wanted < 0).all(axis=0)
        agreed = np.select([long, short], [least, -least], 0.0)
        stays = (kept & (size == least)).any(axis=0) & (long | short)
        return np.where(stays | kept.all(axis=0), np.nan, agreed)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Everything the members are, as ``kind/name``."""
        return {
            f"{kind}/{name}": values
            for kind, member in self.members.items()
            for name, values in member.to_arrays().items()
        }

    @classmethod
    def from_arrays(
        cls,
        arrays: Mapping[str, np.ndarray],
        restore: Mapping[str, Callable[[Mapping[str, np.ndarray]], Agent]],
    ) -> Agreement:
        """The inverse of `to_arrays`.

        Args:
            arrays: of all members.
            restore: from the arrays of an agent of each kind to the agent.

        Raises:
            ValueError: for an array of no known member, or arrays that a member does not take.
        """
        parts: dict[str, dict[str, np.ndarray]] = {}
        for name, values in arrays.items():
            kind, _, field = name.partition("/")
            if kind not in restore or not field:
                raise ValueError(f"arrays must be those of known members; received {name}")
            parts.setdefault(kind, {})[field] = values
        return cls({kind: restore[kind](held) for kind, held in parts.items()})
