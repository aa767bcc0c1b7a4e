"""Two prices against each other: a point for each method, named where it stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from vqlab.plots.axes import log_ticks
from vqlab.plots.board import faces
from vqlab.plots.inputs import Array
from vqlab.plots.theme import INK, SMALL, WIDTH

HEIGHT = 680
MARGIN = {"l": 84, "r": 30, "t": 24, "b": 62}
LETTER = 0.54  # width of a letter, as a share of its height
# Where a name may stand, nearest first: the distance in pixels and the angles tried.
DISTANCES = (12, 26, 42, 60, 80)
ANGLES = np.deg2rad([0, 180, 90, -90, 30, -30, 150, -150, 60, -60, 120, -120])


def tradeoff(
    x: Mapping[str, float],
    y: Mapping[str, float],
    *,
    x_title: str,
    y_title: str,
    title: str | None = None,
) -> go.Figure:
    """Each method by two numbers on logarithmic axes, with its name beside it.

    The lower left is best: methods than which none is better in both are joined by a line.

    Args:
        x, y: by label, > 0; labels that lack one of them are left out.
        x_title, y_title, title: words.

    Returns:
        The figure.

    Raises:
        ValueError: nothing to draw, or values <= 0.
    """
    labels = [label for label in x if label in y and np.isfinite(y[label])]
    points = np.array([(x[label], y[label]) for label in labels], dtype=float)
    if not len(points) or not (points > 0).all():
        raise ValueError("expected at least one label with two numbers > 0")
    looks = faces(labels)
    low, high = points.min(0) / 1.3, points.max(0) * 1.5
    top = MARGIN["t"] + 34 * bool(title)
    size = np.array([WIDTH - MARGIN["l"] - MARGIN["r"], HEIGHT - top - MARGIN["b"]])
    pixels = (np.log(points) - np.log(low)) / (np.log(high) - np.log(low)) * size
    figure = go.Figure()
    best = front(points)
    figure.add_scatter(
        x=np.float32(points[best, 0]), y=np.float32(points[best, 1]), mode="lines",
        line={"color": "#C9D1D8", "width": 6}, hoverinfo="skip", showlegend=False,
    )  # fmt: skip
    for label, point in zip(labels, points, strict=True):
        look = looks[label]
        figure.add_scatter(
            x=np.float32(point[:1]), y=np.float32(point[1:]), mode="markers", name=label,
            marker={"color": look.color, "size": 13, "symbol": look.symbol,
                    "line": {"color": "white", "width": 1}}, showlegend=False,
            hovertemplate=f"{label}: %{{x:.3g}}, %{{y:.3g}}<extra></extra>",
        )  # fmt: skip
    widths = [LETTER * SMALL * len(label) for label in labels]
    for label, point, shift in zip(labels, points, names(pixels, widths, size), strict=True):
        beside = abs(shift[0]) - LETTER * SMALL * len(label) / 2, abs(shift[1]) - SMALL / 2
        far = float(np.hypot(*np.maximum(beside, 0))) > 1.5 * DISTANCES[0]
        figure.add_annotation(
            text=label, x=np.log10(point[0]), y=np.log10(point[1]), ax=shift[0], ay=-shift[1],
            xanchor="center", yanchor="middle", showarrow=True, arrowhead=0, arrowwidth=1,
            arrowcolor="#6B7885" if far else "rgba(0,0,0,0)", standoff=6,
            font={"size": SMALL, "color": INK},
        )  # fmt: skip
    for axis, one in (("xaxis", 0), ("yaxis", 1)):
        ends = np.array([low[one], high[one]])
        figure.update_layout({axis: {
            "type": "log", "range": np.log10(ends).tolist(), **log_ticks(ends),
            "title": {"text": (x_title, y_title)[one]}, "automargin": False}})  # fmt: skip
    return figure.update_layout(
        width=WIDTH, height=HEIGHT, margin={**MARGIN, "t": top}, title=title or ""
    )


def front(points: Array) -> list[int]:
    """Points than which no other is lower in one coordinate and not higher in the other.

    Returns:
        indices, by rising first coordinate.
    """
    out: list[int] = []
    for index in np.lexsort((points[:, 1], points[:, 0])).tolist():
        if not out or points[index, 1] < points[out[-1], 1]:
            out.append(index)
    return out


def names(points: Array, widths: Sequence[float], size: Array) -> list[tuple[float, float]]:
    """Shifts of the names' centres from their points, so that none covers a point or a name.

    Greedy: the most crowded point chooses first, the nearest free place. Where none is free, the
    one that covers least.

    Args:
        points: (M, 2) pixels. widths: (M,) of the names. size: (2,) of the drawing.
    """
    tall = SMALL + 3.0
    marks = np.concatenate([points - 7, points + 7], 1)
    boxes: list[Array] = []
    out: list[tuple[float, float]] = [(0.0, 0.0)] * len(points)
    gaps = np.linalg.norm(points[:, None] - points, axis=-1)
    for one in np.argsort(np.sort(gaps, 1)[:, : min(4, len(points))].sum(1)).tolist():
        half = np.array([widths[one] / 2, tall / 2])
        least, chosen = np.inf, (0.0, 0.0)
        others = np.delete(marks, one, 0)
        for far in DISTANCES:
            for angle in ANGLES:
                aim = np.array([np.cos(angle), np.sin(angle)])
                # from the mark to the near edge of the name, whichever edge that is
                shift = aim * far + np.sign(np.round(aim, 6)) * half * (abs(aim) > 0.3)
                box = np.concatenate([points[one] + shift - half, points[one] + shift + half])
                taken = np.concatenate([others, *[b[None] for b in boxes]])
                wide = np.minimum(box[2:], taken[:, 2:]) - np.maximum(box[:2], taken[:, :2])
                covered = float(np.prod(np.maximum(wide, 0), 1).sum())
                outside = np.maximum(-box[:2], 0).sum() + np.maximum(box[2:] - size, 0).sum()
                cost = covered + 50 * float(outside) + 0.01 * far
                if cost < least:
                    least, chosen = cost, (float(shift[0]), float(shift[1]))
            if least < 1:
                break
        out[one] = chosen
        at = points[one] + chosen
        boxes.append(np.concatenate([at - half, at + half]))
    return out
