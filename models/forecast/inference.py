"""The forecasting network in NumPy: recurrent state for thousands of paths, bar by bar.

Keras trains the network (`models.forecast.network`); this module runs the same weights. A path
keeps one dropout mask for its whole length: the mask stands for one network drawn from the
posterior (Gal & Ghahramani 2016, "A theoretically grounded application of dropout in recurrent
neural networks"), and a path lives in one world.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from models.arrays import take_series
from models.forecast.density import OUTPUTS
from models.forecast.recalibration import Memory
from models.forecast.recurrent import COLUMNS, GATE_FACTORS, lstm_steps, network_outputs
from models.forecast.traits import SeriesTraits
from models.forecast.weights import LSTMWeights

_NONE_KEPT = np.empty((0, 0, 0), np.float32)
"""In place of hidden states after every bar, where nobody asks for them."""


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
        scaled = (keep.T.astype(np.float32, order="C") / np.float32(1.0 - rate)).T
        return cls(
            scaled[:, :n_features],
            scaled[:, n_features : n_features + units],
            scaled[:, n_features + units :],
        )

    def softened(self, share: float) -> Masks:
        """Masks that take a share of the way from the mean network, which has ones."""
        return Masks(
            *(1.0 + share * (x - 1.0) for x in (self.inputs, self.recurrent, self.outputs))
        )

    def take(self, rows: np.ndarray) -> Masks:
        """The masks of chosen paths."""
        return Masks(*(take_series(x, rows) for x in (self.inputs, self.recurrent, self.outputs)))


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
        shift: added to what the network says of the log scales of gap and intraday return, shape
            (B, 2); None leaves them as they are.
    """

    hidden: np.ndarray
    cell: np.ndarray
    masks: Masks | None
    scaled: np.ndarray
    volatility: np.ndarray
    traits: SeriesTraits
    memory: Memory
    shift: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.hidden)

    @classmethod
    def concatenate(cls, states: Sequence[RecurrentState]) -> RecurrentState:
        """The mean network's states of all the series of several states, in their order."""

        def joined(arrays: Iterable[np.ndarray]) -> np.ndarray:
            return np.concatenate([array.T for array in arrays], axis=-1).T

        return cls(
            joined(state.hidden for state in states),
            joined(state.cell for state in states),
            None,
            joined(state.scaled for state in states),
            np.concatenate([state.volatility for state in states]),
            SeriesTraits.concatenate([state.traits for state in states]),
            Memory.concatenate([state.memory for state in states]),
        )

    def take(self, rows: np.ndarray) -> RecurrentState:
        """An independent state of chosen paths (repeats allowed)."""
        return RecurrentState(
            take_series(self.hidden, rows),
            take_series(self.cell, rows),
            None if self.masks is None else self.masks.take(rows),
            take_series(self.scaled, rows),
            self.volatility[rows],
            self.traits.take(rows),
            self.memory.take(rows),
            None if self.shift is None else self.shift[rows],
        )


