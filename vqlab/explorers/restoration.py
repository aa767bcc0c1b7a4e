"""Choose a network, and turn the knob from realism to fidelity."""

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
    """A network to choose, and its figure; the knob is a slider that the browser moves.

    Attributes:
        controls: "network" -> widget; empty where ipywidgets is missing.
        network: the one that is shown.
        figure: see :func:`vqlab.plots.fidelity_slider`.
    """

    def __init__(
        self, table: Any, pictures: Mapping[str, NDArray[Any]], network: str | None = None
    ) -> None:
        self.table, self.pictures = table, pictures
        knobs = table[table.w.notna()]
        self.networks = [n for n in dict.fromkeys(knobs.network) if f"{n}, 0" in pictures]
        if not self.networks:
            raise ValueError("no network with a knob in the table and among the pictures")
        self.network = self.networks[0] if network is None else network
        if self.network not in self.networks:
            raise ValueError(
                f"network: expected one of {', '.join(self.networks)}, got {network!r}"
            )
        self.controls: dict[str, Any] = {}
        self._output = Output()
        self.figure = self._drawn()
        if ipywidgets is None:
            return
        control = ipywidgets.Dropdown(
            options=self.networks, value=self.network, description="network"
        )
        control.observe(self._changed, names="value")
        self.controls["network"] = control

    def _drawn(self) -> go.Figure:
        means = self.table.groupby(["network", "w"], dropna=False)[["psnr", "frechet"]].mean()
        knob = sorted(self.table[self.table.network == self.network].w.dropna().unique())
        points = [tuple(means.loc[(self.network, w)]) for w in knob]
        others = {n: tuple(means.loc[n].iloc[0]) for n in BASELINES if n in means.index}
        return fidelity_slider(
            {"input": self.pictures["input"], "truth": self.pictures["truth"]},
            [self.pictures[f"{self.network}, {w:g}"] for w in knob],
            [float(w) for w in knob],
            points,
            others,
            title=f"Held-out faces, {self.network}",
        )

    def _changed(self, change: dict[str, Any]) -> None:
        self.network = change["new"]
        self.figure = self._drawn()
        self._output.replace(self.figure)

    def _ipython_display_(self) -> None:
        self._output.show(self.figure, self.controls.get("network"))


def restoration_explorer(
    table: Any, pictures: str | Mapping[str, NDArray[Any]], network: str | None = None
) -> RestorationExplorer:
    """Fidelity against realism of the restorations of lesson 31, network by network.

    The slider works in the stored figure, without a kernel; the choice of a network needs one.

    Args:
        table: of :func:`vqlab.vision.restoration.study.load`: network, w, psnr, frechet.
        pictures: "network, w" -> (N, H, W, 3) uint8, and "input" and "truth"; or the path of an
            .npz of them.
        network: the one to begin with; None is the first.

    Returns:
        The explorer; as the last line of a cell it shows itself.

    Raises:
        ValueError: an unknown network, or none that has pictures.
    """
    if isinstance(pictures, str):
        with np.load(pictures) as stored:
            pictures = dict(stored)
    return RestorationExplorer(table, pictures, network)
