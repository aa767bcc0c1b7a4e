"""Which of a few listed codes is nearest, from differences: float32 first, then float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .plan import scratch, shaped

Array = NDArray[Any]

# Numbers held at once while differences are formed.
_NUMBERS = 1 << 18


def settle(latents: Tensor, codes: Tensor, row: Array, code: Array, found: Array) -> None:
    """Writes the nearest of each row's listed codes to ``found``, the lowest one of equals.

    Args:
        latents: (N, D). codes: (K, D). row, code: (P,) the pairs, in any order. found: (N,) int64.
    """
    if (row[1:] < row[:-1]).any():
        order = np.argsort(row, kind="stable")
        row, code = row[order], code[order]
    if latents.dtype == torch.float32:
        # A sum of D squared differences is off by (D + 3) 2^-24 of itself; the last term is for
        # squares too small to hold.
        slack = (4 * latents.shape[1] + 16) * 2.0**-24
        away = _squares(latents, codes, row, code, torch.float32)
        near = np.flatnonzero(away <= _each(np.minimum, away, row) * (1 + slack) + 1e-36)
        row, code = row[near], code[near]
        found[row] = code
        several = np.flatnonzero(row[1:] == row[:-1])
        if not len(several):
            return
        several = np.flatnonzero(np.bincount(row[several], minlength=len(found))[row])
        row, code = row[several], code[several]
    away = _squares(latents, codes, row, code, torch.float64)
    least = away == _each(np.minimum, away, row)
    row, code = row[least], code[least]
    found[row] = _each(np.minimum, code, row)


def _squares(
    latents: Tensor, codes: Tensor, row: Array, code: Array, dtype: torch.dtype
) -> Array:
    """(P,) |z - c|^2 of each pair, from the difference."""
    away = torch.empty(len(row), dtype=dtype)
    step = max(1, _NUMBERS // latents.shape[1])
    for at in range(0, len(row), step):
        part = slice(at, min(at + step, len(row)))
        count = part.stop - at
        # The block of scores is no longer in use; fresh memory would cost more than the arithmetic.
        difference, other = shaped(scratch.scores, dtype, 2, count, latents.shape[1])
        _pick(latents, row[part], difference)
        difference -= _pick(codes, code[part], other)
        torch.linalg.vector_norm(difference, dim=1, out=away[part])
    return away.square_().numpy()


def _pick(table: Tensor, index: Array, out: Tensor) -> Tensor:
    rows = torch.from_numpy(index)
    if table.dtype == out.dtype:
        return torch.index_select(table, 0, rows, out=out)
    return out.copy_(table.index_select(0, rows))


def _each(reduce: np.ufunc, values: Array, row: Array) -> Array:
    """(P,) the reduction of each pair's row, for rows in order."""
    if not len(row):
        return values
    starts = np.concatenate([[0], np.flatnonzero(row[1:] != row[:-1]) + 1])
    return np.repeat(reduce.reduceat(values, starts), np.diff(starts, append=len(row)))
