"""Does the local engine compute what LEAN computes?

Runs LEAN's own Python regression algorithms, unmodified, from a LEAN checkout through the local
engine and compares every statistic with the ones that LEAN declares in the algorithm's C# twin, or
in the class from which the twin inherits them.

    python -m research.benchmarks.lean_conformance --lean ../Lean --only MACDTrendAlgorithm

Algorithms that use what the engine leaves to LEAN, or data that its sample has not, are in
`lean_conformance_excluded.txt`, each with the reason. Each algorithm runs in a process of its own,
so that one crash does not end the table.
"""

from __future__ import annotations

import ast
import importlib.util
import multiprocessing
import re
import sys
import tempfile
import time
import traceback
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

from research.conditions import conditions, option_parser

PYTHON, CSHARP = "Algorithm.Python", "Algorithm.CSharp"
UNSUPPORTED = ("NotImplementedError", "ImportError", "ModuleNotFoundError", "NameError")
EXCLUDED = Path(__file__).with_name("lean_conformance_excluded.txt")
PARAMETERS = {"ema-fast": "10", "ema-slow": "20"}
"""LEAN's own tests give these to every algorithm."""
_BLOCK = re.compile(r"ExpectedStatistics\s*(?:=>|{\s*get;[^}]*}\s*=)(.*?)};", re.DOTALL)
_STATUS = re.compile(r"AlgorithmStatus\s+AlgorithmStatus\s*=>\s*AlgorithmStatus\.(\w+)")
_LANGUAGES = re.compile(r"List<Language>\s+Languages\s*(?:=>|{\s*get;\s*}\s*=)(.*?);", re.DOTALL)
_CSHARP_CLASS = re.compile(r"^ {0,4}(?:[a-z]+ )*class\s+(\w+)\s*(?::\s*([\w.]+))?", re.MULTILINE)
_PAIR = re.compile(r'{\s*"((?:[^"\\]|\\.)*)"\s*,\s*"((?:[^"\\]|\\.)*)"\s*}')
_ERROR = re.compile(r"\b(\w+Error): ([^\n]*)")
_CLASS = re.compile(r"^class\s+(\w+)\s*\(", re.MULTILINE)


@dataclass(frozen=True)
class Case:
    """An algorithm and what LEAN declares for it.

    Attributes:
        status: how it ends in LEAN: ``Completed`` or ``RuntimeError``.
    """

    name: str
    path: Path
    expected: dict[str, str]
    status: str = "Completed"


@dataclass(frozen=True)
class Verdict:
    """How an algorithm went.

    Attributes:
        status: ``passed``, ``differs``, ``unsupported``, ``failed`` or ``timeout``.
        detail: the figures that differ (ours, LEAN's), the missing call or the error.
        seconds: wall clock.
    """

    name: str
    status: str
    detail: str
    seconds: float


def expected_statistics(source: str) -> dict[str, str]:
    """Read the declared statistics out of a C# source; empty if it declares none."""
    block = _BLOCK.search(source)
    if block is None:
        return {}
    return {key: ast.literal_eval(f'"{value}"') for key, value in _PAIR.findall(block.group(1))}


@dataclass(frozen=True)
class _Twin:
    """A C# class: its base, its statistics and status as far as it declares them itself.

    Attributes:
        in_python: LEAN compares the Python version's statistics with these.
    """

    base: str
    expected: dict[str, str]
    status: str
    in_python: bool


def _twins(folder: Path) -> dict[str, _Twin]:
    """C# classes by name, nested ones left out; one ends where the next of its file begins."""
    found: dict[str, _Twin] = {}
    for path in sorted(folder.rglob("*.cs")):
        source = path.read_text(encoding="utf-8-sig", errors="replace")
        heads = list(_CSHARP_CLASS.finditer(source))
        for head, after in zip_longest(heads, heads[1:]):
            text = source[head.start() : after.start() if after else None]
            status, languages = _STATUS.search(text), _LANGUAGES.search(text)
            found[head.group(1)] = _Twin(
                head.group(2) or "",
                expected_statistics(text),
                status.group(1) if status else "",
                languages is None or "Python" in languages.group(1),
            )
    return found


def declared_result(twins: dict[str, _Twin], name: str) -> tuple[dict[str, str], str]:
    """Statistics and status that a C# class declares or inherits.

    Both are empty where there are no statistics, or none that LEAN holds the Python version to.
    """
    if name in twins and not twins[name].in_python:
        return {}, ""
    expected: dict[str, str] = {}
    status = ""
    while name in twins:
        expected = expected or twins[name].expected
        status = status or twins[name].status
        name = twins[name].base
    return expected, status or "Completed"


def read_excluded(path: Path = EXCLUDED) -> dict[str, str]:
    """Names of algorithms that are not run, with the reasons.

    Raises:
        ValueError: if a line is not ``name: reason``.
    """
    excluded: dict[str, str] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line or line.startswith("#"):
            continue
        name, _, reason = line.partition(": ")
        if not reason:
            raise ValueError(f"{path}, line {number} must read `name: reason`; received {line!r}")
        excluded[name] = reason
    return excluded


