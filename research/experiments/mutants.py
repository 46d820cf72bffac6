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
    "orders": Subject(
        ("algorithm/portfolio.py", "algorithm/risk.py", "algorithm/execution.py"),
        ("tests/algorithm/test_portfolio.py", "tests/algorithm/test_risk.py"),
    ),
    "decision": Subject(("algorithm/decision.py",), ("tests/algorithm/test_decision.py",)),
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
    print(f"{'module':32}{'mutants':>8}{'noticed':>8}{'share':>8}", flush=True)
    unnoticed = []
    for name in arguments.names or SUBJECTS:
        subject = SUBJECTS[name]
        found = verdicts(subject, folder, arguments.jobs)
        for module in subject.modules:
            dotted = module.removesuffix(".py").replace("/", ".") + "."
            own = {mutant: said for mutant, said in found.items() if mutant.startswith(dotted)}
            noticed = sum(said in NOTICED for said in own.values())
            share = noticed / len(own) if own else float("nan")
            print(f"{module:32}{len(own):8}{noticed:8}{share:8.1%}", flush=True)
            unnoticed += [
                (mutant, said, *difference(folder, mutant))
                for mutant, said in own.items()
                if said not in NOTICED
            ]
    for mutant, said, before, after in unnoticed:
        print(f"\n{mutant}: {said}\n  - {before}\n  + {after}")


def main() -> None:
    """Make mutants and print what the tests make of them."""
    parser = option_parser(__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", choices=[*SUBJECTS, []])
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
