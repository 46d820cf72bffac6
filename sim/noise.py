"""Where the noise of imagined markets comes from: uniforms for every symbol, bar and part.

A forecaster's density turns uniforms into the next bar, so what happens together is decided here.
Three sources:

- `DatedNoise` takes the probability integral transforms of the real bars themselves, blocks of
  dates with all symbols of a date together (stationary bootstrap), so that what happened together
  stays together, crises and their days after as they were, and margins too. Blocks begin on dates
  as wild as the market at its start, or as the date that would have come next (`sim.levels`), and
  all dates are taken equally often (`sim.blocks`).
- `CheckerboardNoise` draws from the empirical copula of these transforms, made continuous: in the
  cell of a date's ranks, all points alike (the checkerboard or multilinear extension; Genest,
  Nešlehová and Rémillard 2017, "Asymptotic behavior of the empirical multilinear copula process"),
  with the transforms' own margins. Dates are of one time, as `DatedNoise` has them, but in another
  order that is drawn anew, and what a date owes to the days before it is replaced by what it would
  owe to those that the market had (`sim.succession`). Apart from that what happens together,
  between symbols and between the parts of one bar, is whatever happened together on some date, and
  nothing is assumed of its form.
- `CopulaNoise` draws from a parametric copula fitted to them (`sim.copula`): smooth, with crises
  beyond those seen, but parts of a symbol are independent there, as a right density's would be, and
  it is the same at all times, and without memory. Margins are uniform: every part of a bar is
  distributed as the forecaster says.

The last is array-RQMC (L'Ecuyer, Lécot and Tuffin 2008, "A randomized quasi-Monte Carlo simulation
method for Markov chains"): at every bar all markets together get a fresh randomised Sobol set,
whose first coordinate is their place in an order that the sampler sets, calm ones first. So every
kind of noise falls on calm and on wild markets alike, at bar 60 as well as at bar 1, and the
dimensions are those of one bar: the mixing variables and the principal components of the
correlation, the largest first, since the later a dimension, the worse are its projections (Joe and
Kuo 2008). Noise is not mirrored: two markets with opposite noise have the same moves in size, and
tell of volatility what one would.

What symbols have in common in noise of dates is then brought to where the market is, wilder or
calmer than they were (`sim.common_factor`).

Gaps. Symbols need not share all dates. The parametric copula is fitted with the gaps; for the other
two what a symbol lacks is drawn once from that copula given those that are there, and looked up
among its own transforms, so that its distribution stays its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import special
from scipy.stats import qmc

from models.forecast.distributions import MIN_UNIFORM
from models.forecast.forecaster import Hindcast
from models.market.features import PARTS, FeatureTable
from sim.blocks import matched_rows
from sim.copula import KINDS as PARAMETRIC
from sim.copula import Copula, ranks
from sim.dates import CommonDates
from sim.levels import means_of_like
from sim.succession import AHEAD, Autoregression, reordered

Floats = NDArray[np.float64]

RowSource = Callable[[Floats, Floats, int, float, np.random.Generator], NDArray[np.int64]]
"""See `sim.blocks.matched_rows`."""

N_PARTS = len(PARTS)

CHECKERBOARD = "checkerboard"
KINDS = (CHECKERBOARD, *PARAMETRIC)
"""Families of dependence: the empirical one, and those of `sim.copula`."""

COMPLETING = "skewed-t"
"""The family that fills gaps where noise itself is from no parametric one."""

MAX_DIMENSIONS = 21_201
"""Of SciPy's Sobol points (Joe and Kuo's direction numbers)."""

BITS = 30
"""Binary digits of a point's coordinates."""

COMPLETION_SEED = 1
"""Of the draws that fill gaps: they are a part of the fit, not of a sample."""


def check_kind(kind: str) -> str:
    """The same word, if it is one of `KINDS`."""
    if kind not in KINDS:
        raise ValueError(f"copula must be one of {', '.join(KINDS)}; received {kind!r}")
    return kind


