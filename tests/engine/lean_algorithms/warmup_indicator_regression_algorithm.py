# ruff: noqa: F403, F405
from AlgorithmImports import *


class RenkoAfterWarmUp(QCAlgorithm):
    """Buys SPY at the first renko bar after warm-up."""

    def initialize(self):
        self.set_start_date(2013, 11, 1)
        self.set_end_date(2013, 12, 10)
        self.set_warmup(timedelta(days=30))
        self.spy = self.add_equity("SPY", Resolution.DAILY).symbol
        renko = ClassicRenkoConsolidator(2)
        renko.data_consolidated += self.on_renko
        self.register_indicator(self.spy, SimpleMovingAverage("SMA", 3), renko)

    def on_renko(self, sender, bar):
        if self.is_warming_up:
            return
        if not self.portfolio.invested:
            self.set_holdings(self.spy, 1.0)
        self.log(f"CLOSE - {bar.time} - {bar.open} {bar.close}")
