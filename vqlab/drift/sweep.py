"""Grids of runs on every core, interrupted and resumed at will, as one tidy table."""

from __future__ import annotations

import functools
import itertools
import json
import queue
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor, Future, wait
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from joblib import cpu_count
from tqdm.auto import tqdm

from .grid import Cell, cells, several
from .store import Store
from .table import frame, summary, version, warn_of_versions
from .workers import InProcess, Parcels, close_pool, pool, threads_kept, work

if TYPE_CHECKING:
    import pandas as pd

    from .motions import Motion
    from .run import Run

_MOST_WAITING = 10_000  # runs handed at once to an executor of the caller's,
_MOST_BYTES = 1 << 30  # or as many as fit in here
_GRACE = 0.5  # seconds a run may still take when the sweep is ended, before its worker is


class SweepError(RuntimeError):
    """A run of a sweep failed; the message holds its settings and the error of the worker."""


def sweep(
    methods: str | Sequence[Any] | Mapping[str, Any],
    motions: str | Motion | Sequence[str | Motion] | Mapping[str, str | Motion] | None = None,
    speeds: float | Iterable[float] | None = None,
    rates: float | Iterable[float | None] | None = None,
    codebook_sizes: int | Iterable[int] | None = None,
    seeds: int | Iterable[int] = range(5),
    *,
    grid: Mapping[str, Sequence[Any]] | None = None,
    measure: Callable[[Run], Mapping[str, Any]] = summary,
    store: str | Path | None = None,
    save_runs: bool = False,
    paired: bool = True,
    executor: Executor | None = None,
    workers: int | None = None,
    progress: bool = True,
    errors: Literal["raise", "keep"] = "raise",
    simulator: Callable[..., Any] | None = None,
    **settings: Any,
) -> pd.DataFrame:
    """Run every combination and measure each.

    `sweep(["vq", "nsvq"], "translate", speeds=[0.01, 0.1])` gives a table of 2 x 2 x 5 rows.

    Runs are independent and take one thread each. They start with the first seed of every
    combination, so that an interrupted sweep is already a comparison. With a `store`, Ctrl-C or a
    crash loses only what was under way: the same call again does the rest. Ctrl-C says how many
    runs are finished.

    Args:
        methods: a name, or several names or (name, options) pairs, or a dict from labels to those.
        motions: likewise names, motions, or a dict from labels to those; None = `motion` among the
            settings, or stationary.
        speeds: of every motion, in its own unit; None = each motion's own. Stationary has one.
        rates: learning rates; None = the simulator's default. A method without gradient has none:
            its runs are the same at each, and the column `rate` is NaN (None beside schedules).
        codebook_sizes: K.
        seeds: seeds of the runs, or how many to take from 0 up.
        grid: any further keywords of `simulate`, each with the values to try.
        measure: from a Run to a dict of numbers, the columns of the table; it may be a lambda.
        store: folder or .jsonl file that keeps each finished run's row, under a hash of its
            settings and of the measure's source.
        save_runs: keep whole runs in the store, too; the column `run` says where.
        paired: every method meets the same seeds, hence the same points, batches and first codes.
            False gives each method seeds of its own (column `seed`).
        executor: any concurrent.futures.Executor, for instance a dask client's `get_executor()`; it
            is not shut down. None = `workers` processes that stay for the next sweep.
        workers: how many of these; None = one per core, 1 = this process itself.
        progress: show a bar.
        errors: "raise" stops at the first run that fails; "keep" goes on and puts the message into
            the column `error`. Failed runs are not stored, so the next call tries them again.
        simulator: what to run instead of `simulate`, with the same keyword arguments.
        settings: keyword arguments of `simulate` that hold for all runs, `**preset(...)` included.
    Returns:
        a DataFrame with one row per run: method, motion, speed, rate, codebook_size, the keys of
        `grid`, seed, then the measures. The order of rows depends on the arguments alone.
    Raises:
        ValueError, TypeError: bad settings, before anything runs.
        SweepError: a run failed, with its settings.
    """
    if errors not in ("raise", "keep"):
        raise ValueError(f"errors must be 'raise' or 'keep', got {errors!r}")
    if save_runs and store is None:
        raise ValueError("save_runs=True needs a store= to save them in")
    if executor is not None and workers is not None:
        raise ValueError(f"give executor= or workers=, not both (workers={workers!r})")
    function = simulator or _simulate()
    if simulator is None:
        _check_methods(methods)
    table = cells(
        function, measure, methods, motions, speeds, rates, codebook_sizes, seeds,
        grid or {}, paired, settings,
    )  # fmt: skip
    book = Store(store) if store is not None else None
    done: dict[str, dict[str, Any]] = {}
    for cell in table:
        entry = book.lines.get(cell.key) if book else None
        if book and entry and (not save_runs or book.run_path(cell.key).exists()):
            done[cell.key] = entry
    warn_of_versions(done)
    todo = {cell.key: cell for cell in sorted(table, key=lambda c: c.turn) if cell.key not in done}

    def record(cell: Cell, outcome: dict[str, Any]) -> None:
        failed = "error" in outcome
        if failed and errors == "raise":
            raise SweepError(f"a run failed: {outcome['error']}\nits settings: {cell.text}\n"
                             f"where it failed:\n{outcome['trace']}")  # fmt: skip
        run = outcome.pop("run", None)
        entry = {"settings": cell.plain, "version": version(), **outcome}
        if book and not failed:
            book.add(cell.key, entry, run)
        # through JSON, so that a table is the same whether just computed or read from a store
        done[cell.key] = json.loads(json.dumps(entry))
        bar.update()

    total = len(todo) + len(done)
    bar = tqdm(total=total, initial=len(done), disable=not progress, unit="run")
    try:
        with bar:
            pack = functools.partial(_pack, function, measure, save_runs)
            _run(list(todo.values()), pack, record, executor, workers)
    except KeyboardInterrupt:  # where in the machinery it came is nobody's concern
        raise KeyboardInterrupt(_so_far(done, total, book)) from None
    finally:
        if book:
            book.close()
    return frame(table, done, book if save_runs else None)


