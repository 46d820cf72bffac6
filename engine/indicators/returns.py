"""Indicators of risk, from returns: of one symbol, or of one beside another."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from datetime import date, datetime
from decimal import Decimal
from functools import wraps
from statistics import NormalDist
from typing import Any

from engine.common.decimals import ZERO, from_float, to_decimal, to_double
from engine.common.enums import LeanEnum
from engine.common.net_exceptions import ArgumentException
from engine.indicators.base import (
    BarIndicator,
    Indicator,
    WindowIndicator,
    default_name,
    with_signature_of,
)
from engine.indicators.composite import IndicatorExtensions
from engine.indicators.window import RollingWindow
from engine.indicators.windows import Identity, RateOfChange, StandardDeviation
from engine.market.symbols import Symbol


class _ConstantRate:
    """A risk-free rate that never changes."""

    def __init__(self, rate: Any) -> None:
        self._rate = to_decimal(rate)

    def get_interest_rate(self, _: date) -> Decimal:
        return self._rate


def _rate_model(rate: Any) -> Any:
    """A model of the risk-free rate for a number, or for a model."""
    model = hasattr(rate, "get_interest_rate") or hasattr(rate, "GetInterestRate")
    return rate if model else _ConstantRate(ZERO if rate is None else rate)


def _rate(model: Any, time: datetime) -> Decimal:
    ask = getattr(model, "get_interest_rate", None) or model.GetInterestRate
    return to_decimal(ask(time))


def variance(values: Iterable[float]) -> float:
    """Sample variance in one pass, in MathNet's order of operations; NaN of fewer than two."""
    total = squares = 0.0
    count = 0
    for count, value in enumerate(values, 1):
        total += value
        if count > 1:
            distance = count * value - total
            squares += distance * distance / (count * (count - 1))
    return squares / (count - 1) if count > 1 else math.nan


def covariance(first: Iterable[float], second: Iterable[float]) -> float:
    """Sample covariance in one pass, in MathNet's order of operations; NaN of fewer than two."""
    mean = other = together = 0.0
    count = 0
    for count, (a, b) in enumerate(zip(first, second, strict=False), 1):
        before = other
        mean += (a - mean) / count
        other += (b - other) / count
        together += (a - mean) * (b - before)
    return together / (count - 1) if count > 1 else math.nan


def pearson(first: Iterable[float], second: Iterable[float]) -> float:
    """Coefficient of correlation in one pass; 0 where a side does not vary."""
    mean = other = spread = other_spread = together = 0.0
    for count, (a, b) in enumerate(zip(first, second, strict=False), 1):
        step, other_step = a - mean, b - other
        mean += step / count
        other += other_step / count
        spread += step / count * step * (count - 1)
        other_spread += other_step / count * other_step * (count - 1)
        together += step * other_step * (count - 1) / count
    scale = math.sqrt(spread * other_spread)
    return together / scale if scale else 0.0


def ranks(values: list[float]) -> list[float]:
    """Ranks from 1; equal values share the mean of theirs."""
    order = sorted(range(len(values)), key=values.__getitem__)
    result = [0.0] * len(values)
    start = 0
    while start < len(order):
        end = start
        while end < len(order) and values[order[end]] == values[order[start]]:
            end += 1
        for place in order[start:end]:
            result[place] = (start + 1 + end) / 2
        start = end
    return result


class SharpeRatio(Indicator):
    """Mean return less the risk-free rate, in standard deviations of returns."""

    @default_name(
        lambda texts: (
            f"SR({texts['period']},{texts['risk_free_rate']})"
            if texts["risk_free_rate_model"] == "None"
            else f"SR({texts['period']})"
        )
    )
    def __init__(
        self,
        name: str,
        period: int,
        risk_free_rate: Any = Decimal("0.0"),
        risk_free_rate_model: Any = None,
    ) -> None:
        super().__init__(name)
        extensions = IndicatorExtensions
        self._period = int(period)
        given = risk_free_rate if risk_free_rate_model is None else risk_free_rate_model
        self._model = _rate_model(given)
        self._change = self._own(RateOfChange(1))
        self._risk_free = self._own(Identity(name + "_RiskFreeRate"))
        mean = self._own(extensions.sma(self._change, period))
        self._excess = self._own(extensions.minus(mean, self._risk_free))
        self._ratio = self._own(extensions.over(self._excess, self._spread(period)))
        self.warm_up_period = period + 2

    def _spread(self, period: int) -> Any:
        return self._own(IndicatorExtensions.of(StandardDeviation(period), self._change))

    @property
    def is_ready(self) -> bool:
        """True after a period of returns."""
        return self._ratio.samples > self._period

    def _compute(self, point: Any) -> Decimal:
        self._risk_free.update(point.end_time, _rate(self._model, point.end_time))
        self._change.update(point)
        return self._ratio.current.value_exact


