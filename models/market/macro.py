"""Outside series: VIX, oil and the short rate, as they are known at the close of a bar.

A value counts from the day it is published, not from the day it is of (`PUBLICATION`). Until the
next one comes it is carried forward. What a history knows of these series at each of its bars are
its `MacroValues`; what is made of them are `MACRO_FEATURES`, the same numbers for a whole history
(`MacroTable`) and bar by bar for many markets (`MacroState`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from models.arrays import read_only

VIX, WTI, RATE = "vix", "wti", "rate"

MACRO_FEATURES: Mapping[str, tuple[str, ...]] = {
    VIX: (
        "vix_level",  # log VIX less its slow mean, an EWMA (0.99)
        "vix_change",  # change of log VIX over 5 bars
        "vix_premium",  # log of (VIX per bar / the symbol's own EWMA volatility)
    ),
    WTI: (
        "wti_return",  # log return of WTI over 20 bars / (its EWMA (0.94) volatility * sqrt(20))
        "wti_trend",  # log(WTI / its slow mean, an EWMA (0.99) of logs) / (volatility * 10)
    ),
    RATE: ("rate_change",),  # short rate less its slow mean, an EWMA (0.99), percentage points
}
"""What is made of each series, by series; free of level, as all features are."""

MACRO = tuple(MACRO_FEATURES)
"""The series, in the order of every macro array."""


@dataclass(frozen=True)
class Publication:
    """When a series is known.

    Attributes:
        lag: calendar days from the day that a value is of to the close at which it is known.
        stale: calendar days that the newest value may be old at most; None: a value holds until
            another comes.
        source: where the series comes from, and why it has that lag.
    """

    lag: int
    stale: int | None
    source: str


PUBLICATION: Mapping[str, Publication] = {
    VIX: Publication(
        1, 11, "Cboe through FRED (VIXCLS): the close of a day is there on the next morning"
    ),
    WTI: Publication(
        9,
        25,
        "EIA through FRED (DCOILWTICO): spot prices come out on Wednesdays up to the Monday before,"
        " so Tuesday's after 8 days, and after 9 where a holiday moves the release to Thursday",
    ),
    RATE: Publication(
        0, None, "LEAN's interest-rate file: a rate counts from its date until the next one"
    ),
}

SLOW = 0.99
"""Decay of the slow means, as of the long volatility (`features.DECAY`)."""
FAST = 0.94
"""Decay of WTI's EWMA variance, as of the symbols'."""
CHANGE_BARS, MONTH_BARS = 5, 20
VARIANCE_FLOOR = 1e-8
"""Added to WTI's variance: a price that never moves has a volatility of 1e-4, not 0."""
VIX_PER_BAR = np.log(100.0 * np.sqrt(252.0))
"""Log of what VIX, an annual volatility in percent, is divided by to be one per bar."""


@dataclass(frozen=True, eq=False)
class MacroSeries:
    """Daily values of one outside series, as they are of their days.

    Attributes:
        name: one of `MACRO`.
        dates: of the values, shape (n,), datetime64[D], ascending; read-only.
        values: VIX in percent a year, WTI in $ a barrel, the rate in percent a year, shape (n,),
            finite; read-only. VIX must be > 0. WTI may be what it was on 2020-04-20; a day without
            a positive price counts as missing.

    Raises:
        ValueError: naming the series, the rule and the value.
    """

    name: str
    dates: np.ndarray
    values: np.ndarray

    def __post_init__(self) -> None:
        if self.name not in MACRO:
            raise ValueError(
                f"macro series must be one of {', '.join(MACRO)}; received {self.name}"
            )
        dates = read_only(self.dates, "datetime64[D]")
        values = read_only(self.values, np.float64)
        if dates.ndim != 1 or values.shape != dates.shape or not dates.size:
            raise ValueError(
                f"{self.name}: dates and values must have one shape (n,), n >= 1; received "
                f"{dates.shape} and {values.shape}"
            )
        if not (np.diff(dates) > np.timedelta64(0, "D")).all():
            raise ValueError(f"{self.name}: dates must ascend, each once; received others")
        broken = ~np.isfinite(values) | ((values <= 0) if self.name == VIX else False)
        if broken.any():
            rule = "finite and > 0" if self.name == VIX else "finite"
            row = int(broken.argmax())
            raise ValueError(
                f"{self.name}: values must be {rule}; received {values[row]} on {dates[row]}"
            )
        if self.name == WTI:
            dates, values = dates[values > 0], values[values > 0]
            if not dates.size:
                raise ValueError(f"{self.name}: a value must be > 0; received none")
        object.__setattr__(self, "dates", dates)
        object.__setattr__(self, "values", values)

    def known_at(self, times: np.ndarray) -> np.ndarray:
        """The newest published value at the close of bars.

        Args:
            times: of the bars, shape (T,), datetime64; the day of each is what counts.

        Returns:
            Shape (T,).

        Raises:
            ValueError: where nothing is published yet, or not for long: naming the series, the
                span wanted and the span held.
        """
        days = np.asarray(times).astype("datetime64[D]")
        publication = PUBLICATION[self.name]
        newest = days - np.timedelta64(publication.lag, "D")
        place = np.searchsorted(self.dates, newest, side="right") - 1
        late = place < 0
        if publication.stale is not None:
            late |= days - self.dates[place] > np.timedelta64(publication.stale, "D")
        if late.any():
            raise ValueError(
                f"{self.name}: values must be known at every close from {days.min()} to "
                f"{days.max()}, {publication.lag} days after they are of; received values of "
                f"{self.dates[0]} to {self.dates[-1]} and none for {days[late][0]} (the setting "
                "features names the series)"
            )
        return self.values[place]


