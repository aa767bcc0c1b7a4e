"""Schedules: a value as a function of the training step."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Schedule:
    """Base: the value, a scalar tensor, at an int64 scalar tensor ``step``."""

    def __call__(self, step: Tensor) -> Tensor:
        raise NotImplementedError


@dataclass(frozen=True)
class Constant(Schedule):
    """The same value at every step."""

    value: float

    def __post_init__(self) -> None:
        _positive(value=self.value)

    def __call__(self, step: Tensor) -> Tensor:
        return torch.full_like(step, self.value, dtype=torch.float64)


@dataclass(frozen=True)
class Exponential(Schedule):
    r"""Shrinks smoothly, by ``factor`` every ``every`` steps.

    .. math:: v(t) = \max(v_0\, f^{t/e}, \text{floor})
    """

    start: float
    factor: float = 0.5
    every: float = 1.0
    floor: float = 1e-8

    def __post_init__(self) -> None:
        _positive(start=self.start, factor=self.factor, every=self.every, floor=self.floor)

    def __call__(self, step: Tensor) -> Tensor:
        return (self.start * self.factor ** (step.double() / self.every)).clamp_min(self.floor)


@dataclass(frozen=True)
class Step(Exponential):
    r"""Shrinks by ``factor`` at once, at the end of every ``every`` steps.

    .. math:: v(t) = \max(v_0\, f^{\lfloor t/e \rfloor}, \text{floor})
    """

    def __call__(self, step: Tensor) -> Tensor:
        epoch = torch.floor(step.double() / self.every)
        return (self.start * self.factor**epoch).clamp_min(self.floor)


@dataclass(frozen=True)
class Cosine(Schedule):
    r"""Falls along half a cosine from ``start`` to ``end`` in ``steps`` steps, then stays.

    .. math:: v(t) = v_1 + \tfrac12 (v_0 - v_1)(1 + \cos(\pi \min(t/T, 1)))
    """

    start: float
    end: float
    steps: int

    def __post_init__(self) -> None:
        _positive(start=self.start, end=self.end, steps=self.steps)

    def __call__(self, step: Tensor) -> Tensor:
        share = (step.double() / self.steps).clamp_max(1.0)
        return self.end + 0.5 * (self.start - self.end) * (1 + torch.cos(math.pi * share))


@dataclass(frozen=True)
class Warmup(Schedule):
    """Runs from ``start`` to the first value of ``then`` in ``steps`` steps, then follows ``then``.

    Args:
        steps: length of the warm-up.
        then: the schedule that follows; its step 0 is the end of the warm-up.
        start: value at step 0; None holds the first value of ``then`` (a constant warm-up).
    """

    steps: int
    then: Schedule
    start: float | None = None

    def __post_init__(self) -> None:
        _positive(steps=self.steps)
        if self.start is not None:
            _positive(start=self.start)

    def __call__(self, step: Tensor) -> Tensor:
        later = self.then(torch.clamp_min(step - self.steps, 0))
        if self.start is None:
            return later
        share = (step.double() / self.steps).clamp_max(1.0)
        return torch.where(step < self.steps, self.start + share * (later - self.start), later)


@dataclass(frozen=True)
class LearningAnnealing(Schedule):
    r"""FVQ's factor of the learning rate: a rise, a plateau at 1, a long fall to almost nothing.

    .. math:: m(t) = \begin{cases}
        m_0 + (1 - m_0)\, t/w & t < w \\
        1 & s < h \\
        1 + (m_1 - 1)\, f\big(\tfrac{s-h}{1-h}\big) & \text{else}
        \end{cases} \qquad s = \frac{t-w}{T-w}

    f is the line, or half a cosine. A small rate at the end bounds how far the latents run ahead of
    the codes. For an optimizer: ``LambdaLR(optimizer, lambda t: float(m(torch.tensor(t))))``.

    Args:
        steps: T, of the whole training. warmup: w (4 of 40 epochs in the released code).
        start: m_0. hold: h, share of the training after the warm-up. end: m_1.
        shape: f, "linear", "cosine" or "constant" (no fall).

    Source: FVQ, arXiv 2509.10140, released code.
    """

    steps: int
    warmup: int = 0
    start: float = 0.005
    hold: float = 0.3
    end: float = 0.01
    shape: str = "linear"

    def __post_init__(self) -> None:
        _positive(steps=self.steps, start=self.start, end=self.end)
        if not 0 <= self.warmup < self.steps:
            raise ValueError(f"warmup must lie in [0, steps), got {self.warmup} of {self.steps}")
        if not 0 <= self.hold < 1:
            raise ValueError(f"hold is a share in [0, 1), got {self.hold}")
        if self.shape not in ("linear", "cosine", "constant"):
            raise ValueError(
                f"unknown shape {self.shape!r}; choose one of linear, cosine, constant"
            )

    def __call__(self, step: Tensor) -> Tensor:
        t = step.double()
        rise = self.start + (1 - self.start) * t / max(self.warmup, 1)
        share = (t - self.warmup) / (self.steps - self.warmup)
        along = ((share - self.hold) / (1 - self.hold)).clamp(0, 1)
        if self.shape == "cosine":
            along = 0.5 * (1 - torch.cos(math.pi * along))
        elif self.shape == "constant":
            along = torch.zeros_like(along)
        return torch.where(t < self.warmup, rise, 1 + (self.end - 1) * along)


def as_schedule(value: float | Schedule) -> Schedule:
    """A number stands for a constant schedule."""
    return value if isinstance(value, Schedule) else Constant(float(value))


def _positive(**values: float) -> None:
    for name, value in values.items():
        if not (math.isfinite(value) and value > 0):
            raise ValueError(f"{name} of a schedule must be a finite number > 0, got {value}")
