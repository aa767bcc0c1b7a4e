"""The loop: what a seed fixes, what the multiplier scales, what is refused."""

import numpy as np
import pytest
import torch

from vqlab import make, sweep
from vqlab.vision import Autoencoder, Images, digits, fit, train
from vqlab.vision.training import frame_steps

TINY = {"dim": 4, "codebook_size": 8, "width": 8, "batch": 16, "steps": 4, "progress": False,
        "probe": 100}  # fmt: skip


def model(seed=0):
    quantizer = make("vq", 4, 8, channel_first=True, seed=0, init="normal")
    return Autoencoder(1, 4, quantizer, width=8, seed=seed)


@pytest.mark.parametrize("factor", [0, 0.1, 1.0, 10.0])
def test_the_multiplier_scales_the_encoder_alone(images, factor):
    # Adam's first step moves every parameter by the learning rate, whatever its gradient's size,
    # up to epsilon over the gradient: a few per cent where gradients are as small as 1e-6.
    trained, before = model(), model()
    fit(trained, images, steps=1, batch=16, rate=1e-3, encoder_rate=factor, record=2,
        probe=None, progress=False)  # fmt: skip

    def moved(part):
        pairs = zip(getattr(trained, part).parameters(), getattr(before, part).parameters(),
                    strict=True)  # fmt: skip
        return torch.cat([(a - b).abs().flatten() for a, b in pairs]).median().item()

    assert moved("encoder") == pytest.approx(1e-3 * factor, rel=0.05)
    assert moved("decoder") == pytest.approx(1e-3, rel=0.05)
    table = trained.quantizer.codebook() - before.quantizer.codebook()
    used = table.abs().sum(1) > 0
    assert used.any() and table[used].abs().median().item() == pytest.approx(1e-3, rel=0.05)


def test_an_encoder_that_is_held_still_has_no_drift(images):
    run = train("vq", images, encoder_rate=0, **TINY)
    assert (run.drift == 0).all() and np.array_equal(run.latents[0], run.latents[-1])
    assert not np.array_equal(run.codes[0], run.codes[-1])


def test_a_ramp_raises_all_rates_evenly(images):
    trained, before = model(), model()
    fit(trained, images, steps=1, batch=16, rate=1e-3, ramp=4, record=2, probe=None,
        progress=False)  # fmt: skip
    for a, b in zip(trained.parameters(), before.parameters(), strict=True):
        assert (a - b).abs().max() <= 0.25e-3 * 1.001  # float32


@pytest.mark.parametrize("method", [None, "vq", "ema-revival"])
def test_a_seed_gives_one_run_and_another_seed_another(images, method):
    one, same, other = (train(method, images, seed=s, **TINY) for s in (1, 1, 2))
    for name in ("latents", "codes", "hits", "drift"):
        assert np.array_equal(getattr(one, name), getattr(same, name)), name
    assert not np.array_equal(one.latents, other.latents)


def test_methods_are_paired(images):
    runs = [train(m, images, seed=1, **TINY) for m in ("vq", "nsvq", "ema", None)]
    for run in runs[1:]:
        assert np.array_equal(run.latents[0], runs[0].latents[0])
    assert np.array_equal(runs[1].codes[0], runs[0].codes[0])


def test_training_learns():
    run = train(None, "digits", steps=100, rate=3e-3, record=2, width=16, progress=False)
    nothing_learnt = digits().test.var(0).mean().item()  # the error of the mean picture
    assert run.terms["reconstruction"][-1] < nothing_learnt / 2 < run.terms["reconstruction"][0]


def test_warmup_is_plain_training_with_other_batches(images):
    plain = train(None, images, seed=1, **TINY)
    warm = train("vq", images, seed=1, warmup=4, init="kmeans", **TINY)
    assert not np.array_equal(warm.latents[0], plain.latents[0])
    assert warm.settings["warmup"] == 4 and warm.steps[-1] == 4


def test_kmeans_starts_on_centroids_of_the_training_latents(images):
    everything = Images(images.train, images.train)
    run = train("vq", everything, init="kmeans", **{**TINY, "probe": None})
    # Lloyd's fixed point on float64; codes are stored in float32
    assert np.nanmax(run.lag[0]) < 1e-5 and (run.counts[0] > 0).all()
    spread = run.terms["spread"][0]
    assert run.distortion[0] < 0.5 * spread**2


def test_first_batch_starts_on_latents(images):
    everything = Images(images.train, images.train)
    run = train("vq", everything, init="first-batch", **{**TINY, "probe": None})
    assert all((run.latents[0] == code).all(1).any() for code in run.codes[0])


def test_settings_say_how(images):
    run = train("nsvq", images, options={"form": "followup"}, seed=3, encoder_rate=2, **TINY)
    expected = {"method": "nsvq", "seed": 3, "encoder_rate": 2, "images": "given", "dim": 4,
                "codebook_size": 8, "init": "uniform", "steps": 4}  # fmt: skip
    assert expected.items() <= run.settings.items()
    assert (run.method, run.seed) == ("nsvq", 3)


def test_a_sweep_over_training(images):
    table = sweep(["vq", "ema"], seeds=2, grid={"encoder_rate": [0.1, 1]}, simulator=train,
                  workers=1, images=images, **TINY)  # fmt: skip
    assert len(table) == 8 and list(table.encoder_rate) == [0.1, 0.1, 1, 1] * 2
    assert "motion" not in table


@pytest.mark.parametrize(
    ("steps", "record", "spacing", "expected"),
    [
        (10, 3, "regular", [0, 5, 10]),
        (10, 2, "geometric", [0, 10]),
        (3, 40, "geometric", [0, 1, 2, 3]),
        (16, 6, "geometric", [0, 1, 2, 4, 8, 16]),
        (10, [4, 2, 2], "geometric", [0, 2, 4, 10]),
        (600, 40, "geometric", None),
        (7, 7, "geometric", None),
    ],
)
def test_frames(steps, record, spacing, expected):
    frames = frame_steps(steps, record, spacing)
    if expected is None:
        assert len(frames) == record and frames[0] == 0 and frames[-1] == steps
        assert (np.diff(frames) > 0).all()
    else:
        assert frames.tolist() == expected


def test_frames_that_cannot_be_are_refused():
    for record, spacing, words in [(1, "regular", "at least 2"), ([11], "regular", "0 to 10"),
                                   (3, "even", "'geometric' or 'regular'")]:  # fmt: skip
        with pytest.raises(ValueError, match=words):
            frame_steps(10, record, spacing)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [({"steps": 0}, "steps must"), ({"batch": 1.5}, "batch must"), ({"rate": 0}, "rate must"),
     ({"encoder_rate": float("nan")}, "encoder_rate must"), ({"ramp": -1}, "ramp must"),
     ({"method": "vqq"}, "unknown method"),
     ({"init": "best"}, "unknown init"), ({"init": "kmeans", "codebook_size": 1000}, "as many"),
     ({"images": "cats"}, "unknown images")],
)  # fmt: skip
def test_settings_out_of_range_are_refused(images, wrong, words):
    with pytest.raises(ValueError, match=words):
        train(**{"method": "vq", "images": images, **TINY, **wrong})


def test_latents_that_explode_are_refused(images):
    with pytest.raises(ValueError, match="NaN|Inf|finite"):
        train("vq", images, **{**TINY, "steps": 30, "rate": 1e30})
