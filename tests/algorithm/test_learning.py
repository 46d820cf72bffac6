"""From settings to learning: every value arrives where it counts."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

from algorithm import learning
from algorithm.learning import (
    AgentConfig,
    AgentCurve,
    ImaginationConfig,
    LearningConfig,
    fit_forecaster,
    imagined_markets,
    investor,
    learn_to_trade,
)
from models.agent.agreement import Agreement
from models.agent.convolution import ConvolutionAgent, ConvolutionConfig
from models.agent.forest import ForestAgent, ForestConfig
from models.agent.mean_variance import MeanVariance, MeanVarianceConfig
from models.agent.observation import Observer
from models.agent.q_agent import QAgent, QAgentConfig
from models.agent.residual_agent import ResidualAgent
from models.agent.thresholds import ThresholdConfig
from models.forecast.config import ForecasterConfig
from models.limits import Caps
from models.reporting import Silent
from models.seeding import streams
from sim.accounting import Rules
from sim.agent_training import JudgingConfig
from sim.curriculum import growing
from sim.premium import Premium
from sim.rewards import MeanVariance as MeanVarianceReward
from sim.rewards import Shortfall
from sim.rollout import rollout
from sim.rules import Rule
from tests.models.synthetic import random_forecaster
from tests.sim.forecasting import TABLES as REAL

# No value is a default: what does not arrive is told apart.
CONFIG = LearningConfig(
    seed=7,
    forecaster=ForecasterConfig(units=5, epochs=9, retrain_epochs=3),
    imagination=ImaginationConfig(
        paths=64,
        retrain_paths=32,
        bars=24,
        blend=0.4,
        mean_block=11.0,
        stages=2,
        premium_deviation=0.125,
    ),
    agent=AgentConfig(
        kind="dqn",
        allow_short=False,
        reward="shortfall",
        analytic=MeanVarianceConfig(aversion=3.0),
        bands=(0.25,),
        network=QAgentConfig(observation_width=len(Observer.names), units=(6,)),
        judging=JudgingConfig(confidence=1.25),
        updates=90,
        retrain_updates=30,
    ),
)
RULES = Rules.of(Caps(default=0.4), ("AAA", "BBB"), equity=3_000.0)
END = np.datetime64("2009-01-02T16:00")
TABLES = [
    SimpleNamespace(history=SimpleNamespace(data_end=end))
    for end in (END - np.timedelta64(1, "D"), END)
]


DONE = SimpleNamespace(
    agent="an agent",
    curve=SimpleNamespace(update=[25], loss=[0.5], claimed_value=[1e-4]),
    judgements=[
        SimpleNamespace(
            update=25, reward=np.array([0.0, 2e-4]), error=np.array([0, 1e-5]), chosen=1
        )
    ],
)
CURVE = AgentCurve((25.0,), (0.5,), (1e-4,), (25.0,), (2e-4,), (1e-5,))


class Journal(Silent):
    """A progress that remembers its stages."""

    def __init__(self):
        self.stages = []

    def stage(self, name, total=None):
        self.stages.append((name, total))
        return super().stage(name, total)


@pytest.fixture
def calls(monkeypatch):
    """What was asked of the parts below, by name: (positional, by keyword)."""
    found = {}

    def spy(name):
        def remember(*args, **options):
            found[name] = (args, options)
            return DONE if name == "train" else f"made by {name}"

        return remember

    monkeypatch.setattr(learning, "Forecaster", SimpleNamespace(fit=spy("fit")))
    monkeypatch.setattr(learning, "Observer", lambda forecaster: ("observer", forecaster))
    monkeypatch.setattr(learning, "ForecasterSampler", spy("sampler"))
    monkeypatch.setattr(learning, "train_on_imagined", spy("train"))
    return found


@pytest.mark.parametrize(("previous", "epochs"), [(None, 9), ("earlier", 3)])
def test_a_fit_is_asked_for_with_seed_configuration_and_start(previous, epochs, calls):
    progress = Journal()
    made = fit_forecaster(TABLES, CONFIG, previous, progress)
    assert made == "made by fit"
    args, options = calls["fit"]
    assert args == (TABLES, CONFIG.forecaster)
    assert options.pop("reporter") is not None
    assert options == {"seed": 7, "previous": previous}
    assert progress.stages == [("forecaster", epochs)]


@pytest.mark.parametrize("starts", ["any", "latest"])
def test_markets_are_imagined_with_every_field_that_is_theirs(starts, calls):
    imagined_markets(TABLES, "forecaster", CONFIG.imagination, starts=starts)
    args, options = calls["sampler"]
    assert args == (("observer", "forecaster"), TABLES)
    wanted = {"blend": 0.4, "mean_block": 11.0, "starts": starts}
    assert options == wanted | {"premium": None, "remembers": 0}


def test_a_first_agent_goes_through_the_whole_curriculum(calls):
    progress = Journal()
    assert learn_to_trade(TABLES, "f", CONFIG, RULES, None, progress) == ("an agent", CURVE)
    args, options = calls["train"]
    sampler, rules, network, stages, rngs = args
    assert sampler == "made by sampler"
    premium = Premium(0.5, 0.125)
    imagined = {"blend": 0.4, "mean_block": 11.0, "starts": "any", "premium": premium}
    imagined |= {"remembers": 0}
    assert calls["sampler"] == ((("observer", "f"), TABLES), imagined)
    assert rules is RULES
    assert network == dataclasses.replace(CONFIG.agent.network, actions=(0.0, 1.0))
    assert stages == growing(64, 24, 90, stages=2)
    assert len(stages) == 2
    assert options == {
        "previous": None,
        "judging": CONFIG.agent.judging,
        "progress": progress,
        "reward": Shortfall(2 * 3.0 * 1.4),
    }
    wanted = streams(7, "agent", str(END))
    assert {name: rng.random() for name, rng in rngs.items()} == {
        name: rng.random() for name, rng in wanted.items()
    }


def test_a_later_agent_goes_on_with_one_stage_of_full_length(calls):
    earlier = object.__new__(QAgent)
    learn_to_trade(TABLES, "f", CONFIG, RULES, earlier, Silent())
    args, options = calls["train"]
    (stage,) = args[3]
    assert (stage.n_paths, stage.n_steps, stage.updates) == (32, 24, 30)
    assert options["previous"] is earlier


def test_an_agent_of_another_kind_is_no_predecessor(calls):
    learn_to_trade(TABLES, "f", CONFIG, RULES, MeanVariance(), Silent())
    args, options = calls["train"]
    assert options["previous"] is None
    assert len(args[3]) == 2


@pytest.mark.parametrize("short", [True, False])
def test_the_analytic_agent_with_one_band_needs_no_markets(short, calls):
    agent = dataclasses.replace(CONFIG.agent, kind="mean_variance", allow_short=short)
    config = dataclasses.replace(CONFIG, agent=agent)
    made = learn_to_trade(TABLES, "f", config, RULES, None, Silent())
    wanted = MeanVarianceConfig(aversion=3.0, allow_short=short, band=0.25)
    assert made == (MeanVariance(wanted), AgentCurve())
    assert calls == {}


def test_small_accounts_learn_to_trade_less():
    """On the same imagined markets; a dollar a trade is much to one and nothing to the other."""
    forecaster = random_forecaster(REAL, ForecasterConfig(units=8, window=20, masks=4), 1)
    agent = AgentConfig(kind="mean_variance", bands=(0.0, 0.2, 0.4), band_markets=16)
    config = dataclasses.replace(CONFIG, agent=agent)
    found = {}
    for cash in (1_000.0, 10_000_000.0):
        rules = Rules.of(Caps(default=0.4), ("AAA", "BBB"), equity=cash, lot_size=0)
        progress = Journal()
        made, _ = learn_to_trade(REAL, forecaster, config, rules, None, progress)
        assert progress.stages == [("simulation", None), ("agent", None)]
        markets = learning.markets_to_learn_on(REAL, forecaster, config).sample(
            16, 24, streams(7, "bands", str(REAL[1].history.data_end))["paths"]
        )
        earned = [
            rollout(
                MeanVariance(dataclasses.replace(made.config, band=band)).act,
                markets,
                rules,
                MeanVarianceReward(6.0),
            ).controlled.mean()
            for band in agent.bands
        ]
        assert made.config.band == agent.bands[int(np.argmax(earned))]
        found[cash] = made.config.band, earned[-1] - earned[0]
        assert made.config.band_for == cash
    (small, spared), (large, lost) = found[1_000.0], found[10_000_000.0]
    # To the large account bands are nearly the same: which is best is chance.
    assert small == agent.bands[-1] >= large
    assert spared > lost + 2e-4


def banded(kind, band, equity):
    """An agent of a kind with a band that was chosen for an account of so many $."""
    policy = MeanVarianceConfig(band=band, band_for=equity)
    return {
        "mean_variance": MeanVariance(policy),
        "gradient": residual_before(policy),
        "momentum": Rule("momentum", band, band_for=equity),
    }[kind]


@pytest.mark.parametrize("kind", ["mean_variance", "gradient", "momentum"])
@pytest.mark.parametrize(
    ("band", "equity", "kept"),
    [
        (0.4, 10_000.0, True),
        (0.4, 8_001.0, True),
        (0.4, 12_499.0, True),
        (0.4, 7_900.0, False),
        (0.4, 12_600.0, False),
        (0.3, 10_000.0, False),
        (0.4, 0.0, False),
    ],
)
def test_a_band_is_kept_while_the_account_keeps_its_size(
    kind, band, equity, kept, calls, monkeypatch
):
    """One that is not among those asked for, or was not chosen, is chosen anew."""
    asked = []
    source = SimpleNamespace(sample=lambda *args: "paths")
    monkeypatch.setattr(learning, "ForecasterSampler", lambda *args, **options: source)
    monkeypatch.setattr(learning, "best_band", lambda *args: asked.append(args) or 0.2)
    monkeypatch.setattr(
        learning, "train_residual", lambda *args, **_: SimpleNamespace(agent=args[2].policy)
    )
    agent = dataclasses.replace(CONFIG.agent, kind=kind, bands=(0.2, 0.4))
    config = dataclasses.replace(CONFIG, agent=agent)
    rules = dataclasses.replace(RULES, equity=10_000.0)
    before = banded(kind, band, equity)
    made, _ = learn_to_trade(TABLES, "f", config, rules, before, Silent())
    found = made.config if kind == "mean_variance" else made
    assert (found.band, found.band_for) == ((band, equity) if kept else (0.2, 10_000.0))
    assert len(asked) == (0 if kept else 1)


def test_a_rule_is_an_agent_too(calls):
    agent = dataclasses.replace(CONFIG.agent, kind="variance_target_ewma")
    config = dataclasses.replace(CONFIG, agent=agent)
    made = learn_to_trade(TABLES, "f", config, RULES, None, Silent())
    assert made == (Rule("variance_target_ewma", band=0.25), AgentCurve())
    assert calls == {}


def residual_before(policy=None):
    """A residual agent of which nothing is asked but its policy."""
    made = object.__new__(ResidualAgent)
    config = SimpleNamespace(policy=policy or MeanVarianceConfig())
    object.__setattr__(made, "config", config)
    return made


@pytest.mark.parametrize("earlier", [None, residual_before()])
def test_the_residual_learns_beside_the_investors_policy(earlier, calls, monkeypatch):
    """All symbols in one account, on markets of full length, in the investor's reward."""
    asked = []

    def train(*args, **options):
        asked.append((args, options))
        return SimpleNamespace(agent="an agent")

    sampled = []
    source = SimpleNamespace(sample=lambda *args: sampled.append(args) or "paths")
    monkeypatch.setattr(learning, "ForecasterSampler", lambda *args, **options: source)
    monkeypatch.setattr(learning, "train_residual", train)
    agent = dataclasses.replace(
        CONFIG.agent, kind="gradient", residual_updates=11, residual_retrain_updates=4
    )
    config = dataclasses.replace(CONFIG, agent=agent)
    progress = Journal()
    made = learn_to_trade(TABLES, "f", config, RULES, earlier, progress)
    assert made == ("an agent", AgentCurve())
    (((paths, rules, network, updates, rngs), options),) = asked
    assert (paths, rules) == ("paths", RULES)
    policy = MeanVarianceConfig(aversion=3.0, allow_short=False, band=0.25)
    assert network == dataclasses.replace(agent.residual, policy=policy)
    assert (sampled[0][:2], updates) == (((64, 24), 11) if earlier is None else ((32, 24), 4))
    assert progress.stages == [("simulation", None), ("agent", updates)]
    assert options.pop("reporter") is not None
    assert options == {"previous": earlier, "reward": Shortfall(6.0)}
    assert sampled[0][2] is rngs["paths"]


