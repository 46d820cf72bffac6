"""Groups of features: all of them, by name, in one order."""

import pytest

from models.market.features import FEATURES
from models.market.groups import (
    DEFAULT_GROUPS,
    GROUPS,
    columns_with,
    groups_from,
    macro_of,
    shown,
)
from models.market.macro import MACRO, macro_feature_names


def test_groups_share_out_all_features():
    every = [name for group in GROUPS.values() for name in group]
    assert tuple(every) == FEATURES + macro_feature_names(MACRO)
    assert shown(DEFAULT_GROUPS) == FEATURES
    assert columns_with(()) == FEATURES


def test_names_are_put_in_order_and_macro_stands_for_all_series():
    assert groups_from(["technical", "bars"]) == ("bars", "technical")
    assert groups_from(["macro", "bars"]) == ("bars", *MACRO)
    assert macro_of(("bars", "rate", "vix")) == ("vix", "rate")


@pytest.mark.parametrize(
    ("names", "match"),
    [
        ([], "must name one group or more, each once; received ''"),
        (["bars", "bars"], "each once; received 'bars, bars'"),
        (["macro", "vix"], "each once; received 'macro, vix'"),
        (["bars", "sentiment"], "some of bars, volatility, .*; received sentiment"),
    ],
)
def test_bad_lists_are_refused_by_name(names, match):
    with pytest.raises(ValueError, match=match):
        groups_from(names)


def test_a_group_holds_what_its_name_says():
    assert GROUPS["bars"][0] == "gap"
    assert GROUPS["bars"][-1] == "price_volume"
    assert all(name.startswith("volatility") for name in GROUPS["volatility"])
    assert {"sma_20", "ema_200", "macd", "atr", "volume_trend"} <= set(GROUPS["technical"])
