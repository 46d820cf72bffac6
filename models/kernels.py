"""Inner loops, compiled: what kernels are made of, features of a new bar, capped mean-variance.

Arrays are laid out with the series (paths or symbols) last and contiguous, so that one instruction
works on several series, and every series is computed for itself by the same operations in the same
order: neither its place in a batch nor the size of the batch changes a bit of a result. Kernels let
go of the interpreter's lock, so callers may run them in threads on parts of a batch.

What is kept compiled (in `__pycache__`, or where Numba finds a folder to write to) is tied to the
file it was compiled from and to this one, and would not notice a change elsewhere: kernels of other
modules (`models.forecast.recurrent`, `models.forecast.drawing`, `sim.walking`, ...) may call what
is in their own file and here, and numbers of other modules come as arguments. Compiled at the first
call, a second or two for each kernel, then read back by later processes.
"""

from __future__ import annotations

import functools
import hashlib
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import llvmlite.binding
import numba
import numpy as np

_WIDE = bool(llvmlite.binding.get_host_cpu_features().get("avx512f"))
VECTOR, VECTORS = (16, 4) if _WIDE else (8, 2)
"""Floats in a vector and vectors in a tile: as many as a processor's registers hold sums for."""

_TOLD = numba.config.CPU_FEATURES, numba.config.CPU_NAME
if _WIDE and numba.config.ENABLE_AVX and _TOLD == (None, None):
    # Left to itself LLVM uses half of each of such a processor's registers for loops.
    _FEATURES = llvmlite.binding.get_host_cpu_features().flatten()
    numba.config.CPU_FEATURES = f"{_FEATURES},-prefer-256-bit"

LANES = VECTOR * VECTORS
"""Series that a network kernel works on together; a last block is filled up with zeros."""

_THIS_FILE = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:8]


def compiled(signature: str, **options: Any) -> Callable[[Callable], Callable]:
    """Compile at the first call, for one signature; kept for later processes if that is possible.

    Args:
        signature: types of the arguments, as Numba writes them.
        options: of `numba.njit`, beyond those that all kernels have.
    """

    def wrap(function: Callable) -> Callable:
        @functools.cache
        def ready() -> Callable:
            given = {"nogil": True, "error_model": "numpy"} | options
            try:
                return numba.njit(signature, cache=True, **given)(function)
            except RuntimeError:  # there is no folder that could be written to
                return numba.njit(signature, **given)(function)

        @functools.wraps(function)
        def run(*arguments: Any) -> Any:
            return ready()(*arguments)

        # What Numba keeps has this name, and is found by it.
        function.__qualname__ += f"-{_THIS_FILE}"
        return run

    return wrap


_BARE = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True, "forceinline": True}
"""Of functions that only kernels call: what it would take to call them from Python."""

inlined = numba.njit(error_model="numpy", **_BARE)
"""For functions of numbers that kernels call; IEEE arithmetic, the same in every vector width."""


# --- parts of rows -------------------------------------------------------------------------------

# Parts are cut out before they are looped over: an index that might be negative, as the
# compiler sees it, keeps a loop from working on vectors.


@inlined
def load(values, row, start, width, lanes, to):
    """Copy `width` of a row's values to lanes."""
    source, target = values[row, start : start + width], lanes[to]
    for lane in range(width):
        target[lane] = source[lane]


@inlined
def store(lanes, row, values, to, start, width):
    """Copy lanes back."""
    source, target = lanes[row], values[to, start : start + width]
    for lane in range(width):
        target[lane] = source[lane]


# --- logarithm -----------------------------------------------------------------------------------

_MANTISSA = np.int64((1 << 52) - 1)
_SQRT_HALF = np.int64(0x3FE6A09E667F3BCD)
_LN2_HIGH, _LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
_SMALLEST = 2.2250738585072014e-308
_LG = (
    6.666666666666735130e-01,
    3.999999999940941908e-01,
    2.857142874366239149e-01,
    2.222219843214978396e-01,
    1.818357216161805012e-01,
    1.531383769920937332e-01,
    1.479819860511658591e-01,
)


