"""Which motion kills: a dot for each seed, a mark for the mean, a row for each case."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go

from vqlab.plots.theme import SIZE, SMALL, TARGET, WIDTH, styles


def dot_plot(
    table: Any,
    value: str = "utilization",
    *,
    rows: str = "motion",
    by: str = "method",
    value_title: str | None = None,
    value_range: tuple[float, float] | None = None,
    percent: bool | None = None,
    log: bool = False,
    reference: float | None = None,
    colors: dict[str, str] | None = None,
    title: str | None = None,
) -> go.Figure:
    """Every seed a small dot, every mean a large one; a row for each motion, a colour for each
    method.

    Args:
        table: a pandas.DataFrame with a row for each run, such as ``sweep`` returns.
        value: column that is measured.
        rows: column whose values are the rows, in their order of appearance from the top.
        by: column whose values have the colours, in their order of appearance; the same as
            ``rows`` gives each row its own colour and needs no legend.
        value_title: title of the axis; None is the column's name.
        value_range: ends of the axis; None fits (0 to 1 for a share).
        percent: write percentages; None does so where all values lie in [0, 1].
        log: logarithmic axis.
        reference: value of a black dashed line.
        colors: colours for values of ``by`` that belong to no method.
        title: title of the figure.

    Returns:
        The figure.

    Raises:
        ValueError: a column that is not there, no rows, or a value <= 0 on a logarithmic axis.
    """
    missing = [name for name in (value, rows, by) if name not in table]
    if missing:
        raise ValueError(f"no column {', '.join(missing)}: the table has {', '.join(table)}")
    if not len(table):
        raise ValueError("the table has no rows")
    numbers = table[value].to_numpy(float)
    if log and np.nanmin(numbers) <= 0:
        raise ValueError(f"{value}: {np.nanmin(numbers):.3g} cannot stand on a logarithmic axis")
    cases, labels = list(dict.fromkeys(table[rows])), [str(v) for v in dict.fromkeys(table[by])]
    looks = styles(labels, colors)
    share = (
        bool(np.nanmin(numbers) >= 0 and np.nanmax(numbers) <= 1) if percent is None else percent
    )
    offsets = (np.arange(len(labels)) - (len(labels) - 1) / 2) * (0.74 / max(len(labels), 2))
    if rows == by:
        offsets = np.zeros(len(labels))
    figure = go.Figure()
    for label, offset in zip(labels, offsets, strict=True):
        part = table[table[by].astype(str) == label]
        look = looks[label]
        height = part[rows].map({case: i for i, case in enumerate(cases)}).to_numpy(float) + offset
        means = part.groupby(rows, sort=False, observed=True)[value].agg(["mean", "min", "max"])
        at = np.array([cases.index(case) for case in means.index]) + offset
        figure.add_scatter(
            x=np.float32(_pairs(means["min"], means["max"])), y=np.float32(_pairs(at, at)),
            mode="lines", line={"color": look.color, "width": 2}, opacity=0.5, hoverinfo="skip",
            showlegend=False,
        )  # fmt: skip
        figure.add_scatter(
            x=np.float32(part[value].to_numpy(float)), y=np.float32(height), mode="markers",
            marker={"color": look.color, "size": 6, "symbol": look.symbol, "opacity": 0.45},
            hovertemplate=f"{label}: %{{x:.3g}}<extra></extra>", showlegend=False, cliponaxis=False,
        )  # fmt: skip
        figure.add_scatter(
            x=np.float32(means["mean"].to_numpy(float)), y=np.float32(at), name=label,
            mode="markers",
            marker={"color": look.color, "size": 14, "symbol": look.symbol,
                    "line": {"color": "white", "width": 1.5}},
            hovertemplate=f"{label}, mean: %{{x:.3g}}<extra></extra>", cliponaxis=False,
        )  # fmt: skip
    for border in range(1, len(cases)):
        figure.add_hline(border - 0.5, line={"color": "#E1E5E9", "width": 1})
    if reference is not None:
        figure.add_vline(reference, line={"color": TARGET, "width": 2, "dash": "dash"})
    ends = value_range or ((-0.02, 1.02) if share else None)
    figure.update_xaxes(
        title_text=value_title or value.replace("_", " "), type="log" if log else "linear",
        tickformat=".0%" if share else None,
        range=None if ends is None else (np.log10(ends).tolist() if log else list(ends)),
    )  # fmt: skip
    figure.update_yaxes(
        tickvals=list(range(len(cases))), ticktext=[str(case) for case in cases], showgrid=False,
        range=[len(cases) - 0.5, -0.5], ticks="", tickfont={"size": SIZE},
    )  # fmt: skip
    row = 52 if rows == by else max(52, 20 * len(labels) + 14)
    figure.add_annotation(
        text="large: mean; small: one seed; line: lowest to highest", xref="paper", yref="paper",
        x=1, y=0, yshift=-52, xanchor="right", yanchor="top", showarrow=False, font={"size": SMALL},
    )  # fmt: skip
    return figure.update_layout(
        width=WIDTH, height=row * len(cases) + (134 if rows == by else 170), title=title or "",
        margin={"t": (16 if rows == by else 52) + 44 * bool(title), "b": 92, "l": 120},
        legend={"font": {"size": SIZE}, "itemsizing": "trace"}, showlegend=rows != by,
    )  # fmt: skip


def _pairs(one: Any, other: Any) -> np.ndarray[Any, np.dtype[Any]]:
    """Ends of separate lines in one trace: one, other, NaN, ..."""
    first = np.asarray(one, dtype=float)
    return np.stack([first, np.asarray(other, dtype=float), np.full_like(first, np.nan)], 1).ravel()
