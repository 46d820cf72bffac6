"""Markets that stay as they began: how strongly the state of an imagined market acts on itself.

Markets begin evenly on all dates of their histories. So what the state of a market is, how wild its
symbols are together and each beside the others, how far what the network says of their scales is
from the usual, is distributed among them as among the real dates; and where a simulator is right it
stays so, however far the markets walk. A learned recursion does not by itself: one that believes
its own luck too readily drives symbols apart, one that trusts the mean too soon lets crises end as
they begin. What one bar tells of the next hardly shows it; it adds up over months.

So some markets walk on trial, and four numbers (`Feedback`) are turned until the second moments of
the state about the usual are late in the walk what they were at its start, all trials with the same
starts, networks and noise. How wild a symbol is says the size of its whole forecast: the volatility
that it is drawn with, and what the network says of scales. Markets wilder than usual and calmer
ones have a moment each, for crises are further from the usual than calm. One number acts on each
moment for the most part, so each is turned by its own, by how much it did before (the secant method
for every one of them).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

WALK = 100
"""Bars of a trial; its second half counts. Scales that drift have drifted by then; longer walks
give the same numbers."""

MARKETS = 640
"""In a trial. That leaves .01 to .03 of luck in a number, less than the span does; 128 left .03 to
.1, and markets a tenth too calm or too wild by it. How many symbols there are hardly matters: calm
and wild are markets' own."""

ROUNDS = 3
"""Trials. The next changes a number by less than luck does."""

MEMORY = np.array([60.0, 20.0, 15.0, 10.0])
"""Bars after which the state is new: calm, wild, a symbol's own, its scales. A span holds so many
times less of it than it has bars, and its moments are as uncertain. Autocorrelation times of the
squares, medians over fifteen stocks to 2017, own of their markets of three: 58, 18, 13, 8."""

START = np.array([0.0, 0.0, -0.15, 0.006])
"""Calm, wild, own and back before anything is seen, and in the first trial."""

DEVIATIONS = np.array([0.15, 0.15, 0.15, 0.01])
"""Of the four, before anything is seen: what fifteen stocks have of them."""

LOWEST = np.array([-0.4, -0.4, -0.6, 0.0])
HIGHEST = np.array([0.4, 0.4, 0.3, 0.05])

SLOPES = np.array([3.0, 3.0, 3.0, -30.0])
"""By how much a number usually moves the logarithm of its moment. What a round finds is taken
within half and twice of that."""

SMALLEST = 1e-4
"""Added to moments: a deviation of one hundredth is none."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Feedback:
    """How strongly the state of a market acts on itself.

    Attributes:
        calm: exponent of what the volatility of all symbols together is below the usual
            (`sim.common_volatility`).
        wild: of what it is above it.
        own: of what a symbol's is above the others'.
        back: share of what scales are beyond the usual that is taken off them from the next bar on,
            >= 0.
    """

    calm: float
    wild: float
    own: float
    back: float


Trial = Callable[[Feedback], Floats]
"""Mean `second_moments` of markets that walk with a feedback, by bar, shape (T, 4)."""


def second_moments(sizes: Floats, scales: Floats) -> Floats:
    """Of the state of B markets of S symbols, shape (B, 4).

    Of the size that forecasts have together where it is below the usual, and where it is above it;
    of what the symbols' own is beside it; and of scales.

    Args:
        sizes: log sizes of the forecasts less the usual, shape (S, B).
        scales: log scales of gap and intraday return less the usual, shape (2, S, B).
    """
    together = sizes.mean(axis=0)
    found = np.empty((len(together), 4))
    found[:, 0] = np.minimum(together, 0.0) ** 2
    found[:, 1] = np.maximum(together, 0.0) ** 2
    found[:, 2] = ((sizes - together) ** 2).mean(axis=0)
    found[:, 3] = (scales**2).mean(axis=(0, 1))
    return found


def steady(trial: Trial, dates: int) -> Feedback:
    """The feedback with which markets stay as they began.

    Args:
        trial: walks; the same luck every time.
        dates: of the histories that markets may begin on.
    """
    # What a span leaves uncertain of the logarithm of a second moment is 2 / n for n independent
    # values. Of half a moment, calm or wild, it would be 5 / n, of a symbol's own less; all are
    # believed alike: markets are to be like their span before they are like others.
    doubt = 2.0 * MEMORY / dates / (SLOPES * DEVIATIONS**2)
    expected = SLOPES + doubt
    numbers, slopes = START, expected
    before: tuple[Floats, Floats] | None = None
    for _ in range(ROUNDS):
        missed = _growth(trial(Feedback(*numbers.tolist()))) + doubt * (numbers - START)
        if before is not None:
            moved = numbers - before[0]
            found = np.divide(missed - before[1], moved, where=moved != 0, out=slopes.copy())
            slopes = expected * np.clip(found / expected, 0.5, 2.0)
        before = numbers, missed
        numbers = np.clip(numbers - missed / slopes, LOWEST, HIGHEST)
    return Feedback(*numbers.tolist())


def _growth(moments: Floats) -> Floats:
    """Logarithm of late moments over those at the start, shape (4,)."""
    late = moments[len(moments) // 2 :].mean(axis=0)
    return np.log((late + SMALLEST) / (moments[0] + SMALLEST))
