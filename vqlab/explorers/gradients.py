"""What each estimator sends back through the choice: drag a latent across a border and compare."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from vqlab.explorers.latent import HeldLatent
from vqlab.explorers.widgets import ipywidgets
from vqlab.measure.gradients import pull, true_pull
from vqlab.plots.arrows import LONGER, arrow_fields, held
from vqlab.plots.microscope import NARROW
from vqlab.plots.scene import Scene
from vqlab.plots.theme import SMALL
from vqlab.quantizers import (
    CodebookLoss,
    DistanceLogits,
    GeneralizedRadius,
    IndexBackpropagation,
    NoiseSubstitution,
    Rotation,
    StraightThrough,
    Table,
    VectorQuantizer,
)

CODES = np.array([[1.2, 0.6], [2.4, 1.5], [2.6, 0.1], [1.0, -0.9], [2.2, -1.2]])
TARGET = (3.6, 0.9)
NOISE = (0.05, 0.1, 0.15, 0.25, 0.4, 0.6, 1.0)
WAYS = {  # lines that cross borders, for hands that cannot drag
    "level": ((0.3, 0.35), (3.2, 0.35)),
    "rising": ((0.3, -1.6), (3.2, 2.0)),
    "upright": ((1.75, -1.9), (1.75, 2.2)),
}
HUES = {"straight-through": "#D55E00", "rotation": "#0072B2", "radius": "#009E73",
        "noise": "#E69F00", "index": "#882255", "true": "#000000"}  # fmt: skip


WHITE = f" (the white one: {LONGER} times as long)"


def task(x: torch.Tensor) -> torch.Tensor:
    """Half the squared distance to the target."""
    return 0.5 * (x - torch.tensor(TARGET).to(x)).square().sum(1)


class GradientExplorer(HeldLatent):
    """A field of arrows for each estimator, and one latent that is dragged through all of them.

    Attributes:
        latent: where it is. noise: sigma of the true gradient; sigma^2 is the temperature of index
            back-propagation. arrows: label -> (2,), the latent's arrows.
    """

    words = "gradients: drag the white latent"

    def __init__(self, latent: Any = (1.7, 0.35), noise: float = 0.25) -> None:
        if noise not in NOISE:
            raise ValueError(f"noise: expected one of {', '.join(map(str, NOISE))}, got {noise!r}")
        self.latent = np.asarray(latent, dtype=float)
        if self.latent.shape != (2,) or not np.isfinite(self.latent).all():
            raise ValueError(f"latent: expected two finite numbers, got {latent!r}")
        super().__init__()
        self.noise = float(noise)
        self.arrows: dict[str, Any] = {}
        self._base: tuple[Any, Scene, float] | None = None
        if ipywidgets is not None:
            self.choice("noise", NOISE, self.noise, True, label="noise σ")
            self.choice("way", tuple(WAYS), "level", label="a way for the latent", wide="270px")
            self.choice("along", tuple((f"{v:.2f}", v) for v in np.linspace(0, 1, 61)), 0.5, True,
                        label="along it", wide="330px")  # fmt: skip
            self.controls["along"].continuous_update = True
        self.now()

    def cast(self) -> dict[str, Any]:
        """The estimators, each behind the same codes."""
        estimators = {"straight-through": StraightThrough(), "rotation": Rotation(),
                      "radius": GeneralizedRadius(), "noise": NoiseSubstitution(seed=0),
                      "index": IndexBackpropagation()}  # fmt: skip
        out = {}
        for name, estimator in estimators.items():
            table = Table(len(CODES), 2, torch.tensor(CODES, dtype=torch.float32))
            choice = DistanceLogits(self.noise**2) if name == "index" else None
            out[name] = VectorQuantizer(table, choice, estimator, [CodebookLoss()])
        return out

    def turned(self, name: str, value: Any) -> None:
        """Another noise, or another place on the line."""
        if name == "noise":
            self.noise = float(value)
        else:
            start, end = map(np.asarray, WAYS[self.controls["way"].value])
            self.latent = start + self.controls["along"].value * (end - start)
        self.ask()

    def _pulls(self, points: Any, samples: int) -> dict[str, Any]:
        members = self.cast()
        out = {name: pull(q, points, task) for name, q in members.items()}
        plain = members["straight-through"].eval()
        return {**out, "true": true_pull(plain, points, task, noise=self.noise, samples=samples)[0]}

    def compute(self, version: int) -> None:
        """The fields where the noise or the width changed, the latent's arrows always."""
        columns = 3 if self.width >= NARROW else 2
        key = self.noise, columns
        own = self._pulls(self.latent[None], 2000)
        self.arrows = {name: field[0] for name, field in own.items()}
        if self._base is None or self._base[0] != key:
            axes = np.linspace(0.3, 3.2, 11), np.linspace(-1.9, 2.2, 11)
            grid = np.stack(np.meshgrid(*axes), -1).reshape(-1, 2)
            fields = self._pulls(grid, 800)
            # One scale for the latent and the field: the arrows of a tenth of the points reach far.
            long = np.quantile(np.linalg.norm(np.concatenate([*fields.values()]), axis=1), 0.9)
            scale = 0.29 / float(max(long, 1e-9))
            figure = arrow_fields(
                grid, fields, codes=CODES, target=TARGET, colors=HUES, columns=columns, scale=scale,
                latent=self.latent, latent_arrows=self.arrows,
                title="Where descent sends each latent" + (WHITE if columns == 3 else ""),
            )  # fmt: skip
            if columns == 2:
                figure.update_annotations(font_size=SMALL)  # names would run into each other
            self._base = key, Scene.of(figure), scale
        _, base, scale = self._base
        data = []
        for trace in base.data:
            meta = trace.get("meta") or {}
            if "role" in meta or meta.get("drag") == "latent":
                label = meta.get("role", "true")
                here = held(self.latent, LONGER * scale * self.arrows[label])
                trace = {**trace, **here["arrow" if "role" in meta else "latent"]}
                if "role" not in meta:
                    trace["meta"] = {"drag": "latent", "live": True}
            data.append(trace)
        self.draw(replace(base, data=data), version)


def gradient_explorer(latent: Any = (1.7, 0.35), noise: float = 0.25) -> GradientExplorer:
    """The gradient that comes back through each estimator, for a latent that can be dragged.

    The target is the cross; the true gradient is that of the loss averaged over noise sigma.

    Args:
        latent: (2,) where the latent stands at first. noise: sigma.

    Returns:
        The explorer; as the last line of a cell it shows itself.

    Raises:
        ValueError: a noise that is not among the choices, a latent that is not two numbers.
    """
    return GradientExplorer(latent, noise)
