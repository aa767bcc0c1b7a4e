"""Which code moves when another is hit: K x K maps of several methods on one scale."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import plotly.graph_objects as go

from vqlab.plots.inputs import Array, check_points, check_square
from vqlab.plots.phase import SCALE
from vqlab.plots.theme import SIZE, SMALL, WIDTH, styles, swatch


def coupling_maps(
    kernels: Mapping[str, Any],
    *,
    codes: Any = None,
    relative: bool = True,
    log: bool = True,
    floor: float = 1e-3,
    signed: bool = False,
    columns: int = 3,
    title: str | None = None,
) -> go.Figure:
    """Coupling kernels side by side: row j, column k says how far code j moves when code k is
    pulled.

    Args:
        kernels: label -> (K, K). Only sizes are drawn, unless ``signed``: a pull backwards counts
            like one forwards.
        codes: (K, D) sorts rows and columns along the codes' first principal axis, so that
            neighbours in space are neighbours in the map; None keeps the order.
        relative: divide each kernel by the mean of its diagonal, so that 1 is how far the code that
            was hit moves itself, and methods with different step sizes share one scale.
        log: logarithmic colours, from ``floor`` to the largest entry; else linear from 0.
        floor: smallest value that has a colour of its own on the logarithmic scale.
        signed: keep the signs, on a linear scale from -1 (backwards) over white to 1 (what lies
            beyond has the end's colour); ``log`` and ``floor`` have no part in it.
        columns: panels in a row, at most.
        title: title of the figure.

    Returns:
        The figure, a square panel for each label, one colour bar.

    Raises:
        ValueError: no kernel, a matrix that is not square, a diagonal that is nought, codes
            whose number differs, or columns below 1.
    """
    tables = {str(label): check_square(str(label), k) for label, k in kernels.items()}
    if not tables:
        raise ValueError("expected at least one kernel, got none")
    if columns < 1:
        raise ValueError(f"columns must be >= 1, got {columns!r}")
    if not signed:
        tables = {label: np.abs(table) for label, table in tables.items()}
    if relative:
        for label, table in tables.items():
            own = float(np.diag(table).mean())
            if own <= 0:
                raise ValueError(
                    f"{label}: the diagonal is nought, so there is nothing to compare to"
                )
            tables[label] = table / own
    if codes is not None:
        order = _order(check_points("codes", codes))
        for label, table in tables.items():
            if len(table) != len(order):
                raise ValueError(f"{label}: {len(table)} rows, but {len(order)} codes to sort by")
            tables[label] = table[np.ix_(order, order)]
    highest = max(float(table.max()) for table in tables.values())
    looks = styles(tables)
    columns = min(len(tables), columns)
    rows = -(-len(tables) // columns)
    side = min(360, (WIDTH - 150 - 50 * columns) // columns)
    inner = (columns * side + (columns - 1) * 50, rows * side + (rows - 1) * 84)
    top = 66 + 34 * bool(title)
    log = log and not signed
    said = "10<sup>%{z:.1f}</sup>" if log else "%{z:.3g}"
    figure = go.Figure()
    for i, (label, table) in enumerate(tables.items()):
        row, column = divmod(i, columns)
        end = "" if i == 0 else str(i + 1)
        left, above = column * (side + 50), row * (side + 84)
        shown = np.log10(np.maximum(table, floor)) if log else table
        axes = {"xaxis": f"x{end}", "yaxis": f"y{end}"}
        figure.add_heatmap(
            z=np.float32(shown), coloraxis="coloraxis", **axes,
            hovertemplate=f"code %{{y}} moves {said}<br>when %{{x}} is hit<extra></extra>",
        )  # fmt: skip
        plain = {"showticklabels": False, "ticks": "", "showgrid": False, "mirror": True}
        x_range, y_range = [-0.5, len(table) - 0.5], [len(table) - 0.5, -0.5]
        figure.update_layout({
            f"xaxis{end}": {"domain": [left / inner[0], (left + side) / inner[0]], **plain,
                            "anchor": f"y{end}", "range": x_range,
                            "title": {"text": "code k is hit"}},
            f"yaxis{end}": {"domain": [1 - (above + side) / inner[1], 1 - above / inner[1]],
                            **plain, "anchor": f"x{end}", "range": y_range,
                            "title": {"text": "code j moves" if column == 0 else ""}},
        })  # fmt: skip
        share = _others(np.abs(table))
        figure.add_annotation(
            text=f"{swatch(f'<b>{label}</b>', looks[label].color)}<br>"
                 f'<span style="font-size:{SMALL}px">others move {share:.2g}×</span>',
            xref="paper", yref="paper", x=left / inner[0], y=1 - above / inner[1], xanchor="left",
            yanchor="bottom", align="left", showarrow=False, font={"size": SIZE}, yshift=2,
        )  # fmt: skip
    return figure.update_layout(
        width=inner[0] + 62 + 150, height=inner[1] + top + 50, title=title or "",
        margin={"l": 62, "r": 150, "t": top, "b": 50},
        coloraxis=_diverging(relative) if signed else _colors(highest, log, floor, relative),
    )  # fmt: skip


def _others(table: Array) -> float:
    """Mean of the off-diagonal entries: what one hit does to everybody else."""
    size = len(table)
    return float((table.sum() - np.trace(table)) / (size * (size - 1))) if size > 1 else 0.0


def _order(codes: Array) -> Array:
    middle = codes - codes.mean(axis=0)
    axis = np.linalg.svd(middle, full_matrices=False)[2][0]
    return np.argsort(middle @ axis, kind="stable")


def _colors(highest: float, log: bool, floor: float, relative: bool) -> dict[str, Any]:
    words = "size of move,<br>relative to a<br>code hit (mean)" if relative else "size of move"
    bar: dict[str, Any] = {
        "title": {"text": words, "font": {"size": SIZE}}, "tickfont": {"size": SMALL},
        "thickness": 18, "outlinewidth": 0, "x": 1.02,
    }  # fmt: skip
    low, high = (np.log10(floor), np.log10(max(highest, 10 * floor))) if log else (0.0, highest)
    if log:
        ticks = np.arange(np.ceil(low), np.floor(high) + 1e-9)
        text = [f"{10.0**t:g}" for t in ticks]
        bar |= {"tickvals": ticks.tolist(), "ticktext": [f"≤ {text[0]}", *text[1:]]}
    return {"colorscale": SCALE, "cmin": float(low), "cmax": float(high), "colorbar": bar}


def _diverging(relative: bool) -> dict[str, Any]:
    words = "move,<br>relative to a<br>code hit (mean)" if relative else "move"
    return {
        "colorscale": "RdBu", "reversescale": True, "cmin": -1.0, "cmax": 1.0,
        "colorbar": {
            "title": {"text": words, "font": {"size": SIZE}}, "tickfont": {"size": SMALL},
            "thickness": 18, "outlinewidth": 0, "x": 1.02, "tickvals": [-1, -0.5, 0, 0.5, 1],
            "ticktext": ["≤ −1, backwards", "−0.5", "0, stays", "0.5", "≥ 1, along"],
        },
    }  # fmt: skip
