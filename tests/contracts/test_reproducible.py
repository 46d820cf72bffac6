"""The same program gives the same bits: nothing may hang on where arrays lie in memory."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from models.arrays import column

ROOT = Path(__file__).parents[2]
VECTORISED = {"log", "log1p", "log2", "log10", "exp", "expm1", "tanh", "sin", "cos", "power"}
"""Functions of NumPy whose vectorised and scalar paths differ in the last bit."""


def of_columns(source: str) -> Iterator[ast.Call]:
    """Calls of such functions on a column of an array as it lies in memory."""
    for node in ast.walk(ast.parse(source)):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
            and node.func.value.id == "np"
            and node.func.attr in VECTORISED
            and node.args
            and isinstance(node.args[0], ast.Subscript)
            and isinstance(node.args[0].slice, ast.Tuple)
            and not isinstance(node.args[0].slice.elts[-1], ast.Slice)
            and not (
                isinstance(node.args[0].slice.elts[-1], ast.Constant)
                and node.args[0].slice.elts[-1].value in (None, Ellipsis)
            )
        ):
            yield node


@pytest.mark.parametrize("package", ["models", "sim", "algorithm", "engine", "research"])
def test_no_logarithm_of_a_column_as_it_lies_in_memory(package):
    found = [
        f"{path.relative_to(ROOT)}:{call.lineno}"
        for path in sorted((ROOT / package).rglob("*.py"))
        for call in of_columns(path.read_text(encoding="utf-8"))
    ]
    assert not found, f"take it by models.arrays.column: {', '.join(found)}"


@pytest.mark.parametrize("text", ["np.log(bars[:, CLOSE])", "np.exp(x[..., 3] )"])
def test_columns_are_found(text):
    assert list(of_columns(text))


@pytest.mark.parametrize("text", ["np.log(x[:, None])", "np.log(x[0])", "np.log(x[:, 1:])"])
def test_others_are_not(text):
    assert not list(of_columns(text))


def test_a_column_is_a_copy_contiguous_in_memory():
    values = np.arange(24.0).reshape(2, 3, 4)
    taken = column(values, 1)
    assert taken.flags.c_contiguous
    assert not np.shares_memory(taken, values)
    np.testing.assert_array_equal(taken, values[..., 1])
