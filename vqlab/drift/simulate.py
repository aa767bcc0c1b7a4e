"""The simulator: a quantizer trains on latents whose motion is known."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor
from tqdm import tqdm

from ..measure.distortion import kmeans_optimum
from ..quantizers.codebooks import Table
from ..quantizers.initialisation import CHOICES
from ..quantizers.methods import make, method as method_line
from ..quantizers.neighbours import KernelUpdate
from ..quantizers.quantizer import VectorQuantizer
from ..quantizers.search import nearest
from .motions import Motion, make_motion
from .run import Run
from .sources import Source, make_source

# Points placed at once: long enough to spare numpy's overhead, short enough for the cache.
_CHUNK = 1 << 18


def simulate(
    method: str | VectorQuantizer = "vq",
    source: str | Source = "gaussian",
    motion: str | Motion = "stationary",
    *,
    dim: int = 2,
    codebook_size: int = 64,
    points: int = 1500,
    batch: int | None = 64,
    steps: int = 1000,
    rate: float | None = None,
    optimizer: Literal["sgd", "adam"] | None = None,
    init: str | ArrayLike = "normal",
    seed: int = 0,
    record: int | Literal["all"] | ArrayLike = 120,
    probe: int = 512,
    optimum: Literal["none", "final", "all"] = "none",
    options: dict[str, Any] | None = None,
    progress: bool = True,
) -> Run:
    r"""Trains a quantizer on points that move in a known way, and records what happens.

    .. math:: z_n(t) = \mathrm{motion}(z_n(0), t), \qquad
        \text{SGD: } \Delta c_k = -\eta\, p_k\, (c_k - \bar z_k)

    Everything random has its own stream from ``seed``: at one seed all methods see the same points,
    the same batches and (free tables) the same first codes. Runs on one thread.

    Args:
        method: name, or a quantizer (which is copied, not changed).
        source: where points start: name or :class:`Source`. motion: how they move, likewise.
        dim: D, for a source given by name. codebook_size: K.
        points: N. batch: latents per step, drawn without replacement in epochs; None takes all.
        steps: training steps.
        rate: eta under "sgd": a code hit by a share p of the batch closes eta p of its distance to
            their mean (the factor 2/D of the mean squared error is taken out, so that eta means the
            same in every D); Adam's learning rate under "adam". Default 1 and 0.01.
        optimizer: default "sgd" for free tables, "adam" for codebooks made by a map.
        init: first codes of free tables: "normal", "uniform" (±1/K), "first-batch" (K of the
            points), "kmeans" (of all points), or an array (K, D).
        seed: of the run.
        record: number of frames, evenly spaced; "all" steps; or the steps to record.
        probe: points kept in the recording.
        optimum: when to compute KMeans on the points: never, at the last frame, at all frames.
        options: further options of the method, as for :func:`make`.
        progress: a bar for what takes longer than two seconds.

    Returns:
        :class:`Run`.

    Raises:
        ValueError: settings out of range or unknown names, with the choices.

    For methods that learn from the task's gradient (look-ahead, propagation), the task is the drift
    itself: g_n = -(z_n(t+1) - z_n(t)) / lr, the gradient whose SGD step moves the latent as it moves.
    """
    sizes = {"codebook_size": codebook_size, "points": points, "steps": steps, "probe": probe}
    for name, value in {**sizes, "batch": points if batch is None else batch}.items():
        if int(value) != value or value < 1:
            raise ValueError(f"{name} must be an integer >= 1, got {value!r}")
    origin = make_source(source, dim=dim) if isinstance(source, str) else source
    moving = make_motion(motion) if isinstance(motion, str) else motion
    streams = [np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(3)]
    cloud = np.asarray(origin.sample(points, streams[0]), dtype=np.float64)
    quantizer = _quantizer(
        method, cloud, moving, codebook_size, batch, init, options, seed, streams[1]
    )
    dim, codebook_size = quantizer.dim, quantizer.codebook_size
    if cloud.shape[1] != dim:
        raise ValueError(f"the source has dimension {cloud.shape[1]}, the quantizer {dim}")
    frames = _frames(record, steps)
    free = isinstance(quantizer.codebook, Table)
    chosen = optimizer or ("sgd" if free else "adam")
    eta = rate if rate is not None else {"sgd": 1.0, "adam": 0.01}.get(chosen, 1.0)
    with single_thread():
        seen = _train(
            quantizer, cloud, moving, batch, steps, chosen, eta, frames, streams[2], progress
        )
        run = _observe(seen, cloud, moving, frames, probe, optimum, seed)
    run.settings.update(
        method=method if isinstance(method, str) else type(method).__name__,
        source=origin.to_dict(),
        motion=moving.to_dict(),
        dim=dim,
        codebook_size=codebook_size,
        points=points,
        batch=batch,
        steps=steps,
        rate=eta,
        optimizer=chosen,
        seed=seed,
        init=init if isinstance(init, str) else "given",
        options={
            k: v if isinstance(v, (int, float, str, bool, type(None))) else repr(v)
            for k, v in (options or {}).items()
        },
    )
    return run


@contextmanager
def single_thread() -> Iterator[None]:
    """Runs torch on one thread: small steps gain nothing from more, and suffer from busy neighbours."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _quantizer(
    method: str | VectorQuantizer,
    cloud: NDArray[np.float64],
    motion: Motion,
    codebook_size: int,
    batch: int | None,
    init: str | ArrayLike,
    options: dict[str, Any] | None,
    seed: int,
    rng: np.random.Generator,
) -> VectorQuantizer:
    if isinstance(method, VectorQuantizer):
        if options:
            raise ValueError(
                "options are for methods given by name; this quantizer is built already"
            )
        return copy.deepcopy(method).train()
    settings = dict(options or {})
    has = method_line(method).options
    if "init" in has:
        start = motion.move(cloud, 0.0, np.arange(len(cloud)))
        codes = _first_codes(init, start, codebook_size, rng, seed)
        settings["init"] = torch.from_numpy(codes.astype(np.float32))
    if "steps_per_epoch" in has:
        settings.setdefault("steps_per_epoch", math.ceil(len(cloud) / (batch or len(cloud))))
    return make(method, cloud.shape[1], codebook_size, seed=seed, **settings)


