"""Which faults in the modules that decide about money would the tests not notice?

Copies the project to a temporary folder, lets mutmut change one thing at a time in each module
(an operator, a number, a name, a text), runs the module's own tests on every change, and prints how
many changes the tests noticed. What they did not notice follows line by line, but for changes that
alter nothing, whose reasons stand in `EQUIVALENT`.

    python -m research.experiments.mutants [NAME]... [--jobs 2] [--folder FOLDER]

Names are those of `SUBJECTS`, all by default. With `--folder` the copy stays there.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from research.conditions import ROOT, conditions, option_parser


@dataclass(frozen=True)
class Subject:
    """What is changed, and the tests that should notice.

    Attributes:
        modules: files below the root.
        tests: files or folders below the root; quick ones, for they run on every change.
        without: single tests among them that are too slow for that.
    """

    modules: tuple[str, ...]
    tests: tuple[str, ...]
    without: tuple[str, ...] = ()


SUBJECTS = {
    "limits": Subject(("models/limits.py",), ("tests/models/test_limits.py",)),
    "accounting": Subject(("sim/accounting.py",), ("tests/sim/test_accounting.py",)),
    "costs": Subject(("sim/costs.py",), ("tests/sim/test_costs.py",)),
    "stops": Subject(("algorithm/stops.py",), ("tests/algorithm/test_stops.py",)),
    "closes": Subject(("algorithm/closes.py",), ("tests/algorithm/test_closes.py",)),
    "learning": Subject(("algorithm/learning.py",), ("tests/algorithm/test_learning.py",)),
    "orders": Subject(
        ("algorithm/portfolio.py", "algorithm/risk.py", "algorithm/execution.py"),
        ("tests/algorithm/test_portfolio.py", "tests/algorithm/test_risk.py"),
    ),
    "decision": Subject(
        ("algorithm/decision.py",),
        ("tests/algorithm/test_decision.py",),
        without=(
            "tests/algorithm/test_decision.py"
            "::test_a_decider_that_was_started_later_sees_nearly_the_same",
        ),
    ),
    "artifacts": Subject(
        ("models/artifacts.py", "models/provenance.py"),
        ("tests/models/test_artifacts.py", "tests/models/test_provenance.py"),
    ),
    "observation": Subject(
        ("models/agent/observation.py", "models/agent/account.py"),
        ("tests/models/agent/test_observation.py", "tests/models/agent/test_account.py"),
        without=(
            "tests/models/agent/test_observation.py"
            "::test_streamed_and_windowed_observations_stay_close",
        ),
    ),
}

# Examples are looked for as always, but a failing one need not be made small.
CONFTEST = '''"""How hypothesis looks for examples while mutants run."""

from hypothesis import HealthCheck, Phase, settings

settings.register_profile(
    "mutants",
    phases=[Phase.explicit, Phase.generate],
    database=None,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
settings.load_profile("mutants")
'''

EQUIVALENT = {
    "stands in where the result is not used": (
        "ratio = np.where(solvent, equity, 2.0) / account.equity",
        "new = done.account.holdings[..., 0] * opens[..., 0] / np.where(at_open > 0, at_open, 2.0)",
        "solvent = np.where(ruined, 2.0, done.account.equity)",
        "np.where(wealth > 0, wealth, 2.0),",
        "share = room / np.where(fits, 2.0, wants)",
        "final = np.where(over, final * (gross * (1.0 - buffer) / np.where(over, total, 2.0)), "
        "final)",
        "factor = SHORT_LIMIT * (1.0 - buffer) / np.where(over, short, 2.0)",
    ),
    "skips work that would change nothing; now skips it less often, or where the two sides meet": (
        "if caps.sum(axis=None).max() <= gross:",
        "if caps.sum(axis=-1).max() < gross:",
        "if min(gross, caps.sum(axis=None).max()) <= SHORT_LIMIT:",
        "if min(gross, caps.sum(axis=-1).max()) < SHORT_LIMIT:",
        "if gross < SHORT_LIMIT:",
        *(
            f"if caps.shape[-1] {first} caps.sum(axis={axis}).max() {more} "
            "min(gross * (1.0 - buffer), SHORT_LIMIT):"
            for first, axis, more in (
                ("> 1 or", -1, ">"),
                (">= 1 and", -1, ">"),
                ("> 1 and", None, ">"),
                ("> 1 and", -1, ">="),
            )
        ),
        "return values[..., 0] if (values.shape[-1] == 1) and False else values.sum(axis=-1)",
        "if slippage == 1.0:",
    ),
    "a weight or product of zero comes out as zero either way": (
        "return np.where(weights <= 0.0, weights * factor, weights)",
        "return np.where(over & (final <= 0.0), final * factor, final)",
        "stays = np.where(final * current >= 0.0, np.minimum(np.abs(final), np.abs(current)), 0.0)",
        "reduces = (change * held < 0.0) & (goal * held > 0.0)",
    ),
    "goals are whole shares, and what is held beyond one is more than one": (
        "reduces = (change * held < 0.0) & (goal * held >= 1.0)",
    ),
    "both have the same length already": (
        *(
            f"return dict(zip(symbols, (holdings + orders).tolist(), {strict}))"
            for strict in ("strict=None", "", "strict=False")
        ),
    ),
    "sizing takes None for NaN": (
        "np.array([weights.get(symbol.value, None) for symbol in symbols]),",
        "np.array([weights.get(symbol.value, ) for symbol in symbols]),",
    ),
    "NumPy's default, or checked before": (
        "with np.load(io.BytesIO(data), allow_pickle=None) as file:",
        "with np.load(io.BytesIO(data), ) as file:",
        *(
            f"np.lib.format.write_array(member, array, {allowed})"
            for allowed in ("allow_pickle=None", "", "allow_pickle=True")
        ),
        'array = np.asarray(arrays[name], order="c")',
    ),
    "as false as False": (
        "return json.dumps(value, sort_keys=True, indent=indent, allow_nan=None)",
    ),
    "no file either": (
        'path = Path(getattr(importlib.import_module(name), "__file__", None) or "XXXX")',
    ),
    "times compare alike in any unit": ("self._seen[name] = np.datetime64(time, )",),
    "zero has been named before": ('side = "long" if share >= 0 else "short"',),
}
"""Changes that alter nothing: the changed line by the reason."""

NOTICED = ("killed", "timeout", "segfault", "caught by type check")


def copy_to(folder: Path) -> None:
    """The project's own files, what is not committed yet included."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    (folder / "conftest.py").write_text(CONFTEST, encoding="utf-8")


