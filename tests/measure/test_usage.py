"""Usage against closed forms, exhaustive enumeration, and simulation."""

import itertools
import math

import numpy as np
import pytest
import torch

from vqlab.measure.usage import _tail, ceiling, perplexity, usage, utilization


def test_utilization_of_one_and_of_many_windows() -> None:
    assert utilization([3, 0, 1, 0]) == 0.5
    np.testing.assert_array_equal(utilization([[1, 0], [2, 2]]), [0.5, 1.0])
    assert utilization(torch.tensor([1, 0])) == 0.5


@pytest.mark.parametrize(("size", "samples"), [(1, 3), (2, 1), (3, 4), (4, 3)])
def test_ceiling_is_the_mean_over_all_ways_to_draw(size: int, samples: int) -> None:
    ways = itertools.product(range(size), repeat=samples)
    mean = np.mean([len(set(way)) / size for way in ways])
    assert ceiling(size, samples) == pytest.approx(mean, abs=1e-14)


def test_ceiling_keeps_its_digits_and_takes_arrays() -> None:
    # M = 1 touches exactly one code, however many there are.
    assert ceiling(10**9, 1) == pytest.approx(1e-9, rel=1e-12)
    np.testing.assert_allclose(ceiling(4, np.array([0, 1])), [0.0, 0.25])
    assert ceiling(64, 64) == pytest.approx(1 - math.exp(-1), abs=0.01)


def test_perplexity_of_even_use_is_the_number_of_codes_used() -> None:
    assert perplexity([5, 5, 5, 0]) == pytest.approx(3)
    assert perplexity([7, 0]) == pytest.approx(1)
    np.testing.assert_allclose(perplexity([[1, 1], [9, 0]]), [2, 1])
    half = perplexity([3, 1])
    assert half == pytest.approx(math.exp(0.75 * math.log(4 / 3) + 0.25 * math.log(4)))


def _bias(p: np.ndarray, samples: int, repeats: int = 200) -> tuple[float, float, float]:
    """Relative bias of the perplexity: plain, Miller and Madow's, corrected."""
    p = p / p.sum()
    true = math.exp(-(p[p > 0] * np.log(p[p > 0])).sum())
    n = np.random.default_rng(0).multinomial(samples, p, size=repeats)
    plain = perplexity(n)
    madow = np.minimum(plain * np.exp(((n > 0).sum(1) - 1) / (2 * samples)), len(p))
    return tuple(float(np.mean(v) / true - 1) for v in (plain, madow, perplexity(n, True)))


USERS = {
    "uniform": np.ones(64),
    "half-dead": np.repeat([1.0, 0.0], 32),
    "zipf": 1 / np.arange(1, 65),
    "square-root zipf": np.arange(1, 65) ** -0.5,
}


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("ratio", [0.25, 0.5, 1, 2, 4, 8, 16])
def test_the_correction_takes_most_of_the_bias_away(user: str, ratio: float) -> None:
    plain, madow, corrected = _bias(USERS[user], int(64 * ratio))
    # The mean of 200 draws is uncertain by about 1 %, by 4 % at M = K/4.
    slack = 0.04 if ratio < 0.5 else 0.012
    assert abs(corrected) < abs(plain) / 3 + slack
    assert abs(corrected) < abs(madow) + slack
    if ratio >= 2:
        assert abs(corrected) < 0.025 + slack
    assert plain < 0


def test_the_corrected_value_converges_and_stays_below_the_number_of_codes() -> None:
    counts = np.random.default_rng(1).multinomial(10**6, np.ones(32) / 32)
    assert perplexity(counts, True) == pytest.approx(32, rel=1e-4)
    assert perplexity(np.ones(8, int), True) == pytest.approx(8)
    assert perplexity([9, 0, 0], True) == pytest.approx(1)
    assert perplexity([1, 0, 0], True) <= 3


@pytest.mark.parametrize(("x", "samples"), [(0.9, 5), (0.999, 100), (0.999, 10_000), (1e-3, 7)])
def test_the_tail_is_the_series_summed(x: float, samples: int) -> None:
    j = np.arange(int(50 / (1 - x)))
    series = float((x ** (j + 1) / (samples + j)).sum())
    assert _tail(x, samples) == pytest.approx(series, rel=1e-9)


def test_usage_names_its_window() -> None:
    seen = usage([4, 0, 2, 2])
    assert (seen.codebook_size, seen.samples, seen.used, seen.dead) == (4, 8, 3, 1)
    assert seen.utilization == 0.75
    assert seen.relative == pytest.approx(0.75 / (1 - 0.75**8))
    assert "in 8 assignments" in str(seen)
    assert seen.corrected >= seen.perplexity


@pytest.mark.parametrize(
    ("counts", "says"),
    [
        ([1, -1], "whole numbers"),
        ([0.5, 0.5], "whole numbers"),
        ([np.nan, 1], "whole numbers"),
        ([0, 0], "without a single assignment"),
        ([], "shape"),
        (["a"], "numbers"),
    ],
)
def test_counts_that_are_none_are_refused(counts: list, says: str) -> None:
    for measure in (usage, utilization, perplexity):
        with pytest.raises(ValueError, match=says):
            measure(counts)


def test_other_bad_input_is_refused() -> None:
    with pytest.raises(ValueError, match="a window at a time"):
        usage([[1, 1], [1, 1]])
    with pytest.raises(ValueError, match="K >= 1 and M >= 0"):
        ceiling(0, 5)
    with pytest.raises(ValueError, match="K >= 1 and M >= 0"):
        ceiling(4, -1)
