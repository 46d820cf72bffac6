# ruff: noqa: F403, F405
from AlgorithmImports import *


class MinimumMargin(QCAlgorithm):
    """A quarter of the cash in SPY; orders below 1 % of the portfolio are dropped."""

    def initialize(self):
        self.set_start_date(2013, 10, 7)
        self.set_end_date(2013, 10, 11)
        self.set_cash(100_000)
        self.add_equity("SPY", Resolution.MINUTE)
        self.settings.minimum_order_margin_portfolio_percentage = 0.01

    def on_data(self, data):
        self.set_holdings("SPY", 0.25)
