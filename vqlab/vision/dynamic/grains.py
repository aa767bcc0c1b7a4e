"""Maps of grains: which grid stores the codes of which region, and what that costs in bits."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

Map = Literal["raw", "entropy"]


def spread(values: Tensor, factor: int) -> Tensor:
    """Each cell of the last two axes repeated ``factor`` times along both."""
    return values.repeat_interleave(factor, -2).repeat_interleave(factor, -1)


def owners(grains: Tensor, count: int) -> Tensor:
    r"""Marks, on the finest grid, the first cell of every code: its region of grain g has 4^g.

    Args:
        grains: (B, h, w) int64, 0 (coarsest) to ``count`` - 1, a grain for each region.
        count: G, number of grains; the finest grid is (h s, w s) with s = 2^(G-1).

    Returns:
        (B, h s, w s) bool; the number of True is the number of codes.
    """
    finest = 2 ** (count - 1)
    here = spread(grains, finest)
    first = torch.zeros_like(here, dtype=torch.bool)
    for grain in range(count):
        step = 2 ** (count - 1 - grain)
        first[..., ::step, ::step] |= here[..., ::step, ::step] == grain
    return first


def copied(values: Tensor, grains: Tensor, count: int) -> Tensor:
    """Fills every cell with the value of the cell that owns its code.

    Args:
        values: (B, ..., H, W) on the finest grid. grains, count: as for :func:`owners`.
    Returns:
        the same shape.
    """
    here = spread(grains, 2 ** (count - 1))
    while here.ndim < values.ndim:
        here = here.unsqueeze(1)
    out = values
    for grain in range(count - 1):
        step = 2 ** (count - 1 - grain)
        out = torch.where(here == grain, spread(values[..., ::step, ::step], step), out)
    return out


def codes_of(grains: Tensor) -> Tensor:
    r"""Codes that a picture needs, :math:`\sum_{ij} 4^{g_{ij}}`: n (1 + 3 f) with two grains.

    Args:
        grains: (B, h, w) int64.
    Returns:
        (B,) int64.
    """
    return (4**grains).sum((-2, -1))


def bits_of(grains: Tensor, codebook_size: int, count: int, coding: Map = "raw") -> Tensor:
    r"""Bits that a picture takes, its map of grains included.

    .. math:: \text{bits} = \log_2 K \sum_{ij} 4^{g_{ij}} + n \log_2 G \quad\text{(raw)},
        \qquad n H(g) \text{ in place of } n \log_2 G \quad\text{(entropy)}

    "raw" is what a fixed-length code takes where indices of any K are packed together. "entropy" is
    the bound of an ideal coder that knows how often each grain occurs in all pictures given. The
    codes themselves are never entropy-coded. The map says how long the rest is, so no end mark is
    paid for. With one grain there is no map.

    Args:
        grains: (B, h, w) int64. codebook_size: K. count: G. coding: of the map.

    Returns:
        (B,) float64.

    Raises:
        ValueError: an unknown coding.
    """
    regions = grains.shape[-2] * grains.shape[-1]
    if coding == "raw":
        each = math.log2(count)
    elif coding == "entropy":
        shares = torch.bincount(grains.reshape(-1), minlength=count).double() / grains.numel()
        each = float(-torch.special.xlogy(shares, shares).sum() / math.log(2))
    else:
        raise ValueError(f"coding must be 'raw' or 'entropy', got {coding!r}")
    return codes_of(grains).double() * math.log2(codebook_size) + regions * each
