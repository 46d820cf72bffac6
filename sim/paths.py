"""Market tapes: what a simulator yields and an environment plays."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.agent.outlook import FORECAST, Outlook, correlation_of, moments_along, surprises
from models.arrays import all_finite, column, plain
from models.kernels import compiled
from models.market.history import BAR_FIELDS, CLOSE


@dataclass(frozen=True)
class Paths:
    """B market tapes of S symbols and T bars each, after one starting bar.

    All symbols of a market live through the same days: row t of one is the same close as row t of
    another. One symbol is the special case S = 1.

    Attributes:
        bars: O, H, L, C, V, shape (B, S, T+1, 5), float64; row 0 is the bar known at the start (the
            last real bar of a simulated path), so decisions are possible after rows 0..T-1.
        observations: what an agent sees of a symbol after the close of each row, shape
            (B, S, T+1, D), float32; row t knows rows up to t only.
        series: which history each symbol of a market continues, shape (B, S); also whose cap it
            is traded under (`sim.accounting.Rules.caps_of`).
        start_row: row of row 0 in that history, shape (B, S).
        innovations: gap and intraday log return of each step less their conditional means, shape
            (B, S, T, 2). None, or zero, where no conditional mean is known (real or resampled
            bars).
        forecasts: what else is known of a symbol after the close of each row, shape
            (B, S, T+1, 8), columns `models.agent.outlook.FORECAST`; None where nobody observes.
        moments: moving second moments of surprises at row 0, shape (B, S, S)
            (`models.agent.outlook.advance_moments`); they come with forecasts.
        before: observations of the P bars before row 0, oldest first, shape (B, S, P, D); None
            where nobody looks back. They are remembered in an `Outlook`.

    Raises:
        ValueError: for shapes that disagree, an invalid bar, or an observation or innovation that
            is not finite.
    """

    bars: NDArray[np.float64]
    observations: NDArray[np.float32]
    series: NDArray[np.int64]
    start_row: NDArray[np.int64]
    innovations: NDArray[np.float64] | None = None
    forecasts: NDArray[np.float64] | None = None
    moments: NDArray[np.float64] | None = None
    before: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        for name, kind in (
            ("bars", np.float64),
            ("observations", np.float32),
            ("series", np.int64),
            ("start_row", np.int64),
        ):
            object.__setattr__(self, name, np.ascontiguousarray(getattr(self, name), dtype=kind))
        shape = self.bars.shape
        if len(shape) != 4 or min(shape[:2]) < 1 or shape[2] < 2 or shape[3] != len(BAR_FIELDS):
            raise ValueError(
                f"bars must have shape (B >= 1, S >= 1, T+1 >= 2, 5); received {shape}"
            )
        if self.observations.ndim != 4 or self.observations.shape[:3] != shape[:3]:
            raise ValueError(
                f"observations must have shape ({shape[0]}, {shape[1]}, {shape[2]}, D); "
                f"received {self.observations.shape}"
            )
        for name in ("series", "start_row"):
            if getattr(self, name).shape != shape[:2]:
                raise ValueError(
                    f"{name} must have shape {shape[:2]}; received {getattr(self, name).shape}"
                )
        steps = (*shape[:2], shape[2] - 1, 2)
        if self.innovations is not None and self.innovations.shape != steps:
            raise ValueError(
                f"innovations must have shape {steps}; received {self.innovations.shape}"
            )
        if self.innovations is not None and not all_finite(self.innovations):
            raise ValueError("innovations must be finite; received others")
        if (self.forecasts is None) != (self.moments is None):
            raise ValueError("forecasts and moments must come together; received one of them")
        if self.forecasts is not None and self.moments is not None:
            for name, value, wanted in (
                ("forecasts", self.forecasts, (*shape[:3], len(FORECAST))),
                ("moments", self.moments, (shape[0], shape[1], shape[1])),
            ):
                if value.shape != wanted or not all_finite(value):
                    raise ValueError(
                        f"{name} must be finite and have shape {wanted}; received {value.shape}"
                    )
        if self.before is not None and (
            self.before.ndim != 4
            or self.before.shape[:2] != shape[:2]
            or self.before.shape[3] != self.observations.shape[3]
            or not all_finite(self.before)
        ):
            raise ValueError(
                f"before must be finite and have shape ({shape[0]}, {shape[1]}, P, "
                f"{self.observations.shape[3]}); received {self.before.shape}"
            )
        check_bars(self.bars)
        if not all_finite(self.observations):
            path, symbol, row, _ = np.argwhere(~np.isfinite(self.observations))[0]
            raise ValueError(
                f"observations must be finite; received others in {path=}, {symbol=}, {row=}"
            )

    @property
    def n_paths(self) -> int:
        """B, the number of markets."""
        return self.bars.shape[0]

    @property
    def n_symbols(self) -> int:
        """S."""
        return self.bars.shape[1]

    @property
    def n_steps(self) -> int:
        """T: how many decisions a path has room for."""
        return self.bars.shape[2] - 1

    @property
    def log_returns(self) -> NDArray[np.float64]:
        """Close-to-close log returns, shape (B, S, T)."""
        return np.diff(np.log(column(self.bars, CLOSE)), axis=2)

    def take(self, markets: ArrayLike) -> Paths:
        """Chosen markets with all their symbols, repeats allowed."""
        index = np.asarray(markets)
        return Paths(
            self.bars[index],
            self.observations[index],
            self.series[index],
            self.start_row[index],
            None if self.innovations is None else self.innovations[index],
            None if self.forecasts is None else self.forecasts[index],
            None if self.moments is None else self.moments[index],
            None if self.before is None else self.before[index],
        )

    def each(self) -> Paths:
        """Every symbol's share as a market of its own, B·S of them: what one account trades.

        Share k is symbol k % S of market k // S. Arrays are views of these, nothing is copied.
        """

        def alone(values: NDArray) -> NDArray:
            return values.reshape(self.n_paths * self.n_symbols, 1, *values.shape[2:])

        return Paths(
            alone(self.bars),
            alone(self.observations),
            alone(self.series),
            alone(self.start_row),
            None if self.innovations is None else alone(self.innovations),
            None if self.forecasts is None else alone(self.forecasts),
            None if self.moments is None else alone(_own(self.moments)),
            None if self.before is None else alone(self.before),
        )

    @cached_property
    def correlations(self) -> NDArray[np.float32]:
        """Correlations of the symbols as known after each row, shape (B, T+1, S, S).

        Raises:
            ValueError: for paths without forecasts.
        """
        forecasts, start = self._observed()
        surprise = np.moveaxis(surprises(forecasts)[:, :, 1:], 2, 0)
        along = moments_along(surprise, start)
        every = np.concatenate([start[None], along])
        return np.moveaxis(correlation_of(every), 0, 1).astype(np.float32)

    def outlook(self, rows: ArrayLike, markets: ArrayLike | None = None) -> Outlook:
        """What is known after the close of a row of each market.

        Args:
            rows: one for all, or one of each.
            markets: which, shape (E,); all by default.

        Raises:
            ValueError: for paths without forecasts.
        """
        forecasts, _ = self._observed()
        at = np.arange(self.n_paths) if markets is None else np.asarray(markets)
        row = np.broadcast_to(np.asarray(rows), at.shape)
        return Outlook(
            self.observations[at, :, row],
            forecasts[at, :, row],
            self.correlations[at, row].astype(np.float64),
            lambda window: self.recent(window, row, at),
        )

    def recent(
        self, window: int, rows: NDArray[np.int64], markets: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """The last observations up to rows (E,) of markets (E,); see `Outlook.recent`."""
        known = self._remembered
        newest = rows + known.shape[2] - self.observations.shape[2]
        place = np.maximum(newest[:, None] + np.arange(1 - window, 1), 0)
        return np.moveaxis(known[markets[:, None], :, place], 2, 1)

    @cached_property
    def _remembered(self) -> NDArray[np.float32]:
        """Observations of all rows, those before row 0 included, shape (B, S, P+T+1, D)."""
        if self.before is None:
            return self.observations
        return np.concatenate([self.before, self.observations], axis=2)

    def _observed(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        if self.forecasts is None or self.moments is None:
            raise ValueError("paths must carry forecasts; received some that nobody observed")
        return self.forecasts, self.moments

    def require_single(self) -> Paths:
        """The same paths, if they are of one symbol each.

        Raises:
            ValueError: if markets have several symbols.
        """
        if self.n_symbols != 1:
            raise ValueError(
                "paths must have one symbol each, as an account trades one here: pass "
                f"paths.each(); received {self.n_symbols} symbols"
            )
        return self


def _own(moments: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each symbol's own second moment, shape (B, S, 1), of moments (B, S, S)."""
    return np.diagonal(moments, axis1=-2, axis2=-1)[..., None]


