"""Who does the runs: processes of one thread each, or any executor; and how work reaches them.

The default workers are forked from one clean process that has imported the simulator before (a
multiprocessing "forkserver"), so that any number of them costs one import of torch. Forking this
process itself would be faster still, but copies held locks, and autograd refuses to run in the fork
of a process that has used a GPU. Where that kind is not to be had, every worker is a fresh process.
Neither executes the calling script again: it needs no `if __name__ == "__main__"`.
"""

from __future__ import annotations

import io
import json
import multiprocessing
import os
import pickle
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from multiprocessing import context
from pathlib import Path
from types import ModuleType
from typing import Any

import cloudpickle
import numpy as np
from joblib import cpu_count
from tqdm import tqdm

_HEAVY = 1 << 20  # bytes above which an array travels by file
_ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "MKL", "OPENBLAS")}
# forks of a process that has loaded a graphics framework fail on macOS
_Kind, _KindOfContext = (
    (context.ForkServerProcess, context.ForkServerContext)
    if sys.platform == "linux"
    else (context.SpawnProcess, context.SpawnContext)
)
if sys.platform == "linux":
    from multiprocessing import forkserver

    _server = forkserver.ForkServer()
    _server.set_forkserver_preload(["vqlab.drift.simulate"])
_pool: tuple[int, ProcessPoolExecutor] | None = None


def pool(workers: int | None = None) -> Executor:
    """The default workers, the same ones from call to call.

    They know this library as it was when they were first started.

    Args:
        workers: how many processes; None = one per core this process may use. One works in this
            process itself.
    Raises:
        ValueError: fewer than 1.
    """
    global _pool
    count = cpu_count() if workers is None else workers
    if count < 1:
        raise ValueError(f"workers must be an integer >= 1, got {workers!r}")
    if count == 1:
        return InProcess()
    if _pool is not None and (_pool[0] != count or getattr(_pool[1], "_broken", False)):
        close_pool()
    if _pool is None:
        _pool = count, ProcessPoolExecutor(count, _Context(), initializer=_prepare)
    return _pool[1]


def close_pool() -> None:
    """End the default workers at once, whatever they do; the next sweep starts new ones."""
    global _pool
    if _pool is not None:
        processes = list((_pool[1]._processes or {}).values())
        _pool[1].shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.terminate()
        _pool = None


class _Process(_Kind):  # type: ignore[valid-type, misc]
    @staticmethod
    def _Popen(process: Any) -> Any:
        """Start a worker that knows nothing of the calling script and has one thread."""
        script, before = sys.modules["__main__"], dict(os.environ)
        sys.modules["__main__"] = ModuleType("__main__")
        os.environ.update(_ONE_THREAD)
        try:
            with _deaf(), _own_server():
                return _Kind._Popen(process)
        finally:
            sys.modules["__main__"] = script
            for name in _ONE_THREAD:
                if name in before:
                    os.environ[name] = before[name]
                else:
                    del os.environ[name]


@contextmanager
def _deaf() -> Iterator[None]:
    """Blocks Ctrl-C, also in what is started here: from the first, while it still imports."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _own_server() -> Iterator[None]:
    """Forks from our server, begun deaf and prepared; others' workers are to be neither.

    Python has one for all who ask: whoever comes first decides what it imports and hears.
    """
    if sys.platform != "linux":
        yield
        return
    before = forkserver.connect_to_new_process
    forkserver.connect_to_new_process = _server.connect_to_new_process
    try:
        yield
    finally:
        forkserver.connect_to_new_process = before


class _Context(_KindOfContext):  # type: ignore[valid-type, misc]
    Process = _Process


class InProcess(Executor):
    """Does the work at once, in this process and thread."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Call, and give the answer as a future that is done."""
        future: Future[Any] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


def _prepare() -> None:
    """What a worker does first."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the one who waits for the table
    tqdm.set_lock(threading.RLock())  # its own is a semaphore, which a worker that is ended leaks
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _one_thread()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()  # returns when the parent is gone, killed or not
        os._exit(1)


@lru_cache(maxsize=1)
def _one_thread() -> None:
    """Runs are small: more threads than one per process only make them wait for each other."""
    from threadpoolctl import threadpool_limits

    threadpool_limits(1)
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)


@contextmanager
def threads_kept() -> Iterator[None]:
    """Gives this process its own number of threads back, whatever runs in it did to it."""
    torch = sys.modules.get("torch")
    before = torch.get_num_threads() if torch else None
    try:
        yield
    finally:
        if torch:
            torch.set_num_threads(before)


class Parcels:
    """Packs calls for workers; large arrays (recordings) go once into a file that workers map.

    Args:
        by_file: whether workers see this machine's files. Otherwise arrays travel in every parcel.
    """

    def __init__(self, by_file: bool) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="vqlab-sweep-") if by_file else None
        self._arrays: dict[
            int, tuple[np.ndarray, str]
        ] = {}  # holds the array: its id stays its own

    def pack(self, *call: Any) -> bytes:
        """Anything, functions of a notebook included, as bytes."""
        buffer = io.BytesIO()
        _Packer(buffer, self._path if self._folder else None).dump((os.getpid(), call))
        return buffer.getvalue()

    def _path(self, array: np.ndarray) -> str:
        assert self._folder is not None
        if id(array) not in self._arrays:
            path = Path(self._folder.name) / f"{len(self._arrays)}.npy"
            np.save(path, array)
            self._arrays[id(array)] = array, str(path)
        return self._arrays[id(array)][1]

    def close(self) -> None:
        """Delete the files."""
        if self._folder is not None:
            self._folder.cleanup()


class _Packer(cloudpickle.Pickler):
    def __init__(self, file: io.BytesIO, path: Callable[[np.ndarray], str] | None) -> None:
        super().__init__(file)
        self._path = path

    def persistent_id(self, value: Any) -> str | None:
        heavy = type(value) is np.ndarray and value.nbytes >= _HEAVY and not value.dtype.hasobject
        return self._path(value) if heavy and self._path else None


class _Unpacker(pickle.Unpickler):
    def persistent_load(self, path: Any) -> np.ndarray:
        array: np.ndarray = np.load(path, mmap_mode="r")
        return array


def work(parcel: bytes) -> dict[str, Any]:
    """Unpack (simulator, measure, keyword arguments, keep) and do it; errors come back as text.

    Returns:
        row, used (settings the simulator chose), seconds, run (None unless keep); or error, trace.
    """
    try:
        caller, (simulator, measure, settings, keep) = _Unpacker(io.BytesIO(parcel)).load()
        if caller != os.getpid():
            _one_thread()
        began = time.perf_counter()
        run = simulator(**settings)
        row = measure(run)
        if not isinstance(row, Mapping):
            raise TypeError(
                f"measure must return a dict of numbers by name, got {type(row).__name__}"
            )
        row = {str(name): plain(value) for name, value in row.items()}
        json.dumps(row)  # a measure that cannot be stored is told so here, with its run's settings
        used = getattr(run, "settings", {})
        return {
            "row": row,
            "used": {name: used[name] for name in ("rate", "codebook_size") if name in used},
            "seconds": round(time.perf_counter() - began, 3),
            "run": run if keep else None,
        }
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}", "trace": traceback.format_exc()}


def plain(value: Any) -> Any:
    """A measure as JSON keeps it."""
    if hasattr(value, "tolist"):  # numpy's and torch's
        return value.tolist()
    if isinstance(value, Mapping):
        return {str(name): plain(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    return value
