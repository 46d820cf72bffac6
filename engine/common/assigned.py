"""What may be set as a property that has one of LEAN's types.

LEAN's bridge hands over the .NET object that lies in an object of a user's class. A property of a
model is that object then, and what the user's class overrides is never called; the `set_...`
methods call it.
"""

from __future__ import annotations

from types import FunctionType
from typing import Any

from engine.common.lean_names import lean_classes
from engine.common.naming import classes_of_ours, name_in_lean
from engine.common.net_type import full_name
from engine.common.net_values import Reader, cannot_convert


def _is_a(name: str, kind: str) -> bool:
    """Whether a class of LEAN's is another, derives from it or implements it."""
    entry = lean_classes().get(name)
    return name == kind or (entry is not None and any(_is_a(base, kind) for base in entry.bases))


def check_assigned(what: str, kind: str, value: Any) -> None:
    """Refuse what is set where LEAN refuses it, or would use another thing than it seems.

    Args:
        what: the property as user code writes it, `security.fee_model`.
        kind: .NET's full name of the type it has.
        value: what is set; None is always taken.

    Raises:
        TypeError: if it is no such thing.
        NotImplementedError: if its class is a user's and overrides something.
    """
    if value is None:
        return
    classes = type(value).__mro__
    ours = next(classes_of_ours(type(value)), None)
    if ours is None:
        raise cannot_convert(value, kind)
    name = name_in_lean(ours)
    if name in lean_classes() and not _is_a(name, kind.rpartition(".")[-1]):
        raise TypeError(f"{full_name(name)} value cannot be converted to {kind}")
    own = classes[: classes.index(ours)]
    if any(isinstance(v, FunctionType) and k[:2] != "__" for c in own for k, v in vars(c).items()):
        mine, (thing, _, attribute) = type(value).__name__, what.rpartition(".")
        raise NotImplementedError(
            f"{what} = {mine}(): LEAN takes the {name} in it and calls none of {mine}'s methods; "
            f"use {thing}.set_{attribute}({mine}())"
        )


class ReadOnly:
    """A property that LEAN sets itself: whoever sets it again is refused, as by pythonnet.

    It has no `__get__`: what is set is read from the instance itself, as fast as any attribute.
    """

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __set__(self, instance: Any, value: Any) -> None:
        if self._name in vars(instance):
            raise TypeError("property is read-only")
        vars(instance)[self._name] = value


class Typed(ReadOnly):
    """A property of one of LEAN's types, which may be set."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._taken: set[type] = set()

    def __set__(self, instance: Any, value: Any) -> None:
        # The engine itself sets some in every time step.
        if type(value) not in self._taken:
            check_assigned(f"self.{self._name}", self._kind, value)
            self._taken.add(type(value))
        vars(instance)[self._name] = value


class Value(ReadOnly):
    """A property of a simple type, which may be set to what can be read as one."""

    def __init__(self, read: Reader) -> None:
        self._read = read

    def __set__(self, instance: Any, value: Any) -> None:
        vars(instance)[self._name] = self._read(value)
