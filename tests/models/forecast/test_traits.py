import dataclasses

import numpy as np
import pytest

from models.forecast.density import DensityParameters
from models.forecast.traits import ANCHOR_BARS, SymbolTraits
from models.market.features import COLUMN, FEATURES, LOOKBACK
from tests.models.synthetic import garch_table

TABLES = [
    garch_table(name, bars, seed) for seed, (name, bars) in enumerate([("AAA", 450), ("BBB", 900)])
]
COMMON = DensityParameters.initial()


def numbered(traits, first):
    """The same with density parameters that tell rows apart."""
    count = traits.density.joined().shape
    return traits.with_density(
        DensityParameters.split(first + np.arange(np.prod(count)).reshape(count))
    )


@pytest.fixture
def made() -> SymbolTraits:
    return numbered(SymbolTraits.of(TABLES, -4.0, COMMON), 0.0)


def test_ranges_are_what_each_history_showed_and_the_widest_for_strangers():
    found = SymbolTraits.of(TABLES, -4.0, COMMON)
    for i, table in enumerate(TABLES):
        np.testing.assert_array_equal(found.ranges[i, 0], table.rows[LOOKBACK:].min(axis=0))
        np.testing.assert_array_equal(found.ranges[i, 1], table.rows[LOOKBACK:].max(axis=0))
    np.testing.assert_array_equal(found.ranges[2, 0], found.ranges[:2, 0].min(axis=0))
    np.testing.assert_array_equal(found.ranges[2, 1], found.ranges[:2, 1].max(axis=0))
    for name, value in found.density.by_name().items():
        np.testing.assert_array_equal(value, np.tile(getattr(COMMON, name), (3, 1)))


def test_anchors_are_pooled_by_a_years_weight():
    found = SymbolTraits.of(TABLES, -4.0, COMMON)
    for i, table in enumerate(TABLES):
        own = table.rows[LOOKBACK:, COLUMN["volatility_ewma"]]
        share = len(own) / (len(own) + ANCHOR_BARS)
        assert np.isclose(found.anchors[i], share * own.mean() - (1.0 - share) * 4.0)
    assert found.anchors[2] == -4.0


def test_series_have_their_symbols_traits_and_strangers_the_last(made):
    series = made.of_series(["BBB", "ZZZ", "AAA", "BBB"])
    assert series.rows.tolist() == [1, 2, 0, 1]
    np.testing.assert_array_equal(series.anchors, made.anchors[[1, 2, 0, 1]])
    np.testing.assert_array_equal(series.ranges, made.ranges[[1, 2, 0, 1]])
    np.testing.assert_array_equal(series.density.joined(), made.density.joined()[[1, 2, 0, 1]])
    chosen = series.take(np.array([2, 2]))
    assert chosen.rows.tolist() == [0, 0]
    np.testing.assert_array_equal(chosen.density.gap, made.density.gap[[0, 0]])
    np.testing.assert_array_equal(made.common.joined(), made.density.joined()[-1])
    assert made.of_series(np.array(["AAA"] * 3)).rows.tolist() == [0, 0, 0]


def test_of_two_that_know_a_symbol_the_others_traits_count(made):
    newer = garch_table("BBB", 700, 7), garch_table("CCC", 500, 8)
    other = numbered(SymbolTraits.of(newer, -3.0, COMMON), 1e6)
    both = made.and_those_of(other)
    assert both.symbols == ("AAA", "BBB", "CCC")
    for name in ("ranges", "anchors"):
        mine, theirs, found = (getattr(x, name) for x in (made, other, both))
        np.testing.assert_array_equal(found, np.stack([mine[0], *theirs[:2], mine[2]]))
    mine, theirs = made.density.joined(), other.density.joined()
    np.testing.assert_array_equal(both.density.joined(), np.stack([mine[0], *theirs[:2], mine[2]]))
    np.testing.assert_array_equal(both.common.joined(), made.common.joined())
    assert made.symbols == ("AAA", "BBB")


def test_what_does_not_fit_together_is_refused(made):
    with pytest.raises(
        ValueError, match=r"symbols' anchors must have shape \(3,\); received \(2,\)"
    ):
        dataclasses.replace(made, anchors=made.anchors[:2])
    width = len(FEATURES)
    with pytest.raises(
        ValueError, match=rf"ranges must have shape \(3, 2, {width}\); received \(2"
    ):
        dataclasses.replace(made, ranges=made.ranges[:2])
    with pytest.raises(ValueError, match="ranges must have low <= high"):
        dataclasses.replace(made, ranges=made.ranges[:, ::-1])
    with pytest.raises(ValueError, match=r"named once each; received \['AAA', 'AAA'\]"):
        dataclasses.replace(made, symbols=("AAA", "AAA"))
    with pytest.raises(
        ValueError, match=r"parameter gap must have shape \(3, 4\); received \(4,\)"
    ):
        made.with_density(COMMON)
    with pytest.raises(ValueError, match="read-only"):
        made.anchors[0] = 0.0
