"""Live trading through faults of feed, broker, disk and clock: caps hold and accounts add up."""

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.integration.faults import BEGIN, END, FAULTS, lacking, market, run


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return market(tmp_path_factory.mktemp("faults"))


@pytest.fixture(scope="module")
def usual(made, tmp_path_factory):
    """A run in which nothing goes wrong but what the market brings itself."""
    return run(made, (), tmp_path_factory.mktemp("usual") / "state")


def test_each_fault_happens_and_is_named_and_nothing_is_lost(made, usual, tmp_path):
    found = run(made, FAULTS, tmp_path / "state")
    assert lacking(FAULTS, found, usual) == []
    assert (found.broken, found.sums, found.error) == ([], [], "")
    assert found.fills > 20


def test_what_has_drifted_above_its_cap_is_made_smaller(usual):
    """Once by a gap of the price; by less than the stated drift, which may stay, now and then."""
    assert usual.broken == []
    assert usual.reduced == 1
    assert usual.drifted > 0


def test_what_did_not_happen_is_no_evidence(made, usual):
    silent = [fault for fault in FAULTS if not fault.always]
    assert lacking(silent, usual, usual) == [
        words
        for fault in silent
        for words in (f"{fault.name}: did not happen", f"{fault.name}: not named ({fault.said})")
    ]


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_alone_is_named(made, usual, tmp_path, fault):
    found = run(made, (fault,), tmp_path / "state")
    assert lacking((fault,), found, usual) == []
    assert (found.broken, found.sums, found.error) == ([], [], "")


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
        if not fault.always
    ]
    found = run(made, faults, tmp_path_factory.mktemp("run") / "state")
    assert (found.broken, found.sums, found.error) == ([], [], "")
