"""Recalibration on held-out bars: tails and scales that the training span put wrong.

The network's outputs are kept; only the numbers shared by all bars (base scales and tail weights of
`density.SHAPES`) are moved, by maximum likelihood on the validation block with a prior that
holds them where training left them. Because prediction and path sampling build their densities
from the same numbers, both are recalibrated alike.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy import optimize, special

from models.forecast.density import NUMPY, Chain

_PRIOR_STD = {"scale": 0.1, "tail": 0.5}
_MOVED = {"gap": 2, "intraday": 2, "volume": 2, "upper": 1, "lower": 1, "zero": 2}


def calibrate(
    shapes: Mapping[str, np.ndarray],
    outputs: np.ndarray,
    volatility: np.ndarray,
    parts: np.ndarray,
) -> dict[str, np.ndarray]:
    """Shapes that make held-out bars as likely as they can be.

    Args:
        shapes: trained numbers by name, as `density.SHAPES`.
        outputs: shape (K, N, 10), network outputs of N held-out bars under K dropout masks.
        volatility: shape (N,), baseline volatility per bar.
        parts: shape (N, 5), what followed.

    Returns:
        New shapes; those not moved are the same arrays.
    """
    result = {name: np.asarray(value, dtype=np.float64) for name, value in shapes.items()}
    start = np.concatenate([result[name][:count] for name, count in _MOVED.items()])
    spread = np.concatenate(
        [
            np.full(2, _PRIOR_STD["tail"])
            if name == "zero"
            else np.array([_PRIOR_STD["scale"], _PRIOR_STD["tail"]])[:count]
            for name, count in _MOVED.items()
        ]
    )

    def unpack(values: np.ndarray) -> dict[str, np.ndarray]:
        moved, place = dict(result), 0
        for name, count in _MOVED.items():
            moved[name] = np.concatenate([values[place : place + count], result[name][count:]])
            place += count
        return moved

    def objective(values: np.ndarray) -> float:
        chain = Chain(NUMPY, outputs, volatility, unpack(values))
        density = chain.log_density(np.broadcast_to(parts, (len(outputs), *parts.shape)))
        mixture = special.logsumexp(density.sum(axis=-1), axis=0)
        prior = 0.5 * np.sum(((values - start) / spread) ** 2)
        return float(prior - mixture.sum())

    found = optimize.minimize(objective, start, method="L-BFGS-B", options={"maxiter": 30})
    return unpack(found.x)
