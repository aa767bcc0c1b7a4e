"""What the explorers with a canvas share: controls, canvas, worker, and how they are shown."""

from __future__ import annotations

import asyncio
import html
import os
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from typing import Any

import pandas  # noqa: F401  plotly and scikit-learn load it when first used, each in a thread here
import plotly.graph_objects as go
import sklearn.cluster  # noqa: F401

from vqlab.explorers.output import Output
from vqlab.explorers.widgets import canvas, free, ipywidgets
from vqlab.explorers.worker import Worker
from vqlab.plots.scene import Scene

SETTLED = 1.0  # seconds after a display until the kernel may be busy again
VIEWS = (("fixed axes", "world"), ("lens", "lens"))
FIRST, AGAIN = 0.25, 0.5  # seconds until an unfinished run is drawn, and between two drawings


@lru_cache
def warm_up() -> None:
    """Loads what PyTorch loads at the first use of Adam (some seconds), while the reader reads.

    Not in a thread: two threads that import one package at the same time break it.
    """
    from vqlab.drift.simulate import simulate

    simulate("simvq", codebook_size=2, points=2, batch=2, steps=1, progress=False)


class Explorer(Worker):
    """Controls, a canvas, and one worker that computes what was asked for last.

    A subclass makes its controls and says in ``compute`` what to draw. A setting that comes while
    the worker is busy ends what it does: nothing old is drawn after something new was asked for.

    Attributes:
        words: what a screen reader says of the canvas.
        controls: name -> widget; empty where ipywidgets is missing.
        stage: the canvas, or None.
        message: the last error in words, or "".
        scene: what is drawn.
    """

    words = "vqlab explorer"

    def __init__(self) -> None:
        super().__init__()
        self.controls: dict[str, Any] = {}
        self.stages: list[Any] = []
        self._boxes: list[Any] = []
        self.message, self.width = "", 900
        self.scene: Scene | None = None
        self._quiet = False
        self.stage: Any = self.new_stage(self.words)
        self._status = ipywidgets.HTML() if ipywidgets is not None else None

    def new_stage(self, words: str) -> Any:
        """One more canvas, and what a screen reader says of it."""
        stage = canvas(words)
        if stage is not None:
            stage.on_msg(self._heard)
            self.stages.append(stage)
        return stage

    def dragged(self, message: dict[str, Any], stage: Any) -> bool:
        """Something was moved or clicked; whether to compute anew."""
        return False

    def page(self) -> go.Figure:
        """The figure that stays where no widget lives."""
        assert self.scene is not None
        return self.scene.page()

    def say(self, message: str) -> None:
        """A sentence below the controls."""
        self.message = message
        status = self._status
        if status is not None:
            status.value = html.escape(message)

    def now(self) -> None:
        """Computes at once, before anything is shown.

        Raises:
            ValueError: what the simulator refuses; no widget is left behind.
        """
        super().now()
        if self.message:
            self.close()
            raise ValueError(self.message)

    def draw(self, scene: Scene, version: int, stage: Any = None, **more: Any) -> None:
        """Puts a scene on the canvas."""
        self.check(version)
        if stage is None or stage is self.stage:
            self.scene = scene
        target = stage or self.stage
        if target is not None:
            target.scene = {**scene.packed(), "version": version, "partial": False, **more}

    def _heard(self, stage: Any, message: Any, buffers: Any) -> None:
        if self._closed or not isinstance(message, dict):
            return
        if message.get("kind") == "width":
            wide = max(300, int(message["width"]))
            if stage is self.stage and abs(wide - self.width) > 8:
                self.width = wide
                self.resized()
            return
        try:
            if self.dragged(message, stage):
                self.ask()
        except ValueError as error:
            self.say(str(error))
        finally:
            stage.send({"kind": "done"})

    def resized(self) -> None:
        """The window has another width: panels stand beside or below each other."""
        self.ask()

    def close(self) -> None:
        """Ends the worker and frees every widget."""
        if self._closed:
            return
        self._closed = True
        if ipywidgets is not None:
            free([*self.stages, *self.controls.values(), self._status, *self._boxes])
        self.controls.clear()
        self.stages.clear()
        self.stage = self._status = None
        self._boxes.clear()

    # Showing.

    def row(self, *widgets: Any) -> Any:
        """Widgets in a row that wraps where the window is narrow."""
        box = ipywidgets.Box(
            [w for w in widgets if w is not None],
            layout={"display": "flex", "flex_flow": "row wrap", "align_items": "center",
                    "overflow": "visible"},
        )  # fmt: skip
        self._boxes.append(box)
        return box

    def choice(self, name: str, options: Any, value: Any, slider: bool = False, **more: Any) -> Any:
        """A menu or a slider over given values, observed."""
        kind = ipywidgets.SelectionSlider if slider else ipywidgets.Dropdown
        if any(isinstance(v, float) for v in options):
            options = tuple((v if isinstance(v, str) else f"{v:g}", v) for v in options)
        wide = more.pop("wide", "230px" if slider else "190px")
        if slider:
            more["continuous_update"] = False
        control = kind(
            options=options, value=value, description=more.pop("label", name),
            layout={"width": wide, "margin": "2px 10px 2px 0"},
            style={"description_width": "initial"}, **more,
        )  # fmt: skip
        control.observe(self._turned, names="value")
        self.controls[name] = control
        return control

    def fold(self, *names: str) -> None:
        """Puts controls that are seldom wanted behind a button, last in the row."""
        button = ipywidgets.ToggleButton(
            description="more",
            tooltip="all settings",
            layout={"width": "70px", "margin": "2px 10px 2px 0"},
        )
        folded = {name: self.controls.pop(name) for name in names}
        self.controls |= {"more": button, **folded}

        def show(_: Any) -> None:
            for control in folded.values():
                control.layout.display = "" if button.value else "none"

        button.observe(show, names="value")
        show(None)

    def turned(self, name: str, value: Any) -> None:
        """A control has a new value."""
        self.ask()

    def _turned(self, change: dict[str, Any]) -> None:
        if not self._quiet:
            name = next(n for n, control in self.controls.items() if control is change["owner"])
            self.turned(name, change["new"])

    def quietly(self, work: Callable[[], None]) -> None:
        """Sets controls without answering to them."""
        self._quiet = True
        try:
            work()
        finally:
            self._quiet = False

    def screen(self) -> list[Any]:
        """The widgets from top to bottom."""
        return [self.row(*self.controls.values()), self.stage]

    def widget(self) -> Any:
        """All of it as one widget."""
        box = ipywidgets.VBox(
            [w for w in [*self.screen(), self._status] if w is not None],
            layout={"overflow": "visible"},
        )
        self._boxes.append(box)
        return box

    def _ipython_display_(self) -> None:
        self.show(self.widget() if self.stage is not None and not self._closed else None)

    def show(self, widget: Any) -> None:
        """Displays a widget, and after it the figure for readers without a kernel."""
        if os.environ.get("SERVER_SOFTWARE", "").startswith("voila"):
            from IPython.display import display

            display(widget)  # a page that lives as long as its kernel
            return
        Output().show(self.page(), widget)
        if widget is not None:
            with suppress(RuntimeError):  # no loop: nobody is there to turn a knob
                # After the cell, so that neither the next one nor the first drawing waits for it.
                asyncio.get_running_loop().call_later(SETTLED, warm_up)
