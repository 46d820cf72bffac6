"""Keys follow from everything that learning takes: configurations, data, code, versions."""

import sys
from dataclasses import dataclass, field
from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.provenance import code_fingerprint, described, key_for, versions


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


@given(st.floats(allow_nan=False, allow_infinity=False), st.integers(0, 9))
def test_the_last_bit_of_a_number_changes_the_key(value, bit):
    other = np.nextafter(value, np.inf) if bit % 2 else np.nextafter(value, -np.inf)
    same = key_for(described(Inner(rate=value))) == key_for(described(Inner(rate=float(other))))
    assert same == (repr(value) == repr(float(other)))


def test_two_classes_with_the_same_fields_have_different_keys():
    @dataclass(frozen=True)
    class Other:
        rate: float = 0.1
        units: tuple[int, ...] = (4, 8)

    assert key_for(described(Inner())) != key_for(described(Other()))


def test_what_is_no_plain_value_is_refused():
    with pytest.raises(ValueError, match="plain values; received object"):
        described({"a": [object()]})


def test_only_the_minor_version_of_python_counts():
    assert versions()["python"] == f"{sys.version_info.major}.{sys.version_info.minor}"
    assert {"numpy", "tensorflow", "keras", "ta"} < set(versions())


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
