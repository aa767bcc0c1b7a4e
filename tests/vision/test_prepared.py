"""The array is whole, or it is not there; nothing that happens on the way changes a bit of it."""

import hashlib
import json
import os
import pickle
import warnings

import numpy as np
import pytest
from preparing_process import Watched

from vqlab.vision import (
    BadPicture,
    FacesToDraw,
    Prepared,
    building,
    image_folder,
    prepare,
    synthetic_faces,
)
from vqlab.vision import originals as originals_module
from vqlab.vision.prepared import Torn, default_folder


def made(pictures, folder, **options):
    return prepare(image_folder(pictures, 8, **options), folder, progress=False)


def place(folder):
    return next(path for path in folder.iterdir() if path.is_dir())


def test_every_picture_in_its_place(pictures, expected, tmp_path):
    found = made(pictures, tmp_path)
    assert found.array.dtype == np.uint8 and np.array_equal(found[:], expected)
    assert np.array_equal(found[np.array([7, 299, 7])], expected[[7, 299, 7]])
    assert found.names == [f"{i:03d}.png" for i in range(300)] and len(found) == 300
    assert sorted(p.name for p in found.folder.iterdir()) == [
        "lock", "manifest.json", "pictures.npy"]  # fmt: skip
    said = json.loads((found.folder / "manifest.json").read_text())
    content = (found.folder / "pictures.npy").read_bytes()
    assert said["sha256"] == hashlib.sha256(content).hexdigest() and said["count"] == 300
    assert said["source"]["where"] == str(pictures) and said["source"]["filter"] == "lanczos"
    assert np.array_equal(np.load(found.folder / "pictures.npy"), expected)


@pytest.mark.parametrize("workers", [1, 5])
def test_threads_change_nothing(pictures, expected, tmp_path, monkeypatch, workers):
    monkeypatch.setattr(originals_module, "BLOCK", 7)
    found = prepare(image_folder(pictures, 8), tmp_path, workers, progress=False)
    assert np.array_equal(found[:], expected)


def test_it_is_made_once(pictures, tmp_path):
    first = made(pictures, tmp_path)
    watched = Watched(image_folder(pictures, 8))
    again = prepare(watched, tmp_path, progress=False)
    assert watched.starts == [] and again.folder == first.folder
    assert made(pictures, tmp_path, filter="box").folder != first.folder


def shorten(folder):
    array = folder / "pictures.npy"
    os.truncate(array, array.stat().st_size - 1)


def flip(folder):
    array = folder / "pictures.npy"
    content = bytearray(array.read_bytes())
    content[-1] ^= 1
    array.write_bytes(content)


def tear(folder):
    manifest = folder / "manifest.json"
    manifest.write_text(manifest.read_text()[:200])


def strange(folder):
    (folder / "manifest.json").write_text('{"count": 3}')


def lose(folder):
    (folder / "pictures.npy").unlink()


@pytest.mark.parametrize(
    ("harm", "words"),
    [(shorten, "bytes, its manifest says"), (flip, "another SHA-256"), (tear, "manifest .* torn"),
     (strange, "manifest .* torn"), (lose, "pictures.npy is missing")],
)  # fmt: skip
def test_what_is_torn_is_refused_or_made_again(pictures, expected, tmp_path, harm, words):
    found = made(pictures, tmp_path)
    harm(found.folder)
    with pytest.raises(Torn, match=words + ".*prepare"):
        Prepared.open(found.folder)
    with pytest.warns(UserWarning, match=words + ".*this is done now"):
        again = made(pictures, tmp_path)
    assert np.array_equal(again[:], expected)
    Prepared.open(found.folder, verify=True)


def test_a_copy_is_checked_once(pictures, tmp_path, monkeypatch):
    array = made(pictures, tmp_path).folder / "pictures.npy"
    os.utime(array, ns=(0, 0))
    looked = []
    whole = building.digest
    monkeypatch.setattr("vqlab.vision.prepared.digest", lambda p: looked.append(p) or whole(p))
    made(pictures, tmp_path)
    made(pictures, tmp_path)
    assert looked == [array]


def test_damaged_files_end_it_or_are_left_out_and_counted(pictures, expected, tmp_path):
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    for i in range(40):
        content = (pictures / f"{i:03d}.png").read_bytes()
        (damaged / f"{i:03d}.png").write_bytes(content[: 60 if i in (5, 39) else None])
    with pytest.raises(BadPicture, match=str(damaged / "005.png")):
        made(damaged, tmp_path / "c")
    with pytest.warns(UserWarning, match="2 of 40 pictures are damaged and left out: 005.png"):
        found = made(damaged, tmp_path / "c", bad="skip")
    kept = [i for i in range(40) if i not in (5, 39)]
    assert np.array_equal(found[:], expected[kept])
    assert found.names == [f"{i:03d}.png" for i in kept]
    assert [name for name, _ in found.skipped] == ["005.png", "039.png"]
    with pytest.raises(BadPicture, match="005.png"):  # the promise holds for what is there already
        made(damaged, tmp_path / "c")
    for i in kept:
        (damaged / f"{i:03d}.png").write_bytes(b"rubbish")
    with pytest.raises(ValueError, match="not one of 40 pictures is whole; the first: 000.png"):
        made(damaged, tmp_path / "c", bad="skip")


def test_another_process_opens_the_same_file(pictures, expected, tmp_path):
    found = made(pictures, tmp_path)
    parcel = pickle.dumps(found)
    assert len(parcel) < 10_000 < found.array.nbytes
    assert np.array_equal(pickle.loads(parcel)[:], expected)


def test_faces_are_drawn_once(tmp_path):
    found = prepare(FacesToDraw(100, 16, seed=2), tmp_path, progress=False)
    assert np.array_equal(found[:], synthetic_faces(slice(0, 100), 16, 2).numpy())
    watched = Watched(FacesToDraw(100, 16, seed=2))
    prepare(watched, tmp_path)
    assert watched.starts == []


def test_parts_share_no_picture(pictures, expected, tmp_path):
    found = made(pictures, tmp_path)
    parts = found.split("paper")
    assert [len(part) for part in parts] == [225, 30, 45]
    assert np.array_equal(parts.test[np.arange(45)], expected[255:])


def test_where_it_goes(monkeypatch, tmp_path):
    monkeypatch.setenv("VQLAB_CACHE", str(tmp_path))
    assert default_folder() == tmp_path
    monkeypatch.setenv("VQLAB_CACHE", "")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_folder() == tmp_path / ".cache/vqlab"
    with pytest.raises(ValueError, match="workers"):
        prepare(FacesToDraw(3, 8), tmp_path, workers=0)
    with pytest.raises(FileNotFoundError, match="no prepared pictures in"):
        Prepared.open(tmp_path / "nowhere")


def test_nothing_is_said_where_nothing_is_wrong(pictures, tmp_path, capsys):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made(pictures, tmp_path)
    assert capsys.readouterr() == ("", "")
