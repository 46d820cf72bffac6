"""The two-sample test within one span of bars."""

import itertools
import json

import numpy as np
import pytest

from models.market.history import History
from sim import one_span
from sim.baselines import BlockBootstrapSampler
from sim.one_span import BLOCK, CONTEXT, WINDOW, SpanTest, SpanVerdict
from sim.paths import Paths
from tests.sim.joint import HISTORIES, TABLES

FIRST = 220


@pytest.mark.parametrize(("auc", "says"), [(0.31, True), (0.45, False), (0.72, False)])
def test_a_verdict_says_when_the_classifier_was_misled(auc, says):
    """Below .5 by more than chance, which is .12."""
    told = SpanVerdict(90, 30, 0.12, {"simulated": 0.5, "block bootstrap": auc}, ())
    wanted = "well below the classifier was misled, " if says else ""
    assert str(told).endswith(f"(.50 cannot be told, {wanted}chance ± 0.12, 90 windows)")


def simulated(test, seed=0, starts=None):
    sampler = BlockBootstrapSampler(TABLES, starts=test.dates if starts is None else starts)
    return sampler.sample(test.markets, WINDOW, np.random.default_rng(seed))


@pytest.fixture(scope="module")
def span():
    return SpanTest.of(HISTORIES, FIRST)


def test_windows_lie_in_blocks_that_do_not_overlap(span):
    """Every symbol's windows start at a date's close and end before the next block begins."""
    ends, begins = {}, {}
    for d, s in np.argwhere(span.rows >= 0):
        row, time = span.rows[d, s], HISTORIES[s].time
        assert time[row].astype("datetime64[D]") == span.dates[d]
        assert row >= FIRST
        block = span.block[d]
        begins[block] = min(begins.get(block, time[row]), time[row])
        ends[block] = max(ends.get(block, time[row + WINDOW]), time[row + WINDOW])
    blocks = sorted(ends)
    assert len(blocks) >= one_span.LEAST_BLOCKS
    for before, after in itertools.pairwise(blocks):
        # The first close of a block comes before its first return.
        assert ends[before] < begins[after] + np.timedelta64(1, "D")


def test_a_symbol_has_windows_where_it_has_bars_only(span):
    assert (span.rows[:, 0] >= 0).all()  # has all days
    late = HISTORIES[1].time[FIRST].astype("datetime64[D]")  # listed later
    assert (span.rows[span.dates < late, 1] == -1).all()
    assert (span.rows[:, 1] >= 0).any()


def test_real_windows_are_cut_where_they_start(span):
    statistics, date = span._real()
    per_symbol = (span.rows >= 0).sum(axis=0)
    assert len(statistics) == per_symbol.sum()
    np.testing.assert_array_equal(date[: per_symbol[0]], np.arange(len(span.dates)))
    row = span.rows[3, 0]
    window = HISTORIES[0].bars[row - CONTEXT + 1 : row + WINDOW + 1]
    np.testing.assert_array_equal(
        statistics.values[3], one_span._described([window[None]]).values[0]
    )


def test_the_real_bars_themselves_are_imagined_windows_with_the_same_statistics(span):
    """Context, start and date of a simulated window, checked on paths that are the real ones."""
    d = np.flatnonzero((span.rows >= 0).all(axis=1))
    rows = span.rows[d]
    bars = np.stack(
        [
            np.stack([h.bars[r : r + WINDOW + 1] for h, r in zip(HISTORIES, row, strict=True)])
            for row in rows
        ]
    )
    paths = Paths(
        bars,
        np.zeros((*bars.shape[:3], 0), np.float32),
        np.tile(np.arange(3), (len(d), 1)),
        rows,
    )
    found, date = span._imagined(paths)
    real, where = span._real()
    symbol = np.repeat(np.arange(3), (span.rows >= 0).sum(axis=0))
    known = np.isin(where, d)
    np.testing.assert_array_equal(date, where[known])
    np.testing.assert_array_equal(found.values, real.values[known])
    assert symbol[known].size == 3 * len(d)


def test_simulated_windows_from_other_starts_do_not_count(span):
    _, date = span._imagined(simulated(span))
    on_date = np.concatenate([np.flatnonzero(rows >= 0) for rows in span.rows.T])
    counts = np.bincount(date, minlength=len(span.dates))
    wanted = one_span.PER_START * np.bincount(on_date, minlength=len(span.dates))
    assert (counts >= wanted).all()  # a start drawn at random may meet a real window's
    assert counts.sum() < 1.2 * wanted.sum()


def test_a_verdict_tells_what_is_plain(span):
    paths = simulated(span)
    wild = paths.bars.copy()
    wild[..., 1:, 1] *= 1.2  # the highs of another world
    changed = Paths(wild, paths.observations, paths.series, paths.start_row)
    found = span.verdict({"simulated": changed, "block bootstrap": paths}, 1)
    assert found.auc["simulated"] > 0.95
    assert found.auc["simulated"] > found.auc["block bootstrap"]
    real, _ = span._real()
    assert found.windows == len(real)
    pairs = {(s, span.block[d]) for d, s in np.argwhere(span.rows >= 0)}
    assert found.disjoint == len(pairs)
    n, m = len(pairs), found.windows
    assert found.chance == pytest.approx(2 * np.sqrt((n + m + 1) / (12 * n * m)))
    falls = [each.fall for each in found.used]
    assert falls == sorted(falls, reverse=True)
    wick = {each.name: each for each in found.used}.get("mean upper wick", found.used[0])
    assert len(wick.means) == 3
    assert "simulated" in str(found)
    assert f"{found.windows} windows" in str(found)


def test_the_same_seed_gives_the_same_verdict(span):
    paths = {"simulated": simulated(span)}
    told = span.verdict(paths, 3).to_json()
    assert span.verdict(paths, 3).to_json() == told
    document = json.loads(json.dumps(told, allow_nan=False))
    assert document["columns"] == ["real", "simulated"]
    assert document["auc"][0] is None
    assert all(len(each["means"]) == 2 for each in document["used"])


def test_too_short_a_span_has_no_test():
    short = [History("S", h.time[: FIRST + 5 * BLOCK - 1], h.bars[: FIRST + 5 * BLOCK - 1])
             for h in HISTORIES[:1]]  # fmt: skip
    assert SpanTest.of(short, FIRST) is None
    assert SpanTest.of(HISTORIES[:1], FIRST) is not None


def test_windows_are_bounded_with_many_symbols(monkeypatch, span):
    monkeypatch.setattr(one_span, "MOST_WINDOWS", 1)
    few = SpanTest.of(HISTORIES, FIRST)
    assert len(np.unique(few.block)) == one_span.LEAST_BLOCKS
    assert set(few.dates) <= set(SpanTest.of(HISTORIES, FIRST).dates)


def test_first_must_leave_the_context():
    with pytest.raises(ValueError, match="first must leave 20 bars of context; received 5"):
        SpanTest.of(HISTORIES, 5)
