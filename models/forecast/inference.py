"""The forecasting network in NumPy: recurrent state for thousands of paths, bar by bar.

Keras trains the network (`models.forecast.network`); this module runs the same weights. A path
keeps one dropout mask for its whole length: the mask stands for one network drawn from the
posterior (Gal & Ghahramani 2016, "A theoretically grounded application of dropout in recurrent
neural networks"), and a path lives in one world.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from models.forecast.density import OUTPUTS


def weight_shapes(n_features: int, units: int) -> dict[str, tuple[int, ...]]:
    """The network's weights; gates in Keras's order (input, forget, candidate, output)."""
    return {
        "kernel": (n_features, 4 * units),
        "recurrent": (units, 4 * units),
        "bias": (4 * units,),
        "skip": (n_features, len(OUTPUTS)),
        "head": (units, len(OUTPUTS)),
    }


@dataclass(frozen=True)
class Masks:
    """One inverted-dropout mask per path: 0, or 1 / (1 - rate).

    Attributes:
        inputs: shape (B, F), on the features that enter the LSTM.
        recurrent: shape (B, H), on the hidden state that feeds the next step.
        outputs: shape (B, H), on the hidden state that the heads read.
    """

    inputs: np.ndarray
    recurrent: np.ndarray
    outputs: np.ndarray

    @classmethod
    def draw(
        cls, count: int, n_features: int, units: int, rate: float, rng: np.random.Generator
    ) -> Masks:
        """Masks of `count` independent paths."""
        keep = rng.random((count, n_features + 2 * units), dtype=np.float32) >= rate
        scaled = keep.astype(np.float32) / np.float32(1.0 - rate)
        return cls(
            scaled[:, :n_features],
            scaled[:, n_features : n_features + units],
            scaled[:, n_features + units :],
        )

    def take(self, rows: np.ndarray) -> Masks:
        """The masks of chosen paths."""
        return Masks(self.inputs[rows], self.recurrent[rows], self.outputs[rows])


@dataclass
class RecurrentState:
    """Where B paths stand: LSTM state, masks, and the newest feature rows (scaled and plain).

    Attributes:
        hidden, cell: shape (B, H).
        masks: None for the mean network.
        scaled: shape (B, F), network input of the newest bar.
        volatility: shape (B,), baseline volatility at the newest bar.
    """

    hidden: np.ndarray
    cell: np.ndarray
    masks: Masks | None
    scaled: np.ndarray
    volatility: np.ndarray

    def __len__(self) -> int:
        return len(self.hidden)


def _sigmoid(x: np.ndarray) -> np.ndarray:
    # tanh is the fastest transcendental NumPy has for float32, and never overflows.
    return np.float32(0.5) * np.tanh(np.float32(0.5) * x) + np.float32(0.5)


class LSTMInference:
    """LSTM with a linear skip from the features to the outputs, in float32.

    Args:
        weights: arrays as `weight_shapes` says.
    """

    def __init__(self, weights: Mapping[str, np.ndarray]) -> None:
        self._kernel = np.ascontiguousarray(weights["kernel"], dtype=np.float32)
        self._recurrent = np.ascontiguousarray(weights["recurrent"], dtype=np.float32)
        self._bias = np.asarray(weights["bias"], dtype=np.float32)
        self._skip = np.asarray(weights["skip"], dtype=np.float32)
        self._head = np.asarray(weights["head"], dtype=np.float32)
        self.units = self._recurrent.shape[0]
        self.n_features = self._kernel.shape[0]

    def step(
        self, hidden: np.ndarray, cell: np.ndarray, scaled: np.ndarray, masks: Masks | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """One bar: hidden and cell (B, H) and input (B, F) to the new hidden and cell."""
        units = self.units
        if masks is not None:
            scaled, hidden = scaled * masks.inputs, hidden * masks.recurrent
        gates = scaled @ self._kernel
        gates += hidden @ self._recurrent
        gates += self._bias
        entry = _sigmoid(gates[:, :units])
        forget = _sigmoid(gates[:, units : 2 * units])
        candidate = np.tanh(gates[:, 2 * units : 3 * units])
        leave = _sigmoid(gates[:, 3 * units :])
        cell = forget * cell + entry * candidate
        return leave * np.tanh(cell), cell

    def run(
        self, scaled: np.ndarray, masks: Masks | None = None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """A whole window from a state of zero.

        Args:
            scaled: shape (B, W, F), network inputs, oldest first.
            masks: one per row, or None for the mean network.

        Returns:
            Hidden states (B, W, H), and the last hidden and cell states (B, H).
        """
        scaled = np.asarray(scaled, dtype=np.float32)
        batch, steps, _ = scaled.shape
        hidden = np.zeros((batch, self.units), dtype=np.float32)
        cell = np.zeros_like(hidden)
        every = np.empty((batch, steps, self.units), dtype=np.float32)
        for t in range(steps):
            hidden, cell = self.step(hidden, cell, scaled[:, t], masks)
            every[:, t] = hidden
        return every, hidden, cell

    def outputs(
        self, hidden: np.ndarray, scaled: np.ndarray, output_mask: np.ndarray | None
    ) -> np.ndarray:
        """Heads (..., 10), columns `OUTPUTS`, from hidden states and inputs; float64."""
        read = hidden if output_mask is None else hidden * output_mask
        result = read @ self._head + np.asarray(scaled, dtype=np.float32) @ self._skip
        return result.astype(np.float64)
