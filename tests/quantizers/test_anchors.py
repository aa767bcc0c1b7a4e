"""CVQ-VAE: the running frequency, the share of the move, the anchors, the optimizer's moments."""

import math

import pytest
import torch

from vqlab import VectorQuantizer, make
from vqlab.quantizers import AffineCodebook, Anchors, CodebookLoss, MovingAverage, Table

EPS = 1e-3


def cloud(seed=1, n=256, dim=2, **kwargs):
    return torch.randn(n, dim, generator=torch.Generator().manual_seed(seed), **kwargs)


def far_codes(**options) -> VectorQuantizer:
    """Six codes among the latents, two that no latent ever chooses."""
    start = torch.cat([cloud(0, 6), torch.full((2, 2), 50.0)])
    return make("cvq", 2, 8, init=start, seed=0, **options)


def rule_of(q: VectorQuantizer) -> Anchors:
    return next(rule for rule in q.update if isinstance(rule, Anchors))


def test_the_frequency_is_the_running_mean_of_the_shares():
    q = make("cvq", 2, 8, init="normal", seed=0, decay=0.9).double()
    rule, expected = rule_of(q), torch.zeros(8, dtype=torch.float64)
    for t in range(1, 6):
        indices = q(cloud(t, dtype=torch.float64)).indices
        expected = 0.9 * expected + 0.1 * indices.bincount(minlength=8) / 256
        torch.testing.assert_close(rule.frequency, expected)
        assert float(rule.frequency.sum()) == pytest.approx(1 - 0.9**t)
        share = rule.alpha()
        torch.testing.assert_close(share, torch.exp(-expected * 8 * 100 - EPS))


def test_the_share_falls_steeply_with_use():
    rule = rule_of(make("cvq", 2, 4).double())
    rule.clock += 1
    rule.frequency.copy_(torch.tensor([0, 0.01, 0.1, 1]) / 4)
    share = rule.alpha()
    assert float(share[0]) == pytest.approx(math.exp(-EPS)) and bool((share.diff() < 0).all())
    assert float(share[1]) == pytest.approx(4.5e-5, rel=0.01)
    assert float(share[2]) < 1e-40 and float(share[3]) == 0


@pytest.mark.parametrize("anchors", ["closest", "probrandom", "random"])
@pytest.mark.parametrize("count", [256, 3])
def test_an_unused_code_goes_to_a_latent_and_used_ones_stay(anchors, count):
    q = far_codes(anchors=anchors)
    before = q.codebook().detach().clone()
    q(cloud(n=256))
    assert torch.equal(q.codebook(), before)  # nothing moves before use is known
    rule_of(q).frequency[:6] = 1 / 8
    z = cloud(2, count)
    q(z)
    after = q.codebook().detach()
    assert torch.equal(after[:6], before[:6])
    seen = torch.cat([z, cloud(n=256)])  # the pool of "random" still holds the first batch
    off, anchor = torch.cdist(after[6:], seen).min(1)
    length = (before[6:] - seen[anchor]).norm(dim=1)
    assert bool((off <= 1.001e-3 * length).all()) and bool((off > 0).all())
    if anchors == "closest":
        nearest = z[torch.cdist(before[6:], z).argmin(1)]
        share = math.exp(-EPS)
        torch.testing.assert_close(after[6:], before[6:] + share * (nearest - before[6:]))


@pytest.mark.parametrize("count", [5, 20])
def test_the_pool_is_a_ring_of_past_latents(count):
    q = make("cvq", 2, 8, anchors="random", seed=0)
    seen = []
    for step in range(6):
        seen.append(cloud(step, count))
        q(seen[-1])
    pool = rule_of(q).pool
    newest = torch.cat(seen)[-8:] if count < 8 else seen[-1]
    assert bool((torch.cdist(pool, newest).min(1).values == 0).all())
    assert count > 8 or bool((torch.cdist(newest, pool).min(1).values == 0).all())


def test_draws_follow_the_softmax_of_the_similarity():
    size = 4000
    q = make("cvq", 1, size, anchors="probrandom", init=torch.zeros(size, 1), seed=3)
    z = torch.tensor([[0.0], [1.0], [2.0]])
    q(z)
    rule_of(q).frequency.zero_()
    q(z)
    p = torch.softmax(-z[:, 0].square(), 0)
    drawn = torch.cdist(q.codebook().detach(), z).argmin(1).bincount(minlength=3) / size
    assert bool(((drawn - p).abs() < 5 * (p * (1 - p) / size).sqrt()).all())  # standard errors


def test_cosine_anchors_lie_in_the_codes_direction():
    codes = torch.tensor([[1.0, 0.0], [0.0, -3.0]])
    q = make("cvq", 2, 2, init=codes, similarity="cosine", assignment="cosine", seed=0)
    z = torch.tensor([[9.0, 0.1], [0.5, 0.5], [0.1, -0.1], [-0.1, -0.2]])
    q(z)
    rule_of(q).frequency.zero_()
    q(z)
    torch.testing.assert_close(q.codebook().detach(), z[[0, 3]], atol=0.01, rtol=0)


