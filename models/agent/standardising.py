"""What agents with networks have in common: standardised observations, and arrays that are kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Floats32 = NDArray[np.float32]

CLIP = 6.0
"""Standardised inputs are cut off here: no network is asked far outside what it saw. A Gaussian
entry gets there once in 5e8 rows, so the clip binds only on what training did not show."""


def standardised(values: Floats32, mean: Floats32, deviation: Floats32) -> Floats32:
    """Observations (..., D) in deviations from their mean, cut off at `CLIP`."""
    return np.clip((values - mean) / deviation, -CLIP, CLIP).astype(np.float32)


def mean_and_deviation(observations: Floats32, width: int) -> tuple[Floats32, Floats32]:
    """Of observations (..., D), shape (D,) each.

    Raises:
        ValueError: for observations of another width.
    """
    if observations.shape[-1] != width:
        raise ValueError(
            f"observations must have a width of {width}; received {observations.shape}"
        )
    rows = observations.reshape(-1, width)
    deviation = rows.std(axis=0, dtype=np.float64)
    # A constant feature carries nothing; leaving it unscaled keeps it finite.
    deviation = np.where(deviation > 1e-8, deviation, 1.0)
    mean = rows.mean(axis=0, dtype=np.float64)
    return mean.astype(np.float32), deviation.astype(np.float32)


def require_width(observation: Floats32, width: int) -> None:
    """Raise ValueError unless observations (..., D) have a width."""
    if observation.shape[-1] != width:
        raise ValueError(
            f"observation must have a width of {width}; received {observation.shape[-1]}"
        )


def network_arrays(
    weights: Sequence[Floats32], mean: Floats32, deviation: Floats32
) -> dict[str, np.ndarray]:
    """A network and its scaling as plain arrays."""
    return {"mean": mean, "deviation": deviation} | {
        f"weights_{i}": w for i, w in enumerate(weights)
    }


def network_from(
    arrays: Mapping[str, np.ndarray], shapes: Sequence[tuple[int, ...]], width: int
) -> tuple[tuple[Floats32, ...], Floats32, Floats32]:
    """The inverse of `network_arrays`: weights, mean and deviation.

    Args:
        arrays: that are kept.
        shapes: of the weights.
        width: of an observation.

    Raises:
        KeyError: for a missing array.
        ValueError: if one is not finite or has another shape.
    """
    wanted = {f"weights_{i}": shape for i, shape in enumerate(shapes)}
    wanted |= {"mean": (width,), "deviation": (width,)}
    held = {name: np.asarray(arrays[name], np.float32) for name in wanted}
    for name, shape in wanted.items():
        if held[name].shape != shape or not np.isfinite(held[name]).all():
            raise ValueError(
                f"{name} must be finite and have shape {shape}; received {held[name].shape}"
            )
    if not (held["deviation"] > 0).all():
        raise ValueError("deviation must be > 0; received others")
    mean, deviation = held.pop("mean"), held.pop("deviation")
    return tuple(held.values()), mean, deviation
