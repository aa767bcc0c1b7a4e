"""What a training step costs, in steps of plain VQ."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from typing import Any

from .entries import Entry, admit, trial
from .tracks import laboratory

ROUNDS, TIMED = 5, 100  # of the clock; training steps in each
CLOCKED = "vq"


def clock(cast: Mapping[str, Entry], rounds: int = ROUNDS, steps: int = TIMED) -> dict[str, Any]:
    """Processor time of a training step over that of plain VQ: lowest, median, highest of rounds.

    All take turns in each round, and the ratio is taken within a round: what slows the machine for
    a while slows both. The time of a run of one step is subtracted: it is not training.

    Returns:
        by label, [low, median, high].
    """
    track = laboratory()
    source, motion = track.first()
    world = {**track.world, "source": source, "motion": motion, "record": 2, "probe": 1}
    everyone = {CLOCKED: Entry(CLOCKED, CLOCKED), **cast}
    spent: dict[str, list[float]] = {label: [] for label in everyone}
    for turn in range(rounds + 1):
        for label, entry in everyone.items():
            method, options = admit(entry, track).at(0)
            took = []
            for length in (1, steps + 1):
                began = time.process_time()
                trial(method, options=options, **{**world, "steps": length})
                took.append(time.process_time() - began)
            if turn:  # the first round pays for imports
                spent[label].append(max(took[1] - took[0], 1e-9))
    out = {}
    for label in cast:
        ratio = [a / b for a, b in zip(spent[label], spent[CLOCKED], strict=True)]
        out[label] = [round(f(ratio), 2) for f in (min, statistics.median, max)]
    return out
