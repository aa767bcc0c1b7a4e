"""Every method of the table, by its name, learns in the middle of the autoencoder of lesson 06."""

import pytest
import torch

from vqlab import make, methods
from vqlab.vision import Autoencoder, digits

STEPS, SIZE = 60, 64
OPTIONS = {"transvq": {"width": 16}, "fvq": {"width": 16}, "fsq": {"levels": (8, 8)}}
OPTIONS["kmeans-reinit"] = {"every": 20}


def autoencoder(name: str, seed: int) -> Autoencoder:
    middle = make(name, 16, SIZE, channel_first=True, seed=seed, **OPTIONS.get(name, {}))
    return Autoencoder(1, 16, middle, width=16, seed=seed)


@pytest.mark.parametrize("name", [line.name for line in methods()])
def test_it_trains(name):
    torch.manual_seed(0)  # for nothing, if all goes well: the seeds are arguments
    model, pictures = autoencoder(name, 0), digits().train
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    codes, errors = [], []
    for step in range(STEPS):
        x = pictures[32 * step % 1400 :][:32]
        out = model(x)
        error = (out.images - x).square().mean()
        loss = error + out.loss
        assert torch.isfinite(loss), step
        assert out.indices.min() >= 0 and out.indices.max() < SIZE
        if step in (0, STEPS - 1):  # the task alone reaches every part of the encoder
            parts = list(model.encoder.parameters())
            for gradient in torch.autograd.grad(error, parts, retain_graph=True):
                assert gradient.isfinite().all() and gradient.abs().sum() > 0
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        codes.append(model.quantizer.codebook().detach().clone())
        errors.append(error.item())
    # The error of the pictures, not the whole loss: that rises where latents leave their codes
    # behind, as those of plain vq do. From grey pictures (0.2) down by more than a third.
    assert sum(errors[-5:]) < 0.66 * sum(errors[:5])
    if name not in ("fsq", "lfq", "bsq"):  # these points are fixed
        assert not torch.equal(codes[0], codes[-1])

    other = autoencoder(name, 1)
    other.load_state_dict(model.state_dict())
    model.eval(), other.eval()
    with torch.no_grad():
        a, b = model(pictures[:40]), other(pictures[:40])
        decoded = model.decode(model.quantizer.decode(a.indices))
    assert torch.equal(a.images, b.images) and torch.equal(a.indices, b.indices)
    assert torch.equal(decoded, a.images)
