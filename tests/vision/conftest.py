"""Pictures small enough for a test of every detail."""

import pytest
import torch

from vqlab.vision import Images


@pytest.fixture
def images():
    generator = torch.Generator().manual_seed(0)
    return Images(*torch.rand(60, 1, 8, 8, generator=generator).split([40, 20]))
