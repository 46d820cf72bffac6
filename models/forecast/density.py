"""The joint density of the next bar's five parts, as a product of heavy-tailed conditionals.

    p(gap) p(intraday | gap) p(volume | gap, intraday) p(upper wick | ...) p(lower wick | ...)

Gap, intraday return and volume deviation are Student-t. A wick is exactly zero with some
probability (the high was the open or the close) and otherwise follows a Burr XII distribution,
whose survival function (1 + (w/s)^a)^(-q) has a power tail and a closed inverse. Locations and
log-scales move with what the earlier parts turned out to be, so that a large return brings a large
range and a large volume: dependence is kept, not multiplied away.

Every stage of the conditioning is an immutable object that is only to be had from the one before
it, so the conditionals cannot be asked in a wrong order or with parts of another bar:

    density = BarDensity(NUMPY, outputs, volatility, parameters)
    density.gap
    density.given_gap(gap).intraday
    density.given_gap(gap).given_intraday(intraday).volume          # and so on to the lower wick

Scales of prices are in units of a baseline volatility per bar that the caller gives, so that a
network with all outputs at zero already forecasts like that baseline.

One set of formulas serves NumPy and TensorFlow: functions take the array module's operations as
`ops` (`distributions.NUMPY`; `models.forecast.network` has TensorFlow's).
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np

from models.arrays import read_only
from models.forecast.distributions import (
    MIN_UNIFORM,
    NUMPY,
    QuantileTable,
    StudentT,
    ZeroOrBurr,
)

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

MAX_DRIFT = 0.25
"""Bound of a location, in baseline volatilities: an annual Sharpe ratio of 4 (0.25 · sqrt(252)).

Alternatives: `research.experiments.constants`.
"""

MAX_LOG_SCALE = 1.5
"""Bound of what the network may add to a log scale; earlier parts may add twice as much.

Alternatives: `research.experiments.constants`.
"""

MAX_VOLUME_SHIFT = 3.0
"""Bound of the network's part in the volume deviation's location: twentyfold volume, a rail."""

MAX_LOGIT = 9.0
"""Bound of a wick's logit of zero: probabilities stay between 0.0001 and 0.9999, a rail."""

MIN_DF = 2.5
"""Fewest degrees of freedom: above 2, where the variance is finite.

Daily returns of stocks have tail indices of three to five (Cont 2001, "Empirical properties of
asset returns"); alternatives: `research.experiments.constants`.
"""

_INITIAL: dict[str, tuple[float, ...]] = {
    "gap": (-1.0, 1.0),
    "intraday": (-0.4, 1.0),
    "volume": (-1.2, 1.0),
    "upper": (-0.7, 0.5, 1.0),
    "lower": (-0.7, 0.5, 1.0),
    "zero": (-3.0, -3.0),
    "intraday_location_on": (0.0,) * 1,
    "intraday_scale_on": (0.0,) * 2,
    "volume_location_on": (0.0,) * 4,
    "volume_scale_on": (0.0,) * 2,
    "upper_scale_on": (0.0,) * 5,
    "lower_scale_on": (0.0,) * 6,
    "zero_on": (0.0,) * 4,
}


