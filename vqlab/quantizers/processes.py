"""Several processes that each hold a part of the batch, seen as one that holds all of it.

Without a process group everything is as in a single process. Rows are counted in the order of the
processes, so that stretches of a batch, one for each process, make up the batch.
"""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor


def rank_of_world() -> tuple[int, int]:
    """This process and how many there are; 0 and 1 where it is alone."""
    here = dist.is_available() and dist.is_initialized()
    return (dist.get_rank(), dist.get_world_size()) if here else (0, 1)


def several() -> bool:
    """Whether there are other processes."""
    return rank_of_world()[1] > 1


def summed(values: Tensor) -> Tensor:
    """The sum of ``values`` over all processes, so that every process makes the same move."""
    if several():
        dist.all_reduce(values)
    return values


def agreed(values: Tensor) -> Tensor:
    """The first process's ``values``, on every process: their seeds may differ."""
    if several():
        dist.broadcast(values, 0)
    return values


def any_rows(rows: Tensor, weights: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """The rows and weights given; of an empty batch one row that does not count.

    So a process without latents goes through the same steps as the others, which wait for it there.
    """
    if len(rows):
        return rows, weights
    return rows.new_zeros(1, rows.shape[1]), rows.new_zeros(1)


def gathered(rows: Tensor) -> Tensor:
    """All processes' rows (N_r, D), one after the other; their numbers may differ, or be zero."""
    if not several():
        return rows
    counts = _counts(torch.tensor(len(rows), device=rows.device)).tolist()
    padded = rows.new_zeros(max(counts), rows.shape[1])
    padded[: len(rows)] = rows
    parts = [torch.empty_like(padded) for _ in counts]
    dist.all_gather(parts, padded)
    return torch.cat([part[:count] for part, count in zip(parts, counts, strict=True)])


def chosen(draw: Tensor, rows: Tensor, weights: Tensor | None) -> tuple[Tensor, Tensor]:
    """Rows of all processes, uniform over those with a positive weight.

    Args:
        draw: (M,) integers >= 0, the same on every process. rows: (N, D) of this process.
        weights: (N,), or None when all rows count.
    Returns:
        (M, D), the same on every process; whether there was any row to choose, a bool scalar.
    """
    allowed = rows.new_ones(len(rows)) if weights is None else weights
    cumulated = (allowed > 0).to(torch.int64).cumsum(0)
    mine = cumulated[-1] if len(rows) else torch.zeros((), dtype=torch.int64, device=rows.device)
    counts = _counts(mine) if several() else mine[None]
    here = dist.get_rank() if several() else 0
    rank = draw % counts.sum().clamp_min(1) - counts[:here].sum()
    if not len(rows):
        return summed(rows.new_zeros(len(draw), rows.shape[1])), counts.sum() > 0
    at = torch.searchsorted(cumulated, rank + 1).clamp_max(len(rows) - 1)
    own = (rank >= 0) & (rank < mine)
    return summed(torch.where(own[:, None], rows[at], 0.0)), counts.sum() > 0


def spread(rows: Tensor) -> Tensor:
    """Standard deviation (D,) of all processes' rows (N, D), per coordinate."""
    if not several():
        return rows.std(0, correction=0)
    count = summed(rows.new_tensor(float(len(rows)))).clamp_min(1)
    mean = summed(rows.sum(0)) / count
    return (summed((rows - mean).square().sum(0)) / count).sqrt()


def _counts(mine: Tensor) -> Tensor:
    parts = [torch.empty_like(mine) for _ in range(dist.get_world_size())]
    dist.all_gather(parts, mine)
    return torch.stack(parts)
