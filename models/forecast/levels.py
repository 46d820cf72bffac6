"""Static correction of a forecast's levels: what the families of distributions get wrong.

An asymmetric Student-t has one number for each tail; real gaps have a calmer middle and wilder
extremes than any, real intraday returns tamer ones. The probability integral transforms (PIT) of
all bars that a forecaster was fitted on show it, alike for all symbols. A `LevelMap` sends a PIT u
to the share of PITs below it: linear in log-odds between knots, drawn towards doing nothing where
few bars tell.

It comes before the correction by recent outcomes (`models.forecast.recalibration`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from models.arrays import read_only

KNOTS = (
    0.0003,
    0.001,
    0.003,
    0.01,
    0.03,
    0.1,
    0.25,
    0.5,
    0.75,
    0.9,
    0.97,
    0.99,
    0.997,
    0.999,
    0.9997,
)
"""Levels between which a map bends; beyond the outer ones the odds change by one factor."""

PRIOR_COUNT = 5.0
"""PITs that "nothing is wrong" weighs as much as, between any two knots."""

EDGE = 1e-12
"""Levels are kept this far from 0 and 1, where log-odds are finite."""


@dataclass(frozen=True, eq=False)
class LevelMap:
    """An increasing map of (0, 1) onto itself.

    Attributes:
        mapped: where `KNOTS` go, shape (K,), increasing, in (0, 1); read-only.

    Raises:
        ValueError: for a wrong shape or levels that do not increase within (0, 1).
    """

    mapped: np.ndarray

    def __post_init__(self) -> None:
        mapped = read_only(self.mapped, np.float64)
        if mapped.shape != (len(KNOTS),):
            raise ValueError(f"mapped must have shape ({len(KNOTS)},); received {mapped.shape}")
        if not (np.diff(mapped, prepend=0.0, append=1.0) > 0).all():
            raise ValueError(f"mapped must increase within (0, 1); received {mapped.tolist()}")
        object.__setattr__(self, "mapped", mapped)

    @classmethod
    def identity(cls) -> LevelMap:
        """The map that changes nothing."""
        return cls(np.array(KNOTS))

    @classmethod
    def fit(cls, pits: np.ndarray) -> LevelMap:
        """The map that makes PITs (n,) uniform."""
        widths = np.diff(KNOTS, prepend=0.0, append=1.0)
        counts, _ = np.histogram(pits, bins=[0.0, *KNOTS, 1.0])
        share = widths * (counts + PRIOR_COUNT) / (len(pits) * widths + PRIOR_COUNT)
        return cls(np.cumsum(share / share.sum())[:-1])

    def _bend(self, u: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
        x = special.logit(np.clip(u, EDGE, 1.0 - EDGE))
        inside = np.interp(x, start, end)
        outside = np.minimum(x - start[0], 0.0) + np.maximum(x - start[-1], 0.0)
        return special.expit(inside + outside)

    def distribution(self, u: np.ndarray) -> np.ndarray:
        """Where levels (...) go."""
        return self._bend(u, _KNOT_ODDS, special.logit(self.mapped))

    def quantile(self, level: np.ndarray) -> np.ndarray:
        """Where levels (...) come from; the inverse of `distribution`."""
        return self._bend(level, special.logit(self.mapped), _KNOT_ODDS)

    def density(self, u: np.ndarray) -> np.ndarray:
        """Slope of `distribution` at levels (...)."""
        return self.distribution_and_density(u)[1]

    def distribution_and_density(self, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where levels (...) go, and the slope there."""
        u = np.clip(u, EDGE, 1.0 - EDGE)
        slopes = np.concatenate(
            [[1.0], np.diff(special.logit(self.mapped)) / np.diff(_KNOT_ODDS), [1.0]]
        )
        to = self.distribution(u)
        return to, slopes[np.searchsorted(KNOTS, u)] * to * (1.0 - to) / (u * (1.0 - u))


_KNOT_ODDS = special.logit(np.array(KNOTS))


@dataclass(frozen=True, eq=False)
class LevelMaps:
    """A map for each part of a bar; a wick's is of the levels of positive wicks.

    Attributes:
        maps: in the order of `features.PARTS`.
    """

    maps: tuple[LevelMap, ...]

    @classmethod
    def identity(cls) -> LevelMaps:
        """Maps that change nothing."""
        return cls((LevelMap.identity(),) * 5)

    def __getitem__(self, part: int) -> LevelMap:
        return self.maps[part]

    @property
    def mapped(self) -> np.ndarray:
        """All of them, shape (5, K)."""
        return np.stack([each.mapped for each in self.maps])