@inlined
def log(x):
    """Natural logarithm of a float64, within one unit in the last place; no branches.

    The scheme and coefficients of FreeBSD's `e_log.c` (Sun Microsystems 1993). NaN unless `x` is a
    positive normal number.
    """
    bits = np.float64(x).view(np.int64)
    shifted = bits - _SQRT_HALF
    exponent = shifted >> 52
    f = np.int64(bits - (exponent << 52)).view(np.float64) - 1.0
    s = f / (2.0 + f)
    z = s * s
    tail = z * (
        _LG[0]
        + z * (_LG[1] + z * (_LG[2] + z * (_LG[3] + z * (_LG[4] + z * (_LG[5] + z * _LG[6])))))
    )
    half = 0.5 * f * f
    k = np.float64(exponent)
    found = k * _LN2_HIGH - ((half - (s * (half + tail) + k * _LN2_LOW)) - f)
    return found if _SMALLEST <= x < np.inf else np.nan


# --- other functions of float64 ------------------------------------------------------------------

fused = numba.njit(error_model="numpy", fastmath={"contract"}, **_BARE)
"""As `inlined`, but products and sums may be fused: for lanes, which are all worked out alike."""

merged = numba.njit(error_model="numpy", inline="always")
"""For parts of one kernel: taken into it before it is compiled, with its ways of rounding."""

_LOG2_E_64 = 1.4426950408889634
_ROUND_64 = 6755399441055744.0
"""1.5 · 2^52: a small number added to it is rounded to a whole one, which its last bits hold."""

_FARTHEST_64 = 700.0
_FACTORIALS = tuple(1.0 / math.factorial(n) for n in range(14))


@fused
def exp(x):
    """Exponential of a float64 held within ±700, relative error below 4e-16; NaN stays NaN."""
    x = _FARTHEST_64 if x > _FARTHEST_64 else x
    x = -_FARTHEST_64 if x < -_FARTHEST_64 else x
    rounded = x * _LOG2_E_64 + _ROUND_64
    n = rounded - _ROUND_64
    r = (x - n * _LN2_HIGH) - n * _LN2_LOW
    power = _FACTORIALS[13]
    power = power * r + _FACTORIALS[12]
    power = power * r + _FACTORIALS[11]
    power = power * r + _FACTORIALS[10]
    power = power * r + _FACTORIALS[9]
    power = power * r + _FACTORIALS[8]
    power = power * r + _FACTORIALS[7]
    power = power * r + _FACTORIALS[6]
    power = power * r + _FACTORIALS[5]
    power = power * r + _FACTORIALS[4]
    power = power * r + _FACTORIALS[3]
    power = power * r + 0.5
    power = power * (r * r) + r + 1.0
    scale = np.int64((np.float64(rounded).view(np.int64) + np.int64(1023)) << np.int64(52))
    return power * np.int64(scale).view(np.float64)


# --- functions of float32 ------------------------------------------------------------------------

_FARTHEST_32 = np.float32(25.0)
"""Sigmoids of so many doublings differ from 0 or 1 by half the resolution of float32 near 1."""

_LARGEST_32 = np.float32(126.0)
_ROUND_32 = np.float32(12582912.0)
"""As `_ROUND_64`: 1.5 · 2^23."""

_LOG2_E_32, _LN2_32 = np.float32(_LOG2_E_64), np.float32(0.6931471805599453)
ZERO_32, HALF_32, ONE_32, TWO_32 = (np.float32(x) for x in (0.0, 0.5, 1.0, 2.0))
_EXP2 = (
    np.float32(1.32647271973714e-3),
    np.float32(9.67151263965395e-3),
    np.float32(5.550733743251546e-2),
    np.float32(2.4022242085374954e-1),
    np.float32(6.931469775991652e-1),
)
"""Of 2^x less 1 within ±1/2, with the least largest error, 1e-7, that five powers can have."""

_LOG1P = (
    np.float32(0.0870043769036018),
    np.float32(-0.1426748722253318),
    np.float32(0.14914767430519504),
    np.float32(-0.16577584641407314),
    np.float32(0.19963063839265938),
    np.float32(-0.25001337038237953),
    np.float32(0.33333910736411276),
)
"""Of log(1 + x) less x - x²/2, over x³, likewise from sqrt(1/2) to sqrt(2): 3e-8."""

_SQRT_HALF_32 = np.int32(0x3F3504F3)
_MANTISSA_BITS = np.int32(23)
_SERIES = tuple(np.float32(x) for x in _FACTORIALS[2:7])
_EXPM1_NEAR = np.float32(0.1)


