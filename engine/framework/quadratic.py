"""Convex quadratic programs, by the dual method of Goldfarb and Idnani (1983).

LEAN's C# optimizers solve theirs with this method, in the library Accord 3.6. The minimum of a
strictly convex program is one point, so another program of the same method reaches the same weights
up to rounding; the tolerances, and what counts as no solution, are that library's.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

TOLERANCE = 1e-12
"""Violation of a constraint that is let pass."""
_EPSILON = 2.0**-53
_SINGULAR = 1e-14
_STEPS_PER_CONSTRAINT = 100


def minimize(hessian: Any, rows: Any, values: Any, equalities: int) -> Any:
    """The x with the least ``x' hessian x`` that satisfies the constraints.

    Args:
        hessian: N x N; its lower half counts.
        rows: K x N; the first ``equalities`` rows times x equal their value, the others are at
            least theirs.
        values: K right-hand sides.
        equalities: number of equalities.

    Returns:
        N values, or None if the matrix is not positive definite or nothing satisfies the
        constraints.
    """
    factor = _cholesky(np.asarray(hessian, dtype=float))
    if factor is None:
        return None
    with np.errstate(invalid="ignore", divide="ignore"):
        return _Search(factor, rows, values, equalities).solution()


def _cholesky(matrix: Any) -> Any:
    """Lower factor of a matrix; None if it is not positive definite, by the library's tolerance."""
    factor = np.zeros_like(matrix)
    for j in range(len(matrix)):
        for k in range(j):
            factor[j, k] = (matrix[j, k] - factor[j, :k] @ factor[k, :k]) / factor[k, k]
        rest = matrix[j, j] - factor[j, :j] @ factor[j, :j]
        if rest <= _SINGULAR * abs(matrix[j, j]):
            return None
        factor[j, j] = np.sqrt(rest)
    return factor


def _inverse(factor: Any) -> Any:
    """Inverse of a lower factor, in LINPACK's order of operations."""
    found = factor.copy()
    for k in range(len(found)):
        found[k, k] = 1.0 / found[k, k]
        found[k, :k] *= -found[k, k]
        for j in range(k + 1, len(found)):
            multiple, found[j, k] = found[j, k], 0.0
            found[j, : k + 1] += multiple * found[k, : k + 1]
    return found


def _rotation(first: float, second: float) -> tuple[float, float, float]:
    """Cosine and sine of the rotation that turns (first, second) into (length, 0); the length."""
    large, small = max(abs(first), abs(second)), min(abs(first), abs(second))
    length = math.copysign(large * math.sqrt(1.0 + (small * small) / (large * large)), first)
    return first / length, second / length, length


def _rotate(upper: Any, lower: Any, cosine: float, sine: float) -> None:
    """Rotate two vectors in place."""
    if cosine == 0.0:
        upper[:], lower[:] = lower.copy(), upper.copy()
        return
    turned = cosine * upper + sine * lower
    lower[:] = sine / (cosine + 1.0) * (upper + turned) - lower
    upper[:] = turned


class _Search:
    """The state of a search: what is active, and the factors that follow it.

    Rows of ``basis`` are the columns of the method's J: the inverse of the Hessian's factor times
    an orthogonal matrix, whose first rows span the active constraints; ``upper`` is its R.
    """

    def __init__(self, factor: Any, rows: Any, values: Any, equalities: int) -> None:
        self._basis = _inverse(factor)
        self._rows = np.array(rows, dtype=float)
        self._values = np.array(values, dtype=float)
        self._norms = np.sqrt((self._rows * self._rows).sum(axis=1))
        self._equalities = equalities
        size = len(factor)
        self._upper = np.zeros((size, size))
        # Zero, but not a number where the Hessian is none: no constraint counts as violated then.
        self._solution = self._basis.T @ (self._basis @ np.zeros(size))
        self._active: list[int] = []
        self._multipliers: list[float] = []

    def solution(self) -> Any:
        """Values that satisfy all constraints, None if there are none."""
        for _ in range(_STEPS_PER_CONSTRAINT * (len(self._rows) + len(self._solution) + 1)):
            worst = self._most_violated()
            if worst is None:
                return self._solution
            if not self._satisfy(worst):
                return None
        return None

    def _most_violated(self) -> int | None:
        """The constraint that is violated by the largest distance; equalities change sides."""
        worst, distance = None, 0.0
        for index, norm in enumerate(self._norms):
            gap = self._gap(index)
            if math.isnan(gap) or abs(gap) < _EPSILON:
                gap = 0.0
            if index < self._equalities:
                if gap > 0.0:
                    self._rows[index] *= -1
                    self._values[index] *= -1
                gap = -abs(gap)
            if index not in self._active and gap < distance * norm - TOLERANCE:
                worst, distance = index, gap / norm
        return worst

    def _gap(self, index: int) -> float:
        return float(self._rows[index] @ self._solution - self._values[index])

    def _satisfy(self, index: int) -> bool:
        """Make a violated constraint active, drop those in its way; False if that cannot be."""
        row, own = self._rows[index], 0.0
        while True:
            count = len(self._active)
            turned = self._basis @ row
            direction = turned[count:] @ self._basis[count:]
            dual = np.zeros(count)
            for k in range(count - 1, -1, -1):
                rest = turned[k] - self._upper[k, k + 1 : count] @ dual[k + 1 :]
                dual[k] = rest / self._upper[k, k]
            blocking, most = self._blocking(dual)
            full = math.inf
            if direction @ direction > _EPSILON:
                full = -self._gap(index) / (direction @ row)
            step = min(most, full)
            if step == math.inf:
                return False
            if full < math.inf:
                self._solution += step * direction
            for k in range(count):
                self._multipliers[k] -= step * dual[k]
            own += step
            if full <= most:
                self._activate(index, own, turned)
                return True
            self._drop(blocking)

    def _blocking(self, dual: Any) -> tuple[int, float]:
        """The active inequality whose multiplier reaches zero first, and after which step."""
        found, most = -1, math.inf
        for k, index in enumerate(self._active):
            if index >= self._equalities and dual[k] > 0.0:
                step = self._multipliers[k] / dual[k]
                if step < most:
                    found, most = k, step
        return found, most

    def _activate(self, index: int, multiplier: float, turned: Any) -> None:
        count = len(self._active)
        self._upper[:count, count] = turned[:count]
        for k in range(len(turned) - 1, count, -1):
            if turned[k] == 0.0:
                continue
            cosine, sine, length = _rotation(turned[k - 1], turned[k])
            if cosine == 1.0:
                continue
            turned[k - 1] = sine * length if cosine == 0.0 else length
            _rotate(self._basis[k - 1], self._basis[k], cosine, sine)
        self._upper[count, count] = turned[count]
        self._active.append(index)
        self._multipliers.append(multiplier)

    def _drop(self, place: int) -> None:
        count = len(self._active)
        for k in range(place + 1, count):
            upper, lower = self._upper[k - 1, k:count], self._upper[k, k:count]
            if lower[0] != 0.0:
                cosine, sine, _ = _rotation(upper[0], lower[0])
                if cosine != 1.0:
                    _rotate(upper, lower, cosine, sine)
                    _rotate(self._basis[k - 1], self._basis[k], cosine, sine)
            self._upper[:k, k - 1] = self._upper[:k, k]
        del self._active[place], self._multipliers[place]
