"""Running a backtest: loading the algorithm, the loop, statistics, result files."""

from __future__ import annotations

import gc
import importlib.util
import json
import sys
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from engine.api.algorithm import QCAlgorithm
from engine.api.messages import ENGINE_MARK, ERROR_MARK, LOG
from engine.api.object_store import ObjectStore
from engine.api.run_context import RunContext, ignore_message, running
from engine.common.charting import Chart
from engine.common.data_folder import set_data_folder
from engine.common.decimals import ZERO
from engine.common.enums import AccountType, AlgorithmStatus
from engine.common.naming import with_hint
from engine.common.net_exceptions import NetException
from engine.feed.auxiliary_files import AuxiliaryData, read_symbol_properties
from engine.feed.bar_files import BarFiles
from engine.feed.data_feed import DataFeed
from engine.feed.frames import tickers_in_frames
from engine.feed.fred import FredFiles
from engine.feed.subscriptions import Sources
from engine.indicators.candlesticks import CandleSettings
from engine.market.market_hours import MarketHoursDatabase
from engine.market.security_definitions import SecurityDefinitions
from engine.market.symbols import SymbolCache
from engine.orders.orders import MarketOnCloseOrder, Order, OrderEvent
from engine.run.loop import Loop
from engine.run.shim_modules import framework_modules
from engine.statistics.inputs import StatisticsInputs
from engine.statistics.interest_rate import InterestRateProvider, InterestRates, ModelRates
from engine.statistics.order_hash import order_list_hash
from engine.statistics.sampling import TURNOVER
from engine.statistics.summary import StatisticsResult, summarize

ENGINE = Path(__file__).parents[1]
SHIM = ENGINE / "shim"
_SHIM_MODULES = ("AlgorithmImports",)
_BAD_INPUT = ValueError, NotImplementedError, OSError
_NEW_OBJECTS = 50_000
"""After so many more objects the collector of garbage looks through them, in a run."""


@dataclass
class BacktestResult:
    """What a backtest left behind.

    Attributes:
        statistics: LEAN's table, name to text, `OrderListHash` last.
        orders, order_events: all, in order.
        charts: LEAN's and the algorithm's own, by name.
        equity: (UTC time, portfolio value) samples.
        algorithm: the instance that ran.
        log: lines the algorithm wrote, with their time.
        status: completed, stopped or runtime error.
        runtime_error: message and traceback of the user's code, empty if it succeeded.
        summary: all statistics.
    """

    statistics: dict[str, str]
    orders: list[Order]
    order_events: list[OrderEvent]
    charts: dict[str, Chart]
    equity: list[tuple[datetime, Any]]
    algorithm: QCAlgorithm
    log: list[str]
    status: AlgorithmStatus
    runtime_error: str
    summary: StatisticsResult
    parameters: dict[str, str] = field(default_factory=dict)


class AlgorithmError(RuntimeError):
    """The user's algorithm raised; the message holds the part of the traceback that is its own."""


def run_backtest(
    project: Path,
    *,
    data_folder: Path,
    results: Path | None = None,
    store: Path,
    parameters: Mapping[str, str] | None = None,
    progress: bool = False,
) -> BacktestResult:
    """Run the algorithm of a project.

    Args:
        project: a folder with main.py (and config.json), or a Python file.
        data_folder: market data in LEAN's format.
        results: folder for the result files; None writes none.
        store: folder of the object store.
        parameters: replace those of config.json altogether.
        progress: show a bar over the simulated days.

    Returns:
        The result; an exception of the algorithm is in it, not raised, once it trades.

    Raises:
        ValueError: for bad input found before the first traded bar: no algorithm, missing data
            folder, malformed config or data, whatever `initialize` or warm-up refuses.
        NotImplementedError: likewise for calls that the engine lacks.
        OSError: likewise for files that cannot be read or written.
        AlgorithmError: for any other exception of loading or of `initialize`.
    """
    context = make_context(data_folder, store, project_parameters(project, parameters))
    with loaded_algorithm(project, context) as kind:
        return _run(kind, context, data_folder, results, progress)


