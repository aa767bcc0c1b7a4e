"""Prepared pictures: one array of bytes on disk, read through memory, with a manifest."""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .building import ARRAY, MANIFEST, build, clear, digest, locked
from .originals import Originals
from .pixels import BadPicture
from .splits import Parts, Subset, divided, set_aside


class Torn(ValueError):
    """Prepared pictures that are not what their manifest says; the message says what to do."""


class Prepared:
    """Pictures (N, 3, R, R) uint8 in a memory map; a batch reads what it needs, and no more.

    Any place that takes pictures by number takes it (`vqlab.vision.data.Pictures`, a batch of
    numbers in brackets); in another process it opens the same file.

    Attributes:
        names: of the pictures, in the order of the array.
        manifest: source (what it was made of), count, resolution, sha256, skipped (name and reason
            of each file that was left out), names, versions.
    """

    def __init__(self, folder: Path, manifest: dict[str, Any]) -> None:
        self.folder, self.manifest = folder, manifest
        self.names: list[str] = manifest["names"]
        self.resolution: int = manifest["resolution"]
        self.array: NDArray[np.uint8] = np.load(folder / ARRAY, mmap_mode="r")

    @classmethod
    def open(cls, folder: str | Path, verify: bool = False) -> Prepared:
        """Pictures that :func:`prepare` has left in a folder of their own.

        Length and time of the array are compared with the manifest, and its SHA-256 where the time
        is another (a copy).

        Args:
            folder: with manifest.json and pictures.npy. verify: compare the SHA-256 in any case.
        Raises:
            FileNotFoundError: no manifest there: nothing was prepared, or not to the end.
            Torn: an unreadable manifest, or an array that is not the one it describes.
        """
        folder = Path(folder).expanduser().absolute()
        manifest, array = _manifest(folder), folder / ARRAY
        again = "prepare them again from the originals"
        if not array.is_file():
            raise Torn(f"{array} is missing, though there is a manifest: {again}")
        found = array.stat()
        if found.st_size != manifest["bytes"]:
            raise Torn(f"{array} has {found.st_size:,} bytes, its manifest says "
                       f"{manifest['bytes']:,}: {again}")  # fmt: skip
        if verify or found.st_mtime_ns != manifest["time"]:
            if digest(array) != manifest["sha256"]:
                raise Torn(f"{array} has another SHA-256 than its manifest: {again}")
            try:  # so that the next look is quick
                os.utime(array, ns=(found.st_atime_ns, manifest["time"]))
            except OSError:
                pass
        opened = cls(folder, manifest)
        side = manifest["resolution"]
        if opened.array.shape != (manifest["count"], 3, side, side):
            raise Torn(f"{array} has the shape {opened.array.shape}, not its manifest's: {again}")
        return opened

    def __len__(self) -> int:
        return len(self.array)

    def __getitem__(self, which: Any) -> NDArray[np.uint8]:
        return np.asarray(self.array[which])

    def __getstate__(self) -> dict[str, Any]:
        return {"folder": self.folder, "manifest": self.manifest}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]  # a memory map would be copied whole

    @property
    def skipped(self) -> list[tuple[str, str]]:
        """Name and reason of every original that was left out."""
        return [(name, reason) for name, reason in self.manifest["skipped"]]

    def split(
        self,
        split: str = "paper",
        files: dict[str, str] | None = None,
        val_share: float = 0.1,
        seed: int = 0,
    ) -> Parts:
        """Pictures to train on, to choose by and to report on.

        Args:
            split, files: see :func:`vqlab.vision.splits.divided`.
            val_share: of the training pictures, set aside to choose by where the split has two
                parts only. seed: of that share.
        Raises:
            ValueError, FileNotFoundError: as there.
        """
        celeba = self.manifest["source"]["kind"] == "celeba-hq"
        parts = [Subset(self, row) for row in divided(self.names, split, files, celeba)]
        if len(parts) == 3:
            return Parts(*parts)
        train, test = parts
        return Parts(*set_aside(train, val_share, seed), test)


def default_folder() -> Path:
    """Where prepared pictures go: ``$VQLAB_CACHE``, or ``~/.cache/vqlab``."""
    return Path(os.environ.get("VQLAB_CACHE") or "~/.cache/vqlab").expanduser()


def prepare(
    originals: Originals,
    folder: str | Path | None = None,
    workers: int | None = None,
    progress: bool = True,
) -> Prepared:
    """The pictures as one array on disk: made once, then used without a look at the originals.

    What is half done when the process ends, by Ctrl-C, kill -9 or a full disk, is gone on with by
    the next call, and the array is the same to the last bit. Of several processes that ask for the
    same pictures one works, the others wait. What is torn is made again, with a warning. (On disks
    shared by machines that holds where they pass on file locks.)

    Args:
        originals: :func:`image_folder`, :func:`celeba_hq`, :class:`ParquetFiles` or
            :class:`FacesToDraw`.
        folder: holds a folder for each set of originals and settings; None is
            :func:`default_folder`. Keep it out of repositories: photographs are not to be passed
            on.
        workers: reading threads; None takes one a core. progress: show a bar.
    Returns:
        :class:`Prepared`.
    Raises:
        BadPicture: a damaged original, by name, unless they are skipped.
        OSError: an original that cannot be read, or an array that cannot be written: the disk is
            full. What is done stays.
        ValueError: not one whole picture, or workers below 1.

    Source: ours.
    """
    if workers is not None and workers < 1:
        raise ValueError(f"workers must be an integer >= 1, got {workers!r}")
    about = originals.about()
    key = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:12]
    root = default_folder() if folder is None else Path(folder).expanduser()
    place = root.absolute() / f"{about['kind'].replace(' ', '-')}-{originals.resolution}px-{key}"
    found = _usable(place)
    if found is None:
        place.mkdir(parents=True, exist_ok=True)
        with locked(place / "lock"):
            found = _usable(place, mend=True)  # another process may have been first
            if found is None:
                build(originals, about, place, workers, progress)
                found = Prepared.open(place)
                if found.skipped:
                    _warn(found)
    if found.skipped and originals.bad == "raise":
        name, reason = found.skipped[0]
        raise BadPicture(name, reason)
    return found


def _usable(place: Path, mend: bool = False) -> Prepared | None:
    try:
        return Prepared.open(place)
    except FileNotFoundError:
        return None
    except Torn as error:
        if mend:
            warnings.warn(f"{error}; this is done now", stacklevel=3)
            clear(place)
        return None


def _manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    if not path.is_file():
        raise FileNotFoundError(f"no prepared pictures in {folder}: {MANIFEST} is missing")
    try:
        found = json.loads(path.read_text())
        numbers = [found[name] for name in ("bytes", "time", "count", "resolution")]
        whole = all(isinstance(number, int) for number in numbers)
        if whole and found["count"] == len(found["names"]) and found["source"]["kind"]:
            found["sha256"], found["skipped"]
            return dict(found)
    except (ValueError, KeyError, TypeError):
        pass
    raise Torn(f"the manifest {path} is torn: prepare the pictures again from the originals")


def _warn(found: Prepared) -> None:
    first = "; ".join(f"{name} ({reason})" for name, reason in found.skipped[:3])
    more = len(found.skipped) - 3
    warnings.warn(
        f"{len(found.skipped)} of {len(found) + len(found.skipped)} pictures are damaged and left "
        f"out: {first}" + (f"; and {more} more, see the manifest" if more > 0 else ""),
        stacklevel=3,
    )
