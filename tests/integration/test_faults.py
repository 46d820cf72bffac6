"""Live trading through faults of feed, broker, disk and clock: caps hold and accounts add up."""

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.integration.faults import BEGIN, END, FAULTS, market, run


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return market(tmp_path_factory.mktemp("faults"))


def test_each_fault_is_named_and_nothing_is_lost(made, tmp_path):
    found = run(made, FAULTS, tmp_path / "state")
    assert [fault.name for fault in FAULTS if fault.said and not found.names(fault)] == []
    assert (found.broken, found.sums, found.error) == ([], [], "")
    assert found.fills > 20


@pytest.mark.slow
@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_whatever_comes_when_caps_hold_and_the_account_adds_up(made, tmp_path_factory, data):
    days = [day for day in made.days if BEGIN.date() < day < END.date()]
    faults = [
        replace(fault, days=tuple(data.draw(st.lists(st.sampled_from(days), max_size=3))))
        for fault in FAULTS
        if fault.name not in ("split", "dividend")
    ]
    found = run(made, faults, tmp_path_factory.mktemp("run") / "state")
    assert (found.broken, found.sums, found.error) == ([], [], "")
