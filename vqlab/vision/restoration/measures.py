"""How far a restored picture is from the true one, and a set of them from real ones."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, l1_loss, unfold

GREY = (0.299, 0.587, 0.114)


def gradient_distance(pictures: Tensor, targets: Tensor, scales: int = 3) -> Tensor:
    r"""The perceptual proxy: differences of neighbouring pixels, compared at several scales.

    .. math:: \frac1S \sum_{s} \mathrm{mean}\,|\nabla x_s - \nabla y_s|

    with x_s the picture halved s times, as long as it has two pixels. No weights are needed; it
    sees edges and ignores shifts of brightness, and knows nothing of faces: no stand-in for LPIPS
    where its weights exist.

    Args:
        pictures, targets: (B, C, H, W). scales: S.
    Returns:
        scalar.

    Source: ours.
    """
    total, count = pictures.new_zeros(()), 0
    for _ in range(scales):
        if min(pictures.shape[2:]) < 2:
            break
        for axis in (2, 3):
            total = total + l1_loss(pictures.diff(dim=axis), targets.diff(dim=axis))
        count += 2
        pictures, targets = avg_pool2d(pictures, 2), avg_pool2d(targets, 2)
    return total / max(count, 1)


def style_distance(pictures: Tensor, targets: Tensor, side: int = 5) -> Tensor:
    r"""How far the contrasts of a picture's patches are from the target's, wherever they stand.

    .. math:: \mathrm{mean}\,|G(x) - G(y)|, \qquad G = \frac1P \sum_p u_p u_p^\top

    with u_p the patches of one colour, each less its mean: the paper's style loss with raw
    patches in place of VGG's features, since their weights are not here.

    Args:
        pictures, targets: (B, C, H, W). side: of a patch in pixels.
    Returns:
        scalar.

    Source: ours, after Gatys et al. 2016 (image style transfer with convolutional networks).
    """
    return l1_loss(_gram(pictures, side), _gram(targets, side))


def patch_frechet(pictures: Tensor, targets: Tensor, side: int = 5) -> float:
    r"""Fréchet distance of the patches of two sets: how real the texture is, not whose it is.

    .. math:: \lVert\mu_1-\mu_2\rVert^2 + \mathrm{tr}\big(C_1 + C_2 - 2\,(C_1^{1/2} C_2
        C_1^{1/2})^{1/2}\big)

    of all grey patches of ``side`` pixels square, each less its own mean. It is FID with raw
    patches for features: zero for two sets of one distribution of contrasts, whatever is to be seen
    on them. It sees second moments only, hence mostly sharpness.

    Args:
        pictures, targets: (N, C, H, W) in [0, 1], C = 1 or 3; N and what is shown
            need not be the same.
        side: of a patch in pixels.
    Returns:
        the distance in squared grey levels (of 255), summed over the pixels of a patch.

    Source: ours, after Heusel et al. 2017 (FID, arXiv 1706.08500).
    """
    (first, one), (second, two) = (_moments(p, side) for p in (pictures, targets))
    root = _root(one)
    middle = _root(root @ two @ root)
    gap = (first - second).square().sum()
    return float((gap + torch.trace(one + two - 2 * middle)).clamp_min(0))


def detail(pictures: Tensor) -> float:
    """Mean absolute difference of horizontal neighbours, in units of [0, 1]: smooth is near 0."""
    return float(pictures.diff(dim=3).abs().mean())


def _gram(pictures: Tensor, side: int) -> Tensor:
    rows = unfold(pictures.flatten(0, 1)[:, None], side)
    rows = rows - rows.mean(1, keepdim=True)
    return rows @ rows.transpose(1, 2) / rows.shape[2]


def _moments(pictures: Tensor, side: int) -> tuple[Tensor, Tensor]:
    grey = pictures.double()
    if grey.shape[1] == 3:
        grey = (grey * grey.new_tensor(GREY)[:, None, None]).sum(1, keepdim=True)
    rows = unfold(255 * grey, side).transpose(1, 2).reshape(-1, side * side)
    rows = rows - rows.mean(1, keepdim=True)
    middle = rows.mean(0)
    apart = rows - middle
    return middle, apart.T @ apart / len(rows)


def _root(matrix: Tensor) -> Tensor:
    """Square root of a symmetric matrix without negative eigenvalues."""
    values, vectors = torch.linalg.eigh((matrix + matrix.T) / 2)
    return (vectors * values.clamp_min(0).sqrt()) @ vectors.T
