"""Bars drawn from their density, and what is expected of them: the simulator's compiled loops.

The formulas are those of `models.forecast.density` and `models.forecast.recalibration`, one bar in
a lane, worked out part by part for up to `kernels.LANES` bars of one symbol at a time: what lies
between network and bar stays in the processor's nearest memory. Tests hold both to be the same.
Lanes hold float32: the network's outputs have no more, and a bar is then right to some millionths
of its volatility. Levels come in float64, and what counts of one is how far it is from the nearer
end, which keeps its precision however small it is.

What a bar gives does not depend on the bars beside it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from models.arrays import plain
from models.forecast import density, recalibration
from models.forecast.density import DensityParameters, QuantileTables
from models.forecast.distributions import EDGE_UNIFORM, SkewedT, TailShape
from models.forecast.levels import EDGE, KNOTS, LevelMap
from models.forecast.recalibration import Memory
from models.kernels import (
    HALF_32,
    LANES,
    ONE_32,
    TWO_32,
    ZERO_32,
    asinh_32,
    block_of,
    compiled,
    exp_32,
    expm1_32,
    fused,
    load,
    log_32,
    merged,
    softplus_32,
    store,
    tanh_32,
)

# Numbers of a symbol, in the order of `_packed`. First the base log scales of gap, intraday return
# and volume; from 4, 6 and 14 on what the intraday return's scale, the volume's location and its
# scale depend on, in the order of `DensityParameters`.
PULL = 3
FACTORS = 17  # of the network's first eight outputs before they are bounded
MOMENTS = 25  # of gap, then intraday return: E[z] and E[z f2], E[z²] and E[z² f2]
WICK, WICK_NUMBERS = 33, 18
"""Of the upper wick, then of the lower one: base log scale, peak and tail, logit of zero; what the
scale (from 4 on), the peak (12) and the logit (16) depend on."""

# Bounds and the like, in the order of `Drawing.limits`.
DRIFT, LOG_SCALE, VOLUME_SHIFT, LOGIT, PEAK = range(5)
PEAK_OF_WIDTH, PRIOR_OF_WIDTH, MOST_WIDTH, LEAST_LEVEL, LEAST_ODDS = range(5, 10)
EDGE_OF_LEVELS, RISE_REACH = 10, 11

NEWTON_STEPS = 4
_THREE, _SIX = np.float32(3.0), np.float32(6.0)

EXPECTED = (
    "mean",  # of the next log return
    "deviation",  # of the same
    "ratio",  # its location in its scales
    "width",  # log of the scale over the baseline volatility
    "gap_share",  # log of the gap's scale over the intraday scale
    "rise",  # probability that the return is positive
    "volume",  # the network's part in the location of the next volume deviation
)
"""What `Drawing.expect` tells."""

# Rows of a tile of lanes: the network's outputs, the first eight bounded; what is known of a bar;
# its parts and the means of two; what the lower wick must know; a wick on its way.
(
    OF_GAP, OF_GAP_SCALE, OF_INTRADAY, OF_INTRADAY_SCALE, OF_VOLUME, OF_VOLUME_SCALE,
    OF_UPPER, OF_LOWER, OF_UPPER_ZERO, OF_LOWER_ZERO,
) = range(10)  # fmt: skip
VOLATILITY, GAP_WIDTH, INTRADAY_WIDTH = 10, 11, 12
LEVEL = 13  # of the five parts, from the nearer end; of those with tables then places, quantiles
DRAWN, MEAN = 18, 23
GAP_MAGNITUDE, GAP_SIGNED, INTRADAY_MAGNITUDE, INTRADAY_SIGNED = range(25, 29)
BOTH_MAGNITUDE, VOLUME_SIGNED = 29, 30
WICK_SCALE, WICK_SHAPE, WICK_ABOVE, WICK_ODDS, WICK_BENT = range(31, 36)
WICK_TOLD, WICK_ZERO, WICK_LEVEL, UPPER_WICK, WICK_DRAWN = range(36, 41)
SIDE = 41  # of gap, intraday return and volume: 1 above the middle, else -1
ROWS = 44


@fused
def _bounded(value, bound):
    return bound * tanh_32(value / bound)


@fused
def _width(sums, count, limits):
    """Coefficient of the width alone (`recalibration.Memory.coefficients`)."""
    found = np.float32(sums) / (np.float32(count) + limits[PRIOR_OF_WIDTH])
    most = abs(found) * limits[PEAK_OF_WIDTH]
    return found * min(ONE_32, limits[MOST_WIDTH] / max(most, limits[MOST_WIDTH]))


@fused
def _take_lanes(outputs, volatility, sums, count, numbers, limits, start, width, w):
    """Outputs, the first eight bounded to (-1, 1), volatility and widths of a block."""
    # Lengths that are not known when this is compiled keep it from being unrolled.
    for row in range(len(outputs)):
        load(outputs, row, start, width, w, row)
    for lane in range(width):
        known = count[start + lane]
        w[VOLATILITY, lane] = volatility[start + lane]
        w[GAP_WIDTH, lane] = _width(sums[start + lane, 0, 1], known, limits)
        w[INTRADAY_WIDTH, lane] = _width(sums[start + lane, 1, 1], known, limits)
    factors = numbers[FACTORS:MOMENTS]
    for row in range(len(factors)):
        for lane in range(LANES):
            w[row, lane] = tanh_32(w[row, lane] * factors[row])


@fused
def _take_levels(uniforms, least, start, width, w):
    """Levels of a block, of tabled parts from the nearer end and their sides, of wicks from one."""
    for lane in range(width):
        of_gap, of_intraday = uniforms[start + lane, 0], uniforms[start + lane, 1]
        of_volume = uniforms[start + lane, 4]
        w[LEVEL, lane] = min(of_gap, 1.0 - of_gap)
        w[LEVEL + 1, lane] = min(of_intraday, 1.0 - of_intraday)
        w[LEVEL + 4, lane] = min(of_volume, 1.0 - of_volume)
        w[SIDE, lane] = 1.0 if of_gap > 0.5 else -1.0
        w[SIDE + 1, lane] = 1.0 if of_intraday > 0.5 else -1.0
        w[SIDE + 2, lane] = 1.0 if of_volume > 0.5 else -1.0
        w[LEVEL + 2, lane] = 1.0 - min(max(uniforms[start + lane, 2], least), 1.0 - least)
        w[LEVEL + 3, lane] = 1.0 - min(max(uniforms[start + lane, 3], least), 1.0 - least)


@fused
def _uncorrected(level, width, peak):
    """The level before the correction by recent outcomes (`recalibration.quantile`).

    That is the same from both ends, so a level up to 1/2 stays there.
    """
    slope, u = peak * width, level
    for _ in range(NEWTON_STEPS):
        wider = ONE_32 + slope * (ONE_32 - u) * (ONE_32 - TWO_32 * u)
        u -= (u * wider - level) / (ONE_32 + slope * (_SIX * u * (u - ONE_32) + ONE_32))
        u = min(max(u, ZERO_32), HALF_32)
    return u


@fused
def _look_up(place, table):
    """Value of a table between its points."""
    low = min(int(place if place > ZERO_32 else ZERO_32), len(table) - 2)
    share = place - np.float32(low)
    return (ONE_32 - share) * table[low] + share * table[low + 1]


@merged
def _draw_returns_and_volume(w, numbers, limits):
    """Gap, intraday return and volume deviation of a block, from standard quantiles."""
    drift, factor, bound = limits[DRIFT], limits[LOG_SCALE], limits[VOLUME_SHIFT]
    gap_base, intraday_base, volume_base = numbers[0], numbers[1], numbers[2]
    pull, i0, i1 = numbers[PULL], numbers[4], numbers[5]
    v0, v1, v2, v3 = numbers[6], numbers[7], numbers[8], numbers[9]
    v4, v5, v6, v7 = numbers[10], numbers[11], numbers[12], numbers[13]
    s0, s1, s2 = numbers[14], numbers[15], numbers[16]
    gap_0, gap_1 = numbers[MOMENTS], numbers[MOMENTS + 1]
    intraday_0, intraday_1 = numbers[MOMENTS + 4], numbers[MOMENTS + 5]
    for lane in range(LANES):
        volatility = w[VOLATILITY, lane]
        z_gap, z_intraday, z_volume = w[LEVEL, lane], w[LEVEL + 1, lane], w[LEVEL + 4, lane]
        gap, gap_signed = HALF_32 * log_32(ONE_32 + z_gap * z_gap), asinh_32(z_gap)
        intraday, intraday_signed = (
            HALF_32 * log_32(ONE_32 + z_intraday * z_intraday),
            asinh_32(z_intraday),
        )
        of_gap = volatility * exp_32(gap_base + factor * w[OF_GAP_SCALE, lane])
        told = intraday_base + factor * w[OF_INTRADAY_SCALE, lane]
        told += _bounded(i0 * gap + i1 * gap_signed, TWO_32 * factor)
        of_intraday = volatility * exp_32(told)
        gap_from = volatility * drift * w[OF_GAP, lane]
        intraday_from = volatility * drift * w[OF_INTRADAY, lane] + pull * of_gap * gap_signed
        gap_moved, moved = of_gap * z_gap, of_intraday * z_intraday
        w[DRAWN, lane] = gap_from + gap_moved
        w[DRAWN + 1, lane] = intraday_from + moved
        w[MEAN, lane] = gap_from + of_gap * (gap_0 + gap_1 * w[GAP_WIDTH, lane])
        mean = intraday_0 + intraday_1 * w[INTRADAY_WIDTH, lane]
        w[MEAN + 1, lane] = intraday_from + of_intraday * mean
        z = (gap_moved + moved) / np.sqrt(of_gap * of_gap + of_intraday * of_intraday)
        both, both_signed = HALF_32 * log_32(ONE_32 + z * z), asinh_32(z)
        told = v0 * gap + v1 * gap_signed + v2 * intraday + v3 * intraday_signed
        told += v4 * both + v5 * both_signed + v6 * gap * gap + v7 * intraday * intraday
        location = bound * w[OF_VOLUME, lane] + _bounded(told, bound)
        told = volume_base + factor * w[OF_VOLUME_SCALE, lane]
        told += _bounded(s0 * gap + s1 * intraday + s2 * both, TWO_32 * factor)
        w[DRAWN + 4, lane] = location + exp_32(told) * z_volume
        w[GAP_MAGNITUDE, lane] = gap
        w[GAP_SIGNED, lane] = gap_signed
        w[INTRADAY_MAGNITUDE, lane] = intraday
        w[INTRADAY_SIGNED, lane] = intraday_signed
        w[BOTH_MAGNITUDE, lane] = both
        w[VOLUME_SIGNED, lane] = asinh_32(z_volume)


@merged
def _draw_wick(w, numbers, limits, hinges):
    """The upper or the lower wicks of a block; the upper ones are zero while they are drawn."""
    factor, peak_bound, logit_bound = limits[LOG_SCALE], limits[PEAK], limits[LOGIT]
    edge = limits[EDGE_OF_LEVELS]
    base, peak_base, tail, logit_base = numbers[0], numbers[1], numbers[2], numbers[3]
    s0, s1, s2, s3 = numbers[4], numbers[5], numbers[6], numbers[7]
    s4, s5, s6, s7 = numbers[8], numbers[9], numbers[10], numbers[11]
    p0, p1, p2, p3 = numbers[12], numbers[13], numbers[14], numbers[15]
    z0, z1 = numbers[16], numbers[17]
    begin = hinges[0, 0]
    for lane in range(LANES):
        gap, intraday = w[GAP_MAGNITUDE, lane], w[INTRADAY_MAGNITUDE, lane]
        signed, volume = w[INTRADAY_SIGNED, lane], w[VOLUME_SIGNED, lane]
        volatility = w[VOLATILITY, lane]
        upper = log_32(ONE_32 + TWO_32 * w[UPPER_WICK, lane] / volatility)
        told = s0 * gap + s1 * w[GAP_SIGNED, lane] + s2 * intraday + s3 * signed + s4 * volume
        told += s5 * intraday * intraday + s6 * w[BOTH_MAGNITUDE, lane] + s7 * upper
        told = base + factor * w[WICK_TOLD, lane] + _bounded(told, TWO_32 * factor)
        w[WICK_SCALE, lane] = volatility * exp_32(told)
        peak = peak_base + p0 * intraday + p1 * gap + p2 * volume + p3 * upper
        w[WICK_SHAPE, lane] = HALF_32 + softplus_32(_bounded(peak, peak_bound))
        logit = logit_base + w[WICK_ZERO, lane] + z0 * intraday + z1 * signed
        # Of a positive wick the probability is 1 - sigmoid(logit).
        rest = ONE_32 + exp_32(_bounded(logit, logit_bound))
        below = w[WICK_LEVEL, lane] * rest
        above = ONE_32 - below
        w[WICK_ABOVE, lane] = above
        odds = log_32(max(above, edge) / below)
        w[WICK_ODDS, lane] = odds
        w[WICK_BENT, lane] = odds + begin
    for k in range(1, hinges.shape[0]):
        knot, bend = hinges[k, 0], hinges[k, 1]
        for lane in range(LANES):
            w[WICK_BENT, lane] += bend * max(w[WICK_ODDS, lane] - knot, ZERO_32)
    for lane in range(LANES):
        shape = w[WICK_SHAPE, lane]
        ratio = expm1_32(softplus_32(w[WICK_BENT, lane]) / (TWO_32 / shape + tail))
        wick = w[WICK_SCALE, lane] * exp_32(log_32(ratio) / shape)
        w[WICK_DRAWN, lane] = wick if w[WICK_ABOVE, lane] > ZERO_32 else ZERO_32


@compiled(
    "void(float64[:, ::1], float64[::1], float64[:, :, ::1], float64[::1], float64[:, ::1],"
    " int64[::1], float32[:, ::1], float32[::1], float32[:, :, ::1], float32[:, :, ::1],"
    " float64[:, ::1], float64[:, ::1])",
    fastmath={"contract"},
)
def draw_parts(
    outputs, volatility, sums, count, uniforms, rows, symbols, limits, quantiles, hinges,
    parts, means,
):  # fmt: skip
    """The parts of B bars, and what was to be expected of their returns.

    Args:
        outputs: the network's, shape (10, B).
        volatility: baseline volatility, shape (B,).
        sums: of the memory of outcomes, shape (B, 2, 2).
        count: likewise, shape (B,).
        uniforms: shape (B, 5), columns `features.PARTS`.
        rows: of each bar's symbol, shape (B,).
        symbols: their numbers, shape (K, n).
        limits: bounds.
        quantiles: of gap, intraday return and volume, shape (3, K, points).
        hinges: of the levels of upper and lower wicks, shape (2, m, 2).
        parts: written to, shape (5, B).
        means: written to, shape (2, B).
    """
    w = np.full((ROWS, LANES), HALF_32)
    least, least_odds, peak = limits[LEAST_LEVEL], limits[LEAST_ODDS], limits[PEAK_OF_WIDTH]
    middle = HALF_32 * np.float32(quantiles.shape[2] - 1)
    start = 0
    while start < len(rows):
        width, which = block_of(rows, start), rows[start]
        numbers = symbols[which]
        _take_lanes(outputs, volatility, sums, count, numbers, limits, start, width, w)
        _take_levels(uniforms, np.float64(least), start, width, w)
        for part in range(2):
            for lane in range(LANES):
                level = _uncorrected(w[LEVEL + part, lane], w[GAP_WIDTH + part, lane], peak)
                w[LEVEL + part, lane] = level
        for i in range(3):
            row, table = w[LEVEL + (4 if i == 2 else i)], quantiles[i, which]
            for lane in range(LANES):
                level = max(row[lane], least)
                share = log_32(level / (ONE_32 - level)) / least_odds
                row[lane] = middle + middle * w[SIDE + i, lane] * share
            for lane in range(width):
                row[lane] = _look_up(row[lane], table)
        _draw_returns_and_volume(w, numbers, limits)
        w[DRAWN + 2] = ZERO_32
        for side in range(2):
            of_side = numbers[WICK + side * WICK_NUMBERS : WICK + (side + 1) * WICK_NUMBERS]
            load(w, OF_UPPER + side, 0, LANES, w, WICK_TOLD)
            load(w, OF_UPPER_ZERO + side, 0, LANES, w, WICK_ZERO)
            load(w, LEVEL + 2 + side, 0, LANES, w, WICK_LEVEL)
            load(w, DRAWN + 2, 0, LANES, w, UPPER_WICK)
            _draw_wick(w, of_side, limits, hinges[side])
            load(w, WICK_DRAWN, 0, LANES, w, DRAWN + 2 + side)
        for part in range(5):
            store(w, DRAWN + part, parts, part, start, width)
        for part in range(2):
            store(w, MEAN + part, means, part, start, width)
        start += width


@compiled(
    "void(float64[:, ::1], float64[::1], float64[:, :, ::1], float64[::1], int64[::1],"
    " float32[:, ::1], float32[::1], float32[:, ::1], float64[:, ::1])",
    fastmath={"contract"},
)
def expect_returns(outputs, volatility, sums, count, rows, symbols, limits, rise, found):
    """What B next bars are expected to be.

    Args:
        outputs: the network's, shape (10, B).
        volatility: baseline volatility, shape (B,).
        sums: of the memory of outcomes, shape (B, 2, 2).
        count: likewise, shape (B,).
        rows: of each bar's symbol, shape (B,).
        symbols: their numbers, shape (K, n).
        limits: bounds.
        rise: probabilities of a rise, shape (K, points), by asinh(location / scale).
        found: written to, shape (7, B), see `EXPECTED`.
    """
    w = np.full((ROWS, LANES), HALF_32)
    drift, factor, reach = limits[DRIFT], limits[LOG_SCALE], limits[RISE_REACH]
    most = np.float32(rise.shape[1] - 1)
    start = 0
    while start < len(rows):
        width, which = block_of(rows, start), rows[start]
        numbers, table = symbols[which], rise[which]
        _take_lanes(outputs, volatility, sums, count, numbers, limits, start, width, w)
        gap_base, intraday_base = numbers[0], numbers[1]
        g0, g1, g2, g3 = numbers[25], numbers[26], numbers[27], numbers[28]
        i0, i1, i2, i3 = numbers[29], numbers[30], numbers[31], numbers[32]
        for lane in range(LANES):
            v, gap_width, width_of = (
                w[VOLATILITY, lane],
                w[GAP_WIDTH, lane],
                w[INTRADAY_WIDTH, lane],
            )
            gap = v * exp_32(gap_base + factor * w[OF_GAP_SCALE, lane])
            intraday = v * exp_32(intraday_base + factor * w[OF_INTRADAY_SCALE, lane])
            location = v * drift * (w[OF_GAP, lane] + w[OF_INTRADAY, lane])
            gap_mean, mean = g0 + g1 * gap_width, i0 + i1 * width_of
            w[DRAWN, lane] = location + gap * gap_mean + intraday * mean
            squares = gap * gap * (g2 + g3 * gap_width - gap_mean * gap_mean)
            squares += intraday * intraday * (i2 + i3 * width_of - mean * mean)
            w[DRAWN + 1, lane] = np.sqrt(squares)
            scale = np.sqrt(gap * gap + intraday * intraday)
            w[DRAWN + 2, lane] = location / scale
            w[DRAWN + 3, lane] = log_32(scale / v)
            w[DRAWN + 4, lane] = log_32(gap / intraday)
            place = (asinh_32(location / scale) + reach) * (HALF_32 * most / reach)
            w[DRAWN + 5, lane] = min(max(place, ZERO_32), most)
        for lane in range(width):
            w[DRAWN + 5, lane] = _look_up(w[DRAWN + 5, lane], table)
        for part in range(6):
            store(w, DRAWN + part, found, part, start, width)
        found[6, start : start + width] = outputs[OF_VOLUME, start : start + width]
        start += width


@dataclass(frozen=True, eq=False)
class Drawing:
    """What bars are drawn with, of K symbols, as kernels take it.

    Attributes:
        symbols: numbers of each, shape (K, n); like all of these float32.
        limits: bounds, shape (m,).
        quantiles: standard ones of gap, intraday return and volume, shape (3, K, points).
        hinges: how the levels of upper and lower wicks bend, shape (2, knots + 1, 2).
        rise: probability that an intraday return is positive, by its location in scales, shape
            (K, points).
    """

    symbols: np.ndarray
    limits: np.ndarray
    quantiles: np.ndarray
    hinges: np.ndarray
    rise: np.ndarray

    @classmethod
    def of(
        cls, parameters: DensityParameters, quantiles: QuantileTables, moments: np.ndarray
    ) -> Drawing:
        """Worked out once.

        Args:
            parameters: of K symbols, arrays (K, n).
            quantiles: of the same.
            moments: of gap and intraday return, shape (K, 2, 2, 3): symbol, part, moment, term
                (`recalibration.moments`).
        """
        peak, prior = recalibration._PEAKS[1], recalibration.PRIOR_BARS[1]
        limits = np.array(
            [
                density.MAX_DRIFT,
                density.MAX_LOG_SCALE,
                density.MAX_VOLUME_SHIFT,
                density.MAX_LOGIT,
                density.MAX_PEAK,
                peak,
                prior,
                recalibration.MAX_SUM,
                EDGE_UNIFORM,
                special.logit(EDGE_UNIFORM),
                EDGE,
                _RISE_REACH,
            ]
        )
        tables = [quantiles.gap, quantiles.intraday, quantiles.volume]
        return cls(
            *(
                values.astype(np.float32)
                for values in (
                    _packed(parameters, moments),
                    limits,
                    np.stack([each.values for each in tables]),
                    np.stack([_hinges(quantiles.levels[part]) for part in (2, 3)]),
                    _rise_table(parameters.tails["intraday"]),
                )
            )
        )

    def draw(
        self, outputs: np.ndarray, volatility: np.ndarray, memory: Memory, uniforms: np.ndarray,
        rows: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
        """The parts (B, 5) of bars, and what was to be expected of their returns, (B, 2).

        Args:
            outputs: the network's, shape (B, 10).
            volatility: shape (B,).
            memory: of B series.
            uniforms: shape (B, 5), columns `features.PARTS`.
            rows: numbers of the series' symbols, shape (B,).
        """
        count = len(rows)
        parts, means = np.empty((5, count)), np.empty((2, count))
        draw_parts(
            plain(outputs.T), plain(volatility), plain(memory.sums), plain(memory.count),
            plain(uniforms), plain(rows, np.int64),
            self.symbols, self.limits, self.quantiles, self.hinges, parts, means,
        )  # fmt: skip
        return parts.T, means.T

    def expect(
        self, outputs: np.ndarray, volatility: np.ndarray, memory: Memory, rows: np.ndarray
    ) -> np.ndarray:
        """What next bars are expected to be, shape (7, B), rows `EXPECTED`.

        The gap and, as if it were typical, the intraday return, corrected as drawn bars are.

        Args:
            outputs: the network's, shape (B, 10).
            volatility: shape (B,).
            memory: of B series.
            rows: numbers of the series' symbols, shape (B,).
        """
        found = np.empty((len(EXPECTED), len(rows)))
        expect_returns(
            plain(outputs.T), plain(volatility), plain(memory.sums), plain(memory.count),
            plain(rows, np.int64), self.symbols, self.limits, self.rise, found,
        )  # fmt: skip
        return found


def _packed(parameters: DensityParameters, moments: np.ndarray) -> np.ndarray:
    """The numbers of K symbols as kernels take them, shape (K, n)."""
    p = parameters
    count = len(p.gap)
    drift, scale, shift = density.MAX_DRIFT, density.MAX_LOG_SCALE, density.MAX_VOLUME_SHIFT
    gain, none = 1.0 + p.gain, np.zeros((count, 1))
    ones = np.ones(count)
    factors = [
        ones / drift, gain[:, 1] / scale, ones / drift, gain[:, 1] / scale,
        gain[:, 0] / shift, ones / scale, gain[:, 2] / scale, gain[:, 2] / scale,
    ]  # fmt: skip
    wicks = [
        np.concatenate(
            [
                base[:, :2],
                np.logaddexp(0.0, base[:, 2:]),
                p.zero[:, side : side + 1],
                scale_on, *[none] * (8 - scale_on.shape[1]),
                shape_on, *[none] * (4 - shape_on.shape[1]),
                p.zero_on[:, 2 * side : 2 * side + 2],
            ],
            axis=1,
        )
        for side, (base, scale_on, shape_on) in enumerate(
            [
                (p.upper, p.upper_scale_on, p.upper_shape_on),
                (p.lower, p.lower_scale_on, p.lower_shape_on),
            ]
        )
    ]  # fmt: skip
    return np.concatenate(
        [
            p.gap[:, :1], p.intraday[:, :1], p.volume[:, :1],
            drift * np.tanh(p.intraday_location_on / drift),
            p.intraday_scale_on, p.volume_location_on, p.volume_scale_on,
            np.stack(factors, axis=1),
            moments[:, :, :, [0, 2]].reshape(count, 8),
            *wicks,
        ],
        axis=1,
    )  # fmt: skip


def _hinges(levels: LevelMap) -> np.ndarray:
    """How log-odds of levels bend on the way back: a shift, then where and by how much slopes grow.

    Shape (knots + 1, 2): the quantile of a level of log-odds x is at x + shift + the sum of
    bend · max(x - knot, 0).
    """
    start, end = special.logit(levels.mapped), special.logit(np.array(KNOTS))
    slopes = np.concatenate([[1.0], np.diff(end) / np.diff(start), [1.0]])
    bends = np.column_stack([start, np.diff(slopes)])
    return np.concatenate([[[end[0] - start[0], 0.0]], bends])


_RISE_REACH, _RISE_POINTS = 4.0, 2001


def _rise_table(shapes: TailShape) -> np.ndarray:
    """Probability that a return is positive, by its location in scales, shape (K, points).

    On a grid that is even in asinh(location / scale): linear between its points the error is below
    1e-5.

    Args:
        shapes: of K distributions, arrays (K,).
    """
    ratios = np.sinh(np.linspace(-_RISE_REACH, _RISE_REACH, _RISE_POINTS))
    return 1.0 - SkewedT(ratios, 1.0, shapes.spread()).cdf(np.zeros(1))