def run_algorithm(
    kind: type[QCAlgorithm],
    *,
    data_folder: Path,
    store: Path,
    results: Path | None = None,
    parameters: Mapping[str, str] | None = None,
    progress: bool = False,
) -> BacktestResult:
    """Run an algorithm class; see `run_backtest`."""
    context = make_context(data_folder, store, parameters or {})
    with algorithm_run(context):
        return _run(kind, context, data_folder, results, progress)


def _main_of(project: Path) -> Path:
    """The Python file of a project.

    Raises:
        ValueError: if there is none.
    """
    main = project if project.is_file() else project / "main.py"
    if not main.is_file():
        raise ValueError(f"project must be a folder with main.py or a Python file; got {project}")
    return main


def project_parameters(
    project: Path, parameters: Mapping[str, str] | None = None
) -> Mapping[str, str]:
    """The given parameters, without any those of the project's config.json.

    Raises:
        ValueError: if there is no such project, or its config.json is malformed.
    """
    main = _main_of(Path(project))
    return read_parameters(main.parent / "config.json") if parameters is None else parameters


@contextmanager
def loaded_algorithm(project: Path, context: RunContext) -> Iterator[type[QCAlgorithm]]:
    """Load a project's algorithm class; inside the block it may be made and run.

    Raises:
        ValueError: if there is no algorithm.
        NotImplementedError: for calls at import that the engine lacks.
        AlgorithmError: for any other exception of loading.
    """
    main = _main_of(Path(project))
    with _import_paths(main.parent), algorithm_run(context):
        yield _algorithm_class(_load(main), main)


@contextmanager
def algorithm_run(context: RunContext) -> Iterator[None]:
    """Algorithms of this context may be made and run inside the block."""
    with running(context), _clean_globals(context):
        yield


def read_parameters(path: Path) -> dict[str, str]:
    """Parameters of a config.json; none without the file.

    Raises:
        ValueError: if it is not strict JSON or a parameter is not text.
    """
    if not path.is_file():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8")).get("parameters", {})
    except (ValueError, AttributeError) as error:
        raise ValueError(f"{path} must hold a JSON object: {error}") from error
    if not isinstance(found, dict):
        raise ValueError(f"{path}: parameters must be a JSON object; received {found!r}")
    bad = [name for name, value in found.items() if not isinstance(value, str)]
    if bad:
        raise ValueError(f"{path}: parameters must be text; {bad[0]} is {found[bad[0]]!r}")
    return dict(found)


def make_context(data_folder: Path, store: Path, parameters: Mapping[str, str]) -> RunContext:
    """Open a data folder and a store.

    Raises:
        ValueError: if the data folder is missing or malformed.
    """
    data_folder = Path(data_folder)
    if not data_folder.is_dir():
        raise ValueError(f"data folder must exist; there is none at {data_folder}")
    return RunContext(
        MarketHoursDatabase(data_folder),
        Sources(BarFiles(data_folder), AuxiliaryData(data_folder)),
        read_symbol_properties(data_folder),
        ObjectStore(Path(store)),
        {str(k): str(v) for k, v in parameters.items()},
        fred=FredFiles(data_folder),
        interest_rates=InterestRates.load(data_folder),
        data_folder=data_folder,
    )


@contextmanager
def _clean_globals(context: RunContext) -> Iterator[None]:
    """Global state of LEAN's API starts fresh and is reset after a run."""
    files = context.sources.auxiliary.map_files
    today = datetime.now()
    definitions = SecurityDefinitions(context.data_folder)
    SymbolCache.start(lambda ticker, market: files.sid(ticker, market, today), definitions)
    set_data_folder(context.data_folder)
    buffer = MarketOnCloseOrder.DEFAULT_SUBMISSION_TIME_BUFFER
    try:
        with tickers_in_frames():
            yield
    finally:
        MarketOnCloseOrder.submission_time_buffer = buffer
        set_data_folder(None)
        SymbolCache.clear()
        CandleSettings.qc_reset()