class TargetDownsideDeviation(Indicator):
    """Root mean square of what returns lack to an acceptable return."""

    @default_name("TDD({period},{minimum_acceptable_return})")
    def __init__(self, name: str, period: int, minimum_acceptable_return: float = 0) -> None:
        super().__init__(name)
        self._least = float(minimum_acceptable_return)
        self._change = self._own(RateOfChange(1))
        self._change.window.size = int(period)
        self.warm_up_period = int(period) + 1

    @property
    def is_ready(self) -> bool:
        """True after a period of returns."""
        return self.samples >= self.warm_up_period

    def _compute(self, point: Any) -> Decimal:
        self._change.update(point)
        lacks = [min(0.0, item.value - self._least) ** 2 for item in self._change.window]
        return from_float(math.sqrt(sum(lacks) / len(lacks)))


class SortinoRatio(SharpeRatio):
    """Mean return less the acceptable one, in deviations below it."""

    @default_name("SORTINO({period},{minimum_acceptable_return})")
    def __init__(self, name: str, period: int, minimum_acceptable_return: float = 0) -> None:
        self._least = minimum_acceptable_return
        super().__init__(name, period, to_decimal(minimum_acceptable_return))

    def _spread(self, period: int) -> Any:
        self._deviation = self._own(TargetDownsideDeviation(period, self._least))
        return self._deviation

    def _compute(self, point: Any) -> Decimal:
        self._deviation.update(point)
        return super()._compute(point)


class ValueAtRisk(WindowIndicator):
    """Return that a normal distribution of the last returns falls short of with a probability."""

    _reads_values = False

    @default_name("VaR({period}, {confidence_level})")
    def __init__(self, name: str, period: int, confidence_level: float) -> None:
        if period < 3:
            raise ArgumentException(f"period must be at least 3; received {period}")
        super().__init__(name, period)
        self._level = float(confidence_level)
        self._change = self._own(RateOfChange(1))
        self._returns: RollingWindow[float] = self._own(RollingWindow(period))

    def _compute(self, point: Any) -> Decimal:
        self._change.update(point)
        self._returns.add(to_double(self._change.current.value_exact))
        if self._returns.count < 2:
            return ZERO
        mean = 0.0
        for count, value in enumerate(self._returns, 1):
            mean += (value - mean) / count
        spread = math.sqrt(variance(self._returns))
        if not spread:
            return from_float(mean)
        return from_float(NormalDist(mean, spread).inv_cdf(1 - self._level))


class CorrelationType(LeanEnum):
    """Coefficients of correlation."""

    PEARSON = 0
    SPEARMAN = 1


class _Side:
    """What came of one of two symbols."""

    def __init__(self, period: int) -> None:
        self.bars: RollingWindow[Any] = RollingWindow(period)
        self.current: Any = None

    def reset(self) -> None:
        self.bars.reset()
        self.current = None


