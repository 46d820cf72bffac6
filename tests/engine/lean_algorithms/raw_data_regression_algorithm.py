# ruff: noqa: F403, F405
from AlgorithmImports import *


class RawPrices(QCAlgorithm):
    """GOOGL on raw daily bars over its split and change of ticker: prices are as traded."""

    CLOSES = (1158.72, 1131.97, 1114.28, 1120.15, 1114.51, 1134.89, 1135.1, 571.50, 545.25, 540.63)

    def initialize(self):
        self.set_start_date(2014, 3, 25)
        self.set_end_date(2014, 4, 7)
        self.set_cash(100_000)
        self.universe_settings.data_normalization_mode = DataNormalizationMode.RAW
        self.google = self.add_equity("GOOGL", Resolution.DAILY).symbol
        self.closes = list(self.CLOSES)

    def on_data(self, data):
        if not self.portfolio.invested:
            self.set_holdings(self.google, 1)
        if data.bars.contains_key(self.google):
            expected = self.closes.pop(0)
            if data.bars[self.google].close != expected:
                raise AssertionError(f"close must be {expected}")