@fused
def _power_of_two(x):
    """Two to the power of a float32 within ±126."""
    rounded = x + _ROUND_32
    r = x - (rounded - _ROUND_32)
    power = _EXP2[0]
    power = power * r + _EXP2[1]
    power = power * r + _EXP2[2]
    power = power * r + _EXP2[3]
    power = power * r + _EXP2[4]
    power = power * r + ONE_32
    scale = np.int32((np.float32(rounded).view(np.int32) + np.int32(127)) << _MANTISSA_BITS)
    return power * np.int32(scale).view(np.float32)


@fused
def exp2_32(x):
    """Two to the power of a float32 held within ±25, relative error below 2e-7; NaN stays NaN."""
    x = _FARTHEST_32 if x > _FARTHEST_32 else x
    x = -_FARTHEST_32 if x < -_FARTHEST_32 else x
    return _power_of_two(x)


@fused
def exp_32(x):
    """Exponential of a float32 within ±87, else of that; NaN stays NaN.

    Its relative error is below 2e-7 and what rounding x to a whole float32 is worth.
    """
    x = x * _LOG2_E_32
    x = _LARGEST_32 if x > _LARGEST_32 else x
    x = -_LARGEST_32 if x < -_LARGEST_32 else x
    return _power_of_two(x)


@fused
def log_32(x):
    """Natural logarithm of a positive normal float32, relative error below 3e-7; no branches."""
    bits = np.float32(x).view(np.int32)
    exponent = np.int32(np.int32(bits - _SQRT_HALF_32) >> _MANTISSA_BITS)
    f = np.int32(bits - np.int32(exponent << _MANTISSA_BITS)).view(np.float32) - ONE_32
    power = _LOG1P[0]
    power = power * f + _LOG1P[1]
    power = power * f + _LOG1P[2]
    power = power * f + _LOG1P[3]
    power = power * f + _LOG1P[4]
    power = power * f + _LOG1P[5]
    power = power * f + _LOG1P[6]
    square = f * f
    return np.float32(exponent) * _LN2_32 + (power * (square * f) - HALF_32 * square + f)


@fused
def tanh_32(x):
    """Hyperbolic tangent of a float32, absolute error below 2e-7."""
    return ONE_32 - TWO_32 / (exp_32(TWO_32 * x) + ONE_32)


@fused
def softplus_32(x):
    """Logarithm of 1 + exp(x), relative error below 1e-6 for x above -17."""
    small = exp_32(-abs(x))
    whole = ONE_32 + small
    return max(x, ZERO_32) + (log_32(whole) + (small - (whole - ONE_32)))


@fused
def expm1_32(x):
    """Exponential of x >= 0 less 1, relative error below 4e-6."""
    series = _SERIES[4]
    series = series * x + _SERIES[3]
    series = series * x + _SERIES[2]
    series = series * x + _SERIES[1]
    series = series * x + _SERIES[0]
    far = exp_32(x) - ONE_32
    return series * (x * x) + x if x < _EXPM1_NEAR else far


@fused
def asinh_32(x):
    """Inverse hyperbolic sine of a float32 below 1e18 in size, absolute error below 1e-6."""
    found = log_32(abs(x) + np.sqrt(x * x + ONE_32))
    return -found if x < ZERO_32 else found


# --- blocks of series ----------------------------------------------------------------------------


@fused
def block_of(rows, start):
    """How many bars from one on are of the same symbol, up to `LANES`."""
    end = start + 1
    while end < min(len(rows), start + LANES) and rows[end] == rows[start]:
        end += 1
    return end - start


# --- features ------------------------------------------------------------------------------------

BLOCK = 64
"""Series whose features are worked out together. A last block is worked out whole, whatever lies
in lanes without a series: loops of one length are half the code to compile."""

# What the features of a row are made of: rows of an array of ingredients.
GAP, INTRADAY, UPPER_WICK, LOWER_WICK, LOG_RANGE, DEVIATION = range(6)
PREVIOUS_VARIANCE = 6
VARIANCE = 7  # and three more: those of `features.DECAY`
RECENT_VARIANCE = 11  # of 20 log returns
CLOSE = 12
AVERAGE = 13  # and five more: three simple ones, three exponential ones
MACD, SIGNAL, ATR = 19, 20, 21
VOLUME_TREND = 22
INGREDIENTS = 23

