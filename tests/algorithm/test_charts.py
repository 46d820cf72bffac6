"""LEAN keeps thirty names of series."""

from algorithm.charts import FORECAST, SeriesNames

ACTIONS = ("short", "flat", "long")


def test_a_few_symbols_have_everything():
    names = SeriesNames(["AAA", "BBB"], ACTIONS)
    assert names.dropped == ()
    assert all(name in names for name in (*FORECAST, *ACTIONS, "AAA", "BBB cap"))
    assert "other" not in names


def test_of_twelve_symbols_the_last_cap_is_dropped_and_of_thirty_whatever_counts_less():
    """4 + 12 + 3 + 12 are one too many."""
    twelve = [f"S{i:02}" for i in range(12)]
    assert SeriesNames(twelve, ACTIONS).dropped == ("S11 cap",)
    thirty = SeriesNames([f"S{i:02}" for i in range(30)], ACTIONS)
    assert "S25" in thirty
    assert "S26" not in thirty
    assert "Mean" in thirty
    assert "flat" not in thirty
