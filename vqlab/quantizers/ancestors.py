"""Competitive learning, the ancestors: rules that move a table of codes without any gradient.

They were stated for one latent at a time. Here a batch is one step: the moves of its latents, all
from the codes before the step, are averaged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from .codebooks import Codebook, Table
from .finite import finite
from .neighbours import BLOCK, distances
from .registry import Parts, published
from .schedules import Schedule, as_schedule
from .search import nearest
from .updates import Cells, Update, cell_sums

if TYPE_CHECKING:
    from .quantizer import VectorQuantizer


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

    Reference: MacQueen 1967, Proc. 5th Berkeley Symposium 1, 281-297 (1/n_k).
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


class FrequencySensitive(nn.Module):
    r"""In training a code that has won often must lie nearer to win again; nearest in evaluation.

    .. math:: k_n = \arg\min_k\; u_k^{\,f}\, \|z_n - c_k\|^2

    with u_k the number of latents that code k has won, kept by :class:`Wins` (without it u stays
    1), and f = 1. All latents of a batch meet the same counts. Distances are in float64, in blocks.

    Args:
        codebook_size: K.
        fairness: exponent f >= 0 (ours); 0 is the nearest code.

    Raises:
        ValueError: a negative exponent; in a quantizer, another number of codes.

    Reference: Ahalt, Krishnamurthy, Chen and Melton 1990, Neural Networks 3(3), 277-290.
    """

    wins: Tensor

    def __init__(self, codebook_size: int, fairness: float = 1.0) -> None:
        super().__init__()
        if fairness < 0:
            raise ValueError(f"fairness must be >= 0, got {fairness}")
        self.fairness = fairness
        self.register_buffer("wins", torch.ones(codebook_size))

    def check(self, quantizer: VectorQuantizer) -> None:
        """Needs as many codes."""
        size = len(self.wins)
        if size != quantizer.codebook_size:
            raise ValueError(
                f"FrequencySensitive counts the wins of {size} codes, but the "
                f"{type(quantizer.codebook).__name__} has {quantizer.codebook_size}"
            )

    def forward(self, latents: Tensor, codes: Tensor) -> Tensor:
        """(N,) int64 from latents (N, D) and codes (K, D)."""
        z, table = latents.detach(), codes.detach()
        if not self.training:
            return nearest(z, table)
        z = finite(z)
        center = z.mean(0) if z.shape[0] else 0.0
        z, table = (z - center).double(), (table - center).double()
        price = self.wins.double() ** self.fairness
        rows = max(1, BLOCK // table.shape[0])
        return torch.cat([(price * distances(p, table)).argmin(1) for p in z.split(rows)])

    def extra_repr(self) -> str:
        """The exponent, for print()."""
        return f"fairness={self.fairness}"


class Wins(Update):
    r"""Counts, for a :class:`FrequencySensitive` assignment, how often each code has won.

    .. math:: u_k \leftarrow u_k + |S_k|, \qquad u_k = 1 \text{ at first}

    A revived code takes the mean count of the rest (ours): with 1 it would win almost all latents.

    Args:
        assignment: whose counts.

    Raises:
        TypeError: an assignment that counts no wins. ValueError: in a quantizer that has another.
    """

    moves = True

    def __init__(self, assignment: FrequencySensitive) -> None:
        super().__init__()
        if not isinstance(assignment, FrequencySensitive):
            kind = type(assignment).__name__
            raise TypeError(f"Wins counts for a FrequencySensitive assignment, got {kind}")
        self._assignment = (assignment,)  # in a tuple, so that it is not this module's child

    def check(self, quantizer: VectorQuantizer) -> None:
        """Needs to count where the choice is made."""
        if quantizer.assignment is not self._assignment[0]:
            raise ValueError(
                "Wins counts for another assignment than the quantizer's "
                f"{type(quantizer.assignment).__name__}"
            )

    def reset(self, reborn: Tensor, table: Tensor) -> None:
        """Reborn codes count as the average of the others."""
        wins = self._assignment[0].wins
        others = (~reborn).to(wins.dtype)
        mean = ((others * wins).sum() / others.sum().clamp_min(1.0)).clamp_min(1.0)
        wins.copy_(torch.where(reborn, mean, wins))

    def move(self, batch: Cells, codebook: Codebook) -> None:
        """Counts the batch; no code moves."""
        self._assignment[0].wins.add_(batch.counts)


@published(
    "online-kmeans",
    codebook="free table",
    update="winner, rate 1/n",
    paper="MacQueen, Proc. 5th Berkeley Symposium 1, 281-297",
    year=1967,
    equation="from general knowledge",
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


@published(
    "fscl",
    codebook="free table",
    assignment="nearest by distance times wins",
    update="winner, constant rate",
    paper="Ahalt et al., Neural Networks 3(3), 277-290",
    year=1990,
    equation="from later papers",
    note="squared distance; exponent and rate ours; batches averaged; nearest in evaluation",
)
def _fscl(
    size: int,
    dim: int,
    seed: Any,
    *,
    init: str | Tensor = "first-batch",
    rate: float | Schedule = 1.0,
    fairness: float = 1.0,
) -> Parts:
    table = Table(size, dim, init, trainable=False, seed=seed)
    chooser = FrequencySensitive(size, fairness)
    return Parts(table, [OnlineKMeans(rate), Wins(chooser)], chooser)
