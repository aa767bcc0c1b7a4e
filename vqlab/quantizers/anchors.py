"""CVQ-VAE: a code that is seldom used is pulled to a latent of the batch, its anchor."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from .codebooks import Codebook, Table
from .draws import hashed, picked, uniform
from .neighbours import BLOCK, distances
from .processes import agreed, any_rows, several
from .registry import Parts, published
from .regularisers import Contrast
from .revival import Replacement
from .search import nearest
from .updates import Cells, CodebookLoss, Update

ANCHORS = ("closest", "probrandom", "random")
SIMILARITIES = ("l2", "cosine")


class Anchors(Replacement):
    r"""Moves each code towards a latent, by a share that falls steeply with the code's use.

    .. math:: f_k \leftarrow \gamma f_k + (1-\gamma) \frac{|S_k|}{N}, \qquad
        \alpha_k = \exp\!\Big(\!-\frac{10 K f_k}{1-\gamma} - \epsilon\Big), \qquad
        c_k \leftarrow (1-\alpha_k)\, c_k + \alpha_k a_k

    The running frequency f starts at 0, so after the first batch nearly all codes are moved; later
    only those used less than about 0.003 times as often as if all were used alike. The move comes
    before the assignment, with the frequency up to the batch before and anchors of this batch.

    A code moved more than half way loses its moments in the optimizer, as in :class:`Revival`
    (ours; the released code keeps them).

    Args:
        anchors: a_k is the latent nearest to the code ("closest"), a latent drawn by the softmax of
            its similarity ("probrandom"), or one drawn from a pool of K past latents ("random").
        similarity: of "closest" and "probrandom": "l2" is minus the squared distance, "cosine" the
            cosine. Cosines lie in [-1, 1]: "probrandom" then draws almost uniformly.
        decay: gamma in [0, 1). epsilon: in alpha, which is at most exp(-epsilon).
        first_batch: move once only, after the first batch (the paper's offline variant).
        seed: of the draws, a pure function of seed and step, the same on every process.

    Raises:
        ValueError: options out of range; a codebook that is not a free table.

    Reference: CVQ-VAE, Zheng and Vedaldi 2023 (arXiv 2307.15139), Sec. 3.2; formulas of the
    released code, which moves at the end of a step, towards anchors of the batch just seen. Moving
    before the next assignment instead keeps ``quantized`` equal to ``codebook()[indices]``.
    """

    key: Tensor
    frequency: Tensor
    clock: Tensor
    pool: Tensor
    filled: Tensor

    def __init__(
        self,
        anchors: str = "closest",
        similarity: str = "l2",
        decay: float = 0.99,
        epsilon: float = 1e-3,
        first_batch: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if anchors not in ANCHORS:
            raise ValueError(f"unknown anchors {anchors!r}; choose one of {', '.join(ANCHORS)}")
        if similarity not in SIMILARITIES:
            known = ", ".join(SIMILARITIES)
            raise ValueError(f"unknown similarity {similarity!r}; choose one of {known}")
        if not 0 <= decay < 1:
            raise ValueError(f"decay must lie in [0, 1), got {decay}")
        if epsilon < 0:
            raise ValueError(f"epsilon must be >= 0, got {epsilon}")
        self.anchors, self.similarity = anchors, similarity
        self.decay, self.epsilon, self.first_batch = decay, epsilon, first_batch
        # In the state, so that a resumed run draws on and runs under vmap draw each their own.
        self.register_buffer("key", torch.tensor(seed))

    def attach(self, codebook: Codebook) -> None:
        """Needs a free table."""
        super().attach(codebook)
        table = codebook.stored
        self.register_buffer("frequency", torch.zeros_like(table[:, 0]).detach())
        self.register_buffer("clock", torch.zeros((), dtype=torch.int64))
        if self.anchors == "random":
            self.register_buffer("pool", torch.zeros_like(table).detach())
            self.register_buffer("filled", torch.zeros((), dtype=torch.int64))

    def alpha(self) -> Tensor:
        """(K,) share of the way to its anchor that each code goes next."""
        scale = 10 * self.frequency.shape[0] / (1 - self.decay)
        share = torch.exp(-scale * self.frequency - self.epsilon)
        due = self.clock == 1 if self.first_batch else self.clock > 0
        return torch.where(due, share, 0.0)

    def prepare(self, latents: Tensor, weights: Tensor | None, codebook: Codebook) -> Tensor | None:
        """Moves the codes in place; the mask (K,) of those moved more than half way."""
        assert isinstance(codebook, Table)
        if latents.shape[0] == 0 and not several():
            return None
        latents, weights = any_rows(latents, weights)
        # Padding and a batch that the search is about to refuse move nothing.
        usable = latents.isfinite().all()
        if weights is not None:
            usable = usable & (weights.sum() > 0)
            latents = torch.where(weights[:, None] > 0, latents, latents[weights.argmax()])
        table = codebook()
        latents = torch.where(usable, latents, 0.0)
        anchors = self._anchors(latents, weights, table, usable)
        # The anchors are the first process's, or nobody moves.
        usable, anchors = agreed(usable.to(torch.uint8)) > 0, agreed(anchors)
        alpha = torch.where(usable, self.alpha(), 0.0).to(table.dtype)
        moved = torch.lerp(table, anchors, alpha[:, None])
        # A share of zero leaves the code untouched to the last bit.
        codebook.table.copy_(torch.where(alpha[:, None] > 0, moved, table))
        self.forget(alpha > 0.5, codebook)
        return alpha > 0.5

    def move(self, batch: Cells, codebook: Codebook) -> None:
        """Updates the running frequency; no code moves."""
        total = batch.counts.sum()
        share = batch.counts / total.clamp_min(1.0)
        frequency = self.decay * self.frequency + (1 - self.decay) * share
        self.frequency.copy_(torch.where(total > 0, frequency, self.frequency))
        self.clock += total > 0

    def _anchors(
        self, latents: Tensor, weights: Tensor | None, table: Tensor, usable: Tensor
    ) -> Tensor:
        if self.anchors == "random":
            return self._pooled(latents, weights, usable)
        z, codes = latents, table
        if self.similarity == "cosine":
            z, codes = _directions(z), _directions(codes)
        if self.anchors == "closest":
            return latents.index_select(0, nearest(codes, z))
        return latents.index_select(0, self._drawn(z, codes, weights))

    def _drawn(self, z: Tensor, codes: Tensor, weights: Tensor | None) -> Tensor:
        # One latent per code by inverting the cumulated softmax, in blocks of codes.
        center = z.mean(0)
        z, codes = z - center, codes - center
        level = uniform(self.key, self.clock, codes.shape[0]).to(codes)[:, None]
        # Minus half the squared distance of unit vectors is their cosine less one.
        factor = -1.0 if self.similarity == "l2" else -0.5
        rows, found = max(1, BLOCK // z.shape[0]), []
        for at in range(0, codes.shape[0], rows):
            logits = factor * distances(codes[at : at + rows], z)
            if weights is not None:
                logits = logits.masked_fill(weights == 0, -torch.inf)
            reached = logits.softmax(1).cumsum(1)
            below = reached <= level[at : at + rows] * reached[:, -1:]
            found.append(below.sum(1).clamp_max(z.shape[0] - 1))
        return torch.cat(found)

    def _pooled(self, latents: Tensor, weights: Tensor | None, usable: Tensor) -> Tensor:
        count, size = latents.shape[0], self.pool.shape[0]
        first, second = (
            hashed(self.key, self.clock, size, stream).to(latents.device) for stream in (0, 1)
        )
        valid = latents.new_ones(count) if weights is None else weights
        if count >= size:
            pool = latents[picked(first, weights, count)]
            filled = torch.full_like(self.filled, size)
        else:
            # A ring: the latents follow each other, padding lands in a row that is cut off.
            rank = self.filled + (valid > 0).to(torch.int64).cumsum(0) - 1
            row = torch.where(valid > 0, rank % size, size)
            spare = torch.cat([self.pool, self.pool[:1]])
            pool = spare.index_copy(0, row, latents.to(self.pool.dtype))[:size]
            filled = self.filled + (valid > 0).sum()
        pool = agreed(pool)
        self.pool.copy_(torch.where(usable, pool.to(self.pool.dtype), self.pool))
        self.filled.copy_(torch.where(usable, filled, self.filled))
        return self.pool[second % self.filled.clamp(1, size)].to(latents.dtype)

    def extra_repr(self) -> str:
        """The options, for print()."""
        return (
            f"anchors={self.anchors!r}, similarity={self.similarity!r}, decay={self.decay}, "
            f"epsilon={self.epsilon}, first_batch={self.first_batch}"
        )


def _directions(rows: Tensor) -> Tensor:
    length = torch.linalg.vector_norm(rows, dim=-1, keepdim=True)
    return rows / length.clamp_min(math.sqrt(torch.finfo(rows.dtype).tiny))


@published(
    "cvq",
    codebook="free table",
    update="codebook loss + anchors",
    paper="Zheng and Vedaldi, arXiv 2307.15139",
    year=2023,
    equation="Sec. 3.2 and code",
    note="moves before the next assignment, not after the loss; the released script has "
    "assignment= and similarity= cosine",
)
def _cvq(
    size: int,
    dim: int,
    seed: Any,
    *,
    init: str | Tensor = "uniform",
    anchors: str = "closest",
    similarity: str = "l2",
    decay: float = 0.99,
    epsilon: float = 1e-3,
    first_batch: bool = False,
    contrast: float = 0.0,
    weight: float = 1.0,
) -> Parts:
    start = seed.initial_seed() % 2**31 if seed is not None else 0
    rules: list[Update] = [
        CodebookLoss(weight),
        Anchors(anchors, similarity, decay, epsilon, first_batch, start),
    ]
    if contrast:
        rules.append(Contrast(similarity, weight=contrast))
    return Parts(Table(size, dim, init, seed=seed), rules)
