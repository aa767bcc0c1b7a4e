"""The simulator against loops written out in numpy, and the promises of a Run."""

import json

import numpy as np
import pytest
import torch

from vqlab import Run, VectorQuantizer, make, simulate
from vqlab.drift import Gaussian, Translate, preset
from vqlab.quantizers import Exponential, Table

SHORT = {"points": 200, "batch": 32, "codebook_size": 8, "steps": 40, "progress": False}
METHODS = ["vq", "ema", "ema-revival", "simvq", "nsvq", "transvq"]


def options(name):
    return {"width": 16} if name == "transvq" else {}


def test_vq_under_sgd_is_the_loop_in_numpy():
    """eta p_k (c_k - mean): the rate means the same in every dimension."""
    for dim in (1, 2, 5):
        speed, eta = 0.05, 0.7
        run = simulate(
            "vq",
            Gaussian(dim=dim),
            Translate(speed=speed),
            codebook_size=6,
            points=50,
            batch=None,
            steps=20,
            rate=eta,
            record="all",
            seed=3,
            probe=50,
            progress=False,
        )
        codes = run.codes[0].astype(np.float64)
        for t in range(20):
            z = run.latents[t].astype(np.float64)
            k = ((z[:, None] - codes) ** 2).sum(-1).argmin(1)
            assert np.array_equal(run.hits[t + 1], np.bincount(k, minlength=6))
            for j in range(6):
                if (k == j).any():
                    codes[j] += eta * (k == j).mean() * (z[k == j].mean(0) - codes[j])
            # float32 in the simulator: twenty steps of rounding at 6e-8 of order-one numbers.
            np.testing.assert_allclose(run.codes[t + 1], codes, atol=1e-5)


def test_every_frame_is_measured_on_all_points():
    run = simulate(
        "ema",
        "gaussian",
        Translate(speed=0.1),
        record=[0, 7, 40],
        probe=10,
        seed=1,
        optimum="all",
        **SHORT,
    )
    source, motion = Gaussian(), Translate(speed=0.1)
    rng = np.random.default_rng(np.random.SeedSequence(1).spawn(3)[0])
    cloud = source.sample(200, rng)
    assert run.steps.tolist() == [0, 7, 40] and run.latents.shape == (3, 10, 2)
    for frame, step in enumerate(run.steps):
        z = motion.move(cloud, float(step))
        np.testing.assert_allclose(run.latents[frame], z[:10], atol=1e-5)
        d = ((z[:, None] - run.codes[frame].astype(np.float64)) ** 2).sum(-1)
        k = d.argmin(1)
        assert np.array_equal(run.counts[frame], np.bincount(k, minlength=8))
        np.testing.assert_allclose(run.distortion[frame], d.min(1).mean(), rtol=1e-9)
        for j in range(8):
            if (k == j).any():
                lag = np.linalg.norm(run.codes[frame, j] - z[k == j].mean(0))
                np.testing.assert_allclose(run.lag[frame, j], lag, rtol=1e-6, atol=1e-9)
            else:
                assert np.isnan(run.lag[frame, j])
        np.testing.assert_allclose(run.drift[frame], 0.1, rtol=1e-9)
    assert (run.excess > 0.9).all()
    share = run.counts[2] / 200
    entropy = -sum(s * np.log(s) for s in share if s)
    np.testing.assert_allclose(run.perplexity[2], np.exp(entropy))
    assert run.utilization[2] == (run.counts[2] > 0).mean()


def test_hits_count_every_training_assignment():
    run = simulate("vq", seed=2, record=[0, 1, 5, 40], **SHORT)
    # Epochs of 200 points in batches of 32: six full batches and one of eight.
    sizes = [min(32, 200 - 32 * (t % 7)) for t in range(40)]
    assert run.hits.sum(1).tolist() == [0, sizes[0], sum(sizes[1:5]), sum(sizes[5:])]
    assert (run.last_hit[0] == -1).all() and run.last_hit[-1].max() == 39
    assert ((run.last_hit[-1] >= 5) == (run.hits[-1] > 0)).all()


@pytest.mark.parametrize("name", METHODS)
def test_one_seed_one_run_and_another_seed_another(name):
    a, b, c = (
        simulate(name, motion="rotate", seed=s, options=options(name), **SHORT) for s in (5, 5, 6)
    )
    assert np.array_equal(a.codes, b.codes) and np.array_equal(a.latents, b.latents)
    assert not np.array_equal(a.codes, c.codes)


def test_methods_are_paired():
    runs = [
        simulate(name, motion="shrink", seed=4, options=options(name), **SHORT) for name in METHODS
    ]
    for run in runs[1:]:
        assert np.array_equal(run.latents, runs[0].latents)
        assert np.array_equal(run.drift, runs[0].drift)
    for i in (1, 2, 4):
        assert np.array_equal(runs[i].codes[0], runs[0].codes[0])


def test_propagation_follows_a_translation_exactly():
    run = simulate(
        "nsvq",
        motion=Translate(speed=0.5),
        options={"form": "propagation"},
        seed=0,
        rate=1e-6,
        **SHORT,
    )
    # With (almost) no pull the codes only move with the drift: 40 steps of 0.5.
    moved = run.codes[-1] - run.codes[0]
    np.testing.assert_allclose(np.linalg.norm(moved, axis=1), 20.0, rtol=1e-3)


def test_epochs_of_the_released_bandwidth_are_those_of_the_run():
    run = simulate("nsvq", record=[0, 6, 7, 14], **SHORT)  # seven steps an epoch
    assert run.terms["bandwidth"].tolist() == [1.0, 1.0, 0.5, 0.25]
    assert {"codebook", "commitment", "neighbours"} < set(run.terms)


