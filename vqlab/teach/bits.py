"""Check of the exercise of lesson 30: what a picture with two grains costs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from vqlab.teach.checks import Array, _passed, _quiet, compare


def check_bits(function: Callable[[Array, int], Any]) -> str:
    """Check ``function(grains (B, h, w), codebook_size) -> bits (B,)``, two grains, raw map.

    Raises:
        AssertionError: with the likely mistake.
    """
    rng = np.random.default_rng(0)
    for size in (128, 1000):
        grains = rng.integers(0, 2, (5, 3, 4))
        fine = grains.sum((1, 2))
        codes, each = 12 + 3 * fine, np.log2(size)
        wrong = {
            "the map is missing: the reader of the bits must know where the fine codes are.":
                codes * each,
            "these are codes, not bits: each takes log2(K).": codes + 12.0,
            "a fine region has four codes in place of one, not one code more.":
                (12 + fine) * each + 12,
            "a fine region has four codes in all, not four beside the coarse one.":
                (12 + 4 * fine) * each + 12,
            "use the logarithm to base 2.": codes * np.log(size) + 12,
            "the map has one bit for each region, not for each code.": codes * each + codes,
        }  # fmt: skip
        compare("bits", _quiet(function, grains, size), codes * each + 12, wrong)
    return _passed("bits")
