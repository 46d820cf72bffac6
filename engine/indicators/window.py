"""RollingWindow: the last values of anything, newest first."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any, Generic, TypeVar

from engine.common.naming import LeanObject

T = TypeVar("T")


class RollingWindow(LeanObject, Generic[T]):
    """Keeps the newest ``size`` items; index 0 is the newest.

    ``RollingWindow[float](5)`` and ``RollingWindow(5)`` are the same.
    """

    def __init__(self, size: int) -> None:
        if size < 0:
            raise ValueError(f"size must be at least 0; received {size}")
        self._items: deque[Any] = deque(maxlen=size)
        self.samples = 0
        self._removed: Any = None

    @property
    def size(self) -> int:
        """Capacity."""
        return self._items.maxlen or 0

    @size.setter
    def size(self, size: int) -> None:
        if size < 0:
            raise ValueError(f"size must be at least 0; received {size}")
        newest = list(self._items)[:size]
        self._items = deque(newest, maxlen=size)

    @property
    def count(self) -> int:
        """Items held."""
        return len(self._items)

    @property
    def is_ready(self) -> bool:
        """True once as many items as fit were added."""
        return self.samples >= self.size

    @property
    def most_recently_removed(self) -> T:
        """The item that fell out last.

        Raises:
            ValueError: if none has yet.
        """
        if self.samples <= self.size:
            raise ValueError(f"no item was removed yet: {self.samples} of {self.size} added")
        return self._removed

    def add(self, item: T) -> None:
        """Add the newest item; the oldest falls out of a full window."""
        self.samples += 1
        items = self._items
        if items and len(items) == items.maxlen:
            self._removed = items[-1]
        items.appendleft(item)

    def reset(self) -> None:
        """Forget everything."""
        self._items.clear()
        self.samples = 0

    def __getitem__(self, index: int) -> Any:
        count = len(self._items)
        if index < 0:
            if self.size + index < 0:
                raise ValueError(f"index must lie within the size {self.size}; received {index}")
            index += count
            return self._items[index] if index >= 0 else None
        if index >= count:
            # As in LEAN, asking further back makes the window remember that far from now on.
            if index >= self.size:
                self.size = index + 1
            return None
        return self._items[index]

    def __setitem__(self, index: int, item: T) -> None:
        if index < 0:
            if self.size + index < 0:
                raise ValueError(f"index must lie within the size {self.size}; received {index}")
            index += self.size
        if index >= self.size:
            self.size = index + 1
        while len(self._items) <= index:
            self.samples += 1
            self._items.append(None)
        self._items[index] = item

    def __iter__(self) -> Iterator[T]:
        return iter(list(self._items))

    def __len__(self) -> int:
        return len(self._items)
