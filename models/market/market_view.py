"""Markets as they stand at a close: B series that are carried forward bar by bar.

The symbols of a portfolio, one bar a day, or thousands of simulated paths: a view does not know
the difference.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.market.features import LOOKBACK, FeatureState, FeatureTable
from models.market.macro import MacroState


@dataclass(frozen=True, eq=False)
class _Places:
    """Where the windows of B series lie in feature rows of histories.

    Attributes:
        sources: feature rows, (T, F) each.
        source: which of them, shape (B,).
        row: the newest row of the window there, shape (B,).
        window: rows of a window, W.
    """

    sources: tuple[np.ndarray, ...]
    source: np.ndarray
    row: np.ndarray
    window: int

    @classmethod
    def concatenate(cls, places: Sequence[_Places]) -> _Places:
        """The places of all series, in their order."""
        before = np.cumsum([0, *(len(place.sources) for place in places)])
        return cls(
            tuple(source for place in places for source in place.sources),
            np.concatenate([p.source + first for p, first in zip(places, before, strict=False)]),
            np.concatenate([place.row for place in places]),
            places[0].window,
        )

    def take(self, index: np.ndarray, window: int) -> _Places:
        """The places of chosen series, of windows as long as wanted."""
        return _Places(self.sources, self.source[index], self.row[index], window)

    def gathered(self) -> np.ndarray:
        """The windows, shape (B, W, F)."""
        windows = np.empty((len(self.row), self.window, self.sources[0].shape[1]))
        back = np.arange(1 - self.window, 1)
        for s in np.unique(self.source):
            mine = self.source == s
            windows[mine] = self.sources[s][self.row[mine][:, None] + back]
        return windows


class MarketView:
    """B series at the close of their newest bars: symbols, feature state, last feature rows.

    Build it with `at` or `at_rows`.

    Attributes:
        symbols: ticker of each series, shape (B,).
    """

    def __init__(
        self, symbols: np.ndarray, state: FeatureState, windows: np.ndarray | _Places
    ) -> None:
        """Take over symbols (B,), feature state and last feature rows (B, W, F) of B series.

        Args:
            symbols: tickers.
            state: of the features.
            windows: the rows, oldest first, or where they lie until somebody asks for them.
        """
        self.symbols = symbols
        self._state = state
        self._places = windows if isinstance(windows, _Places) else None
        self._ring = np.empty(0) if isinstance(windows, _Places) else windows
        self._head = 0

    @property
    def _windows(self) -> np.ndarray:
        """The ring of feature rows, shape (B, W, F), gathered at the first call."""
        if self._places is not None:
            self._ring, self._places = self._places.gathered(), None
        return self._ring

    @property
    def _width(self) -> int:
        """W."""
        return self._ring.shape[1] if self._places is None else self._places.window

    @classmethod
    def at(
        cls,
        tables: Sequence[FeatureTable],
        rows: Sequence[int] | None = None,
        *,
        window: int,
    ) -> MarketView:
        """One series for each history.

        Args:
            tables: of B histories, each with at least `LOOKBACK` + window bars up to its row.
            rows: B rows to stand at; the newest bars if None.
            window: feature rows to keep.

        Raises:
            ValueError: if a history is too short or a row lies outside it.
        """
        if rows is None:
            rows = [len(table) - 1 for table in tables]
        if len(rows) != len(tables):
            raise ValueError(
                f"rows must have one entry for each of the {len(tables)} tables; "
                f"received {len(rows)}"
            )
        return cls.concatenate(
            [
                cls.at_rows(table, [row], window=window)
                for table, row in zip(tables, rows, strict=True)
            ]
        )

    @classmethod
    def at_rows(
        cls, table: FeatureTable, rows: Sequence[int] | np.ndarray, *, window: int
    ) -> MarketView:
        """B series that all follow one history, each up to its own row (repeats allowed).

        Raises:
            ValueError: if a row leaves no room for the window or lies beyond the newest bar.
        """
        table.history.require(LOOKBACK + window)
        rows = np.asarray(rows, dtype=np.int64).reshape(-1)
        first = LOOKBACK + window - 1
        if rows.size and (rows.min() < first or rows.max() >= len(table)):
            raise ValueError(
                f"{table.symbol}: rows must lie in {first}..{len(table) - 1}; "
                f"received {rows.min()}..{rows.max()}"
            )
        places = _Places((table.rows,), np.zeros(len(rows), np.int64), rows, window)
        return cls(np.repeat(table.symbol, len(rows)), FeatureState.at(table, rows), places)

    @classmethod
    def concatenate(cls, views: Sequence[MarketView]) -> MarketView:
        """One view of all the series of several views, in their order."""
        state = FeatureState.concatenate([view._state for view in views])
        symbols = np.concatenate([view.symbols for view in views])
        places = [view._places for view in views if view._places is not None]
        if len(places) == len(views) and len({place.window for place in places}) == 1:
            return cls(symbols, state, _Places.concatenate(places))
        return cls(symbols, state, np.concatenate([view.windows for view in views]))

    def __len__(self) -> int:
        return len(self._state)

    def take(self, rows: np.ndarray | Sequence[int], *, window: int | None = None) -> MarketView:
        """An independent view of chosen series (repeats allowed).

        Args:
            rows: which, shape (B,).
            window: feature rows to keep from now on, the newest ones; as many as before if None.
                One row is all that simulation needs once it has started, and costs no copy.

        Raises:
            ValueError: if the window is longer than the view's, or less than 1.
        """
        kept = self._width
        window = kept if window is None else window
        if not 1 <= window <= kept:
            raise ValueError(f"window must lie in 1..{kept}; received {window}")
        index = np.asarray(rows)
        windows: np.ndarray | _Places
        if self._places is not None:
            windows = self._places.take(index, window)
        else:
            newest = (self._head - window + np.arange(window)) % kept
            windows = self._ring[index[:, None], newest]
        return MarketView(self.symbols[index], self._state.take(index), windows)

    def push(self, bars: np.ndarray, macro: np.ndarray | None = None) -> np.ndarray:
        """Advance every series by one bar.

        Args:
            bars: shape (B, 5), columns `BAR_FIELDS`, valid bars.
            macro: what is known of outside series at their close, shape (B, n), where the series
                know of such.

        Returns:
            Shape (B, F): the feature rows at their close, columns contiguous; not to be written to.
        """
        rows = self._state.push(bars, macro)
        if self._width == 1:
            self._ring, self._places = rows[:, None], None
        else:
            self._windows[:, self._head] = rows
            self._head = (self._head + 1) % self._width
        return rows

    @property
    def macro(self) -> MacroState | None:
        """What is known of outside series beside each series; None where nothing is."""
        return self._state.macro

    def share_macro(self, rows: np.ndarray) -> None:
        """Put each series beside the outside series that chosen ones (B,) stand beside."""
        self._state.share_macro(rows)

    @property
    def windows(self) -> np.ndarray:
        """Newest feature rows, shape (B, W, F), oldest first; a copy."""
        return self.windows_of(np.arange(len(self)))

    def windows_of(self, rows: np.ndarray | Sequence[int]) -> np.ndarray:
        """The windows of chosen series alone, shape (len(rows), W, F).

        In parts, windows of thousands of series never lie in memory together.
        """
        index = np.asarray(rows)
        if self._places is not None:
            return self._places.take(index, self._width).gathered()
        return np.roll(self._ring[index], -self._head, axis=1)

    @property
    def feature_rows(self) -> np.ndarray:
        """Features at the newest close, shape (B, F); a copy, columns contiguous."""
        return self._windows[:, self._head - 1].copy(order="F")

    @property
    def last_close(self) -> np.ndarray:
        """Newest closes, shape (B,)."""
        return self._state.last_close

    @property
    def volume_mean(self) -> np.ndarray:
        """Means of the last 20 log volumes, shape (B,), as `bars_from_parts` takes them."""
        return self._state.volume_mean

    @property
    def volatility(self) -> np.ndarray:
        """EWMA (0.94) volatility per bar at the newest close, shape (B,)."""
        return self._state.volatility
