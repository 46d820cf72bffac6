"""A small convolutional network that tells how probable a rise is from a symbol's last bars.

Two convolutions along time over the last W observations of one symbol, then a weighted sum: what
the network says does not depend on the other symbols, nor on what is held. Training runs in Keras
(`models.agent.convolution_learner`, `sim.threshold_training`); acting runs in NumPy on the same
weights.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.special import expit

from models.agent.outlook import Outlook
from models.agent.standardising import (
    mean_and_deviation,
    network_arrays,
    network_from,
    require_width,
    standardised,
)
from models.agent.thresholds import ThresholdAgent, ThresholdConfig, Thresholds
from models.arrays import read_only
from models.lending import Lender

if TYPE_CHECKING:
    from models.agent.convolution_learner import ConvolutionLearner

Floats = NDArray[np.float64]
Floats32 = NDArray[np.float32]

UPDATES_PER_CALL = 10
"""Updates in one call of the compiled function; larger calls save overhead, cost memory."""


@dataclass(frozen=True)
class ConvolutionConfig:
    """What the network is made of, how it learns and how it is traded on.

    Attributes:
        observation_width: D, length of a symbol's observation, >= 1.
        thresholds: what counts as a rise, and what probability is traded on.
        window: observations that are looked at, W. By default a month; longer averages are in the
            observations themselves.
        filters: of each of two convolutions, >= 1.
        kernel: bars that a convolution looks at together, >= 1; window > 2 · (kernel - 1).
        learning_rate: of AdamW at the start, > 0; falls along a cosine to a twentieth.
        weight_decay: of AdamW, >= 0.
        batch_size: windows in an update, >= 1.

    Raises:
        ValueError: naming the field, the rule and the received value.
    """

    observation_width: int
    thresholds: ThresholdConfig = field(default_factory=ThresholdConfig)
    window: int = 20
    filters: int = 8
    kernel: int = 5
    learning_rate: float = 3e-3
    weight_decay: float = 1.0
    batch_size: int = 512

    def __post_init__(self) -> None:
        rules = {
            "observation_width": (">= 1", self.observation_width >= 1),
            "filters": (">= 1", self.filters >= 1),
            "kernel": (">= 1", self.kernel >= 1),
            "window": ("longer than 2 · (kernel - 1)", self.window > 2 * (self.kernel - 1)),
            "learning_rate": ("finite and > 0", 0 < self.learning_rate < math.inf),
            "weight_decay": ("finite and >= 0", 0 <= self.weight_decay < math.inf),
            "batch_size": (">= 1", self.batch_size >= 1),
        }
        for name, (rule, holds) in rules.items():
            if not holds:
                raise ValueError(f"{name} must be {rule}; received {getattr(self, name)!r}")

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """Of weights and biases, layer by layer, as Keras has them."""
        left = self.window - 2 * (self.kernel - 1)
        return [
            (self.kernel, self.observation_width, self.filters),
            (self.filters,),
            (self.kernel, self.filters, self.filters),
            (self.filters,),
            (left * self.filters, 1),
            (1,),
        ]

    @property
    def make(self) -> tuple[int, int, int, int]:
        """What networks must have in common to go on from each other."""
        return self.observation_width, self.window, self.filters, self.kernel


@dataclass(frozen=True)
class ConvolutionAgent(ThresholdAgent):
    """The agent; immutable, its arrays are copies and read-only.

    Attributes:
        thresholds: that it is traded by.
        config: what it is made of.
        weights: weights and biases, layer by layer (`ConvolutionConfig.shapes`), float32.
        mean: of the observations of the first training, shape (D,), float32.
        deviation: likewise, > 0.
    """

    config: ConvolutionConfig
    weights: tuple[Floats32, ...]
    mean: Floats32
    deviation: Floats32

    def __post_init__(self) -> None:
        object.__setattr__(self, "weights", tuple(read_only(w, np.float32) for w in self.weights))
        for name in ("mean", "deviation"):
            object.__setattr__(self, name, read_only(getattr(self, name), np.float32))

    @property
    def window(self) -> int:
        """Observations that it looks at (`models.agent.agent.window_of`)."""
        return self.config.window

    def probability(self, outlook: Outlook) -> Floats:
        """See `ThresholdAgent`.

        Raises:
            ValueError: for observations of another width, or that are not finite.
        """
        return expit(self.logits(self.scaled(outlook.recent(self.window))))

    def scaled(self, observation: Floats32) -> Floats32:
        """Observations (..., D) as the network reads them.

        Raises:
            ValueError: for another width, or observations that are not finite.
        """
        require_width(observation, self.config.observation_width)
        if not np.isfinite(observation).all():
            raise ValueError("observation must be finite; received others")
        return standardised(observation, self.mean, self.deviation)

    def logits(self, inputs: Floats32) -> Floats:
        """Log odds of a rise (...) of scaled windows (..., W, D)."""
        first, first_bias, second, second_bias, last, last_bias = self.weights
        layer = np.maximum(_convolved(inputs, first) + first_bias, 0.0)
        layer = np.maximum(_convolved(layer, second) + second_bias, 0.0)
        flat = layer.reshape(*layer.shape[:-2], -1)
        return (flat @ last + last_bias)[..., 0].astype(np.float64)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """See `models.agent.agent.Agent`; the configuration is JSON in bytes."""
        described = asdict(self.config)
        del described["thresholds"]
        return {
            "config": np.frombuffer(json.dumps(described).encode(), dtype=np.uint8),
            **self.thresholds.to_arrays(),
            **network_arrays(self.weights, self.mean, self.deviation),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> ConvolutionAgent:
        """The inverse of `to_arrays`.

        Raises:
            ValueError: if a field is missing, not finite or does not fit the configuration.
        """
        thresholds = Thresholds.from_arrays(arrays)
        try:
            raw = json.loads(np.asarray(arrays["config"], dtype=np.uint8).tobytes())
            config = ConvolutionConfig(thresholds=thresholds.config, **raw)
            weights, mean, deviation = network_from(arrays, config.shapes, config.observation_width)
        except (KeyError, TypeError, json.JSONDecodeError) as error:
            raise ValueError(f"agent must have all its fields; received {error!r}") from None
        return cls(thresholds, config, weights, mean, deviation)


def _convolved(values: Floats32, kernel: Floats32) -> Floats32:
    """Convolution along time of values (..., T, K) with a kernel (k, K, F): (..., T - k + 1, F)."""
    size, width, filters = kernel.shape
    windows = np.moveaxis(sliding_window_view(values, size, axis=-2), -1, -2)
    return windows.reshape(*windows.shape[:-2], size * width) @ kernel.reshape(-1, filters)


def new_network(
    config: ConvolutionConfig, observations: Floats32, cost: float, rng: np.random.Generator
) -> ConvolutionAgent:
    """An untrained agent that finds nothing probable, scaled to what it is going to be trained on.

    Args:
        config: what it is made of.
        observations: shape (..., D).
        cost: of trading, as `Thresholds` has it.
        rng: stream of the initial weights (He normal; the last layer starts at zero).

    Raises:
        ValueError: for observations of another width.
    """
    mean, deviation = mean_and_deviation(observations, config.observation_width)
    weights = []
    for shape in config.shapes:
        scale = math.sqrt(2.0 / (shape[0] * shape[1])) if len(shape) == 3 else 0.0
        weights.append((rng.standard_normal(shape) * scale).astype(np.float32))
    thresholds = Thresholds(config.thresholds, cost)
    return ConvolutionAgent(thresholds, config, tuple(weights), mean, deviation)


def borrowed_learner(config: ConvolutionConfig) -> AbstractContextManager[ConvolutionLearner]:
    """The compiled learner of an architecture, for this thread alone until it is given back.

    There is one for all retrainings of a process, because compiling it takes seconds.
    """
    return _LEARNERS.borrow(
        config.window,
        config.observation_width,
        config.filters,
        config.kernel,
        config.batch_size,
        config.weight_decay,
    )


def _learner_of(*arguments: Any) -> ConvolutionLearner:
    # TensorFlow takes seconds to import; acting does without it.
    from models.agent.convolution_learner import ConvolutionLearner

    return ConvolutionLearner(*arguments)


_LEARNERS = Lender(_learner_of)
