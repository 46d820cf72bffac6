"""The statistics part of QCAlgorithm: figures so far, figures of one's own, what they rest on."""

from __future__ import annotations

from typing import Any

from engine.common.decimals import number_text
from engine.common.naming import both_spellings
from engine.common.net_exceptions import ArgumentException
from engine.common.pairs import PairsDict
from engine.common.signatures import overloads
from engine.statistics.interest_rate import InterestRateProvider
from engine.statistics.shown import Shown
from engine.statistics.summary import StatisticsResult
from engine.statistics.trade_builder import TradeBuilder

LARGEST_RESERVED = 100
"""Names that are numbers up to this one LEAN keeps to itself."""


_FIGURES = (
    "name: str, value: str",
    "name: str, value: decimal",
    "name: str, value: int",
    "name: str, value: double",
)


def _written(value: Any) -> str:
    """A figure as LEAN writes it."""
    number = number_text(value)
    return str(value) if number is None else number


class StatisticsMixin:
    """Statistics of an algorithm."""

    def _qc_set_up_statistics(self: Any) -> None:
        self.trade_builder = TradeBuilder()
        self.runtime_statistics: dict[str, str] = PairsDict()
        self.qc_summary_statistics: dict[str, str] = {}
        # Set by what runs the algorithm.
        self.qc_statistics_source: Any = StatisticsResult
        self._qc_risk_free_model: Any = InterestRateProvider(self._qc_context.interest_rates)

    @property
    def statistics(self: Any) -> Shown:
        """Statistics of the run so far: total_performance, rolling_performances, summary."""
        result: StatisticsResult = self.qc_statistics_source()
        result.summary.update(self.qc_summary_statistics)
        return Shown(result)

    @overloads(*_FIGURES)
    def set_runtime_statistic(self: Any, name: str, value: Any) -> None:
        """Show a figure beside the run."""
        self.runtime_statistics[str(name)] = _written(value)

    @overloads(*_FIGURES)
    def set_summary_statistic(self: Any, name: str, value: Any) -> None:
        """Add a figure to the statistics table.

        Raises:
            ValueError: if the name is a number that LEAN keeps to itself.
        """
        if str(name).isdigit() and int(name) <= LARGEST_RESERVED:
            raise ArgumentException(f"'{name}' is a reserved statistic name.")
        self.qc_summary_statistics[str(name)] = _written(value)

    def set_trade_builder(self: Any, trade_builder: Any) -> None:
        """Choose how fills become trades.

        Raises:
            NotImplementedError: for a builder of one's own.
        """
        if not isinstance(trade_builder, TradeBuilder):
            raise NotImplementedError(
                "set_trade_builder takes TradeBuilder(grouping_method, matching_method); builders "
                "of one's own are not supported"
            )
        vars(self)["trade_builder"] = trade_builder

    @property
    def risk_free_interest_rate_model(self: Any) -> Any:
        """The risk-free rate of ratios; by default that of the data folder."""
        return self._qc_risk_free_model

    def set_risk_free_interest_rate_model(self: Any, model: Any) -> None:
        """Replace the risk-free rate: an object with `get_interest_rate(date)`.

        Raises:
            ValueError: if it has no such method.
        """
        if not callable(getattr(both_spellings(model), "get_interest_rate", None)):
            raise ValueError(
                f"the risk-free rate's model must have get_interest_rate(date); received {model!r}"
            )
        self._qc_risk_free_model = model
