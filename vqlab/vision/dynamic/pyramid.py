"""Encoders with a tap at each grid, and decoders that begin on the finest one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from .. import autoencoder as small
from .. import models as resnet

Plan = Literal["small", "resnet"]


class Pyramid(nn.Module):
    """One trunk that goes down grid by grid, a head on each of the last ones.

    Args:
        stages: the first leads from the picture to the finest grid, each further one halves it.
        heads: (B, width, h, w) to latents (B, D, h, w); as many as stages.
    """

    def __init__(self, stages: Sequence[nn.Module], heads: Sequence[nn.Module]) -> None:
        super().__init__()
        self.stages, self.heads = nn.ModuleList(stages), nn.ModuleList(heads)

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """Latents of every grid, the coarsest first."""
        out, x = [], pictures
        for stage, head in zip(self.stages, self.heads, strict=True):
            x = stage(x)
            out.append(head(x))
        return out[::-1]


def small_parts(
    channels: int, dim: int, halvings: int, grains: int, *, width: int = 32, blocks: int = 1
) -> tuple[Pyramid, nn.Sequential]:
    """Encoder and decoder after the plan of :class:`vqlab.vision.Autoencoder`.

    Args:
        channels: C. dim: D. halvings: down to the finest grid. grains: G.
        width: channels of the hidden layers. blocks: residual blocks in each head and the decoder.
    """
    widths = [channels, *[width] * halvings]
    # The plain encoder, cut before its 3 x 3: what comes then is the finest grid's head.
    layers = list(small._encoder(widths, dim, width, blocks, False))
    stages: list[nn.Module] = [nn.Sequential(*layers[: 2 * halvings])]
    heads: list[nn.Module] = [nn.Sequential(*layers[2 * halvings :])]
    for _ in range(grains - 1):
        lower = list(small._encoder([width, width], dim, width, blocks, False))
        stages.append(nn.Sequential(*lower[:2]))
        heads.append(nn.Sequential(*lower[2:]))
    return Pyramid(stages, heads), small._decoder(widths, dim, width, blocks)


def resnet_parts(
    channels: int,
    dim: int,
    halvings: int,
    grains: int,
    *,
    width: int = 128,
    multiples: Sequence[int] = (1, 1, 2, 2, 4),
    blocks: int = 2,
    attention: bool = True,
    groups: int = 32,
) -> tuple[Pyramid, nn.Sequential]:
    """Encoder and decoder of residual blocks with group norm, as DQ-VAE's.

    Every head has residual blocks with self-attention between them. The released decoder's signals
    of position and its attention inside the stages are not here.

    Args:
        channels, dim, halvings, grains: as for :func:`small_parts`.
        width, multiples, blocks, attention, groups: as for :class:`ResnetAutoencoder`; a multiple
            for each resolution down to the coarsest grid, halvings + grains of them.

    Raises:
        ValueError: another number of multiples, a width that the groups do not divide.

    Reference: DQ-VAE, arXiv 2305.11718, released code (EncoderDual).
    """
    if len(multiples) != halvings + grains:
        raise ValueError(
            f"multiples needs {halvings + grains} numbers, one for each resolution down to the "
            f"coarsest grid, got {tuple(multiples)}"
        )
    if groups < 1 or width % groups:
        raise ValueError(f"width must be a multiple of the {groups} groups, got {width}")
    widths = [width * m for m in multiples]
    before = widths[0]
    stages: list[nn.Module] = []
    heads: list[nn.Module] = []
    layers: list[nn.Module] = [nn.Conv2d(channels, before, 3, padding=1)]
    for level, after in enumerate(widths):
        if level:
            layers.append(resnet._Halve(before, before, 3, stride=2))
        for _ in range(blocks):
            layers.append(resnet.NormedResidual(before, after, groups))
            before = after
        if level >= halvings:
            stages.append(nn.Sequential(*layers))
            middle = resnet._middle(after, attention, groups)
            heads.append(nn.Sequential(*middle, *resnet._ending(after, dim, groups)))
            layers = []
    decoder = resnet._decoder(channels, dim, widths[: halvings + 1], blocks, attention, groups)
    return Pyramid(stages, heads), decoder


def parts(
    plan: Plan, channels: int, dim: int, halvings: int, grains: int, seed: int, **sizes: Any
) -> tuple[Pyramid, nn.Sequential]:
    """Encoder and decoder by the plan's name.

    Raises:
        ValueError: an unknown plan; sizes below 1.
    """
    plans = {"small": small_parts, "resnet": resnet_parts}
    if plan not in plans:
        raise ValueError(f"unknown plan {plan!r}; choose one of {', '.join(plans)}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return plans[plan](channels, dim, halvings, grains, **sizes)
