"""What is compared: every line of the table of methods, and the settings each may try.

The budget is the same for all: one knob, three values of it, of which the first is the published
one. The knob is the rate, under whatever name a method has it. Drifts ask for speed, so the other
two values are three and ten times as fast. Rules with steps of their own refuse more than 1, where
codes overshoot; beside their published schedule they have two constants, of 1, 0.3 and 0.1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ..drift.run import Run
from ..drift.simulate import simulate
from ..quantizers.registry import make, methods
from ..quantizers.registry import method as method_line
from .tracks import Track

SETTINGS = (1.0, 3.0, 10.0)
CONSTANTS = (1.0, 0.3, 0.1)
ADDED_LOSS = "with a codebook loss (weight=1)"
TOLD = "is told how the latents are about to move, as the gradient of a task"

# Beside the published settings: those that a lesson found to decide (seeds below 20 were seen
# there). They have the same three rates to choose from, and rows of their own.
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "nsvq, τ = 10": ("nsvq", {"bandwidth": 10.0}),  # lessons 04 and 12
    "nsvq, propagation": ("nsvq", {"form": "propagation"}),  # lesson 04
    "transvq, width 8": ("transvq", {"width": 8, "depth": 3}),  # lesson 05
    "neural-gas, λ = 4": ("neural-gas", {"rate": 1.0, "reach": 4.0}),  # lesson 12
    "som, σ = 1": ("som", {"rate": 1.0, "radius": 1.0}),  # lesson 12
}


@dataclass(frozen=True)
class Entry:
    """One row of the leaderboard.

    Attributes:
        label: its name there.
        method: for :func:`vqlab.make`. options: what differs from the published method.
        knob: what is tuned: "rate" (of the optimizer), "decay" or "step" (the method's own), or
            "none".
        settings: the options of each value of the knob, the published one first.
        note: what had to be changed for it to run, or nothing.
    """

    label: str
    method: str
    options: Mapping[str, Any] = field(default_factory=dict)
    knob: str = "none"
    settings: tuple[Mapping[str, Any], ...] = ({},)
    note: str = ""

    def at(self, setting: int) -> tuple[str, dict[str, Any]]:
        """Name and options for ``sweep`` at one value of the knob."""
        return self.method, {**self.options, **self.settings[setting]}


def entries(variants: bool = True) -> list[Entry]:
    """All methods of the table as published, each followed by its variants."""
    out = []
    for line in methods():
        out.append(Entry(line.name, line.name))
        if variants:
            out += [Entry(k, m, o) for k, (m, o) in VARIANTS.items() if m == line.name]
    return out


def trial(
    method: str,
    source: Any = "gaussian",
    motion: Any = "stationary",
    *,
    options: Mapping[str, Any] | None = None,
    **settings: Any,
) -> Run:
    """One run, as ``simulate`` does it; an option ``rate`` the method lacks is the optimizer's.

    Raises:
        ValueError, TypeError: as :func:`vqlab.simulate`.
    """
    own = dict(options or {})
    if "rate" in own and "rate" not in method_line(method).options:
        settings["rate"] = own.pop("rate")
    return simulate(method, source, motion, options=own, progress=False, **settings)


def admit(entry: Entry, track: Track) -> Entry:
    """The entry with its knob and settings, as one step on this track shows them.

    A method whose codes learn from the gradient of a task alone, which a drift does not have, takes
    part with a codebook loss of weight 1 where it has that option; its note says so. So does that
    of a method that ``simulate`` gives the drift itself as the task's gradient.

    Raises:
        ValueError: a method that cannot run there, with its own reason.
    """
    source, motion = track.first()
    one = {"source": source, "motion": motion, **track.world, "steps": 1, "record": 2, "probe": 1}
    has = method_line(entry.method).options
    try:
        run = trial(entry.method, options=entry.options, **one)
    except ValueError as refused:
        if "gradient of a task" not in str(refused) or "weight" not in has:
            raise
        loss = {**entry.options, "weight": 1.0}
        entry = replace(entry, options=loss, note=ADDED_LOSS)
        run = trial(entry.method, options=loss, **one)
    built = make(entry.method, run.codes.shape[2], run.codes.shape[1], seed=0, **entry.options)
    if built.uses_task_gradient:
        entry = replace(entry, note=TOLD)
    if run.settings["optimizer"]:
        knob, start = "rate", run.settings["rate"]
        values: list[dict[str, Any]] = [{"rate": start * pace} for pace in SETTINGS]
    elif "decay" in has:
        knob, decay = "decay", entry.options.get("decay", has["decay"])
        values = [{"decay": round(max(0.0, 1 - (1 - decay) * pace), 6)} for pace in SETTINGS]
    elif "rate" in has:
        knob, own = "step", entry.options.get("rate", has["rate"])
        values = [{}, *[{"rate": step} for step in CONSTANTS if step != own][:2]]
    else:
        return entry
    return replace(entry, knob=knob, settings=({}, *values[1:]))
