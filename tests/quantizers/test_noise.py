"""Noise in place of the error, and the numbers it is made of."""

import copy

import pytest
import torch

from vqlab import make
from vqlab.quantizers import NoiseSubstitution
from vqlab.quantizers.updates import Batch

F64 = torch.float64
both = pytest.mark.parametrize("variance", [None, 5e-3])


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=F64)


@both
def test_the_value_has_the_distance_of_the_code(variance):
    estimator = NoiseSubstitution(variance, seed=0)
    z, codes = draw(200, 3), draw(200, 3, seed=1)
    batch = Batch(z, torch.arange(200), codes, codes)
    out = estimator(batch)
    torch.testing.assert_close((out - z).norm(dim=1), (codes - z).norm(dim=1))
    assert not torch.equal(out, estimator(batch))  # another draw in every step
    estimator.eval()
    before = estimator.noise.clock.clone()
    assert torch.equal(estimator(batch), codes) and torch.equal(before, estimator.noise.clock)


@both
def test_gradients_are_those_of_the_formula(variance):
    estimator = NoiseSubstitution(variance, seed=0)
    z, codes, g = (draw(50, 3, seed=s) for s in range(3))
    z, codes = z.requires_grad_(), codes.requires_grad_()
    out = estimator(Batch(z, torch.arange(50), codes, codes))
    out.backward(g)
    way = (codes - z).detach()
    rho = way.norm(dim=1, keepdim=True)
    u, w = way / rho, ((out - z) / rho).detach()
    along = (g * w).sum(1, keepdim=True) * u
    torch.testing.assert_close(z.grad, g - along)
    torch.testing.assert_close(codes.grad, along)


def test_noise_substitution_is_differentiable_as_it_stands():
    estimator, z, codes = NoiseSubstitution(None, seed=0), draw(6, 3), draw(6, 3, seed=1)

    def value(z, codes):
        return copy.deepcopy(estimator)(Batch(z, torch.arange(6), codes, codes))

    # Nothing is stopped, so numerical differences see the same gradient.
    z, codes = z.requires_grad_(), codes.requires_grad_()
    (got,) = torch.autograd.grad(value(z, codes).sum(), codes)
    step = 1e-6
    for n, d in ((0, 0), (3, 2)):
        moved = codes.detach().clone()
        moved[n, d] += step
        numeric = (value(z, moved) - value(z, codes.detach())).sum() / step
        assert float(numeric.detach()) == pytest.approx(float(got[n, d]), abs=1e-4)


def test_directed_noise_tends_to_the_code():
    z, codes = draw(100, 3), draw(100, 3, seed=1)
    gaps = [
        (NoiseSubstitution(v, seed=0)(Batch(z, torch.arange(100), codes, codes)) - codes).norm()
        for v in (1e-2, 1e-4, 1e-8)
    ]
    assert gaps[0] > gaps[1] > gaps[2] and gaps[2] < 1e-2


@both
def test_a_latent_on_its_code_is_finite(variance):
    z = draw(5, 3).requires_grad_()
    codes = z.detach().clone().requires_grad_()
    out = NoiseSubstitution(variance, seed=0)(Batch(z, torch.arange(5), codes, codes))
    out.sum().backward()
    assert torch.equal(out, z) and torch.equal(z.grad, torch.ones_like(z)) and not codes.grad.any()


def test_the_codes_learn_from_the_task_alone():
    z = torch.randn(512, 2, generator=torch.Generator().manual_seed(0))
    for name in ("noise-substitution", "diveq"):
        q = make(name, 2, 8, commitment=0.0, init="first-batch", seed=0)
        q(z)
        before = q.eval()(z).terms["commitment"]
        q.train()
        optimizer = torch.optim.Adam(q.parameters(), lr=0.02)
        for _ in range(200):
            optimizer.zero_grad()
            (q(z).quantized - z).square().mean().backward()
            optimizer.step()
        assert q.eval()(z).terms["commitment"] < 0.9 * before


def test_a_variance_must_be_positive():
    with pytest.raises(ValueError, match="0"):
        NoiseSubstitution(0.0)
