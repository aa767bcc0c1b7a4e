"""Methods trained on equal terms: the same batches, and the same end however often stopped."""

import os
import shlex
import signal
import threading

import pytest
import torch

L = pytest.importorskip("lightning.pytorch", reason="training needs the extra 'train'")

from training_process import run  # noqa: E402

from vqlab.vision.comparison import CONFIG, Comparison  # noqa: E402
from vqlab.vision.live import LiveMonitor  # noqa: E402
from vqlab.vision.seen import FACTOR, Seen  # noqa: E402
from vqlab.vision.setting import Setting, named  # noqa: E402

SETTING = dict(
    source="digits", size=8, batch=256, steps=7, codebook_size=16, dim=4, network="small",
    network_options={"width": 8}, frames=4, pictures=8, logs=False, save_steps=3,
)  # fmt: skip
METHODS = {"vq": "vq", "revived": ("ema-revival", {"threshold": 0.5, "use_decay": 0.5})}


def comparison(folder, methods=METHODS, seeds=(0,), **changed):
    return Comparison(folder, Setting(**{**SETTING, **changed}), methods, seeds)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    made = comparison(tmp_path_factory.mktemp("unbroken"))
    made.run()
    return made


def weights(made, label):
    return torch.load(made.checkpoint(label, 0), weights_only=True)["state_dict"]


def alike(one, other, label):
    a, b = weights(one, label), weights(other, label)
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def test_all_methods_of_a_seed_are_fed_the_same(unbroken):
    fed = unbroken.fed()
    assert set(fed) == {("vq", 0), ("revived", 0)}
    assert len(set(fed.values())) == 1 and fed["vq", 0][0] == 7 * 256


def test_stopped_and_continued_ends_bit_for_bit_alike(unbroken, tmp_path, capsys):
    made = comparison(tmp_path)
    for stop_at, done in ((5, [5, 0]), (5, [5, 5]), (6, [6, 5])):  # 5 is the end of an epoch
        made.run(stop_at=stop_at)
        assert [made.done(*case) for case in made.cases] == done
    comparison(tmp_path).run()
    assert "revived, seed 0: went on from step 5; 7 of 7 steps, 1,792 pictures" in (
        capsys.readouterr().out
    )
    assert all(alike(made, unbroken, label) for label in METHODS)
    assert made.fed() == unbroken.fed()
    assert made.runs()["vq"][0].steps.tolist() == unbroken.runs()["vq"][0].steps.tolist()


@pytest.mark.skipif(
    threading.current_thread() is not threading.main_thread(), reason="signals need the main thread"
)
def test_ctrl_c_saves_and_ends_everything(unbroken, tmp_path):
    class Interrupt(L.Callback):
        def on_before_optimizer_step(self, trainer, *args):
            if trainer.global_step == 3:
                os.kill(os.getpid(), signal.SIGINT)

    made = comparison(tmp_path)
    with pytest.raises(KeyboardInterrupt, match="vq, seed 0, is saved: run this again"):
        made.run([Interrupt()])
    assert [made.done(*case) for case in made.cases] == [4, 0]
    made.run()
    assert all(alike(made, unbroken, label) for label in METHODS)


def test_a_shell_killed_on_the_way_and_continued_here_ends_alike(unbroken, tmp_path):
    made = comparison(tmp_path)
    words = shlex.split(made.words("revived", 0)) + [
        "--trainer.enable_progress_bar", "false", "--trainer.callbacks+", "training_process.Kill",
        "--trainer.callbacks.step", "5",
    ]  # fmt: skip
    code = run(words, tmp_path, done=None)
    assert code == -signal.SIGKILL, (tmp_path / "log.txt").read_text()[-2000:]
    assert made.done("revived", 0) == 3
    made.run()
    assert alike(made, unbroken, "revived") and made.fed() == unbroken.fed()


def test_what_is_finished_is_left_alone(unbroken, capsys):
    files = {case: unbroken.checkpoint(*case).stat().st_mtime_ns for case in unbroken.cases}
    unbroken.run()
    assert capsys.readouterr().out.count("there already; 7 of 7 steps, 1,792 pictures") == 2
    assert files == {c: unbroken.checkpoint(*c).stat().st_mtime_ns for c in unbroken.cases}


def test_another_seed_is_other_batches_and_other_weights(unbroken, tmp_path):
    made = comparison(tmp_path, ["vq"], [1])
    made.run()
    assert made.fed()["vq", 1] != unbroken.fed()["vq", 0]
    assert made.fed()["vq", 1][0] == 7 * 256


def test_a_folder_holds_one_setting_and_may_grow_by_methods(unbroken):
    with pytest.raises(ValueError, match=r"another trainer\.max_steps, model\.rate"):
        comparison(unbroken.folder, steps=8, rate=1e-3)
    with pytest.raises(ValueError, match=r"another data\.batch"):
        comparison(unbroken.folder, batch=128)
    grown = comparison(unbroken.folder, {**METHODS, "simvq": "simvq"}, workers=1)
    assert [grown.done(*case) for case in grown.cases] == [7, 7, 0]
    assert (unbroken.folder / CONFIG).is_file()


@pytest.mark.parametrize("other", ["vq", ("ema-revival", {"threshold": 0.25, "use_decay": 0.5})])
def test_a_label_keeps_its_method(unbroken, other):
    """What was trained by another method would be shown under this one's name."""
    with pytest.raises(ValueError, match=r"revived-seed0 holds a training of \["):
        comparison(unbroken.folder, {"revived": other}).run()


def test_methods_are_named(tmp_path):
    assert named(["vq"]) == {"vq": ("vq", {})}
    with pytest.raises(ValueError, match="folder"):
        named({"a/b": "vq"})
    with pytest.raises(ValueError, match="at least one method"):
        named([])
    with pytest.raises(ValueError, match="no method|unknown"):
        named(["vqq"])
    with pytest.raises(ValueError, match="seed"):
        comparison(tmp_path, seeds=[])
    with pytest.raises(FileNotFoundError, match=r"run\(\) trains it"):
        comparison(tmp_path).trained("vq", 0)


def test_the_live_monitor_sees_every_step_and_changes_nothing(unbroken, tmp_path):
    watched, made = LiveMonitor(), comparison(tmp_path, ["vq"])
    box = watched.show()
    made.run([watched])
    assert alike(made, unbroken, "vq")
    seen = watched.monitor.run()
    assert seen.steps[-1] == 7 and seen.hits.sum() == 7 * 256 * 16
    assert box.children[0].value == "vq, seed 0"


def test_the_checksum_is_its_formula_and_minds_the_order():
    one, two = torch.rand(2, 3), torch.rand(4, 3)
    bits = [int(x.view(torch.int32).long().sum()) for x in (one, two)]

    def fed(*batches):
        seen = Seen()
        for batch in batches:
            seen.on_train_batch_start(None, None, batch, 0)
        return seen

    seen = fed(one, two)
    assert seen.count == 6
    assert seen.checksum == f"{(bits[0] * FACTOR + bits[1]) % 2**64:016x}"
    assert seen.checksum != fed(two, one).checksum
    resumed = Seen()
    resumed.load_state_dict(fed(one).state_dict())
    resumed.on_train_batch_start(None, None, two, 1)
    assert (resumed.count, resumed.checksum) == (6, seen.checksum)
