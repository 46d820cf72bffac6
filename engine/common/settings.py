"""Settings an algorithm may change in `initialize`."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any, ClassVar

from engine.common.decimals import ExactNumber, to_decimal
from engine.common.enums import DataNormalizationMode, Resolution
from engine.common.naming import LeanObject, has_own, missing_attribute, snake_case
from engine.common.net_values import Reader, member_of, optional, read_bool, read_int, read_span


class _Settings(LeanObject):
    """What takes no names but those it begins with; a subclass calls `_build` last.

    `_readers` converts what is set afterwards, as LEAN's types ask for.
    """

    _built = False
    _readers: ClassVar[dict[str, Reader]] = {}

    def _build(self) -> None:
        self._built = True

    def __setattr__(self, name: str, value: Any) -> None:
        snake = snake_case(name)
        cls = type(self)
        if self._built and snake not in self.__dict__ and not has_own(cls, snake):
            raise missing_attribute(cls, name)
        read = self._readers.get(snake)
        object.__setattr__(self, snake, value if read is None or not self._built else read(value))


_of_settings: dict[str, Reader] = {
    "free_portfolio_value_percentage": to_decimal,
    "minimum_order_margin_portfolio_percentage": to_decimal,
    "max_absolute_portfolio_target_percentage": to_decimal,
    "min_absolute_portfolio_target_percentage": to_decimal,
    "liquidate_enabled": read_bool,
    "daily_precise_end_time": read_bool,
    "daily_consolidation_use_extended_market_hours": read_bool,
    "rebalance_portfolio_on_security_changes": optional(read_bool),
    "rebalance_portfolio_on_insight_changes": optional(read_bool),
    "stale_price_time_span": read_span,
    "warmup_resolution": optional(member_of(Resolution)),
    "warm_up_resolution": optional(member_of(Resolution)),
    "trading_days_per_year": optional(read_int),
    "automatic_indicator_warm_up": read_bool,
    "seed_initial_prices": read_bool,
    "ignore_unknown_asset_holdings": read_bool,
    "data_subscription_limit": read_int,
    "performance_sample_period": read_span,
}
_of_universes: dict[str, Reader] = {
    "resolution": member_of(Resolution),
    "leverage": to_decimal,
    "fill_forward": read_bool,
    "extended_market_hours": read_bool,
    "minimum_time_in_universe": read_span,
    "data_normalization_mode": member_of(DataNormalizationMode),
    "asynchronous": optional(read_bool),
}


class AlgorithmSettings(_Settings):
    """LEAN's `self.settings`.

    Attributes:
        free_portfolio_value: money kept free of targets; None keeps the percentage.
        free_portfolio_value_percentage: fraction kept free, default 0.0025.
        minimum_order_margin_portfolio_percentage: smaller changes of margin give no order.
        daily_precise_end_time: daily bars end at the close rather than at midnight.
    """

    _readers = _of_settings
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
        self.daily_consolidation_use_extended_market_hours = False
        self.rebalance_portfolio_on_security_changes: bool | None = None
        self.rebalance_portfolio_on_insight_changes: bool | None = None
        self.stale_price_time_span = timedelta(hours=1)
        self.warmup_resolution: Resolution | None = None
        self.trading_days_per_year: int | None = None
        self.automatic_indicator_warm_up = False
        self.seed_initial_prices = False
        self.ignore_unknown_asset_holdings = True
        self.data_subscription_limit = 2**31 - 1
        self.performance_sample_period = timedelta(0)
        self._build()

    @property
    def warm_up_resolution(self) -> Resolution | None:
        """LEAN's older name of `warmup_resolution`."""
        return self.warmup_resolution

    @warm_up_resolution.setter
    def warm_up_resolution(self, resolution: Resolution | None) -> None:
        self.warmup_resolution = resolution


class ScheduleSettings(LeanObject):
    """When universes select."""

    def __init__(self) -> None:
        self.date_rule: Any = None

    @property
    def initialized(self) -> bool:
        """Whether there is a rule."""
        return self.date_rule is not None

    def on(self, date_rule: Any) -> None:
        """Select on these days only."""
        self.date_rule = date_rule


class UniverseSettings(_Settings):
    """LEAN's `self.universe_settings`: how securities of universes are subscribed."""

    _readers = _of_universes
    leverage = ExactNumber()

    def __init__(
        self,
        resolution: Any = Resolution.MINUTE,
        leverage: Any = 0.0,
        fill_forward: bool = True,
        extended_market_hours: bool = False,
        minimum_time_in_universe: timedelta = timedelta(days=1),
        data_normalization_mode: DataNormalizationMode = DataNormalizationMode.ADJUSTED,
        data_mapping_mode: Any = None,
        contract_depth_offset: int = 0,
        asynchronous: bool | None = None,
        selection_date_rule: Any = None,
        *,
        universe_settings: UniverseSettings | None = None,
    ) -> None:
        """Settings of their own, or a copy of others; those of contracts matter to futures only."""
        model = resolution if isinstance(resolution, UniverseSettings) else universe_settings
        self.resolution = resolution
        self.leverage_exact = to_decimal(leverage)
        self.fill_forward = fill_forward
        self.extended_market_hours = extended_market_hours
        self.minimum_time_in_universe = minimum_time_in_universe
        self.data_normalization_mode = data_normalization_mode
        self.asynchronous = asynchronous
        self.schedule = ScheduleSettings()
        if selection_date_rule is not None:
            self.schedule.on(selection_date_rule)
        if model is not None:
            vars(self).update(vars(model))
            self.schedule = ScheduleSettings()
            self.schedule.date_rule = model.schedule.date_rule
        self._build()