@pytest.fixture
def source(monkeypatch):
    """What was sampled, of markets that are imagined nowhere."""
    sampled = []
    source = SimpleNamespace(sample=lambda *args: sampled.append(args) or "paths")
    monkeypatch.setattr(learning, "ForecasterSampler", lambda *args, **options: source)
    return sampled


@pytest.mark.parametrize("earlier", [None, object.__new__(ForestAgent)])
def test_a_forest_is_grown_for_the_investor(earlier, calls, source, monkeypatch):
    asked = []

    def train(*args):
        asked.append(args)
        return SimpleNamespace(agent="an agent")

    monkeypatch.setattr(learning, "train_forest", train)
    forest = ForestConfig(len(Observer.names), ThresholdConfig(horizon=3), trees=7)
    analytic = dataclasses.replace(CONFIG.agent.analytic, band=0.3)
    agent = dataclasses.replace(CONFIG.agent, kind="forest", forest=forest, analytic=analytic)
    config = dataclasses.replace(CONFIG, agent=agent)
    progress = Journal()
    made = learn_to_trade(TABLES, "f", config, RULES, earlier, progress)
    assert made == ("an agent", AgentCurve())
    ((paths, rules, made_of, rngs, judging, reward),) = asked
    assert (paths, rules, judging, reward) == ("paths", RULES, agent.judging, Shortfall(6.0))
    wanted = ThresholdConfig(horizon=3, band=0.3, allow_short=False)
    assert made_of == dataclasses.replace(forest, thresholds=wanted)
    ((count, bars, rng),) = source
    assert (count, bars) == ((64, 24) if earlier is None else (32, 24))
    assert rng is rngs["paths"]
    assert progress.stages == [("simulation", None), ("agent", None)]


