"""Competitive learning: each rule against the online rule written as a loop over one batch."""

import math

import pytest
import torch

from vqlab import make
from vqlab.quantizers import (
    Exponential,
    FrequencySensitive,
    MovingAverage,
    NeuralGas,
    OnlineKMeans,
    Revival,
    SelfOrganizingMap,
    Table,
    VectorQuantizer,
    Wins,
)

K, D, N = 12, 3, 40


def points(*shape: int, seed: int = 1) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def quantizer(*rules, assignment=None, start=None, size=K) -> VectorQuantizer:
    start = points(size, D, seed=7) if start is None else start
    return VectorQuantizer(Table(size, D, start, trainable=False), assignment, None, rules)


def squared(z: torch.Tensor, codes: torch.Tensor) -> list[float]:
    return [float(((z - c) ** 2).sum()) for c in codes]


def mean_of_moves(z, codes, rate, neighbourhood) -> torch.Tensor:
    """The online rule's moves from the codes as they stand, averaged over the batch."""
    moves = torch.zeros_like(codes)
    for latent in z:
        h = neighbourhood(latent)
        for k in range(len(codes)):
            moves[k] += rate * h[k] * (latent - codes[k]) / len(z)
    return codes + moves


def winner(latent, codes) -> int:
    apart = squared(latent, codes)
    return apart.index(min(apart))


def test_macqueen_equals_the_loop_one_latent_after_the_other():
    q, z = quantizer(OnlineKMeans()), points(N, D)
    codes, counts = q.codebook().clone(), [1] * K
    for batch in z.split(10):  # winners are chosen at the start of each batch
        chosen = [winner(latent, codes) for latent in batch]
        for latent, k in zip(batch, chosen, strict=True):
            counts[k] += 1
            codes[k] += (latent - codes[k]) / counts[k]
        q(batch)
        torch.testing.assert_close(q.codebook(), codes, rtol=1e-12, atol=1e-12)


def test_macqueen_codes_are_the_means_of_all_they_have_won():
    q, z = quantizer(OnlineKMeans()), points(500, D)
    start = q.codebook().clone()
    won = [[c] for c in start]
    for batch in z.split(1):  # alone, each latent meets codes that have just moved
        won[winner(batch[0], q.codebook())].append(batch[0])
        q(batch)
    means = torch.stack([torch.stack(w).mean(0) for w in won])
    torch.testing.assert_close(q.codebook(), means, rtol=1e-10, atol=1e-12)
    assert q.update[0].counts.tolist() == [len(w) for w in won]


