"""Which of a few listed codes is nearest, from differences: float32 first, then float64."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

# Numbers held at once while differences are formed.
_NUMBERS = 1 << 16


def settle(latents: Array, codes: Array, row: Array, code: Array, found: Array) -> None:
    """Writes the nearest of each row's listed codes to ``found``, the lowest one of equals.

    Args:
        latents: (N, D). codes: (K, D). row, code: (P,) the pairs, in any order. found: (N,) int64.
    """
    order = np.lexsort((code, row))
    row, code = row[order], code[order]
    if latents.dtype == np.float32:
        # A sum of D squared differences is off by (D + 3) 2^-24 of itself; the last term is for
        # squares too small to hold.
        slack = (4 * latents.shape[1] + 16) * 2.0**-24
        away, least = _distances(latents, codes, row, code, np.float32)
        near = away <= least * (1 + slack) + 1e-36
        row, code = row[near], code[near]
        found[row] = code
        several = np.bincount(row)[row] > 1 if len(row) else near
        row, code = row[several], code[several]
    away, least = _distances(latents, codes, row, code, np.float64)
    row, code = row[away == least][::-1], code[away == least][::-1]
    # The lowest of equal codes is written last.
    found[row] = code


def _distances(
    latents: Array, codes: Array, row: Array, code: Array, dtype: type[np.floating[Any]]
) -> tuple[Array, Array]:
    """(P,) |z - c|^2 of each pair, from the difference, and the smallest of the pair's row."""
    away = np.empty(len(row))
    step = max(1, _NUMBERS // latents.shape[1])
    for at in range(0, len(row), step):
        pick = slice(at, at + step)
        difference = latents.take(row[pick], 0).astype(dtype, copy=False)
        difference -= codes.take(code[pick], 0)
        away[pick] = np.einsum("pd,pd->p", difference, difference)
    starts = np.flatnonzero(np.diff(row, prepend=-1))
    if not len(starts):
        return away, away
    return away, np.repeat(np.minimum.reduceat(away, starts), np.diff(starts, append=len(row)))
