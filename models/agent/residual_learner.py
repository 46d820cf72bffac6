"""The gradient side of the residual agent: its network in TensorFlow.

Kept apart from `residual_agent`, so that acting needs no TensorFlow. What the network is trained
on, and through, is `sim.residual_training`'s.
"""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from models.agent.account import EXPOSURE_LIMIT
from models.agent.residual_agent import ResidualAgentConfig
from models.arrays import read_only
from models.limits import TOLERANCE

Floats32 = NDArray[np.float32]


class ResidualLearner:
    """The network and its optimizer; one serves all trainings of an architecture.

    `load` replaces the weights and forgets the optimizer's moments.
    """

    def __init__(self, config: ResidualAgentConfig) -> None:
        self._market = config.market_width
        self._range = config.range
        self._low = -1.0 if config.policy.allow_short else 0.0
        self.variables = [tf.Variable(tf.zeros(shape)) for shape in config.shapes]
        self._optimizer = keras.optimizers.Adam(1e-3)
        self._optimizer.build(self.variables)

    def load(self, weights: Sequence[Floats32]) -> None:
        """Set the weights and start the optimizer afresh."""
        for variable, value in zip(self.variables, weights, strict=True):
            variable.assign(value)
        for variable in self._optimizer.variables:
            variable.assign(np.zeros(variable.shape, variable.dtype))

    def weights(self) -> tuple[Floats32, ...]:
        """Copies that are read-only."""
        return tuple(read_only(variable.numpy(), np.float32) for variable in self.variables)

    def set_rate(self, rate: float) -> None:
        """Learning rate of the next updates."""
        self._optimizer.learning_rate = rate

    def apply(self, gradients: Sequence[tf.Tensor]) -> None:
        """One update of the weights."""
        self._optimizer.apply(gradients, self.variables)

    def opening(self, market: tf.Tensor) -> tf.Tensor:
        """What the first layer makes of inputs (..., K) that do not depend on what is held."""
        return tf.tensordot(market, self.variables[0][: self._market], 1) + self.variables[1]

    def correction(
        self, opening: tf.Tensor, exposure: tf.Tensor, caps: tf.Tensor, gross: float
    ) -> tf.Tensor:
        """As `models.agent.residual_agent.ResidualAgent.correction`, shape (B, S), float64.

        Args:
            opening: of the market, shape (B, S, U), float32.
            exposure: of the accounts, shape (B, S), float64.
            caps: shape (B, S), float64.
            gross: bound on the sum of absolute weights.
        """
        held = tf.clip_by_value(exposure, -EXPOSURE_LIMIT, EXPOSURE_LIMIT)
        total = tf.reduce_sum(tf.abs(exposure * caps), axis=1, keepdims=True) / gross
        total = tf.broadcast_to(total, tf.shape(held))
        position = tf.cast(tf.stack([held, total], axis=-1), tf.float32)
        first = opening + tf.tensordot(position, self.variables[0][self._market :], 1)
        pairs = len(self.variables) // 2
        layer = tf.nn.relu(first)
        others = tf.reduce_mean(layer, axis=1, keepdims=True)
        layer = tf.concat([layer, tf.broadcast_to(others, tf.shape(layer))], axis=-1)
        for i in range(1, pairs):
            layer = tf.tensordot(layer, self.variables[2 * i], 1) + self.variables[2 * i + 1]
            if i < pairs - 1:
                layer = tf.nn.relu(layer)
        return self._range * tf.tanh(tf.cast(layer[..., 0], tf.float64))

    def target(
        self, asked: tf.Tensor, caps: tf.Tensor, gross: float
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Exposures as `models.agent.residual_agent.ResidualAgent.target` has them.

        Args:
            asked: aim and correction together, shape (B, S).
            caps: shape (B, S).
            gross: bound on the sum of absolute weights.

        Returns:
            Targets, and how far beyond its bounds each was asked to be; both (B, S).
        """
        kept = tf.clip_by_value(asked, tf.constant(self._low, tf.float64), 1.0)
        total = tf.reduce_sum(tf.abs(kept * caps), axis=1, keepdims=True)
        over = total > gross * (1.0 + TOLERANCE)
        scaled = kept * (gross / tf.where(over, total, tf.ones_like(total)))
        return tf.where(over, scaled, kept), asked - kept
