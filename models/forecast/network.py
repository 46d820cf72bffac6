"""The Monte Carlo dropout LSTM in Keras, and its training.

Trained sequence to sequence: every step of a window predicts the bar after it, the first
`burn_in` steps excluded, where the state still remembers its start at zero. The dropout masks are
inputs, drawn by the caller from a named stream: one mask per sequence for inputs, recurrent state
and output. That also avoids the trap of Keras 3, where `Dropout(p)(x, training=True)` inside a
functional model repeats the same mask under `predict`.

The loss is the exact negative joint log density of the next bar's five parts
(`models.forecast.density`), plus penalties that shrink the location of returns and the weights.

Compiled training steps are kept per architecture for the life of the process, so retraining every
month compiles nothing.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from models.forecast.density import OUTPUTS, SHAPES, Chain
from models.forecast.inference import Masks, weight_shapes

TENSORFLOW = SimpleNamespace(
    log=tf.math.log,
    log1p=tf.math.log1p,
    exp=tf.exp,
    abs=tf.abs,
    asinh=tf.asinh,
    tanh=tf.tanh,
    sigmoid=tf.sigmoid,
    softplus=tf.nn.softplus,
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
"""How gap and intraday return alone are penalised, relative to their sum."""


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
        for name, shape in weight_shapes(int(input_shape[-1] or 0), self.units).items():
            if name in ("kernel", "recurrent", "bias"):
                # Zeros: `Trainer` sets every weight from the caller's random stream.
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
            entry, forget, candidate, leave = tf.split(gates, 4, axis=-1)
            cell = tf.sigmoid(forget) * cell + tf.sigmoid(entry) * tf.tanh(candidate)
            hidden = tf.sigmoid(leave) * tf.tanh(cell)
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
        self.density_shapes = {
            name: self.add_weight(name=f"shape_{name}", shape=(len(initial),), initializer="zeros")
            for name, initial in SHAPES.items()
        }
        self.built = True

    def call(self, inputs: Any, masks: tuple[Any, Any, Any]) -> Any:
        """Outputs (B, W, 10) for scaled features (B, W, F) and masks (inputs, recurrent, out)."""
        input_mask, recurrent_mask, output_mask = masks
        hidden = self.lstm(inputs, input_mask, recurrent_mask) * output_mask[:, None, :]
        return self.head(hidden) + self.skip(inputs)

    def named_weights(self) -> dict[str, Any]:
        """Every trained variable by the name it is stored under."""
        named = {name: getattr(self.lstm, name) for name in ("kernel", "recurrent", "bias")}
        named |= {"skip": self.skip.kernel, "head": self.head.kernel}
        return named | {f"shape_{name}": v for name, v in self.density_shapes.items()}


def initial_weights(n_features: int, units: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Untrained weights: Glorot and orthogonal LSTM, forget bias 1, heads at zero.

    With heads at zero the forecast starts as the baseline volatility's.
    """
    shapes = weight_shapes(n_features, units)
    limit = np.sqrt(6.0 / sum(shapes["kernel"]))
    orthogonal, upper = np.linalg.qr(rng.normal(size=(4 * units, units)))
    bias = np.zeros(4 * units)
    bias[units : 2 * units] = 1.0
    weights = {
        "kernel": rng.uniform(-limit, limit, shapes["kernel"]),
        "recurrent": (orthogonal * np.sign(np.diag(upper))).T,
        "bias": bias,
        "skip": np.zeros(shapes["skip"]),
        "head": np.zeros(shapes["head"]),
    }
    weights |= {f"shape_{name}": np.array(initial) for name, initial in SHAPES.items()}
    return {name: value.astype(np.float32) for name, value in weights.items()}


class Trainer:
    """One network and its compiled training step; weights go in and come out as arrays."""

    def __init__(self, architecture: Architecture) -> None:
        self.architecture = architecture
        self.model = MCDropoutLSTM(architecture.n_features, architecture.units)
        self._named = self.model.named_weights()
        self._optimizer = keras.optimizers.Adam(learning_rate=1e-3, global_clipnorm=5.0)
        self._optimizer.build(self.model.trainable_variables)
        self._step = tf.function(self._train_step, input_signature=self._signature())

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

    def start(self, weights: Mapping[str, np.ndarray]) -> None:
        """Set the weights and forget the optimizer's momentum."""
        for name, variable in self._named.items():
            variable.assign(weights[name])
        for variable in self._optimizer.variables:
            variable.assign(tf.zeros_like(variable))

    def weights(self) -> dict[str, np.ndarray]:
        """The present weights, as copies."""
        return {name: np.array(variable.numpy()) for name, variable in self._named.items()}

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
            chain = Chain(TENSORFLOW, outputs, volatility[:, burn_in:], self.model.density_shapes)
            density = tf.reduce_sum(chain.log_density(parts[:, burn_in:]), axis=-1)
            loss = -tf.reduce_sum(weight * density) / total
            penalty = self._drift_penalty(outputs, weight / total)
            for name in ("kernel", "recurrent", "skip", "head"):
                penalty += a.weight_penalty * tf.reduce_sum(tf.square(self._named[name]))
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


@functools.lru_cache(maxsize=4)
def trainer(architecture: Architecture) -> Trainer:
    """The process's trainer of an architecture, compiled once."""
    return Trainer(architecture)
