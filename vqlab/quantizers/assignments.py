"""The second decision: which code each latent gets.

An assignment takes latents (N, D) and codes (K, D) and returns the indices (N,), int64. One that is
defined by its N x K logits sets ``gives_logits`` and returns indices and logits, the latter with
their gradients: an estimator that ``needs_logits`` finds them in the :class:`Batch`. One in which
the choice of a latent depends on the others sets ``uses_weights`` and gets the weights (N,), 0 for
padding and 1 else, or None, as a third argument.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor, nn

from .search import nearest


class Nearest(nn.Module):
    r"""The code at the smallest Euclidean distance, exactly.

    .. math:: k_n = \arg\min_k \|z_n - c_k\|
    """

    def forward(self, latents: Tensor, codes: Tensor) -> Tensor:
        """(N,) int64 from latents (N, D) and codes (K, D)."""
        return nearest(latents, codes)


class Cosine(nn.Module):
    r"""The code at the smallest angle; lengths do not count.

    .. math:: k_n = \arg\max_k \frac{z_n \cdot c_k}{\|z_n\|\,\|c_k\|}

    Only the choice is made on the sphere: the code itself is passed on at its own length.

    Reference: Yu et al. 2021 (ViT-VQGAN, arXiv 2110.04627), which also normalizes the output.
    """

    def forward(self, latents: Tensor, codes: Tensor) -> Tensor:
        """(N,) int64 from latents (N, D) and codes (K, D)."""
        # On the unit sphere the nearest code is the one at the smallest angle.
        return nearest(unit(latents.detach()), unit(codes.detach()))


class Rounds(Protocol):
    """A codebook that finds the index itself."""

    def round(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        """Indices (N,) int64 and codes (N, D) from latents (N, D)."""


class Rounding(nn.Module):
    """Each coordinate to the nearest of its levels: no distances, no search, cost N D.

    On a lattice that is the nearest code. Instead of a table it is given the codebook, and finds
    the codes with their indices.
    """

    rounds = True

    def forward(self, latents: Tensor, codebook: Rounds) -> tuple[Tensor, Tensor]:
        """Indices (N,) int64 and codes (N, D) from latents (N, D), confined by ``codebook``."""
        return codebook.round(latents.detach())


def unit(rows: Tensor) -> Tensor:
    """Rows (N, D) at length 1; a zero row stays zero."""
    length = torch.linalg.vector_norm(rows, dim=-1, keepdim=True)
    # A row with NaN or Inf stays as it is, so that the search names its true count and position;
    # so does a zero row, whose gradient then is no multiple of 1 / 0.
    return rows / torch.where(length.isfinite() & (length > 1e-30), length, 1.0)
