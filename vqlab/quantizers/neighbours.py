"""NS-VQ: a kernel lets codes that were not chosen follow their neighbours, in four known forms."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from .codebooks import Codebook
from .schedules import Schedule, as_schedule
from .updates import Batch, Update, refuse_untrained

# Elements of one block of the N x K kernel: small enough for the cache, large enough for matmul.
BLOCK = 1 << 20


class KernelUpdate(Update):
    r"""Base of the kernel rules: the weight of code k on latent n, and a bandwidth that may decay.

    .. math::
        \text{softmax: } w_{nk} = s\, \mathrm{softmax}_k(-\|z_n - c_k\|^2/\tau), \qquad
        \text{gaussian: } w_{nk} = s \exp(-\|z_n - c_k\|^2/\tau)

    Weights are detached, zero for the chosen code, at most ``limit``; tau plays 2 sigma^2.
    """

    steps: Tensor

    def __init__(
        self, kernel: str, bandwidth: float | Schedule, strength: float, limit: float | None = None
    ) -> None:
        super().__init__()
        if kernel not in ("softmax", "gaussian"):
            raise ValueError(f"kernel must be 'softmax' or 'gaussian', got {kernel!r}")
        if strength < 0:
            raise ValueError(f"strength must be >= 0, got {strength}")
        self.kernel, self.strength, self.limit = kernel, strength, limit
        self.bandwidth = as_schedule(bandwidth)
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def attach(self, codebook: Codebook) -> None:
        """Needs a codebook that gradients can move."""
        refuse_untrained(self, codebook)

    def tau(self) -> Tensor:
        """The bandwidth now, scalar, in squared units of the latents."""
        return self.bandwidth(self.steps)

    def advance(self) -> None:
        """One step of the bandwidth's schedule."""
        self.steps += 1

    def kernel_weights(self, distances: Tensor, indices: Tensor, tau: Tensor) -> Tensor:
        """(n, K) weights from squared distances (n, K) and the chosen codes (n,)."""
        scaled = -distances / tau
        w = scaled.softmax(1) if self.kernel == "softmax" else scaled.exp()
        w = self.strength * w
        if self.limit is not None:
            w = w.clamp_max(self.limit)
        return w.scatter(1, indices[:, None], 0.0)

    def extra_repr(self) -> str:
        """The options, for print()."""
        return (
            f"kernel={self.kernel!r}, bandwidth={self.bandwidth}, strength={self.strength}, "
            f"limit={self.limit}, weight={self.weight}"
        )


