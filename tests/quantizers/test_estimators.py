"""What comes back through the output."""

import pytest
import torch

from vqlab import make
from vqlab.quantizers import LookAhead


def task(z, g, **options):
    q = make("vq", 3, 8, init="normal", seed=0, **options).double()
    z = z.clone().requires_grad_()
    out = q(z)
    out.quantized.backward(g, retain_graph=True)
    return q, z, out


def test_straight_through_copies_the_gradient_and_leaves_the_codes():
    z, g = (torch.randn(20, 3, dtype=torch.float64) for _ in range(2))
    q, z, out = task(z, g)
    assert torch.equal(z.grad, g)
    assert q.codebook.table.grad is None
    assert torch.equal(out.quantized, q.codebook()[out.indices])


@pytest.mark.parametrize("gain", [0.0, 1.0, 25.0])
def test_look_ahead_sends_its_share_to_the_chosen_code(gain):
    z, g = (torch.randn(20, 3, dtype=torch.float64) for _ in range(2))
    q, z, out = task(z, g, estimator=LookAhead(gain))
    assert torch.equal(z.grad, g)
    share = 2 * gain / z.numel()
    expected = torch.zeros(8, 3, dtype=torch.float64).index_add_(0, out.indices, share * g)
    torch.testing.assert_close(q.codebook.table.grad, expected)
    assert torch.equal(out.quantized, q.codebook()[out.indices])


def test_look_ahead_is_the_codebook_loss_against_the_moved_latent():
    z, g = (torch.randn(20, 3, dtype=torch.float64) for _ in range(2))
    q, _, out = task(z, g, estimator="look-ahead")
    out.terms["codebook"].backward()
    codes = q.codebook().detach().requires_grad_()
    (codes[out.indices] - (z - g)).square().mean().backward()
    torch.testing.assert_close(q.codebook.table.grad, codes.grad)


def test_a_negative_gain_is_refused():
    with pytest.raises(ValueError, match="-1"):
        LookAhead(-1)


@pytest.mark.parametrize("nu", [0.5, 2.0])
def test_a_whole_share_is_the_sum_of_the_cells_own_gradients(nu):
    z, g = (torch.randn(20, 3, dtype=torch.float64) for _ in range(2))
    q, z, out = task(z, g, estimator=LookAhead(nu, whole=True))
    assert torch.equal(z.grad, g)
    expected = torch.zeros(8, 3, dtype=torch.float64).index_add_(0, out.indices, nu * g)
    torch.testing.assert_close(q.codebook.table.grad, expected)
    assert torch.equal(out.quantized, q.codebook()[out.indices])


def test_at_a_whole_share_of_one_the_task_moves_code_and_latent_together():
    z, g = (torch.randn(5, 3, dtype=torch.float64) for _ in range(2))
    codes = 0.01 * torch.randn(8, 3, dtype=torch.float64) + torch.cat([z, z[:3] + 100])
    q = make("vq", 3, 8, init=codes, estimator=LookAhead(1.0, whole=True))
    z.requires_grad_()
    out = q(z)
    out.quantized.backward(g)
    assert len(out.indices.unique()) == 5  # one latent in each cell
    apart = q.codebook()[out.indices] - z
    moved = (q.codebook() - 0.3 * q.codebook.table.grad)[out.indices] - (z - 0.3 * z.grad)
    torch.testing.assert_close(moved, apart)
