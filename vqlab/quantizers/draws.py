"""Random numbers that are a pure function of a seed and a clock."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


def hashed(seed: int | Tensor, clock: Tensor, count: int, stream: int) -> Tensor:
    """``count`` pseudo-random integers in [0, 2^53), a pure function of seed, clock and stream.

    A counter instead of a generator's state: the step is in the state_dict, so a resumed run, every
    process, torch.compile and vmap draw the same numbers. Mixer: splitmix64 (Steele et al. 2014).
    """
    x = torch.arange(count, device=clock.device)
    x = x + clock * 0x1000003D + stream * 0x51ED27 + seed * 0x2545F491
    x = x * -7046029254386353131  # 0x9E3779B97F4A7C15 as a signed integer; products wrap around
    for shift, factor in ((30, -4658895280553007687), (27, -7723592293110705685)):
        x = (x ^ ((x >> shift) & ((1 << (64 - shift)) - 1))) * factor
    x = x ^ ((x >> 31) & ((1 << 33) - 1))
    return x & ((1 << 53) - 1)


def uniform(seed: int | Tensor, clock: Tensor, count: int, stream: int = 0) -> Tensor:
    """``count`` float64 numbers in the open interval (0, 1)."""
    # 52 bits and a half: neither 0 nor 1 comes out, whose logarithms would be of no use.
    return ((hashed(seed, clock, count, stream) >> 1).double() + 0.5) / 2.0**52


def normals(seed: int | Tensor, clock: Tensor, count: int) -> Tensor:
    """``count`` float64 standard normal numbers (Box and Muller's, of streams 1 and 2)."""
    first, second = (uniform(seed, clock, count, stream) for stream in (1, 2))
    return torch.sqrt(-2 * torch.log(first)) * torch.cos(2 * math.pi * second)


def normal(seed: int | Tensor, clock: Tensor, like: Tensor) -> Tensor:
    """Standard normal numbers of the shape, dtype and device of ``like``."""
    return normals(seed, clock, like.numel()).to(like).reshape(like.shape)


def picked(draw: Tensor, allowed: Tensor | None, count: int) -> Tensor:
    """Positions below ``count``, uniform over those with a positive weight in ``allowed``."""
    if allowed is None:
        return draw % count
    cumulated = (allowed > 0).to(torch.int64).cumsum(0)
    rank = draw % cumulated[-1].clamp_min(1) + 1
    return torch.searchsorted(cumulated, rank).clamp_max(count - 1)


class Noise(nn.Module):
    """Random numbers that are a pure function of a seed and a clock, both in the state_dict.

    A resumed run, torch.compile and vmap draw what the plain run draws.

    Args:
        seed: int, torch.Generator (one number is drawn from it) or None (from torch's own).
    """

    seed: Tensor
    clock: Tensor

    def __init__(self, seed: int | torch.Generator | None = None) -> None:
        super().__init__()
        if not isinstance(seed, int):
            seed = int(torch.randint(2**31, (), generator=seed))
        self.register_buffer("seed", torch.tensor(seed))
        self.register_buffer("clock", torch.zeros((), dtype=torch.int64))

    def advance(self) -> None:
        """The next draw is another one."""
        self.clock += 1

    def uniform(self, count: int, stream: int = 0) -> Tensor:
        """``count`` float64 numbers in the open interval (0, 1)."""
        return uniform(self.seed, self.clock, count, stream)

    def normal(self, like: Tensor) -> Tensor:
        """Standard normal numbers of the shape and dtype of ``like``."""
        return normal(self.seed, self.clock, like)

    def gumbel(self, like: Tensor) -> Tensor:
        """Standard Gumbel numbers of the shape and dtype of ``like``."""
        values = -torch.log(-torch.log(self.uniform(like.numel())))
        return values.to(like.dtype).reshape(like.shape)
