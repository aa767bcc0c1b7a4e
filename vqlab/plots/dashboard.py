"""A codebook in training at a glance: six small curves, and pictures with what became of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from vqlab.measure.reach import half_gap
from vqlab.measure.usage import ceiling
from vqlab.plots.axes import log_steps
from vqlab.plots.images import image_grid
from vqlab.plots.inputs import Array, check_run, quantity
from vqlab.plots.panels import small
from vqlab.plots.theme import SIZE, SMALL, TARGET, WIDTH, styles

HEAD, PANEL, PICTURES = 72, 240, 190  # pixels


def dashboard(
    run: Any,
    window: int,
    pictures: Sequence[Any] | None = None,
    *,
    title: str | None = None,
    columns: int = 3,
) -> go.Figure:
    """Use, perplexity, silent codes, lag, drift and distortion of one run over its steps.

    Args:
        run: the run.
        window: W steps; a code not chosen for so long is silent. Before step W the look is shorter,
            which the dashed line shows: what equal use would reach.
        pictures: two of (B, C, H, W), original and reconstruction, shown below.
        title: title of the figure.
        columns: panels in a row: 3, 2 or 1.

    Returns:
        The figure. Dashed: the ceiling of use, K for perplexity, half the distance to the next code
        for the lag, and k-means' distortion where the run holds it.

    Raises:
        TypeError: something that is not a run.
    """
    check_run(run)
    lines = _lines(run, window)
    below = len(lines) // columns
    rows = below + bool(pictures)
    heights = [PANEL] * below + [PICTURES] * bool(pictures)
    specs: list[list[Any]] = [[{}] * columns] * below
    specs += [[{"colspan": columns}, *[None] * (columns - 1)]] if pictures else []
    figure = make_subplots(
        rows, columns, specs=specs, row_heights=heights, horizontal_spacing=0.27 / columns,
        vertical_spacing=0.36 / rows, subplot_titles=[*lines],
    )  # fmt: skip
    color = styles([run.method])[run.method].color
    x = np.where(run.steps > 0, run.steps, 0.5)
    for place, (values, dashed) in enumerate(lines.values()):
        where = {"row": place // columns + 1, "col": place % columns + 1}
        said = "step %{x:.0f}: %{y:.3g}<extra></extra>"
        line = {"color": TARGET, "width": 1.5, "dash": "dash"}
        quiet = {"mode": "lines", "showlegend": False}
        shown = np.full(len(x), np.nan) if dashed is None else dashed
        figure.add_scatter(x=x, y=shown, line=line, hoverinfo="skip", **quiet, **where)
        figure.add_scatter(
            x=x, y=values, line={"color": color, "width": 2.5}, hovertemplate=said, **quiet, **where
        )
    log_steps(figure, [np.asarray(run.steps)])
    decades = figure.layout.xaxis.tickvals
    few = [t for t in decades if t < 1 or len(decades) <= 4 or round(np.log10(t)) % 2 == 0]
    figure.update_xaxes(tickvals=few, ticktext=[_short(t) for t in few], showgrid=False)
    figure.update_xaxes(title={"text": "training step", "standoff": 4}, row=below)
    figure.update_yaxes(rangemode="tozero", nticks=5, title=None)
    figure.update_yaxes(range=[-0.02, 1.06], tickformat=".0%", dtick=0.5, row=1, col=1)
    figure.update_annotations(font={"size": SIZE}, yshift=4)
    if pictures:
        _add_pictures(figure, pictures, rows)
    figure.update_xaxes(tickfont={"size": SMALL}).update_yaxes(tickfont={"size": SMALL})
    top = HEAD + 34 * bool(title)
    return figure.update_layout(
        width=round(WIDTH * columns / 3), height=sum(heights) + top + 60, title=title or "",
        margin={"l": 60, "r": 20, "t": top, "b": 56},
    )  # fmt: skip


def _lines(run: Any, window: int) -> dict[str, tuple[Array, Array | None]]:
    """Values and dashed values (T,) by the panel's title."""
    size = run.codebook_size
    look = np.minimum(run.steps, window)
    chosen = run.last_hit >= (run.steps - look)[:, None]
    per_step = run.hits.sum() / max(run.steps[-1] - run.steps[0], 1)
    use = np.where(run.steps > 0, chosen.mean(1), np.nan)
    most = np.where(run.steps > 0, ceiling(size, (per_step * look).astype(np.int64)), np.nan)
    frames = np.unique(np.linspace(0, len(run.steps) - 1, min(24, len(run.steps))).astype(int))
    some = np.linspace(0, size - 1, min(256, size)).astype(int)  # a live figure has no time for all
    half = [np.median(half_gap(run.codes[f], some)) if size > 1 else np.nan for f in frames]
    gaps = np.interp(run.steps, run.steps[frames], half)
    dead = np.where(run.steps >= window, (~chosen).sum(1), np.nan)  # before, none can be known
    known = run.optimum if np.isfinite(run.optimum).any() else None
    distance = ("distortion", quantity(run, "distortion"), known)
    if np.isfinite(run.terms.get("reconstruction", [])).sum() > 1:
        distance = ("reconstruction error", run.terms["reconstruction"], None)
    net = "net, to the next frame"
    if not run.settings.get("paired", True):
        net = "without a probe: at least"
    optimum = "" if distance[2] is None else "dashed: k-means"
    return {
        _head("codes in use", "dashed: equal use"): (use, most),
        _head("perplexity", "dashed: all codes alike"): (run.perplexity, np.full(len(use), size)),
        _head("silent codes", f"not chosen for {window} steps"): (dead, None),
        _head("lag of live codes", "dashed: half gap of codes"): (quantity(run, "lag"), gaps),
        _head("drift per step", net): (run.drift, None),
        _head(distance[0], optimum): distance[1:],
    }


def _head(name: str, note: str) -> str:
    return f"{name}<br>{small(note or ' ')}"


def _add_pictures(figure: go.Figure, pictures: Sequence[Any], row: int) -> None:
    stacks = [np.asarray(p, dtype=float).transpose(0, 2, 3, 1) for p in pictures]
    stacks = [s if s.shape[-1] == 3 else s[..., 0] for s in stacks]
    sheet = image_grid({"original": stacks[0], "reconstruction": stacks[1]}, side=80)
    figure.add_trace(sheet.data[0], row=row, col=1)
    figure.update_xaxes(
        type="linear", range=sheet.layout.xaxis.range, visible=False, constrain="domain", row=row
    )
    figure.update_yaxes(
        range=sheet.layout.yaxis.range, visible=False, constrain="domain", rangemode="normal",
        scaleanchor="x7", row=row,
    )  # fmt: skip
    figure.add_annotation(
        text="original above, reconstruction below", xref="x7 domain", yref="y7 domain", x=0.5, y=0,
        xanchor="center", yanchor="top", showarrow=False, font={"size": SMALL}, yshift=-4,
    )  # fmt: skip


def _short(step: float) -> str:
    return "0" if step < 1 else f"{step / 1000:.0f}k" if step >= 1000 else f"{step:.0f}"
