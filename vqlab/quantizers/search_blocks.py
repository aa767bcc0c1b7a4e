"""Nearest codes by blocks: a cheap filter with a proven error bound, then differences in float64.

A filter forms scores of all codes by a matrix product, block after block in one scratch buffer, and
keeps per latent the codes whose score lies within twice the filter's error of the lowest. Mostly
that is one code. Where it is more, distances are formed from differences, first in float32, then
in float64. A latent with too many codes left is handed to the next, more precise filter.
"""

from __future__ import annotations

import threading
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .search_filters import FloatFilter, HalfFilter, OutOfRange, half_wins

Array = NDArray[Any]

# Bytes of one block of scores, and of a table of codes that is kept from block to block.
_SCRATCH_BYTES, _KEEP_BYTES = 8 << 20, 12 << 20
_ROWS = 1024
# Scores are reduced to the lowest of this many codes before any is looked at.
_GROUP = 8
# Groups per latent and block that may come near the lowest score before the filter gives up on it.
_CROWD = 16
# Numbers held at once while differences are formed.
_PAIR_NUMBERS = 1 << 18


class Filter(Protocol):
    """Scores by a matrix product, and how far from the lowest score the nearest code may lie."""

    dtype: torch.dtype
    columns: int

    def code_table(self, codes: Tensor, width: int) -> Tensor:
        """(width, columns) right factor; rows past the codes score above every code."""

    def row_table(self, latents: Tensor) -> Tensor:
        """(R, columns) left factor; remembers what the threshold needs of these latents."""

    def ordered(self, scores: Tensor) -> Tensor:
        """The scores, viewed in a dtype of the same order."""

    def threshold(self, lowest: Array) -> Array:
        """(R,) the highest ordered score the nearest code can have, given the lowest seen."""


def nearest_blocks(latents: Tensor, codes: Tensor, half: bool | None = None) -> Tensor:
    """(N,) int64, the index of the nearest code, the lowest one of equals.

    Args:
        latents: (N, D), N >= 1, contiguous float32 or float64 on the CPU. codes: (K, D), likewise.
        half: whether to filter in bf16 first; None where that is faster.
    """
    centre = latents.mean(0)
    if not torch.isfinite(centre).all():
        refuse_nonfinite("latents", latents)
        centre = latents.double().mean(0)
    filters: list[Filter] = []
    if latents.dtype == torch.float32 and centre.dtype == torch.float32:
        if half if half is not None else half_wins(len(latents), *codes.shape):
            filters.append(HalfFilter(centre))
        filters.append(FloatFilter(centre))
    filters.append(FloatFilter(centre.double()))
    found = np.full(len(latents), -1)
    for level in filters:
        left = np.flatnonzero(found < 0)
        rest = latents if len(left) == len(found) else latents[torch.from_numpy(left)]
        try:
            found[left] = _search(rest, codes, level)
        except OutOfRange:
            refuse_nonfinite("codes", codes)
        if found.min() >= 0:
            break
    else:
        left = np.flatnonzero(found < 0)
        found[left] = _lowest(latents[torch.from_numpy(left)], codes, filters[-1])
    return torch.from_numpy(found)


def refuse_nonfinite(name: str, values: Tensor) -> None:
    """Raises ValueError with the count and the first position of values that are not finite."""
    finite = torch.isfinite(values)
    if finite.all():
        return
    at = tuple((~finite).nonzero()[0].tolist())
    count = int(finite.numel() - finite.sum())
    value = "value" if count == 1 else "values"
    raise ValueError(f"{name} hold {count} non-finite {value}, the first at {at}")


