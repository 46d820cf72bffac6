"""Days in another order, and what they remember of the days before.

A right forecast leaves nothing behind that tells of the next bar. Real ones leave a little: volume
has a longer memory than a network that reads some sixty bars, an unusual volume goes before an
unusual gap, lively days come together. And they leave more of some times than of others: days of
one quarter are more like each other than like those of another year, and its one report of earnings
comes once.

So a market whose days are drawn anew takes those that blocks give it (`sim.blocks`), each once and
within a month of its place (`reordered`). What days remember is told by a regression,

    z(d) = B x(d - 1) + e(d),

z the normal scores of volume, of wicks and of the sizes of a symbol's moves, x averages of what it
had, of volume and of the size of moves, over a day, a week and a month, the symbol's own and those
of all symbols together (a heterogeneous autoregression: Corsi 2009, "A simple approximate long-
memory model of realized volatility", with weights that fall exponentially). A market has e of its
days and x of itself: it remembers what it saw, in whatever order days come. On which side a move
was stays as it was on the date; what returns tell of returns is the forecaster's business, and the
rest luck.

B is by least squares, of all symbols together, and of each score drawn to none by its uncertainty,
by a positive-part James-Stein factor (James and Stein 1961, "Estimation with quadratic loss")

    max(0, 1 - (k - 2) / W),    W = b' V^-1 b

of its k coefficients b; their covariance V takes one date as one, for what symbols have in common
is told once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from models.market.features import PARTS

AHEAD = 40
"""Bars that a day comes earlier or later at most; most come within half of that, about a month."""

SPANS = np.array([1.0, 5.0, 20.0])
"""Bars of which averages tell: weights fall by one over them a bar."""

BY_SIZE = np.array([part in ("gap", "intraday") for part in PARTS])
"""Of each part, whether its size counts, whatever the side."""

VOLUME = PARTS.index("volume_deviation")

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]


def reordered(rows: Rows, n_rows: int, rng: np.random.Generator) -> Rows:
    """The days of each path in another order, each at most once.

    In the order of t + `AHEAD` u, t their places and u uniform in (0, 1). Days of the `AHEAD` bars
    before and after take part: first and last bars are like any others.

    Args:
        rows: of days, in the order in which they were dealt, shape (B, T + `AHEAD`).
        n_rows: N of them there are; row 0 follows the last one.
        rng: fixes the order.

    Returns:
        Shape (B, T).
    """
    before = (rows[:, :1] + np.arange(-AHEAD, 0)) % n_rows
    every = np.concatenate([before, rows], axis=1)
    place = np.argsort(np.arange(every.shape[1]) + AHEAD * rng.random(every.shape), axis=1)
    return np.take_along_axis(every, place[:, AHEAD:-AHEAD], axis=1)


def scores(ranks: Floats, n_dates: int) -> Floats:
    """Normal scores of ranks (..., 5) in (0, 1), of gap and intraday return of how far from .5.

    Finite: no closer to the ends than half of one of N ranks.
    """
    levels = np.where(BY_SIZE, np.abs(2.0 * ranks - 1.0), ranks)
    return special.ndtri(np.clip(levels, 0.5 / n_dates, 1.0 - 0.5 / n_dates))


@dataclass(frozen=True, eq=False)
class Memory:
    """What N days of S symbols remember of the days before.

    Attributes:
        ranks: of the days' transforms among their symbol's, in (0, 1), shape (N, S, 5).
        averages: of volume and of the size of moves up to each day, shape (N, S, 2, `SPANS`).
        weights: B of the module's description, shape (F, 5).
        unexpected: e, shape (N, S, 5).
    """

    ranks: Floats
    averages: Floats
    weights: Floats
    unexpected: Floats

    @classmethod
    def of(cls, ranks: Floats) -> Memory:
        """Learn from the ranks of N days (N, S, 5), one after the other."""
        n, s = ranks.shape[:2]
        found = scores(ranks, n)
        averages, now = np.empty((n, s, 2, len(SPANS))), np.zeros((s, 2, len(SPANS)))
        for day in range(n):
            now = averages[day] = _after(now, found[day])
        before = _seen(averages[:-1])
        weights = _weights(before, found[1:])
        expected = np.concatenate([np.zeros((1, s, len(PARTS))), before @ weights])
        return cls(ranks, averages, weights, found - expected)

    def remembered(self, dates: Rows, last: Rows) -> Rows:
        """Ranks, from 0 to N - 1, of the noise of markets on dates in any order.

        Args:
            dates: numbers of the days of B markets, shape (B, T).
            last: the day before the first of each, shape (B,); -1 where there is none, and nothing
                to remember.

        Returns:
            Shape (T, S, B, 5).
        """
        n, s = self.ranks.shape[:2]
        paths, n_steps = dates.shape
        found = np.empty((n_steps, s, paths, len(PARTS)), np.int64)
        side = np.where(self.ranks < 0.5, -1.0, 1.0)
        known = (last >= 0)[:, None, None, None]
        now = np.where(known, self.averages[last], 0.0)
        for t in range(n_steps):
            of = dates[:, t]
            levels = special.ndtr(self.unexpected[of] + _seen(now) @ self.weights)
            ranks = np.where(BY_SIZE, 0.5 + 0.5 * side[of] * levels, levels)
            each = np.clip((ranks * n).astype(np.int64), 0, n - 1)
            found[t] = each.swapaxes(0, 1)
            now = _after(now, scores((each + 0.5) / n, n))
        return found


def _after(averages: Floats, scored: Floats) -> Floats:
    """Averages (..., S, 2, `SPANS`) after one more day with scores (..., S, 5)."""
    new = np.stack([scored[..., VOLUME], scored[..., BY_SIZE].mean(axis=-1)], axis=-1)
    return averages + (new[..., None] - averages) / SPANS


def _seen(averages: Floats) -> Floats:
    """What symbols remember, of averages (..., S, 2, `SPANS`): shape (..., S, F).

    Their own, and where there are several those of all.
    """
    own = averages.reshape(*averages.shape[:-2], 2 * len(SPANS))
    if own.shape[-2] == 1:
        return own
    return np.concatenate([own, np.broadcast_to(own.mean(axis=-2, keepdims=True), own.shape)], -1)


def _weights(before: Floats, after: Floats) -> Floats:
    """B of what was before (N, S, F) and scores after it (N, S, 5); zero if there are too few."""
    k = before.shape[-1]
    found = np.zeros((k, after.shape[-1]))
    if len(before) <= k:
        return found
    each = before.reshape(-1, k)
    bread = np.linalg.pinv(each.T @ each)
    for part in range(after.shape[-1]):
        weights = bread @ (each.T @ after[..., part].ravel())
        missed = after[..., part] - before @ weights
        by_date = np.einsum("nsf,ns->nf", before, missed)
        covariance = bread @ (by_date.T @ by_date) @ bread
        wald = weights @ np.linalg.pinv(covariance) @ weights
        if wald > k - 2:
            found[:, part] = (1.0 - (k - 2) / wald) * weights
    return found
