"""Codes of variable length in a row, for a model of the second stage: content and position."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .grains import codes_of, copied, spread


@dataclass(frozen=True)
class Row:
    r"""The codes of pictures as rows: all codes of the coarsest grain, an end, then the next grain.

    Within a grain the positions rise (row by row of that grain's own grid). Where the row of one
    picture is shorter than the longest, padding of -1 follows.

    Attributes:
        content: (B, L) int64, indices of codes; K is an end; -1 padding.
        position: (B, L) int64, place on the grid of the code's grain; its number of cells is an
            end; -1 padding.
        grain: (B, L) int64, 0 (coarsest) to G - 1; -1 padding.
        codebook_size: K. grid: (h, w), the regions. count: G.
    """

    content: Tensor
    position: Tensor
    grain: Tensor
    codebook_size: int
    grid: tuple[int, int]
    count: int

    @property
    def lengths(self) -> Tensor:
        """(B,) codes and ends of each picture."""
        return (self.content >= 0).sum(1)


def pack(indices: Tensor, grains: Tensor, codebook_size: int, count: int) -> Row:
    """Writes the indices of a dense grid as rows; :func:`unpack` is its exact inverse.

    Args:
        indices: (B, H, W) int64 on the finest grid, equal within the cells of one code.
        grains: (B, h, w) int64. codebook_size: K. count: G, with H = h 2^(G-1).

    Returns:
        :class:`Row`; a row is :func:`codes_of` codes and G ends long.

    Raises:
        ValueError: shapes that do not fit; grains or indices out of range; cells of one code that
            differ.

    Source: the order of the second stage in DQ-VAE's released code (coarse first, rows first);
    padding and the end's value are ours.
    """
    finest = 2 ** (count - 1)
    (high, wide), batch = grains.shape[1:], len(grains)
    if indices.shape != (batch, high * finest, wide * finest):
        raise ValueError(
            f"indices of shape {tuple(indices.shape)} do not fit {count} grains on "
            f"{tuple(grains.shape)} regions; expected {(batch, high * finest, wide * finest)}"
        )
    for name, values, most in (("grains", grains, count), ("indices", indices, codebook_size)):
        low, top = int(values.min()), int(values.max())
        if low < 0 or top >= most:
            raise ValueError(f"{name} run from {low} to {top}; expected 0 to {most - 1}")
    if not torch.equal(copied(indices, grains, count), indices):
        raise ValueError("cells of one code hold different indices; expected copies of one index")
    contents, positions, kinds, kept = [], [], [], []
    for grain in range(count):
        step = 2 ** (count - 1 - grain)
        content = indices[:, ::step, ::step].flatten(1)
        cells = content.shape[1]
        here = (spread(grains, 2**grain) == grain).flatten(1)
        contents.append(_ended(content, codebook_size))
        positions.append(_ended(torch.arange(cells, device=here.device).expand(batch, -1), cells))
        kinds.append(torch.full_like(positions[-1], grain))
        kept.append(_ended(here, True))
    keep = torch.cat(kept, 1)
    length = int(codes_of(grains).max()) + count
    order = (~keep).long().argsort(dim=1, stable=True)[:, :length]
    valid = keep.gather(1, order)
    columns = [torch.cat(part, 1).gather(1, order) for part in (contents, positions, kinds)]
    content, position, kind = (torch.where(valid, column, -1) for column in columns)
    return Row(content, position, kind, codebook_size, (high, wide), count)


def unpack(row: Row) -> tuple[Tensor, Tensor]:
    """The dense indices (B, H, W) and the grains (B, h, w) of rows.

    Raises:
        ValueError: codes that leave a cell empty or fill it twice, positions off their grid, two
            grains in one region.
    """
    count, (high, wide), batch = row.count, row.grid, len(row.content)
    finest = 2 ** (count - 1)
    picture = torch.arange(batch, device=row.content.device)[:, None].expand_as(row.content)
    shape = (batch, high * finest, wide * finest)
    filled = torch.zeros(shape, dtype=torch.int64, device=row.content.device)
    indices, grains = torch.zeros_like(filled), torch.zeros_like(filled)
    for grain in range(count):
        side = 2**grain
        cells = high * wide * side**2
        here = (row.grain == grain) & (row.position != cells)
        place = row.position[here]
        if place.numel() and not 0 <= int(place.min()) <= int(place.max()) < cells:
            raise ValueError(f"positions of grain {grain} must be 0 to {cells - 1}, or {cells}")
        flat = torch.zeros(batch, cells, dtype=torch.int64, device=row.content.device)
        content, times = flat.clone(), flat
        content[picture[here], place] = row.content[here]
        times.index_put_((picture[here], place), torch.ones_like(place), accumulate=True)
        grid = (batch, high * side, wide * side)
        times, content = (spread(t.view(grid), finest // side) for t in (times, content))
        filled += times
        indices = torch.where(times > 0, content, indices)
        grains = torch.where(times > 0, grain, grains)
    if not bool((filled == 1).all()):
        raise ValueError(
            f"{int((filled != 1).sum())} cells of the finest grid are not filled exactly once"
        )
    regions = grains[:, ::finest, ::finest].contiguous()
    if not torch.equal(spread(regions, finest), grains):
        raise ValueError("a region holds codes of more than one grain")
    return indices, regions


def _ended(values: Tensor, end: int | bool) -> Tensor:
    """One column more, of ``end``."""
    last = torch.full_like(values[:, :1], end)
    return torch.cat([values, last], 1)