@contextmanager
def _import_paths(project: Path) -> Iterator[None]:
    """The shim and the project come first on the path.

    Afterwards the modules of the shim are forgotten, and those of the project unless it could be
    imported before (as when the project is the folder the program was started in).
    """
    before = list(sys.path)
    known = set(sys.modules)
    root = project.resolve()
    foreign = not any(Path(entry or ".").resolve() == root for entry in before)
    hidden = {name: sys.modules.pop(name) for name in _SHIM_MODULES if name in sys.modules}
    sys.path[:0] = [str(SHIM), str(root)]
    importlib.invalidate_caches()
    try:
        with framework_modules():
            yield
    finally:
        sys.path[:] = before
        for name in set(sys.modules) - known | set(_SHIM_MODULES):
            file = getattr(sys.modules.get(name), "__file__", None)
            if file is None:
                continue
            if Path(file).parent == SHIM or (foreign and Path(file).is_relative_to(root)):
                del sys.modules[name]
        sys.modules.update(hidden)


def _load(main: Path) -> ModuleType:
    """Execute a file as the module LEAN would import.

    Raises:
        ValueError: if it is not a Python file, or says itself that an input is wrong.
        NotImplementedError: if it calls what the engine lacks.
        AlgorithmError: if Python cannot load it.
    """
    name = main.stem
    spec = importlib.util.spec_from_file_location(name, main)
    if spec is None or spec.loader is None:
        raise ValueError(f"{main} must be a Python file")
    module = importlib.util.module_from_spec(spec)
    previous = sys.modules.get(name)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (ValueError, NotImplementedError):
        raise
    except Exception as problem:
        error = f"{type(problem).__name__}: {problem}"
        raise AlgorithmError(
            f"{main} cannot be loaded: {error}\n{_user_traceback(problem)}"
        ) from problem
    finally:
        if previous is None:
            sys.modules.pop(name, None)
        else:
            sys.modules[name] = previous
    return module


def _algorithm_class(module: ModuleType, main: Path) -> type[QCAlgorithm]:
    """The class LEAN would run: defined in the module, alphabetically last.

    Raises:
        ValueError: if there is none.
    """
    names = [
        name
        for name in sorted(dir(module))
        if isinstance(kind := getattr(module, name), type)
        and issubclass(kind, QCAlgorithm)
        and kind.__module__ == module.__name__
    ]
    if not names:
        raise ValueError(f"{main} must define a class derived from QCAlgorithm; it defines none")
    return getattr(module, names[-1])


def _told(error: BaseException) -> str:
    text = with_hint(error) if isinstance(error, AttributeError) else str(error)
    return f"{type(error).__name__}: {text}"


def _user_traceback(error: BaseException) -> str:
    """The traceback without the engine's own frames."""
    here = str(ENGINE)
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith((here, "<frozen"))
    ]
    lines = traceback.format_list(frames or traceback.extract_tb(error.__traceback__)[-1:])
    return "".join(lines).rstrip()


def _show_error(line: str) -> None:
    """Repeat errors, and notes of the engine's, on standard error without breaking the bar."""
    if ERROR_MARK in line or line.startswith(ENGINE_MARK):
        from tqdm import tqdm

        tqdm.write(line, file=sys.stderr)


class _Progress:
    """A bar over the simulated days; silent unless asked for."""

    def __init__(self, algorithm: QCAlgorithm, shown: bool) -> None:
        self._algorithm = algorithm
        self._bar: Any = None
        self._day: Any = None
        if shown:
            from tqdm import tqdm

            days = (algorithm.end_date - algorithm.time).days + 1
            self._first = algorithm.time.date()
            # Drawn on a terminal only: in a file its lines would bury the messages.
            self._bar = tqdm(total=days, unit="day", desc="Backtest", disable=None)

    def step(self, utc_time: datetime) -> None:
        """Show a new day."""
        if self._bar is None:
            return
        day = self._algorithm.time.date()
        if day != self._day:
            self._day = day
            self._bar.n = min((day - self._first).days, self._bar.total)
            equity = self._algorithm.portfolio.total_portfolio_value
            self._bar.set_postfix_str(f"{day} equity ${equity:,.0f}")

    def close(self, finished: bool) -> None:
        """Leave the bar as it ends."""
        if self._bar is not None:
            if finished:
                self._bar.n = self._bar.total
            self._bar.refresh()
            self._bar.close()


