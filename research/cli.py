"""The command line of what is done by hand; measuring scripts are run by their own names.

Commands import what they need when they run, so that `--help` is quick.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.cli import OneLineErrors, data_folder_option, parameter_option, store_option

if TYPE_CHECKING:
    from research.stepping import Walk

SCRIPTS = ("benchmarks", "experiments")
"""Folders of modules that are run by their own names."""

PROMPT = "> "


class WithScripts(OneLineErrors):
    """Lists the measuring scripts beside the commands."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write module names and the first line of what each says of itself."""
        for folder in SCRIPTS:
            with formatter.section(f"Scripts, as python -m research.{folder}.NAME"):
                formatter.write_dl(list(_scripts(folder)))


def _scripts(folder: str) -> Iterator[tuple[str, str]]:
    for path in sorted((Path(__file__).parent / folder).glob("*.py")):
        says = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        if path.stem != "__init__":
            yield path.stem, says.splitlines()[0] if says else ""


@click.group(cls=WithScripts, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--verbose", is_flag=True, help="Show the traceback of an error too.")
def main(verbose: bool) -> None:
    """Look into Mirage by hand. The notebooks are in research/notebooks."""


@main.command()
@click.option("--symbols", metavar="AAPL,IBM", help="What is traded; default: the parameter.")
@click.option(
    "--from",
    "start",
    metavar="DATE",
    help="First day that is traded, such as 2009-01-02; models know the bars before it alone. "
    "Default: the parameter start_date.",
)
@click.option("--bars", type=click.IntRange(min=1), help="To walk at most; default: a year's, 252.")
@click.option("--agent", metavar="KIND", help="Who proposes; default: the parameter agent.")
@click.option(
    "--imagined",
    is_flag=True,
    help="Walk through an imagined market that goes on from the last bar before the start.",
)
@click.option("--seed", type=click.IntRange(min=0), help="Of the imagined market; default: 1.")
@parameter_option("Set another parameter of config.json otherwise.")
@click.option("--script", help='Commands instead of a prompt, such as "5; AAPL 0.2 IBM 0; quit".')
@click.option(
    "--record",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write every bar walked to this csv file at the end.",
)
@data_folder_option
@store_option
def step(
    symbols: str | None,
    start: str | None,
    bars: int | None,
    agent: str | None,
    imagined: bool,
    seed: int | None,
    parameters: tuple[tuple[str, str], ...],
    script: str | None,
    record: Path | None,
    data_folder: Path | None,
    store: Path,
) -> None:
    r"""Walk through a market bar by bar beside an agent, and overrule it.

    Every close shows the forecast of the next one, what the agent sees, wants and why, and four
    accounts: yours, the agent's without you, one always at the caps, and buy and hold. Models are
    those of the algorithm's first training: taken from the object store, or trained now.

    \b
    At the prompt:
      Enter            take the agent's proposal
      AAPL 0.2 IBM 0   take other weights, as shares of the portfolio (or keep: AAPL keep)
      5, or go 5       take the proposal for 5 bars
      obs AAPL         all that the agent sees of a symbol
      values           what the agent bases its proposal on
      fan              the forecast of the next close
      record           the last bars
      help, quit

    Without a terminal commands are read from --script or standard input, a line each.
    """
    if seed is not None and not imagined:
        raise ValueError(
            f"--seed goes with --imagined, a real span needs none; received {seed} (that of the "
            "models is set by --parameter seed)"
        )
    if record is not None and not record.resolve().parent.is_dir():
        raise ValueError(f"--record must lie in a folder that exists; received {record}")
    changes = dict(parameters)
    for name, value in (("symbols", symbols), ("start_date", start), ("agent", agent)):
        if value is not None:
            changes[name] = value
    from algorithm.diagnostics import Stopwatch
    from algorithm.learner import TimedProgress
    from research import workspace
    from research.stepping import BARS, opened

    settings = workspace.load_settings(changes)
    histories = workspace.load_histories(settings, data_folder=data_folder)
    artifacts = workspace.open_artifacts(store, report=click.echo)
    click.echo(
        f"{settings.agent.kind} on {', '.join(settings.run.symbols)}; models come from {store}, "
        "or are trained now, which takes about half a minute.",
        err=True,
    )
    walk = opened(
        settings,
        histories,
        artifacts,
        bars=BARS if bars is None else bars,
        imagined=(1 if seed is None else seed) if imagined else None,
        progress=TimedProgress(Stopwatch(), shown=True),
    )
    try:
        by_hand(walk, _lines(script))
    finally:
        if record is not None:
            walk.record.to_csv(record)
            click.echo(f"Record   {record}")


def by_hand(walk: Walk, lines: Iterator[str]) -> None:
    """Walk by commands until they, or the market, end; whatever is wrong with one is said.

    Args:
        walk: to go on with.
        lines: a command each (`step`'s help).
    """
    from research import screen

    click.echo(screen.opening(walk))
    shown = -1
    while not walk.done:
        if walk.row != shown:
            click.echo("\n" + screen.close(walk))
            shown = walk.row
        line = next(lines, None)
        if line is None:
            break
        try:
            if not _obey(walk, line.split()):
                break
        except ValueError as problem:
            click.echo(f"not done: {problem}")
    click.echo("\n" + screen.summary(walk))


def _obey(walk: Walk, words: list[str]) -> bool:
    """Do what a command says; False to leave.

    Raises:
        ValueError: saying what is wrong with it; then nothing has moved.
    """
    from research import screen

    first = words[0].lower() if words else ""
    if first and words[0].upper() in walk.symbols:
        _go(walk, 1, _weights(words))
    elif first in ("quit", "q", "exit") and len(words) == 1:
        return False
    elif first in ("help", "?"):
        click.echo(screen.HELP)
    elif first == "obs":
        for name in _named(walk, words[1:]):
            click.echo(screen.observation(walk.look(), name))
    elif first == "values" and len(words) == 1:
        click.echo(screen.values(walk))
    elif first == "fan" and len(words) == 1:
        click.echo(screen.fan(walk.look()))
    elif first == "record":
        click.echo(screen.record(walk, _count(words[1:] or ["10"])))
    elif first == "keep" and len(words) == 1:
        _go(walk, 1, dict.fromkeys(walk.symbols, float("nan")))
    elif not words:
        _go(walk, 1, {})
    elif first == "go" or (len(words) == 1 and re.fullmatch(r"[-+]?\d+", first)):
        _go(walk, _count(words[1:] if first == "go" else words), {})
    else:
        raise ValueError(
            f"a command must be Enter, weights of {', '.join(walk.symbols)} such as "
            f"{walk.symbols[0]} 0.2, go, obs, values, fan, record, keep, help or quit; received "
            f"{' '.join(words)!r}"
        )
    return True


def _go(walk: Walk, count: int, overrides: dict[str, float]) -> None:
    """Walk on and tell of it: of every bar, or of many those in which something was traded."""
    from research import screen

    for done in range(count):
        before = walk.look()
        stepped = walk.step(overrides)
        if count <= screen.TOLD or stepped.orders.any() or walk.done or done == count - 1:
            click.echo(screen.stepped(walk, before, stepped))
        if walk.done:
            break


def _weights(words: list[str]) -> dict[str, float]:
    """Weights by ticker of words such as AAPL 0.2 IBM 10% GOOG keep.

    Raises:
        ValueError: unless they come in pairs, each ticker once, each weight a number.
    """
    if len(words) % 2:
        raise ValueError(
            f"weights must come in pairs such as AAPL 0.2 IBM 0; received {' '.join(words)!r}"
        )
    found: dict[str, float] = {}
    for name, text in zip(words[::2], words[1::2], strict=True):
        symbol = name.upper()
        if symbol in found:
            raise ValueError(f"{symbol} must be named once; received it again")
        found[symbol] = _weight(symbol, text)
    return found


def _weight(symbol: str, text: str) -> float:
    if text.lower() == "keep":
        return float("nan")
    percent = text.endswith("%")
    if not re.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)", text.removesuffix("%")):
        raise ValueError(
            f"{symbol}: weight must be a number such as 0.2 or 20%, or keep; received {text!r}"
        )
    return float(text.removesuffix("%")) / (100.0 if percent else 1.0)


