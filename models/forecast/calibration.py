"""Recalibration after training: what the training span put wrong, and what is each symbol's own.

The network's outputs are kept; only parameters of `density.DensityParameters` are moved, by
maximum a posteriori with normal priors around where they were:

- of all symbols together, on the held-out calibration blocks: base scales, tails, skewness and
  the probabilities of zero wicks;
- of each symbol, on all its bars, around the result of the first: everything (partial pooling,
  Gelman et al. 2013, "Bayesian Data Analysis", chapter 5).

Because prediction and path sampling build their densities from the same numbers, both are
recalibrated alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy import optimize

from models.forecast.density import OUTPUTS, BarDensity, DensityParameters

MAX_ITERATIONS = 200
"""Of L-BFGS, which comes to its end after some 10 to 40 of them."""

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
    count = int(groups.max()) + 1
    spread = np.concatenate(
        [prior.get(name, (0.0,) * n) for name, (n,) in DensityParameters.shapes().items()]
    )
    moved = np.flatnonzero(spread)
    start = np.tile(parameters.joined(), (count, 1))
    objective = _objective()

    def value_and_slope(step: np.ndarray) -> tuple[float, np.ndarray]:
        # In standard deviations of the prior, which all numbers then share.
        values = start.copy()
        values[:, moved] += step.reshape(count, -1) * spread[moved]
        lost, slope = objective(values, outputs, volatility, parts, groups)
        slope = (slope[:, moved] * spread[moved]).ravel()
        return lost + 0.5 * float(step @ step), slope + step

    found = optimize.minimize(
        value_and_slope,
        np.zeros(count * len(moved)),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": max_iterations, "ftol": TOLERANCE},
    )
    start[:, moved] += found.x.reshape(count, -1) * spread[moved]
    return Calibration(DensityParameters.split(start), bool(found.success), str(found.message))


@cache
def _objective() -> Callable[..., tuple[float, np.ndarray]]:
    """Negative log density of bars, and its slope; compiled once for any number of them."""
    import tensorflow as tf  # here, since only fitting needs it

    from models.forecast.network import TENSORFLOW

    kind = tf.float64
    signature = [
        tf.TensorSpec((None, sum(n for (n,) in DensityParameters.shapes().values())), kind),
        tf.TensorSpec((None, None, len(OUTPUTS)), kind),
        tf.TensorSpec((None,), kind),
        tf.TensorSpec((None, 5), kind),
        tf.TensorSpec((None,), tf.int64),
    ]

    @tf.function(input_signature=signature)
    def evaluate(values, outputs, volatility, parts, groups):
        with tf.GradientTape() as tape:
            tape.watch(values)
            own = DensityParameters.split(tf.gather(values, groups))
            observed = parts[None] + tf.zeros_like(outputs[..., :1])
            density = BarDensity(TENSORFLOW, outputs, volatility, own)
            of_bars = tf.reduce_sum(density.log_density(observed), axis=-1)
            lost = -tf.reduce_sum(tf.reduce_logsumexp(of_bars, axis=0))
        # Indexed slices become an array.
        return lost, tf.convert_to_tensor(tape.gradient(lost, values))

    def called(values, outputs, volatility, parts, groups):
        arrays = [np.asarray(x, np.float64) for x in (values, outputs, volatility, parts)]
        lost, slope = evaluate(*arrays, groups)
        return float(lost), slope.numpy()

    return called
