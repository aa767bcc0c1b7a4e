"""Which files a folder's pictures are, in which order, and when they count as others."""

import os

import numpy as np
import pytest
from PIL import Image

from vqlab.vision import BadPicture, FacesToDraw, image_folder, synthetic_faces


@pytest.fixture
def folder(tmp_path):
    for i, name in enumerate(["b/2.png", "a.JPG", "b/10.webp", "B.jpeg", "b/c/x.PNG"]):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (9, 8), (10 * i, 0, 0)).save(
            tmp_path / name, "WEBP" if "webp" in name else "PNG"
        )
    for name in (".hidden.png", ".git/x.png", "notes.txt", "b/movie.gif"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"not to be read")
    return tmp_path


def read(originals, start=0):
    return [result for block in originals.blocks(start) for result in block()]


def test_all_pictures_in_the_order_of_their_paths(folder):
    found = image_folder(folder, 8)
    assert list(found.names) == ["B.jpeg", "a.JPG", "b/10.webp", "b/2.png", "b/c/x.PNG"]
    assert [name for name, _ in read(found)] == list(found.names) and len(found) == 5
    assert [int(x[0, 0, 0]) for _, x in read(found)] == [30, 10, 20, 0, 40]
    assert [name for name, _ in read(found, 3)] == ["b/2.png", "b/c/x.PNG"]


def test_a_link_to_a_file_is_read_and_one_to_a_folder_is_not_followed(folder, tmp_path):
    os.symlink(folder / "b/2.png", folder / "z.png")
    os.symlink(folder, folder / "round")
    found = image_folder(folder, 8)
    seen = dict(read(found))
    assert len(found) == len(seen) == 6 and np.array_equal(seen["z.png"], seen["b/2.png"])


def test_a_damaged_file_is_named_and_one_that_cannot_be_read_stops(folder):
    (folder / "b/2.png").write_bytes(b"rubbish")
    found = image_folder(folder, 8, bad="skip")
    wrong = dict(read(found))["b/2.png"]
    assert isinstance(wrong, BadPicture) and wrong.name == str(folder / "b/2.png")
    (folder / "a.JPG").unlink()
    with pytest.raises(FileNotFoundError, match="a.JPG"):
        read(found)


def test_another_file_another_set(folder):
    first = image_folder(folder, 8).about()
    assert image_folder(folder, 8, bad="skip").about() == first
    assert image_folder(folder, 8, filter="box").about() != first
    assert image_folder(folder, 8, background="red").about() != first
    file = folder / "a.JPG"
    os.utime(file, ns=(0, file.stat().st_mtime_ns + 1))
    assert image_folder(folder, 8).about() != first


def test_what_is_no_folder_of_pictures(folder, tmp_path):
    (tmp_path / "none").mkdir()
    with pytest.raises(ValueError, match="no picture in .*none: looked for .*[.]webp"):
        image_folder(tmp_path / "none")
    for path in ("nowhere", "a.JPG"):
        with pytest.raises(NotADirectoryError, match=path):
            image_folder(folder / path)
    with pytest.raises(ValueError, match="'raise' or 'skip', got 'ignore'"):
        image_folder(folder, bad="ignore")
    with pytest.raises(ValueError, match="1 to 4096"):
        image_folder(folder, 0)


def test_faces_to_draw_are_the_first_faces():
    found = FacesToDraw(70, 8, seed=3)
    names, faces = zip(*read(found, 60), strict=True)
    assert names[0] == "face-60" and len(names) == 10
    assert np.array_equal(np.stack(faces), synthetic_faces(slice(60, 70), 8, 3).numpy())
    assert found.about() != FacesToDraw(70, 8).about() != FacesToDraw(71, 8).about()
    for count in (0, 2.5, True):
        with pytest.raises(ValueError, match="count must be"):
            FacesToDraw(count)
    with pytest.raises(ValueError, match="8 to 1024"):
        FacesToDraw(5, 4)
