"""A Double DQN agent with full-action targets.

The network reads the market observation and the account features and gives the value of every
action, in units of the reward. Because the agent does not move the price, the reward and the
next position of *every* action are known (`models.agent.replay`), so one transition trains all
action values at once and no exploration is needed:

    y(a) = r(a) + discount · (1 - terminated(a)) · Q_target(s'(a), argmax_b Q_online(s'(a), b))

(van Hasselt et al., arXiv 1509.06461, with the target network a moving average of the online
one, as in Lillicrap et al., arXiv 1509.02971). The target network also acts: averaged weights carry
less of the noise of the last batches (Polyak and Juditsky 1992).

Training runs in TensorFlow, compiled once per architecture; acting runs in NumPy on the same
weights, because a decision for three symbols is too small for a graph.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.agent.account import ACCOUNT_FEATURES, ACTIONS, Standing, exposure_features
from models.agent.outlook import Outlook
from models.agent.replay import ReplayMemory
from models.agent.standardising import standardised
from models.arrays import read_only
from models.lending import Lender
from models.reporting import Reporter, Silent

if TYPE_CHECKING:
    from models.agent.q_learner import CompiledLearner

Floats32 = NDArray[np.float32]

UPDATES_PER_CALL = 25
"""Updates in one call of the compiled function; larger calls save overhead, cost memory."""


@dataclass(frozen=True)
class QAgentConfig:
    """What an agent is made of.

    Width, rate, decay, batch and tau lie on a plateau: neighbours earn within .1 % a year of them
    on imagined paths of the default symbols. A rate of 1e-4 or a tau of .001 learns too little in
    the updates there are, and a discount of .5 too little of what trading costs
    (`research.experiments.agent_constants`).

    Attributes:
        observation_width: D, length of a market observation, >= 1.
        actions: target exposures (weights over the cap), ascending, two or more in [-1, 1].
        units: width of each hidden layer, each >= 1.
        discount: of the next bar, in [0, 1).
        learning_rate: of Adam at the start, > 0; falls along a cosine to a tenth (Loshchilov and
            Hutter, arXiv 1608.03983).
        weight_decay: of AdamW, >= 0.
        batch_size: transitions in an update, >= 1.
        tau: share by which the target network follows the online one in an update, in (0, 1]. It
            averages over the last 1 / tau updates, by default a small part of a training.
        memory: capacity of the replay memory, >= batch_size. By default what a first training on
            three symbols makes; of more symbols it holds some of each market.
    """

    observation_width: int
    actions: tuple[float, ...] = ACTIONS
    units: tuple[int, ...] = (64, 64)
    discount: float = 0.9
    learning_rate: float = 3e-4
    weight_decay: float = 1e-3
    batch_size: int = 256
    tau: float = 0.01
    memory: int = 250_000

    def __post_init__(self) -> None:
        rules = {
            "observation_width": (">= 1", self.observation_width >= 1),
            "actions": (
                "two or more ascending numbers in [-1, 1]",
                len(self.actions) >= 2
                and all(-1 <= a <= 1 for a in self.actions)
                and all(a < b for a, b in zip(self.actions, self.actions[1:], strict=False)),
            ),
            "units": ("one or more, each >= 1", bool(self.units) and min(self.units) >= 1),
            "discount": ("in [0, 1)", 0 <= self.discount < 1),
            "learning_rate": ("> 0", 0 < self.learning_rate < math.inf),
            "weight_decay": (">= 0", 0 <= self.weight_decay < math.inf),
            "batch_size": (">= 1", self.batch_size >= 1),
            "tau": ("in (0, 1]", 0 < self.tau <= 1),
            "memory": (">= batch_size", self.memory >= self.batch_size),
        }
        for name, (rule, holds) in rules.items():
            if not holds:
                raise ValueError(f"{name} must be {rule}; received {getattr(self, name)!r}")

    @property
    def input_width(self) -> int:
        """D + K."""
        return self.observation_width + len(ACCOUNT_FEATURES)


@dataclass(frozen=True)
class TrainingCurve:
    """How a training went; one entry per `UPDATES_PER_CALL` updates.

    Attributes:
        update: updates done so far, shape (M,).
        loss: mean Huber loss of the scaled action values, shape (M,).
        claimed_value: mean over the batches of the largest action value, in rewards, shape
            (M,): what the agent claims, to be held against `sim.agent_training.Judgement`.
    """

    update: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    loss: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    claimed_value: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))


@dataclass(frozen=True)
class QAgent:
    """A trained agent; immutable, its arrays are copies and read-only.

    Attributes:
        config: what it is made of.
        online: weights and biases of the trained network, layer by layer.
        target: those of its moving average, which acts.
        mean: of the observations of the first training, shape (D,).
        deviation: likewise, shape (D,), > 0.
        reward_scale: rewards are multiplied by this for training, > 0.
        hurdle: charged against every action in proportion to its exposure, in rewards, >= 0;
            infinite: no position is worth taking. `sim.agent_training` sets it so that held-out
            paths pay for the risk of having learned noise.
    """

    config: QAgentConfig
    online: tuple[Floats32, ...]
    target: tuple[Floats32, ...]
    mean: Floats32
    deviation: Floats32
    reward_scale: float
    hurdle: float = 0.0

    def __post_init__(self) -> None:
        if not self.hurdle >= 0:
            raise ValueError(f"hurdle must be >= 0; received {self.hurdle!r}")
        for name in ("online", "target"):
            object.__setattr__(
                self, name, tuple(read_only(w, np.float32) for w in getattr(self, name))
            )
        for name in ("mean", "deviation"):
            object.__setattr__(self, name, read_only(getattr(self, name), np.float32))

    @property
    def actions(self) -> NDArray[np.float64]:
        """Target exposures, shape (A,)."""
        return np.array(self.config.actions)

    @property
    def flat(self) -> int:
        """Index of the action that is, or is nearest to, holding nothing."""
        return int(np.abs(self.actions).argmin())

    @property
    def stays_flat(self) -> bool:
        """Whether the agent takes no position whatever it sees: its hurdle is infinite."""
        return math.isinf(self.hurdle)

    def q_values(self, observation: ArrayLike, account: ArrayLike) -> NDArray[np.float64]:
        """Value of every action, in units of the reward, discounted.

        Args:
            observation: market, shape (B, D).
            account: `models.agent.account.account_features`, shape (B, K).

        Returns:
            Shape (B, A).

        Raises:
            ValueError: for a wrong shape or values that are not finite.
        """
        market = np.asarray(observation, dtype=np.float32)
        position = np.asarray(account, dtype=np.float32)
        widths = (self.config.observation_width, len(ACCOUNT_FEATURES))
        for name, value, width in zip(
            ("observation", "account"), (market, position), widths, strict=True
        ):
            if value.ndim != 2 or value.shape != (len(market), width):
                raise ValueError(
                    f"{name} must have shape ({len(market)}, {width}); received {value.shape}"
                )
            if not np.isfinite(value).all():
                raise ValueError(f"{name} must be finite; received others")
        return self._forward(self._inputs(market, position))

    def act(
        self, outlook: Outlook, standing: Standing, hurdle: ArrayLike | None = None
    ) -> NDArray[np.float64]:
        """Target exposures (B, S), each symbol's from its own observation and position alone.

        Args:
            outlook: B markets of S symbols; only their observations are looked at.
            standing: where the accounts stand.
            hurdle: overrides the agent's own; one number or shape (B,).
        """
        b, s, width = outlook.observation.shape
        account = exposure_features(standing.exposure).reshape(b * s, -1)
        if hurdle is not None:
            hurdle = np.repeat(np.broadcast_to(hurdle, b), s)
        chosen = self.choose(outlook.observation.reshape(b * s, width), account, hurdle)
        return self.actions[chosen].reshape(b, s)

    def choose(
        self, observation: ArrayLike, account: ArrayLike, hurdle: ArrayLike | None = None
    ) -> NDArray[np.int64]:
        """Index of the chosen action for each row, shape (B,).

        The best action after the hurdle; ties stay. Staying is the action nearest to the present
        exposure (the lower one of two). Under an infinite hurdle, the flat action.

        Args:
            observation: shape (B, D).
            account: shape (B, K).
            hurdle: overrides the agent's own; one number or shape (B,).
        """
        values = self.q_values(observation, account)
        charge = np.asarray(self.hurdle if hurdle is None else hurdle, dtype=float)
        never = np.isinf(charge)
        values = values - np.where(never, 0.0, charge)[..., None] * np.abs(self.actions)
        exposure = np.asarray(account, dtype=float)[:, :1]
        stay = np.abs(self.actions - exposure).argmin(axis=1)
        rows = np.arange(len(values))
        best = values.argmax(axis=1)
        chosen = np.where(values[rows, best] > values[rows, stay], best, stay)
        return np.where(never, self.flat, chosen)

    def with_hurdle(self, hurdle: float) -> QAgent:
        """The same agent with another hurdle.

        Raises:
            ValueError: unless it is >= 0.
        """
        return replace(self, hurdle=float(hurdle))

    def _inputs(self, market: Floats32, position: Floats32) -> Floats32:
        return np.concatenate([standardised(market, self.mean, self.deviation), position], axis=1)

    def _forward(self, inputs: Floats32) -> NDArray[np.float64]:
        layer = inputs
        pairs = len(self.target) // 2
        for i in range(pairs):
            layer = layer @ self.target[2 * i] + self.target[2 * i + 1]
            if i < pairs - 1:
                layer = np.maximum(layer, 0.0)
        return layer.astype(np.float64) / self.reward_scale

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Everything the agent is, as plain arrays of finite numbers.

        The configuration is JSON in bytes; the hurdle has no entries where it is infinite.
        """
        arrays: dict[str, np.ndarray] = {
            "config": np.frombuffer(json.dumps(asdict(self.config)).encode(), dtype=np.uint8),
            "mean": self.mean,
            "deviation": self.deviation,
            "reward_scale": np.array(self.reward_scale),
            "hurdle": np.array([] if self.stays_flat else [self.hurdle]),
        }
        for name in ("online", "target"):
            arrays |= {f"{name}_{i}": w for i, w in enumerate(getattr(self, name))}
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> QAgent:
        """The inverse of `to_arrays`.

        Raises:
            ValueError: if a field is missing or weights do not fit the configuration.
        """
        try:
            raw = json.loads(np.asarray(arrays["config"], dtype=np.uint8).tobytes())
            raw |= {name: tuple(raw[name]) for name in ("actions", "units")}
            config = QAgentConfig(**raw)
            shapes = _shapes(config)
            weights = {
                name: tuple(
                    np.asarray(arrays[f"{name}_{i}"], np.float32) for i in range(len(shapes))
                )
                for name in ("online", "target")
            }
            scaler = [np.asarray(arrays[name], np.float32) for name in ("mean", "deviation")]
            scale = float(arrays["reward_scale"])
            hurdle = np.asarray(arrays["hurdle"], dtype=float)
        except (KeyError, TypeError, json.JSONDecodeError) as error:
            raise ValueError(f"agent must have all its fields; received {error!r}") from None
        for name, held in weights.items():
            if [w.shape for w in held] != shapes:
                raise ValueError(
                    f"{name} weights must have shapes {shapes}; received {[w.shape for w in held]}"
                )
        width = (config.observation_width,)
        if scaler[0].shape != width or scaler[1].shape != width:
            raise ValueError(f"mean and deviation must have shape {width}; received others")
        if hurdle.ndim != 1 or hurdle.size > 1:
            raise ValueError(f"hurdle must have at most one entry; received {hurdle!r}")
        charge = float(hurdle[0]) if hurdle.size else math.inf
        mean, deviation = scaler
        online, target = weights["online"], weights["target"]
        return cls(config, online, target, mean, deviation, scale, charge)