def test_rates_follow_a_schedule():
    fast = simulate("vq", rate=1.0, seed=0, **SHORT)
    fading = simulate("vq", rate=Exponential(1.0, 0.5, every=1), seed=0, **SHORT)
    assert np.array_equal(fast.codes[1], fading.codes[1])
    late = np.abs(np.diff(fading.codes[-5:], axis=0)).max()
    assert late < 1e-6 < np.abs(np.diff(fast.codes[-5:], axis=0)).max()


def test_methods_without_gradient_record_no_rate():
    slow, fast = (simulate("ema", rate=rate, optimizer="adam", **SHORT) for rate in (0.1, 1.0))
    assert np.array_equal(slow.codes, fast.codes)
    assert slow.settings["rate"] is None and slow.settings["optimizer"] is None
    again = simulate(**{**slow.settings, "motion": "stationary", "source": "gaussian"})
    assert np.array_equal(again.codes[-1], slow.codes[-1])
    learns = simulate("vq", rate=0.1, **SHORT).settings
    assert learns["rate"] == 0.1 and learns["optimizer"] == "sgd"


def test_a_quantizer_is_copied_not_changed():
    q = make("ema", 2, 8, init="normal", seed=0)
    before = q.codebook().clone()
    run = simulate(q, motion="rotate", **SHORT)
    assert torch.equal(q.codebook(), before)
    assert not np.array_equal(run.codes[-1], before.numpy())


@pytest.mark.parametrize(
    "init, check",
    [
        ("first-batch", lambda c, z: np.abs(c[:, None] - z).sum(-1).min(1).max() < 1e-6),
        ("uniform", lambda c, z: np.abs(c).max() <= 1 / 8),
        ("kmeans", lambda c, z: len(np.unique(((z[:, None] - c) ** 2).sum(-1).argmin(1))) == 8),
    ],
)
def test_starts(init, check):
    run = simulate("vq", init=init, probe=200, **SHORT)
    assert check(run.codes[0], run.latents[0])
    given = simulate("vq", init=run.codes[0], **SHORT)
    assert np.array_equal(given.codes[0], run.codes[0])


def test_save_and_load(tmp_path):
    run = simulate("nsvq", **preset("paper-shrink") | {"steps": 10}, optimum="final", seed=7)
    json.dumps(run.settings)
    run.save(tmp_path / "new" / "run.npz")
    again = Run.load(tmp_path / "new" / "run.npz")
    assert again.settings == run.settings and again.method == "nsvq" and again.seed == 7
    for name in ("steps", "codes", "latents", "hits", "lag", "optimum"):
        np.testing.assert_array_equal(getattr(again, name), getattr(run, name))
    assert again.terms.keys() == run.terms.keys()
    np.savez(tmp_path / "other.npz", x=np.zeros(3))
    with pytest.raises(ValueError, match="no saved run"):
        Run.load(tmp_path / "other.npz")


def test_bad_settings_name_the_choices():
    for bad, text in [
        ({"method": "vqvae"}, "vq, ema"),
        ({"source": "donut"}, "gaussian"),
        ({"motion": "wiggle"}, "translate"),
        ({"optimizer": "lion"}, "sgd, adam"),
        ({"init": "zeros"}, "uniform, normal"),
        ({"init": "kmeans", "codebook_size": 300}, "300 codes, 200 points"),
        ({"init": np.zeros((3, 2))}, r"\(8, 2\)"),
        ({"init": np.full((8, 2), np.nan)}, r"init hold 16 non-finite values, the first at \(0, 0"),
        ({"rate": -1.0}, "-1"),
        ({"steps": 0}, "steps"),
        ({"batch": 0}, "batch"),
        ({"batch": 201}, "a batch of 201 cannot be drawn from 200 points"),
        ({"codebook_size": 2.5}, "codebook_size"),
        ({"record": "some"}, "'all'"),
        ({"record": [50]}, "0 to 40"),
        ({"record": 1}, "2 frames"),
        ({"optimum": "sometimes"}, "'final'"),
        ({"seed": -1}, "seed must be an integer"),
        ({"rate": "fast"}, "'fast'"),
    ]:
        with pytest.raises(ValueError, match=text):
            simulate(**{**SHORT, **bad})
    with pytest.raises(TypeError, match="Recorded"):
        simulate(source=np.zeros((5, 2)), **SHORT)
    with pytest.raises(TypeError, match="make_motion"):
        simulate(motion={"speed": 1}, **SHORT)
    q = VectorQuantizer(Table(8, 3, trainable=False))
    with pytest.raises(ValueError, match="dimension 2, the quantizer 3"):
        simulate(q, **SHORT)


def test_a_run_is_told_in_one_line():
    said = repr(simulate("ema", seed=3, **SHORT))
    assert said.startswith("Run(method='ema', seed=3, codebook_size=8, dim=2, frames=41, steps=40")


def test_threads_are_restored():
    before = torch.get_num_threads()
    simulate("vq", **SHORT)
    assert torch.get_num_threads() == before
    with pytest.raises(ValueError):
        simulate("vq", optimizer="lion", **SHORT)
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("name", ["diveq", "noise-substitution", "gumbel"])
def test_codes_that_wait_for_a_task_are_refused(name):
    with pytest.raises(ValueError, match=r"a drift has none.*options=\{'weight': 1\}"):
        simulate(name, codebook_size=8, steps=2, progress=False)
    run = simulate(name, codebook_size=8, steps=2, options={"weight": 1}, progress=False)
    assert not np.array_equal(run.codes[0], run.codes[-1])
