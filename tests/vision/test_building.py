"""Whatever stops a preparation, what is done stays, and the next call ends it bit for bit."""

import errno
import os
import signal

import numpy as np
import pytest
from preparing_process import Watched, start

from vqlab.vision import Prepared, building, image_folder, prepare


def made(pictures, folder, **options):
    return prepare(image_folder(pictures, 8, **options), folder, progress=False)


def place(folder):
    return next(path for path in folder.iterdir() if path.is_dir())


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
