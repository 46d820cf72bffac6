"""Recalibration after training: what the training span put wrong, and what is each symbol's own.

The network's outputs are kept; only parameters of `density.DensityParameters` are moved, by
maximum a posteriori with normal priors around where they were:

- of all symbols together, on the held-out calibration blocks: base scales, tails, skewness and
  the probabilities of zero wicks;
- of each symbol, on all its bars, around the result of the first: everything (partial pooling,
  Gelman et al. 2013, "Bayesian Data Analysis", chapter 5).

Because prediction and path sampling build their densities from the same numbers, both are
recalibrated alike.

How fast the likelihood changes differs a hundredfold between numbers, and many go together. So the
optimizer is given coordinates in which what the bars tell at the start is the same in every
direction: whitened by the bars' own scores, whose outer products estimate the Fisher information
(Berndt, Hall, Hall & Hausman 1974). That takes a quarter of the steps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy import linalg, optimize

from models.forecast.density import OUTPUTS, BarDensity, DensityParameters

MAX_ITERATIONS = 200
"""Of L-BFGS, which comes to its end after some 5 to 15 of them."""

TOLERANCE = 1e-6
"""Relative gain of an iteration below which it ends: some 0.05 nats in the whole of a history."""

Prior = Mapping[str, tuple[float, ...]]
"""Standard deviation of every number of a parameter, by name; 0 holds a number where it is."""

SCALE_PRIOR, TAIL_PRIOR, SKEW_PRIOR = 0.1, 0.5, 0.2
"""Standard deviations of the prior: of log scales, of logits and tail numbers, of skewness.

Alternatives: `research.experiments.constants`. A tighter prior of scales (0.03) scores better
there: by 0.0006 nats on the TDQN stocks, by 0.007 where a crash follows calm years (2008).
"""


def common_prior(
    scale: float = SCALE_PRIOR, tail: float = TAIL_PRIOR, skew: float = SKEW_PRIOR
) -> Prior:
    """How far what all symbols share may move; what is not named stays."""
    student = (scale, tail, tail, skew)
    wick = (scale, 0.0, 0.0)
    return {
        "gap": student,
        "intraday": student,
        "volume": student,
        "upper": wick,
        "lower": wick,
        "zero": (tail, tail),
    }


COMMON_PRIOR = common_prior()
"""The prior of what all symbols share."""

SYMBOL_SCALE, SYMBOL_TAIL, SYMBOL_SKEW, SYMBOL_COUPLING, SYMBOL_GAIN = 0.4, 1.0, 0.4, 0.1, 0.2
"""Standard deviations between symbols: of log scales, of logits and tail numbers, of skewness,
of what parts tell of each other, and of how closely the network is followed.

On the TDQN stocks, likelihood of 2018 and 2019: 0.059 nats a bar over one density for all; twice
as wide, or half, is within 0.005 of that."""

_SYMBOL_STUDENT = (SYMBOL_SCALE, SYMBOL_TAIL, SYMBOL_TAIL, SYMBOL_SKEW)
SYMBOL_PRIOR: Prior = {
    "gap": _SYMBOL_STUDENT,
    "intraday": _SYMBOL_STUDENT,
    "volume": _SYMBOL_STUDENT,
    "upper": (SYMBOL_SCALE, SYMBOL_TAIL, SYMBOL_TAIL),
    "lower": (SYMBOL_SCALE, SYMBOL_TAIL, SYMBOL_TAIL),
    "zero": (SYMBOL_TAIL, SYMBOL_TAIL),
    "gain": (SYMBOL_GAIN,) * 3,
} | {
    name: (SYMBOL_COUPLING,) * count
    for name, (count,) in DensityParameters.shapes().items()
    if name.endswith("_on")
}
"""How far a symbol's own parameters may be from what all share."""


@dataclass(frozen=True)
class Calibration:
    """What a calibration found.

    Attributes:
        parameters: that make the bars as likely as the prior lets them be, arrays (G, n).
        converged: whether the optimizer says so.
        message: its words.
    """

    parameters: DensityParameters
    converged: bool
    message: str


