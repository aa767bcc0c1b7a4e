"""Drift, churn, distortion and the recording, against the model itself."""

import copy

import numpy as np
import pytest
import torch

L = pytest.importorskip("lightning.pytorch", reason="training needs the extra 'train'")

from vqlab import Run, simulate  # noqa: E402
from vqlab.drift import replay  # noqa: E402
from vqlab.measure import kmeans_optimum  # noqa: E402
from vqlab.vision.data import Pictures  # noqa: E402
from vqlab.vision.module import Reconstructor  # noqa: E402
from vqlab.vision.record import Record  # noqa: E402
from vqlab.vision.watching import AgainstKMeans, Drift  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def module():
    return Reconstructor("vq", 8, 4, {"init": "normal"}, channels=1, rate=0.01,
                         network_options={"width": 8})  # fmt: skip


def fit(images, tmp_path, *callbacks, steps=6, model=None):
    model = model or module()
    trainer = L.Trainer(
        default_root_dir=tmp_path, max_steps=steps, accelerator="cpu", logger=False,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
        callbacks=list(callbacks),
    )  # fmt: skip
    data = Pictures(images, batch=8)
    trainer.fit(model, data)
    return model, data, trainer


def seen(model, pictures):
    model = copy.deepcopy(model).eval()
    with torch.no_grad():
        out = model.model(pictures)
    return out.latents.movedim(1, -1).flatten(0, -2).double(), out.indices.flatten()


def test_drift_and_churn_are_those_of_one_step(images, tmp_path):
    found = []

    class Look(L.Callback):
        def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
            probe = torch.as_tensor(trainer.datamodule.parts.val[np.arange(4)])
            self.before = seen(pl_module, probe)
            self.probe = probe

        def on_train_batch_end(self, trainer, pl_module, *args):
            (z, k), (w, j) = self.before, seen(pl_module, self.probe)
            drift = (w - z).square().sum(1).mean().sqrt()
            found.append((trainer.global_step - 1, float(drift), float((j != k).double().mean())))

    logged = []

    class Logged(L.Callback):
        def on_train_batch_end(self, trainer, *args):
            logged.append(
                [float(trainer.callback_metrics[f"train/{n}"]) for n in ("drift", "churn")]
            )

    fit(images, tmp_path, Look(), Drift(every=2, pictures=4), Logged())
    for step, drift, churn in found:
        if step % 2 == 0:
            assert logged[step] == pytest.approx([drift, churn], rel=1e-5)
    assert logged[1] == logged[0] and logged[2] != logged[0]


def test_distortion_stands_beside_that_of_k_means(images, tmp_path):
    model, data, trainer = fit(images, tmp_path, AgainstKMeans(samples=10_000), steps=4)
    z, k = seen(model, torch.as_tensor(data.parts.val[np.arange(4)]))
    error = float((z - model.model.quantizer.codebook()[k]).square().sum(1).mean())
    assert float(trainer.callback_metrics["val/distortion"]) == pytest.approx(error, rel=1e-5)
    best = kmeans_optimum(z, 8, n_init=10)[0]
    excess = float(trainer.callback_metrics["val/excess-distortion"])
    assert 1 <= excess <= error / best * 1.001  # one start finds at most what ten find
    with pytest.raises(ValueError, match="needs as many samples"):
        fit(images, tmp_path, AgainstKMeans(samples=7))


def test_the_last_validation_is_always_seen(images, tmp_path):
    class Rows(L.Callback):
        found = []

        def on_validation_end(self, trainer, module):
            if not trainer.sanity_checking:
                self.found.append(trainer.callback_metrics.get("val/distortion"))

    fit(images, tmp_path, AgainstKMeans(samples=10_000, every=3), rows := Rows(), steps=20)
    values = [None if v is None else float(v) for v in rows.found]
    assert len(values) == 5 and values[0] == values[1] == values[2] != values[3] != values[4]


def test_a_recording_is_a_run_for_the_laboratory(images, tmp_path):
    record = Record(frames=4, pictures=4, latents=None)
    model, data, _ = fit(images, tmp_path, record)
    run = Run.load(tmp_path / "recording.npz")
    assert run.steps.tolist() == [0, 1, 2, 6] and run.method == "vq"
    probe = torch.as_tensor(data.parts.val[np.arange(4)])
    for frame, steps in ((0, 0), (2, 2), (3, 6)):
        live = module() if not steps else fit(images, tmp_path / str(steps), steps=steps)[0]
        z, k = seen(live, probe)
        np.testing.assert_allclose(run.latents[frame], z, atol=1e-6)
        np.testing.assert_array_equal(run.codes[frame], live.model.quantizer.codebook().detach())
        assert np.array_equal(run.counts[frame], np.bincount(k, minlength=8))
    assert run.hits.sum(1).tolist() == [0, 8 * 16, 8 * 16, 4 * 8 * 16]  # 4 x 4 latents a picture
    assert np.isfinite(run.drift[:-1]).all() and np.isnan(run.drift[-1])
    source, motion = replay(run.latents, run.steps)
    again = simulate("ema", source=source, motion=motion, points=len(source.latents), steps=6,
                     codebook_size=8, seed=0)  # fmt: skip
    assert again.steps[-1] == 6


def test_recording_changes_nothing(images, tmp_path):
    watched = fit(images, tmp_path, Record(), Drift(every=1), AgainstKMeans(samples=64))[0]
    alone = fit(images, tmp_path / "alone")[0]
    for a, b in zip(watched.parameters(), alone.parameters(), strict=True):
        assert torch.equal(a, b)


def test_numbers_below_one_are_refused():
    for kind in (Drift, AgainstKMeans):
        with pytest.raises(ValueError, match=">= 1"):
            kind(every=0)
