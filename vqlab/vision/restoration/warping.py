"""Texture features moved to where the degraded picture wants them: a deformable sampling."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import grid_sample, interpolate


def deformable(
    features: Tensor,
    offsets: Tensor,
    masks: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
) -> Tensor:
    r"""A convolution whose taps look aside by an offset and count by a mask.

    .. math:: W(p) = b + \sum_{g,t} w_{t,g}\; m_{g,t}(p)\; T_g\big(p + t + o_{g,t}(p)\big)

    Bilinear between pixels, zero beyond the border. With one tap (n = 1) it is a flow, a mask and a
    linear map.

    Args:
        features: T, (B, C, H, W). offsets: (B, 2 G n n, H, W), in pixels: (dy, dx) of tap 1, tap 2,
            ... of group 1, then of group 2. masks: (B, G n n, H, W).
        weight: (C_out, C, n, n), n odd. bias: (C_out,).
    Returns:
        (B, C_out, H, W).
    Raises:
        ValueError: offsets and masks that do not fit the kernel.

    Reference: Zhu et al. 2018 (deformable convolutions v2, arXiv 1811.11168), Eq. 1; in pure torch.
    """
    count, channels, tall, wide = features.shape
    side = weight.shape[-1]
    taps = side * side
    groups = masks.shape[1] // taps
    if masks.shape[1] != groups * taps or offsets.shape[1] != 2 * groups * taps or not groups:
        raise ValueError(
            f"a kernel of {side} x {side} needs 2 x {taps} offsets and {taps} masks a group, got "
            f"{offsets.shape[1]} and {masks.shape[1]}"
        )
    if channels % groups:
        raise ValueError(f"{groups} groups do not divide {channels} channels")
    rows, columns, reach = (torch.arange(n).to(features) for n in (tall, wide, side))
    reach = reach - side // 2
    moves = offsets.reshape(count * groups, taps, 2, tall, wide)
    y = moves[:, :, 0] + reach.repeat_interleave(side)[:, None, None] + rows[:, None]
    x = moves[:, :, 1] + reach.repeat(side)[:, None, None] + columns
    # Pixel x of W stands at (2 x + 1) / W - 1, which holds for a single pixel, too.
    grid = torch.stack([(2 * x + 1) / wide - 1, (2 * y + 1) / tall - 1], -1)
    parts = features.reshape(count * groups, channels // groups, tall, wide)
    seen = grid_sample(
        parts, grid.reshape(count * groups, taps * tall, wide, 2), align_corners=False
    ).reshape(count, groups, channels // groups, taps, tall * wide)
    seen = seen * masks.reshape(count, groups, 1, taps, tall * wide)
    columns_of = seen.reshape(count, channels * taps, tall * wide)
    out = weight.reshape(len(weight), -1) @ columns_of
    if bias is not None:
        out = out + bias[:, None]
    return out.reshape(count, -1, tall, wide)


class Warp(nn.Module):
    r"""Finds, from the degraded picture, where to look in the texture, and looks there.

    .. math:: o' = h([P; T]), \qquad o = \mathrm{conv}([o'; 2\,\mathrm{up}(o_{2f})]), \qquad
        (\Delta, m) = \mathrm{conv}(o), \qquad W = \mathrm{deformable}(T, \Delta, \sigma(m))

    with h a 1 x 1, a depthwise 7 x 7 and a 1 x 1 convolution. Offsets begin at zero, masks at one
    half.

    Args:
        width: channels of T and of W. guide: channels of P and of o.
        coarser: whether a coarser level hands down its o.
        groups: of offsets, which divide the width. taps: side n of the kernel.
        normed: groups of the group norm.
        still: True holds the offsets at zero, which leaves a convolution with masks.

    Reference: VQFR, arXiv 2205.06803, released code. Two things differ on purpose: offsets begin at
    zero (there a global initialiser overwrites them), and with taps=1 the alignment is a flow, one
    sample a group in place of nine.
    """

    def __init__(
        self,
        width: int,
        guide: int = 32,
        *,
        coarser: bool = False,
        groups: int = 4,
        taps: int = 3,
        normed: int = 8,
        still: bool = False,
    ) -> None:
        super().__init__()
        if width % groups or taps % 2 == 0:
            raise ValueError(
                f"groups must divide the width and taps be odd, got {groups}, {width} and {taps}"
            )
        self.still, self.groups, self.taps = still, groups, taps
        normed = math.gcd(normed, guide)
        self.compare = nn.Sequential(
            nn.Conv2d(guide + width, guide, 1),
            nn.GroupNorm(normed, guide),
            nn.SiLU(),
            nn.Conv2d(guide, guide, 7, padding=3, groups=guide),
            nn.GroupNorm(normed, guide),
            nn.SiLU(),
            nn.Conv2d(guide, guide, 1),
        )
        self.join = nn.Sequential(
            nn.Conv2d(guide * (2 if coarser else 1), guide, 3, padding=1),
            nn.GroupNorm(normed, guide),
            nn.SiLU(),
        )
        self.aim = nn.Conv2d(guide, 3 * groups * taps * taps, 3, padding=1)
        nn.init.zeros_(self.aim.weight)
        assert self.aim.bias is not None
        nn.init.zeros_(self.aim.bias)
        self.look = nn.Conv2d(width, width, taps, padding=taps // 2)

    def forward(
        self, guide: Tensor, texture: Tensor, coarser: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """W (B, width, H, W), o for the next finer level, and the offsets in pixels.

        Args:
            guide: P, (B, guide, H, W). texture: T, (B, width, H, W).
            coarser: o of the level before, (B, guide, H/2, W/2), where there is one.
        """
        found = self.compare(torch.cat([guide, texture], 1))
        if coarser is not None:
            up = interpolate(coarser, scale_factor=2.0, mode="bilinear")
            found = torch.cat([found, 2 * up], 1)
        found = self.join(found)
        count = self.groups * self.taps * self.taps
        offsets, masks = self.aim(found).split([2 * count, count], 1)
        if self.still:
            offsets = torch.zeros_like(offsets)
        out = deformable(texture, offsets, masks.sigmoid(), self.look.weight, self.look.bias)
        return out, found, offsets