# What is carried from bar to bar: rows of an array of carried numbers.
OF_VARIANCE = 0  # and three more
OF_WEIGHT = 4  # and three more: the decayed counts that the variances were divided by
OF_EMA = 8  # and two more
OF_SIGNAL, OF_ATR, OF_CLOSE, OF_LOG_CLOSE, OF_VOLUME_MEAN, OF_VOLUME_LONG = range(11, 17)
OF_SUM = 17  # and two more: sums of closes under the three simple averages
OF_REST = 20  # and two more: what these sums lost to rounding
CARRIED = 23

_PARKINSON = 4.0 * 0.6931471805599453


@inlined
def _log_rows(x):
    """Logarithms of the rows of a block, in place."""
    for i in range(len(x)):
        for k in range(BLOCK):
            x[i, k] = log(x[i, k])


@inlined
def _describe_block(w, x, f, per_root, floor):
    """Features of a block of series, see `describe_rows`.

    Args:
        w: ingredients, shape (INGREDIENTS, BLOCK).
        x: room, shape (13, BLOCK).
        f: written to, shape (F, BLOCK).
        per_root: one over the square roots of the bars of the six averages, simple ones first.
        floor: added to every variance.
    """
    before, volatility = x[11], x[12]
    for k in range(BLOCK):
        before[k] = 1.0 / np.sqrt(w[PREVIOUS_VARIANCE, k] + floor)
        volatility[k] = 1.0 / np.sqrt(w[VARIANCE, k] + floor)
        per_range = volatility[k] / w[CLOSE, k]
        x[0, k] = w[VARIANCE, k] + floor
        x[1, k] = w[RECENT_VARIANCE, k] + floor
        x[2, k] = w[VARIANCE + 1, k] + floor
        x[3, k] = w[VARIANCE + 2, k] + floor
        x[4, k] = w[ATR, k] * per_range + floor
        f[16, k] = w[MACD, k] * per_range
        f[17, k] = w[SIGNAL, k] * per_range
    for i in range(6):
        for k in range(BLOCK):
            x[5 + i, k] = w[CLOSE, k] / w[AVERAGE + i, k]
    _log_rows(x[:11])
    # Distances to the averages: simple ones before MACD, exponential ones at the end.
    for i in range(6):
        factor, to = per_root[i], (13 if i < 3 else 16) + i
        for k in range(BLOCK):
            f[to, k] = x[5 + i, k] * (volatility[k] * factor)
    # From gap to price_volume, and volume_trend.
    for k in range(BLOCK):
        f[0, k] = w[GAP, k] * before[k]
        f[1, k] = w[INTRADAY, k] * before[k]
        f[2, k] = (w[GAP, k] + w[INTRADAY, k]) * before[k]
        f[3, k] = w[UPPER_WICK, k] * before[k]
        f[4, k] = w[LOWER_WICK, k] * before[k]
        f[5, k] = w[LOG_RANGE, k] * before[k]
        f[6, k] = w[DEVIATION, k]
        f[7, k] = (w[GAP, k] + w[INTRADAY, k]) * before[k] * w[DEVIATION, k]
        f[22, k] = w[VOLUME_TREND, k]
    # The volatilities, then the average true range.
    for k in range(BLOCK):
        f[8, k] = 0.5 * x[0, k]
        f[9, k] = 0.5 * x[1, k] - 0.5 * x[0, k]
        f[10, k] = 0.5 * x[2, k] - 0.5 * x[0, k]
        f[11, k] = 0.5 * x[3, k] - 0.5 * x[0, k]
        f[12, k] = w[VARIANCE + 3, k] * (volatility[k] * volatility[k])
        f[18, k] = x[4, k]


@compiled("void(float64[:, ::1], float64[::1], float64, float64[:, ::1])")
def describe_rows(ingredients, per_root, floor, out):
    """Features, in the order of `features.FEATURES`, of T rows of one series.

    Bar by bar `push_bars` gives the same, by the same function of a block.

    Args:
        ingredients: shape (INGREDIENTS, T).
        per_root: one over the square roots of the bars of the six averages, simple ones first.
        floor: added to every variance.
        out: written to, shape (F, T).
    """
    count = ingredients.shape[1]
    w, x, f = np.ones((INGREDIENTS, BLOCK)), np.ones((13, BLOCK)), np.ones((len(out), BLOCK))
    for start in range(0, count, BLOCK):
        width = min(BLOCK, count - start)
        for i in range(len(w)):
            load(ingredients, i, start, width, w, i)
        _describe_block(w, x, f, per_root, floor)
        for i in range(len(f)):
            store(f, i, out, i, start, width)


