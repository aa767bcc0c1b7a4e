"""What happens to a picture before it is to be restored: blur, loss of pixels, noise, JPEG."""

from __future__ import annotations

import io
import math
from typing import Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import conv2d, interpolate, pad

from ...quantizers.draws import normal, uniform

# What one picture draws: two sigmas, an angle, a coin for the kernel, factor, noise, quality.
DRAWS = 7


class Degradation:
    r"""Blur, downsampling, noise and JPEG, each of a strength that is drawn for each picture.

    .. math:: x_{lq} = \mathrm{up}\big(\mathrm{JPEG}_q(\mathrm{down}_s(x * k_\sigma)
        + n_\delta)\big)

    A pure function of the pictures, their keys and the seed: no generator, hence no state. The
    defaults are the first version's for 512 pixels; a range of one value is given twice. The kernel
    is isotropic for one half of the pictures and turned and stretched for the other. Smaller
    pictures want smaller ranges: at 32 pixels a factor of 8 leaves 4 x 4.

    Args:
        sigma: of the Gaussian blur, in pixels of x. factor: of the downsampling, >= 1, bilinear.
        noise: standard deviation of Gaussian noise, in 255ths. quality: of the JPEG, 1 to 100.
        kernel: side of the blur's kernel in pixels, odd; cut to what a reflected border allows.
        up: how the small picture is scaled back, "bilinear" or "bicubic".
        seed: of all draws.

    Raises:
        ValueError: ranges out of bounds or in the wrong order.

    Reference: VQFR, arXiv 2205.06803, released code, options of the first version. Its random flip
    is not here (see :class:`vqlab.vision.Augment`). Draws and their order are ours.
    """

    def __init__(
        self,
        sigma: tuple[float, float] = (0.1, 10.0),
        factor: tuple[float, float] = (0.8, 8.0),
        noise: tuple[float, float] = (0.0, 20.0),
        quality: tuple[int, int] = (60, 100),
        kernel: int = 41,
        up: Literal["bilinear", "bicubic"] = "bilinear",
        seed: int = 0,
    ) -> None:
        bounds = {
            "sigma": (sigma, 0.0, math.inf),
            "factor": (factor, 0.1, math.inf),
            "noise": (noise, 0.0, 255.0),
            "quality": (quality, 1, 100),
        }
        for name, (span, low, high) in bounds.items():
            if len(span) != 2 or not (low <= span[0] <= span[1] <= high and span[1] < math.inf):
                raise ValueError(
                    f"{name} is a range (lowest, highest) within [{low}, {high}], got {span}"
                )
        if int(kernel) != kernel or kernel < 1 or kernel % 2 == 0:
            raise ValueError(f"kernel must be an odd number of pixels, got {kernel!r}")
        if up not in ("bilinear", "bicubic"):
            raise ValueError(f"up must be 'bilinear' or 'bicubic', got {up!r}")
        self.sigma, self.factor, self.noise, self.quality = sigma, factor, noise, quality
        self.kernel, self.up, self.seed = int(kernel), up, seed

    def __call__(self, pictures: Tensor, keys: Tensor, clock: int = 0) -> Tensor:
        """Degraded pictures of the same size.

        Args:
            pictures: (B, C, H, W) in [0, 1], C = 1 or 3.
            keys: (B,) int64, each picture's number; clock: such as an epoch or a step. Both and the
                seed decide on every draw.
        Returns:
            (B, C, H, W) float in [0, 1], whole 255ths.
        Raises:
            ValueError: other shapes, or as many keys as there are not pictures.
        """
        if pictures.ndim != 4 or pictures.shape[1] not in (1, 3):
            raise ValueError(f"pictures must be (B, 1 or 3, H, W), got {tuple(pictures.shape)}")
        if keys.shape != (len(pictures),):
            raise ValueError(f"{len(pictures)} pictures need as many keys, got {tuple(keys.shape)}")
        rows = (keys.to(pictures.device) + (self.seed % 2**31) * 2**32)[:, None]
        time = torch.tensor(clock, device=pictures.device)
        u = uniform(rows, time, DRAWS).to(pictures.dtype)
        first, second = (_between(self.sigma, u[:, i]) for i in (0, 1))
        second = torch.where(u[:, 3] < 0.5, first, second)
        side = min(self.kernel, 2 * min(pictures.shape[2:]) - 1)
        kernels = gaussian_kernels(first, second, math.pi * (2 * u[:, 2] - 1), side)
        blurred = _blurred(pictures, kernels)
        strength = _between(self.noise, u[:, 5]) / 255
        factors = _between(self.factor, u[:, 4])
        qualities = _between(self.quality, u[:, 6]).round()
        out = torch.empty_like(pictures)
        for i, sharp in enumerate(blurred):
            tall, wide = (max(1, round(n / float(factors[i]))) for n in sharp.shape[1:])
            small = interpolate(sharp[None], size=(tall, wide), mode="bilinear")[0]
            small = small + strength[i] * _fitting(normal(rows[i, 0], time, sharp), tall, wide)
            kept = jpeg(small, int(qualities[i]))
            out[i] = interpolate(kept[None], size=sharp.shape[1:], mode=self.up)[0]
        return (out.clamp(0, 1) * 255).round() / 255


