"""The conformance table's reading of LEAN's sources and its verdicts."""

import pytest

from research.benchmarks.lean_conformance import (
    Case,
    _classified,
    _compared,
    expected_statistics,
    find_cases,
    read_excluded,
)

TWIN = """
namespace QuantConnect.Algorithm.CSharp
{
    public class Buy : QCAlgorithm, IRegressionAlgorithmDefinition
    {
        private class Nested { }
        public AlgorithmStatus AlgorithmStatus => AlgorithmStatus.Completed;
        public Dictionary<string, string> ExpectedStatistics => new Dictionary<string, string>
        {
            {"Total Orders", "1"},
            {"Total Fees", "$3.44"}
        };
    }
}
"""
HEIR = """
    public class Sell : Buy
    {
        public override AlgorithmStatus AlgorithmStatus => AlgorithmStatus.RuntimeError;
    }
    public class Hold : Buy
    {
        public override List<Language> Languages { get; } = new() { Language.CSharp };
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


def test_a_twin_inherits_what_it_does_not_declare_and_may_be_of_one_language(tmp_path):
    folder = checkout(tmp_path)
    (folder / "Algorithm.CSharp" / "Heirs.cs").write_text(HEIR)
    for name in ("Sell", "Hold"):
        path = folder / "Algorithm.Python" / f"{name}.py"
        path.write_text(f"class {name}(QCAlgorithm):\n    pass\n")
    buy, sell = find_cases(folder)
    assert (sell.name, sell.expected, sell.status) == ("Sell", buy.expected, "RuntimeError")


def test_what_is_left_out_has_a_reason(tmp_path):
    assert all(read_excluded().values())
    (tmp_path / "list.txt").write_text("# names\nBuy\n")
    with pytest.raises(ValueError, match="line 2 must read `name: reason`; received 'Buy'"):
        read_excluded(tmp_path / "list.txt")


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
