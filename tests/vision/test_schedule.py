"""The follow-up's schedule: when it freezes, and what is off in which stage."""

import pytest
import torch

L = pytest.importorskip("lightning.pytorch", reason="training needs the extra 'train'")

from vqlab.vision.adversarial import AdversarialReconstructor  # noqa: E402
from vqlab.vision.data import Pictures  # noqa: E402
from vqlab.vision.module import Reconstructor  # noqa: E402
from vqlab.vision.schedule import FreezeAndRefine  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def stage_after(losses, **options):
    schedule = FreezeAndRefine(**options)
    for loss in losses:
        schedule.advance(loss)
    return schedule.stage


def test_it_freezes_once_commitment_has_not_fallen_for_so_many_epochs_in_a_row():
    assert stage_after([3.0, 2.0, 2.5, 2.5], patience=3) == "joint"
    assert stage_after([3.0, 2.0, 2.5, 2.5, 2.0], patience=3) == "warm-up"  # equal is not lower
    assert stage_after([3.0, 2.0, 2.5, 2.5, 1.9, 2.0, 2.0], patience=3) == "joint"
    assert stage_after([1.0, 1.0], patience=1, warmup=0) == "refinement"


class Watch(L.Callback):
    def __init__(self, parts):
        self.parts, self.rows = parts, []

    def on_train_batch_start(self, trainer, module, batch, batch_idx):
        self.before = {k: v.clone() for k, v in module.state_dict().items()}

    def on_train_batch_end(self, trainer, module, *args):
        after = module.state_dict()
        moved = tuple(
            any(not torch.equal(v, after[k]) for k, v in self.before.items() if k.startswith(part))
            for part in self.parts
        )
        schedule = next(c for c in trainer.callbacks if isinstance(c, FreezeAndRefine))
        self.rows.append((schedule.stage, moved, getattr(module, "ramp", None)))


def fit(module, images, tmp_path, schedule, epochs):
    watch = Watch(("model.encoder", "model.decoder", "model.quantizer.codebook", "judge"))
    trainer = L.Trainer(
        default_root_dir=tmp_path, max_epochs=epochs, accelerator="cpu", logger=False,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
        callbacks=[watch, schedule], num_sanity_val_steps=0,
    )  # fmt: skip
    trainer.fit(module, Pictures(images, batch=32))  # one step an epoch
    return watch.rows, trainer


def test_what_moves_in_which_stage(images, tmp_path):
    module = AdversarialReconstructor(
        method="nsvq", method_options={"form": "followup", "replacement": True}, codebook_size=8,
        dim=4, channels=1, network="resnet", perceptual=0.0,
        judge_options={"width": 4, "layers": 1},
        network_options={"width": 4, "groups": 2, "multiples": (1, 2), "blocks": 1},
    )  # fmt: skip
    schedule = FreezeAndRefine(patience=1, warmup=2, ramp=2)
    schedule.lowest = -1.0  # so that the first epoch is the last of the first stage
    dense = module.model.quantizer.rules[1]
    rows, _ = fit(module, images, tmp_path, schedule, 7)
    all_move, frozen = (True, True, True, True), (False, True, True, True)
    assert rows[0] == ("joint", all_move, 1.0)
    assert rows[1:3] == [("warm-up", (False, True, True, False), 0.0)] * 2
    assert rows[3:6] == [("refinement", frozen, pytest.approx(r)) for r in (1 / 3, 2 / 3, 1.0)]
    assert dense.weight == 0.0
    assert module.model.quantizer.rules[2].threshold == 0.0


def test_replacement_ends_with_the_first_stage(images, tmp_path):
    module = Reconstructor("ema-revival", 8, 4, {"threshold": 0.9, "use_decay": 0.0},
                           network_options={"width": 8}, channels=1)  # fmt: skip
    schedule = FreezeAndRefine(patience=1, warmup=1)
    schedule.lowest = -1.0
    _, trainer = fit(module, images, tmp_path, schedule, 2)
    revival = module.model.quantizer.rules[1]
    assert revival.threshold == 0.0
    latents = torch.randn(50, 4)
    revival.use.zero_()
    assert not revival.prepare(latents, None, module.model.quantizer.codebook).any()
    assert float(trainer.callback_metrics["train/stage"]) == 2.0


def test_the_epochs_mean_decides(images, tmp_path):
    module = Reconstructor("vq", 8, 4, network_options={"width": 8}, channels=1)
    schedule, means = FreezeAndRefine(patience=99), []
    schedule.advance = means.append
    seen = []

    class Collect(L.Callback):
        def on_train_batch_end(self, trainer, *args):
            seen.append(float(trainer.callback_metrics["train/commitment"]))

    trainer = L.Trainer(
        default_root_dir=tmp_path, max_epochs=2, accelerator="cpu", logger=False,
        enable_checkpointing=False, enable_progress_bar=False, callbacks=[Collect(), schedule],
    )  # fmt: skip
    trainer.fit(module, Pictures(images, batch=8))
    assert len(seen) == 8 and len(set(seen)) == 8
    assert means == pytest.approx([sum(seen[:4]) / 4, sum(seen[4:]) / 4], rel=1e-6)


def test_its_state_is_plain_and_comes_back():
    schedule = FreezeAndRefine(patience=2)
    schedule.advance(1.0)
    other = FreezeAndRefine(patience=2)
    other.load_state_dict(schedule.state_dict())
    for one in (schedule, other):
        one.advance(1.0)
        one.advance(1.0)
    assert other.state_dict() == schedule.state_dict() and other.stage == "warm-up"
    with pytest.raises(ValueError, match="patience must be >= 1"):
        FreezeAndRefine(patience=0)