def test_gradients_of_the_step_are_those_of_plain_vq():
    q = make("cvq", 2, 8, init="normal", seed=0)
    q(cloud(1))
    for step in range(2, 5):
        z = cloud(step).requires_grad_()
        out = q(z)
        plain = make("vq", 2, 8, init=q.codebook().detach())
        x = z.detach().clone().requires_grad_()
        other = plain(x)
        assert torch.equal(out.indices, other.indices)
        (out.loss + out.quantized.sum()).backward()
        (other.loss + other.quantized.sum()).backward()
        assert torch.equal(z.grad, x.grad)
        assert torch.equal(q.codebook.table.grad, plain.codebook.table.grad)
        q.zero_grad()


def test_one_code_hardly_moves():
    q = make("cvq", 2, 1, init=torch.full((1, 2), 5.0))
    q(cloud())
    q(cloud())
    assert float((q.codebook() - 5).abs().max().detach()) < 10 * math.exp(-10)


def test_first_batch_moves_once():
    q = far_codes(first_batch=True)
    q(cloud())
    q(cloud(2))
    assert bool((q.codebook()[6:] < 10).all())
    with torch.no_grad():
        q.codebook.table[6:] = 50.0
    for step in range(5):
        q(cloud(step))
    assert bool((q.codebook()[6:] == 50).all())


def test_a_moved_code_is_not_thrown_away_by_old_momentum():
    q = far_codes()
    table = q.codebook.table
    optimizer = torch.optim.Adam([table], lr=0.01)
    table.grad = torch.zeros_like(table)
    table.grad[6:] = 100.0
    optimizer.step()
    q(cloud())
    q(cloud(2)).loss.backward()
    placed = table.detach().clone()
    assert bool((placed[6:] < 10).all())
    table.grad = None
    optimizer.zero_grad()
    q.update[0].weight = 0.0
    table.grad = torch.zeros_like(table)
    optimizer.step()
    assert torch.equal(table.detach()[6:], placed[6:])


def test_it_goes_with_the_moving_average():
    start = torch.cat([cloud(0, 6), torch.full((2, 2), 50.0)])
    q = VectorQuantizer(Table(8, 2, start, trainable=False), update=[MovingAverage(), Anchors()])
    for step in range(4):
        q(cloud(step))
    assert bool((q.codebook() < 10).all())
    average = q.update[0]
    torch.testing.assert_close(
        average.sums[6:] / average.counts[6:, None], q.codebook()[6:], rtol=1e-2, atol=1e-2
    )


def test_a_collapsed_start_recovers():
    """Where all codes begin at one spot, random anchors spread them at once."""
    used = {}
    for name, options in {"cvq": {"anchors": "random"}, "vq": {}}.items():
        q = make(name, 2, 64, seed=0, **options)
        optimizer = torch.optim.Adam(q.parameters(), lr=1e-3)
        for step in range(60):
            optimizer.zero_grad()
            out = q(2 * cloud(step, 1024))
            out.loss.backward()
            optimizer.step()
        used[name] = len(out.indices.unique())
    assert used["cvq"] > 50 and used["vq"] < 30


def test_a_refused_batch_moves_nothing():
    for anchors in ("closest", "probrandom", "random"):
        q = far_codes(anchors=anchors)
        q(cloud())
        before = {k: v.clone() for k, v in q.state_dict().items()}
        bad = cloud()
        bad[7, 1] = torch.nan
        with pytest.raises(ValueError, match=r"1 non-finite.*\(7, 1\)"):
            q(bad)
        assert all(torch.equal(v, before[k]) for k, v in q.state_dict().items())


@pytest.mark.parametrize("anchors", ["closest", "probrandom", "random"])
@pytest.mark.parametrize("count", [5, 40])
def test_padding_is_no_anchor(anchors, count):
    q = far_codes(anchors=anchors)
    z = torch.cat([cloud(n=count), torch.full((24, 2), torch.nan)])
    mask = torch.arange(count + 24) < count
    for _ in range(2):
        q(z, mask)
    assert float(torch.cdist(q.codebook()[6:].detach(), z[:count]).min(1).values.max()) < 0.1
    before = q.codebook().detach().clone()
    q(z, torch.zeros_like(mask))
    assert torch.equal(q.codebook(), before)


def test_the_contrastive_term_is_an_option():
    assert "contrast" not in far_codes()(cloud()).terms
    q = far_codes(contrast=0.5)
    assert "contrast" in q(cloud()).terms and q.update[2].weight == 0.5


def test_bad_settings_are_named():
    with pytest.raises(ValueError, match="Anchors needs a free Table"):
        VectorQuantizer(AffineCodebook(4, 2), update=[CodebookLoss(), Anchors()])
    for bad, said in (
        (lambda: Anchors("nearest"), "closest, probrandom, random"),
        (lambda: Anchors(similarity="dot"), "l2, cosine"),
        (lambda: Anchors(decay=1.0), "1.0"),
        (lambda: Anchors(epsilon=-1), "-1"),
    ):
        with pytest.raises(ValueError, match=said):
            bad()
