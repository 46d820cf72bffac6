"""Where the noise of imagined markets comes from: uniforms for every symbol, bar and part.

A forecaster's density turns uniforms into the next bar, so what happens together is decided here.
Two sources behind one interface:

- `CopulaNoise` draws from the copula fitted to the probability integral transforms of all symbols
  by date (`sim.copula`). Markets come in antithetic pairs, 2i and 2i+1: the second has every z
  mirrored and the mixing variables of the first, so that a crisis of one is a rally of the other.
  The first `QMC_STEPS` bars are scrambled Sobol points in the principal components of the
  correlation, the largest first, since the later a dimension, the worse are its projections (Joe
  and Kuo 2008). One symbol alone has no copula: its uniforms are the Sobol points themselves.
- `DatedNoise` takes the transforms themselves, blocks of dates with all symbols of a date together
  (stationary bootstrap), so that what happened together stays together, crises and their days
  after as they were.

Gaps. Symbols need not share all dates. The copula is fitted with the gaps; in `DatedNoise` what a
symbol lacks is drawn once from the copula given those that are there, and looked up among its own
transforms, so that its distribution stays its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import special
from scipy.stats import qmc

from models.forecast.forecaster import Hindcast
from models.market.features import PARTS, FeatureTable
from sim.blocks import stationary_rows
from sim.copula import Copula, ranks
from sim.dates import CommonDates

Floats = NDArray[np.float64]

N_PARTS = len(PARTS)

QMC_STEPS = 60
"""Bars whose noise is a Sobol point."""

MAX_DIMENSIONS = 21_201
"""Of SciPy's Sobol points (Joe and Kuo's direction numbers)."""

PAIRS_AT_ONCE = 64
"""Pairs of markets whose uniforms are worked out together; results do not depend on it."""

COMPLETION_SEED = 1
"""Of the draws that fill gaps: they are a part of the fit, not of a sample."""


class NoiseSource(Protocol):
    """A source of uniforms for markets of S symbols."""

    @property
    def lean(self) -> Floats:
        """Mean of the noise in gap and intraday return, in volatilities, shape (S, 2)."""
        ...

    def draw(self, n_markets: int, n_steps: int, rng: np.random.Generator) -> Floats:
        """Uniforms, shape (B, S, T, 5), columns `features.PARTS`.

        Args:
            n_markets: B, an even number.
            n_steps: T.
            rng: fixes them.
        """
        ...


def covered_uniforms(
    n_points: int, n_groups: int, n_steps: int, rng: np.random.Generator
) -> Floats:
    """Uniforms (n_points, n_groups, T, 5): Sobol points as far as they go, random ones beyond.

    Dimensions are used group by group, within it bar by bar: the first groups are covered best.
    """
    covered = min(n_steps, QMC_STEPS)
    each = covered * N_PARTS
    groups = min(n_groups, MAX_DIMENSIONS // each)
    drawn = rng.random((n_points, n_groups, n_steps, N_PARTS))
    sobol = qmc.Sobol(groups * each, scramble=True, seed=rng)
    points = sobol.random_base2(max(int(np.ceil(np.log2(n_points))), 0))[:n_points]
    drawn[:, :groups, :covered] = points.reshape(n_points, groups, covered, N_PARTS)
    return drawn


@dataclass(frozen=True, eq=False)
class CopulaNoise:
    """Antithetic pairs of markets from a copula; see the module's description.

    Attributes:
        copula: of the parts of S symbols.
    """

    copula: Copula

    @classmethod
    def independent(cls, n_symbols: int) -> CopulaNoise:
        """No dependence at all."""
        return cls(Copula.fit(np.full((1, n_symbols, N_PARTS), 0.5), "independent"))

    @property
    def lean(self) -> Floats:
        """Zero: the margins are what the forecaster says."""
        return np.zeros((self.copula.n_symbols, 2))

    @cached_property
    def _loadings(self) -> Floats:
        """From principal components to parts and symbols, largest first, shape (5·S, 5·S)."""
        values, vectors = np.linalg.eigh(self.copula.correlation)
        # Signs are arbitrary; fixed, results are the same everywhere.
        vectors = vectors * np.where(vectors.sum(axis=0) < 0, -1.0, 1.0)
        return (vectors * np.sqrt(np.maximum(values, 0.0)))[:, ::-1].T

    def draw(self, n_markets: int, n_steps: int, rng: np.random.Generator) -> Floats:
        """See `NoiseSource`; markets 2i and 2i+1 are an antithetic pair."""
        pairs, s, mixed = n_markets // 2, self.copula.n_symbols, int(self.copula.mixed)
        # Groups of five: the first components, the mixing variables, the other components.
        drawn = covered_uniforms(pairs, s + mixed, n_steps, rng)
        both = np.empty((pairs, 2, s, n_steps, N_PARTS))
        if self.copula.independent:
            both[:, 0], both[:, 1] = drawn, 1.0 - drawn
            return both.reshape(2 * pairs, s, n_steps, N_PARTS)
        for first in range(0, pairs, PAIRS_AT_ONCE):
            block = slice(first, first + PAIRS_AT_ONCE)
            scores = special.ndtri(np.clip(drawn[block], 1e-12, 1.0 - 1e-12)).swapaxes(1, 2)
            common = scores[:, :, mixed]
            components = np.delete(scores, 1, axis=2) if mixed else scores
            shape = components.shape[:2]  # pairs, T
            z = (components.reshape(*shape, -1) @ self._loadings).reshape(*shape, N_PARTS, s)
            for mirror, signed in enumerate((z, -z)):
                u = self.copula.uniforms(signed, common)
                both[block, mirror] = np.moveaxis(u, (1, 2, 3), (2, 3, 1))
        return both.reshape(2 * pairs, s, n_steps, N_PARTS)


@dataclass(frozen=True, eq=False)
class DatedNoise:
    """What noise the real bars had, by date; see the module's description.

    Attributes:
        uniforms: of N dates, shape (N, S, 5), nothing missing.
        lean: see `NoiseSource`.
        mean_block: mean length of a block of dates, >= 1.
    """

    uniforms: Floats
    lean: Floats
    mean_block: float

    @classmethod
    def of(cls, residuals: Residuals, copula: Copula, mean_block: float) -> DatedNoise:
        """With what symbols lack drawn from the copula, given those that are there."""
        return cls(completed(residuals.uniforms, copula), residuals.lean, mean_block)

    def draw(self, n_markets: int, n_steps: int, rng: np.random.Generator) -> Floats:
        """See `NoiseSource`; every market has blocks of its own."""
        rows = stationary_rows(len(self.uniforms), n_markets, n_steps, self.mean_block, rng)
        return np.ascontiguousarray(self.uniforms[rows].swapaxes(1, 2))


def completed(uniforms: Floats, copula: Copula) -> Floats:
    """Transforms (N, S, 5) without gaps.

    What is missing is drawn given the ranks of those that are there, and taken from the symbol's
    own transforms at that rank.
    """
    missing = ~np.isfinite(uniforms)
    if not missing.any():
        return uniforms
    ranked = np.stack([ranks(uniforms[..., p]) for p in range(N_PARTS)], axis=-1)
    ranked = copula.complete(ranked, np.random.default_rng(COMPLETION_SEED))
    found = uniforms.copy()
    for s, p in np.ndindex(found.shape[1:]):
        lacks = missing[:, s, p]
        found[lacks, s, p] = np.quantile(uniforms[~lacks, s, p], ranked[lacks, s, p])
    return found


@dataclass(frozen=True, eq=False)
class Residuals:
    """The noise that the real bars of S histories had under the mean network.

    Attributes:
        dates: shape (N,), ascending.
        uniforms: probability integral transforms of the bars of each date, shape (N, S, 5), in
            (0, 1), uniform where the forecaster is right; NaN where a symbol has none.
        lean: mean of gap and intraday return less what was expected, in volatilities, shape
            (S, 2).
    """

    dates: NDArray[np.datetime64]
    uniforms: Floats
    lean: Floats

    @classmethod
    def of(cls, tables: Sequence[FeatureTable], hindcasts: Sequence[Hindcast]) -> Residuals:
        """The residuals of S histories by date.

        Args:
            tables: of the histories.
            hindcasts: of each, by one forecaster.
        """
        first = hindcasts[0].first + 1
        common = CommonDates.of([table.history for table in tables], first)
        by_date = np.full((len(common.dates), len(tables), N_PARTS), np.nan)
        for s, known in enumerate(hindcasts):
            there = common.rows[:, s] >= 0
            by_date[there, s] = known.uniforms[common.rows[there, s] - first]
        lean = np.array([known.missed.mean(axis=0) for known in hindcasts])
        return cls(common.dates, by_date, lean)
