"""CelebA-HQ from one's own files: counted, its terms shown once, and trained on."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from vqlab.vision import celeba, celeba_hq, prepare, splits, synthetic_faces


@pytest.fixture
def small(monkeypatch):
    """As if CelebA-HQ had 40 pictures."""
    monkeypatch.setattr(celeba, "CELEBA_HQ", 40)
    monkeypatch.setattr(splits, "CELEBA_HQ", 40)
    monkeypatch.setattr(splits, "COUNTS", {
        "paper": (30, 4, 6), "official": (32, 4, 4), "taming": (33, 7), "nvae": (36, 4)
    })  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "celeba_hq_256"
    folder.mkdir()
    for i, face in enumerate(synthetic_faces(slice(0, 40), 8).numpy()):
        Image.fromarray(face.transpose(1, 2, 0)).save(folder / f"{i}.png")
    return folder


def test_its_terms_are_shown_when_it_is_prepared_and_not_again(small, folder, tmp_path, capsys):
    prepare(celeba_hq(folder, 8), tmp_path / "c", progress=False)
    said = capsys.readouterr().out
    assert said.count("non-commercial research") == 1 and "CelebAMask-HQ" in said
    assert "://" not in said
    prepare(celeba_hq(folder, 8), tmp_path / "c", progress=False)
    assert capsys.readouterr().out == ""


def test_its_splits(small, folder, tmp_path):
    found = prepare(celeba_hq(folder, 8), tmp_path / "c", progress=False)
    assert found.manifest["source"]["kind"] == "celeba-hq"
    words = sorted(range(40), key=lambda i: f"{i}.png")
    parts = found.split("paper")
    faces = synthetic_faces(slice(0, 40), 8).numpy()
    assert np.array_equal(parts.test[np.arange(6)], faces[words[34:]])
    assert [len(part) for part in found.split("taming", val_share=0.2)] == [26, 7, 7]
    mapping, partition = tmp_path / "mapping.txt", tmp_path / "partition.txt"
    mapping.write_text("\n".join(f"{i} {i + 6} {i + 7:06d}.jpg" for i in range(40)))
    partition.write_text("\n".join(f"{i + 7:06d}.jpg {(i > 31) + (i > 35)}" for i in range(40)))
    lists = {"mapping": str(mapping), "partition": str(partition)}
    parts = found.split("official", lists)
    assert np.array_equal(parts.val[np.arange(4)], faces[32:36])


def test_other_counts_and_other_places_are_refused(small, folder, tmp_path):
    (folder / "39.png").unlink()
    with pytest.raises(ValueError, match="CelebA-HQ has 30,000 pictures, found 39 in .*celeba_hq"):
        celeba_hq(folder, 8)
    with pytest.raises(FileNotFoundError, match="nowhere: give a folder of its pictures, parquet"):
        celeba_hq(tmp_path / "nowhere")


def test_a_picture_that_is_left_out_spoils_a_published_split(small, folder, tmp_path):
    (folder / "7.png").write_bytes(b"")
    with pytest.warns(UserWarning, match="1 of 40 pictures are damaged and left out: 7.png"):
        found = prepare(celeba_hq(folder, 8, bad="skip"), tmp_path / "c", progress=False)
    with pytest.raises(ValueError, match="30,000 pictures, found 39"):
        found.split("paper")


def test_from_parquet_files_and_by_name(small, folder, tmp_path, monkeypatch):
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    (tmp_path / "hub").mkdir()
    parts = {"train": range(32), "validation": range(32, 36), "test": range(36, 40)}
    for part, rows in parts.items():
        cells = [{"bytes": (folder / f"{i}.png").read_bytes(), "path": f"{i}.png"} for i in rows]
        pq.write_table(pa.table({"image": cells}), tmp_path / f"hub/{part}-00000-of-00001.parquet")
    hub = SimpleNamespace(snapshot_download=lambda *a, **k: str(tmp_path / "hub"))
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub)
    faces = synthetic_faces(slice(0, 40), 8).numpy()
    for originals in (
        celeba_hq(tmp_path / "hub", 8), celeba_hq("eurecom/celeba", 8, revision="a" * 40)
    ):  # fmt: skip
        found = prepare(originals, tmp_path / "c", progress=False)
        parts = found.split("official")
        assert [len(part) for part in parts] == [32, 4, 4]
        assert np.array_equal(parts.val[np.arange(4)], faces[32:36])
