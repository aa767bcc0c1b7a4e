"""The simulator: a quantizer trains on latents whose motion is known."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from ..measure.distortion import kmeans_optimum
from ..quantizers.codebooks import Table
from ..quantizers.frame import Quantizer
from ..quantizers.initialisation import CHOICES
from ..quantizers.registry import make
from ..quantizers.registry import method as method_line
from ..quantizers.schedules import Schedule, as_schedule
from ..quantizers.splitting import lbg
from .motions import Motion, make_motion
from .observe import observe
from .run import Run
from .sources import Source, make_source
from .training import Kept, single_thread, train


def simulate(
    method: str | Quantizer = "vq",
    source: str | Source = "gaussian",
    motion: str | Motion = "stationary",
    *,
    dim: int = 2,
    codebook_size: int = 64,
    points: int = 1500,
    batch: int | None = 64,
    steps: int = 1000,
    rate: float | Schedule | None = None,
    optimizer: Literal["sgd", "adam"] | None = None,
    init: str | ArrayLike = "normal",
    seed: int = 0,
    record: int | Literal["all"] | ArrayLike = 120,
    probe: int = 512,
    optimum: Literal["none", "final", "all"] = "none",
    options: Mapping[str, Any] | None = None,
    progress: bool = True,
    watch: Callable[[Callable[[], Run]], None] | None = None,
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
        points: N. batch: latents per step, at most N, drawn without replacement in epochs; None
            takes all.
        steps: training steps.
        rate: eta under "sgd": a code hit by a share p of the batch closes eta p of its distance to
            their mean (the factor 2/D of the mean squared error is taken out, so that eta means the
            same in every D); Adam's learning rate under "adam". A number or a schedule by step;
            default 1 and 0.01. Methods that learn without gradient (ema) have neither rate nor
            optimizer: the run's settings say None for both, whatever was given.
        optimizer: default "sgd" for free tables, "adam" for codebooks made by a map.
        init: first codes of free tables: "normal", "uniform" (±1/K), "first-batch" (K of the
            points), "kmeans" or "lbg" (splitting) of all points, or an array (K, D).
        seed: of the run.
        record: number of frames, evenly spaced; "all" steps; or the steps to record.
        probe: points kept in the recording.
        optimum: when to compute KMeans on the points: never, at the last frame, at all frames.
        options: further options of the method, as for :func:`make`.
        progress: a bar for what takes longer than two seconds.
        watch: called after each recorded frame with a function that gives the run so far (without
            optimum); what it raises ends the run.

    Returns:
        :class:`Run`.

    Raises:
        ValueError: settings out of range or unknown names, with the choices.
        TypeError: a source or motion that is neither a name nor one of the laboratory's.

    For methods that learn from the task's gradient (look-ahead, propagation) the task is the drift
    itself: g_n = -(z_n(t+1) - z_n(t)) / lr, whose SGD step moves the latent as it moves.
    """
    if not isinstance(source, (str, Source)):
        raise TypeError(f"source must be a name or a Source, got {type(source).__name__}; "
                        "for an array of latents: Recorded(array)")  # fmt: skip
    if not isinstance(motion, (str, Motion)):
        raise TypeError(f"motion must be a name or a Motion, got {type(motion).__name__}; "
                        "with a speed: make_motion(name, speed=...)")  # fmt: skip
    if not isinstance(seed, (int, np.integer)) or seed < 0:
        raise ValueError(f"seed must be an integer >= 0, got {seed!r}")
    sizes = {"codebook_size": codebook_size, "points": points, "steps": steps, "probe": probe}
    for name, value in {**sizes, "batch": points if batch is None else batch}.items():
        if int(value) != value or value < 1:
            raise ValueError(f"{name} must be an integer >= 1, got {value!r}")
    if batch is not None and batch > points:
        raise ValueError(f"a batch of {batch} cannot be drawn from {points} points without "
                         "replacement; batch=None takes all of them")  # fmt: skip
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
    number = isinstance(eta, (int, float)) and math.isfinite(eta) and eta > 0
    if not isinstance(eta, Schedule) and not number:
        raise ValueError(f"rate must be a finite number > 0 or a schedule, got {eta!r}")
    learns = any(parameter.requires_grad for parameter in quantizer.parameters())
    settings = dict(
        method=method if isinstance(method, str) else type(method).__name__,
        source=origin.to_dict(),
        motion=moving.to_dict(),
        dim=dim,
        codebook_size=codebook_size,
        points=points,
        batch=batch,
        steps=steps,
        rate=_plain(eta) if learns else None,
        optimizer=chosen if learns else None,
        init=init if isinstance(init, str) else "given",
        seed=seed,
        options={name: _plain(value) for name, value in (options or {}).items()},
    )

    def seen(kept: Kept, when: str) -> Run:
        run = observe(kept, cloud, moving, frames[: len(kept.codes)], probe, when, seed)
        run.settings.update(settings)
        return run

    def at_frame(kept: Kept) -> None:
        if watch is not None:
            watch(lambda: seen(kept, "none"))

    with single_thread():
        kept = train(
            quantizer,
            cloud,
            moving,
            batch,
            steps,
            chosen,
            as_schedule(eta),
            frames,
            streams[2],
            progress,
            at_frame,
        )
        return seen(kept, optimum)


def _plain(value: Any) -> Any:
    """JSON-able: what is no number or string is told by its repr."""
    return value if isinstance(value, (int, float, str, bool, type(None))) else repr(value)


def _quantizer(
    method: str | Quantizer,
    cloud: NDArray[np.float64],
    motion: Motion,
    codebook_size: int,
    batch: int | None,
    init: str | ArrayLike,
    options: Mapping[str, Any] | None,
    seed: int,
    rng: np.random.Generator,
) -> Quantizer:
    if isinstance(method, Quantizer):
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
    if init == "lbg":
        return lbg(torch.from_numpy(start), size).numpy()
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
