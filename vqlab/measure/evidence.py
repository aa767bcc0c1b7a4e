"""The numbers that a diagnosis rests on, taken from a run."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from .reach import half_gap
from .travel import travel
from .usage import ceiling

if TYPE_CHECKING:  # drift imports measures
    from ..drift.run import Run

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

LOOKS = 16  # assignments for each code in the window: equal users miss one in e^16
POINTS = 1024  # latents of a frame that distances are taken from
SOME = 512  # codes whose gap is measured; the median stands for more
CROWDED = 0.25  # of the latents' spacing: codes drawn from the latents themselves come to 1
HALVED = 0.5  # of the latents' spread: a code at its edge then stands a whole radius outside
NEAR = 0.1  # of the spacing: closer codes share a cell for all that is seen of it


@dataclass(frozen=True)
class Evidence:
    """Everything in units of the latents, unless spacings are named.

    A spacing is the median distance of K latents to their nearest other. ``reach`` is the distance
    to the nearest other latent that 95 % of the latents keep; a code farther than that from every
    latent is outside.

    Attributes:
        size: K. per_step: latents a step. window: W in steps. alive, missing: codes chosen in the
            window, and the others. ceiling: the share that a user of all codes alike would reach in
            it. at_once: codes in use in one frame.
        stillborn, left, shrunk, merged: (K,) codes by what their record shows; merged ones may be
            in use, the others are silent. stuck: stillborn ones in the crowd where they began.
        outside_first: (K,) outside in the first frame. chance: the share of codes that equal use
            would have left unseen until then.
        gap_first, gap_last: median distance of stillborn (first frame) and of left codes (last) to
            the nearest latent. reach_first, reach_last: of the latents.
        crowding: the codes' spacing over the latents', first frame. spacing_last: of the latents.
            pair_gap: median distance of merged codes to the next one.
        travelled: way from the first frame to the last, in spacings. went: the median way since the
            left codes were last used, in spacings then, their own or the latents'.
        spread_ratio: spread of the latents, over its peak. narrower, codes_narrower: median spread
            of latents and codes, over those when the shrunk codes were last used.
        lag_first, lag_last: median lag of live codes in spacings, after the start and at the end.
    """

    size: int
    per_step: float
    window: int
    alive: int
    missing: int
    ceiling: float
    at_once: int
    stillborn: Flags
    stuck: Flags
    left: Flags
    shrunk: Flags
    merged: Flags
    outside_first: Flags
    chance: float
    gap_first: float
    gap_last: float
    reach_first: float
    reach_last: float
    crowding: float
    spacing_last: float
    pair_gap: float
    travelled: float
    went: float
    spread_ratio: float
    narrower: float
    codes_narrower: float
    lag_first: float
    lag_last: float


def evidence(run: Run) -> Evidence:
    """Measures what :func:`vqlab.measure.diagnosis.diagnose` weighs.

    Raises:
        ValueError: fewer than two frames, no code, or no assignment.
    """
    steps, size = run.steps, run.codebook_size
    window, per_step = window_of(run)
    silent = steps[-1] - (run.last_hit[-1] + 1) >= window
    alive = int((~silent).sum())
    first, last = (_cloud(run, frame) for frame in (0, -1))
    gap_first, gap_last = (_nearest(run.codes[f], z) for f, z in ((0, first), (-1, last)))
    reach_first, reach_last = (float(np.quantile(_own(z), 0.95)) for z in (first, last))
    own_first, own_last = (2 * half_gap(run.codes[f]) for f in (0, -1))
    spacing_first, spacing_last = (_spacing(z, size) for z in (first, last))

    # What owned nothing at first, and was hit in the first twentieth at most, never lived.
    early = steps[-1] // 20
    never = (run.counts[0] == 0) & (run.last_hit[-1] < early)
    # Or it was chosen now and then, and never got out of the crowd in which it began.
    way = np.linalg.norm(run.codes[-1].astype(np.float64) - run.codes[0], axis=1)
    stuck = (own_first < CROWDED * spacing_first) & (way < 0.5 * spacing_first)
    stillborn = silent & (never | stuck)
    looks = max(per_step * early, len(run.latents[0]))
    outside = gap_first > reach_first
    merged = (own_last < NEAR * np.minimum(spacing_last, own_first)) & ~stillborn
    merged &= ~_died_apart(run, silent & merged)
    died = silent & ~stillborn & ~merged
    ways, away = _ways(run, died, window), gap_last > reach_last
    shrunk = away & (ways.shape > 0) & (ways.narrower < HALVED)
    shrunk &= ways.codes > 2 * ways.narrower  # codes that narrow likewise have come along
    left = died & ~shrunk & ((away & (ways.last > 1)) | (ways.early > 1))
    went = np.fmax(np.where(away, ways.last, 0), ways.early)

    spread = [_spread(z) for z in run.latents]
    whole = travel(run.latents[0], run.latents[-1], bool(run.settings.get("paired", True))).length
    spacings = ((1, spacing_first), (-1, spacing_last))
    lags = [_median(run.lag[f]) / max(s, 1e-30) for f, s in spacings]
    return Evidence(
        size=size, per_step=per_step, window=window, alive=alive, missing=size - alive,
        ceiling=ceiling(size, int(per_step * window)), at_once=int((run.counts[-1] > 0).sum()),
        stillborn=stillborn, stuck=silent & stuck, left=left, shrunk=shrunk, merged=merged,
        outside_first=outside, chance=1 - ceiling(size, int(looks)),
        gap_first=_median(gap_first[stillborn]), gap_last=_median(gap_last[left | shrunk]),
        reach_first=reach_first, reach_last=reach_last,
        crowding=_median(own_first) / max(spacing_first, 1e-30), spacing_last=spacing_last,
        pair_gap=_median(own_last[merged]), travelled=whole / max(spacing_first, 1e-30),
        went=_median(went[left]), spread_ratio=spread[-1] / max(*spread, 1e-30),
        narrower=_median(ways.narrower[shrunk]), codes_narrower=_median(ways.codes[shrunk]),
        lag_first=lags[0], lag_last=lags[1],
    )  # fmt: skip


def window_of(run: Run) -> tuple[int, float]:
    """W, the steps without a hit after which a code counts as silent, and the latents of a step.

    W holds 16 assignments for each code, is at least 10 steps, and at most half of the run.

    Raises:
        ValueError: fewer than two frames, no code, or no assignment.
    """
    total = int(run.hits.sum())
    if len(run.steps) < 2 or not run.codebook_size or not total:
        raise ValueError("a diagnosis needs two frames, a code and an assignment at least")
    per_step = total / float(run.steps[-1] - run.steps[0])
    wanted = max(math.ceil(LOOKS * run.codebook_size / per_step), 10)
    return int(min(wanted, max(run.steps[-1] // 2, 1))), per_step


def _died_apart(run: Run, asked: Flags) -> Flags:
    """Codes that stood apart when last used; sums that fade may gather silent codes later."""
    out, frames = np.zeros_like(asked), _last_used(run)
    for frame in np.unique(frames[asked]):
        who = np.flatnonzero(asked & (frames == frame))
        gap = 2 * half_gap(run.codes[frame], who)
        out[who] = gap > NEAR * _spacing(_cloud(run, int(frame)), run.codebook_size)
    return out


def _last_used(run: Run) -> NDArray[np.intp]:
    """(K,) the last frame at which each code still had been chosen in the steps before."""
    return (np.searchsorted(run.steps, run.last_hit[-1] + 1, side="right") - 1).clip(0)


@dataclass(frozen=True)
class _Ways:
    """What latents did since each code's last use; (K,), NaN for codes that were not asked for.

    Attributes:
        last: way until the last frame. early: the farthest within the window after the last use
            (at least until the next frame), both in the code's own spacing then, or that of K
            latents if it is larger.
        shape: whether the way until the last frame is a change of shape rather than of place.
        narrower: spread of the latents in the last frame over that then. codes: likewise.
    """

    last: Array
    early: Array
    shape: Array
    narrower: Array
    codes: Array


def _ways(run: Run, asked: Flags, window: int) -> _Ways:
    paired = bool(run.settings.get("paired", True))
    steps, size = run.steps, run.codebook_size
    out = _Ways(*(np.full(size, np.nan) for _ in range(5)))
    frames = _last_used(run)
    some = np.unique(frames[asked])
    some = some[np.unique(np.linspace(0, len(some) - 1, min(len(some), 12)).astype(int))]
    for place, frame in enumerate(some):
        until = some[place + 1] if place + 1 < len(some) else len(steps)
        mine = asked & (frames >= frame) & (frames < until)
        # Codes in one spot have tiny gaps and huge cells: a cell is as wide as the latents ask.
        who = np.flatnonzero(mine)
        gap = 2 * half_gap(run.codes[frame], who[:SOME])
        gap = gap if len(who) <= SOME else np.full(len(who), np.median(gap))
        gap = np.maximum(gap, _spacing(_cloud(run, frame), size))
        way = travel(run.latents[frame], run.latents[-1], paired)
        end = max(frame + 2, int(np.searchsorted(steps, steps[frame] + window, side="right")))
        soon = np.arange(frame + 1, min(end, len(steps)))
        soon = soon[np.unique(np.linspace(0, len(soon) - 1, min(len(soon), 4)).astype(int))]
        ways = [travel(run.latents[frame], run.latents[f], paired).length for f in soon]
        out.last[mine], out.early[mine] = way.length / gap, max(ways, default=0.0) / gap
        out.shape[mine] = way.length**2 > 2 * way.shift**2
        out.narrower[mine] = _spread(run.latents[-1]) / max(_spread(run.latents[frame]), 1e-30)
        out.codes[mine] = _spread(run.codes[-1]) / max(_spread(run.codes[frame]), 1e-30)
    return out


def _spread(points: NDArray[np.floating]) -> float:
    """Root mean square distance to the mean."""
    return math.sqrt(points.astype(np.float64).var(0).sum())


def _cloud(run: Run, frame: int) -> Array:
    """Distinct latents of a frame, at most so many as distances can be taken of."""
    z = np.unique(run.latents[frame].astype(np.float64), axis=0)
    rng = np.random.default_rng(0)
    return z if len(z) <= POINTS else z[np.sort(rng.choice(len(z), POINTS, replace=False))]


def _nearest(codes: NDArray[np.floating], z: Array) -> Array:
    parts = np.array_split(codes, max(1, len(codes) // 4096))
    return np.concatenate([cdist(part, z).min(1) for part in parts])


def _own(z: Array) -> Array:
    """Distance of each latent to its nearest other."""
    return 2 * half_gap(z) if len(z) > 1 else np.zeros(1)


def _spacing(z: Array, size: int) -> float:
    """Median distance of K of the latents to their nearest other."""
    count = min(size, len(z))
    some = z[np.random.default_rng(1).permutation(len(z))[:count]]
    closer = (count / size) ** (1 / z.shape[1])  # where the sample has fewer than K
    return float(np.median(_own(some))) * closer


def _median(values: NDArray[np.floating]) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else float("nan")
