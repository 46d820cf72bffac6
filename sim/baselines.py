"""Simulators to compare with: block bootstrap and GARCH, behind the forecaster's interface.

Both make whole bars: every part of a bar comes from one real day of the symbol's own history, so
gap, body, wicks and volume belong together and every bar is valid. The bootstrap takes all symbols
of a date together; GARCH models know one symbol each.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from arch import arch_model
from numpy.typing import NDArray

from models.agent.observation import Observer
from models.agent.outlook import FORECAST
from models.arrays import column
from models.forecast.recalibration import Memory
from models.market.features import (
    LOOKBACK,
    VOLUME_MEAN_BARS,
    FeatureTable,
    bars_from_parts,
)
from models.market.history import CLOSE, VOLUME
from sim.blocks import MEAN_BLOCK, stationary_rows
from sim.dates import CommonDates
from sim.macro import MacroModel, MacroWalk
from sim.paths import Paths, check_counts
from sim.starts import (
    ROWS_AT_ONCE,
    StartDates,
    Starts,
    check_starts,
    draw_starts,
    start_bars,
    start_moments,
    start_view,
)

MIN_BARS = 250
"""Shortest history a baseline is built on: a year."""
NEIGHBOURS = 25
"""Real days that a GARCH return may take its intraday shape from, on either side together.

