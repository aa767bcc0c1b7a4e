"""Everything about a run at one moment, on one screen: the plane, who is used, and four curves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from vqlab.plots.camera import camera
from vqlab.plots.inputs import Array, one_each, quantity
from vqlab.plots.panels import small
from vqlab.plots.scene import Scene
from vqlab.plots.sheet import Sheet
from vqlab.plots.theme import INK, TARGET, swatch

NARROW = 720  # pixels: below, the small panels stand under the plane
SLIM = 480  # and below this, one under the other


def microscope(
    runs: Any,
    *,
    width: int = 900,
    view: Literal["world", "lens"] = "world",
    title: str = "",
    optimum: Mapping[int, float] | None = None,
    groups: Array | None = None,
    drag: bool = False,
) -> Scene:
    """Clouds with trails and cells, usage, codes in use and perplexity, distortion, drift and lag.

    Args:
        runs: one run, or two or three recorded at the same steps, as a list or by label: then a
            plane for each on the same axes, and curves of all of them.
        width: pixels there are; below ``NARROW`` the panels stand one under the other.
        view: ``world``, fixed axes, or ``lens``, axes that travel with the cloud.
        title: of the figure.
        optimum: recorded step -> k-means' distortion there, drawn as crosses.
        groups: (M,) the cluster of each latent; a latent that is dragged takes its cluster along.
        drag: codes (and clusters) may be moved by hand.

    Returns:
        The film; ``.page()`` is a plotly figure.

    Raises:
        ValueError: more than three runs, different steps, D < 2, unknown view.
        TypeError: something that is not a run.
    """
    members = one_each(runs)
    first = next(iter(members.values()))
    if len(members) > 3:
        raise ValueError(f"expected at most three runs side by side, got {len(members)}")
    if view not in ("world", "lens"):
        raise ValueError(f"unknown view {view!r}: expected world or lens")
    for label, run in members.items():
        if not np.array_equal(run.steps, first.steps):
            raise ValueError(f"runs side by side need the same recorded steps: {label!r} differs")
    sheet = Sheet(members, camera(list(members.values())), view, drag, groups)
    if len(members) == 1:
        _one(sheet, width, title, optimum or {})
    else:
        _several(sheet, width, title, optimum or {})
    return Scene(sheet.data, sheet.layout, [str(int(step)) for step in first.steps])


def _one(sheet: Sheet, width: int, title: str, optimum: Mapping[int, float]) -> None:
    (label,) = sheet.members
    run, color = sheet.members[label], sheet.looks[label].color
    top = 34 + 36 * bool(title)
    if width >= NARROW:
        side, tall, gap = 440.0, 76.0, 45.0
        left, wide = side + 84, min(width, 1000) - 78 - side - 84.0
        sheet.size(left + wide, side, top)
        places = [(left, i * (tall + gap), wide, tall) for i in range(4)]
    else:
        side, tall, gap = float(min(440, width - 78)), 96.0, 44.0
        row = side + 90
        if width >= SLIM:
            wide, deep = (side - 70) / 2, 2
            spots = [(c * (wide + 70), r) for r in (0, 1) for c in (0, 1)]
        else:
            wide, deep = side, 4
            spots = [(0.0, r) for r in range(4)]
        places = [(x, row + r * (tall + gap), wide, tall) for x, r in spots]
        sheet.size(side, row + deep * (tall + gap) - gap + 4, top)
    sheet.cloud(label, (0, 0, side, side), narrow=side < 400)
    sheet.bars(label, places[0])
    used, even = run.utilization, run.perplexity / run.codes.shape[1]
    ink = "#6B7885"
    first = f"{swatch('in use', color, '━')}, {swatch('perplexity / K', ink, '┅')}"
    sheet.curve(places[1], first, [(used, color, "solid"), (even, ink, "dot")],
                percent=True, ends=(-0.02, 1.06))  # fmt: skip
    narrow = SLIM <= width < NARROW
    ground = swatch("k-means", TARGET, "×") if optimum else ""
    head = f"{swatch('distortion', color, '━')}{', ' + ground if ground else ''}"
    lines = [(run.distortion, color, "solid")]
    axes = sheet.curve(places[2], head, _with(lines, optimum), log=True, last=narrow)
    sheet.crosses(axes, optimum)
    lag = quantity(run, "lag")
    head = f"{swatch('lag', color, '━')}, {swatch('drift per step', ink, '┅')}"
    sheet.curve(places[3], head, [(lag, color, "solid"), (run.drift, ink, "dot")], log=True,
                last=True)  # fmt: skip
    _finish(sheet, title)


def _several(sheet: Sheet, width: int, title: str, optimum: Mapping[int, float]) -> None:
    count = len(sheet.members)
    width = max(min(width, 1000), 300)
    columns = count if width >= NARROW or (count == 2 and width >= SLIM) else 1
    gap, low = 62.0, 110.0
    space = width - 78.0
    side = min((space - gap * (columns - 1)) / columns, 350.0)
    rows = -(-count // columns)
    across = columns * side + gap * (columns - 1)
    three = width >= NARROW
    whole = across if three else space
    under = rows * (side + 88) + 6
    across_low = 3 if three else 2 if width >= SLIM else 1
    wide = (whole - (across_low - 1) * gap) / across_low
    lines_low = -(-3 // across_low)
    sheet.size(whole, under + lines_low * (low + 76) - 76, 34 + 36 * bool(title))
    spots = [
        ((wide + gap) * (i % across_low), under + (i // across_low) * (low + 76), wide, low)
        for i in range(3)
    ]
    for number, label in enumerate(sheet.members):
        row, column = divmod(number, columns)
        place = (column * (side + gap), row * (side + 88), side, side)
        sheet.cloud(label, place, narrow=side < 330)
    def lines(y: str) -> list[tuple[Array, str, str]]:
        return [
            (quantity(run, y), sheet.looks[label].color, sheet.looks[label].dash)
            for label, run in sheet.members.items()
        ]

    sheet.curve(spots[0], "codes in use", lines("utilization"), percent=True,
                ends=(-0.02, 1.06), last=True)  # fmt: skip
    head = "distortion" + (", " + swatch("k-means", TARGET, "×") if optimum else "")
    axes = sheet.curve(spots[1], head, _with(lines("distortion"), optimum), log=True, last=True)
    sheet.crosses(axes, optimum)
    sheet.curve(spots[2], "lag of live codes", lines("lag"), log=True, last=True)
    _finish(sheet, title)


def _with(lines: list[Any], optimum: Mapping[int, float]) -> list[Any]:
    """An unseen line makes the axis reach to the optimum."""
    if not optimum:
        return lines
    values, *look = lines[0]
    lowest = np.full(len(values), np.nan)
    lowest[0] = 0.8 * min(optimum.values())
    return [*lines, (lowest, "rgba(0,0,0,0)", look[1])]


def _finish(sheet: Sheet, title: str) -> None:
    sheet.layout["title"] = {"text": title, "x": 12 / sheet.layout["width"]}
    legend = small("filled: in use &nbsp; hollow grey: dead")
    if title:
        wide = sheet.layout["width"] >= NARROW
        place = {"x": 1, "xanchor": "right", "yshift": 40}
        if not wide:  # under the title, not beside it
            place = {"x": 0, "xanchor": "left", "xshift": 6, "yshift": 25}
            sheet.layout["margin"]["t"] += 8
            sheet.layout["height"] += 8
        sheet.layout["annotations"].append({
            "text": legend, "xref": "paper", "yref": "paper", "y": 1, "yanchor": "bottom",
            "showarrow": False, "font": {"color": INK}, **place,
        })  # fmt: skip
