"""Stylised facts: what real returns and volumes do, measured the same way on simulated ones.

All statistics take arrays (B, T): B series of one market, T bars each. The more values there are,
the heavier the tails that they show, so tails are those of as many series together as there are
real ones, mean over all such groups: forty imagined paths of 480 bars of the TDQN stocks have a
Hill index of 3.1 together and 3.4 one by one; the real ones of the span, one by one, 3.4.
Correlations are computed within each series, as one would on a single one, and averaged over the
series; they depend on the length of a series (its own mean and variance are taken out), so real
bars are cut to the length of the simulated paths before they are compared.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.stats import wasserstein_distance

from models.arrays import column
from models.market.features import VOLUME_MEAN_BARS
from models.market.history import CLOSE, VOLUME, History
from sim.paths import Paths

LAGS = 63
"""Of the autocorrelations that distances compare: a quarter."""
HILL_SHARE = 0.05
"""Share of the largest absolute returns that is taken for the tail; customary."""
HORIZON = 20
"""Bars of the aggregated returns: a month."""
MAX_VALUES = 20_000
"""Values that enter a Wasserstein distance; more are thinned evenly."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class MarketSeries:
    """B series of one market, simulated or (B = 1) real.

    Attributes:
        returns: close-to-close log returns, shape (B, T).
        volume_deviation: log volume less the mean of the 20 before it, shape (B, T); NaN where
            there are not 20.
    """

    returns: Floats
    volume_deviation: Floats

    def __post_init__(self) -> None:
        if self.returns.ndim != 2 or self.returns.shape != self.volume_deviation.shape:
            raise ValueError(
                "returns and volume_deviation must have one shape (B, T); received "
                f"{self.returns.shape} and {self.volume_deviation.shape}"
            )
        if self.returns.shape[1] < VOLUME_MEAN_BARS + 10:
            raise ValueError(
                f"series must have at least {VOLUME_MEAN_BARS + 10} bars; "
                f"received {self.returns.shape[1]}"
            )

    def pieces(self, length: int) -> MarketSeries:
        """The series cut into pieces of `length` bars, the newest whole ones of each.

        Raises:
            ValueError: if the series are shorter than one piece.
        """
        n = self.returns.shape[1]
        if n < length:
            raise ValueError(f"series must have {length} bars to compare; received {n}")
        start = n % length
        return MarketSeries(
            self.returns[:, start:].reshape(-1, length),
            self.volume_deviation[:, start:].reshape(-1, length),
        )

    @classmethod
    def of_bars(cls, bars: Floats) -> MarketSeries:
        """From bars (B, T+1, 5)."""
        log_volume = np.log(column(bars, VOLUME))
        total = np.cumsum(log_volume, axis=1)
        before = total[:, VOLUME_MEAN_BARS - 1 : -1].copy()
        before[:, 1:] -= total[:, : -VOLUME_MEAN_BARS - 1]
        deviation = np.full(log_volume.shape, np.nan)
        deviation[:, VOLUME_MEAN_BARS:] = (
            log_volume[:, VOLUME_MEAN_BARS:] - before / VOLUME_MEAN_BARS
        )
        return cls(np.diff(np.log(column(bars, CLOSE)), axis=1), deviation[:, 1:])


def real_markets(histories: Sequence[History], first: int = VOLUME_MEAN_BARS) -> list[MarketSeries]:
    """The bars of each history from a row on.

    Args:
        histories: one per market.
        first: the row, at least that of the first volume deviation.

    Raises:
        ValueError: if `first` is earlier, or leaves a history too few bars.
    """
    if first < VOLUME_MEAN_BARS:
        raise ValueError(f"first must be >= {VOLUME_MEAN_BARS}; received {first!r}")
    markets = []
    for history in histories:
        whole = MarketSeries.of_bars(history.bars[None])
        # Return i is that of bar i + 1.
        late = slice(first - 1, None)
        markets.append(MarketSeries(whole.returns[:, late], whole.volume_deviation[:, late]))
    return markets


def simulated_markets(paths: Paths) -> list[MarketSeries]:
    """The shares of each history over all markets, in the order of `paths.series`."""
    return [MarketSeries.of_bars(paths.bars[paths.series == s]) for s in np.unique(paths.series)]


def excess_kurtosis(returns: Floats) -> float:
    """Fourth standardised moment less 3."""
    centred = returns - returns.mean()
    return float((centred**4).mean() / (centred**2).mean() ** 2 - 3.0)


def hill_index(returns: Floats, share: float = HILL_SHARE) -> float:
    """Tail index of absolute returns from their largest `share` (Hill 1975)."""
    size = np.sort(np.abs(returns).ravel())[::-1]
    k = max(int(share * size.size), 1)
    return float(1.0 / np.mean(np.log(size[:k] / size[k])))


