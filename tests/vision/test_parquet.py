"""Parquet files as Hugging Face writes them; the hub itself is a fake."""

import io
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

pa = pytest.importorskip("pyarrow", reason="parquet files need the extra 'train'")
import pyarrow.parquet as pq  # noqa: E402

from vqlab.vision import BadPicture, HuggingFace, ParquetFiles, prepare  # noqa: E402

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def png(value):
    out = io.BytesIO()
    Image.new("RGB", (8, 8), (value, 0, 0)).save(out, "PNG")
    return out.getvalue()


def write(file, values, paths=True, plain=False):
    cells = [png(v) for v in values]
    if not plain:
        cells = [{"bytes": c, "path": f"{v}.png" if paths else None}
                 for c, v in zip(cells, values, strict=True)]  # fmt: skip
    file.parent.mkdir(parents=True, exist_ok=True)
    table = pa.table({"label": list(values), "image": cells})
    pq.write_table(table, file, row_group_size=30)


@pytest.fixture
def files(tmp_path):
    write(tmp_path / "set/data/train-00000-of-00001.parquet", range(100))
    write(tmp_path / "set/data/validation-00000-of-00001.parquet", range(100, 110), paths=False)
    return tmp_path / "set"


def read(originals, start=0):
    return [result for block in originals.blocks(start) for result in block()]


@pytest.mark.parametrize("start", [0, 1, 29, 30, 64, 99, 100, 104, 110])
def test_every_row_in_its_place_from_anywhere(files, start):
    found = ParquetFiles(files, 8)
    rows = read(found, start)
    assert len(found) == 110 and [int(x[0, 0, 0]) for _, x in rows] == list(range(start, 110))
    names = [f"train-00000-of-00001/{i}.png" for i in range(100)]
    names += [f"validation-00000-of-00001/row {i:06d}" for i in range(10)]
    assert [name for name, _ in rows] == names[start:]


def test_bytes_alone_and_another_column(tmp_path):
    write(tmp_path / "a.parquet", [3, 1], plain=True)
    assert [int(x[0, 0, 0]) for _, x in read(ParquetFiles(tmp_path / "a.parquet", 8))] == [3, 1]
    with pytest.raises(ValueError, match="a.parquet has no column 'img'; it has label, image"):
        ParquetFiles(tmp_path, column="img")


def test_prepared_and_divided_as_its_files_are(files, tmp_path):
    found = prepare(ParquetFiles(files, 8), tmp_path / "c", progress=False)
    assert found[:, 0, 0, 0].tolist() == list(range(110))
    parts = found.split("own", val_share=0.1)
    assert [len(part) for part in parts] == [90, 10, 10]
    assert parts.test[np.arange(10)][:, 0, 0, 0].tolist() == list(range(100, 110))


def test_a_damaged_cell_and_a_damaged_file(tmp_path):
    cells = [{"bytes": b"rubbish", "path": "a.jpg"}, {"bytes": None, "path": None}, None]
    pq.write_table(pa.table({"image": cells}), tmp_path / "a.parquet")
    for (name, wrong), expected in zip(
        read(ParquetFiles(tmp_path)), ["a/a.jpg", "a/row 000001", "a/row 000002"], strict=True
    ):
        assert name == expected and isinstance(wrong, BadPicture)
        assert "a.parquet, row" in str(wrong)
    (tmp_path / "b.parquet").write_bytes((tmp_path / "a.parquet").read_bytes()[:-20])
    with pytest.raises(ValueError, match="b.parquet is no whole parquet file"):
        ParquetFiles(tmp_path)
    with pytest.raises(FileNotFoundError, match="no parquet file at .*nowhere"):
        ParquetFiles(tmp_path / "nowhere")


def test_without_pyarrow_one_sentence(files, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(ImportError, match="need the package pyarrow: pip install"):
        ParquetFiles(files)


def test_a_set_by_name_and_commit_is_fetched_when_needed_and_once(files, tmp_path, monkeypatch):
    asked = []

    def snapshot_download(name, **options):
        asked.append((name, options))
        return str(files)

    monkeypatch.setitem(sys.modules, "huggingface_hub", SimpleNamespace(
        snapshot_download=snapshot_download))  # fmt: skip
    found = prepare(HuggingFace("some/faces", COMMIT, resolution=8), tmp_path, progress=False)
    assert found[:, 0, 0, 0].tolist() == list(range(110)) and asked
    expected = {"repo_type": "dataset", "revision": COMMIT, "allow_patterns": "*.parquet"}
    assert all(one == ("some/faces", expected) for one in asked)
    asked.clear()
    prepare(HuggingFace("some/faces", COMMIT, resolution=8), tmp_path, progress=False)
    assert asked == []
    assert found.manifest["source"]["revision"] == COMMIT


def test_a_set_by_name_needs_a_commit_and_the_package(monkeypatch):
    for revision in (None, "main", COMMIT[:7]):
        with pytest.raises(ValueError, match="name the commit of some/faces as revision"):
            HuggingFace("some/faces", revision)
    with pytest.raises(ValueError, match="called owner/name, got 'faces'"):
        HuggingFace("faces", COMMIT)
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ImportError, match="pip install huggingface_hub"):
        len(HuggingFace("some/faces", COMMIT))
