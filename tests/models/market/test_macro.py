"""Outside series: known when they are published, and the same features both ways."""

import numpy as np
import pandas as pd
import pytest

from models.market.features import COLUMN, FEATURES, LOOKBACK, FeatureState, FeatureTable
from models.market.history import History
from models.market.macro import (
    MACRO,
    MACRO_FEATURES,
    PUBLICATION,
    RATE,
    VIX,
    WTI,
    MacroSeries,
    MacroValues,
    macro_feature_names,
)
from tests.models.synthetic import days, garch_bars

N = 420


def outside(n_bars=N, seed=3, names=MACRO, before=40):
    """Series on weekdays that begin before the first bar and end with the last one."""
    rng = np.random.default_rng(seed)
    first = days(1)[0].astype("datetime64[D]") - before
    dates = np.arange(first, days(n_bars)[-1].astype("datetime64[D]") + 1)
    dates = dates[np.is_busday(dates)]
    walks = {
        VIX: 18.0 * np.exp(np.cumsum(rng.normal(0, 0.06, len(dates)))),
        WTI: 60.0 * np.exp(np.cumsum(rng.standard_t(4, len(dates)) * 0.015)),
        RATE: 3.0 + np.cumsum(rng.normal(0, 0.05, len(dates))),
    }
    return [MacroSeries(name, dates, walks[name]) for name in names]


def history(n_bars=N, names=MACRO, series=None, symbol="AAA", seed=0):
    known = MacroValues.at(series or outside(n_bars, names=names), days(n_bars))
    return History(symbol, days(n_bars), garch_bars(n_bars, seed), macro=known)


def of_days(name, values, first="2010-01-04"):
    """A series of consecutive weekdays."""
    dates = np.busday_offset(first, np.arange(len(values)))
    return MacroSeries(name, dates, np.array(values, dtype=float))


@pytest.mark.parametrize(
    ("name", "day", "known"),
    [
        (VIX, "2010-01-12", 6.0),  # Tuesday: Monday's, the sixth value
        (VIX, "2010-01-11", 5.0),  # Monday: Friday's
        (WTI, "2010-01-13", 1.0),  # Wednesday: that of Monday of the week before
        (WTI, "2010-01-19", 5.0),  # Tuesday: Sunday is nine days back, so Friday's
        (RATE, "2010-01-12", 7.0),  # counts from its date
    ],
)
def test_a_value_is_known_when_it_is_published(name, day, known):
    series = of_days(name, np.arange(1.0, 13.0))
    assert series.known_at(np.array([day], "datetime64[ns]")) == [known]
    at_the_close = np.array([f"{day}T16:00"], "datetime64[ns]")
    assert series.known_at(at_the_close) == [known]


@pytest.mark.parametrize("name", MACRO)
def test_nothing_is_known_before_it_is_published(name):
    """Whatever values of later publication are, feature rows up to a bar stay bit for bit."""
    bar = 300
    closed = days(N)[bar].astype("datetime64[D]")
    series = outside()
    (one,) = (x for x in series if x.name == name)
    published = one.dates + PUBLICATION[name].lag
    changed = one.values * np.where(published > closed, 1.7, 1.0)
    others = [MacroSeries(name, one.dates, changed) if x.name == name else x for x in series]
    before = FeatureTable.of(history(series=series)).rows
    after = FeatureTable.of(history(series=others)).rows
    np.testing.assert_array_equal(before[: bar + 1], after[: bar + 1])
    # The day after, something is known that was not: the test could fail.
    later = slice(bar + 1, bar + 4)
    assert (before[later, len(FEATURES) :] != after[later, len(FEATURES) :]).any()


def test_what_is_missing_is_carried_forward():
    series = MacroSeries(VIX, np.array(["2010-01-04", "2010-01-07"], "datetime64[D]"), [10.0, 20.0])
    times = np.array(["2010-01-05", "2010-01-06", "2010-01-07", "2010-01-08", "2010-01-17"])
    assert series.known_at(times.astype("datetime64[ns]")).tolist() == [10, 10, 10, 20, 20]


@pytest.mark.parametrize(
    ("name", "day"), [(VIX, "2010-01-04"), (WTI, "2010-01-12"), (RATE, "2010-01-03")]
)
def test_a_series_that_begins_too_late_says_so(name, day):
    series = of_days(name, np.ones(10))
    with pytest.raises(ValueError, match=f"{name}: .*{day}.*2010-01-04 to 2010-01-15.*{day}"):
        series.known_at(np.array([day, "2010-01-15"], "datetime64[ns]"))


@pytest.mark.parametrize(("name", "last"), [(VIX, "2010-01-26"), (WTI, "2010-02-09")])
def test_a_series_that_has_ended_says_so(name, last):
    series = of_days(name, np.ones(10))
    series.known_at(np.array([last], "datetime64[ns]"))
    next_day = np.datetime64(last) + 1
    with pytest.raises(ValueError, match=f"{name}: .*2010-01-15 and none for {next_day}"):
        series.known_at(np.array([next_day], "datetime64[ns]"))


def test_a_rate_holds_until_another_comes():
    series = of_days(RATE, [0.75])
    assert series.known_at(np.array(["2015-12-16"], "datetime64[ns]")) == [0.75]


