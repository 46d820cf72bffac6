"""The distributions that the parts of a bar follow: Student-t, and a wick's zero-or-Burr.

One set of formulas serves NumPy and TensorFlow: functions take the array module's operations as
`ops` (`NUMPY` here; `models.forecast.network` has TensorFlow's).
"""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
from scipy import special

WICK_ZERO = 1e-6
"""Wicks below this (a hundredth of a basis point) count as exactly zero."""

MIN_UNIFORM = 1e-4
"""Uniforms are kept this far from 0 and 1 in sampling: what comes once in 40 years of bars."""

NUMPY = SimpleNamespace(
    log=np.log,
    log1p=np.log1p,
    exp=np.exp,
    asinh=np.arcsinh,
    tanh=np.tanh,
    softplus=lambda x: np.logaddexp(0.0, x),
    lgamma=special.gammaln,
    where=np.where,
    maximum=np.maximum,
    stack=np.stack,
)


@dataclass(frozen=True)
class StudentT:
    """Location and scale (arrays) and degrees of freedom (a number)."""

    location: Any
    scale: Any
    df: Any

    def log_density(self, ops: Any, value: Any) -> Any:
        """Log density at a value."""
        z = (value - self.location) / self.scale
        half = 0.5 * (self.df + 1.0)
        constant = (
            ops.lgamma(half)
            - ops.lgamma(0.5 * self.df)
            - 0.5 * ops.log(self.df * np.float32(np.pi))
        )
        return constant - ops.log(self.scale) - half * ops.log1p(z * z / self.df)

    def cdf(self, value: Any) -> Any:
        """Distribution function (NumPy only)."""
        return special.stdtr(self.df, (value - self.location) / self.scale)


@dataclass(frozen=True)
class ZeroOrBurr:
    """A wick: zero with probability sigmoid(logit), else Burr XII (scale; a, q numbers)."""

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

    def cdf(self, value: Any) -> Any:
        """Distribution function (NumPy only): P(zero) at zero."""
        zero = special.expit(self.logit)
        ratio = np.where(value < WICK_ZERO, 0.0, value) / self.scale
        return zero + (1.0 - zero) * -np.expm1(-self.q * np.log1p(ratio**self.a))

    def quantile(self, uniform: Any) -> Any:
        """Inverse of the distribution function (NumPy only)."""
        zero = special.expit(self.logit)
        above = np.maximum((uniform - zero) / (1.0 - zero), 0.0)
        return self.scale * np.expm1(-np.log1p(-above) / self.q) ** (1.0 / self.a)


class QuantileTable:
    """Quantiles of a standard Student-t by interpolation between 4001 exact ones.

    Linear in log(u / (1 - u)), where the quantile function is smooth: relative error below 1e-5
    between `MIN_UNIFORM` and 1 - `MIN_UNIFORM`, a hundred times faster than inverting the CDF.
    """

    def __init__(self, df: float) -> None:
        edge = special.logit(MIN_UNIFORM)
        self._logit = np.linspace(edge, -edge, 4001)
        self._quantile = special.stdtrit(df, special.expit(self._logit))

    def __call__(self, uniforms: np.ndarray) -> np.ndarray:
        """Quantiles at levels in (0, 1), any shape."""
        return np.interp(special.logit(uniforms), self._logit, self._quantile)
