"""The warping by itself: texture that stands a known way off, and offsets that have to find it."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from .warping import Warp

SIDE, CHANNELS, BORDER, MARGIN = 12, 4, 3, 4


class Learned(NamedTuple):
    """What :func:`learn_shift` saw.

    Attributes:
        offsets: (steps, 2), mean (dy, dx) in pixels before each step.
        errors: (steps,), mean squared error of a batch.
        error: of scenes that were not trained on, at the end.
        untouched: of the same scenes, without any warping.
    """

    offsets: Tensor
    errors: Tensor
    error: float
    untouched: float


def learn_shift(
    shift: tuple[int, int] = (2, -1),
    *,
    still: bool = False,
    steps: int = 100,
    batch: int = 6,
    seed: int = 0,
) -> Learned:
    """Trains a :class:`Warp` alone on smooth scenes whose texture is moved by ``shift``.

    One flow, and what it samples is passed on as it is, so that nothing but the place can be
    learned. A border is left out, from which the texture has gone.

    Args:
        shift: (dy, dx) in pixels, of at most 4: where the texture shows what the guide shows here.
        still: True holds the offsets at zero: the control.
        steps, batch, seed: of the training.
    Raises:
        ValueError: a larger shift.
    """
    if max(map(abs, shift)) > MARGIN:
        raise ValueError(f"a shift has at most {MARGIN} pixels along each axis, got {shift}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        warp = Warp(CHANNELS, CHANNELS, groups=1, taps=1, normed=2, still=still)
    with torch.no_grad():
        warp.look.weight.copy_(2 * torch.eye(CHANNELS)[..., None, None])  # masks begin at a half
        assert warp.look.bias is not None
        warp.look.bias.zero_()
    learning = [p for name, p in warp.named_parameters() if not name.startswith("look")]
    adam = torch.optim.Adam(learning, lr=0.02)
    inside = (..., slice(BORDER, -BORDER), slice(BORDER, -BORDER))
    offsets, errors = [], []
    for step in range(steps):
        guide, texture = _scenes(batch, shift, seed * 100_003 + step)
        out, _, moved = warp(guide, texture)
        loss = (out - guide)[inside].square().mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
        offsets.append(moved.detach()[inside].mean((0, 2, 3)))
        errors.append(loss.detach())
    guide, texture = _scenes(32, shift, seed * 100_003 + steps)
    with torch.no_grad():
        out = warp(guide, texture)[0]
    gaps = [float((x - guide)[inside].square().mean()) for x in (out, texture)]
    return Learned(torch.stack(offsets), torch.stack(errors), *gaps)


def _scenes(count: int, shift: tuple[int, int], seed: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    rough = torch.rand(count, CHANNELS, 5, 5, generator=generator)
    scene = interpolate(rough, size=(SIDE + 2 * MARGIN,) * 2, mode="bicubic").clamp(0, 1)

    def seen(dy: int, dx: int) -> Tensor:
        top, left = MARGIN - dy, MARGIN - dx
        return scene[..., top : top + SIDE, left : left + SIDE]

    return seen(0, 0), seen(*shift)
