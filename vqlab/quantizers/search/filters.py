"""The filter of the search by blocks in float32 or float64, and the bound on its errors.

Notation: x, c are latent and code minus a centre, r = |x| + |c| and d = |x - c|. u is the unit
roundoff, half the distance from 1 to the next number. A sum of n products, in any order, is off by
at most n u times the sum of their magnitudes, to first order; the constants leave room for more.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .plan import slices

Array = NDArray[Any]

PADDING = 1e37  # scores above every code whose norm is within the range below
LARGEST = 1e15
UNDERFLOW = 1e-36


class OutOfRange(ValueError):
    """Norms whose squares the filter's dtype does not hold."""


class FloatFilter:
    """Scores s = |c|^2 / 2 - x.c in float32 or float64, which is (d^2 - |x|^2) / 2.

    Rounding: x and c are off by u of themselves, which moves s by at most 2 u |x||c| + u |c|^2;
    |c|^2 / 2 is off by (D + 6) u |c|^2 / 2; the product of D + 1 terms by (D + 1) u of their
    magnitudes, |x||c| + |c|^2 / 2. Together

        |error| <= g |c| (|x| + |c|) / 2,  g = (2.1 D + 16) u,

    and the nearest code scores at most E + E' above the lowest score s', E and E' being the errors
    of the two codes. Two bounds on them, of which the smaller counts:

    One is g C (|x| + C) / 2 with the largest norm C of the codes. It is tight where all codes lie
    close together, as most of them do when training begins.

    The other is g r^2 / 2 for every code, but not with the r of a code that is far away: neither
    the nearest code nor the one with score s' is. With d' = sqrt(|x|^2 + 2 s'), each has
    d <= sqrt(d'^2 + g r^2) and |c| <= |x| + d, hence r <= (2 |x| + d') / (1 - sqrt(g)).
    """

    def __init__(self, centre: Tensor) -> None:
        self.centre, self.dtype = centre, centre.dtype
        self.dim = len(centre)
        self.columns = self.dim + 1
        self.error = (2.1 * self.dim + 16) * torch.finfo(self.dtype).eps / 2
        self.largest = LARGEST if self.dtype == torch.float32 else 1e150
        self.unit = self.error**0.5 / (1 - self.error**0.5)
        self.exact = self.dtype == torch.float64 or keeps_float32(torch.backends.mkldnn)
        self.radius = 0.0  # C of the codes written so far
        self.half_square: Array = np.empty(0)
        self.twice: Array = np.empty(0)
        self.norm: Array = np.empty(0)

    def write_codes(self, codes: Tensor, table: Tensor) -> None:
        """The table is filled with c, |c|^2 / 2."""
        body, square = table[:, : self.dim], table[:, self.dim]
        for part in parts(len(codes), self.dim):
            torch.sub(codes[part], self.centre, out=body[part])
            norm = torch.linalg.vector_norm(body[part], dim=1)
            self.radius = max(self.radius, within(norm, self.largest))
            torch.mul(norm, norm / 2, out=square[part])
        table[len(codes) :] = 0
        square[len(codes) :] = PADDING if self.dtype == torch.float32 else 1e305

    def row_table(self, latents: Tensor) -> Tensor:
        """(R, D + 1): -x, 1."""
        table = torch.empty(len(latents), self.columns, dtype=self.dtype)
        torch.sub(self.centre, latents, out=table[:, : self.dim])
        table[:, self.dim] = 1
        norm = torch.linalg.vector_norm(table[:, : self.dim], dim=1)
        within(norm, self.largest)
        self.norm = norm.numpy()
        self.half_square = (norm * norm / 2).numpy()
        self.twice = (norm * (2 * self.unit)).numpy()
        return table

    def product(self, left: Tensor, right: Tensor, out: Tensor) -> None:
        """The scores, in the filter's full precision whatever torch is set to."""
        if self.exact:
            torch.mm(left, right.t(), out=out)
        else:
            np.matmul(left.numpy(), right.numpy().T, out=out.numpy())

    def ordered(self, scores: Tensor) -> Tensor:
        """The scores."""
        return scores

    def threshold(self, lowest: Array) -> Array:
        """s' + 2 E."""
        # In units in which E is half the square of r.
        reach: Array = np.sqrt(np.maximum(lowest + self.half_square, 0)) * (2**0.5 * self.unit)
        reach += self.twice
        every = (self.norm + self.radius) * (self.error * 1.01 * self.radius)
        limit: Array = lowest + (np.minimum(reach * reach, every) + UNDERFLOW)
        return limit

    def absorb(self, others: Sequence[FloatFilter]) -> None:
        """Takes the largest of the radii."""
        self.radius = max(self.radius, *(other.radius for other in others))


def parts(size: int, dim: int) -> list[slice]:
    """Slices whose temporaries stay in the cache."""
    return slices(size, max(1, (1 << 18) // dim))


def within(norm: Tensor, largest: float) -> float:
    """The largest norm."""
    most = float(norm.max())
    if not most < largest:
        raise OutOfRange(f"a norm of {most:g}; expected at most {largest:g}")
    return most


def keeps_float32(backend: Any) -> bool:
    """Whether products stay in float32 (see torch.set_float32_matmul_precision)."""
    setting = getattr(getattr(backend, "matmul", None), "fp32_precision", None)
    if setting is None:
        return torch.get_float32_matmul_precision() == "highest"
    return setting in ("none", "ieee")
