# ruff: noqa: F403, F405
from AlgorithmImports import *


class StaleMinute(QCAlgorithm):
    """Minute SPY: an order a second after the open waits for the first bar of the day."""

    def initialize(self):
        self.set_start_date(2013, 10, 7)
        self.set_end_date(2013, 10, 11)
        self.set_cash(100_000)
        self.spy = self.add_equity("SPY", Resolution.MINUTE).symbol
        days = self.date_rules.every_day(self.spy)
        self.schedule.on(days, self.time_rules.at(9, 30, 1), self.trade)
        self.schedule.on(days, self.time_rules.at(12, 0, 0), self.trade)

    def trade(self):
        if self.securities[self.spy].has_data:
            self.market_order(self.spy, 1)

    def on_order_event(self, order_event):
        if order_event.status != OrderStatus.FILLED:
            return
        security = self.securities[order_event.symbol]
        bar = security.get_last_data()
        if bar is not None and self.time - bar.end_time > timedelta(minutes=1):
            raise AssertionError(f"filled at {self.time} on the bar of {bar.end_time}")
