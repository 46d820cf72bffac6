"""The predictive distribution of the next bar, and scores of probabilistic forecasts.

The scores stand alone so that any forecaster can be judged by them; all are averaged by the
caller. Gneiting & Raftery (2007), "Strictly proper scoring rules, prediction, and estimation".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from models.forecast.recalibration import CorrectedT

_STEPS = 60


def crps_draws(draws: np.ndarray, observed: np.ndarray) -> np.ndarray:
    """Continuous ranked probability score from draws; lower is better, unit of the draws.

    The fair estimator mean|x - y| - sum|x_i - x_j| / (2 n (n - 1)), unbiased for independent
    draws, in O(n log n).

    Args:
        draws: shape (..., n), n >= 2.
        observed: shape (...).

    Returns:
        Shape (...).

    Raises:
        ValueError: if there are fewer than 2 draws.
    """
    draws = np.sort(np.asarray(draws, dtype=np.float64), axis=-1)
    n = draws.shape[-1]
    if n < 2:
        raise ValueError(f"crps_draws needs at least 2 draws; received {n}")
    distance = np.abs(draws - np.asarray(observed)[..., None]).mean(axis=-1)
    ranks = 2.0 * np.arange(n) - n + 1.0
    return distance - (draws * ranks).sum(axis=-1) / (n * (n - 1.0))


def crps_gaussian(mean: ArrayLike, std: ArrayLike, observed: ArrayLike) -> np.ndarray:
    """Continuous ranked probability score of a normal distribution (closed form)."""
    std = np.asarray(std, dtype=np.float64)
    z = (np.asarray(observed) - mean) / std
    density = np.exp(-0.5 * z * z) / np.sqrt(2.0 * np.pi)
    return std * (z * (2.0 * special.ndtr(z) - 1.0) + 2.0 * density - 1.0 / np.sqrt(np.pi))


def crps_student_t(
    location: ArrayLike, scale: ArrayLike, df: ArrayLike, observed: ArrayLike
) -> np.ndarray:
    """The same of a Student-t with df > 1 (Jordan, Krueger & Lerch 2019, appendix A)."""
    scale, df = np.asarray(scale, dtype=np.float64), np.asarray(df, dtype=np.float64)
    z = (np.asarray(observed) - location) / scale
    log_constant = (
        special.gammaln((df + 1) / 2) - special.gammaln(df / 2) - 0.5 * np.log(df * np.pi)
    )
    density = np.exp(log_constant - (df + 1) / 2 * np.log1p(z * z / df))
    beta = (
        np.exp(special.betaln(0.5, df - 0.5) - 2.0 * special.betaln(0.5, df / 2) + np.log(2.0))
        * np.sqrt(df)
        / (df - 1)
    )
    spread = z * (2.0 * special.stdtr(df, z) - 1.0) + 2.0 * density * (df + z * z) / (df - 1)
    return scale * (spread - beta)


def log_score_gaussian(mean: ArrayLike, std: ArrayLike, observed: ArrayLike) -> np.ndarray:
    """Log density of a normal distribution at what was observed; higher is better."""
    std = np.asarray(std, dtype=np.float64)
    z = (np.asarray(observed) - mean) / std
    return -0.5 * z * z - np.log(std) - 0.5 * np.log(2.0 * np.pi)


def log_score_student_t(
    location: ArrayLike, scale: ArrayLike, df: ArrayLike, observed: ArrayLike
) -> np.ndarray:
    """Log density of a Student-t at what was observed; higher is better."""
    scale, df = np.asarray(scale, dtype=np.float64), np.asarray(df, dtype=np.float64)
    z = (np.asarray(observed) - location) / scale
    constant = special.gammaln((df + 1) / 2) - special.gammaln(df / 2) - 0.5 * np.log(df * np.pi)
    return constant - np.log(scale) - (df + 1) / 2 * np.log1p(z * z / df)


def pit_ks(pit: np.ndarray) -> float:
    """Kolmogorov-Smirnov distance of probability integral transforms from uniform, in [0, 1]."""
    pit = np.sort(np.asarray(pit, dtype=np.float64).reshape(-1))
    n = len(pit)
    if n == 0:
        raise ValueError("pit_ks needs at least 1 value; received none")
    steps = np.arange(n + 1) / n
    return float(max((steps[1:] - pit).max(), (pit - steps[:-1]).max()))


@dataclass(frozen=True)
class PredictiveDistribution:
    """Distribution of the next bar of S series, from N draws.

    Besides the draws it keeps, for each, the distribution of the close-to-close log return given
    the drawn gap and dropout mask, a corrected asymmetric Student-t: their mixture has a continuous
    distribution function, so scores and quantiles carry no noise from the intraday draw.

    Attributes:
        parts: shape (S, N, 5), draws, columns `features.PARTS`.
        components: of the log return given draw n's mask and gap, arrays (S, N); shapes and
            corrections are (S, 1).
        mask_mean: shape (S, K), the forecast's location under each dropout mask, noise excluded.
        last_close: shape (S,), closes known at the time of the forecast.
    """

    parts: np.ndarray
    components: CorrectedT
    mask_mean: np.ndarray
    last_close: np.ndarray

    @property
    def n_series(self) -> int:
        """Series forecast."""
        return self.parts.shape[0]

    @property
    def n_draws(self) -> int:
        """Draws of each series."""
        return self.parts.shape[1]

    def of_series(self, index: int) -> PredictiveDistribution:
        """The distribution of one series alone (S = 1)."""
        rows = slice(index, index + 1)
        return PredictiveDistribution(
            self.parts[rows],
            self.components.take(rows),
            self.mask_mean[rows],
            self.last_close[rows],
        )

    @property
    def log_return(self) -> np.ndarray:
        """Draws of the close-to-close log return, shape (S, N)."""
        return self.parts[..., 0] + self.parts[..., 1]

    @cached_property
    def mean(self) -> np.ndarray:
        """Mean log return, shape (S,)."""
        return self.components.mean.mean(axis=1)

    @cached_property
    def std(self) -> np.ndarray:
        """Standard deviation of the log return, shape (S,)."""
        within = self.components.variance.mean(axis=1)
        return np.sqrt(self.components.mean.var(axis=1) + within)

    @cached_property
    def epistemic_std(self) -> np.ndarray:
        """Deviation of the location between dropout masks: what more data would remove, (S,)."""
        return self.mask_mean.std(axis=1)

    @cached_property
    def aleatoric_std(self) -> np.ndarray:
        """What remains: the market's own noise, shape (S,)."""
        return np.sqrt(np.maximum(self.std**2 - self.epistemic_std**2, 0.0))

    def cdf(self, log_return: np.ndarray) -> np.ndarray:
        """P(next log return <= value); value (S,) or (S, Q), result of the same shape."""
        value = np.asarray(log_return, dtype=np.float64)
        grid = value.reshape(self.n_series, -1)
        result = np.empty_like(grid)
        for q in range(grid.shape[1]):
            result[:, q] = self.components.cdf(grid[:, q, None]).mean(axis=1)
        return result.reshape(value.shape)

    @property
    def probability_up(self) -> np.ndarray:
        """P(next close > last close), shape (S,)."""
        return 1.0 - self.cdf(np.zeros(self.n_series))

    def quantiles(self, levels: Sequence[float]) -> np.ndarray:
        """Quantiles of the log return.

        Args:
            levels: Q probabilities in (0, 1).

        Returns:
            Shape (S, Q).

        Raises:
            ValueError: if a level lies outside (0, 1).
        """
        level = np.asarray(levels, dtype=np.float64)
        if ((level <= 0) | (level >= 1)).any():
            raise ValueError(f"levels must lie in (0, 1); received {list(levels)}")
        # Every quantile of a mixture lies between the smallest and largest of its components'.
        spread = self.components.spread()
        every = spread.quantile(level)
        low, high = every.min(axis=1), every.max(axis=1)
        x = every.mean(axis=1)
        for _ in range(_STEPS):
            # Newton's step, or the middle of the bracket where that would lead out of it.
            below, log_density = spread.cdf_and_log_density(x[:, None])
            missing = level - below.mean(axis=1)
            low, high = np.where(missing > 0, x, low), np.where(missing > 0, high, x)
            step = missing / np.exp(log_density).mean(axis=1)
            inside = (x + step >= low) & (x + step <= high)
            moved = np.where(inside, x + step, 0.5 * (low + high))
            done = np.abs(moved - x).max() < 1e-10
            x = moved
            if done:
                break
        return x

    def _log_density(self, value: np.ndarray) -> np.ndarray:
        """Log density of the log return; value (S, Q), result of the same shape."""
        logs = self.components.spread().log_density(value[:, None])
        logs = np.moveaxis(logs, 1, 2)
        return special.logsumexp(logs, axis=2) - np.log(self.n_draws)

    def interval(self, probability: float = 0.9) -> tuple[np.ndarray, np.ndarray]:
        """Central interval of the log return: lower and upper bounds, each (S,)."""
        if not 0.0 < probability < 1.0:
            raise ValueError(f"probability must lie in (0, 1); received {probability}")
        bounds = self.quantiles([0.5 - probability / 2, 0.5 + probability / 2])
        return bounds[:, 0], bounds[:, 1]

    def close_quantiles(self, levels: Sequence[float]) -> np.ndarray:
        """Quantiles of the next close, shape (S, Q), in currency."""
        return self.last_close[:, None] * np.exp(self.quantiles(levels))

    def log_score(self, log_return: np.ndarray) -> np.ndarray:
        """Log density at the observed log returns (S,); higher is better."""
        value = np.asarray(log_return, dtype=np.float64)[:, None]
        return self._log_density(value)[:, 0]

    def crps(self, log_return: np.ndarray) -> np.ndarray:
        """Continuous ranked probability score at the observed log returns (S,); lower is better."""
        return crps_draws(self.log_return, log_return)

    def pit(self, log_return: np.ndarray) -> np.ndarray:
        """Probability integral transform of the observed log returns (S,), in (0, 1)."""
        return self.cdf(log_return)

    def covers(self, log_return: np.ndarray, probability: float = 0.9) -> np.ndarray:
        """Whether the central interval holds the observed log return, shape (S,), bool."""
        tail = 0.5 * (1.0 - probability)
        pit = self.pit(log_return)
        return (pit >= tail) & (pit <= 1.0 - tail)
