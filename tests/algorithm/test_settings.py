import dataclasses
from datetime import date

import pytest

from algorithm.settings import Settings


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
        }
    )
    assert settings.symbols == ("TSLA", "MSFT")
    assert settings.start_date == date(2010, 1, 4)
    assert settings.cash == 50_000.0
    assert settings.seed == 7
    assert settings.allow_short is False
    assert settings.stop_loss is None
    assert settings.take_profit == 0.3
    assert dict(settings.limits().overrides) == {"TSLA": 0.01, "MSFT": 0.2}


def test_parameters_survive_the_round_trip():
    settings = Settings(symbols=("MSFT",), stop_loss=None, cap=0.25, allow_short=False)
    assert Settings.from_parameters(settings.to_parameters()) == settings


def test_every_parameter_has_a_rule():
    for item in dataclasses.fields(Settings):
        assert item.metadata["rule"].startswith("must "), item.name


def test_an_unknown_parameter_is_named():
    with pytest.raises(ValueError, match=r"unknown parameter wram_up_years; known: .*warm_up"):
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
        Settings(caps=caps)


def test_caps_of_symbols_that_are_not_traded_are_refused():
    with pytest.raises(ValueError, match=r"caps must name traded symbols only .*received TSLA"):
        Settings(caps="TSLA:0.01")


def test_start_after_end():
    with pytest.raises(ValueError, match="start_date must lie before end_date"):
        Settings(start_date=date(2013, 1, 2), end_date=date(2013, 1, 2))