def _named_pair(
    template: str,
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Make a constructor `(name, target, reference, period, ...)` serve LEAN's others too.

    They are without the name, which is made from the rest, and `(name, period, target, reference)`.
    Symbols may be texts, so that a text alone does not tell a name.
    """

    def decorate(start: Callable[..., None]) -> Callable[..., None]:
        named = default_name(template)(start)

        @wraps(start)
        def begin(self: Any, *args: Any, **keywords: Any) -> None:
            if len(args) == 4 and isinstance(args[1], int):
                name, period, target, reference = args
                args = name, target, reference, period
            elif len(args) > 1 and (len(args) == 2 or isinstance(args[2], int)):
                args = Symbol.of(args[0]), *args[1:]
            named(self, *args, **keywords)

        return begin

    return decorate


class DualSymbolIndicator(BarIndicator):
    """Base of indicators of a target beside a reference; a value comes when both have a bar.

    Subclasses implement ``_together() -> Decimal``.
    """

    def __init__(self, name: str, target_symbol: Any, reference_symbol: Any, period: int) -> None:
        super().__init__(name)
        target_symbol, reference_symbol = Symbol.of(target_symbol), Symbol.of(reference_symbol)
        self.target_symbol, self.reference_symbol = target_symbol, reference_symbol
        self._target: _Side = self._own(_Side(period))
        self._reference: _Side = self._own(_Side(period))
        self._sides = {target_symbol: self._target, reference_symbol: self._reference}
        self.warm_up_period = period
        self._restart()

    @property
    def is_ready(self) -> bool:
        """True once both have enough bars."""
        return self._target.bars.is_ready and self._reference.bars.is_ready

    def _restart(self) -> None:
        self._value = ZERO
        self._daily = False

    def _together(self) -> Decimal:
        raise NotImplementedError(f"{type(self).__name__}._together")

    def _when(self, bar: Any) -> Any:
        return None if bar is None else bar.end_time.date() if self._daily else bar.end_time

    def _compute(self, point: Any) -> Decimal:
        side = self._sides.get(point.symbol)
        if side is None:
            known = ", ".join(str(symbol) for symbol in self._sides)
            raise ArgumentException(
                f"{self.name} works on {known}; received a bar of {point.symbol}"
            )
        side.current = point
        if self.samples == 1:
            # Daily bars of two exchanges may end at other times of a day.
            self._daily = (point.end_time - point.time).total_seconds() > 3600
            return ZERO
        if self._when(self._target.current) == self._when(self._reference.current):
            for one in self._sides.values():
                one.bars.add(one.current)
            self._value = self._together()
        return self._value


class Correlation(DualSymbolIndicator):
    """Correlation of two symbols' closes."""

    @_named_pair("Correlation({period})")
    def __init__(
        self,
        name: str,
        target_symbol: Any,
        reference_symbol: Any,
        period: int,
        correlation_type: CorrelationType = CorrelationType.PEARSON,
    ) -> None:
        if period < 2:
            raise ArgumentException(f"period must be at least 2; received {period}")
        super().__init__(name, target_symbol, reference_symbol, period)
        self._type = CorrelationType(correlation_type)

    def _together(self) -> Decimal:
        closes = [
            [to_double(bar.close_exact) for bar in side.bars]
            for side in (self._target, self._reference)
        ]
        if self._type == CorrelationType.SPEARMAN:
            closes = [ranks(values) for values in closes]
        return from_float(pearson(*closes))


class _ReturnPairs(DualSymbolIndicator):
    """Base of indicators of two symbols' returns."""

    def __init__(self, name: str, target_symbol: Any, reference_symbol: Any, period: int) -> None:
        if period < 2:
            raise ArgumentException(f"period must be at least 2; received {period}")
        super().__init__(name, target_symbol, reference_symbol, 2)
        self._target_returns: RollingWindow[float] = self._own(RollingWindow(period))
        self._reference_returns: RollingWindow[float] = self._own(RollingWindow(period))
        self.warm_up_period = period + 1

    @property
    def is_ready(self) -> bool:
        """True after a period of returns."""
        return self._target_returns.is_ready and self._reference_returns.is_ready

    def _together(self) -> Decimal:
        for side, returns in (
            (self._target, self._target_returns),
            (self._reference, self._reference_returns),
        ):
            if side.bars.is_ready:
                close, before = (bar.close_exact for bar in side.bars)
                returns.add(to_double((close / before if before else ZERO) - 1))
        return from_float(self._figure(list(self._target_returns), list(self._reference_returns)))

    def _figure(self, target: list[float], reference: list[float]) -> float:
        raise NotImplementedError(f"{type(self).__name__}._figure")


def _number(value: float, otherwise: float) -> float:
    return otherwise if math.isnan(value) or value == 0 else value


class Covariance(_ReturnPairs):
    """Covariance of two symbols' returns."""

    @_named_pair("COV({period})")
    def __init__(self, name: str, target_symbol: Any, reference_symbol: Any, period: int) -> None:
        super().__init__(name, target_symbol, reference_symbol, period)

    def _figure(self, target: list[float], reference: list[float]) -> float:
        return _number(covariance(target, reference), 0.0)


class Beta(_ReturnPairs):
    """Covariance of two symbols' returns over the variance of the reference's."""

    @_named_pair("B({period})")
    def __init__(self, name: str, target_symbol: Any, reference_symbol: Any, period: int) -> None:
        super().__init__(name, target_symbol, reference_symbol, period)

    def _figure(self, target: list[float], reference: list[float]) -> float:
        spread = _number(variance(reference), 1.0)
        return _number(covariance(target, reference), 0.0) / spread


class Alpha(BarIndicator):
    """Mean return of a target less what its beta to a reference explains.

    LEAN's constructors: ``([name,] target, reference, period[, rate])`` and ``([name,] target,
    reference, alpha_period, beta_period[, rate])``; the rate is a number or a model.
    """

    def _begin(
        self,
        target_symbol: Any,
        reference_symbol: Any,
        name: str | None = None,
        alpha_period: int | None = None,
        beta_period: int | None = None,
        period: int | None = None,
        risk_free_rate: Any = None,
        risk_free_rate_model: Any = None,
    ) -> None:
        alpha = period if alpha_period is None else alpha_period
        beta = alpha if beta_period is None else beta_period
        if alpha is None or beta is None:
            raise ArgumentException("Alpha needs a period")
        if target_symbol == reference_symbol:
            raise ArgumentException(
                f"target and reference must differ; received {target_symbol} twice"
            )
        if alpha < 1 or beta < 2:
            raise ArgumentException(
                f"alpha_period must be at least 1 and beta_period 2; received {alpha}, {beta}"
            )
        if name is None:
            periods = f"{alpha}" if beta_period is None else f"{alpha},{beta}"
            name = f"ALPHA({target_symbol},{reference_symbol},{periods})"
        super().__init__(name)
        given = risk_free_rate if risk_free_rate_model is None else risk_free_rate_model
        self._model = _rate_model(given)
        self._symbols = (target_symbol, reference_symbol)
        self._period = alpha
        self._target = self._own(RateOfChange(name + "_TargetROC", alpha))
        self._reference = self._own(RateOfChange(name + "_ReferenceROC", alpha))
        self._beta = self._own(Beta(name + "_Beta", target_symbol, reference_symbol, beta))
        self.warm_up_period = max(alpha, beta) + 1
        self._restart()

    @with_signature_of(_begin)
    def __init__(self, *args: Any, **keywords: Any) -> None:
        names = ["name", "target_symbol", "reference_symbol", "alpha_period", "beta_period"]
        rest = list(args)
        if not rest or not isinstance(rest[0], str) or len(rest) < 2 or not _is_symbol(rest[1]):
            names.pop(0)
        values: dict[str, Any] = dict(keywords)
        for value in rest:
            if names and (names[0] != "beta_period" or isinstance(value, int)):
                values[names.pop(0)] = value
            else:
                values["risk_free_rate"] = value
        self._begin(**values)

    @property
    def is_ready(self) -> bool:
        """True once both returns and beta are."""
        return self._target.is_ready and self._beta.is_ready and self._reference.is_ready

    def _restart(self) -> None:
        self._alpha = ZERO

    def _compute(self, point: Any) -> Decimal:
        if point.symbol not in self._symbols:
            raise ArgumentException(
                f"{self.name} works on {self._symbols[0]} and {self._symbols[1]}; "
                f"received a bar of {point.symbol}"
            )
        side = self._target if point.symbol == self._symbols[0] else self._reference
        side.update(point.end_time, point.close_exact)
        self._beta.update(point)
        if self._target.samples == self._reference.samples:
            self._alpha = self._newest() if self.is_ready else ZERO
        return self._alpha

    def _newest(self) -> Decimal:
        target = self._target.current.value_exact / self._period
        reference = self._reference.current.value_exact / self._period
        rate = _rate(self._model, self._target.current.end_time)
        beta = self._beta.current.value_exact
        result: Decimal = target - (rate + beta * (reference - rate))
        return result


def _is_symbol(value: Any) -> bool:
    return not isinstance(value, int | float | Decimal)
