"""The leaderboard on its tiny version: who takes part, tuning, resuming, the file, the command."""

import json
import math
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from vqlab import methods, simulate
from vqlab.drift.presets import preset
from vqlab.drift.theory import critical_speed
from vqlab.leaderboard import (
    Board,
    admit,
    encoder,
    entries,
    guide,
    laboratory,
    load,
    produce,
    rerun,
    save,
)
from vqlab.leaderboard.__main__ import main
from vqlab.leaderboard.entries import ADDED_LOSS, SETTINGS, TOLD, VARIANTS, Entry, trial
from vqlab.leaderboard.produce import tune
from vqlab.leaderboard.results import COLUMNS, MEASURES

SMALL = {"only": ["vq", "ema"], "motions": ["translate", "shrink"], "workers": 1,
         "progress": False, "say": lambda what: None}  # fmt: skip


@pytest.fixture(scope="module")
def board():
    return produce(50, {"laboratory": 2}, **SMALL)


def test_every_method_of_the_table_is_an_entry():
    labels = [entry.label for entry in entries()]
    assert {line.name for line in methods()} <= set(labels)
    assert set(VARIANTS) <= set(labels) and len(labels) == len(set(labels))
    assert [one.label for one in entries(variants=False)] == [line.name for line in methods()]


def test_every_entry_has_the_same_budget_or_none():
    track = laboratory(1)
    for entry in entries():
        admitted = admit(entry, track)
        assert admitted.settings[0] == {}, "the published setting comes first"
        assert len(admitted.settings) == (1 if admitted.knob == "none" else len(SETTINGS))
        method, options = admitted.at(len(admitted.settings) - 1)
        run = trial(method, "gaussian", "translate", options=options, **track.world)
        assert np.isfinite(run.codes).all()


def test_the_knob_is_the_rate_under_its_own_name():
    track = laboratory(1)
    names = ("vq", "simvq", "ema", "fscl", "som", "fsq")
    found = {name: admit(Entry(name, name), track) for name in names}
    assert found["vq"].settings == ({}, {"rate": 3.0}, {"rate": 10.0})
    assert [one["rate"] for one in found["simvq"].settings[1:]] == pytest.approx([0.03, 0.1])
    assert [one["decay"] for one in found["ema"].settings[1:]] == pytest.approx([0.97, 0.9])
    assert found["fscl"].settings == ({}, {"rate": 0.3}, {"rate": 0.1})  # published: 1
    assert found["som"].settings == ({}, {"rate": 1.0}, {"rate": 0.3})  # published: a schedule
    assert found["fsq"].knob == "none"


def test_an_optimizers_rate_reaches_the_optimizer_and_a_methods_own_the_method():
    world = {**laboratory(1).world, "seed": 3, "record": 2}
    by_option = trial("vq", "gaussian", "translate", options={"rate": 3.0}, **world)
    plainly = simulate("vq", "gaussian", "translate", rate=3.0, progress=False, **world)
    np.testing.assert_array_equal(by_option.codes, plainly.codes)
    assert trial("fscl", options={"rate": 0.3}, **world).settings["options"] == {"rate": 0.3}


def test_conditions_are_told():
    track = laboratory(1)
    assert admit(Entry("diveq", "diveq"), track).note == ADDED_LOSS
    assert admit(Entry("diveq", "diveq"), track).options == {"weight": 1.0}
    assert admit(Entry("p", "nsvq", {"form": "propagation"}), track).note == TOLD
    assert admit(Entry("vq", "vq"), track).note == ""


def test_the_course_is_the_hard_presets_and_as_fast_as_said():
    track = laboratory()
    for name, motion in track.motions.items():
        hard = preset(f"hard-{name}")["motion"]
        assert motion == (replace(hard, start=150) if name == "jump" else hard)
    half = critical_speed("vq", 1.0, 64, survivors=0.5)
    assert track.motions["translate"].speed / half == pytest.approx(37, abs=0.5)
    assert track.motions["translate"].speed / (10 * half) == pytest.approx(4, abs=0.5)


def test_recordings_are_of_the_seed_and_of_both_kinds():
    track = encoder(20)
    source, motion = track.at(0)["recorded alone"]
    assert source.dim == 16 and motion.frames.shape[1] == 1500
    assert len({*[pair[1].checksum for seed in (0, 1) for pair in track.at(seed).values()]}) == 4


