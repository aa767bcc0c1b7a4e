"""The one forward pass: codebook, assignment, estimator, update, combined freely."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from copy import deepcopy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn
from torch.utils import _pytree

from .assignments import Nearest
from .codebooks import Codebook
from .estimators import StraightThrough
from .updates import Batch, Update, cells


@dataclass
class Quantized:
    """What a quantizer returns; unpacks as ``quantized, indices, loss``.

    Attributes:
        quantized: the codes, shape and dtype of the latents, with the estimator's gradient.
        indices: int64, shape of the latents without D; -1 where a mask marks padding.
        loss: scalar, the weighted sum of ``terms``.
        terms: each loss by name, unweighted, scalar.
    """

    quantized: Tensor
    indices: Tensor
    loss: Tensor
    terms: dict[str, Tensor] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Tensor]:
        return iter((self.quantized, self.indices, self.loss))

    def __getitem__(self, position: int) -> Tensor:
        return (self.quantized, self.indices, self.loss)[position]


# vmap and torch.compile must see through the result to the tensors in it.
_pytree.register_pytree_node(
    Quantized,
    lambda out: ([out.quantized, out.indices, out.loss, out.terms], None),
    lambda children, _: Quantized(*children),
    serialized_type_name="vqlab.Quantized",
)


class VectorQuantizer(nn.Module):
    r"""Replaces each latent by a code: chooses it, passes it on, lets the codes learn.

    .. math::
        k_n = \mathrm{assign}(z_n, C), \quad z_{q,n} = c_{k_n}, \quad
        L = \beta \tfrac{1}{ND}\sum_n \|z_n - \mathrm{sg}\, c_{k_n}\|^2 + \sum_u w_u L_u

    Args:
        codebook: how the K x D table is made (:mod:`vqlab.quantizers.codebooks`).
        assignment: which code each latent gets; default the nearest.
        estimator: the value and the gradient passed on; default straight-through.
        update: how the codes learn, a list (:mod:`vqlab.quantizers.updates`).
        commitment: weight beta of the pull of the latents towards their codes.
        channel_first: latents are (B, D, H, W) instead of (..., D).

    Raises:
        ValueError: where the parts do not fit together.

    Reference: van den Oord et al. 2017 (arXiv 1711.00937), Eq. 3.
    """

    def __init__(
        self,
        codebook: Codebook,
        assignment: nn.Module | None = None,
        estimator: nn.Module | None = None,
        update: Sequence[Update] = (),
        commitment: float = 0.25,
        channel_first: bool = False,
    ) -> None:
        super().__init__()
        if commitment < 0:
            raise ValueError(f"commitment is a weight >= 0, got {commitment}")
        self.codebook = codebook
        self.assignment = assignment if assignment is not None else Nearest()
        self.estimator = estimator if estimator is not None else StraightThrough()
        self.update = nn.ModuleList(update)
        self.commitment = commitment
        self.channel_first = channel_first
        if getattr(self.estimator, "needs_logits", False):
            kind = type(self.estimator).__name__
            if not getattr(self.assignment, "gives_logits", False):
                raise ValueError(
                    f"{kind} sends gradients through the choice, but "
                    f"{type(self.assignment).__name__} chooses without logits"
                )
            if any(rule.moves for rule in update):
                raise ValueError(
                    f"{kind} sends gradients through the codes that the choice was made from; "
                    "rules that move codes within the step do not go with it"
                )
        for rule in update:
            rule.attach(codebook)
        for part in (self.assignment, self.estimator, *update):
            check = getattr(part, "check", None)
            if check is not None:
                check(self)  # what a part needs of the others, beyond the codebook

    @property
    def codebook_size(self) -> int:
        """K, the number of codes."""
        return self.codebook.codebook_size

    @property
    def dim(self) -> int:
        """D, the dimension of a code."""
        return self.codebook.dim

    @property
    def rules(self) -> list[Update]:
        """The updates as a plain list."""
        return cast(list[Update], list(self.update))

    @property
    def uses_task_gradient(self) -> bool:
        """Whether codes learn from the gradient that arrives at ``quantized``, too."""
        parts = [self.estimator, *self.rules]
        return any(getattr(part, "uses_task_gradient", False) for part in parts)

    def forward(self, latents: Tensor, mask: Tensor | None = None) -> Quantized:
        """Quantizes ``latents`` of shape (..., D), or (B, D, H, W) with ``channel_first``.

        Args:
            latents: float tensor; float16 and bfloat16 are quantized in float32.
            mask: bool, shape of the latents without D; False marks padding, which passes
                through unchanged and influences nothing.

        Returns:
            :class:`Quantized`. In training, too, ``quantized`` equals ``codebook()[indices]``
            read right after the call.

        Raises:
            ValueError: wrong dimension or mask shape; NaN or Inf latents (count, first position).
            TypeError: latents that are no tensor of floats, or of another precision than the codes.
        """
        if not isinstance(latents, Tensor):
            raise TypeError(f"latents must be a tensor of floats, got {type(latents).__name__}")
        kind = latents.device.type
        autocast = torch.is_autocast_enabled(kind)
        with torch.autocast(kind, enabled=False) if autocast else nullcontext():
            return self._quantize(latents, mask)

    def _quantize(self, latents: Tensor, mask: Tensor | None) -> Quantized:
        rules, codebook = self.rules, self.codebook
        last = latents.movedim(1, -1) if self.channel_first and latents.ndim > 1 else latents
        z, weights = self._flatten(latents, last, mask)
        moves = self.training and any(rule.moves for rule in rules)
        if moves or (self.training and not codebook.initialized):
            self._prepare(z, weights, rules)
        table = codebook()
        shared = getattr(self.assignment, "uses_weights", False)  # a choice that latents share
        chosen = self.assignment(z, table, weights) if shared else self.assignment(z, table)
        indices, logits = chosen if isinstance(chosen, tuple) else (chosen, None)
        if moves:
            with torch.no_grad():
                seen = cells(z, indices, weights, self.codebook_size)
                for rule in rules:
                    rule.move(seen, codebook)
            table = codebook()
        batch = Batch(z, indices, table, table.index_select(0, indices), weights, logits)
        loss, terms = self._losses(batch, rules)
        out = self.estimator(batch)
        for rule in rules:
            out = rule.carry(out, batch)
            if self.training:
                rule.advance()
        return self._shape(out, indices, loss, terms, last, mask)

    def _flatten(
        self, latents: Tensor, last: Tensor, mask: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        if not latents.is_floating_point():
            raise TypeError(f"latents must be floats, got {latents.dtype}")
        if last.ndim == 0 or last.shape[-1] != self.dim:
            layout = "(B, D, H, W)" if self.channel_first else "(..., D)"
            raise ValueError(
                f"latents of shape {tuple(latents.shape)} given; "
                f"expected {layout} with D = {self.dim}"
            )
        z = last if last.ndim == 2 else last.reshape(-1, self.dim)
        working = self.codebook.working_dtype
        if z.dtype != working:
            if z.dtype == torch.float64 or working == torch.float64:
                raise TypeError(
                    f"latents are {z.dtype} but the codes are {working}; "
                    "convert one of them, for example with quantizer.double()"
                )
            z = z.to(working)
        if mask is None:
            return z, None
        if mask.shape != last.shape[:-1] or mask.dtype != torch.bool:
            raise ValueError(
                f"mask must be bool of shape {tuple(last.shape[:-1])}, "
                f"got {mask.dtype} of shape {tuple(mask.shape)}"
            )
        valid = mask.reshape(-1)
        # Padding may hold anything, NaN included: it must not reach the search or a sum.
        return torch.where(valid[:, None], z, 0.0), valid.to(working)

    @torch.no_grad()
    def _prepare(self, z: Tensor, weights: Tensor | None, rules: Sequence[Update]) -> None:
        if not self.codebook.initialized and z.shape[0]:
            if weights is not None:
                z = z[weights > 0]
            self.codebook.initialize(z)
            everything = torch.ones(self.codebook_size, dtype=torch.bool, device=z.device)
            for rule in rules:
                rule.reset(everything, self.codebook())
            weights = None
        for rule in rules:
            reborn = rule.prepare(z, weights, self.codebook)
            if reborn is not None:
                for other in rules:
                    other.reset(reborn, self.codebook())

    def _losses(self, batch: Batch, rules: Sequence[Update]) -> tuple[Tensor, dict[str, Tensor]]:
        terms, weights = {}, {}
        for rule in rules:
            for name, term in rule.terms(batch).items():
                terms[name], weights[name] = term, rule.weight
        commitment = batch.mean_square(batch.latents, batch.codes.detach())
        loss = self.commitment * commitment
        for name, term in terms.items():
            loss = torch.add(loss, term, alpha=weights[name])
        return loss, {"commitment": commitment, **terms}

    def _shape(
        self,
        out: Tensor,
        indices: Tensor,
        loss: Tensor,
        terms: dict[str, Tensor],
        last: Tensor,
        mask: Tensor | None,
    ) -> Quantized:
        if last.ndim != 2:
            out, indices = out.reshape(last.shape), indices.reshape(last.shape[:-1])
        if out.dtype != last.dtype:
            out = out.to(last.dtype)
        if mask is not None:
            out = torch.where(mask[..., None], out, last)
            indices = torch.where(mask, indices, -1)
        if self.channel_first and last.ndim > 1:
            out = out.movedim(-1, 1)
        return Quantized(out, indices, loss, terms)

    def decode(self, indices: Tensor) -> Tensor:
        """The codes of ``indices``; zeros where the index is -1 (padding).

        Args:
            indices: (...), integers of any width.

        Returns:
            (..., D), or (B, D, H, W) with ``channel_first``.

        Raises:
            ValueError: an index outside -1 .. K-1. TypeError: no tensor of integers.
        """
        if not isinstance(indices, Tensor):
            raise TypeError(f"indices must be a tensor of integers, got {type(indices).__name__}")
        if indices.is_floating_point() or indices.is_complex() or indices.dtype == torch.bool:
            raise TypeError(f"indices must be a tensor of integers, got {indices.dtype}")
        indices = indices.long()  # torch takes eight bits for a mask
        if indices.numel():
            low, high = (int(v) for v in torch.aminmax(indices))
            if low < -1 or high >= self.codebook_size:
                raise ValueError(
                    f"indices run from {low} to {high}; expected 0 to {self.codebook_size - 1} "
                    "(or -1 for padding)"
                )
        codes = self.codebook()[indices.clamp_min(0)]
        codes = torch.where((indices >= 0)[..., None], codes, 0.0)
        return codes.movedim(-1, 1) if self.channel_first and codes.ndim > 1 else codes

    def fold(self) -> VectorQuantizer:
        """A copy for inference: the finished codes in a free table, same choice, same output.

        Whatever made the codes (a map, a transformer) is left behind, and the rules by which they
        learn with it: the copy stands in evaluation mode and has the commitment as its only loss.

        Raises:
            ValueError: the codes still wait for the first training batch.
        """
        assignment, estimator = deepcopy((self.assignment, self.estimator))
        table = self.codebook.fold()
        folded = VectorQuantizer(
            table, assignment, estimator, (), self.commitment, self.channel_first
        )
        return folded.eval()

    def extra_repr(self) -> str:
        """K, D and beta, for print()."""
        return f"codebook_size={self.codebook_size}, dim={self.dim}, commitment={self.commitment}"

    if TYPE_CHECKING:

        def __call__(self, latents: Tensor, mask: Tensor | None = None) -> Quantized: ...
