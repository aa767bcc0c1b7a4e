"""Terms that keep codes apart or in use, for any codebook that gradients can move."""

from __future__ import annotations

import torch
from torch import Tensor

from .codebooks import Codebook
from .neighbours import BLOCK, distances
from .updates import Batch, Update, refuse_untrained


class Regulariser(Update):
    """Base: a weighted term that needs a trainable codebook."""

    def __init__(self, weight: float) -> None:
        super().__init__()
        if weight < 0:
            raise ValueError(f"the weight of {type(self).__name__} must be >= 0, got {weight}")
        self.weight = weight

    def attach(self, codebook: Codebook) -> None:
        """Needs a codebook that gradients can move."""
        refuse_untrained(self, codebook)


class Orthogonality(Regulariser):
    r"""Turns the codes apart: the mean squared cosine of all pairs, less that of equal ones.

    .. math:: L = \frac{1}{K^2} \sum_{ij} \cos(c_i, c_j)^2 - \frac1K

    Between 1/D - 1/K (for K >= D, when the directions are spread evenly) and 1 - 1/K (all on one
    line). From the D x D products of the unit codes, without the K x K cosines.

    Args:
        weight: factor in the loss.

    Raises:
        ValueError: a negative weight, or a codebook that nothing can train.

    Reference: Shin et al. 2021 (arXiv 2112.00384), orthogonal regularization of the codebook.
    """

    names = ("orthogonality",)

    def __init__(self, weight: float = 1.0) -> None:
        super().__init__(weight)

    def terms(self, batch: Batch) -> dict[str, Tensor]:
        """{"orthogonality": the loss above}."""
        unit = torch.nn.functional.normalize(batch.table, dim=1)
        size, dim = unit.shape
        gram = unit.T @ unit if dim <= size else unit @ unit.T
        return {"orthogonality": gram.square().sum() / size**2 - 1 / size}

    def extra_repr(self) -> str:
        """The weight, for print()."""
        return f"weight={self.weight}"


class Contrast(Regulariser):
    r"""Draws each code to its most similar latents and away from the least similar half.

    .. math:: L = -\frac1K \sum_k \log
        \frac{e^{s^+_k/\tau}}{e^{s^+_k/\tau} + \sum_{n \in U_k} e^{s_{nk}/\tau}}

    s+ is the mean similarity of the code's max(1, N // K) most similar latents, U_k the N // 2
    least similar ones. Only the codes get its gradient; unused codes get it, too. Costs a sort
    of the latents per code; the K x N similarities are made in blocks and never kept.

    Args:
        similarity: "l2" (minus the squared distance) or "cosine".
        temperature: tau, in units of the similarity.
        weight: factor in the loss.

    Raises:
        ValueError: unknown similarity, a temperature that is not positive, a negative weight.

    Reference: CVQ-VAE, Zheng and Vedaldi 2023 (arXiv 2307.15139); released code, tau = 0.07.
    """

    names = ("contrast",)

    def __init__(
        self, similarity: str = "l2", temperature: float = 0.07, weight: float = 1.0
    ) -> None:
        super().__init__(weight)
        if similarity not in ("l2", "cosine"):
            raise ValueError(f"unknown similarity {similarity!r}; choose one of l2, cosine")
        if not temperature > 0:
            raise ValueError(f"temperature must be > 0, got {temperature}")
        self.similarity, self.temperature = similarity, temperature

    def terms(self, batch: Batch) -> dict[str, Tensor]:
        """{"contrast": the loss above}."""
        z, table = batch.latents.detach(), batch.table
        if self.similarity == "cosine":
            z, table = (torch.nn.functional.normalize(rows, dim=1) for rows in (z, table))
        value, gradient = self._closed_form(z, table.detach(), batch.weights)
        # A plane through the known value with the known gradient: autograd would keep K x N tables.
        plane = (table * gradient).sum()
        return {"contrast": value + (plane - plane.detach())}

    @torch.no_grad()
    def _closed_form(
        self, z: Tensor, table: Tensor, weights: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        (count, size), cosine = (z.shape[0], table.shape[0]), self.similarity == "cosine"
        if count == 0:
            return z.new_zeros(()), torch.zeros_like(table)
        center = z.mean(0) if not cosine else torch.zeros_like(z[0])
        z, table = z - center, table - center
        valid = torch.ones_like(z[:, 0]) if weights is None else weights
        total = valid.sum()
        # Ranks instead of slices: with a mask the number of latents is known only to the device.
        rank = torch.arange(count, device=z.device)
        most = (total // size).clamp_min(1)
        best = rank < most
        worst = (rank >= total - total // 2) & (rank < total)
        value, pulls = z.new_zeros(()), []
        for codes in table.split(max(1, BLOCK // count)):
            scores = codes @ z.T if cosine else -distances(codes, z)
            ordered, order = scores.masked_fill(valid == 0, -torch.inf).sort(1, descending=True)
            finite = torch.where(rank < total, ordered, 0.0)
            positive = (finite * best).sum(1, keepdim=True) / most / self.temperature
            negative = (finite / self.temperature).masked_fill(~worst, -torch.inf)
            logits = torch.cat([positive, negative], 1)
            p = logits.softmax(1)
            value = value - logits.log_softmax(1)[:, 0].sum()
            slope = (p[:, :1] - 1) * (best & (rank < total)) / most + p[:, 1:]
            slope = torch.zeros_like(slope).scatter(1, order, slope) / self.temperature
            pull = slope @ z
            pulls.append(pull if cosine else 2 * (pull - slope.sum(1, keepdim=True) * codes))
        alive = (total > 0).to(z)
        return alive * value / size, alive * torch.cat(pulls) / size

    def extra_repr(self) -> str:
        """The options, for print()."""
        return (
            f"similarity={self.similarity!r}, temperature={self.temperature}, weight={self.weight}"
        )
