"""The kinds of drift, each a closed form; `trajectory` says what they share (phases, sums, drift).

The unit of time is one training step, lengths are in the source's coordinates, s is the time since
the motion's start. A centre or size given as one number holds for every coordinate, as a tuple it
gives each coordinate its own.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar

from .deformations import Approach, Expand, Rotate, Shear, Shrink, SplitMerge
from .recording import Replay, replay
from .shifts import Jump, Oscillate, RandomWalk, Translate
from .sums import Stopped, Sum, stop_at
from .trajectory import Motion

__all__ = [
    "Approach", "Expand", "Jump", "Motion", "Oscillate", "RandomWalk", "Replay", "Rotate", "Shear",
    "Shrink", "SplitMerge", "Stationary", "Stopped", "Sum", "Translate", "make_motion", "replay",
    "stop_at",
]  # fmt: skip


@dataclass(frozen=True)
class Stationary(Motion):
    """Nothing moves."""

    name: ClassVar[str] = "stationary"


def make_motion(
    motion: str | Motion | dict[str, Any], speed: float | None = None, **options: Any
) -> Motion:
    """A motion by name: `make_motion("rotate", speed=0.02, start=100)`.

    Args:
        motion: stationary, translate, approach, shrink, expand, rotate, shear, split-merge,
            oscillate, random-walk, jump; or a Motion or its `to_dict()`, which pass through.
        speed: in the motion's own unit; None = its default (or, of a Motion, its own).
        options: the settings of that motion.
    Raises:
        ValueError: unknown name, setting or value, naming the choices.
    """
    if isinstance(motion, dict):
        motion = Motion.from_dict(motion)
    if isinstance(motion, Motion):
        changed = dataclasses.replace(motion, **options) if options else motion
        return changed if speed is None else changed.with_speed(speed)
    named = sorted(set(Motion.kinds) - {"sum", "stopped", "replay"})
    if motion not in named:
        hint = "; a replay needs its frames: Replay(frames, steps)" if motion == "replay" else ""
        raise ValueError(f"unknown motion {motion!r}; choose from {', '.join(named)}{hint}")
    kind = Motion.kinds[motion]
    if speed is not None:
        options["speed"] = speed
    known = {one.name for one in dataclasses.fields(kind)}
    if unknown := set(options) - known:
        raise ValueError(
            f"{motion}: unknown setting {sorted(unknown)}; choose from {sorted(known)}"
        )
    return kind(**options)