class Attraction(KernelUpdate):
    r"""Pulls the codes that were not chosen towards the latent, by the kernel.

    .. math:: L = \frac{1}{ND} \sum_n \sum_{k \ne k_n} \mathrm{sg}[w_{nk}]\,
        \|\mathrm{sg}\, z_n - c_k\|^2

    Costs O(NKD) time; the N x K weights are made in blocks and never kept.

    Args:
        kernel: "softmax" (normalized over the codes) or "gaussian" (not normalized).
        bandwidth: tau = 2 sigma^2, a number or a schedule by training step.
        strength: factor s in the weights, inside the limit.
        limit: largest weight, or None.
        weight: factor of the loss.

    Source: arXiv 2602.18896 ("figure": the repository's equation image; "released": its code);
    arXiv 2606.11363 ("followup"). Here every form is averaged over N and D, like the codebook loss.
    """

    names = ("neighbours",)

    def __init__(
        self,
        kernel: str = "softmax",
        bandwidth: float | Schedule = 1.0,
        strength: float = 1.0,
        limit: float | None = None,
        weight: float = 1.0,
    ) -> None:
        super().__init__(kernel, bandwidth, strength, limit)
        if weight < 0:
            raise ValueError(f"the neighbours' weight must be >= 0, got {weight}")
        self.weight = weight

    def terms(self, batch: Batch) -> dict[str, Tensor]:
        """{"neighbours": the loss above}."""
        value, gradient = self._closed_form(batch)
        # A plane through the known value with the known gradient: autograd would keep N x K tables.
        plane = (batch.table * gradient).sum()
        return {"neighbours": value + (plane - plane.detach())}

    @torch.no_grad()
    def _closed_form(self, batch: Batch) -> tuple[Tensor, Tensor]:
        # With detached weights the gradient needs only, per code, the weight and the weighted sum
        # of the latents; centring keeps the distances exact far from the origin.
        z, table = batch.latents.detach(), batch.table.detach()
        center = z.mean(0) if z.shape[0] else 0.0
        z, table = z - center, table - center
        tau = self.tau().to(z.dtype)
        value = z.new_zeros(())
        mass, pull = torch.zeros_like(table[:, 0]), torch.zeros_like(table)
        rows = max(1, BLOCK // table.shape[0])
        for at in range(0, z.shape[0], rows):
            part = z[at : at + rows]
            squared = distances(part, table)
            w = self.kernel_weights(squared, batch.indices[at : at + rows], tau)
            if batch.weights is not None:
                w = w * batch.weights[at : at + rows, None]
            value = value + (w * squared).sum()
            mass = mass + w.sum(0)
            pull = pull + w.T @ part
        return value * batch.scale(), (mass[:, None] * table - pull) * (2 * batch.scale())


class Propagation(KernelUpdate):
    r"""Carries the drift: the gradient that moves a latent also moves the codes around it.

    .. math::
        \text{averaged: } \frac{\partial L}{\partial c_k} \mathrel{+}=
        \frac{\sum_n \kappa_{nk}\, g_n}{\sum_n \kappa_{nk}}, \quad
        \kappa_{nk} = e^{-\|z_n - c_k\|^2/\tau};
        \qquad \text{released: } \frac{\partial L}{\partial c_k} \mathrel{+}=
        \sum_{n: k_n \ne k} w_{nk}\, g_n

    with g_n the task's gradient at latent n, and w = min(0.01 K softmax, 1). An encoder step
    -eta g_n moves the latents; the same step moves the codes alongside. The output's value stays.

    Args:
        bandwidth: tau, a number or a schedule.
        averaged: kernel average over the latents, for every code (ours, after the abstract's
            words); False gives the sum of the released code's ``vq_new``, for the codes not chosen.
        strength: s in the released weights; 0.01 K there.

    Source: arXiv 2602.18896, abstract ("propagates the drift"); released code, ``vq_new``.
    The paper's text was not available: this is a reconstruction.
    """

    uses_task_gradient = True

    def __init__(
        self, bandwidth: float | Schedule = 1.0, averaged: bool = True, strength: float = 1.0
    ) -> None:
        super().__init__("softmax", bandwidth, strength, limit=1.0)
        self.averaged = averaged

    def carry(self, output: Tensor, batch: Batch) -> Tensor:
        """The output, with a gradient path to every code."""
        if not (batch.table.requires_grad and torch.is_grad_enabled()):
            return output
        tau = self.tau().to(batch.latents.dtype)
        z, indices, weights = batch.latents.detach(), batch.indices, batch.weights
        return _Carry.apply(output, batch.table, z, indices, weights, tau, self)

    def shared(
        self,
        g: Tensor,
        table: Tensor,
        z: Tensor,
        indices: Tensor,
        weights: Tensor | None,
        tau: Tensor,
    ) -> Tensor:
        """(K, D): the gradient that the codes get from the latents' gradients g (N, D)."""
        center = z.mean(0) if z.shape[0] else 0.0
        z, table = z - center, table - center
        if weights is not None:
            g = g * weights[:, None]
        if not self.averaged:
            total = torch.zeros_like(table)
            rows = max(1, BLOCK // table.shape[0])
            for at in range(0, z.shape[0], rows):
                part = slice(at, at + rows)
                w = self.kernel_weights(distances(z[part], table), indices[part], tau)
                total = total + w.T @ g[part]
            return total
        out = []
        for codes in table.split(max(1, BLOCK // max(z.shape[0], 1))):
            scaled = -distances(codes, z) / tau
            if weights is not None:
                scaled = scaled.masked_fill(weights == 0, -torch.inf)
            out.append(scaled.softmax(1) @ g)  # the softmax over latents is the kernel average
        return torch.cat(out)


class _Carry(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(
        output: Tensor,
        table: Tensor,
        z: Tensor,
        indices: Tensor,
        weights: Tensor | None,
        tau: Tensor,
        rule: Propagation,
    ) -> Tensor:
        return output.clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        _, table, z, indices, weights, tau, rule = inputs
        ctx.rule, ctx.weighted = rule, weights is not None
        ctx.save_for_backward(table, z, indices, tau, *([weights] if weights is not None else []))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        table, z, indices, tau, *rest = ctx.saved_tensors
        shared = ctx.rule.shared(
            gradient, table, z, indices, rest[0] if ctx.weighted else None, tau
        )
        return gradient, shared, None, None, None, None, None


def distances(a: Tensor, b: Tensor) -> Tensor:
    """Squared distances (n, m) between a (n, D) and b (m, D), both near the origin."""
    norms = (a * a).sum(1)[:, None] + (b * b).sum(1)
    return torch.addmm(norms, a, b.T, alpha=-2).clamp_min(0)
