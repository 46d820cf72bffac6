# ruff: noqa: F403, F405
from AlgorithmImports import *


class Minute(QCAlgorithm):
    """All of the money into SPY at the first minute bar."""

    def initialize(self):
        self.set_start_date(2013, 10, 7)
        self.set_end_date(2013, 10, 11)
        self.set_cash(100_000)
        self.add_equity("SPY", Resolution.MINUTE)

    def on_data(self, data):
        if not self.portfolio.invested:
            self.set_holdings("SPY", 1)
