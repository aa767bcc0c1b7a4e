"""Named settings of the simulator: the paper's toy, and a harder one for every motion.

The paper's toy ("Beyond Stationarity", arXiv 2602.18896) is known from its animation: two
dimensions, 16 codes and about 1500 points that both start as N(0, I), batches of 64, 24 iterations
per epoch, 10 epochs. The cloud loses about 20 % of its distance to a blob of standard deviations
0.05 and 0.1 per iteration, X <- Y + 0.8 (X - Y), so that all drift falls into the first epoch.
Rates, bandwidths and seeds are not public. Translation and expansion are named beside it, without
numbers: here they approach their targets in the same manner and pace, 6 standard deviations away
and 6 times as large. That is our reading.
"""

from __future__ import annotations

from typing import Any

from .motions import Approach, Expand, Motion, Shrink, make_motion
from .sources import Gaussian

_PAPER: dict[str, Motion] = {
    "paper-shrink": Shrink(0.2, scale=(0.05, 0.1)),
    "paper-translate": Approach(0.2, center=(6.0, 0.0)),
    "paper-expand": Expand(0.2, scale=6.0),
}
# Speeds at which plain VQ loses half of its 64 codes or more within 1000 steps (means of 3 seeds).
# It keeps nine tenths when the cloud expands and three quarters when it turns.
_HARD: dict[str, Motion] = {
    "hard-stationary": make_motion("stationary"),
    "hard-translate": make_motion("translate", speed=0.02),
    "hard-approach": make_motion("approach", speed=0.05, center=(6.0, 0.0)),
    "hard-shrink": make_motion("shrink", speed=0.05, scale=(0.05, 0.1)),
    "hard-expand": make_motion("expand", speed=0.05),
    "hard-rotate": make_motion("rotate", speed=0.05, center=(3.0, 0.0)),
    "hard-shear": make_motion("shear", speed=0.02),
    "hard-split-merge": make_motion("split-merge", speed=0.05),
    "hard-oscillate": make_motion("oscillate", speed=0.2, amplitude=5.0),
    "hard-random-walk": make_motion("random-walk", speed=0.2),
    "hard-jump": make_motion("jump", speed=3.0, start=200),
}


def presets() -> tuple[str, ...]:
    """The names `preset` takes."""
    return (*_PAPER, *_HARD)


def preset(name: str) -> dict[str, Any]:
    """Keyword arguments for `simulate`: `simulate("ema", **preset("paper-shrink"))`.

    Args:
        name: paper-shrink, paper-translate or paper-expand: 16 codes, 240 steps (10 epochs of 24);
            hard-<motion> for each motion: 64 codes, 1000 steps. All: two dimensions, 1500 points
            and codes from N(0, I), batches of 64.
    Returns:
        a new dict with source, motion, codebook_size, points, batch, steps and init.
    Raises:
        ValueError: an unknown name, with the choices.
    """
    if name not in presets():
        raise ValueError(f"unknown preset {name!r}; choose from {', '.join(presets())}")
    paper = name in _PAPER
    return {
        "source": Gaussian(2),
        "motion": _PAPER[name] if paper else _HARD[name],
        "codebook_size": 16 if paper else 64,
        "points": 1500,
        "batch": 64,
        "steps": 240 if paper else 1000,
        "init": "normal",
    }
