"""A real training: a dashboard that follows it."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import plotly.graph_objects as go

from vqlab.drift.simulate import simulate
from vqlab.plots.dashboard import dashboard

if TYPE_CHECKING:
    from vqlab.measure.monitor import CodebookMonitor

SHARE = 20  # times the drawing's own seconds lie between two drawings at least: 5 % of the time


class Live:
    """Redraws a widget after a step, when it is time; and once more when the cell has ended.

    Attributes:
        widget: the FigureWidget; empty panels before there is anything to draw.
        seconds: least time between two drawings.
    """

    def __init__(self, monitor: CodebookMonitor, name: str, seconds: float) -> None:
        self.rest(seconds)
        self.monitor, self.name = monitor, name
        # As large as what comes; and what drawing loads when first used is loaded before it counts.
        self.widget = go.FigureWidget(_empty(name))
        self._next, self._took = 0.0, float("inf")
        self._behind, self._waits = False, False
        self._draw()
        monitor.listeners.append(self)

    @property
    def closed(self) -> bool:
        """Whether the widget is gone."""
        return self.widget.comm is None

    def rest(self, seconds: float) -> None:
        """Sets the least time between two drawings.

        Raises:
            ValueError: less than a second.
        """
        if not seconds >= 1:
            raise ValueError(f"seconds must be at least 1, got {seconds!r}")
        self.seconds = seconds

    def __call__(self) -> None:
        """After a step."""
        if self.closed:
            return
        now = time.monotonic()
        if now >= self._next:
            self._draw()
            return
        self._behind = True
        if not self._waits:
            with suppress(RuntimeError):  # no loop: no cell that could end
                # It has its turn when the cell has ended, or was interrupted.
                asyncio.get_running_loop().call_later(self._next - now, self._afterwards)
                self._waits = True

    def _afterwards(self) -> None:
        self._waits = False
        if self._behind and not self.closed:
            self._draw()

    def _draw(self) -> None:
        start = time.monotonic()
        self._behind = False
        try:
            figure = self.monitor.figure(self.name)
        except ValueError:  # nothing was seen yet
            return
        known = len(self.widget.data)
        more = figure.data[known:]
        if more:  # pictures; plotly.js wants their axes before them, and whole
            self.widget.layout = figure.layout
        with self.widget.batch_update():
            for old, new in zip(self.widget.data, figure.data, strict=False):
                if new.type == "image":
                    old.source = new.source
                else:
                    old.x, old.y = new.x, new.y
            if not more:
                self.widget.update_layout(figure.layout)
        if more:
            self.widget.add_traces(more)
        now = time.monotonic()
        took = min(self._took, now - start)  # one slow drawing is an accident
        self._took = now - start
        self._next = now + max(self.seconds, SHARE * took)


def _empty(name: str) -> go.Figure:
    """The dashboard's panels without lines."""
    run = simulate("vq", codebook_size=2, points=2, batch=None, steps=1, progress=False)
    figure = dashboard(replace(run, settings={**run.settings, "method": name}), 1)
    figure.for_each_annotation(lambda head: head.update(text=head.text.replace("for 1 steps", "…")))
    return figure.for_each_trace(lambda line: line.update(x=[], y=[]))


def live(monitor: CodebookMonitor, name: str, seconds: float = 1.0) -> Any:
    """The dashboard that updates in place within a notebook, or a figure of now elsewhere.

    Args:
        monitor: of a model in training. name: which codebook. seconds: at least 1.

    Returns:
        FigureWidget, the same one for each call, or Figure.

    Raises:
        ValueError: less than a second; outside a notebook or without anywidget, no step seen yet.
    """
    if not in_notebook():
        return _present(monitor, name, "this is no notebook")
    # A cell that is run again shows the widget that is there: each costs its share of the training.
    for one in [one for one in monitor.listeners if isinstance(one, Live)]:
        if one.closed:
            monitor.listeners.remove(one)
        elif one.name == name:
            one.rest(seconds)
            return one.widget
    try:
        return Live(monitor, name, seconds).widget
    except ImportError:
        return _present(monitor, name, "anywidget is missing")


def _present(monitor: CodebookMonitor, name: str, why: str) -> go.Figure:
    if not any(watch.steps for watch in monitor.watched):
        raise ValueError(
            f"show() cannot follow the training here ({why}), and no training step was seen that "
            "could be drawn: call it after the first steps"
        )
    return monitor.figure(name)


def in_notebook() -> bool:
    """Whether a kernel runs this, so that a widget has a place to be shown."""
    try:
        from IPython import get_ipython
    except ImportError:
        return False
    shell: Any = get_ipython()
    return shell is not None and hasattr(shell, "kernel")
