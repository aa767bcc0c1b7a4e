"""The film of a run that is over, or of a training that was recorded."""

from __future__ import annotations

from typing import Any

from vqlab.drift.run import Run
from vqlab.explorers.stage import VIEWS, Explorer
from vqlab.explorers.widgets import ipywidgets
from vqlab.plots.dashboard import dashboard
from vqlab.plots.microscope import NARROW, SLIM, microscope
from vqlab.plots.scene import Scene


class RunExplorer(Explorer):
    """The film of a finished run or recording: the microscope's screen, and the dashboard's curves.

    Attributes:
        run: what is shown, in its two principal axes where D > 2.
    """

    words = "recording: space plays, arrows step"

    def __init__(self, run: Run) -> None:
        super().__init__()
        self.run, self._columns = run, 0
        self._view: Any = "world"
        self.curves = self.new_stage("curves of the recording") if len(run.steps) > 2 else None
        if ipywidgets is not None:
            self.choice("view", VIEWS, "world", wide="160px")
        self.now()

    def turned(self, name: str, value: Any) -> None:
        """Fixed axes, or axes that travel with the cloud."""
        self._view = value
        self.ask()

    def compute(self, version: int) -> None:
        """Only drawing: the run is there."""
        run = self.run
        known = run.optimum == run.optimum
        optimum = dict(zip(run.steps[known].tolist(), run.optimum[known].tolist(), strict=True))
        title = f"{run.method}, K = {run.codebook_size}, D = {run.dim}"
        scene = microscope(run, width=self.width, view=self._view, title=title, optimum=optimum)
        self.draw(scene, version, start="keep" if version > 1 else None)
        columns = 3 if self.width >= NARROW else 2 if self.width >= SLIM else 1
        if self.curves is not None and columns != self._columns:
            window = max(1, int(run.steps[-1]) // 10)
            self.draw(Scene.of(dashboard(run, window, columns=columns)), version, self.curves)
            self._columns = columns

    def screen(self) -> list[Any]:
        """The film above, all curves below."""
        return [self.row(*self.controls.values()), self.stage, self.curves]
