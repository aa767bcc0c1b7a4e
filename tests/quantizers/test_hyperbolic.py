"""HyperVQ: the maps of the ball, the regression's logits, and gradients through the choice."""

import math

import pytest
import torch

from vqlab import make
from vqlab.quantizers import (
    EuclideanLogits,
    HyperbolicLogits,
    HyperplaneCodebook,
    IndexBackpropagation,
    Reconstruction,
    Table,
    VectorQuantizer,
)
from vqlab.quantizers.poincare import add, distance, exp0, log0
from vqlab.quantizers.updates import Batch

D, K = 5, 7
CURVATURES = pytest.mark.parametrize("c", [0.1, 1.0, 2.5])


def points(*shape: int, seed: int = 1, dtype=torch.float64) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def book(spread: bool = True, **more) -> HyperplaneCodebook:
    codebook = HyperplaneCodebook(K, D, seed=3, **more).double()
    if spread:
        with torch.no_grad():
            codebook.offsets.copy_(torch.linspace(-0.4, 1.2, K))
    return codebook


@CURVATURES
def test_maps_stay_inside_and_return(c):
    z = points(200, D)
    for scale in (1e-12, 1e-8, 1.0, 1e3):
        x = exp0(scale * z, c)
        assert x.isfinite().all() and (x.norm(dim=1) <= c**-0.5 * (1 + 1e-15)).all()
    torch.testing.assert_close(log0(exp0(z, c), c), z, rtol=1e-9, atol=1e-10)
    f = z.float().clamp(-1, 1)
    torch.testing.assert_close(log0(exp0(f, c), c), f, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(distance(torch.zeros_like(z), exp0(z, c), c), 2 * z.norm(dim=1))
    assert log0(exp0(1e3 * z, c), c).isfinite().all()


@CURVATURES
def test_addition_and_distance(c):
    x, y = exp0(0.5 * points(50, D), c), exp0(0.5 * points(50, D, seed=2), c)
    zero = torch.zeros_like(x)
    torch.testing.assert_close(add(zero, x, c), x)
    torch.testing.assert_close(add(-x, x, c), zero, rtol=0, atol=1e-13)
    torch.testing.assert_close(add(-x, add(x, y, c), c), y, rtol=1e-8, atol=1e-10)
    usual = 2 / c**0.5 * torch.atanh(c**0.5 * add(-x, y, c).norm(dim=1))
    torch.testing.assert_close(distance(x, y, c), usual, rtol=1e-9, atol=1e-10)


@CURVATURES
def test_logits_equal_the_regression_in_moebius_form(c):
    # Ganea, Becigneul and Hofmann 2018: point p on the plane, normal a there.
    codebook, z = book(), 0.6 * points(40, D)
    logits = HyperbolicLogits(codebook, c).logits(z)
    a, g, r = codebook.hyperplanes()
    x, q = exp0(z, c), exp0(r[:, None] * a, c)
    for k in range(K):
        m = add(-q[k], x, c)
        inner = 2 * c**0.5 * (m @ a[k]) / (1 - c * m.square().sum(1))
        expected = 2 * g[k] / c**0.5 * torch.asinh(inner)
        torch.testing.assert_close(logits[:, k], expected, rtol=1e-9, atol=1e-9)


@CURVATURES
def test_a_code_lies_on_its_own_hyperplane_and_logits_grow_along_its_normal(c):
    codebook = book()
    a, g, r = codebook.hyperplanes()
    chooser = HyperbolicLogits(codebook, c)
    assert chooser.logits(codebook()).diagonal().abs().max() < 1e-12
    for t in (-1.5, 0.0, 0.3, 2.0):
        own = chooser.logits(t * a).diagonal()
        torch.testing.assert_close(own, 4 * g * (t - r), rtol=1e-9, atol=1e-9)


def test_the_flat_regression_is_the_limit_of_no_curvature():
    codebook, z = book(), points(40, D)
    flat = EuclideanLogits(codebook).logits(z)
    torch.testing.assert_close(HyperbolicLogits(codebook, 1e-9).logits(z), flat)
    w, r = codebook.normals, codebook.offsets
    torch.testing.assert_close(flat, 4 * (z @ w.T - w.norm(dim=1) * r))


def test_scaling_latents_codes_and_curvature_together_changes_nothing():
    codebook, z, s = book(), points(40, D), 3.0
    before = HyperbolicLogits(codebook, 1.7).logits(z)
    with torch.no_grad():
        codebook.normals.div_(s)
        codebook.offsets.mul_(s)
    torch.testing.assert_close(HyperbolicLogits(codebook, 1.7 / s**2).logits(s * z), before)


@pytest.mark.parametrize("norm", [0.0, 1e-9, 1e-3, 1.0, 9.0, 14.0])
def test_gradients_hold_from_the_centre_to_the_rim(norm):
    codebook = book()
    z = points(6, D)
    z = (norm * z / z.norm(dim=1, keepdim=True)).requires_grad_()
    chooser = HyperbolicLogits(codebook)

    def logits(latents, normals, offsets):
        pair = {"normals": normals, "offsets": offsets}
        with torch.nn.utils.stateless._reparametrize_module(codebook, pair):
            return chooser.logits(latents)

    inputs = (z, codebook.normals.detach().clone(), codebook.offsets.detach().clone())
    inputs = tuple(i.requires_grad_() for i in inputs)
    if norm == 0:  # differences across the floor of the length would measure the floor
        gradients = torch.autograd.grad(logits(*inputs).sum(), inputs)
        assert all(g.isfinite().all() for g in gradients)
        # There the map is 2 z and the logit's slope is the flat one, whatever the offset.
        torch.testing.assert_close(gradients[0], 4 * codebook.normals.sum(0).expand(6, D))
    else:
        torch.autograd.gradcheck(logits, inputs, eps=1e-6 * min(1.0, max(norm, 1e-3)), atol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_latents_far_out_stay_finite(dtype):
    q = make("hyper-vq", D, K, seed=0).to(dtype)
    z = (1e6 * points(20, D, dtype=dtype)).requires_grad_()
    out = q(z)
    (out.loss * 0 + out.quantized.sum()).backward()
    assert z.grad.isfinite().all() and q.codebook.normals.grad.isfinite().all()


def test_float32_logits_agree_with_float64():
    codebook = book()
    z = 3 * points(100, D)
    exact = HyperbolicLogits(codebook).logits(z)
    rough = HyperbolicLogits(codebook.float()).logits(z.float())
    torch.testing.assert_close(rough.double(), exact, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", ["hyper-vq", "mlr-vq"])
def test_the_choice_is_the_largest_logit(name):
    q = make(name, D, K, seed=0).double().eval()
    z = points(300, D)
    a, g, r = q.codebook.hyperplanes()
    if name == "mlr-vq":
        logits = 4 * g * (z @ a.T - r)
    else:  # in the ball itself, with its division by 1 - |x|^2
        x = exp0(z)
        s = x.square().sum(1, keepdim=True)
        inner = (2 * x @ a.T * torch.cosh(2 * r) - (1 + s) * torch.sinh(2 * r)) / (1 - s)
        logits = 2 * g * torch.asinh(inner)
    out = q(z)
    assert torch.equal(out.indices, logits.argmax(1))
    assert torch.equal(out.quantized, q.codebook()[out.indices])
    assert torch.equal(q(q.codebook().detach()).indices, torch.arange(K))  # at equal offsets


@pytest.mark.parametrize("name", ["hyper-vq", "mlr-vq"])
def test_every_code_learns_on_every_step_and_the_encoder_not_from_the_loss(name):
    q = make(name, D, 64, seed=0, commitment=0.0).double()
    z = points(8, D).requires_grad_()
    out = q(z)
    out.loss.backward(retain_graph=True)
    assert torch.equal(z.grad, torch.zeros_like(z))
    assert (q.codebook.normals.grad.norm(dim=1) > 0).all()
    assert (q.codebook.offsets.grad != 0).all()
    (out.quantized**2).sum().backward()
    assert (z.grad.norm(dim=1) > 0).all()


@pytest.mark.parametrize("tau", [0.5, 2.0])
def test_gradients_of_the_estimator_against_the_closed_form(tau):
    q = make("mlr-vq", D, K, seed=0, temperature=tau).double()
    z, g = points(9, D), points(9, D, seed=4)
    _, logits = q.assignment(z, q.codebook())
    logits = logits.detach().requires_grad_()
    table = q.codebook().detach().requires_grad_()
    indices = logits.argmax(1)
    batch = Batch(z, indices, table, table[indices], None, logits)
    out = q.estimator(batch)
    assert torch.equal(out, table[indices])
    to_logits, to_table = torch.autograd.grad((out * g).sum(), (logits, table))
    p = (logits / tau).softmax(1)
    gain = g @ table.T
    expected = p / tau * (gain - (p * gain).sum(1, keepdim=True))
    torch.testing.assert_close(to_logits, expected)
    torch.testing.assert_close(to_table, torch.zeros_like(table).index_add(0, indices, g))


def test_the_reconstruction_is_a_task_with_an_identity_decoder():
    z = points(30, D)
    grads = []
    for weight in (1.0, 0.0):
        q = make("hyper-vq", D, K, seed=0, weight=weight, commitment=0.0).double()
        out = q(z)
        loss = out.loss if weight else (out.quantized - z).square().mean()
        grads.append(torch.autograd.grad(loss, (q.codebook.normals, q.codebook.offsets)))
    for a, b in zip(*grads, strict=True):
        torch.testing.assert_close(a, b)


def test_offsets_of_one_sign_decide_whether_codes_choose_themselves():
    codebook = book(spread=False)
    for offset, own in ((0.5, K), (-0.5, 0)):
        with torch.no_grad():
            codebook.offsets.fill_(offset)
        chosen = HyperbolicLogits(codebook).logits(codebook()).argmax(1)
        assert int((chosen == torch.arange(K)).sum()) == own


def test_what_cannot_work_is_refused():
    for offset in (0.0, -1.0, math.nan):
        with pytest.raises(ValueError, match="offset must be"):
            make("hyper-vq", D, K, offset=offset)
    for c in (0.0, -1.0):
        with pytest.raises(ValueError, match="c must be a finite number > 0"):
            make("hyper-vq", D, K, c=c)
    with pytest.raises(ValueError, match="chooses without logits"):
        make("hyper-vq", D, K, assignment="nearest")
    with pytest.raises(ValueError, match="clip"):
        make("mlr-vq", D, K, clip=0.0)
    with pytest.raises(ValueError, match="temperature"):
        IndexBackpropagation(0.0)
    with pytest.raises(TypeError, match="HyperplaneCodebook, got Table"):
        HyperbolicLogits(Table(K, D))
    codebook = HyperplaneCodebook(K, D)
    with pytest.raises(ValueError, match=">= 0"):
        Reconstruction(EuclideanLogits(codebook), IndexBackpropagation(), -1.0)
    assert VectorQuantizer(codebook, EuclideanLogits(codebook)).dim == D
