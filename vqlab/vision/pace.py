"""How fast a training step is on this machine, and what it waits for."""

from __future__ import annotations

import resource
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .data import Pictures
from .module import Reconstructor


@dataclass(frozen=True)
class Pace:
    """What :func:`pace` measured; shares are of a whole step.

    Attributes:
        step: seconds of a whole step. images: pictures a second.
        quantizer: share in the quantizer, forward and backward.
        waiting: share until a batch is on the device and augmented, with nothing else going on.
        peak: bytes: on a GPU the most that tensors took, on a CPU the most of the whole process.
        device: where, in words.
    """

    step: float
    images: float
    quantizer: float
    waiting: float
    peak: int
    device: str


def pace(
    module: Reconstructor,
    data: Pictures,
    steps: int = 20,
    warmup: int = 3,
    device: str | torch.device | None = None,
    precision: str = "32-true",
) -> Pace:
    """Trains a few steps in plain torch, and looks at the clock.

    First whole steps are timed, and the device is waited for only at their end; this gives ``step``
    and ``images``. Then, in turn, a whole step and two of its parts alone, each waited for: getting
    a batch (augmentation included), and the quantizer forward and backward on latents of the same
    shape. Shares are ratios of medians. Parts that overlap in training (loading processes, a device
    that works while the next batch comes) are thus counted in full.

    Args:
        module: its weights are trained by these steps; give one that is not needed any more.
        data: of the pictures. steps: timed. warmup: before them, not timed.
        device: None takes the GPU where there is one. precision: "32-true" or "bf16-mixed".
    Returns:
        :class:`Pace`.
    Raises:
        ValueError: steps below 1, negative warm-up, another precision.
    """
    if steps < 1 or warmup < 0:
        raise ValueError(f"steps must be >= 1 and warmup >= 0, got {steps} and {warmup}")
    if precision not in ("32-true", "bf16-mixed"):
        raise ValueError(f"precision must be '32-true' or 'bf16-mixed', got {precision!r}")
    place = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    module.to(place).train()
    if place.type == "cuda":
        torch.cuda.reset_peak_memory_stats(place)
    batches = _endless(data)
    optimizer = torch.optim.Adam(module.parameter_groups(), lr=module.rate, betas=module.betas)

    def fetch() -> Tensor:
        raw, which, epoch = next(batches)
        pictures = data.on_after_batch_transfer((raw.to(place), which, epoch), 0)
        change = data.augment
        return pictures if change is None else change(pictures, which, data.seed, epoch)

    def step() -> None:
        pictures = fetch()
        with torch.autocast(place.type, torch.bfloat16, enabled=precision == "bf16-mixed"):
            out = module.model(pictures)
            loss = module.difference(out.images, pictures) + out.loss
        optimizer.zero_grad()
        loss.backward()
        if module.clip is not None:
            torch.nn.utils.clip_grad_norm_(module.parameters(), module.clip)
        optimizer.step()

    def wait() -> None:
        if place.type == "cuda":
            torch.cuda.synchronize(place)

    def seconds(work: Callable[[], None], times: int = 1) -> float:
        wait()
        start = time.perf_counter()
        for _ in range(times):
            work()
        wait()
        return (time.perf_counter() - start) / times

    quantizer = module.model.quantizer
    assert quantizer is not None
    with torch.no_grad():
        latents = module.model.encode(fetch()).float()

    def quantize() -> None:
        out = quantizer(latents.clone().requires_grad_())
        torch.autograd.backward(out.quantized.square().mean() + out.loss)

    parts: dict[str, Callable[[], Any]] = {"step": step, "fetch": fetch, "quantize": quantize}
    for _ in range(warmup):
        for work in parts.values():
            work()
    whole = seconds(step, steps)
    peak = torch.cuda.max_memory_allocated(place) if place.type == "cuda" else _process()
    turns = [{name: seconds(work) for name, work in parts.items()} for _ in range(steps)]
    typical = {name: statistics.median(turn[name] for turn in turns) for name in parts}
    module.zero_grad()
    name = torch.cuda.get_device_name(place) if place.type == "cuda" else "CPU"
    return Pace(
        step=whole, images=data.batch / whole, peak=peak,
        quantizer=typical["quantize"] / typical["step"],
        waiting=typical["fetch"] / typical["step"],
        device=name if place.type == "cuda" else f"{name}, {torch.get_num_threads()} threads",
    )  # fmt: skip


def _endless(data: Pictures) -> Iterator[Any]:
    loader = data.train_dataloader()
    while True:
        yield from loader


def _process() -> int:
    """Most memory that the process has held, in bytes (Linux counts in KiB, macOS in bytes)."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(most if sys.platform == "darwin" else most * 1024)
