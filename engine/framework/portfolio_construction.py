"""Portfolio construction: from insights to targets.

Users subclass :class:`PortfolioConstructionModel` and override ``determine_target_percent``,
``get_target_insights``, ``should_create_target_for_insight``, ``is_rebalance_due`` or
``create_targets`` altogether.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

from engine.common.clock import aware_utc, naive_utc
from engine.common.enums import InsightDirection, PortfolioBias, Resolution
from engine.common.expiry import is_expiry
from engine.common.naming import LeanObject
from engine.framework.insight import Insight
from engine.framework.targets import PortfolioTarget

_SPANS = {
    Resolution.TICK: timedelta(),
    Resolution.SECOND: timedelta(seconds=1),
    Resolution.MINUTE: timedelta(minutes=1),
    Resolution.HOUR: timedelta(hours=1),
    Resolution.DAILY: timedelta(days=1),
}


def rebalancing_function(rebalance: Any) -> Callable[[datetime], datetime | None] | None:
    """Return the function that gives the next rebalancing time (UTC) after a time.

    Args:
        rebalance: None (at every step), a Resolution, a timedelta, a date rule or a function;
            the functions of `Expiry` count as None.

    Raises:
        ValueError: for anything else.
    """
    if rebalance is None or is_expiry(rebalance):
        # LEAN's bridge cannot convert the functions of `Expiry` and goes without, in silence.
        return None
    if isinstance(rebalance, Resolution):
        rebalance = _SPANS[rebalance]
    if isinstance(rebalance, timedelta):
        span = rebalance
        return lambda time: time + span
    if hasattr(rebalance, "get_dates"):
        return _DateRule(rebalance)
    if callable(rebalance):
        return lambda time: _naive_or_none(rebalance(aware_utc(time)))
    raise ValueError(
        f"rebalance must be a Resolution, timedelta, date rule or function; received {rebalance!r}"
    )


def _naive_or_none(time: datetime | None) -> datetime | None:
    return None if time is None else naive_utc(time)


def named_or(named: Iterable[Any], given: Any) -> Any:
    """What was given under a name of its own, else what was given."""
    return next((one for one in named if one is not None), given)


class _DateRule:
    """Next date of a date rule; advances once its date is reached."""

    def __init__(self, rule: Any) -> None:
        self._rule = rule
        self._dates: Any = None
        self._current: datetime | None = None

    def __call__(self, time: datetime) -> datetime | None:
        end = datetime(2050, 12, 31)
        if self._dates is None:
            self._dates = iter(self._rule.get_dates(time, end))
            self._current = next(self._dates, end)
        elif self._current is not None and time >= self._current:
            self._current = next(self._dates, end)
        elif self._current is None:
            return end
        if self._current is not None and time >= self._current:
            self._current = next(self._dates, end)
        return self._current


class PortfolioConstructionModel(LeanObject):
    """Base of construction models.

    Attributes:
        rebalance_on_security_changes, rebalance_on_insight_changes: rebalance at once on these
            too, not only at rebalancing times; both true by default.
        algorithm: known from the first call on.
    """

    rebalance_on_security_changes: bool
    rebalance_on_insight_changes: bool

    def __init__(self, rebalancing_func: Any = None, *_: Any) -> None:
        self._start(rebalancing_func)

    def _start(self, rebalance: Any) -> None:
        self._rebalancing = rebalancing_function(rebalance)
        self._next_time: datetime | None = None
        self._securities_changed = False
        self.algorithm: Any = None
        self.rebalance_on_security_changes = True
        self.rebalance_on_insight_changes = True

    def _ensure_started(self) -> None:
        # A user's __init__ need not call super().__init__().
        if "_securities_changed" not in self.__dict__:
            given = dict(self.__dict__)
            self._start(None)
            self.__dict__.update(given)

    def set_rebalancing_func(self, rebalance: Any) -> None:
        """Set when to rebalance."""
        self._ensure_started()
        self._rebalancing = rebalancing_function(rebalance)

    def create_targets(self, algorithm: Any, insights: list[Insight]) -> list[PortfolioTarget]:
        """Targets for the active insights if a rebalance is due; flat for expired ones."""
        self._ensure_started()
        self.algorithm = algorithm
        if not self.is_rebalance_due(insights, algorithm.utc_time_naive):
            return []
        targets: list[PortfolioTarget] = []
        failed = set()
        active = list(self.get_target_insights())
        percents = self.determine_target_percent(active)
        for insight in active:
            if insight not in percents:
                continue
            target = PortfolioTarget.percent(algorithm, insight.symbol, percents[insight])
            if target is None:
                failed.add(insight.symbol)
            else:
                targets.append(target)
        now = algorithm.utc_time_naive
        expired = algorithm.insights.remove_expired_insights(now)
        for symbol in dict.fromkeys(insight.symbol for insight in expired):
            if symbol not in failed and not algorithm.insights.has_active_insights(symbol, now):
                targets.append(PortfolioTarget(symbol, 0))
        return targets

    def determine_target_percent(self, active_insights: list[Insight]) -> dict[Insight, float]:
        """Share of the portfolio per insight; subclasses implement it."""
        raise NotImplementedError(f"{type(self).__name__}.determine_target_percent")

    def get_target_insights(self) -> list[Insight]:
        """The newest active insight of each symbol that may have a target."""
        newest: dict[Any, Insight] = {}
        for insight in self.algorithm.insights.get_active_insights(self.algorithm.utc_time_naive):
            if not self.should_create_target_for_insight(insight):
                continue
            held = newest.get(insight.symbol)
            if held is None or insight.generated_time_utc_naive >= held.generated_time_utc_naive:
                newest[insight.symbol] = insight
        return list(newest.values())

    def should_create_target_for_insight(self, insight: Insight) -> bool:
        """Whether an insight may become a target; true by default."""
        return True

    def is_rebalance_due(self, insights: list[Insight], algorithm_utc: datetime) -> bool:
        """True at rebalancing times, on new or expired insights and on security changes."""
        self._ensure_started()
        if self._rebalancing is None:
            self.refresh_rebalance(algorithm_utc)
            return True
        if self._next_time is None:
            self._next_time = self._rebalancing(algorithm_utc)
            if self._next_time is not None and self._next_time <= algorithm_utc:
                self._next_time = None
                self._securities_changed = False
                return True
        due = self._next_time is not None and self._next_time <= algorithm_utc
        due = due or (self.rebalance_on_security_changes and self._securities_changed)
        if not due and self.rebalance_on_insight_changes:
            expiry = self.algorithm.insights.get_next_expiry_time()
            due = bool(insights) or (expiry is not None and naive_utc(expiry) < algorithm_utc)
        if due:
            self.refresh_rebalance(algorithm_utc)
        return due

    @staticmethod
    def filter_invalid_insight_magnitude(algorithm: Any, insights: list[Insight]) -> list[Insight]:
        """The insights without magnitude, or with one within the settings' limits of targets."""
        settings = algorithm.settings
        most = settings.max_absolute_portfolio_target_percentage
        least = settings.min_absolute_portfolio_target_percentage
        valid = []
        for insight in insights:
            if not insight.magnitude or least <= abs(insight.magnitude) <= most:
                valid.append(insight)
                continue
            algorithm.error(
                "PortfolioConstructionModel.FilterInvalidInsightMagnitude():"
                f"The insight target Magnitude: {insight.magnitude}, will not comply with the "
                "current 'Algorithm.Settings' 'MaxAbsolutePortfolioTargetPercentage': "
                f"{most} or 'MinAbsolutePortfolioTargetPercentage': {least}. Skipping insight."
            )
        return valid

    def refresh_rebalance(self, algorithm_utc: datetime) -> None:
        """Forget what was due and ask for the next rebalancing time."""
        if self._rebalancing is not None:
            self._next_time = self._rebalancing(algorithm_utc)
        self._securities_changed = False

    def on_securities_changed(self, algorithm: Any, changes: Any) -> None:
        """Expire the insights of removed securities."""
        self._ensure_started()
        self.algorithm = self.algorithm or algorithm
        self._securities_changed = bool(changes.added_securities or changes.removed_securities)
        algorithm.insights.expire([security.symbol for security in changes.removed_securities])


