"""FSQ, LFQ and BSQ: lattices without a table."""

import math

import pytest
import torch

from vqlab import make
from vqlab.quantizers import (
    BinaryCube,
    CodebookLoss,
    CodeEntropy,
    FiniteScalars,
    MovingAverage,
    Nearest,
    Projected,
    Rounding,
    Table,
    VectorQuantizer,
)
from vqlab.quantizers.lookup_free import factors


def latents(*shape, seed=0, **kwargs):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), **kwargs)


def double(*shape, seed=0):
    return latents(*shape, seed=seed, dtype=torch.float64)


def entropy_of(p):
    return -torch.special.xlogy(p, p).sum(-1)


@pytest.mark.parametrize("levels", [(8, 5, 5, 5), (3, 4), (2, 7, 2)])
def test_fsq_is_the_formula_and_reaches_every_code(levels):
    book = FiniteScalars(levels).double()
    z = 8 * double(20_000, len(levels))
    q = VectorQuantizer(book, Rounding()).eval()
    out = q(z)
    for i, n in enumerate(levels):
        height, offset = (n - 1) * 1.001 / 2, 0.0 if n % 2 else 0.5
        bounded = torch.tanh(z[:, i] + math.atanh(offset / height)) * height - offset
        torch.testing.assert_close(out.quantized[:, i], bounded.round() / (n // 2))
        assert len(out.quantized[:, i].unique()) == n
    assert len(book().unique(dim=0)) == math.prod(levels) == q.codebook_size
    at_rest = q(torch.zeros(1, len(levels), dtype=torch.float64)).quantized
    assert torch.equal(at_rest, torch.zeros_like(at_rest))


def test_fsq_chooses_the_nearest_code_within_its_box():
    q = make("fsq", 4, 1000, levels=(8, 5, 5, 5)).double().eval()
    z = 2 * double(500, 4)
    brute = torch.cdist(q.codebook.confine(z), q.codebook())
    chosen = brute.gather(1, q(z).indices[:, None])[:, 0]
    torch.testing.assert_close(chosen, brute.min(1).values, rtol=0, atol=1e-12)


def test_fsq_passes_the_gradient_through_the_tanh():
    levels = (5, 4)
    q = make("fsq", 2, 20, levels=levels).double()
    z = double(64, 2).requires_grad_()
    target = double(64, 2, seed=1)
    (got,) = torch.autograd.grad((q(z).quantized * target).sum(), z)
    n = torch.tensor(levels, dtype=torch.float64)
    height, offset = (n - 1) * 1.001 / 2, (n % 2 == 0).double() / 2
    slope = (1 - torch.tanh(z + torch.atanh(offset / height)) ** 2) * height / (n // 2)
    torch.testing.assert_close(got, target * slope)
    confined = z.detach().requires_grad_()
    torch.autograd.gradcheck(q.codebook.confine, confined)


def test_two_levels_are_hardly_ever_both_used():
    z = latents(10_000, 4)
    assert (
        VectorQuantizer(FiniteScalars((2,) * 4), Rounding())(z).indices == 15
    ).float().mean() > 0.99


def test_the_first_dimension_is_the_fastest_in_the_index():
    torch.testing.assert_close(FiniteScalars((3, 5))()[:4, 0], torch.tensor([-1.0, 0.0, 1.0, -1.0]))
    corners = BinaryCube(3)()
    assert corners[1].tolist() == [1, -1, -1] and corners[6].tolist() == [-1, 1, 1]


@pytest.mark.parametrize("name", ["lfq", "bsq"])
def test_binary_codes_are_signs_at_any_scale(name):
    q = make(name, 5, 32).double().eval()
    for scale in (1e-12, 1.0, 1e6):
        z = scale * double(300, 5)
        out = q(z)
        side = 1 if name == "lfq" else 1 / math.sqrt(5)
        torch.testing.assert_close(out.quantized, side * z.sign())
        assert torch.equal(out.indices, ((z > 0) * 2 ** torch.arange(5)).sum(-1))
        nearest = torch.cdist(q.codebook.confine(z), q.codebook()).argmin(1)
        assert scale < 1 and name == "lfq" or torch.equal(out.indices, nearest)


def test_bsq_lives_on_the_sphere():
    q = make("bsq", 6, 64, commitment=1.0, weight=0.0).double()
    z = double(50, 6).requires_grad_()
    out = q(z)
    torch.testing.assert_close(out.quantized.norm(dim=-1), torch.ones(50, dtype=torch.float64))
    torch.testing.assert_close(out.loss, q(7 * z).loss)
    (task,) = torch.autograd.grad((out.quantized * double(50, 6, seed=3)).sum(), z)
    torch.testing.assert_close((task * z).sum(-1), torch.zeros(50, dtype=torch.float64))
    unit = torch.nn.functional.normalize(z, dim=-1)
    expected = torch.autograd.grad((unit - unit.sign() / math.sqrt(6)).square().mean(), z)
    got = torch.autograd.grad(q(z).loss, z)
    torch.testing.assert_close(got, expected)
    # The farthest latent is a coordinate axis: the bound on the error holds for every latent.
    worst = (2 - 2 / math.sqrt(6)) ** 0.5
    assert (unit - out.quantized).norm(dim=-1).max() <= worst


@pytest.mark.parametrize("sphere", [False, True])
def test_entropy_is_that_of_the_softmax_over_all_codes(sphere):
    q = VectorQuantizer(
        BinaryCube(4, sphere), Rounding(), update=[CodeEntropy(sharpness=0.7, group=4)]
    ).double()
    z = double(60, 4)
    p = (2 * 0.7 * q.codebook.confine(z) @ q.codebook().T).softmax(-1)
    expected = entropy_of(p).mean() - entropy_of(p.mean(0))
    torch.testing.assert_close(q(z).terms["entropy"], expected)
    torch.autograd.gradcheck(lambda x: q(x).terms["entropy"], z[:6].clone().requires_grad_())


def test_groups_bound_the_entropy_of_use_from_above():
    z = double(200, 6) @ double(6, 6, seed=1)
    loss = {
        g: make("lfq", 6, 64, group=g, sharpness=0.5).double()(z).terms["entropy"]
        for g in (1, 2, 3, 6)
    }
    assert loss[1] <= loss[2] <= loss[6] and loss[1] <= loss[3] <= loss[6]
    mean = torch.sigmoid(2 * z).mean(0)
    bits = torch.special.entr(mean) + torch.special.entr(1 - mean)
    single = torch.sigmoid(2 * z)
    sure = (torch.special.entr(single) + torch.special.entr(1 - single)).sum(1).mean()
    torch.testing.assert_close(loss[1], sure - bits.sum())


def test_entropy_is_least_for_sure_latents_on_all_codes():
    corners = BinaryCube(4).double()()
    best = make("lfq", 4, 16).double()(corners).terms["entropy"]
    torch.testing.assert_close(best, torch.tensor(-4 * math.log(2), dtype=torch.float64))
    collapsed = make("lfq", 4, 16).double()(corners[:1].expand(16, 4)).terms["entropy"]
    assert collapsed.abs() < 1e-12
    assert make("lfq", 4, 16, sharpness=1e6)(latents(9, 4)).terms["entropy"].isfinite()


def test_no_table_is_formed():
    bits = 48
    q = make("lfq", bits, 2**bits, group=4)
    out = q(latents(10, bits))
    assert out.indices.max() > 2**40
    assert torch.equal(q.decode(out.indices), out.quantized)
    grid = make("fsq", 16, 10**16, levels=(10,) * 16)
    out = grid(latents(10, 16))
    assert torch.equal(grid.decode(out.indices), out.quantized)
    assert not list(grid.state_dict())


@pytest.mark.parametrize("name", ["lfq", "bsq"])
def test_other_dimensions_are_mapped_to_the_bits(name):
    q = make(name, 12, 64, channel_first=True, seed=0)
    assert isinstance(q, Projected) and (q.dim, q.quantizer.dim) == (12, 6)
    out = q(latents(2, 12, 3, 4))
    assert out.quantized.shape == (2, 12, 3, 4) and out.indices.shape == (2, 3, 4)


def test_sizes_that_a_lattice_cannot_have_name_their_neighbours():
    assert factors(1024, 4) == (8, 8, 4, 4) and factors(64_000, 6) == (8, 8, 8, 5, 5, 5)
    assert factors(1021, 4) is None and factors(8, 2) is None and factors(7, 1) == (7,)
    with pytest.raises(ValueError, match="1021 codes.*1020 = 17x5x4x3"):
        make("fsq", 4, 1021)
    with pytest.raises(ValueError, match="fewer than three levels.*levels="):
        make("fsq", 64, 1000)
    with pytest.raises(ValueError, match="make 1000, got 1024"):
        make("fsq", 64, 1024, levels=(8, 5, 5, 5))
    assert make("fsq", 64, 1000, levels=(8, 5, 5, 5)).dim == 64
    with pytest.raises(ValueError, match="1000 lies near 512 and 1024"):
        make("lfq", 10, 1000)
    with pytest.raises(ValueError, match=">= 2"):
        FiniteScalars((8, 1))
    with pytest.raises(ValueError, match="2\\^63"):
        BinaryCube(64)


def test_parts_that_do_not_go_together_are_refused():
    lattice = BinaryCube(4)
    with pytest.raises(ValueError, match="by rounding only; got Nearest"):
        VectorQuantizer(lattice, Nearest())
    with pytest.raises(ValueError, match="not by rounding; got Rounding"):
        VectorQuantizer(Table(4, 4), Rounding())
    with pytest.raises(ValueError, match="no trainable parameter"):
        VectorQuantizer(lattice, Rounding(), update=[CodebookLoss()])
    with pytest.raises(ValueError, match="MovingAverage"):
        VectorQuantizer(lattice, Rounding(), update=[MovingAverage()])
    with pytest.raises(ValueError, match="BinaryCube"):
        VectorQuantizer(Table(4, 4), update=[CodeEntropy()])
    with pytest.raises(ValueError, match="divide the 4 bits, got 3"):
        make("lfq", 4, 16, group=3)
    with pytest.raises(ValueError, match="sharpness of CodeEntropy must be > 0"):
        make("bsq", 4, 16, sharpness=0.0)


@pytest.mark.parametrize("levels", [(8, 5, 5, 5), (2,) * 30, (3,) * 20])
def test_codes_found_with_their_indices_are_those_of_the_indices(levels):
    # Above 2^24 codes a float32 index would no longer be exact.
    z = 3 * torch.randn(500, len(levels), generator=torch.Generator().manual_seed(0))
    lattices = [FiniteScalars(levels)] + ([BinaryCube(30)] if levels[0] == 2 else [])
    for lattice in lattices:
        confined = lattice.confine(z)
        indices, codes = lattice.round(confined)
        assert torch.equal(codes, lattice.rows(indices, None))
        if isinstance(lattice, BinaryCube):
            digits = (confined > 0).long()
        else:
            digits = torch.round(confined * lattice.middle).long() + torch.tensor(levels) // 2
        slow = [sum(int(d) * math.prod(levels[:i]) for i, d in enumerate(row)) for row in digits]
        assert indices.tolist() == slow


def test_constants_are_made_anew_in_another_precision_and_not_rounded():
    exact = FiniteScalars((8, 5, 4)).double()
    through = FiniteScalars((8, 5, 4)).half().float().double()
    for name in ("scale", "lift", "shift"):
        assert getattr(exact, name).dtype == torch.float64
        assert torch.equal(getattr(exact, name), getattr(through, name))
    height = torch.tensor([7, 4, 3], dtype=torch.float64) * (1.001 / 2)
    middle = torch.tensor([4, 2, 2], dtype=torch.float64)
    torch.testing.assert_close(exact.scale, height / middle, rtol=1e-15, atol=0)
    even = torch.tensor([0.5, 0, 0.5], dtype=torch.float64)
    torch.testing.assert_close(exact.lift, -even / middle, rtol=1e-15, atol=0)
    torch.testing.assert_close(exact.shift, torch.atanh(even / height), rtol=1e-14, atol=0)
    assert FiniteScalars((8, 5, 4)).half().scale.dtype == torch.float32


@pytest.mark.parametrize("epsilon", [1e-3, 0.3, 0.9])
def test_no_latent_leaves_the_grid_however_much_room_the_box_has(epsilon):
    lattice = FiniteScalars((8, 5), epsilon)
    z = torch.linspace(-40, 40, 2001)[:, None].expand(-1, 2)
    indices, codes = lattice.round(lattice.confine(z))
    assert indices.min() == 0 and indices.max() == 39
    assert torch.equal(codes, lattice.rows(indices, None)) and codes.abs().max() <= 1


def test_the_settings_follow_into_another_precision():
    exact = FiniteScalars((8, 5, 4)).double()
    assert not exact.state_dict()
