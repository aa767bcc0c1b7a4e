"""Many methods on many tasks at once: a row for each method, a column for each task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from vqlab.plots.phase import SCALE
from vqlab.plots.theme import INK, MARKS, METHOD_COLORS, SMALL, TARGET, WIDTH, Style, styles, swatch

ROW = 23  # pixels: a line of the smallest text and some air
LEFT, TOP, BELOW = 176, 96, 66
GAP = 0.12  # between columns, as a share of one


def board_plot(
    table: Any,
    value: str = "excess",
    *,
    order: Sequence[str] | None = None,
    rows: str = "method",
    columns: str = "motion",
    ends: tuple[float, float] = (0.9, 100.0),
    title: str | None = None,
) -> go.Figure:
    """Means and ranges over seeds, on one logarithmic scale that each column repeats.

    Args:
        table: a pandas.DataFrame with a row for each run.
        value: column that is measured, > 0; of a mean the geometric one is drawn.
        order: the rows from the top; None keeps the order of appearance.
        rows, columns: names of the columns that hold methods and tasks.
        ends: of each column's scale. What lies beyond stands at the edge, hollow; so does a method
            of which a run failed (NaN).
        title: of the figure.

    Returns:
        The figure.

    Raises:
        ValueError: a column that is not there, a row of ``order`` without runs, values <= 0.
    """
    cases, tasks = _cases(table, value, order, rows, columns)
    if not (table[value].dropna() > 0).all():
        raise ValueError(f"{value}: values <= 0 cannot stand on a logarithmic scale")
    low, high = np.log10(ends)
    looks = faces(cases)
    logs = table.assign(_log=np.log10(table[value].fillna(np.inf).to_numpy(float)))
    found = logs.groupby([rows, columns], sort=False)["_log"].agg(["mean", "min", "max"])
    figure = go.Figure()
    for height, case in enumerate(cases):
        here = found.loc[case].reindex(tasks)
        place = np.arange(len(tasks))[:, None] + (1 - GAP) * np.clip(
            (here.to_numpy(float) - low) / (high - low), 0, 1
        )
        beyond = here["mean"].to_numpy(float) > high
        line = np.stack([place[:, 1], place[:, 2], np.full(len(tasks), np.nan)], 1).ravel()
        look = looks[case]
        level = np.full(len(tasks), height)
        figure.add_scatter(
            x=np.float32(line), y=np.repeat(level, 3), mode="lines", hoverinfo="skip",
            line={"color": look.color, "width": 3}, opacity=0.5, showlegend=False,
        )  # fmt: skip
        figure.add_scatter(
            x=np.float32(place[:, 0]), y=level, name=case, mode="markers", showlegend=False,
            cliponaxis=False,
            marker={"color": np.where(beyond, "white", look.color).tolist(), "size": 9,
                    "symbol": look.symbol, "line": {"color": look.color, "width": 1.5}},
            text=[f"{case}, {task}: {10**mean:.3g}" for task, mean in zip(tasks, here["mean"],
                                                                         strict=True)],
            hovertemplate="%{text}<extra></extra>",
        )  # fmt: skip
    ticks = [t for t in (1, 10, 100) if ends[0] <= t < ends[1]]
    at = [(1 - GAP) * (np.log10(t) - low) / (high - low) for t in ticks]
    for number in range(len(tasks)):
        for tick, where in zip(ticks, at, strict=True):
            figure.add_vline(number + where, line={"width": 1, "color":
                             TARGET if tick == 1 else "#C9D1D8"}, layer="below")  # fmt: skip
    figure.update_xaxes(
        tickvals=[n + w for n in range(len(tasks)) for w in at], ticktext=[f"{t}" for t in ticks]
        * len(tasks), range=[-GAP / 2, len(tasks) - GAP / 2], showgrid=False, tickangle=0,
    )  # fmt: skip
    note = f"mark: mean over seeds; line: lowest to highest; hollow: beyond {ends[1]:g}, or failed"
    return _dress(figure, cases, tasks, (1 - GAP) / 2, note, title)


def score_map(
    table: Any,
    value: str = "utilization",
    *,
    order: Sequence[str] | None = None,
    rows: str = "method",
    columns: str = "motion",
    title: str | None = None,
) -> go.Figure:
    """Means over seeds of a share, written as percentages into a map.

    Args:
        table, value, order, rows, columns, title: as for :func:`board_plot`; values in [0, 1].

    Returns:
        The figure.

    Raises:
        ValueError: as :func:`board_plot`; a value outside of [0, 1].
    """
    cases, tasks = _cases(table, value, order, rows, columns)
    if not table[value].dropna().between(0, 1).all():
        raise ValueError(f"{value}: a map of percentages takes values from 0 to 1")
    grid = table.pivot_table(value, rows, columns, sort=False).loc[cases, tasks].to_numpy(float)
    figure = go.Figure(
        go.Heatmap(
            x=np.arange(len(tasks)), y=np.arange(len(cases)), z=np.float32(grid), zmin=0, zmax=1,
            colorscale=SCALE, xgap=1, ygap=1, showscale=False,
            text=[[f"{v:.0%}".rstrip("%") if np.isfinite(v) else "" for v in row] for row in grid],
            texttemplate="%{text}", textfont={"size": SMALL},
            hovertemplate="%{text} %<extra></extra>",
        )
    )  # fmt: skip
    figure.update_xaxes(showticklabels=False, ticks="", range=[-0.5, len(tasks) - 0.5])
    return _dress(figure, cases, tasks, 0, "means over seeds, in %", title)


def rank_plot(
    labels: Sequence[str], ranks: Any, *, tasks: str = "motion", title: str | None = None
) -> go.Figure:
    """Mean places with the places on each task, and how far means must lie apart to matter.

    Args:
        labels: the methods, best first.
        ranks: :class:`vqlab.measure.Ranks` of those methods, in that order.
        tasks: what one task is called.
        title: of the figure.

    Returns:
        The figure.

    Raises:
        ValueError: numbers of labels and ranks that differ.
    """
    each, mean = np.asarray(ranks.each, float), np.asarray(ranks.mean, float)
    if len(labels) != len(mean):
        raise ValueError(f"{len(labels)} labels for {len(mean)} ranks")
    looks = faces(labels)
    figure = go.Figure()
    for height, label in enumerate(labels):
        look = looks[label]
        for x, size, opacity in ((each[:, height], 6, 0.35), (mean[[height]], 12, 1.0)):
            figure.add_scatter(
                x=np.float32(x), y=np.full(len(x), height), mode="markers", name=label,
                marker={"color": look.color, "symbol": look.symbol, "size": size,
                        "opacity": opacity},
                hovertemplate=f"{label}: %{{x:.3g}}<extra></extra>", showlegend=False,
            )  # fmt: skip
    if np.isfinite(ranks.critical) and ranks.critical < len(labels):
        ends = [mean[0], mean[0] + ranks.critical]
        figure.add_vrect(*ends, fillcolor="#EEF1F4", line_width=0, layer="below")
        figure.add_annotation(
            text=f"within {ranks.critical:.1f} places of the first:<br>"
                 "the order may be chance",
            x=ends[1], y=0, xanchor="left", yanchor="top", showarrow=False, yshift=8,
            align="left", font={"size": SMALL}, xshift=6,
        )  # fmt: skip
    figure.update_xaxes(title_text=f"place (large: mean over {tasks}s; small: one {tasks})",
                        range=[0, len(labels) + 1])  # fmt: skip
    return _dress(figure, labels, [], 0, "", title)


def faces(labels: Sequence[str]) -> dict[str, Style]:
    """A style for each label, whatever their order: methods have their own, variants come after."""
    return styles(sorted(labels, key=lambda label: (label not in METHOD_COLORS, label)))


def _cases(
    table: Any, value: str, order: Sequence[str] | None, rows: str, columns: str
) -> tuple[list[str], list[str]]:
    missing = [name for name in (value, rows, columns) if name not in table]
    if missing:
        raise ValueError(f"no column {', '.join(missing)}: the table has {', '.join(table)}")
    found = list(dict.fromkeys(table[rows]))
    cases = found if order is None else list(order)
    if unknown := [case for case in cases if case not in found]:
        raise ValueError(f"no runs of {', '.join(unknown)}; there are {', '.join(found)}")
    return cases, list(dict.fromkeys(table[columns]))


def _dress(
    figure: go.Figure,
    cases: Sequence[str],
    tasks: Sequence[str],
    middle: float,
    note: str,
    title: str | None,
) -> go.Figure:
    """Names of rows with their marks, names of columns above, size."""
    looks = faces(cases)
    figure.update_yaxes(
        tickvals=list(range(len(cases))),
        ticktext=[swatch(c, looks[c].color, MARKS[looks[c].symbol]) for c in cases],
        range=[len(cases) - 0.5, -0.5], ticks="", tickfont={"size": SMALL}, showgrid=True,
        automargin=False,
    )  # fmt: skip
    for number, task in enumerate(tasks):
        steep = len(tasks) > 4
        figure.add_annotation(
            text=task, x=number + middle, y=1, yref="paper", yanchor="bottom", showarrow=False,
            xanchor="left" if steep else "center", textangle=-35 if steep else 0,
            font={"size": SMALL, "color": INK}, yshift=2,
        )  # fmt: skip
    if note:
        figure.add_annotation(
            text=note, xref="paper", yref="paper", x=1, y=0, yshift=-34, xanchor="right",
            yanchor="top", showarrow=False, font={"size": SMALL},
        )  # fmt: skip
    top = (TOP if len(tasks) > 4 else 34 if tasks else 16) + 34 * bool(title)
    return figure.update_layout(
        width=WIDTH, height=ROW * len(cases) + top + BELOW, title=title or "",
        margin={"l": LEFT, "r": 40 if tasks else 24, "t": top, "b": BELOW},
    )  # fmt: skip
