"""When and at what price orders of equities fill.

An order fills completely or not at all. Except market orders, an order never fills in the time
step that submitted it (the broker sees to that), nor on data older than itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from engine.common.decimals import ZERO, text, to_decimal
from engine.common.enums import OrderDirection, OrderStatus, OrderType, Resolution
from engine.common.naming import LeanObject
from engine.market.data import QuoteBar, TradeBar
from engine.orders.orders import (
    LimitIfTouchedOrder,
    LimitOrder,
    MarketOnCloseOrder,
    MarketOnOpenOrder,
    MarketOrder,
    Order,
    OrderEvent,
    StopLimitOrder,
    StopMarketOrder,
    TrailingStopOrder,
)

_HOUR = timedelta(hours=1)


@dataclass
class FillModelParameters(LeanObject):
    """What a fill model is asked about."""

    security: Any
    order: Order
    stale_price_time_span: timedelta = _HOUR


class Fill(LeanObject):
    """The events that a fill model answers with."""

    def __init__(self, order_events: OrderEvent | list[OrderEvent]) -> None:
        self.order_events = order_events if isinstance(order_events, list) else [order_events]

    def __iter__(self) -> Any:
        return iter(self.order_events)


@dataclass(frozen=True)
class _Prices:
    end_time: datetime
    current: Decimal
    open: Decimal
    high: Decimal
    low: Decimal


def _event(asset: Any, order: Order) -> OrderEvent:
    return OrderEvent(order, asset.utc_time)


def _fill(event: OrderEvent, price: Decimal, quantity: Decimal, message: str = "") -> None:
    event.status = OrderStatus.FILLED
    event.fill_price_exact = price
    event.fill_quantity_exact = quantity
    event.message = message


def _configs(asset: Any) -> list[Any]:
    visible = [config for config in asset.subscriptions if not config.internal]
    if not visible:
        raise ValueError(f"cannot fill an order of {asset.symbol}: it has no subscription")
    return visible


def _subscribes(asset: Any, kind: type) -> bool:
    return any(config.type is kind for config in _configs(asset))


def _has_extended_hours(asset: Any) -> bool:
    return any(config.extended_hours for config in _configs(asset))


def _shown(time: datetime) -> str:
    """A time as .NET writes it."""
    return f"{time:%m/%d/%Y %H:%M:%S}"


def _at_open(cause: str, asset: Any, bar: TradeBar) -> str:
    """LEAN's words for a fill at the open."""
    return (
        f"Due to {cause} at {_shown(bar.end_time)} {asset.exchange.hours.time_zone}, "
        f"order filled using the open price ({text(bar.open_exact)})"
    )


