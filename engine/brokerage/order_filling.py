"""Open orders until they are closed: fills, expiries, delistings, and the events that tell."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from engine.brokerage.buying_power_terms import HasSufficientBuyingPowerForOrderResult
from engine.brokerage.fees import OrderFeeParameters
from engine.brokerage.fill_model import FillModelParameters
from engine.common.decimals import ZERO, smart_rounding, text
from engine.common.enums import (
    DelistingType,
    OrderRequestStatus,
    OrderStatus,
    OrderType,
)
from engine.common.naming import DirectObject
from engine.market.data import Delisting
from engine.market.symbols import Symbol
from engine.orders.order_requests import (
    OrderRequest,
    OrderResponse,
    SubmitOrderRequest,
)
from engine.orders.order_tickets import OrderTicket
from engine.orders.orders import MarketOrder, Order, OrderEvent, OrderFee

PRICE_FIELDS = {
    OrderType.LIMIT: ("limit_price",),
    OrderType.STOP_MARKET: ("stop_price",),
    OrderType.STOP_LIMIT: ("limit_price", "stop_price"),
    OrderType.TRAILING_STOP: ("stop_price", "trailing_amount"),
    OrderType.LIMIT_IF_TOUCHED: ("limit_price", "trigger_price"),
    OrderType.COMBO_LEG_LIMIT: ("limit_price",),
}
_DELISTING_TAG = "Liquidate from delisting"
_AT_ONCE = frozenset((OrderType.MARKET, OrderType.COMBO_MARKET))


def numbers(orders: Iterable[Order]) -> str:
    """Numbers of orders as LEAN lists them."""
    return "[" + ",".join(str(order.id) for order in orders) + "]"


class OrderFilling(DirectObject):
    """Orders that a broker works on.

    Args:
        algorithm: supplies time, securities, portfolio, broker and callbacks.

    Attributes:
        recorder: told of every order event once orders, cash and holdings have followed it and
            before the algorithm hears of it.
        is_closed: True once no request is taken any more.
        orders_count: orders so far, refused ones included.
        order_events: events so far that the algorithm was told of.
    """

    def __init__(self, algorithm: Any) -> None:
        self._algorithm = algorithm
        self._orders: dict[int, Order] = {}
        self._tickets: dict[int, OrderTicket] = {}
        self._open: dict[int, OrderTicket] = {}
        self._pending: dict[int, Order] = {}
        self._cancel_fallback: dict[int, OrderStatus] = {}
        self._queue: deque[OrderRequest] = deque()
        self._needs_scan = False
        self._last_id = 0
        self._last_group_id = 0
        self._modes: dict[Symbol, Any] = {}
        self._warned: set[str] = set()
        self._last_delistings: Any = None
        self.orders_count = 0
        self.order_events: list[OrderEvent] = []
        self.recorder: Callable[[Order, OrderEvent], None] | None = None
        self.is_closed = False

    @property
    def utc_time_naive(self) -> datetime:
        """The algorithm's time, UTC without its time zone."""
        now: datetime = self._algorithm.utc_time_naive
        return now

    def _group(self, order: Order, among: dict[int, Order]) -> list[Order] | None:
        """The orders that fill with an order, by number; None while some are missing."""
        manager = order.group_order_manager
        if manager is None:
            return [order]
        if len(manager.order_ids) != manager.count:
            return None
        orders = [order if i == order.id else among.get(i) for i in sorted(manager.order_ids)]
        return None if any(one is None for one in orders) else orders  # type: ignore[return-value]

    def _event(
        self, order: Order, status: OrderStatus | None = None, message: str = ""
    ) -> OrderEvent:
        event = OrderEvent(order, self.utc_time_naive, OrderFee.ZERO, message)
        if status is not None:
            event.status = status
        return event

    def _insufficient_message(
        self, orders: list[Order], power: HasSufficientBuyingPowerForOrderResult
    ) -> str:
        securities = self._algorithm.securities
        values = ",".join(
            text(smart_rounding(order.value_at(securities[order.symbol].price_exact)))
            for order in orders
        )
        return (
            f"Order Error: ids: {numbers(orders)}, Insufficient buying power to complete orders "
            f"(Value:[{values}]), Reason: {power.reason}."
        )

    def _adjustment_mode(self, symbol: Symbol, security: Any) -> Any:
        if symbol not in self._modes:
            self._modes[symbol] = security.data_normalization_mode
        return self._modes[symbol]

    # Fills ----------------------------------------------------------------------------------

    def _scan(self) -> None:
        """Try to fill every pending order, oldest first; none on the bars of a warm-up."""
        if not self._needs_scan or self._algorithm.is_warming_up:
            return
        still_needed = False
        for order_id in sorted(self._pending):
            order = self._pending.get(order_id)
            if order is None:
                continue
            if order.status.is_closed:
                self._pending.pop(order_id, None)
                continue
            # Orders other than market orders wait for the next time step.
            if order.time_naive == self.utc_time_naive and order.type not in _AT_ONCE:
                still_needed = True
                continue
            orders = self._group(order, self._pending)
            if orders is None or not self._try_fill(order, orders):
                still_needed = True
        self._needs_scan = still_needed or bool(self._pending)

    def _checked(self, order: Order, security: Any) -> OrderStatus | None:
        """Whether an order may fill now: its own status; Canceled if it has expired, else None."""
        if order.type == OrderType.MARKET_ON_OPEN:
            last = security.get_last_data()
            hours = security.exchange.hours
            if last is None or hours.from_utc(order.time_naive) >= last.end_time:
                return None
        if order.time_in_force.is_order_expired(security, order):
            return OrderStatus.CANCELED
        if not self._algorithm.brokerage_model.can_execute_order(security, order):
            return None
        return order.status

    def _try_fill(self, order: Order, orders: list[Order]) -> bool:
        """Fill, expire or reject pending orders; False if they stay pending."""
        algorithm = self._algorithm
        securities = {one: algorithm.securities.find_any(one.symbol) for one in orders}
        if any(security is None for security in securities.values()):
            self._remove(orders, OrderStatus.INVALID)
            return True
        for one, security in securities.items():
            status = self._checked(one, security)
            if status is None:
                return False
            if status == OrderStatus.CANCELED:
                self._remove(orders, OrderStatus.CANCELED, "The order has expired.")
                return True
        try:
            power = algorithm.portfolio.has_sufficient_buying_power_for_order(orders)
        except NotImplementedError:
            raise
        except Exception as error:  # a model of the algorithm's own failed; LEAN goes on
            self._remove(orders, OrderStatus.INVALID, str(error))
            algorithm.error(
                f"Order Error: ids: {numbers(orders)}, Error executing margin models: {error}"
            )
            return True
        if not power.is_sufficient:
            if order.status == OrderStatus.CANCEL_PENDING:
                return False
            message = self._insufficient_message(orders, power)
            self._remove(orders, OrderStatus.INVALID, message)
            algorithm.error(message)
            return True
        fills = self._fills(order, securities)
        if not fills:
            return False
        changes = []
        for one in orders:
            for fill in fills:
                if fill.order_id == one.id and (
                    one.status != fill.status or fill.fill_quantity_exact
                ):
                    one.status = fill.status
                    changes.append(fill)
        self._handle_events(changes)
        if all(fill.status.is_closed for fill in fills):
            for one in orders:
                self._pending.pop(one.id, None)
            return True
        return False

    def _fills(self, order: Order, securities: dict[Order, Any]) -> list[OrderEvent]:
        """What the fill model answers, with fees; nothing where a model of the user's fails."""
        algorithm = self._algorithm
        security = securities[order]
        fills: list[OrderEvent] = []
        try:
            answer = list(
                security.fill_model.fill(
                    FillModelParameters(
                        security,
                        order,
                        algorithm.subscription_manager,
                        algorithm.settings.stale_price_time_span,
                        securities,
                    )
                )
            )
            if not all(isinstance(fill, OrderEvent) for fill in answer):
                raise TypeError(f"a fill model must return order events; received {answer}")
            if all(order.time_in_force.is_fill_valid(security, order, fill) for fill in answer):
                fills = answer
            for fill in fills:
                if fill.status == OrderStatus.FILLED and not fill.order_fee.value.amount_exact:
                    leg = next(one for one in securities if one.id == fill.order_id)
                    parameters = OrderFeeParameters(securities[leg], leg)
                    fill.order_fee = securities[leg].fee_model.get_order_fee(parameters)
        except NotImplementedError:
            raise
        except Exception as error:  # a model of the algorithm's own failed; LEAN goes on
            algorithm.error(
                f"Order Error: id: {order.id}, Transaction model failed to fill for order type: "
                f"{order.type.net_name} with error: {error}"
            )
        return fills

    def _remove(self, orders: list[Order], status: OrderStatus, message: str = "") -> None:
        events = []
        for order in orders:
            self._pending.pop(order.id, None)
            events.append(self._event(order, status, message))
        self._handle_events(events)

    def _process_delisting(self, delisting: Delisting) -> None:
        """Close the position of a delisted security at the last price; cancel its orders."""
        if delisting.type == DelistingType.WARNING:
            return
        algorithm = self._algorithm
        security = algorithm.securities.find_any(delisting.symbol)
        if security is not None and security.holdings.quantity_exact:
            order = MarketOrder(
                security.symbol,
                -security.holdings.quantity_exact,
                self.utc_time_naive,
                _DELISTING_TAG,
            )
            order.status = OrderStatus.SUBMITTED
            self._last_id += 1
            order.id = self._last_id
            order.price_adjustment_mode = self._adjustment_mode(order.symbol, security)
            request = SubmitOrderRequest(
                order.type, order.security_type, order.symbol, order.quantity_exact, ZERO, ZERO,
                ZERO, ZERO, False, order.time_naive, order.tag or "", order.properties,
            )  # fmt: skip
            request.set_order_id(order.id)
            request.set_response(OrderResponse.success(request), OrderRequestStatus.PROCESSED)
            ticket = OrderTicket(self, request)
            ticket.set_order(order)
            self._orders[order.id] = order
            self._tickets[order.id] = self._open[order.id] = ticket
            self.orders_count += 1
            fill = self._event(order, OrderStatus.FILLED, _DELISTING_TAG)
            fill.fill_price_exact = security.price_exact
            fill.fill_quantity_exact = order.quantity_exact
            self._handle_event(fill)
        if not algorithm.is_warming_up:
            for ticket in [t for t in self._open.values() if t.symbol == delisting.symbol]:
                ticket.cancel(None)

    # Events ---------------------------------------------------------------------------------

    def _handle_event(self, event: OrderEvent) -> None:
        self._handle_events([event])

    def _handle_events(self, events: list[OrderEvent]) -> None:
        """Update orders, portfolio, trades and tickets, then tell the algorithm."""
        algorithm = self._algorithm
        for event in events:
            self._note(event)
        for event in events:
            if event.status.is_fill:
                algorithm.portfolio.process_fill(event)
        for event in events:
            if event.status.is_fill:
                algorithm.trade_builder.process_fill(event, 1, event.order_fee.value.amount_exact)
            event.ticket.add_order_event(event)
            if self.recorder is not None:
                self.recorder(self._orders[event.order_id], event)
        for event in events:
            if event.status != OrderStatus.NONE:
                self.order_events.append(event)
                algorithm.dispatch_order_event(event)

    def _note(self, event: OrderEvent) -> None:
        """Bring an order up to its event, and the event up to its order."""
        order, ticket = self._orders[event.order_id], self._tickets[event.order_id]
        event.ticket = ticket
        if event.status.is_closed:
            self._open.pop(order.id, None)
            self._cancel_fallback.pop(order.id, None)
        elif order.id in self._cancel_fallback and event.status != OrderStatus.CANCEL_PENDING:
            self._cancel_fallback[order.id] = event.status
        finished = order.status in (OrderStatus.FILLED, OrderStatus.CANCELED)
        if not (finished and event.status == OrderStatus.INVALID):
            order.status = event.status
        event.id = order.get_new_id()
        if event.status == OrderStatus.CANCELED:
            order.canceled_time = event.utc_time_naive
        elif event.status.is_fill:
            order.last_fill_time = event.utc_time_naive
        elif (
            event.status in (OrderStatus.SUBMITTED, OrderStatus.UPDATE_SUBMITTED)
            and ticket.update_requests
        ):
            order.last_update_time = event.utc_time_naive
        event.quantity_exact = order.quantity_exact
        for name in PRICE_FIELDS.get(order.type, ()):
            setattr(event, name + "_exact", getattr(order, name + "_exact"))
