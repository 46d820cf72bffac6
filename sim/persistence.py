"""Noise that remembers: what forecasts missed in size or volume they tend to miss again.

A right forecast leaves nothing behind that tells of the next bar. Real ones leave a little: volume
has a longer memory than a network that reads some sixty bars, and lively days come together, in all
parts of the bars of all symbols. So the normal scores of the noise of one part of one symbol, which
a copula draws anew at every bar as e, become

    x(t) = sqrt(1 - a² - b²) e(t) + a m(t - 1) + b M(t - 1),

    m(t) = φ m(t - 1) + sqrt(1 - φ²) e(t),   M(t) = ψ M(t - 1) + sqrt(1 - ψ²) F(t),

with m the part's own memory, M that of the market's liveliness F, the mean of e over all parts and
symbols in its own deviations. Both are standard normal and know nothing of e(t); x(t) has variance
one where m and M are independent, and is brought to it where they are not, so margins stay uniform,
and parts and symbols whose e belong together have x that do. Of gap and intraday return it is the
distance from the middle of their distribution that persists, not the side.

A market begins with the memory that the real bars before its start have left.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import special
from scipy.signal import lfilter

from models.market.features import PARTS
from sim.facts import series_correlations

LAGS = 20
"""Bars over which autocorrelation is fitted."""

DECAYS = (0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.93, 0.95, 0.97)
"""The φ and ψ that are tried."""

ROUNDS = 5
"""Of fitting either memory to what the other leaves."""

MAX_WEIGHT = 0.5
"""Of either memory. No sane forecaster leaves so much."""

BY_SIZE = np.array([part in ("gap", "intraday") for part in PARTS])
"""Of each part, whether it is its size that persists."""

EDGE = 1e-9
"""Levels closer to 0 or 1 are brought there: their scores are finite."""

Floats = NDArray[np.float64]


def scores(uniforms: Floats) -> Floats:
    """Normal scores of levels (..., 5), of gap and intraday return of their distance from .5."""
    levels = np.where(BY_SIZE, np.abs(2.0 * uniforms - 1.0), uniforms)
    return special.ndtri(np.clip(levels, EDGE, 1.0 - EDGE))


def _ranked(uniforms: Floats) -> Floats:
    """Scores (N, S, 5) of transforms by their ranks among a symbol's: normal whatever they are."""
    order = np.argsort(np.argsort(scores(uniforms), axis=0, kind="stable"), axis=0, kind="stable")
    return special.ndtri((order + 0.5) / len(uniforms))


@dataclass
class Kept:
    """What B markets remember of their noise.

    Attributes:
        own: m of each symbol and part, shape (B, S, 5).
        common: M, shape (B,).
    """

    own: Floats
    common: Floats


