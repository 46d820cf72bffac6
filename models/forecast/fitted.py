"""What a fit leaves behind: everything a forecaster knows, and how it is kept as arrays."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.forecast.config import ForecasterConfig
from models.forecast.density import DensityParameters
from models.forecast.levels import KNOTS, LevelMap, LevelMaps
from models.forecast.scaling import FeatureScaler
from models.forecast.traits import SymbolTraits
from models.forecast.weights import LSTMWeights, NetworkWeights


@dataclass(frozen=True, eq=False)
class FittedForecaster:
    """A trained and calibrated network with all it needs to forecast.

    Attributes:
        config: as fitted.
        weights: as trained; a warm start goes on from them.
        scaler: of the features.
        traits: what is each symbol's own; forecasts are made with its density parameters.
        levels: what the distributions' families get wrong, alike for all symbols.
        curve: shape (epochs, 3): epoch, training loss, early-stopping loss (negative log density
            of a bar).
        data_end: time of the newest bar it has seen.
        converged: whether the calibration's optimizer came to its end.
    """

    config: ForecasterConfig
    weights: NetworkWeights
    scaler: FeatureScaler
    traits: SymbolTraits
    levels: LevelMaps
    curve: np.ndarray
    data_end: np.datetime64
    converged: bool

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Everything as plain arrays by name."""
        arrays = {f"weight_{name}": x for name, x in self.weights.lstm.by_name().items()}
        arrays |= {f"density_{name}": x for name, x in self.weights.density.by_name().items()}
        arrays |= {f"traits_{name}": x for name, x in self.traits.density.by_name().items()}
        arrays |= {
            "scaler_mean": self.scaler.mean,
            "scaler_scale": self.scaler.scale,
            "traits_ranges": self.traits.ranges,
            "traits_anchors": self.traits.anchors,
            "levels": self.levels.mapped,
            "curve": self.curve,
        }
        about = {
            "config": dataclasses.asdict(self.config),
            "symbols": self.traits.symbols,
            "features": self.config.columns,
            "data_end": str(self.data_end),
            "converged": self.converged,
        }
        arrays["about"] = np.frombuffer(json.dumps(about).encode(), dtype=np.uint8)
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> FittedForecaster:
        """What `to_arrays` gave.

        Raises:
            ValueError: if an array is missing, has the wrong shape, or was made with other
                features.
        """
        about = _about(arrays)
        config = ForecasterConfig(**about["config"])
        if tuple(about["features"]) != config.columns:
            raise ValueError("forecaster arrays must be made with the present features")
        _check_shapes(arrays, config, len(about["symbols"]))

        def density(prefix: str) -> DensityParameters:
            names = DensityParameters.shapes()
            return DensityParameters(**{n: np.asarray(arrays[f"{prefix}_{n}"]) for n in names})

        lstm = {
            name: arrays[f"weight_{name}"]
            for name in LSTMWeights.shapes(len(config.network_columns), config.units)
        }
        return cls(
            config=config,
            weights=NetworkWeights(LSTMWeights(**lstm), density("density")),
            scaler=FeatureScaler(arrays["scaler_mean"], arrays["scaler_scale"], config.columns),
            traits=SymbolTraits(
                tuple(about["symbols"]),
                arrays["traits_ranges"],
                arrays["traits_anchors"],
                density("traits"),
            ),
            levels=LevelMaps(tuple(LevelMap(row) for row in arrays["levels"])),
            curve=np.asarray(arrays["curve"]),
            data_end=np.datetime64(about["data_end"], "ns"),
            converged=about["converged"],
        )


def _about(arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """What is not an array, checked."""
    if "about" not in arrays:
        raise ValueError("forecaster arrays must hold 'about'; it is missing")
    about = json.loads(np.asarray(arrays["about"], dtype=np.uint8).tobytes().decode())
    wanted = ("config", "symbols", "features", "data_end", "converged")
    missing = [name for name in wanted if name not in about]
    if missing:
        raise ValueError(f"forecaster arrays' 'about' must name {missing[0]}; it is missing")
    settings = {field.name for field in dataclasses.fields(ForecasterConfig)}
    if set(about["config"]) != settings:
        other = sorted(set(about["config"]) ^ settings)
        raise ValueError(
            f"forecaster arrays must be made with the present settings; {other} differ"
        )
    return about


def _check_shapes(
    arrays: Mapping[str, np.ndarray], config: ForecasterConfig, n_symbols: int
) -> None:
    lstm = LSTMWeights.shapes(len(config.network_columns), config.units)
    width = len(config.columns)
    expected = {f"weight_{name}": shape for name, shape in lstm.items()}
    for name, shape in DensityParameters.shapes().items():
        expected |= {f"density_{name}": shape, f"traits_{name}": (n_symbols + 1, *shape)}
    expected |= {"scaler_mean": (width,), "scaler_scale": (width,)}
    expected |= {
        "traits_ranges": (n_symbols + 1, 2, width),
        "traits_anchors": (n_symbols + 1,),
        "levels": (5, len(KNOTS)),
    }
    for name, shape in expected.items():
        if name not in arrays or np.shape(arrays[name]) != shape:
            received = np.shape(arrays[name]) if name in arrays else "nothing"
            raise ValueError(
                f"forecaster array {name} must have shape {shape}; received {received}"
            )
        if not np.isfinite(arrays[name]).all():
            raise ValueError(f"forecaster array {name} must be finite; received others")
    if "curve" not in arrays or np.ndim(arrays["curve"]) != 2:
        raise ValueError("forecaster array curve must have shape (epochs, 3)")
