"""VQFR: the invariants of its parts, each against something computed another way."""

import numpy as np
import pytest
import torch
from torch.nn.functional import conv2d

from vqlab import make, methods
from vqlab.vision import Autoencoder, ResnetAutoencoder
from vqlab.vision.restoration import (
    Degradation,
    Restorer,
    Warp,
    Wiener,
    deformable,
    fit_restorer,
    gaussian_kernels,
    gradient_distance,
    learn_shift,
    patch_frechet,
    pyramid,
    restore,
    style_distance,
)


def rand(*shape, seed=0, **options):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), **options)


def smooth(count=4, side=16, channels=3, seed=0):
    rough = rand(count, channels, 5, 5, seed=seed)
    return torch.nn.functional.interpolate(rough, size=(side, side), mode="bicubic").clamp(0, 1)


# --- degradation ---------------------------------------------------------------------------------


def test_nothing_is_nearly_the_identity():
    x = smooth(channels=1).expand(-1, 3, -1, -1)  # JPEG halves the colours' resolution
    mild = Degradation((0, 0), (1, 1), (0, 0), (100, 100))
    error = (mild(x, torch.arange(4)) - x).square().mean()
    assert -10 * error.log10() > 40


def test_a_degradation_is_a_function_of_seed_key_and_clock():
    x = smooth()
    keys = torch.arange(4)
    one = Degradation((0.3, 2), (2, 4), (0, 20), (40, 90), seed=1)
    out = one(x, keys)
    assert torch.equal(out, one(x, keys)) and out.shape == x.shape
    assert out.min() >= 0 and out.max() <= 1
    assert torch.equal((out * 255).round() / 255, out)
    assert torch.equal(one(x[2:], keys[2:]), out[2:])  # whatever else is in the batch
    reseeded = Degradation((0.3, 2), (2, 4), (0, 20), (40, 90), seed=2)
    for other in (one(x, keys, 1), one(x, keys + 4), reseeded(x, keys)):
        assert not torch.equal(other, out)


def test_each_part_does_its_share():
    x = smooth(side=32)
    keys = torch.arange(4)
    none = dict(sigma=(0, 0), factor=(1, 1), noise=(0, 0), quality=(100, 100))

    def off(**changed):
        return float((Degradation(**{**none, **changed})(x, keys) - x).square().mean())

    for name, low, high in (
        ("sigma", 1, 3),
        ("factor", 2, 6),
        ("noise", 5, 20),
        ("quality", 50, 5),
    ):
        assert off() < off(**{name: (low, low)}) < off(**{name: (high, high)})
    grain = Degradation(**{**none, "noise": (12, 12)})(torch.full((1, 1, 64, 64), 0.5), keys[:1])
    assert 255 * float(grain.std()) == pytest.approx(12, rel=0.05)


def test_a_factor_below_one_and_grey_pictures():
    x = smooth(channels=1)
    assert Degradation(factor=(0.8, 0.8), kernel=5)(x, torch.arange(4)).shape == x.shape


def test_kernels():
    one, two = torch.tensor([1.5, 0.8]), torch.tensor([1.5, 2.0])
    kernels = gaussian_kernels(one, two, torch.tensor([0.7, 0.0]), 21)
    assert (kernels >= 0).all()
    torch.testing.assert_close(kernels.sum((1, 2)), torch.ones(2))
    at = np.arange(-10, 11)
    round_ = np.exp(-(at[:, None] ** 2 + at**2) / (2 * 1.5**2))
    np.testing.assert_allclose(kernels[0], round_ / round_.sum(), atol=1e-6)
    square = torch.from_numpy(at**2)
    spread = (kernels[1] * square).sum(), (kernels[1].T * square).sum()
    assert [float(s) ** 0.5 for s in spread] == pytest.approx([0.8, 2.0], rel=0.02)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"sigma": (2, 1)}, "sigma is a range"),
        ({"factor": (0, 1)}, "factor is a range"),
        ({"quality": (0, 50)}, "quality is a range"),
        ({"noise": (0, float("inf"))}, "noise is a range"),
        ({"kernel": 4}, "odd number"),
        ({"up": "nearest"}, "bilinear"),
    ],
)
def test_wrong_settings_are_named(given, said):
    with pytest.raises(ValueError, match=said):
        Degradation(**given)


