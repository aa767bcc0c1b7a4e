"""A real training: a dashboard that follows it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import plotly.graph_objects as go

if TYPE_CHECKING:
    from vqlab.measure.monitor import CodebookMonitor

SHARE = 20  # times the drawing's own seconds lie between two drawings at least: 5 % of the time


class Live:
    """Redraws a widget after a step, when it is time.

    Attributes:
        widget: the FigureWidget, empty before there is anything to draw.
        seconds: least time between two drawings.
    """

    def __init__(self, monitor: CodebookMonitor, name: str, seconds: float) -> None:
        self.monitor, self.name, self.seconds = monitor, name, _checked(seconds)
        self.widget = go.FigureWidget()
        self._next = 0.0
        self._draw()
        monitor.listeners.append(self)

    def __call__(self) -> None:
        """After a step."""
        if time.monotonic() >= self._next and self.widget.comm is not None:  # None: closed
            self._draw()

    def _draw(self) -> None:
        start = time.monotonic()
        try:
            figure = self.monitor.figure(self.name)
        except ValueError:  # nothing was seen yet
            return
        if len(self.widget.data) != len(figure.data):
            with self.widget.batch_update():
                self.widget.data = []
                self.widget.add_traces(figure.data)
                self.widget.layout = figure.layout
        else:
            with self.widget.batch_update():
                for old, new in zip(self.widget.data, figure.data, strict=True):
                    if new.type == "image":
                        old.source = new.source
                    else:
                        old.x, old.y = new.x, new.y
                self.widget.update_layout(figure.layout)
        now = time.monotonic()
        self._next = now + max(self.seconds, SHARE * (now - start))


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
    for one in monitor.listeners:
        if isinstance(one, Live) and one.name == name and one.widget.comm is not None:
            one.seconds = _checked(seconds)
            return one.widget
    try:
        return Live(monitor, name, seconds).widget
    except ImportError:
        return _present(monitor, name, "anywidget is missing")


def _checked(seconds: float) -> float:
    if not seconds >= 1:
        raise ValueError(f"seconds must be at least 1, got {seconds!r}")
    return seconds


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