def calibrate(
    parameters: DensityParameters,
    outputs: np.ndarray,
    volatility: np.ndarray,
    parts: np.ndarray,
    prior: Prior,
    groups: np.ndarray | None = None,
    *,
    max_iterations: int = MAX_ITERATIONS,
) -> Calibration:
    """Parameters of each group of bars that make them as likely as the prior lets them be.

    Args:
        parameters: the prior's mean, the same for all groups, arrays (n,).
        outputs: shape (K, N, 10), network outputs of N bars under K dropout masks.
        volatility: shape (N,), baseline volatility per bar.
        parts: shape (N, 5), what followed.
        prior: how far each number may move.
        groups: number of the group each bar belongs to, shape (N,), 0..G-1; one group if None.
        max_iterations: of the optimizer.
    """
    groups = np.zeros(len(parts), np.int64) if groups is None else np.asarray(groups)
    of_group = groups == np.arange(int(groups.max()) + 1)[:, None]
    spread = np.concatenate(
        [prior.get(name, (0.0,) * n) for name, (n,) in DensityParameters.shapes().items()]
    )
    moved = np.flatnonzero(spread)
    start = np.tile(parameters.joined(), (len(of_group), 1))
    objective = _objective()

    def lost_and_scores(step: np.ndarray) -> tuple[float, np.ndarray]:
        # Steps (G, m) are in standard deviations of the prior, which all numbers then share.
        values = start.copy()
        values[:, moved] += step * spread[moved]
        lost, scores = objective(values, outputs, volatility, parts, groups)
        return lost + 0.5 * float((step**2).sum()), scores[:, moved] * spread[moved]

    _, scores = lost_and_scores(np.zeros((len(start), len(moved))))
    informed = [scores[own].T @ scores[own] + np.eye(len(moved)) for own in of_group]
    roots = [linalg.cholesky(one, lower=True) for one in informed]

    def step_of(point: np.ndarray) -> np.ndarray:
        each = zip(roots, point.reshape(len(roots), -1), strict=True)
        return np.stack(
            [linalg.solve_triangular(root, y, lower=True, trans="T") for root, y in each]
        )

    def value_and_slope(point: np.ndarray) -> tuple[float, np.ndarray]:
        step = step_of(point)
        lost, scores = lost_and_scores(step)
        each = zip(roots, of_group @ scores + step, strict=True)
        return lost, np.concatenate(
            [linalg.solve_triangular(root, slope, lower=True) for root, slope in each]
        )

    found = optimize.minimize(
        value_and_slope,
        np.zeros(len(roots) * len(moved)),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": max_iterations, "ftol": TOLERANCE},
    )
    start[:, moved] += step_of(found.x) * spread[moved]
    return Calibration(DensityParameters.split(start), bool(found.success), str(found.message))


@cache
def _objective() -> Callable[..., tuple[float, np.ndarray]]:
    """Negative log density of bars, and its slope in each bar's own numbers, (N, n).

    Compiled once for any number of bars.
    """
    import tensorflow as tf  # here, since only fitting needs it

    from models.forecast.network import TENSORFLOW

    kind, numbers = tf.float64, sum(n for (n,) in DensityParameters.shapes().values())
    signature = [
        tf.TensorSpec((None, numbers), kind),
        tf.TensorSpec((None, None, len(OUTPUTS)), kind),
        tf.TensorSpec((None,), kind),
        tf.TensorSpec((None, 5), kind),
        tf.TensorSpec((None,), tf.int64),
    ]

    @tf.function(input_signature=signature, autograph=False)
    def evaluate(values, outputs, volatility, parts, groups):
        of_bar = tf.gather(values, groups)
        with tf.GradientTape() as tape:
            tape.watch(of_bar)
            own = DensityParameters.split(of_bar)
            observed = parts[None] + tf.zeros_like(outputs[..., :1])
            density = BarDensity(TENSORFLOW, outputs, volatility, own)
            log_density = tf.reduce_sum(density.log_density(observed), axis=-1)
            lost = -tf.reduce_sum(tf.reduce_logsumexp(log_density, axis=0))
        return lost, tape.gradient(lost, of_bar)

    def called(values, outputs, volatility, parts, groups):
        arrays = [np.asarray(x, np.float64) for x in (values, outputs, volatility, parts)]
        lost, scores = evaluate(*arrays, groups)
        return float(lost), scores.numpy()

    return called
