"""What is shown of imagined markets: worked out once, kept beside the models."""

import json
from dataclasses import replace
from datetime import datetime
from types import SimpleNamespace

import numpy as np
import pytest

from algorithm import imagined as module
from algorithm.diagnostics import Diagnostics
from algorithm.imagined import SECTIONS, Span, imagined
from algorithm.learning import ImaginationConfig
from engine.report.diagnostics import load_diagnostics
from models.artifacts import ArtifactStore
from models.market.features import LOOKBACK, VOLUME_MEAN_BARS, FeatureTable
from models.market.history import VOLUME
from sim.facts import facts_table, real_markets
from tests.models.test_artifacts import MemoryStore
from tests.sim.forecasting import HISTORIES, TABLES, small_forecaster
from tests.sim.forecasting import history as history_of

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
    """What was found on an empty store, and the store."""
    store = MemoryStore()
    return imagined(TABLES, models, CONFIG, 1, ArtifactStore(store), NOW), store


def same(ours, theirs):
    np.testing.assert_array_equal(ours.closes, theirs.closes)
    for name in ("span", "facts", "unconverged", "sections", "said"):
        assert getattr(ours, name) == getattr(theirs, name), name
    assert str(ours.facts) == str(theirs.facts)  # dictionaries are equal in any order
    return True


def test_facts_are_of_the_real_market_and_of_three_imagined_ones(first):
    found, _ = first
    columns = ("real", "simulated", "block bootstrap", "GJR-GARCH")
    assert found.facts.columns == tuple(found.sections["dependence"]["columns"]) == columns
    numbers = [value for _, row in found.facts.rows() for value in row if value is not None]
    assert np.isfinite(numbers).all()
    assert set(found.unconverged) <= {"AAA", "BBB"}


def test_whatever_is_compared_is_made_of_the_bars_that_markets_may_start_at(first, models):
    """Other bars before them change what the forecaster imagines, and nothing beside it."""
    begin = small_forecaster().config.window + LOOKBACK - 1
    assert begin == 219
    tables = []
    for history in HISTORIES:
        bars = history.bars.copy()
        bars[: begin - VOLUME_MEAN_BARS : 2, :VOLUME] *= 2.0
        tables.append(FeatureTable.of(replace(history, bars=bars)))
    ours, _ = first
    other = imagined(tables, models, CONFIG, 1, ArtifactStore(MemoryStore()), NOW)
    assert other.span == ours.span
    assert other.facts.real == ours.facts.real
    beside = ("block bootstrap", "GJR-GARCH")
    for name in beside:
        assert other.facts.simulated[name] == ours.facts.simulated[name]
        assert other.facts.distances[name] == ours.facts.distances[name]
    assert other.facts.simulated["simulated"] != ours.facts.simulated["simulated"]
    for theirs, mine in zip(
        *(one.sections["dependence"]["rows"] for one in (other, ours)), strict=True
    ):
        assert theirs["values"][0] == mine["values"][0], mine["name"]
        assert theirs["values"][2:] == mine["values"][2:], mine["name"]
    assert other.sections["crisis"]["real"] == ours.sections["crisis"]["real"]
    told = [one.sections["two_sample"]["auc"][2] for one in (other, ours)]
    assert told[0] == told[1]


def test_the_span_is_that_of_the_bars_that_markets_may_start_at(first):
    found, _ = first
    begin, end = HISTORIES[0].time[219], HISTORIES[1].time[-1]
    # 381 and 441 bars.
    assert found.span == Span(str(begin)[:10], str(end)[:10], (381, 441), 381)
    assert found.span == Span.from_json(json.loads(json.dumps(found.span.to_json())))
    assert "381 to 441 a symbol\nStylised facts of pieces of 381 bars" in str(found.span)
    real = [market.pieces(381) for market in real_markets(HISTORIES, 219)]
    assert found.facts.real == facts_table(real, {}).real


@pytest.mark.parametrize(
    ("bars", "piece"), [(200, 200), (504, 504), (505, 252), (748, 374), (1009, 336)]
)
def test_a_span_is_cut_into_equal_pieces_of_which_next_to_nothing_is_left(bars, piece):
    long = history_of(n=bars + 300)
    assert Span.of([long, history_of(n=2000)], 300).piece == piece
    assert bars % piece < bars // piece


def test_as_many_bars_are_simulated_whatever_the_pieces():
    span = Span("2007-01-03", "2008-12-31", (748, 748), 374)
    assert span.markets == 22
    assert replace(span, piece=504).markets == 16


