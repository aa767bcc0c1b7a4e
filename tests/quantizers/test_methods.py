"""The table of methods and make()."""

import pytest
import torch

from vqlab import make, methods
from vqlab.quantizers import CodebookLoss, MovingAverage, Revival, StraightThrough, VectorQuantizer

ALL = ["vq", "ema", "ema-revival", "simvq", "nsvq", "transvq", "rotation", "grit"]
ALL += ["noise-substitution", "diveq", "ibq", "gumbel", "sq-vae", "vqgan-fc", "fsq", "lfq", "bsq"]
ALL += ["fvq", "cvq", "kmeans-reinit", "affine-vq", "ot-vq", "hyper-vq", "mlr-vq"]
ALL += ["online-kmeans", "fscl", "som", "neural-gas", "vqct", "drift-adaptive"]


def test_the_table_names_every_decision_and_source():
    table = methods()
    assert [line.name for line in table] == ALL
    for line in table:
        for text in (line.codebook, line.assignment, line.estimator, line.update, line.equation):
            assert text
        # What is older than the archive is named by its journal.
        if line.paper == "ours":
            continue
        assert "arXiv" in line.paper and 2015 < line.year < 2030 or 1960 < line.year < 1994


def test_defaults_of_the_papers():
    assert make("vq", 2, 4).commitment == 0.25
    average = make("ema", 2, 4).update[0]
    assert isinstance(average, MovingAverage) and (average.decay, average.epsilon) == (0.99, 1e-5)
    assert [type(u) for u in make("ema-revival", 2, 4).update] == [MovingAverage, Revival]
    assert make("simvq", 2, 4).codebook.map.bias is not None
    attraction = make("nsvq", 2, 300).update[1]
    assert attraction.strength == pytest.approx(3.0) and attraction.limit == 1.0
    assert isinstance(make("vq", 2, 4).update[0], CodebookLoss)
    assert isinstance(make("vq", 2, 4).estimator, StraightThrough)


def test_wrong_names_list_the_choices():
    with pytest.raises(ValueError, match=", ".join(ALL)):
        make("vqvae", 2, 4)
    with pytest.raises(TypeError, match="decay.*it has init, weight"):
        make("vq", 2, 4, decay=0.9)
    with pytest.raises(ValueError, match="nearest, cosine"):
        make("vq", 2, 4, assignment="dot")
    with pytest.raises(ValueError, match="straight-through, look-ahead"):
        make("vq", 2, 4, estimator="ste")


@pytest.mark.parametrize("name", [line.name for line in methods()])
def test_sizes_that_cannot_be_are_named(name):
    """Also where a grid, a lattice or a weight is derived from them first."""
    for size in (-3, 0, 2.5):
        with pytest.raises(ValueError, match=f"codebook_size must be an integer >= 1, got {size}"):
            make(name, 16, size)
    with pytest.raises(ValueError, match="dim must be an integer >= 1, got 0"):
        make(name, 0, 16)


def test_cosine_chooses_by_angle():
    q = make("vq", 3, 16, assignment="cosine", init="normal", seed=0).eval()
    z = torch.randn(200, 3, generator=torch.Generator().manual_seed(0))
    codes = q.codebook().detach().double()
    angle = (
        torch.nn.functional.normalize(z.double(), dim=1)
        @ torch.nn.functional.normalize(codes, dim=1).T
    )
    assert torch.equal(q(z).indices, angle.argmax(1))
    assert torch.equal(q(3 * z).indices, q(z).indices)


def test_decode_refuses_indices_outside_the_codebook():
    q = make("vq", 2, 4)
    for bad in (4, -2):
        with pytest.raises(ValueError, match=str(bad)):
            q.decode(torch.tensor([0, bad]))
    assert q.decode(torch.empty(0, dtype=torch.int64)).shape == (0, 2)


def test_readable_print():
    assert "codebook_size=4" in repr(make("nsvq", 2, 4)) and "bandwidth" in repr(make("nsvq", 2, 4))
    assert isinstance(make("vq", 2, 4), VectorQuantizer)
