"""Collections of insights."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Any

from engine.common.naming import LeanObject
from engine.common.net_exceptions import KeyNotFoundException
from engine.framework.insight import Insight


class InsightCollection(LeanObject):
    """Insights by symbol; remembers all that were ever added."""

    def __init__(self) -> None:
        self._open: dict[Any, list[Insight]] = {}
        self._all: list[Insight] = []
        self.total_count = 0

    @property
    def count(self) -> int:
        """Insights not yet removed."""
        return sum(len(insights) for insights in self._open.values())

    def add(self, item: Insight) -> None:
        """Add an insight."""
        self.total_count += 1
        self._all.append(item)
        self._open.setdefault(item.symbol, []).append(item)

    def add_range(self, insights: Iterable[Insight]) -> None:
        """Add insights."""
        for insight in insights:
            self.add(insight)

    def contains_key(self, symbol: Any) -> bool:
        """True if the symbol has insights."""
        return bool(self._open.get(symbol))

    def contains(self, item: Insight) -> bool:
        """True if the insight was added and not removed."""
        return item in self._open.get(item.symbol, ())

    def remove(self, item: Insight) -> bool:
        """Remove an insight; False if it is not there."""
        insights = self._open.get(item.symbol)
        if not insights or item not in insights:
            return False
        insights.remove(item)
        if not insights:
            del self._open[item.symbol]
        return True

    def clear(self, symbols: Iterable[Any]) -> None:
        """Remove the insights of symbols."""
        for symbol in list(symbols):
            self._open.pop(symbol, None)

    def try_get_value(self, symbol: Any, insights: Any = None) -> tuple[bool, list[Insight]]:
        """Whether the symbol has insights, and they."""
        return symbol in self._open, list(self._open.get(symbol, ()))

    def get_next_expiry_time(self) -> datetime | None:
        """Earliest close time, or None."""
        return min((insight.close_time_utc for insight in self), default=None)

    def get_active_insights(self, utc_time: datetime) -> list[Insight]:
        """Insights that have not expired, symbol by symbol."""
        return [insight for insight in self if insight.is_active(utc_time)]

    def has_active_insights(self, symbol: Any, utc_time: datetime) -> bool:
        """True if an insight of the symbol is active."""
        return any(insight.is_active(utc_time) for insight in self._open.get(symbol, ()))

    def remove_expired_insights(self, utc_time: datetime) -> list[Insight]:
        """Remove and return the expired ones."""
        expired = [insight for insight in self if insight.is_expired(utc_time)]
        for insight in expired:
            self.remove(insight)
        return expired

    def remove_insights(self, filter: Callable[[Insight], bool]) -> None:
        """Forget the insights a function selects, closed ones too."""
        self._all = [insight for insight in self._all if not filter(insight)]
        for insight in [insight for insight in self if filter(insight)]:
            self.remove(insight)

    def get_insights(self, filter: Callable[[Insight], bool] | None = None) -> list[Insight]:
        """All insights ever added, or those a function selects."""
        return [insight for insight in self._all if filter is None or filter(insight)]

    def __getitem__(self, symbol: Any) -> list[Insight]:
        if symbol not in self._open:
            raise KeyNotFoundException(
                f"The given key '{symbol}' was not present in the dictionary."
            )
        return list(self._open[symbol])

    def __contains__(self, item: object) -> bool:
        return self.contains(item) if isinstance(item, Insight) else item in self._open

    def __iter__(self) -> Iterator[Insight]:
        return iter([insight for insights in self._open.values() for insight in insights])

    def get_enumerator(self) -> Iterator[Insight]:
        """The insights one by one, as iteration gives them."""
        return iter(self)

    def __len__(self) -> int:
        return self.count


class InsightManager(InsightCollection):
    """The algorithm's insights.

    Args:
        algorithm: anything with ``utc_time``.
    """

    def __init__(self, algorithm: Any) -> None:
        super().__init__()
        self._algorithm = algorithm
        self._score_function: Any = None

    def step(self, utc_now: datetime) -> None:
        """Let the score function score; called at every time step."""
        if self._score_function is not None:
            self._score_function.score(self, utc_now)

    def set_insight_score_function(self, function: Any) -> None:
        """Install an object with ``score(manager, utc_time)``."""
        self._score_function = function

    def expire(self, items: Iterable[Any]) -> None:
        """End insights, or all insights of symbols, now."""
        now = self._algorithm.utc_time_naive
        for item in list(items):
            found = [item] if isinstance(item, Insight) else self._open.get(item, [])
            for insight in found:
                insight.expire(now)

    cancel = expire
