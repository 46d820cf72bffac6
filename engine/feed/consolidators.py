"""What all consolidators share, and those without a rule of their own: identity and sequence.

Bars of periods, counts and calendars are in :mod:`engine.feed.period_consolidators`; bars that
follow the price rather than the clock in :mod:`engine.feed.price_bars`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from engine.common.naming import DirectObject
from engine.common.net_exceptions import ArgumentException
from engine.indicators.base import Event
from engine.indicators.window import Recent, RollingWindow
from engine.market.data import BaseData


class DataConsolidator(DirectObject):
    """Base of consolidators.

    LEAN's consolidators have two events: one of the interface, to which LEAN itself listens (its
    indicators, `consolidate`), and mostly a typed one of their own, which a user gets. The first
    is `listeners` here; where there is no other, both are the same.

    Attributes:
        data_consolidated: event; handlers receive (consolidator, bar).
        listeners: event of the engine's own handlers, called before those.
        consolidated: the last bar emitted, set after the listeners ran.
    """

    input_type: type = BaseData
    output_type: type = BaseData
    scans = True
    """Whether the clock alone can emit a bar."""

    data_consolidated: Event
    listeners: Event
    consolidated: Any
    _newest_bars: Recent

    def __new__(cls, *_: Any, **__: Any) -> Any:
        """Set the state up before a user's `__init__`, which need not call ours."""
        self = super().__new__(cls)
        self.data_consolidated = self.listeners = Event()
        self.consolidated = None
        self._newest_bars = Recent(2)
        return self

    @property
    def window(self) -> RollingWindow[Any]:
        """The last two bars emitted, newest first."""
        return self._newest_bars.shown()

    @property
    def working_data(self) -> Any:
        """The bar being built, or None."""
        return None

    @property
    def idle(self) -> bool:
        """True while the clock cannot emit a bar, because none was begun."""
        return self.working_data is None

    def update(self, data: Any) -> None:
        """Take a point."""
        raise NotImplementedError(f"{type(self).__name__}.update")

    def scan(self, current_local_time: datetime) -> None:
        """Emit the working bar if its time is over."""

    def _emit(self, bar: Any) -> None:
        if bar is not None:
            self._newest_bars.add(bar)
        self.listeners(self, bar)
        self.consolidated = bar

    def reset(self) -> None:
        """Forget everything but the handlers."""
        self.consolidated = None
        self._newest_bars.clear()

    def dispose(self) -> None:
        """Remove the handlers."""
        self.listeners.clear()
        self.data_consolidated.clear()

    @property
    def current(self) -> Any:
        """The last bar emitted."""
        return self.window[0]

    @property
    def previous(self) -> Any:
        """The bar before the last."""
        return self.window[1]

    def __getitem__(self, index: int) -> Any:
        return self.window[index]


def listen(consolidator: Any, handler: Callable[[Any, Any], Any]) -> None:
    """Call a handler with (consolidator, bar), before the user's own; any class of consolidator."""
    if isinstance(consolidator, DataConsolidator):
        consolidator.listeners += handler
    else:
        consolidator.data_consolidated += handler


class PythonConsolidator(DataConsolidator):
    """LEAN's base of consolidators that a user writes in Python.

    The subclass calls `on_data_consolidated` when a bar is done. As in LEAN its `working_data`,
    `input_type` and `output_type` are plain attributes.
    """

    working_data: Any = None
    idle = False  # only the user's `scan` knows

    def on_data_consolidated(self, consolidator: Any, data: Any) -> None:
        """Tell the handlers of a finished bar."""
        if data is not None:
            self._newest_bars.add(data)
        self.data_consolidated(consolidator, data)

    def update(self, data: Any) -> None:
        """Take a point; the user's class does."""

    def reset(self) -> None:
        """Forget everything but the handlers."""
        super().reset()
        self.working_data = None

    def dispose(self) -> None:
        """Nothing: the handlers stay, as in LEAN."""


class IdentityDataConsolidator(DataConsolidator):
    """Passes points on, at most one per end time.

    `IdentityDataConsolidator[QuoteBar]()` takes points of that class.
    """

    scans = False

    @classmethod
    def __class_getitem__(cls, kind: type) -> type[IdentityDataConsolidator]:
        return identity_of(kind, cls)

    def __init__(self) -> None:
        super().__init__()
        self._last: Any = None

    @property
    def working_data(self) -> Any:
        """The last point."""
        return None if self._last is None else self._last.clone()

    def update(self, data: Any) -> None:
        """Emit a point unless its end time was emitted already."""
        last = self._last
        if last is None or data.end_time != last.end_time:
            # As `_emit` does, which this spares two calls for every bar.
            recent = self._newest_bars
            recent.added += 1
            recent.items.appendleft(data)
            if recent.window is not None:
                recent.window.add(data)
            for handler in self.listeners._handlers:
                handler(self, data)
            self.consolidated = self._last = data

    def reset(self) -> None:
        """Forget the last point."""
        super().reset()
        self._last = None


_identities: dict[tuple[str, type], type[IdentityDataConsolidator]] = {}


def identity_of(kind: type, base: type[IdentityDataConsolidator]) -> type[IdentityDataConsolidator]:
    """The class of identity consolidators for a class of data."""
    key = base.__name__, kind
    if key not in _identities:
        names = {"input_type": kind, "output_type": kind, "lean_name": base.__name__}
        # Generic classes are named so by LEAN's Python bridge.
        _identities[key] = type(f"{base.__name__}[{kind.__name__}]", (base,), names)
    return _identities[key]


class FilteredIdentityDataConsolidator(IdentityDataConsolidator):
    """Passes on the points that a function approves of."""

    def __init__(self, predicate: Callable[[Any], bool]) -> None:
        super().__init__()
        self._predicate = predicate

    def update(self, data: Any) -> None:
        """Emit a point that is approved of."""
        if self._predicate(data):
            super().update(data)


class SequentialConsolidator(DataConsolidator):
    """Feeds the bars of one consolidator to another, and emits what that one emits.

    Raises:
        ArgumentException: if the second cannot take the bars of the first.
    """

    def __init__(self, first: Any, second: Any) -> None:
        super().__init__()
        if not issubclass(first.output_type, second.input_type):
            raise ArgumentException(
                f"first.output_type must be second.input_type: {second.input_type.__name__}; "
                f"received {first.output_type.__name__}"
            )
        self.first, self.second = first, second
        self.input_type, self.output_type = first.input_type, second.output_type
        listen(first, lambda _, bar: second.update(bar))
        listen(second, lambda _, bar: self._emit(bar))

    @property
    def working_data(self) -> Any:
        """The second's working bar."""
        return self.second.working_data

    @property
    def idle(self) -> bool:
        """True while the first builds no bar."""
        return bool(getattr(self.first, "idle", False))

    def update(self, data: Any) -> None:
        """Take a point."""
        self.first.update(data)

    def scan(self, current_local_time: datetime) -> None:
        """Let the first emit its bar if its time is over."""
        self.first.scan(current_local_time)

    def reset(self) -> None:
        """Forget what both are building."""
        self.first.reset()
        self.second.reset()
        super().reset()

    def dispose(self) -> None:
        """Remove the handlers of both."""
        self.first.dispose()
        self.second.dispose()
        super().dispose()
