"""The Monte Carlo dropout LSTM in Keras, and its training.

Trained sequence to sequence: every step of a window predicts the bar after it, the first
`burn_in` steps excluded, where the state still remembers its start at zero. The dropout masks are
inputs, drawn by the caller from a named stream: one mask per sequence for inputs, recurrent state
and output. That also avoids the trap of Keras 3, where `Dropout(p)(x, training=True)` inside a
functional model repeats the same mask under `predict`.

The loss is the exact negative joint log density of the next bar's five parts
(`models.forecast.density`), plus penalties that shrink the location of returns and the weights.

A compiled training step is kept per architecture for the life of the process, so retraining every
month compiles nothing. Whoever trains borrows it alone (`CompiledTrainer.borrow`): two trainings of
one architecture at once, from two threads, take turns.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from models.forecast.density import OUTPUTS, BarDensity, DensityParameters
from models.forecast.inference import Masks
from models.forecast.weights import LSTMWeights, NetworkWeights

TENSORFLOW = SimpleNamespace(
    log=tf.math.log,
    log1p=tf.math.log1p,
    exp=tf.exp,
    asinh=tf.asinh,
    tanh=tf.tanh,
    sqrt=tf.sqrt,
    softplus=tf.nn.softplus,
    sigmoid=tf.sigmoid,
    lgamma=tf.math.lgamma,
    where=tf.where,
    maximum=tf.maximum,
    stack=tf.stack,
)
"""The operations of `models.forecast.density`, in TensorFlow."""


MEAN_PENALTY = 0.2
"""Weight of the squared mean location of close-to-close returns, in volatilities.

The mean return is a risk premium and not to be taken away, only estimated with care: with some
3,000 bars this is a normal prior of deviation 0.03 on the daily Sharpe ratio, 0.5 a year.
"""

PART_PENALTY = 0.05
"""How gap and intraday return alone are penalised, relative to their sum.

Alternatives to both penalties: `research.experiments.constants`.
"""

MAX_GRADIENT_NORM = 5.0
"""Gradients longer than this are shortened (Pascanu, Mikolov & Bengio 2013)."""


@dataclass(frozen=True)
class Architecture:
    """What a compiled training step depends on.

    Attributes:
        n_features: columns of the input.
        units: LSTM units.
        window: bars in a training sequence.
        burn_in: first steps of a sequence that are not trained on.
        batch: sequences in a training step.
        drift_penalty: weight of the variance of the location of returns (in volatilities).
        weight_penalty: weight of the squared weights.
    """

    n_features: int
    units: int
    window: int
    burn_in: int
    batch: int
    drift_penalty: float
    weight_penalty: float


class VariationalLSTM(keras.layers.Layer):
    """LSTM over a window with one given dropout mask per sequence.

    With masks of ones it equals `keras.layers.LSTM` with the same weights (tested).
    """

    def __init__(self, units: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units = units

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the weights for inputs of shape (B, W, F)."""
        for name, shape in LSTMWeights.shapes(int(input_shape[-1] or 0), self.units).items():
            if name in ("kernel", "recurrent", "bias"):
                # Zeros: `CompiledTrainer` sets every weight from the caller's random stream.
                weight = self.add_weight(name=name, shape=shape, initializer="zeros")
                setattr(self, name, weight)

    def call(self, inputs: Any, input_mask: Any, recurrent_mask: Any) -> Any:
        """Hidden states (B, W, H) for inputs (B, W, F) and masks (B, F), (B, H)."""
        projected = tf.matmul(inputs * input_mask[:, None, :], self.kernel) + self.bias
        hidden = tf.zeros_like(recurrent_mask)
        cell = tf.zeros_like(recurrent_mask)
        every = []
        # Unrolled: three times as fast as a while loop for states this small.
        for row in tf.unstack(projected, axis=1):
            gates = row + tf.matmul(hidden * recurrent_mask, self.recurrent)
            input_gate, forget_gate, candidate, output_gate = tf.split(gates, 4, axis=-1)
            cell = tf.sigmoid(forget_gate) * cell + tf.sigmoid(input_gate) * tf.tanh(candidate)
            hidden = tf.sigmoid(output_gate) * tf.tanh(cell)
            every.append(hidden)
        return tf.stack(every, axis=1)


