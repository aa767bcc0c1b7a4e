"""Random changes of training pictures, each a pure function of seed, epoch and picture.

No generator, hence no state: a resumed run, every process and every number of loading workers give
a picture the same change in the same epoch.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, conv2d, grid_sample, pad

from ..quantizers.draws import normals, uniform

# What one picture draws: crop (area, ratio, x, y), angle, brightness, contrast, two coins, a flip.
DRAWS = 10


class Augment:
    r"""Crop, rotation, brightness, contrast, sharpening and noise; pictures stay in [0, 1].

    The defaults are those of the NS-VQ paper's released code for CelebA-HQ. As there, what comes
    out is both the input and the target, with its noise; unlike there it is clipped to [0, 1], so
    that no target lies outside of what the decoder can draw. Crop and rotation are one bilinear
    interpolation; pixels from beyond the border are black.

    Args:
        scale: lowest share of the area that is cropped, in (0, 1]; the highest is 1.
        ratio: lowest width over height of the crop, in (0, 1]; the highest is its inverse
            (there 0.9 to 1.1).
        angle: largest rotation in degrees.
        brightness, contrast: largest change of the factor, in [0, 1].
        sharpness: factor of torchvision's sharpening, of every second picture; 1 is none.
        noise: standard deviation of Gaussian noise, on every second picture.
        flip: mirrors every second picture (not in the released code).

    Raises:
        ValueError: options out of range.

    Source: arXiv 2602.18896, released code.
    """

    def __init__(
        self,
        scale: float = 0.8,
        ratio: float = 0.9,
        angle: float = 10.0,
        brightness: float = 0.2,
        contrast: float = 0.2,
        sharpness: float = 2.0,
        noise: float = 0.05,
        flip: bool = False,
    ) -> None:
        for name, share in {"scale": scale, "ratio": ratio}.items():
            if not 0 < share <= 1:
                raise ValueError(f"{name} must lie in (0, 1], got {share}")
        for name, change in {"brightness": brightness, "contrast": contrast}.items():
            if not 0 <= change <= 1:
                raise ValueError(f"{name} must lie in [0, 1], got {change}")
        for name, size in {"angle": angle, "sharpness": sharpness, "noise": noise}.items():
            if not (math.isfinite(size) and size >= 0):
                raise ValueError(f"{name} must be a finite number >= 0, got {size}")
        self.scale, self.ratio, self.angle = scale, ratio, angle
        self.brightness, self.contrast = brightness, contrast
        self.sharpness, self.noise, self.flip = sharpness, noise, flip

    def __call__(self, pictures: Tensor, which: Tensor, seed: int, epoch: int) -> Tensor:
        """Changed pictures.

        Args:
            pictures: (B, C, H, W) in [0, 1]. which: (B,) int64, each picture's number in its set.
            seed, epoch: with the number they decide on every draw.
        Returns:
            (B, C, H, W) in [0, 1].
        """
        keys = (which.to(pictures.device) + (seed % 2**31) * 2**32)[:, None]
        clock = torch.full((), epoch, device=pictures.device)  # a copy would be waited for
        u = uniform(keys, clock, DRAWS).to(pictures.dtype)
        out = self._place(pictures, u)
        u4 = u[:, :, None, None, None]
        out = (out * (1 + self.brightness * (2 * u4[:, 5] - 1))).clamp(0, 1)
        mean = out.mean((1, 2, 3), keepdim=True)
        out = (out + self.contrast * (2 * u4[:, 6] - 1) * (out - mean)).clamp(0, 1)
        if self.sharpness != 1:
            out = torch.where(u4[:, 7] < 0.5, self._sharpened(out), out)
        if self.noise:
            noise = normals(keys, clock, out[0].numel()).to(out).reshape(out.shape)
            out = torch.where(u4[:, 8] < 0.5, out + self.noise * noise, out)
        return out.clamp(0, 1)

    def _place(self, pictures: Tensor, u: Tensor) -> Tensor:
        if self.scale == self.ratio == 1 and not self.angle and not self.flip:
            return pictures  # nothing to move: interpolation would round
        area = self.scale + (1 - self.scale) * u[:, 0]
        stretch = torch.exp(math.log(self.ratio) * (2 * u[:, 1] - 1))  # width over height
        wide, high = (area * stretch).sqrt().clamp_max(1), (area / stretch).sqrt().clamp_max(1)
        x, y = (1 - wide) * (2 * u[:, 2] - 1), (1 - high) * (2 * u[:, 3] - 1)
        turn = math.radians(self.angle) * (2 * u[:, 4] - 1)
        mirror = torch.where(u[:, 9] < 0.5, -1.0, 1.0) if self.flip else torch.ones_like(x)
        cos, sin = turn.cos(), turn.sin()
        rows = [mirror * wide * cos, -wide * sin, x, mirror * high * sin, high * cos, y]
        theta = torch.stack(rows, 1).view(-1, 2, 3)
        grid = affine_grid(theta, list(pictures.shape), align_corners=False)
        return grid_sample(pictures, grid, align_corners=False)

    def _sharpened(self, pictures: Tensor) -> Tensor:
        """Away from a 3 x 3 blur (weights 1, its middle 5), which the border is spared."""
        kernel = torch.ones(3, 3, device=pictures.device)
        kernel[1, 1] = 5
        channels = pictures.shape[1]
        weights = (kernel / 13).to(pictures).expand(channels, 1, 3, 3)
        blurred = conv2d(pictures, weights, groups=channels)
        inside = pictures[..., 1:-1, 1:-1]
        change = pad((self.sharpness - 1) * (inside - blurred), (1, 1, 1, 1))
        return (pictures + change).clamp(0, 1)
