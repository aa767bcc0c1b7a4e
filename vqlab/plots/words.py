"""Words in the plane: where their vectors or codes lie, each beside its name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from vqlab.plots.inputs import Array, check_points
from vqlab.plots.theme import CELLS, INK, OTHERS, SIZE, SMALL, WIDTH

GAP = 40  # pixels between panels
LETTER = 0.56 * SMALL  # mean width of a letter in pixels
PLACES = ((0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1))
LOOKS: tuple[dict[str, Any], ...] = (
    {"color": INK, "symbol": "circle", "size": 9},
    {"color": OTHERS[1], "symbol": "square-open", "size": 9, "line": {"width": 2}},
)


def word_map(
    places: Mapping[str, Any],
    names: Sequence[str],
    *,
    groups: Sequence[str] | None = None,
    edges: Any = None,
    columns: int = 2,
    title: str | None = None,
) -> go.Figure:
    """A panel for each label: the same words at other places, each with its name beside it.

    Points of more than two dimensions are projected on the first two principal axes of their own
    panel, whose title says how much of their variance that shows. Panels have their own scales:
    distances compare within one, not between two.

    Args:
        places: label -> (V, D), D >= 2.
        names: the V words.
        groups: at most two kinds of words, such as parts of speech; each has a marker of its own.
        edges: (V, V), a line between two words where positive, the wider the larger.
        columns: panels in a row.
        title: title of the figure.

    Returns:
        The figure.

    Raises:
        ValueError: no panel, shapes that do not fit, more than two groups.
    """
    points = {str(label): check_points(str(label), at) for label, at in places.items()}
    if not points:
        raise ValueError("expected at least one panel of places, got none")
    kinds = list(dict.fromkeys(groups or [""]))
    kind = np.array(groups if groups is not None else [""] * len(names))
    if len(kinds) > len(LOOKS) or len(kind) != len(names):
        raise ValueError(f"expected at most 2 groups, one for each of {len(names)} names")
    for label, at in points.items():
        if len(at) != len(names) or at.shape[1] < 2:
            raise ValueError(f"{label}: expected ({len(names)}, D >= 2), got {at.shape}")
    columns = min(columns, len(points))
    rows = -(-len(points) // columns)
    side = min(460, (WIDTH - 60 - GAP * (columns - 1)) // columns)
    inner = columns * side + (columns - 1) * GAP, rows * side + (rows - 1) * (GAP + 30)
    figure = go.Figure()
    for i, (label, at) in enumerate(points.items()):
        row, column = divmod(i, columns)
        end = "" if i == 0 else str(i + 1)
        axes = {"xaxis": f"x{end}", "yaxis": f"y{end}"}
        left, above = column * (side + GAP), row * (side + GAP + 30)
        plane, share = _plane(at)
        middle = (plane.min(0) + plane.max(0)) / 2
        half = 0.7 * float((plane.max(0) - plane.min(0)).max()) or 1.0
        if edges is not None:
            _draw_edges(figure, plane, np.asarray(edges, float), axes)
        for j, name in enumerate(kinds):
            figure.add_scatter(
                x=np.float32(plane[kind == name, 0]), y=np.float32(plane[kind == name, 1]),
                mode="markers", marker=LOOKS[j], name=name, legendgroup=name,
                showlegend=i == 0 and len(kinds) > 1, hovertext=np.array(names)[kind == name],
                hoverinfo="text", **axes,
            )  # fmt: skip
        pixels = (plane - middle) / half * side / 2
        for word, where, (dx, dy) in zip(names, plane, _beside(pixels, names, side), strict=True):
            figure.add_annotation(
                x=float(where[0]), y=float(where[1]), text=word, xref=axes["xaxis"],
                yref=axes["yaxis"], xshift=dx, yshift=dy, showarrow=False, font={"size": SMALL},
            )  # fmt: skip
        plain = {"ticks": "", "showticklabels": False, "showgrid": False, "mirror": True}
        figure.update_layout({
            f"xaxis{end}": {"domain": [left / inner[0], (left + side) / inner[0]], **plain,
                            "anchor": f"y{end}", "range": [middle[0] - half, middle[0] + half]},
            f"yaxis{end}": {"domain": [1 - (above + side) / inner[1], 1 - above / inner[1]],
                            **plain, "anchor": f"x{end}",
                            "range": [middle[1] - half, middle[1] + half]},
        })  # fmt: skip
        note = f' <span style="font-size:{SMALL}px">({share:.0%} of the variance)</span>'
        figure.add_annotation(
            text=f"<b>{label}</b>{note if at.shape[1] > 2 else ''}", xref="paper", yref="paper",
            x=left / inner[0], y=1 - above / inner[1], xanchor="left", yanchor="bottom",
            showarrow=False, font={"size": SIZE}, yshift=3,
        )  # fmt: skip
    top = 40 + 34 * bool(title) + 30 * (len(kinds) > 1)
    return figure.update_layout(
        width=inner[0] + 60, height=inner[1] + top + 24, title=title or "",
        margin={"l": 30, "r": 30, "t": top, "b": 24},
        legend={"y": 1 + 30 / inner[1], "font": {"size": SIZE}},
    )  # fmt: skip


def _plane(at: Array) -> tuple[Array, float]:
    """The points on their first two principal axes, and the share of the variance that shows."""
    if at.shape[1] == 2:
        return at, 1.0
    middle = at - at.mean(0)
    left, scale, _ = np.linalg.svd(middle, full_matrices=False)
    whole = float(np.square(scale).sum())
    return left[:, :2] * scale[:2], float(np.square(scale[:2]).sum()) / whole if whole else 1.0


def _draw_edges(figure: go.Figure, plane: Array, edges: Array, axes: dict[str, str]) -> None:
    strongest = float(edges.max()) or 1.0
    for u, v in np.argwhere(np.triu(edges, 1) > 0):
        ends = plane[[u, v]]
        figure.add_scatter(
            x=np.float32(ends[:, 0]), y=np.float32(ends[:, 1]), mode="lines", hoverinfo="skip",
            showlegend=False, line={"color": CELLS, "width": 4 * float(edges[u, v]) / strongest},
            **axes,
        )  # fmt: skip


def _beside(pixels: Array, names: Sequence[str], side: float) -> list[tuple[float, float]]:
    """A shift for each name, beside its point, where it covers least: points, names, the frame."""
    taken: list[tuple[float, float, float, float]] = []
    out = []
    for word, (x, y) in zip(names, pixels, strict=True):
        wide, tall = LETTER * len(word), SMALL + 2.0
        best: tuple[float, tuple[float, float], tuple[float, float, float, float]] | None = None
        for order, (sx, sy) in enumerate(PLACES):
            dx, dy = sx * (wide / 2 + 8), sy * (tall / 2 + (7 if not sx else 3))
            box = (x + dx - wide / 2, x + dx + wide / 2, y + dy - tall / 2, y + dy + tall / 2)
            cost = 0.01 * order + 3 * sum(_overlap(box, other) for other in taken)
            near = (np.abs(pixels[:, 0] - x - dx) < wide / 2 + 5) & (
                np.abs(pixels[:, 1] - y - dy) < tall / 2 + 5
            )
            cost += 60 * float(near.sum())
            cost += 20 * max(0.0, max(abs(box[0]), abs(box[1])) - side / 2)
            if best is None or cost < best[0]:
                best = cost, (dx, dy), box
        assert best is not None
        taken.append(best[2])
        out.append(best[1])
    return out


def _overlap(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    """Common area of two boxes, in square pixels."""
    width, height = min(a[1], b[1]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[2], b[2])
    return max(0.0, width) * max(0.0, height)
