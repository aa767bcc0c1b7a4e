"""Curves over time: one colour a method, a mean and the spread of its seeds, names at the ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import plotly.graph_objects as go

from vqlab.plots.axes import dress, is_geometric, log_steps, name_ends, value_range
from vqlab.plots.inputs import QUANTITIES, Array, group_runs, quantity
from vqlab.plots.theme import SYMBOLS, TARGET, Style, styles

Spread = Literal["range", "quartiles", "std"]
SPREADS = {
    "range": "band: lowest to highest seed",
    "quartiles": "band: middle half of the seeds",
    "std": "band: ± one standard deviation",
}


def band(values: Array, spread: Spread = "range") -> tuple[Array, Array, Array]:
    """Mean and spread over seeds; a NaN leaves its seed out at that place.

    Args:
        values: (S, T), a row for each seed.
        spread: ``range``, ``quartiles`` or ``std``.

    Returns:
        mean, low and high, each (T,); NaN where no seed has a value.

    Raises:
        ValueError: unknown spread, or values that are not (S, T).
    """
    if spread not in SPREADS:
        raise ValueError(f"unknown spread {spread!r}: expected one of {', '.join(SPREADS)}")
    table = np.asarray(values, dtype=float)
    if table.ndim != 2 or not len(table):
        raise ValueError(f"values: expected (seeds, frames), got shape {table.shape}")
    out = np.full((3, table.shape[1]), np.nan)
    some = np.isfinite(table).any(axis=0)
    seen = table[:, some]
    out[0, some] = np.nanmean(seen, axis=0)
    if spread == "std":
        width = np.nanstd(seen, axis=0)
        out[1, some], out[2, some] = out[0, some] - width, out[0, some] + width
    else:
        ends = (0, 100) if spread == "range" else (25, 75)
        out[1:, some] = np.nanpercentile(seen, ends, axis=0)
    return out[0], out[1], out[2]


def curves(
    x: Mapping[str, Array],
    y: Mapping[str, Array],
    *,
    x_title: str = "training step",
    y_title: str = "",
    title: str | None = None,
    log_x: bool | None = None,
    log_y: bool = False,
    y_range: Sequence[float] | None = None,
    spread: Spread = "range",
    reference: tuple[str, float] | None = None,
    colors: dict[str, str] | None = None,
    each: str = "seeds",
) -> go.Figure:
    """Curves with the mean and the spread of their seeds, named at their right ends.

    Args:
        x: label -> (T,).
        y: label -> (T,), or (S, T) with a row for each seed.
        x_title, y_title, title: words.
        log_x: logarithmic steps; None decides by whether x is spaced geometrically. Step 0 then
            stands left of step 1 and keeps its label 0.
        log_y: logarithmic values.
        y_range: lowest and highest value in view; None fits the bands.
        spread: what the band is; the figure says so.
        reference: (name, value) of a black dashed line, such as an optimum.
        colors: colours for labels that belong to no method.
        each: what a row of y is, in the plural: seeds, deaths, codes.

    Returns:
        The figure.

    Raises:
        ValueError: labels of x and y differ, shapes do not fit, nothing to draw, or a value <= 0 on
            a logarithmic axis.
    """
    if not y or set(x) != set(y):
        raise ValueError(f"x and y need the same labels, got {sorted(x)} and {sorted(y)}")
    lines = {label: np.atleast_2d(np.asarray(y[label], dtype=float)) for label in y}
    steps = {label: np.asarray(x[label], dtype=float) for label in y}
    for label, line in lines.items():
        if steps[label].shape != line.shape[1:]:
            raise ValueError(f"{label}: x has shape {steps[label].shape}, y {line.shape}")
        if log_y and np.nanmin(line) <= 0:
            raise ValueError(f"{label}: {np.nanmin(line):.3g} cannot stand on a logarithmic axis")
    geometric = is_geometric(next(iter(steps.values()))) if log_x is None else log_x
    looks = styles(lines, colors)
    figure = go.Figure()
    ends: dict[str, tuple[float, float]] = {}
    lowest, highest = np.inf, -np.inf
    seeds = max(map(len, lines.values()))
    for label, line in lines.items():
        at = np.where(steps[label] > 0, steps[label], 0.5) if geometric else steps[label]
        mean, low, high = band(line, spread)
        for trace in _traces(label, at, mean, low, high, looks[label], len(line)):
            figure.add_trace(trace)
        last = np.flatnonzero(np.isfinite(mean))
        if not len(last):
            raise ValueError(f"{label}: every value is NaN")
        ends[label] = (at[last[-1]], mean[last[-1]])
        lowest, highest = min(lowest, np.nanmin(low)), max(highest, np.nanmax(high))
    if reference is not None:
        figure.add_hline(reference[1], line={"color": TARGET, "width": 2, "dash": "dash"})
        lowest, highest = min(lowest, reference[1]), max(highest, reference[1])
    bottom, top = value_range(lowest, highest, log_y) if y_range is None else y_range
    words = SPREADS[spread].replace("seeds", each).replace("seed", each.rstrip("s"))
    note = f"{words}, line: mean of {seeds}" if seeds > 1 else ""
    dress(figure, (bottom, top), log_y, note, title, x_title, y_title)
    name_ends(figure, ends, looks, (bottom, top), log_y, reference)
    if geometric:
        return log_steps(figure, list(steps.values()))
    first, last = min(s.min() for s in steps.values()), max(s.max() for s in steps.values())
    return figure.update_xaxes(range=[first, last + 0.005 * (last - first)])


def usage_curves(runs: Any, **options: Any) -> go.Figure:
    """Share of the codes in use over time, a curve for each method.

    Args:
        runs: runs (several seeds of a method share a curve), or a mapping from label to runs.
        **options: of ``curves``.

    Returns:
        The figure, from 0 % to 100 %.
    """
    figure = run_curves(runs, "utilization", **{"y_range": (-0.02, 1.04), **options})
    return figure.update_yaxes(tickformat=".0%", dtick=0.25)


def run_curves(runs: Any, y: str | Callable[[Any], Array], **options: Any) -> go.Figure:
    """Any quantity of runs over time.

    Args:
        runs: runs (several seeds of a method share a curve), or a mapping from label to runs.
        y: ``utilization``, ``perplexity``, ``distortion``, ``excess`` (over the optimum), ``lag``,
            ``drift``, the name of a term of the run, or a function Run -> (T,).
        **options: of ``curves``.

    Returns:
        The figure.

    Raises:
        ValueError: unknown quantity; seeds of one label recorded at different steps.
        TypeError: something that is not a run.
    """
    groups = group_runs(runs)
    x, values = {}, {}
    for label, members in groups.items():
        x[label] = np.asarray(members[0].steps)
        for run in members[1:]:
            if not np.array_equal(run.steps, x[label]):
                raise ValueError(f"{label}: the seeds were recorded at different steps")
        values[label] = np.stack([quantity(run, y) for run in members])
    name = y if isinstance(y, str) else getattr(y, "__name__", "value").strip("<>")
    words = {"y_title": QUANTITIES.get(name, name.replace("_", " "))}
    if y == "excess":
        words["reference"] = ("k-means", 1.0)
    return curves(x, values, **{**words, **options})


def _traces(
    label: str, x: Array, mean: Array, low: Array, high: Array, look: Style, seeds: int
) -> list[go.Scatter]:
    """The band as one closed outline, and the mean with marks that survive a grey copy."""
    fine = np.isfinite(mean)
    out = []
    if seeds > 1:
        around = np.concatenate([high[fine], low[fine][::-1]])
        out.append(
            go.Scatter(
                x=np.float32(np.concatenate([x[fine], x[fine][::-1]])), y=np.float32(around),
                fill="toself", fillcolor=look.color, opacity=0.18, line={"width": 0},
                hoverinfo="skip", showlegend=False, name=label, mode="lines",
            )
        )  # fmt: skip
    line = {"color": look.color, "width": 3, "dash": look.dash}
    said = f"{label}<br>step %{{x:.0f}}: %{{y:.3g}}<extra></extra>"
    out.append(
        go.Scatter(
            x=np.float32(x), y=np.float32(mean), mode="lines", line=line, name=label,
            showlegend=False, hovertemplate=said,
        )
    )  # fmt: skip
    there = np.flatnonzero(fine)
    end = there[-1:]
    if look.dash != "solid":
        # Forms of one method often end at one place: marks on the way tell which line is which.
        way = np.linspace(0, len(there) - 1, 6 + SYMBOLS.index(look.symbol)).round().astype(int)
        end = there[way[1:]]
    mark = {"color": look.color, "symbol": look.symbol, "size": 11}
    out.append(
        go.Scatter(
            x=x[end], y=mean[end], mode="markers", marker=mark, name=label, hoverinfo="skip",
            showlegend=False, cliponaxis=False,
        )
    )  # fmt: skip
    return out