@inlined
def _smooth(average, value, weight):
    return (1.0 - weight) * average + weight * value


@inlined
def _add_exactly(sums, rests, values, sign, width):
    """Add values to sums, what rounding takes off to rests (Knuth's TwoSum): nothing drifts."""
    for k in range(width):
        value = sign * values[k]
        total = sums[k] + value
        moved = total - sums[k]
        rests[k] += (sums[k] - (total - moved)) + (value - moved)
        sums[k] = total


@compiled("void(float64[:, ::1], int64[::1], float64[:, ::1])")
def sum_closes(closes, simple, carried):
    """Sums of the last closes (n, B), oldest first, as `push_bars` carries them on."""
    for i in range(len(simple)):
        carried[OF_SUM + i] = 0.0
        carried[OF_REST + i] = 0.0
        for row in range(len(closes) - simple[i], len(closes)):
            _add_exactly(
                carried[OF_SUM + i], carried[OF_REST + i], closes[row], 1.0, closes.shape[1]
            )


@inlined
def _add_rows(ring, newest, first, last, start, width, total):
    """Add the rows of a ring that are `first` to `last` - 1 bars older than the newest."""
    for age in range(first, last):
        row = newest - age
        values = ring[row if row >= 0 else row + len(ring), start : start + width]
        for k in range(width):
            total[k] += values[k]