def _count(words: list[str]) -> int:
    if len(words) != 1 or not re.fullmatch(r"\d+", words[0]) or int(words[0]) < 1:
        raise ValueError(
            f"a number of bars must be whole and at least 1; received {' '.join(words)!r}"
        )
    return int(words[0])


def _named(walk: Walk, words: list[str]) -> list[str]:
    """Tickers; all of them if none is named."""
    names = [word.upper() for word in words]
    strangers = [name for name in names if name not in walk.symbols]
    if strangers:
        raise ValueError(f"obs must name some of {', '.join(walk.symbols)}; received {strangers}")
    return names or list(walk.symbols)


def _lines(script: str | None) -> Iterator[str]:
    """Commands, from a script, a terminal or whatever standard input is.

    What nobody typed is shown after the prompt, so that a transcript reads like a session.
    """
    if script is None and sys.stdin.isatty():
        yield from _typed()
        return
    given = sys.stdin if script is None else re.split(r"[;\n]", script)
    for line in given:
        click.echo(f"{PROMPT}{line.strip()}")
        yield line


def _typed() -> Iterator[str]:
    with suppress(ImportError):  # not on every system
        import readline  # noqa: F401 (lets `input` remember lines)
    while True:
        try:
            yield input(PROMPT)
        except (EOFError, KeyboardInterrupt):
            click.echo()
            return
