# ruff: noqa: F403, F405
from AlgorithmImports import *


class Weighted(QCAlgorithm):
    """A constant forecast for SPY with a weight of one quarter."""

    def initialize(self):
        self.universe_settings.resolution = Resolution.MINUTE
        self.set_start_date(2013, 10, 7)
        self.set_end_date(2013, 10, 11)
        self.set_cash(100_000)
        spy = Symbol.create("SPY", SecurityType.EQUITY, Market.USA)
        self.set_universe_selection(ManualUniverseSelectionModel([spy]))
        quarter = ConstantAlphaModel(
            InsightType.PRICE, InsightDirection.UP, timedelta(minutes=20), 0.025, None, 0.25
        )
        self.set_alpha(quarter)
        self.set_portfolio_construction(InsightWeightingPortfolioConstructionModel())
        self.set_execution(ImmediateExecutionModel())

    def on_end_of_algorithm(self):
        share = self.portfolio.total_holdings_value / self.portfolio.total_portfolio_value
        if not 0.23 <= share <= 0.28:
            raise AssertionError(f"expected about a quarter in SPY, received {share}")
