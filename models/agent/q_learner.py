"""The gradient side of the Q agent: Keras networks and one compiled update.

Kept apart from `q_agent`, so that acting needs no TensorFlow.
"""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from models.agent.account import ACCOUNT_FEATURES
from models.arrays import read_only

Floats32 = NDArray[np.float32]


def _network(input_width: int, units: Sequence[int], n_actions: int) -> keras.Model:
    layers = [keras.layers.Dense(width, activation="relu") for width in units]
    model = keras.Sequential([keras.Input((input_width,)), *layers, keras.layers.Dense(n_actions)])
    return model


class CompiledLearner:
    """Two networks, an optimizer and the update between them.

    The update is traced once for its fixed batch shapes and serves every later training of the
    same architecture: `load` replaces weights and forgets the optimizer's moments.
    """

    def __init__(
        self,
        input_width: int,
        units: tuple[int, ...],
        n_actions: int,
        batch_size: int,
        discount: float,
        tau: float,
        weight_decay: float,
    ) -> None:
        self._online = _network(input_width, units, n_actions)
        self._target = _network(input_width, units, n_actions)
        self._optimizer = keras.optimizers.AdamW(1e-3, weight_decay=weight_decay)
        self._optimizer.exclude_from_weight_decay(var_names=["bias"])
        self._optimizer.build(self._online.trainable_variables)
        self._discount, self._tau = discount, tau
        self._actions = n_actions
        market = input_width - len(ACCOUNT_FEATURES)

        def batches(*shape: int) -> tf.TensorSpec:
            return tf.TensorSpec((None, batch_size, *shape), tf.float32)

        self._compiled = tf.function(
            self._run,
            input_signature=[
                batches(input_width),
                batches(n_actions),
                batches(market),
                batches(n_actions, len(ACCOUNT_FEATURES)),
                batches(n_actions),
            ],
        )
        self._compiled_taken = tf.function(
            self._run_taken,
            input_signature=[
                batches(input_width),
                tf.TensorSpec((None, batch_size), tf.int32),
                batches(),
                batches(input_width),
                batches(),
            ],
        )

    def load(self, online: Sequence[Floats32], target: Sequence[Floats32]) -> None:
        """Set the weights of both networks and start the optimizer afresh."""
        self._online.set_weights(list(online))
        self._target.set_weights(list(target))
        for variable in self._optimizer.variables:
            variable.assign(np.zeros(variable.shape, variable.dtype))

    def weights(self) -> tuple[tuple[Floats32, ...], tuple[Floats32, ...]]:
        """Weights of the online and the target network, as copies that are read-only."""
        return (
            tuple(read_only(w, np.float32) for w in self._online.get_weights()),
            tuple(read_only(w, np.float32) for w in self._target.get_weights()),
        )

    def update(
        self,
        rate: float,
        inputs: Floats32,
        reward: Floats32,
        next_market: Floats32,
        next_position: Floats32,
        terminated: Floats32,
    ) -> tuple[float, float]:
        """U updates; arrays are (U, batch, ...). Mean loss and mean claimed value (scaled)."""
        self._optimizer.learning_rate = rate
        loss, value = self._compiled(inputs, reward, next_market, next_position, terminated)
        return float(loss), float(value)

    def update_taken(
        self,
        rate: float,
        inputs: Floats32,
        taken: NDArray[np.int32],
        reward: Floats32,
        next_inputs: Floats32,
        terminated: Floats32,
    ) -> tuple[float, float]:
        """As `update` where only the outcome of the action taken is known, (U, batch) each."""
        self._optimizer.learning_rate = rate
        loss, value = self._compiled_taken(inputs, taken, reward, next_inputs, terminated)
        return float(loss), float(value)

    def targets(
        self, reward: tf.Tensor, next_inputs: tf.Tensor, terminated: tf.Tensor
    ) -> tf.Tensor:
        """Double-DQN targets of every action, or of the one that was taken (A is 1).

        Args:
            reward: shape (batch, A).
            next_inputs: state after each action, shape (batch·A, D+K).
            terminated: shape (batch, A).
        """
        choice = tf.argmax(self._online(next_inputs), axis=1)
        value = tf.gather(self._target(next_inputs), choice, axis=1, batch_dims=1)
        value = tf.reshape(value, tf.shape(reward))
        return reward + self._discount * (1.0 - terminated) * value

    def _run(
        self,
        inputs: tf.Tensor,
        reward: tf.Tensor,
        next_market: tf.Tensor,
        next_position: tf.Tensor,
        terminated: tf.Tensor,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        count = tf.shape(inputs)[0]
        loss_sum, value_sum = tf.constant(0.0), tf.constant(0.0)
        for i in tf.range(count):
            market = tf.repeat(next_market[i], self._actions, axis=0)
            position = tf.reshape(next_position[i], (-1, len(ACCOUNT_FEATURES)))
            next_inputs = tf.concat([market, position], axis=1)
            goal = tf.stop_gradient(self.targets(reward[i], next_inputs, terminated[i]))
            loss, value = self._improve(inputs[i], goal, None)
            loss_sum += loss
            value_sum += value
        scale = 1.0 / tf.cast(count, tf.float32)
        return loss_sum * scale, value_sum * scale

    def _run_taken(
        self,
        inputs: tf.Tensor,
        taken: tf.Tensor,
        reward: tf.Tensor,
        next_inputs: tf.Tensor,
        terminated: tf.Tensor,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        count = tf.shape(inputs)[0]
        loss_sum, value_sum = tf.constant(0.0), tf.constant(0.0)
        for i in tf.range(count):
            ends = self.targets(reward[i][:, None], next_inputs[i], terminated[i][:, None])
            loss, value = self._improve(inputs[i], tf.stop_gradient(ends), taken[i])
            loss_sum += loss
            value_sum += value
        scale = 1.0 / tf.cast(count, tf.float32)
        return loss_sum * scale, value_sum * scale

    def _improve(
        self, inputs: tf.Tensor, goal: tf.Tensor, taken: tf.Tensor | None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """One update towards goals of all actions (batch, A), or of those taken (batch, 1)."""
        with tf.GradientTape() as tape:
            values = self._online(inputs, training=True)
            known = values
            if taken is not None:
                known = tf.gather(values, taken[:, None], axis=1, batch_dims=1)
            error = known - goal
            size = tf.abs(error)
            # Huber with a wide knee, at five deviations of the reward: inside it the optimum
            # is the mean, which is what counts; beyond it one fat-tailed row pulls no more.
            loss = tf.reduce_mean(tf.where(size < 5.0, 0.5 * tf.square(error), 5.0 * size - 12.5))
        variables = self._online.trainable_variables
        self._optimizer.apply(tape.gradient(loss, variables), variables)
        for target, online in zip(self._target.trainable_variables, variables, strict=True):
            target.assign_add(self._tau * (online - target))
        return loss, tf.reduce_mean(tf.reduce_max(values, axis=1))
