"""The filter of the search by blocks in bf16, the bound on its errors, and where it is worth it.

Notation as in filters.py.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .filters import LARGEST, PADDING, UNDERFLOW, parts, within
from .plan import scratch, shaped

Array = NDArray[Any]


class HalfFilter:
    """Scores s = |c_b|^2 / 2 - x_b.c_b + w + m in bf16, of x and c rounded to bf16, x_b and c_b.

    With C the largest |c_b| and p = min(|x_b|, C), w = p (|x_b| - p / 2) is the least that keeps
    s >= 0 whatever the code: where all codes are short, s is small, and bf16's steps are fine.
    While C is not known it counts as infinite; then w = |x_b|^2 / 2. In general
    s = d_b^2 / 2 - v + m, with d_b = |x_b - c_b| and v = |x_b|^2 / 2 - w = (|x_b| - p)^2 / 2.

    |c_b|^2 / 2 and w + m are further columns, each split into two bf16 numbers, so that they are
    off by 2^-16 of themselves. Products accumulate in float32 (u = 2^-24, twice that allowed for),
    and the result is rounded to bf16 (2^-8 of itself):

        |error| <= e = g r^2 / 2,  g = (2 D + 16) 2^-23 + 2^-15,  then 2^-8 s.

    m = 3 g p |x_b| exceeds e wherever s could come out negative (if p = |x_b|, then there
    r <= 2 |x| / (1 - sqrt(g)); else the magnitudes add up to 2 C |x_b| at most), so scores are >= 0
    and order like their bits, read as int16. m has a part beside, for bf16 products below 1.2e-38,
    which count as 0; so may squares in a norm: C, |x - x_b| and |c - c_b| have room for that.
    Two bounds on the nearest code's score, of which the smaller counts; s' is the lowest score.

    By the triangle inequality |d_b - d| <= |x - x_b| + |c - c_b| = h. With
    a = s' (1 + 1.01 2^-8) + v, both the nearest code and the one of score s' have
    r <= 1.1 (2 |x| + sqrt(2 a)), as 1 - sqrt(g) - 2^-8 > 1 / 1.1, and the nearest has

        d_b <= sqrt(2 a + g r^2) + 2 h,  s <= (d_b^2 / 2 - v + m + e) (1 + 2^-8).

    That holds whatever the other codes are. Where C is known and small, the products are the
    better measure: rounding moves |c|^2 / 2 - x.c by at most
    h' = |x - x_b| |c| + (|x_b| + |c|) |c - c_b|, taken with the largest |c| and |c - c_b|, and
    e <= e' = g C (2.1 |x_b| + C). So the nearest has

        s <= (s' (1 + 1.01 2^-8) + 2 h' + 2 e') (1 + 2^-8).
    """

    dtype = torch.bfloat16
    _UP = 1 + 1.01 * 2.0**-8

    def __init__(self, centre: Tensor) -> None:
        self.centre, self.dim = centre, len(centre)
        self.columns = self.dim + 4
        self.error = (2 * self.dim + 16) * 2.0**-23 + 2.0**-15
        # What the columns' products may lose to underflow, and what the squares in a norm.
        self.faint, self.unseen = UNDERFLOW + 1e-37 * self.columns, 1.2e-19 * self.dim**0.5
        # The largest of the codes written so far: |c_b|; |c - c_b|; that as a share of |c|.
        self.radius, self.loss, self.share = 0.0, 0.0, 0.0
        self.known = False  # whether C was, when the latents' columns were written
        self.norm: Array = np.empty(0)
        self.off, self.margin, self.void = self.norm, self.norm, self.norm

    def write_codes(self, codes: Tensor, table: Tensor) -> None:
        """The table is filled with c_b, |c_b|^2 / 2 in two parts, 1, 1."""
        body, further = table[:, : self.dim], table[:, self.dim :]
        norm, rounded, off = _rounded(codes, self.centre, 1, body[: len(codes)])
        self.radius = max(self.radius, float(rounded.max()) + self.unseen)
        self.loss = max(self.loss, float(off.max()) * 1.001 + self.unseen)
        self.share = max(self.share, float(off.div_(norm.clamp_min_(1e-30)).max()) * 1.001)
        _split(rounded.square_().mul_(0.5), further[: len(codes)])
        further[:, 2:] = 1
        table[len(codes) :] = 0
        table[len(codes) :, self.dim] = PADDING

    def row_table(self, latents: Tensor) -> Tensor:
        """(R, D + 4): -x_b, 1, 1, w + m in two parts."""
        table = torch.empty(len(latents), self.columns, dtype=self.dtype)
        body, further = table[:, : self.dim], table[:, self.dim :]
        norm, rounded, off = _rounded(latents, self.centre, -1, body)
        self.known = self.radius > 0
        shorter = rounded.clamp_max(self.radius) if self.known else rounded.clone()  # p
        margin = (shorter * rounded).mul_(3 * self.error).add_(self.faint)
        _split(torch.addcmul(margin, shorter, rounded.sub(shorter, alpha=0.5)), further[:, 2:])
        off = off.mul_(1.001).add_(self.unseen)
        self.norm, self.margin, self.off = norm.numpy(), margin.numpy(), off.numpy()
        self.void = rounded.sub_(shorter).square_().mul_(0.5).numpy()
        further[:, :2] = 1
        return table

    def product(self, left: Tensor, right: Tensor, out: Tensor) -> None:
        """The scores."""
        torch.mm(left, right.t(), out=out)

    def ordered(self, scores: Tensor) -> Tensor:
        """The bits as int16."""
        return scores.view(torch.int16)

    def threshold(self, lowest: Array) -> Array:
        """The bound above, rounded up, as bits."""
        least = _from_bits(lowest) * self._UP
        twice = 2 * (least + self.void)
        reach = 1.1 * (2 * self.norm + np.sqrt(twice))
        spread = self.error * reach * reach
        blur = self.off + self.share * (reach - self.norm)
        far = np.sqrt(twice + spread) + 2 * blur
        limit = 0.5 * far * far - self.void + self.margin + 0.5 * spread
        if self.known:
            # norm + off is no less than |x_b|, radius + loss no less than any |c|
            longest = self.radius + self.loss
            factor = self.loss + 2.1 * self.error * self.radius
            other = self.off * (longest + factor) + self.norm * factor
            other += longest * self.loss + self.error * self.radius**2
            limit = np.minimum(limit, least + (2.02 * other + self.faint))
        limit *= self._UP
        bits: Array = (limit.view(np.int32) >> 16).astype(np.int16) + np.int16(1)
        return bits

    def absorb(self, others: Sequence[HalfFilter]) -> None:
        """Takes the largest of what the codes told."""
        for name in ("radius", "loss", "share"):
            setattr(self, name, max(getattr(each, name) for each in (self, *others)))


def _rounded(table: Tensor, centre: Tensor, sign: int, out: Tensor) -> Tensor:
    """(3, R) norms of the rows less the centre, of these in bf16, and of what that loses.

    The bf16 rows, times the sign, are written to ``out``.
    """
    lengths = torch.empty(3, len(table))
    for part in parts(len(table), len(centre)):
        # The block of scores is not yet in use: fresh memory would cost more than the arithmetic.
        exact, rounded = shaped(scratch.scores, torch.float32, 2, *table[part].shape)
        torch.sub(*(table[part], centre)[::sign], out=exact)
        norm, length, off = lengths[:, part]
        torch.linalg.vector_norm(exact, dim=1, out=norm)
        rounded.copy_(out[part].copy_(exact))
        torch.linalg.vector_norm(rounded, dim=1, out=length)
        torch.linalg.vector_norm(rounded.sub_(exact), dim=1, out=off)
    within(lengths[0], LARGEST)
    return lengths


def _split(values: Tensor, columns: Tensor) -> None:
    columns[:, 0] = values
    columns[:, 1] = values - columns[:, 0].float()


def _from_bits(bits: Array) -> Array:
    # -0 has the lowest bits of all; it stands for the smallest score, 0.
    return (np.maximum(bits, 0).astype(np.int32) << 16).view(np.float32)


def half_wins(size: int, dim: int) -> bool:
    """Whether the bf16 filter is worth its wider margin on this processor."""
    return size >= 512 and 16 <= dim <= 8192 and half_is_fast()


@functools.cache
def half_is_supported() -> bool:
    """Whether the processor multiplies bf16 numbers and adds them up in float32."""
    return _has("_is_amx_tile_supported") or _has("_is_avx512_bf16_supported")


@functools.cache
def half_is_fast() -> bool:
    """Whether bf16 products take at most 2/3 of float32's time.

    They do where there are matrix units (AMX). Elsewhere that is measured once, in 5 ms.
    """
    if not half_is_supported() or _has("_is_amx_tile_supported"):
        return half_is_supported()
    best = {torch.float32: float("inf"), torch.bfloat16: float("inf")}
    # The best of many short runs, taken in turn, is the time without disturbance by others.
    for _ in range(20):
        for dtype in best:
            left, right = torch.ones(256, 64, dtype=dtype), torch.ones(1024, 64, dtype=dtype)
            out = torch.empty(256, 1024, dtype=dtype)
            begin = time.perf_counter()
            torch.mm(left, right.t(), out=out)
            best[dtype] = min(best[dtype], time.perf_counter() - begin)
    return best[torch.bfloat16] * 1.5 < best[torch.float32]


def _has(feature: str) -> bool:
    return bool(getattr(torch.cpu, feature, bool)())
