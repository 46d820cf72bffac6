"""What a measuring script begins with: quiet libraries, its options, and the conditions it ran in.

A figure without its conditions cannot be repeated, so every script in `research.benchmarks` and
`research.experiments` prints these first. Importing `research` makes libraries quiet; that is why
this module imports none.
"""

from __future__ import annotations

import argparse
import os
import platform
import shlex
import subprocess
import sys
import warnings
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
"""The project: the folder of `main.py`."""


def quiet() -> None:
    """Libraries as `make` sets them; call it before anything imports TensorFlow.

    Sums in one order whatever the number of cores, and no notices of TensorFlow's and Keras's among
    the figures. What the environment sets already stays.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"keras\.")


def option_parser(description: str | None) -> argparse.ArgumentParser:
    """Options of a script whose module docstring says what it measures and how it is called."""
    return argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )


def commit() -> str:
    """The commit that is checked out, marked if files differ from it; empty outside a checkout."""
    found = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return found.stdout.strip()


def conditions(*packages: str) -> str:
    """Command, commit, machine and versions, in two lines.

    The commit is asked for now: call this before the measurement, not after it.

    Args:
        packages: distributions whose versions matter, or their CPU builds; those that are not
            installed are left out.
    """
    module = getattr(sys.modules["__main__"], "__spec__", None)
    command = f"python -m {module.name}" if module else sys.argv[0]
    versions = [f"Python {platform.python_version()}"]
    for package in packages:
        for build in (package, f"{package}-cpu"):  # as TensorFlow's is called
            try:
                versions.append(f"{build} {version(build)}")
                break
            except PackageNotFoundError:
                continue
    return "\n".join(
        [
            f"{command} {shlex.join(sys.argv[1:])}".rstrip(),
            f"commit {commit() or 'unknown'}; {platform.machine()}, {processor()}, "
            f"{os.cpu_count()} cores; {', '.join(versions)}",
        ]
    )


def processor() -> str:
    """The processor's name as Linux gives it; elsewhere what Python knows."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown processor"
