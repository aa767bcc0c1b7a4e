"""How fast is too fast: speed against codebook size or rate, and the derived border."""

from __future__ import annotations

from functools import lru_cache
from itertools import product
from typing import Any, Literal

import numpy as np

from vqlab.drift.columns import gaussian
from vqlab.drift.motions import make_motion
from vqlab.drift.run import Run
from vqlab.drift.simulate import simulate
from vqlab.drift.theory import critical_speed
from vqlab.explorers.stage import Explorer
from vqlab.explorers.widgets import ipywidgets
from vqlab.plots.microscope import NARROW, microscope
from vqlab.plots.phase import phase_diagram
from vqlab.plots.scene import Scene

SPEEDS = np.geomspace(0.012, 0.192, 5)
SIZES = (8, 12, 16, 24, 32, 48)
RATES = {"vq": (1.0, 2.0, 4.0, 8.0, 16.0), "ema": (0.02, 0.05, 0.1, 0.2, 0.5)}
USUAL = {"vq": 8.0, "ema": 0.1}
TRAVEL = 20.0  # standard deviations that every run goes: a slow run is a long one
ABOVE, BELOW = 0.7, 0.75  # of their size: map and film share a screen
AXES = {"codebook size": "codes", "rate": "rate"}
Key = tuple[str, str, int, int, int]  # method, axis, seed, row, column


def upwards(method: str, axis: str) -> tuple[float, ...]:
    """Values of the upward axis."""
    return SIZES if axis == "codes" else RATES[method]


def cell_run(method: str, axis: str, seed: int, row: int, column: int) -> dict[str, Any]:
    """Arguments of ``simulate`` for a cell: a Gaussian that goes ``TRAVEL`` at its speed."""
    up, speed = upwards(method, axis)[row], float(SPEEDS[column])
    codes, rate = (up, USUAL[method]) if axis == "codes" else (24, up)
    out = {"method": method, "motion": make_motion("translate", speed=speed),
           "codebook_size": int(codes), "points": 1000, "init": "first-batch",
           "steps": int(TRAVEL / speed), "seed": seed, "progress": False}  # fmt: skip
    return {**out, "options": {"decay": 1 - rate}} if method == "ema" else {**out, "rate": rate}


