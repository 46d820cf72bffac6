"""What a step is worth to an investor: rewards as pure functions of what the accounting did.

A reward sees the log growth of equity g of a step, after costs and with the floor at ruin
(`sim.accounting.finite_growth`), so its simple return is R = exp(g) - 1 > -1. Rewards of different
aversion rank policies differently; none changes what an account earns. All but the differential
Sharpe ratio are in units of return per bar.

One set of formulas serves NumPy and TensorFlow: `step` takes the array module's operations as
`ops` (`NUMPY` here; `expm1`, `maximum` and `stack` are all that is needed).

## Control variate
A step's innovation c (`sim.accounting.control_variate`) has mean zero given what was known at the
decision, so a reward less k·c keeps its mean for every k that was known then too. `slope` gives k:
the derivative of the reward by log growth at no growth, which takes out the noise of first order.
What a reward makes of risk, its curvature, is left as it is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

NUMPY = SimpleNamespace(expm1=np.expm1, maximum=np.maximum, stack=np.stack)

BARS_PER_YEAR = 252


class Reward(Protocol):
    """Rewards of steps; some remember what came before, in an explicit state.

    Implementations are immutable and hashable. Arrays are NumPy's or those of the module that `ops`
    speaks for.
    """

    def __hash__(self) -> int: ...

    @property
    def entries(self) -> int:
        """Numbers of state per account, W; 0 for a reward that remembers nothing."""
        ...

    def start(self, n: int) -> NDArray[np.float64]:
        """States of n new accounts, shape (n, W)."""
        ...

    def step(self, growth: Any, state: Any, ops: Any = NUMPY) -> tuple[Any, Any]:
        """Reward of a step and the state after it.

        Args:
            growth: log growth of equity, finite, shape (...): (E,), or (E, A) for all actions.
            state: before the step, shape (..., W), broadcast against growth: (E, W) or (E, 1, W).
            ops: operations of the array module.

        Returns:
            Shape (...), and (..., W).
        """
        ...

    def slope(self, state: Any, ops: Any = NUMPY) -> Any:
        """Coefficient of the control variate, a number or shape (...); see the module."""
        ...


class _Memoryless:
    """A reward that depends on its step alone."""

    @property
    def entries(self) -> int:
        """None."""
        return 0

    def start(self, n: int) -> NDArray[np.float64]:
        """Empty states, shape (n, 0)."""
        return np.empty((n, 0))

    def step(self, growth: Any, state: Any, ops: Any = NUMPY) -> tuple[Any, Any]:
        """See `Reward`."""
        return self.of(growth, ops), state

    def of(self, growth: Any, ops: Any = NUMPY) -> Any:
        """Reward (...) of log growth (...)."""
        raise NotImplementedError

    def slope(self, state: Any, ops: Any = NUMPY) -> Any:
        """One: what a small gain is worth."""
        return 1.0


@dataclass(frozen=True)
class LogGrowth(_Memoryless):
    """g: what grows fastest in the long run (Kelly 1956). An aversion of 1 to relative risk."""

    def of(self, growth: Any, ops: Any = NUMPY) -> Any:
        """See `Reward`."""
        return growth


@dataclass(frozen=True)
class MeanVariance(_Memoryless):
    """R - aversion / 2 · R²: mean less half the aversion times the variance, summed over bars.

    Ritter (2017), "Machine learning for trading", equation 10, with a mean return of zero in the
    variance: a bar's squared mean is a thousandth of its variance. Alone and unbound, the best
    weight is the premium over aversion times variance.

    Attributes:
        aversion: to relative risk, finite, >= 0; at 0 the mean alone, at 1 about `LogGrowth`.
    """

    aversion: float

    def __post_init__(self) -> None:
        _require("aversion", self.aversion, ">= 0", self.aversion >= 0)

    def of(self, growth: Any, ops: Any = NUMPY) -> Any:
        """See `Reward`."""
        gain = ops.expm1(growth)
        return gain - (0.5 * self.aversion) * (gain * gain)


@dataclass(frozen=True)
class ConstantRelativeRiskAversion(_Memoryless):
    """((1 + R)^(1 - γ) - 1) / (1 - γ), power utility of a step's growth (Merton 1969).

    `MeanVariance` to second order; it fears large losses more and large gains less.

    Attributes:
        aversion: γ, finite, >= 0; at 1 it is `LogGrowth`.
    """

    aversion: float

    def __post_init__(self) -> None:
        _require("aversion", self.aversion, ">= 0", self.aversion >= 0)

    def of(self, growth: Any, ops: Any = NUMPY) -> Any:
        """See `Reward`."""
        power = 1.0 - self.aversion
        # Nearer to one the difference is below the rounding error of the quotient.
        return growth if abs(power) < 1e-9 else ops.expm1(power * growth) / power


@dataclass(frozen=True)
class Shortfall(_Memoryless):
    """R - aversion / 2 · max(threshold - R, 0)²: risk is what falls short of a threshold.

    Below-target risk of order 2 (Fishburn 1977). Gains are no risk: where returns are symmetric and
    the threshold is 0, half of what they vary counts, so twice the aversion of `MeanVariance` asks
    for the same exposure.

    Attributes:
        aversion: finite, >= 0.
        threshold: simple return per bar that must not be missed, finite, in (-1, 1).
    """

    aversion: float
    threshold: float = 0.0

    def __post_init__(self) -> None:
        _require("aversion", self.aversion, ">= 0", self.aversion >= 0)
        _require("threshold", self.threshold, "in (-1, 1)", abs(self.threshold) < 1)

    def of(self, growth: Any, ops: Any = NUMPY) -> Any:
        """See `Reward`."""
        gain = ops.expm1(growth)
        missed = ops.maximum(self.threshold - gain, 0.0)
        return gain - (0.5 * self.aversion) * (missed * missed)

    def slope(self, state: Any, ops: Any = NUMPY) -> Any:
        """What a small gain is worth: more than one where no growth falls short."""
        return 1.0 + self.aversion * max(self.threshold, 0.0)


@dataclass(frozen=True)
class DifferentialSharpe:
    """What a bar adds to a moving Sharpe ratio (Moody and Saffell 1998, equation 8).

    With moving moments A of returns and B of their squares, (B·ΔA - A·ΔB / 2) / (B - A²)^1.5, where
    ΔA = R - A and ΔB = R² - B; then A and B move by eta of that. In Sharpe ratios per bar, times
    1 / eta. At given moments it is `MeanVariance` of aversion A / B, times B / (B - A²)^1.5, less a
    constant; so a single step from the start feels the aversion that the prior moments imply.

    Attributes:
        eta: share of the newest bar in the moving moments, in (0, 1).
        sharpe_ratio: of the account before its first bar, a year, finite, > 0.
        volatility: of the account before its first bar, a year, finite, > 0. The moving variance
            counts as no less than a tenth of its square: an account that stood aside must not be
            taken for one without risk.
    """

    eta: float = 0.01
    sharpe_ratio: float = 0.5
    volatility: float = 0.1

    entries = 2

    def __post_init__(self) -> None:
        _require("eta", self.eta, "in (0, 1)", 0 < self.eta < 1)
        _require("sharpe_ratio", self.sharpe_ratio, "> 0", self.sharpe_ratio > 0)
        _require("volatility", self.volatility, "> 0", self.volatility > 0)

    @property
    def _prior(self) -> tuple[float, float]:
        """Mean and variance per bar before the first."""
        mean = self.sharpe_ratio * self.volatility / BARS_PER_YEAR
        return mean, self.volatility**2 / BARS_PER_YEAR

    def start(self, n: int) -> NDArray[np.float64]:
        """Prior moments A and B of n accounts, shape (n, 2)."""
        mean, variance = self._prior
        return np.tile([mean, variance + mean**2], (n, 1))

    def step(self, growth: Any, state: Any, ops: Any = NUMPY) -> tuple[Any, Any]:
        """See `Reward`."""
        gain = ops.expm1(growth)
        first, second = state[..., 0], state[..., 1]
        rise, spread = gain - first, gain * gain - second
        worth = (second * rise - 0.5 * first * spread) / self._cubed(first, second, ops)
        moved = [first + self.eta * rise, second + self.eta * spread]
        return worth, ops.stack(moved, axis=-1)

    def slope(self, state: Any, ops: Any = NUMPY) -> Any:
        """B / (B - A²)^1.5, known before the step."""
        first, second = state[..., 0], state[..., 1]
        return second / self._cubed(first, second, ops)

    def _cubed(self, first: Any, second: Any, ops: Any) -> Any:
        """Moving deviation to the third."""
        return ops.maximum(second - first * first, 0.1 * self._prior[1]) ** 1.5


REWARDS: Mapping[str, Callable[[float], Reward]] = {
    "mean_variance": MeanVariance,
    "crra": ConstantRelativeRiskAversion,
    "shortfall": lambda aversion: Shortfall(2.0 * aversion),
    "sharpe": lambda aversion: DifferentialSharpe(),
    "log_growth": lambda aversion: LogGrowth(),
}
"""From the name of a reward to the reward of an investor of an aversion. Shortfall takes twice of
it, so that all ask for about the same; a Sharpe ratio and log growth have an aversion of their
own."""


def along(reward: Reward, growth: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rewards (T,) of the steps of one account whose log growth was (T,), from its first on."""
    state, found = reward.start(1), np.empty(len(growth))
    for t, step in enumerate(growth):
        earned, state = reward.step(np.array([step]), state)
        found[t] = earned[0]
    return found


def aversion_for(target_volatility: float, sharpe_ratio: float = 0.5) -> float:
    """The aversion of an investor who wants a given volatility.

    At aversion γ the best weight is premium / (γ · variance), so what is held varies by Sharpe
    ratio / γ a year (all that is held together: by theirs). Where caps bind it varies less.

    Args:
        target_volatility: deviation of the account's returns, a year: .1 for ten percent.
        sharpe_ratio: expected of what is held, a year.

    Raises:
        ValueError: unless both are finite and > 0.
    """
    _require("target_volatility", target_volatility, "> 0", target_volatility > 0)
    _require("sharpe_ratio", sharpe_ratio, "> 0", sharpe_ratio > 0)
    return sharpe_ratio / target_volatility


def _require(name: str, value: float, rule: str, holds: bool) -> None:
    if not (math.isfinite(value) and holds):
        raise ValueError(f"{name} must be finite and {rule}; received {value!r}")