class MCDropoutLSTM(keras.Model):
    """Features of a window to the outputs of the bar density at each of its steps."""

    def __init__(self, n_features: int, units: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.lstm = VariationalLSTM(units, name="lstm")
        self.skip = keras.layers.Dense(
            len(OUTPUTS), use_bias=False, kernel_initializer="zeros", name="skip"
        )
        self.head = keras.layers.Dense(
            len(OUTPUTS), use_bias=False, kernel_initializer="zeros", name="head"
        )
        self.lstm.build((None, None, n_features))
        self.skip.build((None, None, n_features))
        self.head.build((None, None, units))
        self.density = DensityParameters(
            **{
                name: self.add_weight(name=f"density_{name}", shape=shape, initializer="zeros")
                for name, shape in DensityParameters.shapes().items()
            }
        )
        self.built = True

    def call(self, inputs: Any, masks: tuple[Any, Any, Any]) -> Any:
        """Outputs (B, W, 10) for scaled features (B, W, F) and masks (inputs, recurrent, out)."""
        input_mask, recurrent_mask, output_mask = masks
        hidden = self.lstm(inputs, input_mask, recurrent_mask) * output_mask[:, None, :]
        return self.head(hidden) + self.skip(inputs)

    def lstm_variables(self) -> dict[str, Any]:
        """The variables behind `LSTMWeights`, by name."""
        named = {name: getattr(self.lstm, name) for name in ("kernel", "recurrent", "bias")}
        return named | {"skip": self.skip.kernel, "head": self.head.kernel}

    def assign(self, weights: NetworkWeights) -> None:
        """Set every weight."""
        for name, value in weights.lstm.by_name().items():
            self.lstm_variables()[name].assign(value)
        for name, value in weights.density.by_name().items():
            getattr(self.density, name).assign(value)

    def network_weights(self) -> NetworkWeights:
        """The present weights: copies, read-only."""
        lstm = {name: variable.numpy() for name, variable in self.lstm_variables().items()}
        density = {name: variable.numpy() for name, variable in self.density.by_name().items()}
        return NetworkWeights(LSTMWeights(**lstm), DensityParameters(**density))


def initial_weights(n_features: int, units: int, rng: np.random.Generator) -> NetworkWeights:
    """Untrained weights: Glorot and orthogonal LSTM, forget bias 1, heads at zero.

    With heads at zero the forecast starts as the baseline volatility's.
    """
    shapes = LSTMWeights.shapes(n_features, units)
    limit = np.sqrt(6.0 / sum(shapes["kernel"]))
    orthogonal, upper = np.linalg.qr(rng.normal(size=(4 * units, units)))
    bias = np.zeros(4 * units)
    bias[units : 2 * units] = 1.0
    lstm = LSTMWeights(
        kernel=rng.uniform(-limit, limit, shapes["kernel"]),
        recurrent=(orthogonal * np.sign(np.diag(upper))).T,
        bias=bias,
        skip=np.zeros(shapes["skip"]),
        head=np.zeros(shapes["head"]),
    )
    return NetworkWeights(lstm, DensityParameters.initial())


class CompiledTrainer:
    """One network and its compiled training step, to be borrowed by one training at a time.

    Weights go in when it is borrowed (`borrow`) and come out as read-only copies, so nothing that
    a training got from it changes when the next one starts.
    """

    def __init__(self, architecture: Architecture) -> None:
        self.architecture = architecture
        self._lock = threading.Lock()
        self._borrower: int | None = None
        self.model = MCDropoutLSTM(architecture.n_features, architecture.units)
        self._optimizer = keras.optimizers.Adam(
            learning_rate=1e-3, global_clipnorm=MAX_GRADIENT_NORM
        )
        self._optimizer.build(self.model.trainable_variables)
        # No Python of it depends on tensors: to translate it first would double the compiling.
        self._step = tf.function(
            self._train_step, input_signature=self._signature(), autograph=False
        )

    def _signature(self) -> list[tf.TensorSpec]:
        a = self.architecture
        shapes = [
            (a.batch, a.window, a.n_features),
            (a.batch, a.window),
            (a.batch, a.window, 5),
            (a.batch, a.window),
            (a.batch, a.n_features),
            (a.batch, a.units),
            (a.batch, a.units),
            (),
        ]
        return [tf.TensorSpec(shape, tf.float32) for shape in shapes]

    @contextmanager
    def borrow(self, weights: NetworkWeights) -> Iterator[CompiledTrainer]:
        """The trainer with the given weights, no momentum, and nobody else's hands on it.

        A second thread that wants it waits until the first one is through. Only the borrowing
        thread can call `step` and `weights`, and only inside the ``with`` block.

        Raises:
            RuntimeError: if the thread has borrowed it already: it would wait for itself.
        """
        if self._borrower == threading.get_ident():
            raise RuntimeError("a trainer must be given back before it is borrowed again")
        with self._lock:
            self._borrower = threading.get_ident()
            try:
                self.model.assign(weights)
                for variable in self._optimizer.variables:
                    variable.assign(tf.zeros_like(variable))
                yield self
            finally:
                self._borrower = None

    def _require_borrower(self) -> None:
        if self._borrower != threading.get_ident():
            raise RuntimeError("a trainer must be borrowed by the thread that uses it")

    def weights(self) -> NetworkWeights:
        """The present weights: copies, read-only."""
        self._require_borrower()
        return self.model.network_weights()

    def step(
        self,
        inputs: np.ndarray,
        volatility: np.ndarray,
        parts: np.ndarray,
        weight: np.ndarray,
        masks: Masks,
        learning_rate: float,
    ) -> float:
        """One update on a batch.

        Args:
            inputs: shape (batch, W, F), scaled features.
            volatility: shape (batch, W), baseline volatility per bar.
            parts: shape (batch, W, 5), the bar after each step.
            weight: shape (batch, W), 0 for steps that must not be learned from.
            masks: one per sequence.
            learning_rate: of Adam.

        Returns:
            Mean negative log density per bar, before the update.
        """
        self._require_borrower()
        arrays = (inputs, volatility, parts, weight, masks.inputs, masks.recurrent, masks.outputs)
        tensors = [tf.constant(array, tf.float32) for array in arrays]
        return float(self._step(*tensors, tf.constant(learning_rate, tf.float32)))

    def _train_step(
        self,
        inputs: Any,
        volatility: Any,
        parts: Any,
        weight: Any,
        input_mask: Any,
        recurrent_mask: Any,
        output_mask: Any,
        learning_rate: Any,
    ) -> Any:
        a, burn_in = self.architecture, self.architecture.burn_in
        variables = self.model.trainable_variables
        with tf.GradientTape() as tape:
            outputs = self.model(inputs, (input_mask, recurrent_mask, output_mask))
            outputs, weight = outputs[:, burn_in:], weight[:, burn_in:]
            # At least 1: a batch may consist of held-out bars only.
            total = tf.maximum(tf.reduce_sum(weight), 1.0)
            density = BarDensity(TENSORFLOW, outputs, volatility[:, burn_in:], self.model.density)
            log_density = tf.reduce_sum(density.log_density(parts[:, burn_in:]), axis=-1)
            loss = -tf.reduce_sum(weight * log_density) / total
            penalty = self._drift_penalty(outputs, weight / total)
            penalised = self.model.lstm_variables()
            for name in ("kernel", "recurrent", "skip", "head"):
                penalty += a.weight_penalty * tf.reduce_sum(tf.square(penalised[name]))
            objective = loss + penalty
        self._optimizer.learning_rate.assign(learning_rate)
        self._optimizer.apply(tape.gradient(objective, variables), variables)
        return loss

    def _drift_penalty(self, outputs: Any, share: Any) -> Any:
        """Penalty on the locations of returns; `share` (B, W) weighs the bars and sums to 1.

        Mostly on their sum: a stock that gaps up and falls back during the day has no drift.
        """
        gap = outputs[..., OUTPUTS.index("gap_location")]
        intraday = outputs[..., OUTPUTS.index("intraday_location")]

        def mean_and_variance(location: Any) -> tuple[Any, Any]:
            mean = tf.reduce_sum(share * location)
            return mean, tf.reduce_sum(share * tf.square(location - mean))

        mean, variance = mean_and_variance(gap + intraday)
        of_parts = mean_and_variance(gap)[1] + mean_and_variance(intraday)[1]
        variation = variance + PART_PENALTY * of_parts
        return self.architecture.drift_penalty * variation + MEAN_PENALTY * tf.square(mean)


_TRAINERS: dict[Architecture, CompiledTrainer] = {}
_TRAINERS_LOCK = threading.Lock()


def trainer(architecture: Architecture) -> CompiledTrainer:
    """The process's trainer of an architecture, compiled once; borrow it to train."""
    with _TRAINERS_LOCK:
        if architecture not in _TRAINERS:
            _TRAINERS[architecture] = CompiledTrainer(architecture)
        return _TRAINERS[architecture]
