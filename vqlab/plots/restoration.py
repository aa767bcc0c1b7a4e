"""Fidelity against realism: a knob, what it does to the pictures, and where it goes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from vqlab.plots.animate import add_controls
from vqlab.plots.images import image_grid
from vqlab.plots.inputs import Array
from vqlab.plots.theme import INK, LATENTS, OTHERS, SIZE, SMALL, WIDTH, swatch

PLANE = 300  # pixels of the plane of the two scores
BETWEEN = 34


def fidelity_slider(
    pictures: Mapping[str, Array],
    drawn: Sequence[Array],
    knob: Sequence[float],
    scores: Sequence[tuple[float, float]],
    others: Mapping[str, tuple[float, float]] | None = None,
    *,
    start: int | None = None,
    x_title: str = "fidelity: PSNR (dB)",
    y_title: str = "realism: Fréchet distance",
    title: str | None = None,
) -> go.Figure:
    """Pictures at each setting of a knob, above the plane of two scores; a slider in the browser.

    Lower right is best: like the truth, and like real pictures.

    Args:
        pictures: label -> (N, H, W, 3) uint8 that the knob does not change; the first label stands
            above what is drawn, the others below.
        drawn: for each setting (N, H, W, 3) uint8. knob: the settings, in order.
        scores: for each setting (x, y). others: label -> (x, y) of what has no knob.
        start: the setting that is shown first; None is the last.
        x_title, y_title, title: words.

    Returns:
        The figure, with a frame for each setting; its first view stands without a kernel.

    Raises:
        ValueError: counts that differ, nothing to draw, scores that are not finite.
    """
    if not knob or not len(knob) == len(drawn) == len(scores):
        raise ValueError(
            f"as many pictures and scores as settings are needed, got {len(knob)} settings, "
            f"{len(drawn)} and {len(scores)}"
        )
    beside = dict(others or {})
    points = np.array([*scores, *beside.values()], dtype=float)
    if not np.isfinite(points).all():
        raise ValueError("scores must be finite")
    first = len(knob) - 1 if start is None else start
    labels = list(pictures)

    def sheet(i: int) -> go.Figure:
        below = {label: pictures[label] for label in labels[1:]}
        above = {label: pictures[label] for label in labels[:1]}
        return image_grid({**above, "restored": drawn[i], **below})

    figure = sheet(first)
    top, tall = 24 + 36 * bool(title), figure.layout.height - 36
    height = top + tall + BETWEEN + PLANE + 66
    inner = height - top - 66
    way = np.array(scores, dtype=float)
    figure.add_scatter(
        x=np.float32(way[:, 0]), y=np.float32(way[:, 1]), mode="lines+markers",
        line={"color": INK, "width": 3}, marker={"color": INK, "size": 8},
        xaxis="x2", yaxis="y2", showlegend=False, cliponaxis=False,
        hovertemplate="%{x:.2f} dB, %{y:.0f}<extra></extra>",
    )  # fmt: skip
    for i, (label, point) in enumerate(beside.items()):
        figure.add_scatter(
            x=[point[0]], y=[point[1]], mode="markers+text", text=[label],
            textposition="bottom center", textfont={"size": SMALL, "color": INK},
            marker={"color": OTHERS[i % len(OTHERS)], "size": 10, "symbol": "diamond"},
            xaxis="x2", yaxis="y2", showlegend=False, cliponaxis=False,
            hovertemplate=f"{label}: %{{x:.2f}} dB, %{{y:.0f}}<extra></extra>",
        )  # fmt: skip

    def mark(i: int) -> go.Scatter:
        return go.Scatter(
            x=np.float32(way[i : i + 1, 0]), y=np.float32(way[i : i + 1, 1]), mode="markers",
            marker={"color": "rgba(0,0,0,0)", "size": 20, "line": {"color": INK, "width": 3}},
            xaxis="x2", yaxis="y2", hoverinfo="skip", showlegend=False, cliponaxis=False,
        )  # fmt: skip

    figure.add_trace(mark(first))
    last = len(figure.data) - 1
    figure.frames = [
        go.Frame(name=f"{w:g}", traces=[0, last], data=[sheet(i).data[0], mark(i)])
        for i, w in enumerate(knob)
    ]
    low, high = points.min(0), points.max(0)
    room = np.maximum(0.12 * (high - low), [0.05, 1.0])
    share = PLANE / inner
    figure.update_layout(
        width=WIDTH, height=height, title=title or "",
        margin={"t": top, "b": 66, "l": 190, "r": 20},
        yaxis={"domain": [share + BETWEEN / inner, 1]}, xaxis={"domain": [0, 1]},
        xaxis2={"anchor": "y2", "title": {"text": x_title}, "domain": [0, 1],
                "range": [low[0] - room[0], high[0] + room[0]]},
        yaxis2={"anchor": "x2", "title": {"text": y_title}, "domain": [0, share],
                "range": [low[1] - room[1], high[1] + room[1]], "automargin": False},
    )  # fmt: skip
    for i in {0, len(knob) - 1}:  # clear of the ring around the setting that is shown
        figure.add_annotation(
            text=f"w = {knob[i]:g}", x=way[i, 0], y=way[i, 1], xref="x2", yref="y2", yshift=22,
            showarrow=False, font={"size": SMALL, "color": INK},
        )  # fmt: skip
    figure.add_annotation(
        text=swatch("lower right is best", LATENTS, "↘"), xref="paper", yref="paper", x=1, y=share,
        xanchor="right", yanchor="top", showarrow=False, font={"size": SMALL, "color": INK},
    )  # fmt: skip
    return add_controls(figure, [f"{w:g}" for w in knob], first, prefix="w = ").update_layout(
        font={"size": SIZE}
    )
