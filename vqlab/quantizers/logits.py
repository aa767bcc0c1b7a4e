"""Choices made by N x K logits, and a gradient that goes through the choice to every code."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .estimators import carrier
from .finite import finite
from .search import nearest
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
        logits = finite(latents) @ codes.T
        return logits.detach().argmax(-1), logits


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


class IndexBackpropagation(nn.Module):
    r"""Passes the code on; differentiates as the mean code under the softmax of the logits.

    .. math::
        \hat z_n = \sum_k \big(h_{nk} + p_{nk} - \mathrm{sg}\, p_{nk}\big)\, c_k, \qquad
        h_n = \mathrm{onehot}(k_n), \quad p_n = \mathrm{softmax}(l_n / \tau)

    The logits get a, and with dot products as logits,

    .. math:: a_{nk} = \tfrac1\tau\, p_{nk} \Big(g_n \cdot c_k - \sum_j p_{nj}\, g_n \cdot c_j\Big),
        \qquad \frac{\partial L}{\partial z_n} = \sum_k a_{nk} c_k, \qquad
        \frac{\partial L}{\partial c_k} = \sum_n \big(h_{nk} g_n + a_{nk} z_n\big)

    Every code learns in every step, since no p is zero. Nothing is copied past the choice: where
    the softmax is saturated the latents get no gradient, unlike with straight-through.

    Args:
        temperature: tau > 0, on top of the assignment's own.

    Raises:
        ValueError: a temperature that is not positive; in a quantizer, an assignment without
            logits, or a rule that sets codes after the choice.

    Reference: Shi et al. 2024 (IBQ, arXiv 2412.02692), index backpropagation quantization.
    """

    # Codes do learn from the task. The flag asks for a drift in the task's place, which stands for
    # one only where the latents get the whole gradient; here they get another.
    uses_task_gradient = False
    needs_logits = True

    def __init__(self, temperature: float = 1.0) -> None:
        super().__init__()
        if not temperature > 0:
            raise ValueError(f"temperature must be > 0, got {temperature}")
        self.temperature = temperature

    def forward(self, batch: Batch) -> Tensor:
        """(N, D), equal to the chosen codes."""
        assert batch.logits is not None
        # A loss may have needed it before: N x K twice would be dear.
        if self.temperature not in batch.soft:
            p = torch.softmax(batch.logits / self.temperature, -1)
            # p - sg p is zero, so it gives the codes no gradient beyond that of the chosen one.
            batch.soft[self.temperature] = p @ batch.table.detach()
        return batch.codes.detach() + carrier(batch.codes) + carrier(batch.soft[self.temperature])

    def extra_repr(self) -> str:
        """The temperature, for print()."""
        return f"temperature={self.temperature}"
