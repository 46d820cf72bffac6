"""The live host against LEAN's own recorded live paper runs."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from research.benchmarks.live_conformance import IGNORED, Line, differences, judge

SHARED = Path(__file__).parents[4] / "shared" / "lean"
ORACLE = SHARED / "oracle" / "live"
SCENARIOS = (
    "clock",
    "corporate",
    "corporate-raw",
    "corporate-weekend",
    "errors-initialize",
    "errors-on-data",
    "errors-order-event",
    "errors-scheduled",
    "framework-dividend",
    "framework-equal",
    "framework-weighting",
    "orders",
    "orders-alpaca",
    "orders-ib",
    "orders-tradestation",
    "restart",
    "restart-pending",
)

needs_record = pytest.mark.skipif(
    not ORACLE.is_dir(), reason="LEAN's recorded live runs are not in ../shared/lean/oracle/live"
)


@needs_record
@pytest.mark.parametrize("name", SCENARIOS)
def test_lines_and_order_events_are_leans(name):
    verdict = judge(ORACLE / name, SHARED / "data")
    assert verdict.compared
    assert [f"{sign} {line}" for sign, line in (*verdict.lines, *verdict.events)] == []


@needs_record
def test_every_recorded_scenario_is_here():
    assert {path.parent.name for path in ORACLE.glob("*/scenario.json")} == set(SCENARIOS)


def at(second, text, **slack):
    return Line(1, datetime(2013, 7, 1, 16, 0, second), text, **slack)


def test_a_line_at_another_second_differs():
    assert differences([at(0, "on_data")], [at(1, "on_data")]) == [
        ("-", at(0, "on_data")),
        ("+", at(1, "on_data")),
    ]


def test_lines_of_one_moment_are_a_set_but_counted():
    assert differences([at(0, "a"), at(0, "b")], [at(0, "b"), at(0, "a")]) == []
    assert differences([at(0, "a")], [at(0, "a"), at(0, "a")]) == [("+", at(0, "a"))]


def test_what_lean_varies_in_is_allowed_for_and_no_more():
    second = timedelta(seconds=1)
    ours = at(0, "scheduled", early=second, late=second)
    assert differences([at(1, "scheduled")], [ours]) == []
    assert len(differences([at(2, "scheduled")], [ours])) == 2
    given = at(0, "given [a] BAC LIMIT 5 -> NEW or SUBMITTED filled 0")
    assert differences([given], [at(0, "given [a] BAC LIMIT 5 -> SUBMITTED filled 0")]) == []
    assert len(differences([given], [at(0, "given [a] BAC LIMIT 6 -> SUBMITTED filled 0")])) == 2
    filled = at(0, "given [a] BAC MARKET 5 -> FILLED filled 5")
    assert len(differences([filled], [at(0, "given [a] BAC MARKET 5 -> NEW filled 0")])) == 2
    varied = at(0, "account cash 1 open orders (varied)")
    assert differences([varied], [at(0, "account cash 1 open orders ['x']")]) == []


def test_every_ignored_line_has_a_reason():
    assert all(reason for _, _, reason in IGNORED)
