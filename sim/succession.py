"""Days in another order, and what they remember of the days before.

A right forecast leaves nothing behind that tells of the next bar. Real ones leave a little: volume
has a longer memory than a network that reads some sixty bars, an unusual volume goes before an
unusual gap, lively days come together. And they leave more of some times than of others: days of
one quarter are more like each other than like those of another year, and its one report of earnings
comes once.

So a market whose days are drawn anew takes those that blocks give it (`sim.blocks`), each mostly
within a month of its place (`reordered`). What a day owes to the days before is told by a
regression,

    z(d) = B x(d - 1) + e(d),

z the normal scores of volume, of wicks and of the sizes of a symbol's moves, x averages of its
volume and of the size of its moves over a day, a week and a month, the symbol's own and the mean
over all symbols (a heterogeneous autoregression: Corsi 2009, "A simple approximate long-memory
model of realized volatility", with weights that fall exponentially). A market has e of its days and
x of its own: it remembers what it saw, in whatever order days come. On which side of the middle a
move was stays as it was on the date: what returns tell of returns is the forecaster's business, and
the rest luck. As B is the same for all symbols, each keeps the distribution of its noise as far as
all have a memory alike: deviations of real scores are kept to within .01.

B is by least squares over what is known of all symbols, and of each score drawn to none by its
uncertainty, by a positive-part James-Stein factor (James and Stein 1961, "Estimation with quadratic
loss")

    max(0, 1 - (k - 2) / W),    W = (M - k) / M  b' V^-1 b

of its k coefficients b; their covariance V takes each of M dates as one, for what symbols have in
common is told once (and few dates tell little of it: Hotelling's factor).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special
from scipy.signal import lfilter

from models.arrays import plain
from models.kernels import compiled
from models.market.features import PARTS

AHEAD = 40
"""Bars that a day comes earlier or later at most; most come within half of that, about a month."""

SPANS = np.array([1.0, 5.0, 20.0])
"""Bars of which averages tell: their weights fall by the factor 1 - 1 / span a bar."""

BY_SIZE = np.array([part in ("gap", "intraday") for part in PARTS])
"""Of each part, whether its size counts, whatever the side."""

VOLUME = PARTS.index("volume_deviation")

SINGULAR = 1e-10
"""Directions with so little of the largest one's variance tell nothing."""

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
Ranks = NDArray[np.int32]


