"""Block resampling, for the bootstrap baseline and the blending of residuals."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MEAN_BLOCK = 20.0
"""Mean length of a block unless told otherwise, in bars: a month. It is shorter than the 37 to 54
bars that the rule of Politis & White (2004) gives for absolute returns
(`research.experiments.constants --blocks`): what it loses in dependence it gains in variety."""


def stationary_rows(
    n_rows: int, n_paths: int, n_steps: int, mean_block: float, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Row numbers of the stationary bootstrap (Politis & Romano 1994).

    Args:
        n_rows: rows to draw from, >= 1; row 0 follows the last one.
        n_paths: B.
        n_steps: T.
        mean_block: mean length of a block, >= 1; lengths are geometric.
        rng: fixes the rows.

    Returns:
        Shape (B, T), each in 0..n_rows-1.

    Raises:
        ValueError: if `n_rows` or `mean_block` is below 1.
    """
    _check(n_rows, mean_block)
    fresh = rng.random((n_paths, n_steps)) < 1.0 / mean_block
    fresh[:, 0] = True
    start = rng.integers(n_rows, size=(n_paths, n_steps))
    step = np.arange(n_steps)
    # Where the block of each step began, and how many steps ago.
    began = np.maximum.accumulate(np.where(fresh, step, 0), axis=1)
    return (np.take_along_axis(start, began, axis=1) + step - began) % n_rows


def balanced_rows(
    n_rows: int, n_paths: int, n_steps: int, mean_block: float, rng: np.random.Generator
) -> NDArray[np.int64]:
    """The same, every row as often as any other (Davison, Hinkley & Schechtman 1986).

    Blocks, in random order, follow upon each other in the rows, round and round from a random
    one: two rows are taken equally often, or one of them once more. At every step equally many
    paths begin a block, to within one. Each path by itself is a stationary bootstrap.

    Args, returns, errors: as `stationary_rows`.
    """
    _check(n_rows, mean_block)
    strata = rng.permuted(np.tile(np.arange(n_paths), (n_steps, 1)), axis=1)
    fresh = ((strata + rng.random((n_steps, n_paths))) / n_paths < 1.0 / mean_block).T.ravel()
    fresh[::n_steps] = True
    began = np.flatnonzero(fresh)
    length = np.diff(began, append=fresh.size)
    order = rng.permutation(len(began))
    start = np.empty_like(length)
    start[order] = np.cumsum(length[order]) - length[order] + rng.integers(n_rows)
    # The block of each step, and how far it is from that block's first.
    block = np.cumsum(fresh) - 1
    rows = (start[block] + np.arange(fresh.size) - began[block]) % n_rows
    return rows.reshape(n_paths, n_steps)


def _check(n_rows: int, mean_block: float) -> None:
    if n_rows < 1 or not mean_block >= 1:
        raise ValueError(f"n_rows and mean_block must be >= 1; received {n_rows}, {mean_block}")
