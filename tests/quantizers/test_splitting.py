"""Linde-Buzo-Gray splitting: deterministic, and as good as k-means."""

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans

from vqlab import make
from vqlab.quantizers import lbg
from vqlab.quantizers.search import nearest


def cloud(kind: str, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    z = torch.randn(1500, 2 if kind != "wide" else 8, generator=generator, dtype=torch.float64)
    if kind == "clusters":
        z = 0.1 * z + torch.randint(-3, 4, z.shape, generator=generator)
    return z


def distortion(z: torch.Tensor, codes: torch.Tensor) -> float:
    return float((z - codes[nearest(z, codes)]).square().sum(1).mean())


@pytest.mark.parametrize("size", [16, 23, 64])
@pytest.mark.parametrize("kind", ["normal", "clusters", "wide"])
def test_distortion_is_close_to_kmeans(kind, size):
    ratios = []
    for seed in range(4):
        z = cloud(kind, seed)
        best = KMeans(size, n_init=3, random_state=seed).fit(z.numpy()).inertia_ / len(z)
        ratios.append(distortion(z, lbg(z, size)) / best)
    # A size between powers of two leaves half the codes younger than the rest. Clusters that a
    # splitting cuts through stay cut: Lloyd's algorithm carries no code from one to another.
    allowed = {"normal": 1.05, "wide": 1.03, "clusters": 1.6}[kind]
    assert max(ratios) < allowed and np.mean(ratios) > 0.98


def test_codes_are_distinct_means_of_their_cells():
    z = cloud("normal", 0)
    codes = lbg(z, 32, tolerance=1e-12)
    indices = nearest(z, codes)
    assert len(codes.unique(dim=0)) == len(indices.unique()) == 32
    means = torch.stack([z[indices == k].mean(0) for k in range(32)])
    torch.testing.assert_close(codes, means, rtol=1e-6, atol=1e-6)


def test_one_code_is_the_mean_and_two_halve_the_longer_side():
    z = cloud("normal", 0) * torch.tensor([3.0, 1.0])
    turned = z @ torch.tensor([[0.6, -0.8], [0.8, 0.6]], dtype=torch.float64)
    torch.testing.assert_close(lbg(z, 1)[0], z.mean(0))
    for points, long in ((z, [1.0, 0.0]), (turned, [0.6, -0.8])):
        a, b = lbg(points, 2)
        across = (a - b) / (a - b).norm()
        assert abs(float(across @ torch.tensor(long, dtype=torch.float64))) > 0.99


def test_scale_offset_and_repetition_change_nothing():
    z = cloud("normal", 1)
    codes = lbg(z, 20)
    assert torch.equal(codes, lbg(z, 20))
    torch.testing.assert_close(lbg(1024 * z + 4096, 20), 1024 * codes + 4096, rtol=0, atol=1e-8)
    assert lbg(z.float(), 20).dtype == torch.float32


def test_equal_latents_and_as_many_codes_as_latents():
    same = torch.ones(50, 3, dtype=torch.float64)
    assert torch.equal(lbg(same, 4), same[:4])
    z = cloud("normal", 2)[:17]
    assert distortion(z, lbg(z, 17)) < 1e-20


def test_it_starts_a_table():
    z = cloud("normal", 3).float()
    q = make("vq", 2, 16, init="lbg")
    q(z)
    torch.testing.assert_close(q.codebook().detach(), lbg(z, 16))


def test_what_cannot_work_is_refused():
    with pytest.raises(ValueError, match="5 codes, 4 latents"):
        lbg(torch.randn(4, 2), 5)
    with pytest.raises(ValueError, match=r"\(N, D\)"):
        lbg(torch.randn(4), 2)
    with pytest.raises(ValueError, match="epsilon"):
        lbg(torch.randn(4, 2), 2, epsilon=0)
    with pytest.raises(ValueError, match="non-finite"):
        lbg(torch.tensor([[0.0, torch.nan], [1.0, 2.0]]), 2)
