"""Threads that search side by side, each with its own part of the work.

Parts meet once, at the end. PyTorch's own threads would meet after each of hundreds of small
products and reductions, and wait each time for the slowest: on a busy machine, for one that sleeps.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TypeVar

import torch

Item = TypeVar("Item")
Result = TypeVar("Result")

# More than these would mostly wait for Python's lock between two products.
_MOST_WORKERS = 4
# Multiplications (10 ms of them) below which it does not pay to leave torch's own threads, which
# wait for their next work for about that long, awake and on the same cores.
_FEW_PRODUCTS = 1 << 31


class Crew:
    """As many workers as torch has threads in the calling thread, or the calling thread alone."""

    def __init__(self, products: int) -> None:
        threads = torch.get_num_threads()
        self.workers = 1 if products < _FEW_PRODUCTS else min(threads, _MOST_WORKERS)
        self._each = threads // self.workers

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
        """The function's results in order; the first error is raised once all parts have ended."""
        if self.workers == 1:
            return [function(item) for item in items]
        futures = [_pool(self.workers, self._each).submit(function, item) for item in items]
        wait(futures)
        return [future.result() for future in futures]


_lock = threading.Lock()
_pools: dict[tuple[int, int], ThreadPoolExecutor] = {}


def _pool(workers: int, threads_each: int) -> ThreadPoolExecutor:
    with _lock:
        pool = _pools.get((workers, threads_each))
        if pool is None:
            pool = ThreadPoolExecutor(
                workers, "nearest-code", torch.set_num_threads, (threads_each,)
            )
            # Setting a thread's number also sets that of threads yet to come. So all workers start
            # now, and the caller sets the number back to what it was.
            before, gate = torch.get_num_threads(), threading.Barrier(workers)
            wait([pool.submit(gate.wait) for _ in range(workers)])
            torch.set_num_threads(before)
            _pools[workers, threads_each] = pool
        return pool


def _forget() -> None:
    """In a forked process: threads stay behind in the parent."""
    global _lock
    _lock = threading.Lock()
    _pools.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
