# ruff: noqa: F403, F405
from AlgorithmImports import *


class EventOrder(QCAlgorithm):
    """Events of the same time fire in the order in which they were added."""

    def initialize(self):
        self.set_start_date(2013, 10, 7)
        self.set_end_date(2013, 10, 11)
        self.spy = self.add_equity("SPY").symbol
        self.fired = []
        self.opens = 0
        apple = Symbol.create("AAPL", SecurityType.EQUITY, Market.USA)
        self.schedule.on(
            self.date_rules.week_start(apple),
            self.time_rules.after_market_open(apple),
            self.count_open,
        )
        days = self.date_rules.every_day(self.spy)
        for number in range(2):
            for key, rule in (
                ("a", self.time_rules.at(9, 25)),
                ("b", self.time_rules.before_market_close(self.spy, 5)),
                ("c", self.time_rules.at(16, 5)),
            ):
                self.schedule.on(days, rule, lambda key=key, number=number: self.note(key, number))

    def note(self, key, number):
        self.fired.append((self.time, key, number))
        self.debug(f"{self.time} {key}")

    def count_open(self):
        self.opens += 1
        if (self.time.hour, self.time.minute) != (9, 30):
            raise AssertionError(f"the open is not at {self.time}")

    def on_data(self, data):
        if not self.portfolio.invested:
            self.set_holdings(self.spy, 1)

    def on_end_of_algorithm(self):
        if self.fired != sorted(self.fired) or len(self.fired) != 28 or self.opens != 1:
            raise AssertionError(f"{len(self.fired)} events and {self.opens} opens: {self.fired}")
