"""Every bad input, as a user gives it: one line that names it, exit status 1, nothing left behind.

The command line runs in this process on copies of the packaged market data; the decisions are
scripted, unless a test is about the models.
"""

import json
import os
import re
import shutil
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from engine import cli
from engine.api.object_store import ObjectStore
from tests.integration.conftest import SCRIPTED_MAIN
from tests.integration.test_learning import TINY

PARAMETERS = {
    "symbols": "AAPL,IBM",
    "start_date": "2009-01-02",
    "end_date": "2009-01-30",
    "warm_up_years": "1",
    "cap": "0.45",
}
LEARNING = TINY | {"end_date": "2009-01-09", "forecaster_epochs": "1"}
LEARNING_MAIN = """
from algorithm.strategy import MirageStrategy


class Learner(MirageStrategy):
    pass
"""
USA = Path("equity/usa")
HOURS = Path("market-hours/market-hours-database.json")
RATES = Path("alternative/interest-rate/usa/interest-rate.csv")
PROPERTIES = Path("symbol-properties/symbol-properties-database.csv")
NOT_TEXT = b"\xff\xfe\x00,1,1\n"


class Case:
    """A project and its data folder, both free to be damaged."""

    def __init__(self, base: Path, market_data: Path) -> None:
        self.base, self.market_data = base, market_data
        self.project, self.data, self.out = base / "project", base / "data", base / "out"
        self.project.mkdir()
        # Links cost nothing; whoever edits a file replaces it.
        shutil.copytree(market_data, self.data, copy_function=os.link)
        self.main(SCRIPTED_MAIN)
        self.config()

    def main(self, text: str) -> None:
        self.write(self.project / "main.py", text)

    def config(self, **parameters: str) -> None:
        document = {"algorithm-language": "Python", "parameters": PARAMETERS | parameters}
        self.write(self.project / "config.json", json.dumps(document))

    def write(self, path: Path, content: str | bytes) -> None:
        path.unlink(missing_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)

    def edit(self, path: Path, change) -> None:
        """Replace a text file of the data folder."""
        self.write(self.data / path, change((self.data / path).read_text(encoding="utf-8")))

    def edit_bars(self, change) -> None:
        """Replace IBM's daily bars."""
        path = self.data / USA / "daily" / "ibm.zip"
        with zipfile.ZipFile(path) as archive:
            lines = archive.read("ibm.csv").decode().splitlines()
        path.unlink()
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("ibm.csv", "\n".join(change(lines)) + "\n")

    def run(self, *options, data=None):
        arguments = ["backtest", self.project, "--data-folder", data or self.data, *options]
        if "--output" not in options:
            arguments += ["--output", self.out]
        return CliRunner().invoke(cli.main, [str(argument) for argument in arguments])

    def refuse(self, *options, data=None) -> str:
        """The one line with which the run ends before anything is learned or traded.

        What `initialize` raises stands in result files, as in LEAN.
        """
        message = self.fail(*options, data=data)
        left = [path for path in self.base.rglob("*") if path.suffix in (".json", ".csv", ".npz")]
        left = [path for path in left if not {self.data, self.out} & set(path.parents)]
        assert [path.name for path in left] in ([], ["config.json"])
        for path in self.out.glob("*.json"):
            said = json.loads(path.read_text(encoding="utf-8"))
            assert not said["charts"]
            assert not said.get("orders")
            _, reason = said["state"]["RuntimeError"].split(": ", 1)
            assert " ".join(reason.split()) in message
        assert not [path for path in self.out.glob("*") if path.suffix in (".csv", ".html")]
        return message

    def fail(self, *options, data=None) -> str:
        result = self.run(*options, data=data)
        assert result.exception is None or isinstance(result.exception, SystemExit)
        assert result.exit_code == 1, result.output
        lines = [line for line in result.stderr.splitlines() if not line.startswith("Note: ")]
        assert len(lines) == 1, result.stderr
        assert lines[0].startswith("error: ")
        return lines[0]


@pytest.fixture
def case(tmp_path, data_folder) -> Case:
    return Case(tmp_path, data_folder)


