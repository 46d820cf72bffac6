"""Models of a security's volatility, as in LEAN's folder `Securities/Volatility`.

A security's model sees every point that updates its price. It is warmed up from history at the
start of a live run and, where prices are raw, at splits and dividends.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar

from engine.common.clock import naive_utc
from engine.common.decimals import ZERO, divide, fit, from_float, to_decimal, to_double
from engine.common.enums import DataNormalizationMode, Resolution
from engine.common.naming import LeanObject, either_spelling
from engine.common.net_exceptions import ArgumentOutOfRangeException, InvalidOperationException
from engine.common.settings import UniverseSettings
from engine.feed.history_requests import HistoryOptions, HistoryRequest, requests_of_count
from engine.indicators.returns import variance
from engine.indicators.window import RollingWindow
from engine.market.data import RESOLUTION_SPAN

_YEAR = from_float(math.sqrt(252.0))
_PERIODS = {
    Resolution.TICK: 600,
    Resolution.SECOND: 600,
    Resolution.MINUTE: 60 * 24,
    Resolution.HOUR: 24 * 30,
    Resolution.DAILY: 30,
}


class BaseVolatilityModel(LeanObject):
    """Base of volatility models; a user's overrides ``volatility`` and ``update``."""

    _provider: Any = None

    @property
    def volatility(self) -> float:
        """Volatility of the security; 0 here."""
        return 0.0

    def set_subscription_data_config_provider(self, subscription_data_config_provider: Any) -> None:
        """Take what tells the subscriptions of a symbol."""
        self._provider = subscription_data_config_provider

    def update(self, security: Any, data: Any) -> None:
        """Take a point of the security."""

    def get_history_requirements(
        self,
        security: Any,
        utc_time: datetime,
        resolution: Resolution | None = None,
        bar_count: int | None = None,
    ) -> list[HistoryRequest]:
        """What is asked of history for a warm-up: the last bars; nothing without a number of them.

        Raises:
            InvalidOperationException: before the model is told of the subscriptions.
        """
        if bar_count is None:
            return []
        if self._provider is None:
            raise InvalidOperationException(
                "BaseVolatilityModel.GetHistoryRequirements(): SubscriptionDataConfigProvider was "
                "not set."
            )
        configs = self._configs(security)
        resolution = Resolution.DAILY if resolution is None else resolution
        options = HistoryOptions(
            kind=configs[0].type,
            resolution=resolution,
            fill_forward=True,
            extended=resolution != Resolution.HOUR and any(c.extended_hours for c in configs),
            mode=DataNormalizationMode(configs[0].data_normalization_mode),
        )
        hours = security.exchange.hours
        now = hours.from_utc(naive_utc(utc_time))
        settings = UniverseSettings()
        return requests_of_count(
            security.symbol, configs, hours, now, bar_count, options, settings, False
        )

    def _configs(self, security: Any) -> list[Any]:
        found = self._provider.get_subscription_data_configs(security.symbol)
        return sorted(found, key=lambda config: config.tick_type)


def _exact(price: Any) -> Decimal:
    """The price of a point as a Decimal."""
    return price.value_exact if hasattr(price, "value_exact") else to_decimal(price.price)


class _WindowModel(BaseVolatilityModel):
    """Models that keep a number of every so many bars in a window."""

    def __init__(self, periods: int, span: timedelta) -> None:
        if periods < 2:
            raise ArgumentOutOfRangeException(
                "'periods' must be greater than or equal to 2. (Parameter 'periods')"
            )
        self._window: RollingWindow[float] = RollingWindow(periods)
        self._span = span
        self._volatility = ZERO
        self._needs_update = False
        self._reset()

    @property
    def volatility(self) -> float:
        """Volatility of the window; 0 with fewer than two numbers."""
        if self._window.count < 2:
            return 0.0
        if self._needs_update:
            self._needs_update = False
            self._compute(from_float(math.sqrt(variance(self._window))))
        return to_double(self._volatility)

    def _compute(self, deviation: Decimal) -> None:
        raise NotImplementedError(f"{type(self).__name__}._compute")

    def _reset(self) -> None:
        self._needs_update = False
        self._volatility = ZERO
        self._last_update = datetime.min
        self._window.reset()

    def _add(self, number: float) -> None:
        self._needs_update = True
        self._window.add(number)


class StandardDeviationOfReturnsVolatilityModel(_WindowModel):
    """Deviation of the returns of a year.

    Args:
        periods: returns in the window, or the resolution, which has a number of its own (minutes
            1,440, hours 720, days 30).
        resolution: of the bars that history is asked for; days by default.
        update_frequency: least time between two prices; the resolution's span by default, else a
            day.

    Raises:
        ArgumentOutOfRangeException: for fewer than two periods.
    """

    def __init__(
        self,
        periods: int | Resolution | None = None,
        resolution: Resolution | None = None,
        update_frequency: timedelta | None = None,
    ) -> None:
        if isinstance(periods, Resolution):
            # LEAN's other constructor: (resolution, update_frequency).
            update_frequency = resolution if isinstance(resolution, timedelta) else update_frequency
            periods, resolution = None, periods
        if periods is None:
            if resolution is None:
                raise TypeError("a number of periods or a resolution is needed")
            periods = _PERIODS[resolution]
        if update_frequency is None:
            update_frequency = RESOLUTION_SPAN[
                Resolution.DAILY if resolution is None else resolution
            ]
        self._resolution = resolution
        super().__init__(periods, update_frequency)

    def _reset(self) -> None:
        super()._reset()
        self._last_price = ZERO

    def _compute(self, deviation: Decimal) -> None:
        self._volatility = fit(deviation * _YEAR)

    def update(self, security: Any, data: Any) -> None:
        """Take a point, if the last one is old enough."""
        price = _exact(data)
        if price > 0 and data.end_time - self._last_update >= self._span:
            if self._last_price > 0:
                self._add(to_double(divide(price, self._last_price)) - 1.0)
            self._last_update, self._last_price = data.end_time, price

    def get_history_requirements(
        self,
        security: Any,
        utc_time: datetime,
        resolution: Resolution | None = None,
        bar_count: int | None = None,
    ) -> list[HistoryRequest]:
        """Bars for a whole window; what is in it is forgotten."""
        if bar_count is None:
            self._reset()
            resolution, bar_count = self._resolution, self._window.size + 1
        return super().get_history_requirements(security, utc_time, resolution, bar_count)


