"""Index backpropagation quantization: latents and codes pulled together through the choice."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from .codebooks import Table
from .entropy import LogitEntropy
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
        if weight < 0:
            raise ValueError(f"the weight of a loss must be >= 0, got {weight}")
        self.weight = weight
        self.choice = IndexBackpropagation()

    def terms(self, batch: Batch) -> dict[str, Tensor]:
        """{"double": the loss above}."""
        return {"double": batch.mean_square(self.choice(batch), batch.latents)}


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
        LogitEntropy(entropy, temperature=entropy_temperature),
    ]
    table = Table(size, dim, init, seed=seed)
    return Parts(table, rules, assignment, IndexBackpropagation())