class PhaseExplorer(Explorer):
    """A map that fills itself; a click plays the run of a cell.

    Attributes:
        method, axis, fixed, seed: vq or ema; ``codes`` or ``rate`` upwards; the other of the two.
        values: (Y, X) codes in use, NaN where not run yet. cell: (row, column) that is played.
        run: its run.
    """

    words = "phase diagram: click a cell"

    def __init__(self, method: str = "vq", axis: str = "codes", seed: int = 0) -> None:
        if method not in RATES:
            raise ValueError(f"a border is derived for vq and ema, got {method!r}")
        if axis not in AXES.values():
            raise ValueError(f"axis: expected codes or rate, got {axis!r}")
        super().__init__()
        self.method, self.axis, self.seed = method, axis, int(seed)
        self._known: dict[Any, float] = {}
        self._runs: dict[Any, Run] = {}
        self._played: Key | None = None
        self.cell: tuple[int, int] = (len(self.up) // 2, len(SPEEDS) // 2)
        self.run: Run | None = None
        self.film = self.new_stage("film of the cell: space plays, arrows step")
        if ipywidgets is not None:
            self.choice("method", tuple(RATES), method)
            self.choice("axis", tuple(AXES.items()), axis, label="upwards", wide="230px")
            self.choice("seed", tuple(range(10)), self.seed, wide="110px")
        self.now()
        if self.stage is not None:
            self.ask()

    @property
    def _wide(self) -> bool:
        return self.width >= NARROW

    @property
    def up(self) -> tuple[float, ...]:
        """Values of the upward axis."""
        return upwards(self.method, self.axis)

    @property
    def values(self) -> Any:
        """(Y, X) codes in use after ``TRAVEL``; NaN where not known yet."""
        return np.array([[self._known.get(self._key(r, c), np.nan) for c in range(len(SPEEDS))]
                         for r in range(len(self.up))])  # fmt: skip

    def _key(self, row: int, column: int) -> Key:
        return self.method, self.axis, self.seed, row, column

    def turned(self, name: str, value: Any) -> None:
        """Another map."""
        new = {"method": self.method, "axis": self.axis, name: value}
        # Before the axis is shorter: the worker may be reading.
        self.cell = min(self.cell[0], len(upwards(new["method"], new["axis"])) - 1), self.cell[1]
        setattr(self, name, value)
        self.ask()

    def dragged(self, message: dict[str, Any], stage: Any) -> bool:
        """A click plays the cell."""
        if message.get("kind") != "click":
            return False
        up, along = np.log(self.up), np.log(SPEEDS)
        row = int(np.abs(up - np.log(max(message["y"], 1e-9))).argmin())
        column = int(np.abs(along - np.log(max(message["x"], 1e-9))).argmin())
        self.cell = row, column
        return True

    def compute(self, version: int) -> None:
        """The cell first, then the map, fast runs before slow ones."""
        self._map(version)
        self._play(version)
        if version == 1:
            return
        cells = product(reversed(range(len(SPEEDS))), range(len(self.up)))
        # A run belongs to what it was made of: the controls may be turned while it is under way.
        for key in [self._key(row, column) for column, row in cells]:
            if key in self._known:
                continue
            run = simulate(**cell_run(*key), record=21, probe=1,
                           watch=lambda _: self.check(version))  # fmt: skip
            self._known[key] = float(run.utilization[-1])
            self._map(version)

    def _play(self, version: int) -> None:
        key = self._key(*self.cell)
        if key not in self._runs:
            run = simulate(**cell_run(*key), record=120, probe=500,
                           watch=lambda _: self.check(version))  # fmt: skip
            self._runs = {key: run}
            self._known[key] = float(run.utilization[-1])
            self._map(version)
        self.run = self._runs[key]
        said = self.run.settings
        title = f"speed {SPEEDS[self.cell[1]]:.3g}, K = {said['codebook_size']}"
        title += f", rate {self.up[self.cell[0]]:g}" if self.axis == "rate" else ""
        scene = microscope(self.run, width=self.width, title=title)
        start = None if version == 1 else "keep" if self._played == key else "play"
        if self.film is not None:
            self.draw(scene, version, self.film, start=start, most=BELOW if self._wide else 1)
        self._played = key

    def _map(self, version: int) -> None:
        border, fine = _border(self.method, self.axis)
        word = "codebook size K"
        if self.axis == "rate":
            word = "rate η" if self.method == "vq" else "rate 1 − γ"
        unit = "standard deviations" if self._wide else "σ"
        figure = phase_diagram(
            SPEEDS, self.up, self.values, curve=(border, fine), curve_name="derived: half die",
            x_title=f"speed ({unit} per step)", y_title=word,
        )  # fmt: skip
        figure.update_layout(height=440, margin_b=56)
        if not self._wide:  # room for words, not for empty margins
            figure.update_layout(width=max(self.width, 400), height=360, margin={"l": 56, "r": 16})
        figure.data[0].meta = {"click": "cell"}
        row, column = self.cell
        figure.add_scatter(
            x=[SPEEDS[column]], y=[self.up[row]], mode="markers", showlegend=False,
            hoverinfo="skip", marker={"symbol": "circle-open", "size": 22, "color": "white",
                                      "line": {"width": 4, "color": "white"}},
        )  # fmt: skip
        self.draw(Scene.of(figure), version, most=ABOVE if self._wide else 1)

    def screen(self) -> list[Any]:
        """The map above, the film of a cell below."""
        return [self.row(*self.controls.values()), self.stage, self.film]


@lru_cache
def _border(method: Literal["vq", "ema"], axis: str) -> tuple[Any, Any]:
    """The derived speed at which half of the codes die, along the upward axis."""
    ends = upwards(method, axis)
    fine = np.geomspace(ends[0], ends[-1], 20)
    if axis == "codes":
        fine = np.unique(fine.round())  # there is no half a code
    pairs = [(USUAL[method], int(u)) if axis == "codes" else (float(u), 24) for u in fine]
    speeds = [critical_speed(method, rate, size, gaussian(), survivors=0.5) for rate, size in pairs]
    return np.array(speeds), fine


def phase_explorer(method: str = "vq", axis: str = "codes", seed: int = 0) -> PhaseExplorer:
    """Codes in use over speed and codebook size (or rate), the derived border on it.

    A click on a cell plays its run. The map fills while it is looked at, some ten seconds.

    Args:
        method: vq or ema, for which the border is derived. axis: ``codes`` or ``rate``, upwards.
        seed: of the runs.

    Returns:
        The explorer; as the last line of a cell it shows itself.

    Raises:
        ValueError: another method or axis.
    """
    return PhaseExplorer(method, axis, seed)
