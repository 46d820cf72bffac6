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

from models.arrays import plain
from models.kernels import (
    HALF_32,
    ONE_32,
    TWO_32,
    ZERO_32,
    compiled,
    exp_32,
    fused,
    log_32,
)
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

# Of the kernel: rows of a tile of numbers, and about how many it works on together.
OF_PART, LEVEL, SIGN, SCORE, SHARED, OWN = 0, 5, 6, 7, 8, 9
ROOM_ROWS, ROOM = 10, 512

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

    @cached_property
    def _numbers(self) -> Floats:
        """Of each part, as the kernel takes them, shape (5, 5)."""
        phi = self.decay
        return np.stack([self._fresh, self.weight, phi, np.sqrt(1.0 - phi**2), 1.0 * BY_SIZE])

    def next(self, uniforms: Floats, kept: Kept) -> Floats:
        """Noise (B, S, 5) of a bar from what a copula drew for it; `kept` goes on in place.

        Normal scores are right to some millionths (`go_on`).
        """
        psi = self.common_decay
        of_all = [self.common_weight, psi, np.sqrt(1.0 - psi**2) / self.deviation]
        after = Kept(np.empty(kept.own.shape), np.empty(kept.common.shape))
        found = np.empty(uniforms.shape)
        go_on(
            plain(uniforms).reshape(-1), plain(kept.own).reshape(-1), plain(kept.common),
            self._numbers, np.array(of_all), after.own.reshape(-1), after.common,
            found.reshape(-1),
        )  # fmt: skip
        kept.own, kept.common = after.own, after.common
        return found


# Of Giles (2010), "Approximating the erfinv function", in the middle and in the tails.
_MIDDLE = tuple(
    np.float32(x)
    for x in (
        2.81022636e-08, 3.43273939e-07, -3.5233877e-06, -4.39150654e-06, 0.00021858087,
        -0.00125372503, -0.00417768164, 0.246640727, 1.50140941,
    )
)  # fmt: skip
_TAIL = tuple(
    np.float32(x)
    for x in (
        -0.000200214257, 0.000100950558, 0.00134934322, -0.00367342844, 0.00573950773,
        -0.0076224613, 0.00943887047, 1.00167406, 2.83297682,
    )
)  # fmt: skip
_OF_MIDDLE, _OF_TAIL, _TAIL_FROM = np.float32(2.5), np.float32(3.0), np.float32(5.0)
_FOUR, _ROOT_2 = np.float32(4.0), np.float32(2.0**0.5)

# Of Press et al. (1992), "Numerical Recipes in C", `erfcc`: relative error 1.2e-7.
_ERFC = tuple(
    np.float32(x)
    for x in (
        0.17087277, -0.82215223, 1.48851587, -1.13520398, 0.27886807,
        -0.18628806, 0.09678418, 0.37409196, 1.00002368, -1.26551223,
    )
)  # fmt: skip


@fused
def score_of_tail(level):
    """The normal score that leaves a level in [1e-7, 1/2] above it, relative error below 1e-6."""
    w = -log_32(_FOUR * level * (ONE_32 - level))
    near, far = w - _OF_MIDDLE, np.sqrt(max(w, ZERO_32)) - _OF_TAIL
    middle, tail = _MIDDLE[0], _TAIL[0]
    for i in range(1, 9):
        middle = middle * near + _MIDDLE[i]
        tail = tail * far + _TAIL[i]
    return _ROOT_2 * (middle if w < _TAIL_FROM else tail) * (ONE_32 - TWO_32 * level)


@fused
def tail_of_score(score):
    """Probability above a normal score in [0, 6], relative error below 5e-6."""
    z = score / _ROOT_2
    t = ONE_32 / (ONE_32 + HALF_32 * z)
    power = _ERFC[0]
    for i in range(1, 10):
        power = power * t + _ERFC[i]
    return HALF_32 * t * exp_32(power - z * z)


@compiled(
    "void(float64[::1], float64[::1], float64[::1], float64[:, ::1], float64[::1], float64[::1],"
    " float64[::1], float64[::1])",
    fastmath={"contract"},
)
def go_on(uniforms, own, common, numbers, of_all, new_own, new_common, found):
    """Noise of a bar of B markets, see `Persistence.next`; of each n numbers, parts innermost.

    Args:
        uniforms: as drawn, B · n of them.
        own: memory of each, as many.
        common: that of the markets' liveliness, B of them.
        numbers: of each part what e and its memory are multiplied by in the noise, and its memory
            and e in the new memory, and whether it is its size that persists, shape (5, parts).
        of_all: what the common memory is multiplied by in the noise and in the new one, and the
            mean of e in the latter.
        new_own: written to.
        new_common: written to.
        found: noise, written to.
    """
    parts, each = numbers.shape[1], len(uniforms) // len(common)
    many = max(ROOM // each, 1)
    room = many * each
    w = np.full((ROOM_ROWS, room), HALF_32)
    for i in range(room):
        for row in range(5):
            w[OF_PART + row, i] = numbers[row, i % parts]
    of_common = np.float32(of_all[0])
    for begin in range(0, len(common), many):
        start, markets = begin * each, min(many, len(common) - begin)
        width = markets * each
        # How far a level is from its nearer end keeps its precision however small it is.
        drawn = uniforms[start : start + width]
        level, sign, sized = w[LEVEL], w[SIGN], w[OF_PART + 4]
        for i in range(width):
            nearer = min(drawn[i], 1.0 - drawn[i])
            side = 1.0 if drawn[i] > 0.5 else -1.0
            of_size = min(2.0 * nearer, 1.0 - 2.0 * nearer)
            outside = 1.0 if nearer < 0.25 else -1.0
            level[i] = max(of_size if sized[i] > ZERO_32 else nearer, EDGE)
            sign[i] = outside if sized[i] > ZERO_32 else side
        for i in range(room):
            w[SCORE, i] = w[SIGN, i] * score_of_tail(w[LEVEL, i])
        for k in range(markets):
            total, shared = 0.0, of_common * np.float32(common[begin + k])
            for i in range(k * each, (k + 1) * each):
                total += w[SCORE, i]
                w[SHARED, i] = shared
            memory = of_all[1] * common[begin + k] + of_all[2] * (total / each)
            new_common[begin + k] = memory
        before, after = own[start : start + width], new_own[start : start + width]
        for i in range(width):
            w[OWN, i] = before[i]
        for i in range(room):
            drawn_score, memory = w[SCORE, i], w[OWN, i]
            x = w[OF_PART, i] * drawn_score + w[OF_PART + 1, i] * memory + w[SHARED, i]
            w[OWN, i] = w[OF_PART + 2, i] * memory + w[OF_PART + 3, i] * drawn_score
            w[SIGN, i] = ONE_32 if x > ZERO_32 else -ONE_32
            w[LEVEL, i] = tail_of_score(abs(x))
        told = found[start : start + width]
        for i in range(width):
            after[i] = w[OWN, i]
            tail = np.float64(level[i])
            inside, up = 0.5 - 0.5 * tail, sign[i] > ZERO_32
            of_size = 0.5 * tail if up else inside
            upper = drawn[i] > 0.5 if sized[i] > ZERO_32 else up
            nearer = of_size if sized[i] > ZERO_32 else tail
            told[i] = 1.0 - nearer if upper else nearer


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
