"""LEAN's sequences: enumerables, and lists and sets that know their number."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
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


class NetSet(set[T]):
    """A set of .NET's: `count` is its number of items, which it keeps in their order."""

    def __init__(self, items: Iterable[T] = ()) -> None:
        self._items = dict.fromkeys(items)
        super().__init__(self._items)

    def __iter__(self) -> Iterator[T]:
        return iter(self._items)

    def add(self, item: T) -> None:
        """Add an item behind the others."""
        self._items[item] = None
        super().add(item)

    def remove(self, item: T) -> None:
        """Take an item out."""
        super().remove(item)
        del self._items[item]

    @property
    def count(self) -> int:
        """Number of items."""
        return len(self)


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
