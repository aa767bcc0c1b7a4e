"""What the methods are run on: the laboratory's hard motions, and recordings of a real encoder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from ..drift.motions import Motion
from ..drift.origin import Source
from ..drift.presets import preset, presets
from ..drift.recording import replay
from ..vision.experiment import train

STEPS = 300  # all of it takes some 20 minutes on two cores


@dataclass(frozen=True)
class Track:
    """A world, and what moves in it.

    Attributes:
        name: "laboratory" or "encoder".
        world: keyword arguments of ``simulate`` that hold for all runs.
        motions: by name; a recording stands for the name of what was recorded.
        recorded: motions differ from seed to seed, and bring their own source.
    """

    name: str
    world: Mapping[str, Any]
    motions: Mapping[str, Motion | str]
    recorded: bool = False

    def at(self, seed: int) -> dict[str, tuple[Source | str, Motion]]:
        """Source and motion by name, as this seed meets them."""
        if self.recorded:
            return {name: recording(str(kind), seed, self.world["steps"])
                    for name, kind in self.motions.items()}  # fmt: skip
        return {n: ("gaussian", m) for n, m in self.motions.items() if isinstance(m, Motion)}

    def first(self) -> tuple[Source | str, Motion]:
        """What a method is tried on before it is admitted."""
        return next(iter(self.at(0).values()))


def laboratory(steps: int = STEPS) -> Track:
    """Every motion at its hard preset: 64 codes, a Gaussian cloud of 1,500 latents in the plane.

    The presets' rule: speeds at which plain VQ at its usual rate loses half of its codes or more
    within 1,000 steps (fewer where the cloud expands, turns or rests). For the translation that is
    37 times the derived speed at which half of the codes die, and 4 times at the fastest setting.
    The jump comes half way.
    """
    hard = [name for name in presets() if name.startswith("hard-")]
    world = {k: v for k, v in preset(hard[0]).items() if k not in ("motion", "source")}
    motions = {name.removeprefix("hard-"): preset(name)["motion"] for name in hard}
    motions["jump"] = replace(motions["jump"], start=steps // 2)
    return Track("laboratory", {**world, "steps": steps}, motions)


def encoder(steps: int = STEPS) -> Track:
    """A recorded autoencoder on handwritten digits: 64 codes, 1,500 of its latents, D = 16.

    It is recorded twice: without a quantizer, and beside plain VQ with its commitment loss. Codes
    start on latents of step 0. Seeds are those of the encoder, too.
    """
    world = {"codebook_size": 64, "points": 1500, "batch": 64, "init": "first-batch",
             "steps": steps}  # fmt: skip
    return Track("encoder", world, {"recorded alone": "none", "recorded beside vq": "vq"}, True)


@lru_cache(maxsize=32)
def recording(beside: str, seed: int, steps: int) -> tuple[Source, Motion]:
    """The latents of an autoencoder that learns digits, at 30 moments of its first steps."""
    run = train(
        None if beside == "none" else beside, "digits", dim=16, codebook_size=64, width=16,
        batch=32, steps=steps, record=30, probe=1500, seed=seed, progress=False,
    )  # fmt: skip
    return replay(run.latents, run.steps, seed=seed)