@pytest.mark.parametrize("earlier", [None, object.__new__(ConvolutionAgent)])
def test_a_network_learns_from_markets_with_a_past(earlier, calls, monkeypatch):
    asked, sampled, options_of = [], [], {}

    def train(*args, **options):
        asked.append((args, options))
        return SimpleNamespace(agent="an agent")

    def source(*args, **options):
        options_of.update(options)
        return SimpleNamespace(sample=lambda *args: sampled.append(args) or "paths")

    monkeypatch.setattr(learning, "train_convolution", train)
    monkeypatch.setattr(learning, "ForecasterSampler", source)
    network = ConvolutionConfig(len(Observer.names), ThresholdConfig(horizon=3), window=12)
    agent = dataclasses.replace(
        CONFIG.agent,
        kind="cnn",
        convolution=network,
        convolution_updates=70,
        convolution_retrain_updates=20,
    )
    config = dataclasses.replace(CONFIG, agent=agent)
    progress = Journal()
    made = learn_to_trade(TABLES, "f", config, RULES, earlier, progress)
    assert made == ("an agent", AgentCurve())
    ((args, options),) = asked
    updates = 70 if earlier is None else 20
    thresholds = ThresholdConfig(horizon=3, band=agent.analytic.band, allow_short=False)
    wanted = dataclasses.replace(network, thresholds=thresholds)
    assert args[:4] == ("paths", RULES, wanted, updates)
    assert options.pop("reporter") is not None
    assert options == {"previous": earlier, "judging": agent.judging, "reward": Shortfall(6.0)}
    assert options_of["remembers"] == 11
    assert sampled[0][:2] == ((64, 24) if earlier is None else (32, 24))
    assert progress.stages == [("simulation", None), ("agent", updates)]


