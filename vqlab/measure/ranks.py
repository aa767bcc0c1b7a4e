"""Who is ahead over several tasks, and which differences are more than chance.

Scores of different tasks have different scales; places do not. The mean of a method's places over
tasks is compared with how far such means lie apart when all methods are alike.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Ranks:
    """Places of k methods on B tasks.

    Attributes:
        each: (B, k) the place on each task, 1 = lowest score; ties share the mean of their places.
        mean: (k,) over tasks.
        critical: the difference of two means that chance exceeds in 5 % of cases (infinite for one
            task).
    """

    each: Array
    mean: Array
    critical: float

    def take(self, order: ArrayLike) -> Ranks:
        """The same with the methods in another order."""
        index = np.asarray(order)
        return Ranks(self.each[:, index], self.mean[index], self.critical)


def ranks(scores: ArrayLike) -> Ranks:
    """Places by score, the lowest first, and Nemenyi's critical difference between their means.

    Args:
        scores: (B, k) of k methods on B tasks; NaN (a failure) comes last.
    Raises:
        ValueError: not (B, k) with k >= 2.
    """
    from scipy.stats import rankdata  # slow to import, and only needed here

    table = np.asarray(scores, np.float64)
    if table.ndim != 2 or table.shape[1] < 2 or not len(table):
        raise ValueError(f"scores must be (B, k) with k >= 2 methods, got shape {table.shape}")
    each = rankdata(np.where(np.isnan(table), np.inf, table), axis=1)
    return Ranks(each, each.mean(0), critical_difference(table.shape[1], len(table)))


def critical_difference(methods: int, tasks: int, confidence: float = 0.95) -> float:
    r"""Nemenyi's: the largest difference of two mean ranks that chance explains.

    .. math:: CD = \frac{q}{\sqrt 2} \sqrt{\frac{k (k + 1)}{6 B}}

    with q the studentized range of k means at infinitely many degrees of freedom. It takes tasks as
    independent. Motions of one laboratory are not quite, so that this is a lower bound; the seeds
    of one motion are not at all, which is why they are averaged before ranks are taken.

    Args:
        methods: k >= 2. tasks: B >= 1. confidence: in (0, 1).
    Raises:
        ValueError: numbers out of range.

    Source: P. Nemenyi 1963; J. Demsar, Statistical Comparisons of Classifiers over Multiple Data
    Sets, JMLR 7 (2006), Sec. 3.2.2.
    """
    if methods < 2 or tasks < 1 or not 0 < confidence < 1:
        raise ValueError(
            f"expected methods >= 2, tasks >= 1, 0 < confidence < 1; "
            f"got {methods}, {tasks}, {confidence}"
        )
    if tasks == 1:
        return math.inf
    from scipy.stats import studentized_range

    q = float(studentized_range.ppf(confidence, methods, np.inf))
    return q / math.sqrt(2) * math.sqrt(methods * (methods + 1) / (6 * tasks))
