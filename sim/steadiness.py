"""Markets that stay as they began: how strongly the state of an imagined market acts on itself.

Markets begin evenly on all dates of their histories. So what the state of a market is, how wild its
symbols are together and each beside the others, how far what the network says of their scales is
from the usual, is distributed among them as among the real dates; and where a simulator is right it
stays so, however far the markets walk. A learned recursion does not by itself: one that believes
its own luck too readily drives symbols apart, one that trusts the mean too soon lets crises end as
they begin. What one bar tells of the next hardly shows it; it adds up over months.

So some markets walk on trial, and three numbers (`Feedback`) are turned until the second moments of
the state about the usual are late in the walk what they were at its start, all trials with the same
starts, networks and noise. One number acts on each moment for the most part, so each is turned by
its own, by how much it did before (the secant method for every one of them).

On the TDQN stocks (2012-2017, markets of three) that gives what fits the next bar best as well:
common -.1, own -.2, a half-life of scales beyond the usual of 100 to 300 bars. On AAPL, GOOG and
IBM 2005-2008, of which the last quarter is a crisis, the next bar alone would have common -.14,
with which imagined crises are over in a month; the span's own last, and give +.1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

WALK = 100
"""Bars of a trial; its second half counts. Scales that drift have drifted by then; longer walks
give the same numbers."""

SERIES = 384
"""Symbols' paths in a trial, about. Of three symbols that leaves .02 to .03 of luck in a number."""

LEAST_MARKETS = 64
"""In a trial, however many symbols there are."""

ROUNDS = 4
"""Trials. The next changes a number by less than luck does."""

MEMORY = np.array([60.0, 20.0, 20.0])
"""Bars after which the common volatility, a symbol's own and its scales are new: a span holds so
many times less of them than it has bars, and its moments are as uncertain."""

START = np.array([0.0, -0.15, 0.006])
"""Common, own and back before anything is seen, and in the first trial."""

DEVIATIONS = np.array([0.15, 0.15, 0.01])
"""Of the three, before anything is seen: what fifteen stocks have of them."""

LOWEST = np.array([-0.4, -0.6, 0.0])
HIGHEST = np.array([0.4, 0.3, 0.05])

SLOPES = np.array([3.0, 3.0, -30.0])
"""By how much a number usually moves the logarithm of its moment. What a round finds is taken
within half and twice of that."""

SMALLEST = 1e-4
"""Added to moments: a deviation of one hundredth is none."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Feedback:
    """How strongly the state of a market acts on itself.

    Attributes:
        common: exponent of what the volatility of all symbols together is above the usual
            (`sim.common_volatility`).
        own: of what a symbol's is above the others'.
        back: share of what scales are beyond the usual that is taken off them from the next bar on,
            >= 0.
    """

    common: float
    own: float
    back: float


Trial = Callable[[Feedback], Floats]
"""Second moments of the state of markets that walk with a feedback, shape (T, 3): by bar, of the
common volatility, of the symbols' own beside it, and of scales."""


def steady(trial: Trial, dates: int) -> Feedback:
    """The feedback with which markets stay as they began.

    Args:
        trial: walks; the same luck every time.
        dates: of the histories that markets may begin on.
    """
    # What a span leaves uncertain of the logarithm of a moment is 2 / n for n independent values.
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
    """Logarithm of late moments over those at the start, shape (3,)."""
    late = moments[len(moments) // 2 :].mean(axis=0)
    return np.log((late + SMALLEST) / (moments[0] + SMALLEST))
