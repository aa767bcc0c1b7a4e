"""DQ-VAE: special cases equal the fixed grids, each code counts once, codes go there and back."""

import pytest
import torch

from vqlab import make, methods
from vqlab.vision.dynamic import DynamicAutoencoder, copied, owners, spread

SMALL = {"transvq": {"width": 16}, "fsq": {"levels": (16,)}}


def model(name="vq", shares=(0.5,), router="random", size=16, **options):
    quantizer = make(name, 4, size, channel_first=True, seed=0, **SMALL.get(name, {}))
    return DynamicAutoencoder(3, 4, quantizer, shares=shares, router=router, width=8, **options)


@pytest.fixture
def pictures():
    return torch.rand(6, 3, 16, 32, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("gradient", ["released", "mixture"])
@pytest.mark.parametrize("count", [2, 3])
def test_all_coarse_and_all_fine_are_the_fixed_models(count, gradient, pictures):
    """Values, codes and losses equal those computed on the one grid alone, in float64."""
    share = {"coarse": (0.0,) * (count - 1), "fine": (0.0,) * (count - 2) + (1.0,)}
    pictures = torch.nn.functional.interpolate(pictures, scale_factor=2).double()
    for which, shares in share.items():
        both = model(shares=(0.3,) * (count - 1), gradient=gradient).double()
        grains = torch.full((6, 32 // 2 ** (count + 1), 64 // 2 ** (count + 1)), 0)
        grains += (count - 1) * (which == "fine")
        out = both(pictures, grains)
        tap = both._taps(pictures)[0 if which == "coarse" else -1]
        alone = both.quantizer(tap)
        step = 2 ** (count - 1) if which == "coarse" else 1
        drawn = both.decode(spread(alone.quantized, step))
        torch.testing.assert_close(out.images, drawn, rtol=0, atol=1e-12)
        assert torch.equal(out.indices, spread(alone.indices, step))
        torch.testing.assert_close(out.loss, alone.loss / step**2, rtol=1e-12, atol=0)
        fixed = model(shares=shares, router="fixed", gradient=gradient).double()
        fixed.load_state_dict(both.state_dict(), strict=False)
        torch.testing.assert_close(fixed(pictures).images, drawn, rtol=0, atol=1e-12)


def test_the_loss_is_the_papers_mean_with_area_weights(pictures):
    """0.25 mean(m |z - q|^2) with m = 1 (fine) or 1/4 (coarse), over cells and dimensions."""
    dynamic = model().double()
    out = dynamic(pictures.double())
    area = torch.where(spread(out.grains, 2) == 1, 1.0, 0.25)[:, None].double()
    codes = dynamic.quantizer.decode(out.indices)
    square = (area * (out.latents - codes).square()).mean()
    torch.testing.assert_close(out.loss, 1.25 * square, rtol=1e-10, atol=0)
    assert area.sum() == out.measured["codes"].double() * len(pictures)


def test_each_code_counts_once_in_the_moving_average(pictures):
    dynamic = model("ema")
    seen = []
    rule = dynamic.quantizer.rules[0]
    move = rule.move
    rule.move = lambda batch, codebook: (seen.append(batch.counts.sum()), move(batch, codebook))
    out = dynamic(pictures)
    assert seen == [owners(out.grains, 2).sum()]


@pytest.mark.parametrize("name", [line.name for line in methods()])
def test_every_method_of_the_table(name, pictures):
    dynamic = model(name, router="learned")
    out = dynamic(pictures[:2])
    (out.images.mean() + out.loss).backward()
    assert out.images.shape == (2, 3, 16, 32) and out.indices.shape == (2, 4, 8)
    assert {"commitment", "budget"} <= set(out.terms)
    assert torch.equal(copied(out.indices, out.grains, 2), out.indices)
    dynamic.eval()
    assert torch.equal(
        dynamic.decompress(dynamic.compress(pictures[:2])), dynamic(pictures[:2]).images
    )


def test_three_grains_go_there_and_back(pictures):
    dynamic = model(shares=(0.3, 0.3)).eval()
    row = dynamic.compress(pictures)
    assert set(row.grain.unique().tolist()) == {-1, 0, 1, 2}
    assert torch.equal(dynamic.decompress(row), dynamic(pictures).images)


@pytest.mark.parametrize("gradient", ["released", "mixture"])
def test_the_reconstruction_alone_moves_the_router_in_every_region(gradient, pictures):
    dynamic = model(router="learned", gradient=gradient, budget=0.0)
    gates = []
    route = dynamic.router.forward

    def kept(*inputs):
        gates.append(route(*inputs))
        gates[0].retain_grad()
        return gates[0]

    dynamic.router.forward = kept
    out = dynamic(pictures)
    # The factor is one: values are those without it.
    torch.testing.assert_close(out.images, dynamic(pictures, out.grains).images)
    (out.images - pictures).square().mean().backward()
    assert (gates[0].grad.abs().sum(1) > 0).all()
    assert dynamic.router.second.weight.grad.abs().sum() > 0
    if gradient == "released":  # only the chosen grain is told
        assert not (gates[0].grad[gates[0].detach() < 0.5]).any()


def test_the_mixture_gradient_is_that_of_the_mixture(pictures):
    """Without a quantizer, in float64: dL/dgate_k = <dL/dz, h_k> summed over the region."""
    dynamic = DynamicAutoencoder(
        3, 4, None, router="learned", gradient="mixture", width=8, budget=0.0
    ).double()
    taps = dynamic._taps(pictures.double())
    z, gates, _ = dynamic._routed(pictures.double())
    weight = torch.randn(z.shape, generator=torch.Generator().manual_seed(1)).double()
    (found,) = torch.autograd.grad((weight * z).sum(), gates)
    full = spread(taps[0], 2), taps[1]
    expected = torch.stack(
        [torch.nn.functional.avg_pool2d((weight * h).sum(1), 2) * 4 for h in full], 1
    )
    torch.testing.assert_close(found, expected)


def test_bits_of_a_model_and_of_a_fixed_grid(pictures):
    dynamic = model(size=32).eval()
    out = dynamic(pictures)
    assert torch.equal(
        dynamic.bits(out.grains),
        out.measured["codes"] * 0 + 5 * (4.0**out.grains).sum((1, 2)).double() + 8,
    )
    fixed = model(size=32, shares=(1.0,), router="fixed").eval()
    assert (fixed.bits(fixed.route(pictures)) == 5 * 32).all()


def test_equal_vectors_get_equal_codes_whatever_the_grain():
    dynamic = model()
    vectors = torch.randn(1, 4, 1, 1).expand(1, 4, 4, 4)
    out = dynamic.quantizer(vectors, owners(torch.tensor([[[0, 1], [1, 0]]]), 2))
    assert len(out.indices[out.indices >= 0].unique()) == 1


def test_one_seed_one_model(pictures):
    one, two, other = (model(router="learned", seed=s) for s in (4, 4, 5))
    assert torch.equal(one(pictures).images, two(pictures).images)
    assert not torch.equal(one(pictures).images, other(pictures).images)
    state = {k: v.clone() for k, v in one.state_dict().items()}
    two.load_state_dict(state)
    assert torch.equal(one(pictures).grains, two(pictures).grains)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"router": "greedy"}, "unknown router 'greedy'; choose learned"),
        ({"plan": "large"}, "unknown plan 'large'; choose one of small, resnet"),
        ({"gradient": "none"}, "gradient must be one of released, mixture, got 'none'"),
        ({"budget": -1.0}, "budget is a weight >= 0"),
        ({"halvings": 0}, "halvings must be an integer >= 1"),
        ({"plan": "resnet", "multiples": [1, 2]}, "multiples needs 4 numbers"),
    ],
)
def test_settings_out_of_range(options, words):
    with pytest.raises(ValueError, match=words):
        model(**options)


def test_stacks_are_refused_and_pictures_of_odd_sizes():
    from vqlab.quantizers import Residual

    stack = Residual([make("vq", 4, 8, seed=i) for i in range(2)], channel_first=True)
    with pytest.raises(ValueError, match="one index to a code"):
        DynamicAutoencoder(3, 4, stack, width=8)
    with pytest.raises(ValueError, match="divisible by 8"):
        model()(torch.rand(1, 3, 12, 16))
    with pytest.raises(ValueError, match="evaluation mode"):
        model().compress(torch.rand(1, 3, 16, 16))


def test_the_papers_plan_has_its_grids():
    quantizer = make("ema-revival", 8, 16, channel_first=True, seed=0)
    sizes = {"width": 8, "multiples": (1, 1, 2, 2, 4), "blocks": 1, "groups": 4}
    dynamic = DynamicAutoencoder(3, 8, quantizer, plan="resnet", halvings=3, **sizes)
    out = dynamic(torch.rand(1, 3, 64, 64))
    assert out.grains.shape == (1, 4, 4) and out.indices.shape == (1, 8, 8)
    assert out.images.shape == (1, 3, 64, 64)
    assert dynamic.last_layer.shape[0] == 3
