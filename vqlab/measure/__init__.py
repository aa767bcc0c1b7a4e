"""What is seen: use, distortion, lives and couplings of codes, as numbers and plain arrays."""

from .border import borders, crossing
from .coupling import FixedPoint, Rank, coupling_kernel, fixed_point_residual, jacobian_rank
from .distortion import (
    Cells,
    cells,
    centroid_residual,
    distortion,
    excess_distortion,
    kmeans_optimum,
    match_codes,
)
from .gradients import Bias, gradient_bias, pull, true_pull
from .lifelines import Lives, age, dead, deaths, lives, rebirths, silence
from .ranks import Ranks, critical_difference, ranks
from .reach import LagCurves, half_gap, lag_curves, margin, no_return
from .survival import Survival, kaplan_meier, survival
from .usage import Usage, ceiling, perplexity, usage, utilization

__all__ = [
    "Bias", "Cells", "FixedPoint", "LagCurves", "Lives", "Rank", "Ranks", "Survival", "Usage",
    "age", "borders", "ceiling", "cells", "centroid_residual", "coupling_kernel",
    "critical_difference", "crossing", "dead", "deaths", "distortion", "excess_distortion",
    "fixed_point_residual", "gradient_bias", "half_gap", "jacobian_rank", "kaplan_meier",
    "kmeans_optimum", "lag_curves", "lives", "margin", "match_codes", "no_return", "perplexity",
    "pull", "ranks", "rebirths", "silence", "survival", "true_pull", "usage", "utilization",
]  # fmt: skip
