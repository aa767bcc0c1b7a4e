"""What k-means reaches on the latents of a run, at a few of its moments."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from vqlab.drift.run import Run
from vqlab.measure.distortion import kmeans_optimum


def beside(run: Run, looks: int, check: Callable[[], None]) -> dict[int, float]:
    """K-means' distortion at ``looks`` recorded steps, the first and the last among them.

    Args:
        run: the run. looks: how many moments.
        check: called before each; what it raises ends the work.

    Returns:
        Recorded step -> distortion.
    """
    out = {}
    for frame in np.linspace(0, len(run.steps) - 1, looks).astype(int):
        check()
        z = run.latents[frame].astype(float)
        out[int(run.steps[frame])] = kmeans_optimum(z, run.codebook_size, n_init=1)[0]
    return out
