"""Checks of the course's exercises on use, death and speed."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vqlab.teach.checks import Array, _compare_perplexity, _pair, _passed, _quiet, compare


def check_use(function: Callable[[NDArray[np.int64], int], Any]) -> str:
    r"""Check ``function(indices (M,), codebook_size) -> (utilization, perplexity, ceiling)``.

    The ceiling is the utilization expected of one who draws M times from K codes evenly,
    :math:`1 - (1 - 1/K)^M`.

    Raises:
        AssertionError: with the likely mistake.
    """
    cases = (([0, 0, 0, 1, 1, 3], 5), ([2, 2, 2, 2, 7, 7, 1, 0, 0], 8), ([1, 1, 1, 0], 3))
    for indices, size in cases:
        chosen = np.array(indices)
        counts, draws = np.bincount(chosen, minlength=size), len(chosen)
        used = int((counts > 0).sum())
        out = _quiet(function, chosen, size)
        assert isinstance(out, (tuple, list)) and len(out) == 3, (
            "use: return three numbers, utilization, perplexity and ceiling"
        )
        compare("utilization", out[0], used / size, {
            "this is the number of codes in use. Divide by K.": used,
            "this is the share of the dead codes.": 1 - used / size,
            "you divided by the number of draws. Divide by K.": used / draws,
            "you divided by the largest index. The last codes may be unused: take K.":
                used / (chosen.max() + 1),
        })  # fmt: skip
        _compare_perplexity(out[1], counts)
        compare("ceiling", out[2], 1 - (1 - 1 / size) ** draws, {
            "this is exp(-M/K), which is right for large K only. Use (1 - 1/K)^M.":
                1 - math.exp(-draws / size),
            "this is the share that is missed. The ceiling is the share that is hit.":
                (1 - 1 / size) ** draws,
            "M and K are exchanged.": 1 - (1 - 1 / draws) ** size,
            "min(1, M/K) would need draws without repetition.": min(1.0, draws / size),
        })  # fmt: skip
    return _passed("use")


def check_autopsy(function: Callable[[Array, Array, NDArray[np.int64], int], Any]) -> str:
    """Check ``function(latents (N, D), codes (K, D), hits (T, K), window) -> (dead, lag)``.

    dead (K,) bool: no hit in the last ``window`` steps. lag (K,): distance of each code to the mean
    of its cell, NaN for a code without latents.

    Raises:
        AssertionError: with the likely mistake.
    """
    rng = np.random.default_rng(6)
    for size, window in ((5, 4), (9, 10)):
        latents, codes = rng.normal(size=(40, 2)), rng.normal(size=(size, 2))
        codes[-1] = 20.0  # has no latents
        hits = (rng.random((30, size)) < 0.5).astype(np.int64)
        hits[-window:, 0] = 0  # dead
        hits[-window - 1, 0] = 1
        hits[-2:, 1], hits[-window:-2, 1] = 0, 1  # only waits
        hits[:-1, 2], hits[-1, 2] = 0, 1  # hit at last
        hits[1:, 3], hits[0, 3] = 0, 1  # dead for long
        dead, lag = _pair("autopsy", _quiet(function, latents, codes, hits, window))
        recent = hits[-window:].sum(0)
        compare("dead", dead, recent == 0, {
            "these are the living.": recent > 0,
            "you looked at the last step only. A code without a hit in one step is waiting.":
                hits[-1] == 0,
            "you looked at all steps. A code that was hit long ago may be dead.":
                hits.sum(0) == 0,
            "you looked at the first steps. The last ones are hits[-window:].":
                hits[:window].sum(0) == 0,
            "one step too many: hits[-window:] holds the last `window` steps.":
                hits[-window - 1:].sum(0) == 0,
            "a code is dead with no hit in all of the window, not with a step without a hit.":
                (hits[-window:] == 0).any(0),
        })  # fmt: skip
        squared = ((latents[:, None] - codes[None]) ** 2).sum(2)
        chosen = squared.argmin(1)
        own = [latents[chosen == k] for k in range(size)]
        means = np.array([z.mean(0) if len(z) else [np.nan, np.nan] for z in own])
        away = np.linalg.norm(means - codes, axis=1)
        root = np.sqrt(squared.min(1))
        compare("lag", lag, away, {
            "a code without latents has no lag: NaN, not 0.": np.nan_to_num(away),
            "this is the squared distance.": away**2,
            "this is the mean distance to the latents. Take the distance to their mean.":
                np.array([root[chosen == k].mean() if len(own[k]) else np.nan
                          for k in range(size)]),
            "this is the distance to the mean of all latents. Take those of the cell.":
                np.linalg.norm(latents.mean(0) - codes, axis=1),
        })  # fmt: skip
    return _passed("autopsy")


def steps_until_lost(speed: float, rate: float, share: float, gap: float) -> float:
    """The reference: the first step at which the lag exceeds half the gap; inf if it never does."""
    pace = rate * share
    if speed / pace <= gap / 2:
        return math.inf
    lag, step = 0.0, 0
    while lag <= gap / 2:
        lag, step = (1 - pace) * lag + speed, step + 1
    return step


def check_steps_until_lost(function: Callable[[float, float, float, float], Any]) -> str:
    r"""Check ``function(speed, rate, share, gap) -> steps`` until a code is lost, or ``math.inf``.

    The lag of a code hit by the share p grows as :math:`h_{t+1} = (1 - \eta p) h_t + v` from 0. The
    code is lost at the first t with h_t > gap / 2.

    Raises:
        AssertionError: with the likely mistake.
    """
    cases = ((0.05, 1.0, 0.1, 0.48), (0.05, 1.0, 0.1, 1.2), (0.013, 0.5, 0.0625, 0.5),
             (0.2, 2.0, 0.25, 0.5), (0.011, 1.0, 1 / 24, 0.31))  # fmt: skip
    for speed, rate, share, gap in cases:
        truth = steps_until_lost(speed, rate, share, gap)
        got = _quiet(function, speed, rate, share, gap)
        what = f"speed {speed}, rate {rate}, share {share:.3g}, gap {gap}"
        wrong = {
            "the code is lost half a gap away, not a whole one.":
                steps_until_lost(speed, rate, share, 2 * gap),
            "the share is missing: a code closes rate x share of its lag in a step.":
                steps_until_lost(speed, rate, 1.0, gap),
            "the rate is missing: a code closes rate x share of its lag in a step.":
                steps_until_lost(speed, 1.0, share, gap),
            "one too many. h_0 = 0, and h_t is the lag after t steps.": truth + 1,
            "one too few. h_0 = 0, and h_t is the lag after t steps.": truth - 1,
            "this is the code that does not move at all: its lag is v t.":
                math.floor(gap / 2 / speed) + 1,
        }  # fmt: skip
        if truth == math.inf:
            assert got is None or got == math.inf, (
                f"steps until lost ({what}): the lag settles at speed / (rate x share) = "
                f"{speed / rate / share:.3g}, not above {gap / 2:.3g}. Return math.inf."
            )
        compare(f"steps until lost ({what})", got, truth, wrong)
    return _passed("steps until lost")
