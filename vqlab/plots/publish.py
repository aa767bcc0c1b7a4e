"""How a figure is stored in a notebook: as plotly JSON that moves, and as a PNG beside it.

Where no plotly runs (the pages of code hosts, a printed notebook) the PNG is what readers see.
Making one takes kaleido and a Chromium, so it is done by authors only; everybody else's notebooks
store the JSON. `make notebooks` runs lessons with VQLAB_PUBLISH=1, which asks for the PNG.
"""

from __future__ import annotations

import base64
import io
import json
import logging
import os
from typing import Any

import plotly.graph_objects as go
import plotly.io as pio
from PIL import Image, ImageColor
from plotly.io.base_renderers import MimetypeRenderer

from vqlab.plots.theme import DEAD, INK, LATENTS, METHOD_COLORS

PNG_BYTES = 60_000
PICTURE_BYTES = 140_000  # of a figure that shows pictures: few colours make false ones of a photo


def png(figure: go.Figure | dict[str, Any], limit: int | None = None) -> bytes:
    """The figure's first frame as a PNG, one pixel for each pixel of the figure.

    JupyterLab shows the PNG until the mouse is over it, and then the figure in its place: both have
    one size, so that nothing jumps. The number of colours goes down until the picture fits.

    Args:
        figure: a figure, or its dictionary.
        limit: bytes to stay under, if 16 colours can do it; None takes ``PNG_BYTES``, or
            ``PICTURE_BYTES`` where the figure shows pictures.

    Returns:
        The file's bytes.

    Raises:
        ValueError: no kaleido or no Chromium on this machine.
    """
    # A skipped message of Chromium is logged as an error, and would end up in the notebook.
    logging.getLogger("choreographer").setLevel(logging.CRITICAL)
    still = go.Figure(figure, skip_invalid=True) if isinstance(figure, dict) else go.Figure(figure)
    still.frames = ()
    if limit is None:
        pictures = still.layout.images or any(trace.type == "image" for trace in still.data)
        limit = PICTURE_BYTES if pictures else PNG_BYTES
    with Image.open(io.BytesIO(still.to_image("png", scale=1))) as image:
        flat = image.convert("RGB")
    data = b""
    for colors in (200, 128, 64, 32, 16):
        buffer = io.BytesIO()
        _reduced(flat, colors).save(buffer, "PNG", optimize=True)
        data = buffer.getvalue()
        if len(data) <= limit:
            break
    return data


def _reduced(image: Image.Image, colors: int) -> Image.Image:
    """The image with few colours, among which the ones that carry meaning are exact."""
    cut = image.quantize(colors, method=Image.Quantize.MEDIANCUT, kmeans=1)
    own = cut.getpalette() or []
    exact = [*METHOD_COLORS.values(), INK, LATENTS, str(DEAD["color"]), "#FFFFFF"]
    palette = Image.new("P", (1, 1))
    palette.putpalette(
        [channel for c in exact for channel in ImageColor.getrgb(c)] + own[: 3 * colors]
    )
    # Without dithering: it would speckle the white ground and double the size.
    out = image.quantize(palette=palette, dither=Image.Dither.NONE)
    final = out.getpalette() or []
    # Pillow's search is coarse: the ground must come out white, not nearly white.
    triples = [final[i : i + 3] for i in range(0, len(final), 3)]
    out.putpalette([c for t in triples for c in ([255] * 3 if min(t) > 248 else t)])
    return out


def stored_bytes(figure: go.Figure) -> int:
    """Bytes that a figure adds to a notebook's file, without the PNG."""
    output = {"data": PlotlyAndPng(picture=False).to_mimebundle(figure.to_dict())}
    return len(json.dumps({"cells": [{"outputs": [output]}]}, indent=1))


class PlotlyAndPng(MimetypeRenderer):
    """Stores the JSON and a PNG in one output."""

    def __init__(self, picture: bool = True) -> None:
        self.picture = picture

    def to_mimebundle(self, fig_dict: dict[str, Any]) -> dict[str, Any]:
        """The output's data by MIME type."""
        bundle = dict(pio.renderers["plotly_mimetype"].to_mimebundle(fig_dict))
        if self.picture:
            bundle["image/png"] = base64.b64encode(png(fig_dict)).decode()
        return bundle


pio.renderers["vqlab"] = PlotlyAndPng()


def start() -> None:
    """Choose the renderer ``vqlab`` where an author asked for it (VQLAB_PUBLISH=1)."""
    if os.environ.get("VQLAB_PUBLISH", "") not in ("", "0"):
        pio.renderers.default = "vqlab"
