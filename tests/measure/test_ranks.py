"""Places and the critical difference, against hand counts and Demsar's table."""

import math

import numpy as np
import pytest

from vqlab.measure import critical_difference, ranks


def test_places_are_shared_by_ties_and_failures_come_last():
    found = ranks([[3.0, 1.0, 1.0, np.nan], [1.0, 2.0, 3.0, 4.0]])
    np.testing.assert_array_equal(found.each, [[3, 1.5, 1.5, 4], [1, 2, 3, 4]])
    np.testing.assert_array_equal(found.mean, [2, 1.75, 2.25, 4])
    turned = found.take([3, 0, 1, 2])
    np.testing.assert_array_equal(turned.mean, [4, 2, 1.75, 2.25])
    np.testing.assert_array_equal(turned.each[0], [4, 3, 1.5, 1.5])


@pytest.mark.parametrize(("methods", "q"), [(2, 1.960), (3, 2.343), (5, 2.728), (10, 3.164)])
def test_the_critical_difference_is_that_of_the_printed_table(methods, q):
    # Demsar 2006, Table 5(a), at 0.05
    expected = q * math.sqrt(methods * (methods + 1) / (6 * 14))
    assert critical_difference(methods, 14) == pytest.approx(expected, rel=1e-3)


def test_chance_exceeds_it_in_one_case_of_twenty():
    rng = np.random.default_rng(0)
    limit = critical_difference(6, 30)
    means = [ranks(rng.random((30, 6))).mean for _ in range(1500)]
    assert 0.03 < np.mean([m.max() - m.min() > limit for m in means]) < 0.07


def test_one_task_proves_nothing():
    assert ranks([[1.0, 2.0]]).critical == math.inf


@pytest.mark.parametrize("scores", [np.zeros(3), np.zeros((2, 1)), np.zeros((0, 3))])
def test_bad_scores(scores):
    with pytest.raises(ValueError, match=r"\(B, k\)"):
        ranks(scores)
    with pytest.raises(ValueError, match="methods >= 2"):
        critical_difference(1, 3)
