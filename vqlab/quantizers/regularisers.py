"""Terms that keep codes apart or in use, for any codebook that gradients can move."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

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


class Entropy(Regulariser):
    r"""Rewards certain choices for each latent and varied choices over the batch.

    .. math:: L = \tfrac1N \sum_n H(p_n) - \lambda H\big(\tfrac1N \sum_n p_n\big), \qquad
        p_n = \mathrm{softmax}_k(-\|z_n - c_k\|^2/\tau)

    With lambda = 1 it is minus the mutual information of latent and code, between -log K and 0.
    Latents and codes both get its gradient. The N x K probabilities are made in blocks and made
    again in the backward pass, never kept. Each process takes its own batch's mean.

    Args:
        temperature: tau, in squared units of the latents.
        diversity: lambda, the share of the second term.
        weight: factor in the loss.

    Raises:
        ValueError: a temperature that is not positive, a negative diversity or weight.

    Reference: Yu et al. 2023 (MAGVIT-v2, arXiv 2310.05737), entropy penalty; tau = 0.01 and
    lambda = 1 are the released code's of MAGVIT.
    """

    names = ("entropy",)

    def __init__(
        self, temperature: float = 0.01, diversity: float = 1.0, weight: float = 0.1
    ) -> None:
        super().__init__(weight)
        if not temperature > 0:
            raise ValueError(f"temperature must be > 0, got {temperature}")
        if diversity < 0:
            raise ValueError(f"diversity must be >= 0, got {diversity}")
        self.temperature, self.diversity = temperature, diversity

    def terms(self, batch: Batch) -> dict[str, Tensor]:
        """{"entropy": the loss above}."""
        z, weights = batch.latents, batch.weights
        shares = torch.ones_like(z[:, 0]) if weights is None else weights
        shares = (shares / shares.sum().clamp_min(1.0)).detach()
        value, _ = _Entropy.apply(z, batch.table, shares, self.temperature, self.diversity)
        return {"entropy": value}

    def extra_repr(self) -> str:
        """The options, for print()."""
        return f"temperature={self.temperature}, diversity={self.diversity}, weight={self.weight}"


class _Entropy(torch.autograd.Function):
    # Minus the logits' gradient at (n, k) is share_n p_k (v_k - sum_j p_j v_j) with
    # v = log p - lambda log of the mean p: only the K means pass from one sweep to the other.
    generate_vmap_rule = True

    @staticmethod
    def forward(
        z: Tensor, table: Tensor, shares: Tensor, temperature: float, diversity: float
    ) -> tuple[Tensor, Tensor]:
        single, mean = z.new_zeros(()), torch.zeros_like(table[:, 0])
        for part in _blocks(z, table):
            log_p = _log_p(z, table, part, temperature)
            p = log_p.exp() * shares[part, None]
            single, mean = single - (p * log_p).sum(), mean + p.sum(0)
        return single + diversity * torch.xlogy(mean, mean).sum(), mean

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
        z, table, shares, ctx.temperature, ctx.diversity = inputs
        ctx.mark_non_differentiable(output[1])
        ctx.save_for_backward(z, table, shares, output[1])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        z, table, shares, mean = ctx.saved_tensors
        center = z.mean(0)
        log_mean = ctx.diversity * mean.clamp_min(torch.finfo(mean.dtype).tiny).log()
        to_codes, mass, to_latents = torch.zeros_like(table), torch.zeros_like(mean), []
        for part in _blocks(z, table):
            log_p = _log_p(z, table, part, ctx.temperature)
            p = log_p.exp()
            value = log_p - log_mean
            pull = p * (value - (p * value).sum(1, keepdim=True)) * shares[part, None]
            # The rows of pull sum to zero, so the latent itself drops out of its gradient.
            to_latents.append(pull @ (table - center))
            to_codes, mass = to_codes + pull.T @ (z[part] - center), mass + pull.sum(0)
        to_codes = to_codes - mass[:, None] * (table - center)
        scale = -2 * gradient / ctx.temperature
        latents = torch.cat(to_latents) if to_latents else torch.zeros_like(z)
        return scale * latents, scale * to_codes, None, None, None


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


def _blocks(z: Tensor, table: Tensor) -> list[slice]:
    rows = max(1, BLOCK // table.shape[0])
    return [slice(at, at + rows) for at in range(0, z.shape[0], rows)]


def _log_p(z: Tensor, table: Tensor, part: slice, temperature: float) -> Tensor:
    center = z.mean(0)  # near the origin the expanded distances are exact
    return (-distances(z[part] - center, table - center) / temperature).log_softmax(1)
