"""What `make bench` measures: each case yields lines for the table, the bars beside them.

A case runs in a process of its own. Peers that are not installed are left out.
"""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import torch
from bench_clock import Neighbours, contest, extra_memory
from bench_explorers import in_jupyterlab, scrubbing, waits
from bench_methods import methods

import vqlab
from vqlab.drift.motions import make_motion
from vqlab.drift.sources import make_source
from vqlab.measure.watch import Hook
from vqlab.quantizers.search import nearest
from vqlab.quantizers.search.blocks import nearest_blocks
from vqlab.quantizers.search.half import half_is_fast
from vqlab.vision import Autoencoder, synthetic_faces

try:
    import faiss
except ImportError:
    faiss = None
try:
    import vector_quantize_pytorch as peer
except ImportError:
    peer = None

Line = dict[str, Any]
SEARCHES = [(4096, 64, 1024), (16384, 64, 8192), (4096, 256, 16384), (1024, 256, 262144)]
STEPS = [(4096, 64, 1024), (16384, 64, 8192)]
TOY = {"source": "gaussian", "motion": "translate", "points": 512, "codebook_size": 64}


def line(name: str, seconds: float, *bars: tuple[str, float, float], **more: Any) -> Line:
    """A line of the table; a bar is (what, measured, the most it may be)."""
    return {"name": name, "seconds": seconds, "bars": bars, **more}


def _faiss_search(latents: torch.Tensor, codes: torch.Tensor) -> np.ndarray:
    index = faiss.IndexFlatL2(codes.shape[1])
    index.add(codes.numpy())
    return index.search(latents.numpy(), 1)[1][:, 0]


