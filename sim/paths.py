"""Market tapes: what a simulator yields and an environment plays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.market.history import BAR_FIELDS, CLOSE, HIGH, LOW, OPEN


@dataclass(frozen=True)
class Paths:
    """B market tapes of T bars each, after one starting bar.

    Attributes:
        bars: O, H, L, C, V, shape (B, T+1, 5), float64; row 0 is the bar known at the start (the
            last real bar of a simulated path), so decisions are possible after rows 0..T-1.
        observations: what an agent sees of the market after the close of each row, shape
            (B, T+1, D), float32; row t knows rows up to t only.
        series: which history each path continues, shape (B,); also whose cap it is traded under
            (`sim.accounting.Rules.caps_of`).
        start_row: row of row 0 in that history, shape (B,).
        innovations: gap and intraday log return of each step less their conditional means, shape
            (B, T, 2). None, or zero, where no conditional mean is known (real or resampled bars).

    Raises:
        ValueError: for shapes that disagree, an invalid bar, or an observation or innovation that
            is not finite.
    """

    bars: NDArray[np.float64]
    observations: NDArray[np.float32]
    series: NDArray[np.int64]
    start_row: NDArray[np.int64]
    innovations: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        for name, kind in (
            ("bars", np.float64),
            ("observations", np.float32),
            ("series", np.int64),
            ("start_row", np.int64),
        ):
            object.__setattr__(self, name, np.ascontiguousarray(getattr(self, name), dtype=kind))
        shape = self.bars.shape
        if len(shape) != 3 or shape[0] < 1 or shape[1] < 2 or shape[2] != len(BAR_FIELDS):
            raise ValueError(f"bars must have shape (B >= 1, T+1 >= 2, 5); received {shape}")
        if self.observations.ndim != 3 or self.observations.shape[:2] != shape[:2]:
            raise ValueError(
                f"observations must have shape ({shape[0]}, {shape[1]}, D); "
                f"received {self.observations.shape}"
            )
        for name in ("series", "start_row"):
            if getattr(self, name).shape != shape[:1]:
                raise ValueError(
                    f"{name} must have shape ({shape[0]},); received {getattr(self, name).shape}"
                )
        if self.innovations is not None and self.innovations.shape != (shape[0], shape[1] - 1, 2):
            raise ValueError(
                f"innovations must have shape ({shape[0]}, {shape[1] - 1}, 2); "
                f"received {self.innovations.shape}"
            )
        if self.innovations is not None and not np.isfinite(self.innovations).all():
            raise ValueError("innovations must be finite; received others")
        check_bars(self.bars)
        if not np.isfinite(self.observations).all():
            path, row, _ = np.argwhere(~np.isfinite(self.observations))[0]
            raise ValueError(f"observations must be finite; received others in path {path}, {row=}")

    @property
    def n_paths(self) -> int:
        """B."""
        return self.bars.shape[0]

    @property
    def n_steps(self) -> int:
        """T: how many decisions a path has room for."""
        return self.bars.shape[1] - 1

    @property
    def log_returns(self) -> NDArray[np.float64]:
        """Close-to-close log returns, shape (B, T)."""
        return np.diff(np.log(self.bars[:, :, CLOSE]), axis=1)

    def take(self, paths: ArrayLike) -> Paths:
        """Chosen paths, repeats allowed."""
        index = np.asarray(paths)
        return Paths(
            self.bars[index],
            self.observations[index],
            self.series[index],
            self.start_row[index],
            None if self.innovations is None else self.innovations[index],
        )


def check_bars(bars: NDArray[np.float64]) -> None:
    """Raise ValueError unless every bar (..., 5) is finite, > 0 and low <= open, close <= high."""
    good = np.isfinite(bars).all(axis=-1) & (bars > 0).all(axis=-1)
    body_high = np.maximum(bars[..., OPEN], bars[..., CLOSE])
    body_low = np.minimum(bars[..., OPEN], bars[..., CLOSE])
    good &= (bars[..., LOW] <= body_low) & (body_high <= bars[..., HIGH])
    if not good.all():
        where = np.argwhere(~good)[0]
        raise ValueError(
            "bars must be finite, > 0 and have low <= open, close <= high; received "
            f"{bars[tuple(where)].tolist()} at {where.tolist()}"
        )


def check_counts(n_paths: int, n_steps: int) -> None:
    """Raise ValueError unless both are at least 1."""
    for name, count in (("n_paths", n_paths), ("n_steps", n_steps)):
        if count < 1:
            raise ValueError(f"{name} must be at least 1; received {count}")


class PathSampler(Protocol):
    """A source of synthetic markets."""

    def sample(self, n_paths: int, n_steps: int, rng: np.random.Generator) -> Paths:
        """Draw B paths of T bars; the same generator state gives the same paths.

        Raises:
            ValueError: if a count is not at least 1.
        """
        ...
