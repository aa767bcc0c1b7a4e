"""What every figure asks of its data: the same words, the same errors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from vqlab.drift.run import Run

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]
Runs: TypeAlias = "Run | Sequence[Run] | Mapping[str, Run | Sequence[Run]]"

FIELDS = ("steps", "latents", "codes", "counts")

QUANTITIES: dict[str, str] = {
    "utilization": "codes in use",
    "perplexity": "perplexity (codes)",
    "distortion": "distortion",
    "excess": "distortion / optimum",
    "lag": "lag behind the cell, median over live codes",
    "drift": "drift per step",
    "optimum": "k-means' distortion",
}


def check_run(run: Any) -> Run:
    """The run itself, or an error that names what was given instead."""
    missing = [name for name in FIELDS if not hasattr(run, name)]
    if missing:
        raise TypeError(f"expected a Run, got {type(run).__name__} without {', '.join(missing)}")
    return run


def group_runs(runs: Any) -> dict[str, list[Run]]:
    """Runs by label: a mapping keeps its labels, a run or a list of runs is grouped by method.

    Args:
        runs: one run, a sequence of runs, or a mapping from label to a run or several (seeds).

    Returns:
        label -> runs, in the order given.

    Raises:
        TypeError: something that is not a run.
        ValueError: no run at all.
    """
    out: dict[str, list[Run]] = {}
    if isinstance(runs, Mapping):
        for label, value in runs.items():
            members = list(value) if isinstance(value, (list, tuple)) else [value]
            out[str(label)] = [check_run(run) for run in members]
    else:
        for run in runs if isinstance(runs, (list, tuple)) else [runs]:
            out.setdefault(check_run(run).method, []).append(run)
    if not out or not all(out.values()):
        raise ValueError("expected at least one run for each label, got none")
    return out


def one_each(runs: Any) -> dict[str, Run]:
    """One run a label; runs of one method and several seeds are told apart by their seed."""
    out: dict[str, Run] = {}
    for label, members in group_runs(runs).items():
        for i, run in enumerate(members):
            name = label if len(members) == 1 else f"{label}, seed {run.settings.get('seed', i)}"
            out[name if name not in out else f"{name} ({i + 1})"] = run
    return out


def frame_at(steps: Array, step: int | None) -> int:
    """The recorded frame nearest to a step; None is the last frame.

    Raises:
        ValueError: the step lies outside what was recorded.
    """
    if step is None:
        return len(steps) - 1
    if not steps[0] <= step <= steps[-1]:
        raise ValueError(
            f"step {step} was not recorded: expected a step from {steps[0]} to {steps[-1]}"
        )
    return int(np.argmin(np.abs(np.asarray(steps) - step)))


def quantity(run: Run, y: str | Callable[[Run], Array]) -> Array:
    """One number a frame: a field or term of the run by name, or a function of the run.

    Args:
        run: the run.
        y: a key of ``QUANTITIES``, a key of ``run.terms``, or a function Run -> (T,).

    Returns:
        (T,) float64.

    Raises:
        ValueError: unknown name, or a function whose result is not (T,).
    """
    if callable(y):
        values = np.asarray(y(run), dtype=float)
    elif y == "excess":
        values = np.asarray(run.distortion / run.optimum, dtype=float)
    elif y == "lag":
        lag = np.asarray(run.lag, dtype=float)
        live = np.isfinite(lag)
        values = np.array(
            [np.median(v[m]) if m.any() else np.nan for v, m in zip(lag, live, strict=True)]
        )
    elif y in QUANTITIES:
        values = np.asarray(getattr(run, y), dtype=float)
    elif y in run.terms:
        values = np.asarray(run.terms[y], dtype=float)
    else:
        known = ", ".join([*QUANTITIES, *run.terms])
        raise ValueError(f"unknown quantity {y!r}: expected one of {known}, or a function of a run")
    if values.shape != run.steps.shape:
        raise ValueError(f"expected one value a frame, shape {run.steps.shape}, got {values.shape}")
    return values


def check_square(name: str, matrix: Any) -> Array:
    """A finite (K, K) float array, or an error with the shape that was given."""
    out = np.asarray(matrix, dtype=float)
    if out.ndim != 2 or out.shape[0] != out.shape[1] or not out.size:
        raise ValueError(f"{name}: expected a (K, K) matrix, got shape {out.shape}")
    if not np.isfinite(out).all():
        raise ValueError(f"{name}: {int((~np.isfinite(out)).sum())} entries are NaN or infinite")
    return out


def check_points(name: str, points: Any, dim: int | None = None) -> Array:
    """A finite (N, D) float array, or an error with the shape that was given."""
    out = np.asarray(points, dtype=float)
    if out.ndim != 2 or not out.size or (dim is not None and out.shape[1] != dim):
        want = "(N, D)" if dim is None else f"(N, {dim})"
        raise ValueError(f"{name}: expected shape {want}, got {out.shape}")
    if not np.isfinite(out).all():
        bad = int((~np.isfinite(out)).any(axis=1).sum())
        raise ValueError(f"{name}: {bad} of {len(out)} points are NaN or infinite")
    return out
