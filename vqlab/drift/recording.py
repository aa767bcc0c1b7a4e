"""The latents of a real encoder and their drift while it trained: one more source and motion."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .origin import Source, checksum
from .trajectory import Array, Modes, Motion


@dataclass(frozen=True, eq=False, init=False)
class Recorded(Source):
    """Latents of a real encoder, as they are: neither centred nor rescaled.

    `sample(n, rng)` gives the first n rows in recorded order, whatever the generator, so that row
    i keeps the identity i that `motions.Replay` moves. `motions.replay(...)` picks a random subset
    for both at once.

    Args:
        latents: (N, D), or (T, N, D) of which the first frame is taken.
    """

    name: ClassVar[str] = "recorded"
    latents: Array = field(init=False, repr=False)

    def __init__(self, latents: ArrayLike) -> None:
        array = np.asarray(latents)
        if array.ndim not in (2, 3) or array.size == 0:
            raise ValueError(
                "recorded: latents must be (N, D) or (T, N, D) and not empty, "
                f"got shape {array.shape}"
            )
        first = np.array(array if array.ndim == 2 else array[0], dtype=np.float64)
        if not np.isfinite(first).all():
            wrong = np.argwhere(~np.isfinite(first))
            raise ValueError(
                f"recorded: {len(wrong)} numbers are NaN or infinite, "
                f"the first at {wrong[0].tolist()}"
            )
        first.setflags(write=False)
        object.__setattr__(self, "latents", first)
        object.__setattr__(self, "dim", first.shape[1])

    @cached_property
    def checksum(self) -> str:
        """SHA-256 of the latents."""
        return checksum(self.latents)

    def _sample(self, n: int, rng: np.random.Generator) -> Array:
        if n > len(self.latents):
            raise ValueError(
                f"recorded: {n} points asked for, the recording holds {len(self.latents)}"
            )
        return self.latents[:n].copy()

    def to_dict(self) -> dict[str, Any]:
        """Shape and checksum; the latents themselves stay with their owner."""
        return {"source": self.name, "shape": list(self.latents.shape), "checksum": self.checksum}

    @classmethod
    def _rebuild(cls, options: dict[str, Any], latents: ArrayLike | None) -> Source:
        shape, expected = options.get("shape"), options.get("checksum")
        if latents is None:
            raise ValueError(
                f"a recorded source is stored as its shape {shape} and checksum only; "
                "pass the recording itself: Source.from_dict(settings, latents=...)"
            )
        rebuilt = cls(latents)
        if rebuilt.checksum != expected:
            raise ValueError(
                f"these latents (checksum {rebuilt.checksum[:12]}) are not the recorded ones "
                f"(checksum {str(expected)[:12]}, shape {shape})"
            )
        return rebuilt


@dataclass(frozen=True, eq=False)
class Replay(Motion):
    """Each point moves as its recorded latent did: x_i(s) = x_i + f_i(s) - f_i(0).

    Start it from `Recorded(frames)` and x_i(s) is the recording itself, f_i(s). Past the last
    frame points rest.

    Args:
        frames: (T, N, D) latents of the same N inputs at T moments of training.
        steps: (T,) increasing step numbers of the frames, counted from the first, or one number of
            steps between frames.
        speed: recorded steps played per step, >= 0.
        between: "linear" moves evenly from frame to frame, "hold" keeps a frame until the next one
            is due.
    """

    name: ClassVar[str] = "replay"
    speed_unit: ClassVar[str] = "recorded steps per step"
    frames: NDArray[Any] = field(repr=False)
    steps: ArrayLike = 1
    speed: float = 1.0
    between: Literal["linear", "hold"] = "linear"

    def __post_init__(self) -> None:
        super().__post_init__()
        frames = np.asarray(self.frames)
        if frames.ndim != 3 or frames.size == 0:
            raise ValueError(
                f"replay: frames must be (T, N, D) and not empty, got shape {frames.shape}"
            )
        if not np.isfinite(frames).all():
            wrong = np.argwhere(~np.isfinite(frames))
            raise ValueError(
                f"replay: {len(wrong)} numbers are NaN or infinite, "
                f"the first at {wrong[0].tolist()}"
            )
        steps = np.asarray(self.steps, dtype=np.float64)
        if steps.ndim == 0:
            steps = steps * np.arange(len(frames))
        if steps.shape != (len(frames),) or not (np.diff(steps) > 0).all():
            raise ValueError(
                f"replay: steps must be {len(frames)} increasing numbers (one per frame), "
                f"got {self.steps!r}"
            )
        if self.between not in ("linear", "hold"):
            raise ValueError(f"replay: between must be 'linear' or 'hold', got {self.between!r}")
        object.__setattr__(self, "frames", frames)
        object.__setattr__(self, "steps", tuple((steps - steps[0]).tolist()))

    @property
    def separable(self) -> bool:
        """No: a recording's displacements are different ones at every frame."""
        return False

    @property
    def smallest_dim(self) -> int:
        """The recording's D."""
        return int(self.frames.shape[2])

    @cached_property
    def checksum(self) -> str:
        """SHA-256 of the frames."""
        return checksum(self.frames)

    def _position(self, s: Array, points: Array, index: ArrayLike | None) -> tuple[Array, Array]:
        """f(s) and f(0) of these points."""
        count, dim = self.frames.shape[1:]
        if points.shape[-1] != dim:
            raise ValueError(
                f"replay: the recording has D={dim}, the points have D={points.shape[-1]}"
            )
        everyone = np.arange(points.shape[-2] if points.ndim > 1 else 1)
        who = everyone if index is None else np.asarray(index)
        if who.size and (who.min() < 0 or who.max() >= count):
            raise ValueError(
                f"replay: the recording holds points 0 to {count - 1}, "
                f"asked for {who.min()} to {who.max()}"
            )
        steps = np.asarray(self.steps)
        now = np.minimum(self.speed * s, steps[-1])
        frame = np.clip(np.searchsorted(steps, now, side="right") - 1, 0, max(len(steps) - 2, 0))
        after = np.minimum(frame + 1, len(steps) - 1)
        gap = steps[after] - steps[frame]
        part = np.divide(now - steps[frame], gap, out=np.zeros_like(now), where=gap > 0)
        part = (np.floor(part) if self.between == "hold" else part)[..., None]
        early, late = self.frames[frame, who], self.frames[after, who]
        return (1 - part) * early + part * late, self.frames[0, who].astype(np.float64)

    def _displacement(self, points: Array, t: Array, index: ArrayLike | None) -> Array:
        now, first = self._position(self._clock(t), points, index)
        return now - first

    def _modes(self, points: Array, before: Array, after: Array, index: ArrayLike | None) -> Modes:
        # one field, the displacement of this very step: `drift` asks for one time at a time
        index = None if index is None else np.reshape(index, -1)
        early, _ = self._position(self._clock(before), points, index)
        late, _ = self._position(self._clock(after), points, index)
        return (
            np.zeros((len(before), points.shape[-1])),
            np.ones((1, len(before))),
            (late - early)[None],
        )

    def to_dict(self) -> dict[str, Any]:
        """Shape, steps and checksum; the frames themselves stay with their owner."""
        plain = {"motion": self.name, "shape": list(self.frames.shape), "checksum": self.checksum}
        steps: Any = self.steps
        return {**plain, "steps": list(steps), "speed": self.speed, "between": self.between,
                "start": self.start, "duration": self.duration}  # fmt: skip

    @classmethod
    def _rebuild(cls, options: dict[str, Any], frames: ArrayLike | None) -> Motion:
        shape, expected = options.pop("shape", None), options.pop("checksum", None)
        if frames is None:
            raise ValueError(
                f"a replay is stored as its shape {shape} and checksum only; "
                "pass the recording itself: Motion.from_dict(settings, frames=...)"
            )
        rebuilt = cls(np.asarray(frames), **options)
        if rebuilt.checksum != expected:
            raise ValueError(
                f"these frames (checksum {rebuilt.checksum[:12]}) are not the recorded ones "
                f"(checksum {str(expected)[:12]}, shape {shape})"
            )
        return rebuilt


def replay(
    frames: ArrayLike,
    steps: ArrayLike = 1,
    points: int | None = None,
    *,
    seed: int = 0,
    speed: float = 1.0,
) -> tuple[Recorded, Replay]:
    """What plays a recording: `source, motion = replay(frames, steps)`.

    Args:
        frames: (T, N, D) latents of the same N inputs at T moments of training.
        steps: (T,) increasing step numbers of the frames, or one number of steps between frames.
        points: how many of the N to keep, drawn at random and in random order; None = all,
            shuffled.
        seed: of that draw.
        speed: recorded steps played per step.
    Returns:
        (source, motion) with the same points in the same order.
    Raises:
        ValueError: shapes or steps that do not fit, more points than recorded.
    """
    array = np.asarray(frames)
    if array.ndim != 3:
        raise ValueError(f"replay: frames must be (T, N, D), got shape {array.shape}")
    count = array.shape[1] if points is None else points
    if not 1 <= count <= array.shape[1]:
        raise ValueError(
            f"replay: points must be 1 to {array.shape[1]}, the number recorded, got {count}"
        )
    kept = np.random.default_rng(seed).permutation(array.shape[1])[:count]
    array = array[:, kept]
    return Recorded(array), Replay(array, steps, speed=speed)