@pytest.mark.parametrize("again", [False, True])
def test_members_learn_one_after_the_other_as_they_would_alone(again, calls, source, monkeypatch):
    asked = []

    def spy(name):
        def train(paths, rules, made_of, *args, previous=None, **options):
            rngs = next(arg for arg in args if isinstance(arg, dict))
            asked.append((name, previous, rngs["paths"].random()))
            return SimpleNamespace(agent=name)

        return train

    monkeypatch.setattr(learning, "train_residual", spy("gradient"))
    monkeypatch.setattr(learning, "train_forest", spy("forest"))
    agent = dataclasses.replace(
        CONFIG.agent, kind="agreement", members=("forest", "mean_variance", "gradient")
    )
    config = dataclasses.replace(CONFIG, agent=agent)
    earlier = {"forest": object.__new__(ForestAgent), "gradient": residual_before()}
    previous = Agreement(earlier) if again else None
    made, curve = learn_to_trade(TABLES, "f", config, RULES, previous, Silent())
    analytic = MeanVariance(MeanVarianceConfig(aversion=3.0, allow_short=False, band=0.25))
    assert list(made.members.items()) == [
        ("forest", "forest"),
        ("mean_variance", analytic),
        ("gradient", "gradient"),
    ]
    assert curve == AgentCurve()
    alone = streams(7, "agent", str(END))["paths"].random()
    assert asked == [
        ("forest", None, alone),
        ("gradient", earlier["gradient"] if again else None, alone),
    ]
    assert [count for count, *_ in source] == ([32, 32] if again else [64, 64])


