"""Dependence between symbols, measured the same way on real bars and on imagined ones.

All functions take arrays (N, S, T): N markets of S symbols, T bars each; NaN is what a symbol lacks
(real symbols need not trade on the same days), and each pair of symbols is measured on the bars
that both have. Quantiles, means and deviations are those of a symbol over all markets together, so
one long real market and many short imagined ones that start all over it can be compared. A number
for all pairs is their mean.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.market.features import VOLUME_MEAN_BARS, parts_from_bars
from models.market.history import CLOSE, OPEN, VOLUME, History
from sim.dates import CommonDates
from sim.paths import Paths

EXCEEDANCE = 0.2
"""Quantile beyond which exceedance correlations are taken: a fifth of a symbol's bars, of which it
shares some hundred with another in a few years."""
TAIL = 0.05
"""Quantile of the tail dependence: one bar a month."""
JUMP = 3.0
"""Deviations of its symbol beyond which a return is a jump."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class JointSeries:
    """N markets of S symbols, simulated or (N = 1) real.

    Attributes:
        gap: overnight log returns, shape (N, S, T); NaN, as in the others, where a symbol lacks.
        intraday: open-to-close log returns, shape (N, S, T).
        volume_deviation: log volume less the mean of the 20 before it, shape (N, S, T); NaN where
            there are not 20.
    """

    gap: Floats
    intraday: Floats
    volume_deviation: Floats

    def __post_init__(self) -> None:
        shapes = {self.gap.shape, self.intraday.shape, self.volume_deviation.shape}
        if len(shapes) != 1 or self.gap.ndim != 3:
            raise ValueError(
                f"gap, intraday and volume_deviation must share a shape (N, S, T); "
                f"received {sorted(shapes)}"
            )

    @property
    def returns(self) -> Floats:
        """Close-to-close log returns, shape (N, S, T)."""
        return self.gap + self.intraday

    @classmethod
    def of_histories(cls, histories: Sequence[History], first: int = 1) -> JointSeries:
        """Real bars by date: one market with a bar for every date that any symbol has.

        Args:
            histories: of S symbols.
            first: row of each from which on its bars are taken, >= 1.
        """
        if first < 1:
            raise ValueError(f"first must be >= 1: a bar needs one before it; received {first!r}")
        common = CommonDates.of(histories, first)
        found = np.full((3, 1, len(histories), len(common.dates)), np.nan)
        for s, history in enumerate(histories):
            there = common.rows[:, s] >= 0
            parts = parts_from_bars(history.bars)[common.rows[there, s]]
            found[:, 0, s, there] = parts[:, [0, 1, 4]].T
        return cls(*found)

    @classmethod
    def of_paths(cls, paths: Paths) -> JointSeries:
        """Imagined bars."""
        bars = np.log(paths.bars)
        gap = bars[:, :, 1:, OPEN] - bars[:, :, :-1, CLOSE]
        intraday = bars[:, :, 1:, CLOSE] - bars[:, :, 1:, OPEN]
        volume = np.full(gap.shape, np.nan)
        if paths.n_steps >= VOLUME_MEAN_BARS:
            windows = np.lib.stride_tricks.sliding_window_view(
                bars[..., VOLUME], VOLUME_MEAN_BARS, axis=2
            )
            volume[:, :, VOLUME_MEAN_BARS - 1 :] = (
                bars[:, :, VOLUME_MEAN_BARS:, VOLUME] - windows.mean(axis=-1)[:, :, :-1]
            )
        return cls(gap, intraday, volume)


def correlation_matrix(values: Floats) -> Floats:
    """Correlations between symbols, shape (S, S), of values (N, S, T)."""
    flat = _by_symbol(values)
    return _correlations_where(flat, np.isfinite(flat))


def exceedance_matrices(returns: Floats, quantile: float = EXCEEDANCE) -> tuple[Floats, Floats]:
    """Correlations of bars on which both symbols fell, and both rose, beyond their quantiles.

    Longin and Solnik (2001, "Extreme correlation of international equity markets"); Ang and Chen
    (2002, "Asymmetric correlations of equity portfolios"). Under normality both are equal, and fall
    to zero further out.

    Args:
        returns: shape (N, S, T).
        quantile: in (0, 0.5]: below it, and above one less it.

    Returns:
        Down and up, shape (S, S) each; NaN for pairs with fewer than three such bars.
    """
    flat, low, high = _thresholds(returns, quantile)
    return _correlations_where(flat, flat <= low), _correlations_where(flat, flat >= high)


