# ruff: noqa: F403, F405
from AlgorithmImports import *


class StopLimit(QCAlgorithm):
    """A stop limit order to buy in an upward trend and one to sell in a downward trend."""

    def initialize(self):
        self.set_start_date(2013, 1, 1)
        self.set_end_date(2017, 1, 1)
        self.set_cash(100_000)
        self.spy = self.add_equity("SPY", Resolution.DAILY).symbol
        self.fast = self.ema(self.spy, 30, Resolution.DAILY)
        self.slow = self.ema(self.spy, 60, Resolution.DAILY)
        self.buy = self.sell = None

    def on_data(self, data):
        if not (self.fast.is_ready and self.slow.is_ready):
            return
        threshold = self.slow.current.value * (1 + 0.001)
        security = self.securities[self.spy]
        if self.buy is None and self.fast.current.value > threshold:
            high = security.high
            self.buy = self.stop_limit_order(
                self.spy, 100, stop_price=high * 1.10, limit_price=high * 1.11
            )
        elif self.buy.status == OrderStatus.FILLED and self.sell is None:
            if self.fast.current.value >= threshold:
                return
            low = security.low
            self.sell = self.stop_limit_order(
                self.spy, -100, stop_price=low * 0.99, limit_price=low * 0.98
            )

    def on_order_event(self, event):
        if event.status != OrderStatus.FILLED:
            return
        if not self.transactions.get_order_by_id(event.order_id).stop_triggered:
            raise AssertionError("a stop limit order filled before its stop was reached")
        ticket = self.buy if event.direction == OrderDirection.BUY else self.sell
        limit = ticket.get(OrderField.LIMIT_PRICE)
        worse = event.fill_price - limit if ticket is self.buy else limit - event.fill_price
        if worse > 0:
            raise AssertionError(f"filled at {event.fill_price}, worse than the limit {limit}")
