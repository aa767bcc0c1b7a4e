"""What is kept: whole checkpoints, the last few, the best in the right direction."""

import errno
import json
import signal
import threading

import pytest
import torch

L = pytest.importorskip("lightning.pytorch", reason="training needs the extra 'train'")

from vqlab.vision import checkpoints  # noqa: E402
from vqlab.vision.checkpoints import SealedCheckpoints, newest, plain, whole  # noqa: E402
from vqlab.vision.data import Pictures  # noqa: E402
from vqlab.vision.keeping import Best, Latest  # noqa: E402
from vqlab.vision.live import LiveMonitor  # noqa: E402
from vqlab.vision.module import Reconstructor  # noqa: E402
from vqlab.vision.record import Record  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

TINY = {"codebook_size": 8, "dim": 4, "network_options": {"width": 8}, "channels": 1}


def fit(images, folder, *callbacks, **options):
    options = {"max_epochs": 3, **options}
    trainer = L.Trainer(
        default_root_dir=folder, accelerator="cpu", logger=False, enable_progress_bar=False,
        enable_model_summary=False, callbacks=list(callbacks), plugins=[SealedCheckpoints()],
        **options,
    )  # fmt: skip
    trainer.fit(Reconstructor(**TINY), Pictures(images, batch=8))  # four steps an epoch
    return trainer


def names(folder):
    return sorted(path.name for path in (folder / "checkpoints").glob("*.ckpt"))


def test_the_last_few_are_kept_each_with_its_seal(images, tmp_path):
    (tmp_path / "checkpoints").mkdir()
    for torn in ("step-1.ckpt.partial", "step-1.ckpt.partial.json"):
        (tmp_path / "checkpoints" / torn).touch()
    fit(images, tmp_path, Latest(steps=2, keep=2))
    assert names(tmp_path) == ["step-10.ckpt", "step-12.ckpt"]
    assert len(list((tmp_path / "checkpoints").iterdir())) == 4
    assert newest(tmp_path / "checkpoints").name == "step-12.ckpt"


@pytest.mark.parametrize(("minutes", "expected"), [(0.0, 12), (60.0, 1)])
def test_a_file_every_so_many_minutes(images, tmp_path, minutes, expected):
    fit(images, tmp_path, Latest(minutes=minutes, keep=99))
    assert len(names(tmp_path)) == expected and "step-12.ckpt" in names(tmp_path)


def test_nothing_is_judged_where_ctrl_c_cuts_an_epoch_short(images, tmp_path):
    latest = Latest(minutes=None)

    class Stop(L.Callback):
        def on_train_batch_start(self, trainer, module, batch, batch_idx):
            latest.stopped = trainer.global_step == 5  # four steps an epoch

    rising = Rising()
    fit(images, tmp_path, Stop(), latest, rising, Best("held-out/psnr"))
    assert rising.seen == 2, "it is validated there"
    assert names(tmp_path) == ["best-held-out-psnr-4.ckpt", "step-6.ckpt"]
    state = torch.load(tmp_path / "checkpoints" / "step-6.ckpt", weights_only=True)
    kept = next(v for k, v in state["callbacks"].items() if "Best" in k)["best_k_models"]
    assert [path.rsplit("/")[-1] for path in kept] == ["best-held-out-psnr-4.ckpt"]


@pytest.mark.skipif(
    threading.current_thread() is not threading.main_thread(), reason="signals need the main thread"
)
def test_an_error_leaves_neither_a_handler_nor_a_hook(images, tmp_path):
    class Broken(L.Callback):
        def on_train_batch_end(self, trainer, module, *args):
            self.quantizer = module.model.quantizer
            assert signal.getsignal(signal.SIGINT) != before and self.quantizer._forward_hooks
            raise ZeroDivisionError

    before, broken = signal.getsignal(signal.SIGINT), Broken()
    with pytest.raises(ZeroDivisionError):
        fit(images, tmp_path, Latest(), Record(), LiveMonitor(), broken)
    assert signal.getsignal(signal.SIGINT) == before
    assert not broken.quantizer._forward_hooks


class Rising(L.Callback):
    """A number that grows with each validation."""

    seen = 0

    def on_validation_epoch_end(self, trainer, module):
        if not trainer.sanity_checking:
            self.seen += 1
            module.log("held-out/psnr", float(self.seen))


def test_a_number_below_one_is_refused():
    with pytest.raises(ValueError, match="at least 1"):
        Latest(keep=0)


@pytest.mark.parametrize(
    ("monitor", "values", "best"),
    [("held-out/psnr", [10.0, 30.0, 20.0], 8), ("held-out/mse", [3.0, 2.0, 5.0], 8),
     ("val/rfid", [1.0, 2.0, 3.0], 4), ("val/ms-ssim", [0.1, 0.2, 0.3], 12)],
)  # fmt: skip
def test_best_is_highest_or_lowest_as_it_should_be(images, tmp_path, monitor, values, best):
    """The released code keeps the lowest PSNR, and tests with it."""

    class Say(L.Callback):
        def on_validation_epoch_end(self, trainer, module):
            if not trainer.sanity_checking:
                module.log(monitor, values[trainer.current_epoch])

    fit(images, tmp_path, Say(), Best(monitor))
    assert names(tmp_path) == [f"best-{monitor.replace('/', '-')}-{best}.ckpt"]
    with pytest.raises(ValueError, match="which way 'val/what'"):
        Best("val/what")