def test_good_input_runs(case):
    result = case.run()
    assert result.exit_code == 0, result.output
    assert (case.out / "report.html").is_file()


# Bars ---------------------------------------------------------------------------------------


def cell(day, column, text):
    """Put a text into a column of a day's bar."""

    def change(lines):
        rows = [line.split(",") for line in lines]
        row = next(row for row in rows if row[0].startswith(day))
        row[column] = text
        return [",".join(row) for row in rows]

    return change


def at(day, change):
    """Replace a day's line and the one after it."""

    def apply(lines):
        index = next(i for i, line in enumerate(lines) if line.startswith(day))
        return lines[:index] + change(*lines[index : index + 2]) + lines[index + 2 :]

    return apply


def without(first, last):
    return lambda lines: [line for line in lines if not first <= line[:8] <= last]


# The 2233rd bar of IBM is of 2009-01-15, in the traded weeks; 2064 is in warm-up.
FILE = r"ibm\.zip, line 2233: "


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (cell("20090115", 4, "nan"), FILE + r".*close must be a finite number; received 'nan'"),
        (cell("20080515", 1, "NaN"), r"ibm\.zip, line 2064.*open must be a finite number"),
        (cell("20090115", 2, ""), FILE + r".*high must be a finite number; received ''"),
        (cell("20090115", 2, "inf"), FILE + r".*high must be a finite number; received 'inf'"),
        (cell("20090115", 3, "0"), FILE + r".*low must be > 0.*received '0'"),
        (cell("20090115", 1, "-833400"), FILE + r".*open must be > 0.*received '-833400'"),
        (cell("20090115", 2, "100"), FILE + r".*high must be the highest price; received '100'"),
        (cell("20090115", 3, "9000000"), FILE + r".*(high|low) must be the .*est price"),
        (cell("20090115", 5, "nan"), FILE + r".*volume must be a finite number; received 'nan'"),
        (cell("20090115", 5, "-5"), FILE + r".*volume must be >= 0; received '-5'"),
        (cell("20080515", 5, "0"), r"IBM: volume must be > 0; received 0\.0 on 2008-05-15"),
        (at("20090115", lambda a, b: [a[:20], b]), FILE + r".*must have open, high, low, close"),
        (at("20090115", lambda a, b: ["2009-01-15" + a[14:], b]), FILE + r".*'2009-01-15'"),
        (at("20090115", lambda a, b: ["20091399" + a[8:], b]), FILE + r".*'20091399 00:00'"),
        (
            at("20090115", lambda a, b: [a, a, b]),
            r"line 2234: bars must be sorted and unique.*'20090115 00:00' after '20090115 00:00'",
        ),
        (
            at("20090115", lambda a, b: [b, a]),
            r"line 2234: bars must be sorted and unique.*'20090115 00:00' after '20090116 00:00'",
        ),
        (lambda lines: ["time,open,high,low,close", *lines], r"line 1: malformed time.*'time'"),
        (without("20080501", "20080531"), r"IBM: time must have no gap longer than 10 days.*2008"),
        (without("19980101", "20090110"), r"symbol IBM: no daily bars.*before 2009-01-02"),
    ],
)
def test_bad_bars_are_named_before_anything_is_traded(case, change, message):
    case.edit_bars(change)
    assert re.search(message, case.refuse())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without("20090107", "20090121"), r"IBM: .*gap.*no bar from 2009-01-06.* to 2009-01-"),
        (without("20090107", "20991231"), r"IBM: .*gap.*no bar from 2009-01-06.* to 2009-01-"),
        (cell("20090115", 5, "0"), r"IBM: volume must be > 0; received 0\.0 on 2009-01-15"),
    ],
)
def test_bars_that_fail_while_trading_stop_the_run_and_keep_its_results(case, change, message):
    case.edit_bars(change)
    told = case.fail()
    assert re.search(message, told)
    assert str(case.out) in told
    assert state(case) == "RuntimeError"


