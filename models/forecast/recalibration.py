"""Recalibration that moves with the data: what recent outcomes say of the forecasts.

If forecasts are right, the probability integral transforms (PIT) of what came are uniform. The
last few months' tell of a forecast that lies too low or is too wide, and the next one is corrected
by a smooth density on [0, 1], Neyman's (1937) with two terms,

    g(u) = 1 + c1 f1(u) + c2 f2(u),   f1 = sqrt(3) (2u - 1),   f2 = sqrt(5) (6u² - 6u + 1),

whose coefficients are the decayed means of f1 and f2 over the PITs seen, drawn towards zero. A
corrected forecast has the distribution function G(F(x)), G the integral of g. Gap and intraday
return are corrected each on its own; f1 shifts a distribution, f2 widens it.

Simulated paths carry the same memory and are drawn with the width corrected. They are not shifted:
a shift is what chance made of the last months' mean, it makes intervals truer without making
forecasts better, and markets imagined with it would trend for months on end. Real ones do not, and
an agent trained on such trends follows them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special
from scipy.signal import lfilter

from models.forecast.distributions import MIN_UNIFORM, NUMPY, SkewedT, TailShape
from models.forecast.levels import LevelMap

HALF_LIFE = 60.0
"""Bars after which an outcome counts half: a quarter.

On the TDQN stocks, 2018-2019, parameters fixed, together with `PRIOR_BARS`: KS distance of the PIT
0.031 (0.040 without correction), mean error of the coverage of four intervals 0.012 (0.015), log
score 2.866 (2.869). Calmer corrections, priors of 25 and 50 bars: 0.033, 0.012 and 2.867.
"""

PRIOR_BARS = np.array([10.0, 25.0])
"""Outcomes that "no correction" weighs as much as: of the shift, of the width."""

MAX_SUM = 0.9
"""g stays above 1 less this: coefficients that would take it lower are shrunk together."""

_DECAY = 0.5 ** (1.0 / HALF_LIFE)
_PEAKS = np.array([math.sqrt(3.0), math.sqrt(5.0)])
_NEWTON_STEPS = 6
_NODES = 16

CORRECTED = slice(0, 2)
"""Columns of `features.PARTS` that are corrected: gap and intraday return."""


def _terms(u: np.ndarray) -> np.ndarray:
    """f1 and f2 at levels (...), shape (..., 2)."""
    return np.stack([_PEAKS[0] * (2.0 * u - 1.0), _PEAKS[1] * (6.0 * u * (u - 1.0) + 1.0)], axis=-1)


def density(u: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
    """The density g at levels (...) for coefficients (..., 2)."""
    return 1.0 + (_terms(u) * coefficients).sum(axis=-1)


def distribution(u: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
    """Its integral G at levels (...) for coefficients (..., 2)."""
    pair = u * (u - 1.0)
    return u + pair * (
        _PEAKS[0] * coefficients[..., 0] + _PEAKS[1] * coefficients[..., 1] * (2.0 * u - 1.0)
    )


def quantile(level: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
    """The inverse of `distribution`, by Newton's method; absolute error below 1e-9."""
    u = np.array(level, dtype=np.float64)
    for _ in range(_NEWTON_STEPS):
        u -= (distribution(u, coefficients) - level) / density(u, coefficients)
        np.clip(u, 0.0, 1.0, out=u)
    return u


def moments(shape: TailShape, levels: LevelMap) -> np.ndarray:
    """What the moments of a standard variable are made of after both corrections.

    With u uniform, z its quantile and f0 = 1: E[z fk(u)] and E[z² fk(u)], k = 0, 1, 2.

    Args:
        shape: of K distributions, arrays (K,); before correction z has mean 0 and scale 1.
        levels: static correction of all of them.

    Returns:
        Shape (K, 2, 3): by distribution, moment, term. Levels beyond `MIN_UNIFORM` are cut off, as
        of draws of what no real bar had.
    """
    # Gauss-Legendre between the knots of the map, in log-odds: exact to some six digits.
    edges = np.concatenate([[MIN_UNIFORM], levels.mapped, [1.0 - MIN_UNIFORM]])
    edges = np.clip(edges, MIN_UNIFORM, 1.0 - MIN_UNIFORM)
    node, weight = np.polynomial.legendre.leggauss(_NODES)
    low, width = special.logit(edges[:-1, None]), np.diff(special.logit(edges))[:, None]
    u = special.expit(low + 0.5 * width * (node + 1.0)).ravel()
    weights = (0.5 * width * weight).ravel() * u * (1.0 - u)
    u, weights = (
        np.append(u, [MIN_UNIFORM, 1.0 - MIN_UNIFORM]),
        np.append(weights, [MIN_UNIFORM] * 2),
    )
    z = shape.spread().standard_quantile(levels.quantile(u))
    terms = np.column_stack([np.ones(len(u)), _terms(u)]) * weights[:, None]
    return np.stack([z @ terms, z**2 @ terms], axis=1)


