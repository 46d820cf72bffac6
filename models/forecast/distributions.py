"""The distributions that the parts of a bar follow: skewed Student-t, and a wick's zero-or-Burr.

One set of formulas serves NumPy and TensorFlow: functions take the array module's operations as
`ops` (`NUMPY` here; `models.forecast.network` has TensorFlow's).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from models.forecast.levels import LevelMap

WICK_ZERO = 1e-6
"""Wicks below this (a hundredth of a basis point) count as exactly zero."""

MIN_UNIFORM = 3e-4
"""Uniforms that no real bar had are kept this far from 0 and 1, or as far as the wildest real one,
if that is less: what comes once in 13 years of bars, about the rarest that a fit has seen of
(`levels.KNOTS`).

A tail that is followed further out is one of the fitted family, not of the market: on the TDQN
stocks the excess kurtosis of one-step draws is 6.3 (real bars 6.7), the Hill index 3.24 (real
3.24); with 1e-4, 7.6 and 3.11."""

EDGE_UNIFORM = 1e-6
"""Those that real bars had, this far: a real bar's own level gives the same bar back.

Held within `MIN_UNIFORM` as well, the wildest day in a thousand is cut down, and with it a third of
the excess kurtosis: real levels on the very forecasts they were of then have 3.9 (TDQN, pieces of
480 bars), with this 6.1, real bars 6.2."""

NUMPY = SimpleNamespace(
    log=np.log,
    log1p=np.log1p,
    exp=np.exp,
    asinh=np.arcsinh,
    tanh=np.tanh,
    softplus=lambda x: np.logaddexp(0.0, x),
    sigmoid=special.expit,
    sqrt=np.sqrt,
    lgamma=special.gammaln,
    where=np.where,
    maximum=np.maximum,
    stack=np.stack,
)


@dataclass(frozen=True)
class TailShape:
    """Skewness and tails of an asymmetric Student-t.

    Two half Student-t meet at the mode with one density. With `alpha` 1/2 and equal degrees of
    freedom it is the Student-t. Zhu & Galbraith (2010), "A generalized asymmetric Student-t
    distribution with application to financial econometrics".

    Attributes:
        left: degrees of freedom below the mode, > 2.
        right: degrees of freedom above it, > 2.
        alpha: probability of falling below the mode, in (0, 1).
    """

    left: Any
    right: Any
    alpha: Any

    def widths(self, ops: Any) -> tuple[Any, Any, Any, Any]:
        """What both halves are divided by, 2α* and 2(1-α*); the peak's log height; its height.

        In units of the scale, the mode at zero. In NumPy they are worked out once.
        """
        return self._known_widths if ops is NUMPY else self._widths(ops)

    @cached_property
    def _known_widths(self) -> tuple[Any, Any, Any, Any]:
        return self._widths(NUMPY)

    def _widths(self, ops: Any) -> tuple[Any, Any, Any, Any]:
        of_left, of_right = (_log_peak(ops, df) for df in (self.left, self.right))
        left = self.alpha * ops.exp(of_left)
        right = (1.0 - self.alpha) * ops.exp(of_right)
        whole = left + right
        return 2.0 * left / whole, 2.0 * right / whole, ops.log(whole), whole

    def mean(self, ops: Any) -> Any:
        """Mean in units of the scale, the mode at zero (their equation 11)."""
        left, right, _, whole = self.widths(ops)
        below = left * left * self.left / (self.left - 1.0)
        return whole * (right * right * self.right / (self.right - 1.0) - below)

    def standard_quantile(self, uniform: ArrayLike) -> np.ndarray:
        """Quantiles at scale 1 and mean 0 (NumPy only)."""
        left, right, _, _ = self.widths(NUMPY)
        u = np.asarray(uniform, dtype=np.float64)
        below = left * special.stdtrit(self.left, np.minimum(u, self.alpha) / (2.0 * self.alpha))
        rest = 1.0 - self.alpha
        over = (np.maximum(u, self.alpha) + 1.0 - 2.0 * self.alpha) / (2.0 * rest)
        return below + right * special.stdtrit(self.right, over) - self.mean(NUMPY)

    def spread(self) -> TailShape:
        """The same with one more axis at the end, for several values of each (NumPy only)."""
        return TailShape(*(np.asarray(x)[..., None] for x in (self.left, self.right, self.alpha)))

    def take(self, index: Any) -> TailShape:
        """The shapes of chosen series, of arrays (S, ...)."""
        return TailShape(self.left[index], self.right[index], self.alpha[index])


def _log_peak(ops: Any, df: Any) -> Any:
    """Log density of a standard Student-t at zero."""
    return ops.lgamma(0.5 * (df + 1.0)) - ops.lgamma(0.5 * df) - 0.5 * ops.log(df * math.pi)


@dataclass(frozen=True)
class SkewedT:
    """An asymmetric Student-t by its mean.

    Attributes:
        location: the mean.
        scale: of both halves.
        shape: skewness and tails; broadcasts with the other two.
    """

    location: Any
    scale: Any
    shape: TailShape

    def _from_mode(self, ops: Any, value: Any) -> Any:
        return (value - self.location) / self.scale + self.shape.mean(ops)

    def log_density(self, ops: Any, value: Any) -> Any:
        """Log density at a value."""
        left, right, log_peak, _ = self.shape.widths(ops)
        z = self._from_mode(ops, value)
        below = z < 0.0
        df = ops.where(below, self.shape.left + 0.0 * z, self.shape.right + 0.0 * z)
        z = z / ops.where(below, left + 0.0 * z, right + 0.0 * z)
        return log_peak - ops.log(self.scale) - 0.5 * (df + 1.0) * ops.log1p(z * z / df)

    def cdf(self, value: Any) -> Any:
        """Distribution function (NumPy only)."""
        left, right, _, _ = self.shape.widths(NUMPY)
        z = self._from_mode(NUMPY, value)
        below, alpha = z < 0.0, self.shape.alpha
        df = np.where(below, self.shape.left, self.shape.right)
        half = special.stdtr(df, z / np.where(below, left, right))
        return np.where(below, 2.0 * alpha * half, alpha + 2.0 * (1.0 - alpha) * (half - 0.5))

    def quantile(self, uniform: Any) -> Any:
        """Inverse of the distribution function (NumPy only)."""
        return self.location + self.scale * self.shape.standard_quantile(uniform)


@dataclass(frozen=True)
class ZeroOrBurr:
    """A wick: zero with probability sigmoid(logit), else Burr XII (scale, a, q)."""

    logit: Any
    scale: Any
    a: Any
    q: Any

    def log_density(self, ops: Any, value: Any) -> Any:
        """Log of the probability of zero, or of the density at a positive wick.

        The measure is a point mass at zero plus length above it, so exp integrates to 1.
        """
        zero = value < WICK_ZERO
        safe = ops.maximum(value, WICK_ZERO)
        log_ratio = ops.log(safe) - ops.log(self.scale)
        positive = (
            ops.log(self.a)
            + ops.log(self.q)
            - ops.log(safe)
            + self.a * log_ratio
            - (self.q + 1.0) * ops.softplus(self.a * log_ratio)
            - ops.softplus(self.logit)
        )
        return ops.where(zero, -ops.softplus(-self.logit), positive)

    def cdf(self, value: Any, levels: LevelMap | None = None) -> Any:
        """Distribution function (NumPy only): P(zero) at zero.

        Args:
            value: a wick, >= 0.
            levels: corrects the distribution of positive wicks.
        """
        zero = special.expit(self.logit)
        positive = value >= WICK_ZERO
        ratio = np.where(positive, value, 0.0) / self.scale
        above = -np.expm1(-self.q * np.log1p(ratio**self.a))
        if levels is not None:
            above = np.where(positive, levels.distribution(above), 0.0)
        return zero + (1.0 - zero) * above

    def quantile(self, uniform: Any, levels: LevelMap | None = None) -> Any:
        """Inverse of the distribution function (NumPy only); `levels` as in `cdf`."""
        zero = special.expit(self.logit)
        above = np.maximum((uniform - zero) / (1.0 - zero), 0.0)
        if levels is not None:
            above = np.where(above > 0.0, levels.quantile(above), 0.0)
        return self.scale * np.expm1(-np.log1p(-above) / self.q) ** (1.0 / self.a)


class QuantileTable:
    """Standard quantiles of asymmetric Student-t, their levels corrected.

    Interpolated between 6801 exact ones, linearly in log(u / (1 - u)), where the quantile functions
    are smooth: a hundred times faster than inverting the CDF. The error is below 1e-5 of the
    quantile's size (or of the scale, near zero) between `EDGE_UNIFORM` and 1 less that; below
    1e-3 in the few intervals in which the correction bends.

    Args:
        shapes: of K distributions, arrays (K,).
        correction: of the levels of all of them.
    """

    _POINTS = 6801

    def __init__(self, shapes: TailShape, correction: LevelMap) -> None:
        self._edge = -special.logit(EDGE_UNIFORM)
        levels = special.expit(np.linspace(-self._edge, self._edge, self._POINTS))
        levels = correction.quantile(levels)
        self._quantile = shapes.spread().standard_quantile(levels).reshape(-1)

    def __call__(self, uniforms: np.ndarray, which: np.ndarray | int = 0) -> np.ndarray:
        """Quantiles, mean 0 and scale 1.

        Args:
            uniforms: levels between `EDGE_UNIFORM` and 1 - `EDGE_UNIFORM`, any shape.
            which: number of the distribution of each, 0..K-1, broadcasts with `uniforms`.
        """
        place = (special.logit(uniforms) + self._edge) * ((self._POINTS - 1) / (2.0 * self._edge))
        low = np.minimum(place.astype(np.int64), self._POINTS - 2)
        share = place - low
        at = low + np.asarray(which) * self._POINTS
        return (1.0 - share) * self._quantile[at] + share * self._quantile[at + 1]

    @property
    def values(self) -> np.ndarray:
        """The exact quantiles of each distribution, shape (K, points)."""
        return self._quantile.reshape(-1, self._POINTS)
