""".NET's types as user code meets them: what `str(type(thing))` and `thing.get_type()` give."""

from __future__ import annotations

from typing import Any

from engine.common.lean_names import lean_classes


def full_name(name: str) -> str | None:
    """A class of LEAN's with its namespace; None of a class that LEAN has not."""
    entry = lean_classes().get(name)
    return None if entry is None else f"{entry.namespace}.{name}"


class NetType:
    """What LEAN's `GetType()` gives: the name of a class and its namespace."""

    def __init__(self, name: str) -> None:
        self.full_name = full_name(name) or name
        self.name = name

    @property
    def namespace(self) -> str:
        """The namespace of the class."""
        return self.full_name.rpartition(".")[0]

    FullName = property(lambda self: self.full_name)
    Name = property(lambda self: self.name)
    Namespace = property(lambda self: self.namespace)

    def to_string(self) -> str:
        """The full name."""
        return self.full_name

    ToString = to_string
    __str__ = to_string
    __repr__ = to_string

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, NetType) and other.full_name == self.full_name

    def __hash__(self) -> int:
        return hash(self.full_name)
