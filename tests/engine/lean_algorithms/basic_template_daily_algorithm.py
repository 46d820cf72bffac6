# ruff: noqa: F403, F405
from AlgorithmImports import *


class Daily(QCAlgorithm):
    """All of the money into SPY at the first daily bar."""

    def initialize(self):
        self.set_start_date(2013, 10, 8)
        self.set_end_date(2013, 10, 17)
        self.set_cash(100_000)
        self.spy = self.add_equity("SPY", Resolution.DAILY).symbol

    def on_data(self, data):
        if not self.portfolio.invested:
            self.set_holdings(self.spy, 1)
