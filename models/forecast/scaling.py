"""From feature rows to network inputs: standardised, cut off."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.preprocessing import StandardScaler

from models import kernels
from models.arrays import read_only
from models.market.features import COLUMN, FEATURES

CLIP = 6.0
"""Scaled features are cut off at this many standard deviations.

Alternatives: `research.experiments.constants`.
"""


@dataclass(frozen=True, eq=False)
class FeatureScaler:
    """Standardises feature rows.

    Attributes:
        mean: shape (F,).
        scale: standard deviations, shape (F,).
        columns: names of the F features.
    """

    mean: np.ndarray
    scale: np.ndarray
    columns: tuple[str, ...] = FEATURES

    def __post_init__(self) -> None:
        for name in ("mean", "scale"):
            value = read_only(getattr(self, name), np.float64)
            object.__setattr__(self, name, value)
            if value.shape != (len(self.columns),):
                raise ValueError(
                    f"scaler {name} must have shape ({len(self.columns)},); received {value.shape}"
                )
            if not np.isfinite(value).all() or (name == "scale" and not (value > 0).all()):
                rule = "finite and > 0" if name == "scale" else "finite"
                raise ValueError(f"scaler {name} must be {rule}; received {value.tolist()}")

    @classmethod
    def fit(cls, rows: np.ndarray, columns: tuple[str, ...] = FEATURES) -> FeatureScaler:
        """The scaler of feature rows (n, F) with such columns."""
        scaler = StandardScaler().fit(rows)
        return cls(scaler.mean_, scaler.scale_, columns)

    @property
    def log_volatility(self) -> float:
        """Mean log volatility of the rows it was fitted on: the baseline's anchor."""
        return float(self.mean[COLUMN["volatility_ewma"]])

    def scaled(self, rows: np.ndarray) -> np.ndarray:
        """Feature rows (..., F), standardised and cut off at `CLIP`; float32."""
        return np.clip(((rows - self.mean) * (1.0 / self.scale)).astype(np.float32), -CLIP, CLIP)

    def held(self, windows: np.ndarray, bounds: np.ndarray) -> np.ndarray:
        """Windows of feature rows, held within bounds and then `scaled`.

        Args:
            windows: of B series, shape (B, W, F).
            bounds: lowest and highest values, shape (B, 2, F).

        Returns:
            The same shape, float32, the series contiguous in memory.

        Raises:
            ValueError: if a shape is wrong or a feature is not finite.
        """
        width = len(self.columns)
        if windows.ndim != 3 or windows.shape[-1] != width:
            raise ValueError(
                f"feature windows must have shape (B, W, {width}); received {windows.shape}"
            )
        if bounds.shape != (len(windows), 2, width):
            raise ValueError(
                f"bounds must have shape {(len(windows), 2, width)}; received {bounds.shape}"
            )
        of_series = np.require(np.moveaxis(bounds, 0, -1), np.float64, ["C", "W"])
        given = np.require(windows, np.float64, ["C", "W"])
        out = np.empty((*windows.shape[1:], len(windows)), np.float32)
        mean, per_scale = self.mean.copy(), 1.0 / self.scale  # kernels take what may be written to
        if not kernels.scale_windows(given, of_series, mean, per_scale, np.float32(CLIP), out):
            raise self.not_finite(windows)
        return np.moveaxis(out, -1, 0)

    def not_finite(self, rows: np.ndarray) -> ValueError:
        """The error for feature rows (..., F) of which one is not finite."""
        place = tuple(int(i) for i in np.argwhere(~np.isfinite(rows))[0])
        return ValueError(
            f"feature {self.columns[place[-1]]} must be finite; received {rows[place]}"
        )
