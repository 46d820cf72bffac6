"""Keys that nothing can be left out of, and trainings that are reused only when they may be."""

import copy
import dataclasses
import json
from collections.abc import Mapping
from datetime import datetime

import numpy as np
import pytest
from joblib import delayed

from algorithm import training
from algorithm.learning import AgentConfig, ImaginationConfig, LearningConfig, markets_to_learn_on
from algorithm.training import Trainer, agent_depends, forecaster_depends
from models.agent.agent import window_of
from models.agent.convolution import ConvolutionConfig
from models.agent.observation import Observer
from models.agent.q_agent import QAgentConfig
from models.agent.thresholds import ThresholdConfig
from models.artifacts import ArtifactStore
from models.forecast.forecaster import ForecasterConfig
from models.limits import Caps
from models.market.features import FeatureTable
from models.market.history import History
from models.provenance import key_for
from models.reporting import Silent
from models.seeding import streams
from sim.accounting import Rules
from sim.agent_training import JudgingConfig
from sim.rewards import MeanVariance
from sim.rollout import rollout
from tests.models.synthetic import garch_history
from tests.models.test_artifacts import MemoryStore
from tests.sim.trials import without_trials

SYMBOLS = ("AAA", "BBB")
RULES = Rules.of(Caps(default=0.4), SYMBOLS, equity=100_000.0)
CONFIG = LearningConfig()


@pytest.fixture(scope="module")
def tables():
    return [FeatureTable.of(garch_history(name, 500, seed=i)) for i, name in enumerate(SYMBOLS)]


# Keys ------------------------------------------------------------------------------------------


def keys(tables, config=CONFIG, rules=RULES, previous=None):
    forecaster = key_for(forecaster_depends(config, tables, previous))
    return forecaster, key_for(agent_depends(config, rules, forecaster, previous))


def fields_of(value, path=()):
    """Paths of all fields of nested dataclasses that are no dataclasses themselves."""
    for item in dataclasses.fields(value):
        inner = getattr(value, item.name)
        if dataclasses.is_dataclass(inner):
            yield from fields_of(inner, (*path, item.name))
        else:
            yield (*path, item.name)


def perturbed(value, path):
    """A copy in which one field differs a little, whatever the rules say."""
    changed = copy.copy(value)
    name, rest = path[0], path[1:]
    inner = getattr(value, name)
    object.__setattr__(changed, name, perturbed(inner, rest) if rest else other_than(inner))
    return changed


def other_than(value):
    if value is None:
        return 0.5
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | str):
        return value + type(value)(1)
    if isinstance(value, float):
        return float(np.nextafter(value, np.inf))
    if isinstance(value, np.ndarray):
        return np.nextafter(value, np.inf)
    if isinstance(value, tuple):
        return (*value[:-1], other_than(value[-1]))
    if isinstance(value, Mapping):
        return {**value, "new": 0.5}
    raise AssertionError(f"no other value is known for {value!r}")


@pytest.mark.parametrize("path", sorted(fields_of(CONFIG)), ids=".".join)
def test_every_field_of_every_configuration_is_in_a_key(path, tables):
    forecaster, agent = keys(tables)
    changed = keys(tables, config=perturbed(CONFIG, path))
    assert changed[1] != agent
    # What only the agent's learning takes leaves the forecaster as it is.
    assert (changed[0] != forecaster) == (path[0] in ("seed", "forecaster"))


@pytest.mark.parametrize("path", sorted(fields_of(RULES)), ids=".".join)
def test_every_field_of_the_rules_is_in_the_agents_key(path, tables):
    forecaster, agent = keys(tables)
    changed = keys(tables, rules=perturbed(RULES, path))
    assert changed[0] == forecaster
    assert changed[1] != agent


def test_the_fields_that_are_walked_are_the_ones_there_are():
    walked = {path[-1] for path in fields_of(CONFIG)} | {path[-1] for path in fields_of(RULES)}
    assert {"seed", "units", "drift_penalty", "blend", "tau", "equity", "slippage"} <= walked


