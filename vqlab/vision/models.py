"""The two networks of the presets: the paper's VQ-VAE in full size, and a VQGAN-style one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, pad, silu

from ..quantizers.frame import Quantizer
from .autoencoder import Autoencoder


def paper_autoencoder(
    channels: int = 3, dim: int = 64, quantizer: Quantizer | None = None, **options: Any
) -> Autoencoder:
    """The VQ-VAE that the NS-VQ paper's released code trains on CelebA-HQ, in its full size.

    Pictures of 64 x 64 become 16 x 16 latents. At D = 64 the encoder has 5,069,504 parameters and
    the decoder 4,610,435, as there. One thing differs on purpose: pictures end in a sigmoid, since
    they are compared with targets in [0, 1] (there in a tanh).

    Args:
        channels, dim, quantizer: as for :class:`Autoencoder`.
        options: replace the paper's width=256, outer=128, halvings=2, blocks=6, rectified=True.

    Source: arXiv 2602.18896, released code.
    """
    sizes = {"width": 256, "outer": 128, "halvings": 2, "blocks": 6, "rectified": True}
    return Autoencoder(channels, dim, quantizer, **{**sizes, **options})


class ResnetAutoencoder(Autoencoder):
    r"""A VQGAN-style autoencoder: residual blocks with group norm at every resolution.

    The encoder begins with a 3 x 3 convolution; at each resolution stand ``blocks`` residual blocks
    (in the decoder one more), between two resolutions a halving by a strided convolution (in the
    decoder nearest-neighbour doubling and a convolution), at the coarsest two more residual blocks
    with self-attention between them. Pictures end in a sigmoid, in [0, 1] as everywhere here
    (VQGAN's end linear, for targets in [-1, 1]).

    Args:
        channels: C of the pictures. dim: D of the latents. quantizer: as for :class:`Autoencoder`.
        width: channels at the finest resolution, a multiple of ``groups``.
        multiples: channels at each resolution as multiples of the width; one halving fewer than
            there are multiples.
        blocks: residual blocks at each resolution.
        attention: self-attention at the coarsest resolution.
        groups: of the group norm.
        seed: of the first weights; torch's own generator is left as it was.

    Raises:
        ValueError: sizes below 1, a width that the groups do not divide.

    Reference: Esser et al. 2021 (VQGAN, arXiv 2012.09841), its released code, from general
    knowledge of the plan; sizes are those of the configuration.
    """

    def __init__(
        self,
        channels: int = 3,
        dim: int = 256,
        quantizer: Quantizer | None = None,
        *,
        width: int = 128,
        multiples: Sequence[int] = (1, 2, 4),
        blocks: int = 2,
        attention: bool = False,
        groups: int = 32,
        seed: int = 0,
    ) -> None:
        nn.Module.__init__(self)
        sizes = {"channels": channels, "dim": dim, "width": width, "blocks": blocks}
        for name, value in {**sizes, "multiples": min(multiples, default=0)}.items():
            if int(value) != value or value < 1:
                raise ValueError(f"{name} must be an integer >= 1, got {value!r}")
        if groups < 1 or width % groups:
            raise ValueError(f"width must be a multiple of the {groups} groups, got {width}")
        self.channels, self.dim, self.halvings = channels, dim, len(multiples) - 1
        widths = [width * m for m in multiples]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.encoder = _encoder(channels, dim, widths, blocks, attention, groups)
            self.decoder = _decoder(channels, dim, widths, blocks, attention, groups)
        self.insert(quantizer)


class NormedResidual(nn.Module):
    r"""Two 3 x 3 convolutions, each behind group norm and SiLU, beside the identity.

    Args:
        before, after: channels; where they differ the identity is a 1 x 1 convolution.
        groups: of the group norm.
    """

    def __init__(self, before: int, after: int, groups: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.GroupNorm(groups, before), nn.GroupNorm(groups, after)
        self.conv1 = nn.Conv2d(before, after, 3, padding=1)
        self.conv2 = nn.Conv2d(after, after, 3, padding=1)
        self.aside = nn.Identity() if before == after else nn.Conv2d(before, after, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, before, H, W) to (B, after, H, W)."""
        out = self.conv1(silu(self.norm1(x)))
        out = self.aside(x) + self.conv2(silu(self.norm2(out)))
        return out


class Attention(nn.Module):
    r"""Self-attention over the positions of a grid, one head, beside the identity.

    .. math:: x + W_o\,\mathrm{softmax}(q^\top k/\sqrt{C})\, v

    Args:
        width: channels. groups: of the group norm.
    """

    def __init__(self, width: int, groups: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(groups, width)
        self.project, self.out = nn.Conv2d(width, 3 * width, 1), nn.Conv2d(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, width, H, W) to the same shape."""
        rows = self.project(self.norm(x)).flatten(2).transpose(1, 2)  # (B, HW, 3 width)
        mixed = nn.functional.scaled_dot_product_attention(*rows.chunk(3, dim=-1))
        out: Tensor = x + self.out(mixed.transpose(1, 2).reshape(x.shape))
        return out


class _Halve(nn.Conv2d):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(pad(x, (0, 1, 0, 1)))


class _Double(nn.Conv2d):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(interpolate(x, scale_factor=2.0, mode="nearest"))


def _middle(width: int, attention: bool, groups: int) -> list[nn.Module]:
    first, last = (NormedResidual(width, width, groups) for _ in range(2))
    return [first, *([Attention(width, groups)] if attention else []), last]


def _ending(before: int, after: int, groups: int) -> list[nn.Module]:
    return [nn.GroupNorm(groups, before), nn.SiLU(), nn.Conv2d(before, after, 3, padding=1)]


def _encoder(
    channels: int, dim: int, widths: list[int], blocks: int, attention: bool, groups: int
) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Conv2d(channels, widths[0], 3, padding=1)]
    before = widths[0]
    for level, width in enumerate(widths):
        if level:
            layers.append(_Halve(before, before, 3, stride=2))
        for _ in range(blocks):
            layers.append(NormedResidual(before, width, groups))
            before = width
    layers += _middle(before, attention, groups) + _ending(before, before, groups)
    return nn.Sequential(*layers, nn.Conv2d(before, dim, 1))


def _decoder(
    channels: int, dim: int, widths: list[int], blocks: int, attention: bool, groups: int
) -> nn.Sequential:
    before = widths[-1]
    layers: list[nn.Module] = [nn.Conv2d(dim, before, 3, padding=1)]
    layers += _middle(before, attention, groups)
    for level, width in enumerate(reversed(widths)):
        if level:
            layers.append(_Double(before, before, 3, padding=1))
        for _ in range(blocks + 1):
            layers.append(NormedResidual(before, width, groups))
            before = width
    return nn.Sequential(*layers, *_ending(before, channels, groups))
