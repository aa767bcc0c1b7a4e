"""The fourth decision: how the codes learn; what every rule shares, and the codebook loss."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from .codebooks import Codebook, Table
from .processes import summed

# The functional form checks and broadcasts shapes in Python, half the cost of a toy's loss.
_mse = torch.ops.aten.mse_loss


@dataclass
class Batch:
    """One forward pass, flattened, as the estimator and the updates see it.

    Attributes:
        latents: z, (N, D), with its gradient.
        indices: (N,) int64.
        table: the K x D codes, with their gradient.
        codes: the chosen code of each latent, (N, D), with the gradient to the table.
        weights: (N,), 1 for a latent that counts and 0 for padding; None when all count.
        logits: (N, K) of an assignment that is defined by them, with their gradient; else None.
        soft: (N, D) by temperature, mean codes under the softmax of the logits over it, codes
            detached; once known.
        error: mean squared difference of latents and codes, detached, once it is known.
    """

    latents: Tensor
    indices: Tensor
    table: Tensor
    codes: Tensor
    weights: Tensor | None = None
    logits: Tensor | None = None
    soft: dict[float, Tensor] = field(default_factory=dict)
    error: Tensor | None = None

    def scale(self) -> Tensor:
        """1 / (N D), with N the number of latents that count."""
        z = self.latents
        if self.weights is None:
            return z.new_tensor(1.0 / max(z.shape[0] * z.shape[1], 1))
        return 1.0 / (self.weights.sum().clamp_min(1.0) * z.shape[1])

    def mean_square(self, moving: Tensor, target: Tensor) -> Tensor:
        """Mean of (moving - target)^2 over the elements (N, D) of the latents that count.

        Commitment and codebook loss are the same number with the gradient to another receiver:
        where the receiver takes none, the number is not computed again.
        """
        if self.error is not None and not moving.requires_grad:
            return self.error
        if self.weights is None and moving.shape[0]:
            value = _mse(moving, target)
        else:
            squares = (moving - target).square()  # an empty batch has loss 0, not NaN
            if self.weights is not None:
                squares = squares * self.weights[:, None]
            value = squares.sum() * self.scale()
        self.error = value.detach()
        return value


@dataclass
class Cells:
    """What the assignment of a training batch says about the codes, over all processes.

    Attributes:
        counts: latents of each code, (K,). sums: of those latents, (K, D), by :func:`cell_sums`.
    """

    latents: Tensor
    indices: Tensor
    weights: Tensor | None
    counts: Tensor


def cells(latents: Tensor, indices: Tensor, weights: Tensor | None, codebook_size: int) -> Cells:
    """Counts the latents (N, D) of each code."""
    ones = latents.new_ones(latents.shape[0]) if weights is None else weights
    counts = latents.new_zeros(codebook_size).index_add(0, indices, ones)
    return Cells(latents, indices, weights, summed(counts))


def cell_sums(batch: Cells) -> Tensor:
    """Sum of each code's latents over all processes, (K, D)."""
    z = batch.latents if batch.weights is None else batch.latents * batch.weights[:, None]
    empty = z.new_zeros(batch.counts.shape[0], z.shape[1])
    return summed(empty.index_add(0, batch.indices, z))


class Update(nn.Module):
    """A rule by which codes learn; each hook may stay as it is.

    Attributes:
        weight: factor of the rule's terms in the loss.
        uses_task_gradient: whether codes get a part of the gradient arriving at the output.
        moves: whether :meth:`prepare` or :meth:`move` does anything.
        sets_codes: whether :meth:`move` changes codes that the choice was made from.
        names: of the losses that :meth:`terms` returns; two rules of a quantizer share none.
        trains_latents: whether the terms have a gradient to the latents, beside the commitment's.
    """

    weight: float = 1.0
    uses_task_gradient: bool = False
    moves: bool = False
    sets_codes: bool = False
    names: tuple[str, ...] = ()
    trains_latents: bool = False

    def attach(self, codebook: Codebook) -> None:
        """Refuses, at construction, a codebook that the rule cannot serve."""

    def prepare(self, latents: Tensor, weights: Tensor | None, codebook: Codebook) -> Tensor | None:
        """Training, before the assignment: may replace codes, returning their (K,) bool mask."""
        return None

    def reset(self, reborn: Tensor, table: Tensor) -> None:
        """Forgets what was accumulated for the codes in the (K,) bool mask ``reborn``."""

    def move(self, batch: Cells, codebook: Codebook) -> None:
        """Training, after the assignment: may move codes without gradients."""

    def terms(self, batch: Batch) -> dict[str, Tensor]:
        """Losses by name, unweighted."""
        return {}

    def carry(self, output: Tensor, batch: Batch) -> Tensor:
        """May add a gradient path to the output, never a value."""
        return output

    def advance(self) -> None:
        """Training, at the end of the forward pass: one step of the rule's schedule."""


def refuse_untrained(rule: Update, codebook: Codebook) -> None:
    """Raises ValueError where ``rule`` trains by gradient, and nothing of ``codebook`` does."""
    if not any(p.requires_grad for p in codebook.parameters()):
        raise ValueError(
            f"{type(rule).__name__} trains by gradient, but this {type(codebook).__name__} has no "
            "trainable parameter"
            + ("; build it with trainable=True" if isinstance(codebook, Table) else "")
        )


class CodebookLoss(Update):
    r"""Pulls each chosen code towards its latents, by gradient.

    .. math:: L = \tfrac{1}{ND}\sum_n \|\mathrm{sg}\, z_n - c_{k_n}\|^2, \qquad
        \frac{\partial L}{\partial c_k} = \tfrac{2}{ND}\sum_{n: k_n = k} (c_k - z_n)

    A code without latents gets exactly zero gradient: it stays where it is.

    Args:
        weight: factor in the loss, apart from the commitment's.

    Raises:
        ValueError: a negative weight, or a codebook that nothing can train.

    Reference: van den Oord et al. 2017 (arXiv 1711.00937), Eq. 3, second term.
    """

    names = ("codebook",)

    def __init__(self, weight: float = 1.0) -> None:
        super().__init__()
        if weight < 0:
            raise ValueError(f"the codebook loss's weight must be >= 0, got {weight}")
        self.weight = weight

    def attach(self, codebook: Codebook) -> None:
        """Needs something trainable."""
        refuse_untrained(self, codebook)

    def terms(self, batch: Batch) -> dict[str, Tensor]:
        """{"codebook": the loss above}."""
        return {"codebook": batch.mean_square(batch.codes, batch.latents.detach())}
