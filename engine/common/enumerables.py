"""LEAN's sequences: enumerables, and lists and sets that know their number."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Set
from functools import lru_cache
from typing import Any, TypeVar

from engine.common.naming import LeanObject

T = TypeVar("T")


class NetList(list[T]):
    """A list of .NET's: `count` is its number of items."""

    @property
    def count(self) -> int:  # type: ignore[override]
        """Number of items."""
        return len(self)

    Count = count


class NetSet(Set[T]):
    """A set of .NET's: in the order of its coming, and `add` and `remove` tell what they did."""

    def __init__(self, items: Iterable[T] = ()) -> None:
        self._items = dict.fromkeys(items)

    def __contains__(self, item: object) -> bool:
        return item in self._items

    def __iter__(self) -> Iterator[T]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    @property
    def count(self) -> int:
        """Number of items."""
        return len(self._items)

    def contains(self, item: T) -> bool:
        """Whether an item is there."""
        return item in self._items

    def add(self, item: T) -> bool:
        """Add an item; False if it is there already."""
        new = item not in self._items
        self._items.setdefault(item)
        return new

    def remove(self, item: T) -> bool:
        """Take an item out; False if it is not there."""
        there = item in self._items
        self._items.pop(item, None)
        return there

    def clear(self) -> None:
        """Take all out."""
        self._items.clear()

    Count = count


class MemoizingEnumerable(LeanObject):
    """What LEAN's calls for past data return beside frames; it cannot be indexed.

    Args:
        items: in order.
    """

    __slots__ = ("_items",)

    def __init__(self, items: Sequence[Any]) -> None:
        self._items = items

    def __iter__(self) -> Iterator[Any]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    @property
    def count(self) -> int:
        """Number of items."""
        return len(self._items)

    @property
    def empty(self) -> bool:
        """True if there is no item."""
        return not self._items


@lru_cache(maxsize=64)
def _class_of(kind: str) -> type[MemoizingEnumerable]:
    name = f"MemoizingEnumerable[{kind}]"
    return type(name, (MemoizingEnumerable,), {"__slots__": (), "__module__": __name__})


def memoized(kind: str, items: Sequence[Any]) -> MemoizingEnumerable:
    """Items of a class, whose name the type shows as LEAN's Python bridge does."""
    return _class_of(kind)(items)