class RelativeStandardDeviationVolatilityModel(_WindowModel):
    """Deviation of the prices over their mean.

    Args:
        period_span: least time between two prices.
        periods: prices in the window.

    Raises:
        ArgumentOutOfRangeException: for fewer than two periods.
    """

    def __init__(self, period_span: timedelta, periods: int) -> None:
        super().__init__(periods, period_span)

    def _reset(self) -> None:
        super()._reset()
        self._last_update = datetime.min + self._span * self._window.size

    def _compute(self, deviation: Decimal) -> None:
        mean = 0.0
        for count, price in enumerate(self._window, 1):
            mean += (price - mean) / count
        if from_float(mean):
            self._volatility = divide(deviation, abs(from_float(mean)))

    def update(self, security: Any, data: Any) -> None:
        """Take a point, if the last one is old enough."""
        price = _exact(data)
        if price > 0 and data.end_time - self._last_update >= self._span:
            self._add(to_double(price))
            self._last_update = data.end_time

    def get_history_requirements(
        self,
        security: Any,
        utc_time: datetime,
        resolution: Resolution | None = None,
        bar_count: int | None = None,
    ) -> list[HistoryRequest]:
        """Bars of the finest subscription for a whole window; what is in it is forgotten."""
        if bar_count is None:
            if self._provider is None:
                raise InvalidOperationException(
                    "RelativeStandardDeviationVolatilityModel.GetHistoryRequirements(): "
                    "SubscriptionDataConfigProvider was not set."
                )
            self._reset()
            resolution = min(config.resolution for config in self._configs(security))
            bar_count = self._window.size + 1
        return super().get_history_requirements(security, utc_time, resolution, bar_count)


class IndicatorVolatilityModel(BaseVolatilityModel):
    """The value of an indicator.

    Args:
        indicator: any indicator.
        indicator_update: called with the security, the point and the indicator for every point;
            without it the indicator is updated elsewhere.
    """

    def __init__(
        self, indicator: Any, indicator_update: Callable[[Any, Any, Any], Any] | None = None
    ) -> None:
        self._indicator, self._update = indicator, indicator_update

    @property
    def volatility(self) -> float:
        """The indicator's value."""
        return float(self._indicator.current.value)

    def update(self, security: Any, data: Any) -> None:
        """Pass a point on."""
        if self._update is not None:
            self._update(security, data, self._indicator)


class _NullVolatilityModel(BaseVolatilityModel):
    """Volatility of 0."""

    lean_name = "VolatilityModel.NullVolatilityModel"


class VolatilityModel(LeanObject):
    """Provides the model that does nothing."""

    NULL: ClassVar[BaseVolatilityModel] = _NullVolatilityModel()


class VolatilityModelExtensions(LeanObject):
    """Warm-up of volatility models."""

    @staticmethod
    def warm_up(
        volatility_model: Any,
        algorithm: Any = None,
        security: Any = None,
        resolution: Resolution | None = None,
        bar_count: int | None = None,
        data_normalization_mode: DataNormalizationMode | None = None,
        *,
        history_provider: Any = None,
        subscription_manager: Any = None,
        utc_time: datetime | None = None,
        time_zone: Any = None,
        live_mode: bool | None = None,
    ) -> None:
        """Update a model from the last bars of a security, in scaled raw prices where they are raw.

        Raises:
            NotImplementedError: for LEAN's calls with a history provider.
        """
        given = history_provider, subscription_manager, utc_time, time_zone, live_mode
        if any(one is not None for one in given) or not hasattr(algorithm, "qc_history_points"):
            raise NotImplementedError(
                "VolatilityModelExtensions.warm_up with a history provider: pass the algorithm, "
                "(volatility_model, algorithm, security, resolution, bar_count)"
            )
        warm_up(
            volatility_model,
            algorithm,
            security,
            (resolution, bar_count),
            data_normalization_mode,
        )


def warm_up(
    model: Any,
    algorithm: Any,
    security: Any,
    bars: tuple[Resolution | None, int | None] = (None, None),
    mode: DataNormalizationMode | None = None,
) -> None:
    """Update a model from the history that it asks for.

    Args:
        model: LEAN's or a user's.
        algorithm: has the history.
        security: whose model it is.
        bars: resolution and number of the bars, where the model does not say itself.
        mode: of the security's prices; raw ones, and all in live trading, become scaled raw.
    """
    ask = either_spelling(model, "get_history_requirements")
    if model is VolatilityModel.NULL or ask is None:
        return
    tell = either_spelling(model, "set_subscription_data_config_provider")
    if tell is not None:
        tell(algorithm.subscription_manager.subscription_data_config_service)
    now = algorithm.utc_time
    found: Iterable[Any] = (
        ask(security, now) if bars[1] is None else ask(security, now, bars[0], bars[1])
    )
    scaled = algorithm.live_mode or mode == DataNormalizationMode.RAW
    update = either_spelling(model, "update")
    for point in algorithm.qc_history_points(list(found or ()), scaled):
        if update is not None:
            update(security, point)
