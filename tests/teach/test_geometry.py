"""The checks on distances and angles pass right answers and name each mistake they know."""

import numpy as np
import pytest
import torch

from vqlab.quantizers.poincare import distance
from vqlab.teach import check_cosine_choice, check_hyperbolic_distance


def parts(x, y):
    return ((x - y) ** 2).sum(1), 1 - (x**2).sum(1), 1 - (y**2).sum(1)


def right(x, y):
    gap, left, far = parts(x, y)
    return np.arccosh(1 + 2 * gap / (left * far))


def cosine(z, c):
    return (z @ c.T) / np.linalg.norm(z, axis=1)[:, None] / np.linalg.norm(c, axis=1)


def test_right_answers_pass():
    assert "passed" in check_hyperbolic_distance(right)
    assert "passed" in check_hyperbolic_distance(
        lambda x, y: distance(torch.from_numpy(x), torch.from_numpy(y))
    )
    assert "passed" in check_cosine_choice(lambda z, c: cosine(z, c).argmax(1))


def no_two(x, y):
    gap, left, far = parts(x, y)
    return np.arccosh(1 + gap / (left * far))


def one_factor(x, y):
    gap, left, _ = parts(x, y)
    return np.arccosh(1 + 2 * gap / left)


def not_squared(x, y):
    gap, left, far = parts(x, y)
    return np.arccosh(1 + 2 * gap**0.5 / (left * far))


def plain_norms(x, y):
    left, far = (1 - np.linalg.norm(p, axis=1) for p in (x, y))
    return np.arccosh(1 + 2 * parts(x, y)[0] / (left * far))


@pytest.mark.parametrize(
    ("mistake", "words"),
    [
        (lambda x, y: np.linalg.norm(x - y, axis=1), "straight distance"),
        (lambda x, y: right(x, y) / 2, "half of it"),
        (lambda x, y: np.cosh(right(x, y)), "arccosh of it"),
        (no_two, "the 2 before"),
        (not_squared, "enters squared"),
        (plain_norms, r"1 - \|x\|\^2"),
        (one_factor, "divide by both"),
        (lambda x, y: None, "forget to return"),
    ],
)
def test_a_wrong_distance_is_recognised(mistake, words):
    with pytest.raises(AssertionError, match=words):
        check_hyperbolic_distance(mistake)


@pytest.mark.parametrize(
    ("mistake", "words"),
    [
        (lambda z, c: (z @ c.T).argmax(1), "long codes"),
        (lambda z, c: ((z[:, None] - c) ** 2).sum(2).argmin(1), "nearest code"),
        (lambda z, c: cosine(z, c).argmin(1), "largest angle"),
        (lambda z, c: np.abs(cosine(z, c)).argmax(1), "absolute value"),
        (lambda z, c: ((z @ c.T) / (c**2).sum(1)).argmax(1), "not by"),
        (lambda z, c: cosine(z, c).max(1), "not the indices"),
    ],
)
def test_a_wrong_choice_is_recognised(mistake, words):
    with pytest.raises(AssertionError, match=words):
        check_cosine_choice(mistake)
