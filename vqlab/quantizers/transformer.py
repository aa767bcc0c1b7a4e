"""TransVQ's codebook: a transformer with linear attention, whose tokens are the codes."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from .codebooks import Codebook
from .initialisation import forked, seeded


class LinearAttention(nn.Module):
    r"""Attention whose cost is linear in K, one head.

    .. math:: \mathrm{out}_k = \frac{\phi(q_k) \sum_j \phi(k_j)^\top v_j}
        {\phi(q_k) \cdot \sum_j \phi(k_j) + 10^{-6}}, \qquad \phi = \mathrm{elu} + 1

    Reference: Katharopoulos et al. 2020 (arXiv 2006.16236), Eq. 5 to 7.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query, self.key, self.value, self.out = (
            nn.Linear(width, width, bias=False) for _ in range(4)
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """(K, width) from (K, width)."""
        query = nn.functional.elu(self.query(tokens)) + 1
        key = nn.functional.elu(self.key(tokens)) + 1
        mixed = query @ (key.T @ self.value(tokens))
        return self.out(mixed / ((query @ key.sum(0)) + 1e-6)[:, None])


class TransformerBlock(nn.Module):
    """Pre-norm linear attention and a two-layer perceptron, each added to its input."""

    def __init__(self, width: int, ratio: int = 2) -> None:
        super().__init__()
        self.norm_attention, self.norm_mlp = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = LinearAttention(width)
        self.mlp = nn.Sequential(
            nn.Linear(width, ratio * width), nn.GELU(), nn.Linear(ratio * width, width)
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """(K, width) from (K, width)."""
        tokens = tokens + self.attention(self.norm_attention(tokens))
        return tokens + self.mlp(self.norm_mlp(tokens))


class TransformerCodebook(Codebook):
    r"""Codes that a small transformer makes from a frozen random basis, the codes being its tokens.

    .. math:: C' = P_\phi(C), \qquad C_{kd} \sim \mathcal N(0, 1/D) \text{ frozen}

    in: linear D to width plus a learned position per code; ``depth`` blocks of linear attention;
    out: layer norm, linear width to D. The table does not depend on the latents.

    Args:
        codebook_size: K. dim: D.
        width: of the tokens. depth: number of blocks; 0 leaves norm and linear map alone.
        positions: the learned vector per code, K * width of the parameters.
        seed: int or torch.Generator; None draws from torch's own generator.

    Raises:
        ValueError: width < 1 or depth < 0.

    Source: TransVQ, arXiv 2602.18896; the paper's text gives no layer sizes, the defaults are those
    of the released code (821,504 parameters at K = 1024, D = 64).
    """

    basis: Tensor

    def __init__(
        self,
        codebook_size: int,
        dim: int,
        width: int = 256,
        depth: int = 1,
        positions: bool = True,
        seed: int | torch.Generator | None = None,
    ) -> None:
        super().__init__(codebook_size, dim)
        if width < 1 or depth < 0:
            raise ValueError(f"width must be >= 1 and depth >= 0, got {width} and {depth}")
        with forked(seeded(seed)):
            self.register_buffer("basis", torch.randn(codebook_size, dim) / math.sqrt(dim))
            self.into = nn.Linear(dim, width, bias=False)
            self.positions = nn.Embedding(codebook_size, width) if positions else None
            self.blocks = nn.Sequential(*(TransformerBlock(width) for _ in range(depth)))
            self.norm = nn.LayerNorm(width)
            self.out = nn.Linear(width, dim, bias=False)

    @property
    def stored(self) -> Tensor:
        """The frozen basis."""
        return self.basis

    def forward(self) -> Tensor:
        """(K, D)."""
        tokens = self.into(self.basis)
        if self.positions is not None:
            tokens = tokens + self.positions.weight
        return self.out(self.norm(self.blocks(tokens)))