@dataclass(frozen=True, eq=False)
class Persistence:
    """How the noise of a market goes on from bar to bar.

    Attributes:
        weight: a of each part, shape (5,), columns `features.PARTS`.
        decay: φ of each part, shape (5,).
        common_weight: b, of all parts.
        common_decay: ψ.
        deviation: of the mean of e over parts and symbols, > 0.
        share: correlation of each part's e with F, mean over symbols, shape (5,).
    """

    weight: Floats
    decay: Floats
    common_weight: float
    common_decay: float
    deviation: float
    share: Floats

    @classmethod
    def of(cls, uniforms: Floats) -> Persistence:
        """The nearest to how the transforms of real bars go on.

        Least squares on the autocorrelation of every part, mean over symbols, and on what F tells
        of all parts. What is found is drawn towards none by the share of it that its standard
        error explains.

        Args:
            uniforms: probability integral transforms of N dates, shape (N, S, 5), none missing.
        """
        n, s, parts = uniforms.shape
        z = _ranked(uniforms)
        mean = z.mean(axis=(1, 2))
        deviation = float(mean.std())
        lively, by_part = mean / deviation, z.transpose(2, 1, 0)
        share = (by_part @ lively).mean(axis=1) / n
        weight, decay, b, psi = np.zeros(parts), np.full(parts, DECAYS[0]), 0.0, DECAYS[0]
        if n > 2 * LAGS:
            own = series_correlations(by_part, by_part, LAGS).mean(axis=1)
            told = series_correlations(np.broadcast_to(lively, by_part.shape), by_part, LAGS)
            of_all, lags = told.mean(axis=(0, 1)), np.arange(LAGS)
            first, common = np.zeros(parts), 0.0
            for _ in range(ROUNDS):
                for p in range(parts):
                    left = own[p] - common * share[p] * psi**lags
                    first[p], decay[p] = _fitted(left, 1.0 / (n * s))
                left = of_all - (first * share) @ decay[:, None] ** lags / parts
                common, psi = _fitted(left, deviation**2 / n)
            weight = np.array([_weight(*one) for one in zip(first, decay, strict=True)])
            b = _weight(common, psi, deviation)
        return cls(weight, decay, b, psi, deviation, share)

    @cached_property
    def _fresh(self) -> Floats:
        """What e is multiplied by, shape (5,): the rest of a variance of one."""
        a, b, phi, psi = self.weight, self.common_weight, self.decay, self.common_decay
        both = np.sqrt((1.0 - phi**2) * (1.0 - psi**2)) / (1.0 - phi * psi) * self.share
        return np.sqrt(np.maximum(1.0 - a**2 - b**2 - 2.0 * a * b * both, 0.0))

    def after(self, uniforms: Floats) -> Kept:
        """What is remembered before the first of N dates and after each, N + 1 entries.

        Args:
            uniforms: transforms, shape (N, S, 5), oldest first; their x stands in for e.
        """
        z = _ranked(uniforms)
        own, common = np.zeros((len(z) + 1, *z.shape[1:])), np.zeros(len(z) + 1)
        for p, phi in enumerate(self.decay):
            own[1:, :, p] = lfilter([np.sqrt(1.0 - phi**2)], [1.0, -phi], z[..., p], axis=0)
        psi, lively = self.common_decay, z.mean(axis=(1, 2)) / self.deviation
        common[1:] = lfilter([np.sqrt(1.0 - psi**2)], [1.0, -psi], lively)
        return Kept(own, common)

    def next(self, uniforms: Floats, kept: Kept) -> Floats:
        """Noise (B, S, 5) of a bar from what a copula drew for it; `kept` goes on in place."""
        drawn = scores(uniforms)
        x = self._fresh * drawn + self.weight * kept.own
        x += self.common_weight * kept.common[:, None, None]
        phi, psi = self.decay, self.common_decay
        kept.own = phi * kept.own + np.sqrt(1.0 - phi**2) * drawn
        lively = drawn.mean(axis=(1, 2)) / self.deviation
        kept.common = psi * kept.common + np.sqrt(1.0 - psi**2) * lively
        level = special.ndtr(x)
        sided = 0.5 + 0.5 * np.where(uniforms < 0.5, -level, level)
        return np.where(BY_SIZE, sided, level)


def _weight(first: float, decay: float, deviation: float = 1.0) -> float:
    """The weight of a memory of something of a deviation that gives a correlation at lag 1."""
    tried = np.linspace(0.0, MAX_WEIGHT, 501)
    of_fresh = np.sqrt((1.0 - decay**2) * (1.0 - tried**2))
    return float(np.interp(first, tried * (of_fresh + tried * decay / deviation), tried))


def _fitted(found: Floats, variance: float) -> tuple[float, float]:
    """First >= 0 and decay of a geometric sequence near correlations (LAGS,), and drawn to none.

    Args:
        found: at lags 1, 2 and on.
        variance: of each of them by chance.
    """
    best = (np.inf, 0.0, DECAYS[0])
    for decay in DECAYS:
        shape = decay ** np.arange(LAGS)
        square = float(shape @ shape)
        first = max(float(shape @ found) / square, 0.0)
        misfit = float(((found - first * shape) ** 2).sum())
        chance = variance / square
        shrunk = first * max(1.0 - chance / max(first**2, chance), 0.0)
        best = min(best, (misfit, shrunk, decay))
    return best[1], best[2]
