"""Low-dimensional codes: a linear map down, any quantizer there, a linear map back."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from .assignments import unit
from .codebooks import Table
from .finite import finite
from .frame import Flat, Quantizer
from .initialisation import forked, seeded
from .registry import Parts, published
from .search.operator import transformed
from .updates import CodebookLoss


class Projected(Quantizer):
    r"""Quantizes in d dimensions what arrives and leaves in D.

    .. math:: y = W_{in} z + b_{in} \in \mathbb R^d, \qquad
        \hat z = W_{out}\, Q(y) + b_{out} \in \mathbb R^D

    The codes seen from outside, ``codebook()`` and ``decode``, are W_out c_k + b_out, and the
    task's gradient trains both maps. Losses are those of the inner quantizer: distances in d
    dimensions. ``quantized`` equals ``decode(indices)`` to the last bit and ``codebook()[indices]``
    to rounding, for a matrix product rounds differently with the number of its rows.

    Args:
        quantizer: any, of dimension d, a stack, too; not ``channel_first`` itself.
        dim: D. bias: with b_in and b_out.
        channel_first: latents are (B, D, H, W).
        seed: int or torch.Generator for the maps; None draws from torch's own generator.

    Raises:
        ValueError: a ``channel_first`` quantizer, or dim < 1.

    Reference: factorized codes of ViT-VQGAN, Yu et al. 2021 (arXiv 2110.04627), Sec. 3.2.
    """

    def __init__(
        self,
        quantizer: Quantizer,
        dim: int,
        bias: bool = True,
        channel_first: bool = False,
        seed: int | torch.Generator | None = None,
    ) -> None:
        super().__init__(channel_first)
        if quantizer.channel_first:
            raise ValueError("channel_first belongs to Projected, not to the quantizer within")
        if not isinstance(dim, int) or dim < 1:
            raise ValueError(f"dim must be an integer >= 1, got {dim!r}")
        with forked(seeded(seed)):
            self.into = nn.Linear(dim, quantizer.dim, bias=bias)
            self.out = nn.Linear(quantizer.dim, dim, bias=bias)
        self.quantizer = quantizer
        self.levels = quantizer.levels

    @property
    def codebook_size(self) -> int:
        """K, of the quantizer within."""
        return self.quantizer.codebook_size

    @property
    def dim(self) -> int:
        """D, outside."""
        return self.into.in_features

    @property
    def working_dtype(self) -> torch.dtype:
        """That of the quantizer within."""
        return self.quantizer.working_dtype

    @property
    def rules(self) -> list[Any]:
        """The updates of the quantizer within."""
        return self.quantizer.rules

    @property
    def uses_task_gradient(self) -> bool:
        """Always: it reaches the codes through W_out."""
        return True

    def codebook(self) -> Tensor:
        """The codes as they leave, (K, D)."""
        return _linear(self.out, self.quantizer.codebook())

    def quantize_rows(self, z: Tensor, weights: Tensor | None, shape: torch.Size) -> Flat:
        """Down, quantize, up."""
        if transformed(z):
            z = finite(z)  # nothing is caught out of a compiled graph
        inner = _linear(self.into, z)
        if weights is not None:
            inner = torch.where(weights[:, None] > 0, inner, 0.0)
        try:
            flat = self.quantizer.quantize_rows(inner, weights, shape[:-1] + inner.shape[-1:])
        except ValueError:
            finite(z)  # its own NaN and Inf are named where they are, not where they lead to
            raise
        return flat._replace(out=_linear(self.out, flat.out))

    def look_up(self, indices: Tensor) -> Tensor:
        """The codes (N, D) as they leave."""
        return _linear(self.out, self.quantizer.look_up(indices))

    def fold(self) -> Projected:
        """A copy for inference around the folded quantizer; the maps are frozen."""
        folded = deepcopy(self).requires_grad_(False)
        inner: Any = self.quantizer
        folded.quantizer = inner.fold()  # a stack has none, and says so
        return folded.eval()

    def _check_indices(self, indices: Tensor) -> None:
        self.quantizer._check_indices(indices)


class SphereTable(Table):
    r"""Free codes of which only the direction counts; latents are normalised, too.

    .. math:: \tilde c_k = c_k / \|c_k\|, \qquad \tilde z = z / \|z\|, \qquad
        \|\tilde z - \tilde c_k\|^2 = 2 - 2 \cos(z, c_k)

    The nearest code is the one at the smallest angle, and what goes on has length 1. Gradients
    reach both only across their direction.

    Args:
        codebook_size, dim, init, trainable, seed: as for :class:`Table`; "normal" spreads the codes
            evenly over the sphere.

    Reference: ViT-VQGAN, Yu et al. 2021 (arXiv 2110.04627), Sec. 3.2.
    """

    def forward(self) -> Tensor:
        """(K, D), rows of length 1."""
        return unit(super().forward())

    def confine(self, latents: Tensor) -> Tensor:
        """z / |z|."""
        return unit(latents)

    def fold(self) -> SphereTable:
        """A copy that nothing trains: the latents still have to be brought to the sphere."""
        return deepcopy(self).requires_grad_(False)


def within(dim: int, code_dim: int, seed: Any) -> Callable[[Quantizer], Quantizer] | None:
    """What puts linear maps D to d and back around a quantizer; None where D = d needs none."""
    return None if dim == code_dim else lambda inner: Projected(inner, dim, seed=seed)


def _linear(layer: nn.Linear, rows: Tensor) -> Tensor:
    # Half-precision maps work in the quantizer's float32.
    bias = None if layer.bias is None else layer.bias.to(rows.dtype)
    return nn.functional.linear(rows, layer.weight.to(rows.dtype), bias)


@published(
    "vqgan-fc",
    codebook="free table on the unit sphere, between linear maps",
    update="codebook loss",
    paper="Yu et al., arXiv 2110.04627",
    year=2021,
    equation="Sec. 3.2",
    note="factorized and l2-normalised codes; code_dim is 32 or dim if that is less",
)
def _vqgan_fc(
    size: int,
    dim: int,
    seed: Any,
    *,
    code_dim: int | None = None,
    normalize: bool = True,
    weight: float = 1.0,
) -> Parts:
    inner = min(32, dim) if code_dim is None else code_dim
    table = (SphereTable if normalize else Table)(size, inner, "normal", seed=seed)
    return Parts(
        table, [CodebookLoss(weight)], around=lambda within: Projected(within, dim, seed=seed)
    )