@dataclass(frozen=True, eq=False)
class MacroValues:
    """What is known of outside series at the close of each of T bars.

    Attributes:
        series: which of `MACRO`, in that order, each once, at least one.
        values: shape (T, n), finite, read-only: logs of VIX and WTI, the rate in percent.

    Raises:
        ValueError: naming the field, the rule and the value.
    """

    series: tuple[str, ...]
    values: np.ndarray

    def __post_init__(self) -> None:
        if not self.series or self.series != tuple(x for x in MACRO if x in self.series):
            raise ValueError(
                f"macro series must be some of {', '.join(MACRO)}, in this order; "
                f"received {self.series}"
            )
        values = read_only(self.values, np.float64)
        if values.ndim != 2 or values.shape[1] != len(self.series):
            raise ValueError(
                f"macro values must have shape (T, {len(self.series)}); received {values.shape}"
            )
        if not np.isfinite(values).all():
            raise ValueError("macro values must be finite; received others")
        object.__setattr__(self, "values", values)

    @classmethod
    def at(cls, series: Sequence[MacroSeries], times: np.ndarray) -> MacroValues:
        """What series tell at the close of bars.

        Args:
            series: in any order, each once.
            times: of the bars, shape (T,), datetime64.

        Raises:
            ValueError: if a series does not reach (`MacroSeries.known_at`).
        """
        ordered = sorted(series, key=lambda one: MACRO.index(one.name))
        known = [one.known_at(times) for one in ordered]
        logs = [x if s.name == RATE else np.log(x) for s, x in zip(ordered, known, strict=True)]
        return cls(tuple(one.name for one in ordered), np.stack(logs, axis=1))

    def __len__(self) -> int:
        return len(self.values)

    def part(self, bars: slice) -> MacroValues:
        """Those of some bars."""
        return MacroValues(self.series, self.values[bars])


def macro_feature_names(series: Sequence[str]) -> tuple[str, ...]:
    """Features that are made of some of `MACRO`, in their order."""
    return tuple(name for one in series for name in MACRO_FEATURES[one])


