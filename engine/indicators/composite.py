"""Indicators made of indicators."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

from engine.common.decimals import ZERO, text, to_decimal, to_double
from engine.common.enums import LeanEnum
from engine.common.naming import LeanObject
from engine.indicators.averages import ExponentialMovingAverage, SimpleMovingAverage
from engine.indicators.base import Indicator, IndicatorBase, IndicatorDataPoint, default_name
from engine.indicators.windows import Maximum, Minimum, Sum, WindowIdentity


class IndicatorStatus(LeanEnum):
    """Whether a computation gave a value."""

    SUCCESS = 0
    INVALID_INPUT = 1
    MATH_ERROR = 2
    VALUE_NOT_READY = 3


class IndicatorResult(LeanObject):
    """A value and whether it counts; what a composer may return instead of a number."""

    def __init__(self, value: Any, status: IndicatorStatus = IndicatorStatus.SUCCESS) -> None:
        self.value_exact = to_decimal(value)
        self.status = status

    @property
    def value(self) -> float:
        """The value."""
        return to_double(self.value_exact)


class _OfAnyInput:
    """LEAN's class is generic, `Class[IndicatorDataPoint](...)`; here the input's class is open."""

    def __class_getitem__(cls, kind: Any) -> Any:
        return cls


class ConstantIndicator(Indicator, _OfAnyInput):
    """Always the same value."""

    def __init__(self, name: str, value: Any) -> None:
        super().__init__(name)
        self._value = to_decimal(value)
        self._current = IndicatorDataPoint(datetime.min, self._value)

    @property
    def is_ready(self) -> bool:
        """Always true."""
        return True

    def _compute(self, point: Any) -> Decimal:
        return self._value

    def reset(self) -> None:
        """Keep the value; forget the samples."""
        super().reset()
        self._current = IndicatorDataPoint(datetime.min, self._value)


class FunctionalIndicator(Indicator, _OfAnyInput):
    """An indicator from functions.

    Args:
        name: of the indicator.
        compute: input to value.
        ready: indicator to readiness.
        reset: called by ``reset``.
    """

    def __init__(
        self,
        name: str,
        compute: Callable[[Any], Any],
        ready: Callable[[Any], bool],
        reset: Callable[[], None] | None = None,
    ) -> None:
        super().__init__(name)
        self._function, self._ready, self._reset = compute, ready, reset

    @property
    def is_ready(self) -> bool:
        """What the function says."""
        return bool(self._ready(self))

    def _compute(self, point: Any) -> Decimal:
        return to_decimal(self._function(point))

    def reset(self) -> None:
        """Call the function and forget the samples."""
        if self._reset is not None:
            self._reset()
        super().reset()


class CompositeIndicator(Indicator):
    """Combines two indicators; updates once both have (a constant need not).

    LEAN's constructors: ``(left, right, composer)`` and ``(name, left, right, composer)``; the
    composer receives the indicators and returns a number, or None where there is no value.
    """

    def __init__(
        self, name: Any = None, left: Any = None, right: Any = None, composer: Any = None
    ) -> None:
        if not isinstance(name, str | None):
            name, left, right, composer = None, name, left, right
        super().__init__(name or f"COMPOSE({left.name},{right.name})")
        self.left: IndicatorBase = left
        self.right: IndicatorBase = right
        self._composer = composer
        self._fresh = {
            "left": isinstance(left, ConstantIndicator),
            "right": isinstance(right, ConstantIndicator),
        }
        left.updated += lambda _, point: self._on_side("left", point)
        right.updated += lambda _, point: self._on_side("right", point)

    def _on_side(self, side: str, point: IndicatorDataPoint) -> None:
        self._fresh[side] = True
        if not all(self._fresh.values()):
            return
        time = max(point.time, self.left.current.time, self.right.current.time)
        self.update(IndicatorDataPoint(time, ZERO))
        self._fresh = {
            "left": isinstance(self.left, ConstantIndicator),
            "right": isinstance(self.right, ConstantIndicator),
        }

    @property
    def is_ready(self) -> bool:
        """True once both sides are."""
        return self.left.is_ready and self.right.is_ready

    def _compute(self, point: Any) -> Decimal | None:
        value = self._composer(self.left, self.right)
        if isinstance(value, IndicatorResult):
            return value.value_exact if value.status == IndicatorStatus.SUCCESS else None
        return None if value is None else to_decimal(value)

    def reset(self) -> None:
        """Reset both sides too."""
        self.left.reset()
        self.right.reset()
        super().reset()


class ResetCompositeIndicator(CompositeIndicator):
    """Combines two indicators; a reset also calls a function."""

    def __init__(
        self,
        name: Any,
        left: Any = None,
        right: Any = None,
        composer: Any = None,
        extra_reset_action: Any = None,
    ) -> None:
        if not isinstance(name, str | None):
            name, left, right, composer, extra_reset_action = None, name, left, right, composer
        shown = name or f"RESET_COMPOSE({left.name},{right.name})"
        super().__init__(shown, left, right, composer)
        self._extra = extra_reset_action

    def reset(self) -> None:
        """Reset both sides and call the function."""
        super().reset()
        self._extra()


class FilteredIdentity(IndicatorBase):
    """The value itself where a filter lets it pass, the last such one elsewhere.

    LEAN's constructors: ``(filter)`` and ``(name, filter)``; None lets everything pass.
    """

    takes_bars = True

    @default_name("")
    def __init__(self, name: str, filter: Callable[[Any], bool] | None) -> None:
        super().__init__(name)
        self._filter = filter
        self._restart()

    def _restart(self) -> None:
        self._last = ZERO

    @property
    def is_ready(self) -> bool:
        """True once there is a positive value."""
        return self.samples > 0 and self._current.value_exact > 0

    def _compute(self, point: Any) -> Decimal:
        if self._filter is None or self._filter(point):
            self._last = point.value_exact
        return self._last


def _operand(value: Any) -> IndicatorBase:
    if isinstance(value, IndicatorBase):
        return value
    number = to_decimal(value)
    return ConstantIndicator(text(number), number)


def _combine(
    left: Any, right: Any, name: str | None, operation: Callable[[Decimal, Decimal], Any]
) -> CompositeIndicator:
    def compose(first: IndicatorBase, second: IndicatorBase) -> Any:
        return operation(first.current.value_exact, second.current.value_exact)

    return CompositeIndicator(name, _operand(left), _operand(right), compose)


class IndicatorExtensions(LeanObject):
    """LEAN's combinators; each returns a new indicator fed by the given ones."""

    @staticmethod
    def of(second: Any, first: IndicatorBase, wait_for_first_to_ready: bool = True) -> Any:
        """Feed ``second`` with the values of ``first`` (only ready ones by default)."""

        def forward(_: Any, point: IndicatorDataPoint) -> None:
            if not wait_for_first_to_ready or first.is_ready:
                second.update(point)

        first.updated += forward
        return second

    @staticmethod
    def plus(
        left: Any, right: Any = None, name: str | None = None, *, constant: Any = None
    ) -> CompositeIndicator:
        """Sum of two indicators, or of one and a number."""
        return _combine(left, right if constant is None else constant, name, lambda a, b: a + b)

    @staticmethod
    def minus(
        left: Any, right: Any = None, name: str | None = None, *, constant: Any = None
    ) -> CompositeIndicator:
        """Difference."""
        return _combine(left, right if constant is None else constant, name, lambda a, b: a - b)

    @staticmethod
    def times(
        left: Any, right: Any = None, name: str | None = None, *, constant: Any = None
    ) -> CompositeIndicator:
        """Product."""
        return _combine(left, right if constant is None else constant, name, lambda a, b: a * b)

    @staticmethod
    def over(
        left: Any, right: Any = None, name: str | None = None, *, constant: Any = None
    ) -> CompositeIndicator:
        """Quotient; no update while the divisor is zero."""
        return _combine(
            left, right if constant is None else constant, name, lambda a, b: a / b if b else None
        )

    @staticmethod
    def weighted_by(value: IndicatorBase, weight: IndicatorBase, period: int) -> CompositeIndicator:
        """Average of ``value`` over the last updates, weighted by ``weight``."""
        values, weights = WindowIdentity(period), WindowIdentity(period)
        numerator, denominator = Sum("Sum_xy", period), Sum("Sum_y", period)

        def on_value(_: Any, point: IndicatorDataPoint) -> None:
            values.update(point)
            if values.samples == weights.samples:
                product = point.value_exact * weights.current.value_exact
                numerator.update(point.time, product)

        def on_weight(_: Any, point: IndicatorDataPoint) -> None:
            weights.update(point)
            if values.samples == weights.samples:
                numerator.update(point.time, point.value_exact * values.current.value_exact)
            denominator.update(point)

        value.updated += on_value
        weight.updated += on_weight

        def divide(left: IndicatorBase, right: IndicatorBase) -> Any:
            divisor = right.current.value_exact
            return left.current.value_exact / divisor if divisor else None

        def forget() -> None:
            values.reset()
            weights.reset()

        return ResetCompositeIndicator(numerator, denominator, divide, forget)

    @staticmethod
    def sma(left: IndicatorBase, period: int, wait_for_first_to_ready: bool = True) -> Any:
        """Simple moving average of an indicator."""
        made = SimpleMovingAverage(f"SMA{period}_Of_{left.name}", period)
        return IndicatorExtensions.of(made, left, wait_for_first_to_ready)

    @staticmethod
    def ema(
        left: IndicatorBase,
        period: int,
        smoothing_factor: Any = None,
        wait_for_first_to_ready: bool = True,
    ) -> Any:
        """Exponential moving average of an indicator."""
        if smoothing_factor is None:
            smoothing_factor = ExponentialMovingAverage.smoothing_factor_default(period)
        made = ExponentialMovingAverage(f"EMA{period}_Of_{left.name}", period, smoothing_factor)
        return IndicatorExtensions.of(made, left, wait_for_first_to_ready)

    @staticmethod
    def max(left: IndicatorBase, period: int, wait_for_first_to_ready: bool = True) -> Any:
        """Maximum of an indicator."""
        made = Maximum(f"MAX{period}_Of_{left.name}", period)
        return IndicatorExtensions.of(made, left, wait_for_first_to_ready)

    @staticmethod
    def min(left: IndicatorBase, period: int, wait_for_first_to_ready: bool = True) -> Any:
        """Minimum of an indicator."""
        made = Minimum(f"MIN{period}_Of_{left.name}", period)
        return IndicatorExtensions.of(made, left, wait_for_first_to_ready)


for _name in ("of", "plus", "minus", "times", "over", "weighted_by", "sma", "ema", "max", "min"):
    _pascal = "".join(word.title() for word in _name.split("_"))
    _alias = _name.upper() if len(_name) == 3 else _pascal
    setattr(IndicatorExtensions, _alias, getattr(IndicatorExtensions, _name))
