"""The simulator's training loop: batches, where they are at each step, what is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from tqdm import tqdm

from ..quantizers.frame import Quantizer
from ..quantizers.neighbours import KernelUpdate
from ..quantizers.schedules import Constant, Schedule
from .motions import Motion

# Coordinates placed at once: enough to spare numpy's overhead, few enough for the cache.
_CHUNK = 1 << 18

Points = NDArray[np.float64]
Index = NDArray[np.int64]


@contextmanager
def single_thread() -> Iterator[None]:
    """Keeps torch on one thread: small steps gain nothing from more, busy neighbours cost much."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@dataclass
class Kept:
    """What training leaves for the observer, one entry a frame."""

    codes: list[NDArray[np.float32]] = field(default_factory=list)
    hits: list[Index] = field(default_factory=list)
    last_hit: list[Index] = field(default_factory=list)
    terms: list[dict[str, float]] = field(default_factory=list)

    def add(
        self, quantizer: Quantizer, hits: Index, last_hit: Index, terms: dict[str, Tensor]
    ) -> None:
        """Keeps copies of the codes and counters as they are now."""
        scalars = {name: value.item() for name, value in terms.items()}
        for rule in quantizer.rules:
            if isinstance(rule, KernelUpdate):
                scalars["bandwidth"] = rule.tau().item()
        quantizer.eval()  # codes that training silences at random are seen whole
        self.codes.append(quantizer.codebook().detach().float().numpy().copy())
        quantizer.train()
        self.hits.append(hits.copy())
        self.last_hit.append(last_hit.copy())
        self.terms.append(scalars)


class Stepper:
    """Moves the trainable parameters: plain gradient descent, or Adam, at a rate by schedule.

    Under "sgd" the learning rate is eta D / 2, which takes the factor 2 / D of the mean squared
    error out, so that eta means the same in every dimension.
    """

    def __init__(self, parameters: list[nn.Parameter], kind: str, rate: Schedule, dim: int) -> None:
        if kind not in ("sgd", "adam"):
            raise ValueError(f"unknown optimizer {kind!r}; choose one of sgd, adam")
        self.parameters, self.rate = parameters, rate
        self.factor = dim / 2 if kind == "sgd" else 1.0
        self.lr = self.factor * float(rate(torch.tensor(0)))
        self.adam = torch.optim.Adam(parameters, lr=self.lr, fused=True) if kind == "adam" else None

    def schedule(self, step: int) -> None:
        """Sets the learning rate of this step."""
        if not isinstance(self.rate, Constant):
            self.lr = self.factor * float(self.rate(torch.tensor(step)))
            if self.adam is not None:
                self.adam.param_groups[0]["lr"] = self.lr

    @torch.no_grad()
    def step(self) -> None:
        """Moves the parameters by their gradients and clears those."""
        if self.adam is not None:
            self.adam.step()
        for parameter in self.parameters:
            # By hand: torch's SGD spends ten times longer on bookkeeping than on this line.
            if self.adam is None and parameter.grad is not None:
                parameter.add_(parameter.grad, alpha=-self.lr)
            parameter.grad = None


def train(
    quantizer: Quantizer,
    cloud: Points,
    motion: Motion,
    batch: int | None,
    steps: int,
    optimizer: str,
    rate: Schedule,
    frames: Index,
    rng: np.random.Generator,
    progress: bool,
    at_frame: Callable[[Kept], None] | None = None,
) -> Kept:
    """Trains ``quantizer`` in place on the moving points; what was seen at each frame.

    ``at_frame`` is called after each frame that is kept; what it raises ends the training.
    """
    trainable = [p for p in quantizer.parameters() if p.requires_grad]
    stepper = Stepper(trainable, optimizer, rate, quantizer.dim) if trainable else None
    size = quantizer.codebook_size
    hits, last_hit = np.zeros(size, np.int64), np.full(size, -1, np.int64)
    kept, due = Kept(), set(frames.tolist())
    kept.add(quantizer, hits, last_hit, {})
    if at_frame is not None:
        at_frame(kept)
    order = _batches(len(cloud), batch, steps, rng)
    places = _placed(cloud, motion, order, quantizer.uses_task_gradient)
    bar = tqdm(places, total=steps, delay=2, disable=not progress, leave=False, unit="step")
    for step, (z, moved) in enumerate(bar):
        if stepper is not None:
            stepper.schedule(step)
        out = quantizer(z)
        if stepper is not None:
            if moved is not None and out.quantized.requires_grad:
                # The gradient whose own step would carry each latent where it is about to go.
                task = moved / -stepper.lr
                torch.autograd.backward((out.loss, out.quantized), (None, task))
            elif out.loss.requires_grad:
                out.loss.backward()
            if step == 0:
                _refuse_untrained(quantizer)
            stepper.step()
        indices = out.indices.numpy()
        hits += np.bincount(indices, minlength=size)
        last_hit[indices] = step
        if step + 1 in due:
            kept.add(quantizer, hits, last_hit, out.terms)
            hits[:] = 0
            if at_frame is not None:
                at_frame(kept)
    return kept


def _refuse_untrained(quantizer: Quantizer) -> None:
    """Codes that wait for the gradient of a task would stand still through the whole run."""
    codebook: Any = quantizer.codebook
    module = isinstance(codebook, nn.Module)  # a stack has none of its own
    trained = [p for p in codebook.parameters() if p.requires_grad] if module else []
    if trained and not any(p.grad is not None and p.grad.any() for p in trained):
        raise ValueError(
            "these codes learn from the gradient of a task, and a drift has none; where the method "
            "takes a weight of the codebook loss, give one: options={'weight': 1}"
        )


def _batches(
    count: int, batch: int | None, steps: int, rng: np.random.Generator
) -> Iterator[Index]:
    """Index arrays, one a step: epochs in random order, an epoch's last batch may be smaller."""
    size = count if batch is None else batch
    done = 0
    while done < steps:
        order = rng.permutation(count) if size < count else np.arange(count)
        for at in range(0, count, size):
            if done < steps:
                yield order[at : at + size]
                done += 1


def _placed(
    cloud: Points, motion: Motion, batches: Iterator[Index], with_drift: bool
) -> Iterator[tuple[Tensor, Tensor | None]]:
    """The latents of each step, and their displacement to the next where that is wanted."""
    step, waiting, size = 0, [], 0
    for chosen in batches:
        waiting.append(chosen)
        size += len(chosen) * cloud.shape[1]
        if size >= _CHUNK:
            yield from _place(cloud, motion, waiting, step, with_drift)
            step, waiting, size = step + len(waiting), [], 0
    if waiting:
        yield from _place(cloud, motion, waiting, step, with_drift)


def _place(
    cloud: Points, motion: Motion, chosen: list[Index], step: int, with_drift: bool
) -> Iterator[tuple[Tensor, Tensor | None]]:
    lengths = [len(c) for c in chosen]
    index = np.concatenate(chosen)
    time = np.repeat(np.arange(step, step + len(chosen), dtype=np.float64), lengths)
    now = motion.move(cloud[index], time, index)
    latents = _split(now, lengths)
    if not with_drift:
        yield from ((z, None) for z in latents)
        return
    moved = motion.move(cloud[index], time + 1, index) - now
    yield from zip(latents, _split(moved, lengths), strict=True)


def _split(values: Points, lengths: list[int]) -> tuple[Any, ...]:
    return torch.from_numpy(values.astype(np.float32)).split(lengths)
