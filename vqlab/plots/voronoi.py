"""Cells of a codebook in the plane, as line segments that stop at the frame."""

from __future__ import annotations

import numpy as np
from scipy.spatial import QhullError, Voronoi

from vqlab.plots.inputs import Array

Box = tuple[float, float, float, float]  # left, right, bottom, top


def cell_edges(codes: Array, box: Box) -> Array:
    """Borders between the cells of the nearest-code rule, clipped to a box.

    A point x lies on a border where |x - c_j| = |x - c_k| is the smallest distance to any code.

    Args:
        codes: (K, 2). Codes at the same place count once.
        box: left, right, bottom, top, in the units of the codes.

    Returns:
        (E, 2, 2): start and end of each straight piece; (0, 2, 2) when there is no border.
    """
    left, right, bottom, top = box
    centre = np.array([(left + right) / 2, (bottom + top) / 2])
    span = max(right - left, top - bottom)
    sites = np.unique(np.round((np.asarray(codes, dtype=float) - centre) / span, 9), axis=0)
    if len(sites) < 2:
        return np.empty((0, 2, 2))
    # Far sites around everything make each border of the true codes finite: within the box the
    # picture stays the same, because the far sites are nowhere nearest there.
    reach = 50 * max(1.0, float(np.abs(sites).max()))
    angle = np.linspace(0, 2 * np.pi, 12, endpoint=False) + 0.1
    far = reach * np.column_stack([np.cos(angle), np.sin(angle)])
    try:
        diagram = Voronoi(np.vstack([sites, far]))
    except QhullError:
        return np.empty((0, 2, 2))
    between_codes = (diagram.ridge_points < len(sites)).all(axis=1)
    pairs = np.array(diagram.ridge_vertices)[between_codes]
    pairs = pairs[(pairs >= 0).all(axis=1)]
    return clip(diagram.vertices[pairs] * span + centre, box)


def clip(segments: Array, box: Box) -> Array:
    """The part of each straight segment that lies in the box (Liang and Barsky, 1984).

    Args:
        segments: (E, 2, 2), start and end of each.
        box: left, right, bottom, top.

    Returns:
        (E', 2, 2) with E' <= E: pieces of positive length inside the box.
    """
    low, high = np.array([box[0], box[2]]), np.array([box[1], box[3]])
    start, step = segments[:, 0], segments[:, 1] - segments[:, 0]
    parallel = np.abs(step) < 1e-300
    safe = np.where(parallel, 1.0, step)
    one, two = (low - start) / safe, (high - start) / safe
    within = (start >= low) & (start <= high)
    # A segment parallel to a side is cut by it nowhere or everywhere.
    enter = np.where(parallel, np.where(within, -np.inf, np.inf), np.minimum(one, two)).max(axis=1)
    leave = np.where(parallel, np.where(within, np.inf, -np.inf), np.maximum(one, two)).min(axis=1)
    enter, leave = np.maximum(enter, 0.0), np.minimum(leave, 1.0)
    keep = leave > enter
    s, d = start[keep], step[keep]
    return np.stack([s + enter[keep, None] * d, s + leave[keep, None] * d], axis=1)


def as_paths(segments: Array) -> tuple[Array, Array]:
    """Segments joined end to end, NaN between the pieces: a third fewer numbers than one by one.

    Args:
        segments: (E, 2, 2).

    Returns:
        x and y, each (P,), for a line that breaks at NaN.
    """
    if not len(segments):
        return np.empty(0), np.empty(0)
    ends = np.round(segments.reshape(-1, 2), 9)
    places, names = np.unique(ends, axis=0, return_inverse=True)
    pairs = names.reshape(-1, 2)
    at: list[list[int]] = [[] for _ in places]
    for edge, (a, b) in enumerate(pairs):
        at[a].append(edge)
        at[b].append(edge)
    free = np.ones(len(pairs), dtype=bool)
    path: list[int] = []
    # Starting where an odd number of borders meet uses up the loose ends first.
    for first in sorted(range(len(places)), key=lambda v: len(at[v]) % 2 == 0):
        while any(free[e] for e in at[first]):
            here = first
            path.append(here)
            while unused := [e for e in at[here] if free[e]]:
                free[unused[0]] = False
                a, b = pairs[unused[0]]
                here = int(b if a == here else a)
                path.append(here)
            path.append(-1)
    xy = np.vstack([places, [np.nan, np.nan]])[path[:-1]]
    return xy[:, 0], xy[:, 1]