def series_correlations(x: Floats, y: Floats, lags: int) -> Floats:
    """Corr(x_t, y_(t+k)) for k = 1..lags within each series: (..., T) to (..., lags)."""
    a, b = (v - v.mean(axis=-1, keepdims=True) for v in (x, y))
    scale = np.sqrt((a**2).mean(axis=-1) * (b**2).mean(axis=-1)) * x.shape[-1]
    scale = np.maximum(scale, 1e-300)  # a series that never moves correlates with nothing
    found = [(a[..., :-k] * b[..., k:]).sum(axis=-1) / scale for k in range(1, lags + 1)]
    return np.stack(found, axis=-1)


def correlations(x: Floats, y: Floats, lags: int) -> Floats:
    """Corr(x_t, y_(t+k)) for k = 1..lags, mean over series (B, T), shape (lags,)."""
    return series_correlations(x, y, lags).mean(axis=0)


def autocorrelations(x: Floats, lags: int) -> Floats:
    """Corr(x_t, x_(t+k)) for k = 1..lags, shape (lags,)."""
    return correlations(x, x, lags)


def aggregated(returns: Floats, horizon: int = HORIZON) -> Floats:
    """Overlapping sums of `horizon` returns, shape (B, T - horizon + 1)."""
    total = np.cumsum(np.pad(returns, ((0, 0), (1, 0))), axis=1)
    return total[:, horizon:] - total[:, :-horizon]


@dataclass(frozen=True)
class Facts:
    """The stylised facts of a market, or their mean over markets.

    Attributes:
        kurtosis: excess kurtosis of returns.
        hill: tail index of the largest 5 % of abs(r).
        acf_abs_1: autocorrelation of abs(r) at lag 1.
        acf_abs_20: its mean over lags 1..20.
        leverage: mean of Corr(r_t, r²_(t+k)), k = 1..10.
        volume_abs: Corr(abs(r), volume deviation).
        volume_acf_1: autocorrelation of the volume deviation at lag 1.
        deviation: standard deviation of r, in %.
    """

    kurtosis: float
    hill: float
    acf_abs_1: float
    acf_abs_20: float
    leverage: float
    volume_abs: float
    volume_acf_1: float
    deviation: float


@dataclass(frozen=True)
class Distances:
    """How far a simulated market is from a real one; lower is better.

    Attributes:
        acf_r: L2 distance of the autocorrelations of r over 63 lags.
        acf_abs: likewise of abs(r).
        acf_square: likewise of r².
        leverage: likewise of Corr(r_t, r²_(t+k)).
        w1_1: Wasserstein distance of daily returns, each side in its own daily deviations.
        w1_20: likewise of 20-day returns.
    """

    acf_r: float
    acf_abs: float
    acf_square: float
    leverage: float
    w1_1: float
    w1_20: float


