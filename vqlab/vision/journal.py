"""How far an array of pictures has come, so that what is done need not be done again."""

from __future__ import annotations

import json
import os
import zlib
from pathlib import Path
from typing import IO, Any

PARTIAL, JOURNAL = "pictures.partial", "progress.jsonl"
HEAD = 128  # bytes of numpy's header, written last


class Journal:
    """How far an array has come: rows on disk, pictures looked at, names, and a running checksum.

    Args:
        place: the folder. about: what the array is made of; a journal about anything else is void.
        row: bytes of a picture.
    """

    def __init__(self, place: Path, about: dict[str, Any], row: int) -> None:
        self.path, self.row = place / JOURNAL, row
        self.names: list[str] = []
        self.skipped: list[tuple[str, str]] = []
        self.crc, self.size = 0, 0
        self._noted = (0, 0)
        first = json.dumps({"about": about}) + "\n"
        try:
            content = self.path.read_text()
        except OSError:
            content = ""
        if not content.startswith(first) or not self._load(content, len(first), place / PARTIAL):
            self.names, self.skipped, self.crc, self.size = [], [], 0, len(first)
            write_whole(self.path, first)
        self._noted = (len(self.names), len(self.skipped))

    @property
    def next(self) -> int:
        """The picture to go on with."""
        return len(self.names) + len(self.skipped)

    def _load(self, content: str, start: int, partial: Path) -> bool:
        self.size = start
        for line in content[start:].splitlines(keepends=True):
            try:
                entry = json.loads(line) if line.endswith("\n") else None
            except ValueError:
                entry = None
            if entry is None:
                break  # torn by a crash
            self.names += entry["names"]
            self.skipped += map(tuple, entry["skipped"])
            self.crc, self.size = entry["crc"], self.size + len(line)
        return _crc(partial, len(self.names) * self.row) == self.crc

    def note(self, file: IO[bytes]) -> None:
        """Brings the rows to the disk, then says so."""
        file.flush()
        os.fsync(file.fileno())
        names, skipped = self.names[self._noted[0] :], self.skipped[self._noted[1] :]
        if not names and not skipped:
            return
        line = json.dumps({"names": names, "skipped": skipped, "crc": self.crc}) + "\n"
        with self.path.open("r+b") as journal:
            journal.truncate(self.size)
            journal.seek(self.size)
            journal.write(line.encode())
            journal.flush()
            os.fsync(journal.fileno())
        self.size += len(line)
        self._noted = (len(self.names), len(self.skipped))


def write_whole(path: Path, text: str) -> None:
    """Writes a small file, complete or not at all. Raises OSError."""
    partial = path.with_name(path.name + ".partial")
    try:
        with partial.open("w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise


def _crc(path: Path, length: int) -> int | None:
    """Of the rows that are there; None where fewer are."""
    crc = 0
    try:
        with path.open("rb") as file:
            file.seek(HEAD)
            while length:
                content = file.read(min(length, 1 << 22))
                if not content:
                    return None
                crc, length = zlib.crc32(content, crc), length - len(content)
    except FileNotFoundError:
        return 0 if not length else None
    return crc
