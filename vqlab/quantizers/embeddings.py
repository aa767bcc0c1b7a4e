"""Pretrained word vectors from a file on disk, only those that are wanted."""

from __future__ import annotations

import gzip
from collections.abc import Collection
from pathlib import Path

import numpy as np
import torch
from torch import Tensor


def read_vectors(path: str | Path, wanted: Collection[str]) -> dict[str, Tensor]:
    """The vectors of the ``wanted`` words that the file holds, each (D_w,) float32.

    Args:
        path: by its ending, .npz with arrays ``words`` and ``vectors``; .pt with a dict of a list
            ``words`` and a tensor ``vectors``; else text, a word and its numbers to a line with
            blanks between, with or without word2vec's first line "count dimension", plain or .gz.
            Text is read line by line, so that a file larger than memory will do.

    Raises:
        ValueError: a file of another shape, a wanted word twice, numbers that are no numbers or
            not finite, lines of different length; the line is named.
    """
    source, wanted = Path(path), set(wanted)
    if source.suffix in (".npz", ".pt"):
        found = _from_arrays(source, wanted)
    else:
        found = _from_text(source, wanted)
    for word, vector in found.items():
        if not bool(vector.isfinite().all()):
            raise ValueError(f"{source.name}: the vector of {word!r} is not finite")
    return found


def _from_arrays(source: Path, wanted: set[str]) -> dict[str, Tensor]:
    if source.suffix == ".npz":
        with np.load(source, allow_pickle=False) as file:
            data = {name: file[name] for name in ("words", "vectors") if name in file.files}
    else:
        loaded = torch.load(source, weights_only=True, map_location="cpu")
        data = loaded if isinstance(loaded, dict) else {}
    if not {"words", "vectors"} <= set(data):
        raise ValueError(f"{source.name} must hold 'words' and 'vectors', it has {sorted(data)}")
    words, vectors = [str(word) for word in data["words"]], torch.as_tensor(data["vectors"])
    if vectors.ndim != 2 or len(vectors) != len(words) or not vectors.shape[1]:
        raise ValueError(
            f"{source.name} has {len(words)} words and vectors of shape {tuple(vectors.shape)}; "
            f"expected ({len(words)}, dimension)"
        )
    found: dict[str, Tensor] = {}
    for word, vector in zip(words, vectors, strict=True):
        if word in wanted:
            _refuse_second(source, found, word, "")
            found[word] = vector.float().clone()
    return found


def _from_text(source: Path, wanted: set[str]) -> dict[str, Tensor]:
    opened = gzip.open if source.suffix == ".gz" else open
    found: dict[str, Tensor] = {}
    dim = 0
    with opened(source, "rt", encoding="utf-8", errors="replace", newline="\n") as file:
        for number, line in enumerate(file, 1):
            fields = line.rstrip().split(" ")
            if number == 1 and len(fields) == 2 and all(field.isdecimal() for field in fields):
                dim = int(fields[1])  # word2vec's header
                continue
            dim = dim or len(fields) - 1
            if dim < 1:
                raise ValueError(f"{source.name}, line {number}: no numbers behind the word")
            if len(fields) <= dim:
                raise ValueError(
                    f"{source.name}, line {number}: {len(fields) - 1} numbers behind the word, "
                    f"not {dim}"
                )
            # The word may hold blanks itself: the last `dim` fields are the vector.
            word = " ".join(fields[:-dim])
            if word not in wanted:
                continue
            where = f", line {number}"
            _refuse_second(source, found, word, where)
            try:
                vector = [float(field) for field in fields[-dim:]]
            except ValueError as error:
                raise ValueError(
                    f"{source.name}{where}: {word!r} has no {dim} numbers behind it"
                ) from error
            found[word] = torch.tensor(vector)
    if not dim:
        raise ValueError(f"{source.name} is empty")
    return found


def _refuse_second(source: Path, found: dict[str, Tensor], word: str, where: str) -> None:
    if word in found:
        raise ValueError(f"{source.name}{where}: {word!r} is there twice")
