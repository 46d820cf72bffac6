"""Dependence between symbols on one day: a skewed-t copula for each part of a bar.

Of one part (`models.market.features.PARTS`), the S symbols of a day are

    x = skew · (W - 1) + sqrt(W) · z,    z ~ N(0, R),    1 / W ~ Gamma(df/2, rate df/2),

a normal mean-variance mixture, the generalised hyperbolic skewed t (Demarta and McNeil 2005, "The t
copula and related copulas", section 5), and the copula is what is left when each x is replaced by
its distribution function. W is common to all symbols: a large one is a day on which everything
moves far, and with skew < 0 down. So correlation rises in the tails, and more in the lower one,
which a Gaussian copula (df infinite, skew 0) cannot. Each part has a W of its own ("grouped t",
Daul et al. 2003): the parts of one symbol are independent, as probability integral transforms of
one forecast are when it is right.

Fit. Margins are ranks (Genest, Ghoudi and Rivest 1995). The correlation of their normal scores is
estimated with the gaps there are and shrunk as Ledoit and Wolf (2004) do; R is what gives these
correlations under a `df` and a `skew` (`Margin.to_mixture`), and the two numbers, one for all
symbols, are those of greatest likelihood on a grid, less one for each that is used (Akaike 1974).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import special

Floats = NDArray[np.float64]

KINDS = ("independent", "gaussian", "t", "skewed-t")
"""Families, each a special case of the next."""

DF_GRID = (math.inf, 30.0, 15.0, 9.0, 6.0, 4.0, 3.0)
SKEW_GRID = (-1.0, -0.7, -0.45, -0.3, -0.15, 0.0, 0.15, 0.3, 0.45, 0.7, 1.0)
"""Where the likelihood is looked at. It is flat between neighbours, as some hundred crises of a
few years cannot tell them apart, and a grid lets the tables of `Margin` be worked out once."""

NODES = np.linspace(-6.5, 6.5, 66)
"""Normal scores of W over which mixtures are summed (trapezoid rule; spectrally exact here)."""
_NODE_WEIGHTS = np.exp(-0.5 * NODES**2) / np.exp(-0.5 * NODES**2).sum()

SPAN, STEP = 9.0, 0.01
"""The tables' abscissa is asinh(x), within this of 0; cdfs are read off them to within 1e-5."""

MIN_EIGENVALUE = 1e-6
EM_ROUNDS, EM_TOLERANCE = 50, 1e-4


def check_kind(kind: str) -> str:
    """The same word, if it is one of `KINDS`."""
    if kind not in KINDS:
        raise ValueError(f"copula must be one of {', '.join(KINDS)}; received {kind!r}")
    return kind


def mixing(scores: Floats, df: float) -> Floats:
    """W at given normal scores, ascending in them; 1 where df is infinite."""
    if math.isinf(df):
        return np.ones_like(scores)
    return (0.5 * df) / special.gammaincinv(0.5 * df, special.ndtr(-scores))


@dataclass(frozen=True, eq=False)
class Margin:
    """Distribution of one x, in tables; build it with `margin`.

    Attributes:
        df: degrees of freedom, > 0 or infinite.
        skew: see the module's description.
        w: mixing values at `NODES`, shape (K,).
        cdf_table: distribution function at sinh of -SPAN, -SPAN + STEP, ..., shape (M,).
        log_density_table: likewise of the logarithm of the density.
        hermite: coefficients c_k of the normal scores' correlation, Σ c_k r^k, under r in R.
    """

    df: float
    skew: float
    w: Floats
    cdf_table: Floats
    log_density_table: Floats
    hermite: Floats

    @property
    def gaussian(self) -> bool:
        """Whether W is 1."""
        return math.isinf(self.df)

    def cdf(self, x: Floats) -> Floats:
        """Distribution function, any shape."""
        if self.gaussian:
            return special.ndtr(x)
        place = (np.arcsinh(x) + SPAN) / STEP
        np.clip(place, 0.0, len(self.cdf_table) - 1.000001, out=place)
        below = place.astype(np.int64)
        place -= below
        low = self.cdf_table.take(below)
        return low + place * (self.cdf_table.take(below + 1) - low)

    def quantile(self, u: Floats) -> Floats:
        """Inverse of `cdf`, for u in (0, 1)."""
        if self.gaussian:
            return special.ndtri(u)
        return np.sinh(np.interp(u, self.cdf_table, _abscissa()))

    def log_density(self, x: Floats) -> Floats:
        """Of one x."""
        if self.gaussian:
            return -0.5 * x**2 - 0.5 * math.log(2.0 * math.pi)
        return np.interp(np.arcsinh(x), _abscissa(), self.log_density_table)

    def to_mixture(self, correlation: Floats) -> Floats:
        """R for wanted correlations of normal scores, elementwise; as near as there is one."""
        if self.gaussian:
            return correlation
        r = np.linspace(-1.0, 1.0, 401)
        return np.interp(correlation, np.polyval(self.hermite[::-1], r), r)

    def drawn(self, z: Floats, scores: Floats) -> Floats:
        """The x of z and normal scores of W, broadcast against each other."""
        if self.gaussian:
            return z
        w = np.exp(np.interp(scores, _FINE, _log_mixing(self.df)))
        return self.skew * (w - 1.0) + np.sqrt(w) * z


