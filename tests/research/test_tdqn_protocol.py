"""The paper's accounting, beside a twin written from its description."""

import numpy as np
import pytest

from models.forecast.config import ForecasterConfig
from models.market.history import CLOSE, HIGH, LOW, OPEN, History
from research.real_markets import WalkForward, walk
from research.tdqn_protocol import (
    COST,
    EQUITY,
    FLAT_BARS,
    PUBLISHED,
    SPLIT,
    STRATEGIES,
    TestSpan,
    at_closes,
    sell_and_hold,
)
from sim.rules import Rule
from tests.models.synthetic import garch_history


@pytest.fixture(scope="module")
def span():
    made = garch_history("AAA", 560, 3)
    days = SPLIT - 460 + np.arange(560)
    history = History("AAA", days, made.bars)
    config = ForecasterConfig(units=8, window=20, epochs=1, masks=2)
    refits = walk([history], np.array([SPLIT]), WalkForward(years=3, config=config))
    # A day without a trade among the flat ones, and one later, are days all the same.
    traded = ~np.isin(days, [SPLIT + 10, SPLIT + 60])
    return TestSpan.from_history(History("AAA", days[traded], made.bars[traded]), days, refits)


def twin(closes):
    """Returns of buying at the close of the first bar after the flat ones, as the paper does."""
    shares = np.floor(EQUITY / (closes[FLAT_BARS] * (1 + COST)))
    cash = EQUITY - shares * closes[FLAT_BARS] * (1 + COST)
    equity = np.full(len(closes), EQUITY)
    equity[FLAT_BARS:] = cash + shares * closes[FLAT_BARS:]
    return np.diff(np.log(equity), prepend=np.log(EQUITY))


def test_buy_and_hold_is_the_papers(span):
    market = dict(zip(span.market.dates, span.market.paths.bars[0, 0, :, CLOSE], strict=True))
    closes, last = [], next(iter(market.values()))
    for day in span.days:
        last = market.get(day, last)
        closes.append(last)
    assert len(span.days) == 100
    assert span.market.dates[0] == span.days[FLAT_BARS]
    found = span.growth(Rule("buy_and_hold").act, at_close=True)
    np.testing.assert_allclose(found, twin(np.array(closes)), atol=1e-12)
    assert (found[:FLAT_BARS] == 0).all()
    assert found[FLAT_BARS] == pytest.approx(np.log1p(-COST), rel=0.01)
    assert found[60] == 0


def test_at_the_next_open_the_gap_is_lost(span):
    bars = span.market.paths.bars[0, 0]
    late = span.growth(Rule("buy_and_hold").act, at_close=False)
    assert late[FLAT_BARS] == 0
    # So many shares as the close allowed, bought at the open.
    shares = np.floor(EQUITY / (bars[0, CLOSE] * (1 + COST)))
    gained = shares * (bars[1, CLOSE] - bars[1, OPEN] * (1 + COST))
    assert late[FLAT_BARS + 1] == pytest.approx(np.log1p(gained / EQUITY), abs=1e-12)


def test_sell_and_hold_loses_what_buy_and_hold_gains(span):
    long = span.growth(Rule("buy_and_hold").act, at_close=True)
    short = span.growth(sell_and_hold, at_close=True)
    assert np.corrcoef(long, short)[0, 1] < -0.95
    assert (short[:FLAT_BARS] == 0).all()
    # The short limit is .98 of equity.
    assert short[FLAT_BARS] == pytest.approx(np.log1p(-0.98 * COST), rel=0.03)


def test_a_tape_of_closes_is_valid_and_changes_nothing_else(span):
    paths = span.market.paths
    found = at_closes(paths)
    np.testing.assert_array_equal(found.bars[:, :, 1:, OPEN], paths.bars[:, :, :-1, CLOSE])
    np.testing.assert_array_equal(found.bars[..., CLOSE], paths.bars[..., CLOSE])
    assert (found.bars[..., HIGH] >= paths.bars[..., HIGH]).all()
    assert (found.bars[..., LOW] <= paths.bars[..., LOW]).all()
    np.testing.assert_array_equal(found.forecasts, paths.forecasts)


def test_published_figures_are_of_fifteen_stocks():
    assert len(PUBLISHED) == 15
    assert {len(values) for values in PUBLISHED.values()} == {len(STRATEGIES)}


def test_a_test_needs_more_days_than_are_flat(span):
    history = garch_history("AAA", 560, 3)
    with pytest.raises(ValueError, match="AAA must have more than 31 test days; received 20"):
        TestSpan.from_history(history, SPLIT + np.arange(20), [])
