"""Encoder's rate and start of the codes: the runs, the file, and what is said beside the source."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.cluster import KMeans

from vqlab.vision import stress, trend

FILE = Path(__file__).resolve().parents[2] / "data/stress.csv"
SMALL = {"data": ["digits"], "rates": [1.0], "steps": 2, "warmup": 1, "progress": False}


def test_a_killed_run_goes_on_where_it_was(tmp_path):
    first = stress.produce(1, methods=["vq", "simvq"], store=tmp_path, **SMALL)
    assert first.groupby(["method", "encoder", "start"]).size().to_dict() == {
        ("vq", "trained", "kmeans"): 1, ("simvq", "trained", "own"): 1,
        ("vq", "trained", "first-batch"): 1, ("vq", "untrained", "kmeans"): 1}  # fmt: skip
    store = tmp_path / "runs.jsonl"
    lines = store.read_bytes().splitlines(keepends=True)
    assert len(lines) == 4
    marked = lines[0].replace(b'"utilization": ', b'"utilization": 7', 1)  # to be known again
    store.write_bytes(marked + lines[1] + lines[2][:40])
    second = stress.produce(1, methods=["vq", "simvq"], store=tmp_path, **SMALL)
    assert len(store.read_bytes().splitlines()) == 5  # of them one torn
    assert (second["utilization"] > 1).tolist() == [True, False, False, False]
    pd.testing.assert_frame_equal(first[1:], second[1:])


def test_marks_are_those_of_the_last_frame_by_brute_force():
    run = stress.trial("vq", data="faces", encoder="untrained", start="kmeans",
                       encoder_rate=10.0, seed=3, steps=9)  # fmt: skip
    found = stress.marks(run)
    z, c = run.latents[-1].astype(float), run.codes[-1].astype(float)
    squared = ((z[:, None] - c) ** 2).sum(-1)
    counts = np.bincount(squared.argmin(1), minlength=64)
    best = KMeans(64, n_init=1, tol=0, max_iter=10_000, random_state=0).fit(z).inertia_ / len(z)
    share = counts[counts > 0] / len(z)
    assert len(z) == stress.HELD_OUT * 16
    assert found["started"] == 1.0 or found["started"] == (run.counts[0] > 0).mean()
    assert found["utilization"] == (counts > 0).mean()
    assert found["perplexity"] == pytest.approx(math.exp(-(share * np.log(share)).sum()) / 64)
    assert found["distortion"] == pytest.approx(squared.min(1).mean(), rel=1e-6)
    assert found["excess"] == pytest.approx(squared.min(1).mean() / best, rel=1e-3)
    below = [s for s, n in zip(run.steps, run.counts, strict=True) if (n > 0).mean() < 0.5]
    assert below and found["half_dead"] == below[0]


def test_the_cure_moves_neighbours_and_replaces_the_dead():
    z = torch.randn(256, 4, 1, 1, generator=torch.Generator().manual_seed(0)) / 10
    start = torch.cat([torch.zeros(1, 4), torch.full((7, 4), 50.0)])
    for build, kernel in ((stress.replacing, False), (stress.curing, True)):
        quantizer = build(4, 8, start, 0).train()
        assert ("neighbours" in quantizer(z).terms) == kernel
        for _ in range(70):
            quantizer(z)
        assert quantizer.codebook().abs().max() < 5  # beside the one that was in use
    assert quantizer.codebook().unique(dim=0).shape[0] == 8


def test_the_command_writes_what_is_read(tmp_path, capsys):
    out = tmp_path / "new" / "stress.csv"
    stress.main(["--seeds", "1", "--steps", "2", "--warmup", "1", "--methods", "ema", "--rates",
                 "0.5", "--out", str(out), "--store", str(tmp_path)])  # fmt: skip
    rows = trend.load(out)
    assert rows[["data", "method", "rate"]].to_numpy().tolist() == [
        ["digits", "ema", 0.5], ["faces", "ema", 0.5]]  # fmt: skip
    assert "2 runs (0 failed)" in capsys.readouterr().out
    with pytest.raises(ValueError, match="unknown method som"):
        stress.produce(1, methods=["som"], **SMALL)
    with pytest.raises(ValueError, match="'digits' or 'faces'"):
        stress.pictures("photos")
    out.write_text("data,method\n")
    with pytest.raises(ValueError, match="no column encoder"):
        trend.load(out)


def made(method, values, start="kmeans", encoder="trained", value="utilization"):
    """Rows of three seeds around each rate's median."""
    rows = [
        {"data": "digits", "method": method, "encoder": encoder, "start": start, "rate": rate,
         "seed": seed, value: middle + move}
        for rate, middle in values.items() for seed, move in enumerate((0.05, 0.0, -0.1))
    ]  # fmt: skip
    return pd.DataFrame(rows).reindex(columns=stress.COLUMNS + stress.MEASURES)


def test_the_dial_beside_the_source():
    falls, stays = {1.0: 0.8, 5.0: 0.5, 10.0: 0.2}, {1.0: 0.93, 5.0: 0.5, 10.0: 0.95, 30.0: 0.1}
    rows = pd.concat([made("vq", falls), made("nsvq + replacement", stays), made("ema", falls),
                      made("vq", falls, start="first-batch")])  # fmt: skip
    table = trend.dial(rows)
    assert table.loc[("digits", "vq"), "×5"] == "50 % (40 %–55 %)"
    assert table.loc[("digits", "vq"), "×30"] == ""
    assert table["disagrees"].tolist() == ["", "×5", ""]  # the source ends at ×10
    assert table.loc[("digits", "ema"), "published"] == trend.SILENT
    rising = trend.dial(made("vq", {1.0: 0.5, 5.0: 0.6, 10.0: 0.4}))
    assert rising["disagrees"].item() == "×5"
    assert trend.starts(rows)["disagrees"].tolist() == ["", ""]
    assert trend.starts(made("vq", {1.0: 0.97}))["disagrees"].item() == "×1"
    with pytest.raises(ValueError, match="unknown column 'lag'"):
        trend.dial(rows, "lag")


def test_drift_is_set_against_the_rate_and_pictures_against_the_first():
    drift = {1.0: 1.0, 10.0: 9.0}
    for method, against in (("vq", "×10"), ("nsvq + replacement", "")):
        table = trend.dial(made(method, drift, value="drift"), "drift")
        assert table["disagrees"].item() == against
    rows = made("nsvq + replacement", {1.0: 10.0, 5.0: 10.5, 10.0: 12.0}, value="mse")
    assert trend.dial(rows, "mse")["disagrees"].item() == "×10"


def test_a_step_that_never_came_and_a_run_that_failed():
    rows = made("vq", {1.0: 8.0}, value="half_dead")
    rows.loc[0, "half_dead"] = np.nan
    assert trend.dial(rows, "half_dead")["×1"].item() == "8 (8–never)"


def test_the_file_is_whole():
    rows = trend.load(FILE)
    cells = rows.groupby(["data", "method", "encoder", "start", "rate"]).seed.agg(["size", "max"])
    assert (cells == [stress.SEEDS, stress.SEEDS - 1]).all().all()
    assert len(cells) == 2 * len(stress.RATES) * (len(stress.METHODS) + 2)
    assert set(rows["method"]) == set(stress.METHODS)
    assert rows["utilization"].between(0.0156, 1).all() and (rows["excess"] > 0.9).all()
    assert (rows.loc[rows["start"] == "kmeans", "started"] > 0.9).all()
