"""What is seen of an autoencoder while it trains: held-out pictures, their latents and codes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..drift.run import Run
from ..measure.distortion import cells
from ..measure.hits import Hits
from ..quantizers.neighbours import KernelUpdate
from .autoencoder import Autoencoder

Index = NDArray[np.int64]


class Recorder:
    r"""Looks at the same held-out pictures at every frame; moves nothing.

    .. math:: \text{drift}(t) = \sqrt{\tfrac1N \sum_n \|z_n(t+1) - z_n(t)\|^2}, \qquad
        \text{churn}(t) = \tfrac1N\, |\{n : k_n(t+1) \ne k_n(t)\}|

    Both are taken over one training step; for them :meth:`look` is called once more after it.

    Args:
        images: (B, C, H, W), the probe: N = B h w latents.
        keep: latents stored in the run, drawn at random but always the same; None keeps all, in
            the order (picture, row, column).

    Raises:
        ValueError: more latents to keep than there are.
    """

    def __init__(self, model: Autoencoder, images: Tensor, keep: int | None = None) -> None:
        self.model, self.images = model, images
        self.frames: list[dict[str, Any]] = []
        self.terms: list[dict[str, float]] = []
        self._seen: tuple[int, Tensor, Tensor | None, float] | None = None
        count = len(self._latents(model.encode(images[:1]))) * len(images)
        if keep is not None and not 1 <= keep <= count:
            raise ValueError(f"probe must be 1 to {count}, the held-out latents, got {keep}")
        shuffled = np.random.default_rng(0).permutation(count)
        self.kept: Index = np.arange(count) if keep is None else shuffled[:keep]

    @staticmethod
    def _latents(grid: Tensor) -> Tensor:
        """(B, D, h, w) as (N, D)."""
        return grid.detach().cpu().movedim(1, -1).reshape(-1, grid.shape[1])

    @torch.no_grad()
    def look(self, step: int) -> tuple[Tensor, Tensor | None, float]:
        """Latents (N, D), their codes (N,) and the reconstruction's mean squared error, now."""
        if self._seen is None or self._seen[0] != step:
            training = self.model.training
            out = self.model.eval()(self.images)
            self.model.train(training)
            codes = None if out.indices is None else out.indices.reshape(-1).cpu()
            error = float((out.images - self.images).square().mean())
            self._seen = step, self._latents(out.latents), codes, error
        return self._seen[1:]

    def frame(self, step: int, hits: Hits, losses: Mapping[str, Tensor]) -> None:
        """Keeps what is there before training step ``step``; hits are counted anew from here."""
        z, codes, error = self.look(step)
        quantizer = self.model.quantizer
        table = z[:0] if quantizer is None else quantizer.codebook().detach().cpu().float()
        self.frames.append(
            {
                "steps": step,
                "latents": z[self.kept].float().numpy().copy(),
                "codes": table.numpy().copy(),
                "hits": hits.counts,
                "last_hit": hits.last,
                **_cells(z.double().numpy(), table.double().numpy(), codes),
            }
        )
        hits.clear()
        scalars = {name: float(value) for name, value in losses.items()}
        for rule in [] if quantizer is None else quantizer.rules:
            if isinstance(rule, KernelUpdate):
                scalars["bandwidth"] = rule.tau().item()
        spread = (z - z.mean(0)).square().sum(1).mean().sqrt().item()
        self.terms.append({**scalars, "reconstruction": error, "spread": spread})

    def moved(self, step: int) -> tuple[float, float | None]:
        """Drift and churn (None without codes) from the look before to ``step``, one step later."""
        assert self._seen is not None
        _, before, old, _ = self._seen
        now, new, _ = self.look(step)
        drift = float((now - before).square().sum(1).mean().sqrt())
        if old is None or new is None:
            return drift, None
        return drift, float((old != new).float().mean())

    def after(self, step: int) -> None:
        """Completes the last frame, once training step ``step - 1`` is done."""
        self.frames[-1]["drift"], churn = self.moved(step)
        if churn is not None:
            self.terms[-1]["churn"] = churn

    def run(self, settings: dict[str, Any]) -> Run:
        """All frames as a :class:`Run`; its terms hold reconstruction, spread, churn, losses."""
        stacked = {name: np.array([f[name] for f in self.frames]) for name in self.frames[0]}
        names = sorted({name for terms in self.terms for name in terms})
        return Run(
            settings=settings,
            optimum=np.full(len(self.frames), np.nan),
            terms={n: np.array([t.get(n, np.nan) for t in self.terms]) for n in names},
            **stacked,
        )


def _cells(
    z: NDArray[np.float64], table: NDArray[np.float64], codes: Tensor | None
) -> dict[str, Any]:
    """Counts, distortion and lag by the codes that the quantizer itself assigned."""
    if codes is None:
        return {"counts": np.zeros(0, np.int64), "distortion": np.nan, "lag": np.zeros(0)}
    seen = cells(z, table, codes.numpy())
    return {
        "counts": seen.counts,
        "distortion": float(np.nansum(seen.errors * seen.counts) / len(z)),
        "lag": np.linalg.norm(table - seen.means, axis=1),
    }
