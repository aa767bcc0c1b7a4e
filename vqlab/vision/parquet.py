"""Pictures in parquet files, as data sets on Hugging Face keep them."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from .originals import BLOCK, Bad, Block, checked_bad, decoded_all
from .pixels import checked

PYARROW = "pictures in parquet files need the package pyarrow: pip install -e '.[train]'"
HUB = "a data set by name needs the package huggingface_hub: pip install huggingface_hub"


class ParquetFiles:
    """All pictures in a parquet file, or in those of a folder and the folders within.

    Files are taken in the order of their paths, pictures in that of the rows. A picture is called
    ``file/name`` after the ``path`` beside its bytes, or ``file/row 000007`` where it has none;
    ``file`` is the parquet file's name without its ending, so that ``train-00000-of-00006`` says
    which part it is of (split "own").

    Args:
        path: file or folder. resolution, filter, background, bad: see :func:`image_folder`.
        column: of the pictures: a struct with ``bytes``, and ``path`` perhaps, or bytes alone.
    Raises:
        FileNotFoundError: no parquet file there. ImportError: pyarrow is not installed.
        ValueError: settings that cannot be, a file without that column, or that is no parquet.

    Source: ours; the struct is that of Hugging Face's ``Image`` feature.
    """

    licence: str | None = None

    def __init__(
        self,
        path: str | Path,
        resolution: int = 64,
        filter: str = "lanczos",
        background: str = "white",
        bad: Bad = "raise",
        column: str = "image",
    ) -> None:
        self.settings, self.bad = checked(resolution, filter, background), checked_bad(bad)
        self.resolution: int = self.settings["resolution"]
        self.column, self._path, self._files = column, Path(path).expanduser(), [Path()][:0]
        self.where = str(self._path)
        self._found()

    def _found(self) -> list[Path]:
        """The files, looked for once."""
        if self._files:
            return self._files
        where = self._path
        found = sorted(where.rglob("*.parquet")) if where.is_dir() else [where]
        if not found or not found[0].is_file():
            raise FileNotFoundError(f"no parquet file at {where}")
        for file in found:
            _column(_opened(file), self.column, file)
        self._files = found
        return found

    def __len__(self) -> int:
        return sum(_opened(file).metadata.num_rows for file in self._found())

    def about(self) -> dict[str, Any]:
        """The settings, and the files' names, lengths and times."""
        files = [[f.name, f.stat().st_size, f.stat().st_mtime_ns] for f in self._found()]
        return {"kind": "parquet", "files": files, "column": self.column, **self.settings}

    def blocks(self, start: int) -> Iterator[Block]:
        """See :class:`vqlab.vision.originals.Originals`."""
        first = 0
        for file in self._found():
            opened = _opened(file)
            rows = opened.metadata.num_rows
            if first + rows > start:
                yield from self._blocks(opened, file, max(0, start - first))
            first += rows

    def _blocks(self, opened: Any, file: Path, start: int) -> Iterator[Block]:
        columns = [_column(opened, self.column, file)]
        at = 0
        for batch in opened.iter_batches(BLOCK, columns=columns):
            begin, at = at, at + batch.num_rows
            if at > start:
                cells = batch.column(0).to_pylist()
                rows = list(enumerate(cells, begin))[max(0, start - begin) :]
                yield partial(decoded_all, [_row(file, *row) for row in rows], self.settings)


class HuggingFace(ParquetFiles):
    """A data set on Hugging Face, by name and commit; its parquet files are fetched when needed.

    They go where huggingface_hub keeps such files. Whether you may use a set, and for what, is
    said on its page.

    Args:
        name: "owner/name". revision: the commit, 40 hexadecimal digits: a branch can change.
        resolution, filter, background, bad, column: see :class:`ParquetFiles`.
    Raises:
        ValueError: no such name or commit. ImportError: huggingface_hub is not installed, when the
            files are needed.
    """

    def __init__(self, name: str, revision: str | None, **settings: Any) -> None:
        self.name, self.revision = name, revision or ""
        if not re.fullmatch(r"[\w.-]+/[\w.-]+", name):
            raise ValueError(f"a data set on Hugging Face is called owner/name, got {name!r}")
        if not re.fullmatch(r"[0-9a-f]{40}", self.revision):
            raise ValueError(
                f"name the commit of {name} as revision, 40 hexadecimal digits; got {revision!r}"
            )
        super().__init__(Path(), **settings)
        self.where = f"{name} at {self.revision}"

    def _found(self) -> list[Path]:
        return []

    def about(self) -> dict[str, Any]:
        """Name, commit and settings: nothing is fetched to find prepared pictures again."""
        return {"kind": "hugging face", "name": self.name, "revision": self.revision,
                "column": self.column, **self.settings}  # fmt: skip

    def _fetched(self) -> ParquetFiles:
        try:
            hub = importlib.import_module("huggingface_hub")
        except ImportError:
            raise ImportError(HUB) from None
        folder = hub.snapshot_download(
            self.name, repo_type="dataset", revision=self.revision, allow_patterns="*.parquet"
        )
        return ParquetFiles(folder, **self.settings, bad=self.bad, column=self.column)

    def __len__(self) -> int:
        return len(self._fetched())

    def blocks(self, start: int) -> Iterator[Block]:
        """See :class:`vqlab.vision.originals.Originals`."""
        return self._fetched().blocks(start)


def _opened(file: Path) -> Any:
    try:
        parquet = importlib.import_module("pyarrow.parquet")
    except ImportError:
        raise ImportError(PYARROW) from None
    try:
        return parquet.ParquetFile(file)
    except importlib.import_module("pyarrow").ArrowInvalid as error:
        raise ValueError(f"{file} is no whole parquet file: {error}") from None


def _column(opened: Any, column: str, file: Path) -> str:
    names = opened.schema_arrow.names
    if column not in names:
        raise ValueError(f"{file} has no column {column!r}; it has {', '.join(names)}")
    return column


def _row(file: Path, number: int, cell: Any) -> tuple[str, str, bytes]:
    """Name, place for messages, and bytes of a cell; none in it is a damaged picture."""
    fields = cell if isinstance(cell, dict) else {"bytes": cell}
    name = fields.get("path") or f"row {number:06d}"
    return f"{file.stem}/{name}", f"{file}, row {number}", fields.get("bytes") or b""
