"""Where the codes lie on a picture: large squares of one code, small ones of four."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go

from vqlab.plots.images import image_grid
from vqlab.plots.inputs import Array

LINE = (213, 94, 0)  # vermillion, borders of a finer code
FADE = 0.55  # of the way to white, where a code is coarse
ZOOM = 4  # a line is a quarter of a small picture's pixel


def routing_map(
    pictures: Any,
    grains: Any,
    drawn: Any = None,
    *,
    count: int = 2,
    labels: tuple[str, str, str] = ("picture", "fine codes", "drawn from codes"),
    zoom: int = ZOOM,
    note: str | None = None,
    title: str | None = None,
) -> go.Figure:
    """Pictures, the same with a square for each finer code (coarse regions pale), and the drawn.

    Args:
        pictures: (N, H, W) or (N, H, W, 3), floats in [0, 1].
        grains: (N, h, w) whole numbers, 0 (coarsest) to ``count`` - 1, a grain for each region.
        drawn: like the pictures; None leaves the row out.
        count: number of grains; a region of grain g is cut into 2^g x 2^g codes.
        zoom: pixels of the screen for one of the picture. labels: of the rows.
        note: under the last label, such as an error and bits.
        title: of the figure.

    Returns:
        The figure.

    Raises:
        ValueError: shapes that do not fit, grains out of range.
    """
    stack, chosen = np.asarray(pictures, dtype=float), np.asarray(grains)
    if chosen.ndim != 3 or len(chosen) != len(stack) or stack.shape[1] % chosen.shape[1]:
        raise ValueError(
            f"grains of shape {chosen.shape} do not fit pictures of shape {stack.shape}"
        )
    if chosen.min() < 0 or chosen.max() >= count:
        raise ValueError(
            f"grains run from {chosen.min()} to {chosen.max()}; expected 0 to {count - 1}"
        )
    rows = {labels[0]: _large(stack, zoom), labels[1]: _marked(stack, chosen, zoom)}
    if drawn is not None:
        rows[labels[2]] = _large(np.asarray(drawn, dtype=float), zoom)
    last = list(rows)[-1]
    return image_grid(rows, notes={last: note} if note else None, title=title)


def _large(stack: Array, zoom: int) -> Array:
    """(N, zoom H, zoom W, 3) uint8."""
    color = stack if stack.ndim == 4 else np.repeat(stack[..., None], 3, -1)
    flat = np.round(255 * np.clip(color, 0, 1)).astype(np.uint8)
    return flat.repeat(zoom, 1).repeat(zoom, 2)


def _marked(stack: Array, grains: Array, zoom: int) -> Array:
    out = _large(stack, zoom).astype(float)
    side = out.shape[1] // grains.shape[1]
    level = grains.repeat(side, 1).repeat(side, 2)
    out[level == 0] += FADE * (255 - out[level == 0])
    for grain in range(1, int(grains.max()) + 1):
        step = max(side // 2**grain, 1)
        row, column = np.arange(out.shape[1]) % step, np.arange(out.shape[2]) % step
        border = ((row == 0) | (row == step - 1))[:, None] | ((column == 0) | (column == step - 1))
        out[(level == grain) & border] = LINE
    return np.round(out).astype(np.uint8)
