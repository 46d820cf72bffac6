"""The growing curriculum: episodes grow longer as simulated data is appended."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Stage:
    """One stage of training.

    Attributes:
        n_paths: paths to sample and append.
        n_steps: bars in each of them.
        updates: of the agent, before the next stage.
    """

    n_paths: int
    n_steps: int
    updates: int


def growing(n_paths: int, n_steps: int, updates: int, stages: int = 3) -> tuple[Stage, ...]:
    """A schedule whose episodes double in length from stage to stage.

    Early stages are short, many and quick to learn one-bar consequences from; late ones teach
    what positions lead to. Every stage samples the same number of bars, as nearly as whole paths
    allow (an even number, pairs of twins), and the last has the full length and `n_paths` paths.
    Updates grow in proportion to the data there is at each stage.

    Args:
        n_paths: paths of the last stage, >= 2.
        n_steps: bars in the paths of the last stage, >= 1.
        updates: in total, >= stages.
        stages: at least 1; fewer come back where `n_steps` cannot be halved that often.

    Returns:
        The stages; their updates sum to `updates`.

    Raises:
        ValueError: for counts out of range.
    """
    rules = {"n_paths": (n_paths, 2), "n_steps": (n_steps, 1), "stages": (stages, 1)}
    for name, (value, least) in {**rules, "updates": (updates, max(stages, 1))}.items():
        if value < least:
            raise ValueError(f"{name} must be at least {least}; received {value}")
    lengths = [n_steps]
    while len(lengths) < stages and lengths[0] > 1:
        lengths.insert(0, -(-lengths[0] // 2))
    counts = [2 * round(n_paths * n_steps / length / 2) for length in lengths]
    counts[-1] = n_paths
    weight = np.arange(1, len(lengths) + 1, dtype=float)
    ends = np.round(np.cumsum(weight) / weight.sum() * updates).astype(int)
    shares = np.diff(ends, prepend=0)
    return tuple(
        Stage(count, length, int(share))
        for count, length, share in zip(counts, lengths, shares, strict=True)
    )
