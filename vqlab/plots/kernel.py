"""A neighbourhood in the plane: how hard a latent pulls at every place, and at every code."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from vqlab.plots.animate import add_controls
from vqlab.plots.inputs import Array, check_points
from vqlab.plots.theme import METHOD_COLORS, SIZE, SMALL, TARGET

Weights = Callable[[Array, float], Array]
FLOOR = (
    1e-4  # a weight below moves nothing that could be seen; it stands on the floor of the figure
)


def gaussian_field(squared: Array, bandwidth: float) -> Array:
    """exp(-d^2 / tau), the shape that all forms of the rule share, of squared distances d^2."""
    return np.exp(-squared / bandwidth)


def kernel_field(
    codes: Any,
    latent: Any,
    bandwidths: float | Sequence[float],
    weights: Weights = gaussian_field,
    *,
    field: Weights | None = gaussian_field,
    extent: float | None = None,
    show: int = 0,
    resolution: int = 61,
    title: str | None = None,
) -> go.Figure:
    """The pull of one latent: the kernel as a field in the plane, the weight of each code as a bar.

    Args:
        codes: (K, 2).
        latent: (2,) the latent that pulls; its nearest code is the winner.
        bandwidths: tau > 0; several give a slider that needs no kernel.
        weights: (squared distances (K,), tau) -> (K,) weights of the codes, as the rule under study
            gives them (normalized or not, the winner included).
        field: (squared distances (P,), tau) -> (P,) what the background shows; None leaves it
            white. A rule normalized over the codes is no function of the place alone, hence the
            second one.
        extent: half the side of the square around the latent; None fits the codes.
        show: index of the bandwidth that is shown first.
        resolution: cells of the background along each side.
        title: title of the figure.

    Returns:
        The figure: the plane left, weights of the codes by distance right, axes fixed over all
            bandwidths.

    Raises:
        ValueError: codes that are not (K, 2), a latent that is not (2,), a bandwidth <= 0, or
            weights that are not (K,), finite and >= 0.
    """
    places = check_points("codes", codes, 2)
    centre = check_points("latent", np.atleast_2d(latent), 2)[0]
    taus = [float(tau) for tau in np.atleast_1d(bandwidths)]
    if not taus or not all(np.isfinite(tau) and tau > 0 for tau in taus):
        raise ValueError(f"bandwidths: expected positive numbers, got {bandwidths}")
    if not -len(taus) <= show < len(taus):
        raise ValueError(f"show: expected an index below {len(taus)}, got {show}")
    squared = ((places - centre) ** 2).sum(axis=1)
    half = extent or 1.08 * float(np.abs(places - centre).max())
    axis = np.linspace(-half, half, resolution)
    around = axis[:, None] ** 2 + axis[None, :] ** 2
    states = []
    for tau in taus:
        weight = np.asarray(weights(squared, tau), dtype=float)
        if weight.shape != squared.shape or not np.isfinite(weight).all() or weight.min() < 0:
            raise ValueError(f"weights: expected {squared.shape} finite numbers >= 0, got {weight}")
        ground = None if field is None else np.asarray(field(around.ravel(), tau), dtype=float)
        states.append(_state(squared, weight, ground, resolution, tau))
    top = max(float(np.max(state[2]["y"])) for state in states)
    figure = _draw(states[show], places, centre, axis, top, title)
    if len(taus) > 1:
        names = [f"{tau:.3g}" for tau in taus]
        kinds = (go.Heatmap, go.Scatter, go.Scatter, go.Scatter)
        figure.frames = [
            go.Frame(
                name=name, traces=[0, 1, 2, 3],
                data=[kind(data) for kind, data in zip(kinds, state, strict=True)],
            )
            for name, state in zip(names, states, strict=True)
        ]  # fmt: skip
        add_controls(figure, names, show % len(taus), "bandwidth τ = ")
    return figure


def brief(figure: go.Figure) -> go.Figure:
    """Fewer words, for small panels."""
    figure.update_layout(xaxis2_title_text="distance from the latent")
    figure.update_layout(yaxis2_ticktext=["0.0001", *figure.layout.yaxis2.ticktext[1:]])
    for trace in figure.data:
        if trace.text:
            said = trace.text[0].replace("the other codes", "others").replace(" of the pull", "")
            trace.text = [said]
    return figure


def stacked(figure: go.Figure) -> go.Figure:
    """The same panels one under the other, for a narrow window."""
    side, gap, top = 340, 110, figure.layout.margin.t + 20
    inner = 2 * side + gap
    return brief(figure).update_layout(
        width=side + 90, height=inner + top + 58, margin={"t": top, "l": 84, "r": 12},
        xaxis_domain=[0, 1], yaxis_domain=[1 - side / inner, 1],
        xaxis2_domain=[0, 1], yaxis2_domain=[0, side / inner],
    ).update_annotations(text="area of a disc: weight of the code", yshift=6)  # fmt: skip


def _state(
    squared: Array, weight: Array, ground: Array | None, side: int, tau: float
) -> list[dict[str, Any]]:
    """Data of field, codes, weights and heading for one bandwidth."""
    order = np.argsort(squared, kind="stable")
    total = weight.sum()
    share = 1 - weight[order[0]] / total if total else 0.0
    # One byte a cell: the eye does not tell 256 shades apart.
    field = np.zeros((side, side)) if ground is None else ground.reshape(side, side)
    shades = np.uint8(np.round(255 * field / max(field.max(), 1e-300)))
    size = 5 + 25 * np.sqrt(weight / max(weight.max(), 1e-300))
    return [
        {"z": shades},
        {"marker": {"size": np.float32(size)}},
        {
            "x": np.float32(np.sqrt(squared[order])),
            "y": np.float32(np.maximum(weight[order], FLOOR)),
        },
        {"text": [f"τ = {tau:.3g}: the other codes get {share:.0%} of the pull"]},
    ]


def _draw(
    state: list[dict[str, Any]],
    codes: Array,
    centre: Array,
    axis: Array,
    top: float,
    title: str | None,
) -> go.Figure:
    """Both panels at one bandwidth, ranges fixed for all of them."""
    figure = go.Figure()
    color = METHOD_COLORS["nsvq"]
    side, gap, half = 340, 90, float(axis[-1])
    inner = 2 * side + gap
    figure.add_heatmap(
        x=np.float32(axis + centre[0]), y=np.float32(axis + centre[1]), **state[0],
        colorscale=[[0, "white"], [1, "#8C99A6"]], zmin=0, zmax=255, zsmooth="best",
        showscale=False, hoverinfo="skip",
    )  # fmt: skip
    looks = {"color": color, "opacity": 0.9, "line": {"color": "white", "width": 1}}
    figure.add_scatter(
        x=np.float32(codes[:, 0]), y=np.float32(codes[:, 1]), mode="markers", showlegend=False,
        marker={**looks, **state[1]["marker"]}, hovertemplate="code %{pointNumber}<extra></extra>",
    )  # fmt: skip
    figure.add_scatter(
        **state[2], mode="markers", marker={"color": color, "size": 10}, xaxis="x2", yaxis="y2",
        showlegend=False, hovertemplate="distance %{x:.3g}: weight %{y:.3g}<extra></extra>",
    )  # fmt: skip
    reach = float(np.sqrt(((codes - centre) ** 2).sum(axis=1)).max()) * 1.04
    figure.add_scatter(
        x=[0], y=[2 * top], **state[3], mode="markers+text", marker={"size": 7, "opacity": 0},
        textposition="top right", textfont={"size": SIZE}, cliponaxis=False, xaxis="x2", yaxis="y2",
        showlegend=False, hoverinfo="skip",
    )  # fmt: skip
    figure.add_scatter(
        x=centre[:1], y=centre[1:], mode="markers", showlegend=False, hoverinfo="skip",
        marker={"symbol": "x-thin", "size": 14, "line": {"color": TARGET, "width": 3}},
        meta={"drag": "latent"},
    )  # fmt: skip
    figure.add_annotation(
        text="cross: the latent; disc: a code, its area the weight; grey: the kernel",
        xref="paper", yref="paper", x=0, y=1, xanchor="left", yanchor="bottom", showarrow=False,
        font={"size": SMALL}, yshift=6,
    )  # fmt: skip
    top_margin = 50 + 34 * bool(title)
    return figure.update_layout(
        width=inner + 66 + 24, height=side + top_margin + 58, title=title or "",
        margin={"l": 66, "r": 24, "t": top_margin, "b": 58},
        xaxis={"domain": [0, side / inner], "range": [centre[0] - half, centre[0] + half],
               "showgrid": False, "title": {"text": "z<sub>1</sub>"}},
        yaxis={"range": [centre[1] - half, centre[1] + half], "showgrid": False,
               "title": {"text": "z<sub>2</sub>"}, "automargin": False},
        xaxis2={"domain": [1 - side / inner, 1], "anchor": "y2", "range": [0, reach],
                "title": {"text": "distance of the code from the latent"}},
        yaxis2={"anchor": "x2", "type": "log", "title": {"text": "weight"},
                "tickvals": [1e-4, 1e-3, 0.01, 0.1, 1],
                "ticktext": ["≤ 0.0001", "0.001", "0.01", "0.1", "1"],
                "range": np.log10([FLOOR / 1.5, 2 * top]).tolist()},
    )  # fmt: skip