def tail_dependence_matrices(returns: Floats, quantile: float = TAIL) -> tuple[Floats, Floats]:
    """P(other beyond its quantile | one beyond its own), lower and upper, shape (S, S) each.

    What independent symbols have is the quantile itself.

    Args:
        returns: shape (N, S, T).
        quantile: in (0, 0.5].
    """
    flat, low, high = _thresholds(returns, quantile)
    there = np.isfinite(flat).astype(np.float64)
    with np.errstate(invalid="ignore"):
        sides = [(beyond.astype(np.float64)) for beyond in (flat <= low, flat >= high)]
        # Either symbol's own days beyond, of the bars that both have.
        found = [2.0 * (side @ side.T) / (side @ there.T + there @ side.T) for side in sides]
    return found[0], found[1]


def dispersion(returns: Floats) -> Floats:
    """Standard deviation across the symbols on each bar, shape (N, T); NaN with fewer than two."""
    count = np.isfinite(returns).sum(axis=1)
    known = np.where(np.isfinite(returns), returns, 0.0)
    mean = known.sum(axis=1) / np.maximum(count, 1)
    square = np.where(np.isfinite(returns), (returns - mean[:, None]) ** 2, 0.0).sum(axis=1)
    return np.where(count > 1, np.sqrt(square / np.maximum(count - 1, 1)), np.nan)


def co_jump_frequency(returns: Floats, jump: float = JUMP) -> float:
    """Share of the bars on which two or more symbols jump (Gilder, Shackleton and Taylor 2014).

    Of the bars that two symbols or more have.

    Args:
        returns: shape (N, S, T).
        jump: in deviations of the symbol.
    """
    flat = _by_symbol(returns)
    deviation = np.nanstd(flat, axis=1, keepdims=True)
    jumps = (np.abs(flat) > jump * deviation).sum(axis=0)
    known = np.isfinite(flat).sum(axis=0) >= 2
    return float((jumps[known] >= 2).mean())


def mean_of_pairs(matrix: Floats) -> float:
    """Mean over the pairs of symbols of a matrix (S, S); NaN entries and the diagonal left out."""
    pairs = matrix[np.triu_indices(len(matrix), 1)]
    return float(np.nanmean(pairs)) if np.isfinite(pairs).any() else float("nan")


@dataclass(frozen=True)
class Dependence:
    """How symbols depend on each other, means over pairs.

    Attributes:
        gap: correlation of the overnight returns.
        intraday: of the open-to-close returns.
        returns: of the close-to-close returns.
        size: of their absolute values.
        volume: of the volume deviations.
        exceedance_down: correlation where both are below their quantile `EXCEEDANCE`.
        exceedance_up: likewise above.
        tail_lower: tail dependence at `TAIL`.
        tail_upper: likewise above.
        dispersion: mean deviation across symbols of a bar, in %.
        co_jumps: bars on which two or more symbols jump, in %.
    """

    gap: float
    intraday: float
    returns: float
    size: float
    volume: float
    exceedance_down: float
    exceedance_up: float
    tail_lower: float
    tail_upper: float
    dispersion: float
    co_jumps: float

    @classmethod
    def of(cls, market: JointSeries) -> Dependence:
        """Of markets with two symbols or more."""
        r = market.returns
        down, up = exceedance_matrices(r)
        lower, upper = tail_dependence_matrices(r)
        return cls(
            gap=mean_of_pairs(correlation_matrix(market.gap)),
            intraday=mean_of_pairs(correlation_matrix(market.intraday)),
            returns=mean_of_pairs(correlation_matrix(r)),
            size=mean_of_pairs(correlation_matrix(np.abs(r))),
            volume=mean_of_pairs(correlation_matrix(market.volume_deviation)),
            exceedance_down=mean_of_pairs(down),
            exceedance_up=mean_of_pairs(up),
            tail_lower=mean_of_pairs(lower),
            tail_upper=mean_of_pairs(upper),
            dispersion=100.0 * float(np.nanmean(dispersion(r))),
            co_jumps=100.0 * co_jump_frequency(r),
        )

    def __str__(self) -> str:
        return "  ".join(f"{item.name} {getattr(self, item.name):.3f}" for item in fields(self))


