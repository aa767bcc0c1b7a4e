"""Lives and deaths of codes: how many are left, and when each one went."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from vqlab.plots.axes import dress, is_geometric, log_steps, name_ends
from vqlab.plots.inputs import Array, check_run
from vqlab.plots.theme import DEAD, METHOD_COLORS, OTHERS, WIDTH, styles

if TYPE_CHECKING:
    from vqlab.drift.run import Run
    from vqlab.measure.survival import Survival


def survival_curves(
    curves: Mapping[str, Survival],
    *,
    until: float | None = None,
    title: str | None = None,
    log_x: bool = False,
) -> go.Figure:
    """Kaplan-Meier steps with their confidence bands, named at their right ends.

    Args:
        curves: label -> estimate, as ``vqlab.measure.survival`` gives it. Where its band is
            undefined (NaN), none is drawn.
        until: last step of the axis; None is the latest time of any curve.
        title: title of the figure.
        log_x: logarithmic steps.

    Returns:
        The figure, from 0 % to 100 %.

    Raises:
        ValueError: no curve, arrays of different length, or values outside [0, 1].
    """
    if not curves:
        raise ValueError("expected at least one survival curve, got none")
    looks = styles(curves)
    figure = go.Figure()
    last = float(until or max(np.max(curve.time) for curve in curves.values()))
    ends = {}
    for label, curve in curves.items():
        time, share, low, high = _checked(label, curve)
        start = 0.5 if log_x else 0.0
        inside = time <= last
        x = np.append(np.maximum(time[inside], start), last)
        line, low, high = (np.append(v[inside], v[inside][-1]) for v in (share, low, high))
        look = looks[label]
        known = np.isfinite(low) & np.isfinite(high)
        if known.any():
            steps = _stairs(x[known], low[known], high[known])
            figure.add_scatter(
                x=np.float32(steps[0]), y=np.float32(steps[1]), fill="toself", mode="lines",
                fillcolor=look.color, opacity=0.18, line={"width": 0}, hoverinfo="skip",
                showlegend=False, name=label,
            )  # fmt: skip
        figure.add_scatter(
            x=np.float32(x), y=np.float32(line), mode="lines", name=label, showlegend=False,
            line={"color": look.color, "width": 3, "dash": look.dash, "shape": "hv"},
            hovertemplate=f"{label}<br>step %{{x:.0f}}: %{{y:.0%}} alive<extra></extra>",
        )  # fmt: skip
        ends[label] = (last, float(line[-1]))
    bounds = (-0.02, 1.04)
    note = f"band: {next(iter(curves.values())).confidence:.0%} confidence"
    dress(figure, bounds, False, note, title, "steps lived", "codes alive")
    name_ends(figure, ends, looks, bounds, False, None)
    figure.update_yaxes(tickformat=".0%", dtick=0.25)
    if log_x:
        return log_steps(figure, [np.array([0.0, last])])
    return figure.update_xaxes(range=[0, last])


def _checked(label: str, curve: Survival) -> list[Array]:
    """time, share, low and high of one curve, each (n,)."""
    arrays = [np.asarray(getattr(curve, n), dtype=float) for n in ("time", "share", "low", "high")]
    time, *values = arrays
    for array in values:
        if time.ndim != 1 or not len(time) or array.shape != time.shape:
            raise ValueError(f"{label}: expected (n,) arrays, got {time.shape} and {array.shape}")
        known = array[~np.isnan(array)]  # without a death the whole band is undefined
        if known.size and not (known.min() >= 0 and known.max() <= 1):
            raise ValueError(
                f"{label}: survival lies in [0, 1], got {known.min():.3g} to {known.max():.3g}"
            )
    return arrays


def _stairs(x: Array, low: Array, high: Array) -> tuple[Array, Array]:
    """Outline of a band whose two edges are right-continuous steps."""
    along = np.repeat(x, 2)[1:]
    up, down = np.repeat(high, 2)[:-1], np.repeat(low, 2)[:-1]
    return np.concatenate([along, along[::-1]]), np.concatenate([up, down[::-1]])


def lifelines(run: Run, *, title: str | None = None, log_x: bool | None = None) -> go.Figure:
    """One row for each code: coloured while its cell holds latents, grey from its last emptying on.

    A code can come back: a thin grey line marks an empty cell that fills again. Rows are sorted by
    the step of death, so that the outline on the right is a survival curve.

    Args:
        run: the run.
        title: title of the figure.
        log_x: logarithmic steps; None decides by how the run was recorded.

    Returns:
        The figure.

    Raises:
        TypeError: something that is not a run.
    """
    check_run(run)
    alive = np.asarray(run.counts) > 0
    steps = np.asarray(run.steps, dtype=float)
    geometric = is_geometric(steps) if log_x is None else log_x
    at = np.where(steps > 0, steps, 0.5) if geometric else steps
    frames, codes = alive.shape
    last = np.where(alive.any(0), frames - 1 - alive[::-1].argmax(0), -1)
    order = np.argsort(-last, kind="stable")
    rows: dict[str, list[float]] = {
        "x": [],
        "y": [],
        "dead_x": [],
        "dead_y": [],
        "end_x": [],
        "end_y": [],
    }
    for row, code in enumerate(order):
        edges = np.flatnonzero(np.diff(alive[:, code].astype(int), prepend=0, append=0))
        # A cell that was full in a frame counts as full until the next frame.
        for begin, end in zip(edges[::2], edges[1::2], strict=True):
            rows["x"] += [at[begin], at[min(end, frames - 1)], np.nan]
            rows["y"] += [row, row, np.nan]
        if last[code] < frames - 1:
            death = at[min(last[code] + 1, frames - 1)]
            rows["dead_x"] += [at[max(edges[0], 0)] if len(edges) else at[0], at[-1], np.nan]
            rows["dead_y"] += [row, row, np.nan]
            rows["end_x"].append(death)
            rows["end_y"].append(row)
        else:
            rows["dead_x"] += [at[edges[0]], at[-1], np.nan]
            rows["dead_y"] += [row, row, np.nan]
    flat = {key: np.array(value, dtype=np.float32) for key, value in rows.items()}
    color = METHOD_COLORS.get(run.method, OTHERS[0])
    height = int(np.clip(14 * codes, 260, 640))
    width = float(np.clip(0.62 * height / codes, 1, 9))
    figure = go.Figure()
    figure.add_scatter(
        x=flat["dead_x"], y=flat["dead_y"], mode="lines", line={"color": "#C9CDD2", "width": 1.2},
        hoverinfo="skip", showlegend=False,
    )  # fmt: skip
    figure.add_scatter(
        x=flat["x"], y=flat["y"], mode="lines", line={"color": color, "width": width},
        hoverinfo="skip", showlegend=False,
    )  # fmt: skip
    figure.add_scatter(
        x=flat["end_x"], y=flat["end_y"], mode="markers", showlegend=False,
        marker={**DEAD, "size": min(9.0, width + 3), "line": {"width": 1.8}},
        hovertemplate="died at step %{x:.0f}<extra></extra>",
    )  # fmt: skip
    gone = int((last < frames - 1).sum())
    figure.update_layout(
        width=WIDTH, height=height + 150,
        title={"text": title or f"{run.method}: {gone} of {codes} codes die"},
        xaxis={"title": {"text": "training step"}, "showgrid": False},
        yaxis={"title": {"text": "codes, by step of death"}, "range": [-0.8, codes - 0.2],
               "showticklabels": False, "ticks": "", "showgrid": False},
    )  # fmt: skip
    if geometric:
        return log_steps(figure, [steps])
    return figure.update_xaxes(range=[0, steps[-1] * 1.01])