def test_the_table_and_what_is_said_of_it(board):
    assert list(board.rows) == COLUMNS + MEASURES
    counts = board.rows.groupby(["stage", "method", "motion"]).size()
    assert (counts["tune"] == 2 * len(SETTINGS)).all() and (counts["final"] == 2).all()
    assert not board.rows[MEASURES].isna().any().any()
    assert set(board.about["entries"]) == {"vq", "ema"}
    low, median, high = board.about["entries"]["ema"]["cost"]
    assert 0 < low <= median <= high
    assert board.about["versions"]["torch"] and board.about["tracks"]["laboratory"]["steps"] == 50
    json.dumps(board.about)


def test_a_row_is_the_run_that_the_simulator_makes(board):
    chosen = board.about["entries"]["vq"]["chosen"]["laboratory"]
    rate = board.about["entries"]["vq"]["settings"][chosen].get("rate", 1.0)
    world = {**preset("hard-shrink"), "steps": 50}
    run = simulate("vq", **world, rate=rate, seed=1, record=2, optimum="final", progress=False)
    row = board.final().query("method == 'vq' and motion == 'shrink' and seed == 1").iloc[0]
    assert row.utilization == run.utilization[-1]
    assert row.perplexity == run.perplexity[-1] / 64
    assert row.excess == pytest.approx(run.distortion[-1] / run.optimum[-1], rel=1e-12)


def test_tuning_takes_the_lowest_geometric_mean_and_no_setting_that_failed():
    rows = [("a", 0, 2.0), ("a", 0, 8.0), ("a", 1, 1.0), ("a", 1, 15.0), ("a", 2, 1.0),
            ("a", 2, math.nan), ("b", 0, 1.0)]  # fmt: skip
    table = pd.DataFrame(rows, columns=["method", "setting", "excess"])
    assert tune(table) == {"a": 1, "b": 0}  # 15 is less than 16; the arithmetic mean says 0
    with pytest.raises(ValueError, match="no setting of c"):
        tune(pd.DataFrame([("c", 0, math.nan)], columns=["method", "setting", "excess"]))


def test_runs_that_fail_are_counted_with_their_reason(monkeypatch):
    module = sys.modules["vqlab.leaderboard.entries"]  # the package's own `entries` is the function
    monkeypatch.setattr(module, "SETTINGS", (1.0, 3.0, 1e30))
    made = produce(20, {"laboratory": 1}, **{**SMALL, "only": ["vq"], "motions": ["shrink"]})
    (said,) = made.about["failed"]["vq"].items()
    assert said[0] == "laboratory, setting 2" and said[1][0] == 2 and "Error" in said[1][1]
    assert made.about["entries"]["vq"]["chosen"]["laboratory"] < 2


def test_what_cannot_run_is_listed_with_its_reason():
    made = produce(5, {"encoder": 1}, **{**SMALL, "only": ["vq", "fsq"],
                                         "motions": ["recorded alone"]})  # fmt: skip
    assert "16 dimensions" in made.about["skipped"]["fsq"]["encoder"]
    assert set(made.rows.method) == {"vq"}


def test_a_second_call_continues_where_the_first_was_killed(tmp_path, board):
    again = {**SMALL, "store": tmp_path / "store"}
    first = produce(50, {"laboratory": 2}, **again)
    pd.testing.assert_frame_equal(first.rows, board.rows)
    (file,) = (tmp_path / "store").glob("*.jsonl")
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(lines[:7]) + lines[7][:40])  # killed while it wrote the eighth
    second = produce(50, {"laboratory": 2}, **again)
    pd.testing.assert_frame_equal(second.rows, board.rows)
    kept = file.read_bytes()
    assert kept.startswith(b"".join(lines[:7])) and kept.count(b"\n") == len(lines) + 1


def test_the_file_keeps_what_matters(tmp_path, board):
    save(board, tmp_path / "deep/board.csv")
    back = load(tmp_path / "deep/board.csv")
    assert back.about == json.loads(json.dumps(board.about))
    pd.testing.assert_frame_equal(back.rows, board.rows, rtol=1e-3)
    with pytest.raises(ValueError, match="csv"):
        save(board, tmp_path / "board.txt")
    (tmp_path / "deep/board.csv").write_text("method,motion\n")
    with pytest.raises(ValueError, match="no column track, stage"):
        load(tmp_path / "deep/board.csv")


