"""The joint density of the next bar's five parts, as a chain of heavy-tailed conditionals.

    p(gap) p(intraday | gap) p(volume | gap, intraday) p(upper wick | ...) p(lower wick | ...)

Gap, intraday return and volume deviation are Student-t. A wick is exactly zero with some
probability (the high was the open or the close) and otherwise follows a Burr XII distribution,
whose survival function (1 + (w/s)^a)^(-q) has a power tail and a closed inverse. Locations and
log-scales move with what the earlier parts turned out to be, so that a large return brings a large
range and a large volume: dependence is kept, not multiplied away. Chain order: see `CHAIN`.

Scales of prices are in units of a baseline volatility per bar that the caller gives, so that a
network with all outputs at zero already forecasts like that baseline.

One set of formulas serves NumPy and TensorFlow: functions take the array module's operations as
`ops` (`NUMPY` here; `models.forecast.network` has TensorFlow's).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
from scipy import special

OUTPUTS = (
    "gap_location",
    "gap_scale",
    "intraday_location",
    "intraday_scale",
    "volume_location",
    "volume_scale",
    "upper_scale",
    "lower_scale",
    "upper_zero",
    "lower_zero",
)
"""What the network gives for each bar: unbounded numbers, all zero for the plain baseline."""

CHAIN = (0, 1, 4, 2, 3)
"""The order of conditioning, as indices into `features.PARTS`."""

WICK_ZERO = 1e-6
"""Wicks below this (a hundredth of a basis point) count as exactly zero."""

MIN_UNIFORM = 1e-4
"""Uniforms are kept this far from 0 and 1 in sampling: no path meets a tail beyond it."""

MAX_DRIFT = 0.25
"""Bound of a location, in baseline volatilities."""

_MAX_LOG_SCALE = 1.5
_MIN_DF = 2.5

SHAPES: dict[str, tuple[float, ...]] = {
    # name: initial values
    "gap": (-1.0, 1.0),  # base log scale; tail (degrees of freedom)
    "intraday": (-0.4, 1.0),
    "volume": (-1.2, 1.0),
    "upper": (-0.7, 0.5, 1.0),  # base log scale; Burr a; Burr q
    "lower": (-0.7, 0.5, 1.0),
    "zero": (-3.0, -3.0),  # base logits of a zero upper and lower wick
    "intraday_location_on": (0.0,) * 1,  # asinh of the standardised gap
    "intraday_scale_on": (0.0,) * 2,  # magnitude and asinh of the standardised gap
    "volume_location_on": (0.0,) * 4,  # magnitude, asinh of gap; magnitude, asinh of intraday
    "volume_scale_on": (0.0,) * 2,  # magnitudes of gap and intraday
    "upper_scale_on": (0.0,) * 5,  # magnitude, asinh of gap and of intraday; asinh of volume
    "lower_scale_on": (0.0,) * 6,  # the same; size of the upper wick
    "zero_on": (0.0,) * 4,  # upper: magnitude, asinh of intraday; lower: the same
}
"""Trained numbers that are the same for every bar."""

NUMPY = SimpleNamespace(
    log=np.log,
    log1p=np.log1p,
    exp=np.exp,
    abs=np.abs,
    asinh=np.arcsinh,
    tanh=np.tanh,
    sigmoid=special.expit,
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


def _bounded(ops: Any, value: Any, bound: float) -> Any:
    return bound * ops.tanh(value / bound)


def _log_scale(ops: Any, base: Any, output: Any, shift: Any) -> Any:
    return base + _bounded(ops, output, _MAX_LOG_SCALE) + _bounded(ops, shift, 2 * _MAX_LOG_SCALE)


def _moved(ops: Any, z: Any) -> tuple[Any, Any]:
    """Magnitude and signed size of a standardised part; both grow like a logarithm."""
    return 0.5 * ops.log1p(z * z), ops.asinh(z)


class Chain:
    """The conditionals of one batch of bars, built part by part.

    One chain serves one batch: what an earlier part implies for the later ones is computed once
    and kept, so call the methods in the order of `CHAIN` and with one set of parts.

    Args:
        ops: array operations (`NUMPY` or TensorFlow's).
        outputs: shape (..., 10), columns `OUTPUTS`.
        volatility: shape (...), baseline volatility per bar.
        shapes: the trained numbers named in `SHAPES`.
    """

    def __init__(self, ops: Any, outputs: Any, volatility: Any, shapes: Mapping[str, Any]) -> None:
        self._ops = ops
        self._out = {name: outputs[..., i] for i, name in enumerate(OUTPUTS)}
        self._volatility = volatility
        self._shapes = shapes
        self._gap = self._student(
            "gap",
            self._volatility * _bounded(ops, self._out["gap_location"], MAX_DRIFT),
            0.0 * volatility,
        )

    def _student(self, name: str, location: Any, shift: Any) -> StudentT:
        ops, shape = self._ops, self._shapes[name]
        unit = 1.0 if name == "volume" else self._volatility
        scale = unit * ops.exp(_log_scale(ops, shape[0], self._out[f"{name}_scale"], shift))
        return StudentT(location, scale, tail_df(ops, shape[1]))

    def gap(self) -> StudentT:
        """p(gap)."""
        return self._gap

    def intraday(self, gap: Any) -> StudentT:
        """p(intraday | gap)."""
        ops, shapes = self._ops, self._shapes
        self._gap_size, self._gap_signed = _moved(ops, (gap - self._gap.location) / self._gap.scale)
        pull = _bounded(ops, shapes["intraday_location_on"][0], MAX_DRIFT)
        location = (
            self._volatility * _bounded(ops, self._out["intraday_location"], MAX_DRIFT)
            + pull * self._gap.scale * self._gap_signed
        )
        on = shapes["intraday_scale_on"]
        shift = on[0] * self._gap_size + on[1] * self._gap_signed
        self._intraday = self._student("intraday", location, shift)
        return self._intraday

    def volume(self, intraday: Any) -> StudentT:
        """p(volume deviation | gap, intraday)."""
        ops, shapes = self._ops, self._shapes
        self._size, self._signed = _moved(
            ops, (intraday - self._intraday.location) / self._intraday.scale
        )
        on, on_scale = shapes["volume_location_on"], shapes["volume_scale_on"]
        location = (
            _bounded(ops, self._out["volume_location"], 3.0)
            + on[0] * self._gap_size
            + on[1] * self._gap_signed
            + on[2] * self._size
            + on[3] * self._signed
        )
        shift = on_scale[0] * self._gap_size + on_scale[1] * self._size
        self._volume = self._student("volume", location, shift)
        return self._volume

    def _wick(self, side: int, name: str, shift: Any) -> ZeroOrBurr:
        ops, shape, zero_on = self._ops, self._shapes[name], self._shapes["zero_on"]
        on = self._shapes[f"{name}_scale_on"]
        shift = (
            shift
            + on[0] * self._gap_size
            + on[1] * self._gap_signed
            + on[2] * self._size
            + on[3] * self._signed
            + on[4] * self._busy
        )
        logit = (
            self._shapes["zero"][side]
            + self._out[f"{name}_zero"]
            + zero_on[2 * side] * self._size
            + zero_on[2 * side + 1] * self._signed
        )
        scale = self._volatility * ops.exp(
            _log_scale(ops, shape[0], self._out[f"{name}_scale"], shift)
        )
        a = 0.5 + ops.softplus(shape[1])
        # a * q > 2 keeps the variance finite.
        return ZeroOrBurr(_bounded(ops, logit, 9.0), scale, a, 2.0 / a + ops.softplus(shape[2]))

    def upper(self, volume: Any) -> ZeroOrBurr:
        """p(upper wick | gap, intraday, volume)."""
        self._busy = self._ops.asinh((volume - self._volume.location) / self._volume.scale)
        return self._wick(0, "upper", 0.0 * volume)

    def lower(self, upper: Any) -> ZeroOrBurr:
        """p(lower wick | gap, intraday, volume, upper wick)."""
        size = self._ops.log1p(2.0 * upper / self._volatility)
        return self._wick(1, "lower", self._shapes["lower_scale_on"][5] * size)

    def log_density(self, parts: Any) -> Any:
        """Log density of each part given the earlier ones.

        Args:
            parts: shape (..., 5), columns `features.PARTS`.

        Returns:
            Shape (..., 5), the same columns; the sum over them is the joint log density.
        """
        ops = self._ops
        gap, intraday, upper, lower, volume = (parts[..., i] for i in range(5))
        of_gap = self.gap().log_density(ops, gap)
        of_intraday = self.intraday(gap).log_density(ops, intraday)
        of_volume = self.volume(intraday).log_density(ops, volume)
        of_upper = self.upper(volume).log_density(ops, upper)
        of_lower = self.lower(upper).log_density(ops, lower)
        return ops.stack([of_gap, of_intraday, of_upper, of_lower, of_volume], -1)

    def pit(self, parts: np.ndarray) -> np.ndarray:
        """Conditional distribution functions at the parts (NumPy only), shape (..., 5).

        Uniform if the density is right, wicks of zero apart, which give P(zero).
        """
        gap, intraday, upper, lower, volume = np.moveaxis(parts, -1, 0)
        of_gap = self.gap().cdf(gap)
        of_intraday = self.intraday(gap).cdf(intraday)
        of_volume = self.volume(intraday).cdf(volume)
        of_upper = self.upper(volume).cdf(upper)
        of_lower = self.lower(upper).cdf(lower)
        return np.stack([of_gap, of_intraday, of_upper, of_lower, of_volume], axis=-1)

    def sample(self, uniforms: np.ndarray, quantiles: Mapping[str, QuantileTable]) -> np.ndarray:
        """One bar's parts for each row by inverting the conditionals (NumPy only).

        Args:
            uniforms: shape (..., 5), in (0, 1), columns `features.PARTS`; brought within
                `MIN_UNIFORM` of 0 and 1.
            quantiles: standard quantiles by part name (`quantile_tables`).

        Returns:
            Shape (..., 5), columns `features.PARTS`.
        """
        u = np.clip(uniforms, MIN_UNIFORM, 1.0 - MIN_UNIFORM)
        first = self.gap()
        gap = first.location + first.scale * quantiles["gap"](u[..., 0])
        second = self.intraday(gap)
        intraday = second.location + second.scale * quantiles["intraday"](u[..., 1])
        third = self.volume(intraday)
        volume = third.location + third.scale * quantiles["volume"](u[..., 4])
        upper = self.upper(volume).quantile(u[..., 2])
        lower = self.lower(upper).quantile(u[..., 3])
        return np.stack([gap, intraday, upper, lower, volume], axis=-1)


def tail_df(ops: Any, shape: Any) -> Any:
    """Degrees of freedom from an unbounded number: above 2.5, so that variances are finite."""
    return _MIN_DF + ops.softplus(shape)


def quantile_tables(shapes: Mapping[str, np.ndarray]) -> dict[str, QuantileTable]:
    """Standard quantiles of the three Student-t parts."""
    return {
        name: QuantileTable(float(tail_df(NUMPY, shapes[name][1])))
        for name in ("gap", "intraday", "volume")
    }


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
