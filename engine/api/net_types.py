"""Small .NET types that LEAN's Python algorithms use."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any, ClassVar, Generic, TypeVar

from engine.common.clock import END_OF_TIME
from engine.common.data_folder import data_folder
from engine.common.naming import LeanObject, LeanType
from engine.indicators.base import Event

T = TypeVar("T")


class Action(LeanObject):
    """A function as .NET hands it over: `Action(self.rebalance)`, `Action[Symbol](f)`."""

    def __init__(self, function: Callable[..., Any]) -> None:
        if not callable(function):
            raise TypeError("argument is not callable")
        self._function = function

    def __class_getitem__(cls, _: Any) -> type[Action]:
        return cls

    def invoke(self, *arguments: Any) -> Any:
        """Call the function."""
        return self._function(*arguments)

    __call__ = invoke


class Func(Action):
    """A function with a value as .NET hands it over: `Func[datetime, bool](f)`."""


class TimeSpan(LeanObject):
    """Makers of timedeltas under .NET's names."""

    ZERO: ClassVar[timedelta] = timedelta(0)
    MAX_VALUE: ClassVar[timedelta] = timedelta(days=999_999)

    @staticmethod
    def equals(  # type: ignore[override]
        t_1: Any = None, t_2: Any = None, *, obj: Any = None, value: Any = None
    ) -> bool:
        """Whether two spans are the same."""
        return bool(t_1 == next((one for one in (t_2, obj, value) if one is not None), None))

    @staticmethod
    def from_days(
        value: float = 0,
        hours: int = 0,
        minutes: int = 0,
        seconds: int = 0,
        milliseconds: int = 0,
        microseconds: int = 0,
        *,
        days: int = 0,
    ) -> timedelta:
        """A number of days, and of what is shorter."""
        return timedelta(
            days=value + days,
            hours=hours,
            minutes=minutes,
            seconds=seconds,
            milliseconds=milliseconds,
            microseconds=microseconds,
        )

    @staticmethod
    def from_hours(
        value: float = 0,
        minutes: int = 0,
        seconds: int = 0,
        milliseconds: int = 0,
        microseconds: int = 0,
        *,
        hours: int = 0,
    ) -> timedelta:
        """A number of hours, and of what is shorter."""
        return TimeSpan.from_days(0, hours, minutes, seconds, milliseconds, microseconds) + (
            timedelta(hours=value)
        )

    @staticmethod
    def from_minutes(
        value: float = 0,
        seconds: int = 0,
        milliseconds: int = 0,
        microseconds: int = 0,
        *,
        minutes: int = 0,
    ) -> timedelta:
        """A number of minutes, and of what is shorter."""
        return TimeSpan.from_days(0, 0, minutes, seconds, milliseconds, microseconds) + (
            timedelta(minutes=value)
        )

    @staticmethod
    def from_seconds(
        value: float = 0, milliseconds: int = 0, microseconds: int = 0, *, seconds: int = 0
    ) -> timedelta:
        """A number of seconds, and of what is shorter."""
        return TimeSpan.from_days(0, 0, 0, seconds, milliseconds, microseconds) + (
            timedelta(seconds=value)
        )

    @staticmethod
    def from_milliseconds(
        value: float = 0, microseconds: int = 0, *, milliseconds: int = 0
    ) -> timedelta:
        """A number of milliseconds, and of microseconds."""
        return timedelta(milliseconds=value + milliseconds, microseconds=microseconds)


class Time(LeanObject):
    """LEAN's spans and limits of time."""

    ONE_YEAR = timedelta(days=365)
    ONE_DAY = timedelta(days=1)
    ONE_HOUR = timedelta(hours=1)
    ONE_MINUTE = timedelta(minutes=1)
    ONE_SECOND = timedelta(seconds=1)
    ONE_MILLISECOND = timedelta(milliseconds=1)
    MAX_TIME_SPAN = 1000 * ONE_YEAR

    @staticmethod
    def multiply(interval: timedelta, multiplier: float) -> timedelta:
        """A span times a number, cut to whole tenths of a microsecond as .NET's."""
        ticks = int(interval / timedelta(microseconds=1) * 10 * multiplier)
        return timedelta(microseconds=ticks // 10)

    BEGINNING_OF_TIME = datetime(1899, 12, 30)
    START = datetime(1998, 1, 2)
    END_OF_TIME = END_OF_TIME


class _GlobalsType(LeanType):
    @property
    def data_folder(self) -> str:
        """The run's data folder, with a slash at its end.

        Raises:
            RuntimeError: outside a run.
        """
        return f"{data_folder().as_posix()}/"


class Globals(LeanObject, metaclass=_GlobalsType):
    """Settings of the whole run."""


class CircularQueue(LeanObject, Generic[T]):
    """Items again and again in the same order.

    Attributes:
        circle_completed: event, raised when the first item comes; handlers get (queue, None).
    """

    def __init__(self, *items: Any) -> None:
        single = len(items) == 1 and isinstance(items[0], Iterable)
        self._items: deque[T] = deque(items[0] if single else items)
        if not self._items:
            raise ValueError("CircularQueue needs at least one item")
        self._head = self._items[0]
        self.circle_completed = Event()

    def dequeue(self) -> T:
        """Next item."""
        item = self._items[0]
        self._items.rotate(-1)
        if item == self._head:
            self.circle_completed(self, None)
        return item


class Random(LeanObject):
    """.NET's seeded generator (Knuth's subtractive method), number for number.

    Args:
        seed: any 32-bit integer.
    """

    _MAX = 2**31 - 1
    _SEED = 161_803_398

    def __init__(self, seed: int) -> None:
        values = [0] * 56
        last = self._SEED - abs(seed)
        values[55] = last
        current = 1
        for i in range(1, 55):
            index = 21 * i % 55
            values[index] = current
            current = last - current
            if current < 0:
                current += self._MAX
            last = values[index]
        for _ in range(4):
            for i in range(1, 56):
                other = i + 30
                if other >= 55:
                    other -= 55
                values[i] = self._wrapped(values[i] - values[1 + other])
                if values[i] < 0:
                    values[i] += self._MAX
        self._values = values
        self._first, self._second = 0, 21

    @staticmethod
    def _wrapped(value: int) -> int:
        return (value + 2**31) % 2**32 - 2**31

    def _sample(self) -> int:
        self._first = self._first % 55 + 1
        self._second = self._second % 55 + 1
        value = self._values[self._first] - self._values[self._second]
        if value == self._MAX:
            value -= 1
        if value < 0:
            value += self._MAX
        self._values[self._first] = value
        return value

    def next_double(self) -> float:
        """Number in [0, 1)."""
        return self._sample() * (1.0 / self._MAX)

    def next(
        self,
        *bounds: int,
        min_value: int | None = None,
        max_value: int | None = None,
    ) -> int:
        """Integer below the only bound, or in [first, second)."""
        limits = [*bounds, *(one for one in (min_value, max_value) if one is not None)]
        if not limits:
            return self._sample()
        low, high = (0, limits[0]) if len(limits) == 1 else limits
        return int(self.next_double() * (high - low)) + low
