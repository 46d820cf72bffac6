"""Where simulated markets begin: real bars of real histories, all symbols on one date.

A symbol starts from its newest bar at or before the market's date: what was known at that close.
One that has no such bar, or only one further back than the longest gap its history may have (not
yet listed, already gone, too short a past for the features), starts from a row of its own, drawn
at random: it is imagined beside the others as it was at another time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.agent.outlook import moments_along, surprise_of
from models.market.features import LOOKBACK, FeatureTable
from models.market.market_view import MarketView
from sim.dates import CommonDates

ANY, LATEST = "any", "latest"

ROWS_AT_ONCE = 1536
"""Symbols' paths whose windows are read and whose bars are drawn together: few enough that what a
step touches stays near the processor. Results do not depend on it."""

Starts = str | NDArray[np.datetime64]
"""`ANY` date, the `LATEST` bars, or given dates."""


def check_starts(starts: Starts) -> Starts:
    """The same, if it is one of `ANY`, `LATEST`, or a vector of dates.

    Raises:
        ValueError: for anything else.
    """
    if isinstance(starts, str):
        if starts in (ANY, LATEST):
            return starts
    elif (
        isinstance(starts, np.ndarray)
        and starts.dtype.kind == "M"
        and starts.ndim == 1
        and starts.size
        and not np.isnat(starts).any()
    ):
        return starts
    raise ValueError(f"starts must be {ANY} or {LATEST} or an array of dates; received {starts!r}")


def draw_starts(
    tables: Sequence[FeatureTable], first: int, count: int, starts: Starts, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Rows at which the symbols of each market start; see the module's description.

    Args:
        tables: of S histories, each longer than `first`.
        first: earliest row allowed.
        count: how many.
        starts: ``"any"`` date, stratified over all dates on which a symbol has a row from `first`
            on, in random order; the ``"latest"`` row of each history; or dates, taken in turn:
            start k is at date k % n.
        rng: fixes the choice.

    Returns:
        Shape (count, S).

    Raises:
        ValueError: for a given date on which no symbol can start.
    """
    lengths = np.array([len(table) for table in tables])
    if isinstance(starts, str) and starts == LATEST:
        return np.tile(lengths - 1, (count, 1))
    histories = [table.history for table in tables]
    if isinstance(starts, str):
        known = CommonDates.of(histories, first).dates
        place = (rng.permutation(count) + rng.random(count)) / count * len(known)
        dates = known[place.astype(np.int64)]
    else:
        dates = starts[np.arange(count) % len(starts)]
    rows = first + (rng.random((count, len(tables))) * (lengths - first)).astype(np.int64)
    on_date = np.zeros(rows.shape, bool)
    for s, history in enumerate(histories):
        # A date means the end of its day; dates that are times mean just that.
        days = np.issubdtype(dates.dtype, "datetime64[D]")
        time = history.time.astype(dates.dtype) if days else history.time
        newest = np.searchsorted(time, dates, side="right") - 1
        age = dates - time[newest]
        fresh = age <= np.timedelta64(int(history.max_gap_days * 24), "h")
        on_date[:, s] = (newest >= first) & fresh
        rows[:, s] = np.where(on_date[:, s], newest, rows[:, s])
    if not on_date.any(axis=1).all():
        missing = dates[~on_date.any(axis=1)][0]
        raise ValueError(
            f"starts must be dates on which a symbol has {first + 1} bars behind it; "
            f"received {missing}"
        )
    return rows


def start_bars(
    tables: Sequence[FeatureTable], series: NDArray[np.int64], rows: NDArray[np.int64]
) -> NDArray[np.float64]:
    """The bars at the starts, shape (B, 5)."""
    found = np.empty((len(rows), 5))
    for s in np.unique(series):
        mine = series == s
        found[mine] = tables[s].history.bars[rows[mine]]
    return found


def start_view(
    tables: Sequence[FeatureTable],
    series: NDArray[np.int64],
    rows: NDArray[np.int64],
    window: int,
) -> MarketView:
    """A view of the markets at the starts, one series per start, in their order."""
    present = np.unique(series)
    views = [MarketView.at_rows(tables[s], rows[series == s], window=window) for s in present]
    if (np.diff(series) >= 0).all():
        return MarketView.concatenate(views) if len(views) > 1 else views[0]
    order = np.concatenate([np.flatnonzero(series == s) for s in present])
    return MarketView.concatenate(views).take(np.argsort(order))


class StartDates:
    """The dates of rows of S histories with features, and which is that of a market.

    The market's date is the one that most of its symbols start on; among dates of as many, that of
    the history that begins first.

    Args:
        tables: of the histories.
    """

    def __init__(self, tables: Sequence[FeatureTable]) -> None:
        self.common = CommonDates.of([table.history for table in tables], LOOKBACK)
        self._order = np.array(longest_first(tables))
        # Of each history, the number of each row's date.
        self._of_row = []
        for s, table in enumerate(tables):
            there = self.common.present[:, s]
            of_row = np.zeros(len(table), np.int64)
            of_row[self.common.rows[there, s]] = np.flatnonzero(there)
            self._of_row.append(of_row)

    def leading_symbols(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Which symbol of each market starts on its date, of the longest history that does.

        Args:
            rows: at which symbols start, shape (K, S), each with features.

        Returns:
            Shape (K,).
        """
        return self._leading(self._numbers(rows))

    def of_markets(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Number of each market's date among `common.dates`, shape (K,); `rows` likewise."""
        number = self._numbers(rows)
        return number[np.arange(len(rows)), self._leading(number)]

    def _numbers(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        each = zip(self._of_row, rows.T, strict=True)
        return np.stack([of_row[row] for of_row, row in each], axis=1)

    def _leading(self, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        of = numbers[:, self._order]
        as_many = (of[:, :, None] == of[:, None, :]).sum(axis=2)
        return self._order[as_many.argmax(axis=1)]


@dataclass(frozen=True, eq=False)
class MomentsByDate:
    """Moving second moments of the surprises of S histories, on every date with features.

    Attributes:
        dates: N of them.
        moments: after each, shape (N, S, S).
    """

    dates: StartDates
    moments: NDArray[np.float64]

    @classmethod
    def of(cls, tables: Sequence[FeatureTable], dates: StartDates | None = None) -> MomentsByDate:
        """Worked out date by date.

        Args:
            tables: of the histories.
            dates: of them; laid out here if None.
        """
        found = StartDates(tables) if dates is None else dates
        surprise = np.zeros(found.common.rows.shape)
        for s, table in enumerate(tables):
            there = found.common.present[:, s]
            surprise[there, s] = surprise_of(table.rows[found.common.rows[there, s]])
        return cls(found, moments_along(surprise))

    def at(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Those of the dates of markets, shape (K, S, S).

        Args:
            rows: at which symbols start, shape (K, S), each with features.
        """
        return self.moments[self.dates.of_markets(rows)]


def newest_moments(tables: Sequence[FeatureTable]) -> NDArray[np.float64]:
    """Moving second moments of the symbols' surprises after the newest bars, shape (1, S, S)."""
    return MomentsByDate.of(tables).moments[-1:]


def start_moments(tables: Sequence[FeatureTable], rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """Moving second moments of surprises where markets start, shape (K, S, S).

    As `MomentsByDate.at`, for one set of rows (K, S).
    """
    return MomentsByDate.of(tables).at(rows)


def longest_first(tables: Sequence[FeatureTable]) -> list[int]:
    """Numbers of histories, those that begin first before others, then by their symbols."""
    return sorted(range(len(tables)), key=lambda s: (tables[s].history.time[0], tables[s].symbol))