def _shapes(config: QAgentConfig) -> list[tuple[int, ...]]:
    widths = [config.input_width, *config.units, len(config.actions)]
    pairs = itertools.pairwise(widths)
    return [shape for a, b in pairs for shape in ((a, b), (b,))]


def initial_weights(config: QAgentConfig, rng: np.random.Generator) -> tuple[Floats32, ...]:
    """He normal; the last layer starts at zero, so that an untrained agent stays where it is."""
    shapes = _shapes(config)
    weights = []
    for i, shape in enumerate(shapes):
        scale = math.sqrt(2.0 / shape[0]) if len(shape) == 2 and i < len(shapes) - 2 else 0.0
        weights.append((rng.standard_normal(shape) * scale).astype(np.float32))
    return tuple(weights)


def new_agent(config: QAgentConfig, memory: ReplayMemory, rng: np.random.Generator) -> QAgent:
    """An untrained agent, scaled to the data it is going to be trained on.

    Args:
        config: what it is made of.
        memory: the first training's transitions; must not be empty.
        rng: stream of the initial weights.
    """
    data = memory.contents()
    weights = initial_weights(config, rng)
    deviation = data.observation.std(axis=0)
    # A constant feature carries nothing; leaving it unscaled keeps it finite.
    deviation = np.where(deviation > 1e-8, deviation, 1.0).astype(np.float32)
    spread = float(data.reward.std(dtype=np.float64))
    return QAgent(
        config,
        weights,
        weights,
        data.observation.mean(axis=0),
        deviation,
        1.0 / max(spread, 1e-8),
    )