class LSTMInference:
    """LSTM with a linear skip from the features to the outputs, in float32.

    Compiled (`models.forecast.recurrent`). Results have the series contiguous in memory, and
    arguments laid out like that are read without a copy. What a series gives does not depend on
    its batch.

    Args:
        weights: of the network, of F inputs.
        columns: which of the columns that it is given are these, shape (F,); all if None.
        width: how many columns it is given, N; F if None.
    """

    def __init__(
        self, weights: LSTMWeights, columns: np.ndarray | None = None, width: int | None = None
    ) -> None:
        self._weights = weights
        every = np.arange(weights.n_features)
        self._columns = every if columns is None else np.array(columns, np.int64)
        self._width = weights.n_features if width is None else width
        units = weights.units
        # For each unit: (F + H + 1, gates).
        gates = np.concatenate([weights.kernel, weights.recurrent, weights.bias[None]])
        by_unit = gates.reshape(-1, COLUMNS, units).transpose(2, 0, 1) * GATE_FACTORS
        self._gates = np.ascontiguousarray(by_unit, np.float32).reshape(-1)
        heads = np.concatenate([weights.head, weights.skip])
        heads = np.pad(heads, ((0, 0), (0, -heads.shape[1] % COLUMNS)))
        by_group = heads.reshape(len(heads), -1, COLUMNS).transpose(1, 0, 2)
        self._heads = np.ascontiguousarray(by_group).reshape(-1)

    def step(
        self, hidden: np.ndarray, cell: np.ndarray, scaled: np.ndarray, masks: Masks | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """One bar: hidden and cell (B, H) and input (B, N) to the new hidden and cell."""
        inputs = _series_last("inputs", scaled, (len(hidden), self._width))
        return self._steps(inputs[None], hidden, cell, masks, _NONE_KEPT)

    def advance(self, state: RecurrentState) -> None:
        """One bar, to whose inputs (B, N) a state has been brought: hidden and cell in place."""
        inputs = _series_last("inputs", state.scaled, (len(state), self._width))
        state.hidden, state.cell = self._steps(
            inputs[None], state.hidden, state.cell, state.masks, _NONE_KEPT, in_place=True
        )

    def run(
        self, scaled: np.ndarray, masks: Masks | None = None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """A whole window from a state of zero.

        Args:
            scaled: shape (B, W, N), inputs, oldest first.
            masks: one per row, or None for the mean network.

        Returns:
            Hidden states (B, W, H), and the last hidden and cell states (B, H).
        """
        every, hidden, cell = self._run(scaled, masks, every=True)
        return np.moveaxis(every, -1, 0), hidden, cell

    def settle(
        self, scaled: np.ndarray, masks: Masks | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """The last hidden and cell states (B, H) of `run`, and nothing kept of the others."""
        _, hidden, cell = self._run(scaled, masks, every=False)
        return hidden, cell

    def _run(
        self, scaled: np.ndarray, masks: Masks | None, *, every: bool
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        if scaled.ndim != 3 or scaled.shape[2] != self._width:
            shape = f"(B, W, {self._width})"
            raise ValueError(f"inputs must have shape {shape}; received {scaled.shape}")
        zeros = np.zeros((self._weights.units, len(scaled)), dtype=np.float32).T
        inputs = np.ascontiguousarray(np.moveaxis(scaled, 0, -1), dtype=np.float32)
        seen = _NONE_KEPT
        if every:
            seen = np.empty((len(inputs), self._weights.units, len(scaled)), np.float32)
        return seen, *self._steps(inputs, zeros, zeros, masks, seen)

    def _steps(
        self,
        inputs: np.ndarray,
        hidden: np.ndarray,
        cell: np.ndarray,
        masks: Masks | None,
        every: np.ndarray,
        *,
        in_place: bool = False,
    ) -> tuple[np.ndarray, np.ndarray]:
        """From states (B, H) through inputs (T, N, B) to the last ones; see `lstm_steps`."""
        of_states = (inputs.shape[2], self._weights.units)
        before = (
            _series_last("hidden", hidden, of_states),
            _series_last("cell", cell, of_states),
        )
        masked = masks is not None
        on_inputs = on_hidden = before[0]
        if masks is not None:
            on_inputs = _series_last(
                "masks.inputs", masks.inputs, (len(hidden), len(self._columns))
            )
            on_hidden = _series_last("masks.recurrent", masks.recurrent, of_states)
        after = before if in_place else np.empty((2, *of_states[::-1]), np.float32)
        lstm_steps(
            inputs, self._columns, *before, self._gates, masked, on_inputs, on_hidden,
            *after, every,
        )  # fmt: skip
        return after[0].T, after[1].T

    def outputs(
        self, hidden: np.ndarray, scaled: np.ndarray, output_mask: np.ndarray | None
    ) -> np.ndarray:
        """Heads (..., 10), columns `density.OUTPUTS`, from hidden states and inputs; float64."""
        if hidden.ndim > 2:
            shape, units = hidden.shape[:-1], hidden.shape[-1]
            mask = output_mask
            if mask is not None:
                mask = np.broadcast_to(mask, hidden.shape).reshape(-1, units)
            flat = scaled.reshape(-1, scaled.shape[-1])
            return self.outputs(hidden.reshape(-1, units), flat, mask).reshape(*shape, -1)
        count, masked = len(hidden), output_mask is not None
        of_states = (count, self._weights.units)
        read = mask = _series_last("hidden", hidden, of_states)
        if output_mask is not None:
            mask = _series_last("output_mask", output_mask, of_states)
        inputs = _series_last("inputs", scaled, (count, self._width))
        found = np.empty((len(OUTPUTS), count))
        network_outputs(read, inputs, self._columns, self._heads, masked, mask, found)
        return found.T


def _series_last(name: str, values: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """(B, n) as (n, B) float32, contiguous: a view of what this module gives, else a copy.

    Raises:
        ValueError: if the shape is not the one wanted; a kernel would not notice.
    """
    if values.shape != shape:
        raise ValueError(f"{name} must have shape {shape}; received {values.shape}")
    flags = values.flags
    if values.dtype == np.float32 and flags.f_contiguous and flags.writeable:
        return values.T
    return np.array(values.T, dtype=np.float32, order="C")