def facts(market: MarketSeries, together: int | None = None) -> Facts:
    """The stylised facts of one market.

    Args:
        market: of B series.
        together: how many series tails are of; all B if None or more than that. Of what is left
            over when they are counted off, nothing is taken.

    Raises:
        ValueError: if that is less than 1.
    """
    if together is not None and together < 1:
        raise ValueError(f"together must be >= 1; received {together!r}")
    r = market.returns
    each = len(r) if together is None else min(together, len(r))
    groups = r[: len(r) // each * each].reshape(-1, each, r.shape[1])
    known = np.isfinite(market.volume_deviation).all(axis=0)
    volume, size = market.volume_deviation[:, known], np.abs(r)
    of_size = autocorrelations(size, 20)
    return Facts(
        kurtosis=float(np.mean([excess_kurtosis(group) for group in groups])),
        hill=float(np.mean([hill_index(group) for group in groups])),
        acf_abs_1=float(of_size[0]),
        acf_abs_20=float(of_size.mean()),
        leverage=float(correlations(r, r**2, min(10, r.shape[1] - 2)).mean()),
        volume_abs=float(np.corrcoef(size[:, known].ravel(), volume.ravel())[0, 1]),
        volume_acf_1=float(autocorrelations(volume, 1)[0]),
        deviation=float(100 * r.std()),
    )


def distances(real: MarketSeries, simulated: MarketSeries) -> Distances:
    """Distances of a simulated market from a real one."""
    lags = min(LAGS, real.returns.shape[1] - 2, simulated.returns.shape[1] - 2)

    def gap(function: Callable[[Floats], Floats]) -> float:
        ours, theirs = function(simulated.returns), function(real.returns)
        return float(np.linalg.norm(ours - theirs))

    def w1(horizon: int) -> float:
        ours, theirs = (
            _thinned(aggregated(m.returns, horizon) / m.returns.std()) for m in (simulated, real)
        )
        return float(wasserstein_distance(ours, theirs))

    return Distances(
        acf_r=gap(lambda r: autocorrelations(r, lags)),
        acf_abs=gap(lambda r: autocorrelations(np.abs(r), lags)),
        acf_square=gap(lambda r: autocorrelations(r**2, lags)),
        leverage=gap(lambda r: correlations(r, r**2, lags)),
        w1_1=w1(1),
        w1_20=w1(HORIZON),
    )


def _thinned(values: Floats) -> Floats:
    flat = values.ravel()
    return flat[:: -(-flat.size // MAX_VALUES)]


_Kind = TypeVar("_Kind", Facts, Distances)


@dataclass(frozen=True)
class FactsTable:
    """Stylised facts of real and simulated markets side by side, means over markets.

    Attributes:
        real: of the real markets.
        simulated: by name.
        distances: by name, from the real markets.
    """

    real: Facts
    simulated: Mapping[str, Facts]
    distances: Mapping[str, Distances]

    @property
    def columns(self) -> tuple[str, ...]:
        """What the numbers of a row belong to: the real markets, then each simulator."""
        return ("real", *self.simulated)

    def rows(self) -> list[tuple[str, list[float | None]]]:
        """Label and numbers of each statistic; real markets are at no distance (None)."""
        table: list[tuple[str, list[float | None]]] = []
        for item in fields(Facts):
            of_each = [self.real, *self.simulated.values()]
            table.append((FACT_LABELS[item.name], [getattr(of, item.name) for of in of_each]))
        for item in fields(Distances):
            found = [getattr(self.distances[name], item.name) for name in self.simulated]
            table.append((DISTANCE_LABELS[item.name], [None, *found]))
        return table

    def __str__(self) -> str:
        table = [("stylised fact", *self.columns)]
        for label, values in self.rows():
            table.append((label, *("" if value is None else f"{value:.3f}" for value in values)))
        widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
        return "\n".join(
            "  ".join(
                cell.ljust(width) if i == 0 else cell.rjust(width)
                for i, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in table
        )

    def to_json(self) -> dict[str, Any]:
        """The numbers as nested dictionaries, for JSON; `columns` keeps their order."""
        return asdict(self) | {"columns": list(self.simulated)}

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> FactsTable:
        """The table that `to_json` gave.

        Raises:
            ValueError: if a statistic is missing or unknown, or the simulators disagree.
        """
        parts = ("real", "simulated", "distances", "columns")
        missing = [name for name in parts if name not in saved]
        if missing:
            raise ValueError(f"facts must hold {missing[0]}; it is missing")
        names = list(saved["columns"])
        if sorted(saved["simulated"]) != sorted(names):
            raise ValueError(
                f"facts must hold a column for each simulated market {sorted(saved['simulated'])}; "
                f"received {names}"
            )
        if set(saved["simulated"]) != set(saved["distances"]):
            raise ValueError(
                "facts must hold distances of the simulated markets "
                f"{sorted(saved['simulated'])}; received {sorted(saved['distances'])}"
            )
        return cls(
            real=_from_json(Facts, saved["real"]),
            simulated={name: _from_json(Facts, saved["simulated"][name]) for name in names},
            distances={name: _from_json(Distances, saved["distances"][name]) for name in names},
        )


def _from_json(kind: type[_Kind], saved: Mapping[str, float]) -> _Kind:
    names = {item.name for item in fields(kind)}
    if set(saved) != names:
        raise ValueError(
            f"facts must hold exactly the statistics of {kind.__name__}; "
            f"{sorted(names ^ set(saved))} differ"
        )
    return kind(**saved)


FACT_LABELS = {
    "kurtosis": "excess kurtosis",
    "hill": "Hill index, top 5 %",
    "acf_abs_1": "ACF of abs(r), lag 1",
    "acf_abs_20": "ACF of abs(r), lags 1-20",
    "leverage": "leverage, k = 1-10",
    "volume_abs": "corr abs(r), volume deviation",
    "volume_acf_1": "ACF of volume deviation, lag 1",
    "deviation": "deviation of r, %",
}
DISTANCE_LABELS = {
    "acf_r": "distance: ACF of r",
    "acf_abs": "distance: ACF of abs(r)",
    "acf_square": "distance: ACF of r²",
    "leverage": "distance: leverage",
    "w1_1": "distance: W1, 1 day",
    "w1_20": "distance: W1, 20 days",
}


def facts_table(
    real: Sequence[MarketSeries], simulated: Mapping[str, Sequence[MarketSeries]]
) -> FactsTable:
    """Facts and distances, averaged over markets.

    Args:
        real: one per market; cut to the length of the shortest simulated path.
        simulated: by simulator, markets in the order of `real`.

    Raises:
        ValueError: if there is no market, a simulator has another number of them, or paths are
            longer than the real series.
    """
    if not real:
        raise ValueError("real must hold at least one market; received none")
    for name, markets in simulated.items():
        if len(markets) != len(real):
            raise ValueError(f"{name} must simulate {len(real)} markets; received {len(markets)}")
    lengths = [m.returns.shape[1] for markets in simulated.values() for m in markets]
    if lengths:
        real = [market.pieces(min(lengths)) for market in real]
    return FactsTable(
        real=_mean([facts(market) for market in real]),
        simulated={
            name: _mean([facts(m, len(r.returns)) for m, r in zip(markets, real, strict=True)])
            for name, markets in simulated.items()
        },
        distances={
            name: _mean([distances(r, m) for r, m in zip(real, markets, strict=True)])
            for name, markets in simulated.items()
        },
    )


def _mean(found: Sequence[_Kind]) -> _Kind:
    kind = type(found[0])
    return kind(
        **{f.name: float(np.mean([getattr(x, f.name) for x in found])) for f in fields(kind)}
    )
