"""Checks of exercises on distances and angles, after the pattern of ``checks``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from vqlab.teach.checks import Array, _passed, compare


def check_hyperbolic_distance(function: Callable[[Array, Array], Any]) -> str:
    """Check ``function(x (N, D), y (N, D)) -> (N,)``: distances of points in the Poincare ball.

    The curvature is -1: cosh d = 1 + 2 |x - y|^2 / ((1 - |x|^2) (1 - |y|^2)).

    Raises:
        AssertionError: with the likely mistake.
    """
    rng = np.random.default_rng(2)
    for count, dim in ((6, 2), (5, 4)):
        x, y = (rng.normal(size=(count, dim)) for _ in range(2))
        x, y = (p / (1.3 + np.linalg.norm(p, axis=1, keepdims=True)) for p in (x, y))
        gap = ((x - y) ** 2).sum(1)
        left, right = 1 - (x**2).sum(1), 1 - (y**2).sum(1)
        truth = np.arccosh(1 + 2 * gap / (left * right))
        lengths = (1 - np.linalg.norm(x, axis=1)) * (1 - np.linalg.norm(y, axis=1))
        wrong = {
            "this is the straight distance. The ruler shrinks towards the rim.": np.sqrt(gap),
            "half of it: some books scale the ball so, ours has d(0, exp0(v)) = 2 |v|.": truth / 2,
            "this is cosh d. Take arccosh of it.": np.cosh(truth),
            "the 2 before |x - y|^2 is missing.": np.arccosh(1 + gap / (left * right)),
            "|x - y| enters squared.": np.arccosh(1 + 2 * np.sqrt(gap) / (left * right)),
            "|x| and |y| enter squared: 1 - |x|^2.": np.arccosh(1 + 2 * gap / lengths),
            "divide by both 1 - |x|^2 and 1 - |y|^2.": np.arccosh(1 + 2 * gap / left),
        }
        compare("hyperbolic distance", function(x, y), truth, wrong)
    return _passed("hyperbolic distance")


def check_cosine_choice(function: Callable[[Array, Array], Any]) -> str:
    """Check ``function(latents (N, D), codes (K, D)) -> indices (N,)``, the smallest angle.

    Raises:
        AssertionError: with the likely mistake.
    """
    rng = np.random.default_rng(3)
    for latents_count, code_count in ((25, 6), (40, 9)):
        latents = rng.normal(size=(latents_count, 3))
        codes = rng.normal(size=(code_count, 3)) * rng.uniform(0.2, 3, size=(code_count, 1))
        lengths = np.linalg.norm(codes, axis=1)
        products = latents @ codes.T
        cosines = products / lengths / np.linalg.norm(latents, axis=1, keepdims=True)
        squared = ((latents[:, None] - codes[None]) ** 2).sum(2)
        wrong = {
            "this is the largest dot product, which prefers long codes. Divide by |c|.":
                products.argmax(1),
            "this is the nearest code. Lengths must not count.": squared.argmin(1),
            "this is the largest angle. Take argmax of the cosine, not argmin.":
                cosines.argmin(1),
            "an angle is also large where the cosine is negative: take no absolute value.":
                np.abs(cosines).argmax(1),
            "divide by |c|, not by |c|^2.": (products / lengths**2).argmax(1),
            "the cosines came back, not the indices. Take argmax, not max.": cosines.max(1),
        }  # fmt: skip
        compare("smallest angle", function(latents, codes), cosines.argmax(1), wrong)
    return _passed("smallest angle")
