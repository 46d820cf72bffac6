"""What LEAN and its CLI ask of this folder, checked without LEAN."""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from algorithm.settings import Settings

ROOT = Path(__file__).parents[2]
# Names that LEAN's folder or image puts on sys.path behind the project's root, which wins.
LEAN_NAMES = {
    "AlgorithmImports",
    "Alphas",
    "Execution",
    "Indicators",
    "Portfolio",
    "QuantConnect",
    "Risk",
    "Selection",
    "System",
    "clr",
    "arch",
    "gymnasium",
    "joblib",
    "keras",
    "numpy",
    "pandas",
    "ray",
    "scipy",
    "sklearn",
    "ta",
    "tensorflow",
    "torch",
}
# Folders the CLI leaves out when it compiles a project (besides virtual environments).
SKIPPED = {"bin", "obj", "__pycache__", "backtests", "live", "optimizations", "storage", "report"}


def compiled_by_the_cli() -> list[Path]:
    """Python files that `python -m compileall` meets in LEAN's container."""
    found = []

    def walk(folder: Path) -> None:
        if (folder / "pyvenv.cfg").exists():
            return
        for entry in sorted(folder.iterdir()):
            if entry.is_dir():
                if not entry.name.startswith(".") and entry.name not in SKIPPED:
                    walk(entry)
            elif entry.suffix == ".py":
                found.append(entry)

    walk(ROOT)
    return found


def test_every_file_is_python_311():
    for path in compiled_by_the_cli():
        source = path.read_text(encoding="utf-8")
        if sys.version_info[:2] == (3, 11):
            compile(source, str(path), "exec", dont_inherit=True)
        else:
            ast.parse(source, filename=str(path), feature_version=(3, 11))


def test_nothing_at_the_root_shadows_the_standard_library_or_lean():
    names = {
        entry.stem if entry.suffix == ".py" else entry.name
        for entry in ROOT.iterdir()
        if entry.suffix == ".py" or (entry.is_dir() and not entry.name.startswith("."))
    }
    assert not names & (set(sys.stdlib_module_names) | LEAN_NAMES)


def test_no_requirements_at_the_root():
    """LEAN's container would install them over its own versions."""
    assert not (ROOT / "requirements.txt").exists()


@pytest.mark.parametrize("package", ["models", "sim", "algorithm", "engine"])
def test_every_package_says_so(package):
    folders = {path.parent for path in (ROOT / package).rglob("*.py")}
    for folder in folders - {ROOT / "engine" / "shim"}:
        assert (folder / "__init__.py").exists(), folder.relative_to(ROOT)


def test_main_defines_one_class_and_nothing_else():
    tree = ast.parse((ROOT / "main.py").read_text(encoding="utf-8"))
    body = [
        node
        for node in tree.body
        if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
    ]
    assert [type(node) for node in body] == [ast.ImportFrom, ast.ClassDef]


def test_lean_finds_exactly_one_algorithm_class():
    """LEAN's own rule: attributes of `main` whose repr starts with the module's name and which
    are QCAlgorithm types. Run in a process of its own, since it needs the shim on sys.path."""
    code = (
        "import sys; sys.path[:0] = ['engine/shim', '.']\n"
        "import main\n"
        "from AlgorithmImports import QCAlgorithm\n"
        "found = [n for n in dir(main) for a in [getattr(main, n)]\n"
        "         if (repr(a).split(\"'\") + [''])[1].startswith('main')\n"
        "         and isinstance(a, type) and issubclass(a, QCAlgorithm)]\n"
        "print(','.join(found))\n"
    )
    shown = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.strip() == "Mirage"


def test_config_json_is_strict_and_complete():
    config = json.loads((ROOT / "config.json").read_text(encoding="utf-8"))
    assert config["algorithm-language"] == "Python"
    assert isinstance(config["local-id"], int)
    assert config["description"]
    assert all(isinstance(value, str) for value in config["parameters"].values())


def test_defaults_in_code_equal_config_json():
    """`lean backtest --parameter` replaces the whole dictionary, so the code must know it all."""
    config = json.loads((ROOT / "config.json").read_text(encoding="utf-8"))
    assert config["parameters"] == Settings().to_parameters()
    assert Settings.from_parameters(config["parameters"]) == Settings()


def test_lean_json_has_what_the_cli_needs():
    lean = json.loads((ROOT / "lean.json").read_text(encoding="utf-8"))
    assert lean["data-folder"] == "data"
    assert lean["organization-id"]


def test_no_absolute_path_of_a_machine():
    pattern = re.compile(r"(?<![\w.])/(?:home|root|work|Users|opt|tmp)/\w")
    for path in compiled_by_the_cli():
        if path != Path(__file__):
            match = pattern.search(path.read_text(encoding="utf-8"))
            assert match is None, f"{path.relative_to(ROOT)}: {match and match.group()}"
