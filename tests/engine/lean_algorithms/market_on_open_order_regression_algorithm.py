# ruff: noqa: F403, F405
from AlgorithmImports import *


class OpenOrders(QCAlgorithm):
    """Hourly SPY: orders at midnight, a market order among them, wait for the open."""

    def initialize(self):
        self.set_start_date(2021, 3, 1)
        self.set_end_date(2021, 3, 3)
        self.set_cash(100_000)
        self.spy = self.add_equity("SPY", Resolution.HOUR).symbol
        self.tickets = []
        self.schedule.on(self.date_rules.tomorrow, self.time_rules.midnight, self.send)

    def send(self):
        self.tickets.append(self.market_on_open_order(self.spy, 1))
        self.tickets.append(self.market_order(self.spy, 1))
        if self.tickets[-1].order_type != OrderType.MARKET_ON_OPEN:
            raise AssertionError("the market order must wait for the open")
        for ticket in self.tickets:
            if ticket.status not in (OrderStatus.NEW, OrderStatus.SUBMITTED):
                raise AssertionError(f"filled too early: {ticket.status}")

    def on_end_of_algorithm(self):
        if [ticket.status for ticket in self.tickets] != [OrderStatus.FILLED] * 2:
            raise AssertionError("both orders must fill")
