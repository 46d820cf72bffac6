"""Simple rules as agents: what any learned agent must beat, under the same costs and caps.

A rule sees what an agent sees (`models.agent.outlook.Outlook`) and asks for exposures as an agent
does. It learns nothing and remembers nothing: a decision is a function of what is known at a close
and of what is held. Every rule takes a no-trade band.

Many come twice: once on the EWMA volatility that anybody can work out from closes, once on the
deviation that the forecaster gives. Their difference is what the forecast is worth to that rule.
The ending ``_200`` means: the same while the close is above its 200-day average, nothing below.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from models.agent.account import Standing
from models.agent.mean_variance import MeanVariance, MeanVarianceConfig, outside_band
from models.agent.outlook import FORECAST, Outlook

Floats = NDArray[np.float64]

Aim = Callable[[Outlook, Standing], Floats]
"""What a rule wants to hold, exposures (B, S) in [-1, 1]; NaN leaves a position as it is."""

VOLATILITY, DEVIATION = "volatility", "deviation"
"""Columns that rules on EWMA and on the forecast read."""

RANDOM_SEED = 20_240_607
"""Of the random rule; any number does, as long as it stays."""


@dataclass(frozen=True)
class Kind:
    """What a rule does.

    Attributes:
        aim: what it wants to hold.
        says: the rule in a sentence.
        source: where it comes from.
        forecasts: whether it needs a forecaster.
    """

    aim: Aim
    says: str
    source: str
    forecasts: bool = False


def _ones(outlook: Outlook) -> Floats:
    return np.ones(outlook.forecast.shape[:2])


def _buy_and_hold(outlook: Outlook, standing: Standing) -> Floats:
    return np.where(standing.exposure == 0.0, 1.0, np.nan)


def _constant_mix(outlook: Outlook, standing: Standing) -> Floats:
    return _ones(outlook)


def _inverse_volatility(column: str) -> Aim:
    def aim(outlook: Outlook, standing: Standing) -> Floats:
        inverse = 1.0 / outlook.column(column)
        share = standing.gross * inverse / inverse.sum(axis=1, keepdims=True)
        return np.minimum(1.0, share / standing.caps)

    return aim


def _target(column: str, power: int) -> Aim:
    def aim(outlook: Outlook, standing: Standing) -> Floats:
        share = np.minimum(1.0, outlook.column("long_run") / outlook.column(column))
        return np.power(share, float(power))

    return aim


def _above_200(outlook: Outlook, standing: Standing) -> Floats:
    return np.sign(outlook.column("sma_200"))


def _filtered(aim: Aim) -> Aim:
    def filtered(outlook: Outlook, standing: Standing) -> Floats:
        return np.where(outlook.column("sma_200") > 0.0, aim(outlook, standing), 0.0)

    return filtered


def _cross(outlook: Outlook, standing: Standing) -> Floats:
    # log(average of 50 / average of 200) over the volatility, which does not change its sign.
    return np.sign(
        outlook.column("sma_200") * np.sqrt(200.0) - outlook.column("sma_50") * np.sqrt(50.0)
    )


def _momentum(outlook: Outlook, standing: Standing) -> Floats:
    return np.sign(outlook.column("sma_50"))


def _mean_reversion(outlook: Outlook, standing: Standing) -> Floats:
    return -np.sign(outlook.column("sma_20"))


def _random(outlook: Outlook, standing: Standing) -> Floats:
    # Bits of what prices tell of the symbol, stirred (splitmix64: Steele, Lea & Flood 2014).
    known = outlook.forecast[..., FORECAST.index(VOLATILITY) :]
    bits = np.ascontiguousarray(known).view(np.uint64)
    mixed = np.full(bits.shape[:2], RANDOM_SEED, dtype=np.uint64)
    for column in range(bits.shape[2]):
        mixed = (mixed ^ bits[..., column]) + np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        mixed ^= mixed >> np.uint64(31)
    return (mixed >> np.uint64(11)) * 2.0**-52 - 1.0


def on_ewma(outlook: Outlook) -> Outlook:
    """The same outlook, if the EWMA volatility were the forecast."""
    forecast = outlook.forecast.copy()
    forecast[..., FORECAST.index(DEVIATION)] = outlook.column(VOLATILITY)
    return replace(outlook, forecast=forecast)


def _mean_variance(trend: float, column: str) -> Aim:
    agent = MeanVariance(MeanVarianceConfig(trend=trend, band=0.0, allow_short=False))

    def aim(outlook: Outlook, standing: Standing) -> Floats:
        known = on_ewma(outlook) if column == VOLATILITY else outlook
        return agent.aim(known, standing.caps, standing.gross)

    return aim


def _on_both(name: str, aim: Callable[[str], Aim], says: str, source: str) -> dict[str, Kind]:
    """A rule on the EWMA volatility and on the forecast."""
    plain = Kind(aim(VOLATILITY), says.format("the EWMA volatility"), source)
    forecast = Kind(aim(DEVIATION), says.format("the forecast deviation"), source, forecasts=True)
    return {f"{name}_ewma": plain, f"{name}_forecast": forecast}


def _with_filter(kinds: Mapping[str, Kind]) -> dict[str, Kind]:
    """The same, and each above the 200-day average only."""
    filtered = {
        f"{name}_200": replace(
            kind,
            aim=_filtered(kind.aim),
            says=f"{kind.says} While above the 200-day average, else nothing.",
            source=f"{kind.source}; {_FABER}",
        )
        for name, kind in kinds.items()
    }
    return {**kinds, **filtered}


_FABER = "Faber 2007, 'A quantitative approach to tactical asset allocation'"

RULES: Mapping[str, Kind] = {
    "buy_and_hold": Kind(
        _buy_and_hold,
        "Buys once to the caps and keeps; what drifts above a cap is trimmed, as for everybody.",
        "the benchmark of LEAN and of most papers",
    ),
    "constant_mix": Kind(
        _constant_mix,
        "At the caps on every day.",
        "Perold & Sharpe 1988, 'Dynamic strategies for asset allocation'",
    ),
    **_on_both(
        "inverse_volatility",
        _inverse_volatility,
        "Weights proportional to one over {}, of the gross cap together, cut at the caps.",
        "Maillard, Roncalli & Teiletche 2010, 'The properties of equally weighted risk "
        "contribution portfolios'",
    ),
    **_with_filter(
        _on_both(
            "volatility_target",
            lambda column: _target(column, 1),
            "Cap times min(1, long-run deviation over {}).",
            "Harvey et al. 2018, 'The impact of volatility targeting'",
        )
    ),
    **_with_filter(
        _on_both(
            "variance_target",
            lambda column: _target(column, 2),
            "Cap times min(1, long-run variance over the square of {}).",
            "Moreira & Muir 2017, 'Volatility-managed portfolios'",
        )
    ),
    "average_200": Kind(_above_200, "At the cap above the 200-day average.", _FABER),
    "moving_average_cross": Kind(
        _cross,
        "At the cap while the 50-day average is above the 200-day average.",
        "Brock, Lakonishok & LeBaron 1992, 'Simple technical trading rules'",
    ),
    "momentum": Kind(
        _momentum,
        "At the cap above the 50-day average.",
        "Moskowitz, Ooi & Pedersen 2012, 'Time series momentum', by a distance to an average",
    ),
    "mean_reversion": Kind(
        _mean_reversion,
        "At the cap below the 20-day average.",
        "Jegadeesh 1990, 'Evidence of predictable behavior of security returns'",
    ),
    "random": Kind(
        _random,
        "Flat on half of the days (short, where that is allowed), else any share of the cap; "
        "drawn by a hash of what prices tell of the symbol.",
        "what chance and costs leave",
    ),
    **_on_both(
        "mean_variance",
        lambda column: _mean_variance(0.0, column),
        "The long-only mean-variance optimum with correlations on {}, equal long-run Sharpe "
        "ratios.",
        "Markowitz 1952, 'Portfolio selection'; `models.agent.mean_variance`",
    ),
    **_on_both(
        "mean_variance_trend",
        lambda column: _mean_variance(MeanVarianceConfig.trend, column),
        "The long-only mean-variance optimum with correlations on {}, larger premia above "
        "averages.",
        "as without trend, and Moskowitz, Ooi & Pedersen 2012",
    ),
}
"""Every rule by its name."""

ON_PRICES = tuple(name for name, kind in RULES.items() if not kind.forecasts)
"""Rules that need no forecaster."""


@dataclass(frozen=True)
class Rule:
    """A rule as an agent (`models.agent.agent.Agent`).

    Attributes:
        name: one of `RULES`.
        band: no trade while a position is within so much exposure of its aim, in [0, 1]. To leave
            a position altogether is always done.
        allow_short: whether what would be sold is sold short: rules on averages are then short
            where they would be flat, the others hold no shorts.
        band_for: $ of the account that the band was chosen for, >= 0; 0 where it was not chosen.

    Raises:
        ValueError: for a name that is none, a band outside [0, 1], or no amount of $.
    """

    name: str
    band: float = 0.0
    allow_short: bool = False
    band_for: float = 0.0

    def __post_init__(self) -> None:
        if self.name not in RULES:
            raise ValueError(f"rule must be one of {', '.join(RULES)}; received {self.name!r}")
        if not 0.0 <= self.band <= 1.0:
            raise ValueError(f"band must lie in [0, 1]; received {self.band!r}")
        if not 0.0 <= self.band_for < math.inf:
            raise ValueError(f"band_for must be finite and >= 0; received {self.band_for!r}")

    @property
    def stays_flat(self) -> bool:
        """No rule does."""
        return False

    def aim(self, outlook: Outlook, standing: Standing) -> Floats:
        """What it wants to hold, exposures (B, S); NaN leaves a position as it is."""
        wanted = RULES[self.name].aim(outlook, standing)
        return wanted if self.allow_short else np.maximum(wanted, 0.0)

    def act(self, outlook: Outlook, standing: Standing) -> Floats:
        """See `models.agent.agent.Agent`: the aim, where it is farther away than the band."""
        return outside_band(self.aim(outlook, standing), standing.exposure, self.band)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """See `models.agent.agent.Agent`."""
        return {
            "rule": np.frombuffer(self.name.encode(), dtype=np.uint8),
            "settings": np.array([self.band, float(self.allow_short), self.band_for]),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Rule:
        """The inverse of `to_arrays`.

        Raises:
            ValueError: if an array is missing or tells of no rule.
        """
        missing = {"rule", "settings"} - arrays.keys()
        if missing:
            raise ValueError(f"a rule must have its {', '.join(sorted(missing))}; received none")
        settings = np.asarray(arrays["settings"], dtype=float)
        if settings.shape != (3,) or settings[1] not in (0.0, 1.0):
            raise ValueError(
                f"a rule's settings must be a band, 0 or 1, and an amount of $; received {settings}"
            )
        name = np.asarray(arrays["rule"], dtype=np.uint8).tobytes().decode(errors="replace")
        return cls(name, float(settings[0]), bool(settings[1]), float(settings[2]))
