"""How an array of pictures is written so that nothing stops it for good: not kill -9, no full disk.

In the pictures' folder: ``pictures.partial`` grows row by row, and after each stretch of rows that
is safely on the disk ``progress.jsonl`` gets a line. At the end the array takes its name, then the
manifest is written: an array without a manifest is not finished.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import json
import os
import shutil
import time
import warnings
import zlib
from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any

import numpy as np
import PIL
from joblib import cpu_count
from tqdm.auto import tqdm

from .journal import HEAD, JOURNAL, PARTIAL, Journal, write_whole
from .originals import Block, Originals, Result
from .pixels import BadPicture

ARRAY, MANIFEST = "pictures.npy", "manifest.json"
SECONDS = 2.0  # between two lines of the journal: what a killed process loses


def build(
    originals: Originals, about: dict[str, Any], place: Path, workers: int | None, progress: bool
) -> None:
    """Writes array and manifest, from where an earlier call was stopped.

    Raises:
        BadPicture: a damaged original that is not to be skipped. ValueError: none is whole.
        OSError: the array cannot be written, or an original not read; what is done stays.
    """
    side = originals.resolution
    row = 3 * side * side
    if (place / ARRAY).exists() and not (place / PARTIAL).exists():
        (place / ARRAY).rename(place / PARTIAL)  # it stopped just before the manifest
    total = len(originals)
    try:
        journal = Journal(place, about, row)
        _room(place, (total - journal.next) * row)
        if originals.licence:
            tqdm.write(originals.licence)
        (place / PARTIAL).touch()
        with (place / PARTIAL).open("r+b") as file:
            file.truncate(HEAD + len(journal.names) * row)
            file.seek(0, os.SEEK_END)
            bar = tqdm(total=total, initial=journal.next, disable=not progress,
                       unit=" pictures", desc=f"preparing {about['kind']}")  # fmt: skip
            with bar:
                _rows(originals, journal, file, workers, bar)
            if not journal.names:
                raise ValueError(f"not one of {total} pictures is whole; the first: "
                                 f"{': '.join(journal.skipped[0])}")  # fmt: skip
            file.seek(0)
            file.write(_head((len(journal.names), 3, side, side)))
            file.flush()
            os.fsync(file.fileno())
        _finish(place, {**about, "where": originals.where}, journal, side)
    except _Unread as error:
        raise error.cause from None
    except OSError as error:
        raise OSError(
            error.errno,
            f"the pictures could not be written to {place} ({error.strerror or error}); what is "
            "done stays: free some space, or name another folder, and call again",
        ) from None


def _rows(
    originals: Originals, journal: Journal, file: IO[bytes], workers: int | None, bar: Any
) -> None:
    last = time.monotonic()
    results = _results(originals, journal.next, workers or cpu_count())
    try:
        for name, picture in results:
            if isinstance(picture, BadPicture):
                if originals.bad == "raise":
                    raise picture
                journal.skipped.append((name, picture.reason))
            else:
                content = picture.tobytes()
                file.write(content)
                journal.crc = zlib.crc32(content, journal.crc)
                journal.names.append(name)
            bar.update()
            if time.monotonic() - last >= SECONDS:
                journal.note(file)
                last = time.monotonic()
    except BaseException:
        with contextlib.suppress(OSError):  # the disk may be what failed
            journal.note(file)
        raise
    finally:
        results.close()  # a traceback that is kept would keep the threads
    journal.note(file)


class _Unread(Exception):
    """An error of the source, to be told from one of the disk that is written to."""

    def __init__(self, cause: BaseException) -> None:
        self.cause = cause


def _results(originals: Originals, start: int, workers: int) -> Generator[Result, None, None]:
    """In order, while others are read ahead. Pillow and numpy let threads run side by side."""
    waiting: deque[Future[list[Result]]] = deque()
    blocks = originals.blocks(start)
    pool = ThreadPoolExecutor(workers)
    try:
        more: Block | None = None
        while True:
            try:
                while len(waiting) < 2 * workers and (more := next(blocks, None)) is not None:
                    waiting.append(pool.submit(more))
                if not waiting:
                    return
                results = waiting.popleft().result()
            except OSError as error:
                raise _Unread(error) from None
            yield from results
    finally:
        pool.shutdown(cancel_futures=True)


def _finish(place: Path, about: dict[str, Any], journal: Journal, side: int) -> None:
    partial, array = place / PARTIAL, place / ARRAY
    sha = digest(partial)
    partial.replace(array)
    found = array.stat()
    manifest = {
        "source": about, "count": len(journal.names), "resolution": side,
        "bytes": found.st_size, "time": found.st_mtime_ns, "sha256": sha,
        "skipped": journal.skipped, "names": journal.names,
        "versions": {"pillow": PIL.__version__, "numpy": np.__version__},
    }  # fmt: skip
    write_whole(place / MANIFEST, json.dumps(manifest, indent=1) + "\n")
    (place / JOURNAL).unlink()


def clear(place: Path) -> None:
    """Removes what was prepared in a folder."""
    for name in (MANIFEST, JOURNAL, PARTIAL, ARRAY):
        (place / name).unlink(missing_ok=True)


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Only one process at a time; the lock ends with the process, however that ends."""
    with path.open("a+b") as file:
        try:
            import fcntl
        except ImportError:  # Windows
            import msvcrt

            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1)  # type: ignore[attr-defined]
            yield
            return
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            tqdm.write(f"another process prepares {path.parent}: waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError as error:  # some disks of clusters have no locks
            warnings.warn(
                f"{path.parent} cannot be locked ({error.strerror}): let no second process prepare "
                "the same pictures at the same time",
                stacklevel=4,
            )
        yield


def _head(shape: tuple[int, ...]) -> bytes:
    head = io.BytesIO()
    about = {"descr": "|u1", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(head, about)
    if head.tell() != HEAD:
        raise RuntimeError(f"numpy's header has {head.tell()} bytes, expected {HEAD}")
    return head.getvalue()


def _room(place: Path, needed: int) -> None:
    free = shutil.disk_usage(place).free
    if needed > free:
        short = f"{needed / 1e9:.1f} GB are needed, {free / 1e9:.1f} GB are free"
        raise OSError(errno.ENOSPC, short)
