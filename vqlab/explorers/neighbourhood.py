"""NS-VQ's kernel: how hard one latent pulls at every code, and where that leads the codes."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from vqlab.drift.run import Run
from vqlab.drift.simulate import simulate
from vqlab.explorers.latent import HeldLatent
from vqlab.explorers.widgets import ipywidgets
from vqlab.measure.distortion import kmeans_optimum
from vqlab.plots.cloud import cloud
from vqlab.plots.kernel import brief, kernel_field, stacked
from vqlab.plots.microscope import NARROW
from vqlab.plots.scene import Scene
from vqlab.quantizers import Attraction

SIZE = 16
ABOVE, BELOW = 0.7, 0.6  # of their size: two pictures share a screen
BANDWIDTHS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
STRENGTHS = (0.0, 0.04, 0.16, 0.5, 1.0, 2.0, 4.0)


class KernelExplorer(HeldLatent):
    """Bandwidth and strength; a latent that is dragged; the fixed point of the rule.

    Attributes:
        bandwidth, strength, latent: as shown. rest: the run that went to the fixed point.
        bias: its distortion over k-means'.
    """

    words = "kernel: drag the cross"

    def __init__(self, bandwidth: float = 1.0, strength: float = 0.16, seed: int = 0) -> None:
        for name, value, known in (("bandwidth", bandwidth, BANDWIDTHS),
                                   ("strength", strength, STRENGTHS)):  # fmt: skip
            if value not in known:
                known_words = ", ".join(map(str, known))
                raise ValueError(f"{name}: expected one of {known_words}, got {value!r}")
        super().__init__()
        self.bandwidth, self.strength, self.seed = float(bandwidth), float(strength), int(seed)
        self.latent = np.array([0.6, -0.4])
        self.rest: Run | None = None
        self.bias = float("nan")
        self._rested: Any = None
        self._best: Any = None
        self.below = self.new_stage("the codes at rest")
        if ipywidgets is not None:
            for name, known, now in (("bandwidth", BANDWIDTHS, self.bandwidth),
                                     ("strength", STRENGTHS, self.strength)):  # fmt: skip
                word = {"bandwidth": "bandwidth τ", "strength": "strength s"}[name]
                self.choice(name, known, now, True, label=word, wide="330px")
                self.controls[name].continuous_update = True
        self.now()
        if self.stage is not None:
            self.ask()

    def weights(self, squared: Any, tau: float) -> Any:
        """(K,) weights as the released form has them; the chosen code gets 1."""
        rule = Attraction("softmax", tau, strength=self.strength, limit=1.0)
        distances = torch.as_tensor(np.asarray(squared))[None]
        winner = torch.tensor([int(np.argmin(squared))])
        found = rule.kernel_weights(distances, winner, torch.tensor(tau))[0]
        return found.index_fill(0, winner, 1.0).numpy()

    def turned(self, name: str, value: Any) -> None:
        """Another bandwidth or strength."""
        setattr(self, name, float(value))
        self.ask()

    def compute(self, version: int) -> None:
        """The kernel at once; then the way to the fixed point, and k-means beside it."""
        codes = np.random.default_rng(self.seed).normal(size=(SIZE, 2))
        figure = kernel_field(codes, self.latent, self.bandwidth, self.weights, extent=3.2,
                              title="One latent pulls at every code")  # fmt: skip
        figure.update_annotations(yshift=28)  # above the heading of the other panel
        for trace in figure.data:
            if trace.meta:
                trace.meta = {"drag": "latent", "live": True}
        wide = self.width >= NARROW
        above, below_most = (ABOVE, BELOW) if wide else (1, 1)
        self.draw(Scene.of(brief(figure) if wide else stacked(figure)), version, most=above)
        if version == 1:
            return
        key = self.bandwidth, self.strength
        if self._rested != key:
            options = dict(zip(("bandwidth", "strength"), key, strict=True))
            run = simulate("nsvq", codebook_size=SIZE, points=600, batch=None, steps=400, rate=1.0,
                           record=41, probe=600, seed=self.seed, options=options, progress=False,
                           watch=lambda _: self.check(version))  # fmt: skip
            if self._best is None:
                self._best = kmeans_optimum(run.latents[-1].astype(float), SIZE, seed=self.seed)
            self.rest, self._rested = run, key
            self.bias = float(run.distortion[-1] / self._best[0])
        assert self.rest is not None
        below = cloud(self.rest, centroids=self._best[1], title=" ")  # room for a title
        long = " after 400 full steps" if wide else ""
        below.update_layout(title_text=f"At rest{long}: {self.bias:.2f} × k-means")
        if self.below is not None:
            self.draw(Scene.of(below), version, self.below, most=below_most)

    def screen(self) -> list[Any]:
        """The kernel above, the fixed point below."""
        return [self.row(*self.controls.values()), self.stage, self.below]


def kernel_explorer(
    bandwidth: float = 1.0, strength: float = 0.16, seed: int = 0
) -> KernelExplorer:
    """NS-VQ's neighbourhood: the weight of every code, and the bias of the fixed point.

    Below stand the codes after 400 steps with all latents of a Gaussian at rest, and the crosses of
    k-means: how far a kernel that never narrows draws the codes together.

    Args:
        bandwidth: tau. strength: s, the factor of the kernel. seed: of codes and latents.

    Returns:
        The explorer; as the last line of a cell it shows itself.

    Raises:
        ValueError: a value that is not among the choices.
    """
    return KernelExplorer(bandwidth, strength, seed)
