"""Tune, run, time: from the table of methods to the leaderboard."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..drift.run import Run
from ..drift.store import fingerprint
from ..drift.sweep import sweep
from .clock import clock
from .entries import Entry, admit, entries, trial
from .results import COLUMNS, MEASURES, Board
from .tracks import Track, encoder, laboratory

if TYPE_CHECKING:
    import pandas as pd

TUNING = (100, 101)


def marks(run: Run) -> dict[str, float]:
    """What the leaderboard keeps of a run: its last frame, over all points."""
    return {
        "utilization": float(run.utilization[-1]),
        "perplexity": float(run.perplexity[-1] / run.codebook_size),
        "distortion": float(run.distortion[-1]),
    }


def best(run: Run) -> dict[str, float]:
    """The distortion of k-means on the last frame."""
    return {"best": float(run.optimum[-1])}


def produce(
    steps: int,
    seeds: Mapping[str, int],
    *,
    only: Sequence[str] | None = None,
    motions: Sequence[str] | None = None,
    store: str | Path | None = None,
    workers: int | None = None,
    command: str = "",
    say: Callable[[str], None] = print,
    progress: bool = True,
) -> Board:
    """The whole leaderboard: every entry on every motion of both tracks.

    1. *Tune*: each entry at its (at most three) settings on the seeds 100 and 101 of all motions of
       a track. The one with the lowest geometric mean of excess distortion, over motions and seeds
       alike, is its setting on that track. A setting at which a run fails is out.
    2. *Run*: that setting on fresh seeds, from 0 up.
    3. *Time*: a training step of each entry beside one of plain VQ.

    Args:
        steps: of each run. seeds: how many by track; a track that is not named is left out.
        only: labels of the entries; None = all. motions: likewise.
        store: folder that keeps finished runs, see :func:`vqlab.sweep`.
        workers: processes; None = one per core.
        command: to be written into the file.
        say: is told where the work is.
        progress: bars.
    Raises:
        ValueError: an unknown track, entry or motion. SweepError: no setting of an entry runs.
    """
    import pandas as pd

    makers = {"laboratory": laboratory, "encoder": encoder}
    if unknown := [name for name in seeds if name not in makers]:
        raise ValueError(f"unknown track {', '.join(unknown)}; choose from {', '.join(makers)}")
    chosen = _chosen("entry", {one.label: one for one in entries()}, only)
    about: dict[str, Any] = {
        "command": command, "versions": versions(), "steps": steps, "seeds": dict(seeds),
        "tuning_seeds": list(TUNING), "tracks": {}, "entries": {}, "skipped": {}, "failed": {},
    }  # fmt: skip
    crew = {"store": store, "workers": workers, "progress": progress}
    tracks = {name: makers[name](steps) for name in seeds}
    known = {motion: name for name, track in tracks.items() for motion in track.motions}
    wanted = _chosen("motion", known, motions)
    tables = []
    for name, count in seeds.items():
        track = tracks[name]
        kept = {motion: track.motions[motion] for motion in wanted if motion in track.motions}
        if not kept:
            continue
        track = replace(track, motions=kept)
        about["tracks"][name] = {
            **track.world, "motions": {m: getattr(one, "to_dict", lambda one=one: one)()
                                       for m, one in track.motions.items()}}  # fmt: skip
        tables += _both_stages(track, count, chosen, about, crew, say)
    say("timing a training step")
    for label, cost in clock({k: e for k, e in chosen.items() if k in about["entries"]}).items():
        about["entries"][label]["cost"] = cost
    return Board(pd.concat(tables, ignore_index=True)[COLUMNS + MEASURES], about)


def _both_stages(
    track: Track, count: int, chosen: Mapping[str, Entry], about: dict[str, Any],
    crew: Mapping[str, Any], say: Callable[[str], None],
) -> list[pd.DataFrame]:  # fmt: skip
    """The tuning and the final runs of one track; what is to be told of them goes into `about`."""
    name, admitted = track.name, {}
    for label, entry in chosen.items():
        try:
            admitted[label] = admit(entry, track)
        except ValueError as refused:
            about["skipped"].setdefault(label, {})[name] = str(refused)
    say(f"{name}: tuning {len(admitted)} methods on {len(track.motions)} motions")
    tuned = _run(track, {f"{k}\n{i}": e.at(i) for k, e in admitted.items()
                         for i in range(len(e.settings))}, TUNING, crew)  # fmt: skip
    tuned[["method", "setting"]] = tuned.method.str.split("\n", expand=True)
    tuned["setting"] = tuned.setting.astype(int)
    winners = tune(tuned)
    say(f"{name}: {count} fresh seeds at the setting chosen")
    fresh = _run(track, {k: e.at(winners[k]) for k, e in admitted.items()}, range(count), crew)
    fresh["setting"] = fresh.method.map(winners)
    for part in (tuned, fresh):
        _tell_failures(about["failed"], name, part)
    for label, entry in admitted.items():
        said = about["entries"].setdefault(label, {
            "method": entry.method, "options": dict(entry.options), "knob": entry.knob,
            "settings": [dict(one) for one in entry.settings], "note": entry.note,
            "chosen": {}})  # fmt: skip
        said["chosen"][name] = winners[label]
    return [tuned.assign(track=name, stage="tune"), fresh.assign(track=name, stage="final")]


def tune(table: pd.DataFrame) -> dict[str, int]:
    """The setting of each method with the lowest geometric mean of excess; a failed one is out.

    Raises:
        ValueError: no setting of a method ran.
    """
    logs = table.assign(log=np.log(table.excess).fillna(np.inf))
    mean = logs.groupby(["method", "setting"], sort=False)["log"].mean().unstack()
    if len(lost := mean.index[~np.isfinite(mean).any(axis=1)]):
        raise ValueError(f"no setting of {', '.join(lost)} ran through")
    return {str(label): int(setting) for label, setting in mean.idxmin(axis=1).items()}


def _tell_failures(failed: dict[str, Any], track: str, table: pd.DataFrame) -> None:
    """Counts the runs that failed, by method, track and setting, with the first one's reason."""
    if "error" in table:
        lost = table[table.error.notna()]
        for (label, setting), part in lost.groupby(["method", "setting"], sort=False):
            known = failed.setdefault(label, {}).setdefault(f"{track}, setting {setting}", [0, ""])
            known[0] += len(part)
            known[1] = known[1] or part.error.iloc[0]


