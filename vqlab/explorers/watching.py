"""A real training: a dashboard that follows it, and the film of one that was recorded."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import plotly.graph_objects as go

from vqlab.drift.run import Run
from vqlab.drift.simulate import simulate
from vqlab.explorers.stage import Explorer, ipywidgets
from vqlab.plots.dashboard import dashboard
from vqlab.plots.microscope import NARROW, SLIM, microscope
from vqlab.plots.scene import Scene

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
        if self._behind:
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


class RunExplorer(Explorer):
    """The film of a finished run or recording: the microscope's screen, and the dashboard's curves.

    Attributes:
        run: what is shown, in its two principal axes where D > 2.
    """

    words = "recording: space plays, arrows step"

    def __init__(self, run: Run) -> None:
        super().__init__()
        self.run, self._lens, self._columns = run, False, 0
        self.curves = self.new_stage() if len(run.steps) > 2 else None
        if ipywidgets is not None:
            self.choice("view", [("fixed axes", False), ("lens", True)], False, wide="160px")
        self.now()
        if self.message:
            raise ValueError(self.message)

    def turned(self, name: str, value: Any) -> None:
        """Fixed axes, or axes that travel with the cloud."""
        self._lens = bool(value)
        self.ask()

    def resized(self) -> None:
        """Panels beside or below the plane."""
        self.ask()

    def compute(self, version: int) -> None:
        """Only drawing: the run is there."""
        run, view = self.run, "lens" if self._lens else "world"
        known = run.optimum == run.optimum
        optimum = dict(zip(run.steps[known].tolist(), run.optimum[known].tolist(), strict=True))
        title = f"{run.method}, K = {run.codebook_size}, D = {run.dim}"
        scene = microscope(run, width=self.width, view=view, title=title,  # type: ignore[arg-type]
                           optimum=optimum)  # fmt: skip
        self.draw(scene, version, start="keep" if version > 1 else None)
        columns = 3 if self.width >= NARROW else 2 if self.width >= SLIM else 1
        if self.curves is not None and columns != self._columns:
            window = max(1, int(run.steps[-1]) // 10)
            self._columns = columns
            self.draw(Scene.of(dashboard(run, window, columns=columns)), version, self.curves)

    def screen(self) -> list[Any]:
        """The film above, all curves below."""
        return [self.row(*self.controls.values()), self.stage, self.curves]

    def closed(self) -> None:
        """The second canvas goes with the first."""
        self.curves = None


def live(monitor: CodebookMonitor, name: str, seconds: float = 1.0) -> Any:
    """The dashboard that updates in place within a notebook, or a figure of now elsewhere.

    Args:
        monitor: of a model in training. name: which codebook. seconds: at least 1.
    Returns:
        FigureWidget or Figure.
    Raises:
        ValueError: less than a second; outside a notebook or without anywidget, no step seen yet.
    """
    if not _in_notebook():
        return _present(monitor, name, "this is no notebook")
    for one in monitor.listeners:
        if isinstance(one, Live) and one.name == name and one.widget.comm is not None:
            one.rest(seconds)  # a second view: no second drawing after every step
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


def _in_notebook() -> bool:
    try:
        from IPython import get_ipython
    except ImportError:
        return False
    shell: Any = get_ipython()
    return shell is not None and hasattr(shell, "kernel")
