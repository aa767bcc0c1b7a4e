"""Fair times on a machine with other work: rounds of all candidates, kept where it was quiet."""

import ctypes
import os
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

# Share of the processor that others may use in a round that counts.
QUIET = 0.06
ROUNDS = 7


@dataclass
class Times:
    """Seconds per call of each candidate, one number a round, and the share others took in it."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    others: list[float] = field(default_factory=list)

    def kept(self) -> list[int]:
        """The quiet rounds; where they are fewer than three, the three least disturbed."""
        order = sorted(range(len(self.others)), key=self.others.__getitem__)
        return order[: max(3, sum(share < QUIET for share in self.others))]

    @property
    def busy(self) -> float:
        """The largest share others took in a round that counts."""
        return max(self.others[k] for k in self.kept())

    def median(self, name: str) -> float:
        """Seconds per call."""
        return statistics.median(self.seconds[name][k] for k in self.kept())

    def ratio(self, name: str, to: str) -> float:
        """Median over rounds of the ratio within a round."""
        pairs = ((self.seconds[name][k], self.seconds[to][k]) for k in self.kept())
        return statistics.median(a / b for a, b in pairs)


def contest(jobs: Mapping[str, Callable[[], object]], budget: float) -> Times:
    """Calls all jobs in turn until seven rounds were quiet or the budget (seconds) is spent."""
    calls = {}
    for name, job in jobs.items():
        job()
        begin = time.perf_counter()
        job()
        # A round is to last long enough for the processor's own accounts, which tick every 10 ms.
        calls[name] = max(1, min(200, int(0.08 / (time.perf_counter() - begin))))
    times = Times({name: [] for name in jobs})
    begin = time.perf_counter()
    while sum(share < QUIET for share in times.others) < ROUNDS:
        if time.perf_counter() - begin > budget and len(times.others) >= 3:
            break
        watch = Neighbours()
        for name, job in jobs.items():
            if calls[name] > 1:
                job()  # what the last candidate left in the caches and in its threads
            start = time.perf_counter()
            for _ in range(calls[name]):
                job()
            times.seconds[name].append((time.perf_counter() - start) / calls[name])
        times.others.append(watch.share())
    return times


class Neighbours:
    """What other processes take of the processor from here on."""

    def __init__(self) -> None:
        self.start = time.perf_counter(), _all_busy(), time.process_time()

    def share(self) -> float:
        """Of all cores, 0 to 1; 0 where the system does not tell."""
        wall, busy, own = self.start
        spent = _all_busy() - busy - (time.process_time() - own)
        return max(0.0, spent / (time.perf_counter() - wall) / (os.cpu_count() or 1))


def _all_busy() -> float:
    try:
        with open("/proc/stat") as file:
            ticks = [int(word) for word in file.readline().split()[1:9]]
    except OSError:
        return 0.0
    return (sum(ticks) - ticks[3] - ticks[4]) / os.sysconf("SC_CLK_TCK")


def extra_memory(job: Callable[[], object]) -> float:
    """MiB by which a call raises the process's memory at its highest; NaN where it is not told."""
    try:
        # Memory that earlier jobs freed, but the process keeps, would hide what this one takes.
        ctypes.CDLL(None).malloc_trim(0)
    except (AttributeError, OSError, TypeError):
        pass
    try:
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
        before = _resident("VmRSS")
        job()
        return (_resident("VmHWM") - before) / 1024
    except OSError:
        return float("nan")


def _resident(name: str) -> int:
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(name))
