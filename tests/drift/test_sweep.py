"""Sweeps: one table whatever the executor, interruption and resumption, pairing, refusals."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from types import SimpleNamespace

import cloudpickle
import numpy as np
import pandas as pd
import pytest

from vqlab.drift import workers as staff
from vqlab.drift.motions import Replay, Rotate, Translate
from vqlab.drift.presets import preset
from vqlab.drift.run import Run
from vqlab.drift.simulate import simulate
from vqlab.drift.sources import Ring
from vqlab.drift.sweep import SweepError, sweep
from vqlab.drift.table import summary
from vqlab.quantizers.schedules import Cosine

# workers cannot import this file: send what it defines along
cloudpickle.register_pickle_by_value(sys.modules[__name__])


def fake(
    method="vq", source="gaussian", motion="stationary", *, seed=0, rate=None, codebook_size=64,
    batch=64, options=None, log=None,
):  # fmt: skip
    """Stands for a simulation: instant, and tells what it was called with."""
    if log:
        with open(log, "a") as file:
            file.write(f"{method} {seed}\n")
    if method == "bad":
        raise RuntimeError(f"no run at seed {seed}")
    value = np.random.default_rng(seed).random()
    settings = {"rate": 0.5, "codebook_size": codebook_size}
    return SimpleNamespace(value=value, options=options, motion=motion, settings=settings)


def told(run):
    return {"value": run.value, "moved": float(run.motion.move([[1.0, 2.0]], 3)[0, 0])}


def quick(*args, **kwargs):
    return sweep(
        *args, **{"simulator": fake, "measure": told, "workers": 1, "progress": False} | kwargs
    )


def calls(log):
    return log.read_text().split("\n")[:-1] if log.exists() else []


def test_one_row_per_run_in_the_order_of_the_arguments():
    table = quick(
        ["vq", ("nsvq", {"tau": 2})],
        ["translate", Rotate(0.1)],
        speeds=[0.1, 0.2],
        codebook_sizes=[8],
        grid={"batch": [64, None]},
        seeds=3,
    )
    assert list(table) == [
        "method", "motion", "speed", "rate", "codebook_size", "batch", "seed", "value", "moved",
    ]  # fmt: skip
    assert len(table) == 2 * 2 * 2 * 2 * 3
    assert table.method.tolist() == ["vq"] * 24 + ["nsvq(tau=2)"] * 24
    assert table.speed.tolist()[:12] == [0.1] * 6 + [0.2] * 6
    assert table.seed.tolist() == [0, 1, 2] * 16
    assert set(table.rate) == {0.5}  # the simulator's own default is reported
    assert table.moved[0] == pytest.approx(1 + 3 * 0.1)


def test_methods_meet_the_same_seeds_unless_told_otherwise():
    table = quick(["vq", "ema"], seeds=[4, 7])
    first, second = (table[table.method == name].reset_index() for name in ("vq", "ema"))
    assert first.seed.tolist() == [4, 7]
    assert first.value.tolist() == second.value.tolist()
    apart = quick(["vq", "ema"], seeds=[4, 7], paired=False)
    assert apart.seed.nunique() == apart.value.nunique() == 4
    alone = quick("ema", seeds=[4, 7], paired=False)
    assert alone.value.tolist() == apart.value.tolist()[2:]


def test_labels_name_what_is_compared():
    table = quick(
        {"plain": "vq", "wide": ("nsvq", {"tau": 9})},
        {"east": Translate(0.1), "north": Translate(0.1, direction=(0, 1))},
        grid={"source": ["gaussian", Ring(2)]},
        seeds=1,
    )
    assert table.method.unique().tolist() == ["plain", "wide"]
    assert table.motion.unique().tolist() == ["east", "north"]
    assert table.source.unique().tolist() == ["gaussian", "ring"]
    same = quick("vq", [Translate(0.1), Translate(0.1, direction=(0, 1))], seeds=1)
    assert same.motion.tolist() == [
        "translate(speed=0.1)",
        "translate(speed=0.1, direction=[0.0, 1.0])",
    ]
    together = quick("vq", Translate(0.1) + Rotate(0.1), seeds=1)
    assert together.motion[0] == "translate+rotate" and np.isnan(together.speed[0])


def test_stationary_has_one_speed():
    table = quick("vq", ["stationary", "translate"], speeds=[0.1, 0.2], seeds=1)
    assert table.speed.tolist() == [0.0, 0.1, 0.2]


def test_schedules_and_arrays_are_settings_like_others(tmp_path):
    log, store = tmp_path / "log", tmp_path / "rows.jsonl"
    table = quick("vq", rates=[0.1, Cosine(1.0, 0.1, 9)], seeds=1, store=store, log=log)
    assert table.rate.tolist() == [0.1, "Cosine(start=1.0, end=0.1, steps=9)"]
    quick("vq", rates=[Cosine(1.0, 0.1, 9), Cosine(1.0, 0.2, 9)], seeds=1, store=store, log=log)
    assert len(calls(log)) == 3
    for array in (np.zeros(3), np.zeros(3), np.ones(3)):
        quick("vq", options={"basis": array}, seeds=1, store=store, log=log)
    assert len(calls(log)) == 5


def test_options_are_merged_the_method_last(tmp_path):
    table = quick(
        [("vq", {"a": 3}), "ema"],
        options={"a": 1, "b": 1},
        grid={"options": [{"b": 2}]},
        seeds=1,
        measure=lambda run: run.options,
    )
    assert table[["a", "b"]].to_numpy().tolist() == [[3, 2], [1, 2]]


# Any executor gives the same table.


def _expected():
    return quick(["vq", "ema"], "rotate", speeds=[0.1, 0.2], seeds=4)


@pytest.mark.parametrize(
    "executor",
    [
        lambda: ThreadPoolExecutor(2),
        lambda: ProcessPoolExecutor(1, mp_context=get_context("spawn")),
    ],
    ids=["threads", "processes"],
)
def test_any_executor_gives_the_same_table(executor):
    with executor() as crew:
        table = quick(
            ["vq", "ema"], "rotate", speeds=[0.1, 0.2], seeds=4, executor=crew, workers=None
        )
    pd.testing.assert_frame_equal(table, _expected())


def test_a_dask_cluster_gives_the_same_table():
    distributed = pytest.importorskip("dask.distributed")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        table = quick(
            ["vq", "ema"], "rotate", speeds=[0.1, 0.2], seeds=4,
            executor=client.get_executor(), workers=None,
        )  # fmt: skip
    pd.testing.assert_frame_equal(table, _expected())


# The own workers. A test below stands in the order that starts them least often.


def test_a_lost_worker_is_reported_and_replaced():
    with pytest.raises(SweepError, match="a worker was lost .*(?s:.*)seed=0"):
        quick("vq", seeds=2, workers=2, measure=lambda run: os._exit(1))
    # the tests below need new ones


def test_own_workers_give_the_same_table_and_stay():
    for _ in range(2):
        table = quick(["vq", "ema"], "rotate", speeds=[0.1, 0.2], seeds=4, workers=2)
        pd.testing.assert_frame_equal(table, _expected())
    who = [
        set(quick("vq", seeds=20, workers=2, measure=lambda run: {"pid": os.getpid()}).pid)
        for _ in range(2)
    ]
    assert who[0] | who[1] == who[0] or who[0] | who[1] == who[1]
    assert os.getpid() not in who[0] and len(who[0] | who[1]) <= 2


def test_workers_take_one_thread_each_and_share_recordings_by_file():
    frames = np.random.default_rng(0).standard_normal((10, 300, 64))  # 1.5 MB
    motion = Replay(frames)

    def seen(run):
        import torch

        kept = run.motion.frames
        return {
            "threads": torch.get_num_threads(),
            "mapped": isinstance(kept, np.memmap) or isinstance(kept.base, np.memmap),
            "sum": float(kept.sum()),
        }

    table = quick("vq", motion, seeds=3, workers=2, measure=seen)
    assert set(table.threads) == {1} and table.mapped.all()
    assert set(table["sum"]) == {float(frames.sum())}


# Interrupted and resumed.


@pytest.mark.parametrize("name", ["folder", "rows.jsonl"])
def test_a_store_answers_for_what_is_done(tmp_path, name):
    log, store = tmp_path / "log", tmp_path / name
    first = quick(["vq", "ema"], seeds=2, store=store, log=log)
    assert calls(log) == ["vq 0", "ema 0", "vq 1", "ema 1"]  # first seeds first
    again = quick(["vq", "ema"], seeds=2, store=store, log=log)
    pd.testing.assert_frame_equal(again, first)
    quick({"a": "vq", "b": "ema"}, seeds=3, store=store, log=log)  # labels do not matter
    assert calls(log)[4:] == ["vq 2", "ema 2"]
    quick("vq", seeds=1, store=store, log=log, measure=lambda run: {"v": 2 * run.value})
    quick("vq", seeds=1, store=store, log=log, measure=lambda run: {"v": 3 * run.value})
    assert calls(log)[6:] == ["vq 0", "vq 0"]  # a changed measure is a different question
    quick("vq", seeds=1, store=store, log=log, rates=0.1)
    quick("vq", "translate", seeds=1, store=store, log=log)
    assert calls(log)[8:] == ["vq 0", "vq 0"]


def test_an_interrupt_keeps_what_is_finished(tmp_path):
    log, store = tmp_path / "log", tmp_path / "store"

    def interrupted(run):
        if run.value == np.random.default_rng(2).random() and not (tmp_path / "again").exists():
            raise KeyboardInterrupt
        return {"value": run.value}

    with pytest.raises(KeyboardInterrupt, match="^2 of 5 runs are .*; with store=") as caught:
        quick("vq", seeds=5, measure=interrupted)
    assert caught.value.__suppress_context__  # one line instead of the machinery's many
    with pytest.raises(KeyboardInterrupt, match="^2 of 5 runs .* kept in .*runs.jsonl: the same"):
        quick("vq", seeds=5, store=store, log=log, measure=interrupted)
    assert calls(log) == ["vq 0", "vq 1", "vq 2"]
    (tmp_path / "again").touch()
    table = quick("vq", seeds=5, store=store, log=log, measure=interrupted)
    assert calls(log)[3:] == ["vq 2", "vq 3", "vq 4"]
    assert table.value.tolist() == quick("vq", seeds=5).value.tolist()


def test_control_c_in_a_script_without_main_guard(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent("""
        import signal, sys, time
        from types import SimpleNamespace
        from tqdm import tqdm
        from vqlab.drift.sweep import sweep

        signal.signal(signal.SIGINT, signal.default_int_handler)  # shells ignore it behind "&"

        def slow(method="vq", *, motion=None, seed=0):
            list(tqdm([], disable=True))
            time.sleep(0.05 if seed < 4 else 30 if not resumed else 0)
            return SimpleNamespace(settings={})

        resumed = False
        arguments = dict(seeds=6, simulator=slow, measure=lambda run: {"x": 1}, workers=2,
                         store=sys.argv[1], progress=False)
        print("begins", flush=True)
        try:
            sweep("vq", **arguments)
        except KeyboardInterrupt as interrupt:
            print(interrupt, flush=True)
            resumed = True
            print(len(sweep("vq", **arguments | {"workers": 1})), "rows", flush=True)
    """)
    )
    rows = tmp_path / "rows.jsonl"
    process = subprocess.Popen(
        [sys.executable, str(script), str(rows)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, cwd=os.getcwd(), start_new_session=True,
        env=os.environ | {"PYTHONPATH": os.getcwd()},
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 200
        while (rows.read_text().count("\n") if rows.exists() else 0) < 4:
            assert time.monotonic() < deadline and process.poll() is None
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the workers, too
        out, complaints = process.communicate(timeout=200)
    finally:
        process.kill()
    said = f"4 of 6 runs are finished and kept in {rows}: the same call continues there"
    assert out.split("\n") == ["begins", said, "6 rows", ""]
    assert complaints == ""  # of workers, or of the semaphores they leave
    keys = [json.loads(line)["key"] for line in rows.read_text().splitlines()]
    assert len(keys) == len(set(keys)) == 6  # none was lost, none was done twice


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="Windows has no signal masks")
def test_workers_are_deaf_to_control_c_while_they_start_and_nobody_else_is():
    """They inherit it: by the time a worker can ignore the signal, it has imported for seconds."""

    def deaf(run=None):
        return {"deaf": signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, [])}

    others = get_context("forkserver")  # a DataLoader's, say
    look = "import os, signal; os._exit(signal.SIGINT in signal.pthread_sigmask(0, []))"
    first, last = (others.Process(target=exec, args=(look,)) for _ in range(2))
    first.start()
    staff.close_pool()
    table = quick("vq", seeds=2, workers=2, measure=deaf)
    last.start()
    assert table.deaf.all() and not deaf()["deaf"]
    for other in (first, last):
        other.join(60)
        assert other.exitcode == 0


@pytest.mark.parametrize("again", [False, True])
def test_control_c_ends_the_workers_even_when_it_comes_twice(monkeypatch, again):
    def impatient(futures, timeout):
        raise KeyboardInterrupt

    def slow(run):
        time.sleep(30 if run.value == np.random.default_rng(0).random() else 0)
        return {}

    if again:
        monkeypatch.setattr(sys.modules[sweep.__module__], "wait", impatient)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # as above
    threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    try:
        with pytest.raises(KeyboardInterrupt, match="of 2 runs are finished"):
            quick("vq", seeds=2, workers=2, measure=slow)
    finally:
        signal.signal(signal.SIGINT, before)
    assert staff._pool is None


def test_a_torn_line_is_done_again(tmp_path):
    log, store = tmp_path / "log", tmp_path / "rows.jsonl"
    quick("vq", seeds=3, store=store, log=log)
    whole = store.read_bytes()
    store.write_bytes(whole[:-20])
    quick("vq", seeds=3, store=store, log=log)
    assert calls(log)[3:] == ["vq 2"]
    quick("vq", seeds=3, store=store, log=log)
    assert len(calls(log)) == 4
    store.write_bytes(b"rubbish\n" + whole)
    with pytest.warns(UserWarning, match="1 strange lines are ignored"):
        quick("vq", seeds=3, store=store, log=log)
    store.write_bytes(b"rubbish\n")
    with pytest.raises(ValueError, match="holds no runs of a sweep"):
        quick("vq", seeds=3, store=store)


def test_a_store_of_another_version_is_named(tmp_path):
    store = tmp_path / "rows.jsonl"
    quick("vq", seeds=1, store=store)
    entry = json.loads(store.read_text())
    store.write_text(json.dumps(entry | {"version": "0.0.1"}) + "\n")
    with pytest.warns(UserWarning, match="holds runs of vqlab 0.0.1, this is"):
        quick("vq", seeds=1, store=store)


# Failures.


def test_a_failing_run_stops_the_sweep_and_reports_its_settings(tmp_path):
    log, store = tmp_path / "log", tmp_path / "store"
    with pytest.raises(SweepError) as caught:
        quick(["vq", "bad"], seeds=[3, 4], store=store, log=log, options={"tau": 5})
    message = str(caught.value)
    assert "RuntimeError: no run at seed 3" in message and 'method="bad"' in message
    assert "seed=3" in message and '"tau": 5' in message and "Traceback" in message
    assert calls(log) == ["vq 3", "bad 3"]


@pytest.mark.parametrize("workers", [1, 2])
def test_failing_runs_can_be_kept(tmp_path, workers):
    log, store = tmp_path / "log", tmp_path / "store"
    given = {"seeds": 2, "store": store, "log": log, "errors": "keep", "workers": workers}
    table = quick(["bad", "vq"], **given)
    assert table.error.tolist()[:2] == [f"RuntimeError: no run at seed {s}" for s in (0, 1)]
    assert table.error.isna().tolist() == [False, False, True, True]
    assert table.value.isna().tolist() == [True, True, False, False]
    quick(["bad", "vq"], **given)
    assert sorted(calls(log)[4:]) == ["bad 0", "bad 1"]  # only failures are tried again


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: sweep("vqq", progress=False), "vqq"),
        (lambda: quick("vq", "wobble"), "unknown motion 'wobble'; choose from"),
        (lambda: quick("vq", "translate", speeds=[-1]), "speed must be a number >= 0 .* got -1"),
        (lambda: quick("vq", seeds=0), "there is no seed to run"),
        (lambda: quick([]), "there is no method to run"),
        (lambda: quick("vq", "translate", motion="rotate"), "motion is given twice: motions='tra"),
        (lambda: quick("vq", rates=[1], rate=2), r"rate is given twice: rates=\[1\], and rate=2"),
        (lambda: quick("vq", codebook_sizes=8, codebook_size=9), "twice: codebook_sizes=8, and co"),
        (lambda: quick("vq", batch=3, grid={"batch": [1]}), r"batch is given twice: \[1\] in gr"),
        (lambda: quick("vq", speed=0.1), "speed has an argument of its own, speeds="),
        (lambda: quick("vq", grid={"speed": [1]}), "speed has an argument of its own, speeds="),
        (lambda: quick("vq", method="ema"), "method has an argument of its own, methods="),
        (lambda: quick("vq", grid={"rate": [1]}), "rate has an argument of its own, rates="),
        (lambda: quick("vq", seed=1), "seed has an argument of its own, seeds="),
        (lambda: quick("vq", errors="ignore"), "errors must be 'raise' or 'keep', got 'ignore'"),
        (lambda: quick("vq", save_runs=True), "needs a store="),
        (lambda: quick("vq", workers=0), "workers must be an integer >= 1, got 0"),
        (lambda: quick("vq", executor=staff.InProcess()), "give executor= or workers=, not both"),
    ],
)
def test_bad_settings_are_refused_before_anything_runs(call, said):
    with pytest.raises(ValueError, match=said):
        call()


def test_unknown_keywords_are_refused_with_those_known():
    with pytest.raises(TypeError, match=r"unknown setting \['stepps'\] .* choose from \['method'"):
        quick("vq", stepps=3)
    with pytest.raises(TypeError, match=r"unknown setting \['depth'\]"):
        quick("vq", grid={"depth": [1, 2]})
    with pytest.raises(TypeError, match=r"pair \(name, dict of options\)"):
        quick([("vq", 3)])
    with pytest.raises(SweepError, match="must return a dict of numbers by name, got float"):
        quick("vq", measure=lambda run: run.value)
    with pytest.raises(SweepError, match="not JSON serializable(?s:.*)seed=0"):
        quick("vq", measure=lambda run: {"run": run})


# With the simulator.


def test_a_row_is_what_simulate_gives(tmp_path):
    given = preset("paper-shrink") | {"steps": 30}
    table = sweep(
        ["vq", "ema"], **given, seeds=[5], store=tmp_path, save_runs=True, optimum="final",
        workers=1, progress=False,
    )  # fmt: skip
    assert table.codebook_size.tolist() == [16, 16] and table.motion.tolist() == ["shrink"] * 2
    for name, row in zip(["vq", "ema"], table.to_dict("records"), strict=True):
        run = simulate(name, **given, seed=5, optimum="final")
        kept = Run.load(row["run"])
        assert np.array_equal(kept.codes, run.codes) and kept.method == name
        for measure, value in summary(run).items():
            assert row[measure] == pytest.approx(value, nan_ok=True, abs=0)


@pytest.mark.parametrize("rates", [[0.1, 0.2], [0.1, Cosine(1.0, 0.1, 9)]])
def test_methods_without_gradient_have_no_rate(tmp_path, rates):
    given = {"rates": rates, "seeds": 1, "steps": 5, "store": tmp_path, "workers": 1}
    table = sweep(["vq", "ema"], **given, progress=False)
    assert table.rate.isna().tolist() == [False, False, True, True]
    assert table.distortion[2] == table.distortion[3]
    pd.testing.assert_frame_equal(sweep(["vq", "ema"], **given, progress=False), table)


def test_summary_of_a_run_in_numbers():
    steps = np.array([0, 10, 40])
    run = SimpleNamespace(
        steps=steps,
        utilization=np.array([1.0, 0.4, 0.6]),
        perplexity=np.array([8.0, 3.0, 5.0]),
        distortion=np.array([1.0, 2.0, 3.0]),
        optimum=np.array([np.nan, np.nan, 1.5]),
        drift=np.array([0.0, 1.0, 2.0]),
    )
    assert summary(run) == {
        "utilization": 0.6, "perplexity": 5.0, "distortion": 3.0, "excess": 2.0, "half_dead": 10.0,
        "drift": pytest.approx((5 + 45) / 40),
    }  # fmt: skip
    run.optimum[-1] = np.nan
    run.utilization[1] = 0.5
    assert "excess" not in summary(run) and np.isnan(summary(run)["half_dead"])
