"""Pictures before they are prepared: folders of files, and faces to draw."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from .faces import synthetic_faces
from .pixels import BadPicture, checked, decoded

Bad = Literal["raise", "skip"]
Result = tuple[str, "NDArray[np.uint8] | BadPicture"]
Block = Callable[[], list[Result]]
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
BLOCK = 64  # pictures that one thread reads at a time


class Originals(Protocol):
    """Pictures to be prepared: how many, from what, and block by block.

    ``resolution`` is the side in pixels; ``bad`` says what becomes of a damaged picture ("raise" or
    "skip"); ``where`` names their place for a reader; ``licence`` is said when they are prepared,
    None where there is nothing to say.
    """

    resolution: int
    bad: Bad
    where: str
    licence: str | None

    def __len__(self) -> int: ...

    def about(self) -> dict[str, Any]:
        """What the prepared array is a function of, in plain types; equal ones share an array."""

    def blocks(self, start: int) -> Iterator[Block]:
        """From picture ``start`` on, calls that give names and (3, R, R) uint8, or BadPicture.

        The calls may run in other threads, several at once; their results are taken in order.
        """


class ImageFolder:
    """See :func:`image_folder`."""

    def __init__(self, folder: Path, names: Sequence[str], settings: dict[str, Any], bad: Bad):
        self.folder, self.names, self.settings, self.bad = folder, names, settings, bad
        self.resolution: int = settings["resolution"]
        self.where = str(folder)
        self.licence: str | None = None

    def __len__(self) -> int:
        return len(self.names)

    def about(self) -> dict[str, Any]:
        """The settings, and a checksum of the files' names, lengths and times."""
        listing = hashlib.sha256()
        for name in self.names:
            found = os.stat(self.folder / name)
            line = f"{name}\0{found.st_size}\0{found.st_mtime_ns}\n"
            listing.update(line.encode("utf-8", "surrogateescape"))
        return {"kind": "folder", "files": listing.hexdigest(), **self.settings}

    def blocks(self, start: int) -> Iterator[Block]:
        """See :class:`Originals`."""
        for begin in range(start, len(self.names), BLOCK):
            yield partial(self._read, self.names[begin : begin + BLOCK])

    def _read(self, names: Sequence[str]) -> list[Result]:
        # Reading fails for the disk's reasons, not the picture's: that is never skipped.
        return decoded_all(
            ((name, str(self.folder / name), (self.folder / name).read_bytes()) for name in names),
            self.settings,
        )


def decoded_all(files: Any, settings: dict[str, Any]) -> list[Result]:
    """Names, and the pictures of (name, place, bytes), or what is wrong with them."""
    results: list[Result] = []
    for name, place, content in files:
        try:
            results.append((name, decoded(content, **settings, name=place)))
        except BadPicture as error:
            results.append((name, error))
    return results


def image_folder(
    path: str | Path,
    resolution: int = 64,
    filter: str = "lanczos",
    background: str = "white",
    bad: Bad = "raise",
) -> ImageFolder:
    """All pictures in a folder and the folders within, to be prepared.

    Files ending in .jpg, .jpeg, .png or .webp, in capitals or not, in the order of their paths
    below ``path`` (by code points, "/" between the parts). What begins with a dot is passed over,
    files and folders. A link to a file is read as the file; a link to a folder is not followed. How
    a file becomes a square of colours: :func:`vqlab.vision.pixels.decoded`.

    Args:
        path: the folder. resolution: height and width in pixels.
        filter: "lanczos", "bicubic", "bilinear" or "box"; all antialiased.
        background: behind transparent pixels.
        bad: what becomes of a damaged file: "raise" ends the preparation with its path, "skip"
            leaves it out, counts it in the manifest and warns.
    Returns:
        the pictures, for :func:`vqlab.vision.prepare`; nothing is read yet.
    Raises:
        NotADirectoryError: no such folder.
        ValueError: no picture in it, or settings that cannot be.

    Source: ours.
    """
    settings, bad = checked(resolution, filter, background), checked_bad(bad)
    folder = Path(path).expanduser()
    if not folder.is_dir():
        raise NotADirectoryError(f"no folder at {folder}")
    names = []
    for place, inner, files in os.walk(folder):
        inner[:] = [name for name in inner if not name.startswith(".")]
        below = Path(place).relative_to(folder)
        names += [
            (below / name).as_posix()
            for name in files
            if name.lower().endswith(SUFFIXES) and not name.startswith(".")
        ]
    if not names:
        raise ValueError(f"no picture in {folder}: looked for files ending in {' '.join(SUFFIXES)}")
    return ImageFolder(folder, sorted(names), settings, bad)


def checked_bad(bad: Bad) -> Bad:
    """Raises ValueError where it is neither "raise" nor "skip"."""
    if bad not in ("raise", "skip"):
        raise ValueError(f"bad must be 'raise' or 'skip', got {bad!r}")
    return bad


class FacesToDraw:
    """The first ``count`` faces of :func:`synthetic_faces`, to be drawn once and kept.

    Args:
        count: how many, 1 or more. resolution: height and width in pixels, 8 to 1024.
        seed: of the endless set.
    Raises:
        ValueError: a count below 1, or what :func:`synthetic_faces` refuses.

    Source: ours.
    """

    bad: Bad = "raise"
    where = "drawn by vqlab"
    licence: str | None = None

    def __init__(self, count: int = 2000, resolution: int = 64, seed: int = 0) -> None:
        if isinstance(count, bool) or int(count) != count or count < 1:
            raise ValueError(f"count must be an integer >= 1, got {count!r}")
        synthetic_faces(0, resolution, seed)
        self.count, self.resolution, self.seed = int(count), int(resolution), int(seed)

    def __len__(self) -> int:
        return self.count

    def about(self) -> dict[str, Any]:
        """Number, size and seed, and the bits of the first face: they change with the drawing."""
        first = synthetic_faces(0, self.resolution, self.seed).numpy().tobytes()
        return {
            "kind": "synthetic faces", "count": self.count, "resolution": self.resolution,
            "seed": self.seed, "first": hashlib.sha256(first).hexdigest(),
        }  # fmt: skip

    def blocks(self, start: int) -> Iterator[Block]:
        """See :class:`Originals`."""
        for begin in range(start, self.count, BLOCK):
            yield partial(self._draw, range(begin, min(begin + BLOCK, self.count)))

    def _draw(self, numbers: range) -> list[Result]:
        stack = synthetic_faces(slice(numbers.start, numbers.stop), self.resolution, self.seed)
        return [(f"face-{i}", face) for i, face in zip(numbers, stack.numpy(), strict=True)]
