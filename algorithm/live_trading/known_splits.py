"""Splits that a live run has heeded, a record each, kept over restarts.

Two tell of a split: the broker, in LEAN's event of its day, and history, whose bars have another
scale all at once. History may come first, and tells of several splits as of one; then each that the
broker tells of is a *part* of it. Where the product of several is no common split, history's scale
alone does not tell them from what a dividend, say, has done: bars have it and targets do not, until
the broker tells of a part that leaves a common split. The broker tells a process of a split once,
and a process that was killed in that moment leaves one that hears of it again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple

from algorithm.live_trading.mending import (
    SCALE_ERROR,
    SPLIT_HOUR,
    is_split_ratio,
    looks_like_split,
)


class Following(NamedTuple):
    """Price factors that have still to be followed, 1 for none: by kept bars, and by targets."""

    bars: float = 1.0
    targets: float = 1.0


@dataclass
class KnownSplit:
    """A split of a symbol.

    Attributes:
        time: when it was heeded.
        factor: of prices; history's is that of all it told of at once.
        day: to which it belongs, as the broker says; None where history told of it.
        followed: whether the broker's shares had followed it by then, where history told of it.
        unclaimed: of history's factor, what the broker has not told of yet; 1 if nothing is left.
        is_part: whether it is a part of one that history had told of, so that nothing was to do.
        is_scale: whether it is no split so far, but a scale of history's that targets have not
            followed.
        heard: whether the broker has told the process that runs of it; begins anew with each.
    """

    time: datetime
    factor: float
    day: date | None = None
    followed: bool = False
    unclaimed: float = 1.0
    is_part: bool = False
    is_scale: bool = False
    heard: bool = False

    def to_state(self) -> dict[str, Any]:
        """As JSON can say it."""
        return {
            "time": self.time.isoformat(),
            "factor": self.factor,
            "day": None if self.day is None else self.day.isoformat(),
            "followed": self.followed,
            "unclaimed": self.unclaimed,
            "is_part": self.is_part,
            "is_scale": self.is_scale,
        }

    @classmethod
    def of(cls, state: Mapping[str, Any]) -> KnownSplit:
        """One that `to_state` gave."""
        day = state["day"]
        return cls(
            datetime.fromisoformat(state["time"]),
            float(state["factor"]),
            None if day is None else date.fromisoformat(day),
            bool(state["followed"]),
            float(state["unclaimed"]),
            bool(state["is_part"]),
            bool(state["is_scale"]),
        )


class KnownSplits:
    """The splits of a run's symbols.

    Args:
        tell: takes one line of text.
    """

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._known: dict[str, list[KnownSplit]] = {}

    def told(self, name: str) -> dict[datetime, float]:
        """Time and price factor of the splits that the broker told of first.

        Those that history told of, its bars have.
        """
        factors: dict[datetime, float] = {}
        for one in self._known.get(name, ()):
            if one.day is not None and not one.is_part:
                factors[one.time] = factors.get(one.time, 1.0) * one.factor
        return factors

    def any_between(self, name: str, after: datetime, until: datetime) -> bool:
        """Whether a symbol's split was heeded in a span."""
        known = self._known.get(name, ())
        return any(after < one.time <= until and not one.is_scale for one in known)

    def history_told(self, name: str, factor: float, now: datetime, followed: bool) -> None:
        """Note one that history told of; see `KnownSplit`."""
        one = KnownSplit(now, factor, followed=followed, unclaimed=factor)
        self._known.setdefault(name, []).append(one)

    def history_scaled(self, name: str, factor: float, now: datetime) -> None:
        """Note a scale of history's that is of no common split; see the module."""
        one = KnownSplit(now, factor, unclaimed=factor, is_scale=True)
        self._known.setdefault(name, []).append(one)

    def account_showed(self, name: str, factor: float) -> None:
        """Note what splits there are in what history told of last, 1 for none: shares show it."""
        one = self._known[name][-1]
        one.unclaimed, one.is_scale, one.followed = factor, False, True

    def since(self, name: str, time: datetime) -> float:
        """Price factor of a symbol's splits that came after a moment, 1 without one."""
        return math.prod(
            one.unclaimed if one.day is None else one.factor
            for one in self._known.get(name, ())
            if not one.is_scale and (one.time if one.day is None else _due(one.day)) > time
        )

    def broker_told(
        self,
        name: str,
        factor: float,
        day: date,
        now: datetime,
        newest: datetime | None,
        paid: float = 1.0,
    ) -> Following:
        """Note one that the broker tells of.

        Args:
            name: ticker.
            factor: of prices.
            day: to which it belongs.
            now: the present.
            newest: end of the newest bar; what history told of before has been told of by then.
            paid: price factor of the dividend that the day has as well, which history's scale has
                too; 1 without one.

        Returns:
            What bars and targets have still to follow.
        """
        known = self._known.setdefault(name, [])
        equal = [one for one in known if one.day == day and _is_one(one.factor / factor)]
        again = next((one for one in equal if not one.heard), None)
        if again is not None:
            again.heard = True
            self._tell(
                f"{name}: the split by {factor:g} of {day} was told of before the restart, too, "
                "and counts once: a day has one of a share. Were it another, prices would show it, "
                "and history is asked"
            )
            return Following()
        due = _due(day)
        for one in known:
            if _is_one(one.unclaimed) or (newest is not None and one.time <= newest):
                continue
            if one.followed and one.time < due:
                continue
            others = _split_of(one.unclaimed / factor, paid)
            if others is not None:
                # Of splits alone: history's scale may have a dividend on top, and where both
                # together looked like a split, targets have followed that.
                had = 1.0 if one.is_scale else one.unclaimed
                left = factor * others / had
                one.unclaimed, one.is_scale = others, False
                known.append(KnownSplit(now, factor, day, is_part=True, heard=True))
                return Following(targets=1.0 if _is_one(left) else left)
        if equal:
            self._tell(f"{name}: a second split by {factor:g} since the last close; both count")
        known.append(KnownSplit(now, factor, day, heard=True))
        return Following(factor, factor)

    def to_state(self) -> dict[str, Any]:
        """What a restart has to bring back, as JSON."""
        return {name: [one.to_state() for one in known] for name, known in self._known.items()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Bring back what `to_state` gave."""
        self._known = {name: list(map(KnownSplit.of, known)) for name, known in state.items()}


def _due(day: date) -> datetime:
    """When LEAN tells of a day's split."""
    return datetime(day.year, day.month, day.day, SPLIT_HOUR)


def _is_one(ratio: float) -> bool:
    """Whether two factors whose ratio it is are one."""
    return abs(ratio - 1.0) <= SCALE_ERROR


def _split_of(ratio: float, paid: float) -> float | None:
    """The common split in a ratio of scales, 1 where there is none; None if it is another ratio.

    Args:
        ratio: of scales.
        paid: price factor of a dividend that it may have as well.
    """
    without = ratio / paid
    if _is_one(ratio) or _is_one(without):
        return 1.0
    found = next((each for each in (without, ratio) if is_split_ratio(each)), None)
    return None if found is None else looks_like_split(1.0, found)
