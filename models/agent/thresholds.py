"""Trading on the probability of a rise: what agents that classify have in common.

A rise is measured in units of the forecast: the log return of the next h bars over d · sqrt(h),
with d the forecast deviation, from where a price that goes nowhere has its median (half the
variance below zero). So a half is worth nothing in calm and in wild markets. What trading costs is
measured alike: it takes a rise of 2c / (d · sqrt(h)) to pay for going in and out at c of the traded
value each, and under a normal forecast a probability of as much more than a half.

    exposure = (|p - 1/2| - charge - (flat - 1/2)) / (full - flat),  within 0 and 1,

on the side of p: nothing up to `flat`, a whole position from `full` on, and both moved up by the
charge. `flat` is configured; `full` is chosen by what held-out markets pay for
(`sim.threshold_training`).
"""

from __future__ import annotations

import json
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from models.agent.account import Standing
from models.agent.mean_variance import outside_band
from models.agent.outlook import Outlook

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ThresholdConfig:
    """What counts as a rise, and what probability is traded on.

    Attributes:
        horizon: bars that a rise is counted over, >= 1. A week: the drift of a bar is lost in its
            noise, and what is learned of a month is learned of few.
        flat: probability up to which nothing is held where trading is free, in [0.5, 1).
        full: candidates for the probability from which a whole position is held where trading is
            free, ascending, one or more in (flat, 1]. An investor of aversion 6 who may put a
            third into a stock that moves by two percent a day does so from .53 on.
        band: no trade while a position is within so much exposure of its aim, in [0, 1].
        allow_short: whether falls are traded on, too.

    Raises:
        ValueError: naming the field, the rule and the received value.
    """

    horizon: int = 5
    flat: float = 0.5
    full: tuple[float, ...] = (0.525, 0.55, 0.6, 0.7)
    band: float = 0.2
    allow_short: bool = True

    def __post_init__(self) -> None:
        steps = np.diff([self.flat, *self.full])
        rules = {
            "horizon": (">= 1", self.horizon >= 1),
            "flat": ("in [0.5, 1)", 0.5 <= self.flat < 1),
            "full": (
                "one or more, ascending, in (flat, 1]",
                bool(self.full) and bool((steps > 0).all()) and self.full[-1] <= 1,
            ),
            "band": ("in [0, 1]", 0 <= self.band <= 1),
        }
        for name, (rule, holds) in rules.items():
            if not holds:
                raise ValueError(f"{name} must be {rule}; received {getattr(self, name)!r}")


@dataclass(frozen=True)
class Thresholds:
    """From probabilities to exposures.

    Attributes:
        config: what counts as a rise, and where nothing is held.
        cost: of trading, as a share of the traded value, finite, >= 0.
        full: probability from which a whole position is held where trading is free, in (flat, 1];
            None: nothing is held whatever the probability.

    Raises:
        ValueError: naming the field, the rule and the received value.
    """

    config: ThresholdConfig
    cost: float = 0.0
    full: float | None = None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.cost) and self.cost >= 0):
            raise ValueError(f"cost must be finite and >= 0; received {self.cost!r}")
        if self.full is not None and not self.config.flat < self.full <= 1:
            raise ValueError(f"full must be in (flat, 1]; received {self.full!r}")

    def exposures(self, probability: Floats, deviation: Floats) -> Floats:
        """Exposures (...) in [-1, 1].

        Args:
            probability: of a rise, shape (...).
            deviation: of the next log return, likewise, > 0.
        """
        if self.full is None:
            return np.zeros(np.shape(probability))
        flat = self.config.flat
        sure = np.abs(probability - 0.5) - self.charge(deviation) - (flat - 0.5)
        size = np.clip(sure / (self.full - flat), 0.0, 1.0)
        side = np.where(probability > 0.5, 1.0, -1.0 if self.config.allow_short else 0.0)
        return size * side

    def charge(self, deviation: Floats) -> Floats:
        """What trading costs, in probability, shape (...)."""
        moved = deviation * math.sqrt(self.config.horizon)
        return ndtr(2.0 * self.cost / moved) - 0.5

    def to_arrays(self) -> dict[str, np.ndarray]:
        """As plain arrays; ``full`` has no entry where nothing is held."""
        return {
            "thresholds": np.frombuffer(json.dumps(asdict(self.config)).encode(), dtype=np.uint8),
            "cost": np.array(self.cost),
            "full": np.array([] if self.full is None else [self.full]),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Thresholds:
        """The inverse of `to_arrays`; ValueError if a field is missing or breaks a rule."""
        try:
            raw = json.loads(np.asarray(arrays["thresholds"], dtype=np.uint8).tobytes())
            config = ThresholdConfig(**(raw | {"full": tuple(raw["full"])}))
            cost, full = float(arrays["cost"]), np.asarray(arrays["full"], dtype=float)
        except (KeyError, TypeError, json.JSONDecodeError) as error:
            raise ValueError(f"thresholds must have all their fields; received {error!r}") from None
        if full.ndim != 1 or full.size > 1:
            raise ValueError(f"full must have at most one entry; received {full!r}")
        return cls(config, cost, float(full[0]) if full.size else None)


@dataclass(frozen=True)
class ThresholdAgent(ABC):
    """An agent that trades on the probability of a rise, symbol by symbol; immutable.

    Attributes:
        thresholds: from probabilities to exposures.
    """

    thresholds: Thresholds

    @abstractmethod
    def probability(self, outlook: Outlook) -> Floats:
        """Of a rise of each symbol over the horizon, shape (B, S)."""

    @property
    def stays_flat(self) -> bool:
        """Whether it takes no position whatever it sees: held-out markets paid for none."""
        return self.thresholds.full is None

    def act(self, outlook: Outlook, standing: Standing) -> Floats:
        """See `models.agent.agent.Agent`: the aim, where it is farther away than the band."""
        if self.stays_flat:
            return np.zeros(standing.exposure.shape)
        return self.towards(self.probability(outlook), outlook, standing)

    def towards(self, probability: Floats, outlook: Outlook, standing: Standing) -> Floats:
        """What `act` returns where the probability (B, S) is known already."""
        aim = self.thresholds.exposures(probability, outlook.column("deviation"))
        return outside_band(aim, standing.exposure, self.thresholds.config.band)

    def with_thresholds(self, thresholds: Thresholds) -> Self:
        """The same agent, trading by other thresholds."""
        return replace(self, thresholds=thresholds)

    @abstractmethod
    def to_arrays(self) -> dict[str, np.ndarray]:
        """See `models.agent.agent.Agent`."""


def rise(log_return: Floats, deviation: Floats, horizon: int) -> Floats:
    """How far prices rose in units of the forecast, shape (...); see the module's description.

    Args:
        log_return: of the next `horizon` bars together, shape (...).
        deviation: that was forecast for the next bar, likewise, > 0.
        horizon: bars.
    """
    moved = deviation * math.sqrt(horizon)
    return log_return / moved + 0.5 * moved
