"""RollingWindow: the last values of anything, newest first."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Generic, TypeVar

from engine.common.naming import LeanObject
from engine.common.net_exceptions import (
    ArgumentException,
    ArgumentOutOfRangeException,
    InvalidOperationException,
)

_DEFAULTS: dict[Any, Any] = {float: 0.0, int: 0, bool: False}
"""What LEAN's windows of plain values hold where nothing was added."""

T = TypeVar("T")


class RollingWindow(LeanObject, Generic[T]):
    """Keeps the newest ``size`` items; index 0 is the newest.

    ``RollingWindow[float](5)`` is a window of numbers, which are 0 where none was added; without a
    class, and of other classes, what is missing is None.
    """

    _default: Any = None

    def __class_getitem__(cls, kind: Any) -> Any:
        made = super().__class_getitem__(kind)  # type: ignore[misc]
        return _typed(cls, kind) if isinstance(kind, type) and kind in _DEFAULTS else made

    def __init__(self, size: int) -> None:
        if size < 0:
            raise ArgumentException(
                "RollingWindow must have size of at least 0. (Parameter 'size')"
            )
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
            raise ArgumentOutOfRangeException(f"size must be at least 0; received {size}")
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
            InvalidOperationException: if none has yet.
        """
        if self.samples <= self.size:
            raise InvalidOperationException("No items have been removed yet!")
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
            self._check(index)
            index += count
            return self._items[index] if index >= 0 else self._default
        if index >= count:
            # As in LEAN, asking further back makes the window remember that far from now on.
            if index >= self.size:
                self.size = index + 1
            return self._default
        return self._items[index]

    def _check(self, index: int) -> None:
        if self.size + index < 0:
            raise ArgumentOutOfRangeException(
                f"Index must be a non-negative integer (Parameter 'i')\nActual value was {index}."
            )

    def __setitem__(self, index: int, item: T) -> None:
        if index < 0:
            self._check(index)
            index += self.size
        if index >= self.size:
            self.size = index + 1
        while len(self._items) <= index:
            # As in LEAN, what is added to reach an index is the newest, not the oldest.
            self.add(self._default)
        self._items[index] = item

    def __iter__(self) -> Iterator[T]:
        return iter(list(self._items))

    def __len__(self) -> int:
        return len(self._items)


@lru_cache(maxsize=8)
def _typed(cls: Any, kind: type) -> Any:
    """A window of plain values."""
    return type(cls.__name__, (cls,), {"_default": _DEFAULTS[kind], "__module__": cls.__module__})
