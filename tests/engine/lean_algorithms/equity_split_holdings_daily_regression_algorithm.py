# ruff: noqa: F403, F405
from AlgorithmImports import *


class SplitHoldings(QCAlgorithm):
    """AAPL sold short on raw daily bars over its 7-for-1 split."""

    def initialize(self):
        self.set_start_date(2014, 6, 5)
        self.set_end_date(2014, 6, 11)
        self.set_cash(100_000)
        self.aapl = self.add_equity(
            "AAPL", Resolution.DAILY, data_normalization_mode=DataNormalizationMode.RAW
        )
        self.before = None
        self.was_split = False

    def on_data(self, data):
        if not self.portfolio.invested and not self.was_split:
            self.set_holdings(self.aapl.symbol, -1)
        split = data.splits.get(self.aapl.symbol)
        if split is not None and split.type == SplitType.SPLIT_OCCURRED:
            self.was_split = True
            if self.aapl.holdings.price != self.aapl.price:
                raise AssertionError("holdings and security disagree on the price")
            for name, factor in (
                ("price", 1),
                ("open", 1),
                ("high", 1),
                ("low", 1),
                ("volume", -1),
            ):
                ratio = getattr(self.aapl, name) / self.before[name]
                if abs(ratio - split.split_factor**factor) >= 1e-4:
                    raise AssertionError(f"{name} changed by {ratio}")
        else:
            names = ("price", "open", "high", "low", "volume")
            self.before = {name: getattr(self.aapl, name) for name in names}

    def on_end_of_algorithm(self):
        if not self.was_split:
            raise AssertionError("no split arrived")
