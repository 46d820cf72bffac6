"""What all indicators share: updating, readiness, the current value, events, comparison.

Arithmetic is Decimal, as LEAN's is; user code reads floats (``indicator.current.value``), the
engine reads ``indicator.current.value_exact``.
"""

from __future__ import annotations

import inspect
from collections import deque
from collections.abc import Callable, Iterator
from datetime import datetime
from decimal import Decimal
from functools import wraps
from typing import Any

from engine.common.decimals import ZERO, cast_double, text, to_decimal, to_double
from engine.common.enumerables import NetSet
from engine.common.enums import net_text
from engine.common.naming import DirectObject, either_spelling, pascal_case
from engine.common.net_exceptions import ArgumentException, NotSupportedException
from engine.indicators.window import Recent, RollingWindow
from engine.market.data import BaseData, TradeBar
from engine.market.symbols import Symbol

WINDOW_SIZE = 2
_earlier = datetime.__lt__
"""Of two times; that of times as user code sees them asks for days first, which none here is."""


def _data_point(first: Any, second: Any) -> tuple[Any, Any, Any]:
    """Symbol, time and value of LEAN's calls with fewer than three arguments."""
    if first is None and second is None:
        return None, datetime.min, ZERO
    if isinstance(first, datetime) and second is not None:
        return None, first, second
    raise ArgumentException(
        f"IndicatorDataPoint takes a time and a value; received {first!r} and {second!r}"
    )


class IndicatorDataPoint(BaseData):
    """A value at a time: ``IndicatorDataPoint([symbol,] time, value)``."""

    def __init__(self, symbol: Any = None, time: Any = None, value: Any = None) -> None:
        if value is None:
            symbol, time, value = _data_point(symbol, time)
        self.symbol = Symbol.EMPTY if symbol is None else symbol
        self.time = time
        self.value_exact = value if isinstance(value, Decimal) else to_decimal(value)

    def _implicit_decimal(self) -> Decimal:
        return self.value_exact

    def __lt__(self, other: Any) -> bool:
        return self.value_exact < _exact(other)

    def __le__(self, other: Any) -> bool:
        return self.value_exact <= _exact(other)

    def __gt__(self, other: Any) -> bool:
        return self.value_exact > _exact(other)

    def __ge__(self, other: Any) -> bool:
        return self.value_exact >= _exact(other)

    def __str__(self) -> str:
        return f"{self.time.isoformat(timespec='seconds')} - {text(self.value_exact)}"


def data_point(
    symbol: Symbol,
    time: datetime,
    value: Decimal,
    _new: Callable[[Any], Any] = object.__new__,
) -> IndicatorDataPoint:
    """A point of what is known to be sound: there are several for every bar."""
    point: IndicatorDataPoint = _new(IndicatorDataPoint)
    point.symbol = symbol
    point.time = time
    point.value_exact = value
    return point


def _exact(value: Any) -> Decimal:
    """Decimal behind an indicator, a data point or a number."""
    if isinstance(value, IndicatorBase):
        return value.current.value_exact
    if isinstance(value, BaseData):
        return value.value_exact
    return cast_double(value)


class Event(DirectObject):
    """Handlers called in the order they were added; ``event += handler`` adds one."""

    def __init__(self) -> None:
        # Never changed, so that one may be added or removed while they are called.
        self._handlers: tuple[Callable[..., Any], ...] = ()

    def __iadd__(self, handler: Callable[..., Any]) -> Event:
        self._handlers = (*self._handlers, handler)
        return self

    def __isub__(self, handler: Callable[..., Any]) -> Event:
        if handler in self._handlers:
            place = self._handlers.index(handler)
            self._handlers = self._handlers[:place] + self._handlers[place + 1 :]
        return self

    def clear(self) -> None:
        """Remove all handlers."""
        self._handlers = ()

    def __call__(self, *args: Any) -> None:
        """Call all handlers."""
        for handler in self._handlers:
            handler(*args)

    def __len__(self) -> int:
        return len(self._handlers)


