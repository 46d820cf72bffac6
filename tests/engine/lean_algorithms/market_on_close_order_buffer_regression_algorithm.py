# ruff: noqa: F403, F405
from AlgorithmImports import *


class CloseBuffer(QCAlgorithm):
    """Market-on-close orders before, within and after the time brokers take them."""

    def initialize(self):
        self.set_start_date(2013, 10, 7)
        self.set_end_date(2013, 10, 8)
        self.add_equity("SPY", Resolution.MINUTE)
        self.early = self.late = self.evening = None
        self.schedule.on(self.date_rules.today, self.time_rules.at(17, 0), self.in_the_evening)
        MarketOnCloseOrder.submission_time_buffer = timedelta(minutes=10)

    def in_the_evening(self):
        self.evening = self.market_on_close_order("SPY", 2)

    def on_data(self, data):
        clock = (self.time.hour, self.time.minute)
        if clock == (15, 49) and self.early is None:
            self.early = self.market_on_close_order("SPY", 2)
        if clock == (15, 51) and self.late is None:
            self.late = self.market_on_close_order("SPY", 2)

    def on_end_of_algorithm(self):
        default = MarketOnCloseOrder.DEFAULT_SUBMISSION_TIME_BUFFER
        MarketOnCloseOrder.submission_time_buffer = default
        status = [ticket.status for ticket in (self.early, self.late, self.evening)]
        expected = [OrderStatus.FILLED, OrderStatus.INVALID, OrderStatus.FILLED]
        if status != expected:
            raise AssertionError(f"expected {expected}, received {status}")
