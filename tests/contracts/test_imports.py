"""The direction of imports: models <- sim <- algorithm; engine alone; research above all."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = {"models", "sim", "algorithm", "engine", "research"}
MAY_IMPORT = {
    "models": set(),
    "sim": {"models"},
    "algorithm": {"models", "sim"},
    "engine": set(),
    "research": {"models", "sim", "algorithm", "engine"},
}
# LEAN's own module and packages of its image: all that code inside LEAN may use.
IMAGE = {
    "AlgorithmImports",
    "arch",
    "gymnasium",
    "joblib",
    "keras",
    "llvmlite",
    "numba",
    "numpy",
    "pandas",
    "scipy",
    "sklearn",
    "statsmodels",
    "ta",
    "tensorflow",
    "threadpoolctl",  # scikit-learn needs it
    "tqdm",
}


def imported(path: Path) -> set[str]:
    """Top-level names that a file imports, wherever in the file."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module.split(".")[0])
    return names


def files(package: str) -> list[Path]:
    found = sorted((ROOT / package).rglob("*.py"))
    assert found, f"no files under {package}/"
    return found


@pytest.mark.parametrize("package", sorted(MAY_IMPORT))
def test_imports_point_down(package):
    for path in files(package):
        upward = imported(path) & (PACKAGES | {"tests"}) - MAY_IMPORT[package] - {package}
        assert not upward, f"{path.relative_to(ROOT)} imports {sorted(upward)}"


def test_nobody_imports_research():
    for package in sorted(PACKAGES - {"research"}):
        for path in files(package):
            assert "research" not in imported(path), path.relative_to(ROOT)


@pytest.mark.parametrize("package", ["models", "sim", "algorithm"])
def test_code_that_lean_runs_uses_only_what_its_image_has(package):
    allowed = IMAGE | PACKAGES | set(sys.stdlib_module_names)
    for path in [*files(package), ROOT / "main.py"]:
        strangers = imported(path) - allowed
        assert not strangers, f"{path.relative_to(ROOT)} imports {sorted(strangers)}"


def test_only_algorithm_and_main_touch_lean():
    for package in ("models", "sim"):
        for path in files(package):
            assert "AlgorithmImports" not in imported(path), path.relative_to(ROOT)
