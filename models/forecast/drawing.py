"""Bars drawn from their density, and what is expected of them: the simulator's compiled loops.

The formulas are those of `models.forecast.density` and `models.forecast.recalibration`, one bar in
a lane, worked out part by part for up to `kernels.LANES` bars of one symbol at a time: what lies
between network and bar stays in the processor's nearest memory. Tests hold both to be the same.

What a bar gives does not depend on the bars beside it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from models.forecast import density, recalibration, scaling
from models.forecast.density import DensityParameters, QuantileTables
from models.forecast.distributions import MIN_UNIFORM, SkewedT, TailShape
from models.forecast.levels import EDGE, KNOTS, LevelMap
from models.forecast.recalibration import Memory
from models.forecast.scaling import FeatureScaler
from models.forecast.traits import SymbolTraits
from models.kernels import (
    LANES,
    compiled,
    exp_rows,
    expm1_rows,
    fused,
    hold_and_scale,
    log_rows,
    softplus_rows,
    tanh_rows,
)
from models.market.features import BASELINE, COLUMN

# Numbers of a symbol, in the order of `_packed`.
GAP_SCALE, INTRADAY_SCALE, VOLUME_SCALE, PULL = range(4)
INTRADAY_ON, VOLUME_ON, VOLUME_SCALE_ON = 4, 6, 14
FACTORS = 17  # of the network's first eight outputs before they are bounded
MOMENTS = 25  # of gap, then intraday return: E[z] and E[z f2], E[z²] and E[z² f2]
WICK, WICK_NUMBERS = 33, 18  # the upper one's, then the lower one's

# Bounds and the like, in the order of `_limits`.
DRIFT, LOG_SCALE, VOLUME_SHIFT, LOGIT, PEAK = range(5)
PEAK_OF_WIDTH, PRIOR_OF_WIDTH, MOST_WIDTH, LEAST_LEVEL, LEAST_ODDS = range(5, 10)
EDGE_OF_LEVELS, RISE_REACH = 10, 11

NEWTON_STEPS = 6

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

# Rows of a tile of lanes. First the network's outputs, which turn into their bounded selves.
(
    OF_GAP, OF_GAP_SCALE, OF_INTRADAY, OF_INTRADAY_SCALE, OF_VOLUME, OF_VOLUME_SCALE,
    OF_UPPER, OF_LOWER, OF_UPPER_ZERO, OF_LOWER_ZERO,
) = range(10)  # fmt: skip
VOLATILITY, GAP_WIDTH, INTRADAY_WIDTH = 10, 11, 12
LEVEL = 13  # of gap, intraday return and volume; then their standard quantiles
UPPER_LEVEL, LOWER_LEVEL = 16, 17
MAGNITUDE = 18  # of gap and intraday return
SIGNED = 20  # of gap, intraday return and volume
BOTH_MAGNITUDE, BOTH_SIGNED = 23, 24  # of both returns together
GAP_FROM, INTRADAY_FROM, SCALE_OF_GAP, SCALE_OF_INTRADAY = 25, 26, 27, 28
UPPER_SIZE, WORK = 29, 30
ROWS = 36


@fused
def _width(sums, count, limits):
    """Coefficient of the width alone (`recalibration.Memory.coefficients`)."""
    found = sums / (count + limits[PRIOR_OF_WIDTH])
    most = abs(found) * limits[PEAK_OF_WIDTH]
    return found * min(1.0, limits[MOST_WIDTH] / max(most, limits[MOST_WIDTH]))


@fused
def _take_lanes(outputs, volatility, sums, count, numbers, limits, start, width, w):
    """Outputs, bounded, volatility and widths of a block; gap and intraday return if typical."""
    for row in range(10):
        source, target = outputs[row, start : start + width], w[row]
        for lane in range(width):
            target[lane] = source[lane]
    source, target = volatility[start : start + width], w[VOLATILITY]
    for lane in range(width):
        target[lane] = source[lane]
    for lane in range(width):
        known = count[start + lane]
        w[GAP_WIDTH, lane] = _width(sums[start + lane, 0, 1], known, limits)
        w[INTRADAY_WIDTH, lane] = _width(sums[start + lane, 1, 1], known, limits)
    for row in range(8):
        factor = numbers[FACTORS + row]
        for lane in range(w.shape[1]):
            w[row, lane] *= factor
    tanh_rows(w, 0, 8)
    drift, scale = limits[DRIFT], limits[LOG_SCALE]
    of_gap, of_intraday = numbers[GAP_SCALE], numbers[INTRADAY_SCALE]
    for lane in range(w.shape[1]):
        v = w[VOLATILITY, lane]
        w[GAP_FROM, lane] = v * drift * w[OF_GAP, lane]
        w[INTRADAY_FROM, lane] = v * drift * w[OF_INTRADAY, lane]
        w[SCALE_OF_GAP, lane] = of_gap + scale * w[OF_GAP_SCALE, lane]
        w[SCALE_OF_INTRADAY, lane] = of_intraday + scale * w[OF_INTRADAY_SCALE, lane]


@fused
def _before_log(z, magnitude, signed):
    """What magnitude and signed size of standardised parts are logarithms of, rows of lanes."""
    for lane in range(len(z)):
        square = 1.0 + z[lane] * z[lane]
        magnitude[lane] = square
        signed[lane] = abs(z[lane]) + np.sqrt(square)


@fused
def _after_log(z, magnitude, signed):
    """Magnitude and signed size of them, of the logarithms."""
    for lane in range(len(z)):
        magnitude[lane] *= 0.5
        signed[lane] = -signed[lane] if z[lane] < 0.0 else signed[lane]


@fused
def _uncorrected(w, row, of_width, peak):
    """Levels before the correction by recent outcomes (`recalibration.quantile`), in place."""
    for lane in range(w.shape[1]):
        level, slope = w[row, lane], peak * w[of_width, lane]
        u = level
        for _ in range(NEWTON_STEPS):
            pair = u * (u - 1.0)
            u -= (u + pair * slope * (2.0 * u - 1.0) - level) / (1.0 + slope * (6.0 * pair + 1.0))
            u = 0.0 if u < 0.0 else u
            u = 1.0 if u > 1.0 else u
        w[row, lane] = u


@fused
def _standard(w, quantiles, which, limits):
    """Levels of gap, intraday return and volume to standard quantiles, in place."""
    points = quantiles.shape[2]
    least, reach = limits[LEAST_LEVEL], limits[LEAST_ODDS]
    per_odds = (points - 1.0) / (-2.0 * reach)
    for part in range(3):
        for lane in range(w.shape[1]):
            u = max(w[LEVEL + part, lane], least)
            u = min(u, 1.0 - least)
            w[WORK + part, lane] = u / (1.0 - u)
    log_rows(w, WORK, WORK + 3)
    for part in range(3):
        table = quantiles[part, which]
        for lane in range(w.shape[1]):
            place = (w[WORK + part, lane] - reach) * per_odds
            low = min(max(np.int64(place), 0), points - 2)
            share = place - low
            w[LEVEL + part, lane] = (1.0 - share) * table[low] + share * table[low + 1]


@fused
def _draw_wick(w, side, numbers, limits, hinges, to):
    """The upper wick (side 0) or the lower one (side 1), a row of lanes."""
    scale_bound, peak_bound, logit_bound = limits[LOG_SCALE], limits[PEAK], limits[LOGIT]
    least, edge = limits[LEAST_LEVEL], limits[EDGE_OF_LEVELS]
    base, peak_base, tail, logit_base = numbers[0], numbers[1], numbers[2], numbers[3]
    s0, s1, s2, s3 = numbers[4], numbers[5], numbers[6], numbers[7]
    s4, s5, s6, s7 = numbers[8], numbers[9], numbers[10], numbers[11]
    p0, p1, p2, p3 = numbers[12], numbers[13], numbers[14], numbers[15]
    z0, z1 = numbers[16], numbers[17]
    for lane in range(w.shape[1]):
        gap, intraday = w[MAGNITUDE, lane], w[MAGNITUDE + 1, lane]
        volume, upper = w[SIGNED + 2, lane], w[UPPER_SIZE, lane]
        shift = (
            s0 * gap + s1 * w[SIGNED, lane] + s2 * intraday + s3 * w[SIGNED + 1, lane]
            + s4 * volume + s5 * intraday * intraday + s6 * w[BOTH_MAGNITUDE, lane] + s7 * upper
        )  # fmt: skip
        peak = peak_base + p0 * intraday + p1 * gap + p2 * volume + p3 * upper
        logit = logit_base + w[OF_UPPER_ZERO + side, lane] + z0 * intraday
        logit += z1 * w[SIGNED + 1, lane]
        w[WORK, lane] = shift / (2.0 * scale_bound)
        w[WORK + 1, lane] = peak / peak_bound
        w[WORK + 2, lane] = logit / logit_bound
    tanh_rows(w, WORK, WORK + 3)
    for lane in range(w.shape[1]):
        w[WORK, lane] = base + scale_bound * (w[OF_UPPER + side, lane] + 2.0 * w[WORK, lane])
        w[WORK + 1, lane] *= peak_bound
        w[WORK + 2, lane] *= logit_bound
    exp_rows(w, WORK, WORK + 1)
    softplus_rows(w, WORK + 1, WORK + 3)
    for lane in range(w.shape[1]):
        # P(zero) is 1 - exp(-softplus(logit)).
        w[WORK + 3, lane] = -w[WORK + 2, lane]
    exp_rows(w, WORK + 3, WORK + 4)
    for lane in range(w.shape[1]):
        u = min(max(w[UPPER_LEVEL + side, lane], least), 1.0 - least)
        above = 1.0 - (1.0 - u) / w[WORK + 3, lane]
        w[WORK + 3, lane] = above
        above = min(max(above, edge), 1.0 - edge)
        w[WORK + 4, lane] = above / (1.0 - above)
    log_rows(w, WORK + 4, WORK + 5)
    for lane in range(w.shape[1]):
        x = w[WORK + 4, lane]
        bent = x + hinges[0, 0]
        for k in range(1, hinges.shape[0]):
            bent += hinges[k, 1] * max(x - hinges[k, 0], 0.0)
        w[WORK + 4, lane] = bent
    softplus_rows(w, WORK + 4, WORK + 5)
    for lane in range(w.shape[1]):
        a = 0.5 + w[WORK + 1, lane]
        w[WORK + 1, lane] = a
        w[WORK + 4, lane] /= 2.0 / a + tail
    expm1_rows(w, WORK + 4, WORK + 5)
    log_rows(w, WORK + 4, WORK + 5)
    for lane in range(w.shape[1]):
        w[WORK + 4, lane] /= w[WORK + 1, lane]
    exp_rows(w, WORK + 4, WORK + 5)
    for lane in range(w.shape[1]):
        wick = w[VOLATILITY, lane] * w[WORK, lane] * w[WORK + 4, lane]
        to[lane] = wick if w[WORK + 3, lane] > 0.0 else 0.0


@fused
def _block(rows, start):
    """How many bars from one on are of the same symbol, up to `LANES`."""
    end = start + 1
    while end < min(len(rows), start + LANES) and rows[end] == rows[start]:
        end += 1
    return end - start


@compiled(
    "void(float64[:, ::1], float64[::1], float64[:, :, ::1], float64[::1], float64[:, :],"
    " int64[::1], float64[:, ::1], float64[::1], float64[:, :, ::1], float64[:, :, ::1],"
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
    w = np.zeros((ROWS, LANES))
    for row in range(LEVEL, LOWER_LEVEL + 1):
        w[row] = 0.5
    w[VOLATILITY] = 1.0
    drawn = np.zeros((5, LANES))
    start = 0
    while start < len(rows):
        width, which = _block(rows, start), rows[start]
        numbers = symbols[which]
        _take_lanes(outputs, volatility, sums, count, numbers, limits, start, width, w)
        for lane in range(width):
            w[LEVEL, lane] = uniforms[start + lane, 0]
            w[LEVEL + 1, lane] = uniforms[start + lane, 1]
            w[LEVEL + 2, lane] = uniforms[start + lane, 4]
            w[UPPER_LEVEL, lane] = uniforms[start + lane, 2]
            w[LOWER_LEVEL, lane] = uniforms[start + lane, 3]
        for part in range(2):
            _uncorrected(w, LEVEL + part, GAP_WIDTH + part, limits[PEAK_OF_WIDTH])
        _standard(w, quantiles, which, limits)
        _before_log(w[LEVEL], w[MAGNITUDE], w[SIGNED])
        _before_log(w[LEVEL + 1], w[MAGNITUDE + 1], w[SIGNED + 1])
        _before_log(w[LEVEL + 2], w[WORK], w[SIGNED + 2])
        log_rows(w, MAGNITUDE, SIGNED + 3)
        _after_log(w[LEVEL], w[MAGNITUDE], w[SIGNED])
        _after_log(w[LEVEL + 1], w[MAGNITUDE + 1], w[SIGNED + 1])
        _after_log(w[LEVEL + 2], w[WORK], w[SIGNED + 2])
        # Gap and intraday return.
        scale, pull = limits[LOG_SCALE], numbers[PULL]
        on_0, on_1 = numbers[INTRADAY_ON], numbers[INTRADAY_ON + 1]
        for lane in range(w.shape[1]):
            shift = on_0 * w[MAGNITUDE, lane] + on_1 * w[SIGNED, lane]
            w[WORK, lane] = shift / (2.0 * scale)
        tanh_rows(w, WORK, WORK + 1)
        for lane in range(w.shape[1]):
            w[SCALE_OF_INTRADAY, lane] += 2.0 * scale * w[WORK, lane]
        exp_rows(w, SCALE_OF_GAP, SCALE_OF_INTRADAY + 1)
        gap_0, gap_1 = numbers[MOMENTS], numbers[MOMENTS + 1]
        intraday_0, intraday_1 = numbers[MOMENTS + 4], numbers[MOMENTS + 5]
        for lane in range(w.shape[1]):
            v = w[VOLATILITY, lane]
            of_gap, of_intraday = v * w[SCALE_OF_GAP, lane], v * w[SCALE_OF_INTRADAY, lane]
            begin = w[INTRADAY_FROM, lane] + pull * of_gap * w[SIGNED, lane]
            gap_moved, moved = of_gap * w[LEVEL, lane], of_intraday * w[LEVEL + 1, lane]
            drawn[0, lane] = w[GAP_FROM, lane] + gap_moved
            drawn[1, lane] = begin + moved
            mean = gap_0 + gap_1 * w[GAP_WIDTH, lane]
            w[WORK, lane] = w[GAP_FROM, lane] + of_gap * mean
            mean = intraday_0 + intraday_1 * w[INTRADAY_WIDTH, lane]
            w[WORK + 1, lane] = begin + of_intraday * mean
            squares = of_gap * of_gap + of_intraday * of_intraday
            w[WORK + 2, lane] = (gap_moved + moved) / np.sqrt(squares)
        for part in range(2):
            found, to = w[WORK + part], means[part, start : start + width]
            for lane in range(width):
                to[lane] = found[lane]
        _before_log(w[WORK + 2], w[BOTH_MAGNITUDE], w[BOTH_SIGNED])
        log_rows(w, BOTH_MAGNITUDE, BOTH_SIGNED + 1)
        _after_log(w[WORK + 2], w[BOTH_MAGNITUDE], w[BOTH_SIGNED])
        # Volume.
        bound, base = limits[VOLUME_SHIFT], numbers[VOLUME_SCALE]
        v0, v1, v2, v3 = numbers[6], numbers[7], numbers[8], numbers[9]
        v4, v5, v6, v7 = numbers[10], numbers[11], numbers[12], numbers[13]
        m0, m1, m2 = numbers[14], numbers[15], numbers[16]
        for lane in range(w.shape[1]):
            gap, intraday, both = (
                w[MAGNITUDE, lane],
                w[MAGNITUDE + 1, lane],
                w[BOTH_MAGNITUDE, lane],
            )
            told = (
                v0 * gap + v1 * w[SIGNED, lane] + v2 * intraday + v3 * w[SIGNED + 1, lane]
                + v4 * both + v5 * w[BOTH_SIGNED, lane] + v6 * gap * gap
                + v7 * intraday * intraday
            )  # fmt: skip
            w[WORK, lane] = told / bound
            w[WORK + 1, lane] = (m0 * gap + m1 * intraday + m2 * both) / (2.0 * scale)
        tanh_rows(w, WORK, WORK + 2)
        for lane in range(w.shape[1]):
            told = w[OF_VOLUME_SCALE, lane] + 2.0 * w[WORK + 1, lane]
            w[WORK + 1, lane] = base + scale * told
        exp_rows(w, WORK + 1, WORK + 2)
        for lane in range(w.shape[1]):
            at = bound * (w[OF_VOLUME, lane] + w[WORK, lane])
            drawn[4, lane] = at + w[WORK + 1, lane] * w[LEVEL + 2, lane]
        # Wicks.
        w[UPPER_SIZE] = 0.0
        for side in range(2):
            of_side = numbers[WICK + side * WICK_NUMBERS : WICK + (side + 1) * WICK_NUMBERS]
            _draw_wick(w, side, of_side, limits, hinges[side], drawn[2 + side])
            for lane in range(w.shape[1]):
                w[UPPER_SIZE, lane] = 1.0 + 2.0 * drawn[2, lane] / w[VOLATILITY, lane]
            log_rows(w, UPPER_SIZE, UPPER_SIZE + 1)
        for part in range(5):
            found, to = drawn[part], parts[part, start : start + width]
            for lane in range(width):
                to[lane] = found[lane]
        start += width


@compiled(
    "void(float64[:, ::1], float64[::1], float64[:, :, ::1], float64[::1], int64[::1],"
    " float64[:, ::1], float64[::1], float64[:, ::1], float64[:, ::1])",
    fastmath={"contract"},
)
def expect_returns(outputs, volatility, sums, count, rows, symbols, limits, rise, found):
    """What B next returns are expected to be.

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
    w = np.zeros((ROWS, LANES))
    w[VOLATILITY] = 1.0
    points, reach = rise.shape[1], limits[RISE_REACH]
    per_size = (points - 1.0) / (2.0 * reach)
    start = 0
    while start < len(rows):
        width, which = _block(rows, start), rows[start]
        numbers, table = symbols[which], rise[which]
        _take_lanes(outputs, volatility, sums, count, numbers, limits, start, width, w)
        exp_rows(w, SCALE_OF_GAP, SCALE_OF_INTRADAY + 1)
        gap_0, gap_1 = numbers[MOMENTS], numbers[MOMENTS + 1]
        gap_2, gap_3 = numbers[MOMENTS + 2], numbers[MOMENTS + 3]
        intraday_0, intraday_1 = numbers[MOMENTS + 4], numbers[MOMENTS + 5]
        intraday_2, intraday_3 = numbers[MOMENTS + 6], numbers[MOMENTS + 7]
        for lane in range(w.shape[1]):
            v = w[VOLATILITY, lane]
            of_gap, of_intraday = v * w[SCALE_OF_GAP, lane], v * w[SCALE_OF_INTRADAY, lane]
            gap = gap_0 + gap_1 * w[GAP_WIDTH, lane]
            intraday = intraday_0 + intraday_1 * w[INTRADAY_WIDTH, lane]
            gap_square = gap_2 + gap_3 * w[GAP_WIDTH, lane] - gap * gap
            square = intraday_2 + intraday_3 * w[INTRADAY_WIDTH, lane] - intraday * intraday
            location = w[GAP_FROM, lane] + w[INTRADAY_FROM, lane]
            w[WORK, lane] = location + of_gap * gap + of_intraday * intraday
            w[WORK + 1, lane] = np.sqrt(
                of_gap * of_gap * gap_square + of_intraday * of_intraday * square
            )
            scale = np.sqrt(of_gap * of_gap + of_intraday * of_intraday)
            ratio = location / scale
            w[WORK + 2, lane] = ratio
            w[WORK + 3, lane] = scale / v
            w[WORK + 4, lane] = of_gap / of_intraday
            w[WORK + 5, lane] = abs(ratio) + np.sqrt(ratio * ratio + 1.0)
        log_rows(w, WORK + 3, WORK + 6)
        for lane in range(w.shape[1]):
            size = w[WORK + 5, lane]
            place = ((size if w[WORK + 2, lane] >= 0.0 else -size) + reach) * per_size
            place = min(max(place, 0.0), points - 1.0)
            low = min(np.int64(place), points - 2)
            share = place - low
            w[WORK + 5, lane] = (1.0 - share) * table[low] + share * table[low + 1]
        volume, to = outputs[OF_VOLUME, start : start + width], found[6, start : start + width]
        for lane in range(width):
            to[lane] = volume[lane]
        for part in range(6):
            known, to = w[WORK + part], found[part, start : start + width]
            for lane in range(width):
                to[lane] = known[lane]
        start += width


