"""The one forward pass: codebook, assignment, estimator, update, combined freely."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import cast

import torch
from torch import Tensor, nn

from .assignments import Nearest
from .codebooks import Codebook
from .estimators import StraightThrough
from .frame import Flat, Quantized, Quantizer
from .processes import several
from .updates import Batch, Update, cells

__all__ = ["Quantized", "VectorQuantizer"]


class VectorQuantizer(Quantizer):
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
        super().__init__(channel_first)
        if commitment < 0:
            raise ValueError(f"commitment is a weight >= 0, got {commitment}")
        self.codebook = codebook
        self.assignment = assignment if assignment is not None else Nearest()
        self.estimator = estimator if estimator is not None else StraightThrough()
        self.update = nn.ModuleList(update)
        self.commitment = commitment
        for part in (self.estimator, *update):
            if getattr(part, "needs_logits", False):
                self._check_logits(part)
        if getattr(self.assignment, "rounds", False) != codebook.implicit:
            kind = type(codebook).__name__
            how = "by rounding only" if codebook.implicit else "by a search, not by rounding"
            raise ValueError(
                f"a code of {kind} is found {how}; got {type(self.assignment).__name__}"
            )
        for rule in update:
            rule.attach(codebook)
        for part in (self.assignment, self.estimator, *update):
            check = getattr(part, "check", None)
            if check is not None:
                check(self)  # what a part needs of the others, beyond the codebook
        self._check_names()

    def _check_logits(self, part: nn.Module) -> None:
        kind = type(part).__name__
        if not getattr(self.assignment, "gives_logits", False):
            raise ValueError(
                f"{kind} sends gradients through the choice, but "
                f"{type(self.assignment).__name__} chooses without logits"
            )
        for rule in self.rules:
            if rule.sets_codes:
                raise ValueError(
                    f"{kind} sends gradients through the codes that the choice was made from; "
                    f"{type(rule).__name__}, which sets codes after the choice, does not go with it"
                )

    def _check_names(self) -> None:
        owners: dict[str, Update] = {}
        for rule in self.rules:
            for name in rule.names:
                other = owners.setdefault(name, rule)
                if other is not rule:
                    raise ValueError(
                        f"{type(other).__name__} and {type(rule).__name__} both give the loss "
                        f"{name!r}; take one of them"
                    )

    @property
    def codebook_size(self) -> int:
        """K, the number of codes."""
        return self.codebook.codebook_size

    @property
    def dim(self) -> int:
        """D, the dimension of a code."""
        return self.codebook.dim

    @property
    def working_dtype(self) -> torch.dtype:
        """The codebook's: float64 if the codes are, else float32."""
        return self.codebook.working_dtype

    @property
    def rules(self) -> list[Update]:
        """The updates as a plain list."""
        return cast(list[Update], list(self.update))

    @property
    def uses_task_gradient(self) -> bool:
        """Whether codes learn from the gradient that arrives at ``quantized``, too."""
        parts = [self.estimator, *self.rules]
        return any(getattr(part, "uses_task_gradient", False) for part in parts)

    def quantize_rows(self, z: Tensor, weights: Tensor | None, shape: torch.Size) -> Flat:
        """The forward pass over rows (N, D)."""
        rules, codebook = self.rules, self.codebook
        z = codebook.confine(z)
        moves = self.training and any(rule.moves for rule in rules)
        if moves or (self.training and not codebook.initialized):
            self._prepare(z, weights, rules)
        table = codebook.searched()
        codes: Tensor | None = None
        if getattr(self.assignment, "rounds", False):
            chosen, codes = self.assignment(z, codebook)  # computed: no rule moves them
        elif getattr(self.assignment, "uses_weights", False):  # a choice that latents share
            chosen = self.assignment(z, table, weights)
        else:
            chosen = self.assignment(z, table)
        indices, logits = chosen if isinstance(chosen, tuple) else (chosen, None)
        if moves:
            with torch.no_grad():
                seen = cells(z, indices, weights, self.codebook_size)
                for rule in rules:
                    rule.move(seen, codebook)
            table = codebook.searched()
        codes = codebook.rows(indices, table) if codes is None else codes
        batch = Batch(z, indices, table, codes, weights, logits)
        loss, terms = self._losses(batch, rules)
        out = self.estimator(batch)
        for rule in rules:
            out = rule.carry(out, batch)
            if self.training:
                rule.advance()
        return Flat(out, indices, loss, terms)

    def look_up(self, indices: Tensor) -> Tensor:
        """The codes (N, D) of indices (N,)."""
        return self.codebook.rows(indices, self.codebook.searched())

    @torch.no_grad()
    def _prepare(self, z: Tensor, weights: Tensor | None, rules: Sequence[Update]) -> None:
        # A process without latents takes part, or the others would wait for it for ever.
        if not self.codebook.initialized and (z.shape[0] or several()):
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

    def fold(self) -> VectorQuantizer:
        """A copy for inference: the finished codes in a free table, same choice, same output.

        Whatever made the codes (a map, a transformer) is left behind, and the rules by which they
        learn with it: the copy stands in evaluation mode and has the commitment as its only loss.
        Codes that are computed from their indices stay so.

        Raises:
            ValueError: the codes still wait for the first training batch.
        """
        codebook = deepcopy(self.codebook) if self.codebook.implicit else self.codebook.fold()
        folded = VectorQuantizer(
            codebook,
            deepcopy(self.assignment) if self.codebook.implicit else None,
            commitment=self.commitment,
            channel_first=self.channel_first,
        )
        # What these ask of the rules was asked when the original was built.
        folded.assignment, folded.estimator = deepcopy((self.assignment, self.estimator))
        return folded.eval().requires_grad_(False)

    def extra_repr(self) -> str:
        """K, D and beta, for print()."""
        return f"codebook_size={self.codebook_size}, dim={self.dim}, commitment={self.commitment}"
