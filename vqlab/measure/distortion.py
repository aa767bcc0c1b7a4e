"""How far a codebook is from its data, against the best that k-means finds on the same data.

    distortion = (1/N) sum_n |z_n - c_k(n)|^2,    k(n) = argmin_k |z_n - c_k|

A codebook is at rest under k-means when every code is the mean of its cell (the centroid residual
is zero); it is good when its distortion is close to the optimum. Everything is computed in float64.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linear_sum_assignment
from threadpoolctl import threadpool_limits

from ..quantizers.search import nearest

Array = NDArray[np.float64]

# k-means on the frames of one run is asked for again by every figure drawn from it.
_REMEMBERED = 256
_optima: OrderedDict[bytes, tuple[float, Array]] = OrderedDict()


@dataclass(frozen=True)
class Cells:
    """What each code answers for.

    Attributes:
        indices: (N,) nearest code of each latent.
        counts: (K,) latents in the cell.
        means: (K, D) mean of the cell; NaN if empty.
        errors: (K,) mean squared distance of the cell's latents to the code; NaN if empty.
    """

    indices: NDArray[np.int64]
    counts: NDArray[np.int64]
    means: Array
    errors: Array


def cells(
    latents: ArrayLike | torch.Tensor,
    codes: ArrayLike | torch.Tensor,
    chosen: NDArray[np.int64] | None = None,
) -> Cells:
    """Sorts latents into the cells of their nearest codes, or of the codes that were chosen.

    Args:
        latents: (..., D). codes: (K, D).
        chosen: (N,) a quantizer's own choice, which need not be the nearest.
    Raises:
        ValueError: unequal dimensions, no latents, NaN or Inf.
    """
    z, c = paired_points(latents, codes)
    if chosen is None:
        chosen = nearest(torch.from_numpy(z), torch.from_numpy(c)).numpy()
    indices = chosen
    counts = np.bincount(indices, minlength=len(c))
    # Offsets from the code, not the points: sums of large coordinates would lose digits.
    away = z - c[indices]
    squared = (away**2).sum(1)
    offsets = np.stack([np.bincount(indices, column, len(c)) for column in away.T], axis=1)
    with np.errstate(invalid="ignore"):
        means = c + offsets / counts[:, None]
        errors = np.bincount(indices, squared, len(c)) / counts
    return Cells(indices, counts, means, errors)


def distortion(latents: ArrayLike | torch.Tensor, codes: ArrayLike | torch.Tensor) -> float:
    r"""Mean squared distance of the latents to their nearest code, summed over the dimensions.

    .. math:: \frac1N \sum_n \min_k |z_n - c_k|^2

    Args:
        latents: (..., D). codes: (K, D).
    Returns:
        squared length in units of the latents.
    Raises:
        ValueError: unequal dimensions, no latents, NaN or Inf.
    """
    z, c = paired_points(latents, codes)
    chosen = c[nearest(torch.from_numpy(z), torch.from_numpy(c)).numpy()]
    return float(((z - chosen) ** 2).sum(1).mean())


def kmeans_optimum(
    latents: ArrayLike | torch.Tensor, codebook_size: int, n_init: int = 10, seed: int = 0
) -> tuple[float, Array]:
    """The lowest distortion k-means finds: scikit-learn's KMeans, best of several k-means++ starts.

    Lloyd's iterations run until no assignment changes. Finding the true optimum is NP-hard; more
    starts bring it closer. Results are kept in memory, by content, for the life of the process.

    Args:
        latents: (..., D). codebook_size: K. n_init: starts. seed: int.
    Returns:
        the distortion, and the centroids (K, D). With at most K distinct latents the optimum is
        exactly zero: each is a centroid, the last repeated to make K.
    Raises:
        ValueError: K above the number of latents, K or n_init below 1, NaN or Inf.
    """
    z = points_of(latents, "latents")
    for name, value in (("codebook_size", codebook_size), ("n_init", n_init)):
        if int(value) != value or value < 1:
            raise ValueError(f"{name} must be an integer >= 1, got {value!r}")
    if codebook_size > len(z):
        raise ValueError(f"k-means of {codebook_size} codes needs as many latents, got {len(z)}")
    key = hashlib.sha256(z.tobytes() + repr((z.shape, codebook_size, n_init, seed)).encode())
    found = _optima.get(key.digest())
    if found is None:
        found = _kmeans(z, codebook_size, n_init, seed)
        _optima[key.digest()] = found
        while len(_optima) > _REMEMBERED:
            _optima.popitem(last=False)
    return found[0], found[1].copy()


def excess_distortion(
    latents: ArrayLike | torch.Tensor,
    codes: ArrayLike | torch.Tensor,
    n_init: int = 10,
    seed: int = 0,
) -> float:
    """Distortion over the k-means optimum of as many codes: 1 is as good as k-means.

    Args:
        latents: (..., D). codes: (K, D). n_init, seed: as for :func:`kmeans_optimum`.
    Returns:
        ratio; below 1 if the codes beat k-means. If the optimum is zero: 1 if the codes reach it,
        else inf.
    Raises:
        ValueError: as :func:`kmeans_optimum`.
    """
    z, c = paired_points(latents, codes)
    best, reached = kmeans_optimum(z, len(c), n_init, seed)[0], distortion(z, c)
    if best == 0:
        return 1.0 if reached == 0 else float("inf")
    return reached / best


def centroid_residual(latents: ArrayLike | torch.Tensor, codes: ArrayLike | torch.Tensor) -> Array:
    r"""Distance of each code to the mean of its cell, :math:`|c_k - \bar z_k|`.

    Args:
        latents: (..., D). codes: (K, D).
    Returns:
        (K,), NaN for a code without latents.
    Raises:
        ValueError: unequal dimensions, no latents, NaN or Inf.
    """
    z, c = paired_points(latents, codes)
    return np.linalg.norm(c - cells(z, c).means, axis=1)


def match_codes(
    codes: ArrayLike | torch.Tensor, centroids: ArrayLike | torch.Tensor
) -> tuple[NDArray[np.int64], Array]:
    """Pairs codes with centroids so that the sum of squared distances is smallest.

    Args:
        codes: (K, D). centroids: (K, D).
    Returns:
        permutation (K,), code k belongs to ``centroids[permutation[k]]``; distances (K,).
    Raises:
        ValueError: unequal shapes, NaN or Inf.
    """
    c, m = paired_points(codes, centroids, "codes", "centroids")
    if len(c) != len(m):
        raise ValueError(f"cannot pair {len(c)} codes with {len(m)} centroids one to one")
    cost = ((c[:, None] - m[None]) ** 2).sum(-1)
    permutation = linear_sum_assignment(cost)[1]
    return permutation, np.linalg.norm(c - m[permutation], axis=1)


def _kmeans(z: Array, size: int, n_init: int, seed: int) -> tuple[float, Array]:
    distinct = np.unique(z, axis=0)
    if len(distinct) <= size:
        spare = np.repeat(distinct[-1:], size - len(distinct), axis=0)
        return 0.0, np.concatenate([distinct, spare])
    from sklearn.cluster import KMeans  # a second to import, and only needed here

    fit = KMeans(size, n_init=n_init, tol=0, max_iter=10_000, random_state=seed)
    with threadpool_limits(1):  # as many threads as cores stall when one core is busy
        centroids = fit.fit(z).cluster_centers_
    return distortion(z, centroids), centroids


def paired_points(
    first: ArrayLike | torch.Tensor,
    second: ArrayLike | torch.Tensor,
    one: str = "latents",
    other: str = "codes",
) -> tuple[Array, Array]:
    """Two sets of points as float64 arrays of one dimension; ValueError where that fails."""
    a, b = points_of(first, one), points_of(second, other)
    if a.shape[1] != b.shape[1]:
        raise ValueError(f"{one} have dimension {a.shape[1]}, {other} {b.shape[1]}")
    return a, b


def points_of(values: ArrayLike | torch.Tensor, name: str) -> Array:
    """Points (..., D) as a contiguous (N, D) float64 array; ValueError for NaN, Inf or none."""
    if isinstance(values, torch.Tensor):
        values = values.detach().cpu().double().numpy()
    array = np.asarray(values, dtype=np.float64)
    if array.ndim < 2 or array.size == 0:
        raise ValueError(f"{name} must be (..., D) with at least one row, got shape {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} hold {int((~np.isfinite(array)).sum())} values of NaN or Inf")
    return np.ascontiguousarray(array.reshape(-1, array.shape[-1]))
