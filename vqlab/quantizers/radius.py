"""The generalized radius: how far a latent is taken to step towards its code (reconstruction)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from .codebooks import AffineCodebook, Codebook, Table
from .estimators import carrier
from .registry import Parts, published
from .transforms import LowRankCodebook, MixingCodebook
from .updates import Batch, CodebookLoss

if TYPE_CHECKING:
    from .quantizer import VectorQuantizer

# phi'(rho), the only thing about phi that matters: the value passed on is the code in any case.
SLOPES: dict[str, Callable[[Tensor, float], Tensor]] = {
    "identity": lambda rho, scale: torch.ones_like(rho),
    "scaled": lambda rho, scale: torch.full_like(rho, scale),
    "log": lambda rho, scale: 1 / (1 + rho),
    "sqrt": lambda rho, scale: rho / torch.sqrt(rho.square() + scale**2),
    "saturating": lambda rho, scale: (1 + rho).square().reciprocal(),
}
# The factor a of "scaled", and the length below which "sqrt" lets go; the others take none.
SCALES = {"scaled": 0.5, "sqrt": 0.1}
TRANSFORMS = ("none", "affine", "low-rank", "mixing")


class GeneralizedRadius(nn.Module):
    r"""Passes the code on; differentiates as a step of length phi(rho) towards it.

    .. math::
        y = z + \varphi(\rho)\, u, \quad \rho = |c_k - z|, \quad
        u = \mathrm{sg}\tfrac{c_k - z}{\rho}, \qquad \hat z = y + \mathrm{sg}[c_k - y], \\
        \frac{\partial L}{\partial z} = g - \varphi'(\rho)(g \cdot u) u, \qquad
        \frac{\partial L}{\partial c_k} = \varphi'(\rho)(g \cdot u) u

    The two gradients add up to g: the slope phi' is the share of its part along u that goes to the
    code. Where a latent lies on its code (rho = 0), all of g goes to the latent.

    Args:
        phi: "identity" (rho), "scaled" (a rho), "log" (log(1 + rho)), "sqrt"
            (sqrt(rho^2 + a^2)) or "saturating" (rho / (1 + rho)).
        scale: a of "scaled" (0 is straight-through) or of "sqrt" (in the latents' units); default
            0.5 and 0.1. The other phi take none.

    Raises:
        ValueError: unknown phi; a scale that is negative, or given to a phi that has none. In a
            quantizer: a slope other than 1 without any auxiliary loss. The latents then keep a
            part of the gradient along u that nothing balances, and run away from their codes.

    Source: reconstruction. Of GRIT-VQ (arXiv 2602.01140) we know the abstract, which names the
    radius; the functions and the formula are ours, after its relatives (arXiv 2509.26469).
    """

    # Codes do learn from the task. The flag asks for a drift in the task's place, which stands for
    # one only where the latents get the whole gradient; here they get another.
    uses_task_gradient = False

    def __init__(self, phi: str = "identity", scale: float | None = None) -> None:
        super().__init__()
        if phi not in SLOPES:
            raise ValueError(f"unknown phi {phi!r}; choose one of {', '.join(SLOPES)}")
        if scale is not None and phi not in SCALES:
            raise ValueError(f"phi {phi!r} takes no scale, got {scale}")
        self.phi, self.scale = phi, SCALES.get(phi, 1.0) if scale is None else scale
        if self.scale < 0:
            raise ValueError(f"the scale of phi must be >= 0, got {scale}")

    def check(self, quantizer: VectorQuantizer) -> None:
        """Refuses a quantizer without the losses that this phi needs."""
        balanced = self.phi == "identity" or (self.phi == "scaled" and self.scale == 1)
        rules = quantizer.rules
        losses = any("codebook" in rule.names and rule.weight > 0 for rule in rules)
        pulled = quantizer.commitment > 0 or losses or any(rule.sets_codes for rule in rules)
        if not balanced and not pulled:
            raise ValueError(
                f"phi {self.phi!r} leaves the latents a gradient along the way to their codes; "
                "without commitment or an update that pulls them together they diverge"
            )

    def forward(self, batch: Batch) -> Tensor:
        """(N, D), equal to the chosen codes."""
        z, codes = batch.latents, batch.codes
        way = (codes - z).detach()
        rho = torch.linalg.vector_norm(way, dim=-1, keepdim=True)
        unit = way / torch.where(rho > 0, rho, 1.0)
        # The slope is all that a gradient sees of phi(rho): this form has no 0/0 at rho = 0.
        step = (unit * carrier(codes - z)).sum(-1, keepdim=True)
        return codes.detach() + carrier(z) + SLOPES[self.phi](rho, self.scale) * unit * step

    def extra_repr(self) -> str:
        """The options, for print()."""
        return f"phi={self.phi!r}" + (f", scale={self.scale}" if self.phi in SCALES else "")


@published(
    "grit",
    codebook="affine, low-rank or mixing transform of a trained table",
    estimator="generalized radius",
    update="codebook loss",
    paper="You et al., arXiv 2602.01140",
    year=2026,
    equation="abstract",
    note="reconstruction: known from its abstract only; radius functions and transforms are ours",
)
def _grit(
    size: int,
    dim: int,
    seed: Any,
    *,
    phi: str = "identity",
    scale: float | None = None,
    transform: str = "affine",
    rank: int | None = None,
    trainable_basis: bool = True,
    weight: float = 1.0,
) -> Parts:
    if transform not in TRANSFORMS:
        raise ValueError(f"unknown transform {transform!r}; choose one of {', '.join(TRANSFORMS)}")
    if rank is not None and transform not in ("low-rank", "mixing"):
        raise ValueError(f"transform {transform!r} takes no rank, got {rank}")
    codebook: Codebook
    if transform == "none":
        codebook = Table(size, dim, "normal", trainable=trainable_basis, seed=seed)
    elif transform == "affine":
        codebook = AffineCodebook(size, dim, True, trainable_basis, "identity", seed)
    elif transform == "low-rank":
        codebook = LowRankCodebook(size, dim, rank, trainable_basis, seed)
    else:
        codebook = MixingCodebook(size, dim, rank, trainable_basis, seed=seed)
    return Parts(codebook, [CodebookLoss(weight)], estimator=GeneralizedRadius(phi, scale))
