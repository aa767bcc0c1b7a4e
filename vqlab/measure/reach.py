"""What precedes a death: a code lags behind its cell, its reach shrinks, and nothing chooses it.

The moment of no return comes before the death that a window declares: from it on, no latent of the
whole cloud has the code as its nearest, so that no batch, however lucky, can pull it back. Only the
cloud's return, a neighbour's retreat, or a rule that moves codes without hits can.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.distance import cdist

from .distortion import paired_points, points_of
from .lifelines import deaths

if TYPE_CHECKING:  # a run is only read here; drift imports measures
    from ..drift.run import Run

Array = NDArray[np.float64]
Steps = NDArray[np.int64]

_BYTES = 64 << 20  # of distances held at once


@dataclass(frozen=True)
class LagCurves:
    """Lag and half gap of codes in the steps before their deaths, one row a death.

    Attributes:
        codes: (n,) whose death. steps: (n,) when.
        before: (L,) steps before death, rising: -100, ..., 0.
        lag: (n, L) distance of the code to the mean of its cell; NaN before the run or without
            points.
        half_gap: (n, L) half the distance to the nearest other code. A lag beyond it puts the mean
            of the code's own cell nearer to another code.
    """

    codes: Steps
    steps: Steps
    before: Steps
    lag: Array
    half_gap: Array


def margin(latents: ArrayLike | torch.Tensor, codes: ArrayLike | torch.Tensor) -> Array:
    r"""How far each code is from winning the latent that it comes closest to winning.

    .. math:: \min_n \big( |z_n - c_k| - \min_{j \ne k} |z_n - c_j| \big)

    Args:
        latents: (..., D). codes: (K, D).
    Returns:
        (K,) length: below zero for a code that is nearest to some latent, above zero for one that
        is not. -inf if K = 1.
    Raises:
        ValueError: unequal dimensions, no latents, NaN or Inf.
    """
    z, c = paired_points(latents, codes)
    if len(c) == 1:
        return np.array([-np.inf])
    smallest = np.full(len(c), np.inf)
    at_once = max(1, _BYTES // (8 * len(c)))
    for start in range(0, len(z), at_once):
        distance = cdist(z[start : start + at_once], c)
        row = np.arange(len(distance))
        nearest = distance.argmin(1)
        first = distance[row, nearest]
        distance[row, nearest] = np.inf
        second = distance.min(1)
        distance[row, nearest] = first
        rival = np.broadcast_to(first[:, None], distance.shape).copy()
        rival[row, nearest] = second
        smallest = np.minimum(smallest, (distance - rival).min(0))
    return smallest


def half_gap(
    codes: ArrayLike | torch.Tensor, which: NDArray[np.int64] | None = None
) -> Array:
    """Half the distance of each code to its nearest other code: how far its cell reaches at least.

    Args:
        codes: (K, D). which: (n,) the codes that are asked for; default all.
    Returns:
        (K,) or (n,); inf if K = 1.
    Raises:
        ValueError: not (K, D), NaN or Inf.
    """
    c = points_of(codes, "codes")
    asked = np.arange(len(c)) if which is None else np.asarray(which)
    out = np.empty(len(asked))
    at_once = max(1, _BYTES // (8 * len(c)))
    for start in range(0, len(asked), at_once):
        mine = asked[start : start + at_once]
        distance = cdist(c[mine], c)
        distance[np.arange(len(mine)), mine] = np.inf
        out[start : start + at_once] = distance.min(1) / 2
    return out


def no_return(run: Run) -> tuple[Steps, Steps]:
    """Codes that own no latent at the end, and when each last did: its moment of no return.

    Judged over all points of the run (``counts``), not over batches, to the frames' resolution.

    Returns:
        codes (n,), steps (n,) of the last frame at which some latent had the code as its nearest,
        -1 if none ever had; in order of time.
    """
    owns = run.counts > 0
    codes = np.flatnonzero(~owns[-1])
    last = len(owns) - 1 - owns[::-1, codes].argmax(0)
    steps = np.where(owns[:, codes].any(0), run.steps[last], -1).astype(np.int64)
    order = np.argsort(steps, kind="stable")
    return codes[order], steps[order]


def lag_curves(run: Run, window: int, before: int, every: int = 1) -> LagCurves:
    """The approach to each death: lag and half gap over the steps before it.

    Args:
        window: W in steps that makes a death, see :func:`vqlab.measure.dead`.
        before: how many steps to look back. every: spacing of the points of the curve, in steps;
            between frames the last frame's value stands.
    Raises:
        ValueError: before or every below 1, or a window out of range.
    """
    if before < 1 or every < 1:
        raise ValueError(f"before and every must be >= 1 step, got {before!r} and {every!r}")
    codes, steps = deaths(run, window)
    offsets = np.arange(-(before // every) * every, 1, every)
    asked = steps[:, None] + offsets
    frame = np.searchsorted(run.steps, asked, side="right") - 1
    seen = np.maximum(frame, 0)
    needed = np.unique(seen)
    gaps = {int(f): half_gap(run.codes[f]) for f in needed}
    lag = run.lag[seen, codes[:, None]]
    gap = np.array([[gaps[int(f)][k] for f in row] for row, k in zip(seen, codes, strict=True)])
    lag, gap = (np.where(frame >= 0, v.reshape(frame.shape), np.nan) for v in (lag, gap))
    return LagCurves(codes, steps, offsets, lag, gap)
