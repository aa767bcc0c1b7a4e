"""Residual and grouped quantizers."""

import copy

import pytest
import torch
from torch.func import functional_call, stack_module_state, vmap

from vqlab import make
from vqlab.quantizers import Grouped, Projected, Residual


def latents(*shape, seed=0, **kwargs):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), **kwargs)


def levels(count=3, name="vq", dim=4, size=8, **options):
    options = {"init": "normal"} | options if name in ("vq", "ema") else options
    return [make(name, dim, size, seed=i, **options) for i in range(count)]


def residual(count=3, name="vq", channel_first=False, dropout=False, **options):
    return Residual(levels(count, name, **options), dropout=dropout, channel_first=channel_first)


def grouped(count=3, name="vq", channel_first=False, **options):
    return Grouped(levels(count, name, **options), channel_first=channel_first)


both = pytest.mark.parametrize("stack", [residual, grouped])


@both
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", ["vq", "ema", "ema-revival", "simvq", "lfq", "bsq"])
def test_output_is_what_the_indices_decode_to(stack, name, training):
    q = stack(name=name, size=16)
    for seed in range(3):
        q(latents(4, 6, q.dim, seed=seed))
    q.train(training)
    z = latents(4, 6, q.dim, seed=9).requires_grad_()
    quantized, indices, loss = out = q(z)
    assert quantized.shape == z.shape and indices.shape == (4, 6, 3) and loss.shape == ()
    assert indices.dtype == torch.int64
    assert torch.equal(quantized, q.decode(indices))
    assert {f"commitment/{i}" for i in range(3)} <= set(out.terms)


def test_one_level_is_its_quantizer():
    z = latents(5, 4)
    alone = levels(1)[0](z)
    for stack in (residual, grouped):
        out = stack(1)(z)
        assert torch.equal(out.quantized, alone.quantized)
        assert torch.equal(out.indices[..., 0], alone.indices)
        torch.testing.assert_close(out.loss, alone.loss, rtol=0, atol=0)


def test_residual_levels_see_what_is_left():
    q = residual().double().eval()
    z = latents(50, 4, dtype=torch.float64)
    out, left, total = q(z), z, 0.0
    for i, level in enumerate(q.quantizers):
        alone = level(left)
        assert torch.equal(out.indices[:, i], alone.indices)
        torch.testing.assert_close(out.terms[f"commitment/{i}"], alone.terms["commitment"])
        left, total = left - alone.quantized, total + alone.loss
    torch.testing.assert_close(z - out.quantized, left)
    torch.testing.assert_close(out.loss, total)
    coarse = out.indices.clone()
    coarse[:, 1:] = -1
    assert torch.equal(q.decode(coarse), q.quantizers[0].decode(out.indices[:, 0]))


def test_residual_passes_the_gradient_once_and_the_commitment_from_every_level():
    q = residual().double()
    z, task = (latents(30, 4, seed=s, dtype=torch.float64) for s in (0, 1))
    z.requires_grad_()
    out = q(z)
    (once,) = torch.autograd.grad((out.quantized * task).sum(), z, retain_graph=True)
    assert torch.equal(once, task)
    (pull,) = torch.autograd.grad(out.loss, z, retain_graph=True)
    expected, left = torch.zeros_like(z), z.detach()
    for i, level in enumerate(q.quantizers):
        code = level.decode(out.indices[:, i]).detach()
        expected += 0.25 * 2 * (left - code) / z.numel()
        left = left - code
    torch.testing.assert_close(pull, expected)
    # With the codes held, the loss is smooth in z: its gradient is the numerical one.
    torch.autograd.gradcheck(
        lambda x: q.eval()(x).terms["commitment/2"], z[:4].detach().requires_grad_()
    )
    tables = [level.codebook.table for level in q.quantizers]
    left = z.detach()
    for i, got in enumerate(torch.autograd.grad(out.loss, tables)):
        rows = tables[i].detach().clone().requires_grad_()
        loss = (left - rows[out.indices[:, i]]).square().mean()
        torch.testing.assert_close(got, torch.autograd.grad(loss, rows)[0])
        left = left - tables[i].detach()[out.indices[:, i]]


def test_more_levels_leave_less():
    z = latents(400, 4)
    q = residual(4, "ema", size=16, decay=0.8, init="first-batch")
    for _ in range(60):
        out = q(z)
    errors = [float(out.terms[f"commitment/{i}"]) for i in range(4)]
    assert errors == sorted(errors, reverse=True) and errors[3] < errors[0] / 3


