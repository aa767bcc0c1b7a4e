"""Codes that wear the latents' mean and spread."""

import pytest
import torch

from vqlab import VectorQuantizer, make
from vqlab.quantizers import MatchedCodebook, RunningStatistics, Table


def cloud(seed=1, n=256, **kwargs):
    return torch.randn(n, 2, generator=torch.Generator().manual_seed(seed), **kwargs)


def test_codes_have_the_first_batchs_mean_and_spread():
    q = make("affine-vq", 2, 16, seed=0).double()
    z = cloud(dtype=torch.float64) * torch.tensor([3.0, 0.1]) + 40
    q(z)
    codes = q.codebook()
    torch.testing.assert_close(codes.mean(0), z.mean(0))
    torch.testing.assert_close(codes.std(0, correction=0), z.std(0, correction=0))


def test_the_statistics_are_running_means():
    q = make("affine-vq", 2, 16, seed=0, decay=0.9).double()
    first, second = cloud(dtype=torch.float64), 5 + 2 * cloud(2, dtype=torch.float64)
    q(first)
    q(second)
    mean = 0.9 * first.mean(0) + 0.1 * second.mean(0)
    variance = 0.9 * first.var(0, correction=0) + 0.1 * second.var(0, correction=0)
    torch.testing.assert_close(q.codebook.latent_mean, mean)
    torch.testing.assert_close(q.codebook.latent_std, variance.sqrt())


def test_an_affine_map_of_the_latents_maps_the_codes():
    a, b = (make("affine-vq", 2, 16, seed=0).double() for _ in range(2))
    z, scale = cloud(dtype=torch.float64), torch.tensor([2.0, 5.0], dtype=torch.float64)
    chosen, mapped = a(z), b(2 * z + 7)
    assert torch.equal(chosen.indices, mapped.indices)  # equal scales keep the nearest
    torch.testing.assert_close(b.codebook(), 2 * a.codebook() + 7)
    other = make("affine-vq", 2, 16, seed=0).double()
    other(scale * z - 1)
    torch.testing.assert_close(other.codebook(), scale * a.codebook() - 1)


def test_the_gradient_is_the_plain_one_times_the_scale():
    q = make("affine-vq", 2, 8, seed=0).double()
    z = 3 * cloud(dtype=torch.float64)
    q(z).loss.backward()
    plain = make("vq", 2, 8, init=q.codebook().detach()).double()
    plain(z).loss.backward()
    scale = q.codebook.latent_std / q.codebook.code_std
    torch.testing.assert_close(q.codebook.table.grad, plain.codebook.table.grad * scale)


def test_unused_codes_follow_a_drift():
    used = {}
    for name in ("affine-vq", "vq"):
        options = {"decay": 0.5} if name == "affine-vq" else {"init": "normal"}
        q = make(name, 2, 32, seed=0, **options)
        optimizer = torch.optim.Adam(q.parameters(), lr=1e-3)
        for step in range(100):
            optimizer.zero_grad()
            out = q(cloud(step, 512) + 0.1 * step)
            out.loss.backward()
            optimizer.step()
        used[name] = len(out.indices.unique())
    assert used["affine-vq"] > 24 > 8 > used["vq"]


def test_padding_and_refused_batches_change_nothing():
    q = make("affine-vq", 2, 8, seed=0)
    q(cloud())
    before = {k: v.clone() for k, v in q.state_dict().items()}
    q(cloud(2), torch.zeros(256, dtype=torch.bool))
    bad = cloud()
    bad[3, 1] = torch.inf
    with pytest.raises(ValueError, match=r"1 non-finite.*\(3, 1\)"):
        q(bad)
    now = q.state_dict()
    kept = [k for k in before if "latent" in k or "table" in k]
    assert len(kept) == 3 and all(torch.equal(before[k], now[k]) for k in kept)


def test_bad_settings_are_named():
    with pytest.raises(ValueError, match="MatchedCodebook, got Table"):
        VectorQuantizer(Table(4, 2), update=[RunningStatistics()])
    with pytest.raises(ValueError, match="code_decay.*1.5"):
        RunningStatistics(code_decay=1.5)
    assert MatchedCodebook(1, 2, seed=0)().shape == (1, 2)


def test_the_synchronized_update_reaches_the_table_through_the_scale():
    q, plain = (make("affine-vq", 2, 8, seed=0, sync=nu).double() for nu in (0.7, 0.0))
    z = (3 * cloud(dtype=torch.float64)).requires_grad_()
    task = cloud(2, dtype=torch.float64)
    out = q(z)
    (out.quantized * task).sum().backward()
    torch.testing.assert_close(z.grad, task)
    cells = torch.zeros(8, 2, dtype=torch.float64).index_add_(0, out.indices, 0.7 * task)
    scale = q.codebook.latent_std / q.codebook.code_std
    torch.testing.assert_close(q.codebook.table.grad, cells * scale)
    (plain(z).quantized * task).sum().backward()
    assert plain.codebook.table.grad is None
