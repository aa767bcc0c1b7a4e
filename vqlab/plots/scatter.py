"""Does one measure predict another: a point for each method, in its family's colour and marker."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go

from vqlab.plots.theme import SIZE, SMALL, WIDTH, styles


def scatter_methods(
    table: Any,
    x: str,
    y: str,
    *,
    panels: str | None = None,
    by: str = "method",
    x_title: str | None = None,
    y_title: str | None = None,
    title: str | None = None,
) -> go.Figure:
    """Mean of ``y`` against mean of ``x`` for each method, bars from the least to the greatest.

    Args:
        table: a pandas.DataFrame with a row for each run. x, y: its columns that are measured.
        panels: column whose values are panels side by side, on the same axes; None is one panel.
        by: column whose values have the colours.
        x_title, y_title: of the axes; None is the column's name. title: of the figure.

    Returns:
        The figure.

    Raises:
        ValueError: a column that is not there, or no rows.
    """
    wanted = [x, y, by, *([panels] if panels else [])]
    missing = [name for name in wanted if name not in table]
    if missing:
        raise ValueError(f"no column {', '.join(missing)}: the table has {', '.join(table)}")
    if not len(table):
        raise ValueError("the table has no rows")
    looks = styles([str(value) for value in dict.fromkeys(table[by])])
    cases = list(dict.fromkeys(table[panels])) if panels else [None]
    ends = [_ends(table[name].to_numpy(float)) for name in (x, y)]
    wide = (1 - 0.06 * (len(cases) - 1)) / len(cases)
    figure = go.Figure()
    for i, case in enumerate(cases):
        part = table if case is None else table[table[panels] == case]
        end = "" if i == 0 else str(i + 1)
        for label, rows in part.groupby(by, sort=False):
            look, across, up = looks[str(label)], rows[x].to_numpy(float), rows[y].to_numpy(float)
            figure.add_scatter(
                x=[across.mean()], y=[up.mean()], mode="markers", name=str(label),
                legendgroup=str(label), showlegend=i == 0, xaxis=f"x{end}", yaxis=f"y{end}",
                marker={"color": look.color, "symbol": look.symbol, "size": 13,
                        "line": {"color": "white", "width": 1}},
                error_x=_bar(across, look.color), error_y=_bar(up, look.color),
                hovertemplate=f"{label}<br>%{{x:.2f}}, %{{y:.2f}}<extra></extra>",
            )  # fmt: skip
        left = i * (wide + 0.06)
        figure.update_layout({
            f"xaxis{end}": {"domain": [left, left + wide], "range": ends[0], "anchor": f"y{end}",
                            "title": {"text": x_title or x}},
            f"yaxis{end}": {"range": ends[1], "anchor": f"x{end}", "showticklabels": i == 0,
                            "title": {"text": (y_title or y) if i == 0 else ""}},
        })  # fmt: skip
        if case is not None:
            figure.add_annotation(text=f"<b>{case}</b>", xref="paper", yref="paper", x=left, y=1,
                                  xanchor="left", yanchor="bottom", showarrow=False,
                                  font={"size": SIZE}, yshift=4)  # fmt: skip
    return figure.update_layout(
        width=WIDTH, height=max(440, 150 + 31 * len(looks)) + 26 * bool(title), title=title or "",
        margin={"t": 44 + 40 * bool(title), "r": 190},
        legend={"orientation": "v", "x": 1.02, "y": 1, "yanchor": "top",
                "font": {"size": SMALL}},
    )  # fmt: skip


def _bar(values: np.ndarray[Any, np.dtype[np.float64]], color: str) -> dict[str, Any]:
    mean = values.mean()
    return {"type": "data", "array": [values.max() - mean], "arrayminus": [mean - values.min()],
            "color": color, "thickness": 1, "width": 0}  # fmt: skip


def _ends(values: np.ndarray[Any, np.dtype[np.float64]]) -> list[float]:
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    room = 0.06 * (high - low or 1.0)
    return [low - room, high + room]