def test_wrong_pictures_are_named():
    with pytest.raises(ValueError, match="as many keys"):
        Degradation()(smooth(), torch.arange(3))
    with pytest.raises(ValueError, match="1 or 3"):
        Degradation()(smooth(channels=2), torch.arange(4))


# --- warping -------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", [1, 3])
def test_deformable_against_an_ordinary_convolution(side):
    t = rand(2, 4, 7, 6, dtype=torch.float64)
    weight, bias = rand(5, 4, side, side, seed=1, dtype=torch.float64), rand(5, seed=2).double()
    taps = 2 * side * side  # two groups
    still, full = torch.zeros(2, 2 * taps, 7, 6).double(), torch.ones(2, taps, 7, 6).double()
    plain = conv2d(t, weight, bias, padding=side // 2)
    torch.testing.assert_close(deformable(t, still, full, weight, bias), plain)
    half = deformable(t, still, 0.5 * full, weight)
    torch.testing.assert_close(half, conv2d(t, weight, padding=side // 2) / 2)
    right = still.clone()
    right[:, 1::2] = 1.0  # (dy, dx) = (0, 1)
    moved = conv2d(t.roll(-1, 3), weight, bias, padding=side // 2)
    inside = (..., slice(1, -1), slice(1, -2))
    torch.testing.assert_close(deformable(t, right, full, weight, bias)[inside], moved[inside])


def test_deformable_between_pixels_and_by_groups():
    """Half a pixel down for the first group, three quarters to the left for the second."""
    t = rand(1, 2, 6, 6, dtype=torch.float64)
    offsets = torch.zeros(1, 4, 6, 6).double()
    offsets[:, 0], offsets[:, 3] = 0.5, -0.75
    weight = torch.eye(2).double()[..., None, None]
    out = deformable(t, offsets, torch.ones(1, 2, 6, 6).double(), weight)
    torch.testing.assert_close(out[:, 0, :-1], (t[:, 0, :-1] + t[:, 0, 1:]) / 2)
    torch.testing.assert_close(out[:, 1, :, 1:], t[:, 1, :, 1:] / 4 + t[:, 1, :, :-1] * 3 / 4)


def test_deformable_at_the_border_and_on_a_single_pixel():
    """Zero beyond the border, half a pixel off: half of what is there."""
    for shape in ((1, 1, 1, 1), (1, 1, 1, 5), (1, 1, 5, 1)):
        t, still = torch.ones(shape).double(), torch.zeros(1, 2, *shape[2:]).double()
        mask, weight = torch.ones(shape).double(), torch.ones(1, 1, 1, 1).double()
        torch.testing.assert_close(deformable(t, still, mask, weight), t)
        down = still.clone()
        down[:, 0] = 0.5
        expected = t.clone()
        expected[..., -1, :] = 0.5
        torch.testing.assert_close(deformable(t, down, mask, weight), expected)


def test_deformable_gradients_reach_everything():
    t = rand(1, 2, 4, 5, dtype=torch.float64).requires_grad_()
    offsets = (0.3 * rand(1, 18, 4, 5, seed=5, dtype=torch.float64) + 0.1).requires_grad_()
    masks = rand(1, 9, 4, 5, seed=6, dtype=torch.float64).requires_grad_()
    weight = rand(2, 2, 3, 3, seed=7, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(deformable, (t, offsets, masks, weight))


def test_offsets_that_do_not_fit_are_named():
    with pytest.raises(ValueError, match="2 x 9 offsets and 9 masks"):
        deformable(rand(1, 4, 5, 5), rand(1, 18, 5, 5), rand(1, 18, 5, 5), rand(4, 4, 3, 3))
    with pytest.raises(ValueError, match="groups must divide"):
        Warp(6, groups=4)


def test_warping_recovers_a_known_shift_and_still_offsets_cannot():
    free, held = learn_shift((2, -1)), learn_shift((2, -1), still=True)
    assert free.offsets[-1].tolist() == pytest.approx([2, -1], abs=0.25)
    assert held.offsets.abs().max() == 0
    assert free.untouched == held.untouched  # the same scenes
    assert free.error < 0.1 * held.error
    with pytest.raises(ValueError, match=r"at most 4 pixels .* got \(0, -5\)"):
        learn_shift((0, -5))


# --- the network ---------------------------------------------------------------------------------


def dictionary(method="vq", kind="resnet", **options):
    quantizer = None
    if method is not None:
        quantizer = make(method, 4, 8, channel_first=True, seed=0, **options)
    if kind == "small":
        return Autoencoder(3, 4, quantizer, width=8, halvings=2, seed=0)
    return ResnetAutoencoder(3, 4, quantizer, width=4, multiples=(1, 1, 2), blocks=1, groups=2)


@pytest.mark.parametrize("kind", ["resnet", "small"])
def test_levels_and_shapes(kind):
    source = dictionary(kind=kind)
    model = Restorer(source, groups=2, guide=4)
    out = model(smooth())
    levels, picture = pyramid(model.decoder, rand(4, 4, 4, 4))
    assert len(levels) == (3 if kind == "resnet" else 2)  # log2 f + 1; the small one has no finest
    assert picture.shape == out.images.shape == out.texture.shape == (4, 3, 16, 16)
    for warp, level, moved in zip(model.warps, levels, out.offsets, strict=True):
        assert moved.shape == (4, 2 * 9 * 2, *level.shape[2:])
        assert warp.aim.out_channels == (2 + 1) * 9 * 2
        assert warp.look.out_channels == level.shape[1]
        assert (moved == 0).all()  # where they begin
    z = rand(2, 4, 4, 4)
    torch.testing.assert_close(pyramid(source.decoder, z)[1], source.decode(z))


@pytest.mark.parametrize("form", ["paper", "residual"])
def test_the_texture_branch_is_blind_given_the_codes(form):
    model = Restorer(dictionary(), form=form, groups=2, guide=4).eval()
    with torch.no_grad():
        for begins_silent in [*(warp.aim for warp in model.warps), model.out]:
            torch.nn.init.normal_(begins_silent.weight)
        x, y = smooth(seed=1), smooth(seed=2)
        codes = model.quantizer(model.encoder(x)).quantized
        levels, texture = model.texture(codes)
        again, same = model.texture(codes)
        assert torch.equal(texture, same)
        assert all(torch.equal(a, b) for a, b in zip(levels, again, strict=True))
        one, two = (model.finish(model.main(levels, p)[0], levels, texture, p) for p in (x, y))
        assert torch.equal(model(x).texture, texture) and torch.equal(model(x).images, one)
    assert not torch.allclose(one, two)


def test_the_knob_begins_at_the_texture_and_is_linear_before_the_last_layers():
    model = Restorer(dictionary(), form="residual", groups=2, guide=4).eval()
    x = smooth()
    with torch.no_grad():
        assert torch.equal(model(x).images, model(x).texture)  # untrained, at any w
        torch.nn.init.normal_(model.out.weight)
        assert torch.equal(model(x, w=0).images, model(x).texture)
        assert not torch.allclose(model(x, w=1).images, model(x).texture)
        seen = []
        hook = model.decoder[-3].register_forward_hook(lambda m, i, o: seen.append(i[0]))
        for w in (0, 0.5, 1):
            model(x, w=w)
        hook.remove()
    torch.testing.assert_close(seen[3], (seen[1] + seen[5]) / 2)  # each call draws the texture, too
    with pytest.raises(ValueError, match="w lies in"):
        model(x, w=1.5)
    paper = Restorer(dictionary(), groups=2, guide=4)
    with torch.no_grad():  # there the two pictures are mixed
        none, half, full = (paper(x, w=w).images for w in (0, 0.5, 1))
        assert torch.equal(none, paper(x).texture)
    torch.testing.assert_close(half, (none + full) / 2)


@pytest.mark.parametrize("method", [line.name for line in methods()])
def test_any_method_can_be_the_dictionary(method):
    options = {"levels": (8,)} if method == "fsq" else {}
    model = Restorer(dictionary(method, "small", **options), groups=2, taps=1, guide=4)
    before = model.quantizer.codebook().detach().clone()
    losses = fit_restorer(model, smooth(), Degradation(), steps=1, batch=4, style=1.0)
    main, texture, indices = restore(model, smooth())
    assert np.isfinite(losses).all() and main.shape == texture.shape == smooth().shape
    assert indices.unique().numel() >= 1 and torch.equal(model.quantizer.codebook(), before)


@pytest.mark.parametrize("method", ["vq", "ema", "simvq", "fsq", "vqgan-fc", "rotation", None])
@pytest.mark.parametrize("form", ["paper", "residual"])
def test_what_moves_in_a_training(method, form):
    options = {"levels": (8,)} if method == "fsq" else {}
    model = Restorer(dictionary(method, "small", **options), form=form, groups=2, taps=1, guide=4)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    losses = fit_restorer(model, smooth(8), Degradation(kernel=5), steps=3, batch=4)
    after = model.state_dict()
    moved = {k.split(".")[0] for k, v in before.items() if not torch.equal(v, after[k])}
    assert np.isfinite(losses).all()
    assert "teacher" not in moved and {"encoder", "out", "warps"} <= moved
    assert ("decoder" in moved) == (form == "paper")


def test_the_alignment_is_zero_on_codes_and_reaches_the_encoder_only():
    model = Restorer(dictionary(), groups=2, guide=4)
    x = smooth()
    out = model(x, x)
    z = model.teacher.encode(x)
    wanted = (z - model.teacher.quantizer(z).quantized).square().mean()
    torch.testing.assert_close(out.terms["alignment"], wanted)  # begins as its teacher
    out.loss.backward()
    got = {n.split(".")[0] for n, p in model.named_parameters() if p.grad is not None}
    assert got == {"encoder"}
    plain = Restorer(dictionary(None), groups=2, guide=4)
    assert float(plain(x, x).loss.detach()) == 0  # clean input, and latents as they are


def test_still_offsets_leave_a_convolution_with_masks():
    model = Restorer(dictionary(), warp=False, groups=2, guide=4)
    with torch.no_grad():
        for warp in model.warps:
            torch.nn.init.normal_(warp.aim.bias)
    assert all((moved == 0).all() for moved in model(smooth()).offsets)
    warp, p, t = model.warps[-1], rand(2, 4, 8, 8), rand(2, 4, 8, 8)
    warp.aim.weight.data.zero_(), warp.aim.bias.data.zero_()
    coarser = rand(2, 4, 4, 4)
    out = warp(p, t, coarser)[0]
    plain = conv2d(t, 0.5 * warp.look.weight, warp.look.bias, padding=1)  # masks begin at a half
    torch.testing.assert_close(out, plain)


def test_training_repeats_bit_for_bit_and_learns():
    x = smooth(16)
    degrade = Degradation((0.5, 1), (2, 2), (0, 5), (80, 90), kernel=5)
    ends = []
    for _ in range(2):
        model = Restorer(dictionary(None, "small"), groups=2, taps=1, guide=4)
        losses = fit_restorer(model, x, degrade, steps=25, batch=8, rate=5e-3, seed=3)
        ends.append(restore(model, degrade(x, torch.arange(16)))[0])
    assert torch.equal(*ends)
    assert np.mean(losses[-5:]) < 0.9 * np.mean(losses[:5])


def test_wrong_networks_and_settings_are_named():
    for wrong, said in (({"form": "v3"}, "form must be"), ({"groups": 3}, "groups must divide")):
        with pytest.raises(ValueError, match=said):
            Restorer(dictionary(), **{"guide": 4, **wrong})
    model = Restorer(dictionary(), groups=2, guide=4)
    with pytest.raises(ValueError, match="divisible by 4"):
        model(rand(1, 3, 10, 10))
    with pytest.raises(ValueError, match="one shape"):
        model(smooth(4), smooth(2))
    with pytest.raises(ValueError, match="needs as many pictures"):
        fit_restorer(model, smooth(4), Degradation(), batch=8)


# --- measures and baselines ----------------------------------------------------------------------


def test_wiener_inverts_a_filter_without_noise():
    x = rand(20, 1, 16, 16, dtype=torch.float64)
    kernel = torch.zeros(16, 16).double()
    kernel[0, 0], kernel[0, 1], kernel[1, 0] = 0.6, 0.25, 0.15
    blurred = torch.fft.irfft2(torch.fft.rfft2(x) * torch.fft.rfft2(kernel), s=[16, 16])
    filt = Wiener(blurred, x, floor=0)
    expected = 1 / torch.fft.rfft2(kernel)
    torch.testing.assert_close(filt.filter[0].flatten()[1:], expected.flatten()[1:])
    torch.testing.assert_close(filt(blurred), x)


def test_wiener_beats_every_other_gain_with_noise():
    x = rand(60, 1, 8, 8, dtype=torch.float64)
    y = x + 0.3 * rand(60, 1, 8, 8, seed=1, dtype=torch.float64)
    filt = Wiener(y, x, floor=0)

    def error(factor):
        seen = torch.fft.rfft2(y - filt.before) * filt.filter * factor
        return float((torch.fft.irfft2(seen, s=[8, 8]) + filt.after - x).square().mean())

    assert error(1) < min(error(0.97), error(1.03))


def test_patch_frechet_closed_form():
    """Contrasts that are c times as large: the distance is (c - 1)^2 times the variance."""
    x = 0.5 + 0.2 * (rand(8, 1, 12, 12, dtype=torch.float64) - 0.5)
    twice = 0.5 + 2 * (x - 0.5)
    rows = torch.nn.functional.unfold(255 * x, 3).transpose(1, 2).reshape(-1, 9)
    rows = rows - rows.mean(1, keepdim=True)
    spread = float(rows.var(0, correction=0).sum() + rows.mean(0).square().sum())
    assert patch_frechet(x, twice, 3) == pytest.approx(spread, rel=1e-6)
    assert patch_frechet(x, x.flip(0), 3) == pytest.approx(0, abs=1e-6)


def test_style_distance_sees_contrasts_and_not_places():
    x = rand(2, 3, 9, 8, dtype=torch.float64)
    rows = torch.nn.functional.unfold(x.flatten(0, 1)[:, None], 3)
    rows = rows - rows.mean(1, keepdim=True)
    gram = torch.einsum("bip,bjp->bij", rows, rows) / rows.shape[2]
    assert float(style_distance(x, 0.5 + 3 * x, 3)) == pytest.approx(8 * float(gram.abs().mean()))
    tiled = rand(1, 1, 4, 4).double().tile(1, 1, 3, 3)  # every shift has the same patches
    still, moved = tiled[..., :10, :10], tiled[..., 1:11, 2:12]
    assert float(style_distance(still, moved, 3)) == pytest.approx(0, abs=1e-12)


def test_gradient_distance():
    x = rand(2, 1, 8, 8)
    assert float(gradient_distance(x, x + 0.1)) == pytest.approx(0, abs=1e-6)
    ramp = torch.arange(8.0).expand(1, 1, 8, 8) / 8
    # At each halving a step is twice as high; rows alone differ: (1 + 2 + 4) / 8 / 6.
    assert float(gradient_distance(ramp, 0 * ramp)) == pytest.approx(7 / 8 / 6)