class NullPortfolioConstructionModel(PortfolioConstructionModel):
    """Makes no targets."""

    def create_targets(self, algorithm: Any, insights: list[Insight]) -> list[PortfolioTarget]:
        """Return none."""
        return []


class EqualWeightingPortfolioConstructionModel(PortfolioConstructionModel):
    """The same share for every symbol with a direction.

    Args:
        rebalance: see :func:`rebalancing_function`; daily by default.
        portfolio_bias: sides that are traded; insights for the other side flatten.
        rebalancing_date_rules: LEAN's name of ``rebalance`` for a date rule.
        rebalancing_func: its name for a function.
        time_span: its name for a timedelta.
        resolution: its name for a Resolution.
    """

    def __init__(
        self,
        rebalance: Any = Resolution.DAILY,
        portfolio_bias: PortfolioBias = PortfolioBias.LONG_SHORT,
        *,
        rebalancing_date_rules: Any = None,
        rebalancing_func: Any = None,
        time_span: timedelta | None = None,
        resolution: Resolution | None = None,
    ) -> None:
        named = (rebalancing_date_rules, rebalancing_func, time_span, resolution)
        super().__init__(named_or(named, rebalance))
        self._bias = PortfolioBias(portfolio_bias)

    def respect_portfolio_bias(self, insight: Insight) -> bool:
        """Whether the bias lets an insight be traded."""
        return self._bias == PortfolioBias.LONG_SHORT or int(insight.direction) == int(self._bias)

    def _direction(self, insight: Insight) -> int:
        return int(insight.direction) if self.respect_portfolio_bias(insight) else 0

    def determine_target_percent(self, active_insights: list[Insight]) -> dict[Insight, float]:
        """One over the number of symbols, signed."""
        count = sum(
            insight.direction != InsightDirection.FLAT and self.respect_portfolio_bias(insight)
            for insight in active_insights
        )
        share = 1 / count if count else 0.0
        return {insight: self._direction(insight) * share for insight in active_insights}


