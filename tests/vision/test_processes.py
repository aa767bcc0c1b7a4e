"""Two processes with half the batch each train the model of one process with the whole batch."""

import socket

import pytest
import torch

pytest.importorskip("lightning", reason="training needs the extra 'train'")

from training_process import run, start  # noqa: E402

# Starts on k-means, keeps averages, revives; the others: tests/quantizers/test_distributed.py.
METHODS = {"ema-revival": '{"init": "kmeans", "threshold": 0.5, "use_decay": 0.5}'}


def words(method, processes):
    return [
        "fit", "--config", "digits", "--trainer.max_steps", "8", "--data.batch", "256",
        "--data.augment", "vqlab.vision.augment.Augment", "--model.method", method,
        "--model.method_options", METHODS[method], "--model.codebook_size", "32",
        "--model.network_options", '{"width": 8}', "--trainer.devices", str(processes),
        "--trainer.strategy", "ddp" if processes > 1 else "auto", "--trainer.accelerator", "cpu",
        "--trainer.logger", "false", "--trainer.enable_progress_bar", "false",
        "--trainer.callbacks", "vqlab.vision.keeping.Latest", "--trainer.callbacks.steps", "3",
        "--trainer.callbacks+", "vqlab.vision.keeping.Best",
        "--trainer.callbacks+", "vqlab.vision.watching.Drift",
    ]  # fmt: skip


@pytest.mark.skipif(not torch.distributed.is_available(), reason="torch without distributed")
@pytest.mark.parametrize("method", METHODS)
def test_two_halves_make_a_whole(tmp_path, method):
    assert run(words(method, 1), tmp_path / "one") == 0
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = str(s.getsockname()[1])
    pair = []
    for rank in range(2):  # what torchrun sets
        names = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": "2",
                 "LOCAL_WORLD_SIZE": "2", "RANK": str(rank), "LOCAL_RANK": str(rank),
                 "GROUP_RANK": "0", "TORCHELASTIC_RUN_ID": "test"}  # fmt: skip
        pair.append(start(words(method, 2), tmp_path / "two", names, done=f"{rank}.pt"))
    for process in pair:
        process.join(120)
        if process.exitcode is None:
            process.kill()
    log = (tmp_path / "two" / "log.txt").read_text()
    assert [process.exitcode for process in pair] == [0, 0], log[-3000:]
    one = torch.load(tmp_path / "one" / "final.pt", weights_only=True)
    two = [torch.load(tmp_path / "two" / f"{rank}.pt", weights_only=True) for rank in range(2)]
    for key, value in one.items():
        assert torch.equal(two[0][key], two[1][key]), key
        # float32 sums of two halves, through 8 steps of Adam
        torch.testing.assert_close(two[0][key], value, rtol=1e-3, atol=1e-4, msg=key)
    assert len(one) >= 15
    assert (tmp_path / "two/runs/digits/checkpoints/step-8.ckpt").exists()
