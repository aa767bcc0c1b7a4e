"""Drawn faces: the same bits in every batch, the same person at every size, and who one sees."""

import numpy as np
import pytest
import torch

from vqlab.vision import attributes, synthetic_faces
from vqlab.vision.faces import LEVELS, canvas, drawing

FIRST = slice(0, 300)


@pytest.fixture(scope="module")
def first():
    return synthetic_faces(FIRST)


def test_shape_type_and_range(first):
    assert first.shape == (300, 3, 64, 64) and first.dtype == torch.uint8
    assert first.min() < 10 and first.max() > 245
    assert synthetic_faces(3).shape == (1, 3, 64, 64)
    assert synthetic_faces([]).shape == (0, 3, 64, 64)
    assert synthetic_faces(slice(10, 20, 5), 8).shape == (2, 3, 8, 8)


@pytest.mark.parametrize("resolution", [16, 64, 100])
def test_a_face_has_the_same_bits_in_every_batch(resolution):
    # 90 faces are drawn in more than one go at 64 and 100 pixels.
    together = synthetic_faces(slice(0, 90), resolution)
    for k in (0, 7, 33, 89):
        assert torch.equal(synthetic_faces(k, resolution)[0], together[k])
    some = [80, 3, 3, 41, 12]
    assert torch.equal(synthetic_faces(torch.tensor(some), resolution), together[some])
    assert torch.equal(synthetic_faces(np.arange(89, -1, -1), resolution), together.flip(0))


def whole(self, low, high):
    """In `Canvas.window`'s place: all of the picture."""
    return np.zeros_like(low, np.intp), np.array(self.planes.shape[2:])


def test_windows_only_save_time(first, monkeypatch):
    """Drawn on the whole picture instead of in windows, every bit is the same.

    A face alone has the narrowest windows, so this is where one that is too narrow shows.
    """
    alone = torch.cat([synthetic_faces(k) for k in range(150)])
    assert torch.equal(alone, first[:150])
    monkeypatch.setattr(canvas.Canvas, "window", whole)
    assert torch.equal(synthetic_faces(slice(0, 300)), first)


def test_windows_hold_all_at_high_resolution(monkeypatch):
    """Where their margin of a pixel is least: long lashes, open mouths with full lips, hats."""
    faces = [(27, 14), (34, 14), (57, 14), (71, 14), (94, 14), (204, 21), (416, 0)]
    small = [synthetic_faces(index, 256, seed) for index, seed in faces]
    monkeypatch.setattr(canvas.Canvas, "window", whole)
    for picture, (index, seed) in zip(small, faces, strict=True):
        assert torch.equal(synthetic_faces(index, 256, seed), picture), (index, seed)


def test_numpy_is_left_as_it_was():
    before = np.getbufsize()
    synthetic_faces(0)
    assert np.getbufsize() == before != drawing.BUFFER


def test_another_seed_gives_other_people(first):
    assert not torch.equal(synthetic_faces(slice(0, 20), seed=1), first[:20])
    last = synthetic_faces(2**62 + 1, 16, seed=2**32 - 1)
    assert torch.equal(last, synthetic_faces([2**62 + 1], 16, seed=2**32 - 1))


