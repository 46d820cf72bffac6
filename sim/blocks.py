"""Block resampling, for the bootstrap baseline and for noise of real dates."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sim.levels import REACH, like, spread

MEAN_BLOCK = 40.0
"""Mean length of a block unless told otherwise, in bars: two months, as the rule of Politis & White
(2004) gives for absolute returns, 37 to 54 (`research.experiments.constants --blocks`)."""

LEAST_PATHS = 32
"""That exchange their rows, however few are wanted: a path needs others to exchange with."""

GOLDEN = (np.sqrt(5.0) - 1.0) / 2.0
"""Its multiples modulo 1 cover the unit interval evenly, however many there are."""

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]


def stationary_rows(
    n_rows: int, n_paths: int, n_steps: int, mean_block: float, rng: np.random.Generator
) -> Rows:
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


def matched_rows(
    levels: Floats, starts: Floats, n_steps: int, mean_block: float, rng: np.random.Generator
) -> Rows:
    """The same of rows that are like each other where one block follows upon another.

    The first row of each path is like its start (`sim.levels`): rows evenly spaced, as often as
    paths may want one of their level, are dealt out by the order of what paths want. Where blocks
    end, which happens to equally many paths at every step to within one, paths exchange the rows
    that they would go on with, each for one of a like level; one without its like waits for it,
    which few paths do for some steps and many for none. So every row that was there is still there,
    and paths from all levels take all rows equally often, at every step.

    Args:
        levels: of n rows, in (0, 1), each its own, shape (n,); row 0 follows the last one.
        starts: levels that B paths start from, in [0, 1], shape (B,).
        n_steps: T.
        mean_block: mean length of a block, >= 1; lengths are geometric.
        rng: fixes the rows.

    Returns:
        Shape (B, T), each in 0..n-1.

    Raises:
        ValueError: if `mean_block` is below 1, or there is no row.
    """
    _check(len(levels), mean_block)
    wanted = len(starts)
    if not wanted:
        return np.empty((0, n_steps), np.int64)
    starts = np.tile(starts, -(-LEAST_PATHS // wanted))
    count = len(starts)
    found = np.empty((n_steps, count), np.int64)
    found[0] = _dealt(levels, starts, rng)
    over = np.zeros(count, bool)
    for t in range(1, n_steps):
        found[t] = (found[t - 1] + 1) % len(levels)
        over |= (rng.permutation(count) + rng.random(count)) / count < 1.0 / mean_block
        ends = np.flatnonzero(over)
        found[t, ends], over[ends] = _exchanged(levels, found[t, ends], rng)
    return np.ascontiguousarray(found.T[:wanted])


def _dealt(levels: Floats, starts: Floats, rng: np.random.Generator) -> Rows:
    """A row for each of B starts; see `matched_rows`."""
    n, count = len(levels), len(starts)
    order = np.argsort(starts + 1e-9 * rng.random(count))
    steps = np.empty(count)
    steps[order] = (np.arange(count) * GOLDEN + rng.random()) % 1.0
    # How often a row is wanted: by the share of all starts near it that there are.
    grid = np.linspace(-REACH, 1.0 + REACH, 2001)
    argument = np.interp(levels, spread(grid), grid)
    low, high = argument - max(REACH, 1.0 / n), argument + max(REACH, 1.0 / n)
    near = np.subtract(*np.searchsorted(starts[order], [high, low]))
    weight = near / (np.minimum(high, 1.0) - np.maximum(low, 0.0))
    often = np.cumsum(weight)
    even = (np.arange(count) + rng.random()) / count * often[-1]
    rows = np.minimum(np.searchsorted(often, even, side="right"), n - 1)
    found = np.empty(count, np.int64)
    found[np.argsort(like(starts, steps))] = rows[np.argsort(levels[rows], kind="stable")]
    return found


def _exchanged(
    levels: Floats, rows: Rows, rng: np.random.Generator
) -> tuple[Rows, NDArray[np.bool_]]:
    """The same m rows, each in the place of another that is like it, and which have found none.

    By their levels they are cut into groups, `REACH` wide from a random place on; who is alone in
    one joins the nearest row within `REACH`, if there is any. Each group turns round by a random
    number of places.
    """
    count = len(rows)
    order = np.argsort(levels[rows])
    level = levels[rows][order]
    cut = np.ones(count + 1, bool)
    cut[1:-1] = np.diff(np.floor(level / REACH + rng.random())) > 0
    far = np.diff(level, prepend=-np.inf, append=np.inf)
    for i in np.flatnonzero(cut[:-1] & cut[1:]):
        nearer = i if far[i] < far[i + 1] else i + 1
        # An earlier one may have joined it.
        if cut[i] and cut[i + 1] and far[nearer] <= REACH:
            cut[nearer] = False
    found = rows.copy()
    for group in np.split(order, np.flatnonzero(cut[1:-1]) + 1):
        if len(group) > 1:
            places = int(rng.integers(1, len(group)))
            found[group[places:]] = rows[group[:-places]]
            found[group[:places]] = rows[group[-places:]]
    alone = np.empty(count, bool)
    alone[order] = cut[:-1] & cut[1:]
    return found, alone


def _check(n_rows: int, mean_block: float) -> None:
    if n_rows < 1 or not mean_block >= 1:
        raise ValueError(f"n_rows and mean_block must be >= 1; received {n_rows}, {mean_block}")
