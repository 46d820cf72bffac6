"""The conformance table's reading of LEAN's sources and its verdicts."""

import pytest

from research.benchmarks.lean_conformance import (
    Case,
    _classified,
    _compared,
    expected_statistics,
    find_cases,
)

TWIN = """
        public AlgorithmStatus AlgorithmStatus => AlgorithmStatus.Completed;
        public Dictionary<string, string> ExpectedStatistics => new Dictionary<string, string>
        {
            {"Total Orders", "1"},
            {"Total Fees", "$3.44"}
        };
    }
"""


def checkout(folder):
    for name in ("Algorithm.Python", "Algorithm.CSharp"):
        (folder / name).mkdir()
    (folder / "Algorithm.CSharp" / "Buy.cs").write_text(TWIN)
    (folder / "Algorithm.Python" / "Buy.py").write_text("class Buy(QCAlgorithm):\n    pass\n")
    (folder / "Algorithm.Python" / "Other.py").write_text("class Other(QCAlgorithm):\n    pass\n")
    return folder


def test_declared_figures_are_read_from_the_twin(tmp_path):
    (case,) = find_cases(checkout(tmp_path))
    assert (case.name, case.expected) == ("Buy", {"Total Orders": "1", "Total Fees": "$3.44"})
    assert expected_statistics("class Empty { }") == {}


def test_unknown_names_and_folders_are_refused(tmp_path):
    with pytest.raises(ValueError, match="must be a LEAN checkout"):
        find_cases(tmp_path)
    with pytest.raises(ValueError, match="Sell"):
        find_cases(checkout(tmp_path), ["Buy", "Sell"])


def test_differences_show_both_figures(tmp_path):
    case = Case("Buy", tmp_path, {"Beta": "1", "Alpha": "0"})
    verdict = _compared(case, {"Beta": "2", "Alpha": "0"}, 1.0)
    assert (verdict.status, verdict.detail) == ("differs", "Beta: 2 (1)")
    assert _compared(case, case.expected, 1.0).status == "passed"


def test_the_error_that_caused_another_is_named():
    assert _classified("AlgorithmError", "X failed: NameError: name 'Y' is not defined\n File") == (
        "NameError",
        "name 'Y' is not defined",
    )