def _first_codes(
    init: str | ArrayLike,
    start: NDArray[np.float64],
    size: int,
    rng: np.random.Generator,
    seed: int,
) -> NDArray[np.float64]:
    shape = (size, start.shape[1])
    if not isinstance(init, str):
        codes = np.asarray(init, dtype=np.float64)
        if codes.shape != shape:
            raise ValueError(f"init has shape {codes.shape}; expected (K, D) = {shape}")
        return codes
    if init not in CHOICES:
        raise ValueError(f"unknown init {init!r}; choose one of {', '.join(CHOICES)}, or an array")
    if init == "normal":
        return rng.standard_normal(shape)
    if init == "uniform":
        return rng.uniform(-1 / size, 1 / size, shape)
    if size > len(start):
        raise ValueError(
            f"init {init!r} needs at least as many points as codes: {size} codes, "
            f"{len(start)} points"
        )
    if init == "kmeans":
        return kmeans_optimum(start, size, n_init=1, seed=seed)[1]
    return start[rng.choice(len(start), size, replace=False)]


def _frames(record: int | str | ArrayLike, steps: int) -> NDArray[np.int64]:
    if isinstance(record, str):
        if record != "all":
            raise ValueError(f"record must be a number of frames, 'all' or steps, got {record!r}")
        return np.arange(steps + 1)
    wanted = np.asarray(record)
    if wanted.ndim == 0:
        if wanted < 2:
            raise ValueError(f"record at least 2 frames, got {int(wanted)}")
        return np.unique(
            np.linspace(0, steps, min(int(wanted), steps + 1)).round().astype(np.int64)
        )
    frames = np.unique(np.append(wanted.astype(np.int64), 0))
    if frames[0] < 0 or frames[-1] > steps:
        raise ValueError(
            f"record names steps from {frames[0]} to {frames[-1]}; expected 0 to {steps}"
        )
    return frames


def _batches(
    count: int, batch: int | None, steps: int, rng: np.random.Generator
) -> Iterator[NDArray[Any]]:
    """Index arrays, one a step: epochs of random order, the last batch of an epoch possibly smaller."""
    if batch is None or batch >= count:
        everything = np.arange(count)
        for _ in range(steps):
            yield everything
        return
    done = 0
    while done < steps:
        order = rng.permutation(count)
        for at in range(0, count, batch):
            if done < steps:
                yield order[at : at + batch]
                done += 1


def _placed(
    cloud: NDArray[np.float64], motion: Motion, batches: Iterator[NDArray[Any]], with_drift: bool
) -> Iterator[tuple[Tensor, Tensor | None]]:
    """The latents of each step, and their displacement to the next step where it is wanted."""
    step, waiting = 0, []
    for chosen in batches:
        waiting.append(chosen)
        if sum(map(len, waiting)) * cloud.shape[1] >= _CHUNK:
            yield from _place(cloud, motion, waiting, step, with_drift)
            step, waiting = step + len(waiting), []
    if waiting:
        yield from _place(cloud, motion, waiting, step, with_drift)


def _place(
    cloud: NDArray[np.float64],
    motion: Motion,
    chosen: list[NDArray[Any]],
    step: int,
    with_drift: bool,
) -> Iterator[tuple[Tensor, Tensor | None]]:
    lengths = [len(c) for c in chosen]
    index = np.concatenate(chosen)
    time = np.repeat(np.arange(step, step + len(chosen), dtype=np.float64), lengths)
    now = motion.move(cloud[index], time, index)
    z = torch.from_numpy(now.astype(np.float32)).split(lengths)
    if not with_drift:
        yield from ((part, None) for part in z)
        return
    moved = motion.move(cloud[index], time + 1, index) - now
    yield from zip(z, torch.from_numpy(moved.astype(np.float32)).split(lengths), strict=True)


