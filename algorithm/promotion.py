"""Which of several trained agents trades: the one that does, until another is clearly better.

Candidates are compared pair by pair and day by day with the one that trades, in the investor's own
reward, twice over: on imagined markets that none of them learned on, and on the real bars that came
after each of their trainings, in shadow accounts under the same caps and costs. The first is large
and knows nothing but what was imagined; the second is true and small. A candidate is promoted if it
is ahead in both by more than chance explains, so that nobody is for long who was lucky, and trading
does not go to and fro.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class PromotionRule:
    """What a candidate must show.

    Attributes:
        imagined_errors: standard errors that it must be ahead by on imagined markets, >= 0.
        real_errors: likewise on real bars, >= 0. One: years of days hardly ever show two.
        closes: real bars that it must have traded, >= 2; half a year by default.

    Raises:
        ValueError: naming the field, the rule and the received value.
    """

    imagined_errors: float = 2.0
    real_errors: float = 1.0
    closes: int = 126

    def __post_init__(self) -> None:
        for name in ("imagined_errors", "real_errors"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(f"{name} must be finite and >= 0; received {value!r}")
        if self.closes < 2:
            raise ValueError(f"closes must be at least 2; received {self.closes!r}")


@dataclass(frozen=True)
class Comparison:
    """A candidate beside the one that trades; rewards per bar.

    Attributes:
        name: of the candidate.
        imagined: how far it is ahead on imagined markets.
        imagined_error: standard error of that.
        real: likewise on real bars; nan before there are two.
        real_error: likewise.
        closes: real bars that it has traded.
    """

    name: str
    imagined: float
    imagined_error: float
    real: float
    real_error: float
    closes: int

    def earns_it(self, rule: PromotionRule) -> bool:
        """Whether the candidate is ahead by what the rule asks for."""
        return (
            self.closes >= rule.closes
            and self.imagined > rule.imagined_errors * self.imagined_error
            and self.real > rule.real_errors * self.real_error
        )


@dataclass(frozen=True)
class Promotion:
    """Who trades from now on, and why.

    Attributes:
        trading: who trades.
        before: who traded until now.
        compared: the others beside that one.
    """

    trading: str
    before: str
    compared: tuple[Comparison, ...]

    def __str__(self) -> str:
        """The decision in a line; rewards in basis points a bar."""
        found = "; ".join(
            f"{one.name} {1e4 * one.imagined:+.2f} ± {1e4 * one.imagined_error:.2f} imagined, "
            + (
                f"{1e4 * one.real:+.2f} ± {1e4 * one.real_error:.2f} in {one.closes} real bars"
                if math.isfinite(one.real)
                else "no real bars yet"
            )
            for one in self.compared
        )
        verb = "goes on trading" if self.trading == self.before else f"replaces {self.before}"
        return f"{self.trading} {verb}. Ahead of {self.before}, bp a bar: {found}."


def promote(
    trading: str,
    imagined: Mapping[str, Floats],
    real: Mapping[str, Floats],
    rule: PromotionRule | None = None,
) -> Promotion:
    """Decide who trades from now on.

    Args:
        trading: who trades now.
        imagined: rewards of each candidate in the same pairs of imagined markets, shape (P,), P >=
            2.
        real: rewards of each on the same real bars, shape (N,), N may be 0.
        rule: what must be shown; the default if None.

    Raises:
        ValueError: if the one that trades is no candidate, or candidates were not compared on the
            same markets and bars.
    """
    for name, scores in (("imagined", imagined), ("real", real)):
        if trading not in scores or scores.keys() != imagined.keys():
            raise ValueError(
                f"{name} must hold {trading} and the same candidates; received {list(scores)}"
            )
        if len({one.shape for one in scores.values()}) > 1:
            raise ValueError(
                f"{name} rewards must be equally many for all; received "
                f"{ {key: one.shape for key, one in scores.items()} }"
            )
    needed = rule or PromotionRule()
    compared = tuple(
        Comparison(
            name,
            *_ahead(imagined[name] - imagined[trading]),
            *_ahead(real[name] - real[trading]),
            len(real[name]),
        )
        for name in imagined
        if name != trading
    )
    fit = [one for one in compared if one.earns_it(needed)]
    best = max(fit, key=lambda one: one.real / max(one.real_error, 1e-300), default=None)
    return Promotion(trading if best is None else best.name, trading, compared)


def _ahead(differences: Floats) -> tuple[float, float]:
    """Mean and its standard error; nan for fewer than two."""
    if differences.size < 2:
        return math.nan, math.nan
    return float(differences.mean()), float(differences.std(ddof=1) / math.sqrt(differences.size))
