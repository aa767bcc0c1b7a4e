"""The autoencoder: its shapes, its seed, its middle."""

import pytest
import torch

from vqlab import make, methods
from vqlab.vision import Autoencoder

SMALL = {"transvq": {"width": 16}, "fsq": {"levels": (8,)}}


def quantizer(name="vq", dim=4, size=8, **options):
    options = {**SMALL.get(name, {}), **options}
    return make(name, dim, size, channel_first=True, seed=0, **options)


@pytest.mark.parametrize("halvings", [1, 2])
@pytest.mark.parametrize("name", [None, *(line.name for line in methods())])
def test_shapes_with_every_quantizer(name, halvings):
    middle = None if name is None else quantizer(name)
    model = Autoencoder(3, 4, middle, width=8, halvings=halvings)
    pictures = torch.rand(5, 3, 16, 8)
    out = model(pictures)
    grid = (16 // 2**halvings, 8 // 2**halvings)
    assert out.images.shape == pictures.shape
    assert out.latents.shape == (5, 4, *grid)
    assert out.loss.shape == ()
    if name is None:
        assert out.indices is None and out.loss == 0 and out.terms == {}
    else:
        assert out.indices.shape == (5, *grid) and out.indices.dtype == torch.int64
        assert {"commitment"} <= set(out.terms)
    assert 0 <= out.images.min() and out.images.max() <= 1


def test_the_decoder_sees_the_codes_and_the_encoder_gets_its_gradient():
    model = Autoencoder(1, 4, quantizer(), width=8)
    pictures = torch.rand(5, 1, 8, 8)
    out = model(pictures)
    assert torch.equal(out.images, model.decode(model.quantizer.decode(out.indices)))
    (out.images - pictures).square().mean().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.encoder.parameters())


def test_without_a_quantizer_latents_pass_as_they_are():
    model = Autoencoder(1, 4, width=8)
    pictures = torch.rand(5, 1, 8, 8)
    assert torch.equal(model(pictures).images, model.decode(model.encode(pictures)))


def test_a_seed_gives_one_start_and_touches_no_other_generator():
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    one, same, other = (Autoencoder(1, 4, width=8, seed=s) for s in (1, 1, 2))
    assert torch.equal(torch.rand(3), expected)
    for a, b, c in zip(one.parameters(), same.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b) and not torch.equal(a, c)


def test_the_default_is_small():
    assert sum(p.numel() for p in Autoencoder().parameters()) < 50_000


def test_a_quantizer_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="dimension 4, the quantizer 5"):
        Autoencoder(1, 4, quantizer(dim=5), width=8)
    with pytest.raises(ValueError, match="channel_first"):
        Autoencoder(1, 4, make("vq", 4, 8), width=8)


@pytest.mark.parametrize("shape", [(2, 3, 8, 8), (1, 8, 8), (2, 1, 8, 7)])
def test_pictures_that_do_not_fit_are_refused(shape):
    with pytest.raises(ValueError, match="divisible by 2"):
        Autoencoder(1, 4, width=8)(torch.rand(shape))


@pytest.mark.parametrize("wrong", [{"width": 0}, {"dim": 0}, {"halvings": 0}, {"channels": 1.5}])
def test_sizes_below_one_are_refused(wrong):
    with pytest.raises(ValueError, match=f"{next(iter(wrong))} must be an integer"):
        Autoencoder(**wrong)
