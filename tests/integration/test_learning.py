"""The whole mission in small: real bars, real training, real artifacts."""

import shutil
import zipfile

import pytest

TINY = {
    "symbols": "AAPL,IBM",
    "start_date": "2009-01-02",
    "end_date": "2009-02-13",
    "warm_up_years": "2",
    "cap": "0.45",
    "forecaster_units": "4",
    "forecaster_window": "20",
    "forecaster_epochs": "3",
    "forecast_draws": "16",
    "paths": "32",
    "retrain_paths": "32",
    "path_bars": "10",
    "agent_units": "8",
    "agent_updates": "75",
    "agent_retrain_updates": "25",
}

MAIN = '''
from algorithm.strategy import MirageStrategy


class Learner(MirageStrategy):
    """The strategy, remembering what it decided and why."""

    def initialize(self):
        self.decided = []
        super().initialize()

    def _plot_decision(self, decision, held):
        self.decided.append((
            self.time, dict(decision.weights),
            {name: tuple(values.items()) for name, values in decision.action_values.items()},
            {name: tuple(fan) for name, fan in decision.fans.items()}))
        super()._plot_decision(decision, held)
'''


@pytest.fixture(scope="module")
def learn(module_run):
    def go(store, data=None, **changes):
        options = {} if data is None else {"data": data}
        return module_run(TINY | changes, main=MAIN, store=store, **options)

    return go


@pytest.fixture(scope="module")
def first(learn):
    return learn("models")


def said(result, words):
    return [line for line in result.log if words in line]


def test_two_trainings_and_a_forecast_for_every_bar(first):
    assert said(first, "Models trained")
    diagnostics = first.algorithm._diagnostics
    assert diagnostics.reused_trainings() == (0, 2)
    assert diagnostics.calibration()["n"] == 2 * (len(first.algorithm.decided) - 1) > 50


def test_the_first_training_was_told_nothing_of_the_traded_year(first):
    assert str(first.algorithm.decided[0][0].date()) == "2009-01-02"
    assert said(first, "stylised fact")


def test_a_second_run_reuses_the_models_says_so_and_decides_alike(first, learn):
    again = learn("models")
    assert said(again, "Models reused from the object store")
    assert said(again, "2 of 2 trainings were reused")
    assert again.algorithm.decided == first.algorithm.decided
    assert again.statistics == first.statistics


def test_an_empty_store_gives_the_same_run(first, learn):
    fresh = learn("fresh")
    assert said(fresh, "Models trained")
    assert fresh.algorithm.decided == first.algorithm.decided
    assert fresh.statistics == first.statistics


def test_a_changed_setting_retrains(first, learn):
    other = learn("models", seed="2")
    assert said(other, "Models trained")
    assert other.algorithm._diagnostics.reused_trainings() == (0, 2)
    assert other.algorithm.decided != first.algorithm.decided


def test_clear_models_forgets_them(learn):
    learn("cleared")
    cleared = learn("cleared", clear_models="true")
    assert said(cleared, "Cleared the cached models")
    assert said(cleared, "Models trained")


@pytest.mark.parametrize("damage", ["truncated", "edited"])
def test_a_damaged_artifact_is_reported_set_aside_and_trained_again(
    damage, first, learn, tmp_path_factory
):
    learn(damage)
    root = (
        next(
            path
            for path in tmp_path_factory.getbasetemp().glob("runs*")
            if (path / damage).exists()
        )
        / damage
    )
    victim = sorted(root.rglob("forecaster.npz"))[0]
    content = victim.read_bytes()
    half = len(content) // 2
    victim.write_bytes(
        content[:half]
        if damage == "truncated"
        else content[:half] + bytes([content[half] ^ 1]) + content[half + 1 :]
    )
    again = learn(damage)
    assert said(again, "set aside")
    assert list(root.rglob("quarantine/*/forecaster.npz")) or [
        path for path in root.rglob("forecaster.npz") if "quarantine" in path.parts
    ]
    assert again.algorithm.decided == first.algorithm.decided


def test_no_decision_knows_the_future(first, learn, data_folder, tmp_path_factory):
    """Change every bar from a day on: what was decided before it must not move."""
    folder = tmp_path_factory.mktemp("future") / "data"
    shutil.copytree(data_folder, folder)
    change = "20090120"
    for name in ("aapl", "ibm"):
        path = folder / f"equity/usa/daily/{name}.zip"
        with zipfile.ZipFile(path) as archive:
            lines = archive.read(f"{name}.csv").decode().splitlines()
        changed = [line if line[:8] < change else _doubled(line) for line in lines]
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(f"{name}.csv", "\n".join(changed) + "\n")
    other = learn("future", data=folder)
    before = [row for row in first.algorithm.decided if row[0].strftime("%Y%m%d") < change]
    assert len(before) > 8
    assert other.algorithm.decided[: len(before)] == before
    assert other.algorithm.decided[len(before) :] != first.algorithm.decided[len(before) :]


def _doubled(line):
    stamp, *prices, volume = line.split(",")
    return ",".join([stamp, *(str(2 * int(price)) for price in prices), volume])
