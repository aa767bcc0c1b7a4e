"""The array is whole, or it is not there; nothing that happens on the way changes a bit of it."""

import errno
import hashlib
import json
import os
import pickle
import signal
import warnings

import numpy as np
import pytest
from PIL import Image
from preparing_process import Watched, start

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


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    for i, face in enumerate(synthetic_faces(slice(0, 300), 8).numpy()):
        Image.fromarray(face.transpose(1, 2, 0)).save(folder / f"{i:03d}.png")
    return folder


@pytest.fixture(scope="module")
def expected():
    return synthetic_faces(slice(0, 300), 8).numpy()


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


@pytest.mark.skipif(os.name != "posix", reason="kill -9")
@pytest.mark.parametrize(
    ("where", "kill", "begins"),
    [("", 3, range(1, 193)), ("checksum", None, [300]), ("manifest", None, [300])],
)
def test_killed_and_called_again_it_goes_on(pictures, expected, tmp_path, where, kill, begins):
    process = start(pictures, tmp_path, place=where, kill=kill)
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    with pytest.raises(FileNotFoundError, match="manifest.json is missing"):
        Prepared.open(place(tmp_path))
    partial = place(tmp_path) / "pictures.partial"
    if kill:  # what was being written, and the line about it
        with partial.open("ab") as file:
            file.write(b"torn" * 50)
        with (place(tmp_path) / "progress.jsonl").open("a") as file:
            file.write('{"names": ["0')
    watched = Watched(image_folder(pictures, 8))
    found = prepare(watched, tmp_path, progress=False)
    assert watched.starts[0] in begins
    assert np.array_equal(found[:], expected)
    whole = made(pictures, tmp_path / "unbroken")
    assert found.manifest["sha256"] == whole.manifest["sha256"]
    assert found.names == whole.names


def test_rows_that_are_not_what_the_journal_says_are_made_again(pictures, expected, tmp_path):
    stopped = Watched(image_folder(pictures, 8))
    blocks = list(stopped.originals.blocks(0))
    stopped.originals.blocks = lambda start: iter([*blocks[:2], interrupt])
    with pytest.raises(KeyboardInterrupt):
        prepare(stopped, tmp_path, workers=1, progress=False)
    partial = place(tmp_path) / "pictures.partial"
    content = bytearray(partial.read_bytes())
    assert len(content) == 128 + 128 * 192
    content[1000] ^= 1
    partial.write_bytes(content)
    watched = Watched(image_folder(pictures, 8))
    assert np.array_equal(prepare(watched, tmp_path, progress=False)[:], expected)
    assert watched.starts == [0]


def interrupt():
    raise KeyboardInterrupt


@pytest.mark.skipif(os.name != "posix", reason="forkserver")
def test_two_at_once_make_one(pictures, expected, tmp_path):
    pair = [start(pictures, tmp_path / "c", tmp_path / str(i), seconds=0.1) for i in range(2)]
    for process in pair:
        process.join(60)
        assert process.exitcode == 0
    (sha, *_), (other, *_) = said = [(tmp_path / str(i)).read_text().split() for i in range(2)]
    assert sha == other and sorted(count for _, count in said) == ["0", "1"]
    assert np.array_equal(Prepared.open(place(tmp_path / "c"), verify=True)[:], expected)


def test_a_disk_without_locks_is_said(pictures, expected, tmp_path, monkeypatch):
    fcntl = pytest.importorskip("fcntl")

    def none(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", none)
    with pytest.warns(UserWarning, match="cannot be locked .No locks available.: let no second"):
        assert np.array_equal(made(pictures, tmp_path)[:], expected)


class Full:
    """A file on a disk that is full after some bytes."""

    def __init__(self, file, room):
        self.file, self.room = file, room

    def __getattr__(self, name):
        return getattr(self.file, name)

    def write(self, content):
        self.room -= len(content)
        if self.room < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return self.file.write(content)


def test_a_full_disk_keeps_what_is_done(pictures, expected, tmp_path, monkeypatch):
    rows = building._rows
    with monkeypatch.context() as patch:
        patch.setattr(building, "SECONDS", 0.0)
        patch.setattr(building, "_rows", lambda o, j, file, *r: rows(o, j, Full(file, 20000), *r))
        with pytest.raises(OSError, match="could not be written to .*No space left.*call again"):
            made(pictures, tmp_path)
    watched = Watched(image_folder(pictures, 8))
    assert np.array_equal(prepare(watched, tmp_path, progress=False)[:], expected)
    assert watched.starts == [20000 // 192]


def test_too_small_a_disk_is_known_before(pictures, tmp_path, monkeypatch):
    usage = building.shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(building.shutil, "disk_usage", lambda place: usage)
    with pytest.raises(OSError, match="0.0 GB are needed, 0.0 GB are free"):
        made(pictures, tmp_path)


def test_a_manifest_that_cannot_be_written_leaves_the_rows(pictures, tmp_path, monkeypatch):
    whole = building.write_whole

    def full(path, text):
        if path.name == "manifest.json":
            raise OSError(errno.ENOSPC, "No space left on device")
        whole(path, text)

    with monkeypatch.context() as patch:
        patch.setattr(building, "write_whole", full)
        with pytest.raises(OSError, match="what is done stays"):
            made(pictures, tmp_path)
    watched = Watched(image_folder(pictures, 8))
    prepare(watched, tmp_path, progress=False)
    assert watched.starts == [300]


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


def test_a_file_that_cannot_be_read_is_never_left_out(pictures, expected, tmp_path):
    """That is a matter of the disk or of rights, and may be over tomorrow."""
    found = image_folder(pictures, 8, bad="skip")
    found.names = [*found.names[:70], "away.png"]
    found.about = image_folder(pictures, 8).about
    with pytest.raises(FileNotFoundError, match="away.png"):
        prepare(found, tmp_path, progress=False)
    watched = Watched(image_folder(pictures, 8))
    assert np.array_equal(prepare(watched, tmp_path, progress=False)[:], expected)
    assert watched.starts == [64]  # the block of the missing file is read again


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
