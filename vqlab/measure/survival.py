"""How long codes live: the Kaplan-Meier curve over the lives of one or many runs.

A life still going on when the run ends says that the code lived at least so long. Leaving such
lives out, or counting them as deaths, would make codes look short-lived; the estimate uses both
kinds for what they say.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .lifelines import lives

if TYPE_CHECKING:  # a run is only read here; drift imports measures
    from ..drift.run import Run

Array = NDArray[np.float64]
Steps = NDArray[np.int64]


@dataclass(frozen=True)
class Survival:
    """A survival curve with its pointwise confidence band: steps at which it falls or is censored.

    Attributes:
        time: (n,) durations, rising, starting at 0.
        share: (n,) probability to live longer than `time`.
        low, high: (n,) bounds of the band; NaN where it is undefined (before the first death, and
            at share 0).
        at_risk: (n,) lives that lasted at least `time`.
        deaths: (n,) deaths at `time`.
        confidence: of the band.
    """

    time: Array
    share: Array
    low: Array
    high: Array
    at_risk: Steps
    deaths: Steps
    confidence: float

    def at(self, time: ArrayLike) -> Array:
        """The curve at given durations: a step function, right-continuous."""
        index = np.searchsorted(self.time, np.asarray(time, dtype=np.float64), side="right") - 1
        return self.share[np.maximum(index, 0)]

    @property
    def median(self) -> float:
        """The first duration at which at most half are alive; inf if more than half outlive it."""
        below = np.flatnonzero(self.share <= 0.5)
        return float(self.time[below[0]]) if len(below) else float("inf")


def kaplan_meier(durations: ArrayLike, observed: ArrayLike, confidence: float = 0.95) -> Survival:
    r"""The survival curve of lives of which some are still going on.

    .. math:: S(t) = \prod_{t_i \le t} \Big(1 - \frac{d_i}{n_i}\Big)

    with d_i deaths among the n_i at risk at t_i; the band is Greenwood's on the log-log scale.

    Args:
        durations: (n,) in steps, >= 0. observed: (n,) True for a death, False if censored there.
        confidence: of the band, in (0, 1).
    Raises:
        ValueError: shapes that differ, no lives, negative durations, confidence out of range.

    Source: scipy.stats.ecdf does the arithmetic. E. L. Kaplan, P. Meier 1958; the band: J. D.
    Kalbfleisch, R. L. Prentice, The Statistical Analysis of Failure Time Data.
    """
    lasted, saw = np.asarray(durations, np.float64), np.asarray(observed, bool)
    if lasted.ndim != 1 or lasted.shape != saw.shape or not len(lasted):
        raise ValueError(
            f"durations and observed must be (n,), n >= 1, got {lasted.shape} and {saw.shape}"
        )
    if not (np.isfinite(lasted) & (lasted >= 0)).all():
        raise ValueError("durations must be finite and >= 0")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be in (0, 1), got {confidence!r}")
    from scipy.stats import CensoredData, ecdf  # slow to import, and only needed here

    curve = ecdf(CensoredData(uncensored=lasted[saw], right=lasted[~saw])).sf
    with warnings.catch_warnings():  # the band's undefined places are told in the docstring
        warnings.simplefilter("ignore", RuntimeWarning)
        band = curve.confidence_interval(confidence, method="log-log")
    time, share, low, high = (
        np.asarray(values, np.float64)
        for values in (
            curve.quantiles,
            curve.probabilities,
            band.low.probabilities,
            band.high.probabilities,
        )  # fmt: skip
    )
    if time[0] > 0:
        time, share = np.insert(time, 0, 0.0), np.insert(share, 0, 1.0)
        low, high = np.insert(low, 0, np.nan), np.insert(high, 0, np.nan)
    at_risk = (lasted[None] >= time[:, None]).sum(1)
    died = ((lasted[None] == time[:, None]) & saw[None]).sum(1)
    return Survival(time, share, low, high, at_risk, died, confidence)


def survival(
    runs: Run | Sequence[Run], window: int, first: bool = True, confidence: float = 0.95
) -> Survival:
    """The survival curve of codes, pooled over runs (of other seeds, of one setting).

    The band takes codes as independent. Codes of one run are not: they share the cloud, and a
    death feeds the neighbours. It tells how many lives were seen; the spread between runs is seen
    by comparing seeds.

    Args:
        runs: one or more. window: W in steps, see :func:`dead`.
        first: only the lives that began with the run, or those after rebirths as well.
        confidence: of the band.
    Raises:
        ValueError: no runs, or as :func:`dead`.
    """
    several = list(runs) if isinstance(runs, Sequence) else [runs]
    if not several:
        raise ValueError("survival needs at least one run, got none")
    pooled = [lives(run, window) for run in several]
    keep = [one.first if first else np.ones_like(one.first) for one in pooled]
    return kaplan_meier(
        np.concatenate([one.duration[k] for one, k in zip(pooled, keep, strict=True)]),
        np.concatenate([one.died[k] for one, k in zip(pooled, keep, strict=True)]),
        confidence,
    )
