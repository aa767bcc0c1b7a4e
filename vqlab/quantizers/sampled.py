"""Codes drawn at random by their logits: Gumbel-softmax quantization."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from .codebooks import Table
from .draws import Noise
from .finite import finite
from .logits import IndexBackpropagation, distance_logits
from .registry import Parts, published
from .schedules import Cosine, Schedule, as_schedule
from .search import nearest
from .updates import Batch, CodebookLoss, Update

if TYPE_CHECKING:
    from .quantizer import VectorQuantizer

LOGITS = ("projection", "distance", "gaussian")


class GumbelChoice(nn.Module):
    r"""In training draws a code with the probabilities of the logits; in evaluation the likeliest.

    .. math:: k_n = \arg\max_k\, (l_{nk} + G_{nk}), \qquad G_{nk} \sim \mathrm{Gumbel}(0, 1), \qquad
        P(k_n = k) = \mathrm{softmax}_k\, l_{nk}

    The logits handed to the estimator are (l + G) / tau.

    Args:
        codebook_size: K. dim: D.
        logits: "projection" (l = W z + b, learned, blind to the codes), "distance"
            (l = -|z - c|^2) or "gaussian" (l = -|z - c|^2 / (2 s^2), s learned). With the last two
            evaluation chooses the nearest code.
        temperature: tau > 0, a number or a schedule over the training steps.
        variance: s^2 at the start, for "gaussian".
        seed: int, torch.Generator or None, of W and of the draws. A latent's draw depends on its
            place in the batch.

    Raises:
        ValueError: unknown logits; a temperature or variance that is not positive; in a quantizer,
            codes of another size or dimension.

    Reference: Jang et al. 2016 (arXiv 1611.01144); Takida et al. 2022 (SQ-VAE, arXiv 2205.07547)
    for "gaussian".
    """

    gives_logits = True

    def __init__(
        self,
        codebook_size: int,
        dim: int,
        logits: str = "projection",
        temperature: float | Schedule = 1.0,
        variance: float = 1.0,
        seed: int | torch.Generator | None = None,
    ) -> None:
        super().__init__()
        if logits not in LOGITS:
            raise ValueError(f"unknown logits {logits!r}; choose one of {', '.join(LOGITS)}")
        if not variance > 0:
            raise ValueError(f"variance must be > 0, got {variance}")
        generator = torch.Generator().manual_seed(seed) if isinstance(seed, int) else seed
        self.kind, self.temperature = logits, as_schedule(temperature)
        self.shape = (codebook_size, dim)
        if logits == "projection":
            start = torch.randn(codebook_size, dim, generator=generator) / math.sqrt(dim)
            self.projection = nn.Parameter(start)
            self.bias = nn.Parameter(torch.zeros(codebook_size))
        elif logits == "gaussian":
            self.log_variance = nn.Parameter(torch.tensor(math.log(variance)))
        self.noise = Noise(generator)

    def check(self, quantizer: VectorQuantizer) -> None:
        """Needs codes of its size and dimension."""
        shape = (quantizer.codebook_size, quantizer.dim)
        if shape != self.shape:
            raise ValueError(
                f"GumbelChoice chooses among (K, D) = {self.shape}, but the "
                f"{type(quantizer.codebook).__name__} has {shape}"
            )

    def logits(self, latents: Tensor, codes: Tensor) -> Tensor:
        """l without noise and temperature, (N, K)."""
        if self.kind == "projection":
            return latents @ self.projection.T + self.bias
        halves = distance_logits(latents, codes)
        return halves * (2.0 if self.kind == "distance" else torch.exp(-self.log_variance))

    def forward(self, latents: Tensor, codes: Tensor) -> tuple[Tensor, Tensor]:
        """(N,) int64 and logits (N, K) from latents (N, D) and codes (K, D)."""
        latents = finite(latents)
        logits, tau = self.logits(latents, codes), self.temperature(self.noise.clock)
        if self.training:
            self.noise.advance()
            logits = logits + self.noise.gumbel(logits)
        elif self.kind != "projection":
            return nearest(latents, codes), logits / tau
        return logits.detach().argmax(-1), logits / tau

    def extra_repr(self) -> str:
        """The options, for print()."""
        return f"logits={self.kind!r}, temperature={self.temperature}"


class UniformPrior(Update):
    r"""Holds the probabilities of the codes near the uniform ones.

    .. math:: L = \tfrac1N \sum_n \sum_k p_{nk} \log (K p_{nk}), \qquad
        p_n = \mathrm{softmax}(l_n) \text{ without noise and temperature}

    Args:
        weight: factor in the loss.

    Raises:
        ValueError: a negative weight; in a quantizer, an assignment that is no GumbelChoice.

    Reference: Jang et al. 2016 (arXiv 1611.01144); weight 5e-4 as in the released VQGAN code.
    """

    trains_latents = True

    names: tuple[str, ...] = ("prior",)

    def __init__(self, weight: float = 5e-4) -> None:
        super().__init__()
        if weight < 0:
            raise ValueError(f"the weight of a loss must be >= 0, got {weight}")
        self.weight = weight

    def check(self, quantizer: VectorQuantizer) -> None:
        """Needs the logits without their noise."""
        if not isinstance(quantizer.assignment, GumbelChoice):
            kind = type(quantizer.assignment).__name__
            raise ValueError(f"{type(self).__name__} needs a GumbelChoice, got {kind}")
        self._choice = (quantizer.assignment,)  # in a tuple, so that it is not this module's child

    def terms(self, batch: Batch) -> dict[str, Tensor]:
        """{"prior": the loss above}."""
        logs = torch.log_softmax(self._choice[0].logits(batch.latents, batch.table), -1)
        each = (logs.exp() * (logs + math.log(batch.table.shape[0]))).sum(-1)
        if batch.weights is not None:
            each = each * batch.weights
        return {"prior": each.sum() * batch.scale() * batch.latents.shape[1]}


@published(
    "gumbel",
    codebook="free table",
    assignment="sampled by learned logits",
    estimator="index backpropagation (hard Gumbel-softmax)",
    update="gradient of the task + uniform prior",
    paper="Jang et al., arXiv 1611.01144; as quantizer, Ramesh et al., arXiv 2102.12092",
    year=2016,
    equation="Sec. 2",
    note="prior weight of the released VQGAN code; no commitment there (commitment=0)",
)
def _gumbel(
    size: int,
    dim: int,
    seed: Any,
    *,
    init: str | Tensor = "normal",
    logits: str = "projection",
    temperature: float | Schedule = Cosine(1.0, 1 / 16, 150_000),  # noqa: B008  frozen
    prior: float = 5e-4,
    weight: float = 0.0,
) -> Parts:
    if logits not in ("projection", "distance"):
        raise ValueError(f"logits must be 'projection' or 'distance', got {logits!r}")
    table = Table(size, dim, init, seed=seed)
    choice = GumbelChoice(size, dim, logits, temperature, seed=seed)
    rules = [CodebookLoss(weight), UniformPrior(prior)]
    return Parts(table, rules, choice, IndexBackpropagation())
