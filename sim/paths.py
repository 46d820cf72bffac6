"""Market tapes: what a simulator yields and an environment plays."""

from __future__ import annotations

from collections.abc import Sequence
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
        series: which history each path continues, shape (B,).
        start_row: row of row 0 in that history, shape (B,).
        surprises: gap and intraday log return of each step less what the simulator expected of
            them, shape (B, T, 2): noise with mean zero. None, or zero, where no expectation is
            known (real or resampled bars).

    Raises:
        ValueError: for shapes that disagree, an invalid bar, or an observation not finite.
    """

    bars: NDArray[np.float64]
    observations: NDArray[np.float32]
    series: NDArray[np.int64]
    start_row: NDArray[np.int64]
    surprises: NDArray[np.float64] | None = None

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
        if self.surprises is not None and self.surprises.shape != (shape[0], shape[1] - 1, 2):
            raise ValueError(
                f"surprises must have shape ({shape[0]}, {shape[1] - 1}, 2); "
                f"received {self.surprises.shape}"
            )
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

    def surprises_or_zero(self) -> NDArray[np.float64]:
        """`surprises`, zeros if there are none; shape (B, T, 2)."""
        if self.surprises is not None:
            return self.surprises
        return np.zeros((self.n_paths, self.n_steps, 2))

    def take(self, paths: ArrayLike) -> Paths:
        """Chosen paths, repeats allowed."""
        index = np.asarray(paths)
        return Paths(
            self.bars[index],
            self.observations[index],
            self.series[index],
            self.start_row[index],
            None if self.surprises is None else self.surprises[index],
        )


def join(parts: Sequence[Paths]) -> Paths:
    """All paths of several tapes of the same length and width.

    Raises:
        ValueError: if there are none, or lengths or observation widths differ.
    """
    if len({(part.n_steps, part.observations.shape[2]) for part in parts}) != 1:
        raise ValueError(
            "paths to join must be at least one, of the same length and observation width; "
            f"received {[part.observations.shape for part in parts]}"
        )
    return Paths(
        np.concatenate([part.bars for part in parts]),
        np.concatenate([part.observations for part in parts]),
        np.concatenate([part.series for part in parts]),
        np.concatenate([part.start_row for part in parts]),
        np.concatenate([part.surprises_or_zero() for part in parts]),
    )


def real_path(bars: ArrayLike, observations: ArrayLike, series: int = 0, row: int = 0) -> Paths:
    """A stretch of real bars (T+1, 5) with its observations (T+1, D) as one tape."""
    return Paths(
        np.asarray(bars)[None], np.asarray(observations)[None], np.array([series]), np.array([row])
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