def check_bars(bars: NDArray[np.float64]) -> None:
    """Raise ValueError unless every bar (..., 5) is finite, > 0 and low <= open, close <= high."""
    wrong = first_wrong_bar(plain(bars.reshape(-1, len(BAR_FIELDS))))
    if wrong >= 0:
        where = np.unravel_index(wrong, bars.shape[:-1])
        raise ValueError(
            "bars must be finite, > 0 and have low <= open, close <= high; received "
            f"{bars[where].tolist()} at {[int(i) for i in where]}"
        )


@compiled("int64(float64[:, ::1])")
def first_wrong_bar(bars):
    """Number of the first of bars (N, 5) that is none, see `check_bars`; -1 if all are right."""
    for k in range(len(bars)):
        opened, high, low, closed, volume = bars[k]
        right = 0.0 < low <= opened <= high < np.inf
        if not (right and low <= closed <= high and 0.0 < volume < np.inf):
            return k
    return -1


def check_counts(n_paths: int, n_steps: int) -> None:
    """Raise ValueError unless both are at least 1."""
    for name, count in (("n_paths", n_paths), ("n_steps", n_steps)):
        if count < 1:
            raise ValueError(f"{name} must be at least 1; received {count}")


class PathSampler(Protocol):
    """A source of synthetic markets."""

    def sample(self, n_paths: int, n_steps: int, rng: np.random.Generator) -> Paths:
        """Draw B markets of T bars, each with all symbols of the sampler.

        The same generator state gives the same paths.

        Raises:
            ValueError: if a count is not at least 1.
        """
        ...
