"""Statistics of windows of some sixty bars: what a classifier is given to tell markets apart.

A window is a stretch of bars after `VOLUME_MEAN_BARS` bars of context: the first return needs one
bar before it, the first volume deviation twenty. Windows of one stock have some forty statistics;
windows of a whole market have means and spreads of the telling ones over its stocks, and what
only several stocks can show: correlations, tails that come together, dispersion, common jumps.

All statistics but the level of volatility are free of it: moves are in units of the window's own
deviation of returns. Nothing is fitted, so windows may come from anywhere, in any number.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.arrays import column
from models.market.features import VOLUME_MEAN_BARS
from models.market.history import CLOSE, HIGH, LOW, OPEN, VOLUME, History
from sim.dates import CommonDates
from sim.facts import series_correlations
from sim.paths import Paths

CONTEXT = VOLUME_MEAN_BARS
"""Bars of a window that come before its first return."""
MIN_BARS = 20
"""Fewest returns of a window: below, quantiles of 5 % and means over ten lags say nothing."""
UNMOVED = 1e-6
"""A log move below this is none: adjusted prices carry rounding errors."""
JUMP = 2.0
"""Deviations of a stock's window beyond which a return is a jump: about one in twenty."""
TAIL = 0.1
"""Share of the returns of a window that is its lower, or upper, tail: six of sixty."""

