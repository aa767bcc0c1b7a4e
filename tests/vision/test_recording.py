"""The recording against the live model, and each measure against its definition."""

import copy

import numpy as np
import pytest
import torch

from vqlab import make, simulate
from vqlab.drift import replay
from vqlab.vision import Autoencoder, fit

STEPS = 6


def model(name="vq", **options):
    options = {"init": "normal", **options} if name != "transvq" else {"width": 16, **options}
    quantizer = name and make(name, 4, 8, channel_first=True, seed=0, **options)
    return Autoencoder(1, 4, quantizer or None, width=8, seed=0)


def run_of(trained, images, steps=STEPS, **options):
    options = {"batch": 16, "record": range(steps + 1), "probe": None, "rate": 0.01, **options}
    return fit(trained, images, steps=steps, seed=0, progress=False, **options)


def seen(trained, images):
    """Latents (N, D) and codes (N,) of the held-out pictures, by the model's own forward pass."""
    with torch.no_grad():
        out = trained.eval()(images.test)
    latents = out.latents.permute(0, 2, 3, 1).reshape(-1, 4).numpy()
    return latents, out.indices.flatten().numpy(), out


@pytest.mark.parametrize("name", ["vq", "ema", "transvq"])
def test_every_frame_is_what_the_live_model_shows(images, name):
    run = run_of(model(name), images)
    for steps in (1, 3, STEPS):
        live = model(name)
        run_of(live, images, steps=steps)  # the same run, ended at this frame
        latents, indices, out = seen(live, images)
        codes = live.quantizer.codebook().detach().numpy()
        assert np.array_equal(run.latents[steps], latents)
        assert np.array_equal(run.codes[steps], codes)
        assert np.array_equal(run.counts[steps], np.bincount(indices, minlength=8))
        error = float((out.images - images.test).square().mean())
        assert run.terms["reconstruction"][steps] == error


def test_before_the_first_step_nothing_has_moved(images):
    trained = model()
    latents, _, _ = seen(trained, images)
    codes = trained.quantizer.codebook().detach().numpy().copy()
    run = run_of(trained, images)
    assert np.array_equal(run.latents[0], latents) and np.array_equal(run.codes[0], codes)
    assert run.hits[0].sum() == 0 and (run.last_hit[0] == -1).all()


def test_drift_and_churn_are_those_of_the_coming_step(images):
    run = run_of(model(), images)
    longer = run_of(model(), images, steps=STEPS + 1)  # shows what the last step taken back did
    z = longer.latents.astype(np.float64)
    drift = np.sqrt(((z[1:] - z[:-1]) ** 2).sum(-1).mean(-1))
    # the run sums in float32: 80 latents, rounding of 6e-8 each
    np.testing.assert_allclose(run.drift, drift, rtol=1e-5)
    codes = [
        ((frame[:, None] - c) ** 2).sum(-1).argmin(1)
        for frame, c in zip(z, longer.codes.astype(np.float64), strict=True)
    ]
    churn = [(a != b).mean() for a, b in zip(codes, codes[1:], strict=False)]
    np.testing.assert_allclose(run.terms["churn"], churn, atol=1e-7)
    assert run.terms["churn"].max() > 0


def test_distortion_lag_and_spread_by_brute_force(images):
    run = run_of(model(), images)
    for z, codes, t in zip(run.latents.astype(float), run.codes.astype(float), range(99),
                           strict=False):  # fmt: skip
        squared = ((z[:, None] - codes) ** 2).sum(-1)
        k = squared.argmin(1)
        lag = [np.linalg.norm(codes[j] - z[k == j].mean(0)) if (k == j).any() else np.nan
               for j in range(8)]  # fmt: skip
        assert run.distortion[t] == pytest.approx(squared.min(1).mean(), rel=1e-9)
        np.testing.assert_allclose(run.lag[t], lag, rtol=1e-9)
        spread = np.sqrt(((z - z.mean(0)) ** 2).sum(1).mean())
        assert run.terms["spread"][t] == pytest.approx(spread, rel=1e-5)  # summed in float32


