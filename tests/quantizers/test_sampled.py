"""Codes drawn by their logits: the draws, the gradients, the priors."""

import math

import pytest
import torch

from vqlab import make
from vqlab.quantizers import (
    CodebookLoss,
    Exponential,
    GaussianPrior,
    GumbelChoice,
    MeanCode,
    Table,
    UniformPrior,
    VectorQuantizer,
)
from vqlab.quantizers.updates import Batch

F64 = torch.float64


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=F64)


@pytest.mark.parametrize("kind", ["projection", "distance", "gaussian"])
def test_codes_are_drawn_with_the_probabilities_of_the_logits(kind):
    choice = GumbelChoice(5, 2, kind, temperature=0.3, seed=0).double()
    codes, z = draw(5, 2), draw(1, 2, seed=1).expand(40_000, 2)
    indices, noisy = choice(z, codes)
    assert torch.equal(indices, noisy.argmax(1))
    share = torch.bincount(indices, minlength=5) / 40_000
    expected = choice.logits(z[:1], codes).softmax(1)[0]
    torch.testing.assert_close(share, expected, rtol=0, atol=0.01, check_dtype=False)
    again, _ = choice(z, codes)
    assert not torch.equal(again, indices)
    choice.eval()
    clock = choice.noise.clock.clone()
    points = draw(100, 2, seed=2)
    chosen, _ = choice(points, codes)
    assert torch.equal(chosen, choice.logits(points, codes).argmax(1))
    if kind != "projection":
        assert torch.equal(chosen, torch.cdist(points, codes).argmin(1))
    assert torch.equal(clock, choice.noise.clock)


def test_logits_are_those_stated():
    z, codes = draw(20, 3), draw(6, 3, seed=1)
    squares = torch.cdist(z, codes).square()
    distance = GumbelChoice(6, 3, "distance").double().logits(z, codes)
    torch.testing.assert_close(distance.softmax(1), (-squares).softmax(1))
    gaussian = GumbelChoice(6, 3, "gaussian", variance=0.3).double().logits(z, codes)
    torch.testing.assert_close(gaussian.softmax(1), (-squares / 0.6).softmax(1), rtol=1e-6, atol=0)


def test_temperature_follows_the_training_steps():
    choice = GumbelChoice(4, 2, "distance", Exponential(1.0, 0.5)).double()
    z, codes = draw(3, 2), draw(4, 2, seed=1)
    plain = choice.logits(z, codes)
    for step in range(3):
        torch.testing.assert_close(choice.eval()(z, codes)[1], plain * 2**step)
        choice.train()(z, codes)


def test_hard_gumbel_has_the_value_of_the_code_and_the_gradient_of_the_softmax():
    q = make("gumbel", 3, 8, temperature=0.7, seed=0).double()
    z, g = draw(30, 3).requires_grad_(), draw(30, 3, seed=2)
    out = q(z)
    codes = q.codebook()
    assert torch.equal(out.quantized, codes[out.indices])
    out.quantized.backward(g)
    got = q.assignment.projection.grad, q.codebook.table.grad, z.grad
    q = make("gumbel", 3, 8, temperature=0.7, seed=0).double()
    x = z.detach().requires_grad_()
    indices, noisy = q.assignment(x, q.codebook())
    soft = noisy.softmax(1)
    hard = torch.nn.functional.one_hot(indices, 8) + soft - soft.detach()
    (hard @ q.codebook()).backward(g)
    for a, b in zip(
        got, (q.assignment.projection.grad, q.codebook.table.grad, x.grad), strict=True
    ):
        torch.testing.assert_close(a, b)


def test_uniform_prior_at_its_ends_and_gradient():
    choice = GumbelChoice(8, 2, "projection", seed=0).double()
    rule = UniformPrior()
    VectorQuantizer(Table(8, 2).double(), choice, MeanCode(), [rule])
    z, codes = draw(5, 2), draw(8, 2, seed=1)

    def value(points, weights=None):
        batch = Batch(
            points, torch.zeros(len(points), dtype=torch.int64), codes, codes[:1], weights, codes
        )
        return rule.terms(batch)["prior"]

    assert value(torch.zeros(5, 2, dtype=F64)).item() == pytest.approx(0.0, abs=1e-12)
    assert value(1e6 * z).item() == pytest.approx(math.log(8))
    torch.autograd.gradcheck(value, z.requires_grad_())
    weights = torch.tensor([1.0, 1, 0, 0, 0], dtype=F64)
    torch.testing.assert_close(value(z, weights), value(z[:2]))


def test_sq_vae_passes_the_mean_code_and_its_loss_is_the_formula():
    q = make("sq-vae", 3, 8, variance=0.4, temperature=0.7, seed=0).double()
    z = draw(30, 3).requires_grad_()
    out = q(z)
    codes = q.codebook()
    assert not torch.equal(out.quantized, codes[out.indices])
    p = (-torch.cdist(z, codes).square() / 0.8).softmax(1)
    prior = (p * (8 * p).log()).sum() / z.numel()
    spread = (z - out.quantized).square().sum() / 0.8 / z.numel()
    torch.testing.assert_close(out.terms["prior"], prior, rtol=1e-6, atol=0)
    torch.testing.assert_close(out.terms["spread"], spread, rtol=1e-6, atol=0)
    out.loss.backward()
    assert q.assignment.log_variance.grad.isfinite() and (q.codebook.table.grad != 0).all()
    q.eval()
    out = q(z)
    assert torch.equal(out.quantized, codes[out.indices])


def test_the_variance_shrinks_where_noise_hurts_the_task():
    z = torch.randn(256, 2, generator=torch.Generator().manual_seed(0))
    q = make("sq-vae", 2, 16, commitment=0.0, prior=1e-3, seed=0)
    optimizer = torch.optim.Adam(q.parameters(), lr=0.02)
    for _ in range(150):
        optimizer.zero_grad()
        out = q(z)
        (out.loss + (out.quantized - z).square().mean()).backward()
        optimizer.step()
    assert q.assignment.log_variance.exp() < 0.5


def test_refusals():
    with pytest.raises(ValueError, match="projection, distance, gaussian"):
        GumbelChoice(4, 2, "angle")
    with pytest.raises(ValueError, match="variance must be > 0"):
        GumbelChoice(4, 2, "gaussian", variance=0.0)
    with pytest.raises(ValueError, match="> 0"):
        GumbelChoice(4, 2, temperature=0.0)
    with pytest.raises(ValueError, match="'projection' or 'distance'"):
        make("gumbel", 2, 4, logits="gaussian")
    with pytest.raises(ValueError, match="needs a GumbelChoice, got Nearest"):
        VectorQuantizer(Table(4, 2), update=[CodebookLoss(), UniformPrior()])
    with pytest.raises(ValueError, match="logits='gaussian', got 'distance'"):
        VectorQuantizer(Table(4, 2), GumbelChoice(4, 2, "distance"), MeanCode(), [GaussianPrior()])
    with pytest.raises(ValueError, match="-1"):
        UniformPrior(-1)
