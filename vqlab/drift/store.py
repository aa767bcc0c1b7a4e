"""Finished runs on disk: one line of JSON each, appended at once, so that a crash loses none."""

from __future__ import annotations

import hashlib
import json
import os
import time
import warnings
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .run import Run


class Store:
    """The results of a sweep, kept under a hash of the settings they came from.

    Args:
        path: a file ending in .jsonl, or a folder that will hold `runs.jsonl`. Whole runs, where
            they are kept, lie beside it as `runs/<key>.npz`.
    Raises:
        ValueError: a file there that is no store.
    """

    def __init__(self, path: str | Path) -> None:
        path = Path(path)
        if path.suffix != ".jsonl" and path.is_file():
            raise ValueError(f"store must be a folder or a .jsonl file, got the file {path}")
        self.file = path if path.suffix == ".jsonl" else path / "runs.jsonl"
        self.lines: dict[str, dict[str, Any]] = {}
        self._out: IO[bytes] | None = None
        self._synced = 0.0
        self._torn = False
        if self.file.exists():
            self._load(self.file.read_bytes())

    def _load(self, content: bytes) -> None:
        strange = 0
        for line in content.splitlines():
            try:
                entry = json.loads(line)
                self.lines[entry["key"]] = entry
            except (ValueError, KeyError, TypeError):
                # what begins like a line was torn by a crash: that run will be done again
                strange += not line.startswith(b'{"key": ')
        self._torn = bool(content) and not content.endswith(b"\n")
        if strange and not self.lines:
            raise ValueError(f"{self.file} holds no runs of a sweep; choose another store")
        if strange:
            warnings.warn(f"{self.file}: {strange} strange lines are ignored", stacklevel=4)

    def add(self, key: str, entry: dict[str, Any], run: Run | None = None) -> None:
        """Keep a finished run: its row, and with `run` all of it."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        if run is not None:
            self.run_path(key).parent.mkdir(exist_ok=True)
            run.save(self.run_path(key))  # before the line: a line promises that the run is there
        if self._out is None:
            self._out = self.file.open("ab", buffering=0)
        start = b"\n" if self._torn else b""
        # one write to a file opened for appending: two sweeps into one store do not mix their lines
        self._out.write(start + json.dumps({"key": key, **entry}).encode() + b"\n")
        self._torn = False
        if time.monotonic() - self._synced > 1:
            os.fsync(self._out.fileno())
            self._synced = time.monotonic()
        self.lines[key] = entry

    def run_path(self, key: str) -> Path:
        """Where the whole run of that key lies, if it was kept."""
        folder = "runs" if self.file.name == "runs.jsonl" else f"{self.file.stem}_runs"
        return self.file.parent / folder / f"{key}.npz"

    def close(self) -> None:
        """Write everything through to the disk."""
        if self._out is not None:
            os.fsync(self._out.fileno())
            self._out.close()
            self._out = None


def fingerprint() -> str:
    """Of the methods, the laboratory and the encoder: a store must not outlive what filled it.

    What is asked of them is in the key of each run.
    """
    root, digest = Path(__file__).parent.parent, hashlib.sha256()
    for part in ("quantizers", "drift", "vision"):
        for path in sorted((root / part).rglob("*.py")):
            digest.update(path.relative_to(root).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()[:16]
