"""What is shown of imagined markets: worked out once, kept beside the models."""

from datetime import datetime
from types import SimpleNamespace

import numpy as np
import pytest

from algorithm import imagined
from algorithm.imagined import imagined_facts, shown_closes
from algorithm.learning import ImaginationConfig
from models.artifacts import ArtifactStore
from tests.models.test_artifacts import MemoryStore
from tests.sim.forecasting import TABLES, small_forecaster

CONFIG = ImaginationConfig(bars=7)
NOW = datetime(2030, 1, 1)


@pytest.fixture(scope="module")
def models():
    forecaster = small_forecaster()
    return SimpleNamespace(
        forecaster=forecaster, forecaster_key="f" * 32, data_end=forecaster.data_end
    )


@pytest.fixture(scope="module")
def first(models):
    """Facts worked out on an empty store, and the store."""
    store = MemoryStore()
    return imagined_facts(TABLES, models, CONFIG, 1, ArtifactStore(store), NOW), store


def test_facts_are_of_the_real_market_and_of_three_imagined_ones(first):
    (facts, unconverged), _ = first
    assert facts.columns == ("real", "simulated", "block bootstrap", "GJR-GARCH")
    numbers = [value for _, row in facts.rows() for value in row if value is not None]
    assert np.isfinite(numbers).all()
    assert set(unconverged) <= {"AAA", "BBB"}


def test_facts_are_read_again_instead_of_worked_out(first, models, monkeypatch):
    (facts, unconverged), store = first
    monkeypatch.setattr(imagined, "facts_table", None)  # would fail if it were called
    again = imagined_facts(TABLES, models, CONFIG, 1, ArtifactStore(store), NOW)
    assert again == (facts, unconverged)
    assert again[0].columns == facts.columns  # dictionaries are equal in any order
    assert str(again[0]) == str(facts)


@pytest.mark.parametrize("what", ["seed", "forecaster", "blend"])
def test_facts_of_other_markets_are_others(what, first, models):
    (facts, _), store = first
    files = dict(store.files)
    config = ImaginationConfig(bars=7, blend=1.0) if what == "blend" else CONFIG
    if what == "forecaster":
        models = SimpleNamespace(**vars(models) | {"forecaster_key": "e" * 32})
    other = MemoryStore()
    other.files = files
    imagined_facts(TABLES, models, config, 2 if what == "seed" else 1, ArtifactStore(other), NOW)
    assert len(other.files) == 2 * len(store.files)
    assert facts.columns


def test_facts_that_cannot_be_read_are_set_aside_and_worked_out_again(first, models):
    (facts, _), store = first
    lines = []
    other = MemoryStore()
    other.files = dict(store.files)
    artifacts = ArtifactStore(other, report=lines.append)
    (path,) = other.files
    key = path.split("/")[1]
    found = artifacts.load(key, not_after=NOW)
    meta = {"facts": {"real": {}}, "unconverged": []}
    artifacts.save(key, {}, meta, depends=found.manifest["depends"], data_end=found.data_end)
    again, _ = imagined_facts(TABLES, models, CONFIG, 1, artifacts, NOW)
    assert again == facts
    assert len(lines) == 1
    assert f"artifact {key} is set aside" in lines[0]


def test_shown_paths_start_at_the_newest_bars(models):
    found = shown_closes(TABLES, models.forecaster, CONFIG, 1)
    assert [closes.shape for closes in found] == [(imagined.SHOWN_PATHS, 7)] * 2
    for closes, table in zip(found, TABLES, strict=True):
        first_move = np.abs(np.log(closes[:, 0] / table.history.close[-1]))
        assert 0 < first_move.max() < 0.5
    again = shown_closes(TABLES, models.forecaster, CONFIG, 1)
    np.testing.assert_array_equal(found[0], again[0])
