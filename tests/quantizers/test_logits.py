"""Choices by logits, index backpropagation, and the losses of IBQ."""


import pytest
import torch

from vqlab import make
from vqlab.quantizers import (
    CodebookLoss,
    DistanceLogits,
    DotProduct,
    DoubleQuantization,
    IndexBackpropagation,
    LogitEntropy,
    MovingAverage,
    Table,
    VectorQuantizer,
)

F64 = torch.float64


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=F64)


def quantizer(assignment, size=8, dim=3, **more):
    q = VectorQuantizer(Table(size, dim, "normal", seed=0), assignment, **more)
    return q.double()


@pytest.mark.parametrize("dim", [2, 8])
def test_dot_product_chooses_the_largest(dim):
    z, codes = draw(100, dim), draw(32, dim, seed=1)
    indices, logits = DotProduct()(z, codes)
    torch.testing.assert_close(logits, (z[:, None] * codes).sum(-1))
    assert torch.equal(indices, (z[:, None] * codes).sum(-1).argmax(1))


def test_few_dimensions_leave_most_codes_to_no_latent():
    # Codes inside the convex hull of the others win nowhere.
    reached = [
        len(DotProduct()(draw(20_000, dim), draw(64, dim, seed=1))[0].unique()) for dim in (2, 16)
    ]
    assert reached[0] < 16 and reached[1] > 32


def test_distance_logits_are_the_softmax_of_distances_and_choose_the_nearest():
    z, codes = draw(100, 3) + 50, draw(32, 3, seed=1) + 50
    indices, logits = DistanceLogits(0.7)(z, codes)
    squares = torch.cdist(z, codes).square()
    torch.testing.assert_close(logits.softmax(1), (-squares / 1.4).softmax(1))
    assert torch.equal(indices, logits.argmax(1)) and torch.equal(indices, squares.argmin(1))


@pytest.mark.parametrize("kind", ["dot", "l2"])
def test_gradients_of_index_backpropagation(kind):
    tau = 0.7
    assignment = DotProduct() if kind == "dot" else DistanceLogits(tau)
    q = quantizer(assignment, estimator=IndexBackpropagation())
    z, g = draw(40, 3).requires_grad_(), draw(40, 3, seed=2)
    out = q(z)
    out.quantized.backward(g)
    codes = q.codebook().detach()
    assert torch.equal(out.quantized, codes[out.indices])
    with torch.no_grad():
        points = z.detach()
        logits = points @ codes.T
        if kind == "l2":
            logits = (logits - codes.square().sum(1) / 2) / tau
        p = logits.softmax(1)
        t = g @ codes.T
        a = p * (t - (p * t).sum(1, keepdim=True))
        torch.testing.assert_close(a.sum(1), torch.zeros(40, dtype=F64))
        h = torch.nn.functional.one_hot(out.indices, 8).double()
        if kind == "dot":
            to_z, to_codes = a @ codes, h.T @ g + a.T @ points
        else:
            to_z = a @ codes / tau
            to_codes = h.T @ g + (a.T @ points - a.sum(0)[:, None] * codes) / tau
    torch.testing.assert_close(z.grad, to_z)
    torch.testing.assert_close(q.codebook.table.grad, to_codes)
    assert q.codebook.table.grad.abs().sum(1).min() > 0  # every code, chosen or not


def test_a_saturated_softmax_gives_the_latents_nothing():
    q = quantizer(DotProduct(), estimator=IndexBackpropagation())
    z = (1e8 * draw(10, 3)).requires_grad_()
    q(z).quantized.backward(draw(10, 3, seed=2))
    assert not z.grad.any()


def test_double_quantization_stops_neither_side():
    q = quantizer(DotProduct(), update=[DoubleQuantization()], estimator=IndexBackpropagation())
    z = draw(40, 3).requires_grad_()
    out = q(z)
    got = torch.autograd.grad(out.terms["double"], [z, q.codebook.table])
    codes = q.codebook()
    p = (z @ codes.T).softmax(1)
    h = torch.nn.functional.one_hot(out.indices, 8).double()
    passed = (h + p - p.detach()) @ codes
    expected = torch.autograd.grad((passed - z).square().mean(), [z, q.codebook.table])
    for a, b in zip(got, expected, strict=True):
        torch.testing.assert_close(a, b)
    torch.testing.assert_close(out.terms["double"], out.terms["commitment"])


def test_the_method_and_its_refusals():
    q = make("ibq", 3, 8, seed=0)
    assert isinstance(q.assignment, DotProduct) and isinstance(q.estimator, IndexBackpropagation)
    assert [rule.weight for rule in q.rules] == [1.0, 1.0, 0.05]
    assert set(q(torch.zeros(2, 3)).terms) == {"commitment", "codebook", "double", "entropy"}
    with pytest.raises(ValueError, match="'dot' or 'l2', got 'cos'"):
        make("ibq", 3, 8, logits="cos")
    with pytest.raises(ValueError, match="belongs to logits='l2'"):
        make("ibq", 3, 8, temperature=2.0)
    with pytest.raises(ValueError, match="chooses without logits"):
        make("ibq", 3, 8, assignment="nearest")
    for rule in (DoubleQuantization(), LogitEntropy()):
        with pytest.raises(ValueError, match="Nearest chooses without"):
            quantizer(None, update=[CodebookLoss(), rule])
    with pytest.raises(ValueError, match="MovingAverage.* does not go with it"):
        VectorQuantizer(
            Table(8, 3, trainable=False), DotProduct(), IndexBackpropagation(), [MovingAverage()]
        )
    for bad in (lambda: LogitEntropy(-1), lambda: DoubleQuantization(-1)):
        with pytest.raises(ValueError, match="-1"):
            bad()
    for bad in (DistanceLogits, lambda t: LogitEntropy(temperature=t)):
        with pytest.raises(ValueError, match="temperature"):
            bad(0.0)
