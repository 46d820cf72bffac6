# ruff: noqa: F403, F405
from AlgorithmImports import *


class Conversion(QCAlgorithm):
    """Market orders on a daily subscription become orders for the close or the next open."""

    def initialize(self):
        self.set_start_date(2013, 10, 7)
        self.set_end_date(2013, 10, 9)
        self.set_cash(100_000)
        self.daily = self.add_equity("SPY", Resolution.DAILY).symbol
        self.minute = self.add_equity("IBM", Resolution.MINUTE).symbol
        day = self.date_rules.on(2013, 10, 8)
        self.schedule.on(day, self.time_rules.at(9, 31), self.after_the_open)
        self.schedule.on(day, self.time_rules.at(15, 55), self.before_the_close)

    def after_the_open(self):
        now = self.market_order(self.minute, 10)
        self.require(now.order_type == OrderType.MARKET and now.status == OrderStatus.FILLED)
        self.at_close = self.market_order(self.daily, 10)
        self.require(self.at_close.order_type == OrderType.MARKET_ON_CLOSE)
        self.require(self.at_close.status != OrderStatus.FILLED)

    def before_the_close(self):
        self.at_open = self.market_order(self.daily, 10)
        self.require(self.at_open.order_type == OrderType.MARKET_ON_OPEN)

    def on_end_of_algorithm(self):
        self.require(self.at_close.status == OrderStatus.FILLED)
        self.require(self.at_open.status == OrderStatus.FILLED)

    def require(self, condition):
        if not condition:
            raise AssertionError(f"unexpected order at {self.time}")