class MacroState:
    """The macro features of B markets, advanced one bar at a time.

    Everything is kept with the markets last, (n, B). Build it with `MacroTable.at`.
    """

    def __init__(
        self,
        series: tuple[str, ...],
        recent: np.ndarray,
        means: np.ndarray,
        variance: np.ndarray,
        weight: np.ndarray,
    ) -> None:
        """Take over what is carried.

        Args:
            series: which, n of them.
            recent: the newest known values and those of the `MONTH_BARS` before, oldest first,
                shape (21, n, B).
            means: slow means, shape (n, B).
            variance: of WTI's changes, shape (B,).
            weight: decayed count that it was divided by, shape (B,).
        """
        self.series = series
        self._recent, self._means = recent, means
        self._variance, self._weight = variance, weight

    @classmethod
    def beginning(cls, series: tuple[str, ...], values: np.ndarray) -> MacroState:
        """At the first bar of B markets, where values (n, B) are known."""
        recent = np.repeat(values[None], MONTH_BARS + 1, axis=0)
        nothing = np.zeros(values.shape[1])
        return cls(series, recent, values.copy(), nothing, nothing.copy())

    def __len__(self) -> int:
        return self._recent.shape[2]

    @property
    def values(self) -> np.ndarray:
        """Newest known values, shape (n, B)."""
        return self._recent[-1]

    @property
    def means(self) -> np.ndarray:
        """Slow means, shape (n, B)."""
        return self._means

    @property
    def wti_variance(self) -> np.ndarray:
        """EWMA (0.94) variance of WTI's changes, shape (B,)."""
        return self._variance

    def take(self, rows: np.ndarray) -> MacroState:
        """The state of chosen markets, repeats allowed."""
        carried = self._recent, self._means, self._variance, self._weight
        return MacroState(self.series, *(np.take(x, rows, axis=-1) for x in carried))

    @classmethod
    def concatenate(cls, states: Sequence[MacroState]) -> MacroState:
        """One state of all markets of several, in their order; all of the same series."""
        names = ("_recent", "_means", "_variance", "_weight")
        joined = [np.concatenate([getattr(x, name) for x in states], axis=-1) for name in names]
        return cls(states[0].series, *joined)

    def push(self, values: np.ndarray) -> None:
        """Move one bar on, in place, to known values (n, B).

        Raises:
            ValueError: for another shape.
        """
        if values.shape != self.values.shape:
            raise ValueError(
                f"macro values must have shape {self.values.shape}; received {values.shape}"
            )
        if WTI in self.series:
            row = self.series.index(WTI)
            square = (values[row] - self.values[row]) ** 2
            weight = FAST * self._weight + 1.0
            self._variance = (FAST * self._weight * self._variance + square) / weight
            self._weight = weight
        self._recent = np.concatenate([self._recent[1:], values[None]])
        self._means = SLOW * self._means + (1.0 - SLOW) * values

    def rows(self, log_volatility: np.ndarray) -> np.ndarray:
        """The macro features, shape (M, B), `macro_feature_names` of the series.

        Args:
            log_volatility: of series B, each in its market (`features.FEATURES`,
                ``volatility_ewma``).
        """
        return _features(
            self.series,
            self.values,
            self.values - self._recent[-1 - CHANGE_BARS],
            self.values - self._recent[0],
            self._means,
            self._variance,
            log_volatility,
        )


def _features(
    series: tuple[str, ...],
    values: np.ndarray,
    of_week: np.ndarray,
    of_month: np.ndarray,
    means: np.ndarray,
    variance: np.ndarray,
    log_volatility: np.ndarray,
) -> np.ndarray:
    """Features (M, B) from known values, their changes and means (n, B), variances (B,)."""
    found = []
    for row, name in enumerate(series):
        above = values[row] - means[row]
        if name == VIX:
            found += [above, of_week[row], values[row] - VIX_PER_BAR - log_volatility]
        elif name == WTI:
            volatility = np.sqrt(variance + VARIANCE_FLOOR)
            found += [of_month[row] / (volatility * np.sqrt(MONTH_BARS)), above / (volatility * 10)]
        else:
            found.append(above)
    return np.stack(found)


@dataclass(frozen=True, eq=False)
class MacroTable:
    """What is made of a history's macro values, worked out once; build it with `of`.

    Attributes:
        macro: the values, T bars.
        means: slow means at each bar, shape (n, T).
        variance: of WTI's changes, shape (T,).
        weight: see `MacroState`, shape (T,).
    """

    macro: MacroValues
    means: np.ndarray
    variance: np.ndarray
    weight: np.ndarray

    @classmethod
    def of(cls, macro: MacroValues) -> MacroTable:
        """Run the state along the bars."""
        values = macro.values.T[..., None]
        state = MacroState.beginning(macro.series, values[:, 0])
        means, carried = np.empty(values.shape[:2]), np.empty((2, len(macro)))
        for t in range(len(macro)):
            if t:
                state.push(values[:, t])
            means[:, t] = state._means[:, 0]
            carried[:, t] = state._variance[0], state._weight[0]
        return cls(macro, means, *carried)

    def at(self, rows: np.ndarray) -> MacroState:
        """The state of B markets that stand at rows (B,), each at least `MONTH_BARS`."""
        known = self.macro.values.T
        recent = known[:, rows + np.arange(-MONTH_BARS, 1)[:, None]].swapaxes(0, 1)
        return MacroState(
            self.macro.series,
            np.ascontiguousarray(recent),
            self.means[:, rows],
            self.variance[rows],
            self.weight[rows],
        )

    def rows(self, log_volatility: np.ndarray) -> np.ndarray:
        """The macro features of every bar, shape (T, M); the first `MONTH_BARS` are NaN.

        Args:
            log_volatility: of the symbol at every bar, shape (T,).
        """
        known = self.macro.values.T
        of_week, of_month = np.full(known.shape, np.nan), np.full(known.shape, np.nan)
        of_week[:, CHANGE_BARS:] = known[:, CHANGE_BARS:] - known[:, :-CHANGE_BARS]
        of_month[:, MONTH_BARS:] = known[:, MONTH_BARS:] - known[:, :-MONTH_BARS]
        return _features(
            self.macro.series,
            known,
            of_week,
            of_month,
            self.means,
            self.variance,
            log_volatility,
        ).T
