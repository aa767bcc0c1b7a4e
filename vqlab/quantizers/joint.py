"""A product of quantizers seen from outside as one: a single index for each latent."""

from __future__ import annotations

import math
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from .frame import Flat, Quantizer
from .stacked import Grouped


class Joint(Quantizer):
    r"""One table that is the product of the groups' tables, never formed in a forward pass.

    .. math:: k = (k_1 K_2 + k_2) K_3 + \dots, \qquad c_k = (c^{(1)}_{k_1}, c^{(2)}_{k_2}, \dots),
        \qquad K = \prod_g K_g

    A search costs N (K_1 d_1 + K_2 d_2 + ...) instead of N K D. Losses are :class:`Grouped`'s,
    which are means over all D axes, under the names of a single quantizer.

    Args:
        groups: the quantizers side by side, one index each; not ``channel_first`` itself.
        channel_first: latents are (B, D, H, W).

    Raises:
        ValueError: a ``channel_first`` stack, or a group that has several indices itself.
    """

    def __init__(self, groups: Grouped, channel_first: bool = False) -> None:
        super().__init__(channel_first)
        if groups.channel_first:
            raise ValueError("channel_first belongs to Joint, not to the stack within")
        if any(q.levels is not None for q in groups.members):
            raise ValueError("each group must have one index; a stack within a group has several")
        self.groups = groups

    @property
    def codebook_size(self) -> int:
        """K, the product of the groups' sizes."""
        return self.groups.codebook_size

    @property
    def dim(self) -> int:
        """D, the sum of the groups' dimensions."""
        return self.groups.dim

    @property
    def working_dtype(self) -> torch.dtype:
        """That of the groups."""
        return self.groups.working_dtype

    @property
    def rules(self) -> list[Any]:
        """The updates of all groups."""
        return self.groups.rules

    @property
    def uses_task_gradient(self) -> bool:
        """Whether any group's codes do."""
        return self.groups.uses_task_gradient

    def codebook(self) -> Tensor:
        """The product table (K, D), formed on request only."""
        place = next((t.device for t in self.groups.state_dict().values()), None)
        return self.look_up(torch.arange(self.codebook_size, device=place))

    def split(self, indices: Tensor) -> Tensor:
        """The groups' own indices (..., groups) of joint ones (...); -1 stays -1 in all."""
        parts = []
        rest = indices
        for size in reversed(self.groups.sizes):
            parts.append(torch.where(indices < 0, -1, rest % size))
            rest = rest // size
        return torch.stack(parts[::-1], -1)

    def join(self, parts: Tensor) -> Tensor:
        """Joint indices (...) of the groups' own (..., groups)."""
        sizes = self.groups.sizes
        steps = [math.prod(sizes[g + 1 :]) for g in range(len(sizes))]
        return (parts * torch.tensor(steps, device=parts.device)).sum(-1)

    def quantize_rows(self, z: Tensor, weights: Tensor | None, shape: torch.Size) -> Flat:
        """Group by group, then one index."""
        flat = self.groups.quantize_rows(z, weights, shape)
        terms: dict[str, Tensor] = {}
        for g, q in enumerate(self.groups.members):
            for name, term in flat.terms.items():
                if name.endswith(f"/{g}"):
                    whole = name.removesuffix(f"/{g}")
                    part = term * (q.dim / self.dim)
                    terms[whole] = terms[whole] + part if whole in terms else part
        return Flat(flat.out, self.join(flat.indices), flat.loss, terms)

    def look_up(self, indices: Tensor) -> Tensor:
        """The codes (N, D) of indices (N,)."""
        return self.groups.look_up(self.split(indices))

    def fold(self) -> Joint:
        """A copy for inference around the folded groups.

        Raises:
            ValueError: codes of a group still wait for the first training batch.
        """
        folded = deepcopy(self).requires_grad_(False)
        members: list[Any] = self.groups.members
        folded.groups.quantizers = nn.ModuleList(q.fold() for q in members)
        return folded.eval()
