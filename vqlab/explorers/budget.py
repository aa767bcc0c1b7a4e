"""Move the budget and see which regions of a picture get the fine codes."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go
import torch
from torch import Tensor

from vqlab.explorers.output import Output
from vqlab.explorers.widgets import ipywidgets
from vqlab.plots.routing import routing_map
from vqlab.vision.dynamic import DynamicAutoencoder

STEP = 0.05


class BudgetExplorer:
    """A slider over the share of fine regions, with routing map and reconstruction.

    One trained model serves all positions: only the threshold moves, set so that the share holds
    over ``reference``. The figure is an output of the cell, so that a stored notebook shows it
    without a kernel.

    Attributes:
        share: of fine regions. figure: what is shown. error, bits: of the pictures shown, means.
        slider: the control; None where ipywidgets is missing.
    """

    def __init__(
        self, model: DynamicAutoencoder, pictures: Tensor, reference: Tensor, share: float = 0.5
    ) -> None:
        if model.count != 2 or model.quantizer is None:
            raise ValueError("the explorer needs a model of two grains with a quantizer")
        self.model, self.pictures = model.eval(), pictures
        self._all = model.ranking(reference).flatten().sort().values
        self._rank = model.ranking(pictures)
        self._output = Output()
        self.slider: Any = None
        self.figure, self.error, self.bits = go.Figure(), 0.0, 0.0
        self.show(share)
        if ipywidgets is None:
            return
        self.slider = ipywidgets.FloatSlider(
            value=share, min=0.0, max=1.0, step=STEP, description="budget",
            continuous_update=False, readout_format=".0%", layout={"width": "420px"},
        )  # fmt: skip
        self.slider.observe(lambda change: self.show(change["new"]), names="value")

    @torch.no_grad()
    def show(self, share: float) -> None:
        """Draws at this share of fine regions.

        Raises:
            ValueError: a share outside of [0, 1].
        """
        if not 0 <= share <= 1:
            raise ValueError(f"a share lies in [0, 1], got {share!r}")
        self.share = share
        at = round((1 - share) * len(self._all))
        threshold = self._all[at - 1] if at else self._all[0] - 1
        grains = (self._rank > threshold).long()
        out = self.model(self.pictures, grains)
        self.error = float((out.images - self.pictures).square().mean())
        self.bits = float(self.model.bits(grains).mean())
        self.figure = routing_map(
            _last(self.pictures), grains.numpy(), _last(out.images),
            note=f"{self.bits:.0f} bits, error {self.error:.4f}",
            title=f"Budget {share:.0%} of all regions fine",
        )  # fmt: skip
        self._output.replace(self.figure)

    def _ipython_display_(self) -> None:
        self._output.show(self.figure, self.slider)


def budget_explorer(
    model: DynamicAutoencoder, pictures: Tensor, reference: Tensor, share: float = 0.5
) -> BudgetExplorer:
    """Choose the share of fine regions; routing map and reconstruction follow.

    Args:
        model: trained, of two grains. pictures: (N, C, H, W), shown.
        reference: (M, C, H, W), over which the share holds. share: where to start.

    Returns:
        The explorer; as the last line of a cell it shows itself.

    Raises:
        ValueError: another number of grains, no quantizer, a share outside of [0, 1].
    """
    return BudgetExplorer(model, pictures, reference, share)


def _last(pictures: Tensor) -> Any:
    """(N, C, H, W) as (N, H, W, 3)."""
    return pictures.expand(-1, 3, -1, -1).movedim(1, -1).numpy()
