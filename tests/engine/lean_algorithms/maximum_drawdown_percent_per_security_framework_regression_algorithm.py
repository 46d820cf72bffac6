# ruff: noqa: F403, F405
from AlgorithmImports import *


class StopPerSecurity(QCAlgorithm):
    """AAPL bought on a month-long forecast and sold by the risk model after losing 0.4 %."""

    def initialize(self):
        self.set_start_date(2014, 6, 1)
        self.set_end_date(2014, 6, 30)
        self.universe_settings.resolution = Resolution.HOUR
        self.universe_settings.data_normalization_mode = DataNormalizationMode.RAW
        aapl = Symbol.create("AAPL", SecurityType.EQUITY, Market.USA)
        self.set_universe_selection(ManualUniverseSelectionModel(aapl))
        self.set_alpha(
            ConstantAlphaModel(InsightType.PRICE, InsightDirection.UP, timedelta(31), 0.025, None)
        )
        self.set_portfolio_construction(EqualWeightingPortfolioConstructionModel())
        self.set_execution(ImmediateExecutionModel())
        self.set_risk_management(MaximumDrawdownPercentPerSecurity(0.004))

    def on_end_of_algorithm(self):
        if self.insights.get_insights(lambda insight: insight.is_active(self.utc_time)):
            raise AssertionError("the risk model left an insight active")
