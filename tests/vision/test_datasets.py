"""The pictures: right ones, right numbers, nothing on both sides of the split."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits, load_sample_image

from vqlab.vision import Images, digits, drawn_faces, photo_patches, synthetic_faces
from vqlab.vision.datasets import images_of


def test_digits_are_all_of_scikit_learns_digits_each_once():
    train, test = digits()
    assert train.shape == (1438, 1, 8, 8) and test.shape == (359, 1, 8, 8)
    assert train.dtype == torch.float32
    ours = torch.cat([train, test])[:, 0].numpy() * 16
    theirs = load_digits().images
    assert np.array_equal(_sorted(ours), _sorted(theirs))  # sixteenths are exact in binary


def test_patches_are_all_whole_tiles_of_both_photographs_each_once():
    train, test = photo_patches(16)
    assert train.shape == (1664, 3, 16, 16) and test.shape == (416, 3, 16, 16)
    ours = torch.cat([train, test]).permute(0, 2, 3, 1).numpy()
    theirs = []
    for name in ("china.jpg", "flower.jpg"):
        photo = load_sample_image(name)
        for top in range(0, 427 - 15, 16):
            theirs += [photo[top : top + 16, x : x + 16] for x in range(0, 640, 16)]
    assert np.array_equal(_sorted(np.round(255 * ours)), _sorted(np.stack(theirs)))


def _sorted(stack):
    rows = np.asarray(stack, dtype=np.float32).reshape(len(stack), -1)
    return rows[np.lexsort(rows.T)]


@pytest.mark.parametrize("load", [digits, photo_patches])
def test_a_seed_gives_one_split_and_another_seed_another(load):
    assert torch.equal(load().test, load().test)
    assert not torch.equal(load().test, load(seed=1).test)
    assert 0 <= load().train.min() and load().train.max() <= 1


def test_drawn_faces_are_the_first_faces_each_once():
    train, test = drawn_faces(50, 16)
    assert train.shape == (40, 3, 16, 16) and test.shape == (10, 3, 16, 16)
    ours = torch.cat([train, test]).numpy() * 255
    assert np.array_equal(_sorted(np.round(ours)), _sorted(synthetic_faces(slice(0, 50), 16)))


@pytest.mark.parametrize("size", [0, 428, 8.5])
def test_a_patch_that_does_not_fit_is_refused(size):
    with pytest.raises(ValueError, match="1 to 427"):
        photo_patches(size)


@pytest.mark.parametrize("share", [0, 1, -0.1, 1e-6])
def test_a_split_without_one_side_is_refused(share):
    with pytest.raises(ValueError, match="both sides"):
        digits(share)


def test_pictures_by_name_or_given():
    assert torch.equal(images_of("photos").test, photo_patches().test)
    with pytest.raises(ValueError, match="digits, photos, faces"):
        images_of("cats")
    good = torch.rand(3, 1, 8, 8)
    for train, test in [(good[:, 0], good), (good, good[:0]), (good, torch.rand(2, 1, 8, 9))]:
        with pytest.raises(ValueError, match="N, C, H, W"):
            images_of(Images(train, test))
    with pytest.raises(ValueError, match="0, 1"):
        images_of(Images(good, good * torch.nan))