def test_hits_count_the_training_latents(images):
    run = run_of(model(), images, steps=5, record=[2])
    assert run.steps.tolist() == [0, 2, 5]
    # 40 pictures in batches of 16, 16 and 8, of 16 latents each
    assert run.hits.sum(1).tolist() == [0, 2 * 16 * 16, (8 + 16 + 16) * 16]
    assert ((run.last_hit[-1] >= 2) == (run.hits[-1] > 0)).all()
    assert run.last_hit.max() == 4


def test_recording_changes_nothing(images):
    often, seldom = model("ema-revival", init="first-batch"), model("ema-revival",
                                                                    init="first-batch")  # fmt: skip
    run_of(often, images)
    run_of(seldom, images, record=2)
    for a, b in zip(often.state_dict().values(), seldom.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_the_probe_is_a_fixed_part_of_the_latents(images):
    whole, part = run_of(model(), images), run_of(model(), images, probe=50)
    assert part.latents.shape == (STEPS + 1, 50, 4)
    rows = [np.flatnonzero((whole.latents[0] == row).all(1)).item() for row in part.latents[0]]
    assert len(set(rows)) == 50
    assert np.array_equal(part.latents, whole.latents[:, rows])
    assert np.array_equal(part.counts, whole.counts)
    with pytest.raises(ValueError, match="1 to 320"):
        run_of(model(), images, probe=321)


def test_without_a_quantizer_there_are_latents_and_no_codes(images):
    run = run_of(model(None), images)
    assert run.codes.shape == (STEPS + 1, 0, 4) and run.counts.shape == (STEPS + 1, 0)
    assert np.isnan(run.distortion).all() and (run.drift > 0).all() and "churn" not in run.terms


def test_a_kernels_bandwidth_is_recorded(images):
    run = run_of(model("nsvq", steps_per_epoch=2), images, steps=4)
    assert run.terms["bandwidth"].tolist() == [1, 1, 0.5, 0.5, 0.25]


@pytest.mark.parametrize("record", [range(STEPS + 1), [1, 4]])
def test_a_replay_is_the_recording_at_its_frames(images, record):
    run = run_of(model(None), images, record=record)
    source, motion = replay(run.latents, run.steps)
    points = source.sample(320, np.random.default_rng(0))
    index = np.arange(320)
    order = [np.flatnonzero((run.latents[0] == row).all(1)).item() for row in source.latents]
    for frame, step in enumerate(run.steps):
        # x + (f - x) in float64 of float32 numbers of order 1
        np.testing.assert_allclose(
            motion.move(points, float(step), index), run.latents[frame, order], atol=1e-12
        )


def test_a_recording_plays_to_any_method(images):
    run = run_of(model(None), images)
    source, motion = replay(run.latents, run.steps)
    again = simulate("vq", source, motion, codebook_size=8, points=320, batch=64, steps=STEPS,
                     probe=320, record="all", progress=False)  # fmt: skip
    assert again.latents.shape == (STEPS + 1, 320, 4)
    order = np.lexsort(again.latents[0].T), np.lexsort(run.latents[0].T)
    for frame in range(STEPS + 1):
        np.testing.assert_allclose(
            again.latents[frame][order[0]], run.latents[frame][order[1]], atol=1e-6  # float32
        )
    np.testing.assert_allclose(again.drift[:-1], run.drift[:-1], rtol=1e-5)


def test_a_run_is_saved_and_read(images, tmp_path):
    run = run_of(copy.deepcopy(model()), images)
    run.save(tmp_path / "real.npz")
    again = type(run).load(tmp_path / "real.npz")
    assert np.array_equal(again.latents, run.latents) and again.settings == run.settings
    assert set(again.terms) == set(run.terms)
