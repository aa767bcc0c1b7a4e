"""OptVQ: in training, codes share the latents out evenly, by optimal transport."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from .codebooks import Table
from .finite import finite
from .neighbours import BLOCK, distances
from .registry import Parts, published
from .search import nearest
from .updates import CodebookLoss


class Transport(nn.Module):
    r"""The code with the largest share of the latent in an entropic optimal transport plan.

    .. math:: \max_Q -s \sum_{nk} Q_{nk} \frac{d_{nk}}{\mathrm{std}(d)} + H(Q), \quad
        \sum_n Q_{nk} = \tfrac1K,\; \sum_k Q_{nk} = \tfrac1N, \qquad k_n = \arg\max_k Q_{nk},
        \quad d_{nk} = \|z_n - c_k\|^2

    Sinkhorn's alternation gives Q_nk = exp(f_n + g_k - s d_nk / std(d)). The latent's own f_n does
    not change its choice, so each code has a price of its own: k_n is the code at the smallest
    d_nk - std(d) g_k / s, a cell of a power diagram instead of a Voronoi diagram. Codes that few
    latents want become cheap. In evaluation mode the nearest code is chosen.

    Costs (iterations + 3) N K D; the N x K plan is made in blocks and never kept. Each process
    shares out its own batch.

    The plan is even, its largest shares need not be: where the codes lie much closer together than
    the distances spread, a soft plan gives all codes alike shares of a latent.

    Args:
        sharpness: s; large chooses sharply and needs more iterations, small blurs close codes.
        iterations: of Sinkhorn's alternation.

    Raises:
        ValueError: a sharpness that is not positive, fewer than one iteration.

    Reference: OptVQ, Zhang et al. 2024 (arXiv 2412.15195); settings of the released code
    (epsilon: 10, n_iters: 5, normalize_mode: all).
    """

    uses_weights = True

    def __init__(self, sharpness: float = 10.0, iterations: int = 5) -> None:
        super().__init__()
        if not sharpness > 0:
            raise ValueError(f"sharpness must be > 0, got {sharpness}")
        if iterations < 1:
            raise ValueError(f"iterations must be >= 1, got {iterations}")
        self.sharpness, self.iterations = sharpness, iterations

    @torch.no_grad()
    def forward(self, latents: Tensor, codes: Tensor, weights: Tensor | None = None) -> Tensor:
        """(N,) int64 from latents (N, D), codes (K, D) and 0 or 1 per latent (N,) for padding."""
        if not self.training or latents.shape[0] == 0:
            return nearest(latents, codes)
        latents = finite(latents)
        center = latents.mean(0)  # near the origin the expanded distances are exact
        z, table = latents - center, codes - center
        parts = z.split(max(1, BLOCK // codes.shape[0]))
        hidden = torch.zeros_like(z[:, 0])
        if weights is not None:
            hidden = hidden.masked_fill(weights == 0, -torch.inf)
        padding = hidden.split(max(1, BLOCK // codes.shape[0]))
        scale = self.sharpness / self._spread(parts, padding, table)
        price = torch.zeros_like(table[:, 0])
        for iteration in range(self.iterations):
            price = self._next(parts, padding, table, scale, price, first=iteration == 0)
        return torch.cat([(price - scale * distances(p, table)).argmax(1) for p in parts])

    @staticmethod
    def _next(
        parts: tuple[Tensor, ...],
        padding: tuple[Tensor, ...],
        table: Tensor,
        scale: Tensor,
        price: Tensor,
        first: bool,
    ) -> Tensor:
        # The latents' factors for these prices, and the prices that then give each code its share.
        total = torch.full_like(price, -torch.inf)
        for part, hidden in zip(parts, padding, strict=True):
            logits = -scale * distances(part, table)
            own = hidden if first else hidden - (logits + price).logsumexp(1)
            total = torch.logaddexp(total, (logits + own[:, None]).logsumexp(0))
        # Without a latent that counts, there is nothing to share out.
        return torch.where(total.isfinite(), -total, 0.0)

    @staticmethod
    def _spread(parts: tuple[Tensor, ...], padding: tuple[Tensor, ...], table: Tensor) -> Tensor:
        # Standard deviation of all distances; the mean does not change the plan.
        size = table.shape[0]
        count = table.new_zeros(())
        total, squares = table.new_zeros(()), table.new_zeros(())
        valid = [torch.isfinite(hidden).to(table) for hidden in padding]
        for part, seen in zip(parts, valid, strict=True):
            count = count + size * seen.sum()
            total = total + (distances(part, table) * seen[:, None]).sum()
        mean = total / count.clamp_min(1.0)
        for part, seen in zip(parts, valid, strict=True):
            squares = squares + ((distances(part, table) - mean).square() * seen[:, None]).sum()
        spread = (squares / (count - 1).clamp_min(1.0)).sqrt()
        return spread.clamp_min(torch.finfo(spread.dtype).tiny ** 0.5)

    def extra_repr(self) -> str:
        """The options, for print()."""
        return f"sharpness={self.sharpness}, iterations={self.iterations}"


@published(
    "ot-vq",
    codebook="free table",
    assignment="optimal transport in training",
    update="codebook loss",
    paper="OptVQ, Zhang et al., arXiv 2412.15195",
    year=2024,
    equation="released settings",
    note="squared distances; one head and no projections, of which the released models have some",
)
def _ot_vq(
    size: int,
    dim: int,
    seed: Any,
    *,
    init: str | Tensor = "uniform",
    sharpness: float = 10.0,
    iterations: int = 5,
    weight: float = 1.0,
) -> Parts:
    table = Table(size, dim, init, seed=seed)
    return Parts(table, [CodebookLoss(weight)], Transport(sharpness, iterations))
