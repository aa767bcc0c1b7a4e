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

from .checks import refuse_nonfinite
from .filters import FloatFilter, HalfFilter, OutOfRange, half_wins
from .pairs import settle

Array = NDArray[Any]

# Bytes of one block of scores, and of a table of codes that is kept from block to block.
_SCRATCH_BYTES, _KEEP_BYTES = 4 << 20, 18 << 20
# Latents of one block: at least the first where there are as many, the second where codes are few.
_ROWS, _MOST_ROWS = 1024, 4096
# Scores are reduced to the lowest of this many codes before any is looked at.
_GROUP = 8
# Groups per latent and block that may come near the lowest score before the filter gives up on it.
_CROWD = 16
# Pairs that wait for their differences.
_PAIRS = 1 << 17


class Filter(Protocol):
    """Scores by a matrix product, and how far from the lowest score the nearest code may lie."""

    dtype: torch.dtype
    columns: int

    def write_codes(self, codes: Tensor, table: Tensor) -> Tensor:
        """Fills the right factor (W, columns), W >= K; rows past the codes score above any code."""

    def row_table(self, latents: Tensor) -> Tensor:
        """(R, columns) left factor; remembers what the threshold needs of these latents."""

    def product(self, left: Tensor, right: Tensor, out: Tensor) -> None:
        """left @ right.t() into ``out``."""

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


