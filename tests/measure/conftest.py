"""A run worked by hand: five frames after the start, four codes with four fates."""

import numpy as np
import pytest

from vqlab.drift.run import Run


@pytest.fixture
def run() -> Run:
    """Code 0 lives, code 1 dies at step 14, code 2 is never hit, code 3 dies at 6 and returns."""
    steps = np.array([0, 10, 20, 30, 40, 50])
    last_hit = np.array(
        [
            [-1, -1, -1, -1],
            [9, 9, -1, 5],
            [19, 13, -1, 5],
            [29, 13, -1, 5],
            [39, 13, -1, 37],
            [49, 13, -1, 49],
        ]
    )
    counts = np.array(
        [[5, 5, 0, 2], [6, 5, 0, 1], [7, 5, 0, 0], [10, 2, 0, 0], [8, 0, 0, 4], [7, 0, 0, 5]]
    )
    codes = np.zeros((6, 4, 1), np.float32)
    codes[:, :, 0] = [0, 1, 3, 10]
    codes[:, 1, 0] = [1, 1, 0.8, 0.6, 0.4, 0.2]
    lag = np.where(counts > 0, np.arange(6)[:, None] + 0.1 * np.arange(4), np.nan)
    nothing = np.zeros(6)
    hits = np.zeros((6, 4), np.int64)
    latents = np.zeros((6, 1, 1), np.float32)
    return Run({}, steps, latents, codes, hits, last_hit, counts, nothing, nothing, nothing, lag)