def encrypted(content):
    """Set the flag for encryption in both headers of the only file."""
    central = content.rindex(b"PK\x01\x02")
    changed = bytearray(content)
    changed[6] |= 1
    changed[central + 8] |= 1
    return bytes(changed)


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:2000],
        lambda content: content[: len(content) // 2] + b"XXXX" + content[len(content) // 2 + 4 :],
        lambda content: b"no zip at all",
        lambda content: b"",
        encrypted,
    ],
    ids=["truncated", "edited", "foreign", "empty", "encrypted"],
)
def test_a_damaged_zip_is_named(case, damage):
    path = case.data / USA / "daily" / "ibm.zip"
    case.write(path, damage(path.read_bytes()))
    assert re.search(r"ibm\.zip must be a readable zip of a CSV file", case.refuse())


def test_an_unknown_symbol_is_named(case):
    case.config(symbols="AAPL,NOSUCH")
    assert "symbol NOSUCH: no daily bars in the 1 years before" in case.refuse()
    # The engine itself takes it, as LEAN does.
    told = case.run().stderr
    assert "Note: symbol 'NOSUCH' is unknown: the data folder has neither a map file nor" in told


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"symbols": "NOSUCH"}, "symbol NOSUCH: no daily bars in the 1 years before 2009-01-02"),
        (
            {"start_date": "2020-01-02", "end_date": "2020-02-28"},
            "symbol AAPL: no daily bars in the 1 years before 2020-01-02",
        ),
    ],
    ids=["unknown", "beyond the data"],
)
def test_a_run_in_which_no_symbol_has_bars_says_so(changes, why, case):
    """Then time does not pass at all."""
    case.config(**changes)
    assert why in case.refuse()


def test_too_little_history_is_named(case):
    case.main(LEARNING_MAIN)
    case.config(**LEARNING)
    case.edit_bars(without("19980101", "20081102"))
    assert re.search(
        r"IBM: warm-up must give at least \d+ bars .*; received 41, the first of 2008-11-03 "
        r"\(parameter warm_up_years is 2\)",
        case.refuse(),
    )


def test_a_warm_up_too_short_to_learn_from_is_named(case):
    case.main(LEARNING_MAIN)
    case.config(**LEARNING | {"warm_up_years": "1"})
    assert re.search(r"AAPL: warm-up must .*received 25.*warm_up_years is 1\)", case.refuse())


# Files beside the bars ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "change", "message"),
    [
        (USA / "factor_files/ibm.csv", lambda text: "x" + text, r"line 1: the date must read"),
        (USA / "factor_files/ibm.csv", lambda text: "20000301,nan,1,1\n", "price factor must be"),
        (USA / "factor_files/ibm.csv", lambda text: "20000301,1,x,1\n", "split factor must be"),
        (USA / "factor_files/ibm.csv", lambda text: "20000301,1\n", r"line 1 must read yyyyMMdd"),
        (USA / "map_files/ibm.csv", lambda text: "x" + text, r"line 1: the date must read"),
        (USA / "map_files/ibm.csv", lambda text: text + "20501231\n", r"line \d must read yyyyMM"),
        (HOURS, lambda text: text[:500], "must be LEAN's JSON"),
        (HOURS, lambda text: '{"entries": []}', "entries must be a JSON object"),
        (HOURS, lambda text: "[]", "must be LEAN's JSON"),
        (HOURS, lambda text: '{"entries": {"Equity-usa-[*]": 5}}', r"entry Equity-usa-\[\*\]"),
        (HOURS, lambda text: '{"entries": {}}', r"must have the entry Equity-usa-\[\*\]"),
        (HOURS, lambda text: text.replace("America/New_York", "Mars/Olympus"), "Mars/Olympus"),
        (HOURS, lambda text: text.replace('"market"', '"closed"'), "session with the state market"),
        (RATES, lambda text: text + "2009-01-05,x\n", r"line \d+ must read yyyy-MM-dd,percent"),
        (PROPERTIES, lambda text: text.replace(",1,", ",x,"), "contract multiplier must be"),
    ],
)
def test_a_malformed_file_is_named_with_its_line_and_rule(case, path, change, message):
    case.edit(path, change)
    told = case.refuse()
    assert path.name in told
    assert re.search(message, told)


