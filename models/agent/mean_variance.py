"""The analytic agent: what an investor of a stated risk aversion holds on the forecast.

An investor who gives up aversion / 2 of return for each unit of variance holds, of symbols whose
next returns have mean mu and covariance Sigma (Markowitz 1952; with growing wealth Merton 1969),

    argmax over w of  mu'w - aversion / 2 · w' Sigma w,   |w_i| <= cap_i,  sum |w_i| <= gross.

Sigma is the forecaster's: its deviations, and the moving correlations of `models.agent.outlook`.
mu is a prior, because a mean estimated per symbol is noise and a mean shrunk to zero keeps out of
every market: premia are proportional to long-run deviations (equal long-run Sharpe ratios), and
larger above a symbol's averages than below them (time-series momentum: Moskowitz, Ooi and Pedersen
2012). A wilder market has more variance but no more premium, so less of it is held.

A learned agent (`models.agent.residual_agent`) starts from here.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models import kernels
from models.agent.account import Standing
from models.agent.outlook import Outlook

Floats = NDArray[np.float64]

BARS_PER_YEAR = 252


@dataclass(frozen=True)
class MeanVarianceConfig:
    """The investor and the prior.

    The defaults are middles, not winners: on LEAN's sample (AAPL, AIG, BAC, IBM, SPY, up to 2012)
    aversions of 4 to 8 and trends of .25 to 1 lie within chance of each other.

    Attributes:
        aversion: to variance, of the whole account, > 0. At equal Sharpe ratios of .5 and caps of
            a fifth, the optimum of 4 to 8 crosses the caps at about the median variance of stocks.
        sharpe_ratio: a year, of every symbol in the long run, >= 0.
        trend: how much a trend adds to a premium, as a share of it, in [0, 1]: at .5 the premium
            is half as much again above all averages, and half the usual below them.
        band: no trade while a position is within so much exposure of its aim, in [0, 1].
        allow_short: whether weights may be negative, as a hedge.
        band_for: $ of the account that the band was chosen for, >= 0; 0 where it was not chosen.

    Raises:
        ValueError: naming the field, the rule and the received value.
    """

    aversion: float = 6.0
    sharpe_ratio: float = 0.5
    trend: float = 0.5
    band: float = 0.2
    allow_short: bool = True
    band_for: float = 0.0

    def __post_init__(self) -> None:
        rules = {
            "aversion": ("finite and > 0", 0 < self.aversion < math.inf),
            "sharpe_ratio": ("finite and >= 0", 0 <= self.sharpe_ratio < math.inf),
            "trend": ("in [0, 1]", 0 <= self.trend <= 1),
            "band": ("in [0, 1]", 0 <= self.band <= 1),
            "band_for": ("finite and >= 0", 0 <= self.band_for < math.inf),
        }
        for name, (rule, holds) in rules.items():
            if not holds:
                raise ValueError(f"{name} must be {rule}; received {getattr(self, name)!r}")

    @classmethod
    def from_array(cls, packed: np.ndarray) -> MeanVarianceConfig:
        """The inverse of `to_array`; ValueError if it is none."""
        try:
            return cls(**json.loads(np.asarray(packed, dtype=np.uint8).tobytes()))
        except (TypeError, ValueError) as problem:
            raise ValueError(f"mean-variance configuration must be whole; {problem}") from None

    def to_array(self) -> np.ndarray:
        """As JSON in bytes."""
        return np.frombuffer(json.dumps(dataclasses.asdict(self)).encode(), dtype=np.uint8)


@dataclass(frozen=True)
class MeanVariance:
    """The analytic agent; see the module's description.

    Attributes:
        config: the investor and the prior.
    """

    config: MeanVarianceConfig = dataclasses.field(default_factory=MeanVarianceConfig)

    @property
    def stays_flat(self) -> bool:
        """Whether nothing is expected of any symbol."""
        return self.config.sharpe_ratio == 0

    def premium(self, outlook: Outlook) -> Floats:
        """Expected simple return of the next bar, shape (B, S)."""
        config = self.config
        usual = config.sharpe_ratio / math.sqrt(BARS_PER_YEAR) * outlook.column("long_run")
        return usual * (1.0 + config.trend * outlook.trend)

    def aim(self, outlook: Outlook, caps: Floats, gross: float) -> Floats:
        """The optimum without regard to what is held.

        Args:
            outlook: B markets of S symbols.
            caps: shape (B, S) or (1, S), > 0.
            gross: bound on the sum of absolute weights, > 0.

        Returns:
            Exposures, shape (B, S), in [-1, 1].
        """
        premium = self.premium(outlook)
        high = np.array(np.broadcast_to(caps, premium.shape), dtype=np.float64, order="C")
        low = -high if self.config.allow_short else np.zeros(high.shape)
        weights = np.empty(high.shape)
        kernels.bounded_quadratic(
            np.ascontiguousarray(premium / self.config.aversion),
            np.ascontiguousarray(outlook.covariance),
            low,
            high,
            float(gross),
            weights,
        )
        return weights / high

    def act(self, outlook: Outlook, standing: Standing) -> Floats:
        """See `models.agent.agent.Agent`: the aim, where it is farther away than the band."""
        aim = self.aim(outlook, standing.caps, standing.gross)
        return outside_band(aim, standing.exposure, self.config.band)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """See `models.agent.agent.Agent`."""
        return {"config": self.config.to_array()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> MeanVariance:
        """The inverse of `to_arrays`.

        Raises:
            ValueError: if the configuration is missing or is none.
        """
        if "config" not in arrays:
            raise ValueError("a mean-variance agent must have its config; received none")
        return cls(MeanVarianceConfig.from_array(arrays["config"]))


def outside_band(aim: Floats, exposure: Floats, band: float) -> Floats:
    """Aims (B, S), NaN where the exposure held is within a band of them.

    To leave a position altogether is no matter of degree: an aim of zero is always followed.
    """
    near = np.abs(aim - exposure) < band
    return np.where(near & (aim != 0.0), np.nan, aim)
