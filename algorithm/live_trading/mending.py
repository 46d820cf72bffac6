"""Kept bars and history, brought together: what a feed missed, got wrong, or a split has scaled.

Live bars are built from ticks, at the scale of their day. History has the official bars, at the
scale that its provider knows of now. History is right about what it has; kept bars newer than that
stay. A split that the broker has told of and history has not heard of is put right here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from algorithm.bars import Bar, Row

SAME = 1e-9
"""Relative difference below which two prices are one: a bit or two of a scaled decimal."""

SCALE_ERROR = 0.02
"""Relative error within which a ratio of scales is that of a split: dividends come on top."""

SPLIT_RATIOS = tuple(
    sorted(
        {
            ratio
            for n, m in ((2, 1), (3, 1), (4, 1), (5, 1), (7, 1), (8, 1), (10, 1), (15, 1), (20, 1),
                         (25, 1), (50, 1), (3, 2), (4, 3), (5, 2), (5, 4))
            for ratio in (n / m, m / n)
        }
    )
)  # fmt: skip
"""Prices after common splits and reverse splits over prices before."""

SPLIT_LOOK = 0.08
"""A night's move within so much of such a ratio looks like a split."""

LEAST_SPLIT = 0.18
"""Moves smaller than this are moves: splits of less hardly exist, and days like that do."""


@dataclass(frozen=True)
class Mended:
    """Bars of a symbol after history was asked.

    Attributes:
        bars: oldest first.
        changed: whether bars are others than those kept before, beyond new ones at the end: what
            was built on them must be built anew.
        said: a line for each thing that was put right.
        split: price factor of a split that history knows and nobody has told of; None without one.
    """

    bars: list[Bar]
    changed: bool
    said: tuple[str, ...]
    split: float | None = None


def mend(
    name: str, kept: Sequence[Bar], fetched: Sequence[Bar], splits: Mapping[datetime, float]
) -> Mended:
    """Bring kept bars and history together.

    Args:
        name: ticker, for what is said.
        kept: at today's scale, oldest first; may be empty.
        fetched: the same span of history, oldest first; empty if history has nothing.
        splits: time and price factor of splits the broker has told of, to which kept bars were
            scaled already.
    """
    if not fetched:
        lonely = f"{name}: history has no bars; the {len(kept)} kept so far are used"
        return Mended(list(kept), False, (lonely,))
    said: list[str] = []
    split = None
    ratio = _scale(kept, fetched)
    behind = _unheard(ratio, splits)
    if behind:
        for time in sorted(behind):
            fetched = [scaled(bar, behind[time]) if bar[0] < time else bar for bar in fetched]
        factors = ", ".join(f"{behind[time]:g}" for time in sorted(behind))
        said.append(f"{name}: history does not know of a split by {factors} yet; it was scaled")
    elif kept and abs(ratio - 1.0) > SAME:
        said.append(f"{name}: history has a new scale, {ratio:.6g} times that of the kept bars")
        nearest = looks_like_split(1.0, ratio)
        split = nearest if nearest and abs(ratio / nearest - 1.0) <= SCALE_ERROR else None
    newest = fetched[-1][0]
    tail = [bar for bar in kept if bar[0] > newest]
    bars = [*fetched, *tail]
    known = dict(kept)
    begin = kept[0][0] if kept else newest
    until = kept[-1][0] if kept else None
    missed = [time for time, _ in bars if until and begin < time < until and time not in known]
    wrong = [
        time
        for time, row in bars
        if time in known and not _same(row, known[time]) and abs(ratio - 1.0) <= SAME
    ]
    if missed:
        said.append(f"{name}: missed by the feed, taken from history: {_days(missed)}")
    if wrong:
        said.append(f"{name}: corrected by history: {_days(wrong)}")
    old = [bar for bar in bars if until is not None and bar[0] <= until]
    changed = bool(kept) and not (
        len(old) == len(kept)
        and all(a[0] == b[0] and a[1] == b[1] for a, b in zip(old, kept, strict=True))
    )
    return Mended(bars, changed, tuple(said), split)


def scaled(bar: Bar, factor: float) -> Bar:
    """A bar after a split: prices times a factor, volume over it."""
    time, (opened, high, low, close, volume) = bar
    return time, (opened * factor, high * factor, low * factor, close * factor, volume / factor)


def looks_like_split(before: float, after: float) -> float | None:
    """The price factor of the split that a night's move looks like; None for a mere move.

    Args:
        before: last close, > 0.
        after: the price now, > 0.
    """
    move = after / before
    if abs(math.log(move)) < -math.log(1.0 - LEAST_SPLIT):
        return None
    nearest = min(SPLIT_RATIOS, key=lambda ratio: abs(math.log(move / ratio)))
    return nearest if abs(move / nearest - 1.0) <= SPLIT_LOOK else None


def _scale(kept: Sequence[Bar], fetched: Sequence[Bar]) -> float:
    """History's prices over kept ones at the oldest closes both have; 1 if they share none."""
    known = dict(kept)
    shared = [(row[3], known[time][3]) for time, row in fetched if time in known]
    if not shared:
        return 1.0
    # Oldest: what is scaled at all is scaled there, and one bad bar does not decide.
    return float(np.median([theirs / ours for theirs, ours in shared[:5]]))


def _unheard(ratio: float, splits: Mapping[datetime, float]) -> dict[datetime, float]:
    """The newest splits that together explain why history's prices are `ratio` times kept ones."""
    found: dict[datetime, float] = {}
    factor = 1.0
    for time in sorted(splits, reverse=True):
        found[time], factor = splits[time], factor * splits[time]
        if abs(ratio * factor - 1.0) <= SCALE_ERROR and abs(ratio - 1.0) > SCALE_ERROR:
            return found
    return {}


def _same(one: Row, other: Row) -> bool:
    return all(math.isclose(a, b, rel_tol=SAME) for a, b in zip(one, other, strict=True))


def _days(times: Sequence[datetime]) -> str:
    if len(times) == 1:
        return f"the bar of {times[0]:%Y-%m-%d}"
    return f"{len(times)} bars, {times[0]:%Y-%m-%d} to {times[-1]:%Y-%m-%d}"