def placed_points(
    n_points: int, n_dimensions: int, n_steps: int, rng: np.random.Generator
) -> Iterator[Floats]:
    """For each of T steps, uniforms (n_points, n_dimensions), point k for place k of an order.

    Sobol points of one more dimension in the order of their first coordinate, scrambled (Matoušek
    1998), with a fresh digital shift for every step: a point is uniform in every dimension and
    independent of those of other steps. Neighbours (root of n of them) are shuffled: else the
    points of two steps, one a shift of the other, would tie the noise of all markets that keep
    their places from bar to bar in the same way. Beyond `MAX_DIMENSIONS`, random numbers.
    """
    covered = min(n_dimensions + 1, MAX_DIMENSIONS)
    sobol = qmc.Sobol(covered, scramble=True, bits=BITS, seed=rng)
    leading = max(int(np.ceil(np.log2(max(n_points, 1)))), 0)
    points = sobol.random_base2(leading)[:n_points]
    digits = (points * 2.0**BITS).astype(np.uint32)
    neighbourhood = np.arange(n_points) // max(int(np.sqrt(n_points)), 1)
    for _ in range(n_steps):
        shifted = digits ^ rng.integers(2**BITS, size=covered, dtype=np.uint32)
        # In order of the first coordinate, whose leading digits are different in all points.
        at = np.full(2**leading, -1)
        at[shifted[:, 0] >> np.uint32(BITS - leading)] = np.arange(n_points)
        ordered = at[at >= 0]
        shuffled = ordered[np.argsort(neighbourhood + rng.random(n_points))]
        found = (shifted[shuffled, 1:] + 0.5) * 2.0**-BITS
        if covered <= n_dimensions:
            others = rng.random((n_points, n_dimensions + 1 - covered))
            found = np.concatenate([found, others], axis=1)
        yield found


@dataclass(frozen=True, eq=False)
class CopulaNoise:
    """Noise of markets from a copula; see the module's description.

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
        """What noise is made of, uniform in (0, 1), shape (T, B, D).

        Entry k is, at each bar, for the market in place k of that bar's order. Without an order it
        is independent from bar to bar all the same. D = 5 S, and 5 where components are mixed.

        Args:
            n_markets: B.
            n_steps: T.
            rng: fixes it.
        """
        size = N_PARTS * self.copula.n_symbols + self._mixed
        return np.stack(list(placed_points(n_markets, size, n_steps, rng)))

    def deal(self, drawn: Floats) -> Floats:
        """The noise of one bar, shape (B, S, 5), columns `features.PARTS`, of what was drawn.

        Within `MIN_UNIFORM` of 0 and 1.
        """
        if self.copula.independent:
            found = drawn.reshape(len(drawn), self.copula.n_symbols, N_PARTS)
        else:
            found = self._dependent(drawn[:, : self._mixed], drawn[:, self._mixed :])
        return np.clip(found, MIN_UNIFORM, 1.0 - MIN_UNIFORM)

    @property
    def _mixed(self) -> int:
        return N_PARTS if self.copula.mixed else 0

    def _dependent(self, of_mixing: Floats, of_components: Floats) -> Floats:
        """Uniforms (B, S, 5) of independent ones for the mixing variables and the components."""
        common = special.ndtri(of_mixing) if of_mixing.size else np.zeros((1, N_PARTS))
        z = special.ndtri(of_components) @ self._loadings
        return self.copula.uniforms(z.reshape(len(z), N_PARTS, -1), common).swapaxes(1, 2)


@dataclass(frozen=True, eq=False)
class DatedNoise:
    """What noise the real bars had, by date; see the module's description.

    Attributes:
        uniforms: of N dates, shape (N, S, 5), nothing missing.
        missed: gap and intraday return less what was expected, in volatilities, shape (N, S, 2);
            NaN where a symbol has none.
        levels: of the dates (`sim.levels`), shape (N,).
        mean_block: mean length of a block of dates, >= 1.
        rows: which dates are taken.
    """

    uniforms: Floats
    missed: Floats
    levels: Floats
    mean_block: float
    rows: RowSource = matched_rows

    def draw(self, starts: Floats, n_steps: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Numbers of the dates that markets take their noise of, shape (B, T).

        Args:
            starts: levels of the markets where they start, shape (B,).
            n_steps: T.
            rng: fixes them.
        """
        return self.rows(self.levels, starts, n_steps, self.mean_block, rng)

    @cached_property
    def lean(self) -> Floats:
        """Mean of what was missed, shape (S, 2)."""
        return np.nanmean(self.missed, axis=0)

    @cached_property
    def luck(self) -> Floats:
        """What days like each were missed by beyond that, by symbol, shape (S, N, 2)."""
        return np.ascontiguousarray(means_of_like(self.levels, self.missed).swapaxes(0, 1))

    def luck_on(self, dates: NDArray[np.int64]) -> Floats:
        """The same of one bar of b markets on dates (b,), shape (S, b, 2)."""
        return np.take(self.luck, dates, axis=1)

    def on(self, dates: NDArray[np.int64]) -> Floats:
        """The noise of one bar of b markets on dates (b,), symbols first, shape (S, b, 5)."""
        return np.take(self._by_symbol, dates, axis=1)

    @cached_property
    def _by_symbol(self) -> Floats:
        return np.ascontiguousarray(self.uniforms.swapaxes(0, 1))


