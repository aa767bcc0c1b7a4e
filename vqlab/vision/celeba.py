"""CelebA-HQ, from files that you have: 30,000 photographs of faces, not to be passed on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .originals import Bad, Block, ImageFolder, image_folder
from .parquet import HuggingFace, ParquetFiles
from .splits import CELEBA_HQ

LICENCE = (
    "CelebA-HQ is for non-commercial research and teaching only (the CelebA and CelebAMask-HQ "
    "dataset agreements): do not copy, publish or pass on the pictures or any part of them, nor "
    "what is made of them as pictures. By preparing them you say that you have agreed to those "
    "terms. The prepared array stays on this machine."
)


class CelebAHQ:
    """See :func:`celeba_hq`.

    Args:
        files: its pictures.
    """

    def __init__(self, files: ImageFolder | ParquetFiles) -> None:
        self.files, self.resolution = files, files.resolution
        self.bad: Bad = files.bad
        self.where = files.where
        self.licence: str | None = LICENCE

    def __len__(self) -> int:
        return len(self.files)

    def about(self) -> dict[str, Any]:
        """That it is CelebA-HQ, and what its files say."""
        said = self.files.about()
        return {**said, "kind": "celeba-hq", "from": said["kind"]}

    def blocks(self, start: int) -> Iterator[Block]:
        """See :class:`vqlab.vision.originals.Originals`."""
        return self.files.blocks(start)


def celeba_hq(
    path: str | Path,
    resolution: int = 64,
    revision: str | None = None,
    **settings: Any,
) -> CelebAHQ:
    """CelebA-HQ to be prepared, from pictures that you have or from Hugging Face.

    The pictures may not be passed on, so they come with nothing here: ask those who publish them.
    ``prepare(celeba_hq(...)).split("official", {...})`` gives a published split.

    Args:
        path: a folder of 30,000 pictures; a parquet file or a folder of such; or "owner/name" of
            a data set on Hugging Face. Anything that is a path on this machine is one.
        resolution: height and width in pixels.
        revision: the commit on Hugging Face, 40 hexadecimal digits.
        settings: ``filter``, ``background``, ``bad`` of :func:`image_folder`; ``column`` of
            :class:`ParquetFiles`.
    Returns:
        originals for :func:`prepare`, which shows the licence when it prepares them.
    Raises:
        FileNotFoundError: nothing at that path.
        ValueError: not 30,000 pictures (data sets by name are counted when they are prepared and
            split), settings that cannot be, or a data set without its commit.
        ImportError: pyarrow or huggingface_hub lacks.

    Source: T. Karras, T. Aila, S. Laine, J. Lehtinen, Progressive Growing of GANs (2018), made of
    CelebA by Z. Liu, P. Luo, X. Wang, X. Tang (2015).
    """
    place = Path(path).expanduser()
    found: ImageFolder | ParquetFiles
    if place.is_dir() and not any(place.rglob("*.parquet")):
        found = image_folder(place, resolution, **settings)
    elif place.exists():
        found = ParquetFiles(place, resolution, **settings)
    elif revision is not None:
        found = HuggingFace(str(path), revision, resolution=resolution, **settings)
    else:
        raise FileNotFoundError(f"no CelebA-HQ at {place}: give a folder of its pictures, parquet "
                                "files, or a data set's name and revision")  # fmt: skip
    if not isinstance(found, HuggingFace) and len(found) != CELEBA_HQ:
        raise ValueError(f"CelebA-HQ has 30,000 pictures, found {len(found):,} in {place}")
    return CelebAHQ(found)
