"""A training that is killed and resumed ends bit for bit where it would have ended."""

import json
import signal

import numpy as np
import pytest
import torch

pytest.importorskip("lightning", reason="training needs the extra 'train'")

from training_process import run  # noqa: E402

from vqlab import Run  # noqa: E402
from vqlab.vision.checkpoints import newest  # noqa: E402

STEPS = 23  # five steps an epoch: the last one is within the fifth
WORDS = [
    "fit", "--config", "digits", "--trainer.max_steps", str(STEPS), "--data.batch", "256",
    "--data.augment", "vqlab.vision.augment.Augment", "--model.method", "ema-revival",
    "--model.method_options", '{"threshold": 0.5, "use_decay": 0.5, "noise": 0.1}',
    "--model.codebook_size", "32", "--model.network_options", '{"width": 8}',
    "--trainer.logger", "false", "--trainer.enable_progress_bar", "false",
    "--trainer.callbacks", "vqlab.vision.keeping.Latest", "--trainer.callbacks.steps", "4",
    "--trainer.callbacks+", "vqlab.vision.record.Record", "--trainer.callbacks.latents", "64",
    "--trainer.callbacks+", "vqlab.vision.schedule.FreezeAndRefine",
    "--trainer.callbacks.patience", "1", "--trainer.callbacks.warmup", "1",
]  # fmt: skip


def words(step=None, place="step", number=signal.SIGKILL):
    if step is None:
        return WORDS
    return [*WORDS, "--trainer.callbacks+", "training_process.Kill",
            "--trainer.callbacks.step", str(step), "--trainer.callbacks.place", place,
            "--trainer.callbacks.number", str(int(number))]  # fmt: skip


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    assert run(words(), folder) == 0, (folder / "log.txt").read_text()[-3000:]
    return folder


def same(one, other):
    """Equal to the last bit, whatever is nested in whatever."""
    assert type(one) is type(other)
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            same(one[key], other[key])
    elif isinstance(one, (list, tuple)):
        assert len(one) == len(other)
        for a, b in zip(one, other, strict=True):
            same(a, b)
    elif isinstance(one, torch.Tensor):
        assert torch.equal(one, other)
    else:
        assert one == other


def ends_alike(folder, undisturbed):
    same(*(torch.load(f / "final.pt", weights_only=True) for f in (folder, undisturbed)))
    last = [newest(f / "runs/digits/checkpoints") for f in (folder, undisturbed)]
    assert [p.name for p in last] == [f"step-{STEPS}.ckpt"] * 2
    mine, theirs = (torch.load(p, weights_only=True) for p in last)
    for part in ("state_dict", "optimizer_states", "lr_schedulers", "global_step", "epoch"):
        same(mine[part], theirs[part])
    same(mine["callbacks"]["FreezeAndRefine"], theirs["callbacks"]["FreezeAndRefine"])
    a, b = (Run.load(f / "runs/digits/recording.npz") for f in (folder, undisturbed))
    for name in ("steps", "latents", "codes", "hits", "last_hit", "counts", "drift"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)


def test_a_training_that_is_ended_in_every_way_ends_as_if_it_had_not_been(undisturbed, tmp_path):
    """One training that much happens to: a chain, for each beginning takes seconds."""
    folder, resumed = tmp_path / "runs/digits/checkpoints", ["--resume", "true"]

    def ended(code, left, *given, again=True):
        found = run([*words(*given), *(resumed if again else [])], tmp_path)
        assert found == code, (tmp_path / "log.txt").read_text()[-3000:]
        assert newest(folder).name == f"step-{left}.ckpt"

    ended(-signal.SIGKILL, 4, 6, again=False)
    ended(-signal.SIGKILL, 12, 15, "validation")
    tear_the_last(folder, before="step-8.ckpt")
    ended(-signal.SIGKILL, 12, 14)  # from 8 it came back to 12
    ended(0, 14, 13, "step", signal.SIGINT)  # after Ctrl-C the step is done and kept
    ended(-signal.SIGKILL, 16, 20, "writing")
    ended(-signal.SIGKILL, 20, 21)
    ended(0, STEPS)
    ends_alike(tmp_path, undisturbed)


def tear_the_last(folder, before):
    """Half a seal, or one bit of the checkpoint, and the one before counts as the newest."""
    last = newest(folder)
    seal = last.with_name(last.name + ".json")
    kept = seal.read_text()
    seal.write_text(kept[:20])
    assert newest(folder).name == before
    seal.write_text(kept)
    content = bytearray(last.read_bytes())
    content[len(content) // 2] ^= 1
    last.write_bytes(content)
    assert newest(folder).name == before


def test_two_optimizers_resume_alike(tmp_path):
    common = [
        "fit", "--config", "vqgan", "--trainer.max_steps", "7", "--data.batch", "8",
        "--data.options", '{"count": 40, "resolution": 16}', "--data.size", "16",
        "--model.codebook_size", "16", "--model.dim", "4", "--model.perceptual", "0",
        "--model.network_options",
        '{"width": 4, "multiples": [1, 2], "blocks": 1, "groups": 2}',
        "--model.judge_options", '{"width": 4, "layers": 1}', "--model.gamma", "0.5",
        "--trainer.logger", "false", "--trainer.enable_progress_bar", "false",
        "--trainer.callbacks", "vqlab.vision.keeping.Latest", "--trainer.callbacks.steps", "3",
    ]  # fmt: skip
    killed = [*common, "--trainer.callbacks+", "training_process.Kill",
              "--trainer.callbacks.step", "5"]  # fmt: skip
    assert run(common, tmp_path / "whole") == 0
    assert run(killed, tmp_path / "halved") == -signal.SIGKILL
    assert newest(tmp_path / "halved/runs/vqgan/checkpoints").name == "step-3.ckpt"
    assert run([*common, "--resume", "true"], tmp_path / "halved") == 0
    ends = [tmp_path / name / "runs/vqgan/checkpoints/step-7.ckpt" for name in ("whole", "halved")]
    one, other = (torch.load(path, weights_only=True) for path in ends)
    for part in ("state_dict", "optimizer_states", "lr_schedulers"):
        same(one[part], other[part])
    assert any(key.startswith("judge") for key in one["state_dict"])


def test_the_draws_had_something_to_decide(undisturbed):
    """Else equal ends would say little: codes were revived, the encoder was frozen."""
    state = torch.load(undisturbed / "final.pt", weights_only=True)
    assert state["model.quantizer.update.1.clock"] == STEPS
    last = torch.load(newest(undisturbed / "runs/digits/checkpoints"), weights_only=True)
    assert last["callbacks"]["FreezeAndRefine"]["stage"] != "joint"


def test_two_runs_do_not_share_a_folder(undisturbed):
    assert run(words(), undisturbed, done=None) != 0
    assert "add --resume true" in (undisturbed / "log.txt").read_text()


def test_a_checkpoint_holds_tensors_and_plain_types_only(undisturbed):
    path = newest(undisturbed / "runs/digits/checkpoints")
    found = torch.load(path, weights_only=True)

    def check(value):
        if isinstance(value, dict):
            assert type(value) is dict
            for key, item in value.items():
                check(key), check(item)
        elif isinstance(value, (list, tuple)):
            assert type(value) in (list, tuple)
            for item in value:
                check(item)
        else:
            assert value is None or type(value) in (torch.Tensor, bool, int, float, str), value

    check(found)
    seal = json.loads(path.with_name(path.name + ".json").read_text())
    assert seal["step"] == STEPS and seal["bytes"] == path.stat().st_size
