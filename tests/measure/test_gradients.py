"""Pulls: closed forms of the estimator's and of the true gradient on two codes on a line."""

import math

import numpy as np
import pytest
import torch

from vqlab import make
from vqlab.measure import gradient_bias, pull, true_pull

SLOPE = 0.7


@pytest.fixture
def two_codes():
    return make("vq", 1, 2, init=torch.tensor([[-1.0], [1.0]])).double()


def linear(x):
    return SLOPE * x[:, 0]


def density(x):
    return np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)


def test_straight_through_passes_the_slope_on(two_codes):
    z = np.linspace(-2, 2, 9)[:, None]
    np.testing.assert_allclose(pull(two_codes, z, linear), -SLOPE, rtol=1e-12)


def test_commitment_adds_its_own_pull(two_codes):
    z = np.array([[0.4], [-3.0]])
    more = pull(two_codes, z, linear, commitment=True) - pull(two_codes, z, linear)
    np.testing.assert_allclose(more, -2 * 0.25 * (z - np.sign(z)), rtol=1e-12)


@pytest.mark.parametrize("noise", [0.3, 1.0])
def test_the_true_pull_is_the_slope_of_the_averaged_loss(two_codes, noise):
    # E l = a (2 Phi(z / sigma) - 1), so its slope is 2 a phi(z / sigma) / sigma.
    z = np.linspace(-1, 1, 7)[:, None]
    mean, error = true_pull(two_codes, z, linear, noise, samples=20_000)
    expected = -2 * SLOPE * density(z / noise) / noise
    assert (np.abs(mean - expected) < 4.5 * error + 1e-12).all() and error.max() < 0.02


def test_bias_of_straight_through_in_closed_form(two_codes):
    # Both fields point one way; the true one is smaller far from the border and larger at it.
    for z, noise in ((0.0, 0.5), (1.0, 0.5)):
        bias = gradient_bias(two_codes, [[z]], linear, noise, samples=40_000)
        true = 2 * density(np.array(z / noise)) / noise
        assert bias.cosine == pytest.approx(1)
        assert bias.ratio == pytest.approx(1 / true, rel=0.05)


def test_looking_moves_nothing():
    moving = make("ema", 2, 8, seed=0, init="normal")
    before = {name: value.clone() for name, value in moving.state_dict().items()}
    z = np.random.default_rng(0).normal(size=(50, 2))
    pull(moving, z, lambda x: x.square().sum(1))
    gradient_bias(moving, z, lambda x: x.square().sum(1), noise=0.1, samples=4)
    assert moving.training
    assert all(torch.equal(before[name], value) for name, value in moving.state_dict().items())


def test_noise_must_be_positive(two_codes):
    with pytest.raises(ValueError, match="noise must be > 0"):
        true_pull(two_codes, [[0.0]], linear, noise=0)
