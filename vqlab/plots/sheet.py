"""Planes, bars and curves of runs, each put at its place in one scene."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from vqlab.plots.axes import log_ticks
from vqlab.plots.camera import LENS, Camera
from vqlab.plots.inputs import Array
from vqlab.plots.panels import CENTROID, LATENT, code_markers
from vqlab.plots.theme import CELLS, DEAD, SIZE, SMALL, styles, swatch

TRAIL = 8  # frames that a code's trail reaches back
SHOWN = 500  # latents drawn

Place = tuple[float, float, float, float]  # left, top, width, height in pixels of the inside


class Sheet:
    """Collects traces and axes; a panel is a place in pixels."""

    def __init__(
        self, members: dict[str, Any], cam: Camera, view: str, drag: bool, groups: Array | None
    ) -> None:
        self.members, self.cam, self.lens = members, cam, view == "lens"
        self.drag, self.groups = drag, groups
        self.looks = styles(members)
        self.steps = np.asarray(next(iter(members.values())).steps, dtype=float)
        self.data: list[dict[str, Any]] = []
        self.layout: dict[str, Any] = {"annotations": []}
        self.inside = (0.0, 0.0)
        self.panels = 0

    def size(self, width: float, height: float, top: int, left: int = 58) -> None:
        """Of the inside; margins stand around it."""
        self.inside = (width, height)
        margin = {"l": left, "r": 20, "t": top, "b": 48}
        self.layout |= {
            "width": int(width) + margin["l"] + margin["r"],
            "height": int(height) + margin["t"] + margin["b"], "margin": margin,
        }  # fmt: skip

    def panel(
        self, place: Place, x: dict[str, Any], y: dict[str, Any], head: str
    ) -> dict[str, str]:
        """A new pair of axes; the names to give to its traces."""
        self.panels += 1
        end = "" if self.panels == 1 else str(self.panels)
        left, top, wide, tall = place
        w, h = self.inside
        shared = {"automargin": False, "showgrid": False}
        self.layout[f"xaxis{end}"] = {
            "domain": [left / w, (left + wide) / w], "anchor": f"y{end}", **shared, **x,
        }  # fmt: skip
        self.layout[f"yaxis{end}"] = {
            "domain": [1 - (top + tall) / h, 1 - top / h], "anchor": f"x{end}", **shared, **y,
        }  # fmt: skip
        if head:
            self.layout["annotations"].append({
                "text": head, "xref": "paper", "yref": "paper", "x": left / w, "y": 1 - top / h,
                "xanchor": "left", "yanchor": "bottom", "yshift": 3, "showarrow": False,
                "font": {"size": SMALL},
            })  # fmt: skip
        return {"xaxis": f"x{end}", "yaxis": f"y{end}"}

    def add(self, **trace: Any) -> int:
        """One more trace; its number."""
        self.data.append({"type": "scatter", "showlegend": False, "hoverinfo": "skip", **trace})
        return len(self.data) - 1

    def cloud(self, label: str, place: Place, narrow: bool) -> None:
        """The plane of one run: cells, latents, trails, dead codes, live codes, heading."""
        run, color = self.members[label], self.looks[label].color
        box = (-LENS, LENS, -LENS, LENS) if self.lens else self.cam.world
        names = [f"({a} − mean) / spread" for a in self.cam.axes] if self.lens else self.cam.axes
        shared = {"mirror": True, "nticks": 6}
        axes = self.panel(
            place,
            {"range": list(box[:2]), "title": {"text": names[0], "standoff": 4}, **shared},
            {"range": list(box[2:]), "title": {"text": names[1], "standoff": 2}, **shared},
            "",
        )
        latents, codes = (self.seen(run, v) for v in (run.latents[:, :SHOWN], run.codes))
        live = np.asarray(run.counts) > 0
        number = len(self.data)
        self.add(
            mode="lines", line={"color": CELLS, "width": 1.2}, x=[], y=[],
            meta={"cells": [number + 3, number + 4]}, **axes,
        )  # fmt: skip
        still = np.array_equal(latents[0], latents[-1])
        meta: dict[str, Any] = {"many": True}
        if self.drag and self.groups is not None:
            # A code under the hand wins over the latents around it.
            meta |= {"drag": "cluster", "weight": 2.5, "group": self.groups[:SHOWN].tolist()}
        self.add(
            mode="markers", marker=LATENT, meta=meta,
            **_xy(latents[0] if still else latents), **axes,
        )  # fmt: skip
        self.add(
            mode="lines", line={"color": color, "width": 1.5}, opacity=0.5, **_xy(_trails(codes)),
            **axes,
        )  # fmt: skip
        grip = {"meta": {"drag": "code"}} if self.drag else {}
        grey, full = code_markers(run.codes.shape[1], color)
        for shown, marker in ((~live, grey), (live, full)):
            there = np.where(shown[..., None], codes, np.nan)
            self.add(mode="markers", marker=marker, **_xy(there), **grip, **axes)
        self.add(
            mode="markers+text", marker={"size": 7, "opacity": 0}, x=[box[0]], y=[box[3]],
            texts=self._headings(label, narrow), textposition="top right", cliponaxis=False,
            textfont={"size": SIZE}, **axes,
        )  # fmt: skip

    def seen(self, run: Any, points: Array) -> Array:
        """(F, n, 2) float32 as they stand in the panel."""
        flat = self.cam.project(points)
        if self.lens:
            centre, spread = zip(*map(self.cam.lens, self.cam.project(run.latents)), strict=True)
            flat = (flat - np.array(centre)[:, None]) / np.array(spread)[:, None, None]
        return flat.astype(np.float32)

    def _headings(self, label: str, narrow: bool) -> list[str]:
        run, total = self.members[label], self.members[label].codes.shape[1]
        said = "in use" if narrow else "codes in use"
        zoom = [""] * len(run.steps)
        if self.lens:
            spreads = [self.cam.lens(self.cam.project(z))[1] for z in run.latents]
            zoom = [f"; lens ×{self.cam.zoom(s):.3g}" for s in spreads]
        counts = (np.asarray(run.counts) > 0).sum(1)
        return [
            swatch(f"<b>{label}</b>: {n}/{total} {said}{z}", self.looks[label].color)
            for n, z in zip(counts, zoom, strict=True)
        ]

    def curve(
        self,
        place: Place,
        head: str,
        lines: list[tuple[Array, str, str]],
        log: bool = False,
        percent: bool = False,
        ends: tuple[float, float] | None = None,
        last: bool = False,
    ) -> dict[str, str]:
        """Values over time with a cursor at the frame; a line is values, colour and dash."""
        every = np.concatenate([np.asarray(v, dtype=float) for v, *_ in lines])
        good = every[np.isfinite(every) & ((every > 0) | (not log))]
        low, high = (float(good.min()), float(good.max())) if len(good) else (0.5, 2.0)
        if log:
            low = max(low, high / 1e4)
            middle = np.sqrt(low * high)
            low, high = min(low / 1.2, middle / 2), max(high * 1.2, middle * 2)
            y: dict[str, Any] = {"type": "log", "range": np.log10([low, high]).tolist()}
            y |= _few(log_ticks(np.array([low, high])))
        else:
            low, high = ends or (min(0.0, low), 1.08 * high if high > 0 else 1.0)
            y = {"range": [low, high], "nticks": 3}
        if percent:
            y |= {"tickformat": ".0%", "dtick": 0.5}
        until = max(self.steps[-1], self.steps[0] + 1)
        x = {"range": [self.steps[0], until], "nticks": 4, "showticklabels": last}
        if last:
            x["title"] = {"text": "training step", "standoff": 4}
        axes = self.panel(place, x, y, head)
        at = np.repeat(self.steps[:, None], 2, axis=1)
        self.add(mode="lines", line={"color": "#98A3AE", "width": 1.5}, x=np.float32(at),
                 y=np.array([low, high]), **axes)  # fmt: skip
        for values, color, dash in lines:
            line = {"color": color, "width": 2.5, "dash": dash}
            shown = np.where(np.isfinite(values), values, np.nan)
            self.add(mode="lines", line=line, x=np.float32(self.steps), y=np.float32(shown),
                     meta={"over": "steps"}, **axes)  # fmt: skip
            self.add(mode="markers", marker={"color": color, "size": 9}, **axes,
                     x=np.float32(self.steps[:, None]), y=np.float32(shown[:, None]))  # fmt: skip
        return axes

    def crosses(self, axes: dict[str, str], optimum: Mapping[int, float]) -> None:
        """K-means' distortion where it is known."""
        if optimum:
            x, y = (np.array([*values], np.float32) for values in (optimum, optimum.values()))
            self.add(mode="markers", marker=CENTROID, x=x, y=y, cliponaxis=False, **axes)

    def bars(self, label: str, place: Place) -> None:
        """Share of the latents that each code gets, at its own place; dead codes hollow."""
        run = self.members[label]
        counts = np.asarray(run.counts, dtype=float)
        share = counts / np.maximum(counts.sum(1, keepdims=True), 1)
        total = counts.shape[1]
        top = float(max(np.quantile(share.max(1), 0.9), 2 / total))
        axes = self.panel(
            place,
            {"range": [0.4, total + 0.6], "showticklabels": False, "ticks": ""},
            {"range": [-0.06 * top, top], "nticks": 3,
             "tickformat": ".0%" if top > 0.04 else ".1%"},
            "share of the latents, by code",
        )
        index = np.arange(1, total + 1)
        full = {"color": self.looks[label].color, "line": {"width": 0}}
        self.add(type="bar", x=np.float32(index), y=np.float32(share), marker=full, **axes)
        dead = np.where(counts > 0, np.nan, 0.0)
        grey = {**DEAD, "size": float(np.clip(300 / total, 3, 8)), "line": {"width": 1.5}}
        self.add(mode="markers", marker=grey, x=np.float32(index), y=np.float32(dead),
                 cliponaxis=False, **axes)  # fmt: skip


def _few(marks: dict[str, Any]) -> dict[str, Any]:
    """A small panel has room for three ticks."""
    step = -(-len(marks["tickvals"]) // 3)
    return {key: values[::step] for key, values in marks.items()}


def _xy(points: Array) -> dict[str, Array]:
    return {"x": np.ascontiguousarray(points[..., 0]), "y": np.ascontiguousarray(points[..., 1])}


def _trails(codes: Array) -> Array:
    """(F, K (TRAIL + 2), 2): at each frame where each code was just before, broken by NaN."""
    frames, size, _ = codes.shape
    # In many codes trails are a tangle, and most of what has to be sent.
    tail = TRAIL if size <= 64 else 3
    back = np.arange(frames)[:, None] - np.arange(tail, -1, -1)
    path = codes[np.maximum(back, 0)].transpose(0, 2, 1, 3)  # (F, K, tail + 1, 2)
    gap = np.full((frames, size, 1, 2), np.nan, np.float32)
    return np.concatenate([path, gap], axis=2).reshape(frames, -1, 2)
