"""The joint density of the next bar's five parts, as a product of heavy-tailed conditionals.

    p(gap) p(intraday | gap) p(volume | gap, intraday) p(upper wick | ...) p(lower wick | ...)

Gap, intraday return and volume deviation are asymmetric Student-t, each with two tails and a
skewness of its own. A wick is exactly zero with some probability (the high was the open or the
close) and otherwise follows a Burr XII distribution, whose survival function (1 + (w/s)^a)^(-q)
has a power tail and a closed inverse. Locations and log-scales move with what the earlier parts
turned out to be, so that a large return, be it made overnight, during the day or by both together,
brings a large range and a large volume: dependence is kept, not multiplied away.

The parameters that do not come from the network are either the same for every bar, or each bar's
own: those of its symbol.

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
from scipy import special

from models.arrays import read_only
from models.forecast.distributions import (
    EDGE_UNIFORM,
    NUMPY,
    WICK_ZERO,
    QuantileTable,
    SkewedT,
    TailShape,
    ZeroOrBurr,
)
from models.forecast.levels import LevelMaps

ZERO_STEPS = (0.7548776662466927, 0.5698402909980532)
"""Fractions whose multiples fill the unit square evenly: for zero upper and lower wicks.

Powers of 1 / 1.3247..., the real root of x³ = x + 1 (Roberts 2018, "The unreasonable effectiveness
of quasirandom sequences").
"""

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

SCALES = slice(OUTPUTS.index("gap_scale"), OUTPUTS.index("intraday_scale") + 1, 2)
"""The columns of `OUTPUTS` that say how far prices move overnight and during the day."""

MAX_DRIFT = 0.25
"""Bound of a location, in baseline volatilities: an annual Sharpe ratio of 4 (0.25 · sqrt(252)).

Alternatives: `research.experiments.constants`.
"""

MAX_LOG_SCALE = 1.5
"""Bound of what the network may add to a log scale; earlier parts may add twice as much.

Alternatives: `research.experiments.constants`.
"""

MAX_VOLUME_SHIFT = 3.0
"""Bound of the network's part in the volume deviation's location, and of the returns' part in it:
twentyfold volume, a rail."""

MAX_LOGIT = 9.0
"""Bound of a wick's logit of zero: probabilities stay between 0.0001 and 0.9999, a rail."""

MAX_PEAK = 3.0
"""Bound of the number behind a Burr's a, which stays between 0.55 and 3.5, a rail."""

MIN_DF = 2.5
"""Fewest degrees of freedom: above 2, where the variance is finite.

Daily returns of stocks have tail indices of three to five (Cont 2001, "Empirical properties of
asset returns"); alternatives: `research.experiments.constants`.
"""

STUDENT_PARTS = {"gap": 0, "intraday": 1, "volume": 4}
"""The parts that are asymmetric Student-t, and their columns of `features.PARTS`."""

MAX_SKEW = 1.0
"""Bound of the logit of falling below the mode: its probability stays in 0.27..0.73, a rail."""

_INITIAL: dict[str, tuple[float, ...]] = {
    "gap": (-1.0, 1.0, 1.0, 0.0),
    "intraday": (-0.4, 1.0, 1.0, 0.0),
    "volume": (-1.2, 1.0, 1.0, 0.0),
    "upper": (-0.7, 0.5, 1.0),
    "lower": (-0.7, 0.5, 1.0),
    "zero": (-3.0, -3.0),
    "intraday_location_on": (0.0,) * 1,
    "intraday_scale_on": (0.0,) * 2,
    "volume_location_on": (0.0,) * 8,
    "volume_scale_on": (0.0,) * 3,
    "upper_scale_on": (0.0,) * 7,
    "lower_scale_on": (0.0,) * 8,
    "upper_shape_on": (0.0,) * 3,
    "lower_shape_on": (0.0,) * 4,
    "zero_on": (0.0,) * 4,
    "gain": (0.0,) * 3,
}


@dataclass(frozen=True, eq=False)
class DensityParameters:
    """Trained numbers that the network does not give: one set for all bars, or one for each.

    Arrays (read-only float64 copies are kept) or, within training, TensorFlow variables. A part's
    "magnitude" is 0.5 log(1 + z²) and its "signed size" asinh(z), z being the part standardised by
    its own location and scale; the return's z is gap plus intraday return, by both locations and
    the root of both scales' squares. The shapes below may be led by further axes, which then are
    those of the bars.

    Attributes:
        gap: base log scale in baseline volatilities, left and right tail (degrees of freedom by
            `tail_df`), and logit of falling below the mode, shape (4,).
        intraday: likewise of the intraday return, shape (4,).
        volume: likewise of the volume deviation, whose unit is 1, shape (4,).
        upper: base log scale of the upper wick in baseline volatilities, and the unbounded
            numbers behind a and q of its Burr distribution, shape (3,).
        lower: likewise of the lower wick, shape (3,).
        zero: base logits of an upper and a lower wick of zero, shape (2,).
        intraday_location_on: weight of the gap's signed size, shape (1,).
        intraday_scale_on: of the gap's magnitude and signed size, shape (2,).
        volume_location_on: of magnitude and signed size of gap, of intraday return and of their
            sum, and of the squared magnitudes of gap and intraday return, shape (8,).
        volume_scale_on: of the magnitudes of gap, intraday return and their sum, shape (3,).
        upper_scale_on: of magnitude and signed size of gap and of intraday return, of the volume
            deviation's signed size, of the intraday return's squared magnitude, and of the
            magnitude of the sum, shape (7,).
        lower_scale_on: of the same, and of log(1 + 2 upper wick / volatility), shape (8,).
        upper_shape_on: of magnitudes of intraday return and gap, and of the volume deviation's
            signed size, on the number behind a: how peaked a wick is, shape (3,).
        lower_shape_on: of the same, and of log(1 + 2 upper wick / volatility), shape (4,).
        zero_on: of the intraday return's magnitude and signed size on a zero upper wick, then on
            a zero lower wick, shape (4,).
        gain: how much more than others' a symbol's bars follow the network: in the location of
            the volume deviation, the scales of gap and intraday return, those of wicks; the
            network's outputs are multiplied by 1 + gain, shape (3,).

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
    upper_shape_on: Any
    lower_shape_on: Any
    zero_on: Any
    gain: Any

    def __post_init__(self) -> None:
        for name, shape in self.shapes().items():
            value = getattr(self, name)
            if isinstance(value, np.ndarray | list | tuple):
                value = read_only(value, np.float64)
                object.__setattr__(self, name, value)
            if tuple(value.shape)[-1:] != shape:
                raise ValueError(
                    f"density parameter {name} must have shape {shape}, or that after the bars'; "
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

    @classmethod
    def split(cls, values: Any) -> DensityParameters:
        """The parameters whose numbers stand end to end on the last axis of an array."""
        taken, place = {}, 0
        for name, (count,) in cls.shapes().items():
            taken[name] = values[..., place : place + count]
            place += count
        return cls(**taken)

    def joined(self) -> np.ndarray:
        """All numbers end to end on the last axis; the inverse of `split` (NumPy only)."""
        return np.concatenate(list(self.by_name().values()), axis=-1)

    def take(self, index: Any) -> DensityParameters:
        """The parameters of chosen bars (NumPy only)."""
        return DensityParameters(**{name: x[index] for name, x in self.by_name().items()})

    @cached_property
    def tails(self) -> dict[str, TailShape]:
        """Skewness and tails of gap, intraday return and volume by name (NumPy only).

        Bars come and go, their parameters stay: worked out once for all of them.
        """
        return {name: tail_shape(NUMPY, getattr(self, name)) for name in STUDENT_PARTS}

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
        parameters: one set for all bars, or one for each, arrays (..., n).
    """

    ops: Any
    outputs: Any
    volatility: Any
    parameters: DensityParameters

    def _output(self, name: str) -> Any:
        return self.outputs[..., OUTPUTS.index(name)]

    def _gained(self, name: str, which: int) -> Any:
        return self._output(name) * (1.0 + self.parameters.gain[..., which])

    def _skewed_t(self, name: str, location: Any, shift: Any) -> SkewedT:
        ops, base = self.ops, getattr(self.parameters, name)
        unit = 1.0 if name == "volume" else self.volatility
        told = (
            self._output("volume_scale") if name == "volume" else self._gained(f"{name}_scale", 1)
        )
        scale = unit * ops.exp(_log_scale(ops, base[..., 0], told, shift))
        shape = self.parameters.tails[name] if ops is NUMPY else tail_shape(ops, base)
        return SkewedT(location, scale, shape)

    @cached_property
    def gap(self) -> SkewedT:
        """p(gap)."""
        drift = _bounded(self.ops, self._output("gap_location"), MAX_DRIFT)
        return self._skewed_t("gap", self.volatility * drift, 0.0 * self.volatility)

    def given_gap(self, gap: Any) -> GivenGap:
        """What is left once the gaps (...) are known."""
        missed = gap - self.gap.location
        return GivenGap(self, missed, *_size(self.ops, missed / self.gap.scale))

    @cached_property
    def given_typical_gap(self) -> GivenGap:
        """What is left when the gap is at its location."""
        return self.given_gap(self.gap.location)

    def typical_return(self) -> SkewedT:
        """The log return when the gap is at its location: location and scale (...), shape.

        The scale adds those of gap and intraday return in squares: a summary without draws.
        """
        intraday = self.given_typical_gap.intraday
        return SkewedT(
            self.gap.location + intraday.location,
            np.hypot(self.gap.scale, intraday.scale),
            intraday.shape,
        )

    def conditionals(self, parts: Any) -> tuple[SkewedT | ZeroOrBurr, ...]:
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

    def pit(self, parts: np.ndarray, levels: LevelMaps | None = None) -> np.ndarray:
        """Conditional distribution functions at the parts (NumPy only).

        Uniform if the density is right: a wick of zero, whose distribution function jumps from
        nothing to P(zero), is put between the two by a sequence that fills the interval evenly
        (multiples of `ZERO_STEPS`, by the bar's place).

        Args:
            parts: shape (..., 5), columns `features.PARTS`.
            levels: corrections of the density; none if None.

        Returns:
            Shape (..., 5), the same columns.
        """
        maps = LevelMaps.identity() if levels is None else levels
        found = [
            conditional.cdf(parts[..., i], maps[i])
            if isinstance(conditional, ZeroOrBurr)
            else maps[i].distribution(conditional.cdf(parts[..., i]))
            for i, conditional in enumerate(self.conditionals(parts))
        ]
        for column, step in zip((2, 3), ZERO_STEPS, strict=True):
            zero = parts[..., column] < WICK_ZERO
            order = np.arange(1, zero.size + 1).reshape(zero.shape)
            found[column] = np.where(zero, found[column] * (order * step % 1.0), found[column])
        return np.stack(found, axis=-1)

    def levels(self, parts: np.ndarray) -> list[np.ndarray]:
        """Conditional distribution functions before any correction, one array for each part.

        Those of wicks are of positive wicks, given that they are (NumPy only).
        """
        found = []
        for i, conditional in enumerate(self.conditionals(parts)):
            values = parts[..., i]
            level = conditional.cdf(values)
            if isinstance(conditional, ZeroOrBurr):
                zero = special.expit(conditional.logit)
                level = ((level - zero) / (1.0 - zero))[values >= WICK_ZERO]
            found.append(level)
        return found

    def sample(
        self, uniforms: np.ndarray, quantiles: QuantileTables, which: np.ndarray | int = 0
    ) -> np.ndarray:
        """One bar's parts for each row (NumPy only), as `draw` has them."""
        return self.draw(uniforms, quantiles, which)[0]

    def draw(
        self, uniforms: np.ndarray, quantiles: QuantileTables, which: np.ndarray | int = 0
    ) -> tuple[np.ndarray, GivenGap]:
        """One bar's parts for each row by inverting the conditionals (NumPy only).

        Args:
            uniforms: shape (..., 5), in (0, 1), columns `features.PARTS`; brought within
                `EDGE_UNIFORM` of 0 and 1.
            quantiles: of the same parameters, or of all symbols'.
            which: which of the quantile tables each bar's parameters are.

        Returns:
            Parts, shape (..., 5), columns `features.PARTS`, and the density given their gaps.
        """
        u = np.clip(uniforms, EDGE_UNIFORM, 1.0 - EDGE_UNIFORM)

        def drawn(of: SkewedT, table: QuantileTable, column: int) -> np.ndarray:
            return of.location + of.scale * table(u[..., column], which)

        gap = drawn(self.gap, quantiles.gap, 0)
        given_gap = self.given_gap(gap)
        intraday = drawn(given_gap.intraday, quantiles.intraday, 1)
        given_intraday = given_gap.given_intraday(intraday)
        volume = drawn(given_intraday.volume, quantiles.volume, 4)
        given_volume = given_intraday.given_volume(volume)
        upper = given_volume.upper_wick.quantile(u[..., 2], quantiles.levels[2])
        of_lower = given_volume.given_upper_wick(upper).lower_wick
        lower = of_lower.quantile(u[..., 3], quantiles.levels[3])
        return np.stack([gap, intraday, upper, lower, volume], axis=-1), given_gap


@dataclass(frozen=True, eq=False)
class GivenGap:
    """The density of bars whose gaps are known.

    Attributes:
        bar: the density before that.
        missed: the gaps less their location, shape (...).
        magnitude: of the gaps, shape (...); see `DensityParameters`.
        signed: signed size of the gaps, shape (...).
    """

    bar: BarDensity
    missed: Any
    magnitude: Any
    signed: Any

    @cached_property
    def intraday(self) -> SkewedT:
        """p(intraday | gap)."""
        bar, on = self.bar, self.bar.parameters.intraday_scale_on
        ops = bar.ops
        pull = _bounded(ops, bar.parameters.intraday_location_on[..., 0], MAX_DRIFT)
        location = (
            bar.volatility * _bounded(ops, bar._output("intraday_location"), MAX_DRIFT)
            + pull * bar.gap.scale * self.signed
        )
        shift = on[..., 0] * self.magnitude + on[..., 1] * self.signed
        return bar._skewed_t("intraday", location, shift)

    def given_intraday(self, intraday: Any) -> GivenIntraday:
        """What is left once the intraday returns (...) are known too."""
        ops, of_gap, of_intraday = self.bar.ops, self.bar.gap, self.intraday
        missed = intraday - of_intraday.location
        scale = ops.sqrt(of_gap.scale * of_gap.scale + of_intraday.scale * of_intraday.scale)
        return GivenIntraday(
            self.bar,
            self,
            *_size(ops, missed / of_intraday.scale),
            *_size(ops, (self.missed + missed) / scale),
        )


@dataclass(frozen=True, eq=False)
class GivenIntraday:
    """The density of bars whose gaps and intraday returns are known.

    Attributes:
        bar: the density before both.
        gap: what the gaps told.
        magnitude: of the intraday returns, shape (...).
        signed: their signed size, shape (...).
        return_magnitude: of the sums of gap and intraday return, shape (...).
        return_signed: their signed size, shape (...).
    """

    bar: BarDensity
    gap: GivenGap
    magnitude: Any
    signed: Any
    return_magnitude: Any
    return_signed: Any

    @cached_property
    def volume(self) -> SkewedT:
        """p(volume deviation | gap, intraday)."""
        bar, gap = self.bar, self.gap
        on, on_scale = bar.parameters.volume_location_on, bar.parameters.volume_scale_on
        told = (
            on[..., 0] * gap.magnitude
            + on[..., 1] * gap.signed
            + on[..., 2] * self.magnitude
            + on[..., 3] * self.signed
            + on[..., 4] * self.return_magnitude
            + on[..., 5] * self.return_signed
            + on[..., 6] * gap.magnitude * gap.magnitude
            + on[..., 7] * self.magnitude * self.magnitude
        )
        location = _bounded(
            bar.ops, bar._gained("volume_location", 0), MAX_VOLUME_SHIFT
        ) + _bounded(bar.ops, told, MAX_VOLUME_SHIFT)
        shift = (
            on_scale[..., 0] * gap.magnitude
            + on_scale[..., 1] * self.magnitude
            + on_scale[..., 2] * self.return_magnitude
        )
        return bar._skewed_t("volume", location, shift)

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

    def _wick(self, side: int, name: str, shift: Any, peak: Any) -> ZeroOrBurr:
        bar, intraday, gap = self.bar, self.intraday, self.intraday.gap
        ops, parameters = bar.ops, bar.parameters
        base, zero_on = getattr(parameters, name), parameters.zero_on
        on = getattr(parameters, f"{name}_scale_on")
        shift = (
            shift
            + on[..., 0] * gap.magnitude
            + on[..., 1] * gap.signed
            + on[..., 2] * intraday.magnitude
            + on[..., 3] * intraday.signed
            + on[..., 4] * self.signed
            + on[..., 5] * intraday.magnitude * intraday.magnitude
            + on[..., 6] * intraday.return_magnitude
        )
        shape_on = getattr(parameters, f"{name}_shape_on")
        peak = (
            peak
            + base[..., 1]
            + shape_on[..., 0] * intraday.magnitude
            + shape_on[..., 1] * gap.magnitude
            + shape_on[..., 2] * self.signed
        )
        logit = (
            parameters.zero[..., side]
            + bar._output(f"{name}_zero")
            + zero_on[..., 2 * side] * intraday.magnitude
            + zero_on[..., 2 * side + 1] * intraday.signed
        )
        scale = bar.volatility * ops.exp(
            _log_scale(ops, base[..., 0], bar._gained(f"{name}_scale", 2), shift)
        )
        a = 0.5 + ops.softplus(_bounded(ops, peak, MAX_PEAK))
        # a * q > 2 keeps the variance finite.
        return ZeroOrBurr(
            _bounded(ops, logit, MAX_LOGIT), scale, a, 2.0 / a + ops.softplus(base[..., 2])
        )

    @cached_property
    def upper_wick(self) -> ZeroOrBurr:
        """p(upper wick | gap, intraday, volume)."""
        return self._wick(0, "upper", 0.0 * self.signed, 0.0 * self.signed)

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
        parameters = bar.parameters
        shift, peak = parameters.lower_scale_on[..., 7], parameters.lower_shape_on[..., 3]
        return self.volume._wick(1, "lower", shift * size, peak * size)


def log_sizes(volatility: np.ndarray, log_scales: np.ndarray) -> np.ndarray:
    """How wide forecasts are: log of the root of the squares of gap and intraday return.

    Args:
        volatility: that scales are of, any shape.
        log_scales: of gap and intraday return, shape (2, *that shape).

    Returns:
        Of the shape of volatility.
    """
    return np.asarray(np.log(volatility) + 0.5 * np.logaddexp(*(2.0 * log_scales)))


def tail_df(ops: Any, tail: Any) -> Any:
    """Degrees of freedom from an unbounded number: above `MIN_DF`."""
    return MIN_DF + ops.softplus(tail)


def tail_shape(ops: Any, numbers: Any) -> TailShape:
    """Skewness and tails from a part's unbounded numbers (..., 4); see `DensityParameters`."""
    return TailShape(
        tail_df(ops, numbers[..., 1]),
        tail_df(ops, numbers[..., 2]),
        ops.sigmoid(_bounded(ops, numbers[..., 3], MAX_SKEW)),
    )


@dataclass(frozen=True)
class QuantileTables:
    """Standard quantiles of gap, intraday return and volume deviation, all levels corrected.

    Attributes:
        gap: of the K sets of parameters.
        intraday: likewise.
        volume: likewise.
        levels: the corrections; those of wicks are not in a table.
    """

    gap: QuantileTable
    intraday: QuantileTable
    volume: QuantileTable
    levels: LevelMaps

    @classmethod
    def of(cls, parameters: DensityParameters, levels: LevelMaps | None = None) -> QuantileTables:
        """The tables of one set of parameters, or of K: arrays (K, n)."""
        levels = LevelMaps.identity() if levels is None else levels
        gap, intraday, volume = (
            QuantileTable(parameters.tails[name], levels[column])
            for name, column in STUDENT_PARTS.items()
        )
        return cls(gap, intraday, volume, levels)