About the square root of the days there are, as Lall & Sharma (1996, "A nearest neighbor bootstrap
for resampling hydrologic time series") advise: 32 of a thousand.
"""
MAX_ITERATIONS = 1000
"""Of the optimizer in a GARCH fit."""
MAX_DAILY_MOVE = 2.0
"""A GARCH log return beyond this, a price sevenfold or a seventh within a day, is cut."""


class _Sampler:
    """Starts, assembly of bars and observations; the parts come from the subclasses."""

    def __init__(
        self, tables: Sequence[FeatureTable], observer: Observer | None, starts: Starts, first: int
    ) -> None:
        if not tables:
            raise ValueError("tables must hold at least one symbol; received none")
        if first < 0:
            raise ValueError(f"first must be >= 0; received {first!r}")
        self._window = observer.forecaster.config.window if observer else 0
        self._first = max(first, LOOKBACK + self._window - 1 if observer else VOLUME_MEAN_BARS)
        for table in tables:
            table.history.require(max(MIN_BARS, self._first + 2))
        self._tables = list(tables)
        self._observer, self._starts = observer, check_starts(starts)

    def sample(self, n_paths: int, n_steps: int, rng: np.random.Generator) -> Paths:
        """Draw markets; see `sim.paths.PathSampler`. Without observer there are 0 observations."""
        check_counts(n_paths, n_steps)
        start_rng, parts_rng = rng.spawn(2)
        rows = draw_starts(self._tables, self._first, n_paths, self._starts, start_rng)
        parts, dates = self._parts(rows, n_steps, parts_rng)
        s = len(self._tables)
        series = np.tile(np.arange(s), n_paths)
        bars = self._assemble(series, rows.ravel(), parts.reshape(n_paths * s, n_steps, 5))
        made = bars.reshape(n_paths, s, n_steps + 1, 5), series.reshape(n_paths, s)
        if self._observer is None:
            blind = np.zeros((*made[0].shape[:3], 0), np.float32)
            return Paths(made[0], blind, made[1], rows)
        model = MacroModel.of(self._tables)
        rests = None
        if model is not None and dates is not None:
            rests = model.rows_of(dates)
        elif model is not None:
            rests = model.any_rows(n_paths, n_steps, rng.spawn(1)[0])
        seen, forecasts = self._observe(self._observer, series, rows, bars, model, rests)
        return Paths(
            made[0],
            seen.reshape(n_paths, s, *seen.shape[1:]),
            made[1],
            rows,
            forecasts=forecasts.reshape(n_paths, s, *forecasts.shape[1:]),
            moments=start_moments(self._tables, rows),
        )

    def _parts(
        self, rows: NDArray[np.int64], n_steps: int, rng: np.random.Generator
    ) -> tuple[NDArray[np.float64], NDArray[np.datetime64] | None]:
        """Parts (B, S, T, 5) of markets whose symbols start at the given rows (B, S).

        And the dates that they are of, shape (B, T); None where they are of none.
        """
        raise NotImplementedError

    def _assemble(self, series: NDArray, rows: NDArray, parts: NDArray) -> NDArray[np.float64]:
        b, n_steps = parts.shape[:2]
        bars = np.empty((b, n_steps + 1, 5))
        bars[:, 0] = start_bars(self._tables, series, rows)
        back = np.arange(1 - VOLUME_MEAN_BARS, 1)
        recent = np.empty((b, VOLUME_MEAN_BARS))
        for s, table in enumerate(self._tables):
            volume = np.log(column(table.history.bars, VOLUME))
            recent[series == s] = volume[rows[series == s, None] + back]
        for t in range(n_steps):
            # Contiguous columns, as in `sim.path_sampler`.
            step = np.asfortranarray(parts[:, t])
            bars[:, t + 1] = bars_from_parts(bars[:, t, CLOSE], recent.mean(axis=1), step)
            recent[:, t % VOLUME_MEAN_BARS] = np.log(column(bars[:, t + 1], VOLUME))
        return bars

    def _observe(
        self,
        observer: Observer,
        series: NDArray,
        start_rows: NDArray,
        bars: NDArray,
        model: MacroModel | None,
        rests: NDArray[np.int64] | None,
    ) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """Observations (N, T+1, D) and forecasts (N, T+1, 8) of the bars of N series.

        Args:
            observer: of them.
            series: number of the history of each, shape (N,), symbol after symbol of each market.
            start_rows: where symbols of B markets start, shape (B, S).
            bars: shape (N, T+1, 5).
            model: of outside series; None where there are none.
            rests: numbers of their rests, shape (B, T).
        """
        rows, s = start_rows.ravel(), start_rows.shape[1]
        found = np.empty((*bars.shape[:2], observer.size), np.float32)
        forecasts = np.empty((*bars.shape[:2], len(FORECAST)))
        hindcasts = [observer.forecaster.hindcast(table) for table in self._tables]
        dates = StartDates(self._tables)
        step = max(ROWS_AT_ONCE // s, 1) * s
        for first in range(0, len(rows), step):
            these = slice(first, first + step)
            view = start_view(self._tables, series[these], rows[these], self._window)
            known = [
                hindcasts[one].memory_at(rows[row : row + 1])
                for row, one in enumerate(series[these], first)
            ]
            market = observer.follow(view, Memory.concatenate(known))
            walk = None
            if model is not None and rests is not None:
                of = slice(first // s, (first + step) // s)
                walk = MacroWalk(
                    model,
                    market.view,
                    np.arange(len(view)).reshape(-1, s),
                    dates.leading_symbols(start_rows[of]),
                    rests[of],
                )
            found[these, 0], forecasts[these, 0] = market.current(), market.forecast
            for t in range(1, bars.shape[1]):
                macro = None if walk is None else walk.next_values(market.view)
                found[these, t] = market.push(bars[these, t], macro=macro)
                forecasts[these, t] = market.forecast
        return found, forecasts


class BlockBootstrapSampler(_Sampler):
    """Stationary bootstrap of whole days (Politis & Romano 1994), all symbols of a date together.

    On a date on which a symbol has no bar it takes the day of its own on which the others moved
    most alike: their mean log return, in each one's deviations, was nearest.

    Args:
        tables: one per symbol; its paths resample days of its history.
        observer: makes observations; None for none.
        starts: ``"any"``, ``"latest"`` or dates, as in `sim.starts.draw_starts`.
        mean_block: mean length of a block in bars, >= 1.
        first: row of each history before which no market starts and no day is taken, >= 0.
    """

    def __init__(
        self,
        tables: Sequence[FeatureTable],
        observer: Observer | None = None,
        *,
        starts: Starts = "any",
        mean_block: float = MEAN_BLOCK,
        first: int = 0,
    ) -> None:
        super().__init__(tables, observer, starts, first)
        if not mean_block >= 1:
            raise ValueError(f"mean_block must be >= 1; received {mean_block!r}")
        self._mean_block = mean_block
        # Outside series move as they did on a day from the first features on.
        known = VOLUME_MEAN_BARS if self._tables[0].macro is None else LOOKBACK + 1
        earliest = max(first, known)
        rows = substituted_rows(self._tables, earliest)
        self._dates = CommonDates.of([table.history for table in self._tables], earliest).dates
        # Of each date, (N, S, 5).
        self._days = np.stack(
            [table.parts[rows[:, s]] for s, table in enumerate(self._tables)], axis=1
        )

    def _parts(
        self, rows: NDArray[np.int64], n_steps: int, rng: np.random.Generator
    ) -> tuple[NDArray[np.float64], NDArray[np.datetime64] | None]:
        found = stationary_rows(len(self._days), len(rows), n_steps, self._mean_block, rng)
        return np.ascontiguousarray(self._days[found].swapaxes(1, 2)), self._dates[found]


def substituted_rows(tables: Sequence[FeatureTable], first: int) -> NDArray[np.int64]:
    """A row of each history for each common date, shape (N, S); see `BlockBootstrapSampler`.

    Args:
        tables: of S histories.
        first: earliest row to use, at least 1.
    """
    rows = CommonDates.of([table.history for table in tables], first).rows
    there = rows >= 0
    returns = np.zeros(rows.shape)
    for s, table in enumerate(tables):
        mine = table.history.log_returns[rows[there[:, s], s]]
        returns[there[:, s], s] = mine / max(mine.std(), 1e-300)
    for s in range(len(tables)):
        own, missing = np.flatnonzero(there[:, s]), np.flatnonzero(~there[:, s])
        if not missing.size:
            continue
        others = np.delete(np.arange(len(tables)), s)
        count = there[:, others].sum(axis=1)
        moved = (returns * there)[:, others].sum(axis=1) / np.maximum(count, 1)
        # A day of its own on which nobody else traded tells nothing about the others.
        shared = own[count[own] > 0]
        own = shared if shared.size else own
        order = own[np.argsort(moved[own], kind="stable")]
        place = np.searchsorted(moved[order], moved[missing])
        left, right = np.clip(place - 1, 0, None), np.clip(place, None, len(order) - 1)
        nearer = np.abs(moved[order[left]] - moved[missing]) <= np.abs(
            moved[order[right]] - moved[missing]
        )
        rows[missing, s] = rows[np.where(nearer, order[left], order[right]), s]
    return rows


@dataclass(frozen=True)
class GarchFit:
    """A GARCH(1,1)-t of close-to-close log returns, GJR if `asymmetry` is not zero.

    s²(t+1) = omega + (arch + asymmetry · [e(t) < 0]) · e(t)² + garch · s²(t)

    Attributes:
        mean: of the log return.
        omega: constant of the variance.
        arch: weight of the last squared residual.
        asymmetry: further weight if it was negative.
        garch: weight of the last variance.
        df: degrees of freedom of the standardised t.
        variance: fitted s² of each return, shape (T,).
        residual: e of each return, shape (T,).
        converged: whether the optimizer says that these are the most likely parameters.
    """

    mean: float
    omega: float
    arch: float
    asymmetry: float
    garch: float
    df: float
    variance: NDArray[np.float64]
    residual: NDArray[np.float64]
    converged: bool

    @classmethod
    def of(
        cls,
        log_returns: NDArray[np.float64],
        asymmetric: bool,
        *,
        max_iterations: int = MAX_ITERATIONS,
    ) -> GarchFit:
        """Maximum likelihood fit by `arch`; returns are scaled to percent meanwhile."""
        percent = 100.0 * log_returns
        model = arch_model(
            percent,
            mean="Constant",
            vol="GARCH",
            p=1,
            o=int(asymmetric),
            q=1,
            dist="t",
            rescale=False,
        )
        fit = model.fit(disp="off", show_warning=False, options={"maxiter": max_iterations})
        value = fit.params
        return cls(
            mean=value["mu"] / 100.0,
            omega=value["omega"] / 1e4,
            arch=value["alpha[1]"],
            asymmetry=value["gamma[1]"] if asymmetric else 0.0,
            garch=value["beta[1]"],
            df=value["nu"],
            variance=np.asarray(fit.conditional_volatility) ** 2 / 1e4,
            residual=log_returns - value["mu"] / 100.0,
            converged=fit.convergence_flag == 0,
        )

    def next_variance(self, residual: NDArray, variance: NDArray) -> NDArray[np.float64]:
        """Variance of the next return, elementwise."""
        weight = self.arch + self.asymmetry * (residual < 0)
        return self.omega + weight * residual**2 + self.garch * variance

    def simulate(
        self, at: NDArray[np.int64], n_steps: int, rng: np.random.Generator
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Log returns and deviations, (B, T) each, of paths after the given returns (B,)."""
        noise = rng.standard_t(self.df, (len(at), n_steps)) * math.sqrt((self.df - 2) / self.df)
        returns, deviations = np.empty_like(noise), np.empty_like(noise)
        residual, variance = self.residual[at], self.variance[at]
        # A fit on the border of stationarity may wander off; a hundredfold of the largest fitted
        # variance is as far as it gets.
        ceiling = 100.0 * self.variance.max()
        for t in range(n_steps):
            variance = np.minimum(self.next_variance(residual, variance), ceiling)
            deviations[:, t] = np.sqrt(variance)
            drawn = self.mean + deviations[:, t] * noise[:, t]
            returns[:, t] = np.clip(drawn, -MAX_DAILY_MOVE, MAX_DAILY_MOVE)
            residual = returns[:, t] - self.mean
        return returns, deviations


class GarchSampler(_Sampler):
    """GARCH(1,1)-t returns with the intraday shape of similar real days.

    A simulated return takes the shape of one of the `NEIGHBOURS` real days whose standardised
    residual is nearest: gap and wicks scaled by the ratio of the deviations, the intraday move
    such that the return is met, the volume deviation as it was.

    Args:
        tables: one per symbol, each with its own fit.
        observer: makes observations; None for none.
        starts: ``"any"``, ``"latest"`` or dates, as in `sim.starts.draw_starts`.
        asymmetric: GJR-GARCH (Glosten, Jagannathan & Runkle 1993) if true.
        first: row of each history before which no market starts and no bar is learned from, >= 0.
    """

    def __init__(
        self,
        tables: Sequence[FeatureTable],
        observer: Observer | None = None,
        *,
        starts: Starts = "any",
        asymmetric: bool = True,
        first: int = 0,
    ) -> None:
        super().__init__(tables, observer, starts, first)
        # Of the first bar that has a return; a shape needs a volume deviation as well.
        self._fitted, self._shaped = max(first, 1), max(first, VOLUME_MEAN_BARS)
        self._fits = [
            GarchFit.of(table.history.log_returns[self._fitted :], asymmetric)
            for table in self._tables
        ]

    @property
    def converged(self) -> dict[str, bool]:
        """Whether each symbol's fit converged."""
        return {
            table.symbol: fit.converged for table, fit in zip(self._tables, self._fits, strict=True)
        }

    def _parts(
        self, rows: NDArray[np.int64], n_steps: int, rng: np.random.Generator
    ) -> tuple[NDArray[np.float64], NDArray[np.datetime64] | None]:
        found = [self._of(s, rows[:, s], n_steps, rng) for s in range(len(self._tables))]
        return np.stack(found, axis=1), None

    def _of(
        self, series: int, rows: NDArray[np.int64], n_steps: int, rng: np.random.Generator
    ) -> NDArray[np.float64]:
        """Parts (B, T, 5) of one symbol."""
        fit = self._fits[series]
        returns, deviations = fit.simulate(rows - self._fitted, n_steps, rng)
        days = self._tables[series].parts[self._shaped :]
        shaped = slice(self._shaped - self._fitted, None)
        real = np.sqrt(fit.variance[shaped])
        score = fit.residual[shaped] / real
        order = np.argsort(score, kind="stable")
        place = np.searchsorted(score[order], (returns - fit.mean) / deviations)
        offset = rng.integers(-(NEIGHBOURS // 2), NEIGHBOURS // 2 + 1, returns.shape)
        day = order[np.clip(place + offset, 0, len(order) - 1)]
        ratio = deviations / real[day]
        parts = days[day]
        parts[..., :4] *= ratio[..., None]
        parts[..., 1] = returns - parts[..., 0]
        return parts
