"""Where simulated paths begin: real bars of real histories."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.market.features import FeatureTable
from models.market.market_view import MarketView

ANY, LATEST = "any", "latest"


def check_starts(starts: str) -> str:
    """The same word, if it is one of `ANY`, `LATEST`."""
    if starts not in (ANY, LATEST):
        raise ValueError(f"starts must be {ANY} or {LATEST}; received {starts!r}")
    return starts


def draw_starts(
    tables: Sequence[FeatureTable], first: int, count: int, starts: str, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """History and row of each start, stratified over all allowed rows, in random order.

    Args:
        tables: of S histories, each longer than `first`.
        first: earliest row allowed.
        count: how many.
        starts: ``"any"`` row from `first` on, or the ``"latest"`` row of each history in turn.
        rng: fixes the choice.

    Returns:
        Series and rows, shape (count,) each.
    """
    lengths = np.array([len(table) for table in tables])
    if starts == LATEST:
        series = rng.permutation(np.arange(count) % len(lengths))
        return series, lengths[series] - 1
    room = lengths - first
    ends = np.cumsum(room)
    place = ((rng.permutation(count) + rng.random(count)) / count * ends[-1]).astype(np.int64)
    series = np.searchsorted(ends, place, side="right")
    return series, first + place - (ends - room)[series]


def start_bars(
    tables: Sequence[FeatureTable], series: NDArray[np.int64], rows: NDArray[np.int64]
) -> NDArray[np.float64]:
    """The bars at the starts, shape (B, 5)."""
    return np.array([tables[s].history.bars[r] for s, r in zip(series, rows, strict=True)])


def start_view(
    tables: Sequence[FeatureTable],
    series: NDArray[np.int64],
    rows: NDArray[np.int64],
    window: int,
) -> MarketView:
    """A view of the markets at the starts, one series per start, in their order."""
    present = np.unique(series)
    views = [MarketView.at_rows(tables[s], rows[series == s], window=window) for s in present]
    order = np.concatenate([np.flatnonzero(series == s) for s in present])
    return MarketView.concatenate(views).take(np.argsort(order))
