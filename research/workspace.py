"""What the notebooks start from: the project's settings and its market data, here and in LEAN.

`lean research .` opens notebooks in LEAN's container, where a `QuantBook` serves history; anywhere
else the local engine's algorithm does. Both give the same frame (symbol, end time; adjusted
prices), so a notebook does not see the difference.
"""

from __future__ import annotations

import importlib
import json
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from algorithm.settings import Settings
from models.agent.observation import Observer
from models.artifacts import ArtifactStore
from models.market.features import FeatureTable
from models.market.history import History
from models.market.macro import RATE, VIX, WTI, MacroSeries, MacroValues
from models.market.market_view import MarketView
from research.conditions import ROOT
from research.real_markets import known_beside
from sim.paths import Paths

BARS_PER_YEAR = 252
"""As the strategy counts the bars it keeps."""

MACRO_FILES: Mapping[str, str] = {
    VIX: "fred/vixcls.csv",
    WTI: "fred/dcoilwtico.csv",
    RATE: "interest-rate/usa/interest-rate.csv",
}
"""Where a data folder holds outside series, below ``alternative``."""


def load_settings(changes: Mapping[str, str] | None = None) -> Settings:
    """The algorithm's settings: the parameters of `config.json` and changes to them.

    In LEAN's container the CLI puts the configuration of the whole run in the place of the
    project's `config.json`; the parameters are in it all the same.

    Args:
        changes: parameters to set otherwise, text by name as on LEAN's command line.

    Raises:
        ValueError: for an unknown parameter or a value out of range.
    """
    text = (ROOT / "config.json").read_text(encoding="utf-8")
    return Settings.from_parameters(json.loads(text).get("parameters", {}) | dict(changes or {}))


def load_histories(settings: Settings, *, data_folder: Path | str | None = None) -> list[History]:
    """Adjusted daily bars of the settings' symbols, from warm-up to the end of the backtest.

    Args:
        settings: which symbols, and when.
        data_folder: LEAN data folder; that of `lean.json` if None. LEAN's container has its own.

    Returns:
        One history per symbol, in their order, timed by the end of each bar (exchange time).

    Raises:
        ValueError: if there is no data folder, or no bars of a symbol.
    """
    start = settings.run.start_date - timedelta(days=round(settings.run.warm_up_years * 365.25))
    end = settings.run.end_date + timedelta(days=1)
    with _quant_book(data_folder, end) as (book, resolution):
        symbols = [book.add_equity(name, resolution).symbol for name in settings.run.symbols]
        frame = book.history(
            symbols, _midnight(start), _midnight(end), resolution, fill_forward=False
        )
        found = []
        for name, symbol in zip(settings.run.symbols, symbols, strict=True):
            try:
                bars = frame.loc[symbol]
            except KeyError:
                raise ValueError(
                    f"symbol {name} must have daily bars from {start} to {settings.run.end_date}; "
                    "there are none in the data folder"
                ) from None
            found.append(History.from_frame(name, bars))
    series = load_macro(settings.forecaster.macro, data_folder=data_folder)
    return beside(found, series)


def load_macro(names: Sequence[str], *, data_folder: Path | str | None = None) -> list[MacroSeries]:
    """Outside series from a LEAN data folder, with all that it holds of them.

    Args:
        names: of `models.market.macro.MACRO`.
        data_folder: that of `lean.json` if None.

    Raises:
        ValueError: if a file is not there.
    """
    folder = default_data_folder() if data_folder is None else Path(data_folder)
    found = []
    for name in names:
        path = folder / "alternative" / MACRO_FILES[name]
        if not path.is_file():
            raise ValueError(f"{name}: the data folder must hold {path}; there is none")
        rows = pd.read_csv(path, header=0 if name == RATE else None, dtype={0: str})
        dates = pd.to_datetime(rows.iloc[:, 0]).to_numpy().astype("datetime64[D]")
        found.append(MacroSeries(name, dates, rows.iloc[:, 1].to_numpy(np.float64)))
    return found


def beside(histories: Sequence[History], series: Sequence[MacroSeries]) -> list[History]:
    """Histories with what was known of outside series at each bar; of none, without.

    Raises:
        ValueError: if a series does not reach over a history.
    """
    return [one.beside(MacroValues.at(series, one.time) if series else None) for one in histories]


def default_data_folder() -> Path:
    """The data folder that `lean.json` names."""
    lean_json = json.loads((ROOT / "lean.json").read_text(encoding="utf-8"))
    return ROOT / lean_json["data-folder"]


