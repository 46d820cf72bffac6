"""Which split or dividend of a security it is, so that each is followed once.

A security has one split and one dividend a day: several of a kind that a day brings come as one,
their product or their sum, in LEAN's factor files as in what a feed tells. So day and kind name an
event. Equal ones of a day are not told apart: one that is told later changes the product or the
sum, which is a correction.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from math import prod
from typing import NamedTuple

from engine.common.decimals import ONE
from engine.common.enums import SplitType
from engine.market.data import BaseData, Dividend, Split


class EventKind(StrEnum):
    """What an account has to follow."""

    DIVIDEND = "dividend"
    SPLIT = "split"


class DayEvent(NamedTuple):
    """An event of a security: the day (a midnight) to which it belongs, and its kind."""

    day: datetime
    kind: EventKind


def is_split(point: BaseData) -> bool:
    """Whether it is a split, and not the warning of one."""
    return isinstance(point, Split) and point.type == SplitType.SPLIT_OCCURRED


def kind_of(point: BaseData) -> EventKind | None:
    """What kind of event it is; None for what an account has not to follow."""
    if isinstance(point, Dividend):
        return EventKind.DIVIDEND
    return EventKind.SPLIT if is_split(point) else None


def kinds_of(points: Iterable[BaseData]) -> set[EventKind]:
    """The kinds among points."""
    return {kind for kind in map(kind_of, points) if kind is not None}


def to_follow(
    points: Collection[BaseData], due: Collection[EventKind], later: Iterable[Decimal] = ()
) -> list[BaseData]:
    """Of a security's points of a day those that are due, the dividend before the split.

    A dividend is told of the share before the day's split. Where that or a later one has been
    followed already, it is restated: of the share that they have made.

    Args:
        points: all that the day brings.
        due: kinds that have not been followed.
        later: factors of the splits of later days that have been followed.
    """
    found: list[BaseData] = []
    for point in points:
        kind = kind_of(point)
        if kind is None or kind not in due:
            continue
        if isinstance(point, Dividend):
            own = ONE if EventKind.SPLIT in due else _factor(points)
            point = _restated(point, prod(later, start=own))
        found.append(point)
    return sorted(found, key=is_split)


def later_splits(
    by_day: Mapping[datetime, Iterable[BaseData]], day: datetime, followed: Collection[DayEvent]
) -> dict[datetime, Decimal]:
    """Factors of a security's splits after a day that have been followed, by their days."""
    return {
        each: _factor(points)
        for each, points in by_day.items()
        if each > day and DayEvent(each, EventKind.SPLIT) in followed
    }


def _factor(points: Iterable[BaseData]) -> Decimal:
    """Factor of the split among a day's points; 1 without one."""
    splits = (p for p in points if isinstance(p, Split) and is_split(p))
    return next((split.split_factor_exact for split in splits), ONE)


def _restated(dividend: Dividend, factor: Decimal) -> Dividend:
    """A dividend of the share after splits by a factor."""
    if factor == ONE:
        return dividend
    return Dividend(
        dividend.symbol,
        dividend.time,
        dividend.distribution_exact * factor,
        dividend.reference_price_exact * factor,
    )
