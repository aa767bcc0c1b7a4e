"""How often each code is used: the long tail, and what lies beyond its end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from vqlab.plots.inputs import Array, frame_at, one_each
from vqlab.plots.theme import DEAD, SIZE, TARGET, WIDTH, styles, swatch


def usage_bars(
    data: Any, step: int | None = None, *, title: str | None = None, top: float | None = None
) -> go.Figure:
    """Share of the latents that each code gets, codes sorted by it, dead codes marked in grey.

    Args:
        data: a run, several runs, or a mapping from label to counts (K,).
        step: for runs, the training step (nearest recorded frame); None is the last.
        title: title of the figure.
        top: upper end of the shared vertical axis, as a share; None fits the largest.

    Returns:
        The figure, a panel for each label on one shared axis. The dashed line is 1/K, equal use.

    Raises:
        ValueError: counts that are negative, empty or all nought, or a step that was not recorded.
        TypeError: something that is neither a run nor counts.
    """
    counts = _counts(data, step)
    looks = styles(counts)
    columns = min(len(counts), 3)
    rows = -(-len(counts) // columns)
    figure = make_subplots(
        rows, columns, shared_yaxes=True, horizontal_spacing=0.03, vertical_spacing=0.2 / rows,
    )  # fmt: skip
    highest = 0.0
    for i, (label, values) in enumerate(counts.items()):
        row, column = divmod(i, columns)
        where = {"row": row + 1, "col": column + 1}
        share = np.sort(values)[::-1] / values.sum()
        live, total = int((share > 0).sum()), len(share)
        highest = max(highest, float(share[0]), 1 / total)
        figure.add_bar(
            x=np.arange(1, live + 1), y=np.float32(share[:live]), showlegend=False, name=label,
            marker={"color": looks[label].color, "line": {"width": 0}},
            hovertemplate="code ranked %{x}: %{y:.2%}<extra></extra>", **where,
        )  # fmt: skip
        figure.add_scatter(
            x=np.arange(live + 1, total + 1), y=np.zeros(total - live), mode="markers", **where,
            marker={**DEAD, "size": float(np.clip(400 / total, 3, 9)), "line": {"width": 1.5}},
            cliponaxis=False, showlegend=False, hovertemplate="dead code<extra></extra>",
        )  # fmt: skip
        line = {"color": TARGET, "width": 1.5, "dash": "dash"}
        figure.add_hline(1 / total, line=line, **where)
        figure.update_xaxes(
            range=[0.4, total + 0.6], showgrid=False, ticks="", title_text="code, by rank", **where,
        )  # fmt: skip
        name = f"<b>{label}</b>: {live} of {total} in use"
        domain = {"xref": f"x{i + 1 if i else ''} domain", "yref": f"y{i + 1 if i else ''} domain"}
        figure.add_annotation(
            text=swatch(name, looks[label].color), x=0, y=1, xanchor="left", yanchor="bottom",
            showarrow=False, font={"size": SIZE}, yshift=4, **domain,
        )  # fmt: skip
    upper = top or 1.06 * highest
    form = ".0%" if upper > 0.05 else ".1%"
    figure.update_yaxes(range=[-0.02 * upper, upper], tickformat=form, nticks=6)
    figure.update_yaxes(title_text="share of the latents", col=1)
    figure.add_annotation(
        text="1/K", xref="x domain", x=1, y=1 / total, xanchor="right", yanchor="bottom",
        showarrow=False, font={"size": SIZE},
    )  # fmt: skip
    return figure.update_layout(
        width=WIDTH if columns > 1 else 640, height=300 * rows + 80, bargap=0.15,
        title=title or "", margin={"t": 88 if title else 56},
    )  # fmt: skip


def _counts(data: Any, step: int | None) -> dict[str, Array]:
    """Counts (K,) by label, from runs or as they are."""
    if isinstance(data, Mapping) and data and not any(map(_holds_runs, data.values())):
        out = {str(label): np.asarray(values, dtype=float) for label, values in data.items()}
    else:
        runs = one_each(data)
        out = {k: np.asarray(r.counts[frame_at(r.steps, step)], float) for k, r in runs.items()}
    for label, values in out.items():
        if values.ndim != 1 or not values.size or values.min() < 0 or not values.sum() > 0:
            raise ValueError(f"{label}: expected (K,) counts >= 0 with some > 0, got {values}")
    return out


def _holds_runs(value: Any) -> bool:
    several = value if isinstance(value, (list, tuple)) else [value]
    return any(hasattr(one, "steps") for one in several)
