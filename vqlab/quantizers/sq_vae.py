"""The Gaussian SQ-VAE: soft codes whose spread is learned, and anneals itself."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from .codebooks import Table
from .estimators import carrier
from .registry import Parts, published
from .sampled import GumbelChoice, UniformPrior
from .schedules import Exponential, Schedule
from .updates import Batch, CodebookLoss

if TYPE_CHECKING:
    from .quantizer import VectorQuantizer


class MeanCode(nn.Module):
    r"""In training passes on the mean code under the softmax of the logits, not one code.

    .. math:: \hat z_n = \sum_k \mathrm{softmax}_k(l_n)\, c_k

    In evaluation the value is the chosen code, with the gradient of straight-through.

    Attributes:
        approximates_code: in training the value is not ``codebook()[indices]``, by definition.

    Reference: Takida et al. 2022 (SQ-VAE, arXiv 2205.07547).
    """

    # Codes do learn from the task. The flag asks for a drift in the task's place, which stands for
    # one only where the latents get the whole gradient; here they get another.
    uses_task_gradient = False
    needs_logits = True
    approximates_code = True

    def forward(self, batch: Batch) -> Tensor:
        """(N, D): mean codes in training, the chosen codes in evaluation."""
        assert batch.logits is not None
        if not self.training:
            return batch.codes.detach() + carrier(batch.latents)
        return torch.softmax(batch.logits, -1) @ batch.table


class GaussianPrior(UniformPrior):
    r"""The two divergences of the Gaussian SQ-VAE: it anneals itself towards hard quantization.

    .. math:: L = \tfrac{1}{ND} \sum_n \Big[\sum_k p_{nk} \log (K p_{nk})
        + \frac{|z_n - \hat z_n|^2}{2 s^2}\Big]

    with p and s of ``GumbelChoice(logits="gaussian")`` and :math:`\hat z` of :class:`MeanCode`.
    Both parts pull s up; the task, which suffers from the noise, pulls it down.

    Args:
        weight: factor in the loss.

    Raises:
        ValueError: a negative weight; in a quantizer, an assignment that is not Gaussian.

    Reference: Takida et al. 2022 (arXiv 2205.07547). Ours: the mean over the elements, as for the
    other losses here, and the constant log K, which keeps the first part from being negative.
    """

    names = ("prior", "spread")

    def __init__(self, weight: float = 1.0) -> None:
        super().__init__(weight)
        self.value = MeanCode()

    def check(self, quantizer: VectorQuantizer) -> None:
        """Needs the learned variance."""
        super().check(quantizer)
        if self._choice[0].kind != "gaussian":
            kind = self._choice[0].kind
            raise ValueError(f"GaussianPrior needs logits='gaussian', got {kind!r}")

    def terms(self, batch: Batch) -> dict[str, Tensor]:
        """{"prior": the first part, "spread": the second}."""
        prior = super().terms(batch)["prior"] / batch.latents.shape[1]
        squares = (batch.latents - self.value(batch)).square()
        if batch.weights is not None:
            squares = squares * batch.weights[:, None]
        precision = torch.exp(-self._choice[0].log_variance)
        return {"prior": prior, "spread": 0.5 * precision * squares.sum() * batch.scale()}


@published(
    "sq-vae",
    codebook="free table",
    assignment="sampled by Gaussian logits",
    estimator="mean code",
    update="gradient of the task + Gaussian prior",
    paper="Takida et al., arXiv 2205.07547",
    year=2022,
    equation="Gaussian SQ-VAE (I)",
    note="loss scaled as the others here; no commitment there (commitment=0)",
)
def _sq_vae(
    size: int,
    dim: int,
    seed: Any,
    *,
    init: str | Tensor = "normal",
    variance: float = 1.0,
    temperature: float | Schedule = Exponential(1.0, math.exp(-1e-5)),  # noqa: B008  frozen
    prior: float = 1.0,
    weight: float = 0.0,
) -> Parts:
    table = Table(size, dim, init, seed=seed)
    choice = GumbelChoice(size, dim, "gaussian", temperature, variance, seed)
    return Parts(table, [CodebookLoss(weight), GaussianPrior(prior)], choice, MeanCode())
