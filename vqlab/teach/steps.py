"""Checks of the course's first exercises: the nearest code, k-means' step, the moving average."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vqlab.teach.checks import Array, _pair, _passed, _quiet, compare

# Small whole numbers, for pencil and paper; each known mistake gives another answer.
PAPER_LATENTS = np.array([[1.0, 5.0], [6.0, 2.0], [6.0, 0.0]])
PAPER_CODES = np.array([[4.0, 3.0], [0.0, 4.0], [6.0, 4.0], [0.0, 5.0]])


def check_paper(indices: Any, distortion: Any) -> str:
    """Check the answers for ``PAPER_LATENTS`` and ``PAPER_CODES``, found by hand.

    Args:
        indices: (3,) index of the nearest code of each latent, counted from 0.
        distortion: mean squared distance of the latents to their codes.

    Raises:
        AssertionError: with the likely mistake.
    """
    gap = PAPER_LATENTS[:, None] - PAPER_CODES[None]
    squared = (gap**2).sum(2)
    right = squared.argmin(1)
    wrong = {
        "you counted the codes from 1. The first has index 0.": right + 1,
        "these are the farthest codes.": squared.argmax(1),
        "this is the largest dot product. The nearest code is about differences.":
            (PAPER_LATENTS @ PAPER_CODES.T).argmax(1),
        "this is the nearest in the sum of absolute differences. Square them.":
            np.abs(gap).sum(2).argmin(1),
    }  # fmt: skip
    compare("indices", indices, right, wrong)
    least = squared.min(1)
    wrong = {
        "this is the sum over the latents. Divide by their number.": least.sum(),
        "these are distances, not their squares.": np.sqrt(least).mean(),
        "this is the root of the mean. The distortion is squared.": np.sqrt(least.mean()),
        "you also divided by the dimension. Here the squares are summed over it.": least.mean() / 2,
        "you divided by the number of codes. Divide by that of the latents.": least.sum() / 4,
        "this is the mean over all pairs. Only the chosen code counts.": squared.mean(),
    }
    compare("distortion", distortion, least.mean(), wrong)
    return _passed("by hand")


def lloyd_step(latents: Array, codes: Array) -> tuple[Array, float]:
    """The reference: means of the cells (an empty one's code stays), distortion before the step."""
    squared = ((latents[:, None] - codes[None]) ** 2).sum(2)
    chosen = squared.argmin(1)
    moved = codes.copy()
    for k in np.unique(chosen):
        moved[k] = latents[chosen == k].mean(0)
    return moved, float(squared.min(1).mean())


def check_lloyd_step(function: Callable[[Array, Array], Any]) -> str:
    """Check ``function(latents (N, D), codes (K, D)) -> (codes (K, D), distortion)``.

    One step of k-means. An empty cell's code stays; the distortion is that of the codes given.

    Raises:
        AssertionError: with the likely mistake.
    """
    rng = np.random.default_rng(4)
    for count, size in ((14, 4), (40, 7)):
        latents, codes = rng.normal(size=(count, 2)) + 1, rng.normal(size=(size, 2)) + 1
        codes[-1] = 30.0  # nobody's nearest
        moved, before = lloyd_step(latents, codes)
        squared = ((latents[:, None] - codes[None]) ** 2).sum(2)
        chosen = squared.argmin(1)
        counts = np.bincount(chosen, minlength=size)[:, None]
        sums = np.zeros_like(codes)
        np.add.at(sums, chosen, latents)
        given = codes.copy()
        got, reached = _pair("k-means step", _quiet(function, latents.copy(), given))
        assert np.array_equal(given, codes), (
            "k-means step: the codes that were handed in have changed. Work on a copy."
        )
        wrong = {
            "a code without latents was moved to NaN: 0/0. It stays where it is.":
                np.where(counts > 0, moved, np.nan),
            "a code without latents was moved to the origin. It stays where it is.":
                np.where(counts > 0, moved, 0.0),
            "these are the sums of the cells. Divide by their counts.":
                np.where(counts > 0, sums, codes),
            "you divided by all N latents. Divide each sum by the count of its own cell.":
                np.where(counts > 0, sums / count, codes),
            "the codes have not moved.": codes,
            "this is half of the way. k-means goes all the way to the mean.": (moved + codes) / 2,
        }  # fmt: skip
        compare("new codes", got, moved, wrong)
        compare("distortion", reached, before, {
            "this is the distortion after the step. Measure it before the codes move.":
                lloyd_step(latents, moved)[1],
            "this is the sum over the latents. Divide by their number.": before * count,
            "these are distances, not their squares.": np.sqrt(squared.min(1)).mean(),
            "you also divided by the dimension. Sum over it.": before / 2,
        })  # fmt: skip
    return _passed("k-means step")


def check_moving_average(
    function: Callable[[Array, Array, Array, NDArray[np.int64], float], Any],
) -> str:
    r"""Check ``function(counts (K,), sums (K, D), latents (B, D), indices (B,), decay)``.

    It returns counts, sums and codes (K, D) after one step:

    .. math:: n_k \leftarrow \gamma n_k + (1-\gamma) |S_k|, \quad
        m_k \leftarrow \gamma m_k + (1-\gamma) \textstyle\sum_{S_k} z, \quad c_k = m_k / n_k

    Raises:
        AssertionError: with the likely mistake.
    """
    rng = np.random.default_rng(5)
    for batch, size, decay in ((10, 3, 0.9), (24, 6, 0.99)):
        counts, sums = rng.uniform(1, 4, size), rng.normal(size=(size, 2)) * 3
        latents, chosen = rng.normal(size=(batch, 2)), rng.integers(0, size - 1, batch)
        hits, cell = np.bincount(chosen, minlength=size).astype(float), np.zeros((size, 2))
        np.add.at(cell, chosen, latents)
        out = _quiet(function, counts.copy(), sums.copy(), latents, chosen, decay)
        assert isinstance(out, (tuple, list)) and len(out) == 3, (
            "moving average: return three things, the counts, the sums and the codes"
        )
        fresh = 1 - decay
        new, total = decay * counts + fresh * hits, decay * sums + fresh * cell
        compare("counts", out[0], new, {
            "decay and 1 - decay are exchanged. The decay is the share of the old that stays.":
                fresh * counts + decay * hits,
            "the new hits come without their factor 1 - decay.": decay * counts + hits,
            "these are the hits of this batch alone.": hits,
            "codes without a hit keep their old count here. All counts decay.":
                np.where(hits > 0, new, counts),
        })  # fmt: skip
        means = cell / np.maximum(hits, 1)[:, None]
        compare("sums", out[1], total, {
            "decay and 1 - decay are exchanged.": fresh * sums + decay * cell,
            "the new sums come without their factor 1 - decay.": decay * sums + cell,
            "the means of the cells were added, not their sums.": decay * sums + fresh * means,
        })  # fmt: skip
        places = (sums / counts[:, None])
        compare("codes", out[2], total / new[:, None], {
            "this averages places, so a code hit once moves as far as one hit often. Divide the "
            "averaged sums by the averaged counts.": decay * places + fresh * means,
            "these are the old sums over the old counts.": places,
            "the new sums were divided by the old counts.": total / counts[:, None],
            "divide by the averaged counts, not by the hits of this batch.":
                total / np.maximum(hits, 1)[:, None],
        })  # fmt: skip
    return _passed("moving average")
