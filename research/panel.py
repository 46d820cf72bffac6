"""Buttons and sliders for a walk, in a notebook that has ipywidgets.

What they do is what `research.stepping.Walk` does; a cell with `walk.step()` does as well.
"""

from __future__ import annotations

import importlib
import importlib.util
import math
from collections.abc import Callable
from typing import Any

from IPython.utils.capture import capture_output

from research import screen
from research.stepping import Walk

SLIDES = 100
"""Steps of a slider from nothing to a cap."""


class Panel:
    """A slider for each symbol, buttons to go on, and what is known at the present close.

    Attributes:
        box: the widget to be displayed.
    """

    def __init__(self, walk: Walk, draw: Callable[[], Any]) -> None:
        """Show where the walk stands.

        Args:
            walk: to go on with.
            draw: draws its pictures with matplotlib, and shows them.

        Raises:
            ModuleNotFoundError: without ipywidgets.
        """
        widgets = importlib.import_module("ipywidgets")
        self._walk, self._draw = walk, draw
        self.own = {name: widgets.Checkbox(description=name, indent=False) for name in walk.symbols}
        self.weights = {
            name: widgets.FloatSlider(
                min=-cap, max=cap, step=cap / SLIDES, readout_format="+.3f", disabled=True
            )
            for name, cap in walk.caps.items()
        }
        self.go = widgets.Button(description="Next bar", button_style="primary")
        self.five = widgets.Button(description="5 bars as proposed")
        self.said, self.shown = widgets.HTML(), widgets.Output()
        for name, check in self.own.items():
            check.observe(lambda change, name=name: self._take_over(name), names="value")
        self.go.on_click(lambda button: self._step(1, self.chosen()))
        self.five.on_click(lambda button: self._step(5, {}))
        rows = [widgets.HBox([self.own[name], self.weights[name]]) for name in walk.symbols]
        hint = widgets.HTML("Tick a symbol to choose its weight; the others follow the agent.")
        buttons = widgets.HBox([self.go, self.five])
        self.box = widgets.VBox([hint, *rows, buttons, self.said, self.shown])
        self._refresh()

    def chosen(self) -> dict[str, float]:
        """Weights of the ticked symbols."""
        return {name: self.weights[name].value for name, own in self.own.items() if own.value}

    def _take_over(self, name: str) -> None:
        self.weights[name].disabled = not self.own[name].value

    def _step(self, bars: int, overrides: dict[str, float]) -> None:
        told = []
        try:
            for _ in range(bars):
                before = self._walk.look()
                told.append(screen.stepped(self._walk, before, self._walk.step(overrides)))
                if self._walk.done:
                    break
        except ValueError as problem:
            told.append(f"not done: {problem}")
        self.said.value = "<pre>" + "\n".join(told) + "</pre>"
        self._refresh()

    def _refresh(self) -> None:
        """Sliders of symbols that nobody ticked stand where the agent wants them."""
        walk, now = self._walk, self._walk.look()
        for name, slider in self.weights.items():
            if not self.own[name].value:
                wanted = now.proposal[name]
                cap = walk.caps[name]
                at = now.held[name] if math.isnan(wanted) else wanted
                slider.value = min(max(at, -cap), cap)
        for button in (self.go, self.five):
            button.disabled = walk.done
        # Set whole, not written to within `with self.shown`: then who executes the notebook answers
        # the kernel while he waits for it, and nbclient may wait for ever.
        with capture_output() as kept:
            print(screen.summary(walk) if walk.done else screen.close(walk))
            self._draw()
        pictures = [
            {"output_type": "display_data", "data": each.data, "metadata": each.metadata or {}}
            for each in kept.outputs
        ]
        text = {"output_type": "stream", "name": "stdout", "text": kept.stdout}
        self.shown.outputs = (text, *pictures)


def panel(walk: Walk, draw: Callable[[], Any]) -> Any:
    """The widget of a `Panel`, or a line that says how to do without where there is no ipywidgets.

    Args:
        walk: to go on with.
        draw: as `Panel` takes it.
    """
    if importlib.util.find_spec("ipywidgets") is None:
        return "ipywidgets is not installed: go on with walk.step(), walk.step({'AAPL': 0.1})"
    return Panel(walk, draw).box
