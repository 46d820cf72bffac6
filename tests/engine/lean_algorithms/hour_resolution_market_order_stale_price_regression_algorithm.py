# ruff: noqa: F403, F405
from AlgorithmImports import *


class StaleHour(QCAlgorithm):
    """Hourly SPY: an order five minutes before the hour waits for the next bar's close."""

    def initialize(self):
        self.set_start_date(2013, 10, 7)
        self.set_end_date(2013, 10, 8)
        self.set_cash(100_000)
        self.settings.stale_price_time_span = timedelta(minutes=1)
        self.spy = self.add_equity("SPY", Resolution.HOUR).symbol
        self.ticket = None
        self.schedule.on(self.date_rules.on(2013, 10, 8), self.time_rules.at(10, 55), self.send)

    def send(self):
        self.ticket = self.market_order(self.spy, 10, asynchronous=True)
        if self.ticket.order_type != OrderType.MARKET:
            raise AssertionError(f"the order became {self.ticket.order_type}")
        if self.ticket.status == OrderStatus.FILLED:
            raise AssertionError("the order filled on the bar before it")

    def on_order_event(self, order_event):
        if order_event.status != OrderStatus.FILLED:
            return
        expected = datetime(2013, 10, 8, 11)
        bar = self.securities[self.spy].get_last_data()
        if self.time != expected or bar.end_time != expected or bar.is_fill_forward:
            raise AssertionError(f"filled at {self.time} on the bar of {bar.end_time}")
        if order_event.fill_price != self.securities[self.spy].close:
            raise AssertionError("the order must fill at the bar's close")

    def on_end_of_algorithm(self):
        if self.ticket is None or self.ticket.status != OrderStatus.FILLED:
            raise AssertionError("the order must fill")
