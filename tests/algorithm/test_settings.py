"""Parameters: strings in, configurations out, every rule checked, every default in one home."""

import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from algorithm.learning import LearningConfig
from algorithm.settings import PARAMETERS, RunSettings, Settings, account_size
from algorithm.stops import StopRules
from models.limits import Caps

ROOT = Path(__file__).parents[2]


def test_strings_become_values():
    settings = Settings.from_parameters(
        {
            "symbols": " tsla, msft ,",
            "start_date": "2010-01-04",
            "cash": "5e4",
            "seed": "7",
            "allow_short": "False",
            "stop_loss": "off",
            "take_profit": "0.3",
            "caps": "TSLA:0.01, MSFT:0.2",
            "agent_units": "16",
            "slippage": "0.001",
            "path_bars": "20",
        }
    )
    assert settings.run.symbols == ("TSLA", "MSFT")
    assert settings.run.start_date == date(2010, 1, 4)
    assert settings.run.cash == 50_000.0
    assert settings.run.seed == settings.learning().seed == 7
    assert not settings.agent.allow_short
    assert settings.agent.network.units == (16, 16)
    assert settings.stops == StopRules(stop_loss=None, take_profit=0.3)
    assert settings.caps == Caps(default=0.32, overrides={"TSLA": 0.01, "MSFT": 0.2})
    assert settings.costs.slippage == 0.001
    assert settings.imagination.bars == 20


# A value other than the default for every parameter.
OTHERS = {
    "symbols": "MSFT,AAPL",
    "start_date": "2010-01-04",
    "end_date": "2012-12-31",
    "cash": "2000",
    "account_share": "0.5",
    "deployment": "paper-2",
    "trade_mode": "orders",
    "seed": "7",
    "cap": "0.25",
    "caps": "AAPL:0.01",
    "gross_cap": "0.9",
    "cap_buffer": "0.05",
    "rebalance_band": "0.2",
    "slippage": "0.001",
    "allow_short": "false",
    "agent": "best",
    "candidates": "gradient,variance_target_ewma",
    "members": "forest,dqn",
    "workers": "2",
    "target_volatility": "0.12",
    "reward": "crra",
    "actions": "-1,0,0.3",
    "aversion": "4.5",
    "premium": "0.3",
    "premium_deviation": "0.1",
    "trend": "0.25",
    "stop_loss": "off",
    "take_profit": "0.3",
    "daily_stop": "0.1",
    "cooldown_bars": "0",
    "warm_up_years": "3.5",
    "retrain": "never",
    "features": "bars,vix,rate",
    "forecaster_units": "16",
    "forecaster_window": "50",
    "forecaster_dropout": "0.2",
    "forecaster_epochs": "3",
    "forecaster_retrain_epochs": "1",
    "forecast_draws": "64",
    "paths": "128",
    "retrain_paths": "64",
    "path_bars": "30",
    "blend": "0.5",
    "agent_units": "32",
    "agent_updates": "100",
    "agent_retrain_updates": "50",
    "agent_discount": "0.5",
    "clear_models": "true",
}


def test_parameters_survive_the_round_trip():
    assert set(OTHERS) == {parameter.name for parameter in PARAMETERS}
    changed = Settings.from_parameters(OTHERS)
    assert changed.to_parameters() == OTHERS
    assert Settings.from_parameters(changed.to_parameters()) == changed


@pytest.mark.parametrize("name", sorted(OTHERS))
def test_a_parameter_changes_its_own_value_and_no_other(name):
    # The caps must name a traded symbol, and AAPL is one.
    default, changed = Settings(), Settings.from_parameters({name: OTHERS[name]})
    texts = changed.to_parameters()
    assert texts.pop(name) == OTHERS[name]
    assert texts.items() <= default.to_parameters().items()


@pytest.mark.parametrize("parameter", PARAMETERS, ids=lambda parameter: parameter.name)
def test_the_default_of_every_parameter_is_what_users_read(parameter):
    """In config.json, and in README's table where the table gives one."""
    config = json.loads((ROOT / "config.json").read_text(encoding="utf-8"))["parameters"]
    assert Settings().to_parameters()[parameter.name] == config[parameter.name]


def test_a_rule_refuses_what_lies_outside_it_however_settings_are_built():
    """The rules hold for settings built in code, not only for parsed ones."""
    for section, values in {
        "run": {"seed": -1},
        "stops": {"stop_loss": 1.0},
        "imagination": {"bars": 5},
    }.items():
        part = replace(getattr(Settings(), section), **values)
        with pytest.raises(ValueError, match=r"^parameter \w+ must .*; received"):
            Settings(**{section: part})