def find_cases(lean: Path, only: Sequence[str] = ()) -> list[Case]:
    """Return LEAN's Python algorithms whose C# twin has statistics, excluded ones left out.

    Args:
        lean: a checkout of QuantConnect/Lean.
        only: names of classes, excluded ones too; all that are not excluded if empty.

    Raises:
        ValueError: if the checkout lacks the folders, or a name has no such algorithm.
    """
    for folder in (PYTHON, CSHARP):
        if not (lean / folder).is_dir():
            raise ValueError(f"--lean must be a LEAN checkout with {folder}; received {lean}")
    twins = _twins(lean / CSHARP)
    excluded = {} if only else read_excluded()
    cases: dict[str, Case] = {}
    for path in sorted((lean / PYTHON).glob("*.py")):
        names = _CLASS.findall(path.read_text(encoding="utf-8-sig", errors="replace"))
        name = path.stem if path.stem in names else next((n for n in names if n in twins), "")
        expected, status = declared_result(twins, name)
        if not expected or name in excluded or (only and name not in only):
            continue
        if name not in cases or path.stem == name:
            cases[name] = Case(name, path, expected, status)
    missing = set(only) - cases.keys()
    if missing:
        raise ValueError(f"--only names no algorithm with a declared result: {sorted(missing)}")
    return list(cases.values())


def _child(case: Case, lean: Path, data: Path, sender: Any) -> None:
    """Run one algorithm and send its statistics, or its error's kind and text."""
    try:
        sys.path.insert(0, str(lean / PYTHON))
        from engine.run.runner import run_backtest

        with tempfile.TemporaryDirectory() as folder:
            results, store = Path(folder) / "results", Path(folder) / "store"
            result = run_backtest(
                case.path, data_folder=data, results=results, store=store, parameters=PARAMETERS
            )
        if result.runtime_error and case.status == "Completed":
            sender.send(_classified("", result.runtime_error))
        else:
            sender.send(("statistics", dict(result.statistics)))
    except BaseException as error:  # a crash is a line of the table, whatever it is
        place = traceback.extract_tb(error.__traceback__)[-1]
        text = f"{error} ({Path(place.filename).name}:{place.lineno})"
        sender.send(_classified(type(error).__name__, text))


def _classified(kind: str, text: str) -> tuple[str, str]:
    """Find in an error's text the error of the algorithm that caused it, if there is one."""
    inner = _ERROR.search(text)
    if inner is not None:
        return inner.group(1), " ".join(inner.group(2).split())
    return kind or "RuntimeError", " ".join(text.split())


def judge(case: Case, lean: Path, data: Path, limit: float) -> Verdict:
    """Run one algorithm in a process of its own and compare."""
    kind: str
    value: Any
    start = time.perf_counter()
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_child, args=(case, lean, data, sender), daemon=True)
    process.start()
    sender.close()
    try:
        kind, value = receiver.recv() if receiver.poll(limit) else ("timeout", f"over {limit} s")
    except EOFError:
        kind, value = "crash", "the process ended without a result"
    finally:
        if process.is_alive() and not receiver.closed:
            process.join(1)
        if process.is_alive():
            process.kill()
        process.join()
    seconds = time.perf_counter() - start
    if kind == "statistics":
        return _compared(case, value, seconds)
    if kind == "timeout":
        return Verdict(case.name, "timeout", value, seconds)
    status = "unsupported" if kind in UNSUPPORTED else "failed"
    return Verdict(
        case.name, status, value if status == "unsupported" else f"{kind}: {value}", seconds
    )


def _compared(case: Case, ours: dict[str, str], seconds: float) -> Verdict:
    wrong = [
        f"{key}: {ours.get(key, '-')} ({value})"
        for key, value in case.expected.items()
        if ours.get(key) != value
    ]
    return Verdict(case.name, "differs" if wrong else "passed", "; ".join(wrong), seconds)


def run(cases: Iterable[Case], lean: Path, data: Path, workers: int, limit: float) -> list[Verdict]:
    """Run all cases, some at a time, printing each line of the table as it is known."""
    verdicts = []
    with ThreadPoolExecutor(workers) as pool:
        for verdict in pool.map(lambda case: judge(case, lean, data, limit), cases):
            verdicts.append(verdict)
            line = f"{verdict.status:<12} {verdict.seconds:6.1f} s  {verdict.name}"
            print(f"{line}  {verdict.detail}".rstrip(), flush=True)
    return verdicts


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; 1 if a required algorithm did not pass."""
    parser = option_parser(__doc__)
    parser.add_argument("--lean", type=Path, required=True, help="checkout of QuantConnect/Lean")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="class names")
    parser.add_argument("--data", type=Path, help="data folder (default: the checkout's Data)")
    parser.add_argument(
        "--require", nargs="+", default=[], metavar="NAME", help="exit with 1 unless these pass"
    )
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--limit", type=float, default=300.0, help="seconds for one algorithm")
    options = parser.parse_args(arguments)
    if importlib.util.find_spec("engine") is None:
        parser.error("run from the repository root: python -m research.benchmarks.lean_conformance")
    data = options.data or options.lean / "Data"
    try:
        cases = find_cases(options.lean, options.only)
    except ValueError as error:
        parser.error(str(error))
    print(conditions("numpy", "pandas"), flush=True)
    lean = options.lean.resolve()
    verdicts = run(cases, lean, data.resolve(), options.workers, options.limit)
    counts = {
        status: sum(verdict.status == status for verdict in verdicts)
        for status in ("passed", "differs", "unsupported", "failed", "timeout")
    }
    parts = [f"{count} {status}" for status, count in counts.items() if count]
    left_out = "" if options.only else f"; {len(read_excluded())} excluded"
    print(f"{len(verdicts)} algorithms: {', '.join(parts)}{left_out}")
    passed = {verdict.name for verdict in verdicts if verdict.status == "passed"}
    if missing := sorted(set(options.require) - passed):
        print(f"required but not passed: {', '.join(missing)}")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
