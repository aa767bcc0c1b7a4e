"""A small convolutional autoencoder with any quantizer in its middle."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu, relu

from ..quantizers.frame import Quantizer


@dataclass
class Reconstruction:
    """What the autoencoder returns.

    Attributes:
        images: (B, C, H, W) in (0, 1).
        latents: z_e, (B, D, h, w), before quantization.
        indices: (B, h, w) int64, or None without a quantizer.
        loss: of the quantizer, scalar; zero without one.
        terms: the quantizer's losses by name, unweighted.
        measured: further numbers to log, scalars that are no losses.
    """

    images: Tensor
    latents: Tensor
    indices: Tensor | None
    loss: Tensor
    terms: dict[str, Tensor] = field(default_factory=dict)
    measured: dict[str, Tensor] = field(default_factory=dict)


class Residual(nn.Module):
    r"""A 3 x 3 and a 1 x 1 convolution beside the identity: :math:`x + W_2\,\mathrm{relu}(W_1 x)`.

    Args:
        width: channels.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.spread = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.mix = nn.Conv2d(width, width, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, width, H, W) to the same shape."""
        out: Tensor = x + self.mix(relu(self.spread(x)))
        return out


class Autoencoder(nn.Module):
    r"""Pictures to a grid of latents, the latents to codes, the codes to pictures.

    .. math:: z_e = E(x), \quad z_q = \mathrm{quantizer}(z_e), \quad \hat x = \sigma(D(z_q))

    The plan is that of the NS-VQ paper's released CelebA-HQ model, with 32 channels for its 256:
    each halving a 4 x 4 convolution of stride 2, one 3 x 3, residual blocks, a 1 x 1 to D; the
    decoder is its mirror. Two things differ on purpose: latents end linear (there in a leaky ReLU,
    which ``rectified`` puts back), and pictures end in a sigmoid, because they lie in [0, 1] (there
    in a tanh). The model in its full size is ``vqlab.vision.models.paper_autoencoder``.

    Args:
        channels: C of the pictures.
        dim: D of the latents.
        quantizer: any of :func:`vqlab.make` with ``channel_first=True``; None passes the latents on
            as they are: a plain autoencoder.
        width: channels of the hidden layers.
        halvings: how often height and width are halved; pictures must be divisible by 2^halvings.
        blocks: residual blocks on each side.
        outer: channels next to the picture, after the first halving; None is ``width``.
        rectified: latents end in a leaky ReLU.
        seed: of the convolutions' first weights; torch's own generator is left as it was.

    Raises:
        ValueError: sizes below 1, or a quantizer of another dimension or layout.
    """

    def __init__(
        self,
        channels: int = 1,
        dim: int = 16,
        quantizer: Quantizer | None = None,
        *,
        width: int = 32,
        halvings: int = 1,
        blocks: int = 1,
        outer: int | None = None,
        rectified: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__()
        sizes = {"channels": channels, "dim": dim, "width": width, "halvings": halvings}
        for name, value in {**sizes, "outer": width if outer is None else outer}.items():
            if int(value) != value or value < 1:
                raise ValueError(f"{name} must be an integer >= 1, got {value!r}")
        self.channels, self.dim, self.halvings = channels, dim, halvings
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            widths = [channels, width if outer is None else outer, *[width] * (halvings - 1)]
            self.encoder = _encoder(widths, dim, width, blocks, rectified)
            self.decoder = _decoder(widths, dim, width, blocks)
        self.insert(quantizer)

    @property
    def last_layer(self) -> nn.Parameter:
        """Weights of the decoder's last layer, where the losses of a picture meet."""
        return cast(nn.Parameter, self.decoder[-1].weight)

    def insert(self, quantizer: Quantizer | None) -> None:
        """Puts a quantizer into the middle, or takes it out (None).

        Raises:
            ValueError: another dimension or layout than the latents'.
        """
        if quantizer is not None:
            if quantizer.dim != self.dim:
                raise ValueError(
                    f"the latents have dimension {self.dim}, the quantizer {quantizer.dim}"
                )
            if not quantizer.channel_first:
                raise ValueError(
                    "latents are (B, D, h, w): make the quantizer with channel_first=True"
                )
        self.quantizer = quantizer

    def encode(self, images: Tensor) -> Tensor:
        """Latents z_e (B, D, h, w) of pictures (B, C, H, W), before quantization.

        Raises:
            ValueError: another number of channels, or sides that cannot be halved so often.
        """
        factor = 2**self.halvings
        if images.ndim != 4 or images.shape[1] != self.channels or any(
            side % factor for side in images.shape[2:]
        ):
            raise ValueError(
                f"pictures of shape {tuple(images.shape)} given; expected "
                f"(B, {self.channels}, H, W) with H and W divisible by {factor}"
            )
        z: Tensor = self.encoder(images)
        return z

    def decode(self, latents: Tensor) -> Tensor:
        """Pictures (B, C, H, W) in (0, 1) from latents or codes (B, D, h, w)."""
        x: Tensor = self.decoder(latents)
        return x.sigmoid()

    def forward(self, images: Tensor) -> Reconstruction:
        """Pictures (B, C, H, W) to :class:`Reconstruction`."""
        z = self.encode(images)
        if self.quantizer is None:
            return Reconstruction(self.decode(z), z, None, z.new_zeros(()))
        out = self.quantizer(z)
        return Reconstruction(self.decode(out.quantized), z, out.indices, out.loss, out.terms)

    if TYPE_CHECKING:

        def __call__(self, images: Tensor) -> Reconstruction: ...


class _Leaky(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return leaky_relu(x)


def _encoder(
    widths: list[int], dim: int, width: int, blocks: int, rectified: bool
) -> nn.Sequential:
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        layers += [nn.Conv2d(before, after, 4, stride=2, padding=1), _Leaky()]
    layers += [nn.Conv2d(widths[-1], width, 3, padding=1), _Leaky()]
    layers += [Residual(width) for _ in range(blocks)]
    layers += [_Leaky(), nn.Conv2d(width, dim, 1)]
    return nn.Sequential(*layers, *([_Leaky()] if rectified else []))


def _decoder(widths: list[int], dim: int, width: int, blocks: int) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Conv2d(dim, width, 3, padding=1), _Leaky()]
    layers += [Residual(width) for _ in range(blocks)]
    layers += [_Leaky()]
    for before, after in pairwise([width, *reversed(widths[:-1])]):
        layers += [nn.ConvTranspose2d(before, after, 4, stride=2, padding=1), _Leaky()]
    return nn.Sequential(*layers[:-1])  # pictures end in a sigmoid instead