@pytest.mark.parametrize(
    "path", [USA / "factor_files/ibm.csv", USA / "map_files/ibm.csv", HOURS, RATES, PROPERTIES]
)
def test_a_file_that_is_no_text_is_named(case, path):
    case.write(case.data / path, NOT_TEXT)
    assert f"{path.name} must be text in UTF-8" in case.refuse()


def test_missing_market_hours_are_named(case):
    (case.data / HOURS).unlink()
    assert HOURS.name in case.refuse()


def test_a_missing_data_folder_is_named(case):
    told = case.refuse(data=case.base / "nowhere")
    assert re.search("nowhere does not exist.*data import packaged", told)


def test_a_data_folder_that_is_a_file_is_named(case):
    case.write(case.base / "file", "")
    assert "must be a folder; it is a file" in case.refuse(data=case.base / "file")


# Parameters and project -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"wram_up": "4"}, r"unknown parameter wram_up.*; known: account_share, .*warm_up_years"),
        ({"cap": "7"}, r"parameter cap must be a number in \(0, 1\]; received 7"),
        ({"cash": "much"}, r"parameter cash must be a number > 0; received 'much'"),
        ({"cash": "inf"}, r"parameter cash must be a number > 0; received inf"),
        ({"seed": "1.5"}, r"parameter seed must be a whole number .*received '1\.5'"),
        ({"warm_up_years": "nan"}, r"parameter warm_up_years must be .*received nan"),
        ({"allow_short": "perhaps"}, r"allow_short must be true or false; received 'perhaps'"),
        ({"trade_mode": "magic"}, r"trade_mode must be one of insights, orders; received 'magic'"),
        ({"symbols": ""}, r"symbols must name at least one ticker"),
        ({"symbols": "IBM,IBM"}, r"symbols must name .* each once"),
        ({"start_date": "01/02/2009"}, r"start_date must be a date such as .*'01/02/2009'"),
        ({"start_date": "2010-01-01"}, r"start_date must lie before end_date.*2010-01-01"),
        ({"caps": "IBM:0.9", "gross_cap": "0.5"}, r"cap of IBM must be at most the gross cap 0\.5"),
        ({"cap": "0.3", "gross_cap": "0.2"}, r"must be at most the gross cap 0\.2.*received 0\.3"),
        ({"caps": "TSLA:0.1"}, r"caps must name traded symbols only \(AAPL, IBM\).*TSLA"),
        ({"caps": "IBM=0.1"}, r"caps must read like .*received 'IBM=0\.1'"),
        ({"caps": "IBM:0.1,IBM:0.2"}, r"caps must name IBM once"),
        ({"caps": "IBM:nan"}, r"cap of IBM must be .*received nan"),
    ],
)
def test_a_bad_parameter_is_named(case, parameters, message):
    case.config(**parameters)
    assert re.search(message, case.refuse())


def test_a_bad_parameter_of_the_command_line_is_named(case):
    assert "unknown parameter speed" in case.refuse("--parameter", "speed", "1")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"parameters": {} // none\n}', "must hold a JSON object.*line 1"),
        ("hello", "must hold a JSON object"),
        ("[]", "must hold a JSON object"),
        ("", "must hold a JSON object"),
        (NOT_TEXT, "must hold a JSON object"),
        ('{"parameters": []}', r"parameters must be a JSON object; received \[\]"),
        ('{"parameters": {"seed": 1}}', "parameters must be text; seed is 1"),
    ],
)
def test_a_malformed_config_is_named(case, content, message):
    case.write(case.project / "config.json", content)
    assert re.search(r"config\.json.*" + message, case.refuse())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1\n", "must define a class derived from QCAlgorithm; it defines none"),
        ("def f(:\n", r"cannot be loaded: SyntaxError: .*line 1"),
        ("import nosuchmodule\n", r"cannot be loaded: .*'nosuchmodule'.*main\.py, line 1"),
        ("{}['x']\n", r"cannot be loaded: KeyError: 'x' \(.*main\.py, line 1"),
    ],
)
def test_a_main_without_an_algorithm_is_named(case, text, message):
    case.main(text)
    assert re.search(r"main\.py " + message, case.refuse())


def test_a_project_that_is_a_file_or_empty_is_refused(case):
    (case.project / "main.py").unlink()
    assert "must be a project with a main.py" in case.refuse()
    case.project = case.project / "config.json"
    assert "must be a project with a main.py" in case.refuse()


# Errors of the algorithm ----------------------------------------------------------------------


def method(text):
    return SCRIPTED_MAIN + "\n    " + text.replace("\n", "\n    ")


LINE = len(SCRIPTED_MAIN.splitlines())


@pytest.mark.parametrize("name", ["initialize", "on_warmup_finished"])
def test_what_the_algorithm_refuses_at_the_start_is_one_line(case, name):
    case.main(
        method(f"def {name}(self):\n    raise ValueError('limit must be > 0;\\nreceived -1')")
    )
    assert case.refuse() == "error: limit must be > 0; received -1"
    verbose = case.run("--verbose", "--output", case.base / "again")
    assert verbose.exit_code == 1
    assert "Traceback" in verbose.stderr
    assert name in verbose.stderr


def test_another_error_of_initialize_tells_its_place(case):
    case.main(method("def initialize(self):\n    {}['x']"))
    told = case.refuse()
    assert "initialize failed: KeyError: 'x'" in told
    assert f"main.py, line {LINE + 3}, in initialize" in told


FAILING = """def on_data(self, data):
    super().on_data(data)
    if self.time.day == 20 and not self.is_warming_up:
        self.helper()

def helper(self):
    return 1 / 0
"""


def state(case):
    document = next(
        path for path in case.out.glob("*.json") if re.fullmatch(r"\d+\.json", path.name)
    )
    return json.loads(document.read_text())["state"]["Status"]


def test_an_error_in_the_middle_tells_its_place_and_keeps_the_results(case):
    case.main(method(FAILING))
    told = case.fail()
    assert "the algorithm stopped: ZeroDivisionError: division by zero" in told
    assert f"main.py, line {LINE + 8}, in helper" in told
    assert str(case.out) in told
    assert state(case) == "RuntimeError"
    log = next(case.out.glob("*-log.txt")).read_text()
    assert "Error: ZeroDivisionError: division by zero" in log
    events = next(case.out.glob("*-order-events.json")).read_text()
    assert "filled" in events.lower()


# Where things are saved -----------------------------------------------------------------------


def test_a_store_that_is_a_file_is_named_before_the_run(case):
    case.write(case.project / "storage", "")
    assert re.search(r"object store .*storage must be a folder", case.refuse())


def test_a_read_only_store_is_named_before_the_run(case, monkeypatch):
    (case.project / "storage").mkdir()
    whole = os.access
    monkeypatch.setattr(
        os, "access", lambda path, mode: Path(path).name != "storage" and whole(path, mode)
    )
    assert re.search(r"object store .*storage must be writable", case.refuse())


