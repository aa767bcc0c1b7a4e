"""The budget's slider without a browser: the map, the bits and the error follow it."""

import pytest
import torch

from vqlab import make
from vqlab.explorers import budget_explorer
from vqlab.vision.dynamic import DynamicAutoencoder


def model(router="entropy", **options):
    quantizer = make("vq", 4, 16, channel_first=True, seed=0)
    return DynamicAutoencoder(3, 4, quantizer, router=router, width=8, **options)


@pytest.fixture
def pictures():
    return torch.rand(12, 3, 16, 16, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("router", ["entropy", "learned"])
def test_the_share_holds_over_the_reference_and_the_figure_follows(router, pictures):
    explorer = budget_explorer(model(router), pictures, pictures)
    before = None
    for share in (0.0, 0.25, 0.5, 1.0):
        explorer.slider.value = share
        assert explorer.share == share
        assert explorer.bits == pytest.approx(4 * (4 * (1 + 3 * share) + 1))
        assert f"Budget {share:.0%}" in explorer.figure.layout.title.text
        assert any(
            f"{explorer.bits:.0f} bits" in note.text for note in explorer.figure.layout.annotations
        )
        assert explorer.figure.data[0].source != before
        before = explorer.figure.data[0].source


def test_what_it_cannot_show(pictures):
    with pytest.raises(ValueError, match="ranks no region"):
        budget_explorer(model("random"), pictures, pictures)
    with pytest.raises(ValueError, match="two grains"):
        budget_explorer(model(shares=(0.3, 0.3)), pictures, pictures)
    with pytest.raises(ValueError, match=r"lies in \[0, 1\], got 2"):
        budget_explorer(model(), pictures, pictures, share=2)
