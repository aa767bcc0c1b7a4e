"""Nearest codes where blocks are not worth their set-up: few distances, or few dimensions."""

from __future__ import annotations

import threading
from math import isfinite
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from torch import Tensor

from .checks import refuse_nonfinite

# Scores formed at once (2 MiB), and products spent on them; beyond, float32 blocks are faster.
_BLOCK_SCORES, _BLOCK_PRODUCTS = 1 << 18, 1 << 22
# Products that both numpy and torch form on one thread; torch would wake all for little more.
_ONE_THREAD = 1 << 18
_TREE_DIM, _TREE_CODES, _TREE_LATENTS = 3, 1024, 1024


def fits_one_block(count: int, size: int, dim: int) -> bool:
    """Whether all N x K scores are formed at once in float64."""
    return count * size <= _BLOCK_SCORES and count * size * dim <= _BLOCK_PRODUCTS


class _Tables(NamedTuple):
    """What a call of one shape writes to; made once, since a simulation repeats its shape."""

    mean: NDArray[Any]  # (N,) 1/N, so that its product with the latents is their mean
    away: NDArray[np.float64]  # (D, N) mean - latents
    codes: NDArray[np.float64]  # (D, K) codes - mean
    square: NDArray[np.float64]  # (K,) |codes - mean|^2
    left: NDArray[np.float64]  # (N, D + 1): away, 1/2
    right: NDArray[np.float64]  # (D + 1, K): codes, square
    scores: NDArray[np.float64]  # (N, K)


class _Kept(threading.local):
    def __init__(self) -> None:
        self.tables: dict[tuple[int, int, int, np.dtype[Any]], _Tables] = {}


_kept = _Kept()


def _tables(count: int, size: int, dim: int, dtype: np.dtype[Any]) -> _Tables:
    if len(_kept.tables) >= 4:
        _kept.tables.clear()
    # Stored with D outermost: numpy then runs along latents and codes, not along two coordinates.
    left, right = np.full((dim + 1, count), 0.5), np.empty((dim + 1, size))
    # From torch, since its memory starts at a cache line, which halves the time of argmin.
    scores = torch.empty(count, size, dtype=torch.float64).numpy()
    made = _Tables(
        np.full(count, 1 / count, dtype),
        left[:dim],
        right[:dim],
        right[dim],
        left.T,
        right,
        scores,
    )
    _kept.tables[count, size, dim, dtype] = made
    return made


def nearest_block(latents: Tensor, codes: Tensor) -> Tensor:
    """(N,) int64: the lowest of |c|^2 / 2 - z.c in float64, both relative to the latents' mean.

    A score's error is at most (D + 8) 2^-53 |c| (|z| + |c|): the D + 1 products and sums, and the
    rounding of c and |c|^2. It grows with |c|, so that far dead codes do no harm to near ones.
    """
    x, c = latents.numpy(), codes.numpy()
    shape = (*x.shape[:1], *c.shape, x.dtype)
    t = _kept.tables.get(shape) or _tables(*shape)
    mean = t.mean.dot(x)
    # One value that is not finite makes the mean so, or a code's square.
    if not isfinite(mean.dot(mean)):
        refuse_nonfinite("latents", latents)
        mean = x.mean(0, dtype=np.float64)
    centre = mean.astype(np.float64)[:, None]
    np.subtract(centre, x.T, out=t.away)
    np.subtract(c.T, centre, out=t.codes)
    np.einsum("dk,dk->k", t.codes, t.codes, out=t.square)
    if not isfinite(t.square.dot(t.square)):
        refuse_nonfinite("codes", codes)
    if t.scores.size * len(t.right) <= _ONE_THREAD:
        np.matmul(t.left, t.right, out=t.scores)
    else:
        left, right, scores = map(torch.from_numpy, (t.left, t.right, t.scores))
        torch.mm(left, right, out=scores)
    index = t.scores.argmin(1)
    return torch.from_numpy(index)


def wants_tree(count: int, size: int, dim: int) -> bool:
    """Whether a k-d tree beats comparing every latent with every code."""
    return dim <= _TREE_DIM and size >= _TREE_CODES and count >= _TREE_LATENTS


def nearest_tree(latents: Tensor, codes: Tensor) -> Tensor:
    """(N,) int64 from scipy's k-d tree, which forms differences in float64."""
    refuse_nonfinite("latents", latents)
    refuse_nonfinite("codes", codes)
    # The median split that a balanced tree wants costs more than it saves in one query.
    tree = cKDTree(codes.numpy(), balanced_tree=False, compact_nodes=False)
    _, index = tree.query(latents.numpy(), workers=torch.get_num_threads())
    return torch.from_numpy(index.astype(np.int64, copy=False))