class _Scratch(threading.local):
    """One buffer per thread: fresh memory would cost as much as the products written to it."""

    def __init__(self) -> None:
        with torch.inference_mode(False):
            self.scores = torch.empty(_SCRATCH_BYTES, dtype=torch.uint8)
            self.groups = torch.empty(_SCRATCH_BYTES // _GROUP, dtype=torch.uint8)


_scratch = _Scratch()


def _shaped(buffer: Tensor, dtype: torch.dtype, *shape: int) -> Tensor:
    return buffer.view(dtype)[: int(np.prod(shape))].view(shape)


def _widths(filter_: Filter, rows: int, size: int) -> tuple[int, int]:
    """Codes of one block, and of all blocks, in whole groups."""
    every = -(-size // _GROUP) * _GROUP
    block = _SCRATCH_BYTES // (rows * filter_.dtype.itemsize) // _GROUP * _GROUP
    return min(block, every), every


def _search(latents: Tensor, codes: Tensor, filter_: Filter) -> Array:
    """(N,) index of the nearest code, -1 where the filter leaves too many."""
    block, every = _widths(filter_, min(_ROWS, len(latents)), len(codes))
    kept = every * filter_.columns * filter_.dtype.itemsize <= _KEEP_BYTES
    table = filter_.code_table(codes, every) if kept else None
    found = np.empty(len(latents), np.int64)
    for at in range(0, len(latents), _ROWS):
        part = latents[at : at + _ROWS]
        row, code, open_ = _candidates(part, codes, filter_, table, block)
        best = np.full(len(part), -1)
        counts = np.bincount(row, minlength=len(part))
        several = counts[row] > 1
        best[row[~several]] = code[~several]
        _nearest_pairs(part, codes, row[several], code[several], best)
        best[open_] = -1
        found[at : at + _ROWS] = best
    return found


def _candidates(
    latents: Tensor, codes: Tensor, filter_: Filter, table: Tensor | None, block: int
) -> tuple[Array, Array, Array]:
    """Rows and codes of all pairs that may be nearest, and the rows with too many to list."""
    rows, size = len(latents), len(codes)
    left = filter_.row_table(latents)
    lowest: Array | None = None
    open_ = np.zeros(rows, bool)
    pairs: list[tuple[Array, Array, Array]] = []
    for start in range(0, size, block):
        stop = min(start + block, size)
        width = -(-(stop - start) // _GROUP) * _GROUP
        right = (
            table[start : start + width]
            if table is not None
            else filter_.code_table(codes[start:stop], width)
        )
        raw = _shaped(_scratch.scores, filter_.dtype, rows, width)
        torch.mm(left, right.t(), out=raw)
        scores = filter_.ordered(raw)
        # Group g of a block holds its codes g, g + W, ..., W = width / 8: lanes run along codes.
        lanes = width // _GROUP
        groups = _shaped(_scratch.groups, scores.dtype, rows, lanes)
        torch.amin(scores.view(rows, _GROUP, lanes), 1, out=groups)
        here = torch.amin(groups, 1).numpy()
        lowest = here if lowest is None else np.minimum(lowest, here)
        limit = filter_.threshold(lowest)
        near = groups.numpy() <= limit[:, None]
        if np.count_nonzero(near) > _CROWD * rows or open_.any():
            open_ |= np.count_nonzero(near, axis=1) > _CROWD
            near[open_] = False
        flat = np.flatnonzero(near)
        row = flat // lanes
        # Position of each group's first score, then of all eight.
        first = flat + row * (width - lanes)
        value = scores.numpy().ravel().take(first[:, None] + lanes * np.arange(_GROUP))
        chosen, member = np.nonzero(value <= limit[row][:, None])
        code = start + (flat - row * lanes)[chosen] + lanes * member
        pairs.append((row[chosen], code, value[chosen, member]))
        if sum(len(p[0]) for p in pairs) > 2 * _CROWD * rows:
            pairs = [_pruned(pairs, limit)]
            open_ |= np.bincount(pairs[0][0], minlength=rows) > _CROWD
    row, code, _ = _pruned(pairs, limit)
    listed = ~open_[row]
    return row[listed], code[listed], open_


def _pruned(pairs: list[tuple[Array, Array, Array]], limit: Array) -> tuple[Array, Array, Array]:
    row, code, value = (np.concatenate(column) for column in zip(*pairs, strict=True))
    keep = value <= limit[row]
    return row[keep], code[keep], value[keep]


def _nearest_pairs(latents: Tensor, codes: Tensor, row: Array, code: Array, best: Array) -> None:
    """Writes the nearest of each row's listed codes to ``best``."""
    if not len(row):
        return
    order = np.lexsort((code, row))
    row, code = row[order], code[order]
    for dtype in (torch.float32, torch.float64):
        if latents.dtype == torch.float64 and dtype == torch.float32:
            continue
        away = _distances(latents, codes, row, code, dtype)
        starts = np.flatnonzero(np.diff(row, prepend=-1))
        counts = np.diff(starts, append=len(row))
        least = np.repeat(np.minimum.reduceat(away, starts), counts)
        if dtype == torch.float64:
            row, code = row[away == least], code[away == least]
            starts = np.flatnonzero(np.diff(row, prepend=-1))
            best[row[starts]] = code[starts]
            return
        # A norm of D rounded differences is off by (D + 3) 2^-24 of itself; 1e-17 covers underflow.
        slack = (4 * latents.shape[1] + 16) * 2.0**-24
        near = away <= least * (1 + slack) + 1e-17
        row, code = row[near], code[near]
        single = np.bincount(row)[row] == 1
        best[row[single]] = code[single]
        row, code = row[~single], code[~single]
        if not len(row):
            return


def _distances(
    latents: Tensor, codes: Tensor, row: Array, code: Array, dtype: torch.dtype
) -> Array:
    """(P,) |z - c| of each pair, from the difference."""
    away = np.empty(len(row))
    step = max(1, _PAIR_NUMBERS // latents.shape[1])
    for at in range(0, len(row), step):
        pick = slice(at, at + step)
        difference = latents[torch.from_numpy(row[pick])].to(dtype)
        difference -= codes[torch.from_numpy(code[pick])]
        away[pick] = torch.linalg.vector_norm(difference, dim=1).numpy()
    return away


def _lowest(latents: Tensor, codes: Tensor, filter_: Filter) -> Array:
    """(N,) index of the lowest score alone, the lowest one of equals."""
    found = np.empty(len(latents), np.int64)
    block, _ = _widths(filter_, min(_ROWS, len(latents)), len(codes))
    for at in range(0, len(latents), _ROWS):
        left = filter_.row_table(latents[at : at + _ROWS])
        best, least = found[at : at + _ROWS], np.full(len(left), np.inf)
        for start in range(0, len(codes), block):
            right = filter_.code_table(codes[start : start + block], min(block, len(codes) - start))
            scores = _shaped(_scratch.scores, filter_.dtype, len(left), len(right))
            torch.mm(left, right.t(), out=scores)
            here = scores.numpy().argmin(1)
            value = np.take_along_axis(scores.numpy(), here[:, None], 1)[:, 0]
            better = value < least
            best[better], least[better] = start + here[better], value[better]
    return found