@compiled(
    "boolean(float64[:, ::1], int64[::1], float64[:, :, ::1], float64[:, ::1], float64[::1],"
    " float64[:, :], float64[:, :, ::1], float64[::1], float32[:, ::1], float64[::1])",
    fastmath={"contract"},
)
def take_rows(features, rows, ranges, scaling, numbers, pits, sums, count, scaled, volatility):
    """The newest feature rows of B series: network inputs, baseline volatility, memory.

    Args:
        features: shape (F, B).
        rows: of each series' symbol, shape (B,).
        ranges: lowest and highest features of K symbols, shape (K, 2, F).
        scaling: mean and scale of every feature, and which three the baseline is made of with
            their exponents, zero for the others, shape (3, F).
        numbers: of the scaling, the baseline volatility and the memory, then the anchors of K
            symbols (`Advancing.of`).
        pits: of the newest gaps and intraday returns, shape (B, 2); none if B is 0.
        sums: of the memory of outcomes, shape (B, 2, 2), changed in place.
        count: likewise, shape (B,).
        scaled: written to, shape (F, B).
        volatility: written to, shape (B,).

    Returns:
        Whether all features are finite.
    """
    clip = np.float32(numbers[0])
    kept, high = 1.0 - numbers[1], numbers[2]
    decay, of_shift, of_width = numbers[3], numbers[4], numbers[5]
    w = np.zeros((2, LANES))
    wrong, start = 0, 0
    while start < len(rows):
        width, which = _block(rows, start), rows[start]
        anchor = numbers[6 + which]
        w[0] = 0.0
        for i in range(len(features)):
            low, most = ranges[which, 0, i], ranges[which, 1, i]
            mean, scale, exponent = scaling[0, i], scaling[1, i], scaling[2, i]
            values, to = features[i, start : start + width], scaled[i, start : start + width]
            for lane in range(width):
                to[lane] = hold_and_scale(values[lane], low, most, mean, scale, clip)
                wrong += 0 if abs(values[lane]) < np.inf else 1
            if exponent != 0.0:
                for lane in range(width):
                    w[0, lane] += exponent * values[lane]
        for lane in range(w.shape[1]):
            above = kept * (w[0, lane] - anchor)
            w[0, lane] = anchor + above - 0.5 * max(above - high, 0.0)
        exp_rows(w, 0, 1)
        to = volatility[start : start + width]
        for lane in range(width):
            to[lane] = w[0, lane]
        start += width
    for k in range(len(pits)):
        for part in range(2):
            u = pits[k, part]
            sums[k, part, 0] = decay * sums[k, part, 0] + of_shift * (2.0 * u - 1.0)
            width_term = of_width * (6.0 * u * (u - 1.0) + 1.0)
            sums[k, part, 1] = decay * sums[k, part, 1] + width_term
        count[k] = decay * count[k] + 1.0
    return wrong == 0