def open_artifacts(
    store: Path | str | None = None, *, report: Callable[[str], Any] = print
) -> ArtifactStore:
    """What the algorithm has learned and kept: that of LEAN's object store, or of a folder.

    Args:
        store: folder of the local engine's object store; ``storage`` in the project if None.
            LEAN's container has its own.
        report: takes one line of text where an artifact is damaged.

    Raises:
        ValueError: if nothing can be saved there.
    """
    if in_lean():
        found = importlib.import_module("QuantConnect.Research").QuantBook().object_store
    else:
        from engine.api.object_store import ObjectStore
        from engine.cli import STORE, check_store

        folder = ROOT / STORE if store is None else Path(store)
        check_store(folder)
        found = ObjectStore(folder)
    return ArtifactStore(found, report=report)


def known_at_start(histories: Sequence[History], settings: Settings) -> list[History]:
    """What the algorithm's first training learns from: the bars of its warm-up."""
    kept = math.ceil(settings.run.warm_up_years * BARS_PER_YEAR)
    start = np.datetime64(settings.run.start_date)
    return [history.until(start).tail(kept) for history in histories]


def year_after(histories: Sequence[History], known: Sequence[History]) -> list[NDArray[np.int64]]:
    """Rows of each history from its last known bar through the year that followed.

    Args:
        histories: one per symbol.
        known: what is known of each: some of its bars, the newest first of all (`known_at_start`).

    Returns:
        One array per history, shape (D + 1,), 1 <= D <= 252; row 0 is the last known bar. D is as
        large as all histories allow.

    Raises:
        ValueError: if a history ends with what is known, or symbols have bars on other days.
    """
    last = [
        int(np.searchsorted(history.time, past.data_end))
        for history, past in zip(histories, known, strict=True)
    ]
    left = [len(history) - 1 - row for history, row in zip(histories, last, strict=True)]
    for history, count in zip(histories, left, strict=True):
        if count < 1:
            raise ValueError(f"{history.symbol} must have bars after the known ones; got none")
    rows = [row + np.arange(min(BARS_PER_YEAR, *left) + 1) for row in last]
    for history, row in zip(histories, rows, strict=True):
        if not np.array_equal(history.time[row], histories[0].time[rows[0]]):
            raise ValueError(
                f"{history.symbol} must have bars on the days of {histories[0].symbol}"
            )
    return rows


def real_year(histories: Sequence[History], known: Sequence[History], observer: Observer) -> Paths:
    """The bars of `year_after` as a tape: one market with all symbols, without innovations.

    They are observed as the algorithm observes them: from the newest known bar, bar by bar.
    """
    rows = year_after(histories, known)
    window = observer.forecaster.config.window
    seen = []
    for history, past, row in zip(histories, known, rows, strict=True):
        market = observer.follow(MarketView.at([FeatureTable.of(past)], window=window))
        seen.append(
            np.concatenate(
                [
                    market.current(),
                    *(
                        market.push(history.bars[[r]], macro=known_beside(history, r))
                        for r in row[1:]
                    ),
                ]
            )
        )
    bars = [history.bars[row] for history, row in zip(histories, rows, strict=True)]
    starts = np.array([[row[0] for row in rows]])
    return Paths(np.stack(bars)[None], np.stack(seen)[None], np.arange(len(rows))[None], starts)


def in_lean() -> bool:
    """Whether LEAN runs in this process: its notebooks load .NET when they start."""
    return "clr" in sys.modules


@contextmanager
def _quant_book(data_folder: Path | str | None, now: date) -> Iterator[tuple[Any, Any]]:
    """LEAN's QuantBook or the local engine's algorithm, and the daily resolution of its kind."""
    if in_lean():
        lean = importlib.import_module("QuantConnect")
        research = importlib.import_module("QuantConnect.Research")
        yield research.QuantBook(), lean.Resolution.DAILY
        return

    from engine.api.algorithm import QCAlgorithm
    from engine.api.run_context import running
    from engine.common.enums import Resolution
    from engine.run.runner import make_context

    if data_folder is None:
        data_folder = default_data_folder()
    if not Path(data_folder).is_dir():
        raise ValueError(
            f"data folder must exist; there is none at {data_folder}. `make data` writes one."
        )
    with TemporaryDirectory() as store, running(make_context(Path(data_folder), Path(store), {})):
        algorithm = QCAlgorithm()
        algorithm.set_start_date(now.year, now.month, now.day)
        yield algorithm, Resolution.DAILY


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day)