def _train(
    quantizer: VectorQuantizer,
    cloud: NDArray[np.float64],
    motion: Motion,
    batch: int | None,
    steps: int,
    optimizer: str,
    eta: float,
    frames: NDArray[np.int64],
    rng: np.random.Generator,
    progress: bool,
) -> dict[str, Any]:
    if optimizer not in ("sgd", "adam"):
        raise ValueError(f"unknown optimizer {optimizer!r}; choose one of sgd, adam")
    if not (math.isfinite(eta) and eta > 0):
        raise ValueError(f"rate must be a finite number > 0, got {eta}")
    trainable = [p for p in quantizer.parameters() if p.requires_grad]
    # The mean over D in the loss would make eta depend on the dimension.
    lr = eta * quantizer.dim / 2 if optimizer == "sgd" else eta
    stepper: torch.optim.Optimizer | None = None
    if trainable:
        kind = torch.optim.SGD if optimizer == "sgd" else torch.optim.Adam
        stepper = kind(trainable, lr=lr, fused=True)  # one kernel instead of a dozen
    size = quantizer.codebook_size
    hits, last_hit = np.zeros(size, np.int64), np.full(size, -1, np.int64)
    seen: dict[str, Any] = {"codes": [], "hits": [], "last_hit": [], "terms": []}
    due = set(frames.tolist())
    task = quantizer.uses_task_gradient

    def keep(terms: dict[str, Tensor]) -> None:
        nonlocal hits
        scalars = {name: float(value) for name, value in terms.items()}
        for rule in quantizer.rules:
            if isinstance(rule, KernelUpdate):
                scalars["bandwidth"] = float(rule.tau())
        seen["codes"].append(quantizer.codebook().detach().numpy().copy())
        seen["hits"].append(hits)
        seen["last_hit"].append(last_hit.copy())
        seen["terms"].append(scalars)
        hits = np.zeros(size, np.int64)

    keep({})
    places = _placed(cloud, motion, _batches(len(cloud), batch, steps, rng), task)
    bar = tqdm(places, total=steps, delay=2, disable=not progress, leave=False, unit="step")
    for step, (z, moved) in enumerate(bar):
        out = quantizer(z)
        if stepper is not None:
            for parameter in trainable:
                parameter.grad = None
            if moved is not None and out.quantized.requires_grad:
                torch.autograd.backward((out.loss, out.quantized), (None, moved / -lr))
            else:
                out.loss.backward()
            stepper.step()
        indices = out.indices.numpy()
        hits += np.bincount(indices, minlength=size)
        last_hit[indices] = step
        if step + 1 in due:
            keep(out.terms)
    return seen


def _observe(
    seen: dict[str, Any],
    cloud: NDArray[np.float64],
    motion: Motion,
    frames: NDArray[np.int64],
    probe: int,
    optimum: str,
    seed: int,
) -> Run:
    if optimum not in ("none", "final", "all"):
        raise ValueError(f"optimum must be 'none', 'final' or 'all', got {optimum!r}")
    everyone = np.arange(len(cloud))
    codes = np.stack(seen["codes"])
    total, size = codes.shape[:2]
    counts = np.zeros((total, size), np.int64)
    lag = np.full((total, size), np.nan)
    distortion, best, drift = np.zeros(total), np.full(total, np.nan), np.zeros(total)
    latents = np.zeros((total, min(probe, len(cloud)), codes.shape[2]), np.float32)
    for frame, step in enumerate(frames.tolist()):
        z = motion.move(cloud, float(step), everyone)
        table = codes[frame].astype(np.float64)
        k = nearest(torch.from_numpy(z), torch.from_numpy(table)).numpy()
        counts[frame] = np.bincount(k, minlength=size)
        distortion[frame] = ((z - table[k]) ** 2).sum(1).mean()
        used = counts[frame] > 0
        sums = np.stack([np.bincount(k, weights=column, minlength=size) for column in z.T], 1)
        lag[frame, used] = np.linalg.norm(
            table[used] - sums[used] / counts[frame][used, None], axis=1
        )
        latents[frame] = z[:probe]
        drift[frame] = motion.drift(cloud, float(step))
        if optimum == "all" or (optimum == "final" and frame == total - 1):
            best[frame] = kmeans_optimum(z, size, seed=seed)[0]
    names = {name for terms in seen["terms"] for name in terms}
    terms = {n: np.array([t.get(n, np.nan) for t in seen["terms"]]) for n in sorted(names)}
    return Run(
        {},
        frames,
        latents,
        codes,
        np.stack(seen["hits"]),
        np.stack(seen["last_hit"]),
        counts,
        distortion,
        best,
        drift,
        lag,
        terms,
    )
