"""The monitor's dashboard in a notebook: a FigureWidget that follows the training."""

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
        widget: the FigureWidget, or None before there is anything to draw.
        seconds: least time between two drawings.
    """

    def __init__(self, monitor: CodebookMonitor, name: str, seconds: float) -> None:
        if not seconds >= 1:
            raise ValueError(f"seconds must be at least 1, got {seconds!r}")
        self.monitor, self.name, self.seconds = monitor, name, seconds
        self.widget = go.FigureWidget()
        self._next = 0.0
        self._draw()
        monitor.listeners.append(self)

    def __call__(self) -> None:
        """After a step."""
        if time.monotonic() >= self._next:
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
        FigureWidget or Figure.
    Raises:
        ValueError: less than a second; outside a notebook, no step seen yet.
    """
    if not _in_notebook():
        return monitor.figure(name)
    try:
        return Live(monitor, name, seconds).widget
    except ImportError:  # anywidget is missing
        return monitor.figure(name)


def _in_notebook() -> bool:
    try:
        from IPython import get_ipython
    except ImportError:
        return False
    shell: Any = get_ipython()
    return shell is not None and hasattr(shell, "kernel")
