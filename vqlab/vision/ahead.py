"""``python -m vqlab.vision.prepare``: pictures made ready for training, ahead of it.

    python -m vqlab.vision.prepare folder ~/pictures --resolution 64
    python -m vqlab.vision.prepare celeba-hq ~/celeba_hq_256 --resolution 64 --bad skip
    python -m vqlab.vision.prepare celeba-hq owner/name --revision 0123…cdef
    python -m vqlab.vision.prepare faces --count 30000
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from .celeba import celeba_hq
from .originals import FacesToDraw, Originals, image_folder
from .parquet import ParquetFiles
from .pixels import FILTERS
from .prepared import default_folder, prepare

# Made of files, or drawn, once: an array on disk serves every training afterwards.
MAKERS: dict[str, Callable[..., Originals]] = {
    "folder": image_folder,
    "parquet": ParquetFiles,
    "celeba-hq": celeba_hq,
    "faces": FacesToDraw,
}


def parsed(words: list[str] | None = None) -> argparse.Namespace:
    """The settings of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m vqlab.vision.prepare",
        description="Makes pictures ready for training: one array of bytes on disk. What was "
        "stopped goes on where it was.",
    )
    kinds = parser.add_subparsers(dest="source", required=True)
    for name in MAKERS:
        kind = kinds.add_parser(name)
        kind.add_argument("--resolution", type=int, default=64, help="pixels (64)")
        kind.add_argument("--to", help=f"folder for what is prepared ({default_folder()})")
        kind.add_argument("--workers", type=int, help="reading threads (one a core)")
        if name == "faces":
            kind.add_argument("--count", type=int, default=30_000, help="how many (30000)")
            kind.add_argument("--seed", type=int, default=0)
            continue
        kind.add_argument("path", help="of the pictures")
        kind.add_argument("--filter", choices=list(FILTERS), default="lanczos")
        kind.add_argument("--background", default="white", help="behind transparent pixels")
        kind.add_argument("--bad", choices=["raise", "skip"], default="raise",
                          help="what becomes of a damaged file")  # fmt: skip
        if name == "celeba-hq":
            kind.add_argument("--revision", help="the commit of a data set on Hugging Face")
    return parser.parse_args(words)


def main(words: list[str] | None = None) -> None:
    """Prepares, and says where the pictures are. Raises SystemExit with one sentence."""
    settings: dict[str, Any] = vars(parsed(words))
    source, to, workers = (settings.pop(name) for name in ("source", "to", "workers"))
    try:
        found = prepare(MAKERS[source](**settings), to, workers)
    except (ValueError, OSError, ImportError) as error:
        raise SystemExit(f"error: {error}") from None
    side = found.resolution
    print(f"{len(found):,} pictures of {side} x {side} pixels, {len(found.skipped)} skipped: "
          f"{found.folder}\n--data.source prepared --data.path {found.folder}")  # fmt: skip
