"""Settings an algorithm may change in `initialize`."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from engine.common.decimals import ExactNumber
from engine.common.enums import DataNormalizationMode, Resolution
from engine.common.naming import snake_case


class AlgorithmSettings:
    """LEAN's `self.settings`.

    Attributes:
        free_portfolio_value: money kept free of targets; None keeps the percentage.
        free_portfolio_value_percentage: fraction kept free, default 0.0025.
        minimum_order_margin_portfolio_percentage: smaller changes of margin give no order.
        daily_precise_end_time: daily bars end at the close rather than at midnight.
    """

    free_portfolio_value = ExactNumber()
    free_portfolio_value_percentage = ExactNumber()
    minimum_order_margin_portfolio_percentage = ExactNumber()
    max_absolute_portfolio_target_percentage = ExactNumber()
    min_absolute_portfolio_target_percentage = ExactNumber()

    def __init__(self) -> None:
        self.free_portfolio_value_exact: Decimal | None = None
        self.free_portfolio_value_percentage_exact = Decimal("0.0025")
        self.minimum_order_margin_portfolio_percentage_exact = Decimal("0.001")
        self.max_absolute_portfolio_target_percentage_exact = Decimal(1000000000)
        self.min_absolute_portfolio_target_percentage_exact = Decimal("0.0000000001")
        self.liquidate_enabled = True
        self.daily_precise_end_time = True
        self.rebalance_portfolio_on_security_changes: bool | None = None
        self.rebalance_portfolio_on_insight_changes: bool | None = None
        self.stale_price_time_span = timedelta(hours=1)
        self.warmup_resolution: Resolution | None = None
        self.warm_up_resolution: Resolution | None = None
        self.trading_days_per_year: int | None = None
        self.automatic_indicator_warm_up = False
        self.seed_initial_prices = False
        self.ignore_unknown_asset_holdings = True
        self.data_subscription_limit = 2**31 - 1
        self.performance_sample_period = timedelta(0)

    def __getattr__(self, name: str) -> Any:
        return _known(self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        _set_known(self, name, value)


class ScheduleSettings:
    """When universes select."""

    def __init__(self) -> None:
        self.date_rule: Any = None

    def on(self, date_rule: Any) -> None:
        """Select on these days only."""
        self.date_rule = date_rule


class UniverseSettings:
    """LEAN's `self.universe_settings`: how securities of universes are subscribed."""

    def __init__(self) -> None:
        self.resolution = Resolution.MINUTE
        self.leverage: Any = None
        self.fill_forward = True
        self.extended_market_hours = False
        self.minimum_time_in_universe = timedelta(days=1)
        self.data_normalization_mode = DataNormalizationMode.ADJUSTED
        self.asynchronous = False
        self.schedule = ScheduleSettings()

    def __getattr__(self, name: str) -> Any:
        return _known(self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        _set_known(self, name, value)


def _known(instance: Any, name: str) -> Any:
    snake = snake_case(name)
    if snake == name:
        raise AttributeError(f"{type(instance).__name__} has no setting {name!r}")
    return getattr(instance, snake)


def _set_known(instance: Any, name: str, value: Any) -> None:
    """Refuse misspelled settings once the object is built."""
    snake = snake_case(name)
    known = snake in instance.__dict__ or hasattr(type(instance), snake)
    if not known and "performance_sample_period" in instance.__dict__:
        raise AttributeError(f"settings has no field {name!r}")
    object.__setattr__(instance, snake, value)
