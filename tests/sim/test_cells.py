"""Cells of a unit cube: every thing has its own, all of one volume, neighbours alike."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.cells import Cells


def cell_by_hand(coordinates, point):
    """Halve what is left by one coordinate after the other, as the definition says."""
    left, rest, level = list(range(len(coordinates))), list(point), 0
    while len(left) > 1:
        c = level % len(rest)
        left.sort(key=lambda k: coordinates[k][c])
        half = len(left) // 2
        share = half / len(left)
        if rest[c] < share:
            left, rest[c] = left[:half], rest[c] / share
        else:
            left, rest[c] = left[half:], (rest[c] - share) / (1 - share)
        level += 1
    return left[0]


@given(st.integers(1, 40), st.integers(1, 3), st.integers(0, 10_000))
def test_cells_are_those_of_the_definition(n, d, seed):
    rng = np.random.default_rng(seed)
    coordinates, points = rng.permutation(n * d).reshape(n, d) * 1.0, rng.random((20, d))
    found = Cells.of(coordinates).at(points)
    assert found.tolist() == [cell_by_hand(coordinates.tolist(), p) for p in points.tolist()]


@pytest.mark.parametrize("n", [1, 2, 7, 64, 100])
def test_every_cell_has_the_same_volume(n):
    """On a grid of n times as many lines as things, exactly as many points in each."""
    cells = Cells.of(np.random.default_rng(n).random((n, 1)))
    line = (np.arange(8 * n) + 0.5) / (8 * n)
    assert (np.bincount(cells.at(line[:, None]), minlength=n) == 8).all()


def test_one_coordinate_is_sorted():
    values = np.random.default_rng(0).random((50, 1))
    found = Cells.of(values).at((np.arange(50)[:, None] + 0.5) / 50)
    np.testing.assert_array_equal(found, np.argsort(values[:, 0]))


def test_nothing_has_no_cells():
    with pytest.raises(ValueError, match="coordinates must have at least one row"):
        Cells.of(np.empty((0, 2)))
