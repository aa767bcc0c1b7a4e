"""Latents, codes, cells and trails at one moment: in two dimensions the state is the picture."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go

from vqlab.plots.camera import camera
from vqlab.plots.inputs import Array, check_points, frame_at, one_each
from vqlab.plots.panels import Ink, View, caption, crosses, geometry, place


def cloud(
    runs: Any,
    step: int | None = None,
    *,
    view: View = "auto",
    cells: bool = True,
    trails: bool | None = None,
    centroids: Array | None = None,
    title: str | None = None,
) -> go.Figure:
    """One moment of one run, or of several side by side on the same axes.

    Args:
        runs: a run, a list of runs, or a mapping from label to run.
        step: the training step; the nearest recorded frame is drawn. None is the last.
        view: ``world`` (fixed axes), ``lens`` (axes that travel with the cloud, in units of its
            spread), ``both``, or ``auto``: with the lens when the cloud is ever more than three
            times smaller than what the world has to show.
        cells: draw the Voronoi cells (D = 2 only: in a projection they would be wrong).
        trails: draw the way of each code from the start; None: up to 32 codes, more become a
            tangle.
        centroids: (K', D) marked by black crosses, e.g. the optimum of k-means.
        title: title of the figure.

    Returns:
        The figure.

    Raises:
        ValueError: a step that was not recorded, unknown view, D < 2, runs of different D.
        TypeError: something that is not a run.
    """
    members = one_each(runs)
    dim = next(iter(members.values())).codes.shape[-1]
    marks = None if centroids is None else check_points("centroids", centroids, dim)
    cam = camera(list(members.values()), marks)
    panels, columns = place(members, cam, view)
    trails = max(run.codes.shape[1] for run in members.values()) <= 32 if trails is None else trails
    ink = Ink(points=512, cells=cells and dim == 2, trail=40 if trails else 0)
    frames = [frame_at(panel.run.steps, step) for panel in panels]
    when = f"step {int(panels[0].run.steps[frames[0]])}"
    said = when if title is None else f"{title}, {when}"
    figure = go.Figure(layout=geometry(panels, columns, cam, said))
    for panel, frame in zip(panels, frames, strict=True):
        past = np.unique(np.linspace(0, frame, 40).astype(int))[:-1]
        drawn = panel.data(cam, frame, [int(f) for f in past], ink)
        for data, look in zip(drawn, panel.looks(ink), strict=True):
            figure.add_scatter(**data, **look)
    for mark in crosses(panels, cam, marks, frames[0]) if marks is not None else []:
        figure.add_scatter(**mark)
    return figure.update_layout(caption(said, figure, panels[-1].lens, marks is not None))
