"""One close, however many slices its bars come in."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from datetime import datetime


class Close:
    """What was decided at the newest close.

    A close is known by the end of its bars, which all slices of it share; the algorithm's clock
    may move on by microseconds between them. What a later slice brings is added to what the
    earlier ones brought, so that everything decided at a close is sized together in the end.
    """

    def __init__(self) -> None:
        self._end: datetime | None = None
        self._told: datetime | None = None
        self._fresh: set[str] = set()
        self._weights: dict[str, float] = {}

    def add(
        self,
        end: datetime,
        now: datetime,
        fresh: Collection[str],
        weights: Mapping[str, float],
    ) -> dict[str, float]:
        """Take in what was decided on a slice.

        Args:
            end: end of its bars.
            now: the algorithm's time.
            fresh: tickers it has bars of.
            weights: target weight of every traded ticker after the stops; NaN for none.

        Returns:
            Target weights of the whole close so far: of a ticker decided on by an earlier slice,
            what was decided then, unless a stop has made it flat since.
        """
        if end != self._end:
            self._end, self._fresh, self._weights = end, set(), dict(weights)
        self._told = now
        self._fresh |= set(fresh)
        self._weights |= {name: w for name, w in weights.items() if not math.isnan(w)}
        return dict(self._weights)

    @property
    def wants_anything(self) -> bool:
        """Whether some ticker has a fresh target at this close."""
        return any(not math.isnan(weight) for weight in self._weights.values())

    def fresh_at(self, now: datetime) -> set[str]:
        """Tickers with a bar at the close that was decided on at this time step; else none."""
        return set(self._fresh) if now == self._told else set()
