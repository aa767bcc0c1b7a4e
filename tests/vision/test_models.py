"""The presets' networks: the paper's size, and the VQGAN-style plan."""

import pytest
import torch
from torch import nn

from vqlab import make
from vqlab.vision import ResnetAutoencoder, paper_autoencoder


def count(module):
    return sum(p.numel() for p in module.parameters())


def test_the_papers_network_has_the_papers_size():
    with torch.device("meta"):  # sizes only
        model = paper_autoencoder()
    assert count(model.encoder) == 5_069_504 and count(model.decoder) == 4_610_435
    kinds = [type(layer).__name__ for layer in model.encoder]
    assert kinds.count("Residual") == 6 and kinds[-1] == "_Leaky"


def test_the_papers_grid_and_range():
    model = paper_autoencoder(3, 8, width=16, outer=8, blocks=1)
    out = model(torch.rand(2, 3, 64, 64))
    assert out.latents.shape == (2, 8, 16, 16)
    assert 0 <= out.images.min() and out.images.max() <= 1
    assert out.latents.min() < 0 < out.latents.max()
    assert -out.latents.min() < out.latents.max()  # leaky: the negative side is a hundredth
    assert model.last_layer is model.decoder[-1].weight


@pytest.mark.parametrize("attention", [False, True])
@pytest.mark.parametrize("multiples", [(1, 2), (1, 1, 2)])
def test_the_resnet_halves_between_resolutions(multiples, attention):
    quantizer = make("vq", 4, 8, channel_first=True, seed=0)
    model = ResnetAutoencoder(
        3, 4, quantizer, width=8, multiples=multiples, blocks=1, attention=attention, groups=4
    )
    pictures = torch.rand(2, 3, 16, 8)
    out = model(pictures)
    factor = 2 ** (len(multiples) - 1)
    assert out.latents.shape == (2, 4, 16 // factor, 8 // factor)
    assert out.images.shape == pictures.shape
    assert 0 <= out.images.min() and out.images.max() <= 1
    (out.images.mean() + out.loss).backward()
    assert all(
        p.grad is not None for p in [*model.encoder.parameters(), *model.decoder.parameters()]
    )
    blocks = sum(type(m).__name__ == "NormedResidual" for m in model.modules())
    assert blocks == len(multiples) * (1 + 2) + 2 * 2  # one an encoder's resolution, one more back
    assert model.last_layer.shape[0] == 3


def test_attention_is_a_softmax_over_positions():
    from vqlab.vision.models import Attention

    layer = Attention(4, 2).double()
    x = torch.randn(2, 4, 3, 2, dtype=torch.float64)
    rows = nn.functional.conv2d(layer.norm(x), layer.project.weight, layer.project.bias)
    q, k, v = rows.flatten(2).chunk(3, 1)
    weights = torch.einsum("bcn,bcm->bnm", q, k).div(2.0).softmax(-1)
    mixed = torch.einsum("bnm,bcm->bcn", weights, v).view(2, 4, 3, 2)
    torch.testing.assert_close(layer(x), x + layer.out(mixed))


@pytest.mark.parametrize(
    "wrong", [{"width": 12, "groups": 8}, {"multiples": ()}, {"multiples": (0,)}, {"blocks": 0}]
)
def test_sizes_that_cannot_be_are_refused(wrong):
    with pytest.raises(ValueError, match="width must|multiples must|blocks must"):
        ResnetAutoencoder(3, 4, **wrong)