_FINE = np.linspace(-8.0, 8.0, 3201)


@lru_cache(maxsize=64)
def _log_mixing(df: float) -> Floats:
    return np.log(mixing(_FINE, df))


@lru_cache(maxsize=1)
def _abscissa() -> Floats:
    return np.linspace(-SPAN, SPAN, round(2 * SPAN / STEP) + 1)


@lru_cache(maxsize=256)
def margin(df: float, skew: float) -> Margin:
    """The margin of these numbers; tables are worked out once for a process."""
    if not df > 0:
        raise ValueError(f"df must be > 0; received {df!r}")
    if math.isinf(df):
        skew = 0.0
    w, x = mixing(NODES, df), np.sinh(_abscissa())
    root = np.sqrt(w)
    z = (x[:, None] - skew * (w - 1.0)) / root
    cdf = special.ndtr(z) @ _NODE_WEIGHTS
    log_terms = -0.5 * z**2 + np.log(_NODE_WEIGHTS / root) - 0.5 * math.log(2.0 * math.pi)
    made = Margin(df, skew, w, cdf, special.logsumexp(log_terms, axis=1), np.zeros(0))
    # Given W, a normal score is a function of z; Mehler's formula gives the correlation of two
    # such functions as a power series in r (its coefficients sum to the variance, 1).
    at, weight = np.polynomial.hermite_e.hermegauss(40)
    weight = weight / weight.sum()
    floor = 1e-12
    u = made.cdf(skew * (w[:, None] - 1.0) + root[:, None] * at)
    scores = special.ndtri(np.clip(u, floor, 1.0 - floor))
    order = np.arange(16)
    basis = np.stack([np.polynomial.hermite_e.hermeval(at, np.eye(16)[k]) for k in order])
    basis /= np.sqrt(special.factorial(order))[:, None]
    coefficients = _NODE_WEIGHTS @ (scores @ (weight * basis).T) ** 2
    hermite = coefficients / coefficients.sum()
    return Margin(df, skew, w, cdf, made.log_density_table, hermite)


def nearest_correlation(matrix: Floats) -> Floats:
    """A correlation matrix near a symmetric one: negative eigenvalues raised, diagonal set to 1."""
    values, vectors = np.linalg.eigh(0.5 * (matrix + matrix.T))
    raised = (vectors * np.maximum(values, MIN_EIGENVALUE)) @ vectors.T
    deviation = np.sqrt(np.diag(raised))
    found = raised / np.outer(deviation, deviation)
    np.fill_diagonal(found, 1.0)
    return found


