"""Frequency-sensitive competition: a code that wins often must lie nearer to win again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from .ancestors import OnlineKMeans
from .codebooks import Codebook, Table
from .finite import finite
from .neighbours import BLOCK, distances
from .registry import Parts, published
from .schedules import Schedule
from .search import nearest
from .updates import Cells, Update

if TYPE_CHECKING:
    from .quantizer import VectorQuantizer


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

    Reference: Ahalt, Krishnamurthy, Chen and Melton 1990, Neural Networks 3(3), 277-290. Known to
    us from L. Xu 2007, Scholarpedia 2(8), 1810, which weighs the squared distance by the frequency.
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
    "fscl",
    codebook="free table",
    assignment="nearest by distance times wins",
    update="winner, constant rate",
    paper="Ahalt et al., Neural Networks 3(3), 277-290",
    year=1990,
    equation="as Xu states it (Scholarpedia 2(8), 1810)",
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