LABELS = {
    "gap": "corr of overnight returns",
    "intraday": "corr of intraday returns",
    "returns": "corr of daily returns",
    "size": "corr of abs(r)",
    "volume": "corr of volume deviations",
    "exceedance_down": "corr when both fall, worst fifth",
    "exceedance_up": "corr when both rise, best fifth",
    "tail_lower": "lower tail dependence, 5 %",
    "tail_upper": "upper tail dependence, 5 %",
    "dispersion": "dispersion across symbols, %",
    "co_jumps": "co-jumps, % of days",
}

MAPS: Mapping[str, Callable[[JointSeries], Floats]] = {
    "daily returns": lambda market: market.returns,
    "size of returns": lambda market: np.abs(market.returns),
    "volume deviation": lambda market: market.volume_deviation,
}
"""Of what correlations between symbols are shown one by one."""


@dataclass(frozen=True)
class DependenceTable:
    """Dependence between symbols in the real market and in simulated ones, side by side.

    Attributes:
        symbols: names, S >= 2 of them.
        dependence: by market, the real one first.
        maps: correlations between symbols, shape (S, S), by what of (`MAPS`) and market: of the
            real and the first simulated one.
    """

    symbols: tuple[str, ...]
    dependence: Mapping[str, Dependence]
    maps: Mapping[str, Mapping[str, Floats]]

    @classmethod
    def of(
        cls, histories: Sequence[History], simulated: Mapping[str, Paths], first: int = 1
    ) -> DependenceTable | None:
        """Measure real bars and simulated markets.

        Args:
            histories: of S symbols, the real bars.
            simulated: markets of the same symbols in their order, by simulator.
            first: row of each history from which on its bars are measured, >= 1.

        Returns:
            None for a single symbol, which depends on none.
        """
        if len(histories) < 2:
            return None
        markets = {"real": JointSeries.of_histories(histories, first)}
        markets |= {name: JointSeries.of_paths(paths) for name, paths in simulated.items()}
        shown = list(markets)[:2]
        return cls(
            tuple(history.symbol for history in histories),
            {name: Dependence.of(market) for name, market in markets.items()},
            {
                label: {name: correlation_matrix(values(markets[name])) for name in shown}
                for label, values in MAPS.items()
            },
        )

    def rows(self) -> list[tuple[str, list[float | None]]]:
        """Label and numbers of each measure, in the order of `dependence`; None if undefined."""
        return [
            (LABELS[item.name], [_known(getattr(of, item.name)) for of in self.dependence.values()])
            for item in fields(Dependence)
        ]

    def to_json(self) -> dict[str, Any]:
        """As JSON can say it; correlations have four digits."""
        return {
            "symbols": list(self.symbols),
            "columns": list(self.dependence),
            "rows": [{"name": label, "values": values} for label, values in self.rows()],
            "maps": [
                {
                    "name": label,
                    "correlations": {
                        name: [[_known(round(v, 4)) for v in row] for row in matrix.tolist()]
                        for name, matrix in of_each.items()
                    },
                }
                for label, of_each in self.maps.items()
            ],
        }


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _by_symbol(values: Floats) -> Floats:
    """Values (N, S, T) as (S, N·T)."""
    if values.ndim != 3:
        raise ValueError(f"values must have shape (N, S, T); received {values.shape}")
    return values.swapaxes(0, 1).reshape(values.shape[1], -1)


def _thresholds(returns: Floats, quantile: float) -> tuple[Floats, Floats, Floats]:
    """Returns by symbol (S, N·T) and each one's lower and upper quantile, (S, 1)."""
    if not 0 < quantile <= 0.5:
        raise ValueError(f"quantile must lie in (0, 0.5]; received {quantile!r}")
    flat = _by_symbol(returns)
    low, high = np.nanquantile(flat, [quantile, 1.0 - quantile], axis=1)
    return flat, low[:, None], high[:, None]


def _correlations_where(flat: Floats, chosen: NDArray[np.bool_]) -> Floats:
    """Correlation of each pair over the bars that are chosen for both, (S, S)."""
    mask = chosen.astype(np.float64)
    # Centred, so that sums of squares lose nothing.
    centre = np.nanmean(np.where(chosen, flat, np.nan), axis=1, keepdims=True)
    known = np.where(chosen, flat - centre, 0.0)
    count, total, square = mask @ mask.T, known @ mask.T, known**2 @ mask.T
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = total / count
        variance = square / count - mean**2
        covariance = known @ known.T / count - mean * mean.T
        found = covariance / np.sqrt(variance * variance.T)
    return np.where(count >= 3, found, np.nan)