def rerun(
    board: Board, methods: Sequence[str], motions: Sequence[str], seeds: Sequence[int] = (0, 1)
) -> pd.DataFrame:
    """A part of the laboratory's final runs, live, at the settings that the file names.

    Args:
        board: the file's. methods, motions: labels in it. seeds: of the runs.
    Returns:
        rows like those of ``board.final()``.
    Raises:
        ValueError: an unknown method or motion.
    """
    track = laboratory(board.about["steps"])
    kept = replace(track, motions=_chosen("motion", track.motions, motions))
    said = _chosen("entry", board.about["entries"], methods)
    cast = {}
    for label, one in said.items():
        setting = one["settings"][one["chosen"]["laboratory"]]
        cast[label] = (one["method"], {**one["options"], **setting})
    return _run(kept, cast, seeds, {"progress": False}).assign(track=track.name, stage="final")


def _run(
    track: Track, cast: Mapping[str, Any], seeds: Sequence[int] | range, crew: Mapping[str, Any]
) -> pd.DataFrame:
    """One row a run, with its excess over k-means; failed runs have NaN."""
    import pandas as pd

    tables = []
    for group in ([seed] for seed in seeds) if track.recorded else [list(seeds)]:
        for source, motions in _sources(track, group[0]):
            same = {**track.world, "source": source, "record": 2, "probe": 1, "seeds": group}
            optimum = sweep("vq", motions, **same, measure=best, optimum="final",
                            **{**crew, "progress": False})  # fmt: skip
            table = sweep(cast, motions, **same, measure=marks, simulator=trial, errors="keep",
                          **crew)  # fmt: skip
            tables.append(table.merge(optimum[["motion", "seed", "best"]], on=["motion", "seed"]))
    whole = pd.concat(tables, ignore_index=True)
    return whole.assign(excess=whole.distortion / whole.best)


def _sources(track: Track, seed: int) -> list[tuple[Any, dict[str, Any]]]:
    """The motions of a track by the source they start from."""
    at = track.at(seed)
    if track.recorded:
        return [(source, {name: motion}) for name, (source, motion) in at.items()]
    return [("gaussian", {name: motion for name, (_, motion) in at.items()})]


def versions() -> dict[str, str]:
    """Of the libraries, and a fingerprint of the code that made the numbers."""
    names = ("vqlab", "torch", "numpy", "scikit-learn")
    found = {name: metadata.version(name) for name in names}
    return {"python": platform.python_version(), **found, "code": fingerprint()}


def _chosen(kind: str, known: Mapping[str, Any], wanted: Sequence[str] | None) -> dict[str, Any]:
    if wanted is None:
        return dict(known)
    if unknown := [name for name in wanted if name not in known]:
        raise ValueError(f"unknown {kind} {', '.join(unknown)}; choose from {', '.join(known)}")
    return {name: known[name] for name in wanted}
