"""The generalized radius and the shared transforms that go with it."""

import pytest
import torch

from vqlab import make
from vqlab.quantizers import (
    CodebookLoss,
    GeneralizedRadius,
    LowRankCodebook,
    MixingCodebook,
    Orthogonality,
    Revival,
    Table,
    VectorQuantizer,
)
from vqlab.quantizers.updates import Batch

F64 = torch.float64
PHI = {
    "identity": lambda rho: rho,
    "scaled": lambda rho: 0.5 * rho,
    "log": lambda rho: torch.log1p(rho),
    "sqrt": lambda rho: torch.sqrt(rho**2 + 0.1**2),
    "saturating": lambda rho: rho / (1 + rho),
}
each = pytest.mark.parametrize("phi", PHI)


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=F64)


def through(estimator, z, codes, g):
    z, codes = z.clone().requires_grad_(), codes.clone().requires_grad_()
    out = estimator(Batch(z, torch.arange(len(z)), codes, codes))
    out.backward(g)
    return out.detach(), z.grad, codes.grad


@each
def test_gradients_are_those_of_the_step_of_length_phi(phi):
    z, codes, g = (draw(40, 3, seed=s) for s in range(3))
    out, to_z, to_codes = through(GeneralizedRadius(phi), z, codes, g)
    assert torch.equal(out, codes)
    # The definition itself, differentiated by autograd.
    z, codes = z.requires_grad_(), codes.requires_grad_()
    rho = (codes - z).norm(dim=1, keepdim=True)
    u = ((codes - z) / rho).detach()
    (z + PHI[phi](rho) * u).backward(g)
    torch.testing.assert_close(to_z, z.grad)
    torch.testing.assert_close(to_codes, codes.grad)
    torch.testing.assert_close(to_z + to_codes, g)
    if phi == "identity":
        torch.testing.assert_close((to_z * u).sum(1), torch.zeros(40, dtype=F64))


@each
def test_a_latent_on_its_code_keeps_the_gradient(phi):
    z, g = draw(5, 3), draw(5, 3, seed=1)
    out, to_z, to_codes = through(GeneralizedRadius(phi), z, z, g)
    assert torch.equal(out, z) and torch.equal(to_z, g) and not to_codes.any()


def test_scale_zero_is_straight_through():
    z, codes, g = (draw(40, 3, seed=s) for s in range(3))
    _, to_z, to_codes = through(GeneralizedRadius("scaled", 0.0), z, codes, g)
    assert torch.equal(to_z, g) and not to_codes.any()


@each
def test_a_slope_other_than_one_needs_an_auxiliary_loss(phi):
    def build(**more):
        return VectorQuantizer(Table(4, 2, "normal"), estimator=GeneralizedRadius(phi), **more)

    build(commitment=0.25)
    build(commitment=0.0, update=[CodebookLoss()])
    if phi == "identity":
        build(commitment=0.0)
        return
    # Neither a replacement of dead codes nor spreading them pulls a latent and its code together.
    for rules in ([], [CodebookLoss(0.0)], [Revival()], [Orthogonality()]):
        with pytest.raises(ValueError, match="diverge"):
            build(commitment=0.0, update=rules)


def test_without_auxiliary_losses_the_identity_is_stable_and_straight_through_is_not():
    # A free latent per point, a linear task: what the refusal above is about.
    def gap(estimator):
        codes = draw(4, 2).requires_grad_()
        z = draw(64, 2, seed=1).requires_grad_()
        optimizer = torch.optim.SGD([z, codes], lr=0.1)
        target = draw(64, 2, seed=2)
        for _ in range(300):
            indices = torch.cdist(z, codes).argmin(1)
            out = estimator(Batch(z, indices, codes, codes[indices]))
            optimizer.zero_grad()
            (out - target).square().sum(1).mean().mul(8).backward()
            optimizer.step()
        return (z - codes[indices]).norm(dim=1).mean().item()

    assert gap(GeneralizedRadius()) < 0.5 * gap(GeneralizedRadius("scaled", 0.0))


def test_refusals_of_phi():
    with pytest.raises(ValueError, match="'cubic'.*identity, scaled, log, sqrt, saturating"):
        GeneralizedRadius("cubic")
    with pytest.raises(ValueError, match="takes no scale"):
        GeneralizedRadius("log", 0.5)
    with pytest.raises(ValueError, match="-1"):
        GeneralizedRadius("scaled", -1)
    with pytest.raises(ValueError, match="none, affine, low-rank, mixing"):
        make("grit", 2, 4, transform="fourier")
    with pytest.raises(ValueError, match="takes no rank"):
        make("grit", 2, 4, rank=2)


def test_transforms_start_at_the_identity():
    low = LowRankCodebook(16, 4, seed=0)
    assert torch.equal(low(), low.basis)
    mixing = MixingCodebook(16, 4, seed=0)
    torch.testing.assert_close(mixing(), mixing.basis, rtol=0, atol=5e-3)
    weights = MixingCodebook(16, 4, share=0.3, seed=0).weights()
    assert (weights >= 0).all()
    torch.testing.assert_close(weights.sum(1), torch.ones(16))


@pytest.mark.parametrize("kind", [LowRankCodebook, MixingCodebook])
@pytest.mark.parametrize("trained", [True, False])
def test_one_used_code_moves_every_code(kind, trained):
    codebook = kind(16, 4, trainable_basis=trained, seed=0)
    optimizer = torch.optim.SGD(codebook.parameters(), lr=0.1)
    before = codebook().detach()
    for _ in range(2):
        optimizer.zero_grad()
        codebook()[3].sum().backward()
        optimizer.step()
    assert ((codebook() - before).abs().sum(1) > 0).all()
    assert isinstance(codebook.basis, torch.nn.Parameter) == trained


@pytest.mark.parametrize("kind", [LowRankCodebook, MixingCodebook])
def test_gradients_of_the_transforms(kind):
    codebook = kind(5, 3, 2, trainable_basis=True, seed=0).double()
    names, values = zip(*codebook.named_parameters(), strict=True)

    def table(*given):
        return torch.func.functional_call(codebook, dict(zip(names, given, strict=True)), ())

    torch.autograd.gradcheck(table, tuple(v.detach().requires_grad_() for v in values))


def test_refusals_of_the_transforms():
    for rank in (0, 5):
        with pytest.raises(ValueError, match="1 to D = 4"):
            LowRankCodebook(8, 4, rank)
    with pytest.raises(ValueError, match="rank must be >= 1"):
        MixingCodebook(8, 4, 0)
    with pytest.raises(ValueError, match="share"):
        MixingCodebook(8, 4, share=1.0)
