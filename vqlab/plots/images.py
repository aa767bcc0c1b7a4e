"""Pictures in rows: the input above, what each method makes of it below."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from typing import Any

import numpy as np
import plotly.graph_objects as go
from PIL import Image

from vqlab.plots.inputs import Array
from vqlab.plots.theme import METHOD_COLORS, SIZE, SMALL, WIDTH, method_of, swatch

LABEL = 190  # pixels for the names of the rows


def image_grid(
    rows: Any,
    *,
    value_range: tuple[float, float] | None = None,
    notes: Mapping[str, str] | None = None,
    gap: int = 4,
    side: int | None = None,
    title: str | None = None,
) -> go.Figure:
    """Images as one picture, a labelled row for each entry, pixels kept square and sharp.

    Args:
        rows: label -> (N, H, W) or (N, H, W, 3); or one array without a label. Floats are stretched
            from ``value_range`` to black and white, uint8 is taken as it is.
        value_range: values of black and white, one for all rows so that they can be compared; None
            takes the lowest and highest of all.
        notes: label -> second line under the label, such as an error.
        gap: white pixels between images, in screen pixels.
        side: height of an image on the screen in pixels; None fits the width of a figure.
        title: title of the figure.

    Returns:
        The figure.

    Raises:
        ValueError: nothing to show, shapes that differ between rows, NaN or Inf.
    """
    given = rows if isinstance(rows, Mapping) else {"": rows}
    stacks = {str(label): np.asarray(images) for label, images in given.items()}
    if not stacks or not all(s.size for s in stacks.values()):
        raise ValueError("expected at least one image, got none")
    shape = next(iter(stacks.values())).shape
    for label, stack in stacks.items():
        if (
            stack.ndim not in (3, 4)
            or stack.shape[1:] != shape[1:]
            or stack.shape[3:] not in ((), (3,))
        ):
            raise ValueError(f"{label or 'images'}: expected (N, H, W) or (N, H, W, 3) like "
                             f"{shape}, got {stack.shape}")  # fmt: skip
        if not np.isfinite(stack).all():
            raise ValueError(
                f"{label or 'images'}: {int((~np.isfinite(stack)).sum())} values are NaN or Inf"
            )
    low, high = value_range or (
        min(map(np.min, stacks.values())),
        max(map(np.max, stacks.values())),
    )
    most = max(map(len, stacks.values()))
    left = LABEL if any(stacks) else 20
    height, width = shape[1:3]
    room = (WIDTH - left - 20 + gap) // most - gap
    zoom = max(1, (side or min(room, 110)) // height if height <= (side or room) else 1)
    picture = _sheet(list(stacks.values()), float(low), float(high), zoom, gap)
    tall, wide = picture.shape[:2]
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG", optimize=True)
    source = "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
    figure = go.Figure(go.Image(source=source, hoverinfo="skip"))
    step = zoom * height + gap
    for i, label in enumerate(stacks):
        color = METHOD_COLORS.get(method_of(label) or "")
        text = swatch(f"<b>{label}</b>", color) if color else label
        if notes and label in notes:
            text += f'<br><span style="font-size:{SMALL}px">{notes[label]}</span>'
        figure.add_annotation(
            text=text, x=0, y=i * step + zoom * height / 2, xanchor="right", yanchor="middle",
            align="right", showarrow=False, xshift=-12, font={"size": SIZE},
        )  # fmt: skip
    hidden = {"visible": False, "constrain": "domain"}
    figure.update_xaxes(range=[-0.5, wide - 0.5], **hidden)
    figure.update_yaxes(range=[tall - 0.5, -0.5], **hidden)
    top = 20 + 36 * bool(title)
    return figure.update_layout(
        width=wide + left + 20, height=tall + top + 16, title=title or "",
        margin={"l": left, "r": 20, "t": top, "b": 16},
    )  # fmt: skip


def _sheet(stacks: list[Array], low: float, high: float, zoom: int, gap: int) -> Array:
    """All images on one white sheet, (H, W, 3) uint8."""
    most = max(map(len, stacks))
    height, width = stacks[0].shape[1:3]
    tall, wide = zoom * height + gap, zoom * width + gap
    sheet = np.full((tall * len(stacks) - gap, wide * most - gap, 3), 255, dtype=np.uint8)
    for i, stack in enumerate(stacks):
        for j, image in enumerate(stack):
            flat = image
            if image.dtype != np.uint8:
                flat = np.round(255 * np.clip((image - low) / ((high - low) or 1), 0, 1))
            color = flat if flat.ndim == 3 else flat[..., None]
            tile = np.repeat(np.repeat(color, zoom, axis=0), zoom, axis=1)
            sheet[i * tall : i * tall + zoom * height, j * wide : j * wide + zoom * width] = tile
    return sheet
