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
    if len(row) and np.diff(row).min(initial=0) < 0:
        order = np.argsort(row, kind="stable")
        row, code = row[order], code[order]
    if latents.dtype == np.float32:
        # A sum of D squared differences is off by (D + 3) 2^-24 of itself; the last term is for
        # squares too small to hold.
        slack = (4 * latents.shape[1] + 16) * 2.0**-24
        away = _squares(latents, codes, row, code, np.float32)
        near = away <= _each(np.minimum, away, row) * (1 + slack) + 1e-36
        row, code = row[near], code[near]
        found[row] = code
        several = np.flatnonzero(row[1:] == row[:-1])
        if not len(several):
            return
        several = np.flatnonzero(np.bincount(row[several], minlength=len(found))[row])
        row, code = row[several], code[several]
    away = _squares(latents, codes, row, code, np.float64)
    least = away == _each(np.minimum, away, row)
    row, code = row[least], code[least]
    found[row] = _each(np.minimum, code, row)


def _squares(
    latents: Array, codes: Array, row: Array, code: Array, dtype: type[np.floating[Any]]
) -> Array:
    """(P,) |z - c|^2 of each pair, from the difference."""
    away = np.empty(len(row), dtype)
    step = max(1, _NUMBERS // latents.shape[1])
    for at in range(0, len(row), step):
        pick = slice(at, at + step)
        difference = latents.take(row[pick], 0).astype(dtype, copy=False)
        difference -= codes.take(code[pick], 0)
        np.einsum("pd,pd->p", difference, difference, out=away[pick])
    return away


def _each(reduce: np.ufunc, values: Array, row: Array) -> Array:
    """(P,) the reduction of each pair's row, for rows in order."""
    if not len(row):
        return values
    starts = np.flatnonzero(np.diff(row, prepend=-1))
    return np.repeat(reduce.reduceat(values, starts), np.diff(starts, append=len(row)))
