"""Things with coordinates as cells of the unit cube, so that points that cover it cover them.

A balanced k-d tree (Bentley 1975, "Multidimensional binary search trees used for associative
searching"): the things are halved by their first coordinate, each half by the second, and so on in
turn until one is left. Each cut divides the cube as it divides their number, so that every one has
a cell of the same volume, and neighbours have like coordinates. Points of low discrepancy then fall
on large and small values of each coordinate evenly, and on their combinations nearly so.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.kernels import compiled


@dataclass(frozen=True, eq=False)
class Cells:
    """N things in the order of the leaves of their tree.

    Attributes:
        order: their numbers, shape (N,), N >= 1.
        n_coordinates: d, that were cut in turn.
    """

    order: NDArray[np.int64]
    n_coordinates: int

    @classmethod
    def of(cls, coordinates: NDArray[np.float64]) -> Cells:
        """From coordinates (N, d); equal ones keep their order."""
        n, d = coordinates.shape
        if not n:
            raise ValueError("coordinates must have at least one row; received none")
        order, parts, level = np.arange(n), [(0, n)], 0
        while parts:
            halves = []
            for low, high in parts:
                if high - low > 1:
                    mine = order[low:high]
                    by_value = np.argsort(coordinates[mine, level % d], kind="stable")
                    order[low:high] = mine[by_value]
                    middle = (low + high) // 2
                    halves += [(low, middle), (middle, high)]
            parts, level = halves, level + 1
        return cls(order, d)

    def at(self, points: NDArray[np.float64]) -> NDArray[np.int64]:
        """The number of the thing in whose cell each of the points (B, d) in [0, 1) lies."""
        found = np.empty(len(points), np.int64)
        walk_down(np.require(points, np.float64, ["C", "W"]), self.n_coordinates, self.order, found)
        return found


@compiled("void(float64[:, ::1], int64, int64[::1], int64[::1])")
def walk_down(points, n_coordinates, order, found):
    """The thing in whose cell each point lies, from the root of the tree to its leaf.

    Args:
        points: shape (B, d), in [0, 1).
        n_coordinates: that were cut in turn.
        order: of the leaves, shape (N,).
        found: written to, shape (B,).
    """
    rest = np.empty(n_coordinates)
    for k in range(len(points)):
        for i in range(n_coordinates):
            rest[i] = points[k, i]
        low, high, axis = 0, len(order), 0
        while high - low > 1:
            middle = (low + high) // 2
            share = (middle - low) / (high - low)
            if rest[axis] < share:
                rest[axis] /= share
                high = middle
            else:
                rest[axis] = (rest[axis] - share) / (1.0 - share)
                low = middle
            axis = axis + 1 if axis + 1 < n_coordinates else 0
        found[k] = order[low]
