"""Insights say what was decided, once, and are silent otherwise."""

import math
from datetime import datetime, timedelta

import pytest
from AlgorithmImports import InsightDirection, SecurityType, Symbol

from algorithm.alpha import AgentAlphaModel
from algorithm.decision import Decision

AAPL, IBM = (Symbol.create(name, SecurityType.EQUITY, "usa") for name in ("AAPL", "IBM"))
DECISION = Decision(
    datetime(2009, 1, 2, 16),
    {"AAPL": 0.3, "IBM": -0.2},
    magnitudes={"AAPL": 0.01, "IBM": -0.02},
    confidences={"AAPL": 0.6, "IBM": 0.7},
)


@pytest.fixture
def alpha():
    return AgentAlphaModel([AAPL, IBM])


def said(insights):
    return {
        insight.symbol.value: (
            insight.direction,
            float(insight.weight),
            insight.magnitude,
            insight.confidence,
        )
        for insight in insights
    }


def test_a_decision_becomes_one_insight_per_symbol(alpha):
    alpha.offer(DECISION, DECISION.weights)
    insights = alpha.update(None, None)
    assert said(insights) == {
        "AAPL": (InsightDirection.UP, 0.3, 0.01, 0.6),
        "IBM": (InsightDirection.DOWN, 0.2, -0.02, 0.7),
    }
    assert {insight.period for insight in insights} == {timedelta(days=1)}
    assert {insight.source_model for insight in insights} == {"Mirage"}


def test_a_decision_is_said_once(alpha):
    assert alpha.update(None, None) == []
    alpha.offer(DECISION, DECISION.weights)
    assert len(alpha.update(None, None)) == 2
    assert alpha.update(None, None) == []


def test_what_a_stop_made_flat_is_flat_and_carries_no_confidence(alpha):
    alpha.offer(DECISION, {"AAPL": 0.0, "IBM": -0.2})
    assert said(alpha.update(None, None))["AAPL"] == (InsightDirection.FLAT, 0.0, 0.01, None)


def test_no_fresh_target_is_no_insight(alpha):
    alpha.offer(DECISION, {"AAPL": math.nan, "IBM": -0.2})
    assert set(said(alpha.update(None, None))) == {"IBM"}


def test_what_a_close_brought_in_two_slices_is_all_said(alpha):
    alpha.offer(DECISION, {"AAPL": 0.3, "IBM": math.nan})
    alpha.offer(DECISION, {"AAPL": math.nan, "IBM": -0.2})
    assert set(said(alpha.update(None, None))) == {"AAPL", "IBM"}
