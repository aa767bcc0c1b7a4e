"""A film as arrays: every moving trace holds x and y of all frames, a row each.

Two things are made of it. ``packed`` is what the canvas of the explorers (``stage/*.js``) draws,
which shows any frame at once and needs no plotly.js. ``page`` is the same screen as a plotly figure
with fewer frames: what a stored notebook shows of an explorer until its cell is run. A film that
belongs to a lesson's text is not made here but by `animate_cloud` and `animate_duel`.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go

from vqlab.plots.animate import BYTES, add_controls
from vqlab.plots.inputs import Array
from vqlab.plots.voronoi import as_paths, cell_edges

MOVING = ("x", "y")
SCRIPTS = ("ink", "plane", "traces", "picture", "guess", "hand")  # each builds on those before



def script() -> str:
    """The canvas' program, one module."""
    folder = Path(__file__).with_name("stage")
    return "\n".join((folder / f"{name}.js").read_text(encoding="utf-8") for name in SCRIPTS)


@dataclass(frozen=True)
class Scene:
    """Traces and layout as plotly has them, but x and y of a trace may be (F, n).

    Attributes:
        data: traces; ``texts`` (F words) is the text of a one-point trace, frame by frame;
            ``meta["cells"]`` names the traces whose points' cells a trace draws, ``meta["drag"]``
            and ``meta["click"]`` what the hand may do.
        layout: of the figure, with fixed width and height.
        frames: the frames' names; empty for a still picture.
    """

    data: list[dict[str, Any]]
    layout: dict[str, Any]
    frames: Sequence[str] = field(default_factory=tuple)

    @classmethod
    def of(cls, figure: go.Figure) -> Scene:
        """A still figure of this library."""
        raw = figure.to_plotly_json()
        layout = {key: value for key, value in raw["layout"].items() if key != "template"}
        return cls([_arrays(trace) for trace in raw["data"]], _arrays(layout))

    def packed(self) -> dict[str, Any]:
        """What crosses to the browser: plain values, and arrays as float32 with their shape."""
        return {
            "data": [_packed(trace) for trace in self.data],
            "layout": _packed(self.layout),
            "frames": list(self.frames),
        }

    def page(self, most: int = 24, points: int = 160) -> go.Figure:
        """The plotly figure: up to ``most`` frames and ``points`` latents, cells drawn out."""
        last = len(self.frames) - 1
        moving = [
            i for i, t in enumerate(self.data)
            if any(np.ndim(t.get(key, ())) == 2 for key in MOVING) or "texts" in t
            or "cells" in t.get("meta", {})
        ]  # fmt: skip
        numbers = sum(sum(map(np.size, self._at(i, max(last, 0), points).values())) for i in moving)
        # A number takes 16/3 bytes, float32 in base64; with words around it, see `animate.fit`.
        most = int(np.clip(BYTES / (6 * numbers + 260 * len(moving) + 1), 6, most))
        keep = sorted({*np.linspace(0, last, min(most, last + 1)).astype(int)}) if last > 0 else [0]
        figure = go.Figure(layout=self.layout)
        for i in range(len(self.data)):
            look = {k: v for k, v in self.data[i].items() if k not in ("texts", "meta", *MOVING)}
            figure.add_trace({**look, **self._at(i, keep[-1], points)})
        if last < 1:
            return figure
        figure.frames = [
            go.Frame(
                name=str(self.frames[f]), traces=moving,
                data=[{"type": self.data[i].get("type", "scatter"), **self._at(i, f, points)}
                      for i in moving],
            )
            for f in keep
        ]  # fmt: skip
        return add_controls(figure, [str(self.frames[f]) for f in keep], len(keep) - 1)

    def _at(self, i: int, frame: int, points: int) -> dict[str, Any]:
        """What is drawn of a trace at one frame."""
        trace = self.data[i]
        of = trace.get("meta", {}).get("cells")
        if of:
            sites = np.concatenate([_points(self.data[k], frame) for k in of])
            ends = [self.layout["xaxis" + trace.get("xaxis", "x")[1:]]["range"],
                    self.layout["yaxis" + trace.get("yaxis", "y")[1:]]["range"]]  # fmt: skip
            box = (ends[0][0], ends[0][1], ends[1][0], ends[1][1])
            x, y = as_paths(cell_edges(sites[np.isfinite(sites).all(1)], box))
            return {"x": np.float32(x), "y": np.float32(y)}
        many = trace.get("meta", {}).get("many")
        out: dict[str, Any] = {}
        for key in MOVING:
            if key in trace:
                values = np.asarray(trace[key])
                row = values[frame] if values.ndim == 2 else values
                out[key] = row[:points] if many else row
        if "texts" in trace:
            out["text"] = [trace["texts"][frame]]
        return out


def _points(trace: dict[str, Any], frame: int) -> Array:
    pair = [np.asarray(trace[key]) for key in MOVING]
    return np.column_stack([v[frame] if v.ndim == 2 else v for v in pair])


def _arrays(value: Any) -> Any:
    """Undoes plotly's coding of arrays as base64."""
    if isinstance(value, dict):
        if "bdata" in value:
            shape = [int(n) for n in str(value.get("shape", -1)).split(",")]
            flat = np.frombuffer(base64.b64decode(value["bdata"]), np.dtype(value["dtype"]))
            return flat.reshape(shape)
        return {key: _arrays(one) for key, one in value.items()}
    return [_arrays(one) for one in value] if isinstance(value, (list, tuple)) else value


def _packed(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        if value.dtype.kind in "OUS" or not value.size:  # an empty buffer does not arrive
            return value.tolist()
        flat = np.ascontiguousarray(value, dtype=np.float32)
        return {"shape": list(flat.shape), "data": memoryview(flat.tobytes())}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, dict):
        return {key: _packed(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_packed(one) for one in value]
    return value


