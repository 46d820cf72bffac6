"""The whole mission in small: real bars, real training, real artifacts."""

import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

from research.stepping import opened
from research.workspace import load_histories, load_settings, open_artifacts

TINY = {
    "symbols": "AAPL,IBM",
    "start_date": "2009-01-02",
    "end_date": "2009-02-13",
    "warm_up_years": "2",
    "cap": "0.45",
    "agent": "dqn",
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

    def on_decision(self, decision, weights):
        self.decided.append((
            decision.time, dict(decision.weights),
            {name: tuple(values.items()) for name, values in decision.action_values.items()},
            {name: tuple(fan) for name, fan in decision.fans.items()}))

    def on_end_of_algorithm(self):
        super().on_end_of_algorithm()
        # Another run on the same store will overwrite it.
        self.diagnostics = self.object_store.read("mirage/diagnostics.json")
'''


@pytest.fixture(scope="module")
def learn(module_run, few_and_short):
    def go(store, data=None, **changes):
        options = {} if data is None else {"data": data}
        return module_run(TINY | changes, main=MAIN, store=store, **options)

    go.stores = module_run.stores
    return go


@pytest.fixture(scope="module")
def first(learn):
    result = learn("models")
    shutil.copytree(learn.stores / "models", learn.stores / "first")
    return result


@pytest.fixture
def kept(first, learn):
    """Copies the store as the first run left it: `kept(name) -> path`."""
    return lambda name: shutil.copytree(learn.stores / "first", learn.stores / name)


def said(result, words):
    return [line for line in result.log if words in line]


def diagnostics(result):
    return json.loads(result.algorithm.diagnostics)


def reused(result):
    return [training["reused"] for training in diagnostics(result)["trainings"]]


def test_two_trainings_and_a_forecast_for_every_bar(first):
    assert said(first, "Models trained")
    assert reused(first) == [False, False]
    assert diagnostics(first)["calibration"]["n"] == 2 * (len(first.algorithm.decided) - 1) > 50


def test_the_first_decision_is_of_the_first_traded_day(first):
    assert str(first.algorithm.decided[0][0].date()) == "2009-01-02"


def test_by_hand_the_same_models_forecast_alike(first, learn, data_folder, monkeypatch):
    """A walk takes the first models from the run's store and shows the fans of its decisions."""

    def refused(*arguments, **named):
        raise AssertionError("trained again")

    monkeypatch.setattr("algorithm.training.fit_forecaster", refused)
    monkeypatch.setattr("algorithm.training.learn_to_trade", refused)
    settings = load_settings(TINY)
    histories = load_histories(settings, data_folder=data_folder)
    walk = opened(settings, histories, open_artifacts(learn.stores / "models"), bars=12)
    for time, _, _, fans in first.algorithm.decided[:12]:
        walk.step()
        assert walk.look().time == time
        for name, fan in fans.items():
            np.testing.assert_allclose(walk.look().fan.loc[name], fan, rtol=1e-9)


def test_what_learning_claims_and_what_held_out_paths_paid_stand_side_by_side(first):
    for training in diagnostics(first)["trainings"]:
        told = training["agent"]
        assert len(told["update"]) == len(told["claimed_value"]) == len(told["loss"]) > 0
        assert len(told["held_out_update"]) == len(told["held_out_reward"]) > 0
        assert told["held_out_update"][-1] == told["update"][-1]
        assert all(error >= 0 for error in told["held_out_error"])


def test_the_first_training_was_told_nothing_of_the_traded_year(
    first, learn, data_folder, tmp_path_factory
):
    """With the traded year replaced by noise the first models are the same to the last bit."""
    noise = changed_bars(
        data_folder, tmp_path_factory.mktemp("noise") / "data", "20090102", Noise(seed=5)
    )
    other = learn("noise", data=noise)
    models = [
        first_models(result, learn.stores / name)
        for result, name in ((first, "models"), (other, "noise"))
    ]
    assert models[0].keys() == models[1].keys() == {"forecaster", "agent"}
    for part, arrays in models[0].items():
        for name, array in arrays.items():
            np.testing.assert_array_equal(array, models[1][part][name], err_msg=name)
    # ... and the noise was really there: the second training learned from it.
    assert other.algorithm.decided[1:] != first.algorithm.decided[1:]


def first_models(result, store: Path):
    """Arrays of the first training's forecaster and agent, as they were kept."""
    agent = diagnostics(result)["trainings"][0]["artifact"]
    manifest = json.loads(next(store.rglob(f"{agent}/manifest.json")).read_text(encoding="utf-8"))
    keys = {"agent": agent, "forecaster": manifest["depends"]["forecaster"]}
    found = {}
    for part, key in keys.items():
        with np.load(next(store.rglob(f"{key}/{part}.npz"))) as arrays:
            found[part] = dict(arrays)
    return found


class Noise:
    """Valid bars that have nothing to do with the market's: an independent random walk."""

    def __init__(self, seed):
        self._rng = np.random.default_rng(seed)
        self._close = 1_000_000.0

    def __call__(self, line):
        opened, self._close = self._close * np.exp(self._rng.normal(0, 0.05, 2))
        high = max(opened, self._close) * 1.01
        low = min(opened, self._close) * 0.99
        prices = (opened, high, low, self._close, self._rng.uniform(1e6, 1e7))
        return ",".join([line.split(",")[0], *(str(int(value)) for value in prices)])


def changed_bars(source, folder, since, change):
    """A copy of a data folder with every line of the bars changed from a day on."""
    shutil.copytree(source, folder)
    for name in ("aapl", "ibm"):
        path = folder / f"equity/usa/daily/{name}.zip"
        with zipfile.ZipFile(path) as archive:
            lines = archive.read(f"{name}.csv").decode().splitlines()
        changed = [line if line[:8] < since else change(line) for line in lines]
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(f"{name}.csv", "\n".join(changed) + "\n")
    return folder


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
    assert reused(other) == [False, False]
    assert other.algorithm.decided != first.algorithm.decided


def test_another_account_learns_to_trade_anew_on_the_same_forecaster(first, learn):
    """Cash decides what fees and whole shares cost; the market's forecast is nobody's money."""
    other = learn("models", cash="2000")
    assert reused(other) == [False, False]
    ours, theirs = (first_models(result, learn.stores / "models") for result in (first, other))
    np.testing.assert_array_equal(ours["forecaster"]["about"], theirs["forecaster"]["about"])
    assert any((ours["agent"][name] != theirs["agent"][name]).any() for name in ours["agent"])


@pytest.mark.parametrize("change", [{"caps": "AAPL:0.01"}, {"slippage": "0.01"}])
def test_caps_and_costs_reach_training(change, first, learn):
    other = learn("models", **change)
    ours, theirs = (
        first_models(result, learn.stores / "models")["agent"] for result in (first, other)
    )
    assert any((ours[name] != theirs[name]).any() for name in ours)


def test_clear_models_forgets_them(kept, learn):
    kept("cleared")
    cleared = learn("cleared", clear_models="true")
    assert said(cleared, "Cleared the cached models")
    assert said(cleared, "Models trained")


@pytest.mark.parametrize("damage", ["truncated", "edited"])
def test_a_damaged_artifact_is_reported_set_aside_and_trained_again(damage, first, kept, learn):
    root = kept(damage)
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
    change = "20090120"
    folder = changed_bars(data_folder, tmp_path_factory.mktemp("future") / "data", change, _doubled)
    other = learn("future", data=folder)
    before = [row for row in first.algorithm.decided if row[0].strftime("%Y%m%d") < change]
    assert len(before) > 8
    assert other.algorithm.decided[: len(before)] == before
    assert other.algorithm.decided[len(before) :] != first.algorithm.decided[len(before) :]


def _doubled(line):
    stamp, *prices, volume = line.split(",")
    return ",".join([stamp, *(str(2 * int(price)) for price in prices), volume])
