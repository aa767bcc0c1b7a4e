"""What a run shows: the measures of each frame, taken on all points at that time."""

from __future__ import annotations

import numpy as np

from ..measure.distortion import cells, kmeans_optimum
from .motions import Motion
from .run import Run
from .training import Index, Kept, Points


def observe(
    kept: Kept, cloud: Points, motion: Motion, frames: Index, probe: int, optimum: str, seed: int
) -> Run:
    """Turns what training kept into a :class:`Run` without settings."""
    if optimum not in ("none", "final", "all"):
        raise ValueError(f"optimum must be 'none', 'final' or 'all', got {optimum!r}")
    everyone = np.arange(len(cloud))
    codes = np.stack(kept.codes)
    total, size, dim = codes.shape
    counts = np.zeros((total, size), np.int64)
    lag = np.full((total, size), np.nan)
    distortion, best = np.zeros(total), np.full(total, np.nan)
    latents = np.zeros((total, min(probe, len(cloud)), dim), np.float32)
    for frame, step in enumerate(frames.tolist()):
        z = motion.move(cloud, float(step), everyone)
        seen = cells(z, codes[frame])
        counts[frame] = seen.counts
        lag[frame] = np.linalg.norm(codes[frame] - seen.means, axis=1)
        distortion[frame] = np.nansum(seen.errors * seen.counts) / len(z)
        latents[frame] = z[:probe]
        if optimum == "all" or (optimum == "final" and frame == total - 1):
            best[frame] = kmeans_optimum(z, size, seed=seed)[0]
    names = sorted({name for terms in kept.terms for name in terms})
    terms = {n: np.array([t.get(n, np.nan) for t in kept.terms]) for n in names}
    return Run(
        settings={},
        steps=frames,
        latents=latents,
        codes=codes,
        hits=np.stack(kept.hits),
        last_hit=np.stack(kept.last_hit),
        counts=counts,
        distortion=distortion,
        optimum=best,
        drift=motion.drift(cloud, frames.astype(np.float64)),
        lag=lag,
        terms=terms,
    )
