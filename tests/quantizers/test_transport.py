"""Optimal transport against a dense plan; balance; evaluation; padding."""

import pytest
import torch

from vqlab import make
from vqlab.quantizers import Transport, transport


def cloud(seed=1, n=256, dim=2, **kwargs):
    return torch.randn(n, dim, generator=torch.Generator().manual_seed(seed), **kwargs)


def plan(z, codes, sharpness, iterations):
    """The whole plan: scale the codes' sums, then the latents' sums, in turn."""
    d = (z[:, None] - codes).square().sum(-1)
    q = torch.exp(-sharpness * (d - d.min()) / d.std())
    q = q / q.sum()
    for _ in range(iterations):
        q = q / q.sum(0) / len(codes)
        q = q / q.sum(1, keepdim=True) / len(z)
    return q


@pytest.mark.parametrize("iterations", [1, 5, 50])
@pytest.mark.parametrize("block", [1 << 20, 40])
def test_the_choice_is_the_largest_share_of_the_plan(iterations, block, monkeypatch):
    monkeypatch.setattr(transport, "BLOCK", block)
    z, codes = 7 + cloud(dtype=torch.float64), 7 + 0.3 * cloud(0, 12, dtype=torch.float64)
    chosen = Transport(3.0, iterations)(z, codes)
    assert torch.equal(chosen, plan(z, codes, 3.0, iterations).argmax(1))


def test_many_iterations_share_the_latents_out_evenly():
    z, codes = cloud(n=1024, dtype=torch.float64), cloud(0, 16, dtype=torch.float64)
    torch.testing.assert_close(
        plan(z, codes, 10.0, 2000).sum(0), torch.full((16,), 1 / 16, dtype=torch.float64)
    )
    counts = Transport(10.0, 2000)(z, codes).bincount(minlength=16)
    near = Transport().eval()(z, codes).bincount(minlength=16)
    assert (counts - 64).abs().max() < 20 < (near - 64).abs().max()


@pytest.mark.parametrize("sharpness, least", [(10.0, 10), (1000.0, 60)])
def test_a_collapsed_codebook_is_used_more_widely(sharpness, least):
    """The released sharpness blurs codes that lie close: the largest shares are not yet even."""
    q = make("ot-vq", 2, 64, sharpness=sharpness, seed=0)  # codes within 1/64 of the origin
    z = 3 + cloud(n=2048)
    plain = make("vq", 2, 64, seed=0)
    assert len(plain(z).indices.unique()) < least <= len(q(z).indices.unique())
    assert torch.equal(q.eval()(z).indices, plain(z).indices)  # evaluation: the nearest


def test_use_stays_after_training():
    q, z = make("ot-vq", 2, 32, seed=0), 3 + cloud(n=2048)
    optimizer = torch.optim.Adam(q.parameters(), lr=0.05)
    for _ in range(200):
        optimizer.zero_grad()
        q(z).loss.backward()
        optimizer.step()
    assert len(q.eval()(z).indices.unique()) == 32


def test_padding_takes_no_share():
    q, z = make("ot-vq", 2, 8, init="normal", seed=0).double(), cloud(n=64, dtype=torch.float64)
    padded = torch.cat([torch.full((40, 2), torch.nan, dtype=torch.float64), z])
    mask = torch.arange(104) >= 40
    assert torch.equal(q(padded, mask).indices[40:], q(z).indices)
    assert bool((q(padded, torch.zeros_like(mask)).indices == -1).all())


def test_the_latents_scale_does_not_matter():
    z, codes = cloud(dtype=torch.float64), cloud(0, 12, dtype=torch.float64)
    chosen = Transport()(z, codes)
    for scale in (1e-6, 1e6):
        assert torch.equal(Transport()(scale * z, scale * codes), chosen)


def test_float32_chooses_as_float64_does():
    z, codes = cloud(), cloud(0, 12)
    assert (Transport()(z, codes) == Transport()(z.double(), codes.double())).float().mean() > 0.99


def test_bad_settings_are_named():
    with pytest.raises(ValueError, match="sharpness"):
        Transport(0.0)
    with pytest.raises(ValueError, match="iterations"):
        Transport(iterations=0)
