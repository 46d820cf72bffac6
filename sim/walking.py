"""The compiled part of a walk of imagined markets: bars from their parts, and what is kept of them.

Series are in portions: S symbols one after the other, each with its b markets; tapes have markets
first.
"""

from __future__ import annotations

from models.kernels import compiled, exp


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
        volatility: baseline volatility, shape (B,).
        lean: mean of the noise in gap and intraday return, in volatilities, shape (B, 2).
        shift: added to intraday returns, shape (B,).
        moves: largest absolute gap, intraday return and wicks, shape (B, 4).
        log_volume: lowest and highest, shape (B, 2).
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
    each = len(markets)
    for k in range(parts.shape[1]):
        symbol = k // each
        market = markets[k - symbol * each]
        for part in range(2):
            missed = parts[part, k] - means[part, k] - lean[k, part] * volatility[k]
            innovations[market, symbol, t, part] = missed
        gap = min(max(parts[0, k], -moves[k, 0]), moves[k, 0])
        intraday = min(max(parts[1, k] + shift[k], -moves[k, 1]), moves[k, 1])
        if close[k] > price_limit * first_close[k]:
            gap, intraday = -abs(gap), -abs(intraday)
        elif close[k] * price_limit < first_close[k]:
            gap, intraday = abs(gap), abs(intraday)
        upper, lower = min(parts[2, k], moves[k, 2]), min(parts[3, k], moves[k, 3])
        volume = min(max(volume_mean[k] + parts[4, k], log_volume[k, 0]), log_volume[k, 1])
        opened = close[k] * exp(gap)
        closed = opened * exp(intraday)
        bar = bars[market, symbol, t + 1]
        bar[0] = opened
        bar[1] = max(opened, closed) * exp(upper)
        bar[2] = min(opened, closed) * exp(-lower)
        bar[3] = closed
        bar[4] = exp(volume)
        for i in range(5):
            pushed[i, k] = bar[i]


@compiled(
    "void(float32[:, ::1], float64[:, ::1], int64[::1], float32[:, :, :, ::1],"
    " float64[:, :, :, ::1], int64)"
)
def keep_seen(observation, forecast, markets, observations, forecasts, t):
    """What is seen at a close, series last, put on the tapes.

    Args:
        observation: shape (D, B).
        forecast: shape (8, B).
        markets: numbers of the b markets on the tapes.
        observations: row t is written to, shape (M, S, T + 1, D).
        forecasts: likewise, shape (M, S, T + 1, 8).
        t: which row.
    """
    each = len(markets)
    for k in range(observation.shape[1]):
        symbol = k // each
        market = markets[k - symbol * each]
        to = observations[market, symbol, t]
        for i in range(len(to)):
            to[i] = observation[i, k]
        told = forecasts[market, symbol, t]
        for i in range(len(told)):
            told[i] = forecast[i, k]
