"""Days in another order: which day of its time may follow which.

A right forecast leaves nothing behind that tells of the next bar. Real ones leave a little: volume
has a longer memory than a network that reads some sixty bars, an unusual volume goes before an
unusual gap, lively days come together. And they leave more of some times than of others: days of
one quarter are more like each other than like those of another year, and its one report of earnings
comes once.

So a market whose days are drawn anew takes those that blocks give it (`sim.blocks`), each as often
as there, in an order in which days follow upon days like those they really followed: the local
bootstrap of Paparoditis and Politis (2002, "The local bootstrap for Markov processes"). Of the days
that come within `AHEAD` bars and have not been, the next one is drawn with weights

    exp(-|x(d - 1) - x(now)|² / 2),

x(now) what the market's last day tells of the next (`told`), x(d - 1) what the day before the
candidate told, both in widths of the kernel. The day that really came next is passed over: what
follows upon what is new, or these markets would be real ones for days on end. A day that is still
left `AHEAD` bars after its place is taken next, one step in thirteen upon the day before it after
all: so all days are taken about as often as before, and nearly when they were. Days of the `AHEAD`
bars before a market are drawn as well, and thrown away: its first bars are like any others.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import special
from scipy.signal import lfilter

from models.arrays import plain
from models.kernels import compiled
from models.market.features import PARTS

AHEAD = 20
"""Bars, about a month, that a day may come earlier or later."""

WIDTHS = np.array([0.4, 0.4, 0.8])
"""Of the kernel, in deviations of volume, of volume lately, and of the size of moves. Windows of
TDQN's stocks to 2017 are told from such markets' with an AUC of about .62, and of .59 if the day
that really came next is not passed over; then with volume and moves alone .61 (block bootstrap
.63).
"""

DECAY = 0.8
"""A bar, of what counts as lately."""

BY_SIZE = np.array([part in ("gap", "intraday") for part in PARTS])
"""Of each part, whether its size counts, whatever the side."""

VOLUME = PARTS.index("volume_deviation")

EDGE = 1e-9
"""Levels closer to 0 or 1 are brought there: their scores are finite."""

LEAST = 1e-12
"""Weight of a day that is like nothing, or really came next: it may be all there is."""

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]


def scores(uniforms: Floats) -> Floats:
    """Normal scores of levels (..., 5), of gap and intraday return of their distance from .5."""
    levels = np.where(BY_SIZE, np.abs(2.0 * uniforms - 1.0), uniforms)
    return special.ndtri(np.clip(levels, EDGE, 1.0 - EDGE))


def told(uniforms: Floats) -> Floats:
    """What each of N days tells of the next, in widths of the kernel, shape (N, 3).

    The mean score of the symbols' volumes, that of the days up to it with weights that fall by
    `DECAY`, and the mean score of their moves' sizes.

    Args:
        uniforms: ranks of the days' transforms among their symbol's, in (0, 1), shape (N, S, 5).
    """
    found = scores(uniforms)
    volume = found[..., VOLUME].mean(axis=1)
    lately = lfilter([1.0 - DECAY], [1.0, -DECAY], volume)
    each = np.column_stack([volume, lately, found[..., BY_SIZE].mean(axis=(1, 2))])
    deviation = each.std(axis=0)
    return (each - each.mean(axis=0)) / np.where(deviation > 0.0, deviation, 1.0) / WIDTHS


def reordered(rows: Rows, told: Floats, last: Rows, rng: np.random.Generator) -> Rows:
    """Rows in an order in which they follow upon rows like those they really followed.

    Args:
        rows: of days, in the order in which they were dealt, shape (B, T + `AHEAD`).
        told: what each of N days tells of the next, shape (N, F); row 0 follows the last one.
        last: the day before the first of each path, shape (B,); -1 where there is none, which
            tells what days tell on average.
        rng: fixes the order.

    Returns:
        Shape (B, T); each place of a path's rows is taken at most once.
    """
    before = (rows[:, :1] + np.arange(-AHEAD, 0)) % len(told)
    every = np.concatenate([before, rows], axis=1)
    found = np.empty(rows.shape, np.int64)
    uniforms = rng.random(found.shape)
    reorder(plain(every, np.int64), plain(told), plain(last, np.int64), uniforms, AHEAD, found)
    return found[:, AHEAD:]


@compiled("void(int64[:, ::1], float64[:, ::1], int64[::1], float64[:, ::1], int64, int64[:, ::1])")
def reorder(rows, told, last, uniforms, ahead, found):
    """See `reordered`.

    Args:
        rows: shape (B, T + ahead), the first `ahead` of them of the bars before.
        told: shape (N, F).
        last: the day before number `ahead`, -1 where there is none, shape (B,).
        uniforms: that choose, shape (B, T).
        ahead: bars that a day may come earlier or later.
        found: written to, shape (B, T); the first `ahead` of them are of the bars before.
    """
    weights, taken = np.empty(2 * ahead + 1), np.empty(rows.shape[1], np.bool_)
    nothing = np.zeros(told.shape[1])
    for b in range(len(rows)):
        taken[:] = False
        now, oldest = -1, 0
        for t in range(found.shape[1]):
            if t == ahead:
                now = last[b]
            while taken[oldest]:
                oldest += 1
            place = oldest
            if oldest > t - ahead:
                tells, total = told[now] if now >= 0 else nothing, 0.0
                for i in range(oldest, t + ahead + 1):
                    weight = 0.0
                    if not taken[i]:
                        before = rows[b, i] - 1 if rows[b, i] > 0 else len(told) - 1
                        went, square = told[before], 0.0
                        for k in range(len(tells)):
                            square += (went[k] - tells[k]) ** 2
                        weight = LEAST if before == now else np.exp(-0.5 * square) + LEAST
                    weights[i - oldest] = weight
                    total += weight
                left = uniforms[b, t] * total
                for i in range(oldest, t + ahead + 1):
                    if not taken[i]:
                        place = i
                        left -= weights[i - oldest]
                        if left < 0.0:
                            break
            taken[place] = True
            now = rows[b, place]
            found[b, t] = now
