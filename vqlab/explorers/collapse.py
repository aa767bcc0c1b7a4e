"""Turn five knobs and see which codes die.

The figure is an ordinary output of the cell, with all its frames, and not a FigureWidget: playing
and scrubbing cost no round trip to the kernel, the stored notebook still shows it, and moves it,
when no kernel runs, and no copy of plotly.js (5 MB) enters the notebook's widget state. Only the
controls are widgets; where ipywidgets is missing the figure stands alone.
"""

from __future__ import annotations

import html
from typing import Any

import plotly.graph_objects as go
import plotly.io as pio

from vqlab.drift.motions import make_motion
from vqlab.drift.run import Run
from vqlab.drift.simulate import simulate
from vqlab.plots import animate_cloud
from vqlab.quantizers.registry import methods

MOTIONS = (
    "stationary",
    "translate",
    "shrink",
    "expand",
    "rotate",
    "oscillate",
    "random-walk",
    "jump",
)
SPEEDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2)
SIZES = (2, 4, 8, 16, 32, 64, 128, 256)
SEEDS = tuple(range(10))
STEPS = 400
WIDTH = 64  # of the transformer: a quarter of the paper's, so that it answers within about a second


class CollapseExplorer:
    """Controls, the run that they ask for, and its film.

    Attributes:
        controls: name -> widget; empty where ipywidgets is missing.
        run: the run that is shown.
        figure: its film, a plotly figure with frames and slider.
        message: the last error in words, or "".
    """

    def __init__(self, **settings: Any) -> None:
        self.settings: dict[str, Any] = {**_choices_default(), **settings}
        _check(self.settings)
        self.message = ""
        self.controls: dict[str, Any] = {}
        self._status: Any = None
        self._handle: Any = None
        self.run, self.figure = self._film()
        try:
            import ipywidgets
        except ImportError:
            return
        self._status = ipywidgets.HTML()
        for name, options in _choices().items():
            given = {"options": options, "value": self.settings[name], "description": name}
            if name in ("speed", "codes"):
                control = ipywidgets.SelectionSlider(
                    **given, continuous_update=False, layout={"width": "300px"}
                )
            else:
                control = ipywidgets.Dropdown(**given, layout={"width": "210px"})
            control.observe(self._changed, names="value")
            self.controls[name] = control

    def _film(self) -> tuple[Run, go.Figure]:
        wanted = self.settings
        still = wanted["motion"] == "stationary"
        run = simulate(
            wanted["method"],
            motion=make_motion(wanted["motion"], speed=None if still else wanted["speed"]),
            codebook_size=wanted["codes"],
            seed=wanted["seed"],
            steps=STEPS,
            points=1000,
            options={"width": WIDTH} if wanted["method"] == "transvq" else None,
            progress=False,
        )
        speed = "" if still else f" at {wanted['speed']:g}"
        title = f"{wanted['motion']}{speed}, K = {wanted['codes']}, seed {wanted['seed']}"
        return run, animate_cloud(run, title=title)

    def _changed(self, change: dict[str, Any]) -> None:
        name = next(n for n, control in self.controls.items() if control is change["owner"])
        before = dict(self.settings)
        self.settings[name] = change["new"]
        self._show({"text/html": _waiting(self.figure)})
        try:
            self.run, self.figure = self._film()
            self.message = ""
        except ValueError as error:  # a setting that the simulator refuses is said, not raised
            self.settings = before
            self.message = str(error)
        self._status.value = html.escape(self.message)
        self._show(_bundle(self.figure))

    def _show(self, bundle: dict[str, Any]) -> None:
        if self._handle is not None:
            self._handle.update(bundle, raw=True)

    def _ipython_display_(self) -> None:
        from IPython.display import display

        if self.controls:
            from ipywidgets import HBox, VBox

            boxes = list(self.controls.values())
            rows = VBox([HBox(boxes[:3]), HBox(boxes[3:]), self._status])
            # Without a kernel a notebook falls back on the text, which says what to do.
            plain = {"text/plain": "Run this cell to get the controls of the figure below."}
            display({**rows._repr_mimebundle_(), **plain}, raw=True)
        self._handle = display(_bundle(self.figure), raw=True, display_id=True)


def collapse_explorer(**settings: Any) -> CollapseExplorer:
    """A live picture of collapse: choose method, motion, speed, number of codes and seed.

    A change runs the simulator (about a second); play and slider work in the browser alone.

    Args:
        **settings: where to start: ``method``, ``motion``, ``speed``, ``codes``, ``seed``.

    Returns:
        The explorer; as the last line of a cell it shows itself.

    Raises:
        ValueError: an unknown setting or a value that is not among the choices.
    """
    return CollapseExplorer(**settings)


def _choices() -> dict[str, tuple[Any, ...]]:
    names = tuple(line.name for line in methods())
    return {"method": names, "motion": MOTIONS, "seed": SEEDS, "speed": SPEEDS, "codes": SIZES}


def _choices_default() -> dict[str, Any]:
    return {"method": "ema", "motion": "translate", "seed": 0, "speed": 0.02, "codes": 64}


def _check(settings: dict[str, Any]) -> None:
    for name, value in settings.items():
        if name not in _choices():
            raise ValueError(f"unknown setting {name!r}: expected one of {', '.join(_choices())}")
        if value not in _choices()[name]:
            given = ", ".join(map(str, _choices()[name]))
            raise ValueError(f"{name}: expected one of {given}, got {value!r}")


def _waiting(figure: go.Figure) -> str:
    """Holds the figure's place while the simulator runs.

    JupyterLab's plotly renderer ignores a new figure in an old place; another kind of content in
    between makes it begin anew. The height stays, so that the page does not jump.
    """
    return f'<div style="height:{figure.layout.height}px;padding:16px">running …</div>'


def _bundle(figure: go.Figure) -> dict[str, Any]:
    """The figure as the chosen renderers store it, by MIME type."""
    bundle = pio.renderers._build_mime_bundle(figure.to_dict())
    return bundle or {"application/vnd.plotly.v1+json": figure.to_plotly_json()}