def test_an_agreement_is_no_member():
    agent = dataclasses.replace(CONFIG.agent, kind="agreement", members=("forest", "agreement"))
    config = dataclasses.replace(CONFIG, agent=agent)
    with pytest.raises(ValueError, match=r"members must be .*; received .*agreement"):
        learn_to_trade(TABLES, "f", config, RULES, None, Silent())


def test_a_target_volatility_stands_for_an_aversion():
    """Three symbols with correlations of .4 have together 1.29 times the Sharpe ratio of one."""
    agent = AgentConfig(target_volatility=0.1, analytic=MeanVarianceConfig(sharpe_ratio=0.5))
    assert investor(agent, 1).aversion == pytest.approx(0.5 / 0.1)
    assert investor(agent, 3).aversion == pytest.approx(0.5 * np.sqrt(3 / 1.8) / 0.1)
    assert investor(dataclasses.replace(agent, target_volatility=None), 3) == agent.analytic


def test_an_unknown_kind_is_named():
    config = dataclasses.replace(CONFIG, agent=dataclasses.replace(CONFIG.agent, kind="oracle"))
    with pytest.raises(ValueError, match=r"agent must be one of .*; received 'oracle'"):
        learn_to_trade(TABLES, "f", config, RULES, None, Silent())


def test_every_field_of_the_configuration_is_one_of_those_above():
    """A new field of imagination or agent has to be followed here too."""
    fields = {
        kind: {item.name for item in dataclasses.fields(kind)}
        for kind in (LearningConfig, ImaginationConfig, AgentConfig)
    }
    assert fields == {
        LearningConfig: {"seed", "forecaster", "imagination", "agent"},
        ImaginationConfig: {
            "paths",
            "retrain_paths",
            "bars",
            "blend",
            "mean_block",
            "stages",
            "premium_deviation",
        },
        AgentConfig: {
            "kind",
            "candidates",
            "workers",
            "judged_on",
            "allow_short",
            "reward",
            "target_volatility",
            "analytic",
            "bands",
            "band_markets",
            "residual",
            "residual_updates",
            "residual_retrain_updates",
            "members",
            "forest",
            "convolution",
            "convolution_updates",
            "convolution_retrain_updates",
            "network",
            "judging",
            "updates",
            "retrain_updates",
        },
    }
