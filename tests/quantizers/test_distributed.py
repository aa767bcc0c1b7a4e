"""Two processes that see different latents keep one codebook."""

import os
import socket
import subprocess
import sys

import pytest
import torch
import torch.distributed as dist

from vqlab import make

COMPETITIVE = ["online-kmeans", "fscl", "som", "neural-gas", "drift-adaptive"]
OPTIONS = {
    "ema-revival": {"init": "first-batch", "use_decay": 0.5, "decay": 0.8, "noise": 0.01},
    "cvq": {"anchors": "random", "decay": 0.5},
    "affine-vq": {},
    "kmeans-reinit": {"init": "first-batch", "every": 4, "until": 20, "reservoir": 32},
}


def latents(step: int) -> torch.Tensor:
    z = torch.randn(64, 2, generator=torch.Generator().manual_seed(step))
    return z + step  # moving, so that codes die and are revived


def competitive(name: str, rank: int, world: int) -> torch.Tensor:
    q = make(name, 2, 16, init=latents(0)[:16].double())
    for step in range(10):
        q(latents(step)[rank::world].double())
    return q.codebook()


def kept(name: str, rank: int) -> dict[str, torch.Tensor]:
    """What this process of two has after some steps."""
    if name in COMPETITIVE:
        return {"codes": competitive(name, rank, 2)}
    # Codes that start on the first batch are sent around; others need one seed.
    q = make(name, 2, 16, seed=rank if "init" in OPTIONS[name] else 0, **OPTIONS[name])
    for step in range(30):
        # Once a process has nothing at all; the other must not wait for it.
        z = latents(step)
        q(z[rank::2] if step != 5 else z[: 0 if rank else 64])
    return q.state_dict()


@pytest.mark.parametrize("name", [*OPTIONS, *COMPETITIVE])
def test_every_process_holds_the_same_codes(pair, name):
    a, b = (part[name] for part in pair)
    for key in a:
        if key.endswith(".key"):
            continue  # a seed is a setting, and here each process has been given its own
        assert torch.equal(a[key], b[key]), key
    # The statistics are those of both halves: 64 latents a step, not 32.
    if name in COMPETITIVE:
        torch.testing.assert_close(a["codes"], competitive(name, 0, 1), rtol=1e-9, atol=1e-9)
    elif name == "ema-revival":
        assert 32 < float(a["update.0.counts"].sum()) <= 64 + 1e-3
    elif name == "affine-vq":
        whole = make(name, 2, 16, seed=0)
        for step in range(30):
            whole(latents(step))
        for key, value in whole.state_dict().items():
            torch.testing.assert_close(a[key], value)


# Named apart from the methods above.
CASES = {
    "ema of halves": {"init": "kmeans"},
    "ema-revival of halves": {
        "init": "first-batch",
        "threshold": 0.5,
        "use_decay": 0.5,
        "noise": 0.1,
    },
    "ema-revival active": {
        "init": "normal",
        "threshold": 0.5,
        "use_decay": 0.5,
        "source": "active",
    },
    "nsvq of halves": {"init": "kmeans", "form": "followup"},
    "vq of halves": {"init": "lbg"},
}


def stretch(step: int, rank: int, world: int) -> torch.Tensor:
    """This process's part of the batch; at some steps one process has nothing at all."""
    z = latents(step).double()
    if world == 1:
        return z
    cut = {0: 32, 5: 0, 9: 64}.get(step, 40)
    return z[:cut] if rank == 0 else z[cut:]


def codes_of(case: str, rank: int, world: int) -> torch.Tensor:
    q = make(case.split()[0], 2, 16, seed=0, **CASES[case]).double()
    trained = list(q.parameters())
    optimizer = torch.optim.Adam(trained, lr=0.05) if trained else None
    for step in range(14):
        z = stretch(step, rank, world)
        loss = q(z).loss * (len(z) / 64)  # uneven parts weigh as much as they hold
        if optimizer:
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            for p in trained if world > 1 else []:
                dist.all_reduce(p.grad)
            optimizer.step()
    return q.codebook().detach()


@pytest.mark.parametrize("case", CASES)
def test_two_parts_of_a_batch_end_where_the_whole_batch_ends(pair, case):
    a, b = (part[case] for part in pair)
    # sums of 64 numbers in another order, in float64
    torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(a, codes_of(case, 0, 1), rtol=1e-7, atol=1e-7)


def worker(rank: int, port: str, folder: str) -> None:
    torch.set_num_threads(1)
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=port)
    dist.init_process_group("gloo", rank=rank, world_size=2)
    found: dict[str, object] = {name: kept(name, rank) for name in [*OPTIONS, *COMPETITIVE]}
    found |= {case: codes_of(case, rank, 2) for case in CASES}
    torch.save(found, f"{folder}/{rank}.pt")
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """What two processes found, each: all cases in one pair, for starting one takes seconds."""
    if not dist.is_available():
        pytest.skip("torch was built without distributed")
    folder = tmp_path_factory.mktemp("pair")
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = str(s.getsockname()[1])
    processes = [
        subprocess.Popen([sys.executable, __file__, str(rank), port, str(folder)])
        for rank in range(2)
    ]
    try:
        assert [p.wait(timeout=120) for p in processes] == [0, 0]
    finally:
        for p in processes:
            p.kill()
    return [torch.load(folder / f"{r}.pt") for r in range(2)]


if __name__ == "__main__":
    worker(int(sys.argv[1]), *sys.argv[2:])
