"""Pairs of key and value, as iterating a .NET dictionary yields them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from engine.common.naming import LeanObject


class KeyValuePair(LeanObject):
    """What iterating a .NET dictionary yields."""

    __slots__ = ("key", "value")

    def __init__(self, key: Any, value: Any) -> None:
        self.key = key
        self.value = value

    def __iter__(self) -> Iterator[Any]:
        return iter((self.key, self.value))

    def __str__(self) -> str:
        return f"[{self.key}, {self.value}]"


@lru_cache(maxsize=64)
def pair_class(key: str, value: str) -> type[KeyValuePair]:
    """Pairs of a key and a value of these classes, named as LEAN's Python bridge names them."""
    return type(f"KeyValuePair[{key},{value}]", (KeyValuePair,), {"__slots__": ()})


class PairsDict(dict[Any, Any]):
    """A dictionary that is iterated by pairs, as .NET's are."""

    def __iter__(self) -> Iterator[Any]:
        return (KeyValuePair(key, value) for key, value in self.items())
