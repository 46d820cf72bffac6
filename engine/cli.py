"""The command line, after LEAN's: backtest, live, status, report, object-store, data import.

Commands import what they need when they run, so that `--help` and the small ones are quick.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sysconfig
import textwrap
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import click

STORE = "storage"
BACKTESTS = "backtests"
LIVE = "live"
STATE = "state"
STAMP = "%Y-%m-%d_%H-%M-%S"
"""LEAN's name for a backtest's folder; `lean report` relies on it."""
DIAGNOSTICS_KEY = "mirage/diagnostics.json"


_FRAME = re.compile(r'  File "(?P<file>.+)", line (?P<line>\d+), in (?P<name>\S+)')
"""How Python's tracebacks tell of a call."""


class AlgorithmStoppedError(ValueError):
    """The algorithm raised.

    Args:
        error: message, then the traceback, as lines.
        results: folder with what a run left that had begun to trade.
    """

    def __init__(self, error: str, results: Path | None = None) -> None:
        message, *self.trace = error.splitlines()
        told = [message, place_in(self.trace)]
        if results is not None:
            told = ["the algorithm stopped:", *told, f"- its log and results: {results}"]
        super().__init__(" ".join(filter(None, told)))


def place_in(trace: Sequence[str]) -> str:
    """Where the user's own code was left: the deepest call in no library and not in the engine."""
    libraries = {sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")}
    foreign = ("<", str(Path(__file__).parent), *filter(None, libraries))
    calls = [found for line in trace if (found := _FRAME.match(line)) is not None]
    own = [call for call in calls if not call["file"].startswith(foreign)]
    return f"({own[-1]['file']}, line {own[-1]['line']}, in {own[-1]['name']})" if own else ""


class OneLineErrors(click.Group):
    """Says what is wrong with an input in one line and exits with 1; `--verbose` adds the trace.

    Any other exception is a fault of the program and keeps its traceback.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take `--verbose` wherever it stands in the line."""
        if "--verbose" in args:
            args = ["--verbose", *(arg for arg in args if arg != "--verbose")]
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except (ValueError, NotImplementedError, OSError) as error:
            if ctx.params.get("verbose"):
                traceback.print_exc()
                click.echo("\n".join(getattr(error, "trace", [])), err=True)
            message = " ".join(str(error).split()) or type(error).__name__
            if isinstance(error, PermissionError) and error.filename is not None:
                message += remedy(Path(os.fsdecode(error.filename)))
            click.echo(f"error: {message}", err=True)
            ctx.exit(1)


@click.group(cls=OneLineErrors, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--verbose", is_flag=True, help="Show the traceback of an error too.")
def main(verbose: bool) -> None:
    """Run Mirage's algorithm without LEAN: same commands, same folders, same results."""


def parameter_option(says: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """`--parameter`, which may be given many times; what it does is the command's to say."""
    return click.option(
        "--parameter",
        "parameters",
        nargs=2,
        multiple=True,
        metavar="NAME VALUE",
        help=says,
    )


def data_folder_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--data-folder`, for the commands that need market data."""
    return click.option(
        "--data-folder",
        type=click.Path(path_type=Path, readable=False),
        help="LEAN data folder; default: lean.json's data-folder, else data.",
    )(command)


@main.command()
@click.argument("project", type=click.Path(path_type=Path, readable=False), default=Path("."))
@parameter_option(
    "Set a parameter; given once or more, config.json's parameters are not used, as in LEAN."
)
@data_folder_option
@click.option(
    "--output",
    type=click.Path(path_type=Path, readable=False),
    help=f"Folder for the results; default: {BACKTESTS}/<time> in the project.",
)
def backtest(
    project: Path,
    parameters: tuple[tuple[str, str], ...],
    data_folder: Path | None,
    output: Path | None,
) -> None:
    """Run PROJECT's main.py over history.

    Writes LEAN's result files and report.html, and prints a summary.
    """
    folder = data_folder or configured_data_folder(project)
    check_project(project, folder)
    if output is not None and output.is_dir() and any(output.iterdir()):
        raise ValueError(f"--output must be a new or empty folder; {output} holds files")
    quiet_tensorflow()
    from engine.run.runner import AlgorithmError, run_backtest

    store = project / STORE
    check_store(store)
    before = _state(store / DIAGNOSTICS_KEY)
    started = time.perf_counter()
    try:
        with results_folder(output or project / BACKTESTS, own=output is not None) as results:
            result = run_backtest(
                project,
                data_folder=folder,
                results=results,
                store=store,
                parameters=dict(parameters) if parameters else None,
                progress=True,
            )
    except AlgorithmError as error:
        raise AlgorithmStoppedError(str(error)) from error
    total = time.perf_counter() - started
    if result.runtime_error:
        raise AlgorithmStoppedError(result.runtime_error, results)
    _copy_diagnostics(store, results, before)
    show(results, folder, total)


def _copy_diagnostics(store: Path, results: Path, before: Any) -> None:
    """What the algorithm left for the report, beside the results, if it left anything new."""
    diagnostics = store / DIAGNOSTICS_KEY
    if _state(diagnostics) != before:
        shutil.copyfile(diagnostics, results / diagnostics.name)


def quiet_tensorflow() -> None:
    """Keep TensorFlow's start-up notices from the console, unless the user's environment asks.

    oneDNN's kernels are switched off as the Makefile does, so that both ways give equal numbers.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    # Sums in one order: the last bits do not depend on the number of cores.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"keras\.")


def _state(path: Path) -> tuple[int, int] | None:
    """Changes whenever the file is written."""
    if not path.is_file():
        return None
    status = path.stat()
    return status.st_mtime_ns, status.st_size


def show(results: Path, data_folder: Path, total: float) -> None:
    """Print the summary of a finished run, build its report, say where the time went."""
    from engine.report import build_report, rivals, summary, verdict
    from engine.report.diagnostics import load_diagnostics
    from engine.report.results import NoSessionError, load_backtest

    summary.write_timing(results, total)
    try:
        finished, diagnostics = load_backtest(results), load_diagnostics(results)
    except NoSessionError as why:
        click.echo(f"No report: {why}.\nResults  {results}")
        return
    click.echo("\n" + summary.console(finished, data_folder))
    for told in (rivals.lines(finished, diagnostics), summary.facts_lines(diagnostics)):
        if told:
            click.echo("\n" + "\n".join(told))
    report = build_report(results, data_folder=data_folder)
    parts = summary.stages(diagnostics.get("timings", {}), total)
    click.echo("\n" + "\n".join(summary.timing_lines(parts)) + "\n")
    for said in verdict.in_words(finished, diagnostics):
        click.echo(textwrap.fill(said, 100))
    if trained := summary.trainings_line(diagnostics):
        click.echo(f"\nModels   {trained}")
    click.echo(f"Results  {results}\nReport   {report}")


def check_project(project: Path, data_folder: Path) -> None:
    """Refuse what cannot run, before anything is loaded.

    Raises:
        ValueError: naming the file or folder that is missing.
    """
    if not (project / "main.py").is_file():
        raise ValueError(f"{project} must be a project with a main.py; there is none")
    if data_folder.exists() and not data_folder.is_dir():
        raise ValueError(f"the data folder {data_folder} must be a folder; it is a file")
    if not data_folder.is_dir():
        raise ValueError(
            f"the data folder {data_folder} does not exist; "
            "`python -m engine data import packaged` writes one"
        )


def check_store(store: Path) -> None:
    """Refuse an object store in which something could not be saved, before hours of training.

    Raises:
        ValueError: if something other than a folder has its name, or a folder of it is read-only,
            or a file of it cannot be read.
    """
    if store.exists() and not store.is_dir():
        raise ValueError(f"the object store {store} must be a folder; it is a file")
    for path in (store, *sorted(store.rglob("*"))) if store.exists() else ():
        folder = path.is_dir()
        # What a run beside this one has replaced meanwhile is not there to be read.
        if path.exists() and not os.access(path, os.W_OK | os.X_OK if folder else os.R_OK):
            what = f"the object store {store}" if path == store else f"{path} in the object store"
            rule = "writable" if folder else "readable"
            raise ValueError(f"{what} must be {rule}{remedy(path)}")


def remedy(path: Path) -> str:
    """What to do about a path that belongs to somebody else; "" where it is ours."""
    found = next((each for each in (path, *path.parents) if each.exists()), None)
    if found is None or found.stat().st_uid == os.getuid():
        return ""
    owner = "root" if found.stat().st_uid == 0 else f"user {found.stat().st_uid}"
    return (
        f"; {found} belongs to {owner}, as what LEAN's container (Docker) writes does: "
        f'sudo chown -R "$(id -u):$(id -g)" {found}'
    )


@contextmanager
def results_folder(folder: Path, own: bool = False) -> Iterator[Path]:
    """Make the folder of a run's results first; a run that leaves nothing leaves no folder.

    Args:
        folder: in which a run of now gets a folder by its time, or its own.
        own: it is the run's own.

    Yields:
        The folder; no other run has it, nor one that starts in the same second.

    Raises:
        ValueError: if the folder cannot be made.
    """
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        made = folder if own else _folder_of_now(folder)
    except OSError as error:
        raise ValueError(f"--output must be a folder that can be made: {error}") from error
    try:
        yield made
    finally:
        for path in (*([] if own else [made]), *missing):
            if any(path.iterdir()):
                break
            path.rmdir()


def _folder_of_now(parent: Path) -> Path:
    """Make a folder named by the second; of several in one second, by a later one."""
    moment = datetime.now()
    while True:
        folder = parent / f"{moment:{STAMP}}"
        try:
            folder.mkdir()
            return folder
        except FileExistsError:
            moment += timedelta(seconds=1)


def configured_data_folder(project: Path) -> Path:
    """The data folder of the project's lean.json, `data` without one.

    Raises:
        ValueError: if lean.json cannot be read.
    """
    path = project / "lean.json"
    if not path.is_file():
        return project / "data"
    try:
        folder = json.loads(path.read_text(encoding="utf-8")).get("data-folder", "data")
    except (ValueError, AttributeError) as error:
        raise ValueError(f"{path} must hold a JSON object: {error}") from error
    if not isinstance(folder, str) or not folder:
        raise ValueError(f"{path}: data-folder must be a path; received {folder!r}")
    return project / folder


class Speed(click.ParamType):
    """A number of seconds in a second, or `max`."""

    name = "speed"

    def convert(self, value: Any, param: Any, ctx: Any) -> float | None:
        """The number, None for `max`."""
        if value is None or value == "max":
            return None
        try:
            return float(str(value).removesuffix("x"))
        except ValueError:
            self.fail(f"{value!r} must be a number or max", param, ctx)


@main.command()
@click.argument("project", type=click.Path(path_type=Path, readable=False), default=Path("."))
@click.option(
    "--feed",
    type=click.Choice(["replay", "folder", "alpaca"]),
    default="replay",
    show_default=True,
    help="replay: the daily bars of the data folder, as trades on their days. folder: bars that "
    "anybody appends to the files of --feed-folder, now. alpaca: Alpaca's minute bars, now, with "
    "the key in APCA_API_KEY_ID and APCA_API_SECRET_KEY.",
)
@click.option(
    "--feed-folder",
    type=click.Path(path_type=Path, readable=False),
    help="Folder of --feed folder: TICKER.csv with date,open,high,low,close,volume, and more; see "
    "engine/live/folder.py.",
)
@click.option(
    "--from",
    "first",
    type=click.DateTime(["%Y-%m-%d"]),
    help="First day of a new account's replay; one that exists goes on where it stands.",
)
@click.option(
    "--to",
    "last",
    type=click.DateTime(["%Y-%m-%d"]),
    help="Last day; a replay needs one, any other feed goes on until it is stopped.",
)
@click.option(
    "--speed",
    type=Speed(),
    help="Seconds of the market in a second of a replay, such as 1000x; by default max, which "
    "jumps to what is due.",
)
@click.option(
    "--brokerage",
    type=click.Choice(["paper", "lean-paper"]),
    default="paper",
    show_default=True,
    help="paper outlives the process; lean-paper forgets, as LEAN's does.",
)
@click.option(
    "--state",
    type=click.Path(path_type=Path, file_okay=False),
    help=f"Folder of the account; default: {LIVE}/{STATE} in the project.",
)
@parameter_option("As for backtest.")
@data_folder_option
def live(
    project: Path,
    feed: str,
    feed_folder: Path | None,
    first: datetime | None,
    last: datetime | None,
    speed: float | None,
    brokerage: str,
    state: Path | None,
    parameters: tuple[tuple[str, str], ...],
    data_folder: Path | None,
) -> None:
    """Trade PROJECT's main.py on paper, on a clock, as LEAN's live-paper does.

    Ctrl-C (or SIGTERM) ends the run after what is in progress, given again at once; run again, it
    goes on with the same account.
    Files of a run are in live/<time>: LEAN's result files, live.log, events.jsonl.
    """
    folder = data_folder or configured_data_folder(project)
    check_project(project, folder)
    check_store(project / STORE)
    quiet_tensorflow()
    from engine.live.session import Options, run_project
    from engine.run.runner import AlgorithmError

    before = _state(project / STORE / DIAGNOSTICS_KEY)
    try:
        with results_folder(project / LIVE) as results:
            session = run_project(
                project,
                Options(
                    data_folder=folder,
                    store=project / STORE,
                    state=state or project / LIVE / STATE,
                    results=results,
                    first=first,
                    last=last,
                    speed=speed,
                    brokerage=brokerage,
                    feed=feed,
                    feed_folder=feed_folder,
                    parameters=dict(parameters) if parameters else None,
                    show=click.echo,
                ),
            )
    except AlgorithmError as error:
        raise AlgorithmStoppedError(str(error)) from error
    _copy_diagnostics(project / STORE, results, before)
    if session.live.error is not None:
        told = session.live.told if session.results is None else session.results.runtime_error
        raise AlgorithmStoppedError(told, results)
    algorithm = session.live.algorithm
    if first is not None and session.resumed:
        click.echo("The account went on where it stood; --from is for a new one.")
    click.echo(
        f"\nLive paper trading to {algorithm.time:%Y-%m-%d %H:%M} New York time: "
        f"{algorithm.transactions.orders_count} orders, "
        f"equity ${algorithm.portfolio.total_portfolio_value:,.2f}\n"
        f"Results  {results}"
    )


@main.command()
@click.argument("state", type=click.Path(path_type=Path, readable=False), default=Path(LIVE, STATE))
@click.option("--json", "as_json", is_flag=True, help="As JSON, times in UTC.")
def status(state: Path, as_json: bool) -> None:
    """Say what runs on a live account, what it holds and waits for, and how old its data are.

    STATE is the account's folder, live/state by default.
    """
    from engine.live import status as account

    if as_json:
        click.echo(json.dumps(account.status(state), indent=2))
    else:
        click.echo("\n".join(account.told(state)))


@main.command()
@click.argument(
    "folder",
    metavar="[BACKTEST_FOLDER]",
    required=False,
    type=click.Path(path_type=Path, readable=False),
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The file to write; default: report.html in the folder.",
)
@data_folder_option
def report(folder: Path | None, output: Path | None, data_folder: Path | None) -> None:
    """Write report.html about a finished backtest, LEAN's or ours.

    Without a folder: about the newest one in backtests that has something to show.
    """
    from engine.report import build_report
    from engine.report.results import NothingToShowError

    rates = data_folder or configured_data_folder(Path("."))
    if folder is not None:
        click.echo(build_report(folder, output, data_folder=rates))
        return
    for run in sorted(filter(Path.is_dir, Path(BACKTESTS).glob("*")), reverse=True):
        try:
            click.echo(build_report(run, output, data_folder=rates))
            return
        except NothingToShowError as error:
            click.echo(f"Note: {error}", err=True)
    raise ValueError(f"{BACKTESTS} must hold a backtest to report on; there is none yet")


@main.group("object-store")
def object_store() -> None:
    """List or clear what algorithms have saved."""


def store_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--store`, for the commands about saved objects."""
    return click.option(
        "--store",
        type=click.Path(path_type=Path, file_okay=False),
        default=Path(STORE),
        show_default=True,
        help="Folder of the object store.",
    )(command)


def prefix_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--prefix`, to choose saved objects."""
    return click.option("--prefix", default="", help="Only keys in this folder, such as mirage.")(
        command
    )


@object_store.command("list")
@store_option
@prefix_option
def list_objects(store: Path, prefix: str) -> None:
    """Print keys and sizes."""
    found = stored(store, prefix)
    for path in found:
        click.echo(f"{path.stat().st_size:>12,}  {path.relative_to(store).as_posix()}")
    click.echo(f"{_objects(found)} in {store}")


@object_store.command()
@store_option
@prefix_option
def clear(store: Path, prefix: str) -> None:
    """Delete saved objects; the next run trains its models anew."""
    found = stored(store, prefix)
    told = _objects(found)
    for path in found:
        path.unlink()
    for folder in sorted(store.rglob("*"), reverse=True):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
    click.echo(f"Deleted {told} from {store}")


def stored(store: Path, prefix: str) -> list[Path]:
    """Files of the store whose key lies in the folder `prefix`, or is it."""
    if not store.is_dir():
        return []
    wanted = prefix.strip("/")
    keys = {path.relative_to(store).as_posix(): path for path in store.rglob("*") if path.is_file()}
    return [
        path
        for key, path in sorted(keys.items())
        if not wanted or key == wanted or key.startswith(f"{wanted}/")
    ]


def _objects(paths: list[Path]) -> str:
    size = sum(path.stat().st_size for path in paths)
    return f"{len(paths)} object{'' if len(paths) == 1 else 's'} ({size:,} bytes)"


@main.group()
def data() -> None:
    """Bring market data into LEAN's folder format."""


@data.group("import")
def data_import() -> None:
    """Write data from one source; importing again changes nothing."""


@data_import.command()
@data_folder_option
def packaged(data_folder: Path | None) -> None:
    """Real daily bars that ship inside Python packages (AAPL, FB, GOOG, IBM, MSFT, indices)."""
    from engine.data_import import PackagedSource, import_data

    click.echo(import_data(PackagedSource(), data_folder or configured_data_folder(Path("."))))
