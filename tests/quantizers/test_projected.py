"""Codes of few dimensions between two linear maps, and codes on the sphere."""

import pytest
import torch
from torch.func import functional_call
from torch.nn.functional import linear, normalize

from vqlab import make
from vqlab.quantizers import Nearest, Projected, SphereTable, VectorQuantizer


def latents(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_the_choice_is_the_smallest_angle_in_the_small_space():
    q = make("vqgan-fc", 16, 64, code_dim=3, seed=0).double().eval()
    z = latents(300, 16)
    inner = normalize(q.into(z), dim=-1)
    codes = normalize(q.quantizer.codebook.table, dim=-1)
    out = q(z)
    assert torch.equal(out.indices, (inner @ codes.T).argmax(-1))
    torch.testing.assert_close(out.quantized, q.out(codes[out.indices]))
    torch.testing.assert_close(
        out.terms["commitment"], (inner - codes[out.indices]).square().mean()
    )


def test_gradients_are_those_of_the_formula():
    q = make("vqgan-fc", 6, 8, code_dim=2, seed=0, commitment=0.3).double()
    z, task = latents(40, 6).requires_grad_(), latents(40, 6, seed=1)
    out = q(z)
    parameters = dict(q.named_parameters())
    got = torch.autograd.grad(out.loss + (out.quantized * task).sum(), [z, *parameters.values()])
    y = normalize(linear(z, parameters["into.weight"], parameters["into.bias"]), dim=-1)
    c = normalize(parameters["quantizer.codebook.table"], dim=-1)[out.indices]
    leave = linear(y + (c - y).detach(), parameters["out.weight"], parameters["out.bias"])
    loss = 0.3 * (y - c.detach()).square().mean() + (c - y.detach()).square().mean()
    expected = torch.autograd.grad(loss + (leave * task).sum(), [z, *parameters.values()])
    for a, b in zip(got, expected, strict=True):
        torch.testing.assert_close(a, b)


def test_lengths_of_codes_on_the_sphere_do_not_count():
    book = SphereTable(5, 3, "normal", seed=0).double()

    def codes(table):
        return functional_call(book, {"table": table}, ())

    torch.testing.assert_close(codes(3 * book.table), book())
    torch.autograd.gradcheck(codes, book.table.detach().clone().requires_grad_())


def test_identity_maps_change_nothing():
    inner = make("vq", 4, 16, init="normal", seed=0)
    q = Projected(inner, 4, bias=False)
    for layer in (q.into, q.out):
        torch.nn.init.eye_(layer.weight)
    z = latents(3, 5, 4).float()
    a, b = inner(z), q(z)
    assert torch.equal(a.indices, b.indices) and torch.equal(a.quantized, b.quantized)
    assert a.loss == b.loss


def test_a_zero_latent_has_a_finite_gradient_on_the_sphere():
    q = VectorQuantizer(SphereTable(4, 3, "normal", seed=0))
    z = torch.zeros(2, 3, requires_grad=True)
    out = q(z)
    (out.loss + out.quantized.sum()).backward()
    assert z.grad.abs().max() < 10


def test_padding_trains_neither_map():
    q = make("vqgan-fc", 6, 8, code_dim=2, seed=0).double()
    z = latents(1, 4, 6)
    mask = torch.tensor([[True, True, True, False]])
    z[0, 3] = torch.nan
    out = q(z, mask=mask)
    (out.quantized[mask].sum() + out.loss).backward()
    alone = make("vqgan-fc", 6, 8, code_dim=2, seed=0).double()
    other = alone(z[:, :3])
    (other.quantized.sum() + other.loss).backward()
    for a, b in zip(q.parameters(), alone.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad)


def test_only_the_outside_is_channel_first():
    with pytest.raises(ValueError, match="belongs to Projected"):
        Projected(make("vq", 2, 4, channel_first=True), 8)
    with pytest.raises(ValueError, match="dim must be"):
        Projected(make("vq", 2, 4), 0)
    q = make("vqgan-fc", 6, 8, code_dim=2, seed=0, assignment="nearest")
    assert isinstance(q.quantizer.assignment, Nearest) and q.rules == q.quantizer.rules
    with pytest.raises(ValueError, match="indices run from 0 to 8"):
        q.decode(torch.tensor([0, 8]))
