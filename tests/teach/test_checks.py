"""Each check passes a right answer and names each mistake it knows."""

import numpy as np
import pytest
import torch

from vqlab.teach import (
    check_centroids,
    check_critical_speed,
    check_perplexity,
    compare,
)


def means(z, i, K):
    return np.array([z[i == k].mean(0) if (i == k).any() else [np.nan] * 2 for k in range(K)])


def sums(z, i, K):
    return np.array([z[i == k].sum(0) for k in range(K)])


def entropy(n):
    p = n[n > 0] / n.sum()
    return -(p * np.log(p)).sum()


def test_right_answers_pass():
    assert "passed" in check_centroids(lambda z, i, K: torch.tensor(means(z, i, K)))
    assert "passed" in check_centroids(means)
    assert "passed" in check_critical_speed(lambda eta, K, w: eta / K * w / 2)
    assert "passed" in check_perplexity(lambda n: np.exp(entropy(n)))


@pytest.mark.parametrize(
    ("check", "mistake", "words"),
    [
        (check_centroids, lambda z, i, K: None, "return"),
        (check_centroids, lambda z, i, K: "0", "numbers"),
        (check_centroids, sums, "sums of the cells"),
        (check_centroids, lambda z, i, K: sums(z, i, K) / len(z), "all N"),
        (check_centroids, lambda z, i, K: np.nan_to_num(means(z, i, K)), "empty cell"),
        (check_centroids, lambda z, i, K: np.tile(z.mean(0), (K, 1)), "all latents"),
        (check_centroids, lambda z, i, K: means(z, i, K)[:-1], "shape"),
        (check_critical_speed, lambda eta, K, w: eta / K * w, "half a cell"),
        (check_critical_speed, lambda eta, K, w: eta * w / 2, "share of 1/K"),
        (check_critical_speed, lambda eta, K, w: eta * K * w / 2, "more fragile"),
        (check_critical_speed, lambda eta, K, w: w / (2 * eta * K), "Solve"),
        (check_critical_speed, lambda eta, K, w: K / eta, "the lag"),
        (check_perplexity, entropy, "entropy"),
        (check_perplexity, lambda n: 2 ** entropy(n), "base 2"),
        (check_perplexity, lambda n: np.exp(entropy(n) / np.log(2)), "bits"),
        (check_perplexity, lambda n: np.exp(-entropy(n)), "sign"),
        (check_perplexity, lambda n: (n > 0).sum(), "how evenly"),
        (check_perplexity, lambda n: np.exp(-(n / n.sum() * np.log(n / n.sum())).sum()), "NaN"),
        (check_perplexity, lambda n: 17.0, "expected"),
    ],
)
def test_mistakes_are_named(check, mistake, words):
    with pytest.raises(AssertionError, match=words):
        check(mistake)


def test_a_known_mistake_that_is_right_by_chance_is_no_mistake():
    compare("x", [1.0, 2.0], [1.0, 2.0], {"never": [1.0, 2.0]})


def test_the_message_shows_what_came():
    with pytest.raises(AssertionError, match=r"x: expected \[1. 2.\], got \[1. 3.\]"):
        compare("x", [1.0, 3.0], [1.0, 2.0])