class InsightWeightingPortfolioConstructionModel(EqualWeightingPortfolioConstructionModel):
    """Shares from the insights' weights, scaled down where they sum above 1."""

    def should_create_target_for_insight(self, insight: Insight) -> bool:
        """Insights without weight are left alone."""
        return insight.weight is not None

    def get_value(self, insight: Insight) -> float:
        """What an insight weighs."""
        return abs(insight.weight) if insight.weight is not None else 0.0

    def determine_target_percent(self, active_insights: list[Insight]) -> dict[Insight, float]:
        """Signed weights."""
        total = sum(self.get_value(i) for i in active_insights if self.respect_portfolio_bias(i))
        factor = 1 / total if total > 1 else 1.0
        return {
            insight: self._direction(insight) * self.get_value(insight) * factor
            for insight in active_insights
        }


class ConfidenceWeightedPortfolioConstructionModel(InsightWeightingPortfolioConstructionModel):
    """Shares from the insights' confidences, scaled down where they sum above 1."""

    def should_create_target_for_insight(self, insight: Insight) -> bool:
        """Insights without confidence are left alone."""
        return insight.confidence is not None

    def get_value(self, insight: Insight) -> float:
        """What an insight weighs."""
        return insight.confidence if insight.confidence is not None else 0.0


class AccumulativeInsightPortfolioConstructionModel(PortfolioConstructionModel):
    """Every active insight adds a fixed share in its direction.

    Args:
        rebalance: see :func:`rebalancing_function`; at every step by default.
        portfolio_bias: sides that may be held.
        percent: share that one insight adds.
        rebalancing_date_rules: LEAN's name of ``rebalance`` for a date rule.
        rebalancing_func: its name for a function.
        time_span: its name for a timedelta.
        resolution: its name for a Resolution.
    """

    def __init__(
        self,
        rebalance: Any = None,
        portfolio_bias: PortfolioBias = PortfolioBias.LONG_SHORT,
        percent: float = 0.03,
        *,
        rebalancing_date_rules: Any = None,
        rebalancing_func: Any = None,
        time_span: timedelta | None = None,
        resolution: Resolution | None = None,
    ) -> None:
        named = (rebalancing_date_rules, rebalancing_func, time_span, resolution)
        super().__init__(named_or(named, rebalance))
        self._bias = PortfolioBias(portfolio_bias)
        self._percent = abs(percent)

    def get_target_insights(self) -> list[Insight]:
        """All active insights, oldest first."""
        active = self.algorithm.insights.get_active_insights(self.algorithm.utc_time_naive)
        allowed = [insight for insight in active if self.should_create_target_for_insight(insight)]
        return sorted(allowed, key=lambda insight: insight.generated_time_utc_naive)

    def determine_target_percent(self, active_insights: list[Insight]) -> dict[Insight, float]:
        """Sum of the shares per symbol, under its first insight."""
        shares: dict[Any, float] = {}
        first: dict[Any, Insight] = {}
        for insight in active_insights:
            share = shares.get(insight.symbol, 0.0)
            if insight.symbol in shares and insight.direction == InsightDirection.FLAT:
                if abs(share) < self._percent:
                    share = 0.0
                else:
                    share += -self._percent if share > 0 else self._percent
            share += self._percent * int(insight.direction)
            sign = (share > 0) - (share < 0)
            if self._bias != PortfolioBias.LONG_SHORT and sign != int(self._bias):
                share = 0.0
            shares[insight.symbol] = share
            first.setdefault(insight.symbol, insight)
        return {insight: shares[symbol] for symbol, insight in first.items()}
