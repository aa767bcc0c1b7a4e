"""Linde-Buzo-Gray splitting: a codebook grown from one code by halving its cells."""

from __future__ import annotations

import torch
from torch import Tensor

from .search import nearest

# Rounds of Lloyd's algorithm at one size: it ends by itself long before, but must end.
ROUNDS = 100


@torch.no_grad()
def lbg(
    latents: Tensor, codebook_size: int, epsilon: float = 0.01, tolerance: float = 1e-3
) -> Tensor:
    r"""The codes that Linde, Buzo and Gray's splitting finds for a set of latents.

    .. math:: c_k \to \{c_k + \delta_k,\; c_k - \delta_k\}, \qquad
        \delta_{kd} = \pm\varepsilon\, \mathrm{std}_{n \in S_k}(z_{nd})

    One code, the mean, is split until there are K, and Lloyd's algorithm runs after each splitting
    until the distortion falls by less than the share ``tolerance``. For a K that is no power of two
    the last splitting takes the cells with the largest summed error. Nothing is random.

    The published perturbation is one fixed vector for all codes. Ours is the spread of the cell,
    each coordinate with the sign of its covariance with the widest one, so that the cut runs across
    the cell's longer side. A cell that falls empty restarts on the latent with the largest error.

    Args:
        latents: (N, D), N >= K. codebook_size: K.
        epsilon: size of the perturbation, as a share of the cell's spread.
        tolerance: relative improvement under which Lloyd's algorithm stops.

    Returns:
        (K, D) codes, in the latents' dtype.

    Raises:
        ValueError: fewer latents than codes, latents not finite or not (N, D), options not > 0.

    Reference: Linde, Buzo and Gray 1980, IEEE Trans. Communications 28(1), 84-95.
    """
    if latents.ndim != 2:
        raise ValueError(f"latents must be (N, D), got shape {tuple(latents.shape)}")
    if not 1 <= codebook_size <= len(latents):
        raise ValueError(
            f"splitting needs at least as many latents as codes: {codebook_size} codes, "
            f"{len(latents)} latents"
        )
    for name, value in (("epsilon", epsilon), ("tolerance", tolerance)):
        if not value > 0:
            raise ValueError(f"{name} must be > 0, got {value}")
    center = latents.double().mean(0)
    z = latents.double() - center
    codes = z.mean(0, keepdim=True)
    while True:
        codes, indices = _lloyd(z, codes, tolerance)
        size = len(codes)
        if size == codebook_size:
            return (codes + center).to(latents.dtype)
        error = _cell_sums((z - codes[indices]).square().sum(1, keepdim=True), indices, size)[:, 0]
        count = min(size, codebook_size - size)
        chosen = error.topk(count).indices
        shift = epsilon * _spread(z, codes, indices)[chosen]
        added = codes[chosen] - shift
        codes[chosen] += shift
        codes = torch.cat([codes, added])


def _lloyd(z: Tensor, codes: Tensor, tolerance: float) -> tuple[Tensor, Tensor]:
    before = torch.inf
    size = len(codes)
    for _ in range(ROUNDS):
        indices = nearest(z, codes)
        squares = (z - codes[indices]).square().sum(1)
        after = float(squares.sum())
        counts = torch.bincount(indices, minlength=size)
        empty = counts == 0
        if not empty.any() and before - after <= tolerance * after:
            break
        before = after
        codes = _cell_sums(z, indices, size) / counts.clamp_min(1)[:, None]
        if empty.any():
            # An empty cell starts on a latent far from its code: those come from the worst cells.
            codes[empty] = z[squares.topk(int(empty.sum())).indices]
    return codes, nearest(z, codes)


def _spread(z: Tensor, codes: Tensor, indices: Tensor) -> Tensor:
    """Per cell the standard deviation of each coordinate, signed along the widest one, (K, D)."""
    off = z - codes[indices]
    size = len(codes)
    counts = torch.bincount(indices, minlength=size).clamp_min(1)[:, None]
    variance = _cell_sums(off.square(), indices, size) / counts
    widest = variance.argmax(1)
    along = off.gather(1, widest[indices][:, None])
    sign = torch.where(_cell_sums(off * along, indices, size) < 0, -1.0, 1.0)
    return variance.sqrt() * sign


def _cell_sums(values: Tensor, indices: Tensor, size: int) -> Tensor:
    return values.new_zeros(size, values.shape[1]).index_add(0, indices, values)
