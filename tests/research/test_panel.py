"""Buttons and sliders do what a walk does."""

import importlib.util

import pandas as pd
import pytest

from research import panel as module
from research import screen
from research.panel import Panel, panel
from tests.research.walks import walk


@pytest.fixture
def shown():
    pytest.importorskip("ipywidgets", reason="needs requirements/notebook.txt")
    drawn = []
    found = Panel(walk(bars=8), lambda: drawn.append(1))
    return found, found._walk, drawn


def test_next_bar_takes_the_ticked_weights_and_the_proposals(shown):
    found, one, drawn = shown
    other = walk(bars=8)
    assert found.weights["AAA"].disabled
    found.own["AAA"].value = True
    assert not found.weights["AAA"].disabled
    found.weights["AAA"].value = 0.25
    found.go.click()
    found.own["AAA"].value = False
    found.go.click()
    found.five.click()
    other.step({"AAA": found.weights["AAA"].min * -0.5})
    for _ in range(6):
        other.step()
    pd.testing.assert_frame_equal(one.record, other.record)
    assert len(drawn) == 4
    assert found.said.value.count("2015-11-") == 5


def test_what_is_known_is_shown_whole_at_every_bar(shown):
    """Nothing is written to the widget bit by bit: nbclient may wait for ever then."""
    found, one, _ = shown
    for _ in range(2):
        (text,) = found.shown.outputs
        assert text == {
            "output_type": "stream", "name": "stdout", "text": screen.close(one) + "\n"
        }  # fmt: skip
        assert found.shown.msg_id == ""
        found.go.click()


def test_weights_together_beyond_the_gross_cap_are_refused_in_words(shown):
    found, one, _ = shown
    for name in one.symbols:
        found.own[name].value = True
        found.weights[name].value = one.caps[name]
    found.go.click()
    assert one.row == 0
    assert "not done: AAA, BBB: absolute weights must sum to at most 0.8" in found.said.value


def test_sliders_stand_where_the_agent_wants_them(shown):
    found, one, _ = shown
    found.go.click()
    now = one.look()
    wanted = now.proposal.fillna(now.held)
    for name, slider in found.weights.items():
        assert slider.value == pytest.approx(wanted[name], abs=slider.step)


def test_at_the_end_nothing_can_be_pressed(shown):
    found, one, _ = shown
    for _ in range(2):
        found.five.click()
    assert one.done
    assert found.go.disabled
    assert found.five.disabled


def test_without_widgets_it_says_how_to_go_on(monkeypatch):
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda name: None)
    assert "walk.step()" in panel(walk(bars=2), lambda: None)
    assert importlib.util.find_spec("ipywidgets") is None
