"""The command line: options, folders, one-line errors. The engine itself is stood in for."""

import json
import os
import re
import sys
import types
from pathlib import Path

import pytest
from click.testing import CliRunner

from engine import cli
from tests.engine.report_sample import write_backtest


@pytest.fixture
def project(tmp_path):
    (tmp_path / "main.py").write_text("")
    (tmp_path / "data").mkdir()
    return tmp_path


class AlgorithmError(RuntimeError):
    """As the runner's."""


def stand_in(monkeypatch, run_backtest):
    """Puts a function in the place of engine.run.runner.run_backtest."""
    module = types.ModuleType("engine.run.runner")
    module.run_backtest, module.AlgorithmError = run_backtest, AlgorithmError
    monkeypatch.setitem(sys.modules, "engine.run.runner", module)


def outcome(error=""):
    return types.SimpleNamespace(runtime_error=error)


@pytest.fixture
def runner_calls(monkeypatch):
    """Stands in for engine.run.runner: records its arguments, writes what a run would."""
    calls = []

    def run_backtest(project, *, data_folder, results, store, parameters=None, progress=False):
        calls.append(
            {"project": project, "data": data_folder, "results": results, "parameters": parameters}
        )
        write_backtest(results, count=40, parts=())
        return outcome()

    stand_in(monkeypatch, run_backtest)
    return calls


def invoke(*arguments, code=0):
    result = CliRunner().invoke(cli.main, [str(a) for a in arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result


def test_backtest_writes_a_stamped_folder_with_a_report(project, runner_calls):
    result = invoke("backtest", project)
    (call,) = runner_calls
    assert call["parameters"] is None
    assert call["data"] == project / "data"
    assert re.fullmatch(r"\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d", call["results"].name)
    assert call["results"].parent == project / "backtests"
    assert (call["results"] / "report.html").is_file()
    assert json.loads((call["results"] / "timing.json").read_text())["total"] >= 0
    assert "Sharpe Ratio" in result.stdout
    assert "Where the time went" in result.stdout
    assert max(map(len, result.stdout.split("\nResults")[0].splitlines())) <= 100


def test_parameters_replace_the_whole_dictionary(project, runner_calls):
    invoke("backtest", project, "--parameter", "seed", "5", "--parameter", "cap", "0.1")
    assert runner_calls[0]["parameters"] == {"seed": "5", "cap": "0.1"}


def test_output_and_data_folder_options(project, runner_calls):
    (project / "other").mkdir()
    out = project / "out"
    invoke("backtest", project, "--output", out, "--data-folder", project / "other")
    assert runner_calls[0]["results"] == out
    assert runner_calls[0]["data"] == project / "other"
    result = invoke("backtest", project, "--output", out, code=1)
    assert "must be a new or empty folder" in result.stderr


def test_data_folder_of_lean_json_is_respected(project):
    assert cli.configured_data_folder(project) == project / "data"
    (project / "lean.json").write_text('{"data-folder": "market"}')
    assert cli.configured_data_folder(project) == project / "market"
    (project / "lean.json").write_text('{"data-folder": 5}')
    with pytest.raises(ValueError, match="data-folder must be a path; received 5"):
        cli.configured_data_folder(project)
    (project / "lean.json").write_text("[]")
    with pytest.raises(ValueError, match=r"lean\.json must hold a JSON object"):
        cli.configured_data_folder(project)


def test_diagnostics_of_this_run_are_copied_and_old_ones_are_not(project, monkeypatch):
    results = []

    def run(writes):
        def run_backtest(project, *, results, store, **_):
            write_backtest(results, count=40, parts=())
            if writes:
                path = store / "mirage" / "diagnostics.json"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text('{"version": 1, "timings": {"agent": 0.5}}')
            return outcome()

        stand_in(monkeypatch, run_backtest)
        out = project / f"out{len(results)}"
        results.append(out)
        invoke("backtest", project, "--output", out)
        return out / "diagnostics.json"

    assert run(writes=True).is_file()
    assert not run(writes=False).exists()


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ValueError("parameter cap must lie\nin (0, 1]; received 7"), "received 7"),
        (NotImplementedError("QCAlgorithm.add_crypto"), "QCAlgorithm.add_crypto"),
        (PermissionError(13, "Permission denied", "storage"), "Permission denied"),
        (AlgorithmError("Mirage.initialize failed: KeyError: 'x'\n  File ..."), "KeyError: 'x'"),
    ],
)
def test_user_errors_are_one_line_and_code_one(project, monkeypatch, error, message):
    def run_backtest(*_, **__):
        raise error

    stand_in(monkeypatch, run_backtest)
    result = invoke("backtest", project, code=1)
    assert result.stderr.startswith("error: ")
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    verbose = invoke("backtest", project, "--verbose", code=1)
    assert "Traceback" in verbose.stderr


