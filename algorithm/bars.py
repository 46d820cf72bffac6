"""The bars that a run keeps: checked one by one as they come, given back as histories."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np

from models.market.history import MAX_GAP_DAYS, History
from models.market.macro import MacroSeries, MacroValues

EPOCH = date(1970, 1, 1).toordinal()

Row = tuple[float, float, float, float, float]
"""Open, high, low, close, volume."""

Bar = tuple[datetime, Row]
"""End time of a bar, and the bar."""


def row_of(bar: Any) -> Row:
    """A bar of LEAN's (`TradeBar`) as it is kept."""
    return (
        float(bar.open),
        float(bar.high),
        float(bar.low),
        float(bar.close),
        float(bar.volume),
    )


class BarBook:
    """The newest bars of every symbol, in bounded memory."""

    def __init__(self, symbols: Sequence[str], keep: int, macro: Sequence[str] = ()) -> None:
        """Start empty.

        Args:
            symbols: tickers.
            keep: bars to keep of each, the newest.
            macro: outside series to keep beside the bars, of `models.market.macro.MACRO`.
        """
        self._bars: dict[str, deque[Bar]] = {name: deque(maxlen=keep) for name in symbols}
        # By day, counted as NumPy counts days: an array of them is quickly made.
        self._macro: dict[str, dict[int, float]] = {name: {} for name in macro}

    def add(self, name: str, time: datetime, row: Row) -> bool:
        """Keep a bar, unless it is there already.

        Args:
            name: ticker.
            time: end of the bar.
            row: the bar.

        Returns:
            Whether the bar is new.

        Raises:
            ValueError: if the bar is invalid, not later than the newest one (and not the same as
                it), or too long after it.
        """
        newest, bar = self.newest(name), (time, row)
        if newest == bar:
            return False
        _history(name, [bar] if newest is None else [newest, bar])
        self._bars[name].append(bar)
        return True

    def replace(self, name: str, bars: Sequence[Bar]) -> None:
        """Keep other bars of a symbol instead, the newest of them.

        Raises:
            ValueError: if they are no history; then the present ones stay.
        """
        _history(name, bars)
        self._bars[name] = deque(bars, maxlen=self._bars[name].maxlen)

    def of(self, name: str) -> list[Bar]:
        """A symbol's bars, oldest first."""
        return list(self._bars[name])

    def check_gap(self, name: str, now: datetime) -> None:
        """Notice bars that stay away: a gap at the end of the data has no end.

        Raises:
            ValueError: if the newest bar is too old.
        """
        newest = self.newest(name)
        if newest is not None and now - newest[0] > timedelta(days=MAX_GAP_DAYS):
            raise ValueError(
                f"{name}: time must have no gap longer than {MAX_GAP_DAYS:g} days; "
                f"received no bar from {newest[0]} to {now} (if its data end there, choose an "
                "earlier end_date)"
            )

    def newest(self, name: str) -> Bar | None:
        """The newest bar of a symbol; None before the first."""
        kept = self._bars[name]
        return kept[-1] if kept else None

    def without_bars(self) -> list[str]:
        """Tickers that have no bar yet."""
        return [name for name, kept in self._bars.items() if not kept]

    def later_than(self, name: str, time: np.datetime64) -> Iterator[Bar]:
        """The bars of a symbol that end after a time, oldest first."""
        missed = []
        for end, row in reversed(self._bars[name]):
            if np.datetime64(end, "ns") <= time:
                break
            missed.append((end, row))
        return reversed(missed)

    def until(self, end: datetime) -> BarBook:
        """The bars that end up to a time, beside the same outside series."""
        found = BarBook(list(self._bars), 0)
        found._bars = {
            name: deque((bar for bar in kept if bar[0] <= end), maxlen=kept.maxlen)
            for name, kept in self._bars.items()
        }
        found._macro = self._macro
        return found

    def add_macro(self, name: str, day: date, value: float) -> None:
        """Keep what an outside series was on a day; the newest of several for one day counts."""
        self._macro[name][day.toordinal() - EPOCH] = value

    def known_at(self, times: Sequence[datetime]) -> MacroValues | None:
        """What is known of the outside series at the close of bars; None where none are kept.

        Raises:
            ValueError: if a series does not reach so far.
        """
        if not self._macro:
            return None
        series = []
        for name, kept in self._macro.items():
            days = sorted(kept.copy().items())
            if not days:
                raise ValueError(
                    f"{name}: values must be known at every close from {times[0]:%Y-%m-%d} to "
                    f"{times[-1]:%Y-%m-%d}; received none up to then (the setting features names "
                    "the series)"
                )
            dates = np.array([day for day, _ in days]).astype("datetime64[D]")
            series.append(MacroSeries(name, dates, np.array([value for _, value in days])))
        return MacroValues.at(series, np.array(times, dtype="datetime64[ns]"))

    def histories(self) -> list[History]:
        """All bars kept, one history per symbol, beside the outside series.

        Safe beside `add` in another thread: each symbol's bars are copied in one step.

        Raises:
            ValueError: if an outside series does not reach over them.
        """
        found = []
        for name, kept in self._bars.items():
            bars = list(kept)
            macro = self.known_at([time for time, _ in bars])
            found.append(_history(name, bars).beside(macro))
        return found


def _history(name: str, bars: Sequence[Bar]) -> History:
    times = np.array([time for time, _ in bars], dtype="datetime64[ns]")
    return History(name, times, np.array([row for _, row in bars]))
