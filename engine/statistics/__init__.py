"""LEAN's statistics from plain numbers, identical to LEAN's own text.

The engine calls, in this order:

* :class:`ResultSampler`: ``step(time_utc, value)`` after every time step (and, forced, at the
  end), ``sample(time_utc, snapshot)`` at every midnight of the algorithm's time zone and once
  more at the very end; it owns the charts.
* :class:`TradeBuilder`: ``set_market_price`` and ``process_fill``.
* :class:`CapacityEstimate`: ``on_fill``, and ``update`` just before ``ResultSampler.step``.
* :func:`summarize` once at the end; :func:`order_list_hash` of all orders.
"""

from engine.statistics.capacity import BarVolume, CapacityEstimate, Position
from engine.statistics.inputs import Point, StatisticsInputs, Trade
from engine.statistics.interest_rate import InterestRates
from engine.statistics.order_hash import order_list_hash
from engine.statistics.portfolio import PortfolioStatistics
from engine.statistics.sampling import DailySnapshot, ResultSampler
from engine.statistics.summary import Performance, StatisticsResult, summarize
from engine.statistics.trade_builder import TradeBuilder
from engine.statistics.trades import TradeStatistics

__all__ = [
    "BarVolume",
    "CapacityEstimate",
    "DailySnapshot",
    "InterestRates",
    "Performance",
    "Point",
    "PortfolioStatistics",
    "Position",
    "ResultSampler",
    "StatisticsInputs",
    "StatisticsResult",
    "Trade",
    "TradeBuilder",
    "TradeStatistics",
    "order_list_hash",
    "summarize",
]
