"""A fair sample of past latents, and codes put on its k-means when it is due, and only then."""

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans

from vqlab import VectorQuantizer, make
from vqlab.quantizers import AffineCodebook, CodebookLoss, MovingAverage, Reestimation, Table
from vqlab.quantizers.draws import hashed
from vqlab.quantizers.reservoir import sampled


def cloud(seed=1, n=96, dim=2, **kwargs):
    return torch.randn(n, dim, generator=torch.Generator().manual_seed(seed), **kwargs)


def quantizer(size=8, dim=2, seed=0, **options):
    return make("kmeans-reinit", dim, size, seed=seed, init="normal", **options)


def streamed(pool: torch.Tensor, key: int, batches: list[torch.Tensor], **kwargs) -> torch.Tensor:
    seen = torch.tensor(0)
    for clock, z in enumerate(batches):
        draw = hashed(key, torch.tensor(clock), len(z), stream=0)
        seen = sampled(pool, seen, z, kwargs.get("weights", torch.ones(len(z))), draw)
    return seen


def test_every_latent_of_the_stream_is_kept_equally_often():
    stream, rows, seeds = torch.arange(40.0)[:, None], 10, 4000
    kept = np.zeros(40)
    for key in range(seeds):
        pool = torch.full((rows, 1), -1.0)
        assert streamed(pool, key, list(stream.split([7, 16, 1, 16]))) == 40
        held = pool[:, 0].long().numpy()
        assert len(set(held.tolist())) == rows  # nobody twice
        kept[held] += 1
    expected = seeds * rows / 40
    # Drawn without replacement: each count has the variance n p (1 - p), and they sum to n R, so
    # that this sum over 40 has 39 degrees of freedom; its 0.999 quantile is 72.1, its 0.001 15.6.
    chi2 = ((kept - expected) ** 2).sum() / (expected * (1 - rows / 40)) * 39 / 40
    assert 15.6 < chi2 < 72.1


def test_the_reservoir_fills_in_order_and_stays_a_sample_of_the_stream():
    pool, z = torch.full((12, 2), torch.nan), cloud(n=30)
    seen = streamed(pool, 0, [z[:5]])
    assert seen == 5 and torch.equal(pool[:5], z[:5]) and pool[5:].isnan().all()
    assert streamed(pool, 0, list(z.split(10))) == 30
    assert (pool[:, None] == z).all(2).any(1).all()


def test_padding_neither_enters_nor_changes_a_draw():
    z, mask = cloud(n=60), torch.arange(60) % 3 > 0
    padded = torch.where(mask[:, None], z, 99.0)
    a, b = torch.zeros(12, 2), torch.zeros(12, 2)
    assert streamed(a, 5, [padded], weights=mask.float()) == 40
    assert streamed(b, 5, [z[mask]]) == 40
    assert torch.equal(a, b) and a.abs().max() < 99


def test_due_codes_are_a_k_means_of_the_reservoir():
    q = make("kmeans-reinit", 3, 12, seed=0, every=4, init="normal").double()
    batches = [cloud(s, 32, 3, dtype=torch.float64) for s in range(4)]
    for z in batches:
        q(z)
    z = torch.cat(batches)  # 128 latents, all of them in a reservoir of 16 x 12

    def error(codes):
        return (torch.cdist(z, codes).min(1).values ** 2).sum()

    codes = q.codebook().detach()
    best = KMeans(12, n_init=20, random_state=1).fit(z.numpy()).inertia_
    # One start may stop at another optimum than the best of twenty.
    assert best * (1 - 1e-9) <= error(codes) < 1.1 * best
    nearest = torch.cdist(z, codes).argmin(1)
    for k in range(12):  # a fixed point: each code is its cell's mean
        torch.testing.assert_close(codes[k], z[nearest == k].mean(0))
    assert torch.pdist(codes).min() > 0


