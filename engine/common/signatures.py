"""Which arguments LEAN's overloads take, and what its Python bridge says of those they do not.

`@overloads("symbol: Symbol, quantity: double", …)` checks a method's arguments before it begins, as
pythonnet chooses among overloads: a wrong one is a TypeError that lists them all. Parameters are
written as pythonnet shows them, but for numbers: `double` and `decimal` tell how a value is read;
both are shown as `float`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from decimal import Decimal
from typing import Any, NamedTuple, TypeVar

import numpy as np

from engine.common.decimals import to_decimal

_NUMBERS = (int, float, Decimal, np.number)
_SHOWN = {"double": "float", "decimal": "float"}


class _Parameter(NamedTuple):
    name: str
    kind: str
    default: str | None

    def accepts(self, value: Any) -> bool:
        return _accepts(self.kind, value)

    @property
    def shown_kind(self) -> str:
        return _SHOWN.get(self.kind, self.kind)

    def __str__(self) -> str:
        end = "" if self.default is None else f" = {self.default}"
        return f"{self.name}: {self.shown_kind}{end}"


Overload = tuple[_Parameter, ...]
Method = TypeVar("Method", bound=Callable[..., Any])


def _accepts(kind: str, value: Any) -> bool:
    """Whether a parameter of a kind takes a value."""
    if kind.startswith("List["):
        return type(value) is list and all(_accepts(kind[5:-1], item) for item in value)
    if kind.startswith("Optional["):
        return value is None or _accepts(kind[9:-1], value)
    if kind == "bool":
        return isinstance(value, bool)
    if kind == "str":
        return value is None or isinstance(value, str) or _has(value, ("Symbol",))
    if kind == "int":
        whole = isinstance(value, float) and value.is_integer()
        return whole or isinstance(value, int | np.integer)
    if kind in _SHOWN:
        if kind == "double" and isinstance(value, _NUMBERS):
            return True
        try:
            to_decimal(value)
        except TypeError:
            return kind == "double" and _has_double(value)
        return True
    if kind == "Symbol":
        return value is None or isinstance(value, str) or _has(value, ("Symbol", "Security"))
    plain = isinstance(value, int) and not isinstance(value, bool)
    return value is None or plain or _has(value, (kind, kind.removeprefix("I")))


def _has_double(value: Any) -> bool:
    """Whether Python makes a double of a value that is no number: an array of one item."""
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return hasattr(value, "__float__")


def _has(value: Any, names: tuple[str, ...]) -> bool:
    """Whether a value's class, or one that it derives from, has one of LEAN's names."""
    return any(base.__name__ in names for base in type(value).__mro__)


def _parse(text: str) -> Overload:
    found = []
    for part in text.split(", "):
        name, kind = part.split(": ", 1)
        kind, _, default = kind.partition(" = ")
        found.append(_Parameter(name, kind, default or None))
    return tuple(found)


def _matches(overload: Overload, args: tuple[Any, ...], named: dict[str, Any]) -> bool:
    if len(args) > len(overload):
        return False
    rest = overload[len(args) :]
    if not named.keys() <= {parameter.name for parameter in rest}:
        return False
    return all(p.accepts(value) for p, value in zip(overload, args, strict=False)) and all(
        p.accepts(named[p.name]) if p.name in named else p.default is not None for p in rest
    )


def _mismatch(choices: list[Overload], args: tuple[Any, ...], named: dict[str, Any]) -> str:
    """The first wrong argument of the overload that fits best; nothing if only their number is."""
    best, told = -1, ""
    for overload in choices:
        given = [
            (f"argument {number} ('{parameter.name}')", parameter, value)
            for number, (parameter, value) in enumerate(zip(overload, args, strict=False), 1)
        ]
        given += [
            (f"keyword argument '{parameter.name}'", parameter, named[parameter.name])
            for parameter in overload
            if parameter.name in named
        ]
        wrong = next((i for i, (_, p, value) in enumerate(given) if not p.accepts(value)), -1)
        if wrong > best:
            best, (where, parameter, value) = wrong, given[wrong]
            told = f"{where} expected {parameter.shown_kind}, got {type(value).__name__}."
    return f"\nArgument mismatch: {told}" if told else ""


def no_match(
    name: str, choices: list[Overload], args: tuple[Any, ...], named: dict[str, Any]
) -> TypeError:
    """The error of a call that no overload takes, in pythonnet's words."""
    types = ", ".join(str(type(value)) for value in args)
    text = f"No method matches given arguments for {name}: ({types})"
    known = {parameter.name for overload in choices for parameter in overload}
    unknown = next((key for key in named if key not in known), None)
    if unknown is not None:
        text += f". Got an unexpected keyword argument '{unknown}'"
        near = _nearest(unknown, known)
        if near is not None:
            text += f". Did you mean '{near}'?"
    shown = list(dict.fromkeys(f"{name}({', '.join(map(str, one))})" for one in choices))
    head = (
        "The expected signature is:"
        if len(shown) == 1
        else "The following overloads are available:"
    )
    stop = "" if text.endswith("?") else "."
    lines = "\n  ".join((f"{text}{stop} {head}", *shown))
    return TypeError(lines + _mismatch(choices, args, named))


def _distance(first: str, second: str) -> int:
    """Letters to insert, drop or replace between two words."""
    row = list(range(len(second) + 1))
    for i, letter in enumerate(first, 1):
        before, row[0] = row[0], i
        for j, other in enumerate(second, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (letter != other))
    return row[-1]


def _nearest(name: str, known: set[str]) -> str | None:
    """The keyword that was probably meant."""

    def related(other: str) -> bool:
        inside = min(len(name), len(other)) >= 3 and (name in other or other in name)
        return inside or _distance(name, other) <= max(2, len(name) // 3)

    return min(filter(related, known), key=lambda key: (_distance(name, key), key), default=None)


def overloads(*signatures: str) -> Callable[[Method], Method]:
    """Refuse a method's arguments that none of LEAN's overloads takes.

    Args:
        signatures: of the overloads, in the order in which pythonnet lists them.
    """
    choices = [_parse(signature) for signature in signatures]

    def decorate(method: Method) -> Method:
        @functools.wraps(method)
        def checked(self: Any, *args: Any, **named: Any) -> Any:
            for overload in choices:
                if _matches(overload, args, named):
                    return method(self, *args, **named)
            raise no_match(method.__name__, choices, args, named)

        return checked  # type: ignore[return-value]

    return decorate
