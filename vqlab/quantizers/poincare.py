"""The Poincare ball of curvature -c: addition, distance, and the maps at its centre."""

from __future__ import annotations

import torch
from torch import Tensor

# Squared lengths under this count as zero: the root's gradient is infinite at 0 itself.
TINY = 1e-24


def length(vectors: Tensor) -> Tensor:
    """Euclidean length (..., 1), at least 1e-12, with a finite gradient at 0."""
    return vectors.square().sum(-1, keepdim=True).clamp_min(TINY).sqrt()


def exp0(vectors: Tensor, c: float = 1.0) -> Tensor:
    r"""From the plane at the centre onto the ball.

    .. math:: \exp_0(v) = \tanh(\sqrt c \|v\|)\, \frac{v}{\sqrt c \|v\|}

    The result lies inside in exact arithmetic; it rounds to the rim beyond sqrt(c) |v| = 9 in
    float32 and 19 in float64.
    """
    scaled = c**0.5 * length(vectors)
    return vectors * (torch.tanh(scaled) / scaled)


def log0(points: Tensor, c: float = 1.0) -> Tensor:
    r"""From the ball onto the plane at its centre, the inverse of :func:`exp0`.

    .. math:: \log_0(y) = \mathrm{artanh}(\sqrt c \|y\|)\, \frac{y}{\sqrt c \|y\|}

    Points on or over the rim are read as the last number inside it.
    """
    scaled = c**0.5 * length(points)
    inside = scaled.clamp_max(1 - torch.finfo(points.dtype).eps)
    return points * (torch.atanh(inside) / scaled)


def add(x: Tensor, y: Tensor, c: float = 1.0) -> Tensor:
    r"""Moebius addition of points (..., D) of the ball.

    .. math:: x \oplus y = \frac{(1 + 2c\, x \cdot y + c\|y\|^2)\, x + (1 - c\|x\|^2)\, y}
        {1 + 2c\, x \cdot y + c^2 \|x\|^2 \|y\|^2}
    """
    xy, xx, yy = ((a * b).sum(-1, keepdim=True) for a, b in ((x, y), (x, x), (y, y)))
    return ((1 + 2 * c * xy + c * yy) * x + (1 - c * xx) * y) / (1 + 2 * c * xy + c * c * xx * yy)


def distance(x: Tensor, y: Tensor, c: float = 1.0) -> Tensor:
    r"""Length (...) of the geodesic between points (..., D).

    .. math:: d(x, y) = \frac{2}{\sqrt c}\, \mathrm{arsinh}\!\left(
        \frac{\sqrt c \|x - y\|}{\sqrt{(1 - c\|x\|^2)(1 - c\|y\|^2)}} \right)

    This form, equal to 2/sqrt(c) artanh(sqrt(c) |(-x) + y|), keeps close points apart at the rim.
    """
    gap = length(x - y)[..., 0]
    eps = torch.finfo(x.dtype).eps
    rx, ry = ((1 - c * p.square().sum(-1)).clamp_min(eps) for p in (x, y))
    return 2 / c**0.5 * torch.asinh(c**0.5 * gap / (rx * ry).sqrt())