def test_grouped_equals_one_quantizer_with_the_product_table():
    q = grouped(2, dim=2, size=4).double()
    a, b = (level.codebook() for level in q.quantizers)
    table = torch.cat([a.repeat(4, 1), b.repeat_interleave(4, 0)], 1).detach()
    whole = make("vq", 4, 16, init=table).double()
    z = latents(100, 4, dtype=torch.float64)
    one, two = whole(z), q(z)
    assert torch.equal(one.quantized, two.quantized)
    assert torch.equal(one.indices, two.indices[:, 0] + 4 * two.indices[:, 1])
    torch.testing.assert_close(one.loss, two.loss)
    assert q.codebook_size == 16 and q.sizes == (4, 4) and q.dim == 4


@both
def test_masks_influence_nothing(stack):
    plain, masked = stack(name="ema"), stack(name="ema")
    z = latents(2, 10, plain.dim)
    padded = torch.cat([z, torch.full((2, 3, plain.dim), torch.nan)], 1)
    mask = torch.arange(13).expand(2, 13) < 10
    a, b = plain(z), masked(padded, mask=mask)
    assert torch.equal(a.indices, b.indices[:, :10]) and (b.indices[:, 10:] == -1).all()
    torch.testing.assert_close(a.quantized, b.quantized[:, :10])
    assert b.quantized[:, 10:].isnan().all()
    torch.testing.assert_close(a.loss, b.loss)
    for x, y in zip(plain.state_dict().values(), masked.state_dict().values(), strict=True):
        torch.testing.assert_close(x, y)
    assert torch.equal(masked.decode(b.indices)[:, 10:], torch.zeros(2, 3, plain.dim))


@both
def test_channel_first(stack):
    last, first = stack(), stack(channel_first=True)
    z = latents(2, 5, 3, last.dim)
    a, b = last(z), first(z.movedim(-1, 1))
    assert torch.equal(a.quantized.movedim(-1, 1), b.quantized)
    assert torch.equal(a.indices, b.indices) and b.indices.shape == (2, 5, 3, 3)
    assert torch.equal(first.decode(b.indices), b.quantized)


@both
def test_nothing_moves_in_evaluation(stack):
    q = stack(name="ema-revival")
    q(latents(30, q.dim))
    before = copy.deepcopy(q.eval().state_dict())
    assert q(latents(30, q.dim, seed=1)).loss > 0
    assert all(torch.equal(v, before[k]) for k, v in q.state_dict().items())


@both
@pytest.mark.parametrize("name", ["vq", "ema"])
def test_a_shared_codebook_is_one(stack, name):
    (one,) = levels(1, name)
    q = (Residual if stack is residual else Grouped)([one] * 3)
    assert q.shared and len(list(q.parameters())) == len(list(one.parameters()))
    assert len(q.rules) == 1
    out = q(latents(40, q.dim).requires_grad_())
    # With moving averages the table moves at every level; the output is what it holds afterwards.
    assert torch.equal(out.quantized, q.decode(out.indices))


@both
def test_half_precision_float64_and_bad_latents(stack):
    q = stack()
    half = q(latents(20, q.dim).half())
    assert half.quantized.dtype == torch.float16 and half.loss.dtype == torch.float32
    assert stack().double()(latents(20, q.dim).double()).quantized.dtype == torch.float64
    z = latents(20, q.dim)
    z[7, q.dim - 1] = torch.inf
    with pytest.raises(ValueError, match=rf"1 non-finite.*\(7, {q.dim - 1}\)"):
        q(z)
    with pytest.raises(ValueError, match=f"D = {q.dim}"):
        q(latents(20, q.dim + 1))
    with pytest.raises(ValueError, match="one for each level"):
        q.decode(torch.zeros(5, 2, dtype=torch.int64))
    with pytest.raises(ValueError, match="place 1 run from 8 to 8"):
        q.decode(torch.tensor([[0, 8, 0]]))
    with pytest.raises(TypeError, match="no single table"):
        q.codebook()
    assert q(torch.empty(0, q.dim)).loss == 0


