"""The check of lesson 30 passes the right formula and names the likely mistakes."""

import numpy as np
import pytest

from vqlab.teach import check_bits


def right(grains, size):
    return (12 + 3 * grains.sum((1, 2))) * np.log2(size) + 12


def test_the_right_formula_passes():
    assert "passed" in check_bits(right)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda g, k: right(g, k) - 12, "map is missing"),
        (lambda g, k: 12 + 3.0 * g.sum((1, 2)) + 12, "codes, not bits"),
        (lambda g, k: (12 + g.sum((1, 2))) * np.log2(k) + 12, "not one code more"),
        (lambda g, k: (12 + 3 * g.sum((1, 2))) * np.log(k) + 12, "base 2"),
        (lambda g, k: None, "forget to return"),
    ],
)
def test_mistakes_are_named(wrong, words):
    with pytest.raises(AssertionError, match=words):
        check_bits(wrong)