def train(
    config: QAgentConfig,
    memory: ReplayMemory,
    updates: int,
    *,
    weights_rng: np.random.Generator,
    replay_rng: np.random.Generator,
    previous: QAgent | None = None,
    reporter: Reporter | None = None,
) -> tuple[QAgent, TrainingCurve]:
    """Train an agent on a replay memory.

    Trainings of the same architecture share one compiled learner and take turns; what is learned
    does not depend on who else is training.

    Args:
        config: what the agent is made of.
        memory: transitions; at least one.
        updates: number of updates, >= 1; rounded up to a multiple of `UPDATES_PER_CALL`.
        weights_rng: stream of the initial weights; not used with `previous`.
        replay_rng: stream of the batches.
        previous: agent to go on from; it keeps its scaling.
        reporter: hears ``loss`` and ``claimed_value``; must not itself train.

    Returns:
        The agent and its training curve.

    Raises:
        ValueError: for an empty memory, no updates, or a previous agent of another make.
    """
    if updates < 1:
        raise ValueError(f"updates must be at least 1; received {updates}")
    if previous is not None and _make(previous.config) != _make(config):
        raise ValueError(
            f"previous must be of the same make; received {previous.config} for {config}"
        )
    agent = previous or new_agent(config, memory, weights_rng)
    reporter = reporter or Silent()
    calls = -(-updates // UPDATES_PER_CALL)
    losses, values = np.empty(calls), np.empty(calls)
    with borrowed_learner(config) as learner:
        learner.load(agent.online, agent.target)
        for call in range(calls):
            rows = replay_rng.integers(len(memory), size=(UPDATES_PER_CALL, config.batch_size))
            market, position, reward, next_market, next_position, terminated = memory.gather(rows)
            rate = config.learning_rate * (0.55 + 0.45 * math.cos(math.pi * call / calls))
            loss, value = learner.update(
                rate,
                np.concatenate(
                    [standardised(market, agent.mean, agent.deviation), position], axis=-1
                ),
                reward * np.float32(agent.reward_scale),
                standardised(next_market, agent.mean, agent.deviation),
                next_position,
                terminated,
            )
            losses[call], values[call] = loss, value / agent.reward_scale
            reporter.update(
                (call + 1) * UPDATES_PER_CALL, loss=losses[call], claimed_value=values[call]
            )
        online, target = learner.weights()
    trained = replace(agent, config=config, online=online, target=target)
    steps = (np.arange(calls) + 1) * UPDATES_PER_CALL
    return trained, TrainingCurve(steps, losses, values)


def _make(config: QAgentConfig) -> tuple:
    return config.observation_width, config.actions, config.units


def borrowed_learner(config: QAgentConfig) -> AbstractContextManager[CompiledLearner]:
    """The compiled learner of an architecture, for this thread alone until it is given back.

    There is one for all retrainings of a process, because compiling it takes seconds. Its weights
    and moments are whoever's borrowed it last: load before, take the weights out before the end.
    """
    return _LEARNERS.borrow(
        config.input_width,
        config.units,
        len(config.actions),
        config.batch_size,
        config.discount,
        config.tau,
        config.weight_decay,
    )


def _learner_of(*arguments: Any) -> CompiledLearner:
    # TensorFlow takes seconds to import; acting and the environments do without it.
    from models.agent.q_learner import CompiledLearner

    return CompiledLearner(*arguments)


_LEARNERS = Lender(_learner_of)