def test_what_a_container_left_to_root_is_named_with_the_remedy(project, monkeypatch):
    """Before a run a folder of the store; in it whatever could not be written."""
    owner, whole = os.getuid(), os.access
    monkeypatch.setattr(os, "getuid", lambda: owner + 1)
    whose = "root" if owner == 0 else f"user {owner}"
    refused = project / "storage" / "mirage"

    def run_backtest(*_, **__):
        raise PermissionError(13, "Permission denied", str(refused / "new"))

    stand_in(monkeypatch, run_backtest)
    refused.mkdir(parents=True)
    told = (
        f"; {refused} belongs to {whose}, as what LEAN's container (Docker) writes does: sudo chown"
    )
    assert told in invoke("backtest", project, code=1).stderr
    monkeypatch.setattr(
        os, "access", lambda path, mode: Path(path) != refused and whole(path, mode)
    )
    said = invoke("backtest", project, code=1).stderr
    assert f"{refused} in the object store must be writable{told}" in said


def test_what_is_gone_from_the_store_when_it_is_looked_at_stops_no_run(project, monkeypatch):
    """As the part of a file that a live run replaces meanwhile; a link to it stands for it."""
    (project / "storage").mkdir()
    (project / "storage" / "live-a.json.part").symlink_to("gone")

    def run_backtest(*_, **__):
        raise ValueError("the run has begun")

    stand_in(monkeypatch, run_backtest)
    assert "the run has begun" in invoke("backtest", project, code=1).stderr


def test_algorithm_that_stopped_is_an_error_with_its_trace_on_request(project, monkeypatch):
    def run_backtest(*_, **__):
        return outcome("ZeroDivisionError: division by zero\n  File strategy.py, line 7")

    stand_in(monkeypatch, run_backtest)
    result = invoke("backtest", project, code=1)
    assert "the algorithm stopped: ZeroDivisionError: division by zero" in result.stderr
    assert result.stderr.count("\n") == 1
    assert "strategy.py, line 7" in invoke("backtest", project, "--verbose", code=1).stderr


def test_missing_project_and_data_folder_are_named(tmp_path):
    result = invoke("backtest", tmp_path, code=1)
    assert "must be a project with a main.py" in result.stderr
    (tmp_path / "main.py").write_text("")
    result = invoke("backtest", tmp_path, code=1)
    assert "data import packaged" in result.stderr


def test_report_command(tmp_path):
    folder = write_backtest(tmp_path / "run", count=40)
    result = invoke("report", folder, "--output", tmp_path / "r.html")
    assert result.stdout.strip() == str(tmp_path / "r.html")
    assert (tmp_path / "r.html").stat().st_size > 1_000_000  # plotly's library is inside
    result = invoke("report", tmp_path / "nothing", code=1)
    assert "no such folder" in result.stderr


def test_report_without_a_folder_is_of_the_newest_run_with_something_to_show(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "there is none yet" in invoke("report", code=1).stderr
    for name in ("2024-01-01", "2024-01-02"):
        write_backtest(tmp_path / "backtests" / name, count=40)
    failed = write_backtest(tmp_path / "backtests" / "2024-01-03", count=40)
    (failed / "123.json").write_text('{"state": {"RuntimeError": "no luck"}}')
    (tmp_path / "backtests" / "2024-01-04").mkdir()
    result = invoke("report")
    assert result.stdout.strip() == str(Path("backtests/2024-01-02/report.html"))
    assert "2024-01-04 must hold one result" in result.stderr
    assert "nothing to show: no luck" in result.stderr
    (failed / "123.json").write_text("{")
    assert "must be JSON" in invoke("report", code=1).stderr


def test_object_store_lists_and_clears_by_folder(tmp_path):
    for key in ("mirage/a.npz", "mirage/deep/b.npz", "mirage2/c.npz", "d.json"):
        path = tmp_path / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"12345")
    result = invoke("object-store", "list", "--store", tmp_path)
    assert result.stdout.splitlines()[-1].startswith("4 objects (20 bytes)")
    result = invoke("object-store", "clear", "--prefix", "mirage", "--store", tmp_path)
    assert "Deleted 2 objects (10 bytes)" in result.stdout
    left = sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*"))
    assert left == ["d.json", "mirage2", "mirage2/c.npz"]
    invoke("object-store", "clear", "--store", tmp_path)
    assert not list(tmp_path.iterdir())
    result = invoke("object-store", "list", "--store", tmp_path / "nothing")
    assert result.stdout.startswith("0 objects")


def test_data_import_packaged(tmp_path):
    result = invoke("data", "import", "packaged", "--data-folder", tmp_path)
    assert "AAPL" in result.stdout
    assert "2 splits" in result.stdout
    assert Path(tmp_path / "equity/usa/daily/aapl.zip").is_file()
    result = invoke("data", "import", "packaged", "--data-folder", tmp_path)
    assert "unchanged" in result.stdout


def test_runs_that_start_in_one_second_have_folders_of_their_own(tmp_path):
    parent = tmp_path / "backtests"
    with cli.results_folder(parent) as one, cli.results_folder(parent) as two:
        (one / "result").touch()
        assert one != two
        assert one.parent == two.parent == tmp_path / "backtests"
    # A run that leaves nothing leaves no folder.
    assert list((tmp_path / "backtests").iterdir()) == [one]


def test_a_run_that_leaves_nothing_leaves_no_folder_above_either(tmp_path):
    with cli.results_folder(tmp_path / "a" / "backtests") as made:
        assert made.is_dir()
    with cli.results_folder(tmp_path / "own" / "folder", own=True) as made:
        assert made == tmp_path / "own" / "folder"
    assert list(tmp_path.iterdir()) == []
