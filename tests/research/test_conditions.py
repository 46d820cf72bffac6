"""What measuring scripts begin with, and that all of them begin with it."""

import ast
import importlib
import json
import os
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from research import conditions as preamble
from research.conditions import ROOT, commit, conditions, option_parser, processor

SCRIPTS = sorted(
    path
    for package in ("benchmarks", "experiments")
    for path in (ROOT / "research" / package).glob("*.py")
    if path.name != "__init__.py"
)
by_name = pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)


@pytest.fixture
def run_as(monkeypatch):
    """Pretend that a module was run with arguments, as ``python -m`` does."""

    def go(module, *arguments):
        main = ModuleType("__main__")
        main.__spec__ = None if module is None else SimpleNamespace(name=module)
        monkeypatch.setitem(sys.modules, "__main__", main)
        monkeypatch.setattr(sys, "argv", [f"{module}.py", *arguments])

    return go


class TestConditions:
    def test_they_name_command_commit_machine_and_versions(self, run_as):
        run_as("research.benchmarks.env_steps", "--only", "two words")
        command, rest = conditions("numpy").splitlines()
        assert command == "python -m research.benchmarks.env_steps --only 'two words'"
        assert rest.startswith(f"commit {commit() or 'unknown'}; {platform.machine()}, ")
        assert f"{os.cpu_count()} cores; " in rest
        assert rest.endswith(f"Python {platform.python_version()}, numpy {version('numpy')}")

    def test_a_file_that_is_run_is_named(self, run_as):
        run_as(None)
        assert conditions().splitlines()[0] == "None.py"

    def test_packages_that_are_not_installed_are_left_out(self):
        assert conditions("no-such-package", "numpy") == conditions("numpy")

    def test_a_cpu_build_counts_as_the_package(self, monkeypatch):
        def found(name):
            if name == "thing-cpu":
                return "1.2"
            raise preamble.PackageNotFoundError(name)

        monkeypatch.setattr(preamble, "version", found)
        assert conditions("thing").endswith(", thing-cpu 1.2")

    def test_files_that_differ_mark_the_commit(self, tmp_path, monkeypatch):
        def git(*arguments):
            who = ["-c", "user.name=a", "-c", "user.email=a@example.com"]
            subprocess.run(["git", *who, *arguments], cwd=tmp_path, check=True, capture_output=True)

        monkeypatch.setattr(preamble, "ROOT", tmp_path)
        monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
        assert commit() == ""
        assert "commit unknown; " in conditions()
        git("init", "-q")
        (tmp_path / "a").write_text("1")
        git("add", "a")
        git("commit", "-q", "-m", "first")
        clean = commit()
        assert len(clean) >= 7
        (tmp_path / "a").write_text("2")
        assert commit() == f"{clean}-dirty"

    def test_the_processor_has_a_name(self):
        assert processor()

    def test_help_shows_the_docstring_as_it_is_written(self):
        text = "What is fast?\n\n    python -m this [--that]\n"
        assert text in option_parser(text).format_help()


def test_importing_research_makes_libraries_quiet_before_any_is_imported():
    """In a fresh process: what is set already stays, what is not is set."""
    wanted = {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": "0", "OMP_NUM_THREADS": "4"}
    bare = {name: value for name, value in os.environ.items() if name not in wanted}
    code = f"""
import json, os, sys, warnings
import research.benchmarks
names = {sorted(wanted)}
loaded = sorted({{"numpy", "tensorflow", "keras"}} & set(sys.modules))
quiet = [f for f in warnings.filters if f[0] == "ignore" and f[2] is FutureWarning]
print(json.dumps([{{n: os.environ[n] for n in names}}, loaded, len(quiet)]))
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=bare | {"OMP_NUM_THREADS": "4"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == [wanted, [], 1]


def calls(tree):
    """Names of the plain functions that are called anywhere."""
    return [
        node.func.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    ]


def test_the_scripts_are_found():
    assert {"env_steps", "seeds", "lean_conformance"} <= {path.stem for path in SCRIPTS}


@by_name
class TestScripts:
    def test_prints_its_conditions_once(self, path):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        printed = [
            node
            for node in ast.walk(tree)
            if isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id == "print"
            and node.args
            and "conditions" in calls(node.args[0])
        ]
        assert len(printed) == 1

    def test_leaves_the_preamble_to_its_home(self, path):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        names = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        assert not names & {"environ", "ArgumentParser", "cpu_count", "machine", "python_version"}
        texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
        assert not texts & {"describe", "rev-parse"}

    def test_helps_and_says_how_it_is_called(self, path, monkeypatch, capsys):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        if path.stem == "sb3_agent":
            pytest.importorskip("stable_baselines3", reason="comes with requirements/agents.txt")
        module = importlib.import_module(name)
        monkeypatch.setattr(sys, "argv", [str(Path(path.name)), "--help"])
        with pytest.raises(SystemExit) as left:
            module.main()
        assert left.value.code == 0
        shown = capsys.readouterr().out
        assert f"python -m {name}" in shown
        assert module.__doc__ in shown
        # No figure, no waiting: the conditions come with a measurement only.
        assert "commit" not in shown.replace(module.__doc__, "")