def reordered(rows: Rows, n_rows: int, rng: np.random.Generator) -> Rows:
    """The days of each path in another order, each place of its rows at most once.

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


def largest_score(n_dates: int) -> float:
    """Of the middle of the outermost of N ranks: no score goes further."""
    return float(special.ndtri(1.0 - 0.5 / n_dates))


def scores(ranks: Floats, n_dates: int) -> Floats:
    """Normal scores of ranks (..., 5) in (0, 1), for gap and intraday return of how far from .5."""
    levels = np.where(BY_SIZE, np.abs(2.0 * ranks - 1.0), ranks)
    return special.ndtri(np.clip(levels, 0.5 / n_dates, 1.0 - 0.5 / n_dates))


@dataclass(frozen=True, eq=False)
class Autoregression:
    """What N days of S symbols owe to the days before.

    Attributes:
        ranks: of the days' transforms among their symbol's, in (0, 1), shape (N, S, 5).
        averages: of volume and of the size of moves up to each day, shape (N, S, 2, `SPANS`).
        weights: B of the module's description, shape (F, 5): of the symbol's own averages, and
            where there are several symbols of the means over all.
        unexpected: e, shape (N, S, 5).
    """

    ranks: Floats
    averages: Floats
    weights: Floats
    unexpected: Floats

    @classmethod
    def of(cls, ranks: Floats, known: NDArray[np.bool_]) -> Autoregression:
        """Learn from N days, one after the other.

        Args:
            ranks: see `Autoregression`.
            known: where they are a real bar's, shape (N, S); others are not learned from.
        """
        n, s = ranks.shape[:2]
        found = scores(ranks, n)
        each = np.stack([found[..., VOLUME], found[..., BY_SIZE].mean(axis=-1)], axis=-1)
        averages = np.stack(
            [lfilter([new], [1.0, new - 1.0], each, axis=0) for new in 1.0 / SPANS], axis=-1
        )
        before = _seen(averages[:-1])
        weights = _weights(before, found[1:], known[1:] & known[:-1])
        expected = np.concatenate([np.zeros((1, s, len(PARTS))), before @ weights])
        return cls(ranks, averages, weights, found - expected)

    def ranks_on(self, dates: Rows, last: Rows) -> Ranks:
        """Ranks, from 0 to N - 1, of the noise of markets on dates in any order.

        Args:
            dates: numbers of the days of B markets, shape (B, T).
            last: the day before the first of each, shape (B,); -1 where there is none, and nothing
                to remember.

        Returns:
            Shape (T, S, B, 5).
        """
        n, s = self.ranks.shape[:2]
        found = np.empty((dates.shape[1], s, len(dates), len(PARTS)), np.int32)
        go_on(
            plain(dates, np.int64),
            plain(last, np.int64),
            plain(self.averages),
            plain(self.unexpected),
            self.ranks < 0.5,
            plain(self.weights),
            1.0 / SPANS,
            BY_SIZE,
            VOLUME,
            largest_score(n),
            found,
        )
        return found


def _seen(averages: Floats) -> Floats:
    """What symbols go on from, of averages (..., S, 2, `SPANS`): shape (..., S, F)."""
    own = averages.reshape(*averages.shape[:-2], 2 * len(SPANS))
    if own.shape[-2] == 1:
        return own
    return np.concatenate([own, np.broadcast_to(own.mean(axis=-2, keepdims=True), own.shape)], -1)


def _weights(before: Floats, after: Floats, known: NDArray[np.bool_]) -> Floats:
    """B of what was before (N, S, F) and scores after it (N, S, 5), where known (N, S)."""
    k, dates = before.shape[-1], int(known.any(axis=1).sum())
    found = np.zeros((k, after.shape[-1]))
    each = before[known]
    bread = np.linalg.pinv(each.T @ each, rcond=SINGULAR, hermitian=True)
    for part in range(after.shape[-1]):
        weights = bread @ (each.T @ after[known, part])
        missed = np.where(known, after[..., part] - before @ weights, 0.0)
        by_date = np.einsum("nsf,ns->nf", before, missed)
        covariance = bread @ (by_date.T @ by_date) @ bread
        inverse = np.linalg.pinv(covariance, rcond=SINGULAR, hermitian=True)
        wald = (dates - k) / max(dates, 1) * (weights @ inverse @ weights)
        if wald > k - 2:
            found[:, part] = (1.0 - (k - 2) / wald) * weights
    return found


@compiled(
    "void(int64[:, ::1], int64[::1], float64[:, :, :, ::1], float64[:, :, ::1], boolean[:, :, ::1],"
    " float64[:, ::1], float64[::1], boolean[::1], int64, float64, int32[:, :, :, ::1])"
)
def go_on(
    dates, last, averages, unexpected, below, weights, news, by_size, volume, largest, found
):  # fmt: skip
    """See `Autoregression.ranks_on`.

    Args:
        dates: shape (B, T).
        last: shape (B,).
        averages: shape (N, S, 2, K).
        unexpected: shape (N, S, 5).
        below: whether a day's rank is below the middle, shape (N, S, 5).
        weights: shape (2 K, 5), or (4 K, 5) with those of the means over symbols.
        news: share of a new day in the averages, shape (K,).
        by_size: of each part, whether its size counts, shape (5,).
        volume: number of that part.
        largest: no score goes further.
        found: written to, shape (T, S, B, 5).
    """
    n, symbols, parts = unexpected.shape
    spans, sizes = len(news), by_size.sum()
    own, now = 2 * spans, np.empty((symbols, 2 * spans))
    common, score = np.empty(parts), np.empty((symbols, parts))
    for b in range(len(dates)):
        for s in range(symbols):
            for f in range(own):
                now[s, f] = averages[last[b], s, f // spans, f % spans] if last[b] >= 0 else 0.0
        for t in range(dates.shape[1]):
            day = dates[b, t]
            # Of the means over symbols: the same for each.
            common[:] = 0.0
            for f in range(own, len(weights)):
                mean = now[:, f - own].sum() / symbols
                for part in range(parts):
                    common[part] += mean * weights[f, part]
            for s in range(symbols):
                z_of = score[s]
                for part in range(parts):
                    z_of[part] = unexpected[day, s, part] + common[part]
                for f in range(own):
                    for part in range(parts):
                        z_of[part] += now[s, f] * weights[f, part]
                for part in range(parts):
                    z = min(max(z_of[part], -largest), largest)
                    z_of[part] = z
                    rank = 0.5 * math.erfc(-z / math.sqrt(2.0))
                    if by_size[part]:
                        rank = 0.5 - 0.5 * rank if below[day, s, part] else 0.5 + 0.5 * rank
                    found[t, s, b, part] = min(int(rank * n), n - 1)
            for s in range(symbols):
                size = 0.0
                for part in range(parts):
                    if by_size[part]:
                        size += score[s, part] / sizes
                for k in range(spans):
                    now[s, k] += (score[s, volume] - now[s, k]) * news[k]
                    now[s, spans + k] += (size - now[s, spans + k]) * news[k]
