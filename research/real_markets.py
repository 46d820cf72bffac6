"""A real span as one market, observed by the forecaster that was current then.

What an agent would have seen: at given dates (every new year by default) the forecaster is fitted
anew to the bars before, and observes all closes up to the next date. A first fit is a full one,
those after it are warm starts, as in trading. Nothing at a row knows a later bar.

The market is one tape (`sim.paths.Paths` with B = 1) of all symbols on their common dates, so rules
and agents trade it in the same environment as imagined ones. Fits and the tape are kept in a folder
if one is given, under keys that follow from the data, the code and the settings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from models import provenance
from models.agent.observation import Observer
from models.agent.outlook import moments_along, surprises
from models.forecast.config import ForecasterConfig
from models.forecast.forecaster import Forecaster
from models.market.features import FeatureTable
from models.market.history import History
from models.market.market_view import MarketView
from research.held_out import saved_arrays
from sim.dates import CommonDates
from sim.paths import Paths
from sim.starts import start_moments

Dates = NDArray[np.datetime64]

DAYS_PER_YEAR = 365.25


@dataclass(frozen=True)
class WalkForward:
    """How a forecaster is kept current.

    Attributes:
        years: of bars before a refit that it is fitted to, > 0; the strategy's default.
        seed: of every fit.
        config: of the forecaster.

    Raises:
        ValueError: if `years` is not > 0.
    """

    years: float = 4.0
    seed: int = 1
    config: ForecasterConfig = field(default_factory=ForecasterConfig)

    def __post_init__(self) -> None:
        if not 0 < self.years < np.inf:
            raise ValueError(f"years must be finite and > 0; received {self.years!r}")


@dataclass(frozen=True)
class Refit:
    """What is current from a date on.

    Attributes:
        date: first day that is traded with it.
        tables: what it was fitted to: bars before that date, one table per symbol.
        forecaster: the fit.
    """

    date: np.datetime64
    tables: tuple[FeatureTable, ...]
    forecaster: Forecaster

    @property
    def observer(self) -> Observer:
        """Of the forecaster."""
        return Observer(self.forecaster)


@dataclass(frozen=True)
class RealMarket:
    """A real span of S symbols as one market.

    Attributes:
        symbols: S tickers.
        dates: of each row, shape (T+1,), days.
        paths: one market of T bars; row 0 is the last close before the span.
    """

    symbols: tuple[str, ...]
    dates: Dates
    paths: Paths

    def row_before(self, date: np.datetime64) -> int:
        """The row of the last close before a date.

        Raises:
            ValueError: if there is none.
        """
        row = int(np.searchsorted(self.dates, np.datetime64(date, "D"))) - 1
        if row < 0:
            raise ValueError(f"dates must begin before {date}; received {self.dates[0]}")
        return row

    def rows(self, first: int, last: int) -> RealMarket:
        """The part from row `first`, known at its start, through row `last`.

        Raises:
            ValueError: unless 0 <= first < last <= T.
        """
        paths = self.paths
        if not 0 <= first < last <= paths.n_steps:
            raise ValueError(
                f"rows must be 0 <= first < last <= {paths.n_steps}; received {first}, {last}"
            )
        kept = slice(first, last + 1)
        moments = paths.moments
        if first and paths.forecasts is not None and moments is not None:
            gone = np.moveaxis(surprises(paths.forecasts)[:, :, 1 : first + 1], 2, 0)
            moments = moments_along(gone, moments)[-1]
        part = Paths(
            paths.bars[:, :, kept],
            paths.observations[:, :, kept],
            paths.series,
            paths.start_row + first,
            forecasts=None if paths.forecasts is None else paths.forecasts[:, :, kept],
            moments=moments,
            before=paths.observations[:, :, :first] if first else None,
        )
        return RealMarket(self.symbols, self.dates[kept], part)


def new_years(first: np.datetime64, last: np.datetime64) -> Dates:
    """A first day, and every first of January after it up to a last one."""
    begin, end = np.datetime64(first, "D"), np.datetime64(last, "D")
    years = np.arange(begin.astype("datetime64[Y]") + 1, end.astype("datetime64[Y]") + 1)
    return np.concatenate([[begin], years.astype("datetime64[D]")])


def walk(
    histories: Sequence[History],
    dates: Dates,
    settings: WalkForward,
    *,
    cache: Path | None = None,
) -> list[Refit]:
    """Fit at each date to the bars before it.

    Args:
        histories: of S symbols.
        dates: ascending, shape (K,), K >= 1.
        settings: how.
        cache: folder that keeps fits.

    Raises:
        ValueError: for dates that do not ascend, or a history with too few bars before the first.
    """
    days = _ascending(dates)
    found: list[Refit] = []
    parent: str | None = None
    for day in tqdm(days, desc=f"fits, seed {settings.seed}", leave=False):
        tables = tuple(FeatureTable.of(known(one, day, settings.years)) for one in histories)
        parent = provenance.key_for(
            {
                "code": provenance.code_fingerprint("models", "research.real_markets"),
                "versions": provenance.versions(),
                "config": provenance.described(settings.config),
                "seed": settings.seed,
                "bars": [table.history.fingerprint() for table in tables],
                "previous": parent,
            }
        )
        previous = found[-1].forecaster if found else None

        def fit(tables=tables, previous=previous) -> dict[str, np.ndarray]:
            fitted = Forecaster.fit(tables, settings.config, seed=settings.seed, previous=previous)
            return fitted.to_arrays()

        arrays = saved_arrays(cache, f"refit-{parent}", fit)
        found.append(Refit(day, tables, Forecaster.from_arrays(arrays)))
    return found


def known(history: History, day: np.datetime64, years: float) -> History:
    """The bars of some years before a day, that day's own excluded.

    Raises:
        ValueError: if there is none.
    """
    before = _before(history, day)
    span = np.timedelta64(round(years * DAYS_PER_YEAR), "D")
    count = int((before.time >= np.datetime64(day, "D") - span).sum())
    if not count:
        raise ValueError(f"{history.symbol} must have bars in the {years:g} years before {day}")
    return before.tail(count)


def follow(
    histories: Sequence[History], refits: Sequence[Refit], until: np.datetime64 | None = None
) -> RealMarket:
    """The market from the last close before the first refit on, as each refit observes it.

    Every symbol is observed at each of its own bars; the market has the rows of those dates on
    which all have one.

    Args:
        histories: of S symbols, which the forecasters may or may not have been fitted on.
        refits: ascending by date, at least one.
        until: last day; the last of the common ones if None.

    Raises:
        ValueError: if there are not two common dates, or no bars before the first refit.
    """
    if not refits:
        raise ValueError("refits must hold at least one; received none")
    days = _ascending(np.array([refit.date for refit in refits]))
    end = None if until is None else np.datetime64(until, "D")
    tables = [FeatureTable.of(one if end is None else _through(one, end)) for one in histories]
    common = CommonDates.of([table.history for table in tables])
    shared = common.present.all(axis=1)
    dates, rows = common.dates[shared].astype("datetime64[D]"), common.rows[shared]
    first = int(np.searchsorted(dates, days[0])) - 1
    if first < 0 or len(dates) - first < 2:
        raise ValueError(
            f"histories must share a date before {days[0]} and one from then on; they share "
            f"{len(dates)} dates"
        )
    dates, rows = dates[first:], rows[first:]
    seen = [_observed(table, refits, rows[:, s]) for s, table in enumerate(tables)]
    bars = np.stack([table.history.bars[rows[:, s]] for s, table in enumerate(tables)])
    paths = Paths(
        bars[None],
        np.stack([observations for observations, _ in seen])[None],
        np.arange(len(tables))[None],
        rows[:1],
        forecasts=np.stack([forecasts for _, forecasts in seen])[None],
        moments=start_moments(tables, rows[:1]),
    )
    return RealMarket(tuple(table.symbol for table in tables), dates, paths)


def _observed(
    table: FeatureTable, refits: Sequence[Refit], rows: NDArray[np.int64]
) -> tuple[np.ndarray, np.ndarray]:
    """Observations (T+1, D) and forecasts (T+1, 8) of a symbol at rows of its history."""
    time = table.history.time
    # A refit decides at the last close before its date, the first one at the first row.
    later = [int(np.searchsorted(time, refit.date)) - 1 for refit in refits[1:]]
    begins = [int(rows[0]), *later]
    ends = [min(row, int(rows[-1]) + 1) for row in [*later, len(table)]]
    observations, forecasts = [], []
    for refit, begin, end in zip(refits, begins, ends, strict=True):
        if end <= begin:
            continue
        window = refit.forecaster.config.window
        view = MarketView.at_rows(table, [begin], window=window)
        memory = refit.forecaster.hindcast(table).memory_at(np.array([begin]))
        market = refit.observer.follow(view, memory)
        for row in range(begin, end):
            if row > begin:
                market.push(table.history.bars[[row]], macro=known_beside(table.history, row))
            observations.append(market.current()[0])
            forecasts.append(market.forecast[0])
    kept = rows - rows[0]
    return np.stack(observations)[kept], np.stack(forecasts)[kept]


def known_beside(history: History, row: int) -> NDArray[np.float64] | None:
    """What is known of outside series at a row, shape (1, n); None where nothing is."""
    return None if history.macro is None else history.macro.values[[row]]


def real_market(
    histories: Sequence[History],
    dates: Dates,
    settings: WalkForward,
    *,
    until: np.datetime64 | None = None,
    cache: Path | None = None,
) -> tuple[RealMarket, list[Refit]]:
    """`walk` and `follow`, from the folder where it holds them.

    Args:
        histories: of S symbols.
        dates: of the refits, ascending.
        settings: how the forecaster is kept current.
        until: last day; the last of the common ones if None.
        cache: folder that keeps fits and the market.

    Raises:
        ValueError: as these two.
    """
    refits = walk(histories, dates, settings, cache=cache)
    key = provenance.key_for(
        {
            "code": provenance.code_fingerprint("models", "sim", "research.real_markets"),
            "versions": provenance.versions(),
            "settings": provenance.described(settings),
            "bars": [one.fingerprint() for one in histories],
            "dates": [str(day) for day in _ascending(dates)],
            "until": None if until is None else str(np.datetime64(until, "D")),
        }
    )

    def make() -> dict[str, np.ndarray]:
        made = follow(histories, refits, until)
        paths = made.paths
        known_too = {"forecasts": paths.forecasts, "moments": paths.moments}
        return {
            "dates": made.dates.astype(np.int64),
            "bars": paths.bars,
            "observations": paths.observations,
            "series": paths.series,
            "start_row": paths.start_row,
            **{name: value for name, value in known_too.items() if value is not None},
        }

    saved = dict(saved_arrays(cache, f"market-{key}", make))
    days = saved.pop("dates").astype("datetime64[D]")
    return RealMarket(tuple(one.symbol for one in histories), days, Paths(**saved)), refits


def _before(history: History, day: np.datetime64) -> History:
    """The bars before a day, whether timed by date or by their end."""
    return history.until(np.datetime64(day, "D").astype("datetime64[ns]") - np.timedelta64(1, "ns"))


def _through(history: History, day: np.datetime64) -> History:
    return _before(history, np.datetime64(day, "D") + np.timedelta64(1, "D"))


def _ascending(dates: Dates) -> Dates:
    days = np.atleast_1d(np.asarray(dates, dtype="datetime64[D]"))
    if days.ndim != 1 or not days.size or (np.diff(days) <= np.timedelta64(0, "D")).any():
        raise ValueError(f"dates of refits must ascend, at least one; received {dates!r}")
    return days
