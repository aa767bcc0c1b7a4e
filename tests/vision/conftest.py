"""Pictures small enough for a test of every detail."""

import pytest
import torch

from vqlab.vision import Images


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