@compiled(
    "void(float64[:, ::1], float64[:, ::1], float64[:, ::1], float64[:, ::1], int64, int64,"
    " float64[:, ::1], float64[::1], int64[::1], float64[::1], float64, float64, float64[::1],"
    " float64, float64[:, ::1])"
)
def push_bars(
    bars, closes, volumes, returns, head, short_head, carried,
    decay, simple, smoothing, signal_smoothing, atr_bars, per_root, floor, out,
):  # fmt: skip
    """Advance B series by one bar, in blocks of `BLOCK` series.

    Args:
        bars: shape (5, B): open, high, low, close, volume.
        closes: the last closes, a ring of shape (n, B), n at least the longest simple average; the
            new ones are written to row `head`.
        volumes: the last log volumes, a ring of shape (m, B); the new ones go to row `short_head`.
        returns: the last log returns, likewise.
        head: row of the oldest closes.
        short_head: row of the oldest log volumes and returns.
        carried: shape (CARRIED, B), changed in place.
        decay: of the four variances.
        simple: bars of the three simple averages, ascending.
        smoothing: weight of a new close in the three exponential averages.
        signal_smoothing: likewise in MACD's signal line.
        atr_bars: of the average true range.
        per_root: as `describe_rows` takes it.
        floor: likewise.
        out: the features, written to, shape (F, B).
    """
    count, recent = bars.shape[1], len(volumes)
    v, w = np.ones((CARRIED, BLOCK)), np.ones((INGREDIENTS, BLOCK))
    x, f = np.ones((13, BLOCK)), np.ones((len(out), BLOCK))
    per_recent, per_atr, per_parkinson = 1.0 / recent, 1.0 / atr_bars, 1.0 / _PARKINSON
    per_degree = 1.0 / (recent - 1.0)
    high, low, close = np.ones(BLOCK), np.ones(BLOCK), np.ones(BLOCK)
    total, squares = np.ones(BLOCK), np.ones(BLOCK)
    for start in range(0, count, BLOCK):
        width = min(BLOCK, count - start)
        for i in range(5):
            load(bars, i, start, width, x, i)
        for k in range(BLOCK):
            high[k], low[k], close[k] = x[1, k], x[2, k], x[3, k]
        for i in range(len(v)):
            load(carried, i, start, width, v, i)
        for i in range(3):
            row = head - simple[i]
            leaving = closes[row if row >= 0 else row + len(closes), start : start + width]
            _add_exactly(v[OF_SUM + i], v[OF_REST + i], close, 1.0, width)
            _add_exactly(v[OF_SUM + i], v[OF_REST + i], leaving, -1.0, width)
        store(x, 3, closes, head, start, width)
        _log_rows(x[:5])
        store(x, 4, volumes, short_head, start, width)
        for k in range(BLOCK):
            gap, intraday = x[0, k] - v[OF_LOG_CLOSE, k], x[3, k] - x[0, k]
            w[GAP, k] = gap
            w[INTRADAY, k] = intraday
            w[UPPER_WICK, k] = x[1, k] - max(x[0, k], x[3, k])
            w[LOWER_WICK, k] = min(x[0, k], x[3, k]) - x[2, k]
            w[LOG_RANGE, k] = x[1, k] - x[2, k]
            w[DEVIATION, k] = x[4, k] - v[OF_VOLUME_MEAN, k]
            w[PREVIOUS_VARIANCE, k] = v[OF_VARIANCE, k]
            v[OF_LOG_CLOSE, k] = x[3, k]
            x[5, k] = gap + intraday
        store(x, 5, returns, short_head, start, width)
        for k in range(BLOCK):
            square = x[5, k] * x[5, k]
            # The overnight gap squared and Parkinson's (1980) variance from high and low.
            ranged = w[GAP, k] * w[GAP, k] + w[LOG_RANGE, k] * w[LOG_RANGE, k] * per_parkinson
            falling = square if x[5, k] < 0.0 else 0.0
            v[OF_WEIGHT, k] = 1.0 + decay[0] * v[OF_WEIGHT, k]
            v[OF_WEIGHT + 1, k] = 1.0 + decay[1] * v[OF_WEIGHT + 1, k]
            v[OF_WEIGHT + 2, k] = 1.0 + decay[2] * v[OF_WEIGHT + 2, k]
            v[OF_WEIGHT + 3, k] = 1.0 + decay[3] * v[OF_WEIGHT + 3, k]
            v[OF_VARIANCE, k] += (square - v[OF_VARIANCE, k]) / v[OF_WEIGHT, k]
            share = 1.0 / v[OF_WEIGHT + 1, k]
            v[OF_VARIANCE + 1, k] += (square - v[OF_VARIANCE + 1, k]) * share
            v[OF_VARIANCE + 2, k] += (ranged - v[OF_VARIANCE + 2, k]) / v[OF_WEIGHT + 2, k]
            v[OF_VARIANCE + 3, k] += (falling - v[OF_VARIANCE + 3, k]) / v[OF_WEIGHT + 3, k]
            v[OF_VOLUME_LONG, k] += (x[4, k] - v[OF_VOLUME_LONG, k]) * share
        for i in range(3):
            weight = smoothing[i]
            for k in range(BLOCK):
                v[OF_EMA + i, k] = _smooth(v[OF_EMA + i, k], close[k], weight)
                w[AVERAGE + 3 + i, k] = v[OF_EMA + i, k]
        for k in range(BLOCK):
            w[MACD, k] = v[OF_EMA, k] - v[OF_EMA + 1, k]
            v[OF_SIGNAL, k] = _smooth(v[OF_SIGNAL, k], w[MACD, k], signal_smoothing)
            w[SIGNAL, k] = v[OF_SIGNAL, k]
            true_range = max(high[k], v[OF_CLOSE, k]) - min(low[k], v[OF_CLOSE, k])
            v[OF_ATR, k] = (v[OF_ATR, k] * (atr_bars - 1.0) + true_range) * per_atr
            w[ATR, k] = v[OF_ATR, k]
            v[OF_CLOSE, k] = close[k]
            w[CLOSE, k] = close[k]
        for i in range(4):
            for k in range(BLOCK):
                w[VARIANCE + i, k] = v[OF_VARIANCE + i, k]
        for i in range(3):
            per_bar = 1.0 / simple[i]
            for k in range(BLOCK):
                w[AVERAGE + i, k] = (v[OF_SUM + i, k] + v[OF_REST + i, k]) * per_bar
        # Averages over the short rings from the newest value on, so that nothing drifts and nothing
        # depends on where a ring begins.
        for k in range(BLOCK):
            total[k] = 0.0
        _add_rows(volumes, short_head, 0, recent, start, width, total)
        for k in range(BLOCK):
            v[OF_VOLUME_MEAN, k] = total[k] * per_recent
            w[VOLUME_TREND, k] = v[OF_VOLUME_MEAN, k] - v[OF_VOLUME_LONG, k]
            total[k] = 0.0
        _add_rows(returns, short_head, 0, recent, start, width, total)
        for k in range(BLOCK):
            total[k] *= per_recent
            squares[k] = 0.0
        for age in range(recent):
            row = short_head - age
            values = returns[row if row >= 0 else row + recent, start : start + width]
            for k in range(width):
                far = values[k] - total[k]
                squares[k] += far * far
        for k in range(BLOCK):
            w[RECENT_VARIANCE, k] = squares[k] * per_degree
        for i in range(len(v)):
            store(v, i, carried, i, start, width)
        _describe_block(w, x, f, per_root, floor)
        for i in range(len(f)):
            store(f, i, out, i, start, width)


