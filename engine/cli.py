"""The command line, after LEAN's: backtest, report, object-store, data import.

Commands import what they need when they run, so that `--help` and the small ones are quick.
"""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

STORE = "storage"
BACKTESTS = "backtests"
STAMP = "%Y-%m-%d_%H-%M-%S"
"""LEAN's name for a backtest's folder; `lean report` relies on it."""


class OneLineErrors(click.Group):
    """Says what is wrong with an input in one line and exits with 1; `--verbose` adds the trace.

    Any other exception is a fault of the program and keeps its traceback.
    """

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except (ValueError, NotImplementedError, OSError) as error:
            if ctx.params.get("verbose"):
                traceback.print_exc()
            message = " ".join(str(error).split()) or type(error).__name__
            click.echo(f"error: {message}", err=True)
            ctx.exit(1)


@click.group(cls=OneLineErrors, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--verbose", is_flag=True, help="Show the traceback of an error too.")
def main(verbose: bool) -> None:
    """Run Mirage's algorithm without LEAN: same commands, same folders, same results."""


@main.group()
def data() -> None:
    """Bring market data into LEAN's folder format."""


@data.group("import")
def data_import() -> None:
    """Write data from one source; importing again changes nothing."""


def data_folder_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--data-folder`, for the commands that need market data."""
    return click.option(
        "--data-folder",
        type=click.Path(path_type=Path, file_okay=False),
        help="LEAN data folder; default: lean.json's data-folder, else data.",
    )(command)


@data_import.command()
@data_folder_option
def packaged(data_folder: Path | None) -> None:
    """Real daily bars that ship inside Python packages (AAPL, FB, GOOG, IBM, MSFT, indices)."""
    from engine.data_import import PackagedSource, import_data

    click.echo(import_data(PackagedSource(), data_folder or configured_data_folder(Path("."))))


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