def settings_of(subject: Subject, folder: Path) -> str:
    """What mutmut reads from `setup.cfg`."""
    packages = sorted({module.split("/")[0] for module in subject.modules})
    rest = {path.name for path in folder.iterdir()} - {*packages, "mutants", ".git", "setup.cfg"}
    left_out = [f"--deselect={test}" for test in subject.without]
    lists = {
        "source_paths": packages,
        "only_mutate": subject.modules,
        "pytest_add_cli_args_test_selection": subject.tests,
        "pytest_add_cli_args": ["-p", "no:cacheprovider", "-q", *left_out],
        "also_copy": sorted(rest),
    }
    written = (f"{name}=\n    " + "\n    ".join(values) for name, values in lists.items())
    return "[mutmut]\n" + "\n".join(written) + "\n"


def mutmut(folder: Path, *arguments: str) -> str:
    """What mutmut prints.

    Raises:
        RuntimeError: with mutmut's last lines, if it fails.
    """
    found = subprocess.run(
        [sys.executable, "-m", "mutmut", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if found.returncode:
        raise RuntimeError(
            f"mutmut {arguments[0]} failed:\n{(found.stdout + found.stderr)[-3000:]}"
        )
    return found.stdout


def verdicts(subject: Subject, folder: Path, jobs: int) -> dict[str, str]:
    """Verdict by the name of each mutant."""
    shutil.rmtree(folder / "mutants", ignore_errors=True)
    (folder / "setup.cfg").write_text(settings_of(subject, folder), encoding="utf-8")
    mutmut(folder, "run", "--max-children", str(jobs))
    lines = mutmut(folder, "results", "--all", "true").splitlines()
    return dict(line.strip().rsplit(": ", 1) for line in lines if ": " in line)


def difference(folder: Path, mutant: str) -> tuple[str, str]:
    """The line that a mutant changes, before and after."""
    lines = mutmut(folder, "show", mutant).splitlines()
    before = [line[1:].strip() for line in lines if line.startswith("-") and line[:3] != "---"]
    after = [line[1:].strip() for line in lines if line.startswith("+") and line[:3] != "+++"]
    return " ".join(before), " ".join(after)


def report(arguments: argparse.Namespace, folder: Path) -> None:
    """Print the table, then what was not noticed."""
    copy_to(folder)
    print(f"{'module':32}{'mutants':>9}{'noticed':>9}{'share':>8}{'equivalent':>12}", flush=True)
    known = {line for lines in EQUIVALENT.values() for line in lines}
    unnoticed = []
    for name in arguments.names or SUBJECTS:
        subject = SUBJECTS[name]
        found = verdicts(subject, folder, arguments.jobs)
        for module in subject.modules:
            dotted = module.removesuffix(".py").replace("/", ".") + "."
            own = {mutant: said for mutant, said in found.items() if mutant.startswith(dotted)}
            noticed = sum(said in NOTICED for said in own.values())
            missed = [
                (mutant, said, *difference(folder, mutant))
                for mutant, said in own.items()
                if said not in NOTICED
            ]
            others = [item for item in missed if item[-1] not in known]
            share = noticed / len(own) if own else float("nan")
            print(
                f"{module:32}{len(own):9}{noticed:9}{share:8.1%}{len(missed) - len(others):12}",
                flush=True,
            )
            unnoticed += others
    print(f"not noticed, and not known to be equivalent: {len(unnoticed)}")
    for mutant, said, before, after in unnoticed:
        print(f"\n{mutant}: {said}\n  - {before}\n  + {after}")


def main() -> None:
    """Make mutants and print what the tests make of them."""
    parser = option_parser(__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", choices=[*SUBJECTS, []], default=[])
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--folder", type=Path)
    chosen = parser.parse_args()
    print(conditions("mutmut", "pytest", "hypothesis"))
    if chosen.folder:
        chosen.folder.mkdir(parents=True, exist_ok=True)
        report(chosen, chosen.folder)
    else:
        with tempfile.TemporaryDirectory() as temporary:
            report(chosen, Path(temporary))


if __name__ == "__main__":
    main()
