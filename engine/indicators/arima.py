"""A forecast by autoregression, integration and moving averages of errors, fitted on every point.

As LEAN fits it: least squares by the normal equations, in two steps, on the window from its newest
value to its oldest.
"""

from __future__ import annotations

from collections import deque
from decimal import Decimal
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.common.decimals import from_float
from engine.common.net_exceptions import ArgumentException
from engine.indicators.base import Indicator, default_name

Series = NDArray[np.float64]
_OUTSIDE = "Index was outside the bounds of the array."


def _lagged(order: int, series: Series) -> Series:
    """Rows of the values before each, the nearest first."""
    rows = len(series) - order
    columns = [series[order - lag : order - lag + rows] for lag in range(1, order + 1)]
    return np.stack(columns, axis=1) if rows > 0 else np.empty((0, order))


def _least_squares(rows: Series, values: Series, intercept: bool) -> Series:
    """Coefficients, that of the intercept first.

    Raises:
        ArgumentException: if lengths differ, or rows are too few or do not determine them.
    """
    if intercept:
        rows = np.column_stack((np.ones(len(rows)), rows))
    if len(rows) != len(values) or rows.shape[1] > len(values):
        raise ArgumentException("Matrix dimensions must agree.")
    try:
        lower = np.linalg.cholesky(rows.T @ rows)
    except np.linalg.LinAlgError:
        raise ArgumentException("Matrix must be positive definite.") from None
    return np.linalg.solve(lower.T, np.linalg.solve(lower, rows.T @ values))


def _mean_square(errors: Series, count: int) -> float:
    """Their squares over a number, which may be 0 as in .NET."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return float((errors @ errors) / count)


class TimeSeriesIndicator(Indicator):
    """Base of indicators that look at a series as a whole."""

    _diff_heads: list[float] | None = None
    """What `inverse_differenced_series` takes beside differences."""

    @staticmethod
    def difference_series(
        d: int, series: Any, diff_heads: Any = None
    ) -> tuple[list[float] | None, list[float]]:
        """Differences of an order, each value less the next, and the last value of each series."""
        heads: list[float] = []
        rest = [float(value) for value in series]
        for _ in range(d):
            heads.append(rest[-1])
            rest = [value - after for value, after in pairwise(rest)]
        return (rest if d else None), heads

    @staticmethod
    def inverse_differenced_series(series: Any, diff_heads: Any) -> list[float]:
        """The series of such differences."""
        values = [float(value) for value in series]
        for head in diff_heads:
            values = TimeSeriesIndicator.cumulative_sum([*values, head], True)
        return values

    @staticmethod
    def lagged_series(p: int, series: Any, include_t: bool = False) -> list[list[float]]:
        """Values before each, the nearest first; with the value itself if wanted."""
        first = 0 if include_t else 1
        times = range(p, len(series))
        return [[float(series[t - j]) for j in range(first, p + 1)] for t in times]

    @staticmethod
    def cumulative_sum(series: Any, reverse: bool = False) -> list[float]:
        """Sums up to each value, or from it on."""
        values = list(series)[::-1] if reverse else list(series)
        sums = np.cumsum(values).tolist()
        return sums[::-1] if reverse else sums


class AutoRegressiveIntegratedMovingAverage(TimeSeriesIndicator):
    """Forecast of the next value.

    Args:
        ar_order: past values that count, at least one.
        diff_order: times that the series is differenced first.
        ma_order: past errors that count.
        period: values to fit to.
        intercept: whether the moving average's fit has one.

    Attributes:
        handle_exceptions: what cannot be fitted has coefficients of zero; else it raises.

    Raises:
        ArgumentException: for a negative order, no autoregression or too short a period.
    """

    @default_name("ARIMA(({ar_order}, {diff_order}, {ma_order}), {period}, {intercept})")
    def __init__(
        self,
        name: str,
        ar_order: int,
        diff_order: int,
        ma_order: int,
        period: int,
        intercept: bool = True,
    ) -> None:
        super().__init__(name)
        if ar_order < 0 or ma_order < 0:
            raise ArgumentException("AR/MA orders cannot be negative.")
        if ar_order == 0:
            raise ArgumentException(
                "arOrder (p) must be greater than zero for all currently available fitting methods."
            )
        if period < max(ar_order, ma_order):
            raise ArgumentException("Period must exceed both arOrder and maOrder")
        self._orders, self._with_intercept = (ar_order, diff_order, ma_order), intercept
        self.warm_up_period = period
        self._values: deque[float] = deque(maxlen=period)
        self.handle_exceptions = True
        self.ar_parameters: list[float] | None = None
        self.ma_parameters: list[float] | None = None
        self.intercept = self.ar_residual_error = self.ma_residual_error = 0.0

    @property
    def is_ready(self) -> bool:
        """True after a period."""
        return len(self._values) == self.warm_up_period

    def reset(self) -> None:
        """Forget all points."""
        super().reset()
        self._values.clear()

    def _compute(self, point: Any) -> Decimal:
        self._values.appendleft(point.value)
        if not self.is_ready:
            return Decimal(0)
        ar, diff, ma = self._orders
        values: list[float] = list(self._values)
        heads: list[float] = []
        if diff:
            differences, heads = self.difference_series(diff, values)
            values = differences or []
            self._diff_heads = heads
        series = np.array(values)
        residuals = self._fit(series)
        forecast = float(np.dot(self.ar_parameters or [], series[:ar]))
        for index, parameter in enumerate(self.ma_parameters or ()):
            forecast += parameter * float(residuals[ma + index + 1])
        forecast += self.intercept
        if diff:
            forecast = self.inverse_differenced_series([forecast, *values], heads)[0]
        return from_float(forecast)

    def _solved(self, rows: Series, values: Series, intercept: bool) -> Series:
        try:
            return _least_squares(rows, values, intercept)
        except ArgumentException:
            if not self.handle_exceptions:
                raise
            if not len(rows):
                raise IndexError(_OUTSIDE) from None
            return np.zeros(rows.shape[1] + intercept)

    def _fit(self, series: Series) -> Series:
        """Fit both steps; the errors of the first."""
        ar, _, ma = self._orders
        lags = _lagged(ar, series)
        fitted = self._solved(lags, series[ar:], False)
        errors = series[ar:] - lags @ fitted
        residuals = np.concatenate((np.zeros(ar), errors))
        self.ar_residual_error = _mean_square(errors, len(series) - ar - 1)
        if ma == 0:
            self.ar_parameters = fitted.tolist()
            return residuals
        lagged_errors = _lagged(ma, residuals)
        if len(lags) < len(lagged_errors):
            raise IndexError(_OUTSIDE)
        rows = np.hstack((lags[: len(lagged_errors)], lagged_errors))
        found = self._solved(rows, series[ma:], self._with_intercept)
        own = found[1:] if self._with_intercept else found
        rest = series[ma:] - rows @ own
        self.ma_residual_error = _mean_square(rest, len(series) - max(ar, ma) - 1)
        self.ar_parameters, self.ma_parameters = own[:ar].tolist(), own[ar:].tolist()
        if self._with_intercept:
            self.intercept = float(found[0])
        return residuals
