"""Noise in place of the quantization error: an estimator without any stopped gradient."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from .codebooks import Table
from .draws import Noise
from .estimators import carrier
from .registry import Parts, published
from .updates import Batch, CodebookLoss


class NoiseSubstitution(nn.Module):
    r"""In training passes the latent on with noise as long as its quantization error.

    .. math::
        \hat z = z + \rho w, \quad \rho = |c_k - z|, \quad w = v / |v|, \; v \sim \mathcal N(0, I),
        \\ \frac{\partial L}{\partial z} = g - (g \cdot w) u, \qquad
        \frac{\partial L}{\partial c_k} = (g \cdot w) u, \qquad u = (c_k - z) / \rho

    The codes learn from the task alone: the noise shrinks as they come nearer. With ``variance``
    the noise points about where the code is, and the value is nearly the code (DiVeQ):

    .. math:: w = \mathrm{sg}\frac{v + c_k - z}{|v + c_k - z|}, \qquad
        v \sim \mathcal N(0, \sigma^2 I)

    With g held fixed, the codes' gradient averages to zero over the directions: without
    ``variance`` they learn only because g is taken at the noisy value. Where latents are given
    without a task, that of a decoder which is the identity is the codebook loss, since
    :math:`|\hat z - z| = |c_k - z|`. In evaluation the value is the code, with the gradient of
    straight-through.

    Args:
        variance: sigma^2 > 0, in the latents' units squared; None for noise of any direction.
        seed: int, torch.Generator or None, see :class:`Noise`.

    Attributes:
        approximates_code: in training the value is not ``codebook()[indices]``, by definition.

    Raises:
        ValueError: a variance that is not positive.

    Reference: Vali and Bäckström 2022 (NSVQ, IEEE Access 10), whose released code we follow (it
    also replaces unused codes: see :class:`Revival`). DiVeQ, arXiv 2509.26469, is a reconstruction
    from secondary texts and a public library.
    """

    # Codes do learn from the task. The flag asks for a drift in the task's place, which stands for
    # one only where the latents get the whole gradient; here they get another.
    uses_task_gradient = False
    approximates_code = True

    def __init__(
        self, variance: float | None = None, seed: int | torch.Generator | None = None
    ) -> None:
        super().__init__()
        if variance is not None and variance <= 0:
            raise ValueError(f"variance must be > 0, got {variance}")
        self.variance = variance
        self.noise = Noise(seed)

    def forward(self, batch: Batch) -> Tensor:
        """(N, D): latents at the right distance in training, the chosen codes in evaluation."""
        z, codes = batch.latents, batch.codes
        if not self.training:
            return codes.detach() + carrier(z)
        self.noise.advance()
        direction = self.noise.normal(z)
        if batch.weights is not None:
            # The n-th latent that counts gets the n-th draw, however much padding is in between.
            counted = (batch.weights > 0).to(torch.int64).cumsum(0) - 1
            direction = direction.index_select(0, counted.clamp_min(0))
        way = codes - z
        if self.variance is not None:
            direction = math.sqrt(self.variance) * direction + way.detach()
        length = torch.linalg.vector_norm(direction, dim=-1, keepdim=True)
        direction = direction / torch.where(length > 0, length, 1.0)
        return z + _length(way) * direction

    def extra_repr(self) -> str:
        """The variance, for print()."""
        return f"variance={self.variance}"


def _length(way: Tensor) -> Tensor:
    """|way|, with gradient zero where it is zero."""
    length = torch.linalg.vector_norm(way.detach(), dim=-1, keepdim=True)
    unit = way.detach() / torch.where(length > 0, length, 1.0)
    return length + (unit * carrier(way)).sum(-1, keepdim=True)


@published(
    "noise-substitution",
    codebook="free table",
    estimator="noise of the error's length",
    update="gradient of the task",
    paper="Vali and Bäckström, IEEE Access 10; restated in arXiv 2509.26469",
    year=2022,
    equation="z + |c - z| v / |v|",
    note="formula of the released code; no loss there (commitment=0), unused codes replaced",
)
def _noise_substitution(
    size: int, dim: int, seed: Any, *, init: str | Tensor = "uniform", weight: float = 0.0
) -> Parts:
    table = Table(size, dim, init, seed=seed)
    return Parts(table, [CodebookLoss(weight)], estimator=NoiseSubstitution(None, seed))


@published(
    "diveq",
    codebook="free table",
    estimator="noise towards the code",
    update="gradient of the task",
    paper="DiVeQ, arXiv 2509.26469",
    year=2025,
    equation="z + |c - z| sg[(v + c - z) / |v + c - z|]",
    note="reconstruction from secondary texts; variance as in a public library; commitment=0 there",
)
def _diveq(
    size: int,
    dim: int,
    seed: Any,
    *,
    init: str | Tensor = "uniform",
    variance: float = 5e-3,
    weight: float = 0.0,
) -> Parts:
    table = Table(size, dim, init, seed=seed)
    return Parts(table, [CodebookLoss(weight)], estimator=NoiseSubstitution(variance, seed))