class _Scratch(threading.local):
    """One buffer per thread: fresh memory would cost as much as the products written to it."""

    def __init__(self) -> None:
        with torch.inference_mode(False):
            self.scores = torch.empty(_SCRATCH_BYTES, dtype=torch.uint8)
            self.groups = torch.empty(_SCRATCH_BYTES // _GROUP, dtype=torch.uint8)


_scratch = _Scratch()


def _shaped(buffer: Tensor, dtype: torch.dtype, rows: int, columns: int) -> Tensor:
    return buffer.view(dtype)[: rows * columns].view(rows, columns)


def _sides(filter_: Filter, count: int, size: int) -> tuple[int, int]:
    """Latents and codes (in whole groups) of one block."""
    scores = _SCRATCH_BYTES // filter_.dtype.itemsize
    width = -(-size // _GROUP) * _GROUP
    rows = min(max(_ROWS, min(scores // width, _MOST_ROWS)), count)
    # A block's own table of codes must not outgrow its scores.
    most = scores // max(rows, filter_.columns) // _GROUP * _GROUP
    return rows, min(width, max(most, _GROUP))


def _search(latents: Tensor, codes: Tensor, filter_: Filter) -> Array:
    """(N,) index of the nearest code, -1 where the filter leaves too many."""
    rows, block = _sides(filter_, len(latents), len(codes))
    width = -(-len(codes) // _GROUP) * _GROUP
    kept = width * filter_.columns * filter_.dtype.itemsize <= _KEEP_BYTES
    table = torch.empty(width if kept else block, filter_.columns, dtype=filter_.dtype)
    if kept:
        filter_.write_codes(codes, table)
    found = np.full(len(latents), -1)
    waiting: list[tuple[Array, Array]] = []
    for at in range(0, len(latents), rows):
        part = latents[at : at + rows]
        row, code = _candidates(part, codes, filter_, table, block, kept)
        found[at + row] = code
        several = np.flatnonzero(np.bincount(row, minlength=len(part))[row] > 1)
        waiting.append((at + row[several], code[several]))
        if at + rows >= len(latents) or sum(len(r) for r, _ in waiting) > _PAIRS:
            row, code = (np.concatenate(column) for column in zip(*waiting, strict=True))
            settle(latents.numpy(), codes.numpy(), row, code, found)
            waiting = []
    return found


def _candidates(
    latents: Tensor, codes: Tensor, filter_: Filter, table: Tensor, block: int, kept: bool
) -> tuple[Array, Array]:
    """Rows and codes of all pairs that may be nearest; none of a row with too many to list."""
    rows, size = len(latents), len(codes)
    left = filter_.row_table(latents)
    crowded = np.zeros(rows, bool)
    lowest: Array | None = None
    width = 0
    pairs: list[tuple[Array, Array, Array]] = []
    for start in range(0, size, block):
        stop = min(start + block, size)
        # Group g of a block holds its codes g, g + L, ..., L = width / 8: lanes run along codes.
        lanes = -(-(stop - start) // _GROUP)
        if width != lanes * _GROUP:
            width = lanes * _GROUP
            raw = _shaped(_scratch.scores, filter_.dtype, rows, width)
            scores = filter_.ordered(raw)
            groups = _shaped(_scratch.groups, scores.dtype, rows, lanes)
            by_group, flat_scores = scores.view(rows, _GROUP, lanes), scores.view(-1).numpy()
        right = (
            table[start : start + width]
            if kept
            else filter_.write_codes(codes[start:stop], table[:width])
        )
        filter_.product(left, right, raw)
        torch.amin(by_group, 1, out=groups)
        here = torch.amin(groups, 1).numpy()
        lowest = here if lowest is None else np.minimum(lowest, here)
        limit = filter_.threshold(lowest)
        # The longer a row has been searched, the less often a block comes near its lowest.
        active = np.flatnonzero((here <= limit) & ~crowded)
        if len(active) == rows:
            near = groups.numpy() <= limit[:, None]
        else:
            near = groups.numpy().take(active, 0) <= limit.take(active)[:, None]
        if np.count_nonzero(near) > _CROWD * len(active):
            many = np.count_nonzero(near, axis=1) > _CROWD
            crowded[active[many]] = True
            near[many] = False
        flat = np.flatnonzero(near)
        at = flat // lanes
        lane = flat - at * lanes
        row = active[at]
        members = (row * width + lane)[:, None] + np.arange(0, width, lanes)
        value = flat_scores.take(members)
        flat = np.flatnonzero(value <= limit[row][:, None])
        at = flat // _GROUP
        code = start + lane[at] + (flat - at * _GROUP) * lanes
        pairs.append((row[at], code, value.reshape(-1)[flat]))
        if sum(len(row) for row, _, _ in pairs) > 2 * _CROWD * rows:
            pairs = [_pruned(pairs, limit)]
            crowded |= np.bincount(pairs[0][0], minlength=rows) > _CROWD
        if crowded.all():
            break
    row, code, _ = pairs[0] if len(pairs) == 1 else _pruned(pairs, limit)
    if crowded.any():
        row, code = row[~crowded[row]], code[~crowded[row]]
    return row, code


def _pruned(pairs: list[tuple[Array, Array, Array]], limit: Array) -> tuple[Array, Array, Array]:
    row, code, value = (np.concatenate(column) for column in zip(*pairs, strict=True))
    keep = value <= limit[row]
    return row[keep], code[keep], value[keep]


def _lowest(latents: Tensor, codes: Tensor, filter_: Filter) -> Array:
    """(N,) index of the lowest score alone, the lowest one of equals."""
    found = np.empty(len(latents), np.int64)
    rows, block = _sides(filter_, len(latents), len(codes))
    table = torch.empty(block, filter_.columns, dtype=filter_.dtype)
    for at in range(0, len(latents), rows):
        left = filter_.row_table(latents[at : at + rows])
        best, least = found[at : at + rows], np.full(len(left), np.inf)
        for start in range(0, len(codes), block):
            some = codes[start : start + block]
            right = filter_.write_codes(some, table[: len(some)])
            scores = _shaped(_scratch.scores, filter_.dtype, len(left), len(right))
            filter_.product(left, right, scores)
            here = scores.numpy().argmin(1)
            value = np.take_along_axis(scores.numpy(), here[:, None], 1)[:, 0]
            better = value < least
            best[better], least[better] = start + here[better], value[better]
    return found