def _simulate() -> Callable[..., Any]:
    from .simulate import simulate  # here, so that torch is not needed to sweep something else

    return simulate


def _check_methods(methods: Any) -> None:
    """Refuse unknown names here, rather than in a worker."""
    from ..quantizers.registry import method

    for value in methods.values() if isinstance(methods, Mapping) else several(methods):
        name = value[0] if isinstance(value, tuple) else value
        if isinstance(name, str):
            method(name)


def _so_far(done: Mapping[str, dict[str, Any]], total: int, book: Store | None) -> str:
    """What an interrupted sweep has, and how to have the rest."""
    count = sum("error" not in entry for entry in done.values())
    finished = f"{count} of {total} runs are finished"
    if book is None:
        return f"{finished}; with store= they would be kept, and the same call continue there"
    return f"{finished} and kept in {book.file}: the same call continues there"


def _pack(
    simulator: Callable[..., Any],
    measure: Callable[..., Any],
    keep: bool,
    parcels: Parcels,
    cell: Cell,
) -> bytes:
    return parcels.pack(simulator, measure, cell.settings, keep)


def _run(
    todo: Sequence[Cell],
    pack: Callable[[Parcels, Cell], bytes],
    record: Callable[[Cell, dict[str, Any]], None],
    executor: Executor | None,
    count: int | None,
) -> None:
    """Hand out the cells and record what comes back, in whatever order, until all is done."""
    if not todo:
        return
    crew = pool(count) if executor is None else executor
    here = isinstance(crew, InProcess)
    own = executor is None and not here
    parcels = Parcels(by_file=own)
    ahead = _MOST_WAITING if executor is not None else 1 if here else 4 * cpu_count()
    came: queue.SimpleQueue[Future[dict[str, Any]]] = queue.SimpleQueue()
    waiting: dict[Future[dict[str, Any]], Cell] = {}
    left, size = iter(todo), 1
    try:
        with threads_kept():
            while True:
                room = max(1, min(ahead, _MOST_BYTES // size)) - len(waiting)
                for cell in itertools.islice(left, room):
                    parcel = pack(parcels, cell)
                    size = len(parcel)
                    future = crew.submit(work, parcel)
                    waiting[future] = cell
                    future.add_done_callback(came.put)
                if not waiting:
                    return
                try:
                    future = came.get(timeout=1.0)  # a wait without end could not be interrupted
                except queue.Empty:
                    continue
                record(waiting[future], _result(future, list(waiting.values())))
                del waiting[future]
    except BaseException as end:
        under_way = [future for future in waiting if not future.cancel()]
        late = set(under_way)
        try:
            finished, late = wait(under_way, timeout=_GRACE)
            for future in finished:  # is kept, whatever ended the sweep
                if not future.exception() and "error" not in (outcome := future.result()):
                    record(waiting[future], outcome)
        finally:  # a second Ctrl-C ends the grace
            # the first may have come while workers were being started
            if own and (late or isinstance(end, KeyboardInterrupt)):
                close_pool()
        raise
    finally:
        parcels.close()


def _result(future: Future[dict[str, Any]], under_way: Sequence[Cell]) -> dict[str, Any]:
    try:
        return future.result()
    except (
        Exception
    ) as error:  # not the run's own, which comes as text: the worker's or the executor's
        which = "\n".join(cell.text for cell in under_way[: cpu_count()])
        raise SweepError(
            f"a worker was lost ({type(error).__name__}: {error}), perhaps for want of memory; "
            f"under way were {len(under_way)} runs, the oldest:\n{which}"
        ) from error
