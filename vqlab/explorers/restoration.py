"""Choose a damage and a network, and turn the knob from realism to fidelity."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from vqlab.explorers.output import Output
from vqlab.explorers.widgets import ipywidgets
from vqlab.plots.restoration import fidelity_slider

BASELINES = ("input", "bicubic", "wiener")


class RestorationExplorer:
    """A damage and a network to choose, and their figure; the browser moves the knob.

    Attributes:
        controls: "damage" and "network" -> widget; empty where ipywidgets is missing.
        damage, network: those that are shown.
        figure: see :func:`vqlab.plots.fidelity_slider`.
    """

    def __init__(
        self,
        table: Any,
        pictures: Mapping[str, NDArray[Any]],
        network: str | None = None,
        damage: str | None = None,
    ) -> None:
        self.table, self.pictures = table, pictures
        knobs = table[table.w.notna()]
        pairs = [
            (d, n)
            for d, n in dict.fromkeys(zip(knobs.damage, knobs.network, strict=True))
            if f"{d}: {n}, 0" in pictures
        ]
        if not pairs:
            raise ValueError("no network with a knob in the table and among the pictures")
        self.damages, self.networks = (list(dict.fromkeys(x)) for x in zip(*pairs, strict=True))
        self.damage = _among("damage", damage, self.damages)
        self.network = _among("network", network, self.networks)
        self.controls: dict[str, Any] = {}
        self._output = Output()
        self.figure = self._drawn()
        if ipywidgets is None:
            return
        for name, options in (("damage", self.damages), ("network", self.networks)):
            control = ipywidgets.Dropdown(
                options=options, value=getattr(self, name), description=name
            )
            control.observe(self._changed, names="value")
            self.controls[name] = control

    def _drawn(self) -> go.Figure:
        table = self.table[self.table.damage == self.damage]
        means = table.groupby(["network", "w"], dropna=False)[["psnr", "frechet"]].mean()
        knob = sorted(table[table.network == self.network].w.dropna().unique())
        return fidelity_slider(
            {name: self.pictures[f"{self.damage}: {name}"] for name in ("input", "truth")},
            [self.pictures[f"{self.damage}: {self.network}, {w:g}"] for w in knob],
            [float(w) for w in knob],
            [tuple(means.loc[(self.network, w)]) for w in knob],
            {n: tuple(means.loc[n].iloc[0]) for n in BASELINES if n in means.index},
            title=f"Held-out faces, {self.damage} damage, {self.network}",
        )

    def _changed(self, change: dict[str, Any]) -> None:
        setattr(self, change["owner"].description, change["new"])
        self.figure = self._drawn()
        self._output.replace(self.figure)

    def _ipython_display_(self) -> None:
        row = ipywidgets.HBox(list(self.controls.values())) if self.controls else None
        self._output.show(self.figure, row)


def _among(name: str, value: str | None, known: list[str]) -> str:
    if value is None:
        return known[0]
    if value not in known:
        raise ValueError(f"{name}: expected one of {', '.join(known)}, got {value!r}")
    return value


def restoration_explorer(
    table: Any,
    pictures: str | Mapping[str, NDArray[Any]],
    network: str | None = None,
    damage: str | None = None,
) -> RestorationExplorer:
    """Fidelity against realism of the restorations of lesson 31, network by network.

    The slider works in the stored figure, without a kernel; the choices need one.

    Args:
        table: of :func:`vqlab.vision.restoration.study.load`: damage, network, w, psnr, frechet.
        pictures: "damage: network, w" -> (N, H, W, 3) uint8, and "damage: input" and
            "damage: truth"; or the path of an .npz of them.
        network, damage: those to begin with; None is the first.

    Returns:
        The explorer; as the last line of a cell it shows itself.

    Raises:
        ValueError: an unknown network or damage, or none that has pictures.
    """
    if isinstance(pictures, str):
        with np.load(pictures) as stored:
            pictures = dict(stored)
    return RestorationExplorer(table, pictures, network, damage)
