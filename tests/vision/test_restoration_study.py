"""The runs behind lesson 31: whole, repeatable, resumable; and what is stored of them."""

import csv
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torchmetrics", reason="training needs the extra 'train'")

from vqlab.vision.restoration import study  # noqa: E402

STORED = Path(__file__).resolve().parents[2] / "data/restoration"
TINY = study.Sizes(side=16, faces=16, codes=8, width=8, warm=1, first=2, second=1)


def test_it_goes_on_where_it_was_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(study, "HELD_OUT", slice(300_000, 300_008))
    monkeypatch.setattr(study, "Sizes", lambda: TINY)
    words = ["--seeds", "100", "--out", str(tmp_path)]
    study.main(words)
    whole = (tmp_path / "results.csv").read_text()
    rows = list(csv.DictReader(whole.splitlines()))
    assert [r["network"] for r in rows[:4]] == ["truth", "input", "bicubic", "wiener"]
    knobs = [(r["network"], float(r["w"])) for r in rows if r["w"] != "nan"]
    assert knobs == [(n, w) for n in study.NETWORKS for w in study.KNOB] * len(study.FACTOR)
    with np.load(tmp_path / "pictures.npz") as kept:
        pictures = dict(kept)
    assert all(p.shape == (6, 16, 16, 3) and p.dtype == np.uint8 for p in pictures.values())
    lines = whole.splitlines(keepends=True)
    (tmp_path / "results.csv").write_text("".join(lines[:-6]))  # without the last network
    study.main(words)
    assert (tmp_path / "results.csv").read_text() == whole
    before = (tmp_path / "results.csv").stat().st_mtime_ns
    study.main(words)  # nothing is missing
    assert (tmp_path / "results.csv").stat().st_mtime_ns == before
    with np.load(tmp_path / "pictures.npz") as kept:
        assert all(np.array_equal(pictures[k], v) for k, v in kept.items())


def test_what_is_stored_is_whole():
    table = study.load(STORED / "results.csv")
    assert sorted(table.seed.unique()) == [0, 1, 2, 3, 4]
    counts = table[table.w.notna()].groupby(["damage", "network"]).size()
    assert counts.to_dict() == {(d, name): 25 for d in study.FACTOR for name in study.NETWORKS}
    assert list(table.columns) == list(study.COLUMNS)
    with np.load(STORED / "pictures.npz") as kept:
        names = {f"{n}, {w:g}" for n in study.NETWORKS for w in study.KNOB}
        names |= {"truth", "input", "bicubic", "wiener"}
        assert {f"{damage}: {n}" for damage in study.FACTOR for n in names} <= set(kept)


def test_the_stored_baselines_are_made_again():
    """Without any training: the same faces, degradations, filter and scores."""
    trained = {(damage, name) for damage in study.FACTOR for name in study.NETWORKS}
    rows = [row for some in study.run(0, study.Sizes(), trained) for row in some]
    assert len(rows) == 4 * len(study.FACTOR)
    table = study.load(STORED / "results.csv").set_index(["seed", "damage", "network"])
    for row in rows:
        if row["network"] == "truth":
            continue
        line = table.loc[(0, row["damage"], row["network"])]
        assert row["psnr"] == pytest.approx(line.psnr, abs=0.01)
        assert row["frechet"] == pytest.approx(line.frechet, rel=0.01)