def patterns(present: NDArray[np.bool_]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """For rows (N, S): each set of symbols that are present together, and the rows it has."""
    sets, which = np.unique(present, axis=0, return_inverse=True)
    which = which.reshape(-1)
    for k, there in enumerate(sets):
        if there.any():
            yield np.flatnonzero(there), np.flatnonzero(which == k)


def correlation_with_gaps(scores: Floats) -> Floats:
    """Correlation matrix (S, S) of normal scores (N, S) with NaN for what is missing, shrunk.

    The expectation-maximisation algorithm for a Gaussian with missing values (Little and Rubin
    2002, section 11.2), with zero means and unit variances; then shrunk towards the identity by
    the share that Ledoit and Wolf (2004) find on the completed scores. Two symbols that never
    share a date are as correlated as the others make likely.
    """
    from sklearn.covariance import ledoit_wolf_shrinkage  # here: it takes a while to import

    n, s = scores.shape
    present = np.isfinite(scores)
    filled = np.where(present, scores, 0.0)
    groups = [(o, rows) for o, rows in patterns(present) if len(o) < s]
    found = np.eye(s)
    for _ in range(EM_ROUNDS):
        extra = np.zeros((s, s))
        for o, rows in groups:
            m = np.setdiff1d(np.arange(s), o)
            weights = np.linalg.solve(found[np.ix_(o, o)], found[np.ix_(o, m)])
            filled[np.ix_(rows, m)] = filled[np.ix_(rows, o)] @ weights
            left = found[np.ix_(m, m)] - found[np.ix_(m, o)] @ weights
            extra[np.ix_(m, m)] += len(rows) * left
        moments = (filled.T @ filled + extra) / n
        deviation = np.sqrt(np.diag(moments))
        before, found = found, moments / np.outer(deviation, deviation)
        if not groups or np.abs(found - before).max() < EM_TOLERANCE:
            break
    share = ledoit_wolf_shrinkage(filled, assume_centered=True) if s > 1 else 0.0
    return nearest_correlation((1.0 - share) * found + share * np.eye(s))


def ranks(values: Floats) -> Floats:
    """Ranks in each column over the count plus one, in (0, 1); NaN where a value is NaN."""
    order = np.argsort(np.argsort(values, axis=0), axis=0)  # NaN are last
    count = np.isfinite(values).sum(axis=0)
    return np.where(np.isfinite(values), (order + 1.0) / (count + 1.0), np.nan)


@dataclass(frozen=True, eq=False)
class PartCopula:
    """The dependence between S symbols in one part of a day's bars.

    Attributes:
        correlation: R, shape (S, S).
        margin: of every symbol, with the `df` and the `skew`.
    """

    correlation: Floats
    margin: Margin

    def log_likelihood(self, u: Floats) -> float:
        """Sum over days of the log density of uniforms (N, S), NaN for what is missing."""
        x = self.margin.quantile(u)
        total = 0.0
        for o, rows in patterns(np.isfinite(u)):
            mine = x[np.ix_(rows, o)]
            joint = special.logsumexp(self._log_terms(mine, o), axis=1)
            total += float(joint.sum() - self.margin.log_density(mine).sum())
        return total

    def _log_terms(self, x: Floats, o: NDArray[np.int64]) -> Floats:
        """Log of weight times density of days (N, |o|) at each mixing node, shape (N, K)."""
        lower = np.linalg.cholesky(self.correlation[np.ix_(o, o)])
        whole = np.linalg.solve(lower, x.T)
        ones = np.linalg.solve(lower, np.ones(len(o)))
        shift = self.margin.skew * (self.margin.w - 1.0)
        square = (
            (whole**2).sum(axis=0)[:, None]
            - 2.0 * shift * (ones @ whole)[:, None]
            + shift**2 * (ones @ ones)
        )
        log_root = np.log(np.diag(lower)).sum() + 0.5 * len(o) * math.log(2.0 * math.pi)
        scale = np.log(_NODE_WEIGHTS) - 0.5 * len(o) * np.log(self.margin.w) - log_root
        return scale - 0.5 * square / self.margin.w

    def complete(self, u: Floats, rng: np.random.Generator) -> Floats:
        """Uniforms (N, S) with what is missing drawn once, given what the day's others did."""
        made, s = u.copy(), u.shape[1]
        for o, rows in patterns(np.isfinite(u)):
            m = np.setdiff1d(np.arange(s), o)
            if not len(m):
                continue
            x = self.margin.quantile(u[np.ix_(rows, o)])
            terms = self._log_terms(x, o)
            chance = np.exp(terms - terms.max(axis=1, keepdims=True))
            ends = np.cumsum(chance, axis=1)
            pick = (rng.random((len(rows), 1)) * ends[:, -1:] > ends).sum(axis=1)
            w = self.margin.w[pick][:, None]
            shift, root = self.margin.skew * (w - 1.0), np.sqrt(w)
            among = self.correlation[np.ix_(o, o)]
            weights = np.linalg.solve(among, self.correlation[np.ix_(o, m)])
            left = self.correlation[np.ix_(m, m)] - self.correlation[np.ix_(m, o)] @ weights
            z = (x - shift) / root @ weights
            z += rng.standard_normal(z.shape) @ np.linalg.cholesky(left).T
            made[np.ix_(rows, m)] = self.margin.cdf(shift + root * z)
        return made


def fit_part(u: Floats, kind: str) -> PartCopula:
    """The likeliest copula of a family for uniforms (N, S) of one part, NaN for what is missing.

    Args:
        u: probability integral transforms by date; only their ranks count.
        kind: one of `KINDS`.
    """
    check_kind(kind)
    s = u.shape[1]
    if s == 1 or kind == "independent":
        return PartCopula(np.eye(s), margin(math.inf, 0.0))
    ranked = ranks(u)
    wanted = correlation_with_gaps(special.ndtri(ranked))
    tried: dict[tuple[int, int], tuple[float, PartCopula]] = {}
    flat = SKEW_GRID.index(0.0)

    def at(i: int, j: int) -> tuple[float, PartCopula]:
        if (i, j) not in tried:
            of = margin(DF_GRID[i], SKEW_GRID[j])
            made = PartCopula(nearest_correlation(of.to_mixture(wanted)), of)
            numbers = (i > 0) + (i > 0 and j != flat)
            tried[i, j] = made.log_likelihood(ranked) - numbers, made
        return tried[i, j]

    i, j = 0, flat
    if kind != "gaussian":
        i = max(range(len(DF_GRID)), key=lambda k: at(k, flat)[0])
    if kind == "skewed-t" and i:
        # Uphill from neighbour to neighbour.
        while True:
            near = [
                (a, b)
                for a in (i - 1, i, i + 1)
                for b in (j - 1, j, j + 1)
                if 1 <= a < len(DF_GRID) and 0 <= b < len(SKEW_GRID)
            ]
            best = max(near, key=lambda place: at(*place)[0])
            if at(*best)[0] <= at(i, j)[0]:
                break
            i, j = best
    return at(i, j)[1]
