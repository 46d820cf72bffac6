"""The two-sample test within one span of real bars: for few symbols and a backtest's time.

Real windows of the span that was learned from are told from simulated ones that start at the very
same closes (`sim.two_sample`): what eras and symbols differ in is the same on both sides. With few
symbols there are no whole stocks to keep apart, so folds are of time: the dates are cut into
blocks, no window reaches from one into another, and a classifier is judged on blocks that it was
not fitted on.

This is a look at one span, not the project's measure of realism: the simulators were fitted to
these very bars, and there are few windows that do not overlap (`SpanVerdict.chance`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.market.history import History
from sim.dates import CommonDates
from sim.paths import Paths
from sim.two_sample import BOOSTING, Told, balanced, quick_test
from sim.windows import CONTEXT, TICKS, Statistics, joint_statistics, window_statistics

WINDOW = 60
"""Returns of a window: a quarter of a year."""
STRIDE = 5
"""Bars between neighbouring windows, unless there are more than enough."""
BLOCKS = 6
"""Of time, at most; folds take them whole."""
LEAST_BLOCKS = 3
SHORTEST_BLOCK = WINDOW + 10
MOST_WINDOWS = 600
"""Of single symbols; with many symbols windows are further apart."""
LEAST_DATES = 48
"""Dates that windows start at, if the span has them, however many symbols there are."""
KEPT = 8
"""Statistics of which a verdict tells."""

EACH, TOGETHER = "each symbol alone", "all symbols together"

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class UsedStatistic:
    """A statistic that the classifier used against the first simulator.

    Attributes:
        name: of the statistic.
        family: what part of the market it is about.
        fall: of the AUC on held-out windows when it is shuffled.
        alone: AUC of the statistic alone; above .5 where imagined windows have larger values.
        means: over the real windows, then over those of each simulator.
    """

    name: str
    family: str
    fall: float
    alone: float
    means: tuple[float, ...]


@dataclass(frozen=True)
class SpanVerdict:
    """How well simulated windows of one kind are told from real ones.

    Attributes:
        kind: `EACH` or `TOGETHER`.
        windows: real windows, most of which overlap.
        disjoint: how many of them fit without overlapping.
        chance: what an AUC may be off .5 by chance (two standard errors), taking only windows that
            do not overlap as independent; windows of different symbols on one date are not quite,
            so it is rather more.
        auc: by simulator; .5 cannot be told, 1 always.
        used: largest fall first.
    """

    kind: str
    windows: int
    disjoint: int
    chance: float
    auc: Mapping[str, float]
    used: tuple[UsedStatistic, ...]

    def __str__(self) -> str:
        found = ", ".join(f"{name} {value:.2f}" for name, value in self.auc.items())
        return (
            f"Told from real windows of the same span, {self.kind}: AUC {found} "
            f"(.5 cannot be told, chance ± {self.chance:.2f}, {self.windows} windows)"
        )

    def to_json(self) -> dict[str, Any]:
        """As JSON can say it."""
        return {
            "kind": self.kind,
            "windows": self.windows,
            "disjoint": self.disjoint,
            "chance": self.chance,
            "auc": [{"name": name, "value": value} for name, value in self.auc.items()],
            "used": [vars(each) | {"means": list(each.means)} for each in self.used],
        }


@dataclass(frozen=True)
class SpanTest:
    """Where windows start in a span, and the real ones.

    Attributes:
        histories: of S symbols.
        dates: of the closes that windows follow, shape (D,): for the samplers' `starts`.
        block: of time, of each date, shape (D,).
        rows: of each close in each history, shape (D, S); -1 where a symbol has no whole window.
        blocks: of time.
        block_bars: dates in each.
    """

    histories: Sequence[History]
    dates: NDArray[np.datetime64]
    block: NDArray[np.int64]
    rows: NDArray[np.int64]
    blocks: int
    block_bars: int

    @classmethod
    def of(cls, histories: Sequence[History], first: int) -> SpanTest | None:
        """Lay windows over a span.

        Args:
            histories: of S symbols.
            first: earliest row at which simulated markets may start, >= `CONTEXT`.

        Returns:
            None if the span is too short for `LEAST_BLOCKS` blocks.
        """
        if first < CONTEXT:
            raise ValueError(f"first must leave {CONTEXT} bars of context; received {first}")
        common = CommonDates.of(histories, first)
        blocks = min(BLOCKS, len(common.dates) // SHORTEST_BLOCK)
        if blocks < LEAST_BLOCKS:
            return None
        size = len(common.dates) // blocks
        # The newest whole blocks.
        origin = len(common.dates) - blocks * size
        within = np.arange(0, size - WINDOW, STRIDE)
        most = max(MOST_WINDOWS // len(histories), LEAST_DATES) // blocks
        if len(within) > most:
            within = within[np.linspace(0, len(within) - 1, max(most, 1)).astype(np.int64)]
        block = np.repeat(np.arange(blocks), len(within))
        place = origin + block * size + np.tile(within, blocks)
        end = common.dates[origin + (block + 1) * size - 1]
        rows = common.rows[place]
        for s, history in enumerate(histories):
            time = history.time.astype(end.dtype)
            last = np.minimum(rows[:, s] + WINDOW, len(history) - 1)
            whole = (rows[:, s] >= 0) & (rows[:, s] + WINDOW < len(history)) & (time[last] <= end)
            rows[~whole, s] = -1
        kept = (rows >= 0).any(axis=1)
        if len(np.unique(block[kept])) < LEAST_BLOCKS:
            return None
        return cls(histories, common.dates[place[kept]], block[kept], rows[kept], blocks, size)

    def verdicts(self, simulated: Mapping[str, Paths], seed: int) -> list[SpanVerdict]:
        """Try to tell simulated windows from the real ones.

        Args:
            simulated: markets of `WINDOW` bars from `dates`, by simulator.
            seed: fixes everything.

        Returns:
            Of single symbols, and of all together if there are several and they share dates in
            all blocks.
        """
        found = [self._verdict(EACH, simulated, seed)]
        together = (self.rows >= 0).all(axis=1)
        shared = len(np.unique(self.block[together]))
        if len(self.histories) > 1 and shared >= LEAST_BLOCKS:
            found.append(self._verdict(TOGETHER, simulated, seed))
        return found

    def _verdict(self, kind: str, simulated: Mapping[str, Paths], seed: int) -> SpanVerdict:
        alone = kind == EACH
        describe = self._single if alone else self._joint
        real, where = describe(None)
        told: dict[str, Told] = {}
        n = 0
        for name, paths in simulated.items():
            imagined, starts = describe(paths)
            # As many of either kind from each start, so that dates and symbols weigh the same.
            pair = balanced(where, starts, np.random.default_rng([seed, 2]))
            told[name] = quick_test(
                real.take(pair[0]),
                imagined.take(pair[1]),
                self.block[where[pair[0]] % len(self.dates)],
                self.block[starts[pair[1]] % len(self.dates)],
                seed=seed,
            )
            n = max(n, len(pair[1]))
        disjoint = self._disjoint(where)
        first = next(iter(told.values()))
        family = dict(zip(real.names, real.families, strict=True))
        return SpanVerdict(
            kind=kind,
            windows=len(real),
            disjoint=disjoint,
            chance=2.0 * math.sqrt((disjoint + n + 1) / (12.0 * disjoint * n)),
            auc={name: each.auc[BOOSTING] for name, each in told.items()},
            used=tuple(
                UsedStatistic(
                    name,
                    family[name],
                    fall,
                    first.alone[name],
                    (first.means[name][0], *(each.means[name][1] for each in told.values())),
                )
                for name, fall in list(first.used.items())[:KEPT]
            ),
        )

    def _disjoint(self, where: NDArray[np.int64]) -> int:
        """How many of the windows that start at `where` fit into their blocks side by side."""
        symbol, date = np.divmod(where, len(self.dates))
        pairs = np.unique(np.stack([symbol, self.block[date]]), axis=1).shape[1]
        return pairs * max((self.block_bars - 1) // WINDOW, 1)

    def _single(self, paths: Paths | None) -> tuple[Statistics, NDArray[np.int64]]:
        """Windows of single symbols, and where each starts: symbol · D + date."""
        bars, where = [], []
        for s in range(len(self.histories)):
            found, date = self._windows(s, paths)
            known = date >= 0
            bars.append(found[known])
            where.append(s * len(self.dates) + date[known])
        return window_statistics(np.concatenate(bars)).without(TICKS), np.concatenate(where)

    def _joint(self, paths: Paths | None) -> tuple[Statistics, NDArray[np.int64]]:
        """Windows of all symbols on common dates, and the date of each."""
        found, dates = zip(
            *(self._windows(s, paths) for s in range(len(self.histories))), strict=True
        )
        date = np.stack(dates, axis=1)
        known = (date[:, 0] >= 0) & (date == date[:, :1]).all(axis=1)
        return joint_statistics(np.stack(found, axis=1)[known]).without(TICKS), date[known, 0]

    def _windows(self, s: int, paths: Paths | None) -> tuple[Floats, NDArray[np.int64]]:
        """Windows of a symbol, real or from markets, after their real context, and their dates.

        Returns:
            (N, CONTEXT + WINDOW, 5), N being D or the markets; and (N,) numbers of dates, -1 where
            there is no real window to compare with (its bars then mean nothing).
        """
        history, rows = self.histories[s], self.rows[:, s]
        back = np.arange(1 - CONTEXT, 1)
        if paths is None:
            index = np.maximum(rows, CONTEXT)[:, None] + np.arange(1 - CONTEXT, WINDOW + 1)
            date = np.where(rows >= 0, np.arange(len(rows)), -1)
            return history.bars[np.minimum(index, len(history) - 1)], date
        date_of_row = np.full(len(history), -1)
        date_of_row[rows[rows >= 0]] = np.flatnonzero(rows >= 0)
        start = paths.start_row[:, s]
        context = history.bars[start[:, None] + back]
        return np.concatenate([context, paths.bars[:, s, 1:]], axis=1), date_of_row[start]
