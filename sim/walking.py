"""The compiled part of a walk of imagined markets: bars from their parts.

Series are in portions: S symbols one after the other, each with its b markets; tapes have markets
first.
"""

from __future__ import annotations

import numpy as np

from models.kernels import LANES, compiled, exp, load, store

# Rows of a tile of lanes: what a bar is made of, as drawn and as bounds leave it; then the bar.
PART, MISSED, MOVE, LOG_VOLUME = 0, 5, 7, 11
CLOSE, FIRST_CLOSE, VOLUME_MEAN = 13, 14, 15
BAR = 16
ROWS = 21


@compiled(
    "void(float64[:, ::1], float64[:, ::1], float64[::1], float64[:, ::1], float64[::1],"
    " float64[:, ::1], float64[:, ::1], float64[::1], float64[::1], float64[::1], float64,"
    " float64[:, ::1], int64[::1], float64[:, :, :, ::1], float64[:, :, :, ::1], int64)"
)
def make_bars(
    parts, means, volatility, lean, shift, moves, log_volume, close, first_close, volume_mean,
    price_limit, pushed, markets, bars, innovations, t,
):  # fmt: skip
    """The next bar of every series, held within bounds, and what of it nobody expected.

    Args:
        parts: as drawn, shape (5, B).
        means: of gap and intraday return, shape (2, B).
        volatility: that they are drawn with, shape (B,).
        lean: mean of the noise in gap and intraday return, in volatilities, shape (2, B).
        shift: added to intraday returns, shape (B,).
        moves: largest absolute gap, intraday return and wicks, shape (4, B).
        log_volume: lowest and highest, shape (2, B).
        close: last closes, shape (B,).
        first_close: at the start, shape (B,).
        volume_mean: means of the last log volumes, shape (B,).
        price_limit: beyond so many times the first close, or one over that, prices move back.
        pushed: the bars, written to, shape (5, B).
        markets: numbers of the b markets on the tapes.
        bars: tape of bars, row t + 1 is written to, shape (M, S, T + 1, 5).
        innovations: tape of what nobody expected, row t is written to, shape (M, S, T, 2).
        t: how many bars there are already.
    """
    each, count = len(markets), parts.shape[1]
    w = np.ones((ROWS, LANES))
    for start in range(0, count, LANES):
        width = min(LANES, count - start)
        for i in range(5):
            load(parts, i, start, width, w, PART + i)
        for i in range(4):
            load(moves, i, start, width, w, MOVE + i)
        for i in range(2):
            load(log_volume, i, start, width, w, LOG_VOLUME + i)
            expected, leaning = means[i, start : start + width], lean[i, start : start + width]
            scale, missed = volatility[start : start + width], w[MISSED + i]
            drawn = w[PART + i]
            for lane in range(width):
                missed[lane] = drawn[lane] - expected[lane] - leaning[lane] * scale[lane]
        for row, values in ((CLOSE, close), (FIRST_CLOSE, first_close), (VOLUME_MEAN, volume_mean)):
            source, target = values[start : start + width], w[row]
            for lane in range(width):
                target[lane] = source[lane]
        shifted, added = w[PART + 1], shift[start : start + width]
        for lane in range(width):
            shifted[lane] += added[lane]
        for lane in range(LANES):
            last, first = w[CLOSE, lane], w[FIRST_CLOSE, lane]
            gap = min(max(w[PART, lane], -w[MOVE, lane]), w[MOVE, lane])
            intraday = min(max(w[PART + 1, lane], -w[MOVE + 1, lane]), w[MOVE + 1, lane])
            back = -1.0 if last > price_limit * first else 1.0
            far = back < 0.0 or last * price_limit < first
            gap = back * abs(gap) if far else gap
            intraday = back * abs(intraday) if far else intraday
            upper = min(w[PART + 2, lane], w[MOVE + 2, lane])
            lower = min(w[PART + 3, lane], w[MOVE + 3, lane])
            volume = max(w[VOLUME_MEAN, lane] + w[PART + 4, lane], w[LOG_VOLUME, lane])
            opened = last * exp(gap)
            closed = opened * exp(intraday)
            w[BAR, lane] = opened
            w[BAR + 1, lane] = max(opened, closed) * exp(upper)
            w[BAR + 2, lane] = min(opened, closed) * exp(-lower)
            w[BAR + 3, lane] = closed
            w[BAR + 4, lane] = exp(min(volume, w[LOG_VOLUME + 1, lane]))
        for i in range(5):
            store(w, BAR + i, pushed, i, start, width)
        for lane in range(width):
            symbol = (start + lane) // each
            market = markets[start + lane - symbol * each]
            bar, missing = bars[market, symbol, t + 1], innovations[market, symbol, t]
            for i in range(5):
                bar[i] = w[BAR + i, lane]
            for i in range(2):
                missing[i] = w[MISSED + i, lane]
