"""What is seen: use, distortion, lives and couplings of codes, as numbers and plain arrays."""

from .border import borders, crossing
from .coupling import FixedPoint, Rank, coupling_kernel, fixed_point_residual, jacobian_rank
from .diagnosis import Diagnosis, Finding, diagnose
from .distortion import (
    Cells,
    cells,
    centroid_residual,
    distortion,
    excess_distortion,
    kmeans_optimum,
    match_codes,
)
from .evidence import Evidence, evidence
from .gradients import Bias, gradient_bias, pull, true_pull
from .lifelines import Lives, age, dead, deaths, lives, rebirths, silence
from .names import NamesTest, mutual_information, names_test
from .ranks import Ranks, critical_difference, ranks
from .reach import LagCurves, half_gap, lag_curves, margin, no_return
from .response import Response, followed, response
from .survival import Survival, kaplan_meier, survival
from .travel import Travel, travel
from .usage import Usage, ceiling, perplexity, usage, utilization

__all__ = [
    "Bias", "Cells", "Diagnosis", "Evidence", "Finding", "FixedPoint", "LagCurves", "Lives",
    "NamesTest", "Rank", "Ranks", "Response", "Survival", "Travel", "Usage", "age", "borders",
    "ceiling", "cells", "centroid_residual", "coupling_kernel", "critical_difference",
    "crossing", "dead", "deaths", "diagnose", "distortion", "evidence", "excess_distortion",
    "fixed_point_residual", "followed", "gradient_bias", "half_gap", "jacobian_rank",
    "kaplan_meier", "kmeans_optimum", "lag_curves", "lives", "margin", "match_codes",
    "mutual_information", "names_test", "no_return", "perplexity", "pull", "ranks", "rebirths",
    "response", "silence", "survival", "travel", "true_pull", "usage", "utilization",
]  # fmt: skip