@dataclass(frozen=True, eq=False)
class DensityParameters:
    """Trained numbers that are the same for every bar.

    Arrays (read-only float64 copies are kept) or, within training, TensorFlow variables. A part's
    "magnitude" is 0.5 log(1 + z²) and its "signed size" asinh(z), z being the part standardised by
    its own location and scale.

    Attributes:
        gap: base log scale in baseline volatilities, and tail (degrees of freedom by `tail_df`),
            shape (2,).
        intraday: likewise of the intraday return, shape (2,).
        volume: likewise of the volume deviation, whose unit is 1, shape (2,).
        upper: base log scale of the upper wick in baseline volatilities, and the unbounded
            numbers behind a and q of its Burr distribution, shape (3,).
        lower: likewise of the lower wick, shape (3,).
        zero: base logits of an upper and a lower wick of zero, shape (2,).
        intraday_location_on: weight of the gap's signed size, shape (1,).
        intraday_scale_on: of the gap's magnitude and signed size, shape (2,).
        volume_location_on: of magnitude and signed size of gap and of intraday return, shape (4,).
        volume_scale_on: of the magnitudes of gap and intraday return, shape (2,).
        upper_scale_on: of magnitude and signed size of gap and of intraday return, and of the
            volume deviation's signed size, shape (5,).
        lower_scale_on: of the same, and of log(1 + 2 upper wick / volatility), shape (6,).
        zero_on: of the intraday return's magnitude and signed size on a zero upper wick, then on
            a zero lower wick, shape (4,).

    Raises:
        ValueError: naming the parameter whose shape is wrong.
    """

    gap: Any
    intraday: Any
    volume: Any
    upper: Any
    lower: Any
    zero: Any
    intraday_location_on: Any
    intraday_scale_on: Any
    volume_location_on: Any
    volume_scale_on: Any
    upper_scale_on: Any
    lower_scale_on: Any
    zero_on: Any

    def __post_init__(self) -> None:
        for name, shape in self.shapes().items():
            value = getattr(self, name)
            if isinstance(value, np.ndarray | list | tuple):
                value = read_only(value, np.float64)
                object.__setattr__(self, name, value)
            if tuple(value.shape) != shape:
                raise ValueError(
                    f"density parameter {name} must have shape {shape}; "
                    f"received {tuple(value.shape)}"
                )

    @classmethod
    def initial(cls) -> DensityParameters:
        """Where training starts: no coupling between the parts."""
        return cls(**_INITIAL)

    @staticmethod
    def shapes() -> dict[str, tuple[int, ...]]:
        """The shape of every parameter, by name."""
        return {name: (len(initial),) for name, initial in _INITIAL.items()}

    def by_name(self) -> dict[str, Any]:
        """The parameters by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def _bounded(ops: Any, value: Any, bound: float) -> Any:
    return bound * ops.tanh(value / bound)


def _log_scale(ops: Any, base: Any, output: Any, shift: Any) -> Any:
    return base + _bounded(ops, output, MAX_LOG_SCALE) + _bounded(ops, shift, 2 * MAX_LOG_SCALE)


def _size(ops: Any, z: Any) -> tuple[Any, Any]:
    """Magnitude and signed size of a standardised part; both grow like a logarithm."""
    return 0.5 * ops.log1p(z * z), ops.asinh(z)


@dataclass(frozen=True, eq=False)
class BarDensity:
    """The joint density of a batch of bars, before any part of them is known.

    Attributes:
        ops: array operations (`distributions.NUMPY` or TensorFlow's).
        outputs: the network's, shape (..., 10), columns `OUTPUTS`.
        volatility: baseline volatility per bar, shape (...).
        parameters: shared by all bars.
    """

    ops: Any
    outputs: Any
    volatility: Any
    parameters: DensityParameters

    def _output(self, name: str) -> Any:
        return self.outputs[..., OUTPUTS.index(name)]

    def _student_t(self, name: str, location: Any, shift: Any) -> StudentT:
        ops, base = self.ops, getattr(self.parameters, name)
        unit = 1.0 if name == "volume" else self.volatility
        scale = unit * ops.exp(_log_scale(ops, base[0], self._output(f"{name}_scale"), shift))
        return StudentT(location, scale, tail_df(ops, base[1]))

    @cached_property
    def gap(self) -> StudentT:
        """p(gap)."""
        drift = _bounded(self.ops, self._output("gap_location"), MAX_DRIFT)
        return self._student_t("gap", self.volatility * drift, 0.0 * self.volatility)

    def given_gap(self, gap: Any) -> GivenGap:
        """What is left once the gaps (...) are known."""
        sizes = _size(self.ops, (gap - self.gap.location) / self.gap.scale)
        return GivenGap(self, *sizes)

    def typical_return(self) -> StudentT:
        """The log return when the gap is at its location: location and scale (...), df.

        The scale adds those of gap and intraday return in squares: a summary without draws.
        """
        intraday = self.given_gap(self.gap.location).intraday
        return StudentT(
            self.gap.location + intraday.location,
            np.hypot(self.gap.scale, intraday.scale),
            intraday.df,
        )

    def conditionals(self, parts: Any) -> tuple[StudentT | ZeroOrBurr, ...]:
        """The distribution of each part given the earlier ones, in the order of `features.PARTS`.

        Args:
            parts: shape (..., 5), columns `features.PARTS`.
        """
        gap, intraday, upper, _, volume = (parts[..., i] for i in range(5))
        given_gap = self.given_gap(gap)
        given_intraday = given_gap.given_intraday(intraday)
        given_volume = given_intraday.given_volume(volume)
        return (
            self.gap,
            given_gap.intraday,
            given_volume.upper_wick,
            given_volume.given_upper_wick(upper).lower_wick,
            given_intraday.volume,
        )

    def log_density(self, parts: Any) -> Any:
        """Log density of each part given the earlier ones.

        Args:
            parts: shape (..., 5), columns `features.PARTS`.

        Returns:
            Shape (..., 5), the same columns; the sum over them is the joint log density.
        """
        found = [
            conditional.log_density(self.ops, parts[..., i])
            for i, conditional in enumerate(self.conditionals(parts))
        ]
        return self.ops.stack(found, -1)

    def pit(self, parts: np.ndarray) -> np.ndarray:
        """Conditional distribution functions at the parts (NumPy only), shape (..., 5).

        Uniform if the density is right, wicks of zero apart, which give P(zero).
        """
        found = [
            conditional.cdf(parts[..., i]) for i, conditional in enumerate(self.conditionals(parts))
        ]
        return np.stack(found, axis=-1)

    def sample(self, uniforms: np.ndarray, quantiles: QuantileTables) -> np.ndarray:
        """One bar's parts for each row by inverting the conditionals (NumPy only).

        Args:
            uniforms: shape (..., 5), in (0, 1), columns `features.PARTS`; brought within
                `MIN_UNIFORM` of 0 and 1.
            quantiles: of the same parameters.

        Returns:
            Shape (..., 5), columns `features.PARTS`.
        """
        u = np.clip(uniforms, MIN_UNIFORM, 1.0 - MIN_UNIFORM)
        gap = self.gap.location + self.gap.scale * quantiles.gap(u[..., 0])
        given_gap = self.given_gap(gap)
        of_intraday = given_gap.intraday
        intraday = of_intraday.location + of_intraday.scale * quantiles.intraday(u[..., 1])
        given_intraday = given_gap.given_intraday(intraday)
        of_volume = given_intraday.volume
        volume = of_volume.location + of_volume.scale * quantiles.volume(u[..., 4])
        given_volume = given_intraday.given_volume(volume)
        upper = given_volume.upper_wick.quantile(u[..., 2])
        lower = given_volume.given_upper_wick(upper).lower_wick.quantile(u[..., 3])
        return np.stack([gap, intraday, upper, lower, volume], axis=-1)


@dataclass(frozen=True, eq=False)
class GivenGap:
    """The density of bars whose gaps are known.

    Attributes:
        bar: the density before that.
        magnitude: of the gaps, shape (...); see `DensityParameters`.
        signed: signed size of the gaps, shape (...).
    """

    bar: BarDensity
    magnitude: Any
    signed: Any

    @cached_property
    def intraday(self) -> StudentT:
        """p(intraday | gap)."""
        bar, on = self.bar, self.bar.parameters.intraday_scale_on
        ops = bar.ops
        pull = _bounded(ops, bar.parameters.intraday_location_on[0], MAX_DRIFT)
        location = (
            bar.volatility * _bounded(ops, bar._output("intraday_location"), MAX_DRIFT)
            + pull * bar.gap.scale * self.signed
        )
        shift = on[0] * self.magnitude + on[1] * self.signed
        return bar._student_t("intraday", location, shift)

    def given_intraday(self, intraday: Any) -> GivenIntraday:
        """What is left once the intraday returns (...) are known too."""
        sizes = _size(self.bar.ops, (intraday - self.intraday.location) / self.intraday.scale)
        return GivenIntraday(self.bar, self, *sizes)


@dataclass(frozen=True, eq=False)
class GivenIntraday:
    """The density of bars whose gaps and intraday returns are known.

    Attributes:
        bar: the density before both.
        gap: what the gaps told.
        magnitude: of the intraday returns, shape (...).
        signed: their signed size, shape (...).
    """

    bar: BarDensity
    gap: GivenGap
    magnitude: Any
    signed: Any

    @cached_property
    def volume(self) -> StudentT:
        """p(volume deviation | gap, intraday)."""
        bar, gap = self.bar, self.gap
        on, on_scale = bar.parameters.volume_location_on, bar.parameters.volume_scale_on
        location = (
            _bounded(bar.ops, bar._output("volume_location"), MAX_VOLUME_SHIFT)
            + on[0] * gap.magnitude
            + on[1] * gap.signed
            + on[2] * self.magnitude
            + on[3] * self.signed
        )
        shift = on_scale[0] * gap.magnitude + on_scale[1] * self.magnitude
        return bar._student_t("volume", location, shift)

    def given_volume(self, volume: Any) -> GivenVolume:
        """What is left once the volume deviations (...) are known too."""
        of_volume = self.volume
        signed = self.bar.ops.asinh((volume - of_volume.location) / of_volume.scale)
        return GivenVolume(self.bar, self, signed)


@dataclass(frozen=True, eq=False)
class GivenVolume:
    """The density of bars of which only the wicks are unknown.

    Attributes:
        bar: the density before anything was known.
        intraday: what gaps and intraday returns told.
        signed: signed size of the volume deviations, shape (...).
    """

    bar: BarDensity
    intraday: GivenIntraday
    signed: Any

    def _wick(self, side: int, name: str, shift: Any) -> ZeroOrBurr:
        bar, intraday, gap = self.bar, self.intraday, self.intraday.gap
        ops, parameters = bar.ops, bar.parameters
        base, zero_on = getattr(parameters, name), parameters.zero_on
        on = getattr(parameters, f"{name}_scale_on")
        shift = (
            shift
            + on[0] * gap.magnitude
            + on[1] * gap.signed
            + on[2] * intraday.magnitude
            + on[3] * intraday.signed
            + on[4] * self.signed
        )
        logit = (
            parameters.zero[side]
            + bar._output(f"{name}_zero")
            + zero_on[2 * side] * intraday.magnitude
            + zero_on[2 * side + 1] * intraday.signed
        )
        scale = bar.volatility * ops.exp(
            _log_scale(ops, base[0], bar._output(f"{name}_scale"), shift)
        )
        a = 0.5 + ops.softplus(base[1])
        # a * q > 2 keeps the variance finite.
        return ZeroOrBurr(
            _bounded(ops, logit, MAX_LOGIT), scale, a, 2.0 / a + ops.softplus(base[2])
        )

    @cached_property
    def upper_wick(self) -> ZeroOrBurr:
        """p(upper wick | gap, intraday, volume)."""
        return self._wick(0, "upper", 0.0 * self.signed)

    def given_upper_wick(self, upper_wick: Any) -> GivenUpperWick:
        """What is left once the upper wicks (...) are known too."""
        return GivenUpperWick(self, upper_wick)


@dataclass(frozen=True, eq=False)
class GivenUpperWick:
    """The density of the lower wick, all else known.

    Attributes:
        volume: what gaps, intraday returns and volume told.
        upper_wick: shape (...), >= 0.
    """

    volume: GivenVolume
    upper_wick: Any

    @cached_property
    def lower_wick(self) -> ZeroOrBurr:
        """p(lower wick | gap, intraday, volume, upper wick)."""
        bar = self.volume.bar
        size = bar.ops.log1p(2.0 * self.upper_wick / bar.volatility)
        return self.volume._wick(1, "lower", bar.parameters.lower_scale_on[5] * size)


def tail_df(ops: Any, tail: Any) -> Any:
    """Degrees of freedom from an unbounded number: above `MIN_DF`."""
    return MIN_DF + ops.softplus(tail)


@dataclass(frozen=True)
class QuantileTables:
    """Standard quantiles of the three Student-t parts."""

    gap: QuantileTable
    intraday: QuantileTable
    volume: QuantileTable

    @classmethod
    def of(cls, parameters: DensityParameters) -> QuantileTables:
        """The tables for some parameters' degrees of freedom."""
        tails = (parameters.gap[1], parameters.intraday[1], parameters.volume[1])
        return cls(*(QuantileTable(float(tail_df(NUMPY, tail))) for tail in tails))
