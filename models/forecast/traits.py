"""What is each symbol's own: its range of features, its long-run volatility, its density's shape.

The network is one for all symbols; these few numbers are not. They are drawn towards what all
symbols share (partial pooling), the more so the shorter a symbol's history is, and a symbol that
nothing is known of has exactly that.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from models.arrays import read_only, take_series
from models.forecast.density import DensityParameters
from models.market.features import COLUMN, FEATURES, LOOKBACK, FeatureTable

ANCHOR_BARS = 250
"""Bars that the common long-run volatility weighs as much as: a year of a symbol's own."""


@dataclass(frozen=True, eq=False)
class SeriesTraits:
    """The traits of B series, looked up when they are asked for.

    Attributes:
        rows: of each in `every`, shape (B,).
        every: the traits of the symbols that their forecaster knows.
    """

    rows: np.ndarray
    every: SymbolTraits

    @cached_property
    def ranges(self) -> np.ndarray:
        """Lowest and highest value their features may have, shape (B, 2, F)."""
        return take_series(self.every.ranges, self.rows)

    @cached_property
    def anchors(self) -> np.ndarray:
        """Log volatility per bar their baseline reverts to, shape (B,)."""
        return self.every.anchors[self.rows]

    @cached_property
    def long_run(self) -> np.ndarray:
        """Volatility per bar their baseline reverts to, shape (B,)."""
        return np.exp(self.anchors)

    @cached_property
    def density(self) -> DensityParameters:
        """Parameters of their bar density, arrays (B, n)."""
        return self.every.density.take(self.rows)

    @classmethod
    def concatenate(cls, traits: Sequence[SeriesTraits]) -> SeriesTraits:
        """Of all the series of several, in their order; of one forecaster."""
        return cls(np.concatenate([one.rows for one in traits]), traits[0].every)

    def take(self, index: np.ndarray) -> SeriesTraits:
        """The traits of chosen series."""
        return SeriesTraits(self.rows[index], self.every)


@dataclass(frozen=True, eq=False)
class SymbolTraits:
    """The traits of S symbols, and after them those of any other symbol.

    Attributes:
        symbols: tickers, S of them, each once.
        ranges: lowest and highest value of every feature, shape (S + 1, 2, F); read-only.
        anchors: log volatility per bar that the baseline reverts to, shape (S + 1,); read-only.
        density: parameters of the bar density, arrays (S + 1, n).

    Raises:
        ValueError: if a shape is wrong, a lowest value exceeds the highest, or a symbol comes
            twice.
    """

    symbols: tuple[str, ...]
    ranges: np.ndarray
    anchors: np.ndarray
    density: DensityParameters

    def __post_init__(self) -> None:
        rows = len(self.symbols) + 1
        width = np.shape(self.ranges)[-1]
        if width < len(FEATURES):
            raise ValueError(
                f"symbols' ranges must be of {len(FEATURES)} features or more; received {width}"
            )
        for name, shape in (("ranges", (rows, 2, width)), ("anchors", (rows,))):
            value = read_only(getattr(self, name), np.float64)
            if value.shape != shape:
                raise ValueError(f"symbols' {name} must have shape {shape}; received {value.shape}")
            object.__setattr__(self, name, value)
        if not (self.ranges[:, 0] <= self.ranges[:, 1]).all():
            raise ValueError("feature ranges must have low <= high; received others")
        if len(set(self.symbols)) < len(self.symbols):
            raise ValueError(f"symbols must be named once each; received {list(self.symbols)}")
        for name, (count,) in DensityParameters.shapes().items():
            received = getattr(self.density, name).shape
            if received != (rows, count):
                raise ValueError(
                    f"symbols' density parameter {name} must have shape {(rows, count)}; "
                    f"received {received}"
                )

    @classmethod
    def of(
        cls, tables: Sequence[FeatureTable], anchor: float, density: DensityParameters
    ) -> SymbolTraits:
        """What histories say of ranges and long-run volatilities; all densities the common one.

        Args:
            tables: of S histories.
            anchor: common log volatility per bar.
            density: common parameters.
        """
        rows = [table.rows[LOOKBACK:] for table in tables]
        ranges = np.stack([np.stack([row.min(axis=0), row.max(axis=0)]) for row in rows])
        widest = np.stack([ranges[:, 0].min(axis=0), ranges[:, 1].max(axis=0)])
        own = [
            (row[:, COLUMN["volatility_ewma"]].sum() + ANCHOR_BARS * anchor)
            / (len(row) + ANCHOR_BARS)
            for row in rows
        ]
        return cls(
            tuple(table.symbol for table in tables),
            np.concatenate([ranges, widest[None]]),
            np.array([*own, anchor]),
            density.take((None,)).take(np.zeros(len(rows) + 1, np.int64)),
        )

    def with_density(self, density: DensityParameters) -> SymbolTraits:
        """The same with other density parameters, arrays (S + 1, n)."""
        return dataclasses.replace(self, density=density)

    def and_those_of(self, other: SymbolTraits) -> SymbolTraits:
        """These traits and another's; where both know a symbol, the other's; strangers as here."""
        kept = [i for i, symbol in enumerate(self.symbols) if symbol not in other.symbols]
        new = len(other.symbols)

        def joined(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
            return np.concatenate([ours[kept], theirs[:new], ours[-1:]])

        return SymbolTraits(
            (*(self.symbols[i] for i in kept), *other.symbols),
            joined(self.ranges, other.ranges),
            joined(self.anchors, other.anchors),
            DensityParameters.split(joined(self.density.joined(), other.density.joined())),
        )

    def of_series(self, symbols: Sequence[str] | np.ndarray) -> SeriesTraits:
        """The traits of B series by their symbols; the last ones for strangers."""
        names, inverse = np.unique(np.asarray(symbols, dtype=str), return_inverse=True)
        place = {symbol: i for i, symbol in enumerate(self.symbols)}
        known = np.array([place.get(name, len(self.symbols)) for name in names], np.int64)
        return SeriesTraits(known[inverse], self)

    @property
    def common(self) -> DensityParameters:
        """The density's parameters of a symbol that nothing is known of."""
        return self.density.take(-1)