@dataclass(frozen=True)
class CorrectedT:
    """An asymmetric Student-t after both corrections.

    Attributes:
        base: before them, arrays (...).
        levels: the static one.
        coefficients: c1 and c2 of the moving one, shape (..., 2).
        moments: of the base's shape, shape (..., 2, 3), as `moments` gives them.
    """

    base: SkewedT
    levels: LevelMap
    coefficients: np.ndarray
    moments: np.ndarray

    def take(self, rows: slice | np.ndarray) -> CorrectedT:
        """The distributions of chosen series, of arrays (S, ...)."""
        base = self.base
        chosen = SkewedT(base.location[rows], base.scale[rows], base.shape.take(rows))
        return CorrectedT(chosen, self.levels, self.coefficients[rows], self.moments[rows])

    def spread(self) -> CorrectedT:
        """The same with one more axis at the end, for several values of each."""
        base = self.base
        return CorrectedT(
            SkewedT(base.location[..., None], base.scale[..., None], base.shape.spread()),
            self.levels,
            self.coefficients[..., None, :],
            self.moments[..., None, :, :],
        )

    def _moment(self, order: int) -> np.ndarray:
        """E[z^order] of the standard variable."""
        of_terms = self.moments[..., order - 1, :]
        return of_terms[..., 0] + (of_terms[..., 1:] * self.coefficients).sum(axis=-1)

    @property
    def mean(self) -> np.ndarray:
        """Mean, shape (...)."""
        return self.base.location + self.base.scale * self._moment(1)

    @property
    def variance(self) -> np.ndarray:
        """Variance, shape (...)."""
        return self.base.scale**2 * (self._moment(2) - self._moment(1) ** 2)

    def cdf(self, value: np.ndarray) -> np.ndarray:
        """Distribution function at values (...)."""
        return distribution(self.levels.distribution(self.base.cdf(value)), self.coefficients)

    def log_density(self, value: np.ndarray) -> np.ndarray:
        """Log density at values (...)."""
        return self.cdf_and_log_density(value)[1]

    def cdf_and_log_density(self, value: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Distribution function and log density at values (...)."""
        mapped, slope = self.levels.distribution_and_density(self.base.cdf(value))
        corrected = np.log(slope * density(mapped, self.coefficients))
        log_density = self.base.log_density(NUMPY, value) + corrected
        return distribution(mapped, self.coefficients), log_density

    def quantile(self, level: np.ndarray) -> np.ndarray:
        """Inverse of the distribution function."""
        shape = np.broadcast_shapes(np.shape(level), self.coefficients.shape[:-1])
        before = quantile(np.broadcast_to(level, shape), self.coefficients)
        return self.base.quantile(self.levels.quantile(before))


@dataclass
class Memory:
    """What B series' recent outcomes said of their forecasts.

    Attributes:
        sums: decayed sums of f1 and f2 over the PITs of gap and intraday return, shape (B, 2, 2):
            series, part, term.
        count: decayed number of them, shape (B,).
    """

    sums: np.ndarray
    count: np.ndarray

    @classmethod
    def blank(cls, series: int) -> Memory:
        """Of series of which no outcome was seen: forecasts stay as they are."""
        return cls(np.zeros((series, 2, 2)), np.zeros(series))

    @classmethod
    def after(cls, pits: np.ndarray) -> Memory:
        """Of one series, before its first outcome and after each.

        Args:
            pits: shape (n, 2), of gap and intraday return, oldest first.

        Returns:
            n + 1 of them; entry i knows the first i outcomes.
        """
        seen = _terms(pits).reshape(len(pits), 4)
        counted = np.column_stack([seen, np.ones(len(pits))])
        decayed = lfilter([1.0], [1.0, -_DECAY], counted, axis=0)
        every = np.concatenate([np.zeros((1, 5)), decayed])
        return cls(every[:, :4].reshape(-1, 2, 2), every[:, 4])

    @classmethod
    def concatenate(cls, memories: Sequence[Memory]) -> Memory:
        """Of all the series of several memories, in their order."""
        return cls(
            np.concatenate([memory.sums for memory in memories]),
            np.concatenate([memory.count for memory in memories]),
        )

    def __len__(self) -> int:
        return len(self.count)

    def take(self, index: np.ndarray | slice) -> Memory:
        """An independent memory of chosen series (repeats allowed)."""
        return Memory(self.sums[index], self.count[index])

    def coefficients(self, *, shift: bool) -> np.ndarray:
        """c1 and c2 of gap and intraday return, shape (B, 2, 2).

        Args:
            shift: whether distributions are shifted; without, c1 is 0.
        """
        found = self.sums / (self.count[:, None, None] + PRIOR_BARS)
        if not shift:
            found[..., 0] = 0.0
        most = (np.abs(found) * _PEAKS).sum(axis=-1, keepdims=True)
        return found * np.minimum(1.0, MAX_SUM / np.maximum(most, MAX_SUM))

    def push(self, pits: np.ndarray) -> None:
        """Take in the PITs (B, 2) of the newest gaps and intraday returns, in place."""
        self.sums = _DECAY * self.sums + _terms(pits)
        self.count = _DECAY * self.count + 1.0
