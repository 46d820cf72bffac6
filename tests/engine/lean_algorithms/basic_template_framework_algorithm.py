# ruff: noqa: F403, F405
from AlgorithmImports import *


class Framework(QCAlgorithm):
    """A constant forecast for SPY, equally weighted, with a stop at 1 %."""

    def initialize(self):
        self.universe_settings.resolution = Resolution.MINUTE
        self.set_start_date(2013, 10, 7)
        self.set_end_date(2013, 10, 11)
        self.set_cash(100_000)
        spy = Symbol.create("SPY", SecurityType.EQUITY, Market.USA)
        self.set_universe_selection(ManualUniverseSelectionModel([spy]))
        up = ConstantAlphaModel(
            InsightType.PRICE, InsightDirection.UP, timedelta(minutes=20), 0.025, None
        )
        self.set_alpha(up)
        self.set_portfolio_construction(EqualWeightingPortfolioConstructionModel(Resolution.DAILY))
        self.set_execution(ImmediateExecutionModel())
        self.set_risk_management(MaximumDrawdownPercentPerSecurity(0.01))