@pytest.mark.parametrize(
    ("fine", "coarse", "most"), [(128, 64, 2.0), (64, 16, 0.5), (256, 64, 3.0)]
)
def test_another_size_shows_the_same_person(fine, coarse, most):
    """The mean over blocks of the finer picture is the coarser one, within `most` of 255 levels."""
    large = synthetic_faces(slice(0, 48), fine).float()
    mean = torch.nn.functional.avg_pool2d(large, fine // coarse)
    small = synthetic_faces(slice(0, 48), coarse).float()
    own = (mean - small).abs().mean((1, 2, 3))
    assert own.max() < 2 * most and own.mean() < most
    other = (mean - small.roll(1, 0)).abs().mean()
    assert own.mean() < other / 10


def test_no_two_of_500_are_equal():
    pictures = synthetic_faces(slice(0, 500), 16).reshape(500, -1)
    assert len(torch.unique(pictures, dim=0)) == 500
    distance = torch.cdist(pictures.float(), pictures.float(), p=1) / pictures.shape[1]
    distance.fill_diagonal_(torch.inf)
    assert distance.min() > 3  # mean levels of 255 between the two most alike


def test_every_level_of_every_attribute_comes_up():
    table = attributes(slice(0, 3000))
    assert list(table) == list(LEVELS)
    for name, levels in LEVELS.items():
        assert sum(levels.values()) == pytest.approx(1)
        seen, counts = np.unique(table[name], return_counts=True)
        assert set(seen) == set(levels), name
        assert counts.min() >= 30, name


def test_shares_are_those_stated_where_nothing_else_decides():
    table = attributes(slice(0, 20000))
    for name in ("kind", "expression", "skin", "glasses", "colour", "light", "turn"):
        for level, share in LEVELS[name].items():
            error = (share * (1 - share) / 20000) ** 0.5
            assert np.mean(table[name] == level) == pytest.approx(share, abs=4.5 * error)


def test_attributes_are_of_a_face_not_of_a_batch():
    table = attributes(slice(0, 50), seed=3)
    for k in (0, 49):
        assert {name: column[k] for name, column in table.items()} == {
            name: column[0] for name, column in attributes(k, seed=3).items()
        }


def test_attributes_exclude_what_cannot_be_seen_together():
    table = attributes(slice(0, 5000))
    woman, bald = table["kind"] == "woman", table["length"] == "bald"
    assert set(table["beard"][woman]) == {"none"} and not (woman & bald).any()
    assert not ((table["hat"] != "none") & (table["bun"] == "yes")).any()
    assert not (bald & (table["front"] == "fringe")).any()


@pytest.mark.parametrize(
    ("name", "level", "box"),
    [
        ("glasses", "dark", (28, 38, 16, 48)),
        ("hat", "brim", (4, 24, 16, 48)),
        ("expression", "laugh", (38, 50, 20, 44)),
        ("beard", "full", (42, 54, 20, 44)),
        ("earrings", "golden", (34, 48, 8, 56)),
    ],
)
def test_an_attribute_is_seen_where_it_belongs(name, level, box, monkeypatch):
    """Another level of one attribute changes the picture there and hardly anywhere else."""
    row = np.flatnonzero(
        (attributes(slice(0, 400))["length"] == "short")
        & (attributes(slice(0, 400))["hat"] == "none")
    )[:40]
    with_level, plain = (_drawn(row, {name: value}) for value in (level, _other(name)))
    change = (with_level.float() - plain.float()).abs().mean(1)
    top, bottom, left, right = box
    inside = change[:, top:bottom, left:right].mean((1, 2))
    outside = change.clone()
    outside[:, top:bottom, left:right] = 0
    assert inside.min() > 0.3
    assert inside.mean() > 2 * outside.mean()


def _other(name):
    return "neutral" if name == "expression" else "none"


def _drawn(row, levels):
    who = drawing.sitters(row.astype(np.uint64), 0)
    for name, level in levels.items():
        who.table[name] = np.full(len(row), level)
    planes = np.empty((5, len(row), 64, 64), np.float32)
    return torch.from_numpy(drawing._drawn(who, planes, 1))


@pytest.mark.parametrize("resolution", [7, 1025, 0, -64])
def test_a_resolution_out_of_range_is_refused(resolution):
    with pytest.raises(ValueError, match=f"8 to 1024 pixels, got {resolution}"):
        synthetic_faces(0, resolution)


@pytest.mark.parametrize("resolution", [64.0, "64", True])
def test_a_resolution_that_is_not_whole_is_refused(resolution):
    with pytest.raises(TypeError, match="whole number of pixels"):
        synthetic_faces(0, resolution)


@pytest.mark.parametrize("index", [-1, [3, -2], slice(-3, 2)])
def test_a_negative_number_is_refused(index):
    with pytest.raises(ValueError, match="numbered from 0"):
        synthetic_faces(index)


def test_an_endless_slice_is_refused():
    with pytest.raises(ValueError, match="needs an end"):
        synthetic_faces(slice(5, None))


@pytest.mark.parametrize("index", [0.5, [1.0], "3", True, [[1, 2]], [True, False]])
def test_an_index_of_another_kind_is_refused(index):
    with pytest.raises(TypeError, match="whole number, a slice or a row"):
        synthetic_faces(index)


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_a_seed_out_of_range_is_refused(seed):
    with pytest.raises(ValueError, match="seed must be"):
        attributes(0, seed)
