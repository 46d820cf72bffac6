"""States of paths moved one bar on: what is known of the new bar before the network runs, compiled.

The formulas are those of `models.forecast.scaling`, `models.market.features.baseline_volatility`
and `models.forecast.recalibration.Memory`, for all series of a symbol at a time; tests hold both to
be the same.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.arrays import plain
from models.forecast import recalibration, scaling
from models.forecast.recalibration import Memory
from models.forecast.scaling import FeatureScaler
from models.forecast.traits import SymbolTraits
from models.kernels import LANES, block_of, compiled, exp, hold_and_scale
from models.market.features import BASELINE, COLUMN


@compiled(
    "boolean(float64[:, ::1], int64[::1], float64[:, :, ::1], float64[:, ::1], float64[::1],"
    " float64[:, :], float64[:, :, ::1], float64[::1], float32[:, ::1], float64[::1])",
    fastmath={"contract"},
)
def take_rows(features, rows, ranges, scaling, numbers, pits, sums, count, scaled, volatility):
    """The newest feature rows of B series: network inputs, baseline volatility, memory.

    Args:
        features: shape (F, B).
        rows: of each series' symbol, shape (B,).
        ranges: lowest and highest features of K symbols, shape (K, 2, F).
        scaling: mean of every feature, one over its scale, and which three the baseline is made of
            with their exponents, zero for the others, shape (3, F).
        numbers: of the scaling, the baseline volatility and the memory, then the anchors of K
            symbols (`Advancing.of`).
        pits: of the newest gaps and intraday returns, shape (B, 2); none if B is 0.
        sums: of the memory of outcomes, shape (B, 2, 2), changed in place.
        count: likewise, shape (B,).
        scaled: written to, shape (F, B).
        volatility: written to, shape (B,).

    Returns:
        Whether all features are finite.
    """
    clip = np.float32(numbers[0])
    kept, high = 1.0 - numbers[1], numbers[2]
    decay, of_shift, of_width = numbers[3], numbers[4], numbers[5]
    w = np.zeros((2, LANES))
    wrong, start = 0, 0
    while start < len(rows):
        width, which = block_of(rows, start), rows[start]
        anchor = numbers[6 + which]
        w[0] = 0.0
        for i in range(len(features)):
            low, most = ranges[which, 0, i], ranges[which, 1, i]
            mean, per_scale, exponent = scaling[0, i], scaling[1, i], scaling[2, i]
            values, to = features[i, start : start + width], scaled[i, start : start + width]
            for lane in range(width):
                to[lane] = hold_and_scale(values[lane], low, most, mean, per_scale, clip)
                wrong += 0 if abs(values[lane]) < np.inf else 1
            if exponent != 0.0:
                for lane in range(width):
                    w[0, lane] += exponent * values[lane]
        for lane in range(w.shape[1]):
            above = kept * (w[0, lane] - anchor)
            w[0, lane] = exp(anchor + above - 0.5 * max(above - high, 0.0))
        to = volatility[start : start + width]
        for lane in range(width):
            to[lane] = w[0, lane]
        start += width
    for k in range(len(pits)):
        for part in range(2):
            u = pits[k, part]
            sums[k, part, 0] = decay * sums[k, part, 0] + of_shift * (2.0 * u - 1.0)
            width_term = of_width * (6.0 * u * (u - 1.0) + 1.0)
            sums[k, part, 1] = decay * sums[k, part, 1] + width_term
        count[k] = decay * count[k] + 1.0
    return wrong == 0


@dataclass(frozen=True, eq=False)
class Advancing:
    """What states are moved one bar on with, of K symbols, as the kernel takes it.

    Attributes:
        scaler: of the features.
        ranges: lowest and highest features, shape (K, 2, F).
        scaling: see `take_rows`, shape (3, F).
        numbers: likewise, shape (6 + K,).
    """

    scaler: FeatureScaler
    ranges: np.ndarray
    scaling: np.ndarray
    numbers: np.ndarray

    @classmethod
    def of(cls, scaler: FeatureScaler, traits: SymbolTraits) -> Advancing:
        """Worked out once.

        Args:
            scaler: of the features.
            traits: of K - 1 symbols and strangers.
        """
        exponents = np.zeros(len(scaler.mean))
        for name, exponent in (
            ("volatility_ewma", 1.0),
            ("volatility_long", BASELINE.long),
            ("volatility_range", BASELINE.ranged),
        ):
            exponents[COLUMN[name]] = exponent
        decay, peaks = recalibration._DECAY, recalibration._PEAKS
        numbers = [scaling.CLIP, BASELINE.reversion, BASELINE.high, decay, *peaks]
        return cls(
            scaler,
            np.array(traits.ranges),
            np.stack([scaler.mean, 1.0 / scaler.scale, exponents]),
            np.concatenate([numbers, traits.anchors]),
        )

    def advance(
        self, feature_rows: np.ndarray, rows: np.ndarray, pits: np.ndarray | None, memory: Memory
    ) -> tuple[np.ndarray, np.ndarray, Memory]:
        """Scaled features (B, F), baseline volatility (B,) and memory after the newest bars.

        Args:
            feature_rows: at their close, shape (B, F).
            rows: numbers of the series' symbols, shape (B,).
            pits: of their gaps and intraday returns, shape (B, 2); the memory stays as it is
                without.
            memory: of B series, before.

        Raises:
            ValueError: if the rows are of another shape, or a feature is not finite.
        """
        count, width = len(rows), len(self.scaler.mean)
        if feature_rows.shape != (count, width):
            raise ValueError(
                f"feature rows must have shape ({count}, {width}); received {feature_rows.shape}"
            )
        scaled, volatility = np.empty((width, count), np.float32), np.empty(count)
        after = Memory(memory.sums.copy(), memory.count.copy())
        seen = np.empty((0, 2)) if pits is None else np.asarray(pits, np.float64)
        if not take_rows(
            plain(feature_rows.T), plain(rows, np.int64), self.ranges, self.scaling,
            self.numbers, seen, after.sums, after.count, scaled, volatility,
        ):  # fmt: skip
            raise self.scaler.not_finite(feature_rows)
        return scaled.T, volatility, after