TICKS = "ticks"
"""The family that shows the grid of real prices. Simulated prices are continuous: a close that has
not moved tells that a window is real whatever else is right, so tests are reported without too."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Statistics:
    """Statistics of N windows.

    Attributes:
        values: shape (N, K), all finite.
        names: of the K statistics.
        families: which part of the market each is about, K of them.

    Raises:
        ValueError: for shapes that disagree or values that are not finite.
    """

    values: Floats
    names: tuple[str, ...]
    families: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.values.ndim != 2 or self.values.shape[1] != len(self.names):
            raise ValueError(
                f"values must have shape (N, {len(self.names)}), a column for each name; "
                f"received {self.values.shape}"
            )
        if len(self.families) != len(self.names):
            raise ValueError(
                f"families must be one for each of {len(self.names)} names; "
                f"received {len(self.families)}"
            )
        if not np.isfinite(self.values).all():
            window, column = np.argwhere(~np.isfinite(self.values))[0]
            raise ValueError(
                f"values must be finite; received {self.values[window, column]} for "
                f"{self.names[column]} of window {window}"
            )

    def __len__(self) -> int:
        return len(self.values)

    def take(self, windows: ArrayLike) -> Statistics:
        """Chosen windows, repeats allowed."""
        return Statistics(self.values[np.asarray(windows)], self.names, self.families)

    def without(self, *families: str) -> Statistics:
        """All statistics but those of some families."""
        return self._kept([family not in families for family in self.families])

    def only(self, *families: str) -> Statistics:
        """The statistics of some families."""
        return self._kept([family in families for family in self.families])

    def _kept(self, keep: list[bool]) -> Statistics:
        kept = np.flatnonzero(keep)
        return Statistics(
            self.values[:, kept],
            tuple(self.names[i] for i in kept),
            tuple(self.families[i] for i in kept),
        )

    def __getitem__(self, name: str) -> Floats:
        """One statistic of every window, shape (N,)."""
        return self.values[:, self.names.index(name)]


@dataclass(frozen=True)
class Moves:
    """What windows are made of, (..., T) each, T bars after the context.

    Attributes:
        gap: log(open / previous close).
        intraday: log(close / open).
        upper: log(high / max(open, close)).
        lower: log(min(open, close) / low).
        volume: log volume less the mean of the 20 before it.
        deviation: standard deviation of the returns of each window, (..., 1), > 0.
    """

    gap: Floats
    intraday: Floats
    upper: Floats
    lower: Floats
    volume: Floats
    deviation: Floats

    @classmethod
    def of(cls, bars: Floats) -> Moves:
        """Of windows (..., CONTEXT + T, 5).

        Raises:
            ValueError: for another shape, fewer than `MIN_BARS` bars after the context, or bars
                that are not finite and > 0.
        """
        bars = np.asarray(bars, dtype=np.float64)
        if bars.ndim < 3 or bars.shape[-1] != 5 or bars.shape[-2] < CONTEXT + MIN_BARS:
            raise ValueError(
                f"windows must have shape (..., {CONTEXT} + T, 5) with T >= {MIN_BARS}; "
                f"received {bars.shape}"
            )
        if not (np.isfinite(bars).all() and (bars > 0).all()):
            raise ValueError("windows must hold bars that are finite and > 0; received others")
        log_bars = np.log(bars)
        opened, high, low, closed, volume = (
            log_bars[..., column] for column in (OPEN, HIGH, LOW, CLOSE, VOLUME)
        )
        body_high, body_low = np.maximum(opened, closed), np.minimum(opened, closed)
        total = np.cumsum(volume, axis=-1)
        before = total[..., CONTEXT - 1 : -1].copy()
        before[..., 1:] -= total[..., : -CONTEXT - 1]
        now = slice(CONTEXT, None)
        gap = opened[..., now] - closed[..., CONTEXT - 1 : -1]
        intraday = (closed - opened)[..., now]
        deviation = (gap + intraday).std(axis=-1, keepdims=True)
        return cls(
            gap,
            intraday,
            (high - body_high)[..., now],
            (body_low - low)[..., now],
            volume[..., now] - before / CONTEXT,
            # A window that never moves has nothing to divide by.
            np.maximum(deviation, UNMOVED),
        )

    @property
    def log_return(self) -> Floats:
        """Close to close."""
        return self.gap + self.intraday

    @property
    def range(self) -> Floats:
        """log(high / low)."""
        return self.upper + self.lower + np.abs(self.intraday)


def correlation(x: Floats, y: Floats) -> Floats:
    """Of two series (..., T) within each window, (...); 0 where one of them never moves."""
    a, b = (v - v.mean(axis=-1, keepdims=True) for v in (x, y))
    scale = np.sqrt((a**2).sum(axis=-1) * (b**2).sum(axis=-1))
    return np.where(scale > 1e-300, (a * b).sum(axis=-1) / np.maximum(scale, 1e-300), 0.0)


def _moment(x: Floats, power: int) -> Floats:
    """Standardised moment of each window, (...); 0 where the series never moves."""
    centred = x - x.mean(axis=-1, keepdims=True)
    scale = np.sqrt((centred**2).mean(axis=-1))
    return np.where(
        scale > 1e-12, (centred**power).mean(axis=-1) / np.maximum(scale, 1e-12) ** power, 0.0
    )


def _unmoved(x: Floats) -> Floats:
    return (np.abs(x) < UNMOVED).mean(axis=-1)


def _log_ratio(x: Floats, y: Floats) -> Floats:
    return np.log(np.maximum(x, UNMOVED) / np.maximum(y, UNMOVED))


def _returns(m: Moves) -> dict[str, Floats]:
    r = m.log_return
    z = r / m.deviation
    centred = z - z.mean(axis=-1, keepdims=True)
    left_5, left_10, right_10, right_5 = np.quantile(centred, (0.05, 0.1, 0.9, 0.95), axis=-1)
    falls = np.sqrt((np.minimum(centred, 0.0) ** 2).mean(axis=-1))
    rises = np.sqrt((np.maximum(centred, 0.0) ** 2).mean(axis=-1))
    return {
        "log deviation of r": np.log(column(m.deviation, 0)),
        "mean of r": z.mean(axis=-1),
        "skewness of r": _moment(r, 3),
        "excess kurtosis of r": _moment(r, 4) - 3.0,
        "left 5 % of r": -left_5,
        "right 5 % of r": right_5,
        "left 10 % of r": -left_10,
        "right 10 % of r": right_10,
        "largest fall": -centred.min(axis=-1),
        "largest rise": centred.max(axis=-1),
        "falls over rises": _log_ratio(falls, rises),
    }


def _ticks(m: Moves) -> dict[str, Floats]:
    return {"share of unmoved closes": _unmoved(m.log_return)}


def _memory(m: Moves) -> dict[str, Floats]:
    r = m.log_return
    size, square = np.abs(r), r**2
    of_r, of_size, of_square = (series_correlations(x, x, 10) for x in (r, size, square))
    leverage = series_correlations(r, square, 10)
    half = r.shape[-1] // 2
    early, late = r[..., :half].std(axis=-1), r[..., half:].std(axis=-1)
    return {
        "ACF of r, lag 1": of_r[..., 0],
        "ACF of r, lags 1-5": of_r[..., :5].mean(axis=-1),
        "ACF of abs(r), lag 1": of_size[..., 0],
        "ACF of abs(r), lags 1-10": of_size.mean(axis=-1),
        "ACF of r², lag 1": of_square[..., 0],
        "ACF of r², lags 1-10": of_square.mean(axis=-1),
        "leverage, lag 1": leverage[..., 0],
        "leverage, lags 1-10": leverage.mean(axis=-1),
        "change of deviation": np.abs(_log_ratio(late, early)),
    }


def _overnight(m: Moves) -> dict[str, Floats]:
    g, d = m.gap, m.intraday
    of_gap, of_day = g.std(axis=-1), d.std(axis=-1)
    return {
        "gap over intraday deviation": _log_ratio(of_gap, of_day),
        "corr gap, intraday": correlation(g, d),
        "corr abs(gap), abs(intraday)": correlation(np.abs(g), np.abs(d)),
        "corr intraday, next gap": correlation(d[..., :-1], g[..., 1:]),
        "excess kurtosis of gap": _moment(g, 4) - 3.0,
        "excess kurtosis of intraday": _moment(d, 4) - 3.0,
        "skewness of gap": _moment(g, 3),
        "skewness of intraday": _moment(d, 3),
        "middle half of gap": _log_ratio(
            np.subtract(*np.quantile(g, (0.75, 0.25), axis=-1)), of_gap
        ),
        "ACF of abs(gap), lag 1": series_correlations(np.abs(g), np.abs(g), 1)[..., 0],
    }


def _wicks(m: Moves) -> dict[str, Floats]:
    both = m.upper + m.lower
    size = np.abs(m.log_return)
    return {
        "mean upper wick": (m.upper / m.deviation).mean(axis=-1),
        "mean lower wick": (m.lower / m.deviation).mean(axis=-1),
        "share of no upper wick": _unmoved(m.upper),
        "share of no lower wick": _unmoved(m.lower),
        "spread of wicks": both.std(axis=-1) / np.maximum(both.mean(axis=-1), UNMOVED),
        "corr upper, lower wick": correlation(m.upper, m.lower),
        "corr wicks, abs(r)": correlation(both, size),
        "corr wicks, abs(intraday)": correlation(both, np.abs(m.intraday)),
        "corr upper less lower wick, r": correlation(m.upper - m.lower, m.log_return),
        "ACF of wicks, lag 1": series_correlations(both, both, 1)[..., 0],
        "mean range": (m.range / m.deviation).mean(axis=-1),
    }


def _volume(m: Moves) -> dict[str, Floats]:
    v, size = m.volume, np.abs(m.log_return)
    memory = series_correlations(v, v, 5)
    return {
        "spread of volume": v.std(axis=-1),
        "mean of volume": v.mean(axis=-1),
        "skewness of volume": _moment(v, 3),
        "largest volume": v.max(axis=-1),
        "least volume": v.min(axis=-1),
        "ACF of volume, lag 1": memory[..., 0],
        "ACF of volume, lags 2-5": memory[..., 1:].mean(axis=-1),
        "corr volume, abs(r)": correlation(v, size),
        "corr volume, r": correlation(v, m.log_return),
        "corr volume, abs(gap)": correlation(v, np.abs(m.gap)),
        "corr volume, wicks": correlation(v, m.upper + m.lower),
        "corr volume, range": correlation(v, m.range),
        "corr abs(r), next volume": correlation(size[..., :-1], v[..., 1:]),
        "corr volume, next abs(r)": correlation(v[..., :-1], size[..., 1:]),
    }


_SINGLE: Mapping[str, Callable[[Moves], dict[str, Floats]]] = {
    "returns": _returns,
    "memory": _memory,
    "gap and intraday": _overnight,
    "wicks": _wicks,
    "volume": _volume,
    TICKS: _ticks,
}


def _collect(found: list[tuple[str, str, Floats]]) -> Statistics:
    families, names, values = zip(*found, strict=True)
    return Statistics(np.stack(values, axis=-1), names, families)


def window_statistics(bars: Floats) -> Statistics:
    """Statistics of windows of one stock each.

    Args:
        bars: O, H, L, C, V, shape (N, CONTEXT + T, 5), T >= `MIN_BARS`; finite, > 0.

    Raises:
        ValueError: for bars of another kind.
    """
    if np.ndim(bars) != 3:
        raise ValueError(f"windows must have shape (N, bars, 5); received {np.shape(bars)}")
    moves = Moves.of(bars)
    return _collect(
        [
            (family, name, value)
            for family, function in _SINGLE.items()
            for name, value in function(moves).items()
        ]
    )


OF_EACH = (
    "log deviation of r",
    "skewness of r",
    "excess kurtosis of r",
    "ACF of abs(r), lags 1-10",
    "gap over intraday deviation",
    "corr gap, intraday",
    "mean upper wick",
    "mean lower wick",
    "share of no upper wick",
    "share of no lower wick",
    "mean range",
    "spread of volume",
    "ACF of volume, lag 1",
    "corr volume, abs(r)",
    "corr volume, wicks",
)
"""Statistics of single stocks of which joint windows have the mean and the spread over stocks."""


def pair_means(z: Floats) -> tuple[Floats, Floats, Floats]:
    """Correlations of all pairs of stocks: mean, deviation over pairs, share of the first factor.

    Args:
        z: series of S stocks, shape (N, S, T), S >= 2.

    Returns:
        Shape (N,) each. The last is the largest eigenvalue of the correlation matrix over S.
    """
    a = z - z.mean(axis=-1, keepdims=True)
    a = a / np.maximum(np.sqrt((a**2).sum(axis=-1, keepdims=True)), 1e-300)
    matrix = a @ np.swapaxes(a, -1, -2)
    pairs = np.triu_indices(z.shape[1], 1)
    each = matrix[:, pairs[0], pairs[1]]
    first = np.linalg.eigvalsh(matrix)[:, -1] / z.shape[1]
    return each.mean(axis=-1), each.std(axis=-1), first


def co_exceedance(z: Floats, share: float = TAIL) -> tuple[Floats, Floats]:
    """How often two stocks are in their lower (upper) tails on one day, given that one of them is.

    Args:
        z: returns of S stocks, shape (N, S, T), S >= 2.
        share: of the days that is a stock's tail, in (0, 0.5].

    Returns:
        Lower and upper, shape (N,) each, means over pairs; `share` under independence.
    """
    count = max(round(share * z.shape[-1]), 1)
    rank = z.argsort(axis=-1).argsort(axis=-1)
    found = []
    for inside in (rank < count, rank >= z.shape[-1] - count):
        of_day = inside.sum(axis=1).astype(np.float64)  # (N, T) stocks in their tails
        pairs = (of_day * (of_day - 1.0)).sum(axis=-1)
        found.append(pairs / (z.shape[1] * (z.shape[1] - 1.0) * count))
    return found[0], found[1]


def _together(m: Moves) -> dict[str, Floats]:
    z = m.log_return / m.deviation
    z = z - z.mean(axis=-1, keepdims=True)
    size = np.abs(z)
    mean, spread, first = pair_means(z)
    lower, upper = co_exceedance(z)
    found = {
        "cross-correlation of r": mean,
        "spread of cross-correlations": spread,
        "share of the first factor": first,
        "lower co-exceedance": lower,
        "upper co-exceedance": upper,
        "lower less upper co-exceedance": lower - upper,
    }
    for name, series in (
        ("gap", m.gap),
        ("intraday", m.intraday),
        ("abs(r)", size),
        ("volume", m.volume),
        ("range", m.range),
    ):
        found[f"cross-correlation of {name}"] = pair_means(series)[0]
    return found


def _of_the_market(m: Moves) -> dict[str, Floats]:
    z = m.log_return / m.deviation
    z = z - z.mean(axis=-1, keepdims=True)
    market, dispersion = z.mean(axis=1), z.std(axis=1)
    size = np.abs(market)
    jumping = (np.abs(z) > JUMP).mean(axis=1)
    down = market < np.median(market, axis=-1, keepdims=True)
    # Mean product of pairs on the days of either half: how closely stocks go together there.
    product = (z.shape[1] * market**2 - (z**2).mean(axis=1)) / (z.shape[1] - 1.0)
    volume = m.volume.mean(axis=1)
    gap, intraday = ((x / m.deviation).mean(axis=1) for x in (m.gap, m.intraday))
    next_of_others = series_correlations(market, market, 1)[..., 0]
    return {
        "skewness of the market": _moment(market, 3),
        "excess kurtosis of the market": _moment(market, 4) - 3.0,
        "largest fall of the market": -market.min(axis=-1),
        "largest rise of the market": market.max(axis=-1),
        "ACF of the market, lag 1": next_of_others,
        "ACF of abs(market), lag 1": series_correlations(size, size, 1)[..., 0],
        "leverage of the market": series_correlations(market, market**2, 5).mean(axis=-1),
        "mean dispersion": dispersion.mean(axis=-1),
        "spread of dispersion": dispersion.std(axis=-1),
        "corr dispersion, abs(market)": correlation(dispersion, size),
        "ACF of dispersion, lag 1": series_correlations(dispersion, dispersion, 1)[..., 0],
        "most stocks jumping": jumping.max(axis=-1),
        "days with half the stocks jumping": (jumping >= 0.5).mean(axis=-1),
        "going together, falls less rises": (
            np.where(down, product, 0.0).mean(axis=-1) - np.where(down, 0.0, product).mean(axis=-1)
        ),
        "corr market volume, abs(market)": correlation(volume, size),
        "corr market volume, market": correlation(volume, market),
        "corr market gap, market intraday": correlation(gap, intraday),
        "spread of market volume": volume.std(axis=-1),
    }


def joint_statistics(bars: Floats) -> Statistics:
    """Statistics of windows of several stocks on common dates.

    Args:
        bars: O, H, L, C, V, shape (N, S, CONTEXT + T, 5), S >= 2, T >= `MIN_BARS`; finite, > 0.

    Raises:
        ValueError: for bars of another kind.
    """
    bars = np.asarray(bars, dtype=np.float64)
    if bars.ndim != 4 or bars.shape[1] < 2:
        raise ValueError(
            f"joint windows must have shape (N, S >= 2, bars, 5); received {bars.shape}"
        )
    moves = Moves.of(bars)
    found = []
    for function in _SINGLE.values():
        for name, value in function(moves).items():
            if name in OF_EACH:
                found.append(("mean over stocks", f"mean: {name}", value.mean(axis=1)))
                found.append(("spread between stocks", f"spread: {name}", value.std(axis=1)))
    for family, of_all in (("dependence", _together), ("market", _of_the_market)):
        found += [(family, name, value) for name, value in of_all(moves).items()]
    return _collect(found)


def cut_windows(bars: Floats, first: int, length: int, stride: int) -> tuple[Floats, NDArray]:
    """Overlapping windows of one history, oldest first.

    Args:
        bars: shape (R, 5) or (S, R, 5) on common rows.
        first: earliest row of a window's first return, at least `CONTEXT`.
        length: returns of a window.
        stride: bars between neighbouring windows, >= 1.

    Returns:
        Windows (N, CONTEXT + length, 5) or (N, S, CONTEXT + length, 5), and the row of each one's
        first return, shape (N,). N is 0 if there is no room.

    Raises:
        ValueError: if `first` leaves no room for the context, or a count is below 1.
    """
    if first < CONTEXT:
        raise ValueError(f"first must leave {CONTEXT} bars of context; received {first}")
    if length < 1 or stride < 1:
        raise ValueError(f"length and stride must be >= 1; received {length}, {stride}")
    rows = np.arange(first, bars.shape[-2] - length + 1, stride)
    index = rows[:, None] + np.arange(-CONTEXT, length)
    return (bars[index] if bars.ndim == 2 else np.moveaxis(bars[:, index], 0, 1)), rows


def history_windows(
    histories: Sequence[History], first: int, length: int, stride: int
) -> tuple[Floats, NDArray[np.datetime64], NDArray[np.datetime64]]:
    """Overlapping windows of several histories on the dates on which all have a bar.

    Args:
        histories: of S symbols.
        first: earliest row, of every history, of a window's first return; at least `CONTEXT`.
        length: returns of a window.
        stride: bars between neighbouring windows, >= 1.

    Returns:
        Windows (N, S, CONTEXT + length, 5), and the dates of each one's first return and of its
        last, (N,) each. N is 0 if there is no room.

    Raises:
        ValueError: as `cut_windows`.
    """
    common = CommonDates.of(histories)
    shared = common.present.all(axis=1)
    rows, dates = common.rows[shared], common.dates[shared]
    bars = np.stack([h.bars[own] for h, own in zip(histories, rows.T, strict=True)])
    late = (rows >= first).all(axis=1)
    begin = max(int(np.argmax(late)) if late.any() else len(rows), min(first, CONTEXT))
    windows, at = cut_windows(bars, begin, length, stride)
    return windows, dates[at], dates[at + length - 1]


def path_windows(paths: Paths, histories: Sequence[History]) -> Floats:
    """Imagined windows (B, S, CONTEXT + T, 5): after the real bars that they follow.

    Args:
        paths: B markets of S symbols.
        histories: that `paths.series` names.

    Raises:
        ValueError: for a path with fewer than `CONTEXT` bars up to its start.
    """
    if paths.start_row.min() < CONTEXT - 1:
        raise ValueError(
            f"paths must have {CONTEXT} real bars up to their start; received one that starts in "
            f"row {paths.start_row.min()}"
        )
    before = np.empty((*paths.start_row.shape, CONTEXT - 1, 5))
    for s in np.unique(paths.series):
        mine = paths.series == s
        rows = paths.start_row[mine][:, None] + np.arange(1 - CONTEXT, 0)
        before[mine] = histories[s].bars[rows]
    return np.concatenate([before, paths.bars], axis=2)