@pytest.mark.parametrize("what", ["bar", "time", "symbol", "order", "length"])
def test_the_histories_are_in_both_keys(what, tables):
    first, second = (table.history for table in tables)
    bars, time, symbol = first.bars.copy(), first.time.copy(), first.symbol
    if what == "bar":
        bars[7, 4] = np.nextafter(bars[7, 4], np.inf)
    elif what == "time":
        time = time + np.timedelta64(1, "s")
    elif what == "symbol":
        symbol = "CCC"
    start = 1 if what == "length" else 0
    changed = [FeatureTable.of(History(symbol, time[start:], bars[start:])), tables[1]]
    if what == "order":
        changed = tables[::-1]
    assert second is tables[1].history
    assert not set(keys(changed)) & set(keys(tables))


def test_the_code_and_the_versions_and_the_parent_are_in_both_keys(tables, monkeypatch):
    found = [keys(tables), keys(tables, previous="a" * 32)]
    for name, value in {
        "code_fingerprint": lambda *names: "other",
        "versions": lambda: {"numpy": "9"},
    }.items():
        with monkeypatch.context() as patch:
            patch.setattr(training, name, value)
            found.append(keys(tables))
    assert len({key for pair in found for key in pair}) == 2 * len(found)


def test_the_agents_key_covers_the_code_that_simulates_and_learns():
    assert {"models", "sim", "algorithm.learning"} == set(training.AGENT_CODE)
    assert set(training.FORECASTER_CODE) == {"models"}


# Trainings -------------------------------------------------------------------------------------

TINY = LearningConfig(
    seed=3,
    forecaster=ForecasterConfig(units=4, window=20, epochs=2, retrain_epochs=1),
    imagination=ImaginationConfig(paths=16, retrain_paths=16, bars=10),
    agent=AgentConfig(
        kind="dqn",
        network=QAgentConfig(observation_width=len(Observer.names), units=(8, 8)),
        updates=150,  # stages of 25, 50 and 75, whole calls of the compiled update
        retrain_updates=25,
    ),
)
NOW = datetime(2030, 1, 1)


class Stages(Silent):
    """Remembers which stages it was told of."""

    def __init__(self):
        self.names = []

    def stage(self, name, total=None):
        self.names.append(name)
        return super().stage(name, total)


@pytest.fixture
def lines():
    return []


@pytest.fixture
def make(lines):
    """Builds trainers on one store: `make(store) -> trainer, stages`."""

    def go(store, config=TINY):
        stages = Stages()
        return Trainer(config, ArtifactStore(store, report=lines.append), stages), stages

    return go


@pytest.fixture(scope="module")
def trained(tables):
    """A first training and the store it left."""
    store = MemoryStore()
    models = Trainer(TINY, ArtifactStore(store)).train(tables, RULES, now=NOW)
    return models, store


def arrays_of(models):
    named = {"forecaster": models.forecaster.to_arrays(), "agent": models.agent.to_arrays()}
    return {f"{part}/{name}": a for part, arrays in named.items() for name, a in arrays.items()}


def assert_same(ours, theirs):
    ours, theirs = arrays_of(ours), arrays_of(theirs)
    assert ours.keys() == theirs.keys()
    for name in ours:
        np.testing.assert_array_equal(ours[name], theirs[name], err_msg=name)


def copied(store, key=""):
    """A store with the files of another whose names hold `key`."""
    other = MemoryStore()
    other.files = {name: held for name, held in store.files.items() if key in name}
    return other


def test_a_training_is_reused_whole(trained, tables, make):
    models, store = trained
    assert not models.reused
    trainer, stages = make(copied(store))
    again = trainer.train(tables, RULES, now=NOW)
    assert again.reused
    assert stages.names == []
    assert_same(again, models)
    assert again.curve == models.curve
    assert (again.forecaster_key, again.agent_key) == (models.forecaster_key, models.agent_key)


