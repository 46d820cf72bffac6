"""When and at what price orders of equities fill: on trade bars, market orders on quotes."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from engine.brokerage.fees import slippage
from engine.brokerage.fill_model import (
    HOUR,
    FillModel,
    fill_all,
    has_extended_hours,
    is_exchange_open,
    latest,
    new_event,
    shown,
    slipped,
    subscribes,
    waits_for_fresh_data,
)
from engine.common.decimals import ZERO, text
from engine.common.enums import OrderDirection, OrderStatus
from engine.market.data import QuoteBar, TradeBar
from engine.orders.orders import (
    LimitIfTouchedOrder,
    LimitOrder,
    MarketOnCloseOrder,
    MarketOnOpenOrder,
    MarketOrder,
    Order,
    OrderEvent,
    StopMarketOrder,
)


def _at_open(cause: str, asset: Any, bar: TradeBar) -> str:
    """LEAN's words for a fill at the open."""
    return (
        f"Due to {cause} at {shown(bar.end_time)} {asset.exchange.hours.time_zone}, "
        f"order filled using the open price ({text(bar.open_exact)})"
    )


class EquityFillModel(FillModel):
    """LEAN's fills of equities."""

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
        span = self._stale_span
        cut_off = hours.from_utc(order.time_naive) - span
        best: Any = None
        price, message = ZERO, ""
        quote = latest(asset, QuoteBar)
        if quote is not None:
            side = quote.ask if buying else quote.bid
            price = side.close_exact if side is not None else quote.close_exact
            if quote.end_time >= cut_off:
                return price, "", None
            best = quote
            message = (
                f"Warning: fill at stale price ({shown(quote.end_time)} {hours.time_zone}), "
                "using QuoteBar data."
            )
        trade = latest(asset, TradeBar)
        if trade is not None and (best is None or trade.end_time > best.end_time):
            message = (
                f"Warning: No quote information available at {shown(trade.end_time)} "
                f"{hours.time_zone}, order filled using TradeBar data"
            )
            if trade.end_time >= cut_off:
                return trade.value_exact, message, None
            best, price = trade, trade.value_exact
        if best is None:
            raise ValueError(f"no market data to fill an order of {asset.symbol}")
        return price, message, hours.to_utc(best.end_time)

    def market_fill(self, asset: Any, order: MarketOrder) -> OrderEvent:
        """At the ask or bid; hour and daily data wait for a fresh bar if the price is stale."""
        fill = new_event(asset, order)
        if not self._may_fill(asset, order):
            return fill
        slip = slippage(asset, order)
        buying = order.direction == OrderDirection.BUY
        price, message, stale_since = self._best_price(asset, order, buying)
        if stale_since is not None and waits_for_fresh_data(asset, stale_since, order.time_naive):
            return fill
        fill_all(fill, slipped(price, slip, order), order.quantity_exact, message)
        return fill

    def limit_fill(self, asset: Any, order: LimitOrder) -> OrderEvent:
        """If the bar goes beyond the limit: at the limit, or at a better open."""
        fill = new_event(asset, order)
        bar = self._fresh_bar(asset, order, has_extended_hours(asset))
        if bar is None:
            return fill
        limit = order.limit_price_exact
        buying = order.direction == OrderDirection.BUY
        if (buying and bar.low_exact < limit) or (not buying and bar.high_exact > limit):
            gap = bar.open_exact < limit if buying else bar.open_exact > limit
            message = _at_open("a favorable gap", asset, bar) if gap else ""
            fill_all(fill, bar.open_exact if gap else limit, order.quantity_exact, message)
        return fill

    def stop_market_fill(self, asset: Any, order: StopMarketOrder) -> OrderEvent:
        """If the bar touches the stop: at the stop, or at a worse open."""
        fill = new_event(asset, order)
        bar = self._fresh_bar(asset, order)
        if bar is None:
            return fill
        stop = order.stop_price_exact
        buying = order.direction == OrderDirection.BUY
        if (buying and bar.high_exact >= stop) or (not buying and bar.low_exact <= stop):
            slip = slippage(asset, order)
            gap = bar.open_exact >= stop if buying else bar.open_exact <= stop
            price = bar.open_exact if gap else stop
            message = _at_open("an unfavorable gap", asset, bar) if gap else ""
            fill_all(fill, slipped(price, slip, order), order.quantity_exact, message)
        return fill

    def limit_if_touched_fill(self, asset: Any, order: LimitIfTouchedOrder) -> OrderEvent:
        """Once the trigger is touched, at the market if that is within the limit."""
        fill = new_event(asset, order)
        bar = self._fresh_bar(asset, order, has_extended_hours(asset))
        if bar is None:
            return fill
        limit, trigger = order.limit_price_exact, order.trigger_price_exact
        buying = order.direction == OrderDirection.BUY
        touched = bar.low_exact <= trigger if buying else bar.high_exact >= trigger
        order.trigger_touched = order.trigger_touched or touched
        if order.trigger_touched:
            price, message, _ = self._best_price(asset, order, buying)
            if (buying and price <= limit) or (not buying and price >= limit):
                fill_all(fill, price, order.quantity_exact, message)
        return fill

    def market_on_open_fill(self, asset: Any, order: MarketOnOpenOrder) -> OrderEvent:
        """At the open of the first bar that starts at or after the order."""
        fill = new_event(asset, order)
        if order.status == OrderStatus.CANCELED:
            return fill
        hours = asset.exchange.hours
        placed = hours.from_utc(order.time_naive)
        end = datetime.min
        price, message = ZERO, ""
        if subscribes(asset, TradeBar):
            bar: Any = asset.cache.get_data(TradeBar)
            if bar is not None:
                if bar.time < placed:
                    return fill
                if bar.period < HOUR and not hours.is_open(bar.time):
                    return fill
                end, price = bar.end_time, bar.open_exact
        else:
            message = "Warning: No trade information available, order filled using Quote data"
        if placed >= end:
            return fill
        if hours.is_open(placed) and placed.date() == end.date():
            return fill
        if not is_exchange_open(asset):
            return fill
        self._fill_or_quote(fill, asset, order, price, message)
        return fill

    def market_on_close_fill(self, asset: Any, order: MarketOnCloseOrder) -> OrderEvent:
        """At the close of the bar that ends the session."""
        fill = new_event(asset, order)
        if order.status == OrderStatus.CANCELED:
            return fill
        hours = asset.exchange.hours
        if asset.local_time < hours.get_next_market_close(hours.from_utc(order.time_naive)):
            return fill
        price, message = ZERO, ""
        if subscribes(asset, TradeBar):
            bar: Any = asset.cache.get_data(TradeBar)
            price = bar.value_exact if bar is not None else ZERO
        else:
            message = "Warning: No trade information available, order filled using Quote data"
        self._fill_or_quote(fill, asset, order, price, message)
        return fill

    def _fill_or_quote(
        self, fill: OrderEvent, asset: Any, order: Order, price: Decimal, message: str
    ) -> None:
        slip = slippage(asset, order)
        if not price:
            price, extra, _ = self._best_price(asset, order, order.direction == OrderDirection.BUY)
            message += extra
        fill_all(fill, slipped(price, slip, order), order.quantity_exact, message)
