"""Choices made by N x K logits, and a gradient that goes through the choice to every code."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from .estimators import carrier
from .search import nearest
from .search.checks import refuse_nonfinite
from .updates import Batch


class DotProduct(nn.Module):
    r"""The code with the largest dot product; the logits are the products.

    .. math:: l_{nk} = z_n \cdot c_k, \qquad k_n = \arg\max_k l_{nk}

    It is not the nearest code, and codes inside the convex hull of the others are never chosen: in
    few dimensions that is most of them.

    Reference: Shi et al. 2024 (IBQ, arXiv 2412.02692); temperature 1 and no normalisation as in the
    released code.
    """

    gives_logits = True

    def forward(self, latents: Tensor, codes: Tensor) -> tuple[Tensor, Tensor]:
        """(N,) int64 and logits (N, K) from latents (N, D) and codes (K, D)."""
        logits = latents @ codes.T
        return largest(logits, latents), logits


class DistanceLogits(nn.Module):
    r"""The nearest code; the logits are the negative squared distances.

    .. math:: l_{nk} = \tfrac1\tau \big(z_n \cdot c_k - \tfrac12 |c_k|^2\big), \qquad
        \mathrm{softmax}_k\, l_{nk} = \mathrm{softmax}_k \frac{-|z_n - c_k|^2}{2 \tau}

    Args:
        temperature: tau > 0, in the latents' units squared.

    Raises:
        ValueError: a temperature that is not positive.
    """

    gives_logits = True

    def __init__(self, temperature: float = 1.0) -> None:
        super().__init__()
        if not temperature > 0:
            raise ValueError(f"temperature must be > 0, got {temperature}")
        self.temperature = temperature

    def forward(self, latents: Tensor, codes: Tensor) -> tuple[Tensor, Tensor]:
        """(N,) int64 and logits (N, K) from latents (N, D) and codes (K, D)."""
        return nearest(latents, codes), distance_logits(latents, codes) / self.temperature

    def extra_repr(self) -> str:
        """The temperature, for print()."""
        return f"temperature={self.temperature}"


def distance_logits(latents: Tensor, codes: Tensor) -> Tensor:
    """-|z - c|^2 / 2 up to a number of each row, (N, K)."""
    # Far from the origin the products are large and cancel; a common shift changes no softmax.
    middle = codes.detach().mean(0)
    latents, codes = latents - middle, codes - middle
    return latents @ codes.T - 0.5 * codes.square().sum(-1)


def largest(scores: Tensor, latents: Tensor) -> Tensor:
    """The position of each row's largest score, (N,) int64; latents must be finite.

    Raises:
        ValueError: latents that are not finite, with their count and the position of the first.
    """
    return _largest(scores.detach(), latents.detach())


# An operator, because the refusal looks at values: torch's transforms must not look inside.
@torch.library.custom_op("vqlab::largest", mutates_args=())
def _largest(scores: Tensor, latents: Tensor) -> Tensor:
    refuse_nonfinite("latents", latents)
    return scores.argmax(-1)


@_largest.register_fake
def _(scores: Tensor, latents: Tensor) -> Tensor:
    return scores.new_empty(scores.shape[:-1], dtype=torch.int64)


@_largest.register_vmap
def _(info: Any, in_dims: tuple[int | None, int | None], scores: Tensor, latents: Tensor) -> Any:
    if in_dims[0] is None:
        return _largest(scores, latents), None
    return _largest(scores.movedim(in_dims[0], 0), latents), 0


class IndexBackpropagation(nn.Module):
    r"""Passes the code on; differentiates as the mean code under the softmax of the logits.

    .. math::
        \hat z_n = \sum_k \big(h_{nk} + p_{nk} - \mathrm{sg}\, p_{nk}\big)\, c_k, \qquad
        h_n = \mathrm{onehot}(k_n), \quad p_n = \mathrm{softmax}(l_n)

    With :math:`a_{nk} = p_{nk} (g_n \cdot c_k - \sum_j p_{nj}\, g_n \cdot c_j)` and dot-product
    logits,

    .. math:: \frac{\partial L}{\partial z_n} = \sum_k a_{nk} c_k, \qquad
        \frac{\partial L}{\partial c_k} = \sum_n \big(h_{nk} g_n + a_{nk} z_n\big)

    Every code learns in every step, since no p is zero. Nothing is copied past the choice: where
    the softmax is saturated the latents get no gradient, unlike with straight-through.

    Reference: Shi et al. 2024 (IBQ, arXiv 2412.02692), index backpropagation quantization.
    """

    # Codes do learn from the task. The flag asks for a drift in the task's place, which stands for
    # one only where the latents get the whole gradient; here they get another.
    uses_task_gradient = False
    needs_logits = True

    def forward(self, batch: Batch) -> Tensor:
        """(N, D), equal to the chosen codes."""
        assert batch.logits is not None
        if batch.soft is None:  # a loss may have needed it before: N x K twice would be dear
            # p - sg p is zero, so it gives the codes no gradient beyond that of the chosen one.
            batch.soft = torch.softmax(batch.logits, -1) @ batch.table.detach()
        return batch.codes.detach() + carrier(batch.codes) + carrier(batch.soft)
