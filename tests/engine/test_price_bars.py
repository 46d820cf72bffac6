"""Renko and range bars: the bars that LEAN's rules give for a few prices, worked out by hand."""

from datetime import datetime, timedelta
from types import SimpleNamespace

import pytest

from engine.common.decimals import to_decimal
from engine.feed.price_bars import (
    BarDirection,
    ClassicRangeConsolidator,
    ClassicRenkoConsolidator,
    DollarVolumeRenkoConsolidator,
    RangeConsolidator,
    RenkoConsolidator,
    RenkoType,
    VolumeRenkoConsolidator,
)
from engine.feed.run_reference import reference_data
from engine.market.data import TradeBar

MINUTE = timedelta(minutes=1)
OPEN = datetime(2013, 10, 7, 9, 30)


def points(*prices, volume=10):
    return [
        TradeBar(OPEN + i * MINUTE, None, price, price, price, price, volume, MINUTE)
        for i, price in enumerate(prices)
    ]


def fed(consolidator, bars):
    seen = []
    consolidator.data_consolidated += lambda _, made: seen.append(made)
    for bar in bars:
        consolidator.update(bar)
    return seen


@pytest.fixture
def cents():
    """Prices move by a cent."""
    properties = SimpleNamespace(minimum_price_variation_exact=to_decimal(0.01))
    with reference_data(lambda symbol: None, lambda symbol: properties):
        yield


def test_classic_bars_close_when_the_brick_is_filled():
    consolidator = ClassicRenkoConsolidator(1)
    seen = fed(consolidator, points(10.1, 10.6, 11.2, 13.5, 13.4, 11.9))
    assert [(made.open, made.close) for made in seen] == [(11, 12), (12, 13), (13, 12)]
    # A bar ends when the point that closed it began.
    assert [made.end_time for made in seen] == [OPEN + i * MINUTE for i in (3, 4, 5)]
    with pytest.raises(ValueError, match="bar_size"):
        ClassicRenkoConsolidator(0)


def test_classic_bars_may_begin_at_the_first_price():
    seen = fed(ClassicRenkoConsolidator(1, even_bars=False), points(10.1, 11.3))
    assert [(made.open, made.close, made.volume) for made in seen] == [(10.1, 11.1, 20)]


def test_bars_with_wicks_turn_only_two_bricks_away():
    consolidator = RenkoConsolidator(1)
    seen = fed(consolidator, points(10.2, 9.5, 12.3, 10.4, 9.9, 9.2, 8.9))
    assert [(b.open, b.high, b.low, b.close) for b in seen] == [
        (10, 11, 9.5, 11),  # from the nearest multiple, with the dip before as its wick
        (11, 12, 11, 12),
        (11, 12.3, 10, 10),  # turned: the rising bar's open less a brick
        (10, 10, 9, 9),
    ]
    assert [b.direction for b in seen] == [BarDirection.RISING] * 2 + [BarDirection.FALLING] * 2
    assert {b.type for b in seen} == {RenkoType.WICKED}
    assert consolidator.working_data.close == 9  # the last bar, as in LEAN
    assert RenkoConsolidator.get_closest_multiple(10.5, 1) == 10


def test_a_price_on_the_edge_closes_no_bar_with_wicks():
    assert fed(RenkoConsolidator(1), points(10, 11)) == []


def test_volume_fills_bars():
    seen = fed(VolumeRenkoConsolidator(25), points(10, 11, 12, volume=20))
    assert [(b.open, b.close, b.volume) for b in seen] == [(10, 11, 25), (11, 12, 25)]
    assert [b.start for b in seen] == [OPEN, OPEN + 2 * MINUTE]
    seen = fed(DollarVolumeRenkoConsolidator(250), points(10, 11, volume=20))
    assert [(b.close, b.volume) for b in seen] == [(11, 250)]


def test_range_bars_leave_empty_ones_in_a_jump(cents):
    consolidator = RangeConsolidator(100)
    seen = fed(consolidator, points(10, 10.5, 12.3))
    assert [(b.open, b.high, b.low, b.close, b.volume) for b in seen] == [
        (10, 11, 10, 11, 20),
        (11.01, 12.01, 11.01, 12.01, 0),
    ]
    assert consolidator.range_size == 1
    assert consolidator.working_data.open == 12.02


def test_classic_range_bars_begin_at_the_next_price(cents):
    consolidator = ClassicRangeConsolidator(100)
    seen = fed(consolidator, points(10, 12.3, 12.4))
    assert [(b.open, b.close) for b in seen] == [(10, 11)]
    assert consolidator.working_data.open == 12.3
