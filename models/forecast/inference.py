"""The forecasting network in NumPy: recurrent state for thousands of paths, bar by bar.

Keras trains the network (`models.forecast.network`); this module runs the same weights. A path
keeps one dropout mask for its whole length: the mask stands for one network drawn from the
posterior (Gal & Ghahramani 2016, "A theoretically grounded application of dropout in recurrent
neural networks"), and a path lives in one world.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.forecast.recalibration import Memory
from models.forecast.traits import SeriesTraits
from models.forecast.weights import LSTMWeights


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
    """Where B paths stand at their newest bar.

    Attributes:
        hidden: shape (B, H).
        cell: shape (B, H).
        masks: None for the mean network.
        scaled: features of the newest bar, held within bounds and scaled, shape (B, F).
        volatility: baseline volatility of the next bar, shape (B,).
        traits: what is each path's own by its symbol.
        memory: what each path's recent outcomes said of their forecasts.
    """

    hidden: np.ndarray
    cell: np.ndarray
    masks: Masks | None
    scaled: np.ndarray
    volatility: np.ndarray
    traits: SeriesTraits
    memory: Memory

    def __len__(self) -> int:
        return len(self.hidden)


def _sigmoid(x: np.ndarray) -> np.ndarray:
    # tanh is the fastest transcendental NumPy has for float32, and never overflows.
    return np.float32(0.5) * np.tanh(np.float32(0.5) * x) + np.float32(0.5)


class LSTMInference:
    """LSTM with a linear skip from the features to the outputs, in float32."""

    def __init__(self, weights: LSTMWeights) -> None:
        self._weights = weights

    def step(
        self, hidden: np.ndarray, cell: np.ndarray, scaled: np.ndarray, masks: Masks | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """One bar: hidden and cell (B, H) and input (B, F) to the new hidden and cell."""
        weights, units = self._weights, self._weights.units
        if masks is not None:
            scaled, hidden = scaled * masks.inputs, hidden * masks.recurrent
        gates = scaled @ weights.kernel
        gates += hidden @ weights.recurrent
        gates += weights.bias
        input_gate = _sigmoid(gates[:, :units])
        forget_gate = _sigmoid(gates[:, units : 2 * units])
        candidate = np.tanh(gates[:, 2 * units : 3 * units])
        output_gate = _sigmoid(gates[:, 3 * units :])
        cell = forget_gate * cell + input_gate * candidate
        return output_gate * np.tanh(cell), cell

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
        units = self._weights.units
        hidden = np.zeros((batch, units), dtype=np.float32)
        cell = np.zeros_like(hidden)
        every = np.empty((batch, steps, units), dtype=np.float32)
        for t in range(steps):
            hidden, cell = self.step(hidden, cell, scaled[:, t], masks)
            every[:, t] = hidden
        return every, hidden, cell

    def outputs(
        self, hidden: np.ndarray, scaled: np.ndarray, output_mask: np.ndarray | None
    ) -> np.ndarray:
        """Heads (..., 10), columns `density.OUTPUTS`, from hidden states and inputs; float64."""
        read = hidden if output_mask is None else hidden * output_mask
        weights = self._weights
        result = read @ weights.head + np.asarray(scaled, dtype=np.float32) @ weights.skip
        return result.astype(np.float64)
