"""A decoder cut open: its features at each resolution, and what draws the picture from them."""

from __future__ import annotations

from torch import Tensor, nn


def pyramid(decoder: nn.Sequential, codes: Tensor) -> tuple[list[Tensor], Tensor]:
    """The decoder's last features at each resolution, coarsest first, and its picture.

    Args:
        decoder: of an :class:`Autoencoder`. codes: (B, D, h, w).
    Returns:
        one feature for each resolution: log2 f + 1 of a :class:`ResnetAutoencoder`, one less of the
        small one, whose last layer doubles and draws at once; the picture (B, C, H, W) in (0, 1).
    """
    body, ending = split(decoder)
    levels: list[Tensor] = []
    x = codes
    for layer in body:
        after = layer(x)
        if after.shape[-1] != x.shape[-1]:
            levels.append(x)
        x = after
    levels.append(x)
    picture: Tensor = ending(x).sigmoid()
    return levels, picture


def split(decoder: nn.Sequential) -> tuple[nn.Sequential, nn.Sequential]:
    """A decoder up to its finest features, and what draws the picture from them."""
    drawing = 1 if isinstance(decoder[-1], nn.ConvTranspose2d) else 3  # norm, SiLU, convolution
    layers = list(decoder)
    return nn.Sequential(*layers[:-drawing]), nn.Sequential(*layers[-drawing:])