class FillModel(LeanObject):
    """LEAN's fills; override one of the `..._fill` methods for another behaviour."""

    def __init__(self) -> None:
        self.parameters: Any = None

    def fill(self, parameters: FillModelParameters) -> Fill:
        """Try to fill an order.

        Raises:
            NotImplementedError: for kinds of orders that equities do not need.
        """
        self.parameters = parameters
        asset, order = parameters.security, parameters.order
        name = _METHODS.get(order.type)
        if name is None:
            raise NotImplementedError(f"fills of {order.type.net_name} orders")
        return Fill(getattr(self, name)(asset, order))

    # Prices ---------------------------------------------------------------------------------

    @staticmethod
    def is_exchange_open(asset: Any, extended_market_hours: bool = False) -> bool:
        """True if open now, or if the latest bar, just ended, reached into open hours."""
        hours, now = asset.exchange.hours, asset.local_time
        if hours.is_open(now, extended_market_hours):
            return True
        bar = asset.get_last_data()
        if bar is None:
            return False
        if bar.end_time - bar.time > _HOUR:
            current = now.date() == bar.end_time.date()
        else:
            current = now <= bar.end_time
        return current and hours.is_open_during(bar.time, bar.end_time, extended_market_hours)

    def _may_fill(self, asset: Any, order: Order, extended: bool = False) -> bool:
        return order.status != OrderStatus.CANCELED and self.is_exchange_open(asset, extended)

    def _fresh_bar(self, asset: Any, order: Order, extended: bool = False) -> TradeBar | None:
        """Latest trade bar if the order may fill on it: in open hours, younger than the order."""
        if not self._may_fill(asset, order, extended) or not _subscribes(asset, TradeBar):
            return None
        bar: Any = asset.cache.get_data(TradeBar)
        if bar is None or asset.exchange.hours.to_utc(bar.end_time) <= order.time_naive:
            return None
        return bar

    def _fresh_prices(self, asset: Any, order: Order, extended: bool = False) -> _Prices | None:
        """Prices that the order may fill at: in open hours, younger than the order."""
        if not self._may_fill(asset, order, extended):
            return None
        prices = self._prices(asset, order.direction)
        return prices if asset.exchange.hours.to_utc(prices.end_time) > order.time_naive else None

    def _best_price(
        self, asset: Any, order: Order, buying: bool
    ) -> tuple[Decimal, str, datetime | None]:
        """Ask or bid, else last trade.

        Returns:
            Price, message, and the UTC end of the data if it is stale.

        Raises:
            ValueError: if the security has no data at all.
        """
        hours = asset.exchange.hours
        span = self.parameters.stale_price_time_span if self.parameters else _HOUR
        cut_off = hours.from_utc(order.time_naive) - span
        best: Any = None
        price, message = ZERO, ""
        quote: Any = asset.cache.get_data(QuoteBar) if _subscribes(asset, QuoteBar) else None
        if quote is not None:
            side = quote.ask if buying else quote.bid
            price = side.close_exact if side is not None else quote.close_exact
            if quote.end_time >= cut_off:
                return price, "", None
            best = quote
            message = (
                f"Warning: fill at stale price ({_shown(quote.end_time)} {hours.time_zone}), "
                "using QuoteBar data."
            )
        trade: Any = asset.cache.get_data(TradeBar) if _subscribes(asset, TradeBar) else None
        if trade is not None and (best is None or trade.end_time > best.end_time):
            message = (
                f"Warning: No quote information available at {_shown(trade.end_time)} "
                f"{hours.time_zone}, order filled using TradeBar data"
            )
            if trade.end_time >= cut_off:
                return trade.value_exact, message, None
            best, price = trade, trade.value_exact
        if best is None:
            raise ValueError(f"no market data to fill an order of {asset.symbol}")
        return price, message, hours.to_utc(best.end_time)

    @staticmethod
    def _prices(asset: Any, direction: OrderDirection) -> _Prices:
        """Bid or ask bar, else trade bar, else the security's own prices."""
        quote: Any = asset.cache.get_data(QuoteBar) if _subscribes(asset, QuoteBar) else None
        if quote is not None:
            bar = quote.bid if direction == OrderDirection.SELL else quote.ask
            if bar is not None:
                return _Prices(
                    quote.end_time, bar.close_exact, bar.open_exact, bar.high_exact, bar.low_exact
                )
        trade: Any = asset.cache.get_data(TradeBar) if _subscribes(asset, TradeBar) else None
        if trade is not None:
            return _Prices(
                trade.end_time,
                trade.value_exact,
                trade.open_exact,
                trade.high_exact,
                trade.low_exact,
            )
        last = asset.get_last_data()
        return _Prices(
            last.end_time if last is not None else datetime.min,
            asset.price_exact,
            asset.open_exact,
            asset.high_exact,
            asset.low_exact,
        )

    @staticmethod
    def _slippage(asset: Any, order: Order) -> Decimal:
        return to_decimal(asset.slippage_model.get_slippage_approximation(asset, order))

    # Orders ---------------------------------------------------------------------------------

    def market_fill(self, asset: Any, order: MarketOrder) -> OrderEvent:
        """At the ask or bid; hour and daily data wait for a fresh bar if the price is stale."""
        fill = _event(asset, order)
        if not self._may_fill(asset, order):
            return fill
        slip = self._slippage(asset, order)
        buying = order.direction == OrderDirection.BUY
        price, message, stale_since = self._best_price(asset, order, buying)
        if stale_since is not None and self._waits(asset, stale_since, order.time_naive):
            return fill
        _fill(fill, price + slip if buying else price - slip, order.quantity_exact, message)
        return fill

    @staticmethod
    def _waits(asset: Any, data_end: datetime, order_time: datetime) -> bool:
        configs = _configs(asset)
        if all(config.resolution in (Resolution.HOUR, Resolution.DAILY) for config in configs):
            return True
        span = min(config.increment for config in configs)
        return bool(span) and order_time - data_end > span

    def limit_fill(self, asset: Any, order: LimitOrder) -> OrderEvent:
        """If the bar goes beyond the limit: at the limit, or at a better open."""
        fill = _event(asset, order)
        bar = self._fresh_bar(asset, order, _has_extended_hours(asset))
        if bar is None:
            return fill
        limit = order.limit_price_exact
        buying = order.direction == OrderDirection.BUY
        if (buying and bar.low_exact < limit) or (not buying and bar.high_exact > limit):
            gap = bar.open_exact < limit if buying else bar.open_exact > limit
            message = _at_open("a favorable gap", asset, bar) if gap else ""
            _fill(fill, bar.open_exact if gap else limit, order.quantity_exact, message)
        return fill

    def stop_market_fill(self, asset: Any, order: StopMarketOrder) -> OrderEvent:
        """If the bar touches the stop: at the stop, or at a worse open."""
        fill = _event(asset, order)
        bar = self._fresh_bar(asset, order)
        if bar is None:
            return fill
        stop = order.stop_price_exact
        buying = order.direction == OrderDirection.BUY
        if (buying and bar.high_exact >= stop) or (not buying and bar.low_exact <= stop):
            slip = self._slippage(asset, order)
            gap = bar.open_exact >= stop if buying else bar.open_exact <= stop
            price = bar.open_exact if gap else stop
            message = _at_open("an unfavorable gap", asset, bar) if gap else ""
            _fill(fill, price + slip if buying else price - slip, order.quantity_exact, message)
        return fill

    def trailing_stop_fill(self, asset: Any, order: TrailingStopOrder) -> OrderEvent:
        """A stop at the worse of stop and market; an unfilled one follows the market."""
        fill = _event(asset, order)
        prices = self._fresh_prices(asset, order)
        if prices is None:
            return fill
        slip = self._slippage(asset, order)
        stop = order.stop_price_exact
        selling = order.direction == OrderDirection.SELL
        if selling and prices.low <= stop:
            _fill(fill, min(stop, prices.current - slip), order.quantity_exact)
        elif not selling and prices.high >= stop:
            _fill(fill, max(stop, prices.current + slip), order.quantity_exact)
        else:
            updated = TrailingStopOrder.updated_stop_price(
                prices.high if selling else prices.low,
                stop,
                order.trailing_amount_exact,
                order.trailing_as_percentage,
                order.direction,
            )
            if updated is not None:
                order.stop_price_exact = updated
        return fill

    def stop_limit_fill(self, asset: Any, order: StopLimitOrder) -> OrderEvent:
        """Once the stop is passed, as a limit order on the bar's close."""
        fill = _event(asset, order)
        prices = self._fresh_prices(asset, order, _has_extended_hours(asset))
        if prices is None:
            return fill
        limit, stop = order.limit_price_exact, order.stop_price_exact
        if order.direction == OrderDirection.BUY:
            order.stop_triggered = order.stop_triggered or prices.high > stop
            if order.stop_triggered and prices.current < limit:
                _fill(fill, min(prices.high, limit), order.quantity_exact)
        elif order.direction == OrderDirection.SELL:
            order.stop_triggered = order.stop_triggered or prices.low < stop
            if order.stop_triggered and prices.current > limit:
                _fill(fill, max(prices.low, limit), order.quantity_exact)
        return fill

    def limit_if_touched_fill(self, asset: Any, order: LimitIfTouchedOrder) -> OrderEvent:
        """Once the trigger is touched, at the market if that is within the limit."""
        fill = _event(asset, order)
        bar = self._fresh_bar(asset, order, _has_extended_hours(asset))
        if bar is None:
            return fill
        limit, trigger = order.limit_price_exact, order.trigger_price_exact
        buying = order.direction == OrderDirection.BUY
        touched = bar.low_exact <= trigger if buying else bar.high_exact >= trigger
        order.trigger_touched = order.trigger_touched or touched
        if order.trigger_touched:
            price, message, _ = self._best_price(asset, order, buying)
            if (buying and price <= limit) or (not buying and price >= limit):
                _fill(fill, price, order.quantity_exact, message)
        return fill

    def market_on_open_fill(self, asset: Any, order: MarketOnOpenOrder) -> OrderEvent:
        """At the open of the first bar that starts at or after the order."""
        fill = _event(asset, order)
        if order.status == OrderStatus.CANCELED:
            return fill
        hours = asset.exchange.hours
        placed = hours.from_utc(order.time_naive)
        end = datetime.min
        price, message = ZERO, ""
        if _subscribes(asset, TradeBar):
            bar: Any = asset.cache.get_data(TradeBar)
            if bar is not None:
                if bar.time < placed:
                    return fill
                if bar.period < _HOUR and not hours.is_open(bar.time):
                    return fill
                end, price = bar.end_time, bar.open_exact
        else:
            message = "Warning: No trade information available, order filled using Quote data"
        if placed >= end:
            return fill
        if hours.is_open(placed) and placed.date() == end.date():
            return fill
        if not self.is_exchange_open(asset):
            return fill
        self._fill_or_quote(fill, asset, order, price, message)
        return fill

    def market_on_close_fill(self, asset: Any, order: MarketOnCloseOrder) -> OrderEvent:
        """At the close of the bar that ends the session."""
        fill = _event(asset, order)
        if order.status == OrderStatus.CANCELED:
            return fill
        hours = asset.exchange.hours
        if asset.local_time < hours.get_next_market_close(hours.from_utc(order.time_naive)):
            return fill
        price, message = ZERO, ""
        if _subscribes(asset, TradeBar):
            bar: Any = asset.cache.get_data(TradeBar)
            price = bar.value_exact if bar is not None else ZERO
        else:
            message = "Warning: No trade information available, order filled using Quote data"
        self._fill_or_quote(fill, asset, order, price, message)
        return fill

    def _fill_or_quote(
        self, fill: OrderEvent, asset: Any, order: Order, price: Decimal, message: str
    ) -> None:
        slip = self._slippage(asset, order)
        buying = order.direction == OrderDirection.BUY
        if not price:
            price, extra, _ = self._best_price(asset, order, buying)
            message += extra
        _fill(fill, price + slip if buying else price - slip, order.quantity_exact, message)


class EquityFillModel(FillModel):
    """LEAN's name for the fills of equities."""


class ImmediateFillModel(FillModel):
    """LEAN's name for its base fills; equities use the rules above."""


_METHODS = {
    OrderType.MARKET: "market_fill",
    OrderType.LIMIT: "limit_fill",
    OrderType.STOP_MARKET: "stop_market_fill",
    OrderType.STOP_LIMIT: "stop_limit_fill",
    OrderType.TRAILING_STOP: "trailing_stop_fill",
    OrderType.LIMIT_IF_TOUCHED: "limit_if_touched_fill",
    OrderType.MARKET_ON_OPEN: "market_on_open_fill",
    OrderType.MARKET_ON_CLOSE: "market_on_close_fill",
}
