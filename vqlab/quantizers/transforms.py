"""Codebooks that one shared transform makes from a table: a step of one code moves them all."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from .codebooks import BasisCodebook
from .initialisation import seeded


class _Transformed(BasisCodebook):
    """The basis C, frozen or trained, drawn as :class:`AffineCodebook` draws it."""

    def __init__(
        self, codebook_size: int, dim: int, trainable_basis: bool, generator: torch.Generator | None
    ) -> None:
        super().__init__(codebook_size, dim)
        basis = torch.randn(codebook_size, dim, generator=generator) / math.sqrt(dim)
        self.hold(basis, trainable_basis)


class LowRankCodebook(_Transformed):
    r"""Codes that are a basis plus its image under a map of low rank.

    .. math:: C' = C (I + U V^\top), \qquad U, V \in \mathbb{R}^{D \times r}, \; V = 0 \text{ first}

    It starts at the identity exactly, and costs O(KDr) instead of the O(KD^2) of a full map. Codes
    move together within the r directions that V spans.

    Args:
        codebook_size: K. dim: D.
        rank: r, 1 to D; default a quarter of D.
        trainable_basis: train C, too.
        seed: int or torch.Generator for C and U; None draws from torch's own generator.

    Raises:
        ValueError: a rank outside 1 to D.

    Source: reconstruction, one of the transforms that arXiv 2602.01140 may mean: we know its
    abstract, which asks for a shared transform that does not depend on the data.
    """

    def __init__(
        self,
        codebook_size: int,
        dim: int,
        rank: int | None = None,
        trainable_basis: bool = False,
        seed: int | torch.Generator | None = None,
    ) -> None:
        generator = seeded(seed)
        super().__init__(codebook_size, dim, trainable_basis, generator)
        self.rank = max(1, dim // 4) if rank is None else rank
        if not 1 <= self.rank <= dim:
            raise ValueError(f"the rank of a D x D map is 1 to D = {dim}, got {rank}")
        self.into = nn.Parameter(torch.randn(dim, self.rank, generator=generator) / math.sqrt(dim))
        self.out = nn.Parameter(torch.zeros(dim, self.rank))

    def forward(self) -> Tensor:
        """(K, D)."""
        return self.basis + (self.basis @ self.into) @ self.out.T

    def extra_repr(self) -> str:
        """The options, for print()."""
        return f"{super().extra_repr()}, rank={self.rank}"


class MixingCodebook(_Transformed):
    r"""Codes that are weighted means of a basis, with weights that are learned.

    .. math:: C' = A C, \qquad A = (1 - s) I + s\, \mathrm{softmax}_{\text{rows}}
        \big(P Q^\top / \sqrt r\big), \quad P, Q \in \mathbb{R}^{K \times r}, \quad
        s = \mathrm{sigmoid}(\theta)

    A is row-stochastic whatever the parameters: a code never leaves the convex hull of the basis.
    It starts at the identity up to the share s (s = 0 would have no gradient to leave it). A is
    K x K: O(K^2 (r + D)) per step.

    Args:
        codebook_size: K. dim: D.
        rank: r >= 1 of the weights before the softmax; default D.
        trainable_basis: train C, too.
        share: s at the start, in (0, 1).
        seed: int or torch.Generator for C, P and Q; None draws from torch's own generator.

    Raises:
        ValueError: rank < 1 or a share outside (0, 1).

    Source: reconstruction, see :class:`LowRankCodebook`.
    """

    def __init__(
        self,
        codebook_size: int,
        dim: int,
        rank: int | None = None,
        trainable_basis: bool = False,
        share: float = 1e-3,
        seed: int | torch.Generator | None = None,
    ) -> None:
        generator = seeded(seed)
        super().__init__(codebook_size, dim, trainable_basis, generator)
        self.rank = dim if rank is None else rank
        if self.rank < 1:
            raise ValueError(f"rank must be >= 1, got {rank}")
        if not 0 < share < 1:
            raise ValueError(f"share must lie in (0, 1), got {share}")
        shape = (codebook_size, self.rank)
        self.row_weights = nn.Parameter(torch.randn(shape, generator=generator))
        self.columns = nn.Parameter(torch.randn(shape, generator=generator))
        self.gate = nn.Parameter(torch.tensor(math.log(share / (1 - share))))

    def weights(self) -> Tensor:
        """A, (K, K), each row non-negative with sum 1."""
        share = torch.sigmoid(self.gate)
        mixed = torch.softmax(self.row_weights @ self.columns.T / math.sqrt(self.rank), -1)
        return share * mixed + (1 - share) * torch.eye(self.codebook_size).to(mixed)

    def forward(self) -> Tensor:
        """(K, D)."""
        return self.weights() @ self.basis

    def extra_repr(self) -> str:
        """The options, for print()."""
        return f"{super().extra_repr()}, rank={self.rank}"