def test_a_classifier_is_asked_about_the_forecasters_markets_and_the_bootstraps(first):
    found, _ = first
    told = found.sections["two_sample"]
    assert told["columns"] == ["real", "simulated", "block bootstrap"]
    assert f"AUC simulated {told['auc'][1]:.2f}, block bootstrap {told['auc'][2]:.2f}" in found.said


def test_the_worst_imagined_day_is_one_of_the_markets_that_are_shown(first):
    found, _ = first
    day = found.sections["crisis"]["simulated"]
    known = np.stack([one.bars[-1, 3] for one in HISTORIES])
    closes = np.concatenate([np.tile(known, (12, 1))[:, :, None], found.closes], axis=2)
    assert day["searched"] == 12 * 7
    market, at = closes[day["market"]], day["day"]
    # Seven bars are shown whole.
    np.testing.assert_allclose(day["closes"], market / market[:, at - 1 : at], atol=1e-5)


def test_the_document_is_one_that_the_report_accepts(first, tmp_path):
    found, _ = first
    told = Diagnostics(["AAA", "BBB"])
    told.imagined(found, {"AAA": 50.0, "BBB": 5.0})
    (tmp_path / "diagnostics.json").write_text(told.to_json({"symbols": ["AAA", "BBB"]}))
    document = load_diagnostics(tmp_path)
    assert set(SECTIONS) <= set(document)
    assert {name: document[name] for name in SECTIONS} == json.loads(json.dumps(found.sections))


def test_what_was_found_is_read_again_instead_of_worked_out(first, models, monkeypatch):
    found, store = first
    monkeypatch.setattr(module, "_measured", None)  # would fail if it were called
    assert same(imagined(TABLES, models, CONFIG, 1, ArtifactStore(store), NOW), found)


@pytest.mark.parametrize("what", ["seed", "forecaster", "blend", "code"])
def test_other_markets_have_a_key_of_their_own(what, first, models, monkeypatch):
    found, store = first
    monkeypatch.setattr(module, "_measured", lambda *_: found)
    config = ImaginationConfig(bars=7, blend=1.0) if what == "blend" else CONFIG
    if what == "forecaster":
        models = SimpleNamespace(**vars(models) | {"forecaster_key": "e" * 32})
    if what == "code":
        monkeypatch.setattr(module, "code_fingerprint", lambda *_: "other")
    other = MemoryStore()
    other.files = dict(store.files)
    imagined(TABLES, models, config, 2 if what == "seed" else 1, ArtifactStore(other), NOW)
    assert len(other.files) == 2 * len(store.files)


def test_the_same_seed_gives_the_same(first, models):
    found, _ = first
    again = imagined(TABLES, models, CONFIG, 1, ArtifactStore(MemoryStore()), NOW)
    assert same(again, found)


@pytest.mark.parametrize(
    "meta", [{"facts": {"real": {}}, "unconverged": []}, {"facts": None, "said": ""}]
)
def test_what_cannot_be_read_is_set_aside_and_worked_out_again(meta, first, models, monkeypatch):
    found, store = first
    lines = []
    other = MemoryStore()
    other.files = dict(store.files)
    artifacts = ArtifactStore(other, report=lines.append)
    (key,) = {path.split("/")[1] for path in other.files}
    saved = artifacts.load(key, not_after=NOW)
    if meta["facts"] is None:
        meta = meta | {"facts": found.facts.to_json()}
    artifacts.save(key, {}, meta, depends=saved.manifest["depends"], data_end=saved.data_end)
    monkeypatch.setattr(module, "_measured", lambda *_: found)
    assert same(imagined(TABLES, models, CONFIG, 1, artifacts, NOW), found)
    assert len(lines) == 1
    assert f"artifact {key} is set aside" in lines[0]
    assert "what was imagined cannot be read" in lines[0]


def test_shown_markets_start_at_the_newest_bars(first):
    found, _ = first
    assert found.closes.shape == (module.SHOWN_PATHS, 2, 7)
    for s, history in enumerate(HISTORIES):
        first_move = np.abs(np.log(found.closes[:, s, 0] / history.close[-1]))
        assert 0 < first_move.max() < 0.5


def test_a_single_symbol_has_no_dependence_and_no_crisis_day(models):
    found = imagined(TABLES[:1], models, CONFIG, 1, ArtifactStore(MemoryStore()), NOW)
    assert set(found.sections) <= {"two_sample"}
    assert found.closes.shape == (module.SHOWN_PATHS, 1, 7)
