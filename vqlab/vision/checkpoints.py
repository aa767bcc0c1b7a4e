"""Checkpoints that are whole or not used: written aside, sealed by a checksum, tensors only."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any, BinaryIO

import torch

from .extra import LIGHTNING

try:
    from lightning.pytorch.plugins.io import CheckpointIO
except ImportError as error:
    raise ImportError(LIGHTNING) from error

SEAL = ".json"


class SealedCheckpoints(CheckpointIO):
    """Lightning's way to the disk, for one file that holds everything.

    A checkpoint is written beside its place, brought to the disk, sealed (a small file with its
    length and SHA-256), and only then given its name: a torn write, a full disk or a killed process
    leave what was there before. It holds tensors, numbers, strings, lists and dictionaries only,
    and is read with ``weights_only=True``.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """Writes it, complete or not at all.

        Raises:
            TypeError: it holds something else than tensors and plain types.
            OSError: the disk is full or cannot be written; what was there before is still there.
        """
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        content = plain(checkpoint)
        partial = target.with_name(target.name + ".partial")
        hashing: _Hashing | None = None
        try:
            with partial.open("wb") as file:
                hashing = _Hashing(file)
                torch.save(content, hashing)  # type: ignore[arg-type]
                file.flush()
                os.fsync(file.fileno())
            seal = {"bytes": hashing.length, "sha256": hashing.digest.hexdigest(),
                    "step": int(checkpoint.get("global_step", 0))}  # fmt: skip
            _seal_of(partial).write_text(json.dumps(seal))
            # The old seal goes first: between the two renames there is no file with a wrong one.
            _seal_of(target).unlink(missing_ok=True)
            partial.replace(target)
            _seal_of(partial).replace(_seal_of(target))
        except (OSError, RuntimeError) as error:
            for left in (partial, _seal_of(partial)):
                left.unlink(missing_ok=True)
            reason = hashing and hashing.failure or error  # torch hides a write's own error
            raise OSError(
                f"the checkpoint {target} could not be written ({reason}); those written before it "
                "are whole: free some space and resume"
            ) from error

    def load_checkpoint(
        self, path: str | Path, map_location: Any = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Reads it, tensors and plain types only.

        Raises:
            ValueError: it is torn, by its seal. FileNotFoundError: there is none.
        """
        source = Path(path)
        if not source.exists():
            raise FileNotFoundError(f"no checkpoint at {source}")
        if _seal_of(source).exists() and not whole(source):
            raise ValueError(f"the checkpoint {source} is torn: its checksum is another")
        where = "cpu" if map_location is None else map_location
        found: dict[str, Any] = torch.load(source, map_location=where, weights_only=True)
        return found

    def remove_checkpoint(self, path: str | Path) -> None:
        """Removes it and its seal."""
        Path(path).unlink(missing_ok=True)
        _seal_of(Path(path)).unlink(missing_ok=True)


def whole(path: str | Path) -> bool:
    """Whether a checkpoint is what its seal says; False without a readable seal."""
    try:
        seal = json.loads(_seal_of(Path(path)).read_text())
        if Path(path).stat().st_size != seal["bytes"]:
            return False
        with Path(path).open("rb") as file:
            return bool(hashlib.file_digest(file, "sha256").hexdigest() == seal["sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        return False


def newest(folder: str | Path) -> Path | None:
    """The whole checkpoint of the latest step in a folder; None if there is none.

    A torn one, or one whose seal is torn or missing, is passed over for the one before it.
    """
    found = sorted(Path(folder).glob("step-*.ckpt"), key=_step, reverse=True)
    return next((path for path in found if whole(path)), None)


def plain(value: Any) -> Any:
    """A copy in which subclasses of dict, list, int, float and str are themselves.

    Raises:
        TypeError: anything else than those, tensors, None, bool and bytes.
    """
    if isinstance(value, torch.Tensor):
        return value.detach()
    if value is None or isinstance(value, (bool, bytes)):
        return value
    if isinstance(value, dict):
        return {plain(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        items = [plain(v) for v in value]
        return tuple(items) if isinstance(value, tuple) else items
    for kind in (int, float, str):
        if isinstance(value, kind):
            return kind(value)
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    raise TypeError(
        f"a checkpoint holds tensors and plain types only, got {type(value).__name__}: "
        f"{value!r:.80}"
    )


def _seal_of(path: Path) -> Path:
    return path.with_name(path.name + SEAL)


def _step(path: Path) -> int:
    digits = path.stem.removeprefix("step-").split("-")[0]
    return int(digits) if digits.isdigit() else -1


class _Hashing:
    """A file that is only written to, and knows its length and checksum."""

    def __init__(self, file: BinaryIO) -> None:
        self.file, self.digest, self.length = file, hashlib.sha256(), 0
        self.failure: OSError | None = None

    def write(self, data: Any) -> int:
        self.digest.update(data)
        self.length += memoryview(data).nbytes
        try:
            return self.file.write(data)
        except OSError as error:
            self.failure = error
            raise

    def flush(self) -> None:
        self.file.flush()