class Full:
    """A disk that takes so many bytes."""

    def __init__(self, file, room):
        self.file, self.room = file, room

    def write(self, data):
        self.room -= memoryview(data).nbytes
        if self.room < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return self.file.write(data)


def test_a_full_disk_leaves_what_was_there(tmp_path, monkeypatch):
    io, path = SealedCheckpoints(), tmp_path / "step-1.ckpt"
    io.save_checkpoint({"x": torch.zeros(1000), "global_step": 1}, path)
    real = checkpoints._Hashing
    for target in (path, tmp_path / "step-2.ckpt"):
        with monkeypatch.context() as patched:
            patched.setattr(checkpoints, "_Hashing", lambda file: real(Full(file, 3000)))
            with pytest.raises(OSError, match="No space left.*those written before it are whole"):
                io.save_checkpoint({"x": torch.ones(1000)}, target)
        assert sorted(p.name for p in tmp_path.iterdir()) == ["step-1.ckpt", "step-1.ckpt.json"]
        assert newest(tmp_path) == path
        assert torch.equal(io.load_checkpoint(path)["x"], torch.zeros(1000))


def test_training_on_a_full_disk_ends_in_one_sentence_and_goes_on(images, tmp_path, monkeypatch):
    real, written = checkpoints._Hashing, []

    def hashing(file):
        written.append(1)
        return real(file if len(written) == 1 else Full(file, 3000))

    with monkeypatch.context() as patched:
        patched.setattr(checkpoints, "_Hashing", hashing)
        with pytest.raises(OSError, match="free some space and resume"):
            fit(images, tmp_path, Latest(steps=2))
    assert newest(tmp_path / "checkpoints").name == "step-2.ckpt"
    trainer = L.Trainer(default_root_dir=tmp_path, max_steps=3, accelerator="cpu", logger=False,
                        enable_progress_bar=False, plugins=[SealedCheckpoints()],
                        enable_checkpointing=False)  # fmt: skip
    trainer.fit(Reconstructor(**TINY), Pictures(images, batch=8),
                ckpt_path=newest(tmp_path / "checkpoints"), weights_only=True)  # fmt: skip
    assert trainer.global_step == 3


def test_torn_files_are_found_out(tmp_path):
    io = SealedCheckpoints()
    for step in (8, 9, 10):
        io.save_checkpoint({"x": torch.full((100,), step), "global_step": step},
                           tmp_path / f"step-{step}.ckpt")  # fmt: skip
    last, seal = tmp_path / "step-10.ckpt", tmp_path / "step-10.ckpt.json"
    assert newest(tmp_path) == last  # 10 is later than 9, though its name sorts before
    content, stamp = last.read_bytes(), seal.read_text()
    for torn in (content[:-1], content[:100], b"", content[:-1] + b"\x00", content + b"\x00"):
        last.write_bytes(torn)
        if torn != content:
            assert not whole(last) and newest(tmp_path).name == "step-9.ckpt"
            with pytest.raises(ValueError, match="torn"):
                io.load_checkpoint(last)
    last.write_bytes(content)
    for torn in ("", stamp[:-5], "[]", json.dumps({"bytes": len(content)})):
        seal.write_text(torn)
        assert newest(tmp_path).name == "step-9.ckpt"
    seal.unlink()
    assert newest(tmp_path).name == "step-9.ckpt"
    assert newest(tmp_path / "nowhere") is None
    with pytest.raises(FileNotFoundError):
        io.load_checkpoint(tmp_path / "step-1.ckpt")
    io.remove_checkpoint(tmp_path / "step-9.ckpt")
    assert not list(tmp_path.glob("step-9*")) and newest(tmp_path).name == "step-8.ckpt"


def test_only_tensors_and_plain_types_are_taken(tmp_path):
    from collections import OrderedDict
    from enum import IntEnum

    class Level(IntEnum):
        HIGH = 3

    made = plain({"a": OrderedDict(b=(1, [torch.ones(2, requires_grad=True)])), "c": Level.HIGH,
                  "d": tmp_path, "e": None, "f": True})  # fmt: skip
    assert type(made["a"]) is dict and not made["a"]["b"][1][0].requires_grad
    assert type(made["c"]) is int and made["d"] == str(tmp_path) and made["f"] is True
    with pytest.raises(TypeError, match="plain types only, got Linear"):
        SealedCheckpoints().save_checkpoint({"m": torch.nn.Linear(1, 1)}, tmp_path / "m.ckpt")
    assert not list(tmp_path.iterdir())
