"""RollingWindow: the last values of anything, newest first."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import lru_cache
from typing import Any, Generic, TypeVar

from engine.common.decimals import to_decimal, to_double
from engine.common.lean_names import lean_classes
from engine.common.naming import DirectObject, classes_of_ours
from engine.common.net_exceptions import (
    ArgumentException,
    ArgumentOutOfRangeException,
    InvalidOperationException,
)
from engine.market.data import BaseData

T = TypeVar("T")


def _whole(item: Any) -> int:
    """A number without a fraction as an int.

    Raises:
        TypeError, ValueError: for anything else.
    """
    if hasattr(item, "__float__") and not hasattr(item, "__index__") and float(item) % 1 != 0:
        raise ValueError(f"{item} has a fraction")
    return int(item)


def _number(item: Any) -> float:
    """A number, or what LEAN takes for one: an indicator or its point.

    Raises:
        TypeError, ValueError: for anything else.
    """
    return to_double(to_decimal(item)) if hasattr(type(item), "_implicit_decimal") else float(item)


def _text(item: Any) -> str | None:
    if item is not None and not isinstance(item, str):
        raise TypeError(f"{item!r} is no text")
    return item


def _truth(item: Any) -> bool:
    if not isinstance(item, bool):
        raise TypeError(f"{item!r} is neither True nor False")
    return item


_PLAIN: dict[Any, tuple[str, str, Any, Callable[[Any], Any]]] = {
    float: ("Double", "float", 0.0, _number),
    Decimal: ("Decimal", "float", 0.0, _number),
    int: ("Int32", "int", 0, _whole),
    bool: ("Boolean", "bool", False, _truth),
    str: ("String", "str", None, _text),
}
"""Of plain values: .NET's name, Python's, what windows hold where nothing was added, and what makes
one of an item."""


class RollingWindow(DirectObject, Generic[T]):
    """Keeps the newest ``size`` items; index 0 is the newest.

    ``RollingWindow[float](5)`` is a window of numbers, which are 0 where none was added; without a
    class, and of other classes, what is missing is None. What is added to a window of a class must
    be of it. As in LEAN the class is one of LEAN's, or ``float``, ``int``, ``bool``, ``str``.
    """

    _default: Any = None

    def __class_getitem__(cls, kind: Any) -> Any:
        if isinstance(kind, TypeVar):
            return super().__class_getitem__(kind)  # type: ignore[misc]
        if kind not in _PLAIN and not _is_lean_class(kind):
            raise TypeError("type(s) expected")
        return _typed(cls, kind)

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


class Recent:
    """What a window of the last items is made from once somebody looks at it: few ever are.

    Who adds an item does what `add` does where a call for every bar is too much.

    Attributes:
        items: newest first; one more than the window holds, which is the one that fell out.
        added: items so far.
        window: None until somebody has asked for it; from then on it is kept up.
    """

    __slots__ = ("added", "items", "size", "window")

    def __init__(self, size: int) -> None:
        self.size = size
        self.items: deque[Any] = deque(maxlen=size + 1)
        self.added = 0
        self.window: RollingWindow[Any] | None = None

    def add(self, item: Any) -> None:
        """Add the newest item."""
        self.added += 1
        self.items.appendleft(item)
        if self.window is not None:
            self.window.add(item)

    def shown(self) -> RollingWindow[Any]:
        """The window."""
        if self.window is None:
            self.window = RollingWindow(self.size)
            for item in reversed(self.items):
                self.window.add(item)
            self.window.samples = self.added
        return self.window

    def clear(self) -> None:
        """Forget everything."""
        self.items.clear()
        self.added = 0
        if self.window is not None:
            self.window.reset()


def _is_lean_class(kind: Any) -> bool:
    """Whether LEAN has the class, or one that it derives from."""
    return isinstance(kind, type) and next(classes_of_ours(kind), None) is not None


def _net_class(kind: type) -> type:
    """LEAN's class of a user's."""
    return next(classes_of_ours(kind))


@lru_cache(maxsize=64)
def _typed(cls: Any, kind: type) -> Any:
    """A window of items of one class."""
    if kind in _PLAIN:
        name, python_name, default, convert = _PLAIN[kind]
        full_name = f"System.{name}"
    else:
        base = _net_class(kind)
        name = python_name = getattr(base, "lean_name", base.__name__)
        entry = lean_classes().get(name)
        full_name = name if entry is None else f"{entry.namespace}.{name}"
        default = None

        def convert(item: Any) -> Any:
            if item is not None and issubclass(base, BaseData) and not isinstance(item, base):
                raise TypeError(f"{item!r} is no {python_name}")
            return item

    def checked(method: str, parameters: str, place: int, arguments: tuple[Any, ...]) -> Any:
        item = arguments[place - 1]
        try:
            return convert(item)
        except (TypeError, ValueError, OverflowError):
            parameter = parameters.rpartition(" ")[2]
            kinds = ", ".join(str(type(argument)) for argument in arguments)
            raise TypeError(
                f"No method matches given arguments for {method}: ({kinds}). The expected "
                f"signature is:\n  {method}({parameters}: {python_name})\nArgument mismatch: "
                f"argument {place} ('{parameter}') expected {python_name}, got "
                f"{type(item).__name__}."
            ) from None

    class Typed(cls):
        _default = default

        def add(self, item: Any) -> None:
            cls.add(self, checked("add", "item", 1, (item,)))

        def __setitem__(self, index: int, item: Any) -> None:
            given = checked("set_item", "i: int, value", 2, (index, item))
            cls.__setitem__(self, index, given)

        def __str__(self) -> str:
            return f"QuantConnect.Indicators.RollingWindow`1[{full_name}]"

    Typed.__name__ = Typed.__qualname__ = f"{cls.__name__}[{name}]"
    Typed.__module__ = cls.__module__
    return Typed
