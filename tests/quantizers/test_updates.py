"""Codebook loss and moving average against their equations in float64."""

import numpy as np
import pytest
import torch

from vqlab import VectorQuantizer, make
from vqlab.quantizers import AffineCodebook, CodebookLoss, MovingAverage, Table


def test_codebook_loss_gradient_is_the_cell_sum():
    q = make("vq", 3, 8, init="normal", seed=0).double()
    z = torch.randn(50, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    out = q(z)
    out.terms["codebook"].backward()
    codes = q.codebook().detach()
    expected = torch.zeros_like(codes)
    for n, k in enumerate(out.indices.tolist()):
        expected[k] += 2 * (codes[k] - z[n]) / (50 * 3)
    torch.testing.assert_close(q.codebook.table.grad, expected)
    unused = torch.bincount(out.indices, minlength=8) == 0
    assert torch.equal(q.codebook.table.grad[unused], torch.zeros_like(codes[unused]))
    value = (z - codes[out.indices]).square().mean()
    torch.testing.assert_close(out.terms["codebook"].detach(), value)
    torch.testing.assert_close(out.terms["commitment"].detach(), value)


@pytest.mark.parametrize("freeze", [True, False])
def test_moving_average_is_sonnets_recursion(freeze):
    decay, eps, size = 0.9, 1e-5, 8
    q = make("ema", 3, size, init="normal", decay=decay, freeze_unused=freeze, seed=0).double()
    codes = q.codebook().numpy().copy()
    n, m = np.ones(size), codes.copy()
    for seed in range(30):
        z = torch.randn(20, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
        out = q(z)
        k = ((z.numpy()[:, None] - codes) ** 2).sum(-1).argmin(1)
        assert np.array_equal(out.indices.numpy(), k)
        count = np.bincount(k, minlength=size)
        total = np.zeros((size, 3))
        np.add.at(total, k, z.numpy())
        n = decay * n + (1 - decay) * count
        m = decay * m + (1 - decay) * total
        smoothed = (n + eps) / (n.sum() + size * eps) * n.sum()
        moved = m / smoothed[:, None]
        codes = np.where((count > 0)[:, None], moved, codes) if freeze else moved
        # rtol: thirty steps of the same sums in another order, in float64.
        np.testing.assert_allclose(q.codebook().numpy(), codes, rtol=1e-12)


def test_smoothing_walks_a_dead_code_to_the_origin_unless_frozen():
    z = torch.zeros(16, 2) + torch.tensor([5.0, 5.0])
    start = torch.tensor([[5.0, 5.0], [9.0, 9.0]])
    for freeze, expected in ((True, 9.0), (False, 0.0)):
        q = make("ema", 2, 2, init=start, decay=0.9, freeze_unused=freeze)
        for _ in range(400):
            q(z)
        assert q.codebook()[1, 0].item() == pytest.approx(expected, abs=1e-3)


def test_codes_of_a_rule_are_buffers_and_codes_of_a_loss_are_parameters():
    assert not list(make("ema", 2, 4).parameters())
    assert [n for n, _ in make("vq", 2, 4).named_parameters()] == ["codebook.table"]


def test_parts_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="trainable=False"):
        VectorQuantizer(Table(4, 2), update=[MovingAverage()])
    with pytest.raises(ValueError, match="AffineCodebook"):
        VectorQuantizer(AffineCodebook(4, 2), update=[MovingAverage()])
    with pytest.raises(ValueError, match="trainable=True"):
        VectorQuantizer(Table(4, 2, trainable=False), update=[CodebookLoss()])
    for bad in (-0.1, 1.0):
        with pytest.raises(ValueError, match=str(bad)):
            MovingAverage(decay=bad)
    with pytest.raises(ValueError, match="-1"):
        MovingAverage(epsilon=-1)
    with pytest.raises(ValueError, match="-2"):
        CodebookLoss(-2)
    with pytest.raises(ValueError, match="-3"):
        VectorQuantizer(Table(4, 2), commitment=-3)


def test_weight_scales_only_the_codes_gradient():
    z = torch.randn(30, 2, generator=torch.Generator().manual_seed(0))
    grads = []
    for weight in (1.0, 3.0):
        q = make("vq", 2, 4, init="normal", weight=weight, seed=0)
        q(z).loss.backward()
        grads.append(q.codebook.table.grad)
    torch.testing.assert_close(grads[1], 3 * grads[0])
