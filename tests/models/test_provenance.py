"""Keys follow from everything that learning takes: configurations, data, code, versions."""

import importlib.metadata
import sys
from dataclasses import dataclass, field
from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.provenance import canonical_json, code_fingerprint, described, key_for, versions


@dataclass(frozen=True)
class Inner:
    rate: float = 0.1
    units: tuple[int, ...] = (4, 8)


@dataclass(frozen=True)
class Outer:
    inner: Inner = field(default_factory=Inner)
    caps: dict = field(default_factory=lambda: {"IBM": 0.1})
    day: date = date(2009, 1, 2)
    limits: np.ndarray = field(default_factory=lambda: np.array([0.25, 0.5]))
    name: str | None = None


def test_a_configuration_is_described_field_by_field():
    assert described(Outer()) == {
        "class": "Outer",
        "inner": {"class": "Inner", "rate": 0.1, "units": [4, 8]},
        "caps": {"IBM": 0.1},
        "day": "2009-01-02",
        "limits": [0.25, 0.5],
        "name": None,
    }


@given(st.floats(-1e300, 1e300), st.sampled_from([-np.inf, np.inf]))
def test_the_last_bit_of_a_number_changes_the_key(value, towards):
    other = float(np.nextafter(value, towards))
    assert key_for(described(Inner(rate=value))) != key_for(described(Inner(rate=other)))


def test_two_classes_with_the_same_fields_have_different_keys():
    @dataclass(frozen=True)
    class Other:
        rate: float = 0.1
        units: tuple[int, ...] = (4, 8)

    assert key_for(described(Inner())) != key_for(described(Other()))


def test_plain_values_are_described_as_json_has_them():
    value = {1: (np.float32(0.5), np.int64(3), np.bool_(True)), "b": [None, False, "x", 2]}
    found = described(value)
    assert found == {"1": [0.5, 3, True], "b": [None, False, "x", 2]}
    assert [type(item) for item in found["1"]] == [float, int, bool]


@pytest.mark.parametrize(("value", "kind"), [(object(), "object"), (Inner, "type"), ({1}, "set")])
def test_what_is_no_plain_value_is_refused(value, kind):
    message = f"^a configuration must hold plain values; received {kind}$"
    with pytest.raises(ValueError, match=message):
        described({"a": [value]})


def test_what_json_cannot_say_has_no_key():
    rest = "Out of range float values are not JSON compliant$"
    with pytest.raises(ValueError, match="^artifact facts must be plain JSON values: " + rest):
        key_for({"seed": float("nan")})
    with pytest.raises(ValueError, match=r"plain JSON values: Object of type set is not"):
        key_for({"seed": {1}})


def test_canonical_json_sorts_names_at_every_depth():
    assert canonical_json({"b": {"d": 1, "c": [0.1]}, "a": None}) == (
        '{"a": null, "b": {"c": [0.1], "d": 1}}'
    )
    assert canonical_json({"b": 1, "a": 2}, indent=1) == '{\n "a": 2,\n "b": 1\n}'


def test_only_the_minor_version_of_python_counts():
    found = versions()
    assert found.pop("python") == f"{sys.version_info.major}.{sys.version_info.minor}"
    assert set(found) == {
        *("numpy", "pandas", "scipy", "scikit-learn"),
        *("keras", "tensorflow", "ta", "numba"),
    }
    assert found["numpy"] == np.__version__


def test_either_build_of_tensorflow_counts_as_tensorflow_and_nothing_may_lack(monkeypatch):
    names = ("numpy", "pandas", "scipy", "scikit-learn", "keras", "ta", "numba")
    installed = dict.fromkeys(names, "1.0")

    def version(package):
        if package not in installed:
            raise importlib.metadata.PackageNotFoundError(package)
        return installed[package]

    monkeypatch.setattr(importlib.metadata, "version", version)
    installed["tensorflow-cpu"] = "2.0"
    assert versions()["tensorflow"] == "2.0"
    installed["tensorflow"] = "2.1"
    assert versions()["tensorflow"] == "2.1"
    del installed["keras"]
    with pytest.raises(importlib.metadata.PackageNotFoundError):
        versions()


CODE = '''"""Docstring."""

RATE = 0.1  # why
"""What it is."""


def double(x):
    """Twice x."""
    return 2 * x
'''


@pytest.fixture
def fingerprint(tmp_path, monkeypatch):
    """Fingerprint of a package that holds the given source."""
    monkeypatch.syspath_prepend(tmp_path)
    made = []

    def of(source, inner="inner"):
        name = f"fingerprinted_{len(made)}"
        made.append(name)
        (tmp_path / name / inner).mkdir(parents=True)
        (tmp_path / name / "__init__.py").write_text("")
        (tmp_path / name / inner / "__init__.py").write_text("")
        (tmp_path / name / inner / "code.py").write_text(source)
        value = code_fingerprint(name)
        # The package's own name counts; all here are to count as one.
        return value if len(made) == 1 else _renamed(tmp_path / name, tmp_path / made[0])

    def _renamed(folder, first):
        backup = first.with_suffix(".kept")
        first.rename(backup)
        folder.rename(first)
        code_fingerprint.cache_clear()
        value = code_fingerprint(first.name)
        first.rename(folder)
        backup.rename(first)
        return value

    yield of
    code_fingerprint.cache_clear()
    for name in made:
        sys.modules.pop(name, None)


def test_comments_docstrings_and_layout_do_not_change_the_fingerprint(fingerprint):
    first = fingerprint(CODE)
    edited = CODE.replace("Docstring.", "Other.").replace("# why", "").replace("What", "All")
    edited = edited.replace("Twice x.", "x + x.").replace("2 * x", "2*x") + "\n\n"
    assert fingerprint(edited) == first


@pytest.mark.parametrize("change", [("0.1", "0.2"), ("2 * x", "x * 2"), ("double", "twice")])
def test_what_the_code_does_changes_the_fingerprint(fingerprint, change):
    first = fingerprint(CODE)
    assert fingerprint(CODE.replace(*change)) != first


def test_a_file_that_moves_changes_the_fingerprint(fingerprint):
    assert fingerprint(CODE) != fingerprint(CODE, inner="elsewhere")


def test_the_fingerprint_covers_everything_below_a_package():
    whole = code_fingerprint("models")
    assert whole == code_fingerprint("models")
    assert whole != code_fingerprint("models.market")
    assert code_fingerprint("models.seeding") != code_fingerprint("models.limits")


def test_the_fingerprint_of_several_is_that_of_their_set_and_of_each():
    both = code_fingerprint("models.seeding", "models.limits")
    assert both == code_fingerprint("models.limits", "models.seeding")
    assert both not in (code_fingerprint("models.seeding"), code_fingerprint("models.limits"))
    assert len(both) == 64


@pytest.mark.parametrize("name", ["sys", "nothing_but_a_folder"])
def test_without_source_there_is_no_fingerprint(tmp_path, monkeypatch, name):
    (tmp_path / "nothing_but_a_folder").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    message = f"^the source of {name} must be at hand to derive keys; there is none$"
    with pytest.raises(ValueError, match=message):
        code_fingerprint(name)