def test_models_are_found_again_by_their_keys(trained, make):
    """As a restart does, which has no bars to train on yet; through JSON."""
    models, store = trained
    trainer, stages = make(copied(store))
    kept = json.loads(json.dumps(models.keys))
    again = trainer.restored(kept, now=NOW)
    assert again.keys == models.keys
    assert stages.names == []
    assert_same(again, models)
    with pytest.raises(ValueError, match=r"object store must hold forecaster 0+; it does not"):
        trainer.restored(kept | {"forecaster": "0" * 32}, now=NOW)


def test_a_trainer_tells_of_its_stages(tables, make):
    trainer, stages = make(MemoryStore())
    trainer.train(tables, RULES, now=NOW)
    assert stages.names[0] == "forecaster"
    assert set(stages.names[1:]) == {"simulation", "agent"}


def test_the_curve_has_the_claimed_value_and_what_held_out_paths_paid(trained):
    curve = trained[0].curve
    assert curve.update[-1] == curve.held_out_update[-1] == TINY.agent.updates
    assert len(curve.update) == len(curve.loss) == len(curve.claimed_value)
    stages = len(curve.held_out_update)
    assert stages == len(curve.held_out_reward) == len(curve.held_out_error) == 3
    assert min(curve.held_out_error) >= 0


@pytest.mark.parametrize(
    "rules",
    [
        dataclasses.replace(RULES, equity=2_000.0),
        Rules.of(Caps(default=0.4, overrides={"AAA": 0.01}), SYMBOLS, equity=100_000.0),
    ],
    ids=["cash", "caps"],
)
def test_another_account_learns_another_agent_on_the_same_forecaster(rules, trained, tables, make):
    models, store = trained
    trainer, stages = make(copied(store))
    other = trainer.train(tables, rules, now=NOW)
    assert (other.forecaster_reused, other.agent_reused, other.reused) == (True, False, False)
    assert "forecaster" not in stages.names
    assert other.forecaster_key == models.forecaster_key
    differs = {
        name for name, array in arrays_of(other).items() if (array != arrays_of(models)[name]).any()
    }
    assert any(name.startswith("agent/online") for name in differs)
    assert not any(name.startswith("forecaster") for name in differs)


def test_a_later_training_starts_from_the_previous_one(trained, tables, make):
    models, store = trained
    later = [FeatureTable.of(garch_history(n, 505, seed=i)) for i, n in enumerate(SYMBOLS)]
    trainer, _ = make(copied(store))
    warm = trainer.train(later, RULES, models, now=NOW)
    cold = trainer.train(later, RULES, now=NOW)
    assert not {warm.forecaster_key, warm.agent_key} & {cold.forecaster_key, cold.agent_key}
    assert len(warm.curve.held_out_update) == 1
    assert warm.curve.update[-1] == TINY.agent.retrain_updates


def test_models_of_the_future_are_refused(trained, tables, make):
    trainer, _ = make(copied(trained[1]))
    with pytest.raises(ValueError, match="must be trained on data up to 2001"):
        trainer.train(tables, RULES, now=datetime(2001, 1, 1))


@pytest.mark.parametrize("part", ["forecaster", "agent"])
def test_an_artifact_without_its_part_is_set_aside_and_made_again(
    part, trained, tables, make, lines
):
    models, store = trained
    store = copied(store)
    key = models.forecaster_key if part == "forecaster" else models.agent_key
    artifacts = ArtifactStore(store)
    found = artifacts.load(key, not_after=NOW)
    artifacts.save(
        key,
        {"other": {"x": np.zeros(1)}},
        found.meta,
        depends=found.manifest["depends"],
        data_end=models.data_end,
    )
    trainer, stages = make(store)
    again = trainer.train(tables, RULES, now=NOW)
    assert part in stages.names
    assert lines == [f"artifact {key} is set aside and will be trained again: {part} is missing"]
    assert_same(again, models)