@dataclass(frozen=True, eq=False)
class Drawing:
    """What bars are drawn with, of K symbols, as kernels take it.

    Attributes:
        symbols: numbers of each, shape (K, n).
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
                MIN_UNIFORM,
                special.logit(MIN_UNIFORM),
                EDGE,
                _RISE_REACH,
            ]
        )
        tables = [quantiles.gap, quantiles.intraday, quantiles.volume]
        return cls(
            _packed(parameters, moments),
            limits,
            np.stack([each.values for each in tables]),
            np.stack([_hinges(quantiles.levels[part]) for part in (2, 3)]),
            _rise_table(parameters.tails["intraday"]),
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
            _plain(outputs.T), _plain(volatility), _plain(memory.sums), _plain(memory.count),
            _plain(uniforms), _plain(rows, np.int64),
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
            _plain(outputs.T), _plain(volatility), _plain(memory.sums), _plain(memory.count),
            _plain(rows, np.int64), self.symbols, self.limits, self.rise, found,
        )  # fmt: skip
        return found


def _plain(values: np.ndarray, dtype: type = np.float64) -> np.ndarray:
    """As kernels take it: contiguous, writeable."""
    return np.require(values, dtype, ["C", "W"])


@dataclass(frozen=True, eq=False)
class Advancing:
    """What states are moved one bar on with, of K symbols, as the kernel takes it.

    Attributes:
        scaler: of the features.
        ranges: lowest and highest features, shape (K, 2, F).
        scaling: see `take_rows`, shape (3, F).
        numbers: likewise, shape (6 + K,).
    """

    scaler: FeatureScaler
    ranges: np.ndarray
    scaling: np.ndarray
    numbers: np.ndarray

    @classmethod
    def of(cls, scaler: FeatureScaler, traits: SymbolTraits) -> Advancing:
        """Worked out once.

        Args:
            scaler: of the features.
            traits: of K - 1 symbols and strangers.
        """
        exponents = np.zeros(len(scaler.mean))
        for name, exponent in (
            ("volatility_ewma", 1.0),
            ("volatility_long", BASELINE.long),
            ("volatility_range", BASELINE.ranged),
        ):
            exponents[COLUMN[name]] = exponent
        decay, peaks = recalibration._DECAY, recalibration._PEAKS
        numbers = [scaling.CLIP, BASELINE.reversion, BASELINE.high, decay, *peaks]
        return cls(
            scaler,
            np.array(traits.ranges),
            np.stack([scaler.mean, scaler.scale, exponents]),
            np.concatenate([numbers, traits.anchors]),
        )

    def advance(
        self, feature_rows: np.ndarray, rows: np.ndarray, pits: np.ndarray | None, memory: Memory
    ) -> tuple[np.ndarray, np.ndarray, Memory]:
        """Scaled features (B, F), baseline volatility (B,) and memory after the newest bars.

        Args:
            feature_rows: at their close, shape (B, F).
            rows: numbers of the series' symbols, shape (B,).
            pits: of their gaps and intraday returns, shape (B, 2); the memory stays as it is
                without.
            memory: of B series, before.

        Raises:
            ValueError: if the rows are of another shape, or a feature is not finite.
        """
        count, width = len(rows), len(self.scaler.mean)
        if feature_rows.shape != (count, width):
            raise ValueError(
                f"feature rows must have shape ({count}, {width}); received {feature_rows.shape}"
            )
        scaled, volatility = np.empty((width, count), np.float32), np.empty(count)
        after = Memory(memory.sums.copy(), memory.count.copy())
        seen = np.empty((0, 2)) if pits is None else _plain(pits)
        if not take_rows(
            _plain(feature_rows.T), _plain(rows, np.int64), self.ranges, self.scaling,
            self.numbers, seen, after.sums, after.count, scaled, volatility,
        ):  # fmt: skip
            raise self.scaler.not_finite(feature_rows)
        return scaled.T, volatility, after


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
