"""Dependence between symbols on one day: a grouped skewed-t copula of the parts of their bars.

Of one part (`models.market.features.PARTS`), the S symbols of a day are

    x = skew · (W - 1) + sqrt(W) · z,    1 / W ~ Gamma(df/2, rate df/2),

a normal mean-variance mixture, the generalised hyperbolic skewed t (Demarta and McNeil 2005, "The t
copula and related copulas", section 5), and the copula is what is left when each x is replaced by
its distribution function. W is common to all symbols: a large one is a day on which everything
moves far, and with skew < 0 down. So dependence rises in the tails, and more in the lower one,
which a Gaussian copula (df infinite, skew 0) cannot. Each part has a W of its own ("grouped t",
Daul et al. 2003), and z ~ N(0, R) are the 5·S of all parts and symbols: one symbol's session is
another's night where exchanges lie in other time zones. The parts of one symbol are uncorrelated in
R, as the transforms of one right forecast are: what a symbol does alone does not depend on who is
beside it.

Fit. Margins are ranks (Genest, Ghoudi and Rivest 1995). The correlations of their normal scores are
estimated with the gaps there are and shrunk (Ledoit and Wolf 2004); R is what gives these
correlations under a `df` and a `skew` (`Margin.to_mixture`). The two numbers of a part are those
whose tail dependence, lower and upper, is nearest to that of the ranks, mean over the pairs of
symbols. Greatest likelihood would say otherwise: a W for all symbols cannot make the bad days of
one alone, and many symbols with such days outvote the crises that they share.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import special

Floats = NDArray[np.float64]

KINDS = ("independent", "gaussian", "t", "skewed-t")
"""Families, each a special case of the next."""

DF_GRID = (30.0, 20.0, 14.0, 10.0, 7.0, 5.0, 4.0)
SKEW_GRID = (-1.0, -0.7, -0.45, -0.3, -0.15, 0.0, 0.15, 0.3, 0.45, 0.7, 1.0)
"""Where a fit looks. The few crises of some years cannot tell neighbours apart, and a grid lets the
tables of `Margin` be worked out once."""

NODES = np.linspace(-6.5, 6.5, 66)
"""Normal scores of W over which mixtures are summed (trapezoid rule; spectrally exact here)."""
_NODE_WEIGHTS = np.exp(-0.5 * NODES**2) / np.exp(-0.5 * NODES**2).sum()

SPAN, STEP = 9.0, 0.01
"""The tables' abscissa is asinh(x), within this of 0; cdfs are read off them to within 1e-5."""