def default_name(
    template: str | Callable[[dict[str, str]], str],
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Make a constructor `(name, ...)` serve LEAN's `(...)` too, whose name is made from the rest.

    Args:
        template: of that name, such as `SMA({period})`; `{label}` is the class's own `label`. Or a
            function that makes the name from the arguments' texts, by their names.
    """

    def decorate(start: Callable[..., None]) -> Callable[..., None]:
        signature = inspect.signature(start)

        @wraps(start)
        def begin(self: Any, *args: Any, **keywords: Any) -> None:
            if "name" in keywords or (args and (args[0] is None or isinstance(args[0], str))):
                start(self, *args, **keywords)
                return
            bound = signature.bind(self, "", *args, **keywords)
            bound.apply_defaults()
            bound.arguments.pop("self")
            texts = {key: net_value(value) for key, value in bound.arguments.items()}
            texts["label"] = getattr(self, "label", "")
            made = template.format_map(texts) if isinstance(template, str) else template(texts)
            start(self, made, *args, **keywords)

        return begin

    return decorate


def net_value(value: Any) -> str:
    """A constructor's argument as .NET writes it into a name."""
    number = isinstance(value, float | Decimal)
    return text(to_decimal(value)) if number else net_text(value)


def with_signature_of(
    begin: Callable[..., None],
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a constructor that sorts LEAN's overloads the signature of what it calls then."""

    def decorate(start: Callable[..., None]) -> Callable[..., None]:
        start.__signature__ = inspect.signature(begin)  # type: ignore[attr-defined]
        return start

    return decorate


def ready_with(*parts: str) -> Any:
    """Property `is_ready` of an indicator: true once all these attributes are."""
    return property(
        lambda self: all(getattr(self, part).is_ready for part in parts),
        doc="True once its parts are.",
    )


class IndicatorBase(DirectObject):
    """Base of all indicators.

    Subclasses implement ``_compute(input) -> Decimal`` and ``is_ready``. Returning None from
    ``_compute`` leaves the current value and raises no event.

    Attributes:
        name: as LEAN writes it, such as ``EMA(15,SPY_day)``.
        samples: updates so far.
        updated: event; handlers receive (indicator, data point).
        consolidators: those that feed this indicator.
    """

    takes_bars = False
    _reads_values = False
    """Whether `_compute` looks at the value and the end time of a point alone, and forgets it."""

    _parts: tuple[Any, ...] = ()

    def __init__(self, name: str = "") -> None:
        self.name = name
        self.samples = 0
        self.updated = Event()
        self.consolidators: NetSet[Any] = NetSet()
        self._current = IndicatorDataPoint()
        self._newest_values = Recent(WINDOW_SIZE)
        self._newest_values.add(self._current)
        self._last_symbol: Any = None
        self._last_input: Any = None
        self._last_time = datetime.min
        self._inputs_by_symbol: dict[Any, tuple[Any, datetime]] = {}

    @property
    def current(self) -> IndicatorDataPoint:
        """The newest value."""
        return self._current

    @property
    def window(self) -> RollingWindow[IndicatorDataPoint]:
        """The last values, newest first."""
        return self._newest_values.shown()

    @property
    def previous(self) -> IndicatorDataPoint:
        """The value before."""
        return self.window[1] or IndicatorDataPoint()

    @property
    def is_ready(self) -> bool:
        """True once the value means what its name says."""
        raise NotImplementedError(f"{type(self).__name__}.is_ready")

    def update(self, *args: Any) -> bool:
        """Take a data point, or a time and a value (or a symbol, a time and a value).

        Points older than the newest of their symbol, and the same object again, are ignored.

        Returns:
            Whether the indicator is ready.

        Raises:
            NotSupportedException: if the indicator needs bars and receives a number.
        """
        if len(args) == 1:
            point = args[0]
        elif self.takes_bars:
            raise NotSupportedException(
                f"{type(self).__name__} does not support the `Update(DateTime, decimal)` method. "
                "Use one of the following methods instead: Update(TradeBar), Update(QuoteBar)"
            )
        else:
            point = IndicatorDataPoint(*args)
        self._feed(point, point.symbol, point.end_time)
        return self.is_ready

    def _feed(self, point: Any, symbol: Any, end_time: datetime) -> None:
        """What `update` does with a point of a symbol and an end time; this is run very often."""
        last = self._last_symbol
        if last is not None:
            previous, last_time = self._last_input, self._last_time
            # Under another ticker it may be the same symbol.
            if last is not symbol and last != symbol:
                others = self._inputs_by_symbol
                others[last] = previous, last_time
                previous, last_time = others.get(symbol, (None, datetime.min))
            if point is previous or _earlier(end_time, last_time):
                return
        self.samples += 1
        self._last_symbol = symbol
        self._last_input = point
        self._last_time = end_time
        if self.takes_bars:
            self._check(point)
        value = self._compute(point)
        if value is not None:
            self._show(data_point(symbol, end_time, value))

    def _feed_bar(self, _: Any, bar: Any) -> None:
        """What `update` does with a new point of a bar's value, which need not be made mostly."""
        symbol, end_time = bar.symbol, bar.end_time
        if not self._reads_values or symbol is not self._last_symbol:
            self._feed(data_point(symbol, end_time, bar.value_exact), symbol, end_time)
            return
        if _earlier(end_time, self._last_time):
            return
        self.samples += 1
        self._last_input = None
        self._last_time = end_time
        value = self._compute(bar)
        if value is not None:
            self._show(data_point(symbol, end_time, value))

    def _show(self, current: IndicatorDataPoint) -> None:
        """Make a value the current one, and tell of it."""
        self._current = current
        recent = self._newest_values
        recent.added += 1
        recent.items.appendleft(current)
        if recent.window is not None:
            recent.window.add(current)
        if self.updated._handlers:
            self.updated(self, current)

    def _check(self, point: Any) -> None:
        """Refuse what a class that takes bars cannot use."""

    def _compute(self, point: Any) -> Decimal | None:
        raise NotImplementedError(f"{type(self).__name__}._compute")

    def reset(self) -> None:
        """Return to the state before the first update."""
        self.samples = 0
        self._last_symbol = self._last_input = None
        self._inputs_by_symbol.clear()
        self._newest_values.clear()
        self._current = IndicatorDataPoint()
        self._newest_values.add(self._current)
        for part in self._parts:
            part.reset()
        self._restart()

    def _own(self, part: Any) -> Any:
        """Take an indicator or a window as a part, to be reset with the whole."""
        self._parts = (*self._parts, part)
        return part

    def _restart(self) -> None:
        """Set what a subclass remembers besides its parts to what it begins with."""

    def __getitem__(self, index: int) -> IndicatorDataPoint:
        return self.window[index]

    def __iter__(self) -> Iterator[IndicatorDataPoint]:
        return iter(self.window)

    def _implicit_decimal(self) -> Decimal:
        return self._current.value_exact

    def __lt__(self, other: Any) -> bool:
        return self._current.value_exact < _exact(other)

    def __le__(self, other: Any) -> bool:
        return self._current.value_exact <= _exact(other)

    def __gt__(self, other: Any) -> bool:
        return self._current.value_exact > _exact(other)

    def __ge__(self, other: Any) -> bool:
        return self._current.value_exact >= _exact(other)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, IndicatorBase) or other is None:
            return self is other
        try:
            return self._current.value_exact == _exact(other)
        except ValueError:
            return False

    def __hash__(self) -> int:
        return id(self)

    def __str__(self) -> str:
        text = f"{to_double(self._current.value_exact):.5f}".rstrip("0")
        return text + "0" if text.endswith(".") else text

    def to_detailed_string(self) -> str:
        """Name and value."""
        return f"{self.name} - {self}"


class Indicator(IndicatorBase):
    """An indicator over single values; bars count with their close."""


class WindowIndicator(Indicator):
    """An indicator over the last ``period`` values.

    Subclasses read ``self._values`` (Decimals, newest first) and ``self._removed``, the value
    that has just fallen out (None while nothing has).
    """

    _reads_values = True

    def __init__(self, name: str, period: int) -> None:
        super().__init__(name)
        if period < 1:
            raise ArgumentException(f"period must be at least 1; received {period}")
        self.period = int(period)
        self._values: deque[Decimal] = deque(maxlen=self.period)
        self._removed: Decimal | None = None

    @property
    def warm_up_period(self) -> int:
        """Values needed before it is ready."""
        return self.period

    @property
    def is_ready(self) -> bool:
        """True once the window is full."""
        return self.samples >= self.period

    def _compute(self, point: Any) -> Decimal | None:
        if len(self._values) == self.period:
            self._removed = self._values[-1]
        value = point.value_exact
        self._values.appendleft(value)
        return self._next(value)

    def _next(self, value: Decimal) -> Decimal | None:
        raise NotImplementedError(f"{type(self).__name__}._next")

    def _oldest(self) -> Decimal:
        """The value that fell out, or the oldest held while none has."""
        return self._values[-1] if self._removed is None else self._removed

    def reset(self) -> None:
        """Return to the state before the first update."""
        super().reset()
        self._values.clear()
        self._removed = None


class BarIndicator(IndicatorBase):
    """An indicator over bars (trade or quote)."""

    takes_bars = True

    def _check(self, point: Any) -> None:
        if not hasattr(point, "high_exact"):
            raise ArgumentException(
                f"{type(self).__name__} takes bars; received {type(point).__name__}"
            )


class TradeBarIndicator(BarIndicator):
    """An indicator that also needs volume."""

    def _check(self, point: Any) -> None:
        if not isinstance(point, TradeBar):
            raise ArgumentException(
                f"{type(self).__name__} takes trade bars; received {type(point).__name__}"
            )


class PythonIndicator(IndicatorBase):
    """Base of indicators that users write: they set ``value`` in ``update(input)``.

    ``update`` may return readiness; without a result, ``is_ready`` (if overridden) decides.
    """

    value: Any = 0.0
    warm_up_period: int = 0

    def __init__(self, *args: Any) -> None:
        super().__init__(str(args[0]) if args and isinstance(args[0], str) else "")
        self._ready = False

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        written = cls.__dict__.get("update") or cls.__dict__.get("Update")
        if written is not None:
            cls.update = _with_events(written)  # type: ignore[method-assign]

    @property
    def is_ready(self) -> bool:
        """What the last update returned."""
        return self._ready

    def qc_begin(self) -> None:
        """Do what the user's `__init__` did not: LEAN does not need it to call its base's."""
        if "_current" not in self.__dict__:
            state = dict(self.__dict__)
            PythonIndicator.__init__(self)
            self.__dict__.update(state)


def _with_events(update: Callable[..., Any]) -> Callable[..., bool]:
    """Wrap a user's update: count, set the current value from ``value``, raise the event."""

    def wrapped(self: PythonIndicator, *args: Any) -> bool:
        self.qc_begin()
        point = args[0] if len(args) == 1 else IndicatorDataPoint(*args)
        self.samples += 1
        result = update(self, point)
        self._ready = bool(self.is_ready if result is None else result)
        time = getattr(point, "end_time", datetime.min)
        symbol = getattr(point, "symbol", Symbol.EMPTY)
        self._show(IndicatorDataPoint(symbol, time, to_decimal(self.value)))
        return self._ready

    return wrapped


class PythonIndicatorAdapter(IndicatorBase):
    """Makes any object with ``update`` and ``value`` an indicator."""

    def __init__(self, instance: Any) -> None:
        super().__init__(_name_of(instance))
        self._instance = instance
        self._ready = False

    @property
    def is_ready(self) -> bool:
        """The object's own readiness."""
        return self._ready or bool(either_spelling(self._instance, "is_ready"))

    @property
    def warm_up_period(self) -> int:
        """The object's own, or 0."""
        own: Any = either_spelling(self._instance, "warm_up_period")
        return int(own or 0)

    def _compute(self, point: Any) -> Decimal:
        update: Any = either_spelling(self._instance, "update")
        result = update(point)
        own = either_spelling(self._instance, "is_ready") if result is None else result
        self._ready = bool(own)
        return to_decimal(either_spelling(self._instance, "value"))


def _name_of(instance: Any) -> str:
    name: Any = getattr(instance, "Name", None) or getattr(instance, "name", None)
    return str(name or type(instance).__name__)


def as_indicator(thing: Any) -> Any:
    """Return an indicator for an indicator or for any object that behaves like one."""
    if isinstance(thing, IndicatorBase) or inspect.isclass(thing):
        if isinstance(thing, PythonIndicator):
            thing.qc_begin()
        return thing
    for part in ("is_ready", "update", "value"):
        if not hasattr(thing, part) and not hasattr(thing, pascal_case(part)):
            name = _name_of(thing)
            base = f" or use PythonIndicator as base:\nclass {name}(PythonIndicator):"
            raise NotImplementedError(
                f"Indicator.{part} must be implemented. Please implement this missing method in "
                f"{name}{base if part == 'is_ready' else ''}"
            )
    return PythonIndicatorAdapter(thing)