def test_nothing_happens_between_due_steps_nor_after_the_last():
    q = quantizer(every=3, until=7)
    moved = []
    for step in range(12):
        before = q.codebook().clone()
        q(cloud(step))
        moved.append(not torch.equal(before, q.codebook()))
    assert [step + 1 for step, was in enumerate(moved) if was] == [3, 6]


def test_the_reservoir_starts_anew_after_each_re_estimation():
    q = quantizer(every=2)
    for step in range(2):
        q(cloud(step))
    assert q.update[1].seen == 0
    for step in range(2):
        q(cloud(step) + 50)
    assert q.codebook().min() > 40  # nothing of the first two batches is left in it


def test_too_few_latents_wait_for_the_next_due_step():
    q = quantizer(size=16, every=2)
    before = q.codebook().clone()
    for step in range(3):
        q(cloud(step, 6))
        assert torch.equal(before, q.codebook())
    q(cloud(3, 6))
    assert not torch.equal(before, q.codebook()) and q.update[1].seen == 0


def test_fewer_distinct_latents_than_codes_give_codes_that_coincide():
    q = quantizer(every=1)
    q(cloud(n=3).repeat(20, 1))
    assert len(q.codebook().unique(dim=0)) == 3 and q.codebook().isfinite().all()


def test_moments_and_running_sums_start_anew():
    q = quantizer(every=3)
    optimizer = torch.optim.Adam(q.parameters(), lr=0.01)
    for step in range(3):
        optimizer.zero_grad()
        q(cloud(step) + 10 * step).loss.backward()
        placed = q.codebook().detach().clone()
        optimizer.step()
        state = optimizer.state[q.codebook.table]
    first = (1 - 0.9) * q.codebook.table.grad
    torch.testing.assert_close(state["exp_avg"], first)  # of this one gradient, and of no other
    assert (q.codebook() - placed).abs().max() <= 0.1

    average = MovingAverage(0.9)
    ema = VectorQuantizer(
        Table(8, 2, "normal", trainable=False, seed=0), update=[average, Reestimation(every=1)]
    )
    z = cloud()
    ema(z)
    # n = 1 and m = c before the step; in it n <- 0.9 + 0.1 |S|
    assert average.counts.sum() == pytest.approx(0.9 * 8 + 0.1 * len(z), rel=1e-5)


def test_a_resumed_run_re_estimates_as_the_uninterrupted_one():
    def run(q, steps):
        for step in steps:
            q(cloud(step))
        return {k: v.clone() for k, v in q.state_dict().items()}

    options = {"every": 5, "reservoir": 64}
    whole, first, resumed = (quantizer(seed=s, **options) for s in (1, 1, 2))
    expected = run(whole, range(12))
    resumed.load_state_dict(run(first, range(3)))
    found = run(resumed, range(3, 12))
    assert all(torch.equal(expected[k], found[k]) for k in expected)
    other = run(quantizer(seed=2, **options), range(12))
    assert not torch.equal(other["codebook.table"], expected["codebook.table"])


def test_a_refused_batch_and_padding_alone_count_for_nothing():
    q = quantizer(every=2)
    q(cloud())
    before = {k: v.clone() for k, v in q.state_dict().items()}
    bad = cloud(2)
    bad[4, 1] = torch.nan
    with pytest.raises(ValueError, match=r"1 non-finite.*\(4, 1\)"):
        q(bad)
    q(cloud(3), torch.zeros(96, dtype=torch.bool))
    assert all(torch.equal(before[k], v) for k, v in q.state_dict().items())


def test_bad_settings_are_named():
    with pytest.raises(ValueError, match="free Table"):
        VectorQuantizer(AffineCodebook(4, 2), update=[CodebookLoss(), Reestimation()])
    with pytest.raises(ValueError, match="every.*0"):
        Reestimation(every=0)
    with pytest.raises(ValueError, match="3 latents is too small for 4 codes"):
        make("kmeans-reinit", 2, 4, reservoir=3)