@both
@pytest.mark.parametrize("name", ["vq", "ema", "lfq"])
def test_vmap_and_compile(stack, name):
    def fresh():
        return (
            stack(2, name, size=16, dropout=True) if stack is residual else stack(2, name, size=16)
        )

    models = [fresh() for _ in range(3)]
    z = latents(3, 12, models[0].dim)
    alone = [copy.deepcopy(m)(x) for m, x in zip(models, z, strict=True)]
    compiled = torch.compile(copy.deepcopy(models[0]), backend="aot_eager")(z[0])
    assert torch.equal(compiled.indices, alone[0].indices)
    torch.testing.assert_close(compiled.quantized, alone[0].quantized)
    base = copy.deepcopy(models[0])

    def forward(p, b, x):
        out = functional_call(base, (p, b), (x,))
        return out.quantized, out.indices, out.loss

    quantized, indices, loss = vmap(forward)(*stack_module_state(models), z)
    for i, out in enumerate(alone):
        assert torch.equal(indices[i], out.indices)
        torch.testing.assert_close(quantized[i], out.quantized)
        torch.testing.assert_close(loss[i], out.loss)


def test_dropout_uses_the_first_levels_of_each_example():
    q = residual(4, dropout=True)
    z = latents(600, 3, 4).requires_grad_()
    out = q(z)
    used = out.indices >= 0
    depth = used.sum(-1)
    assert torch.equal(used, torch.arange(4) < depth[..., None])
    assert torch.equal(depth, depth[:, :1].expand(-1, 3))  # one depth for an example
    share = torch.bincount(depth[:, 0], minlength=5)[1:] / 600
    assert depth.min() == 1 and (share - 0.25).abs().max() < 0.06
    assert torch.equal(out.quantized, q.decode(out.indices))
    (once,) = torch.autograd.grad(out.quantized.sum(), z, retain_graph=True)
    assert torch.equal(once, torch.ones_like(z))
    # What a level does not see is not in its loss.
    seen = (
        z[used[..., 3]] - q.decode(torch.where(torch.arange(4) < 3, out.indices, -1))[used[..., 3]]
    )
    codes = q.quantizers[3].decode(out.indices[..., 3][used[..., 3]])
    torch.testing.assert_close(out.terms["commitment/3"], (seen - codes).square().mean())
    assert (q.eval()(z).indices >= 0).all()


def test_dropout_is_a_function_of_seed_and_step():
    z = latents(40, 4)
    a, b = residual(4, dropout=True), residual(4, dropout=True)
    first, second = a(z).indices, a(z).indices
    assert not torch.equal(first >= 0, second >= 0)
    torch.manual_seed(5)
    assert torch.equal(b(z).indices, first)
    c = Residual(levels(4), dropout=True, seed=9)
    c.load_state_dict(a.state_dict())
    assert torch.equal(a(z).indices, c(z).indices)


def test_stacks_within_projections_and_groups():
    q = Projected(residual(), 10, seed=0)
    z = latents(2, 5, 10).requires_grad_()
    out = q(z)
    assert out.indices.shape == (2, 5, 3) and torch.equal(out.quantized, q.decode(out.indices))
    (task,) = torch.autograd.grad(out.quantized.sum(), z)
    torch.testing.assert_close(task[0, 0], q.out.weight.sum(0) @ q.into.weight)
    nested = Grouped([residual(), *levels(1)])
    out = nested(latents(6, 8))
    assert out.indices.shape == (6, 4) and nested.sizes == (8,) * 4
    assert torch.equal(out.quantized, nested.decode(out.indices))


def test_stacks_that_cannot_work_are_refused():
    with pytest.raises(ValueError, match="at least one"):
        Grouped([])
    with pytest.raises(TypeError, match="expected quantizers, got Linear"):
        Grouped([torch.nn.Linear(2, 2)])
    with pytest.raises(ValueError, match="one dimension, got \\[4, 2\\]"):
        Residual([*levels(1), *levels(1, dim=2)])
    with pytest.raises(ValueError, match="one precision"):
        Grouped([*levels(1), levels(1)[0].double()])
    with pytest.raises(ValueError, match="level 1 sends"):
        Residual([*levels(1), *levels(1, estimator="look-ahead")])
    with pytest.raises(ValueError, match="level 0 sends"):
        Residual(levels(1, "vqgan-fc", code_dim=2))
    with pytest.raises(ValueError, match="belongs to the stack"):
        Residual(levels(1, channel_first=True))
