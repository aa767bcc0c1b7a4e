"""Square panels with latents, codes, cells and trails: what a still and an animation share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import plotly.graph_objects as go

from vqlab.plots.camera import LENS, Camera
from vqlab.plots.inputs import Array
from vqlab.plots.theme import CELLS, DEAD, INK, LATENTS, SIZE, SMALL, TARGET, WIDTH, styles, swatch
from vqlab.plots.voronoi import as_paths, cell_edges

if TYPE_CHECKING:
    from vqlab.drift.run import Run

View = Literal["auto", "world", "lens", "both"]
VIEWS = ("auto", "world", "lens", "both")
LEFT, TOP, BETWEEN, BELOW = 60, 112, 62, 58  # pixels around the panels
LONG = 10  # letters of a name beside which "16/16 in use" has room

LATENT = {"color": LATENTS, "size": 5, "opacity": 0.75}
CENTROID: dict[str, Any] = {"symbol": "x-thin", "size": 9, "line": {"width": 2, "color": TARGET}}


@dataclass(frozen=True)
class Ink:
    """What is drawn in a panel, and how much of it: the whole weight of an animation lies here."""

    points: int = 250
    cells: bool = True
    trail: int = 8


@dataclass(frozen=True)
class Panel:
    """One run in one view, at one place of the figure."""

    label: str
    color: str
    run: Run
    lens: bool
    number: int
    framed: bool  # the world shows what the lens sees
    narrow: bool = False  # three side by side leave little room for words

    @property
    def axes(self) -> dict[str, str]:
        end = "" if self.number == 0 else str(self.number + 1)
        return {"xaxis": f"x{end}", "yaxis": f"y{end}"}

    def coordinates(self, cam: Camera, frame: int, points: Array) -> Array:
        """Points (..., D) as they stand in this panel at that frame, (..., 2)."""
        flat = cam.project(points)
        if not self.lens:
            return flat
        centre, spread = cam.lens(cam.project(self.run.latents[frame]))
        return (flat - centre) / spread

    def box(self, cam: Camera) -> tuple[float, float, float, float]:
        return (-LENS, LENS, -LENS, LENS) if self.lens else cam.world

    def data(self, cam: Camera, frame: int, past: Sequence[int], ink: Ink) -> list[dict[str, Any]]:
        """x and y of every trace of the panel at one frame: the part that an animation changes."""
        run = self.run
        latents = self.coordinates(cam, frame, run.latents[frame, : ink.points])
        codes = self.coordinates(cam, frame, run.codes[frame])
        live = np.asarray(run.counts[frame]) > 0
        # Where a lens stands beside, the cells are drawn there, where they can be told apart.
        shown = ink.cells and not self.framed
        edges = cell_edges(codes, self.box(cam)) if shown else np.empty((0, 2, 2))
        trail = np.empty((0, 2))
        if ink.trail and not self.lens:
            seen = [*past[-ink.trail :], frame]
            path = np.stack([self.coordinates(cam, frame, run.codes[f]) for f in seen], axis=1)
            gap = np.full((len(path), 1, 2), np.nan)
            trail = np.concatenate([path, gap], axis=1)[self._moves(path)].reshape(-1, 2)
        xy = [
            (latents[:, 0], latents[:, 1]),
            as_paths(edges),
            (trail[:, 0], trail[:, 1]),
            # NaN keeps a code at its own place in the list, whether it lives or not.
            (np.where(live, np.nan, codes[:, 0]), np.where(live, np.nan, codes[:, 1])),
            (np.where(live, codes[:, 0], np.nan), np.where(live, codes[:, 1], np.nan)),
        ]
        if self.framed:
            centre, spread = cam.lens(cam.project(run.latents[frame]))
            square = (
                np.array([[-1, -1], [1, -1], [1, 1], [-1, 1], [-1, -1]]) * LENS * spread + centre
            )
            xy.append((square[:, 0], square[:, 1]))
        box = self.box(cam)
        out: list[dict[str, Any]] = [{"x": np.float32(x), "y": np.float32(y)} for x, y in xy]
        return [*out, {"x": [box[0]], "y": [box[3]], "text": [self.heading(cam, frame)]}]

    def _moves(self, path: Array) -> Array:
        """Which codes leave a trail that can be seen; path is (K, steps, 2)."""
        side = np.ptp(path.reshape(-1, 2), axis=0).max()
        return np.asarray(np.ptp(path, axis=1).max(axis=1) > 1e-3 * side)

    def looks(self, ink: Ink) -> list[dict[str, Any]]:
        """The looks of the traces of ``data``, in the same order."""
        grey, full = code_markers(self.run.codes.shape[1], self.color)
        quiet = {"hoverinfo": "skip", "showlegend": False, **self.axes}
        spoken = {"showlegend": False, **self.axes, "mode": "markers"}
        line = {"mode": "lines", **quiet}
        out: list[dict[str, Any]] = [
            {"mode": "markers", "marker": LATENT, **quiet},
            {"line": {"color": CELLS, "width": 1.2}, **line},
            {"line": {"color": self.color, "width": 1.5}, "opacity": 0.5, **line},
            {"marker": grey, "hovertemplate": "code %{pointNumber}: dead<extra></extra>", **spoken},
            {
                "marker": full,
                "hovertemplate": "code %{pointNumber}: in use<extra></extra>",
                **spoken,
            },
        ]
        if self.framed:
            out.append({"line": {"color": INK, "width": 1.2, "dash": "dot"}, **line})
        # The heading is a trace and not an annotation: it moves on without a new layout.
        # Its marker is invisible and keeps the words off the frame.
        words = {"textfont": {"size": SIZE}, "textposition": "top right", "cliponaxis": False}
        space = {"mode": "markers+text", "marker": {"size": 7, "opacity": 0}}
        return [*out, {**space, **words, **quiet}]

    def heading(self, cam: Camera, frame: int) -> str:
        live = int((np.asarray(self.run.counts[frame]) > 0).sum())
        total = self.run.codes.shape[1]
        said = f"{live} of {total} codes in use"
        if self.narrow:  # a long name would reach into the next panel's
            said = f"{live}/{total}" + " in use" * (len(self.label) <= LONG)
        first = swatch(f"<b>{self.label}</b>: {said}", self.color)
        if not self.lens:
            note = "fixed axes; dotted: the lens"
            return f"{first}<br>{small(note)}" if self.framed else first
        centre, spread = cam.lens(cam.project(self.run.latents[frame]))
        seen = np.abs(self.coordinates(cam, frame, self.run.codes[frame])).max(axis=1) <= LENS
        away = total - int(seen.sum())
        note = f"lens ×{cam.zoom(spread):.3g}"
        if away:
            note += f"; {away} code{'s' * (away > 1)} outside"
        return f"{first}<br>{small(note)}"


def place(runs: dict[str, Run], cam: Camera, view: View) -> tuple[list[Panel], int]:
    """The panels of some runs, and how many of them stand side by side."""
    if view not in VIEWS:
        raise ValueError(f"unknown view {view!r}: expected one of {', '.join(VIEWS)}")
    if view == "auto":
        near = "both" if len(runs) <= 3 else "lens"
        view = near if cam.magnification > 3 else "world"  # type: ignore[assignment]
    look = styles(runs)
    lenses = (False, True) if view == "both" else (view == "lens",)
    names = list(runs)
    columns = 2 if len(names) == 4 else min(len(names), 3)
    panels: list[Panel] = []
    if len(names) == 1 and view == "both":
        order = [(names[0], False), (names[0], True)]
        columns = 2
    else:
        rows = [names[i : i + columns] for i in range(0, len(names), columns)]
        order = [(name, lens) for row in rows for lens in lenses for name in row]
        if len(names) % columns and len(lenses) == 2:
            raise ValueError(
                f"world and lens of {len(names)} runs fill no rectangle: choose a view"
            )
    for number, (name, lens) in enumerate(order):
        framed = view == "both" and not lens
        narrow = columns > 2
        panels.append(Panel(name, look[name].color, runs[name], lens, number, framed, narrow))
    return panels, columns


def geometry(panels: Sequence[Panel], columns: int, cam: Camera, title: str) -> dict[str, Any]:
    """Square panels in whole pixels: fixed ranges, fixed places."""
    head = TOP if title else TOP - 34
    rows = -(-len(panels) // columns)
    side = min(430 if columns > 1 else 520, (WIDTH - 30 - columns * LEFT) // columns)
    inner = np.array(
        [columns * side + (columns - 1) * LEFT, rows * side + (rows - 1) * (BETWEEN + 48)]
    )
    layout: dict[str, Any] = {
        "width": int(inner[0]) + LEFT + 30,
        "height": int(inner[1]) + head + BELOW,
        "margin": {"l": LEFT, "r": 30, "t": head, "b": BELOW},
    }
    for panel in panels:
        row, column = divmod(panel.number, columns)
        left, top = column * (side + LEFT), row * (side + BETWEEN + 48)
        end = "" if panel.number == 0 else str(panel.number + 1)
        box = panel.box(cam)
        names = tuple(f"({a} − mean) / spread" for a in cam.axes) if panel.lens else cam.axes
        shared = {"automargin": False, "mirror": True, "showgrid": False, "nticks": 6}
        x_axis, y_axis = panel.axes["xaxis"], panel.axes["yaxis"]
        layout[f"xaxis{end}"] = {
            "range": box[:2], "domain": [left / inner[0], (left + side) / inner[0]],
            "anchor": y_axis, "title": {"text": names[0], "standoff": 4}, **shared,
        }  # fmt: skip
        layout[f"yaxis{end}"] = {
            "range": box[2:], "domain": [1 - (top + side) / inner[1], 1 - top / inner[1]],
            "anchor": x_axis, "title": {"text": names[1], "standoff": 2}, **shared,
        }  # fmt: skip
    return layout


def crosses(
    panels: Sequence[Panel], cam: Camera, centroids: Array, frame: int
) -> list[dict[str, Any]]:
    """Black crosses at the centroids of the optimum, in every panel."""
    out = []
    for panel in panels:
        flat = panel.coordinates(cam, frame, centroids)
        out.append(
            {"x": np.float32(flat[:, 0]), "y": np.float32(flat[:, 1]), "mode": "markers",
             "marker": CENTROID, "showlegend": False, "hovertemplate": "centroid<extra></extra>",
             **panel.axes}
        )  # fmt: skip
    return out


def code_markers(total: int, color: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Markers of dead codes and of live ones, smaller where there are many."""
    size = float(np.clip(13 - 1.2 * np.log2(max(total, 16) / 16), 5, 12))
    grey = {**DEAD, "size": size, "line": {"width": 2, "color": DEAD["color"]}}
    return grey, {"color": color, "size": size, "line": {"width": 1.2, "color": "white"}}


def small(text: str) -> str:
    """Text at the smallest size that can be read when projected."""
    return f'<span style="font-size:{SMALL}px">{text}</span>'


def caption(title: str, figure: go.Figure, lens: bool, crossed: bool) -> dict[str, Any]:
    """Title of the figure, and the legend of its marks below it, both at the top left in pixels."""
    said = ["filled: in use", "hollow grey: dead"]
    if figure.layout.width > 800:
        said = ["filled: code in use", "hollow grey: dead code, nearest to no latent"]
    said += ["lens: axes that move with the cloud"] * lens + ["×: centroid"] * crossed
    text = " &nbsp; ".join(said)
    note = {
        "text": small(text), "xref": "paper", "yref": "paper", "x": 0, "y": 1, "showarrow": False,
        "xanchor": "left", "yanchor": "bottom", "xshift": 12 - LEFT, "yshift": TOP - 58,
    }  # fmt: skip
    return {"title": {"text": title, "x": 12 / figure.layout.width}, "annotations": [note]}
