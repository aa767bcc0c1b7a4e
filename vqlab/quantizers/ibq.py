"""Index backpropagation quantization: its losses, made of the logits of the choice."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .codebooks import Table
from .logits import DistanceLogits, DotProduct, IndexBackpropagation
from .registry import Parts, published
from .updates import Batch, CodebookLoss, Update


class DoubleQuantization(Update):
    r"""Pulls latents and codes together through the choice, besides commitment and codebook loss.

    .. math:: L = \tfrac{1}{ND}\sum_n \|\hat z_n - z_n\|^2

    with :math:`\hat z` of :class:`IndexBackpropagation`; neither side is stopped.

    Args:
        weight: factor in the loss.

    Raises:
        ValueError: a negative weight; in a quantizer, an assignment without logits.

    Reference: Shi et al. 2024 (arXiv 2412.02692), Eq. 12, first term. In Eq. 12 the commitment is
    weighted by beta = 0.25; the released code puts 0.25 on the codebook loss instead.
    """

    needs_logits = True
    names = ("double",)
    trains_latents = True

    def __init__(self, weight: float = 1.0) -> None:
        super().__init__()
        self.weight = _weight(weight)
        self.choice = IndexBackpropagation()

    def terms(self, batch: Batch) -> dict[str, Tensor]:
        """{"double": the loss above}."""
        return {"double": batch.mean_square(self.choice(batch), batch.latents)}


class LogitEntropy(Update):
    r"""Makes each latent's choice sharp and the use of all codes even.

    .. math:: L = \tfrac1N \sum_n H(p_n) - H\Big(\tfrac1N \sum_n p_n\Big), \qquad
        p_n = \mathrm{softmax}(l_n / \tau), \quad -\log K \le L \le 0

    Args:
        weight: factor in the loss.
        temperature: tau > 0, on top of the assignment's own.

    Raises:
        ValueError: options out of range; in a quantizer, an assignment without logits.

    Reference: Yu et al. 2023 (arXiv 2310.05737), entropy penalty; weight and temperature as in the
    released code of IBQ. Over several processes each takes the mean of its own latents.
    """

    needs_logits = True
    names = ("entropy",)
    trains_latents = True

    def __init__(self, weight: float = 0.05, temperature: float = 0.01) -> None:
        super().__init__()
        if not temperature > 0:
            raise ValueError(f"temperature must be > 0, got {temperature}")
        self.weight, self.temperature = _weight(weight), temperature

    def terms(self, batch: Batch) -> dict[str, Tensor]:
        """{"entropy": the loss above}."""
        assert batch.logits is not None
        logs = torch.log_softmax(batch.logits / self.temperature, -1)
        shares = logs.exp()
        each = -(shares * logs).sum(-1)
        if batch.weights is not None:
            each, shares = each * batch.weights, shares * batch.weights[:, None]
        one = batch.scale() * batch.latents.shape[1]  # 1 / N
        mean = shares.sum(0) * one
        # A code that no latent comes near has share 0 exactly; 0 log 0 = 0, without a NaN gradient.
        log_mean = torch.log(mean.clamp_min(torch.finfo(mean.dtype).tiny))
        return {"entropy": each.sum() * one + (mean * log_mean).sum()}

    def extra_repr(self) -> str:
        """The options, for print()."""
        return f"weight={self.weight}, temperature={self.temperature}"


def _weight(weight: float) -> float:
    if weight < 0:
        raise ValueError(f"the weight of a loss must be >= 0, got {weight}")
    return weight


@published(
    "ibq",
    codebook="free table",
    assignment="dot product",
    estimator="index backpropagation",
    update="codebook loss + double quantization + entropy",
    paper="Shi et al., arXiv 2412.02692",
    year=2024,
    equation="Eq. 12",
    note="logits='l2' (ours) chooses the nearest code; entropy term as in the released code",
)
def _ibq(
    size: int,
    dim: int,
    seed: Any,
    *,
    init: str | Tensor = "normal",
    logits: str = "dot",
    temperature: float = 1.0,
    weight: float = 1.0,
    double: float = 1.0,
    entropy: float = 0.05,
    entropy_temperature: float = 0.01,
) -> Parts:
    if logits not in ("dot", "l2"):
        raise ValueError(f"logits must be 'dot' or 'l2', got {logits!r}")
    if logits == "dot" and temperature != 1:
        raise ValueError(f"temperature belongs to logits='l2', got {temperature} with 'dot'")
    assignment = DotProduct() if logits == "dot" else DistanceLogits(temperature)
    rules = [
        CodebookLoss(weight),
        DoubleQuantization(double),
        LogitEntropy(entropy, entropy_temperature),
    ]
    table = Table(size, dim, init, seed=seed)
    return Parts(table, rules, assignment, IndexBackpropagation())