def test_constant_rate_equals_the_loop():
    q, z = quantizer(OnlineKMeans(0.3)), points(N, D)
    codes = q.codebook().clone()
    expected = mean_of_moves(
        z, codes, 0.3, lambda x: [float(k == winner(x, codes)) for k in range(K)]
    )
    q(z)
    torch.testing.assert_close(q.codebook(), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("grid", [(3, 4), (2, 6), (1, 12)])
def test_map_equals_the_loop(grid):
    q, z = quantizer(SelfOrganizingMap(0.4, 1.3, grid)), points(N, D)
    codes = q.codebook().clone()
    place = [divmod(k, grid[1]) for k in range(K)]

    def beside(latent):
        r, c = place[winner(latent, codes)]
        return [math.exp(-((a - r) ** 2 + (b - c) ** 2) / (2 * 1.3**2)) for a, b in place]

    expected = mean_of_moves(z, codes, 0.4, beside)
    q(z)
    torch.testing.assert_close(q.codebook(), expected, rtol=1e-12, atol=1e-12)


def ranked(codes, reach):
    def h(latent):
        apart = squared(latent, codes)
        return [math.exp(-sum(a < b for a in apart) / reach) for b in apart]

    return h


def test_gas_equals_the_loop(monkeypatch):
    monkeypatch.setattr("vqlab.quantizers.topology.BLOCK", 7 * K)  # several blocks, the last short
    q, z = quantizer(NeuralGas(0.4, 2.5)), points(N, D)
    codes = q.codebook().clone()
    expected = mean_of_moves(z, codes, 0.4, ranked(codes, 2.5))
    q(z)
    torch.testing.assert_close(q.codebook(), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("rule", [lambda r: NeuralGas(0.5, r), lambda r: SelfOrganizingMap(0.5, r)])
def test_a_vanishing_neighbourhood_is_online_kmeans_and_an_endless_one_moves_all_alike(rule):
    z = points(N, D)
    narrow, plain, wide = (quantizer(u) for u in (rule(1e-3), OnlineKMeans(0.5), rule(1e9)))
    start = wide.codebook().clone()
    for q in (narrow, plain, wide):
        q(z)
    torch.testing.assert_close(narrow.codebook(), plain.codebook(), rtol=1e-14, atol=1e-14)
    expected = start + 0.5 * (z.mean(0) - start)
    torch.testing.assert_close(wide.codebook(), expected, rtol=1e-8, atol=1e-8)


def test_ranks_have_no_scale():
    moved = []
    for scale in (1.0, 2.0**10):
        q = quantizer(NeuralGas(0.4, 2.5), start=scale * points(K, D, seed=7))
        q(scale * points(N, D))
        moved.append(q.codebook() / scale)
    torch.testing.assert_close(*moved, rtol=0, atol=0)


def test_the_winner_has_rank_zero_whatever_the_assignment():
    z, codes = points(1, D), points(K, D, seed=7)
    chooser = FrequencySensitive(K)
    far = max(range(K), key=squared(z[0], codes).__getitem__)
    chooser.wins[:] = 1e9
    chooser.wins[far] = 1e-9
    q = quantizer(NeuralGas(1.0, 1e-3), assignment=chooser, start=codes)
    out = q(z)
    assert out.indices.tolist() == [far]
    torch.testing.assert_close(q.codebook()[far], z[0])


def test_schedules_advance_in_training_only():
    q = quantizer(NeuralGas(Exponential(0.5), Exponential(4.0)))
    z, rule = points(N, D), q.update[0]
    q(z)
    q.eval()(z)
    assert int(rule.steps) == 1 and float(rule.rate(rule.steps)) == 0.25
    codes = q.codebook().clone()
    q.train()(z)
    expected = mean_of_moves(z, codes, 0.25, ranked(codes, 2.0))
    torch.testing.assert_close(q.codebook(), expected, rtol=1e-12, atol=1e-12)


def test_frequent_winners_pay_in_training_only():
    chooser = FrequencySensitive(K).double()
    q, z = quantizer(OnlineKMeans(0.2), Wins(chooser), assignment=chooser), points(N, D)
    wins = [1.0] * K
    for batch in z.split(8):
        codes = q.codebook().clone()
        prices = [[u * d for u, d in zip(wins, squared(x, codes), strict=True)] for x in batch]
        chosen = [p.index(min(p)) for p in prices]
        moved = codes.clone()
        for x, k in zip(batch, chosen, strict=True):
            moved[k] += 0.2 * (x - codes[k]) / len(batch)
        for k in chosen:
            wins[k] += 1
        assert q(batch).indices.tolist() == chosen
        torch.testing.assert_close(q.codebook(), moved, rtol=1e-12, atol=1e-12)
        assert chooser.wins.tolist() == wins
    codes = q.codebook()
    assert q.eval()(z).indices.tolist() == [winner(x, codes) for x in z]


def test_no_fairness_is_online_kmeans():
    fair, plain = (
        make(name, D, K, init=points(K, D), rate=0.5, **more)
        for name, more in (("fscl", {"fairness": 0.0}), ("online-kmeans", {}))
    )
    for seed in range(5):
        a, b = fair(points(N, D, seed=seed)), plain(points(N, D, seed=seed))
        assert torch.equal(a.indices, b.indices)
    assert torch.equal(fair.codebook(), plain.codebook())


def test_counting_wins_rescues_codes_that_start_far_away():
    start = points(K, D, seed=7)
    start[K // 2 :] += 8.0  # a price of about 200 wins
    used = {}
    for name in ("fscl", "online-kmeans"):
        q = make(name, D, K, init=start, rate=1.0)
        for seed in range(300):
            q(points(N, D, seed=seed))
        used[name] = len(q.eval()(points(2000, D)).indices.unique())
    assert used == {"fscl": K, "online-kmeans": K // 2}


def test_masked_latents_count_for_no_winner():
    chooser = FrequencySensitive(K).double()
    q = quantizer(OnlineKMeans(0.2), Wins(chooser), assignment=chooser)
    mask = torch.arange(N) < N // 2
    q(points(N, D), mask=mask)
    assert float(chooser.wins.sum()) == K + N // 2


def test_reborn_codes_start_anew():
    chooser = FrequencySensitive(4)
    chooser.wins.copy_(torch.tensor([10.0, 20.0, 30.0, 40.0]))
    Wins(chooser).reset(torch.tensor([True, False, False, True]), torch.zeros(4, 1))
    assert chooser.wins.tolist() == [25.0, 20.0, 30.0, 25.0]
    Wins(chooser).reset(torch.ones(4, dtype=torch.bool), torch.zeros(4, 1))
    assert chooser.wins.tolist() == [1.0] * 4
    q = quantizer(OnlineKMeans(), Revival())
    q(points(N, D))
    q.update[0].reset(torch.ones(K, dtype=torch.bool), q.codebook())
    assert q.update[0].counts.tolist() == [1.0] * K


def test_what_cannot_work_is_refused():
    with pytest.raises(ValueError, match="NeuralGas moves the codes itself.*trainable=True"):
        VectorQuantizer(Table(4, 2), update=[NeuralGas()])
    with pytest.raises(ValueError, match="grid of 2 x 3 places is not one of 4 codes"):
        make("som", 2, 4, grid=(2, 3))
    with pytest.raises(ValueError, match="rate must lie in"):
        OnlineKMeans(1.5)
    with pytest.raises(ValueError, match="fairness"):
        FrequencySensitive(4, -1.0)
    assert make("som", 2, 12).update[0].grid == (3, 4)
    assert make("som", 2, 7).update[0].grid == (1, 7)
    assert isinstance(make("ema", 2, 4).update[0], MovingAverage)
