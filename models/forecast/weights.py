"""The weights of the forecasting network, checked and read-only."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from models.forecast.density import OUTPUTS, DensityParameters


@dataclass(frozen=True, eq=False)
class LSTMWeights:
    """An LSTM with a linear skip from the features to the outputs; read-only float32 copies.

    Gates in Keras's order: input, forget, candidate, output.

    Attributes:
        kernel: shape (F, 4 H).
        recurrent: shape (H, 4 H).
        bias: shape (4 H,).
        skip: shape (F, 10), columns `density.OUTPUTS`.
        head: shape (H, 10), likewise.

    Raises:
        ValueError: naming the weight whose shape does not fit the others.
    """

    kernel: np.ndarray
    recurrent: np.ndarray
    bias: np.ndarray
    skip: np.ndarray
    head: np.ndarray

    def __post_init__(self) -> None:
        for name in self.by_name():
            value = np.array(getattr(self, name), dtype=np.float32, order="C")
            value.setflags(write=False)
            object.__setattr__(self, name, value)
        for name in ("kernel", "recurrent"):
            if getattr(self, name).ndim != 2:
                raise ValueError(
                    f"LSTM weight {name} must have two axes; "
                    f"received shape {getattr(self, name).shape}"
                )
        for name, shape in self.shapes(self.n_features, self.units).items():
            if getattr(self, name).shape != shape:
                raise ValueError(
                    f"LSTM weight {name} must have shape {shape} for {self.n_features} features "
                    f"and {self.units} units; received {getattr(self, name).shape}"
                )

    @staticmethod
    def shapes(n_features: int, units: int) -> dict[str, tuple[int, ...]]:
        """The shape of every weight, by name."""
        return {
            "kernel": (n_features, 4 * units),
            "recurrent": (units, 4 * units),
            "bias": (4 * units,),
            "skip": (n_features, len(OUTPUTS)),
            "head": (units, len(OUTPUTS)),
        }

    @property
    def n_features(self) -> int:
        """F."""
        return self.kernel.shape[0]

    @property
    def units(self) -> int:
        """H."""
        return self.recurrent.shape[0]

    def by_name(self) -> dict[str, np.ndarray]:
        """The weights by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


@dataclass(frozen=True, eq=False)
class NetworkWeights:
    """All that training moves.

    Attributes:
        lstm: the network's weights.
        density: the parameters of the bar density that are the same for every bar.
    """

    lstm: LSTMWeights
    density: DensityParameters
