# ruff: noqa: F403, F405
from AlgorithmImports import *


class DividendHoldings(QCAlgorithm):
    """SPY on raw daily bars: dividends are paid in cash and are the only profit."""

    def initialize(self):
        self.set_start_date(1998, 1, 1)
        self.set_end_date(2006, 1, 1)
        self.set_cash(100_000)
        self.spy = self.add_equity(
            "SPY", Resolution.DAILY, data_normalization_mode=DataNormalizationMode.RAW
        ).symbol
        self.paid = 0.0

    def on_data(self, data):
        if not self.portfolio.invested:
            self.set_holdings(self.spy, 0.5)

    def on_dividends(self, dividends):
        self.paid += dividends[self.spy].distribution * self.portfolio[self.spy].quantity

    def on_end_of_algorithm(self):
        for name, value in (
            ("total profit", self.portfolio.total_profit),
            ("net profit", self.portfolio.total_net_profit + self.portfolio.total_fees),
            ("dividends", self.portfolio[self.spy].total_dividends),
        ):
            if abs(value - self.paid) > 1e-6:
                raise AssertionError(f"{name} must be {self.paid}; received {value}")
