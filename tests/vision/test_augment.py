"""The changes of training pictures: their range, their reproducibility, their sizes."""

import numpy as np
import pytest
import torch

from vqlab.vision import Augment

STILL = {"scale": 1.0, "ratio": 1.0, "angle": 0.0, "brightness": 0.0, "contrast": 0.0,
         "sharpness": 1.0, "noise": 0.0}  # fmt: skip


def pictures(count=6, side=12, channels=3):
    return torch.rand(count, channels, side, side, generator=torch.Generator().manual_seed(0))


def test_targets_stay_in_the_range_of_the_decoder():
    """The released code's noise pushes targets out of [0, 1], where no sigmoid can follow."""
    out = Augment(noise=0.5)(pictures(64).round(), torch.arange(64), 0, 0)
    assert out.min() == 0 and out.max() == 1


def test_nothing_changes_without_a_change():
    x = pictures()
    assert torch.equal(Augment(**STILL)(x, torch.arange(6), 0, 0), x)


def test_a_change_is_a_function_of_seed_epoch_and_picture_alone():
    x, which = pictures(), torch.arange(6)
    change = Augment()
    whole = change(x, which, 3, 5)
    torch.manual_seed(9)
    for i in range(6):  # alone, in another order, after other draws
        assert torch.equal(change(x[i : i + 1], which[i : i + 1], 3, 5)[0], whole[i])
    for seed, epoch, moved in [(4, 5, which), (3, 6, which), (3, 5, which + 1)]:
        assert not torch.isclose(change(x, moved, seed, epoch), whole).flatten(1).all(1).any()


def test_each_change_has_the_size_it_says():
    x, which = torch.full((4000, 1, 4, 4), 0.5), torch.arange(4000)
    bright = Augment(**{**STILL, "brightness": 0.2})(x, which, 0, 0)[:, 0, 0, 0] / 0.5
    assert 0.8 <= bright.min() < 0.81 and 1.19 < bright.max() <= 1.2
    noisy = Augment(**{**STILL, "noise": 0.05})(x, which, 0, 0) - 0.5
    touched = noisy.flatten(1).abs().sum(1) > 0
    # 4,000 coins: standard error 0.008; 32,000 normal numbers: of their spread 0.4 %
    assert abs(touched.float().mean() - 0.5) < 0.04
    assert abs(noisy[touched].std() / 0.05 - 1) < 0.02
    flat = torch.zeros(4000, 1, 4, 4)
    flat[:, :, :, :2] = 1
    contrast = Augment(**{**STILL, "contrast": 0.2})(flat / 2 + 0.25, which, 0, 0)
    gap = contrast[:, 0, 0, 0] - contrast[:, 0, 0, 3]
    assert 0.4 <= gap.min() < 0.405 and 0.595 < gap.max() <= 0.6


def test_sharpening_is_torchvisions():
    """Away from a blur of weights 1 with a 5 in the middle; the border stays."""
    x = pictures(40)
    out = Augment(**{**STILL, "sharpness": 2.0})(x, torch.arange(40), 0, 0).double().numpy()
    given, changed = x.double().numpy(), 0
    for before, after in zip(given, out, strict=True):
        if np.array_equal(before, after):
            continue
        changed += 1
        expected = before.copy()
        for c in range(3):
            for i in range(1, 11):
                for j in range(1, 11):
                    window = before[c, i - 1 : i + 2, j - 1 : j + 2]
                    blurred = (window.sum() + 4 * before[c, i, j]) / 13
                    expected[c, i, j] = np.clip(2 * before[c, i, j] - blurred, 0, 1)
        np.testing.assert_allclose(after, expected, atol=1e-6)
    assert 10 < changed < 30


def test_crops_lie_within_and_rotations_turn():
    ramp = torch.linspace(0, 1, 32).expand(500, 1, 32, 32)  # grey rises from left to right
    out = Augment(**{**STILL, "scale": 0.8})(ramp, torch.arange(500), 0, 0)
    slope = (out[:, 0, 16, 24] - out[:, 0, 16, 8]) / 16 * 31
    width = slope.square()  # the crop's side over the picture's, squared: its area
    assert width.min() > 0.79 and width.max() < 1.01 and width.min() < 0.82 < 0.98 < width.max()
    turned = Augment(**{**STILL, "angle": 10.0})(ramp, torch.arange(500), 0, 0)
    across = turned[:, 0, 16, 20] - turned[:, 0, 16, 12]
    down = turned[:, 0, 20, 16] - turned[:, 0, 12, 16]
    degrees = torch.rad2deg(torch.atan2(down, across))
    assert -10.01 < degrees.min() < -9.8 and 9.8 < degrees.max() < 10.01


def test_a_flip_mirrors_every_second_picture():
    x = pictures(400)
    out = Augment(**{**STILL}, flip=True)(x, torch.arange(400), 0, 0)
    mirrored = torch.isclose(out, x.flip(3), atol=1e-5).flatten(1).all(1)
    same = torch.isclose(out, x, atol=1e-5).flatten(1).all(1)
    assert (mirrored ^ same).all() and 150 < mirrored.sum() < 250


@pytest.mark.parametrize(
    "wrong",
    [{"scale": 0}, {"ratio": 1.5}, {"brightness": 2}, {"noise": -1}, {"angle": float("nan")}],
)
def test_changes_out_of_range_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Augment(**wrong)
