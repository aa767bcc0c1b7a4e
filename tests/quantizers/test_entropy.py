"""The entropy of the choice, by distances and by logits."""

import math

import pytest
import torch

from vqlab import VectorQuantizer, make
from vqlab.quantizers import CodeEntropy, DistanceLogits, Entropy, LogitEntropy, Table
from vqlab.quantizers.updates import Batch

F64 = torch.float64


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=F64)


def by_logits(logits, temperature=1.0, weights=None):
    z = torch.zeros(len(logits), 3, dtype=F64)
    codes = torch.zeros(logits.shape[1], 3, dtype=F64)
    indices = logits.argmax(1)
    batch = Batch(z, indices, codes, codes[indices], weights, logits)
    return LogitEntropy(temperature=temperature).terms(batch)["entropy"]


def test_entropy_at_its_ends():
    even = torch.zeros(6, 8, dtype=F64)
    assert by_logits(even) == pytest.approx(0.0, abs=1e-12)  # log K - log K
    one = 1e4 * torch.eye(8, dtype=F64)
    assert by_logits(one) == pytest.approx(-math.log(8))  # sharp and even
    same = one[:1].expand(8, 8)
    assert by_logits(same) == pytest.approx(0.0, abs=1e-12)  # sharp, one code
    for seed in range(5):
        assert -math.log(8) <= by_logits(draw(20, 8, seed=seed)) <= 1e-12


def test_entropy_gradient_and_weights():
    logits = draw(6, 5).requires_grad_()
    torch.autograd.gradcheck(lambda x: by_logits(x, 0.5), logits)
    weights = torch.tensor([1.0, 1, 1, 1, 0, 0], dtype=F64)
    torch.testing.assert_close(by_logits(logits, 0.5, weights), by_logits(logits[:4], 0.5))
    sharp = (1e5 * draw(6, 50)).requires_grad_()  # shares that are zero to the last bit
    (grad,) = torch.autograd.grad(by_logits(sharp, 0.01), sharp)
    assert grad.isfinite().all()


def test_entropy_keeps_more_codes_in_use():
    z = torch.randn(512, 2, generator=torch.Generator().manual_seed(0))
    used = []
    for weight in (0.0, 0.5):
        q = make("ibq", 2, 32, logits="l2", entropy=weight, seed=0)
        optimizer = torch.optim.Adam(q.parameters(), lr=0.02)
        for _ in range(150):
            optimizer.zero_grad()
            out = q(z)
            (out.loss + (out.quantized - z).square().mean()).backward()
            optimizer.step()
        used.append(len(q.eval()(z).indices.unique()))
    assert used[1] >= used[0] and used[1] > 24


def test_entropy_is_minus_the_mutual_information():
    codes = 10 * torch.eye(4, dtype=torch.float64)
    z = codes.repeat(5, 1)
    q = VectorQuantizer(Table(4, 4, codes), update=[Entropy()]).double()
    certain_and_varied, one_latent = (q(x).terms["entropy"].detach() for x in (z, z[:1]))
    assert float(certain_and_varied) == pytest.approx(-math.log(4))
    assert float(one_latent) == pytest.approx(0, abs=1e-12)


def test_entropy_keeps_no_table_for_the_backward_pass():
    kept = []
    q = make("vq", 3, 64, init="normal", seed=0)
    q.update.append(Entropy())
    z = draw(500, 3).float().requires_grad_()
    pack = lambda t: kept.append(t.numel()) or t  # noqa: E731
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        q(z)
    assert max(kept) <= 500 * 3


@pytest.mark.parametrize("masked", [False, True])
def test_by_distances_it_is_that_of_distance_logits(masked):
    z, codes = draw(40, 3).requires_grad_(), draw(8, 3, seed=1)
    mask = torch.arange(40) < 25 if masked else None
    found = []
    # The logits of distances are half of them, in units of the temperature.
    for rule in (Entropy(0.4, 1.7, 0.6), LogitEntropy(0.4, 1.7, 0.3)):
        q = VectorQuantizer(Table(8, 3, codes), DistanceLogits(), update=[rule], commitment=0.0)
        out = q.double()(z, mask)
        found.append([out.loss, *torch.autograd.grad(out.loss, [z, q.codebook.table])])
    torch.testing.assert_close(*found)


def test_options_out_of_range_are_named():
    for kind in (Entropy, LogitEntropy, CodeEntropy):
        for name in ("weight", "diversity"):
            with pytest.raises(ValueError, match=f"{name} of {kind.__name__} must be >= 0, got -1"):
                kind(**{name: -1.0})
