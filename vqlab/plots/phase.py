"""Two knobs, one outcome: a map of where codes live, with the derived border on it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import plotly.graph_objects as go

from vqlab.plots.axes import log_ticks
from vqlab.plots.inputs import Array
from vqlab.plots.theme import SIZE, SMALL

SCALE = "Cividis"  # ordered in lightness, and the same to all kinds of colour vision


def phase_diagram(
    x: Any,
    y: Any,
    value: Any,
    *,
    curve: tuple[Any, Any] | None = None,
    curve_name: str = "derived",
    boundary: float | None = None,
    x_title: str = "",
    y_title: str = "",
    value_title: str = "codes in use",
    value_range: tuple[float, float] = (0.0, 1.0),
    percent: bool = True,
    log_x: bool = True,
    log_y: bool = True,
    title: str | None = None,
) -> go.Figure:
    """A heat map over two parameters with a derived curve and the measured border laid over it.

    Args:
        x, y: (X,) and (Y,) rising parameter values, > 0 on a logarithmic axis.
        value: (Y, X), or (S, Y, X) with a leading axis of seeds that is averaged; NaN stays blank.
        curve: (xs, ys) of the derived border, in the units of the axes; parts outside are cut.
        curve_name: its name.
        boundary: value whose contour line is drawn: where the measured border runs.
        x_title, y_title, value_title, title: words.
        value_range: values of the two ends of the colour scale.
        percent: write values as percentages.
        log_x, log_y: logarithmic axes.

    Returns:
        The figure.

    Raises:
        ValueError: shapes that do not fit, parameters that do not rise, <= 0 on a logarithmic axis.
    """
    along, up = _rising("x", x, log_x), _rising("y", y, log_y)
    table = np.asarray(value, dtype=float)
    if table.ndim == 3:
        table = np.nanmean(table, axis=0)
    if table.shape != (len(up), len(along)):
        raise ValueError(f"value: expected shape {(len(up), len(along))} (y, x), got {table.shape}")
    form = ".0%" if percent else ".3g"
    figure = go.Figure(
        go.Heatmap(
            x=_edges(along, log_x), y=_edges(up, log_y), z=np.float32(table), zmin=value_range[0],
            zmax=value_range[1], colorscale=SCALE, xgap=1, ygap=1,
            hovertemplate=f"%{{z:{form}}}<extra></extra>",
            colorbar={
                "title": {"text": value_title, "side": "right", "font": {"size": SIZE}},
                "tickformat": form, "tickfont": {"size": SMALL}, "outlinewidth": 0, "thickness": 18,
            },
        )
    )  # fmt: skip
    if boundary is not None:
        _line(figure, *_contour(along, up, table, boundary, log_x, log_y), "solid", "measured")
    if curve is not None:
        xs, ys = (np.asarray(values, dtype=float) for values in curve)
        if xs.shape != ys.shape or xs.ndim != 1:
            raise ValueError(f"curve: expected two (P,) arrays, got {xs.shape} and {ys.shape}")
        _line(figure, xs, ys, "dash", curve_name)
    for name, values, log in (("xaxis", along, log_x), ("yaxis", up, log_y)):
        ends = _edges(values, log)[[0, -1]]
        figure.update_layout({name: {
            "type": "log" if log else "linear", "showgrid": False, "constrain": "domain",
            "range": (np.log10(ends) if log else ends).tolist(),
            **(_at_cells(values) or (log_ticks(ends) if log else {})),
        }})  # fmt: skip
    lines = (boundary is not None) + (curve is not None)
    return figure.update_layout(
        width=760, height=560, title=title or "", xaxis_title=x_title, yaxis_title=y_title,
        margin={"t": 30 + 34 * bool(title) + 24 * bool(lines), "r": 40},
        legend={"font": {"size": SIZE}, "itemwidth": 50},
    )  # fmt: skip


def phase_table(table: Any, x: str, y: str, value: str) -> tuple[Array, Array, Array]:
    """Columns of a tidy table (a row for each run) as x (X,), y (Y,) and the mean value (Y, X).

    Args:
        table: a pandas.DataFrame, such as ``sweep`` returns.
        x, y, value: names of its columns.

    Returns:
        Arguments for ``phase_diagram``; NaN where the grid has a hole.

    Raises:
        ValueError: a column that is not there.
    """
    missing = [name for name in (x, y, value) if name not in table]
    if missing:
        raise ValueError(f"no column {', '.join(missing)}: the table has {', '.join(table)}")
    grid = table.pivot_table(index=y, columns=x, values=value, aggfunc="mean")
    return grid.columns.to_numpy(float), grid.index.to_numpy(float), grid.to_numpy(float)


def _rising(name: str, values: Any, log: bool) -> Array:
    out = np.asarray(values, dtype=float)
    if out.ndim != 1 or len(out) < 2 or not (np.diff(out) > 0).all():
        raise ValueError(f"{name}: expected two or more rising values, got {out}")
    if log and out[0] <= 0:
        raise ValueError(f"{name}: {out[0]:.3g} cannot stand on a logarithmic axis")
    return out


def _edges(values: Array, log: bool) -> Array:
    """Borders of the cells around the values: half way, on the scale of the axis."""
    flat = np.log(values) if log else values
    inner = (flat[1:] + flat[:-1]) / 2
    out = np.concatenate([[2 * flat[0] - inner[0]], inner, [2 * flat[-1] - inner[-1]]])
    return np.exp(out) if log else out


def _at_cells(values: Array) -> dict[str, Any] | None:
    """Ticks at the measured values, where there are few enough to read."""
    if len(values) > 8:
        return None
    return {"tickvals": values.tolist(), "ticktext": [f"{value:.3g}" for value in values]}


def _line(figure: go.Figure, x: Array, y: Array, dash: str, name: str) -> None:
    """Black on a white halo: it stands out on every colour of the scale."""
    shared: Mapping[str, Any] = {"x": np.float32(x), "y": np.float32(y), "mode": "lines"}
    figure.add_scatter(
        **shared, line={"color": "white", "width": 7}, showlegend=False, hoverinfo="skip"
    )
    figure.add_scatter(**shared, line={"color": "black", "width": 3, "dash": dash}, name=name)


def _contour(
    x: Array, y: Array, table: Array, level: float, log_x: bool, log_y: bool
) -> tuple[Array, Array]:
    """Where each row crosses the level first, linear between two cells on the axis' scale."""
    flat = np.log(x) if log_x else x
    xs, ys = [], []
    for height, row in zip(y, table, strict=True):
        above = row - level
        known = np.isfinite(above[:-1]) & np.isfinite(above[1:])
        # A cell that is exactly at the level counts as beyond it, as in `measure.crossing`.
        for i in np.flatnonzero(known & ((above[:-1] > 0) != (above[1:] > 0)))[:1]:
            share = above[i] / (above[i] - above[i + 1])
            xs.append(flat[i] + share * (flat[i + 1] - flat[i]))
            ys.append(height)
    place = np.array(xs)
    return (np.exp(place) if log_x else place), np.array(ys)
