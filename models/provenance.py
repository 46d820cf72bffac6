"""What a learned thing depends on, and the key that follows from it.

The key of an artifact is derived: from the configurations that learning takes, field by field,
from the data, from the code that learns and from the versions of the libraries under it. Nothing
is listed by hand, so nothing can be forgotten: a field added to a configuration changes keys.
"""

from __future__ import annotations

import ast
import dataclasses
import functools
import hashlib
import importlib
import json
import sys
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np


def described(value: Any) -> Any:
    """A configuration as plain JSON values, every field of every nested dataclass by name.

    Args:
        value: a dataclass instance, mapping, sequence, array, date, number, string, bool or None,
            nested as one likes.

    Returns:
        Dictionaries (a dataclass has its class's name under ``class``), lists and scalars. Floats
        keep all their bits.

    Raises:
        ValueError: for a value of another kind, naming its type.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {item.name: getattr(value, item.name) for item in dataclasses.fields(value)}
        return {"class": type(value).__name__, **described(fields)}
    if isinstance(value, Mapping):
        return {str(name): described(item) for name, item in value.items()}
    if isinstance(value, np.ndarray):
        return described(value.tolist())
    if isinstance(value, tuple | list):
        return [described(item) for item in value]
    if isinstance(value, np.generic):
        return described(value.item())
    if isinstance(value, date):
        return value.isoformat()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise ValueError(f"a configuration must hold plain values; received {type(value).__name__}")


def key_for(depends: Mapping[str, Any]) -> str:
    """Hash of everything an artifact depends on.

    Args:
        depends: configurations (`described`), fingerprints of data and code, versions, the
            parent's key: anything that JSON can say. The order of names does not matter.

    Returns:
        32 hexadecimal digits.

    Raises:
        ValueError: if a value cannot be written as JSON.
    """
    return hashlib.sha256(canonical_json(depends).encode()).hexdigest()[:32]


def canonical_json(value: Any, indent: int | None = None) -> str:
    """JSON with sorted names, the same text for equal values.

    Raises:
        ValueError: for NaN, infinity or what JSON cannot say.
    """
    try:
        return json.dumps(value, sort_keys=True, indent=indent, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValueError(f"artifact facts must be plain JSON values: {error}") from None


@functools.cache
def code_fingerprint(*names: str) -> str:
    """SHA-256 of what modules and packages do: their syntax trees without docstrings.

    Comments, docstrings and layout may change without effect; any other change gives another
    fingerprint, the same on every machine with the same minor version of Python. Worked out once
    in a process.

    Args:
        names: dotted names of modules or packages (with all that is in them).

    Raises:
        ValueError: if the source of a module is not there.
    """
    digest = hashlib.sha256()
    if len(names) > 1:
        # One by one: several keys cover the same packages, and each is read once.
        digest.update("".join(code_fingerprint(name) for name in sorted(names)).encode())
        return digest.hexdigest()
    for name in names:
        for place, path in _sources(name):
            digest.update(f"{name}/{place}\n".encode())
            digest.update(_behaviour(path.read_bytes()).encode())
    return digest.hexdigest()


def versions() -> dict[str, str]:
    """Versions of what an artifact's numbers depend on."""
    from importlib.metadata import PackageNotFoundError, version

    # The minor version alone: patches of Python do not change numbers, and LEAN's image may be
    # one patch away.
    found = {"python": f"{sys.version_info.major}.{sys.version_info.minor}"}
    packages = ("numpy", "pandas", "scipy", "numba", "scikit-learn", "keras", "tensorflow", "ta")
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            # The CPU build of TensorFlow is another distribution of the same version.
            if package != "tensorflow":
                raise
            found[package] = version("tensorflow-cpu")
    return found


def _sources(name: str) -> list[tuple[str, Path]]:
    """Source files of a module or package by their place in it, sorted."""
    path = Path(getattr(importlib.import_module(name), "__file__", None) or "")
    if not path.is_file():
        raise ValueError(f"the source of {name} must be at hand to derive keys; there is none")
    if path.name != "__init__.py":
        return [(path.name, path)]
    return sorted((p.relative_to(path.parent).as_posix(), p) for p in path.parent.rglob("*.py"))


def _behaviour(source: bytes) -> str:
    tree = ast.parse(source)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        # A string that stands alone does nothing, at the head of a function or below a constant.
        if isinstance(body, list):
            node.body = [item for item in body if not _is_text(item)]  # type: ignore[attr-defined]
    return ast.dump(tree)


def _is_text(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )
