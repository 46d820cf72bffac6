"""The research notebooks: committed clean, runnable here and in LEAN, equal to the algorithm."""

import ast
import json
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from algorithm.settings import Settings
from research import workspace
from research.workspace import known_at_start, load_histories, load_settings
from tests.contracts.test_imports import IMAGE, PACKAGES
from tests.integration.bars import bars_of
from tests.integration.test_learning import TINY

FOLDER = workspace.ROOT / "research" / "notebooks"
NOTEBOOKS = ["agent", "forecast_and_imagine", "step"]

EQUALS_THE_ALGORITHM = """
from datetime import datetime
from tempfile import TemporaryDirectory

from algorithm.training import Trainer
from engine.api.object_store import ObjectStore
from models.artifacts import ArtifactStore

with TemporaryDirectory() as folder:
    store = ArtifactStore(ObjectStore(Path(folder)), report=print)
    now = datetime.combine(settings.run.start_date, datetime.min.time())
    models = Trainer(settings.learning(), store).train(tables, rules, now=now)
for ours, theirs in ((forecaster, models.forecaster), (agent, models.agent)):
    mine, wanted = ours.to_arrays(), theirs.to_arrays()
    assert mine.keys() == wanted.keys()
    for name in mine:
        np.testing.assert_array_equal(mine[name], wanted[name], err_msg=name)
print("equal to the algorithm's")
"""


def notebook(name):
    return json.loads((FOLDER / f"{name}.ipynb").read_text(encoding="utf-8"))


def code(cells):
    """Source of the code cells, without IPython's own lines."""
    for cell in cells:
        if cell["cell_type"] == "code":
            lines = "".join(cell["source"]).splitlines()
            yield cell, "\n".join(line for line in lines if not line.startswith("%"))


def test_every_notebook_is_known_here():
    assert sorted(path.stem for path in FOLDER.glob("*.ipynb")) == NOTEBOOKS


@pytest.mark.parametrize("name", NOTEBOOKS)
class TestCommitted:
    def test_valid(self, name):
        found = notebook(name)
        assert (found["nbformat"], found["nbformat_minor"]) == (4, 5)
        assert found["metadata"]["kernelspec"]["name"] == "python3"
        ids = [cell["id"] for cell in found["cells"]]
        assert len(set(ids)) == len(ids)
        assert {cell["cell_type"] for cell in found["cells"]} == {"code", "markdown"}
        try:
            import nbformat
        except ImportError:
            return
        nbformat.validate(found)

    def test_cleared(self, name):
        for cell, _ in code(notebook(name)["cells"]):
            assert cell["outputs"] == []
            assert cell["execution_count"] is None

    def test_code_is_python_311(self, name):
        for _, source in code(notebook(name)["cells"]):
            ast.parse(source, filename=name, feature_version=(3, 11))

    def test_parameters_come_first_and_change_nothing(self, name):
        cell, source = next(code(notebook(name)["cells"]))
        assert cell["metadata"]["tags"] == ["parameters"]
        values: dict = {}
        exec(source, values)
        assert values["changes"] == {}
        assert values["data_folder"] is None

    def test_runs_on_what_leans_image_has(self, name):
        """The local engine stays behind `research.workspace`, which leaves it alone in LEAN."""
        names = set()
        for _, source in code(notebook(name)["cells"]):
            for node in ast.walk(ast.parse(source)):
                if isinstance(node, ast.Import):
                    names |= {alias.name.split(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom):
                    names.add(node.module.split(".")[0])
        allowed = IMAGE | {"matplotlib"} | (PACKAGES - {"engine"}) | set(sys.stdlib_module_names)
        assert names <= allowed


def test_lean_finds_a_configuration_beside_the_notebooks():
    """Kernels start in this folder, and LEAN reads config.json from where it starts."""
    config = json.loads((FOLDER / "config.json").read_text(encoding="utf-8"))
    assert config["data-folder"] == "/Lean/Data/"
    assert config["composer-dll-directory"] == "/Lean/Launcher/bin/Debug/"
    assert config["algorithm-language"] == "Python"


class TestWorkspace:
    def test_settings_are_the_algorithms(self):
        assert load_settings() == Settings()

    def test_settings_can_be_changed(self):
        assert load_settings({"seed": "7"}).run.seed == 7
        with pytest.raises(ValueError, match="unknown parameter sead"):
            load_settings({"sead": "7"})

    def test_bars_are_adjusted_and_end_at_the_close(self, data_folder):
        settings = load_settings(TINY)
        for history in load_histories(settings, data_folder=data_folder):
            days = pd.DatetimeIndex(history.time)
            assert days[0] >= pd.Timestamp("2007-01-02")
            assert days[-1] == pd.Timestamp("2009-02-13 16:00")
            assert set(days.hour) <= {13, 16}
            wanted = bars_of(data_folder, history.symbol, [day.date() for day in days])
            np.testing.assert_allclose(history.bars[:, :4], wanted[:, :4], rtol=1e-6)
            # LEAN divides volumes by the dividends' factor too, which never exceeds 1.
            assert (history.bars[:, 4] >= np.round(wanted[:, 4])).all()

    def test_known_bars_are_those_of_the_algorithms_first_training(self, module_run, data_folder):
        result = module_run(
            TINY | {"end_date": "2009-01-05", "retrain": "never"},
            store="watching",
        )
        settings = load_settings(TINY)
        known = known_at_start(load_histories(settings, data_folder=data_folder), settings)
        histories, _, _ = result.algorithm.learner.asked[0]
        assert [h.fingerprint() for h in known] == [h.fingerprint() for h in histories]

    def test_no_data_folder(self, tmp_path):
        with pytest.raises(ValueError, match=r"data folder must exist.*make data"):
            load_histories(load_settings(), data_folder=tmp_path / "none")

    @pytest.mark.parametrize("symbols", ["AAPL,FB", "FB"])
    def test_no_bars_of_a_symbol(self, data_folder, symbols):
        settings = load_settings(TINY | {"symbols": symbols})
        with pytest.raises(ValueError, match=r"symbol FB .*none"):
            load_histories(settings, data_folder=data_folder)


class Book:
    """Answers as LEAN's QuantBook does."""

    def __init__(self):
        self.asked = None

    def add_equity(self, ticker, resolution):
        return SimpleNamespace(symbol=f"{ticker} SID")

    def history(self, symbols, start, end, resolution, *, fill_forward):
        self.asked = (start, end, resolution, fill_forward)
        times = pd.DatetimeIndex(["2008-12-31 16:00", "2009-01-02 16:00"])
        index = pd.MultiIndex.from_product([symbols, times], names=["symbol", "time"])
        row = {"close": 10.0, "high": 11.0, "low": 9.0, "open": 10.5, "volume": 1e6}
        return pd.DataFrame([row] * len(index), index=index)


def test_in_lean_bars_come_from_the_quant_book(monkeypatch):
    books = []

    def quant_book():
        books.append(Book())
        return books[-1]

    for name, contents in {
        "clr": {},
        "QuantConnect": {"Resolution": SimpleNamespace(DAILY="daily")},
        "QuantConnect.Research": {"QuantBook": quant_book},
    }.items():
        module = ModuleType(name)
        vars(module).update(contents)
        monkeypatch.setitem(sys.modules, name, module)
    settings = load_settings(TINY)
    histories = load_histories(settings)
    assert [history.symbol for history in histories] == ["AAPL", "IBM"]
    assert [len(history) for history in known_at_start(histories, settings)] == [1, 1]
    start, end, resolution, fill_forward = books[0].asked
    assert (start.isoformat(), end.isoformat()) == ("2007-01-03T00:00:00", "2009-02-14T00:00:00")
    assert resolution == "daily"
    assert fill_forward is False


@pytest.mark.slow
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_runs_from_top_to_bottom(name, data_folder, tmp_path):
    """On small settings, from the folder a kernel starts in; the agent's with its models checked
    against the algorithm's own training."""
    reason = "needs requirements/notebook.txt (`make notebooks` installs it)"
    nbformat = pytest.importorskip("nbformat", reason=reason)
    nbclient = pytest.importorskip("nbclient", reason=reason)
    pytest.importorskip("ipykernel", reason=reason)
    found = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)
    given = f"changes = {TINY!r}\ndata_folder = {str(data_folder)!r}\nstore = {str(tmp_path)!r}"
    found.cells.insert(2, nbformat.v4.new_code_cell(given))
    if name == "agent":
        found.cells.append(nbformat.v4.new_code_cell(EQUALS_THE_ALGORITHM))
    client = nbclient.NotebookClient(
        found, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(FOLDER)}}
    )
    client.execute()
    pictures = [
        output
        for cell in found.cells
        for output in cell.get("outputs", [])
        if "image/png" in output.get("data", {})
    ]
    assert len(pictures) >= 3
    errors = [o for c in found.cells for o in c.get("outputs", []) if o.get("name") == "stderr"]
    assert errors == []
    if name == "agent":
        assert "equal to the algorithm's" in found.cells[-1].outputs[-1]["text"]
