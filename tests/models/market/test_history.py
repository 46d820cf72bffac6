import numpy as np
import pandas as pd
import pytest

from models.market.history import BAR_FIELDS, History
from tests.models.synthetic import days, garch_bars, garch_history


def frame(n_bars=30):
    return pd.DataFrame(
        garch_bars(n_bars), index=pd.DatetimeIndex(days(n_bars)), columns=BAR_FIELDS
    )


def test_a_frame_becomes_arrays_in_the_order_of_the_fields():
    data = frame()
    history = History.from_frame("AAPL", data[list(reversed(BAR_FIELDS))].assign(extra=1.0))
    assert np.array_equal(history.bars, data.to_numpy())
    assert np.array_equal(history.close, data["close"])
    assert len(history) == 30
    assert history.data_end == days(30)[-1]


def test_upper_case_columns_and_time_zones_are_understood():
    data = frame()
    data.columns = [name.title() for name in data.columns]
    data.index = data.index.tz_localize("America/New_York")
    assert np.array_equal(History.from_frame("AAPL", data).time, days(30))


def test_bars_cannot_be_changed_afterwards():
    history = garch_history("AAPL", 30)
    with pytest.raises(ValueError, match="read-only"):
        history.bars[0, 0] = 1.0


def spoiled(column, row, value):
    data = frame()
    data.iloc[row, BAR_FIELDS.index(column)] = value
    return data


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (spoiled("close", 3, np.nan), r"AAPL: close must be finite; received nan on 2004-01-08"),
        (spoiled("open", 3, np.inf), r"open must be finite; received inf on 2004-01-08"),
        (spoiled("low", 3, 0.0), r"low must be > 0; received 0.0 on 2004-01-08"),
        (spoiled("close", 3, -1.5), r"close must be > 0; received -1.5"),
        (spoiled("volume", 3, 0.0), r"volume must be > 0; received 0.0 on 2004-01-08"),
        (spoiled("volume", 3, -5.0), r"volume must be > 0; received -5.0"),
        (spoiled("high", 3, 1.0), r"high must be >= open; received 1.0 and"),
        (spoiled("low", 3, 1e6), r"high must be >= low"),
        (frame().iloc[[0, 2, 1]], r"time must be sorted.*received 2004-01-07 before 2004-01-06"),
        (frame().iloc[[0, 1, 1]], r"time must be unique; received 2004-01-06 twice"),
        (frame().iloc[[0, 20]], r"no gap longer than 10 days; received 28 days from 2004-01-05"),
        (frame().drop(columns="volume"), r"columns.*volume missing"),
        (frame().reset_index(drop=True), r"indexed by timestamps; received RangeIndex"),
    ],
)
def test_bad_bars_are_refused_with_symbol_field_rule_value_and_date(data, message):
    with pytest.raises(ValueError, match=message) as caught:
        History.from_frame("AAPL", data)
    assert "\n" not in str(caught.value)


def test_a_longer_gap_is_allowed_when_asked_for():
    assert len(History.from_frame("AAPL", frame().iloc[[0, 20]], max_gap_days=28)) == 2


def test_too_little_history_is_refused():
    with pytest.raises(ValueError, match=r"IBM: history must have at least 200 bars; received 30"):
        garch_history("IBM", 30).require(200)
    assert len(garch_history("IBM", 200).require(200)) == 200


def test_tail_and_until_keep_the_right_bars():
    history = garch_history("AAPL", 30)
    assert np.array_equal(history.tail(5).time, history.time[-5:])
    assert history.until(history.time[9]).time[-1] == history.time[9]
    assert history.until(history.time[9] - np.timedelta64(1, "h")).time[-1] == history.time[8]


def test_the_fingerprint_changes_with_any_number():
    first = garch_history("AAPL", 30)
    bars = first.bars.copy()
    bars[7, 4] += 1
    assert first.fingerprint() == garch_history("AAPL", 30).fingerprint()
    assert first.fingerprint() != History("AAPL", first.time, bars).fingerprint()
    assert first.fingerprint() != History("IBM", first.time, first.bars).fingerprint()
