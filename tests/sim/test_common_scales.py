"""What a network says of one symbol's scales is believed as far as the market's others bear out."""

from types import SimpleNamespace

import numpy as np
import pytest

from models.forecast.density import OUTPUTS
from models.kernels import LANES
from sim import common_scales
from sim.common_scales import BEFORE, COLUMNS, CommonScales


def market(truth, n=4000, symbols=3, late=0):
    """Histories whose moves follow what is said of all symbols, and (1 + truth) of one's own.

    The last symbol begins `late` bars after the others.
    """
    rng = np.random.default_rng(7)
    together, own = rng.normal(0.0, 0.3, (n, 1, 4)), rng.normal(0.0, 0.3, (n, symbols, 4))
    own -= own.mean(axis=1, keepdims=True)
    sizes = np.exp(together + (1.0 + truth) * own) * rng.gamma(2.0, 0.5, (n, symbols, 4))
    tables, hindcasts = [], []
    for s in range(symbols):
        lost = late if s == symbols - 1 else 0
        outputs = np.zeros((n, len(OUTPUTS)))
        outputs[:, COLUMNS] = 0.1 * s + together[:, 0] + own[:, s]
        parts = np.zeros((n + 1, 5))
        parts[1:, :4] = 0.02 * sizes[:, s] * rng.choice([-1.0, 1.0], (n, 1))
        time = np.datetime64("2001-01-01") + np.arange(lost, n + 1)
        tables.append(SimpleNamespace(history=SimpleNamespace(time=time), parts=parts[lost:]))
        state = SimpleNamespace(volatility=np.full(n + 1 - lost, 0.02))
        hindcasts.append(SimpleNamespace(first=0, outputs=outputs[lost:], state=state))
    return tables, hindcasts


@pytest.mark.parametrize("truth", [-0.6, -0.2])
def test_what_moves_do_not_follow_is_found(monkeypatch, truth):
    monkeypatch.setattr(common_scales, "DEVIATION", 10.0)
    assert CommonScales.of(*market(truth)).own == pytest.approx(truth, abs=0.04)


def test_bars_without_gaps_are_judged_by_their_other_parts(monkeypatch):
    monkeypatch.setattr(common_scales, "DEVIATION", 10.0)
    tables, hindcasts = market(-0.5)
    for table in tables:
        table.parts[:, 0] = 0.0
    assert CommonScales.of(tables, hindcasts).own == pytest.approx(-0.5, abs=0.05)


def test_few_bars_say_little():
    found = CommonScales.of(*market(0.0, n=30)).own
    assert abs(found - BEFORE) < 0.1
    assert CommonScales.of(*market(0.0)).own > -0.1


def test_a_symbol_is_compared_with_those_of_its_dates(monkeypatch):
    """One that is listed late changes nothing that is said of the dates before."""
    monkeypatch.setattr(common_scales, "DEVIATION", 10.0)
    tables, hindcasts = market(-0.5, late=1500)
    found = CommonScales.of(tables, hindcasts)
    assert found.own == pytest.approx(-0.5, abs=0.05)
    judged = []

    def rejudged(table, known, outputs):
        judged.append(outputs)
        return known

    found.corrected(tables, hindcasts, SimpleNamespace(rejudged=rejudged))
    pairs = zip(hindcasts, found.usual, strict=True)
    said = [known.outputs[:, COLUMNS] - usual for known, usual in pairs]
    early = (said[0][100] + said[1][100]) / 2.0
    late = (said[0][2000] + said[1][2000] + said[2][500]) / 3.0
    for row, mean in ((100, early), (2000, late)):
        want = hindcasts[0].outputs[row, COLUMNS] + found.own * (said[0][row] - mean)
        np.testing.assert_allclose(judged[0][row, COLUMNS], want, rtol=1e-12)
    others = np.setdiff1d(np.arange(len(OUTPUTS)), COLUMNS)
    np.testing.assert_array_equal(judged[0][:, others], hindcasts[0].outputs[:, others])


def test_one_symbol_has_no_others():
    tables, hindcasts = market(-0.5, n=50)
    found = CommonScales.of(tables[:1], hindcasts[:1])
    outputs = np.ones((2, len(OUTPUTS)))
    found.correct(outputs)
    assert (outputs == 1.0).all()
    assert found.corrected(tables[:1], hindcasts[:1], SimpleNamespace()) == hindcasts[:1]


@pytest.mark.parametrize(("symbols", "markets"), [(2, 3), (3, LANES), (2, 2 * LANES + 5)])
def test_the_compiled_correction_is_the_formula(symbols, markets):
    rng = np.random.default_rng(markets)
    scales = CommonScales(rng.normal(0.0, 0.3, (symbols, 4)), -0.4)
    outputs = rng.normal(0.0, 1.0, (len(OUTPUTS), symbols * markets)).T
    wanted = outputs.copy().reshape(symbols, markets, -1)
    beyond = wanted[..., COLUMNS] - scales.usual[:, None]
    wanted[..., COLUMNS] -= 0.4 * (beyond - beyond.mean(axis=0))
    scales.correct(outputs)
    np.testing.assert_allclose(outputs, wanted.reshape(len(outputs), -1), rtol=1e-12)