def test_an_unknown_parameter_is_named():
    with pytest.raises(
        ValueError,
        match=r"unknown parameter wram_up_years \(is warm_up_years meant\?\); known: .*warm_up",
    ):
        Settings.from_parameters({"wram_up_years": "4"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("seed", "1.5"),
        ("seed", "-1"),
        ("seed", ""),
        ("cash", "0"),
        ("cash", "nan"),
        ("cash", "inf"),
        ("cash", "lots"),
        ("cap", "0"),
        ("cap", "1.01"),
        ("gross_cap", "2"),
        ("allow_short", "1"),
        ("allow_short", "yes"),
        ("stop_loss", "none"),
        ("stop_loss", "1"),
        ("daily_stop", "-0.1"),
        ("start_date", "2009-13-01"),
        ("end_date", "tomorrow"),
        ("symbols", " , "),
        ("symbols", "AAPL,aapl"),
        ("trade_mode", "both"),
        ("retrain", "hourly"),
        ("warm_up_years", "0.5"),
        ("forecaster_dropout", "0"),
        ("forecaster_dropout", "1.7"),
        ("agent_discount", "1"),
        ("blend", "1.1"),
        ("paths", "2"),
        ("clear_models", "maybe"),
        ("members", "forest"),
        ("members", "forest,forest"),
        ("members", "forest,agreement"),
    ],
)
def test_a_bad_value_is_named_with_its_rule_and_what_was_received(name, value):
    with pytest.raises(ValueError, match=rf"^parameter {name} must .*; received ") as raised:
        Settings.from_parameters({name: value})
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "caps",
    [
        "AAPL",
        "AAPL:",
        "AAPL:0.1:0.2",
        "AAPL:x",
        "AAPL:0",
        "AAPL:1.5",
        "AAPL:0.1,AAPL:0.2",
        "AAPL:nan",
    ],
)
def test_a_malformed_cap_is_named(caps):
    with pytest.raises(ValueError, match="AAPL"):
        Settings.from_parameters({"caps": caps})


def test_caps_of_symbols_that_are_not_traded_are_refused():
    with pytest.raises(ValueError, match=r"caps must name traded symbols only .*received TSLA"):
        Settings.from_parameters({"caps": "TSLA:0.01"})


def test_start_after_end():
    with pytest.raises(ValueError, match="start_date must lie before end_date"):
        Settings(RunSettings(start_date=date(2013, 1, 2), end_date=date(2013, 1, 2)))


def test_rules_take_cash_caps_and_costs_from_the_settings():
    settings = Settings.from_parameters(
        {"caps": "GOOG:0.05", "slippage": "0.001", "gross_cap": "0.9", "cap_buffer": "0.04"}
    )
    rules = settings.rules(2_345.0)
    assert rules.equity == 2_300.0
    assert rules.caps.tolist() == [0.32, 0.05, 0.32]
    assert (rules.gross, rules.buffer, rules.band) == (0.9, 0.04, 0.1)
    assert rules.costs.slippage == 0.001
    assert rules.lot_size == 1
    assert settings.rules(2_345.0, lot_size=0).lot_size == 0


@pytest.mark.parametrize(
    ("value", "size"), [(100_000.0, 1e5), (104_999.0, 1e5), (105_001.0, 1.1e5), (0.0123, 0.012)]
)
def test_the_size_of_an_account_has_two_digits(value, size):
    assert account_size(value) == size


@given(st.floats(1e-3, 1e12))
def test_the_size_of_an_account_is_within_a_twentieth_and_told_again_the_same(value):
    size = account_size(value)
    assert abs(size / value - 1) <= 0.05 + 1e-12
    assert account_size(size) == size


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
def test_an_account_without_a_size_is_refused(value):
    with pytest.raises(ValueError, match="size must be finite and > 0; received"):
        account_size(value)


def test_features_are_read_in_their_order_and_macro_stands_for_all_series():
    settings = Settings.from_parameters({"features": "macro, bars"})
    assert settings.forecaster.features == ("bars", "vix", "wti", "rate")
    assert settings.to_parameters()["features"] == "bars,vix,wti,rate"


@pytest.mark.parametrize("text", ["", "bars,bars", "bars,gold"])
def test_bad_features_are_refused_by_name(text):
    with pytest.raises(ValueError, match="parameter features: features must"):
        Settings.from_parameters({"features": text})


def test_agents_are_as_wide_as_what_they_observe():
    learning = Settings.from_parameters({"features": "bars,rate"}).learning()
    agent = learning.agent
    width = 8 + 1 + 5
    for config in (agent.residual, agent.forest, agent.convolution, agent.network):
        assert config.observation_width == width
    assert Settings().learning() == LearningConfig()