def _clouds(count: int, dim: int, size: int) -> tuple[torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(0)
    return torch.randn(count, dim, generator=rng), 0.9 * torch.randn(size, dim, generator=rng)


def search(shape: tuple[int, int, int], budget: float) -> Iterator[Line]:
    """Nearest codes against the bare product, faiss and torch.cdist."""
    latents, codes = _clouds(*shape)
    nearest(latents[:600], codes[:600])  # loads code, and measures the processor once
    extra = extra_memory(lambda: nearest(latents, codes))
    cdist = extra_memory(lambda: torch.cdist(latents, codes).argmin(1))
    out = torch.empty(len(latents), len(codes))
    jobs: dict[str, Callable[[], object]] = {
        "mm into memory at hand": lambda: torch.mm(latents, codes.t(), out=out),
        "vqlab nearest": lambda: nearest(latents, codes),
        "torch.cdist + argmin": lambda: torch.cdist(latents, codes).argmin(1),
    }
    if half_is_fast():
        jobs["vqlab nearest, float32 only"] = lambda: nearest_blocks(latents, codes, half=False)
    if faiss:
        faiss.omp_set_num_threads(torch.get_num_threads())
        jobs["faiss IndexFlatL2, add and search"] = lambda: _faiss_search(latents, codes)
    times = contest(jobs, budget)
    mm, *others = jobs
    middle = half_is_fast() and shape in SEARCHES[1:3]
    yield line(mm, times.median(mm), busy=times.busy)
    for name in others:
        bars = [("mm", times.ratio(name, mm), float("inf"))]
        if name.startswith("vqlab"):
            limit = 0.8 if middle and name == "vqlab nearest" else 1.3
            bars = [("mm", times.ratio(name, mm), limit)]
            if faiss:
                bars.append(("faiss", times.ratio(name, list(jobs)[-1]), 1.15))
        if name == "vqlab nearest":
            bars.append(("MiB", extra, 30))
        if name.startswith("torch.cdist"):
            bars.append(("MiB", cdist, float("inf")))
        yield line(name, times.median(name), *bars)


def plane(budget: float) -> Iterator[Line]:
    """Many codes in two dimensions, and the simulator's small searches."""
    latents, codes = _clouds(20_000, 2, 8192)
    jobs: dict[str, Callable[[], object]] = {
        "by a product": lambda: nearest_blocks(latents, codes),
        "vqlab nearest (a k-d tree)": lambda: nearest(latents, codes),
    }
    if faiss:
        jobs["faiss IndexFlatL2, add and search"] = lambda: _faiss_search(latents, codes)
    times = contest(jobs, budget)
    product, *others = jobs
    yield line(product, times.median(product), busy=times.busy)
    for name in others:
        limit = 1.0 if name.startswith("vqlab") else float("inf")
        yield line(name, times.median(name), ("product", times.ratio(name, product), limit))
    torch.set_num_threads(1)
    few, table = _clouds(512, 2, 64)
    times = contest({"search": lambda: nearest(few, table)}, 1.0)
    seconds = times.median("search")
    yield line("512 latents, 64 codes, one thread", seconds, ("µs", seconds * 1e6, 25.0))


def _step(module: torch.nn.Module, latents: torch.Tensor) -> Callable[[], object]:
    latents = latents[None].clone().requires_grad_()

    def step() -> None:
        quantized, _, loss = module(latents)
        (quantized.square().mean() + loss).backward()
        latents.grad = None
        module.zero_grad(set_to_none=True)

    module.train()
    return step


def _pairs(dim: int, size: int) -> dict[str, tuple[torch.nn.Module, torch.nn.Module, float]]:
    """Ours, theirs with the same settings, and the share of their time that ours may take."""
    share = 1 / 10 if size == 8192 else 1 / 4
    gradient = {"learnable_codebook": True, "ema_update": False}
    straight = {"rotation_trick": False}
    return {
        "vq": (
            vqlab.make("vq", dim, size),
            peer.VectorQuantize(dim, size, **gradient, **straight),
            share,
        ),
        "ema": (
            vqlab.make("ema", dim, size, decay=0.99),
            peer.VectorQuantize(dim, size, decay=0.99, **straight),
            share,
        ),
        "simvq": (vqlab.make("simvq", dim, size), peer.SimVQ(dim, size, **straight), 0.6),
    }


def step(shape: tuple[int, int, int], budget: float) -> Iterator[Line]:
    """Forward and backward in training, against vector_quantize_pytorch."""
    count, dim, size = shape
    latents, _ = _clouds(count, dim, 1)
    pairs = _pairs(dim, size)
    jobs = {name: _step(ours, latents) for name, (ours, _, _) in pairs.items()}
    small = {name: _step(ours, latents[:512]) for name, (ours, _, _) in pairs.items()}
    memory = {}
    for name, job in jobs.items():
        small[name]()
        memory[name] = extra_memory(job)
    jobs |= {f"{name}, theirs": _step(theirs, latents) for name, (_, theirs, _) in pairs.items()}
    memory["theirs"] = extra_memory(jobs["vq, theirs"])
    times = contest(jobs, budget)
    for name, (_, _, share) in pairs.items():
        theirs = f"{name}, theirs"
        bars = [("theirs", times.ratio(name, theirs), share)]
        bars.append(("MiB", memory[name], 60.0 if size == 8192 else float("inf")))
        yield line(f"{name} step", times.median(name), *bars, busy=times.busy)
        more = [("MiB", memory["theirs"], float("inf"))] if name == "vq" else []
        yield line(f"{name} step of vector_quantize_pytorch", times.median(theirs), *more)


def _ours(method: str, seed: int = 0, **options: Any) -> Any:
    return vqlab.simulate(
        method, **TOY, batch=None, steps=1000, seed=seed, options=options, progress=False
    )


def _theirs() -> list[np.ndarray]:
    """The same points, motion, steps and recording around vector_quantize_pytorch."""
    rng = np.random.default_rng(0)
    cloud = make_source("gaussian").sample(TOY["points"], rng)
    motion = make_motion("translate")
    module = peer.VectorQuantize(
        2, TOY["codebook_size"], learnable_codebook=True, ema_update=False, rotation_trick=False
    )
    optimizer = torch.optim.SGD(module.parameters(), lr=1.0)
    frames = []
    for at in range(1000):
        latents = torch.from_numpy(motion.move(cloud, float(at)).astype(np.float32))
        _, _, loss = module(latents[None])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if at % 8 == 0:
            frames.append(module.codebook.detach().numpy().copy())
    return frames


def toy(budget: float) -> Iterator[Line]:
    """1,000 steps of 512 points and 64 codes in the plane, one thread a run."""
    torch.set_num_threads(1)
    jobs: dict[str, Callable[[], object]] = {"vq": lambda: _ours("vq")}
    if peer:
        jobs["theirs"] = _theirs
    times = contest(jobs, budget)
    bars = [("theirs", times.ratio("vq", "theirs"), 0.25)] if peer else []
    yield line("vq, 1,000 steps, recorded", times.median("vq"), *bars, busy=times.busy)
    if peer:
        yield line("the loop around vector_quantize_pytorch", times.median("theirs"))
    for name in (entry.name for entry in vqlab.methods()):
        options = {"width": 64} if name == "transvq" else {}
        best = contest({name: lambda n=name, o=options: _ours(n, **o)}, 1.0)
        seconds = best.median(name)
        yield line(f"{name}, 1,000 steps", seconds, ("s", seconds, 2.0), busy=best.busy)
    yield from _beside_a_busy_neighbour()
    for name in ("64 seeds by sweep, workers to be started", "64 seeds by sweep"):
        start = time.perf_counter()
        vqlab.sweep("vq", seeds=64, **TOY, batch=None, steps=1000, progress=False)
        wall = time.perf_counter() - start
        bars = [("64 of theirs", wall / (64 * times.median("theirs")), 0.15)] if peer else []
        yield line(name, wall, *bars)


def monitor(budget: float) -> Iterator[Line]:
    """A training step of a small convolutional autoencoder, with a monitor on it and without."""
    pictures = torch.rand(16, 3, 32, 32, generator=torch.Generator().manual_seed(0))

    def stepper(watched: bool) -> tuple[Callable[[], None], Any]:
        quantizer = vqlab.make("vq", 64, 1024, channel_first=True, seed=0)
        model = Autoencoder(3, 64, quantizer, width=32, halvings=2, seed=0)
        optimizer = torch.optim.Adam(model.parameters(), fused=True)
        model.train()

        def step() -> None:
            out = model(pictures)
            optimizer.zero_grad()
            ((out.images - pictures).square().mean() + out.loss).backward()
            optimizer.step()

        return step, vqlab.CodebookMonitor(model) if watched else None

    (plain, _), (watched, seen) = stepper(False), stepper(True)
    within = [0.0]  # seconds in the hooks, by step
    hook = Hook.__call__

    def timed(self: Hook, *given: Any) -> None:
        start = time.perf_counter()
        hook(self, *given)
        within[-1] += time.perf_counter() - start

    plain()  # what is loaded at the first call
    times: dict[Callable[[], None], list[float]] = {plain: [], watched: []}
    busy, begin = Neighbours(), time.perf_counter()
    Hook.__call__ = timed  # type: ignore[method-assign]
    while time.perf_counter() - begin < budget:
        for job in (plain, watched) if len(times[plain]) % 2 else (watched, plain):
            start = time.perf_counter()
            job()
            times[job].append(time.perf_counter() - start)
        within.append(0.0)
    Hook.__call__ = hook  # type: ignore[method-assign]
    count, share = len(times[plain]), busy.share()
    alone, both = sum(times[plain]), sum(times[watched])
    yield line(f"each of {count} steps without", alone / count, busy=share)
    # The difference of two sums is at the mercy of neighbours; the seconds in the hooks are not.
    yield line("with a monitor", both / count, ("without", both / alone, float("inf")))
    yield line("within its hooks", sum(within) / count, ("all steps", sum(within) / alone, 0.03))
    half = count // 2
    late = sum(within[half:]), sum(times[plain][half:])
    yield line("likewise, second half of the steps", late[0] / (count - half),
               ("these steps", late[0] / late[1], 0.03))  # fmt: skip
    one = seen.watched[0]
    parts = contest({"count": one.count, "frame": one.keep}, 2.0)
    yield line("a monitor's counting", parts.median("count"))
    yield line("a monitor's frame", parts.median("frame"))


def _beside_a_busy_neighbour() -> Iterator[Line]:
    ratios, alone = [], []
    for _ in range(5):
        start = time.perf_counter()
        _ours("vq")
        alone.append(time.perf_counter() - start)
        neighbour = subprocess.Popen([sys.executable, "-c", "while True: pass"])
        try:
            start = time.perf_counter()
            _ours("vq")
            ratios.append((time.perf_counter() - start) / alone[-1])
        finally:
            neighbour.kill()
            neighbour.wait()
    ratio = float(np.median(ratios))
    yield line("vq with one core busy", ratio * float(np.median(alone)), ("alone", ratio, 1.3))


def explorers(budget: float) -> Iterator[Line]:
    """What a reader waits for; scrubbing in the system's Chromium, without a kernel."""
    for name, seconds in {**waits(), **in_jupyterlab()}.items():
        yield line(name, seconds, ("s", seconds, 2.0 if "first picture" in name else 0.4))
    times = scrubbing()
    if times is not None:
        yield line("a frame scrubbed, median", float(np.median(times)))
        late = float(np.quantile(times, 0.95))
        yield line("a frame scrubbed, 95 % below", late, ("s", late, 0.05))


def faces(budget: float) -> Iterator[Line]:
    """Drawn faces in batches of 256 on one thread; 500 µs a face is 2,000 a second."""
    for resolution in (16, 64):
        job = partial(synthetic_faces, slice(0, 256), resolution)
        times = contest({"draw": job}, budget / 2)
        seconds = times.median("draw")
        bar = ("µs", seconds / 256 * 1e6, 500.0)
        yield line(f"256 faces of {resolution} x {resolution}", seconds, bar, busy=times.busy)


CASES: dict[str, tuple[str, Callable[[], Iterator[Line]]]] = {
    **{
        f"search {shape}": (f"Nearest code, (N, D, K) = {shape}", partial(search, shape, budget))
        for shape, budget in zip(SEARCHES, (6, 14, 14, 22), strict=True)
    },
    "plane": ("Nearest code in the plane, (N, D, K) = (20000, 2, 8192)", partial(plane, 5)),
    **{
        f"step {shape}": (f"Training step, (N, D, K) = {shape}", partial(step, shape, budget))
        for shape, budget in zip(STEPS, (8, 25), strict=True)
    },
    **{
        f"methods {shape}": (
            f"Training step of every method, (N, D, K) = {shape}",
            partial(methods, shape, budget),
        )
        for shape, budget in zip(STEPS, (2, 8), strict=True)
    },
    "explorers": ("Explorers: what a reader waits for", partial(explorers, 0)),
    "faces": ("Drawn faces, µs each", partial(faces, 6)),
    "monitor": (
        "Monitor on a training step of an autoencoder, (N, D, K) = (1024, 64, 1024)",
        partial(monitor, 30),
    ),
    "toy": ("Simulation, 512 points and 64 codes in the plane, 1,000 steps", partial(toy, 8)),
}