def test_a_part_run_again_agrees_and_a_wrong_number_does_not(board):
    live = rerun(board, ["ema"], ["shrink"], seeds=[0, 1])
    said = board.compare(live)
    assert said.agree.all() and (said.identical == 1).all()
    assert not board.compare(live.assign(excess=3 * live.excess)).agree.any()
    with pytest.raises(ValueError, match="unknown motion waltz"):
        rerun(board, ["ema"], ["waltz"])
    with pytest.raises(ValueError, match="unknown entry"):
        produce(5, {"laboratory": 1}, **{**SMALL, "only": ["nobody"]})
    with pytest.raises(ValueError, match="unknown motion waltz; choose from "):
        produce(5, {"laboratory": 1}, **{**SMALL, "motions": ["shrink", "waltz"]})
    with pytest.raises(ValueError, match="unknown track"):
        produce(5, {"moon": 1}, **SMALL)


def test_the_command(tmp_path, capsys):
    out = tmp_path / "board.csv"
    main(["--steps", "50", "--seeds", "2", "--recordings", "0", "--methods", "vq", "som, σ = 1",
          "--motions", "shrink", "--out", str(out), "--store", str(tmp_path / "runs"),
          "--workers", "1"])  # fmt: skip
    made = load(out)
    assert made.about["command"].endswith(
        "--steps 50 --seeds 2 --recordings 0 --methods vq 'som, σ = 1' --motions shrink")
    assert len(made.final()) == 4 and "16 runs written" in capsys.readouterr().out


def _board(excess, notes=(), cost=None):
    """A board of one seed from {method: {motion: excess}}."""
    rows = [("laboratory", stage, m, 0, motion, 0, 1 / e, 1 / e, e) for m, by in excess.items()
            for motion, e in by.items() for stage in ("tune", "final")]  # fmt: skip
    said = {m: {"note": TOLD if m in notes else "", "cost": [1, (cost or {}).get(m, 1), 1],
                "method": m} for m in excess}  # fmt: skip
    about = {"entries": said, "tracks": {"laboratory": {}}}
    return Board(pd.DataFrame(rows, columns=COLUMNS + MEASURES), about)


def test_the_guide_reads_its_answers_from_the_file():
    made = _board(
        {"vq": {"stationary": 1.0, "a": 4.0, "b": 4.0},
         "som": {"stationary": 3.0, "a": 2.0, "b": 2.0},
         "nsvq": {"stationary": 2.0, "a": 1.0, "b": 1.0},
         "fsq": {"stationary": 5.0, "a": 9.0, "b": 1.0},
         "diveq": {"stationary": 1.0, "a": 4.0, "b": 4.0}},  # plain vq's numbers
        notes=["nsvq"], cost={"som": 2.0},
    )  # fmt: skip
    take = guide(made)["take"]
    assert take["the latents rest"] == "vq (1.00)"
    assert take["the latents drift, nobody knows how"] == "som (2.00)"
    assert take["a step may cost 1.5 of vq's"] == "fsq (3.00)"  # sqrt(9 * 1)
    assert take["no code may die on any motion"] == "som (33%)"
    assert take["no table is to be trained"] == "fsq (3.00)"
    assert "diveq" not in guide(made).to_string()
    assert take["the codes are told where latents go"] == "nsvq (1.00)"
    with pytest.raises(ValueError, match="laboratory"):
        guide(Board(made.rows, {**made.about, "tracks": {}}))


def test_a_failed_run_counts():
    made = _board({"vq": {"a": 4.0, "b": 1.0}, "y": {"a": math.nan, "b": 0.5}})
    assert made.means("excess").loc["y"].tolist() == [math.inf, 0.5]
    assert made.means("utilization").loc["y"].tolist() == [0.0, 2.0]
    assert made.ranks()[1].each.tolist() == [[1, 2], [2, 1]]


def test_means_ranks_and_twins():
    alike = {"a": 4.0, "b": 1.0}
    made = _board({"vq": alike, "x": alike, "y": {"a": 1.0, "b": 2.0}})
    order, places = made.ranks()
    assert list(order) == ["vq", "x", "y"] and places.mean.tolist() == [2.0, 2.0, 2.0]
    assert made.twins("vq") == ["x"]
    assert made.means("excess").loc["y"].tolist() == pytest.approx([1.0, 2.0])
