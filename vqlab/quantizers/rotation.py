"""The rotation trick: the gradient is turned and scaled as the code is against the latent."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from .codebooks import Table
from .estimators import carrier
from .moving_average import MovingAverage
from .registry import Parts, published
from .updates import Batch


class Rotation(nn.Module):
    r"""Passes the code on and turns the gradient by the rotation that takes the latent to it.

    .. math::
        \hat z = \mathrm{sg}[\lambda R]\, z = c_k, \qquad
        \partial L / \partial z = \lambda R^\top g, \qquad \lambda = |c_k| / |z|, \\
        R = I - 2 r r^\top + 2 \hat c\, \hat e^\top, \qquad
        \hat e = \tfrac{z}{|z|},\; \hat c = \tfrac{c_k}{|c_k|},\;
        r = \tfrac{\hat e + \hat c}{|\hat e + \hat c|}

    The angle between gradient and code becomes that between the latent's gradient and the latent,
    and the length changes by lambda. Latents of one cell thus get different gradients, unlike
    straight-through. Nothing goes to the codes. The method depends on where the origin is; in one
    dimension it only knows signs.

    R is undefined in two places. At z = 0 the gradient is copied as straight-through does. For
    opposite vectors R is the half turn in the plane of z and the axis along which |z| is smallest;
    in one dimension, which has no such plane, the reflection. The value is the code in all cases.

    Args:
        radial: False for the variant of the released VQGAN code: there the normalisation of the
            latent is differentiated as well, so that the gradient has no part along the latent,

            .. math:: \partial L / \partial z = (I - \hat e \hat e^\top)\, \lambda R^\top g.

    Reference: Fifty et al. 2024 (arXiv 2410.06424), Sec. 4; the released VQ-VAE code is the paper's
    formula, the released VQGAN and ViT-VQGAN code is ``radial=False``.
    """

    uses_task_gradient = False

    def __init__(self, radial: bool = True) -> None:
        super().__init__()
        self.radial = radial

    def forward(self, batch: Batch) -> Tensor:
        """(N, D), equal to the chosen codes."""
        z, codes = batch.latents, batch.codes.detach()
        if not z.requires_grad:
            return codes
        start, ratio, defined = _directions(z.detach(), codes)
        target = _directions(codes, codes)[0]
        middle = start + target
        length = torch.linalg.vector_norm(middle, dim=-1, keepdim=True)
        # Below this length the bisector is mostly rounding; so is the error of a half turn.
        opposite = length < torch.finfo(z.dtype).eps ** 0.5
        middle = torch.where(opposite, _perpendicular(start), middle / length.clamp_min(1e-30))
        moving = z
        if not self.radial:
            moving = z - start * (start * z).sum(-1, keepdim=True)
        turned = moving - 2 * middle * (middle * moving).sum(-1, keepdim=True)
        turned = turned + 2 * target * (start * moving).sum(-1, keepdim=True)
        return codes + carrier(torch.where(defined, ratio * turned, z))

    def extra_repr(self) -> str:
        """The variant, for print()."""
        return f"radial={self.radial}"


def _directions(z: Tensor, codes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Unit vectors of ``z``, |codes| / |z|, and where both are defined."""
    length = torch.linalg.vector_norm(z, dim=-1, keepdim=True)
    # A shorter vector's squares underflow, and its length would be wrong.
    floor = torch.finfo(z.dtype).tiny ** 0.5
    safe = length.clamp_min(floor)
    ratio = torch.linalg.vector_norm(codes, dim=-1, keepdim=True) / safe
    defined = (length >= floor) & ratio.isfinite()
    return z / safe, torch.where(defined, ratio, 1.0), defined


def _perpendicular(unit: Tensor) -> Tensor:
    """A unit vector at a right angle to each row of ``unit``; zero in one dimension."""
    axes = torch.arange(unit.shape[-1], device=unit.device)
    axis = (axes == unit.abs().argmin(-1, keepdim=True)).to(unit)
    side = axis - unit * (unit * axis).sum(-1, keepdim=True)
    # In one dimension the axis is the vector itself: what is left is rounding, not a direction.
    if unit.shape[-1] == 1:
        return torch.zeros_like(unit)
    return side / torch.linalg.vector_norm(side, dim=-1, keepdim=True).clamp_min(1e-30)


@published(
    "rotation",
    codebook="free table",
    estimator="rotation",
    update="moving average",
    paper="Fifty et al., arXiv 2410.06424",
    year=2024,
    equation="Sec. 4",
    note="decay as in the released VQ-VAE, whose commitment is 1.0; radial=False as its VQGAN",
)
def _rotation(
    size: int,
    dim: int,
    seed: Any,
    *,
    init: str | Tensor = "uniform",
    decay: float = 0.8,
    epsilon: float = 1e-5,
    radial: bool = True,
) -> Parts:
    table = Table(size, dim, init, trainable=False, seed=seed)
    return Parts(table, [MovingAverage(decay, epsilon)], estimator=Rotation(radial))
