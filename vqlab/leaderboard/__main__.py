"""Remake the leaderboard: ``python -m vqlab.leaderboard``, or ``make leaderboard``."""

from __future__ import annotations

import argparse
import hashlib
import shlex
import time
from pathlib import Path

from ..drift.store import fingerprint
from .produce import produce
from .results import save
from .tracks import STEPS


def main(arguments: list[str] | None = None) -> None:
    """Reads the arguments, does the work, writes the file."""
    parser = argparse.ArgumentParser(prog="python -m vqlab.leaderboard", description=__doc__)
    parser.add_argument("--steps", type=int, default=STEPS, help="of each run (%(default)s)")
    parser.add_argument("--seeds", type=int, default=10, help="fresh seeds (%(default)s)")
    parser.add_argument("--recordings", type=int, default=5,
                        help="of the real encoder; 0 leaves it out (%(default)s)")  # fmt: skip
    parser.add_argument("--methods", nargs="+", help="labels of the table; all if not given")
    parser.add_argument("--motions", nargs="+", help="names; all if not given")
    parser.add_argument("--out", type=Path, default=Path("data/leaderboard.csv"),
                        help="the file (%(default)s); beside it, what was run: .json")  # fmt: skip
    parser.add_argument("--store", type=Path, default=Path("runs/leaderboard"),
                        help="of finished runs: a second call continues (%(default)s)")  # fmt: skip
    parser.add_argument("--workers", type=int, help="processes; one per core if not given")
    given = parser.parse_args(arguments)
    changed = [shlex.join([f"--{name}", *map(str, value if isinstance(value, list) else [value])])
               for name in ("steps", "seeds", "recordings", "methods", "motions")
               if (value := getattr(given, name)) != parser.get_default(name)]  # fmt: skip
    tracks = {"laboratory": given.seeds, "encoder": given.recordings}
    began = time.monotonic()

    def say(what: str) -> None:
        print(f"vqlab: {time.monotonic() - began:4.0f} s, {what}", flush=True)

    board = produce(
        given.steps, {name: count for name, count in tracks.items() if count},
        only=given.methods, motions=given.motions, store=given.store / fingerprint(),
        workers=given.workers, say=say,
        command=" ".join(["python -m vqlab.leaderboard", *changed]),
    )  # fmt: skip
    save(board, given.out)
    size = given.out.stat().st_size / 1000
    say(f"{len(board.rows)} runs written to {given.out}, {size:.0f} kB")
    for path in (given.out, given.out.with_suffix(".json")):  # for data/README.md
        print(f"{path.name}: {hashlib.sha256(path.read_bytes()).hexdigest()}")


if __name__ == "__main__":
    main()
