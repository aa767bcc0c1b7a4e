"""How a figure is stored in a notebook: as plotly JSON that moves, and as a PNG beside it.

Where no plotly runs (the pages of code hosts, a printed notebook) the PNG is what readers see.
Making one takes kaleido and a Chromium, so it is done by authors only; everybody else's notebooks
store the JSON. Authors execute a lesson with

    VQLAB_PUBLISH=1 python -m nbconvert --to notebook --execute --inplace LESSON.ipynb
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


def png(figure: go.Figure | dict[str, Any], limit: int = PNG_BYTES) -> bytes:
    """The figure's first frame as a PNG that is as sharp as its size allows.

    Scale and number of colours go down (1.5 and 128 colours first) until the picture fits; text
    stays readable, because the smallest picture still has one pixel for each pixel of the figure.

    Args:
        figure: a figure, or its dictionary.
        limit: bytes to stay under, if 16 colours at scale 1 can do it.

    Returns:
        The file's bytes.

    Raises:
        ValueError: no kaleido or no Chromium on this machine.
    """
    # A skipped message of Chromium is logged as an error, and would end up in the notebook.
    logging.getLogger("choreographer").setLevel(logging.CRITICAL)
    still = go.Figure(figure, skip_invalid=True) if isinstance(figure, dict) else go.Figure(figure)
    still.frames = ()
    if still.layout.sliders:
        _without_controls(still)
    data = b""
    for scale in (1.5, 1.0):
        with Image.open(io.BytesIO(still.to_image("png", scale=scale))) as image:
            flat = image.convert("RGB")
        for colors in (128, 64, 32, 16):
            buffer = io.BytesIO()
            _reduced(flat, colors).save(buffer, "PNG", optimize=True)
            data = buffer.getvalue()
            if len(data) <= limit:
                return data
    return data


def _reduced(image: Image.Image, colors: int) -> Image.Image:
    """The image with few colours, among which the ones that carry meaning are exact."""
    own = image.quantize(colors, method=Image.Quantize.MEDIANCUT).getpalette() or []
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


def _without_controls(figure: go.Figure) -> None:
    """A picture has no buttons: a line says which moment it shows, and where it moves."""
    slider = figure.layout.sliders[0]
    now = slider.steps[slider.active or 0].label
    text = f"{slider.currentvalue.prefix or ''}{now}, a still: the figure moves in JupyterLab"
    figure.add_annotation(
        text=text, showarrow=False, xref="paper", yref="paper", x=0, y=0, xanchor="left",
        yanchor="top", yshift=-slider.pad.t, font={"size": slider.font.size},
    )  # fmt: skip
    cut = figure.layout.margin.b - slider.pad.t - 34
    figure.layout.sliders, figure.layout.updatemenus = (), ()
    figure.update_layout(
        height=figure.layout.height - cut,
        margin={"b": figure.layout.margin.b - cut},
    )  # fmt: skip


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