def test_a_store_that_cannot_be_written_is_named_before_training(case, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("engine.api.object_store.tempfile.mkstemp", refuse)
    case.main(LEARNING_MAIN)
    assert re.search(r"object store could not write .*Permission denied", case.refuse())


def test_a_full_store_is_named_before_training(case, monkeypatch):
    monkeypatch.setattr(ObjectStore, "save_bytes", lambda *_: False)
    case.main(LEARNING_MAIN)
    assert re.search(r"object store refused mirage/probe.*full or not writable", case.refuse())


def test_a_store_too_small_for_the_agent_keeps_no_part_of_it(case, few_and_short, monkeypatch):
    whole = ObjectStore.save_bytes
    monkeypatch.setattr(
        ObjectStore,
        "save_bytes",
        lambda store, key, data: "agent" not in key and whole(store, key, data),
    )
    case.main(LEARNING_MAIN)
    case.config(**LEARNING)
    assert re.search(r"object store refused mirage/.*agent\.npz", case.fail())
    kept = sorted(path.name for path in (case.project / "storage").rglob("*.*"))
    # The forecaster is whole and will be found again.
    assert kept == ["forecaster.npz", "manifest.json"]


def test_an_output_that_cannot_be_made_is_named_before_the_run(case):
    case.write(case.base / "file", "")
    assert "--output must be" in case.refuse("--output", case.base / "file" / "inner")
    assert "--output must be" in case.refuse("--output", case.base / "file")


def test_an_output_that_holds_files_is_left_alone(case):
    kept = case.base / "kept"
    kept.mkdir()
    (kept / "mine.txt").write_text("mine")
    assert "must be a new or empty folder" in case.refuse("--output", kept)
    assert [path.name for path in kept.iterdir()] == ["mine.txt"]


# Artifacts ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def unreported():
    """Runs that write no page: half of the time of a run with its models at hand."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("engine.report.build_report", lambda folder, **_: folder / "report.html")
        yield


@pytest.fixture(scope="module")
def trained(tmp_path_factory, data_folder, few_and_short, unreported):
    """A project whose models are trained, and its decisions' statistics."""
    case = Case(tmp_path_factory.mktemp("trained"), data_folder)
    case.main(LEARNING_MAIN)
    case.config(**LEARNING)
    result = case.run()
    assert result.exit_code == 0, result.output
    return case


def truncate(arrays, manifest):
    arrays.write_bytes(arrays.read_bytes()[:-10])


def edit(arrays, manifest):
    content = bytearray(arrays.read_bytes())
    content[len(content) // 2] ^= 1
    arrays.write_bytes(content)


def rewrite(**changes):
    def apply(arrays, manifest):
        manifest.write_text(json.dumps(json.loads(manifest.read_text()) | changes))

    return apply


DAMAGES = {
    "truncated": ("agent", truncate, "agent has .* bytes, not what the manifest says"),
    "edited": ("forecaster", edit, "forecaster does not match its checksum"),
    "edited manifest": ("agent", rewrite(meta={}), "manifest does not match its checksum"),
    "foreign manifest": ("agent", rewrite(key="0" * 32), "manifest belongs to another artifact"),
    "no JSON": ("agent", lambda _, manifest: manifest.write_text("{"), "manifest is not JSON"),
    "missing part": ("agent", lambda arrays, _: arrays.unlink(), "agent is missing"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_artifact_is_reported_and_trained_again(case, trained, damage):
    part, spoil, reason = DAMAGES[damage]
    shutil.copytree(trained.project, case.project, dirs_exist_ok=True)
    (arrays,) = case.project.rglob(f"{part}.npz")
    artifact = arrays.parent
    spoil(arrays, artifact / "manifest.json")
    result = case.run()
    assert result.exit_code == 0, result.output
    (line,) = result.stderr.splitlines()
    assert re.search(f"artifact {artifact.name} is set aside and will be trained again", line)
    assert re.search(reason, line)
    assert arrays.is_file()
    assert (artifact.parent / "quarantine" / artifact.name).is_dir()
    assert result_figures(case) == result_figures(trained)


def test_models_of_an_older_form_are_set_aside_with_one_line(case, trained):
    """They would never be asked for again, and lie in the store for ever."""
    shutil.copytree(trained.project, case.project, dirs_exist_ok=True)
    manifests = list(case.project.rglob("manifest.json"))
    for manifest in manifests:
        rewrite(schema=3)(None, manifest)
    result = case.run()
    assert result.exit_code == 0, result.output
    (line,) = result.stderr.splitlines()
    assert "artifacts of another form (schema 3; this version reads" in line
    assert f"{len(manifests)} in all" in line
    held = [path.parent for path in case.project.rglob("manifest.json")]
    assert len([path for path in held if path.parent.name == "quarantine"]) == len(manifests)
    assert len(held) == 2 * len(manifests)
    assert result_figures(case) == result_figures(trained)


def result_figures(case):
    summary = json.loads(next(case.out.glob("*-summary.json")).read_text())
    return summary["statistics"]
