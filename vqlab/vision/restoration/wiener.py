"""The best linear filter: what restoration can do without learning a single shape."""

from __future__ import annotations

import torch
from torch import Tensor


class Wiener:
    r"""The linear, shift-invariant filter with the least mean squared error on pairs of pictures.

    .. math:: F(\omega) = \frac{\mathrm{mean}\; X(\omega)\,\overline{Y(\omega)}}
        {\mathrm{mean}\,|Y(\omega)|^2 + \epsilon}

    with Y the degraded and X the clean picture, both less their channel's mean over the pairs. It
    is blind: no kernel and no noise level is told; it is the mean answer to all that were drawn.

    Args:
        degraded, clean: (N, C, H, W), the pairs to learn from; borders are taken as periodic.
        floor: epsilon, as a share of the mean power of the degraded pictures.

    Raises:
        ValueError: shapes that differ.

    Reference: N. Wiener, Extrapolation, Interpolation, and Smoothing of Stationary Time Series,
    1949; moments are those of the pairs.
    """

    def __init__(self, degraded: Tensor, clean: Tensor, floor: float = 1e-6) -> None:
        if degraded.shape != clean.shape or degraded.ndim != 4:
            raise ValueError(
                f"expected pairs (N, C, H, W), got {tuple(degraded.shape)} and {tuple(clean.shape)}"
            )
        self.before = degraded.mean((0, 2, 3), keepdim=True)
        self.after = clean.mean((0, 2, 3), keepdim=True)
        given = torch.fft.rfft2(degraded - self.before)
        wanted = torch.fft.rfft2(clean - self.after)
        power = given.abs().square().mean(0)
        self.filter = (wanted * given.conj()).mean(0) / (power + floor * power.mean())

    def __call__(self, pictures: Tensor) -> Tensor:
        """Filtered pictures (N, C, H, W), clipped to [0, 1]."""
        seen = torch.fft.rfft2(pictures - self.before) * self.filter
        return (torch.fft.irfft2(seen, s=list(pictures.shape[2:])) + self.after).clamp(0, 1)