def test_an_agent_without_its_curve_is_set_aside(trained, tables, make, lines):
    models, store = trained
    store = copied(store)
    artifacts = ArtifactStore(store)
    found = artifacts.load(models.agent_key, not_after=NOW)
    artifacts.save(
        models.agent_key,
        found.parts,
        {},
        depends=found.manifest["depends"],
        data_end=models.data_end,
    )
    trainer, _ = make(store)
    assert_same(trainer.train(tables, RULES, now=NOW), models)
    assert len(lines) == 1
    assert "curve must have update" in lines[0]


# Candidates ------------------------------------------------------------------------------------

SEVERAL = dataclasses.replace(
    TINY,
    agent=dataclasses.replace(
        TINY.agent, kind="best", candidates=("mean_variance", "dqn"), judged_on=8
    ),
)


@pytest.fixture
def forecast(trained):
    """A store with the forecaster alone: agents are learnt anew."""
    return copied(trained[1], trained[0].forecaster_key)


@pytest.fixture(scope="module")
def candidates(trained, tables):
    store = copied(trained[1], trained[0].forecaster_key)
    models = Trainer(SEVERAL, ArtifactStore(store)).train(tables, RULES, now=NOW)
    return models, store


def test_candidates_are_trained_beside_each_other_and_judged_alike(candidates, tables, make):
    models, store = candidates
    assert list(models.agents) == ["mean_variance", "dqn"]
    assert models.trading == "mean_variance"
    assert models.agent is models.agents["mean_variance"].agent
    markets = markets_to_learn_on(tables, models.forecaster, SEVERAL).sample(
        8, SEVERAL.imagination.bars, streams(3, "judging", str(models.data_end))["paths"]
    )
    reward = MeanVariance(6.0)
    for one in models.agents.values():
        wanted = rollout(one.agent.act, markets, RULES, reward).controlled.mean(axis=1)
        np.testing.assert_allclose(one.judged, (wanted[::2] + wanted[1::2]) / 2, rtol=1e-12)
    trainer, stages = make(copied(store), SEVERAL)
    again = trainer.train(tables, RULES, now=NOW)
    assert again.reused
    assert stages.names == []
    for kind, one in models.agents.items():
        np.testing.assert_array_equal(again.agents[kind].judged, one.judged)


@pytest.mark.parametrize("broken", [False, True])
def test_workers_learn_the_same_and_are_not_needed(
    broken, candidates, forecast, tables, make, monkeypatch
):
    """In processes of their own, or in this one where none can be started."""
    models, _ = candidates
    asked = []

    class Workers(training.Parallel):
        def __call__(self, jobs):
            asked.append(len(jobs))
            if broken:
                raise OSError("no processes here")
            return super().__call__(delayed(without_trials)(*job) for job in jobs)

    monkeypatch.setattr(training, "Parallel", Workers)
    config = dataclasses.replace(SEVERAL, agent=dataclasses.replace(SEVERAL.agent, workers=2))
    trainer, _ = make(forecast, config)
    found = trainer.train(tables, RULES, now=NOW)
    assert asked == [2]
    for kind, one in found.agents.items():
        assert one.key == models.agents[kind].key
        wanted = models.agents[kind].agent.to_arrays()
        for name, array in one.agent.to_arrays().items():
            np.testing.assert_array_equal(array, wanted[name], err_msg=name)
        np.testing.assert_array_equal(one.judged, models.agents[kind].judged)


def test_a_candidate_is_the_agent_that_it_would_be_alone(candidates, trained):
    models, _ = candidates
    assert models.agents["dqn"].key == trained[0].agent_key
    for name, array in trained[0].agent.to_arrays().items():
        np.testing.assert_array_equal(models.agents["dqn"].agent.to_arrays()[name], array)


