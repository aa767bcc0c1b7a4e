"""Thresholds, and the router that learns nothing: fine where grey values are spread."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, one_hot

from .routing import Router

GRAY = (0.299, 0.587, 0.114)  # ITU-R BT.601


def between(values: Tensor, shares: Sequence[float]) -> Tensor:
    """Thresholds (G - 1,) half-way between neighbours of ``values`` (n,), so that shares are met.

    Args:
        values: one for each region. shares: of the finer grains, r_1 to r_(G-1).
    """
    values = values.sort().values
    found = []
    for grain in range(len(shares)):
        at = round((1 - sum(shares[grain:])) * len(values))
        low = values[at - 1] if at else values[0] - 1
        high = values[at] if at < len(values) else values[-1] + 1
        found.append((low + high) / 2)
    return torch.stack(found)


class Entropy(Router):
    r"""Fine where the grey values of a region are spread: thresholds on their entropy.

    .. math:: p_b \propto \sum_n e^{-\frac12 ((v_n - b)/\sigma)^2}, \qquad
        H = -\sum_b p_b \log p_b

    with ``bins`` centres b in [0, 1]; sigma is half their distance (released code: 0.01, narrower
    than a sixth of it, so that a flat region's entropy depends on its grey). The thresholds are
    percentiles of H over the regions of training pictures, so the shares are met there exactly; a
    higher share never makes a fine region coarse.

    Args:
        shares: of the finer grains. side: of a region in pixels. bins: of the histogram.

    Reference: DQ-VAE's repository, which calls it more stable than the learned router.
    """

    thresholds: Tensor

    def __init__(self, shares: Sequence[float], side: int, bins: int = 32) -> None:
        super().__init__(shares)
        self.side, self.bins = side, bins
        self.register_buffer("thresholds", torch.full((len(self.shares),), math.nan))

    def entropy(self, pictures: Tensor) -> Tensor:
        """H (B, h, w) of every region of pictures (B, C, H, W) in [0, 1], in nats."""
        mix = pictures.new_tensor(GRAY if pictures.shape[1] == 3 else (1.0,) * pictures.shape[1])
        gray = (pictures * (mix / mix.sum())[None, :, None, None]).sum(1, keepdim=True)
        centres = torch.linspace(0, 1, self.bins, device=gray.device).to(gray)
        width = 1 / (self.bins - 1)
        away = (gray - centres[None, :, None, None]) / (0.5 * width)
        shares = avg_pool2d(torch.exp(-0.5 * away.square()), self.side)
        shares = shares / shares.sum(1, keepdim=True)
        return -torch.special.xlogy(shares, shares).sum(1)

    @torch.no_grad()
    def calibrate(self, pictures: Tensor) -> None:
        """Sets the thresholds so that ``pictures`` (N, C, H, W) meet the shares."""
        values = torch.cat([self.entropy(part).flatten() for part in pictures.split(64)])
        self.thresholds.copy_(between(values, self.shares))

    def scores(self, pictures: Tensor, latents: Sequence[Tensor]) -> Tensor:
        """Grain = number of thresholds below H.

        Where :meth:`calibrate` was not called, the first training batch sets the thresholds; before
        it, in evaluation, those of the batch itself serve.
        """
        values = self.entropy(pictures)
        thresholds = self.thresholds
        if bool(thresholds.isnan().any()):
            thresholds = between(values.flatten(), self.shares)
            if self.training:
                self.thresholds.copy_(thresholds)
        level = (values[:, None] > thresholds[:, None, None]).sum(1)
        return one_hot(level, self.grains).movedim(-1, 1).to(latents[0].dtype)
