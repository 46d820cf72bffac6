"""When and at what price orders fill: LEAN's base model, the one of all securities but equities.

An order fills completely or not at all. Except market orders, an order never fills in the time
step that submitted it (the broker sees to that), nor on data older than itself.

An algorithm's own model derives from a model here; `fill` calls its `..._fill` methods, and these
its `get_prices`. Prices are floats, `<name>_exact` the Decimal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from engine.brokerage.fees import slippage
from engine.common.decimals import ZERO, ExactNumber, to_decimal
from engine.common.enums import OrderDirection, OrderStatus, OrderType, Resolution, SecurityType
from engine.common.naming import DirectObject
from engine.common.pairs import PairsDict
from engine.market.data import QuoteBar, TradeBar
from engine.orders.combo_orders import ComboLegLimitOrder, ComboLimitOrder, ComboMarketOrder
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

HOUR = timedelta(hours=1)
# LEAN follows Interactive Brokers, whose limit prices of stock legs count hundreds of shares.
_SHARES_OF_A_LEG = 100


def _ignore(_: Order) -> None:
    """Nobody listens."""


class FillModelParameters(DirectObject):
    """What a fill model is asked about.

    Attributes:
        securities_for_orders: security of each order: one, or those of a combination; iterated by
            pairs of key and value.
        stale_price_time_span: data older than this before the order is stale.
        on_order_updated: told of an order that the model has changed.
    """

    def __init__(
        self,
        security: Any,
        order: Order,
        config_provider: Any = None,
        stale_price_time_span: timedelta = HOUR,
        securities_for_orders: dict[Order, Any] | None = None,
        on_order_updated: Callable[[Order], None] = _ignore,
    ) -> None:
        self.security = security
        self.order = order
        self.config_provider = config_provider
        self.stale_price_time_span = stale_price_time_span
        self.securities_for_orders = PairsDict(
            {order: security} if securities_for_orders is None else securities_for_orders
        )
        self.on_order_updated = on_order_updated


class Fill(DirectObject):
    """The events that a fill model answers with."""

    def __init__(self, order_events: OrderEvent | list[OrderEvent]) -> None:
        self._events = order_events if isinstance(order_events, list) else [order_events]

    def __iter__(self) -> Iterator[OrderEvent]:
        return iter(self._events)


class Prices(DirectObject):
    """Prices that an order may fill at, and the span (exchange time) that they are of.

    (bar), (time, end time, bar) or (time, end time, current, open, high, low, close), each of which
    may be named; a price of 0 stands for the current one.
    """

    current = ExactNumber()
    open = ExactNumber()
    high = ExactNumber()
    low = ExactNumber()
    close = ExactNumber()

    def __init__(
        self,
        time: Any = None,
        end_time: Any = None,
        current: Any = None,
        open: Any = ZERO,
        high: Any = ZERO,
        low: Any = ZERO,
        close: Any = ZERO,
        *,
        bar: Any = None,
    ) -> None:
        if bar is None and not isinstance(time, datetime):
            bar, time = time, None
        elif bar is None and hasattr(current, "open_exact"):
            bar = current
        if bar is not None:
            time = bar.time if time is None else time
            end_time = bar.end_time if end_time is None else end_time
            current = close = bar.value_exact if isinstance(bar, TradeBar) else bar.close_exact
            open, high, low = bar.open_exact, bar.high_exact, bar.low_exact
        self.time: datetime = time
        self.end_time: datetime = end_time
        self.current_exact = to_decimal(current)
        self.open_exact = to_decimal(open) or self.current_exact
        self.high_exact = to_decimal(high) or self.current_exact
        self.low_exact = to_decimal(low) or self.current_exact
        self.close_exact = to_decimal(close) or self.current_exact


def new_event(asset: Any, order: Order) -> OrderEvent:
    """An event that has not filled anything yet."""
    return OrderEvent(order, asset.utc_time)


def fill_all(event: OrderEvent, price: Decimal, quantity: Decimal, message: str = "") -> None:
    """Fill an order completely."""
    event.status = OrderStatus.FILLED
    event.fill_price_exact = price
    event.fill_quantity_exact = quantity
    event.message = message


def configs(asset: Any) -> list[Any]:
    """Subscriptions whose data the algorithm gets.

    Raises:
        ValueError: if there is none.
    """
    visible = [config for config in asset.subscriptions if not config.internal]
    if not visible:
        raise ValueError(f"cannot fill an order of {asset.symbol}: it has no subscription")
    return visible


def subscribes(asset: Any, kind: type) -> bool:
    """True if the algorithm gets data of a class."""
    return any(config.type is kind for config in configs(asset))


def latest(asset: Any, kind: type) -> Any:
    """Latest bar of a class, None without one or if the algorithm gets no data of it."""
    return asset.cache.get_data(kind) if subscribes(asset, kind) else None


def has_extended_hours(asset: Any) -> bool:
    """True if the algorithm gets data of the extended hours."""
    return any(config.extended_hours for config in configs(asset))


def shown(time: datetime) -> str:
    """A time as .NET writes it."""
    return f"{time:%m/%d/%Y %H:%M:%S}"


def slipped(price: Decimal, slip: Decimal, order: Order) -> Decimal:
    """A price moved against an order by its slippage."""
    return price + slip if order.direction == OrderDirection.BUY else price - slip


def is_exchange_open(asset: Any, extended_market_hours: bool = False) -> bool:
    """True if open now, or if the latest bar, just ended, reached into open hours."""
    hours, now = asset.exchange.hours, asset.local_time
    if hours.is_open(now, extended_market_hours):
        return True
    bar = asset.get_last_data()
    if bar is None:
        return False
    if bar.end_time - bar.time > HOUR:
        current = now.date() == bar.end_time.date()
    else:
        current = now <= bar.end_time
    return current and hours.is_open_during(bar.time, bar.end_time, extended_market_hours)


def only_coarse(asset: Any) -> bool:
    """True if all data of a security are hourly or daily."""
    coarse = (Resolution.HOUR, Resolution.DAILY)
    return all(config.resolution in coarse for config in configs(asset))


def waits_for_fresh_data(asset: Any, data_end: datetime, order_time: datetime) -> bool:
    """True if an order (UTC) shall not fill on data that ended (UTC) more than a bar before it."""
    if only_coarse(asset):
        return True
    span = min(config.increment for config in configs(asset))
    return bool(span) and order_time - data_end > span


class FillModel(DirectObject):
    """LEAN's base fills; override one of the `..._fill` methods for another behaviour."""

    def __init__(self) -> None:
        self.parameters: Any = None

    def fill(self, parameters: FillModelParameters) -> Fill:
        """Try to fill an order.

        Raises:
            NotImplementedError: for kinds of orders that equities do not need.
        """
        self.parameters = parameters
        order = parameters.order
        name = _METHODS.get(order.type)
        if name is not None:
            return Fill(getattr(self, name)(parameters.security, order))
        name = _COMBO_METHODS.get(order.type)
        if name is None:
            raise NotImplementedError(f"fills of {order.type.net_name} orders")
        return Fill(getattr(self, name)(order, parameters))

    @property
    def _stale_span(self) -> timedelta:
        return self.parameters.stale_price_time_span if self.parameters else HOUR

    @staticmethod
    def is_exchange_open(asset: Any, is_extended_market_hours: bool = False) -> bool:
        """True if open now, or if the latest bar, just ended, reached into open hours."""
        return is_exchange_open(asset, is_extended_market_hours)

    def get_prices(self, asset: Any, direction: OrderDirection) -> Prices:
        """Bid or ask bar, else trade bar, else the security's own prices."""
        quote = latest(asset, QuoteBar)
        if quote is not None and direction != OrderDirection.HOLD:
            bar = quote.bid if direction == OrderDirection.SELL else quote.ask
            if bar is not None:
                return Prices(quote.time, quote.end_time, bar)
        trade = latest(asset, TradeBar)
        if trade is not None and direction != OrderDirection.HOLD:
            return Prices(trade)
        return self._own_prices(asset)

    @staticmethod
    def _own_prices(asset: Any) -> Prices:
        last = asset.get_last_data()
        return Prices(
            last.time if last is not None else datetime.min,
            last.end_time if last is not None else datetime.min,
            asset.price_exact,
            asset.open_exact,
            asset.high_exact,
            asset.low_exact,
            asset.close_exact,
        )

    @staticmethod
    def _may_fill(asset: Any, order: Order, extended: bool = False) -> bool:
        return order.status != OrderStatus.CANCELED and is_exchange_open(asset, extended)

    def _fresh_prices(self, asset: Any, order: Order, extended: bool = False) -> Prices | None:
        """Prices that the order may fill at: in open hours, younger than the order."""
        if not self._may_fill(asset, order, extended):
            return None
        prices = self.get_prices(asset, order.direction)
        return prices if asset.exchange.hours.to_utc(prices.end_time) > order.time_naive else None

    def _fresh_bar(self, asset: Any, order: Order, extended: bool = False) -> TradeBar | None:
        """Latest trade bar if the order may fill on it: in open hours, younger than the order."""
        bar: TradeBar | None = None
        if self._may_fill(asset, order, extended):
            bar = latest(asset, TradeBar)
        if bar is None or asset.exchange.hours.to_utc(bar.end_time) <= order.time_naive:
            return None
        return bar

    # Orders ---------------------------------------------------------------------------------

    def market_fill(self, asset: Any, order: MarketOrder) -> OrderEvent:
        """At the ask or bid; an order that waited for a bar of an hour or a day, at its open."""
        return self._market(asset, order)

    def _market(self, asset: Any, order: Order) -> OrderEvent:
        fill = new_event(asset, order)
        if not self._may_fill(asset, order):
            return fill
        hours = asset.exchange.hours
        prices = self.get_prices(asset, order.direction)
        ended = hours.to_utc(prices.end_time)
        message = ""
        if order.time_naive - ended > self._stale_span:
            if waits_for_fresh_data(asset, ended, order.time_naive):
                return fill
            message = f"Warning: fill at stale price ({shown(prices.end_time)} {hours.time_zone})"
        price = prices.current_exact
        if only_coarse(asset) and order.time_naive <= hours.to_utc(prices.time):
            price = prices.open_exact
        price = slipped(price, slippage(asset, order), order)
        fill_all(fill, price, order.quantity_exact, message)
        return fill

    def limit_fill(self, asset: Any, order: LimitOrder) -> OrderEvent:
        """If the prices go beyond the limit: at the limit, or at the worse end of a better bar."""
        return self._limit(asset, order, order.limit_price_exact)

    def _limit(self, asset: Any, order: Order, limit: Decimal) -> OrderEvent:
        fill = new_event(asset, order)
        prices = self._fresh_prices(asset, order, has_extended_hours(asset))
        if prices is None:
            return fill
        if order.direction == OrderDirection.BUY:
            if prices.low_exact < limit:
                fill_all(fill, min(prices.high_exact, limit), order.quantity_exact)
        elif prices.high_exact > limit:
            fill_all(fill, max(prices.low_exact, limit), order.quantity_exact)
        return fill

    def stop_market_fill(self, asset: Any, order: StopMarketOrder) -> OrderEvent:
        """If the prices pass the stop: at the worse of stop and market."""
        fill = new_event(asset, order)
        prices = self._fresh_prices(asset, order)
        if prices is None:
            return fill
        slip, stop, current = slippage(asset, order), order.stop_price_exact, prices.current_exact
        if order.direction == OrderDirection.SELL:
            if prices.low_exact < stop:
                fill_all(fill, min(stop, current - slip), order.quantity_exact)
        elif prices.high_exact > stop:
            fill_all(fill, max(stop, current + slip), order.quantity_exact)
        return fill

    def trailing_stop_fill(self, asset: Any, order: TrailingStopOrder) -> OrderEvent:
        """A stop at the worse of stop and market; an unfilled one follows the market."""
        fill = new_event(asset, order)
        prices = self._fresh_prices(asset, order)
        if prices is None:
            return fill
        slip = slippage(asset, order)
        stop = order.stop_price_exact
        selling = order.direction == OrderDirection.SELL
        if selling and prices.low_exact <= stop:
            fill_all(fill, min(stop, prices.current_exact - slip), order.quantity_exact)
        elif not selling and prices.high_exact >= stop:
            fill_all(fill, max(stop, prices.current_exact + slip), order.quantity_exact)
        else:
            updated = TrailingStopOrder.updated_stop_price(
                prices.high_exact if selling else prices.low_exact,
                stop,
                order.trailing_amount_exact,
                order.trailing_as_percentage,
                order.direction,
            )
            if updated is not None:
                order.stop_price_exact = updated
                self._tell(order)
        return fill

    def _tell(self, order: Order) -> None:
        if self.parameters is not None:
            self.parameters.on_order_updated(order)

    def stop_limit_fill(self, asset: Any, order: StopLimitOrder) -> OrderEvent:
        """Once the stop is passed, as a limit order on the bar's close."""
        fill = new_event(asset, order)
        prices = self._fresh_prices(asset, order, has_extended_hours(asset))
        if prices is None:
            return fill
        limit, stop = order.limit_price_exact, order.stop_price_exact
        buying = order.direction == OrderDirection.BUY
        passed = prices.high_exact > stop if buying else prices.low_exact < stop
        if passed and not order.stop_triggered:
            order.stop_triggered = True
            self._tell(order)
        if order.stop_triggered:
            if buying and prices.current_exact < limit:
                fill_all(fill, min(prices.high_exact, limit), order.quantity_exact)
            elif not buying and prices.current_exact > limit:
                fill_all(fill, max(prices.low_exact, limit), order.quantity_exact)
        return fill

    def limit_if_touched_fill(self, asset: Any, order: LimitIfTouchedOrder) -> OrderEvent:
        """Once the trigger is touched, at the limit if the other side's quote allows it."""
        fill = new_event(asset, order)
        bar = self._fresh_bar(asset, order, has_extended_hours(asset))
        if bar is None:
            return fill
        limit, trigger = order.limit_price_exact, order.trigger_price_exact
        buying = order.direction == OrderDirection.BUY
        touched = bar.low_exact <= trigger if buying else bar.high_exact >= trigger
        order.trigger_touched = order.trigger_touched or touched
        if order.trigger_touched:
            price = self._quoted(asset, bid=buying)
            if (buying and price <= limit) or (not buying and price >= limit):
                fill_all(fill, limit, order.quantity_exact)
        return fill

    @staticmethod
    def _quoted(asset: Any, bid: bool) -> Decimal:
        """Latest bid or ask, else the last trade."""
        quote = latest(asset, QuoteBar)
        if quote is not None:
            side = quote.bid if bid else quote.ask
            return side.close_exact if side is not None else quote.close_exact
        trade: Any = asset.cache.get_data(TradeBar)
        return trade.value_exact

    def market_on_open_fill(self, asset: Any, order: MarketOnOpenOrder) -> OrderEvent:
        """At the open of the first bar of a session that ends after the order."""
        fill = new_event(asset, order)
        hours = asset.exchange.hours
        placed = hours.from_utc(order.time_naive)
        last = asset.get_last_data()
        if order.status == OrderStatus.CANCELED or last is None or placed >= last.end_time:
            return fill
        if hours.is_open(placed) and placed.date() == asset.local_time.date():
            return fill
        if is_exchange_open(asset):
            self._at_auction(fill, asset, order, self.get_prices(asset, order.direction).open_exact)
        return fill

    def market_on_close_fill(self, asset: Any, order: MarketOnCloseOrder) -> OrderEvent:
        """At the close, once the session has ended."""
        fill = new_event(asset, order)
        hours = asset.exchange.hours
        closing = hours.get_next_market_close(hours.from_utc(order.time_naive))
        if order.status != OrderStatus.CANCELED and asset.local_time >= closing:
            price = self.get_prices(asset, order.direction).close_exact
            self._at_auction(fill, asset, order, price)
        return fill

    @staticmethod
    def _at_auction(fill: OrderEvent, asset: Any, order: Order, price: Decimal) -> None:
        fill_all(fill, slipped(price, slippage(asset, order), order), order.quantity_exact)

    # Combinations ---------------------------------------------------------------------------

    @staticmethod
    def _legs(parameters: FillModelParameters) -> list[tuple[Any, Any]]:
        pairs = parameters.securities_for_orders.items()
        return sorted(pairs, key=lambda pair: pair[0].id)

    def combo_market_fill(
        self, order: ComboMarketOrder, parameters: FillModelParameters
    ) -> list[OrderEvent]:
        """All legs at the market, or none."""
        return self._all_or_none(
            [self._market(asset, leg) for leg, asset in self._legs(parameters)]
        )

    def combo_leg_limit_fill(
        self, order: ComboLegLimitOrder, parameters: FillModelParameters
    ) -> list[OrderEvent]:
        """All legs, each by its own limit, or none."""
        return self._all_or_none(
            [
                self._limit(asset, leg, leg.limit_price_exact)
                for leg, asset in self._legs(parameters)
            ]
        )

    @staticmethod
    def _all_or_none(fills: list[OrderEvent]) -> list[OrderEvent]:
        return fills if all(fill.status == OrderStatus.FILLED for fill in fills) else []

    def combo_limit_fill(
        self, order: ComboLimitOrder, parameters: FillModelParameters
    ) -> list[OrderEvent]:
        """All legs at their best prices once these together are beyond the limit."""
        manager: Any = order.group_order_manager
        buying = manager.direction == OrderDirection.BUY
        total = ZERO
        legs = []
        for leg, asset in self._legs(parameters):
            prices = self.get_prices(asset, leg.direction)
            if asset.exchange.hours.to_utc(prices.end_time) < leg.time_naive:
                return []
            price = prices.low_exact if buying else prices.high_exact
            ratio = leg.ratio_exact
            if asset.type == SecurityType.EQUITY:
                ratio /= _SHARES_OF_A_LEG
            total += price * ratio
            legs.append((leg, asset, price))
        limit = manager.limit_price_exact
        if not (total < limit if buying else total > limit):
            return []
        fills = []
        for leg, asset, price in legs:
            fill = new_event(asset, leg)
            fill_all(fill, price, leg.quantity_exact)
            fills.append(fill)
        return fills


class ImmediateFillModel(FillModel):
    """LEAN's name for its base fills."""


class LatestPriceFillModel(ImmediateFillModel):
    """Fills at the newer of quote and trade."""

    def get_prices(self, asset: Any, direction: OrderDirection) -> Prices:
        """Bid or ask bar unless a trade is newer, else the security's own prices."""
        quote: Any = asset.cache.get_data(QuoteBar)
        if direction == OrderDirection.HOLD or quote is None:
            return self._own_prices(asset)
        trade: Any = asset.cache.get_data(TradeBar)
        if trade is not None and trade.end_time > quote.end_time:
            return Prices(trade)
        bar = quote.bid if direction == OrderDirection.SELL else quote.ask
        return (
            Prices(quote.time, quote.end_time, bar) if bar is not None else self._own_prices(asset)
        )


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
_COMBO_METHODS = {
    OrderType.COMBO_MARKET: "combo_market_fill",
    OrderType.COMBO_LIMIT: "combo_limit_fill",
    OrderType.COMBO_LEG_LIMIT: "combo_leg_limit_fill",
}