@contextmanager
def _rare_collections() -> Iterator[None]:
    """Look for cycles of garbage less often, and not among what was there before.

    A run makes and keeps much that has none, and what has been imported stays.
    """
    before, frozen = gc.get_threshold(), gc.get_freeze_count()
    gc.set_threshold(_NEW_OBJECTS, *before[1:])
    if not frozen:
        gc.freeze()
    try:
        yield
    finally:
        gc.set_threshold(*before)
        if not frozen:
            gc.unfreeze()


@_rare_collections()
def _run(
    kind: type[QCAlgorithm],
    context: RunContext,
    data_folder: Path,
    results: Path | None,
    progress: bool,
) -> BacktestResult:
    started = datetime.now(UTC).replace(tzinfo=None)
    rates = InterestRates.load(data_folder)
    if progress:
        context.on_message = _show_error
    algorithm = kind()
    loop: Loop | None = None
    error, trace = "", ""
    try:
        algorithm.qc_callback("initialize")()
        algorithm.post_initialize()
        feed = DataFeed(algorithm, context.sources, context.fred)
        bar = _Progress(algorithm, progress)
        loop = Loop(algorithm, feed, bar.step)
        serve_statistics(algorithm, loop, rates)
        finished = False
        try:
            loop.run()
            finished = True
        finally:
            bar.close(finished)
    except Exception as problem:
        before = loop is None or not loop.trading
        context.on_message = ignore_message
        algorithm.set_run_time_error(problem)
        error = _told(problem)
        trace = _user_traceback(problem)
        if loop is None and results is not None:
            _write_failed_start(algorithm, results, started, error, trace)
        # An error of LEAN's own stops a run that has begun, as in LEAN, with results.
        told_by_lean = loop is not None and isinstance(problem, NetException)
        if before and not told_by_lean and isinstance(problem, _BAD_INPUT):
            # Found before anything was traded.
            raise
    if loop is None:
        raise AlgorithmError(f"{kind.__name__}.initialize failed: {error}\n{trace}")
    loop.finish()
    if error:
        algorithm.qc_messages.add(LOG, algorithm.time, f"Runtime Error: {error}\n{trace}")
        algorithm.qc_messages.collect()
    return _finish(algorithm, loop, context, rates, results, started, error, trace)


def finish_run(
    algorithm: QCAlgorithm,
    loop: Loop,
    context: RunContext,
    data_folder: Path,
    results: Path,
    started: datetime,
    problem: Exception | None,
    number: int,
) -> BacktestResult:
    """Statistics and result files of a live run, so far or when it has ended.

    Args:
        algorithm: that ran.
        loop: that ran it.
        context: of the run.
        data_folder: market data in LEAN's format; has the interest rates.
        results: folder for the result files.
        started: machine's time, UTC.
        problem: the exception that ended it, None without one.
        number: names the files; the same one replaces them.

    Raises:
        ValueError: if the results cannot be written.
    """
    rates = InterestRates.load(data_folder)
    error = "" if problem is None else _told(problem)
    trace = "" if problem is None else _user_traceback(problem)
    return _finish(algorithm, loop, context, rates, results, started, error, trace, number)


def _finish(
    algorithm: QCAlgorithm,
    loop: Loop,
    context: RunContext,
    rates: InterestRates,
    results: Path | None,
    started: datetime,
    error: str,
    trace: str,
    number: int | None = None,
) -> BacktestResult:
    transactions = algorithm.transactions
    summary = _statistics(algorithm, loop, rates)
    summary.summary.update(algorithm.qc_summary_statistics)
    orders = transactions.get_orders()
    statistics = dict(summary.summary)
    statistics["OrderListHash"] = order_list_hash(orders)
    result = BacktestResult(
        statistics,
        orders,
        list(transactions.order_events),
        loop.sampler.charts,
        list(loop.sampler.equity()),
        algorithm,
        list(algorithm.qc_log_lines),
        algorithm.status,
        f"{error}\n{trace}" if error else "",
        summary,
        dict(context.parameters),
    )
    if results is not None:
        _write(result, results, started, error, trace, number or run_number())
    return result