# --- inputs of the network -----------------------------------------------------------------------


@inlined
def hold_and_scale(value, low, high, mean, per_scale, clip):
    """A feature within bounds, standardised and cut off."""
    value = low if value < low else value
    value = high if value > high else value
    scaled = np.float32((value - mean) * per_scale)
    scaled = clip if clip < scaled else scaled
    return -clip if -clip > scaled else scaled


@compiled(
    "boolean(float64[:, :, ::1], float64[:, :, ::1], float64[::1], float64[::1], float32,"
    " float32[:, :, ::1])"
)
def scale_windows(windows, bounds, mean, per_scale, clip, out):
    """Windows of feature rows of B series, held within bounds, standardised and cut off.

    Args:
        windows: shape (B, W, F).
        bounds: lowest and highest values, shape (2, F, B).
        mean: shape (F,).
        per_scale: one over the scale, shape (F,).
        clip: where standardised values are cut off.
        out: written to, shape (W, F, B).

    Returns:
        Whether all rows are finite.
    """
    count, steps, n_features = windows.shape
    wrong = 0
    for start in range(0, count, BLOCK):
        for t in range(steps):
            for i in range(n_features):
                for k in range(start, min(start + BLOCK, count)):
                    value = windows[k, t, i]
                    out[t, i, k] = hold_and_scale(
                        value, bounds[0, i, k], bounds[1, i, k], mean[i], per_scale[i], clip
                    )
                    wrong += 0 if abs(value) < np.inf else 1
    return wrong == 0


# --- capped mean-variance ------------------------------------------------------------------------


@inlined
def _descend(linear, quadratic, low, high, toll, weights):
    """Cyclic coordinate ascent of c'w - w'Qw/2 - toll·sum|w| within bounds, from `weights` on."""
    n = linear.shape[0]
    for _ in range(1000):
        moved = 0.0
        for i in range(n):
            pull = linear[i]
            for j in range(n):
                if j != i:
                    pull -= quadratic[i, j] * weights[j]
            if pull > toll:
                best = (pull - toll) / quadratic[i, i]
            elif pull < -toll:
                best = (pull + toll) / quadratic[i, i]
            else:
                best = 0.0
            best = min(max(best, low[i]), high[i])
            moved = max(moved, abs(best - weights[i]))
            weights[i] = best
        if moved < 1e-11:
            break
    total = 0.0
    for i in range(n):
        total += abs(weights[i])
    return total


@compiled(
    "void(float64[:, ::1], float64[:, :, ::1], float64[:, ::1], float64[:, ::1], float64,"
    " float64[:, ::1])"
)
def bounded_quadratic(linear, quadratic, low, high, gross, out):
    """Maximize c'w - w'Qw/2 of B problems, each w within its bounds, sum|w| at most `gross`.

    Coordinate ascent; the bound on the sum is met by its multiplier, found by bisection.

    Args:
        linear: c, shape (B, S).
        quadratic: Q, positive definite, shape (B, S, S).
        low: shape (B, S), <= 0.
        high: shape (B, S), >= 0.
        gross: >= 0.
        out: w, shape (B, S), written to.
    """
    count, n = linear.shape
    for b in range(count):
        c, q, w = linear[b], quadratic[b], out[b]
        w[:] = 0.0
        total = _descend(c, q, low[b], high[b], 0.0, w)
        if total > gross:
            least, most = 0.0, 0.0
            for i in range(n):
                most = max(most, abs(c[i]))
            for _ in range(48):
                toll = 0.5 * (least + most)
                total = _descend(c, q, low[b], high[b], toll, w)
                if total > gross:
                    least = toll
                else:
                    most = toll
            total = _descend(c, q, low[b], high[b], most, w)
            for i in range(n):  # what the descent's tolerance leaves
                w[i] *= min(1.0, gross / total)
