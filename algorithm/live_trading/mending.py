"""Kept bars and history, brought together: what a feed missed, got wrong, or a split has scaled.

Live bars are built from ticks, at the scale of their day. History has the official bars, at the
scale that its provider knows of now. History is right about what it has; kept bars newer than that
stay, and follow the splits that it knows of.

Around a split the two scales differ for a while: LEAN's history may know of it a day before the
broker's event, or, where a provider reads its files once, never. Bars are brought to the account's
scale, which is that of the broker: prices do not jump by the split's factor overnight.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

import numpy as np

from algorithm.bars import Bar, Row

SAME = 1e-9
"""Relative difference below which two prices are one: a bit or two of a scaled decimal."""

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

SCALE_ERROR = 0.02
"""Relative error within which a ratio of scales is that of a split: dividends come on top."""

SPLIT_LOOK = 0.08
"""A night's move within so much of such a ratio looks like a split."""

SPLIT_HOUR = 8
"""When LEAN tells of a split, on the day after the last bar before it."""

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
        scale: history's prices over those of the kept bars, at bars that both have.
        ahead: whether history was of the scale of a split that is still to come.
    """

    bars: list[Bar]
    changed: bool
    said: tuple[str, ...]
    split: float | None = None
    scale: float = 1.0
    ahead: bool = False


def mend(
    name: str,
    kept: Sequence[Bar],
    fetched: Sequence[Bar],
    splits: Mapping[datetime, float],
    price: float | None = None,
    now: datetime | None = None,
    followed: bool = True,
) -> Mended:
    """Bring kept bars and history together.

    Args:
        name: ticker, for what is said.
        kept: at the account's scale, oldest first; may be empty.
        fetched: the same span of history, oldest first; empty if history has nothing.
        splits: time and price factor of splits the broker has told of; kept bars follow them.
        price: at the account's scale, after the last of `fetched`; None where none is known.
        now: the present, which tells whether a split is still to come where no price does.
        followed: whether the broker may have followed a split since the last kept bar: not if it
            holds as many shares as then.
    """
    if not fetched:
        lonely = f"{name}: history has no bars; the {len(kept)} kept so far are used"
        return Mended(list(kept), False, (lonely,))
    said: list[str] = []
    split = None
    for time in sorted(splits):
        if _lags(kept, fetched, time, splits[time], price):
            fetched = [scaled(bar, splits[time]) if bar[0] < time else bar for bar in fetched]
            said.append(
                f"{name}: history does not know of the split by {splits[time]:g} of {time:%Y-%m-%d}"
                "; it is scaled"
            )
    ratio = _scale(kept, fetched)
    since = _split_among(kept, fetched[-1][0], ratio)
    ahead = since is None and _is_ahead(kept, fetched, ratio, price, now, followed)
    if ahead:
        fetched = [scaled(bar, 1.0 / ratio) for bar in fetched]
        said.append(
            f"{name}: history knows of a split by {ratio:.4g} that has not come yet; it is scaled "
            "back"
        )
        ratio = 1.0
    elif kept and abs(ratio - 1.0) > SAME:
        split = looks_like_split(1.0, ratio) if is_split_ratio(ratio) else None
        why = ", as after a dividend" if split is None and ratio < 1.0 else ""
        said.append(
            f"{name}: history has a new scale, {ratio:.6g} times that of the kept bars{why}"
        )
    newest, there = fetched[-1][0], {time for time, _ in fetched}
    tail = [bar for bar in kept if bar[0] > newest]
    # Of a smaller ratio, a dividend's, their prices do not tell whether they are of before it.
    if is_large(ratio):
        tail = [scaled(bar, ratio) if since is None or bar[0] < since else bar for bar in tail]
    # An answer that is cut short takes nothing away.
    lacking = [scaled(bar, ratio) for bar in kept if bar[0] < newest and bar[0] not in there]
    if lacking:
        said.append(
            f"{name}: not in history, kept all the same: {_days([time for time, _ in lacking])}"
        )
    bars = [*sorted([*lacking, *fetched]), *tail]
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
    # Older bars than those kept change nothing: a decider has seen enough without them.
    old = [bar for bar in bars if until is not None and begin <= bar[0] <= until]
    changed = bool(kept) and not (
        len(old) == len(kept)
        and all(a[0] == b[0] and a[1] == b[1] for a, b in zip(old, kept, strict=True))
    )
    return Mended(bars, changed, tuple(said), split, ratio, ahead)


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
    if not is_large(move):
        return None
    nearest = min(SPLIT_RATIOS, key=lambda ratio: abs(math.log(move / ratio)))
    return nearest if abs(move / nearest - 1.0) <= SPLIT_LOOK else None


def is_large(ratio: float) -> bool:
    """Whether a ratio of prices is as far from 1 as a split's."""
    return abs(math.log(ratio)) >= -math.log(1.0 - LEAST_SPLIT)


