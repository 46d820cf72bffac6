"""The gradient side of the convolutional agent: a Keras network and one compiled update.

Kept apart from `convolution`, so that acting needs no TensorFlow.
"""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from models.arrays import read_only

Floats32 = NDArray[np.float32]


class ConvolutionLearner:
    """The network and its optimizer; one serves all trainings of an architecture.

    `load` replaces the weights and forgets the optimizer's moments.

    Attributes:
        network: log odds (batch, 1) of scaled windows (batch, W, D).
    """

    def __init__(
        self,
        window: int,
        width: int,
        filters: int,
        kernel: int,
        batch_size: int,
        weight_decay: float,
    ) -> None:
        self.network = keras.Sequential(
            [
                keras.Input((window, width)),
                keras.layers.Conv1D(filters, kernel, activation="relu"),
                keras.layers.Conv1D(filters, kernel, activation="relu"),
                keras.layers.Flatten(),
                keras.layers.Dense(1),
            ]
        )
        self._optimizer = keras.optimizers.AdamW(1e-3, weight_decay=weight_decay)
        self._optimizer.exclude_from_weight_decay(var_names=["bias"])
        self._optimizer.build(self.network.trainable_variables)
        self._compiled = tf.function(
            self._run,
            input_signature=[
                tf.TensorSpec((None, batch_size, window, width), tf.float32),
                tf.TensorSpec((None, batch_size), tf.float32),
            ],
        )

    def load(self, weights: Sequence[Floats32]) -> None:
        """Set the weights and start the optimizer afresh."""
        self.network.set_weights(list(weights))
        for variable in self._optimizer.variables:
            variable.assign(np.zeros(variable.shape, variable.dtype))

    def weights(self) -> tuple[Floats32, ...]:
        """Copies that are read-only."""
        return tuple(read_only(w, np.float32) for w in self.network.get_weights())

    def update(self, rate: float, inputs: Floats32, chance: Floats32) -> float:
        """U updates on windows (U, batch, W, D) and chances of a rise (U, batch); mean loss."""
        self._optimizer.learning_rate = rate
        return float(self._compiled(inputs, chance))

    def _run(self, inputs: tf.Tensor, chance: tf.Tensor) -> tf.Tensor:
        count = tf.shape(inputs)[0]
        total = tf.constant(0.0)
        variables = self.network.trainable_variables
        for i in tf.range(count):
            with tf.GradientTape() as tape:
                logits = self.network(inputs[i], training=True)[:, 0]
                loss = tf.reduce_mean(
                    tf.nn.sigmoid_cross_entropy_with_logits(labels=chance[i], logits=logits)
                )
            self._optimizer.apply(tape.gradient(loss, variables), variables)
            total += loss
        return total / tf.cast(count, tf.float32)
