"""Competitive learning, the ancestors: rules that move a table of codes without any gradient.

They were stated for one latent at a time. Here a batch is one step: the moves of its latents, all
from the codes before the step, are averaged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from .codebooks import Codebook, Table
from .registry import Parts, published
from .schedules import Schedule, as_schedule
from .updates import Cells, Update, cell_sums

if TYPE_CHECKING:
    pass


class Competitive(Update):
    r"""Base: every latent draws every code towards itself, by a neighbourhood h of the winner.

    .. math:: c_k \leftarrow c_k + \frac{\epsilon(t)}{N} \sum_n h_{nk}(t)\, (z_n - c_k)

    With N = 1 it is the online rule. One presentation of a classical schedule is one step here.

    Args:
        rate: epsilon in (0, 1], a number or a schedule by training step.

    Raises:
        ValueError: a rate out of range; a codebook that is not a free, untrained table.
    """

    moves = True
    sets_codes = True
    steps: Tensor

    def __init__(self, rate: float | Schedule) -> None:
        super().__init__()
        self.rate = as_schedule(rate)
        first = float(self.rate(torch.tensor(0)))
        if first > 1:
            raise ValueError(f"rate must lie in (0, 1], or codes overshoot; it starts at {first:g}")
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def attach(self, codebook: Codebook) -> None:
        """Needs a free table that no optimizer moves."""
        if not isinstance(codebook, Table) or codebook.trainable:
            raise ValueError(
                f"{type(self).__name__} moves the codes itself: it needs "
                f"Table(..., trainable=False), got {type(codebook).__name__}"
                + ("(trainable=True)" if isinstance(codebook, Table) else "")
            )

    def drawn(self, batch: Cells, table: Tensor) -> tuple[Tensor, Tensor]:
        """Over the batch, sum of h (K,) and of h times the latents (K, D), of all processes."""
        raise NotImplementedError

    def move(self, batch: Cells, codebook: Codebook) -> None:
        """One step; the codes follow."""
        assert isinstance(codebook, Table)
        table = codebook.table
        mass, sums = self.drawn(batch, table)
        share = self.rate(self.steps).to(mass.dtype) / batch.counts.sum().clamp_min(1.0)
        table.copy_(table + share * (sums - mass[:, None] * table))

    def advance(self) -> None:
        """One step of the schedules."""
        self.steps += 1


class OnlineKMeans(Competitive):
    r"""Draws only the winner; at the rate 1/n_k each code is the mean of all it has ever won.

    .. math:: \text{rate None: } n_k \leftarrow n_k + |S_k|, \quad
        c_k \leftarrow c_k + \frac{1}{n_k} \sum_{n \in S_k} (z_n - c_k), \qquad
        \text{else: } h_{nk} = [k = k_n]

    With 1/n_k a batch is not averaged: the formula is what its latents do one after the other, in
    any order, once their winners are chosen. n starts at 1, the code itself being its first point.
    A memory that never fades cannot follow a drift; a constant rate forgets.

    Args:
        rate: None for 1/n_k, else epsilon in (0, 1], a number or a schedule.

    Reference: MacQueen 1967, Proc. 5th Berkeley Symposium 1, 281-297 (1/n_k), known to us from
    public course notes on sequential k-means, which give both rates.
    """

    counts: Tensor

    def __init__(self, rate: float | Schedule | None = None) -> None:
        super().__init__(1.0 if rate is None else rate)
        self.averages = rate is None

    def attach(self, codebook: Codebook) -> None:
        """Needs a free table that no optimizer moves."""
        super().attach(codebook)
        assert isinstance(codebook, Table)
        if self.averages:
            self.register_buffer("counts", torch.ones_like(codebook.table[:, 0]))

    def reset(self, reborn: Tensor, table: Tensor) -> None:
        """A reborn code has won nothing but itself."""
        if self.averages:
            self.counts.copy_(torch.where(reborn, 1.0, self.counts))

    def drawn(self, batch: Cells, table: Tensor) -> tuple[Tensor, Tensor]:
        """Counts and sums of the cells."""
        return batch.counts, cell_sums(batch)

    def move(self, batch: Cells, codebook: Codebook) -> None:
        """One step; the codes follow."""
        if not self.averages:
            return super().move(batch, codebook)
        assert isinstance(codebook, Table)
        table = codebook.table
        self.counts.add_(batch.counts)
        pull = cell_sums(batch) - batch.counts[:, None] * table
        table.copy_(table + pull / self.counts[:, None])


@published(
    "online-kmeans",
    codebook="free table",
    update="winner, rate 1/n",
    paper="MacQueen, Proc. 5th Berkeley Symposium 1, 281-297",
    year=1967,
    equation="as course notes on sequential k-means state it",
    note="rate= gives a constant or scheduled rate instead",
)
def _online_kmeans(
    size: int,
    dim: int,
    seed: Any,
    *,
    init: str | Tensor = "first-batch",
    rate: float | Schedule | None = None,
) -> Parts:
    table = Table(size, dim, init, trainable=False, seed=seed)
    return Parts(table, [OnlineKMeans(rate)])