def gaussian_kernels(first: Tensor, second: Tensor, angle: Tensor, side: int) -> Tensor:
    r"""Gaussian kernels, stretched along two axes at an angle; each sums to 1.

    .. math:: k(p) \propto \exp\big(-\tfrac12\, p^\top R\,\mathrm{diag}(\sigma_1^{-2},
        \sigma_2^{-2})\,R^\top p\big)

    Args:
        first, second: (B,) standard deviations in pixels; below a hundredth they are none at all.
        angle: (B,) of the first axis, radians. side: of a kernel, odd.
    Returns:
        (B, side, side), >= 0.
    """
    at = torch.arange(side, dtype=first.dtype, device=first.device) - (side - 1) / 2
    y, x = torch.meshgrid(at, at, indexing="ij")
    cos, sin = angle.cos()[:, None, None], angle.sin()[:, None, None]
    along, across = cos * x + sin * y, cos * y - sin * x
    one, two = (s.clamp_min(0.01)[:, None, None] for s in (first, second))
    kernels = torch.exp(-0.5 * ((along / one).square() + (across / two).square()))
    return kernels / kernels.sum((1, 2), keepdim=True)


def jpeg(picture: Tensor, quality: int) -> Tensor:
    """A picture as it comes back from a JPEG file, written and read by Pillow.

    Args:
        picture: (C, H, W), C = 1 or 3; values are clipped to [0, 1] and rounded to 255ths.
        quality: 1 to 100.
    Returns:
        (C, H, W) in [0, 1].
    """
    whole = (picture.detach().clamp(0, 1) * 255).round().to("cpu", torch.uint8)
    rows = whole[0].numpy() if len(whole) == 1 else whole.movedim(0, -1).contiguous().numpy()
    buffer = io.BytesIO()
    Image.fromarray(rows).save(buffer, "JPEG", quality=quality)
    with Image.open(buffer) as image:
        back = torch.from_numpy(np.array(image)).reshape(*rows.shape[:2], -1).movedim(-1, 0)
    return back.to(picture) / 255


def _between(span: tuple[float, float], u: Tensor) -> Tensor:
    return span[0] + (span[1] - span[0]) * u


def _blurred(pictures: Tensor, kernels: Tensor) -> Tensor:
    """Each picture with its own kernel: one grouped convolution over a reflected border."""
    count, channels = pictures.shape[:2]
    half = kernels.shape[-1] // 2
    wide = pad(pictures, (half, half, half, half), mode="reflect") if half else pictures
    weights = kernels[:, None].expand(-1, channels, -1, -1).reshape(-1, 1, *kernels.shape[1:])
    rows = wide.reshape(1, count * channels, *wide.shape[2:])
    return conv2d(rows, weights, groups=count * channels).reshape(pictures.shape)


def _fitting(grain: Tensor, tall: int, wide: int) -> Tensor:
    """As much noise as the small picture needs; a factor below 1 makes it larger than the first."""
    lines = [-(-n // m) for n, m in zip((tall, wide), grain.shape[1:], strict=True)]
    return grain.repeat(1, *lines)[:, :tall, :wide]
