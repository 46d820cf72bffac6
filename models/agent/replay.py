"""Replay memory: transitions in ring buffers of plain arrays, every action at once.

A transition holds what *each* action would have earned and where it would have led, because a
small trader does not move the market; so there is no action taken and nothing to explore.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

Floats32 = NDArray[np.float32]


@dataclass(frozen=True)
class Transitions:
    """N transitions with A actions, D market observations and K account features.

    Attributes:
        observation: market at the decision, shape (N, D), float32.
        account: position at the decision, shape (N, K), float32.
        reward: of every action, shape (N, A), float32.
        next_observation: market one bar later, shape (N, D), float32.
        next_account: position one bar later after every action, shape (N, A, K), float32.
        terminated: 1 where the action ruins the account, else 0, shape (N, A), float32.
    """

    observation: Floats32
    account: Floats32
    reward: Floats32
    next_observation: Floats32
    next_account: Floats32
    terminated: Floats32

    def __post_init__(self) -> None:
        n, actions = self.reward.shape
        width, k = self.observation.shape[-1], self.account.shape[-1]
        shapes = {
            "observation": (n, width),
            "account": (n, k),
            "next_observation": (n, width),
            "next_account": (n, actions, k),
            "terminated": (n, actions),
        }
        for name, shape in shapes.items():
            if getattr(self, name).shape != shape:
                raise ValueError(
                    f"{name} must have shape {shape}; received {getattr(self, name).shape}"
                )
        for item in fields(self):
            value = getattr(self, item.name)
            if not np.isfinite(value).all():
                raise ValueError(f"{item.name} must be finite; received others")
            object.__setattr__(self, item.name, np.ascontiguousarray(value, dtype=np.float32))

    def __len__(self) -> int:
        return len(self.reward)


@dataclass(frozen=True)
class Steps:
    """N steps of which only the action that was taken is known, as of any Gymnasium environment.

    Attributes:
        inputs: observation at the decision, shape (N, D), float32.
        taken: index of the action, shape (N,), float32.
        reward: shape (N,), float32.
        next_inputs: observation after the step, shape (N, D), float32.
        terminated: 1 where the episode ended for good, else 0, shape (N,), float32.
    """

    inputs: Floats32
    taken: Floats32
    reward: Floats32
    next_inputs: Floats32
    terminated: Floats32

    def __len__(self) -> int:
        return len(self.reward)


class ReplayMemory:
    """The newest `capacity` transitions (`Transitions`, or `Steps`, not both).

    Args:
        capacity: at least 1.
    """

    def __init__(self, capacity: int) -> None:
        if capacity < 1:
            raise ValueError(f"capacity must be at least 1; received {capacity}")
        self.capacity = capacity
        self._arrays: dict[str, Floats32] = {}
        self._next = 0
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def add(self, transitions: Transitions | Steps) -> None:
        """Append; the oldest give way.

        Raises:
            ValueError: if shapes differ from those held.
        """
        new = {item.name: getattr(transitions, item.name) for item in fields(transitions)}
        count = len(transitions)
        if not self._arrays:
            self._arrays = {
                name: np.zeros((self.capacity, *value.shape[1:]), np.float32)
                for name, value in new.items()
            }
        for name, value in new.items():
            if value.shape[1:] != self._arrays[name].shape[1:]:
                raise ValueError(
                    f"{name} must have rows of shape {self._arrays[name].shape[1:]}; "
                    f"received {value.shape[1:]}"
                )
        kept = min(count, self.capacity)
        rows = (self._next + np.arange(count - kept, count)) % self.capacity
        for name, value in new.items():
            self._arrays[name][rows] = value[count - kept :]
        self._next = (self._next + count) % self.capacity
        self._size = min(self._size + count, self.capacity)

    def gather(self, rows: NDArray[np.int64]) -> tuple[Floats32, ...]:
        """Fields of what is held in their order, for row numbers in 0..len-1 of any shape."""
        return tuple(array.take(rows, axis=0) for array in self._arrays.values())

    def contents(self) -> Transitions:
        """All transitions held, oldest first.

        Raises:
            ValueError: if the memory is empty.
        """
        if not self._size:
            raise ValueError("a replay memory must hold transitions; received an empty one")
        first = self._next - self._size
        rows = (first + np.arange(self._size)) % self.capacity
        return Transitions(*self.gather(rows))
