"""Routers: one-hot gates, where the gradient goes, budgets, thresholds."""

import math

import pytest
import torch

from vqlab.vision.dynamic import Entropy, Fixed, Learned, Random, budget_loss
from vqlab.vision.dynamic.routing import hard


def latents(count=2, batch=4, dim=8, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(batch, dim, 3 * 2**g, 2 * 2**g, generator=generator) for g in range(count)]


def fine_of(gates):
    return gates.detach().mean((0, 2, 3))[1:]


@pytest.mark.parametrize("shares", [(0.4,), (0.3, 0.2)])
def test_gates_are_one_hot_and_every_region_of_the_router_gets_a_gradient(shares):
    router = Learned(shares, 8)
    seen = latents(len(shares) + 1)
    scores = router.scores(None, seen)
    scores.retain_grad()
    router.scores = lambda pictures, latents: scores
    gates = router(None, seen)
    assert torch.equal(gates.detach().round(), hard(gates.detach()))
    torch.testing.assert_close(gates.sum(1), torch.ones(4, 3, 2))
    gates.max(1).values.sum().backward()  # what multiplies the latents in the released code
    assert (scores.grad.abs().sum(1) > 0).all()
    torch.testing.assert_close(scores.grad.sum(1), torch.zeros(4, 3, 2), atol=1e-6, rtol=0)
    router.eval()
    assert not router(None, seen).requires_grad


@pytest.mark.parametrize("shares", [(0.5,), (0.3, 0.2)])
def test_the_budget_loss_is_zero_at_the_shares_and_pulls_towards_them(shares):
    count = len(shares) + 1
    logits = torch.zeros(2, count, 5, 2, dtype=torch.float64, requires_grad=True)

    def pull(fine):
        """One hard map with these numbers of regions, and the softmax's gradient behind it."""
        flat = torch.zeros(20, dtype=torch.int64)
        at = 0
        for grain, number in enumerate(fine, 1):
            flat[at : at + number] = grain
            at += number
        gates = torch.nn.functional.one_hot(flat, count).view(2, 5, 2, count).movedim(-1, 1)
        soft = logits.softmax(1)
        loss = budget_loss(gates - soft.detach() + soft, shares, 7.0)
        return loss, torch.autograd.grad(loss, logits)[0]

    wanted = [round(20 * s) for s in shares]
    loss, gradient = pull(wanted)
    assert loss < 1e-25 and gradient.abs().max() < 1e-12
    more, less = [wanted[0] + 4, *wanted[1:]], [wanted[0] - 4, *wanted[1:]]
    for fine, sign in ((more, 1), (less, -1)):
        loss, gradient = pull(fine)
        assert loss.item() == pytest.approx(7 * 0.2**2)
        assert (sign * gradient[:, 1] > 0).all()  # descent lowers what is too frequent


def test_it_is_the_mean_of_the_batch_that_counts():
    one, other = torch.zeros(2, 4, 4), torch.zeros(2, 4, 4)
    one[1], other[0] = 1, 1
    assert budget_loss(torch.stack([one, other]), (0.5,)) == 0


def test_a_random_router_meets_its_shares_and_draws_anew():
    router = Random((0.3, 0.2), seed=3)
    many = [torch.zeros(200, 1, 4, 4)] * 3
    gates = router(None, many)
    assert (fine_of(gates) - torch.tensor([0.3, 0.2])).abs().max() < 4 * math.sqrt(0.21 / 3200)
    assert not torch.equal(gates, router(None, many))
    router.eval()
    assert torch.equal(router(None, many), router(None, many))
    nothing = Random((0.0,), seed=3)
    assert fine_of(nothing(None, many)) == 0


def test_fixed_grids():
    for shares, grain in (((0.0,), 0), ((1.0,), 1), ((0.0, 1.0), 2)):
        gates = Fixed(shares)(None, latents(len(shares) + 1))
        assert (gates.argmax(1) == grain).all()
    with pytest.raises(ValueError, match="shares of 0 and 1 only"):
        Fixed((0.5,))


def test_entropy_by_hand():
    router = Entropy((0.5,), side=8)
    flat, noisy = torch.full((1, 1, 8, 8), 0.5), torch.rand(1, 1, 8, 8)
    centre = torch.full((1, 1, 8, 8), 15 / 31)
    values = [router.entropy(p).item() for p in (centre, flat, noisy)]
    mass = torch.exp(-0.5 * ((torch.linspace(0, 1, 32).double() - 15 / 31) * 62).square())
    mass = mass / mass.sum()
    assert values[0] == pytest.approx(float(-torch.special.xlogy(mass, mass).sum()), rel=1e-4)
    assert max(values[:2]) < 1.2 < 3.0 < values[2] < math.log(32)
    # A flat region's entropy hardly depends on its grey (released bins: 0 to 0.69).
    assert abs(values[0] - values[1]) < 0.15


def test_entropy_thresholds_meet_the_shares_exactly_and_are_monotone():
    pictures = torch.rand(20, 3, 16, 16) * torch.rand(20, 1, 1, 1)
    before = torch.zeros(20, 4, 4, dtype=torch.bool)
    for share in (0.0, 0.25, 0.5, 0.8, 1.0):
        router = Entropy((share,), side=4)
        router.calibrate(pictures)
        fine = router(pictures, [torch.zeros(20, 1, 4, 4)])[:, 1] > 0
        assert fine.sum() == round(share * 320)
        assert not (before & ~fine).any()
        before = fine
    router = Entropy((0.3, 0.2), side=4)
    router.calibrate(pictures)
    gates = router(pictures, [torch.zeros(20, 1, 4, 4)])
    assert (gates.sum((0, 2, 3)) == torch.tensor([160, 96, 64])).all()
    # Without calibrate the first training batch sets them; a look before it leaves no trace.
    router = Entropy((0.5,), side=4).eval()
    assert router(pictures, [torch.zeros(20, 1, 4, 4)])[:, 1].mean() == 0.5
    assert router.thresholds.isnan().all()
    router.train()(pictures[:4], [torch.zeros(4, 1, 4, 4)])
    kept = router.thresholds.clone()
    router(pictures[4:], [torch.zeros(16, 1, 4, 4)])
    assert torch.equal(router.thresholds, kept)


def test_warm_up_is_blind_and_the_noise_cools_to_the_choice_of_evaluation():
    router, seen = Learned((0.5,), 8, warmup=2, cooling=4), latents(batch=40)
    blind = [router(None, seen) for _ in range(2)]
    assert not any(
        gates.requires_grad
        and torch.autograd.grad(
            gates[:, 1].sum(), router.second.weight, retain_graph=True, allow_unused=True
        )[0]
        .abs()
        .sum()
        > 0
        for gates in blind
    )
    heats = []
    for _ in range(5):
        heats.append(float(router.heat))
        last = router(None, seen)
    assert heats == [1.0, 0.75, 0.5, 0.25, 0.0]
    assert torch.equal(last.detach().round(), router.eval()(None, seen))
    forever = Learned((0.5,), 8)
    forever.noise.clock += 10_000
    assert forever.heat == 1


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Learned((0.7, 0.7), 8), "add up to at most 1"),
        (lambda: Learned((), 8), "shares of the finer"),
        (lambda: Learned((0.5,), 8, warmup=-1), "steps >= 0"),
        (lambda: Learned((0.5,), 8, temperature=0.0), "temperature is > 0"),
    ],
)
def test_settings_out_of_range(make, words):
    with pytest.raises(ValueError, match=words):
        make()
