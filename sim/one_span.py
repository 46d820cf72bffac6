"""The two-sample test within one span of real bars: for few symbols and a backtest's time.

Real windows of the span that was learned from are told from simulated ones that start at the very
same closes (`sim.two_sample`): eras and symbols weigh the same on both sides. With few symbols
there are no whole stocks to keep apart, so folds are of time: the dates are cut into blocks hardly
longer than a window, no window reaches from one into another, and a classifier is judged on blocks
that it was not fitted on.

This is a look at one span, not the project's measure of realism: the simulators were fitted to
these very bars, which draws the AUC down, and few windows do not overlap (`SpanVerdict.chance`).
Windows of all symbols together would be a handful in a few years; how symbols depend on each other
is measured by `sim.dependence` instead.
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
from sim.two_sample import BOOSTING, Told, quick_test
from sim.windows import CONTEXT, TICKS, Statistics, window_statistics

WINDOW = 60
"""Returns of a window: a quarter of a year."""
STRIDE = 5
"""Bars between neighbouring windows of a block."""
BLOCK = WINDOW + 2 * STRIDE + 1
"""Bars of a block at least: three windows. Longer blocks would be fewer: a classifier that has seen
a handful of eras takes what was particular to them for what is real."""
LEAST_BLOCKS = 5
MOST_WINDOWS = 300
"""Real ones; with many symbols or years only some of the dates are taken."""
PER_START = 4
"""Markets simulated from each date."""
FOLDS, REPEATS = 5, 3
KEPT = 8
"""Statistics of which a verdict tells."""

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
    """How well simulated windows are told from real ones.

    Attributes:
        windows: real windows, most of which overlap.
        disjoint: how many of them fit side by side.
        chance: what an AUC may be off .5 by chance (two standard errors of Mann and Whitney's
            statistic), taking only windows that do not overlap as independent; windows of
            different symbols on one date are not quite, so it is rather more.
        auc: by simulator; .5 cannot be told, 1 always; well below, what the classifier learned
            on other windows misled it.
        used: by the classifier of the first simulator, largest fall first.
    """

    windows: int
    disjoint: int
    chance: float
    auc: Mapping[str, float]
    used: tuple[UsedStatistic, ...]

    def __str__(self) -> str:
        found = ", ".join(f"{name} {value:.2f}" for name, value in self.auc.items())
        misled = any(value < 0.5 - self.chance for value in self.auc.values())
        below = "well below the classifier was misled, " if misled else ""
        return (
            f"Told from real windows of the same span: AUC {found} (.50 cannot be told, {below}"
            f"chance ± {self.chance:.2f}, {self.windows} windows)"
        )

    def to_json(self) -> dict[str, Any]:
        """As JSON can say it."""
        return {
            "bars": WINDOW,
            "windows": self.windows,
            "disjoint": self.disjoint,
            "chance": self.chance,
            "columns": ["real", *self.auc],
            "auc": [None, *self.auc.values()],
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
    """

    histories: Sequence[History]
    dates: NDArray[np.datetime64]
    block: NDArray[np.int64]
    rows: NDArray[np.int64]

    @classmethod
    def of(cls, histories: Sequence[History], first: int) -> SpanTest | None:
        """Lay windows over a span.

        Args:
            histories: of S symbols.
            first: earliest row at which simulated markets may start, >= `CONTEXT`.

        Returns:
            None if the span is too short for `LEAST_BLOCKS` blocks.

        Raises:
            ValueError: if `first` leaves no room for the context.
        """
        if first < CONTEXT:
            raise ValueError(f"first must leave {CONTEXT} bars of context; received {first}")
        common = CommonDates.of(histories, first)
        count = len(common.dates) // BLOCK
        if count < LEAST_BLOCKS:
            return None
        # The newest whole blocks; those that are taken lie evenly over them.
        block_bars = len(common.dates) // count
        origin = len(common.dates) - count * block_bars
        within = np.arange(0, block_bars - WINDOW, STRIDE)
        most = max(MOST_WINDOWS // (len(histories) * len(within)), LEAST_BLOCKS)
        blocks = np.unique(np.linspace(0, count - 1, min(most, count)).round().astype(np.int64))
        block = np.repeat(blocks, len(within))
        place = origin + block * block_bars + np.tile(within, len(blocks))
        end = common.dates[origin + (block + 1) * block_bars - 1]
        rows = common.rows[place]
        for s, history in enumerate(histories):
            last = rows[:, s] + WINDOW
            inside = history.time[np.minimum(last, len(history) - 1)].astype(end.dtype) <= end
            rows[~(inside & (last < len(history))), s] = -1
        kept = (rows >= 0).any(axis=1)
        if len(np.unique(block[kept])) < LEAST_BLOCKS:
            return None
        return cls(histories, common.dates[place[kept]], block[kept], rows[kept])

    @property
    def markets(self) -> int:
        """How many to simulate from `dates`."""
        return PER_START * len(self.dates)

    def verdict(self, simulated: Mapping[str, Paths], seed: int) -> SpanVerdict:
        """Try to tell simulated windows from the real ones.

        Args:
            simulated: markets of `WINDOW` bars from `dates`, by simulator.
            seed: fixes everything.
        """
        real, date = self._real()
        told: dict[str, Told] = {}
        for name, paths in simulated.items():
            imagined, start = self._imagined(paths)
            told[name] = quick_test(
                real, imagined, self.block[date], self.block[start],
                seed=seed, folds=FOLDS, repeats=REPEATS, shuffles=0 if told else 1,
                most=PER_START * MOST_WINDOWS,
            )  # fmt: skip
        # Where no window of a symbol overlaps another: one in each of its blocks.
        symbol = np.repeat(np.arange(len(self.histories)), (self.rows >= 0).sum(axis=0))
        disjoint = len(set(zip(symbol.tolist(), self.block[date].tolist(), strict=True)))
        first = next(iter(told.values()))
        family = dict(zip(real.names, real.families, strict=True))
        return SpanVerdict(
            windows=len(real),
            disjoint=disjoint,
            chance=2.0 * math.sqrt((disjoint + len(real) + 1) / (12.0 * disjoint * len(real))),
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

    def _real(self) -> tuple[Statistics, NDArray[np.int64]]:
        """Real windows, symbol after symbol, and the date of each."""
        bars, dates = [], []
        for history, rows in zip(self.histories, self.rows.T, strict=True):
            known = np.flatnonzero(rows >= 0)
            bars.append(history.bars[rows[known, None] + np.arange(1 - CONTEXT, WINDOW + 1)])
            dates.append(known)
        return _described(bars), np.concatenate(dates)

    def _imagined(self, paths: Paths) -> tuple[Statistics, NDArray[np.int64]]:
        """Simulated windows after their real context, and the date of each.

        A symbol that has no bar on a market's date starts at another time of its own; it counts
        only if a real window starts there.
        """
        bars, dates = [], []
        for s, history in enumerate(self.histories):
            known = np.flatnonzero(self.rows[:, s] >= 0)
            date_of_row = np.full(len(history), -1)
            date_of_row[self.rows[known, s]] = known
            start = paths.start_row[:, s]
            mine = date_of_row[start] >= 0
            before = history.bars[start[mine, None] + np.arange(1 - CONTEXT, 1)]
            bars.append(np.concatenate([before, paths.bars[mine, s, 1:]], axis=1))
            dates.append(date_of_row[start[mine]])
        return _described(bars), np.concatenate(dates)


def _described(bars: Sequence[Floats]) -> Statistics:
    return window_statistics(np.concatenate(bars)).without(TICKS)