TAILS = (0.02, 0.05, 0.1)
"""Quantiles at which tail dependence is matched: from a common crisis a quarter to some noise."""

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
        hermite: coefficients c_k of the normal scores' correlation, Σ c_k r^k, under r in R, of
            two symbols with a common W.
        apart: a_k, such that it is Σ a_k b_k r^k for two parts, each with a W of its own.
    """

    df: float
    skew: float
    w: Floats
    cdf_table: Floats
    hermite: Floats
    apart: Floats

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

    def to_mixture(self, correlation: Floats, other: Margin | None = None) -> Floats:
        """R for wanted correlations of normal scores, elementwise; as near as there is one.

        Args:
            correlation: wanted, between symbols of this part.
            other: the margin of another part, if they are between that part and this one.
        """
        both = self.gaussian and (other is None or other.gaussian)
        if both:
            return correlation
        series = self.hermite if other is None else self.apart * other.apart
        r = np.linspace(-1.0, 1.0, 401)
        return np.interp(correlation, np.polyval(series[::-1], r), r)

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
        first = np.eye(16)[1]
        return Margin(df, 0.0, np.ones_like(NODES), np.zeros(0), first, first)
    w, x = mixing(NODES, df), np.sinh(_abscissa())
    root = np.sqrt(w)
    z = (x[:, None] - skew * (w - 1.0)) / root
    cdf = np.minimum(special.ndtr(z) @ _NODE_WEIGHTS, 1.0)
    plain = np.zeros(0)
    made = Margin(df, skew, w, cdf, plain, plain)
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
    of_w = scores @ (weight * basis).T  # coefficients given W, (K, 16)
    hermite = _NODE_WEIGHTS @ of_w**2
    hermite /= hermite.sum()
    return replace(made, hermite=hermite, apart=_NODE_WEIGHTS @ of_w)


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

    @property
    def n_symbols(self) -> int:
        """S."""
        return len(self.correlation)


@lru_cache(maxsize=256)
def _tail_table(of: Margin) -> Floats:
    """P(both beyond) over the quantile, below and above, at `TAILS` and `_CORRELATIONS`.

    Given W both are normal; P(both below a) = Φ(a) - 2 T(a, sqrt((1 - r) / (1 + r))) with Owen's
    T function (Owen 1956).
    """
    slope = np.sqrt((1.0 - _CORRELATIONS) / (1.0 + _CORRELATIONS))
    found = np.empty((2, len(TAILS), len(_CORRELATIONS)))
    shift, root = of.skew * (of.w - 1.0), np.sqrt(of.w)
    for q, tail in enumerate(TAILS):
        for side, sign in enumerate((1.0, -1.0)):
            u = tail if side == 0 else 1.0 - tail
            a = sign * (of.quantile(np.array(u)) - shift) / root
            both = special.ndtr(a)[:, None] - 2.0 * special.owens_t(a[:, None], slope)
            found[side, q] = (_NODE_WEIGHTS @ both) / tail
    return found


_CORRELATIONS = np.linspace(-0.98, 0.98, 99)


def _misfit(part: PartCopula, observed: Floats, days: float) -> float:
    """Squared distance of tail dependence (2, Q) from what is observed, in its variance.

    Pairs of symbols share their crises: the mean over pairs is taken to be as uncertain as that of
    S - 1 independent ones of so many days.
    """
    days = days * (part.n_symbols - 1)
    pairs = part.correlation[np.triu_indices(part.n_symbols, 1)]
    table = _tail_table(part.margin)
    total = 0.0
    for side in range(2):
        for q, tail in enumerate(TAILS):
            model = np.interp(pairs, _CORRELATIONS, table[side, q]).mean()
            variance = model * (1.0 - model) / (tail * days)
            total += float((model - observed[side, q]) ** 2 / max(variance, 1e-12)) / len(TAILS)
    return total


def observed_tails(u: Floats) -> tuple[Floats, float]:
    """Tail dependence (2, Q) of ranks (N, S) at `TAILS`, mean over pairs, and a pair's days."""
    there = np.isfinite(u).astype(np.float64)
    upper = np.triu_indices(u.shape[1], 1)
    days = (there.T @ there)[upper]
    kept = days >= 1.0 / min(TAILS)
    found = np.full((2, len(TAILS)), np.nan)
    if kept.any():
        for q, tail in enumerate(TAILS):
            for side, beyond in enumerate((u < tail, u > 1.0 - tail)):
                far = beyond.astype(np.float64)
                both, own = (far.T @ far)[upper], (far.T @ there + there.T @ far)[upper]
                found[side, q] = (2.0 * both[kept]).sum() / own[kept].sum()
    return found, float(days[kept].mean()) if kept.any() else 0.0


def fit_part(u: Floats, kind: str) -> PartCopula:
    """The nearest copula of a family to uniforms (N, S) of one part, NaN for what is missing.

    Args:
        u: probability integral transforms by date; only their ranks count.
        kind: one of `KINDS`.
    """
    check_kind(kind)
    s, gaussian = u.shape[1], margin(math.inf, 0.0)
    if s == 1 or kind == "independent":
        return PartCopula(np.eye(s), gaussian)
    ranked = ranks(u)
    wanted = correlation_with_gaps(special.ndtri(ranked))
    plain = PartCopula(wanted, gaussian)
    observed, days = observed_tails(ranked)
    if kind == "gaussian" or not days:
        return plain
    best, found = _misfit(plain, observed, days), plain
    for df in DF_GRID:
        for skew in SKEW_GRID if kind == "skewed-t" else (0.0,):
            of = margin(df, skew)
            made = PartCopula(nearest_correlation(of.to_mixture(wanted)), of)
            # Each number that is used must bring what a standard error is worth.
            misfit = _misfit(made, observed, days) + 1.0 + (skew != 0.0)
            if misfit < best:
                best, found = misfit, made
    return found


def _between_parts(scores: Floats) -> Floats:
    """Correlations of normal scores (N, S, 5) between parts of different symbols, (5·S, 5·S).

    Ordered part by part; zero within a part and within a symbol. Of what both symbols have, each
    shrunk towards zero as its own noise asks: with n common days the variance of a correlation is
    1 / n, and what the squares of two parts' correlations have beyond that is their true size.
    """
    _, s, parts = scores.shape
    there = np.isfinite(scores[..., 0]).astype(np.float64)
    days = np.maximum(there.T @ there, 1.0)
    known = np.where(np.isfinite(scores), scores, 0.0)
    others = ~np.eye(s, dtype=bool)
    found = np.zeros((parts, s, parts, s))
    for p in range(parts):
        for q in range(p + 1, parts):
            raw = known[..., p].T @ known[..., q] / days
            size = max(float((raw**2 - 1.0 / days)[others].mean()), 0.0)
            found[p, :, q] = np.where(others, raw * size / (size + 1.0 / days), 0.0)
            found[q, :, p] = found[p, :, q].T
    return found.reshape(parts * s, parts * s)


