"""How latents and codes are cut into blocks, and the memory that blocks are formed in."""

from __future__ import annotations

import math
import threading

import torch
from torch import Tensor

# Scores are reduced to the lowest of this many codes before any is looked at.
GROUP = 16
# Bytes of all threads' blocks of scores, and of a table of codes kept between blocks.
_BLOCK_BYTES, _KEEP_BYTES = 8 << 20, 9 << 20
# Latents of a block: at most the first, where codes are few; no fewer than the second, even if it
# is to occupy another thread. Where the table of codes is made anew for each block, many.
_MOST_ROWS, _LEAST_ROWS, _ROW_BYTES = 4096, 256, 8192


class Plan:
    """Blocks of a search, spread over threads.

    Attributes:
        rows: slices of the latents. spans: slices of the codes; several where rows are too few to
            occupy all threads. block: codes of a block, in whole groups.
        kept: whether one table of all codes is made for all blocks; width: its rows.
    """

    def __init__(
        self, columns: int, dtype: torch.dtype, count: int, size: int, workers: int
    ) -> None:
        scores = _BLOCK_BYTES // workers // dtype.itemsize
        # Products are faster where the side of a block that the codes take is a power of two.
        side = 1 << int(math.log2(scores) / 2)
        self.width = _grouped(size)
        self.kept = keeps(columns, dtype, size)
        most = _ROW_BYTES // dtype.itemsize
        if self.kept:
            most = min(scores // min(self.width, side), _MOST_ROWS)
        parts = -(-count // most)
        # A multiple of the threads; but where each would make the same table, they share the codes.
        even = -(-parts // workers) * workers
        if count >= even * _LEAST_ROWS and (self.kept or parts > workers):
            parts = even
        self.rows = slices(count, -(-count // parts))
        self.spans = slices(size, _grouped(-(-size // max(1, workers // parts))))
        # A block's own table of codes must not outgrow its scores.
        longest = max(self.rows[0].stop, columns)
        self.block = max(GROUP, min(self.width, side, scores // longest // GROUP * GROUP))


def keeps(columns: int, dtype: torch.dtype, size: int) -> bool:
    """Whether one table of all codes is made."""
    return _grouped(size) * columns * dtype.itemsize <= _KEEP_BYTES


def _grouped(size: int) -> int:
    return -(-size // GROUP) * GROUP


def slices(size: int, step: int) -> list[slice]:
    """Slices of ``step`` that cover ``size``."""
    return [slice(at, min(at + step, size)) for at in range(0, size, step)]


class Scratch(threading.local):
    """One buffer per thread: fresh memory would cost as much as the products written to it."""

    def __init__(self) -> None:
        with torch.inference_mode(False):
            self.scores = torch.empty(_BLOCK_BYTES, dtype=torch.uint8)
            self.groups = torch.empty(_BLOCK_BYTES // GROUP, dtype=torch.uint8)


scratch = Scratch()


def shaped(buffer: Tensor, dtype: torch.dtype, *shape: int) -> Tensor:
    """The buffer's start as a tensor; fresh memory where it is too small (rows of 10^6 numbers)."""
    size = math.prod(shape)
    if size * dtype.itemsize > buffer.shape[0]:
        return torch.empty(shape, dtype=dtype)
    return buffer.view(dtype)[:size].view(shape)
