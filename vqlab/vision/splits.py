"""Which pictures are trained on, chosen by and reported on: by name, by list, by folder."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .batches import Source

Numbers = NDArray[np.int64]
SPLITS = ("paper", "own", "official", "taming", "nvae")
CELEBA_HQ = 30_000
# Of CelebA-HQ; with two parts the second is reported on, and what to choose by is set aside.
COUNTS = {
    "paper": (22_500, 3_000, 4_500),
    "official": (24_183, 2_993, 2_824),
    "taming": (25_000, 5_000),
    "nvae": (27_000, 3_000),
}
FOLDERS = {"train": 0, "val": 1, "valid": 1, "validation": 1, "test": 2}


class Parts(NamedTuple):
    """Pictures to train on, to choose by, and to report on."""

    train: Source
    val: Source
    test: Source


class Subset:
    """Some pictures of a source, by their numbers.

    Args:
        source: of the pictures. numbers: (N,) int64.
    """

    def __init__(self, source: Source, numbers: np.ndarray) -> None:
        self.source, self.numbers = source, numbers

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, which: Any) -> Any:
        return self.source[self.numbers[np.asarray(which)]]


def set_aside(train: Source, share: float = 0.1, seed: int = 0) -> tuple[Subset, Subset]:
    """Pictures to train on, and a share of them to choose by, drawn with the seed (ours)."""
    order = np.random.default_rng([seed, 0x5E7]).permutation(len(train))
    aside = max(1, round(share * len(train)))
    if isinstance(train, Subset):  # one look-up for a batch, not two
        order = train.numbers[order]
        train = train.source
    return Subset(train, order[aside:]), Subset(train, order[:aside])


def divided(
    names: Sequence[str], split: str, files: dict[str, str] | None = None, celeba: bool = False
) -> tuple[Numbers, ...]:
    """The numbers of the pictures in each part, in the order of the names or of a list.

    ==========  ============================  ====================================================
    split       CelebA-HQ's counts            by
    ==========  ============================  ====================================================
    "paper"     22,500 / 3,000 / 4,500        position among the sorted names: 75, 10 and 15 %, as
                                              the NS-VQ paper's code; for any pictures (rounding
                                              down to whole pictures is ours)
    "own"       any                           the first folder of a name, or the name of a parquet
                                              file: train, val (valid, validation), test; one of
                                              the last two may lack
    "official"  24,183 / 2,993 / 2,824        CelebA's partition, through the files "mapping" and
                                              "partition"; without them as "own", which is checked
    "taming"    25,000 / 5,000                the files "train" and "test", taming-transformers'
                                              celebahqtrain.txt and celebahqvalidation.txt;
                                              without them sorted names (ours: not its pictures)
    "nvae"      27,000 / 3,000                likewise two lists; without them sorted names (ours:
                                              the order in Glow's files is not known here)
    ==========  ============================  ====================================================

    A list names a picture by its number, the last digits of the file name: ``imgHQ00784.npy`` means
    ``784.jpg``. Pictures numbered 1 to 30,000 are those numbered 0 to 29,999 in the lists and in
    the mapping; so LaMa and Anycost GAN read them, too.

    Args:
        names: of the pictures. split: as above.
        files: paths of lists: "mapping" (CelebA-HQ-to-CelebA-mapping.txt, which comes with
            CelebAMask-HQ) and "partition" (list_eval_partition.txt, which comes with CelebA), or
            "train" and "test".
        celeba: the pictures are CelebA-HQ: counts are checked for "paper", too.
    Returns:
        numbers for two or three parts, int64, none in two of them.
    Raises:
        ValueError: an unknown split, a list that does not fit, an empty part, or other counts than
            those above; the message has what was found and what was expected.
        FileNotFoundError: no list there.
    """
    files = dict(files or {})
    if split not in SPLITS:
        raise ValueError(f"unknown split {split!r}; choose one of {', '.join(SPLITS)}")
    allowed = {"official": {"mapping", "partition"}, "taming": {"train", "test"},
               "nvae": {"train", "test"}}.get(split, set())  # fmt: skip
    if files and set(files) != allowed:
        wanted = " and ".join(sorted(allowed)) or "no files"
        raise ValueError(f"split {split!r} takes {wanted}, got {', '.join(sorted(files))}")
    known = celeba and split != "own" or split in ("official", "taming", "nvae")
    if known and len(names) != CELEBA_HQ:
        raise ValueError(
            f"split {split!r} is one of CelebA-HQ's 30,000 pictures, found {len(names):,}"
        )
    if split == "official" and files:
        parts = _official(names, files["mapping"], files["partition"])
    elif files:
        parts = _listed(names, [files["train"], files["test"]])
    elif split in ("own", "official"):
        parts = _own(names, split)
    else:
        order = np.array(sorted(range(len(names)), key=lambda i: names[i]), np.int64)
        n = len(names)
        cuts = [n * 75 // 100, n * 85 // 100] if split == "paper" else [COUNTS[split][0]]
        parts = tuple(np.split(order, cuts))
    found = tuple(len(part) for part in parts)
    if known and found != COUNTS[split]:
        raise ValueError(f"split {split!r} has {_counts(COUNTS[split])} pictures, found "
                         f"{_counts(found)}")  # fmt: skip
    if not all(found):
        raise ValueError(f"split {split!r} leaves a part empty: {_counts(found)} pictures")
    return parts


def _counts(counts: Sequence[int]) -> str:
    return " / ".join(f"{count:,}" for count in counts)


def _own(names: Sequence[str], split: str) -> tuple[Numbers, ...]:
    parts: tuple[list[int], ...] = ([], [], [])
    for i, name in enumerate(names):
        first = re.match(r"(train|validation|valid|val|test)([-_.][^/]*)?/", name)
        if first is None:
            hint = " (or name the files 'mapping' and 'partition')" if split == "official" else ""
            raise ValueError(
                f"split {split!r} needs folders or parquet files called train, val and test{hint}; "
                f"{name} is in none"
            )
        parts[FOLDERS[first[1]]].append(i)
    there = [part for part in parts if part]
    full = parts if len(there) < 2 or not parts[0] else there
    return tuple(np.array(part, np.int64) for part in full)


def _numbered(names: Sequence[str]) -> dict[int, int]:
    """The place among the names for each number from 0."""
    found = {_number(name): i for i, name in enumerate(names)}
    lowest = min(found)
    if sorted(found) != list(range(lowest, lowest + len(names))) or lowest not in (0, 1):
        raise ValueError(
            f"the pictures must be numbered 0 to {len(names) - 1:,} or 1 to {len(names):,} in "
            f"their names, found {len(found):,} numbers from {lowest:,} to {max(found):,}"
        )
    return {number - lowest: i for number, i in found.items()}


def _number(name: str) -> int:
    file = name.rsplit("/", 1)[-1]
    digits = re.search(r"(\d+)\D*$", file.rpartition(".")[0] or file)
    if digits is None or file.startswith("row "):
        raise ValueError(f"the name {name!r} holds no number of a picture")
    return int(digits[1])


def _listed(names: Sequence[str], lists: Sequence[str]) -> tuple[Numbers, ...]:
    place = _numbered(names)
    parts, seen = [], set[int]()
    for path in lists:
        numbers = [_number(line) for line in _lines(path)]
        strange = [n for n in numbers if n not in place]
        if strange or seen & set(numbers) or len(set(numbers)) < len(numbers):
            what = f"number {strange[0]}" if strange else "a picture twice"
            raise ValueError(f"{path} does not fit these pictures: it names {what}")
        seen |= set(numbers)
        parts.append(np.array([place[n] for n in numbers], np.int64))
    return tuple(parts)


def _official(names: Sequence[str], mapping: str, partition: str) -> tuple[Numbers, ...]:
    place, part_of = _numbered(names), {}
    for line in _lines(partition):
        words = line.split()
        if len(words) != 2 or words[1] not in ("0", "1", "2"):
            raise ValueError(f"{partition} must hold lines such as '000001.jpg 0', got {line!r}")
        part_of[words[0]] = int(words[1])
    parts: tuple[list[int], ...] = ([], [], [])
    lines = [line.split() for line in _lines(mapping)]
    for words in lines[lines[0][0] == "idx" :]:
        if len(words) != 3 or not words[0].isdigit() or int(words[0]) not in place:
            raise ValueError(f"{mapping} must hold lines such as '0 119613 119614.jpg', of these "
                             f"pictures; got {' '.join(words)!r}")  # fmt: skip
        if words[2] not in part_of:
            raise ValueError(f"{partition} does not name {words[2]}, which {mapping} points to")
        parts[part_of[words[2]]].append(place[int(words[0])])
    return tuple(np.array(part, np.int64) for part in parts)


def _lines(path: str) -> list[str]:
    lines = [line for line in Path(path).expanduser().read_text().splitlines() if line.strip()]
    if not lines:
        raise ValueError(f"{path} is empty")
    return lines
