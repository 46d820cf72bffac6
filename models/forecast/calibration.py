"""Recalibration on held-out bars: tails and scales that the training span put wrong.

The network's outputs are kept; only base scales and tail weights of the parameters shared by all
bars (`density.DensityParameters`) are moved, by maximum likelihood on the calibration blocks with
a normal prior that holds them where training left them. Because prediction and path sampling
build their densities from the same numbers, both are recalibrated alike.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
from scipy import optimize, special

from models.forecast.density import BarDensity, DensityParameters
from models.forecast.distributions import NUMPY

SCALE_PRIOR, TAIL_PRIOR = 0.1, 0.5
"""Standard deviations of the prior: of log scales, and of logits and tail numbers.

Alternatives: `research.experiments.constants`. A tighter prior of scales (0.03) scores better
there: by 0.0006 nats on the TDQN stocks, by 0.007 where a crash follows calm years (2008).
"""

MAX_ITERATIONS = 200
"""Of L-BFGS, which comes to its end after some 20 (three stocks) to 35 (thirteen) of them."""

_MOVED = {"gap": 2, "intraday": 2, "volume": 2, "upper": 1, "lower": 1, "zero": 2}
"""How many of a parameter's numbers are moved, from its first."""


@dataclass(frozen=True)
class Calibration:
    """What a calibration found.

    Attributes:
        parameters: that make held-out bars as likely as they can be.
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
    *,
    max_iterations: int = MAX_ITERATIONS,
) -> Calibration:
    """Parameters that make held-out bars as likely as they can be.

    Args:
        parameters: as trained.
        outputs: shape (K, N, 10), network outputs of N held-out bars under K dropout masks.
        volatility: shape (N,), baseline volatility per bar.
        parts: shape (N, 5), what followed.
        max_iterations: of the optimizer.
    """
    start = np.concatenate([getattr(parameters, name)[:n] for name, n in _MOVED.items()])
    spread = np.concatenate([_prior(name)[:n] for name, n in _MOVED.items()])
    observed = np.broadcast_to(parts, (len(outputs), *parts.shape))

    def objective(values: np.ndarray) -> float:
        density = BarDensity(NUMPY, outputs, volatility, _moved(parameters, values))
        mixture = special.logsumexp(density.log_density(observed).sum(axis=-1), axis=0)
        prior = 0.5 * np.sum(((values - start) / spread) ** 2)
        return float(prior - mixture.sum())

    found = optimize.minimize(
        objective, start, method="L-BFGS-B", options={"maxiter": max_iterations}
    )
    return Calibration(_moved(parameters, found.x), bool(found.success), str(found.message))


def _prior(name: str) -> np.ndarray:
    return np.array([TAIL_PRIOR if name == "zero" else SCALE_PRIOR, TAIL_PRIOR])


def _moved(parameters: DensityParameters, values: np.ndarray) -> DensityParameters:
    """The parameters with the moved numbers in place."""
    changed, place = {}, 0
    for name, count in _MOVED.items():
        kept = getattr(parameters, name)[count:]
        changed[name] = np.concatenate([values[place : place + count], kept])
        place += count
    return dataclasses.replace(parameters, **changed)
