"""Fields of arrows in the plane, side by side: which way each latent is told to go."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import plotly.graph_objects as go

from vqlab.plots.inputs import Array, check_points
from vqlab.plots.theme import CELLS, INK, LATENTS, SIZE, WIDTH, styles, swatch
from vqlab.plots.voronoi import as_paths, cell_edges

HEAD = 0.28  # of an arrow's length
GAP, UNDER = 36, 40  # pixels between panels
CODE: dict[str, Any] = {"color": INK, "size": 9}
HELD: dict[str, Any] = {"color": "white", "size": 12, "line": {"width": 2.5, "color": INK}}
LONGER = 3  # times the scale of the field: the arrow of the latent that stands out
CROSS: dict[str, Any] = {"color": INK, "size": 12, "symbol": "x-thin", "line": {"width": 3}}


def arrow_fields(
    points: Any,
    arrows: Mapping[str, Any],
    *,
    codes: Any = None,
    target: Any = None,
    scale: float | None = None,
    columns: int = 3,
    colors: dict[str, str] | None = None,
    title: str | None = None,
    latent: Any = None,
    latent_arrows: Mapping[str, Any] | None = None,
) -> go.Figure:
    """A panel for each label: the same points, its arrow at each, the codes and their cells.

    All panels have the same axes and one scale of arrows, so that lengths compare.

    Args:
        points: (N, 2), where the arrows start.
        arrows: label -> (N, 2); no arrow is drawn where one is zero.
        codes: (K, 2), drawn with the borders of their cells; None draws none.
        target: (2,) marked by a cross: where the loss is smallest.
        latent: (2,) one latent that stands out, with an arrow of its own in each panel, ``LONGER``
            times as long as in the field.
        latent_arrows: label -> (2,), its arrows.
        scale: length drawn for an arrow of length 1; None makes the longest tenth of all arrows fit
            between neighbouring points.
        columns: panels in a row.
        colors: for labels that belong to no method.
        title: title of the figure.

    Returns:
        The figure.

    Raises:
        ValueError: no field, or arrays whose shapes do not fit.
    """
    start = check_points("points", points, 2)
    fields = {str(label): check_points(str(label), field, 2) for label, field in arrows.items()}
    if not fields:
        raise ValueError("expected at least one field of arrows, got none")
    for label, field in fields.items():
        if len(field) != len(start):
            raise ValueError(f"{label}: {len(field)} arrows for {len(start)} points")
    scale = _scale(start, list(fields.values())) if scale is None else scale
    places = None if codes is None else check_points("codes", codes, 2)
    shown = [start] + ([] if places is None else [places])
    low, high = np.min([s.min(0) for s in shown], 0), np.max([s.max(0) for s in shown], 0)
    centre, half = (low + high) / 2, 0.58 * float((high - low).max())
    columns = min(columns, len(fields))
    rows = -(-len(fields) // columns)
    side = min(300, (WIDTH - 60 - GAP * (columns - 1)) // columns)
    inner = columns * side + (columns - 1) * GAP, rows * side + (rows - 1) * (GAP + UNDER)
    looks = styles(fields, colors)
    figure = go.Figure()
    for i, (label, field) in enumerate(fields.items()):
        row, column = divmod(i, columns)
        end = "" if i == 0 else str(i + 1)
        axes = {"xaxis": f"x{end}", "yaxis": f"y{end}", "showlegend": False, "hoverinfo": "skip"}
        left, above = column * (side + GAP), row * (side + GAP + UNDER)
        if places is not None:
            box = (centre[0] - half, centre[0] + half, centre[1] - half, centre[1] + half)
            x, y = as_paths(cell_edges(places, box))
            figure.add_scatter(x=np.float32(x), y=np.float32(y), mode="lines",
                               line={"color": CELLS, "width": 1.5}, **axes)  # fmt: skip
        figure.add_scatter(x=np.float32(start[:, 0]), y=np.float32(start[:, 1]), mode="markers",
                           marker={"color": LATENTS, "size": 4}, **axes)  # fmt: skip
        x, y = _paths(start, scale * field)
        figure.add_scatter(x=np.float32(x), y=np.float32(y), mode="lines",
                           line={"color": looks[label].color, "width": 1.8}, **axes)  # fmt: skip
        if places is not None:
            figure.add_scatter(x=np.float32(places[:, 0]), y=np.float32(places[:, 1]),
                               mode="markers", marker=CODE, **axes)  # fmt: skip
        if latent is not None:
            arrow = np.asarray((latent_arrows or {}).get(label, (0.0, 0.0)))
            here = held(latent, LONGER * scale * arrow)
            look = {"color": looks[label].color, "width": 4}
            figure.add_scatter(mode="lines", line=look, meta={"role": label}, **here["arrow"],
                               **axes)  # fmt: skip
            figure.add_scatter(mode="markers", marker=HELD, meta={"drag": "latent"},
                               **here["latent"], **axes)  # fmt: skip
        if target is not None:
            figure.add_scatter(x=[float(target[0])], y=[float(target[1])], mode="markers",
                               marker=CROSS, **axes)  # fmt: skip
        plain = {"ticks": "", "showticklabels": False, "showgrid": False, "mirror": True}
        figure.update_layout({
            f"xaxis{end}": {"domain": [left / inner[0], (left + side) / inner[0]], **plain,
                            "anchor": f"y{end}", "range": [centre[0] - half, centre[0] + half]},
            f"yaxis{end}": {"domain": [1 - (above + side) / inner[1], 1 - above / inner[1]],
                            **plain, "anchor": f"x{end}",
                            "range": [centre[1] - half, centre[1] + half]},
        })  # fmt: skip
        figure.add_annotation(
            text=swatch(f"<b>{label}</b>", looks[label].color), xref="paper", yref="paper",
            x=left / inner[0], y=1 - above / inner[1], xanchor="left", yanchor="bottom",
            showarrow=False, font={"size": SIZE}, yshift=3,
        )  # fmt: skip
    top = 40 + 34 * bool(title)
    return figure.update_layout(
        width=inner[0] + 60, height=inner[1] + top + 24, title=title or "",
        margin={"l": 30, "r": 30, "t": top, "b": 24},
    )  # fmt: skip


def held(latent: Any, step: Any) -> dict[str, dict[str, Array]]:
    """x and y of the latent that stands out and of its arrow, ``step`` long."""
    place = np.asarray(latent, dtype=float)[None]
    x, y = _paths(place, np.asarray(step, dtype=float)[None])
    return {
        "latent": {"x": place[:, 0].astype(np.float32), "y": place[:, 1].astype(np.float32)},
        "arrow": {"x": x.astype(np.float32), "y": y.astype(np.float32)},
    }


def _scale(start: Array, fields: list[Array]) -> float:
    """So that nine tenths of the arrows are no longer than the way to the next point."""
    away = np.linalg.norm(start[:, None] - start, axis=-1)
    np.fill_diagonal(away, np.inf)
    lengths = np.concatenate([np.linalg.norm(field, axis=1) for field in fields])
    long = float(np.quantile(lengths[lengths > 0], 0.9)) if (lengths > 0).any() else 1.0
    return float(np.median(away.min(1))) / long if len(start) > 1 else 1.0 / long


def _paths(start: Array, step: Array) -> tuple[Array, Array]:
    """Arrows as one line that breaks at NaN: shaft, then the two sides of the head."""
    moved = np.linalg.norm(step, axis=1) > 0
    a, d = start[moved], step[moved]
    tip, across = a + d, np.column_stack([-d[:, 1], d[:, 0]])
    wings = [tip - HEAD * d + side * 0.5 * HEAD * across for side in (1, -1)]
    gap = np.full_like(a, np.nan)
    line = np.stack([a, tip, wings[0], tip, wings[1], gap], axis=1).reshape(-1, 2)
    return line[:, 0], line[:, 1]
