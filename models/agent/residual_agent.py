"""The continuous agent: the analytic policy, and what a small network adds to it.

The target exposure of a symbol is

    aim + range · tanh(network),

kept within the caps and the gross cap: the aim is the mean-variance optimum on the forecast
(`models.agent.mean_variance`), the rest a correction learned by the gradient of the reward through
the accounting (`sim.residual_training`). Few years of a few stocks say little, so what is learned
starts at nothing and is drawn towards it: an untrained agent is the analytic policy.

One network serves all symbols. It reads a symbol's scaled observation, its forecast in forms that
have no units (`MARKET_INPUTS`) and its position (`POSITION_INPUTS`); the mean of its first layer
over all symbols of the market tells it of the others. So decisions follow the symbols when these
change their order, and any number of symbols will do (Zaheer et al., "Deep sets", arXiv
1703.06114).

Training runs in TensorFlow (`models.agent.residual_learner`); acting runs in NumPy on the same
weights.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from models.agent.account import EXPOSURE_LIMIT, Standing
from models.agent.mean_variance import MeanVariance, MeanVarianceConfig, outside_band
from models.agent.outlook import Outlook
from models.agent.standardising import (
    CLIP,
    mean_and_deviation,
    network_arrays,
    network_from,
    require_width,
    standardised,
)
from models.arrays import read_only
from models.limits import TOLERANCE

Floats = NDArray[np.float64]
Floats32 = NDArray[np.float32]

MEAN_SCALE = 10.0
"""Forecast means are a tenth of a deviation where they are large; so much enlarged they count."""

FORECAST_INPUTS = (
    "deviation",  # log of the forecast deviation over the long-run one
    "volatility",  # log of the EWMA deviation over the long-run one
    "mean",  # forecast mean over the deviation, times `MEAN_SCALE`
    "sma_20",  # distances to averages, as `models.agent.outlook.FORECAST` has them
    "sma_50",
    "sma_200",
    "trend",  # `models.agent.outlook.Outlook.trend`
    "surprise",  # of this bar
    "correlation",  # mean correlation with the other symbols; 0 for a single one
)
"""What is known of a symbol besides its observation, in forms that have no units."""
MARKET_INPUTS = (
    *FORECAST_INPUTS,
    "aim",  # exposure of the analytic policy
    "gross_aim",  # gross weight of the analytic policy over the gross cap
)
"""What the network reads of a symbol besides its observation, whatever is held."""
POSITION_INPUTS = (
    "exposure",  # of the symbol, as `models.agent.account.account_features` bounds it
    "gross",  # gross weight held over the gross cap
)
"""What it reads of the account."""


@dataclass(frozen=True)
class ResidualAgentConfig:
    """What the agent is made of and how it learns.

    Attributes:
        observation_width: D, length of a symbol's observation, >= 0.
        policy: the analytic policy, which also says whether there are short positions and how wide
            the no-trade band is.
        units: width of each hidden layer, each >= 1. The first is of one symbol; those after it
            read its mean over all symbols, too.
        range: largest correction, as exposure, > 0. At .5 the network can halve a full position or
            fill half a position, and never turn the analytic policy around.
        pull: of corrections towards zero, >= 0. At 1 a correction costs as much as the variance
            that it moves under the policy's aversion: about half of what the reward alone asks for
            is learned. Infinite: nothing is. On LEAN's sample up to 2012 a pull of 4 earned more
            than one of 1, and no more than the policy alone (`research.benchmarks.agent_bench`).
        learning_rate: of Adam at the start, > 0; falls along a cosine to a twentieth.
        markets: trained on in an update, >= 1.
        horizon: bars that an account trades in an update, >= 1. What a trade costs must come back
            within it.

    Raises:
        ValueError: naming the field, the rule and the received value.
    """

    observation_width: int
    policy: MeanVarianceConfig = field(default_factory=MeanVarianceConfig)
    units: tuple[int, ...] = (32, 32)
    range: float = 0.5
    pull: float = 4.0
    learning_rate: float = 3e-3
    markets: int = 128
    horizon: int = 40

    def __post_init__(self) -> None:
        rules = {
            "observation_width": (">= 0", self.observation_width >= 0),
            "units": ("one or more, each >= 1", bool(self.units) and min(self.units) >= 1),
            "range": ("finite and > 0", 0 < self.range < math.inf),
            "pull": (">= 0", self.pull >= 0),
            "learning_rate": ("finite and > 0", 0 < self.learning_rate < math.inf),
            "markets": (">= 1", self.markets >= 1),
            "horizon": (">= 1", self.horizon >= 1),
        }
        for name, (rule, holds) in rules.items():
            if not holds:
                raise ValueError(f"{name} must be {rule}; received {getattr(self, name)!r}")

    @property
    def market_width(self) -> int:
        """Number of inputs that do not depend on what is held."""
        return self.observation_width + len(MARKET_INPUTS)

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """Of weights and biases, layer by layer."""
        widths = [self.market_width + len(POSITION_INPUTS), *self.units, 1]
        found: list[tuple[int, ...]] = []
        for i, (into, out) in enumerate(itertools.pairwise(widths)):
            found += [(2 * into if i == 1 else into, out), (out,)]
        return found


@dataclass(frozen=True)
class ResidualAgent:
    """The agent; immutable, its arrays are copies and read-only.

    Attributes:
        config: what it is made of.
        weights: weights and biases, layer by layer (`ResidualAgentConfig.shapes`), float32.
        mean: of the observations of the first training, shape (D,), float32.
        deviation: likewise, > 0.
    """

    config: ResidualAgentConfig
    weights: tuple[Floats32, ...]
    mean: Floats32
    deviation: Floats32

    def __post_init__(self) -> None:
        object.__setattr__(self, "weights", tuple(read_only(w, np.float32) for w in self.weights))
        for name in ("mean", "deviation"):
            object.__setattr__(self, name, read_only(getattr(self, name), np.float32))

    @property
    def policy(self) -> MeanVariance:
        """The analytic policy."""
        return MeanVariance(self.config.policy)

    @property
    def stays_flat(self) -> bool:
        """Whether it takes no position whatever it sees: nothing is expected, nothing learned."""
        learned = any(w.any() for w in self.weights[-2:])
        return self.policy.stays_flat and not learned

    def act(self, outlook: Outlook, standing: Standing) -> Floats:
        """See `models.agent.agent.Agent`: the target, where it is farther away than the band.

        Raises:
            ValueError: for observations of another width, or forecasts that are not finite or
                have deviations that are not positive.
        """
        target = self.target(outlook, standing)
        return outside_band(target, standing.exposure, self.config.policy.band)

    def target(self, outlook: Outlook, standing: Standing) -> Floats:
        """Exposures (B, S) in [-1, 1] that the agent would hold if trading were free."""
        aim = self.policy.aim(outlook, standing.caps, standing.gross)
        correction = self.correction(outlook, standing, aim)
        low = -1.0 if self.config.policy.allow_short else 0.0
        return _within_gross(np.clip(aim + correction, low, 1.0), standing)

    def correction(self, outlook: Outlook, standing: Standing, aim: Floats) -> Floats:
        """What the network adds to the aim (B, S), shape (B, S), within the range."""
        market = np.concatenate(
            [
                self.scaled(outlook.observation),
                market_inputs(outlook, aim, standing.caps, standing.gross),
            ],
            axis=-1,
        )
        if not np.isfinite(market).all():
            raise ValueError(
                "outlook must be finite, with deviations > 0; received others for the network"
            )
        position = position_inputs(standing)
        layer = np.concatenate([market, position], axis=-1)
        pairs = len(self.weights) // 2
        for i in range(pairs):
            layer = layer @ self.weights[2 * i] + self.weights[2 * i + 1]
            if i < pairs - 1:
                layer = np.maximum(layer, 0.0)
            if i == 0:
                others = np.broadcast_to(layer.mean(axis=1, keepdims=True), layer.shape)
                layer = np.concatenate([layer, others], axis=-1)
        return self.config.range * np.tanh(layer[..., 0].astype(np.float64))

    def scaled(self, observation: Floats32) -> Floats32:
        """Observations (..., D) as the network reads them.

        Raises:
            ValueError: for another width.
        """
        require_width(observation, self.config.observation_width)
        return standardised(observation, self.mean, self.deviation)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Everything the agent is, as plain arrays of finite numbers; configurations are JSON."""
        described = asdict(self.config)
        del described["policy"]
        if math.isinf(self.config.pull):  # which JSON has no word for
            described["pull"] = None
        return {
            "config": np.frombuffer(json.dumps(described).encode(), dtype=np.uint8),
            "policy": self.config.policy.to_array(),
            **network_arrays(self.weights, self.mean, self.deviation),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> ResidualAgent:
        """The inverse of `to_arrays`.

        Raises:
            ValueError: if a field is missing, not finite or does not fit the configuration.
        """
        try:
            raw = json.loads(np.asarray(arrays["config"], dtype=np.uint8).tobytes())
            raw["units"] = tuple(raw["units"])
            raw["pull"] = math.inf if raw["pull"] is None else raw["pull"]
            policy = MeanVarianceConfig.from_array(arrays["policy"])
            config = ResidualAgentConfig(policy=policy, **raw)
            weights, mean, deviation = network_from(arrays, config.shapes, config.observation_width)
        except (KeyError, TypeError, json.JSONDecodeError) as error:
            raise ValueError(f"agent must have all its fields; received {error!r}") from None
        return cls(config, weights, mean, deviation)


def _within_gross(target: Floats, standing: Standing) -> Floats:
    """Exposures (B, S) scaled down to the gross cap, where they lie above it."""
    total = np.abs(target * standing.caps).sum(axis=1, keepdims=True)
    over = total > standing.gross * (1.0 + TOLERANCE)
    return np.where(over, target * (standing.gross / np.where(over, total, 1.0)), target)


def market_inputs(outlook: Outlook, aim: Floats, caps: Floats, gross: float) -> Floats32:
    """What the network reads of B markets besides observations, whatever is held.

    Args:
        outlook: B markets of S symbols; what is not finite, nor has deviations > 0, gives NaN.
        aim: exposures of the analytic policy, shape (B, S).
        caps: shape (B, S) or (1, S).
        gross: bound on the sum of absolute weights.

    Returns:
        Shape (B, S, 11), columns `MARKET_INPUTS`.
    """
    total = np.abs(aim * caps).sum(axis=1, keepdims=True) / gross
    policy = np.stack([aim, np.broadcast_to(total, aim.shape)], axis=-1)
    return np.concatenate([forecast_inputs(outlook), _bounded(policy)], axis=-1)


def forecast_inputs(outlook: Outlook) -> Floats32:
    """What a network reads of the forecasts for B markets of S symbols.

    Args:
        outlook: what is not finite, nor has deviations > 0, gives NaN.

    Returns:
        Shape (B, S, 9), columns `FORECAST_INPUTS`.
    """
    deviation, long_run = outlook.column("deviation"), outlook.column("long_run")
    others = max(deviation.shape[1] - 1, 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        known = {
            "deviation": np.log(deviation / long_run),
            "volatility": np.log(outlook.column("volatility") / long_run),
            "mean": MEAN_SCALE * outlook.column("mean") / deviation,
        }
    known |= {name: outlook.column(name) for name in ("sma_20", "sma_50", "sma_200", "surprise")}
    known |= {
        "trend": outlook.trend,
        "correlation": (outlook.correlation.sum(axis=2) - 1.0) / others,
    }
    return _bounded(np.stack([known[name] for name in FORECAST_INPUTS], axis=-1))


def _bounded(columns: Floats) -> Floats32:
    """The same, cut off; NaN where they are not finite."""
    held = np.clip(columns, -CLIP, CLIP)
    return np.where(np.isfinite(columns), held, np.nan).astype(np.float32)


def position_inputs(standing: Standing) -> Floats32:
    """What the network reads of B accounts, shape (B, S, 2), columns `POSITION_INPUTS`."""
    exposure = np.clip(standing.exposure, -EXPOSURE_LIMIT, EXPOSURE_LIMIT)
    total = np.abs(standing.weights).sum(axis=1, keepdims=True) / standing.gross
    columns = exposure, np.broadcast_to(total, exposure.shape)
    return np.stack(columns, axis=-1).astype(np.float32)


def new_agent(
    config: ResidualAgentConfig, observations: Floats32, rng: np.random.Generator
) -> ResidualAgent:
    """An untrained agent, scaled to what it is going to be trained on.

    Args:
        config: what it is made of.
        observations: shape (..., D).
        rng: stream of the initial weights (He normal; the last layer starts at zero, so that the
            agent is the analytic policy).

    Raises:
        ValueError: for observations of another width.
    """
    mean, deviation = mean_and_deviation(observations, config.observation_width)
    shapes = config.shapes
    weights = []
    for i, shape in enumerate(shapes):
        hidden = len(shape) == 2 and i < len(shapes) - 2
        scale = math.sqrt(2.0 / shape[0]) if hidden else 0.0
        weights.append((rng.standard_normal(shape) * scale).astype(np.float32))
    return ResidualAgent(config, tuple(weights), mean, deviation)


def with_weights(agent: ResidualAgent, weights: tuple[Floats32, ...]) -> ResidualAgent:
    """The same agent with another network."""
    return replace(agent, weights=weights)
