"""Axes and names of curves: steps that are dense early, labels that do not cover each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from vqlab.plots.inputs import Array
from vqlab.plots.theme import INK, MARKS, SIZE, SMALL, TARGET, WIDTH, Style, swatch

HEIGHT = 460


def dress(
    figure: go.Figure, y: Sequence[float], log_y: bool, note: str, title: str | None, *names: str
) -> None:
    """Size, margins, titles and ranges that all curves share; ``names`` are those of the axes."""
    top = 40 + 34 * bool(title) + 20 * bool(note)
    scale = np.log10(y) if log_y else np.asarray(y)
    figure.update_layout(
        width=WIDTH, height=HEIGHT, margin={"l": 84, "r": 210, "t": top, "b": 62},
        title=title or "",
        xaxis={"title": {"text": names[0]}, "showgrid": False},
        yaxis={"title": {"text": names[1]}, "range": np.asarray(scale).tolist()},
        yaxis_automargin=False,
    )  # fmt: skip
    if log_y:
        figure.update_yaxes(type="log", **log_ticks(np.asarray(y)))
    if note:
        figure.add_annotation(
            text=note, xref="paper", yref="paper", x=0, y=1, xanchor="left", yanchor="bottom",
            showarrow=False, font={"size": SMALL}, yshift=4,
        )  # fmt: skip


def value_range(low: float, high: float, log: bool) -> tuple[float, float]:
    """Ends of an axis with some room around the values."""
    if log:
        return low / 1.15, high * 1.15
    room = 0.05 * (high - low) or 0.5
    # An axis that begins at nought shows proportions; it is worth some empty paper.
    return (-0.02 * high if 0 <= low < 0.5 * high else low - room), high + room


def name_ends(
    figure: go.Figure,
    ends: Mapping[str, tuple[float, float]],
    looks: Mapping[str, Style],
    y: Sequence[float],
    log: bool,
    reference: tuple[str, float] | None,
) -> None:
    """Names beside the right ends, moved apart where they would cover each other."""
    inner = figure.layout.height - figure.layout.margin.t - figure.layout.margin.b
    scale = np.log10 if log else np.asarray
    low, high = scale(y[0]), scale(y[1])
    texts = {label: swatch(label, looks[label].color, MARKS[looks[label].symbol]) for label in ends}
    values = {label: end[1] for label, end in ends.items()}
    if reference is not None:
        texts[reference[0]] = swatch(reference[0], TARGET, "– –")
        values[reference[0]] = reference[1]
    labels = sorted(values, key=lambda label: values[label])
    wanted = [float((scale(values[label]) - low) / (high - low)) for label in labels]
    for label, place in zip(labels, apart(wanted, (SIZE + 5) / inner), strict=True):
        figure.add_annotation(
            text=texts[label], xref="paper", yref="paper", x=1, y=place, xanchor="left",
            yanchor="middle", showarrow=False, font={"size": SIZE, "color": INK}, xshift=14,
        )  # fmt: skip


def apart(places: Sequence[float], gap: float) -> list[float]:
    """Places on [0, 1], in rising order, moved as little as needed to stand ``gap`` apart.

    Clusters are merged from below and centred on the mean of what they wanted.
    """
    clusters: list[list[float]] = []
    for place in places:
        clusters.append([place])
        while len(clusters) > 1 and _low(clusters[-1], gap) < _high(clusters[-2], gap) + gap:
            last = clusters.pop()
            clusters[-1].extend(last)
    return [_low(c, gap) + i * gap for c in clusters for i in range(len(c))]


def _low(cluster: Sequence[float], gap: float) -> float:
    middle, half = sum(cluster) / len(cluster), gap * (len(cluster) - 1) / 2
    return max(0.0, min(middle - half, 1 - 2 * half))


def _high(cluster: Sequence[float], gap: float) -> float:
    return _low(cluster, gap) + gap * (len(cluster) - 1)


def is_geometric(x: Array) -> bool:
    """Dense early: half of the frames lie in the first tenth of the time."""
    return len(x) > 8 and x[0] >= 0 and bool(np.median(x) < 0.2 * x[-1])


def log_steps(figure: go.Figure, steps: Sequence[Array]) -> go.Figure:
    """A logarithmic axis of training steps, with a place for step 0 before step 1."""
    last, zero = max(s.max() for s in steps), any((s == 0).any() for s in steps)
    decades = [10.0**k for k in range(int(np.log10(max(last, 1))) + 1)]
    ticks, words = decades, [f"{t:,.0f}".replace(",", " ") for t in decades]
    if zero:
        ticks, words = [0.5, *ticks], ["0", *words]
    ends = [np.log10(0.5 if zero else 1), np.log10(last * 1.02)]
    return figure.update_xaxes(type="log", tickvals=ticks, ticktext=words, range=ends)


def log_ticks(ends: Array) -> dict[str, Any]:
    """Ticks at 1, 2, 5 of each decade, fewer where there are many decades."""
    low, high = np.log10(ends)
    marks = (1,) if high - low > 3 else (1, 3) if high - low > 1.4 else (1, 2, 5)
    decades = range(int(np.floor(low)), int(np.ceil(high)) + 1)
    ticks = [m * 10.0**k for k in decades for m in marks if ends[0] <= m * 10.0**k <= ends[1]]
    return {"tickvals": ticks, "ticktext": [f"{t:g}" for t in ticks]}