def is_split_ratio(ratio: float) -> bool:
    """Whether a ratio of scales is that of a common split, but for a dividend."""
    nearest = looks_like_split(1.0, ratio)
    return nearest is not None and abs(ratio / nearest - 1.0) <= SCALE_ERROR


def _scale(kept: Sequence[Bar], fetched: Sequence[Bar]) -> float:
    """History's prices over kept ones at the oldest closes both have; 1 if they share none."""
    known = dict(kept)
    shared = [(row[3], known[time][3]) for time, row in fetched if time in known]
    if not shared:
        return 1.0
    # Oldest: what is scaled at all is scaled there, and one bad bar does not decide.
    return float(np.median([theirs / ours for theirs, ours in shared[:5]]))


def _split_among(kept: Sequence[Bar], newest: datetime, ratio: float) -> datetime | None:
    """End of the first kept bar after history's newest that is of history's scale; None if none is.

    A split came with it that nobody had told of.
    """
    if not is_large(ratio):
        return None
    for (_, before), (end, after) in pairwise(kept):
        if end > newest and _nearer(after[0] / before[3], ratio):
            return end
    return None


def _lags(
    kept: Sequence[Bar],
    fetched: Sequence[Bar],
    time: datetime,
    factor: float,
    price: float | None,
) -> bool:
    """Whether history's bars before a split are still at the scale before it."""
    before = [row[3] for end, row in fetched if end < time]
    if not before:
        return False
    after = [row[0] for end, row in fetched if end > time]
    opened = after[0] if after else price
    if opened is not None:
        return _nearer(opened / before[-1], factor)
    # Nothing came since: kept bars have followed the split.
    return bool(kept) and _nearer(1.0 / _scale(kept, fetched), factor)


def _is_ahead(
    kept: Sequence[Bar],
    fetched: Sequence[Bar],
    ratio: float,
    price: float | None,
    now: datetime | None,
    followed: bool,
) -> bool:
    """Whether history is at the scale of a split that is still to come for the account."""
    if looks_like_split(1.0, ratio) is None:
        return False
    if price is not None:
        return _nearer(price / fetched[-1][1][3], 1.0 / ratio)
    if kept and kept[-1][0] < fetched[-1][0] and followed:
        # Of bars that came while nobody looked the split may have come before; by the next sending
        # it has.
        return False
    newest = max(kept[-1][0], fetched[-1][0])
    due = newest.replace(hour=SPLIT_HOUR, minute=0) + timedelta(days=1)
    return now is None or now < due


def _nearer(move: float, factor: float) -> bool:
    """Whether a move is nearer to a factor than to none."""
    return abs(math.log(move / factor)) < abs(math.log(move))


def _same(one: Row, other: Row) -> bool:
    return all(math.isclose(a, b, rel_tol=SAME) for a, b in zip(one, other, strict=True))


def _days(times: Sequence[datetime]) -> str:
    if len(times) == 1:
        return f"the bar of {times[0]:%Y-%m-%d}"
    return f"{len(times)} bars, {times[0]:%Y-%m-%d} to {times[-1]:%Y-%m-%d}"