def test_an_agreement_is_kept_with_its_members(tables, make, trained):
    """Real members, warm-started; a member is the agent that it would be alone."""
    agent = dataclasses.replace(TINY.agent, kind="agreement", members=("dqn", "forest"))
    config = dataclasses.replace(TINY, agent=agent)
    store = copied(trained[1])
    models = make(store, config)[0].train(tables, RULES, now=NOW)
    assert models.forecaster_reused
    assert not models.agent_reused
    alone = trained[0].agent.to_arrays()
    for name, array in models.agent.members["dqn"].to_arrays().items():
        np.testing.assert_array_equal(array, alone[name])
    again = make(store, config)[0].train(tables, RULES, now=NOW)
    assert again.agent_reused
    assert_same(again, models)
    others = dataclasses.replace(agent, members=("dqn", "mean_variance"))
    other = make(store, dataclasses.replace(TINY, agent=others))[0].train(tables, RULES, now=NOW)
    assert other.agent_key != models.agent_key


def test_a_candidate_that_looks_back_is_judged_on_markets_with_a_past(tables, make, trained):
    network = ConvolutionConfig(len(Observer.names), window=6, filters=2, kernel=2, batch_size=64)
    agent = dataclasses.replace(
        SEVERAL.agent,
        candidates=("cnn", "mean_variance"),
        convolution=dataclasses.replace(network, thresholds=ThresholdConfig(full=(0.5001,))),
        convolution_updates=20,
        judging=JudgingConfig(confidence=0.0),
    )
    config = dataclasses.replace(TINY, agent=agent)
    models = make(copied(trained[1]), config)[0].train(tables, RULES, now=NOW)
    one = models.agents["cnn"]
    assert window_of(one.agent) == 6
    source = markets_to_learn_on(tables, models.forecaster, config, remembers=5)
    rng = streams(3, "judging", str(models.data_end))["paths"]
    markets = source.sample(8, config.imagination.bars, rng)
    wanted = rollout(one.agent.act, markets, RULES, MeanVariance(6.0)).controlled.mean(axis=1)
    np.testing.assert_allclose(one.judged, (wanted[::2] + wanted[1::2]) / 2, rtol=1e-12)


def test_members_are_in_no_key_but_that_of_their_agreement(trained, tables, make):
    agent = dataclasses.replace(TINY.agent, members=("dqn", "mean_variance"))
    other = make(copied(trained[1]), dataclasses.replace(TINY, agent=agent))[0]
    assert other.train(tables, RULES, now=NOW).agent_key == trained[0].agent_key


def test_who_was_promoted_goes_on_trading(candidates, make):
    models, store = candidates
    later = [FeatureTable.of(garch_history(n, 505, seed=i)) for i, n in enumerate(SYMBOLS)]
    trainer, _ = make(copied(store), SEVERAL)
    promoted = dataclasses.replace(models, trading="dqn")
    assert trainer.train(later, RULES, promoted, now=NOW).trading == "dqn"
    alone, _ = make(copied(store))
    assert alone.train(later, RULES, promoted, now=NOW).trading == "dqn"
    other = dataclasses.replace(TINY, agent=dataclasses.replace(TINY.agent, kind="mean_variance"))
    analytic, _ = make(copied(store), other)
    assert analytic.train(later, RULES, promoted, now=NOW).trading == "mean_variance"


def test_a_judgement_that_cannot_be_read_is_made_again(candidates, tables, make, lines):
    models, store = candidates
    store = copied(store)
    artifacts = ArtifactStore(store)
    keys = [name.split("/")[1] for name in store.files if name.endswith("manifest.json")]
    found = {key: artifacts.load(key, not_after=NOW) for key in keys}
    key = next(key for key, one in found.items() if "judgement" in one.parts)
    artifacts.save(
        key,
        {"judgement": {"rewards": np.zeros(3)}},
        found[key].meta,
        depends=found[key].manifest["depends"],
        data_end=models.data_end,
    )
    trainer, _ = make(store, SEVERAL)
    again = trainer.train(tables, RULES, now=NOW)
    assert "rewards must be finite, 4 of them" in lines[0]
    for kind, one in models.agents.items():
        np.testing.assert_array_equal(again.agents[kind].judged, one.judged)
