"""Pairs of key and value, as iterating a .NET dictionary yields them."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from functools import lru_cache
from typing import Any, NoReturn

from engine.common.enumerables import NetList
from engine.common.naming import LeanObject
from engine.common.net_exceptions import KeyNotFoundException, NotSupportedException


class KeyValuePair(LeanObject):
    """What iterating a .NET dictionary yields."""

    __slots__ = ("key", "value")

    def __init__(self, key: Any, value: Any) -> None:
        self.key = key
        self.value = value

    def __str__(self) -> str:
        return f"[{self.key}, {self.value}]"


@lru_cache(maxsize=64)
def pair_class(key: str, value: str) -> type[KeyValuePair]:
    """Pairs of a key and a value of these classes, named as LEAN's Python bridge names them."""
    return type(f"KeyValuePair[{key},{value}]", (KeyValuePair,), {"__slots__": ()})


class ExtendedDictionary:
    """What LEAN's dictionaries have beside their look-ups: .NET's properties and Python's calls.

    The class has `keys()`, `values()`, `get(key, default)` and `contains_key(key)`.
    """

    __slots__ = ()

    # Properties of .NET's, methods of Python's.
    Keys = property(lambda self: NetList(self.keys()))
    Values = property(lambda self: NetList(self.values()))
    is_read_only = False

    def copy(self: Any) -> dict[Any, Any]:
        """The pairs as a Python dictionary."""
        return dict(self.fromkeys(self.keys()))

    def fromkeys(self: Any, sequence: Any, value: Any = None) -> dict[Any, Any]:
        """The values of some keys as a Python dictionary, the given one where there is none."""
        return {key: self.get(key, value) for key in sequence if key is not None}

    def popitem(self) -> NoReturn:
        """LEAN supports no such call.

        Raises:
            NotSupportedException: always.
        """
        name = type(self).__name__
        raise NotSupportedException(f"popitem method is not supported for {name}")


class PairsDict(ExtendedDictionary, dict[Any, Any]):
    """A dictionary that is iterated by pairs, as .NET's are, and has their calls."""

    def __iter__(self) -> Iterator[Any]:
        return (KeyValuePair(key, value) for key, value in self.items())

    def __missing__(self, key: Any) -> Any:
        raise KeyNotFoundException(f"The given key '{key}' was not present in the dictionary.")

    @property
    def count(self) -> int:
        """Number of pairs."""
        return len(self)

    def contains_key(self, key: Any) -> bool:
        """True if the key is there."""
        return key in self

    def try_get_value(self, key: Any, value: Any = None) -> tuple[bool, Any]:
        """Whether the key is there, and its value."""
        return key in self, self.get(key)

    Count, ContainsKey, TryGetValue = count, contains_key, try_get_value


class SlotDict(MutableMapping[Any, Any]):
    """A dictionary in the order of .NET's: a new key takes the place that was freed last."""

    def __init__(self) -> None:
        self._slots: list[Any] = []
        self._free: list[int] = []
        self._places: dict[Any, int] = {}

    def __getitem__(self, key: Any) -> Any:
        return self._slots[self._places[key]][1]

    def __setitem__(self, key: Any, value: Any) -> None:
        if key not in self._places:
            if self._free:
                self._places[key] = self._free.pop()
            else:
                self._places[key] = len(self._slots)
                self._slots.append(None)
        self._slots[self._places[key]] = key, value

    def __delitem__(self, key: Any) -> None:
        place = self._places.pop(key)
        self._slots[place] = None
        self._free.append(place)

    def __iter__(self) -> Iterator[Any]:
        return (slot[0] for slot in self._slots if slot is not None)

    def __len__(self) -> int:
        return len(self._places)
