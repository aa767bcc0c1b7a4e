"""The terms against autograd with their definitions written out, in float64."""


import pytest
import torch
from torch.nn.functional import normalize

from vqlab import VectorQuantizer
from vqlab.quantizers import (
    AffineCodebook,
    CodebookLoss,
    Contrast,
    Entropy,
    Orthogonality,
    Table,
    regularisers,
)
from vqlab.quantizers import entropy as entropies

K, D, N = 8, 3, 40


def cloud(*shape, seed=1):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def quantizer(rule) -> VectorQuantizer:
    return VectorQuantizer(Table(K, D, cloud(K, D, seed=0)), update=[rule]).double()


def entropy(z, codes, tau, diversity):
    p = torch.softmax(-(z[:, None] - codes).square().sum(-1) / tau, 1)
    mean = p.mean(0)
    return -(p * p.log()).sum(1).mean() + diversity * (mean * mean.log()).sum()


def orthogonality(z, codes):
    unit = codes / codes.norm(dim=1, keepdim=True)
    return (unit @ unit.T).square().sum() / len(codes) ** 2 - 1 / len(codes)


def contrast(z, codes, similarity, tau=0.07):
    z = z.detach()
    s = normalize(codes) @ normalize(z).T if similarity == "cosine" else None
    s = -(codes[:, None] - z).square().sum(-1) if s is None else s
    ordered = s.sort(1, descending=True).values
    best = ordered[:, : max(1, len(z) // len(codes))].mean(1, keepdim=True)
    logits = torch.cat([best, ordered[:, len(z) - len(z) // 2 :]], 1) / tau
    return torch.nn.functional.cross_entropy(logits, torch.zeros(len(codes), dtype=torch.int64))


CASES = {
    "entropy": (Entropy(temperature=0.7), lambda z, c: entropy(z, c, 0.7, 1.0)),
    "diversity": (Entropy(0.1, 2.5, 0.3), lambda z, c: entropy(z, c, 0.3, 2.5)),
    "orthogonality": (Orthogonality(), orthogonality),
    "contrast": (Contrast(temperature=2.0), lambda z, c: contrast(z, c, "l2", 2.0)),
    "contrast-cosine": (Contrast("cosine"), lambda z, c: contrast(z, c, "cosine")),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("block", [1 << 20, 3 * K])
def test_value_and_gradients_equal_the_definition(name, block, monkeypatch):
    for module in (entropies, regularisers):
        monkeypatch.setattr(module, "BLOCK", block)
    rule, definition = CASES[name]
    q, z = quantizer(rule), 5 + cloud(N, D)
    q.codebook.table.data += 5
    z.requires_grad_()
    (value,) = (v for k, v in q(z).terms.items() if k != "commitment")
    expected = definition(z, q.codebook.table)
    torch.testing.assert_close(value, expected)
    inputs = (z, q.codebook.table)
    stated, true = (
        torch.autograd.grad(v, inputs, allow_unused=True, materialize_grads=True)
        for v in (value, expected)
    )
    for a, b in zip(stated, true, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("name", CASES)
def test_gradcheck(name):
    rule, _ = CASES[name]
    q, z = quantizer(rule), cloud(10, D)

    def loss(z, codes):
        out = torch.func.functional_call(q, {"codebook.table": codes}, (z,))
        return next(v for k, v in out.terms.items() if k != "commitment")

    codes = q.codebook.table.detach().clone().requires_grad_()
    torch.autograd.gradcheck(lambda c: loss(z, c), (codes,))
    if name in ("entropy", "diversity"):
        torch.autograd.gradcheck(lambda x: loss(x, codes.detach()), (z.requires_grad_(),))


@pytest.mark.parametrize("name", CASES)
def test_padding_influences_nothing(name):
    rule, _ = CASES[name]
    q, z = quantizer(rule), cloud(N, D)
    padded = torch.cat([z[:13], torch.full((9, D), torch.nan, dtype=z.dtype), z[13:]])
    mask = torch.ones(N + 9, dtype=torch.bool)
    mask[13:22] = False
    plain, masked = q(z).terms, q(padded, mask).terms
    for term in plain:
        torch.testing.assert_close(plain[term], masked[term])
    gone = q(padded, torch.zeros_like(mask))
    assert all(v.isfinite() for v in gone.terms.values())


@pytest.mark.filterwarnings("ignore:.*should not be instantiated")  # torch.compile does it
@pytest.mark.parametrize("name", CASES)
def test_vmap_and_compile_and_empty_batches(name):
    rule, _ = CASES[name]
    q, z = quantizer(rule).eval(), cloud(3, N, D)
    together = torch.func.vmap(lambda x: q(x).loss)(z)
    torch.testing.assert_close(together, torch.stack([q(x).loss for x in z]))
    torch.compiler.reset()  # all quantizers are one forward, which is compiled only so often
    compiled = torch.compile(q, backend="aot_eager", fullgraph=True)
    torch.testing.assert_close(compiled(z[0]).loss, q(z[0]).loss)
    assert q(z[0, :0]).loss.isfinite()


def test_orthogonality_of_orthogonal_and_of_equal_codes():
    value = lambda codes: float(orthogonality_term(codes))  # noqa: E731
    assert value(torch.eye(4)) == pytest.approx(0)
    assert value(torch.ones(4, 4)) == pytest.approx(1 - 1 / 4)
    assert value(torch.eye(4).repeat(3, 1)) == pytest.approx(1 / 4 - 1 / 12)
    assert value(torch.zeros(4, 4)) == pytest.approx(-1 / 4)


def orthogonality_term(codes):
    q = VectorQuantizer(Table(len(codes), 4, codes), update=[Orthogonality()])
    out = q(torch.randn(6, 4, generator=torch.Generator().manual_seed(0)))
    out.loss.backward()
    assert q.codebook.table.grad.isfinite().all()
    return out.terms["orthogonality"].detach()


def test_they_go_with_a_codebook_of_one_shared_map():
    q = VectorQuantizer(
        AffineCodebook(K, D, seed=0),
        update=[CodebookLoss(), Entropy(), Orthogonality(), Contrast()],
    )
    out = q(cloud(N, D).float())
    assert list(out.terms) == ["commitment", "codebook", "entropy", "orthogonality", "contrast"]
    out.loss.backward()
    assert q.codebook.map.weight.grad.isfinite().all()


def test_bad_settings_are_named():
    with pytest.raises(ValueError, match="Orthogonality trains by gradient"):
        VectorQuantizer(Table(K, D, trainable=False), update=[Orthogonality()])
    for bad in (
        lambda: Entropy(temperature=0.0),
        lambda: Entropy(diversity=-1),
        lambda: Orthogonality(-1),
        lambda: Contrast(temperature=0),
        lambda: Contrast("dot"),
    ):
        with pytest.raises(ValueError, match="0|-1|dot"):
            bad()
