"""What a run plots, within the number of series that LEAN keeps.

LEAN keeps the first 30 names of series of a backtest (its setting `maximum-chart-series`) and drops
all others. Names are counted once, in whatever charts they are. So what counts most comes first:
the four lines of forecasts, the held weights, the values of actions, and the caps last.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

MOST_SERIES = 30

FORECAST = ("Close", "Mean", "Lower", "Upper")


class SeriesNames:
    """Which names of series are plotted."""

    def __init__(self, symbols: Sequence[str], actions: Iterable[str] = ()) -> None:
        """Choose.

        Args:
            symbols: tickers, the first of which are kept.
            actions: names of an agent's actions.
        """
        caps = [cap_name(name) for name in symbols]
        wanted = list(dict.fromkeys([*FORECAST, *symbols, *actions, *caps]))
        self._kept = frozenset(wanted[:MOST_SERIES])
        self.dropped = tuple(wanted[MOST_SERIES:])

    def __contains__(self, name: str) -> bool:
        return name in self._kept


def cap_name(symbol: str) -> str:
    """The series of a symbol's cap."""
    return f"{symbol} cap"
