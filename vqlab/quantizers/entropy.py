"""Entropy of the choice: each latent sure of its code, and all codes in use alike."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from .codebooks import Codebook
from .neighbours import BLOCK, distances
from .updates import Batch, Update, refuse_untrained


class ChoiceEntropy(Update):
    r"""Base: rewards certain choices for each latent and varied choices over the batch.

    .. math:: L = \tfrac1N \sum_n H(p_n) - \lambda H\big(\tfrac1N \sum_n p_n\big)

    With lambda = 1 it is minus the mutual information of latent and code, between -log K and 0.
    Over several processes each takes its own batch's mean.

    Args:
        weight: factor in the loss. diversity: lambda, the share of the second term.

    Raises:
        ValueError: a negative weight or diversity.

    Reference: Yu et al. 2023 (MAGVIT-v2, arXiv 2310.05737), entropy penalty.
    """

    names = ("entropy",)
    trains_latents = True

    def __init__(self, weight: float, diversity: float) -> None:
        super().__init__()
        for name, value in (("weight", weight), ("diversity", diversity)):
            if not value >= 0:
                kind = type(self).__name__
                raise ValueError(f"the {name} of {kind} must be >= 0, got {value}")
        self.weight, self.diversity = weight, diversity


class Entropy(ChoiceEntropy):
    r"""The entropy of a soft choice by distance, whatever the assignment.

    .. math:: p_n = \mathrm{softmax}_k(-\|z_n - c_k\|^2/\tau)

    Latents and codes both get its gradient. The N x K probabilities are made in blocks and made
    again in the backward pass, never kept.

    Args:
        weight: factor in the loss.
        diversity: lambda, the share of the second term.
        temperature: tau, in squared units of the latents.

    Raises:
        ValueError: options out of range, or a codebook that nothing can train.

    Reference: as :class:`ChoiceEntropy`; tau = 0.01 and lambda = 1 are the released code's of
    MAGVIT.
    """

    def __init__(
        self, weight: float = 0.1, diversity: float = 1.0, temperature: float = 0.01
    ) -> None:
        super().__init__(weight, diversity)
        self.temperature = _positive(temperature)

    def attach(self, codebook: Codebook) -> None:
        """Needs a codebook that gradients can move."""
        refuse_untrained(self, codebook)

    def terms(self, batch: Batch) -> dict[str, Tensor]:
        """{"entropy": the loss above}."""
        value, _ = _Entropy.apply(
            batch.latents, batch.table, shares_of(batch), self.temperature, self.diversity
        )
        return {"entropy": value}

    def extra_repr(self) -> str:
        """The options, for print()."""
        return f"weight={self.weight}, diversity={self.diversity}, temperature={self.temperature}"


class LogitEntropy(ChoiceEntropy):
    r"""The entropy of the choice by the assignment's own logits, for one that is defined by them.

    .. math:: p_n = \mathrm{softmax}(l_n / \tau)

    Latents and codes both get its gradient, by autograd, with the N x K logits that are there.

    Args:
        weight: factor in the loss.
        diversity: lambda, the share of the second term.
        temperature: tau > 0, on top of the assignment's own.

    Raises:
        ValueError: options out of range; in a quantizer, an assignment without logits, or a rule
            that sets codes after the choice.

    Reference: as :class:`ChoiceEntropy`; weight and temperature as in the released code of IBQ.
    """

    needs_logits = True

    def __init__(
        self, weight: float = 0.05, diversity: float = 1.0, temperature: float = 0.01
    ) -> None:
        super().__init__(weight, diversity)
        self.temperature = _positive(temperature)

    def terms(self, batch: Batch) -> dict[str, Tensor]:
        """{"entropy": the loss above}."""
        assert batch.logits is not None
        log_p = torch.log_softmax(batch.logits / self.temperature, -1)
        single, mean = _sums(log_p, shares_of(batch))
        return {"entropy": single + self.diversity * order(mean)}

    def extra_repr(self) -> str:
        """The options, for print()."""
        return f"weight={self.weight}, diversity={self.diversity}, temperature={self.temperature}"


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
            own, used = _sums(_log_p(z, table, part, temperature), shares[part])
            single, mean = single + own, mean + used
        return single + diversity * order(mean), mean

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


def _positive(temperature: float) -> float:
    if not temperature > 0:
        raise ValueError(f"temperature must be > 0, got {temperature}")
    return temperature


def shares_of(batch: Batch) -> Tensor:
    """What each latent counts, (N,) with sum 1; zero for padding."""
    weights = batch.weights
    if weights is None:
        weights = batch.latents.new_ones(batch.latents.shape[0])
    return (weights / weights.sum().clamp_min(1.0)).detach()


def _sums(log_p: Tensor, shares: Tensor) -> tuple[Tensor, Tensor]:
    """The mean entropy of the rows of log_p (n, K), and the mean row (K,), by their shares."""
    p = log_p.exp() * shares[:, None]
    return -(p * log_p).sum(), p.sum(0)


def order(mean: Tensor) -> Tensor:
    """Minus the entropy of shares (K,); a share of exactly 0 adds 0, with a finite gradient."""
    return torch.xlogy(mean, mean.clamp_min(torch.finfo(mean.dtype).tiny)).sum()


def _blocks(z: Tensor, table: Tensor) -> list[slice]:
    rows = max(1, BLOCK // table.shape[0])
    return [slice(at, at + rows) for at in range(0, z.shape[0], rows)]


def _log_p(z: Tensor, table: Tensor, part: slice, temperature: float) -> Tensor:
    center = z.mean(0)  # near the origin the expanded distances are exact
    return (-distances(z[part] - center, table - center) / temperature).log_softmax(1)