def test_a_day_without_a_positive_price_counts_as_missing():
    series = of_days(WTI, [20.0, -36.98, 9.0])
    assert series.values.tolist() == [20.0, 9.0]


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (("gold", ["2010-01-04"], [1.0]), "one of vix, wti, rate; received gold"),
        ((VIX, ["2010-01-04"], [0.0]), "vix: values must be finite and > 0; received 0.0 on"),
        ((RATE, ["2010-01-04"], [np.nan]), "rate: values must be finite; received nan"),
        ((VIX, ["2010-01-05", "2010-01-04"], [1.0, 1.0]), "vix: dates must ascend"),
        ((WTI, ["2020-04-20"], [-36.98]), "wti: a value must be > 0; received none"),
        ((VIX, [], []), "vix: dates and values must have one shape"),
    ],
)
def test_bad_series_are_refused(arguments, match):
    name, dates, values = arguments
    with pytest.raises(ValueError, match=match):
        MacroSeries(name, np.array(dates, "datetime64[D]"), np.array(values))


def test_bad_values_are_refused():
    with pytest.raises(ValueError, match="in this order; received"):
        MacroValues((WTI, VIX), np.zeros((3, 2)))
    with pytest.raises(ValueError, match=r"shape \(T, 1\); received \(3, 2\)"):
        MacroValues((WTI,), np.zeros((3, 2)))
    with pytest.raises(ValueError, match="macro must have one entry for each of the 420 bars"):
        History("AAA", days(N), garch_bars(N), macro=MacroValues((WTI,), np.zeros((3, 1))))


def test_features_are_what_they_are_said_to_be():
    """Against pandas, on the known values."""
    one = history()
    rows = FeatureTable.of(one).rows
    assert rows.shape == (N, len(FEATURES) + len(macro_feature_names(MACRO)))
    vix, wti, rate = (pd.Series(x) for x in one.macro.values.T)

    def slow(x):
        return x.ewm(alpha=0.01, adjust=False).mean()

    volatility = np.sqrt((wti.diff() ** 2).ewm(alpha=0.06, adjust=True).mean() + 1e-8)
    wanted = {
        "vix_level": vix - slow(vix),
        "vix_change": vix.diff(5),
        "vix_premium": vix - np.log(100 * np.sqrt(252)) - rows[:, COLUMN["volatility_ewma"]],
        "wti_return": wti.diff(20) / (volatility * np.sqrt(20)),
        "wti_trend": (wti - slow(wti)) / (volatility * 10),
        "rate_change": rate - slow(rate),
    }
    assert tuple(wanted) == macro_feature_names(MACRO)
    for place, values in enumerate(wanted.values(), len(FEATURES)):
        np.testing.assert_allclose(rows[LOOKBACK:, place], values[LOOKBACK:], rtol=1e-9, atol=1e-12)
    assert np.isnan(rows[:LOOKBACK]).all()


def test_bars_and_their_features_do_not_depend_on_outside_series():
    one = history()
    alone = FeatureTable.of(one.beside(None))
    np.testing.assert_array_equal(FeatureTable.of(one).rows[:, : len(FEATURES)], alone.rows)
    assert alone.macro is None


@pytest.mark.parametrize("names", [MACRO, (VIX,), (WTI, RATE)])
def test_bar_by_bar_gives_the_rows_of_the_table(names):
    one = history(names=names)
    table = FeatureTable.of(one)
    start = np.array([LOOKBACK, 250, 250])
    state = FeatureState.at(table, start)
    for step in range(1, 60):
        rows = start + step
        found = state.push(one.bars[rows], one.macro.values[rows])
        np.testing.assert_array_equal(found[:, len(FEATURES) :], _outside_of(table, rows, found))
        np.testing.assert_allclose(found, table.rows[rows], rtol=1e-7, atol=1e-9)
        state = FeatureState.concatenate([state.take([0, 1]), state.take([2])])


def _outside_of(table, rows, found):
    """Of the table, with the volatility that was found: it alone differs by rounding."""
    volatility = np.zeros(len(table))
    volatility[rows] = found[:, COLUMN["volatility_ewma"]]
    return table.macro.rows(volatility)[rows]


def test_values_must_come_with_the_bars():
    with_series, without = FeatureTable.of(history()), FeatureTable.of(history().beside(None))
    bars = garch_bars(N)[[300]]
    with pytest.raises(ValueError, match="the outside series vix, wti, rate; received none"):
        FeatureState.at(with_series, [300]).push(bars)
    with pytest.raises(ValueError, match="the outside series none; received some"):
        FeatureState.at(without, [300]).push(bars, np.zeros((1, 3)))
    with pytest.raises(ValueError, match="same outside series"):
        FeatureState.concatenate([FeatureState.at(t, [300]) for t in (with_series, without)])


def test_a_part_of_a_history_keeps_what_was_known():
    one = history()
    np.testing.assert_array_equal(one.tail(50).macro.values, one.macro.values[-50:])
    early = one.until(one.time[99])
    np.testing.assert_array_equal(early.macro.values, one.macro.values[:100])


def test_fingerprints_know_outside_series_only_where_there_are_some():
    one, alone = history(), history().beside(None)
    plain = History("AAA", days(N), garch_bars(N))
    assert alone.fingerprint() == plain.fingerprint() != one.fingerprint()
    moved = one.macro.values.copy()
    moved[7, 0] += 1e-9
    assert one.beside(MacroValues(MACRO, moved)).fingerprint() != one.fingerprint()
    named = {names: history(names=names).fingerprint() for names in ((VIX,), (WTI,), (VIX, WTI))}
    assert len(set(named.values())) == 3


def test_every_series_says_where_it_comes_from():
    assert set(PUBLICATION) == set(MACRO) == set(MACRO_FEATURES)
    assert all(one.source for one in PUBLICATION.values())
