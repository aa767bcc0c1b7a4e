"""Remake the table of lesson 30: ``python -m vqlab.vision.dynamic``; a second call continues."""

from __future__ import annotations

import argparse
import hashlib
import time
from collections.abc import Sequence
from pathlib import Path

from ...drift.store import fingerprint
from .sweep import STEPS, compare, plan


def main(arguments: Sequence[str] | None = None) -> None:
    """Reads the arguments, does the work, writes the file."""
    parser = argparse.ArgumentParser(prog="python -m vqlab.vision.dynamic", description=__doc__)
    parser.add_argument("--steps", type=int, nargs="+", default=list(STEPS),
                        help="of each training (%(default)s)")  # fmt: skip
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(5)),
                        help="(%(default)s)")  # fmt: skip
    parser.add_argument("--images", nargs="+", default=["photos", "faces"], help="(%(default)s)")
    parser.add_argument("--only", nargs="+", help=f"some of: {', '.join(plan())}")
    parser.add_argument("--out", type=Path, default=Path("data/dynamic_codes.csv"),
                        help="the file (%(default)s)")  # fmt: skip
    parser.add_argument("--store", type=Path, default=Path("runs/dynamic"),
                        help="of finished runs (%(default)s)")  # fmt: skip
    parser.add_argument("--workers", type=int, default=1, help="processes (%(default)s)")
    given = parser.parse_args(arguments)
    began = time.monotonic()
    table = compare(given.seeds, images=given.images, steps=given.steps, only=given.only,
                    store=given.store / fingerprint(), workers=given.workers)  # fmt: skip
    given.out.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(given.out, index=False, float_format="%.5g", lineterminator="\n")
    print(f"vqlab: {len(table)} runs in {given.out}, {time.monotonic() - began:.0f} s")
    print(f"{given.out.name}: {hashlib.sha256(given.out.read_bytes()).hexdigest()}")


if __name__ == "__main__":
    main()
