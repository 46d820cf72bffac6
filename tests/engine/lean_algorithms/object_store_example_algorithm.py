# ruff: noqa: F403, F405
from AlgorithmImports import *


class Stored(QCAlgorithm):
    """Crossing averages of SPY, warmed up from history that the object store keeps."""

    KEY = "spy_close"

    def initialize(self):
        self.set_start_date(2013, 10, 7)
        self.set_end_date(2013, 10, 11)
        self.spy = self.add_equity("SPY", Resolution.MINUTE).symbol
        self.close = self.identity(self.spy, Resolution.DAILY)
        self.fast = IndicatorExtensions.ema(self.close, 10)
        self.slow = IndicatorExtensions.ema(self.close, 50)
        self.past = RollingWindow[IndicatorDataPoint](252)
        self.close.updated += lambda _, point: self.past.add(point)
        if self.object_store.contains_key(self.KEY):
            raise AssertionError("the store of a fresh run must be empty")
        history = self.history(self.spy, timedelta(365), Resolution.DAILY)
        for time, close in history.close.unstack(0).squeeze().items():
            self.close.update(time, close)
        lines = [f"{point.end_time},{point.value}" for point in self.past]
        self.object_store.save(self.KEY, "\n".join(reversed(lines)))
        if len(self.object_store.read(self.KEY).splitlines()) != self.past.count:
            raise AssertionError("the store returned something else than was saved")

    def on_data(self, data):
        if self.fast > self.close and self.fast > self.slow:
            self.set_holdings(self.spy, 1)
        elif self.fast < self.close and self.fast < self.slow:
            self.set_holdings(self.spy, -1)
        elif (self.fast < self.slow and self.portfolio[self.spy].is_long) or (
            self.fast > self.slow and self.portfolio[self.spy].is_short
        ):
            self.liquidate(self.spy)
