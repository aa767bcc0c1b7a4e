"""The four forms of NS-VQ against autograd with the detached weights written out."""

import pytest
import torch

from vqlab import make
from vqlab.quantizers import Attraction, Propagation, Step, neighbours

SIZE, DIM, COUNT = 8, 3, 40


def setting(form: str, **options):
    q = make("nsvq", DIM, SIZE, form=form, init="normal", seed=0, **options).double()
    z = torch.randn(COUNT, DIM, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    return q, z


def squared(q, z):
    codes = q.codebook()
    return (z[:, None] - codes).square().sum(-1)


@pytest.mark.parametrize("form", ["released", "figure", "followup"])
@pytest.mark.parametrize("block", [1 << 20, 3 * SIZE])
def test_attraction_equals_autograd_with_detached_weights(form, block, monkeypatch):
    monkeypatch.setattr(neighbours, "BLOCK", block)
    q, z = setting(form, bandwidth=0.7)
    out = q(z)
    out.terms["neighbours"].backward()
    stated = q.codebook.table.grad.clone()
    q.zero_grad()
    d = squared(q, z)
    if form == "figure":
        w = 0.5 * torch.exp(-d / 0.7)
    elif form == "released":
        w = (0.01 * SIZE * torch.softmax(-d / 0.7, 1)).clamp(0, 1)
    else:
        w = torch.softmax(-d / 0.7, 1)
    w = w.detach() * (1 - torch.nn.functional.one_hot(out.indices, SIZE))
    loss = (w * d).sum() / (COUNT * DIM)
    loss.backward()
    torch.testing.assert_close(out.terms["neighbours"].detach(), loss.detach())
    torch.testing.assert_close(stated, q.codebook.table.grad)


def test_released_total_is_the_released_codes_one_sum():
    """The code writes one sum with weight 1 on the winner: codebook loss plus neighbours."""
    q, z = setting("released", strength=3.0)  # strong enough for the clamp to act
    out = q(z)
    d = squared(q, z)
    hot = torch.nn.functional.one_hot(out.indices, SIZE)
    p = torch.softmax(-d / 1.0, 1)
    assert (3.0 * p * (1 - hot)).max() > 1
    w = (3.0 * p * (1 - hot) + hot).clamp(0, 1)
    total = (w * d).sum(1).mean() / DIM
    torch.testing.assert_close(out.terms["codebook"] + out.terms["neighbours"], total)


def test_followup_has_its_own_defaults():
    rule = make("nsvq", DIM, SIZE, form="followup").update[1]
    assert rule.weight == 0.1 and float(rule.tau()) == 0.35
    rule.steps += 10_000
    assert float(rule.tau()) == 0.35


def test_released_bandwidth_halves_every_epoch_down_to_the_floor():
    q, z = setting("released", steps_per_epoch=5)
    taus = []
    for _ in range(11):
        taus.append(float(q.update[1].tau()))
        q(z)
    assert taus == [1.0] * 5 + [0.5] * 5 + [0.25]
    q.eval()
    q(z)
    assert q.update[1].steps == 11
    q.update[1].steps += 10**6
    assert float(q.update[1].tau()) == 1e-8


@pytest.mark.parametrize("form", ["released", "figure"])
def test_a_vanishing_bandwidth_leaves_plain_vq(form):
    q, z = setting(form, bandwidth=1e-8)
    plain = make("vq", DIM, SIZE, init="normal", seed=0).double()
    q(z).loss.backward()
    plain(z).loss.backward()
    torch.testing.assert_close(q.codebook.table.grad, plain.codebook.table.grad)


def test_the_latents_feel_no_neighbour():
    q, z = setting("released", bandwidth=5.0)
    z.requires_grad_()
    assert q(z).terms["neighbours"].requires_grad
    (pull,) = torch.autograd.grad(q(z).loss, z)
    (plain,) = torch.autograd.grad(make("vq", DIM, SIZE, init="normal", seed=0).double()(z).loss, z)
    torch.testing.assert_close(pull, plain)


@pytest.mark.parametrize("averaged", [True, False])
@pytest.mark.parametrize("block", [1 << 20, 3 * COUNT])
def test_propagation_equals_the_kernel_sum(averaged, block, monkeypatch):
    monkeypatch.setattr(neighbours, "BLOCK", block)
    q, z = setting("propagation", bandwidth=0.7)
    q.update[1] = rule = Propagation(0.7, averaged, strength=0.01 * SIZE)
    out = q(z)
    g = torch.randn(COUNT, DIM, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    out.quantized.backward(g)
    d = squared(q, z).detach()
    if averaged:
        kernel = torch.exp(-d / 0.7)
        expected = (kernel.T @ g) / kernel.sum(0)[:, None]
    else:
        w = (0.01 * SIZE * torch.softmax(-d / 0.7, 1)).clamp_max(1)
        w = w * (1 - torch.nn.functional.one_hot(out.indices, SIZE))
        expected = w.T @ g
    torch.testing.assert_close(q.codebook.table.grad, expected)
    assert rule.uses_task_gradient and q.uses_task_gradient


def test_propagation_moves_all_codes_with_a_translation():
    q, z = setting("propagation", bandwidth=1.0)
    before = q.codebook().detach().clone()
    step = torch.tensor([0.3, -0.2, 0.1], dtype=torch.float64)
    out = q(z)
    lr = 0.5
    out.quantized.backward((-step / lr).expand_as(z))
    with torch.no_grad():
        q.codebook.table -= lr * q.codebook.table.grad
    torch.testing.assert_close(q.codebook().detach(), before + step)


def test_far_from_the_origin_nothing_changes():
    q, z = setting("released", bandwidth=0.7)
    far = make(
        "nsvq",
        DIM,
        SIZE,
        form="released",
        seed=0,
        bandwidth=0.7,
        init=q.codebook().detach().float() + 1000,
    ).float()
    near = make(
        "nsvq",
        DIM,
        SIZE,
        form="released",
        seed=0,
        bandwidth=0.7,
        init=far.codebook().detach() - 1000,
    )
    z_far = z.float() + 1000
    a, b = far(z_far).terms["neighbours"], near(z_far - 1000).terms["neighbours"]
    torch.testing.assert_close(a, b, rtol=1e-4, atol=0)  # float32 holds 1000 + z to 6e-5


def test_bad_settings_name_the_choices():
    with pytest.raises(ValueError, match="released, figure, followup, propagation"):
        make("nsvq", 2, 4, form="paper")
    with pytest.raises(ValueError, match="softmax"):
        Attraction("linear")
    with pytest.raises(ValueError, match="-1"):
        Attraction(strength=-1)
    with pytest.raises(ValueError, match="no strength"):
        make("nsvq", 2, 4, form="propagation", strength=1.0)
    with pytest.raises(ValueError, match="bandwidth|value"):
        Attraction(bandwidth=0.0)
    assert Attraction(bandwidth=Step(1.0, 0.5, 10)).bandwidth.every == 10
