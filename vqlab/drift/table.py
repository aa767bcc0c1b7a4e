"""What a sweep reports: the measures of a run, and the table of all runs."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import TYPE_CHECKING, Any

import numpy as np

from .grid import Cell
from .store import Store

if TYPE_CHECKING:
    import pandas as pd

    from .run import Run


def summary(run: Run) -> dict[str, float]:
    """What a sweep reports of a run unless told otherwise.

    Args:
        run: the finished run.
    Returns:
        utilization, perplexity and distortion of the last frame over all points; drift, the mean
        over time in length per step; half_dead, the first recorded step at which less than half of
        the codes were in use (NaN: never); excess, the last distortion over the k-means optimum
        (only where that was computed).
    """
    few = np.flatnonzero(np.asarray(run.utilization) < 0.5)
    time = np.asarray(run.steps, dtype=float)
    span = time[-1] - time[0]
    drift = np.trapezoid(run.drift, time) / span if span else run.drift[0]
    row = {
        "utilization": float(run.utilization[-1]),
        "perplexity": float(run.perplexity[-1]),
        "distortion": float(run.distortion[-1]),
        "drift": float(drift),
        "half_dead": float(time[few[0]]) if len(few) else float("nan"),
    }
    if np.isfinite(run.optimum[-1]):
        row["excess"] = float(run.distortion[-1] / run.optimum[-1])
    return row


def frame(
    table: Sequence[Cell], done: Mapping[str, dict[str, Any]], book: Store | None
) -> pd.DataFrame:
    """One row per cell: its columns, then its measures."""
    import pandas as pd  # half a second that only a table is worth

    rows = []
    for cell in table:
        entry = done[cell.key]
        columns = dict(cell.columns)
        # what the simulator chose by default, or had no use for
        for name, value in entry.get("used", {}).items():
            if columns.get(name) is None or value is None:
                columns[name] = value
        row = columns | entry.get("row", {})
        if "error" in entry:
            row["error"] = entry["error"]
        if book is not None:
            row["run"] = str(book.run_path(cell.key)) if "error" not in entry else None
        rows.append(row)
    result = pd.DataFrame(rows)
    for name in {"speed", "rate", "codebook_size"} & set(result):
        if not any(isinstance(value, str) for value in result[name]):  # schedules have names
            result[name] = pd.to_numeric(result[name])  # None becomes NaN
    return result


def version() -> str:
    """Of this library, as a store remembers it."""
    try:
        return metadata.version("vqlab")
    except metadata.PackageNotFoundError:
        return "unknown"


def warn_of_versions(done: Mapping[str, dict[str, Any]]) -> None:
    """Tell if results of another version are about to be mixed in."""
    others = {entry.get("version") for entry in done.values()} - {version()}
    if others:
        warnings.warn(
            f"the store holds runs of vqlab {', '.join(sorted(map(str, others)))}, this is "
            f"{version()}: choose another store to compute them anew",
            stacklevel=3,
        )
