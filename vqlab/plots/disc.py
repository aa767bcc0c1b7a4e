"""The hyperbolic plane as a disc: a tree's edges as geodesics, and who owns which part of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import plotly.graph_objects as go
import torch

from ..quantizers.poincare import add, exp0, log0
from .inputs import Array, check_points
from .theme import DEAD, INK, MARKS, SIZE, WIDTH, Style, styles, swatch

# Light, and apart for the common kinds of colour blindness; borders are drawn besides.
TINTS = ("#FFFFFF", "#E3EEF7", "#FCEBD5", "#DFF0E8", "#F5E6EE", "#EDEDED", "#FBF7D0")
BORDER = "#8C98A4"
GAP, UNDER = 24, 44  # pixels between panels
POINT = "#5B6670"

Choice = Callable[[Array], Any]


def disc(
    choices: Mapping[str, Choice | None],
    *,
    codes: Mapping[str, Any] | None = None,
    counts: Mapping[str, Any] | None = None,
    points: Any = None,
    edges: Any = None,
    centers: Mapping[str, Any] | None = None,
    curvature: float = 1.0,
    resolution: int = 220,
    columns: int = 3,
    colors: dict[str, str] | None = None,
    title: str | None = None,
) -> go.Figure:
    r"""A panel for each label: the Poincare ball with its rim, and the cells of a quantizer in it.

    A place x of the plane is drawn at sqrt(c) exp_0(x), so that the rim is the unit circle. Any
    rule of choice can be shown: each pixel's place is given to it. A panel can be moved, without a
    change of any distance, so that another place comes to its middle; where much happens at the
    rim, that is the way to look closer.

    Args:
        choices: label -> function from places (N, 2) in the plane to indices (N,); None draws no
            cells.
        codes: label -> (K, 2) in the plane.
        counts: label -> (K,), latents of each code; those with none are hollow and grey.
        points: (N, 2) in the plane, drawn small in every panel.
        edges: (E, 2, 2) in the plane, start and end of each; drawn as geodesics.
        centers: label -> (2,), place of the plane in the middle of that panel; else the origin.
        curvature: c > 0 of the disc, -c being its curvature.
        resolution: pixels along a panel's side.
        columns: panels in a row.
        colors: for labels that belong to no method.
        title: title of the figure.

    Returns:
        The figure.

    Raises:
        ValueError: no panel, a curvature that is not > 0, a label that has no panel, counts
            without codes, or arrays whose shapes do not fit.
    """
    labels = [str(label) for label in choices]
    if not labels:
        raise ValueError("expected at least one panel, got none")
    if not (np.isfinite(curvature) and curvature > 0):
        raise ValueError(f"curvature must be a finite number > 0, got {curvature}")
    for name, given in (("codes", codes), ("counts", counts), ("centers", centers)):
        if unknown := sorted(set(given or {}) - set(labels)):
            raise ValueError(
                f"{name} of {', '.join(unknown)}, but the panels are {', '.join(labels)}"
            )
    held = {label: check_points(label, c, 2) for label, c in (codes or {}).items()}
    live = {label: np.ones(len(c), dtype=bool) for label, c in held.items()}
    for label, count in (counts or {}).items():
        if np.shape(count) != np.shape(held.get(label, ()))[:1]:
            raise ValueError(f"{label}: counts of {np.shape(count)} for its codes")
        live[label] = np.asarray(count) > 0
    middles = {label: check_points("center", [p], 2) for label, p in (centers or {}).items()}
    seen = None if points is None else check_points("points", points, 2)
    ends = None if edges is None else _edges(edges)
    columns = min(columns, len(labels))
    rows = -(-len(labels) // columns)
    side = min(420, (WIDTH - 40 - GAP * (columns - 1)) // columns)
    inner = columns * side + (columns - 1) * GAP, rows * side + (rows - 1) * UNDER
    looks = styles(labels, colors)
    figure = go.Figure()
    for i, (label, choose) in enumerate(zip(labels, choices.values(), strict=True)):
        row, column = divmod(i, columns)
        end = "" if i == 0 else str(i + 1)
        axes = {"xaxis": f"x{end}", "yaxis": f"y{end}", "showlegend": False, "hoverinfo": "skip"}
        center = middles.get(label)
        if choose is not None:
            owners = cells_of(choose, curvature, resolution, center)
            middle = pixels(resolution)
            figure.add_heatmap(
                z=painted(owners), x0=middle[0], dx=middle[1] - middle[0], y0=middle[0],
                dy=middle[1] - middle[0], zmin=0, zmax=len(TINTS), colorscale=_steps(),
                showscale=False, hoverinfo="skip", xaxis=f"x{end}", yaxis=f"y{end}",
            )  # fmt: skip
        turn = np.linspace(0, 2 * np.pi, 181)
        shown: list[tuple[Array, dict[str, Any]]] = [
            (np.stack([np.cos(turn), np.sin(turn)], 1), {"color": INK, "width": 1.6})
        ]
        if ends is not None:
            shown.append((_ways(ends, curvature, center), {"color": POINT, "width": 1.0}))
        for path, line in shown:
            figure.add_scatter(x=np.float32(path[:, 0]), y=np.float32(path[:, 1]), mode="lines",
                               line=line, **axes)  # fmt: skip
        if seen is not None:
            at = to_disc(seen, curvature, center)
            figure.add_scatter(x=np.float32(at[:, 0]), y=np.float32(at[:, 1]), mode="markers",
                               marker={"color": POINT, "size": 3.5}, **axes)  # fmt: skip
        if label in held:
            at, used = to_disc(held[label], curvature, center), live[label]
            full = {"color": looks[label].color, "size": 9, "symbol": looks[label].symbol,
                    "line": {"width": 1.2, "color": "white"}}  # fmt: skip
            grey = {**DEAD, "size": 8, "line": {"width": 2, "color": DEAD["color"]}}
            for which, marker in ((~used, grey), (used, full)):
                figure.add_scatter(x=np.float32(at[which, 0]), y=np.float32(at[which, 1]),
                                   mode="markers", marker=marker, **axes)  # fmt: skip
        left, above = column * (side + GAP), row * (side + UNDER)
        plain = {"visible": False, "range": [-1.03, 1.03]}
        figure.update_layout({
            f"xaxis{end}": {"domain": [left / inner[0], (left + side) / inner[0]],
                            "anchor": f"y{end}", **plain},
            f"yaxis{end}": {"domain": [1 - (above + side) / inner[1], 1 - above / inner[1]],
                            "anchor": f"x{end}", **plain},
        })  # fmt: skip
        heading = _heading(label, looks[label] if label in held else None)
        figure.add_annotation(
            text=heading, xref="paper", yref="paper",
            x=(left + side / 2) / inner[0], y=1 - above / inner[1], xanchor="center",
            yanchor="bottom", showarrow=False, font={"size": SIZE}, yshift=4,
        )  # fmt: skip
    top = 40 + 34 * bool(title)
    return figure.update_layout(
        width=inner[0] + 40, height=inner[1] + top + 16, title=title or "",
        margin={"l": 20, "r": 20, "t": top, "b": 16},
    )  # fmt: skip


def to_disc(places: Array, curvature: float = 1.0, center: Any = None) -> Array:
    """Places (N, 2) of the plane in the unit disc: sqrt(c) exp_0(x), with ``center`` moved to 0."""
    root = curvature**0.5
    inside = exp0(torch.from_numpy(root * np.asarray(places, dtype=float)))
    if center is not None:
        inside = add(-exp0(_place(center, curvature)), inside)
    return np.asarray(inside.numpy())


def _place(center: Any, curvature: float) -> torch.Tensor:
    return torch.from_numpy(curvature**0.5 * np.asarray(center, dtype=float).reshape(1, 2))


def pixels(resolution: int) -> Array:
    """Middles of the pixels along one side of the square around the disc, (resolution,)."""
    return (2 * np.arange(resolution) + 1.0) / resolution - 1


def cells_of(choose: Choice, curvature: float, resolution: int, center: Any = None) -> Array:
    """The index chosen at each pixel, (resolution, resolution) int64, -1 outside the disc.

    Raises:
        ValueError: the rule gives another number of indices than it was given places.
    """
    along = pixels(resolution)
    grid = np.stack(np.meshgrid(along, along), axis=-1).reshape(-1, 2)
    inside = (grid**2).sum(1) < 1
    drawn = torch.from_numpy(grid[inside])
    if center is not None:
        drawn = add(exp0(_place(center, curvature)), drawn)
    places = log0(drawn).numpy() / curvature**0.5
    chosen = np.asarray(choose(places))
    if chosen.shape != (len(places),):
        raise ValueError(f"expected an index for each of {len(places)} places, got {chosen.shape}")
    owners = np.full(len(grid), -1, dtype=np.int64)
    owners[inside] = chosen
    return owners.reshape(resolution, resolution)


def painted(owners: Array) -> Array:
    """Pixels as numbers of colours: 0 outside, then tints that differ between neighbours, uint8.

    The last number is the border: pixels whose right or upper neighbour belongs to another cell.
    """
    aside = np.stack([owners[:, :-1].ravel(), owners[:, 1:].ravel()], 1)
    below = np.stack([owners[:-1].ravel(), owners[1:].ravel()], 1)
    pairs = np.concatenate([aside, below])
    pairs = pairs[(pairs[:, 0] != pairs[:, 1]) & (pairs >= 0).all(1)]
    near: dict[int, set[int]] = {int(k): set() for k in np.unique(owners[owners >= 0])}
    for one, other in np.unique(pairs, axis=0).tolist():
        near[one].add(other)
        near[other].add(one)
    tint: dict[int, int] = {}
    for cell in sorted(near, key=lambda k: (-len(near[k]), k)):
        taken = {tint[k] for k in near[cell] if k in tint}
        free = [t for t in range(1, len(TINTS)) if t not in taken]
        # The tint used least of those that are free; where none is, the borders must do.
        uses = [list(tint.values()).count(t) for t in free]
        tint[cell] = free[int(np.argmin(uses))] if free else 1
    lookup = np.zeros(int(owners.max(initial=-1)) + 2, dtype=np.uint8)
    for cell, number in tint.items():
        lookup[cell] = number
    out = lookup[owners]  # -1, outside, is the last entry, which stays 0
    inside = owners >= 0
    for here, there in ((np.s_[:, :-1], np.s_[:, 1:]), (np.s_[:-1], np.s_[1:])):
        differs = (owners[here] != owners[there]) & inside[here] & inside[there]
        out[here] = np.where(differs, len(TINTS), out[here])
    return np.asarray(out)


def geodesic(start: Array, end: Array, count: int = 16) -> Array:
    """Points (E, count, 2) on the shortest ways between points (E, 2) of the unit disc, in turn."""
    x, y = (torch.from_numpy(np.asarray(p, dtype=float))[:, None] for p in (start, end))
    share = torch.linspace(0, 1, count, dtype=torch.float64)[:, None]
    return np.asarray(add(x, exp0(share * log0(add(-x, y)))).numpy())


def _edges(edges: Any) -> Array:
    ends = np.asarray(edges, dtype=float)
    if ends.ndim != 3 or ends.shape[1:] != (2, 2) or not np.isfinite(ends).all():
        raise ValueError(f"edges: expected finite numbers of shape (E, 2, 2), got {ends.shape}")
    return ends


def _ways(ends: Array, curvature: float, center: Any) -> Array:
    """All geodesics as one line that breaks at NaN."""
    start, end = (to_disc(ends[:, side], curvature, center) for side in (0, 1))
    ways = geodesic(start, end)
    gap = np.full((len(ways), 1, 2), np.nan)
    return np.concatenate([ways, gap], axis=1).reshape(-1, 2)


def _heading(label: str, look: Style | None) -> str:
    """The label, with the mark of its codes where codes are drawn."""
    words = f"<b>{label}</b>"
    return words if look is None else swatch(words, look.color, MARKS[look.symbol])


def _steps() -> list[tuple[float, str]]:
    """A colour scale with one flat step for each number that :func:`painted` gives."""
    all_ = (*TINTS, BORDER)
    # zmin..zmax = 0..len(TINTS): number k lies at k / len(TINTS).
    ends = [max(0.0, (k - 0.5) / len(TINTS)) for k in range(len(all_))] + [1.0]
    return [pair for k, tint in enumerate(all_) for pair in ((ends[k], tint), (ends[k + 1], tint))]