def serve_statistics(algorithm: QCAlgorithm, loop: Loop, rates: InterestRates) -> None:
    """Let an algorithm's `statistics` be those of its run so far."""
    algorithm.qc_statistics_source = partial(_statistics, algorithm, loop, rates)


def _statistics(algorithm: QCAlgorithm, loop: Loop, rates: InterestRates) -> StatisticsResult:
    """LEAN's statistics of what has been sampled so far."""
    sampler, transactions = loop.sampler, algorithm.transactions
    model = algorithm.risk_free_interest_rate_model
    returns, benchmark = sampler.daily(algorithm.utc_time_naive)
    return summarize(
        StatisticsInputs(
            equity=sampler.equity(),
            performance=returns,
            benchmark=benchmark,
            turnover=sampler.points(TURNOVER, TURNOVER),
            starting_capital=sampler.starting_value,
            total_fees=algorithm.portfolio.total_fees_exact,
            total_orders=transactions.orders_count,
            profit_loss=transactions.profits,
            wins=transactions.wins,
            trades=algorithm.trade_builder.trades,
            capacity=loop.capacity.capacity,
            lowest_capacity_asset=loop.capacity.lowest_capacity_asset,
            trading_days_per_year=algorithm.settings.trading_days_per_year or 252,
        ),
        rates if isinstance(model, InterestRateProvider) else ModelRates(model),
    )


def run_number() -> int:
    """A number for a run of now."""
    return int(time.time()) % 2_000_000_000


def _write_failed_start(
    algorithm: QCAlgorithm, folder: Path, started: datetime, error: str, trace: str
) -> None:
    """Write what LEAN leaves of a run that failed in `initialize`: no statistics, no log."""
    from engine.run.result_files import RunRecord, banner, write_results

    record = RunRecord(
        id=run_number(),
        name=algorithm.name,
        start_date=algorithm.start_date,
        end_date=algorithm.end_date,
        charts={},
        orders=[],
        order_events=[],
        profit_loss={},
        statistics=StatisticsResult(),
        runtime_statistics=banner(algorithm.portfolio, ZERO, {}) | algorithm.runtime_statistics,
        parameters=dict(algorithm.get_parameters()),
        engine_log=algorithm.qc_messages.as_they_came,
        started=started,
        finished=datetime.now(UTC).replace(tzinfo=None),
        runtime_error=error,
        stack_trace=trace,
    )
    write_results(folder, record)


def _write(
    result: BacktestResult, folder: Path, started: datetime, error: str, trace: str, number: int
) -> None:
    """Write LEAN's result files."""
    from engine.run.result_files import LiveRecord, RunRecord, banner, write_results

    algorithm = result.algorithm
    record = RunRecord(
        id=number,
        name=algorithm.name,
        start_date=algorithm.start_date,
        end_date=algorithm.time if algorithm.live_mode else algorithm.end_date,
        charts=result.charts,
        orders=result.orders,
        order_events=result.order_events,
        profit_loss=algorithm.transactions.profits,
        statistics=result.summary,
        runtime_statistics=banner(
            algorithm.portfolio,
            result.summary.total_performance.portfolio_statistics.start_equity,
            result.statistics,
        )
        | algorithm.runtime_statistics,
        parameters=result.parameters,
        insights=algorithm.insights.get_insights(),
        logs=result.log,
        engine_log=algorithm.qc_messages.as_they_came,
        started=started,
        finished=datetime.now(UTC).replace(tzinfo=None),
        runtime_error=error,
        stack_trace=trace,
        account_type=getattr(algorithm.brokerage_model, "account_type", AccountType.MARGIN),
        trading_days_per_year=algorithm.settings.trading_days_per_year or 252,
        live=LiveRecord.of(algorithm) if algorithm.live_mode else None,
    )
    write_results(folder, record)
