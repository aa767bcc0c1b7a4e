"""Pictures small enough for a test of every detail."""

import pytest
import torch
from PIL import Image

from vqlab.vision import Images, synthetic_faces


@pytest.fixture
def images():
    generator = torch.Generator().manual_seed(0)
    return Images(*torch.rand(60, 1, 8, 8, generator=generator).split([40, 20]))


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    """Nothing is prepared in the home folder."""
    folder = tmp_path_factory.getbasetemp() / "cache"
    monkeypatch.setenv("VQLAB_CACHE", str(folder))
    return folder


@pytest.fixture(scope="session")
def pictures(tmp_path_factory):
    """A folder of 300 drawn faces of 8 x 8 pixels."""
    folder = tmp_path_factory.mktemp("pictures")
    for i, face in enumerate(synthetic_faces(slice(0, 300), 8).numpy()):
        Image.fromarray(face.transpose(1, 2, 0)).save(folder / f"{i:03d}.png")
    return folder


@pytest.fixture(scope="session")
def expected():
    """The same as an array."""
    return synthetic_faces(slice(0, 300), 8).numpy()
