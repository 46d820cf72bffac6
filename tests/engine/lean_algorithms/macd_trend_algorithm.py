# ruff: noqa: F403, F405
from AlgorithmImports import *


class MacdTrend(QCAlgorithm):
    """Long SPY while MACD lies clearly above its signal, flat while clearly below."""

    BAND = 0.0025

    def initialize(self):
        self.set_start_date(2004, 1, 1)
        self.set_end_date(2015, 1, 1)
        self.set_cash(100_000)
        self.spy = self.add_equity("SPY", Resolution.DAILY).symbol
        self.trend = self.macd(self.spy, 12, 26, 9, MovingAverageType.EXPONENTIAL, Resolution.DAILY)
        self.plot_indicator("MACD", True, self.trend, self.trend.signal)
        self.plot_indicator("SPY", self.trend.fast, self.trend.slow)
        self.last_day = None

    def on_data(self, data):
        if not self.trend.is_ready or self.last_day == self.time.date():
            return
        self.last_day = self.time.date()
        quantity = self.portfolio["SPY"].quantity
        gap = self.trend.current.value - self.trend.signal.current.value
        gap /= self.trend.fast.current.value
        if gap > self.BAND and quantity <= 0:
            self.set_holdings("SPY", 1.0)
        elif gap < -self.BAND and quantity >= 0:
            self.liquidate("SPY")
