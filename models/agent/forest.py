"""The classical baseline: a random forest that tells how probable a rise is.

Trees are grown by scikit-learn (Breiman 2001) on imagined markets (`sim.threshold_training`), from
what is seen of one symbol: its observation and its forecast in forms that have no units. They are
kept as plain arrays and walked down in NumPy: acting needs no scikit-learn, and a kept forest does
not depend on its version.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.agent.outlook import Outlook
from models.agent.residual_agent import FORECAST_INPUTS, forecast_inputs
from models.agent.thresholds import ThresholdAgent, ThresholdConfig, Thresholds
from models.arrays import read_only

Floats = NDArray[np.float64]
Floats32 = NDArray[np.float32]


@dataclass(frozen=True)
class ForestConfig:
    """What a forest is made of, and how it is traded on.

    Attributes:
        observation_width: D, length of a symbol's observation, >= 0.
        thresholds: what counts as a rise, and what probability is traded on.
        trees: how many, >= 1.
        depth: of a tree at most, >= 1.
        leaf: least share of the rows in a leaf, in (0, 0.5).
        rows: most that a forest is grown on, drawn at random, >= 1. Neighbouring rows tell much the
            same: twice as many take twice as long and tell no more on fresh markets.

    Raises:
        ValueError: naming the field, the rule and the received value.
    """

    observation_width: int
    thresholds: ThresholdConfig = field(default_factory=ThresholdConfig)
    trees: int = 50
    depth: int = 10
    leaf: float = 0.01
    rows: int = 8_192

    def __post_init__(self) -> None:
        rules = {
            "observation_width": (">= 0", self.observation_width >= 0),
            "trees": (">= 1", self.trees >= 1),
            "depth": (">= 1", self.depth >= 1),
            "leaf": ("in (0, 0.5)", 0 < self.leaf < 0.5),
            "rows": (">= 1", self.rows >= 1),
        }
        for name, (rule, holds) in rules.items():
            if not holds:
                raise ValueError(f"{name} must be {rule}; received {getattr(self, name)!r}")

    @property
    def width(self) -> int:
        """Number of inputs."""
        return self.observation_width + len(FORECAST_INPUTS)


@dataclass(frozen=True)
class Trees:
    """Trees of N nodes together; immutable, its arrays are copies and read-only.

    Attributes:
        roots: node that each tree starts with, shape (T,).
        children: where to go on below the threshold and above it, shape (N, 2); a leaf leads to
            itself, any other node to nodes behind it.
        feature: number of the input that a node looks at, shape (N,); 0 at leaves.
        threshold: up to which it goes to the first child, shape (N,); 0 at leaves.
        value: share of rises among the rows of a node, shape (N,).

    Raises:
        ValueError: for arrays that are no trees.
    """

    roots: NDArray[np.int64]
    children: NDArray[np.int64]
    feature: NDArray[np.int64]
    threshold: Floats
    value: Floats

    def __post_init__(self) -> None:
        for name, kind in _KINDS.items():
            raw = np.asarray(getattr(self, name))
            if raw.dtype.kind not in "iuf" or not np.isfinite(raw).all():
                raise ValueError(f"{name} must be finite numbers; received {raw.dtype}")
            object.__setattr__(self, name, read_only(raw, kind))
        n = len(self.children)
        shapes = {"children": (n, 2), "feature": (n,), "threshold": (n,), "value": (n,)}
        for name, shape in shapes.items():
            if getattr(self, name).shape != shape:
                raise ValueError(
                    f"{name} must have shape {shape}; received {getattr(self, name).shape}"
                )
        place = np.arange(n)[:, None]
        leads = self.children - place
        onward = (leads > 0).all(axis=1) & (self.children < n).all(axis=1)
        if not (onward | (leads == 0).all(axis=1)).all():
            raise ValueError("children must be nodes behind their own, or a leaf itself")
        if self.roots.ndim != 1 or not len(self.roots) or not _within(self.roots, 0, n - 1):
            raise ValueError(f"roots must be one or more nodes in 0..{n - 1}; received others")
        if not _within(self.value, 0, 1):
            raise ValueError("value must lie in [0, 1]; received others")
        if not (self.feature >= 0).all():
            raise ValueError("feature must be >= 0; received others")

    def probability(self, inputs: Floats32) -> Floats:
        """Mean over the trees of what their leaves say, shape (R,), for inputs (R, K)."""
        node = np.broadcast_to(self.roots, (len(inputs), len(self.roots)))
        row = np.arange(len(inputs))[:, None]
        while True:
            above = inputs[row, self.feature[node]] > self.threshold[node]
            below = self.children[node, above.astype(np.int64)]
            if (below == node).all():
                return self.value[node].mean(axis=1)
            node = below


_KINDS: Mapping[str, Any] = {
    "roots": np.int64,
    "children": np.int64,
    "feature": np.int64,
    "threshold": np.float64,
    "value": np.float64,
}


def _within(values: NDArray, low: float, high: float) -> bool:
    return bool(((values >= low) & (values <= high)).all())


@dataclass(frozen=True)
class ForestAgent(ThresholdAgent):
    """The agent; see `ThresholdAgent`.

    Attributes:
        thresholds: that it is traded by.
        config: what it is made of.
        trees: that tell a probability.
    """

    config: ForestConfig
    trees: Trees

    def probability(self, outlook: Outlook) -> Floats:
        """See `ThresholdAgent`.

        Raises:
            ValueError: for observations of another width, or an outlook that is not finite.
        """
        b, s = outlook.observation.shape[:2]
        return self.trees.probability(forest_inputs(outlook, self.config)).reshape(b, s)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """See `models.agent.agent.Agent`; the configuration is JSON in bytes."""
        described = asdict(self.config)
        del described["thresholds"]
        return {
            "config": np.frombuffer(json.dumps(described).encode(), dtype=np.uint8),
            **self.thresholds.to_arrays(),
            **{name: getattr(self.trees, name) for name in _KINDS},
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> ForestAgent:
        """The inverse of `to_arrays`.

        Raises:
            ValueError: if a field is missing or does not fit the configuration.
        """
        thresholds = Thresholds.from_arrays(arrays)
        try:
            raw = json.loads(np.asarray(arrays["config"], dtype=np.uint8).tobytes())
            config = ForestConfig(thresholds=thresholds.config, **raw)
            trees = Trees(*(np.asarray(arrays[name]) for name in _KINDS))
        except (KeyError, TypeError, json.JSONDecodeError) as error:
            raise ValueError(f"forest must have all its fields; received {error!r}") from None
        if trees.feature.max() >= config.width:
            raise ValueError(
                f"feature must be one of {config.width}; received {trees.feature.max()}"
            )
        return cls(thresholds, config, trees)


def forest_inputs(outlook: Outlook, config: ForestConfig) -> Floats32:
    """What the trees look at, symbol by symbol, shape (B·S, K).

    Raises:
        ValueError: for observations of another width, or an outlook that is not finite.
    """
    width = config.observation_width
    if outlook.observation.shape[-1] != width:
        raise ValueError(
            f"observation must have a width of {width}; received {outlook.observation.shape[-1]}"
        )
    known = np.concatenate([outlook.observation, forecast_inputs(outlook)], axis=-1)
    if not np.isfinite(known).all():
        raise ValueError("outlook must be finite, with deviations > 0; received others")
    return known.reshape(-1, config.width).astype(np.float32)


def grow_trees(
    inputs: Floats32, chance: Floats, config: ForestConfig, rng: np.random.Generator
) -> Trees:
    """Trees that tell how probable a rise is; the same, however many threads there are.

    A row counts as a rise and as a fall, each by its chance. Trees differ by the features that
    each of their nodes may choose from.

    Args:
        inputs: shape (R, K).
        chance: of a rise, shape (R,), in [0, 1].
        config: how many trees, and how large.
        rng: fixes which rows and features trees are grown on.
    """
    # scikit-learn takes a second to import; acting does without it.
    from sklearn.ensemble import RandomForestClassifier

    seed = int(rng.integers(2**31 - 1))
    if len(inputs) > config.rows:
        drawn = np.sort(rng.permutation(len(inputs))[: config.rows])
        inputs, chance = inputs[drawn], chance[drawn]
    grown = RandomForestClassifier(
        config.trees,
        max_depth=config.depth,
        min_samples_leaf=config.leaf,
        # Bags would draw a row as a rise and as a fall apart, and so make noise of its chance.
        bootstrap=False,
        n_jobs=1,
        random_state=seed,
    ).fit(
        np.concatenate([inputs, inputs]),
        np.repeat([True, False], len(inputs)),
        np.concatenate([chance, 1.0 - chance]),
    )
    return from_sklearn(grown)


def from_sklearn(forest: Any) -> Trees:
    """The trees of a fitted `sklearn.ensemble.RandomForestClassifier`, falls first, then rises."""
    parts: list[dict[str, NDArray]] = []
    roots, first = [], 0
    for one in forest.estimators_:
        tree = one.tree_
        place = np.arange(tree.node_count)
        leaf = tree.children_left < 0
        sides = np.stack([tree.children_left, tree.children_right], axis=1)
        shares = tree.value[:, 0] / tree.value[:, 0].sum(axis=1, keepdims=True)
        parts.append(
            {
                "children": np.where(leaf[:, None], place[:, None], sides) + first,
                "feature": np.where(leaf, 0, tree.feature),
                "threshold": np.where(leaf, 0.0, tree.threshold),
                "value": shares[:, 1],
            }
        )
        roots.append(first)
        first += tree.node_count
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return Trees(np.array(roots), **joined)
