"""Clouds that move: every frame lies in the figure, so play and slider work without a kernel.

These are the films of the lessons: plotly figures, thinned until a stored notebook can hold them,
which move in JupyterLab and on the site and have a still picture for the pages of code hosts. The
film of the explorers is `microscope`: all frames at once on a canvas, for a reader with a kernel,
who scrubs and drags; plotly is too slow for that. Camera and marks are the same in both.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go

from vqlab.plots.camera import Camera, camera
from vqlab.plots.inputs import Array, check_points, frame_at, one_each
from vqlab.plots.panels import Ink, Panel, View, caption, crosses, geometry, place
from vqlab.plots.theme import INK, SIZE, SMALL

if TYPE_CHECKING:
    from vqlab.drift.run import Run

BYTES = (
    300_000  # as a notebook stores it: several animations must stay below what hosts still render
)
CONTROLS = 92  # pixels below the panels for buttons and slider
BUTTONS = 160  # pixels that the two buttons take


def animate_cloud(run: Run, **options: Any) -> go.Figure:
    """One run in motion; the same as ``animate_duel([run])``, options included."""
    return animate_duel(run, **options)


def animate_duel(
    runs: Any,
    *,
    show: int | None = None,
    view: View = "auto",
    cells: bool = True,
    trails: bool = True,
    centroids: Array | None = None,
    title: str | None = None,
    frames: int = 48,
    max_bytes: int = BYTES,
) -> go.Figure:
    """Runs side by side in motion: the same step, the same fixed axes, slider and play button.

    Recorded frames, latents, trails and cells are thinned (in this order of preference: fewer
    latents, fewer frames, no trails, no cells) until the figure is estimated to fit into
    ``max_bytes``. Frames are kept where something happens: half of them evenly in time, half evenly
    in what moves, so that a fast beginning is not skipped. The slider names the step of each.

    Args:
        runs: runs recorded at the same steps; a list, or a mapping from label to run.
        show: training step of the frame that stands still before play is pressed, and that a static
            picture shows; None is the last.
        view: see ``cloud``. With ``auto`` a lens is added when the cloud becomes too small to see.
        cells: draw Voronoi cells (D = 2 only).
        trails: draw where each code was in the frames just before.
        centroids: (K', D) marked by black crosses.
        title: title of the figure.
        frames: the most frames to keep, at least 2.
        max_bytes: the size to stay under, in bytes of the notebook that stores the figure.

    Returns:
        The figure, with frames.

    Raises:
        ValueError: runs recorded at different steps, a step that was not recorded, D < 2.
        TypeError: something that is not a run.
    """
    members = one_each(runs)
    first = next(iter(members.values()))
    for label, run in members.items():
        if not np.array_equal(run.steps, first.steps):
            raise ValueError(
                f"runs side by side need the same recorded steps: {label!r} has {len(run.steps)} "
                f"frames to step {run.steps[-1]}, the first run {len(first.steps)} "
                f"to {first.steps[-1]}"
            )
    if frames < 2 or len(first.steps) < 2:
        raise ValueError(
            f"an animation needs 2 frames or more, got {min(frames, len(first.steps))}"
        )
    dim = first.codes.shape[-1]
    marks = None if centroids is None else check_points("centroids", centroids, dim)
    still = frame_at(first.steps, show)
    cam = camera(list(members.values()), marks)
    panels, columns = place(members, cam, view)
    keep, ink = fit(panels, cam, still, frames, cells and dim == 2, trails, max_bytes)
    extra = [] if marks is None else crosses(panels, cam, marks, still)
    figure = go.Figure(layout=geometry(panels, columns, cam, title or ""))
    states = [
        [d for panel in panels for d in panel.data(cam, f, [g for g in keep if g < f], ink)]
        for f in keep
    ]
    looks = [look for panel in panels for look in panel.looks(ink)]
    for data, look in zip(states[keep.index(still)], looks, strict=True):
        figure.add_scatter(**data, **look)
    # What never moves (latents that stand still, cells that are not drawn) is stored once.
    moving = [i for i in range(len(looks)) if any(not _same(s[i], states[0][i]) for s in states)]
    for mark in extra:
        figure.add_scatter(**mark)
    for state in states:
        for data in state:
            if "text" in data:  # a heading stays where it is
                del data["x"], data["y"]
    figure.frames = [
        go.Frame(name=str(int(first.steps[frame])), data=[drawn[i] for i in moving], traces=moving)
        for frame, drawn in zip(keep, states, strict=True)
    ]
    names = [str(int(first.steps[frame])) for frame in keep]
    figure.update_layout(caption(title or "", figure, panels[-1].lens, bool(extra)))
    return add_controls(figure, names, keep.index(still))


def _same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return all(np.array_equal(one[key], other[key], equal_nan=key != "text") for key in one)


def fit(
    panels: Sequence[Panel],
    cam: Camera,
    still: int,
    most: int,
    cells: bool,
    trails: bool,
    max_bytes: int,
) -> tuple[list[int], Ink]:
    """The frames to keep and what to draw in each, so that the figure stays below a size.

    Five frames are drawn in full and counted. A number takes 16/3 bytes (float32 in base64); the
    words and the indentation that a notebook's file puts around them were counted once.
    """
    pace = _pace(panels, cam)
    everything = Ink(max(len(p.run.latents[0]) for p in panels), cells, 5 if trails else 0)
    numbers, around = np.zeros(4), 0.0  # points of latents, cells, trails and the rest, a frame
    sample = paced(pace, min(len(pace), 6))[1:]
    for frame, panel in product(sample, panels):
        past = [f for f in paced(pace, min(len(pace), most)) if f < frame]
        counts = [len(d["x"]) for d in panel.data(cam, frame, past, everything)[:-1]]
        moves = panel.lens or not np.array_equal(panel.run.latents[0], panel.run.latents[-1])
        numbers += [moves, counts[1], counts[2], sum(counts[3:])]
        around += 220 * len(counts) + 190
    numbers, around = numbers / len(sample) * 32 / 3, around / len(sample) + 500
    chosen: tuple[list[int], Ink] = ([], everything)
    thinner = [
        (tail, share) for tail in ((5, 3, 0) if trails else (0,)) for share in (1, 0.75, 0.5)
    ]
    for drawn, (tail, share), points in product(
        [True, False] if cells else [False], [*thinner, (0, 0.4)], [250, 160, 100, 70]
    ):
        keep = sorted({*paced(pace, min(len(pace), max(2, round(most * share)))), still})
        chosen = keep, Ink(points, drawn, tail)
        shown = min(points, everything.points)
        weight = numbers @ [shown, drawn, (tail + 2) / 7 if tail else 0, 1] + around
        if weight * (len(keep) + 1) + 12_000 < max_bytes:
            break
    return chosen


def _pace(panels: Sequence[Panel], cam: Camera) -> Array:
    """How far the film has come at each recorded frame, from 0 to 1, (T,)."""
    change = np.zeros(len(panels[0].run.steps) - 1)
    for panel in panels:
        latents, codes = cam.project(panel.run.latents), cam.project(panel.run.codes)
        scale = np.sqrt(latents.var(axis=1).mean(axis=1)) + 1e-12
        # Motion counts in units of the cloud's spread: a small cloud is seen through the lens.
        for points in (latents, codes):
            step = np.sqrt((np.diff(points, axis=0) ** 2).sum(axis=2)).mean(axis=1)
            change += np.minimum(step / scale[1:], 1)
        change += np.abs(np.diff(panel.run.counts > 0, axis=0)).mean(axis=1)
    even = np.diff(panels[0].run.steps) / (panels[0].run.steps[-1] - panels[0].run.steps[0])
    return np.concatenate([[0], np.cumsum(0.5 * even + 0.5 * change / (change.sum() or 1))])


def paced(progress: Array, count: int) -> list[int]:
    """``count`` frames (fewer where they coincide) at even progress, first and last among them."""
    wanted = np.linspace(0, progress[-1], count)
    return sorted({int(np.abs(progress - w).argmin()) for w in wanted} | {0, len(progress) - 1})


def add_controls(
    figure: go.Figure,
    names: Sequence[str],
    active: int,
    prefix: str = "training step ",
) -> go.Figure:
    """Play, pause and a slider over named frames, run by the browser alone, below a figure.

    Args:
        figure: a figure with fixed width and height; it grows by ``CONTROLS`` pixels downwards.
        names: names of the frames, in order.
        active: the frame that is shown first.
        prefix: text before the frame's name.

    Returns:
        The figure.
    """
    below = figure.layout.margin.b
    inner = figure.layout.width - figure.layout.margin.l - figure.layout.margin.r
    still = {"mode": "immediate", "transition": {"duration": 0}}
    # From the last frame, plotly.js plays from the start again. Without redraw it leaves points of
    # a trace behind when others of them appear or vanish: a code that dies would be misplaced.
    play = {**still, "fromcurrent": True, "frame": {"duration": 140, "redraw": True}}
    halt = {**still, "frame": {"duration": 0, "redraw": True}}
    buttons = {
        "type": "buttons", "direction": "left", "showactive": False, "x": 0, "y": 0,
        "xanchor": "left", "yanchor": "top", "pad": {"t": below + 24}, "bgcolor": "white",
        "font": {"size": SIZE},
        "buttons": [
            {"label": "▶ play", "method": "animate", "args": [None, play]},
            {"label": "pause", "method": "animate", "args": [[None], halt]},
        ],
    }  # fmt: skip
    slider = {
        "active": active, "x": BUTTONS / inner, "y": 0, "len": 1 - BUTTONS / inner,
        "xanchor": "left", "pad": {"t": below, "b": 0}, "font": {"size": SMALL}, "ticklen": 4,
        "currentvalue": {"prefix": prefix, "font": {"size": SIZE, "color": INK}},
        "transition": {"duration": 0},
        "steps": [{"label": n, "method": "animate", "args": [[n], halt]} for n in names],
    }  # fmt: skip
    return figure.update_layout(
        updatemenus=[buttons],
        sliders=[slider],
        height=figure.layout.height + CONTROLS,
        margin={"b": below + CONTROLS},
    )
