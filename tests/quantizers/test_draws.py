"""Random numbers made of a seed and a clock have their distributions."""

import math

import torch

from vqlab.quantizers import Noise
from vqlab.quantizers.draws import hashed

F64 = torch.float64


def test_hashed_numbers_are_uniform_and_depend_on_everything():
    clock = torch.tensor(3)
    draw = hashed(0, clock, 100_000, 0)
    assert draw.min() >= 0 and draw.max() < 2**53
    share = (draw % 10).bincount(minlength=10) / 100_000
    assert (share - 0.1).abs().max() < 5 * (0.09 / 100_000) ** 0.5  # five standard errors
    high = (draw >> 50).bincount(minlength=8) / 100_000
    assert (high - 0.125).abs().max() < 5 * (0.11 / 100_000) ** 0.5
    for other in (
        hashed(1, clock, 1000, 0),
        hashed(0, clock + 1, 1000, 0),
        hashed(0, clock, 1000, 1),
    ):
        assert (other == draw[:1000]).sum() < 2
    assert torch.equal(hashed(0, clock, 1000, 0), draw[:1000])


def test_the_numbers_have_their_distributions():
    noise, like = Noise(seed=3), torch.empty(100_000, 2, dtype=F64)
    noise.advance()
    normal, gumbel = noise.normal(like), noise.gumbel(like)
    assert abs(normal.mean()) < 0.01 and abs(normal.std() - 1) < 0.01
    assert abs((normal[:, 0] * normal[:, 1]).mean()) < 0.01
    assert abs(gumbel.mean() - 0.5772) < 0.01
    assert abs(gumbel.std() - math.pi / math.sqrt(6)) < 0.01
    assert normal.isfinite().all() and gumbel.isfinite().all()
    again = Noise(seed=3)
    again.advance()
    assert torch.equal(again.normal(like), normal)
    assert not torch.equal(Noise(seed=4).normal(like), Noise(seed=3).normal(like))