@dataclass(frozen=True, eq=False)
class CheckerboardNoise:
    """Noise of markets from the ranks of real dates; see the module's description.

    Attributes:
        dated: the dates.
        autoregression: what N dates owe to those before (`sim.succession`).
        low: where the cell of each rank begins, of S symbols, shape (S, N, 5).
        width: of the cell, likewise, >= 0.
    """

    dated: DatedNoise
    autoregression: Autoregression
    low: Floats
    width: Floats

    @classmethod
    def of(cls, dated: DatedNoise, known: NDArray[np.bool_]) -> CheckerboardNoise:
        """From the transforms of dates.

        Args:
            dated: the dates.
            known: where they are a real bar's, and not completed, shape (N, S).
        """
        n = len(dated.uniforms)
        order = np.argsort(dated.uniforms, axis=0, kind="stable")
        ranked = np.argsort(order, axis=0, kind="stable")
        # A cell reaches halfway to the neighbours' transforms, and as far beyond the outermost; but
        # wilder than any real bar it is no more than whatever is drawn.
        values, place = np.take_along_axis(dated.uniforms, order, axis=0), np.arange(n)
        halves = 0.5 * np.diff(values, axis=0) if n > 1 else np.zeros_like(values)
        below, above = halves[np.maximum(place - 1, 0)], halves[np.minimum(place, len(halves) - 1)]
        least = np.minimum(values[:1], MIN_UNIFORM)
        most = np.maximum(values[-1:], 1.0 - MIN_UNIFORM)
        low, high = np.maximum(values - below, least), np.minimum(values + above, most)
        by_symbol = (np.ascontiguousarray(each.swapaxes(0, 1)) for each in (low, high - low))
        return cls(dated, Autoregression.of((ranked + 0.5) / n, known), *by_symbol)

    def draw(
        self, starts: Floats, last: NDArray[np.int64], n_steps: int, rng: np.random.Generator
    ) -> tuple[NDArray[np.int64], Floats]:
        """Numbers of the dates that markets take their noise of, and the noise.

        Args:
            starts: levels of the markets where they start, shape (B,).
            last: numbers of the dates they start at the close of, shape (B,); -1 where it is before
                the first.
            n_steps: T.
            rng: fixes them.

        Returns:
            Shapes (B, T) and (T, S, B, 5), symbols first, within the margins of the dates.
        """
        dealt = self.dated.draw(starts, n_steps + AHEAD, rng)
        dates = reordered(dealt, len(self.dated.uniforms), rng)
        ranks = self.autoregression.ranks_on(dates, last)
        s, n, parts = self.low.shape
        first = np.arange(s)[:, None, None] * n * parts + np.arange(parts)
        found = rng.random(ranks.shape)
        for of_bar, rank in zip(found, ranks, strict=True):
            cells = first + rank * parts
            of_bar *= self.width.ravel()[cells]
            of_bar += self.low.ravel()[cells]
        return dates, found


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
        missed: gap and intraday return less what was expected, in volatilities, shape (N, S, 2);
            NaN where a symbol has none.
    """

    dates: NDArray[np.datetime64]
    uniforms: Floats
    missed: Floats

    @classmethod
    def of(cls, tables: Sequence[FeatureTable], hindcasts: Sequence[Hindcast]) -> Residuals:
        """The residuals of S histories by date.

        Args:
            tables: of the histories.
            hindcasts: of each, by one forecaster.
        """
        first = hindcasts[0].first + 1
        common = CommonDates.of([table.history for table in tables], first)
        return cls(
            common.dates,
            common.laid_out([known.uniforms for known in hindcasts], first),
            common.laid_out([known.missed for known in hindcasts], first),
        )