@dataclass(frozen=True, eq=False)
class Copula:
    """The dependence between the parts of S symbols' bars on one day.

    Attributes:
        correlation: R, shape (P·S, P·S), ordered part by part.
        margins: of each of the P parts.
    """

    correlation: Floats
    margins: tuple[Margin, ...]

    @classmethod
    def fit(cls, uniforms: Floats, kind: str) -> Copula:
        """The nearest of a family (`KINDS`) to transforms (N, S, P), NaN where a symbol lacks."""
        _, s, parts = uniforms.shape
        fitted = [fit_part(uniforms[..., p], kind) for p in range(parts)]
        margins = tuple(part.margin for part in fitted)
        whole = np.zeros((parts, s, parts, s))
        if s > 1 and kind != "independent":
            scores = np.stack(
                [special.ndtri(ranks(uniforms[..., p])) for p in range(parts)], axis=-1
            )
            whole = _between_parts(scores).reshape(whole.shape)
        for p in range(parts):
            for q in range(parts):
                if p != q:
                    whole[p, :, q] = margins[p].to_mixture(whole[p, :, q], margins[q])
            whole[p, :, p] = fitted[p].correlation
        return cls(nearest_correlation(whole.reshape(parts * s, parts * s)), margins)

    @property
    def n_symbols(self) -> int:
        """S."""
        return len(self.correlation) // len(self.margins)

    @property
    def independent(self) -> bool:
        """Whether nothing depends on anything."""
        return not self.mixed and not np.triu(self.correlation, 1).any()

    @property
    def mixed(self) -> bool:
        """Whether a part has a W."""
        return not all(of.gaussian for of in self.margins)

    def of_part(self, part: int) -> Floats:
        """R between the symbols in one part, shape (S, S)."""
        mine = slice(part * self.n_symbols, (part + 1) * self.n_symbols)
        return self.correlation[mine, mine]

    def uniforms(self, z: Floats, scores: Floats) -> Floats:
        """Uniforms (..., P, S) of z (..., P, S) and normal scores of W (..., P)."""
        found = np.empty_like(z)
        for p, of in enumerate(self.margins):
            found[..., p, :] = of.cdf(of.drawn(z[..., p, :], scores[..., p, None]))
        return found

    def complete(self, uniforms: Floats, rng: np.random.Generator) -> Floats:
        """Uniforms (N, S, P) with what is missing drawn once, given what the day's others did.

        Of each part by itself: W is drawn from what it may have been given the symbols that are
        there, then z is normal. (A regression on all parts would have many noisy weights.)
        """
        made, s = uniforms.copy(), self.n_symbols
        for o, rows in patterns(np.isfinite(uniforms).all(axis=2)):
            m = np.setdiff1d(np.arange(s), o)
            if not len(m):
                continue
            for p, of in enumerate(self.margins):
                x = of.quantile(uniforms[..., p][np.ix_(rows, o)])
                w = self._mixing_given(x, p, o, rng)[:, None]
                shift, root, within = of.skew * (w - 1.0), np.sqrt(w), self.of_part(p)
                weights = np.linalg.solve(within[np.ix_(o, o)], within[np.ix_(o, m)])
                left = within[np.ix_(m, m)] - within[np.ix_(m, o)] @ weights
                z = (x - shift) / root @ weights
                z += rng.standard_normal(z.shape) @ np.linalg.cholesky(left).T
                made[..., p][np.ix_(rows, m)] = of.cdf(shift + root * z)
        return made

    def _mixing_given(
        self, x: Floats, part: int, o: NDArray[np.int64], rng: np.random.Generator
    ) -> Floats:
        """A draw of W for each day, given x (N, |o|) of the symbols that are there."""
        of = self.margins[part]
        if of.gaussian:
            return np.ones(len(x))
        lower = np.linalg.cholesky(self.of_part(part)[np.ix_(o, o)])
        whole, ones = np.linalg.solve(lower, x.T), np.linalg.solve(lower, np.ones(len(o)))
        shift = of.skew * (of.w - 1.0)
        square = (whole**2).sum(axis=0)[:, None] - 2.0 * shift * (ones @ whole)[:, None]
        square += shift**2 * (ones @ ones)
        terms = np.log(_NODE_WEIGHTS) - 0.5 * len(o) * np.log(of.w) - 0.5 * square / of.w
        ends = np.cumsum(np.exp(terms - terms.max(axis=1, keepdims=True)), axis=1)
        return of.w[(rng.random((len(x), 1)) * ends[:, -1:] > ends).sum(axis=1)]
