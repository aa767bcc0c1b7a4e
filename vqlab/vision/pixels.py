"""From the bytes of a picture file to a square of eight-bit colours, whatever the file's kind."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor, ImageOps, UnidentifiedImageError

FILTERS = {
    "lanczos": Image.Resampling.LANCZOS,
    "bicubic": Image.Resampling.BICUBIC,
    "bilinear": Image.Resampling.BILINEAR,
    "box": Image.Resampling.BOX,
}


class BadPicture(ValueError):
    """A file that is no whole picture; the message names it."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name} is no whole picture: {reason}")
        self.name, self.reason = name, reason


def decoded(
    content: bytes,
    resolution: int,
    filter: str = "lanczos",
    background: str = "white",
    name: str = "the picture",
) -> NDArray[np.uint8]:
    """A picture file as a square: turned upright, in colour, without alpha, scaled, cropped.

    In this order: the turn that EXIF asks for; 16 bits to 8, v / 257 rounded (Pillow itself reads
    the 16 bits of colour PNGs as v // 256); grey, palette and CMYK to red, green and blue; what is
    transparent over the background; the shorter side to ``resolution`` with the filter, which
    covers all pixels that fall on one (antialiased); the square in the middle. A picture that has
    the size already keeps its values. Colour profiles are ignored, and so is a value of 16-bit grey
    that stands for transparent; of several frames the first is taken.

    Args:
        content: the file's bytes: JPEG, PNG, WebP or another kind that Pillow knows.
        resolution: height and width in pixels.
        filter: "lanczos", "bicubic", "bilinear" or "box", as Pillow defines them.
        background: behind transparent pixels, a name or "#rrggbb".
        name: of the picture, for the message of an error.
    Returns:
        (3, resolution, resolution) uint8, red, green and blue.
    Raises:
        BadPicture: bytes that are no picture, cut off, damaged, or of more than 179 million pixels.
        ValueError: settings out of range, see :func:`checked`.

    Source: ours; the order of scaling and cropping is torchvision's.
    """
    settings = checked(resolution, filter, background)
    try:
        with Image.open(io.BytesIO(content)) as file:
            file.load()
            picture = _coloured(ImageOps.exif_transpose(file), settings["background"])
    except MemoryError:
        raise
    except UnidentifiedImageError:
        raise BadPicture(name, "Pillow knows no such kind of file") from None
    except Exception as error:  # Pillow's decoders raise whatever a damaged file makes them
        raise BadPicture(name, str(error) or type(error).__name__) from None
    wide, high = _sides(*picture.size, resolution)
    picture = picture.resize((wide, high), FILTERS[filter])
    left, top = (wide - resolution) // 2, (high - resolution) // 2
    picture = picture.crop((left, top, left + resolution, top + resolution))
    return np.ascontiguousarray(np.asarray(picture, dtype=np.uint8).transpose(2, 0, 1))


def checked(resolution: int, filter: str, background: str) -> dict[str, Any]:
    """The settings of :func:`decoded`, as a manifest keeps them.

    Returns:
        resolution, filter, and background as "#rrggbb".
    Raises:
        ValueError: a resolution that is not 1 to 4096 pixels, an unknown filter or colour.
    """
    whole = isinstance(resolution, int | np.integer) and not isinstance(resolution, bool)
    if not whole or not 1 <= resolution <= 4096:
        raise ValueError(f"resolution must be 1 to 4096 pixels, got {resolution!r}")
    if filter not in FILTERS:
        raise ValueError(f"unknown filter {filter!r}; choose one of {', '.join(FILTERS)}")
    try:
        red, green, blue = ImageColor.getrgb(background)[:3]
    except (ValueError, AttributeError, TypeError):
        raise ValueError(f"background must be a colour, got {background!r}") from None
    colour = f"#{red:02x}{green:02x}{blue:02x}"
    return {"resolution": int(resolution), "filter": filter, "background": colour}


def _coloured(picture: Image.Image, background: str) -> Image.Image:
    if picture.mode.startswith("I"):  # 16 bits of grey, as Pillow's versions call them
        deep = np.asarray(picture).astype(np.int64)
        if deep.min(initial=0) < 0 or deep.max(initial=0) > 65535:
            raise ValueError(f"grey values {deep.min()} to {deep.max()} do not fit in 16 bits")
        return Image.fromarray(((deep + 128) // 257).astype(np.uint8)).convert("RGB")
    if picture.mode == "F":
        raise ValueError("its pixels are floating point numbers of unknown range")
    if picture.has_transparency_data:
        clear = picture.convert("RGBA")
        behind = Image.new("RGBA", clear.size, background)
        return Image.alpha_composite(behind, clear).convert("RGB")
    return picture.convert("RGB")


def _sides(wide: int, high: int, resolution: int) -> tuple[int, int]:
    """The longer side is rounded down, which never falls below the shorter."""
    short = min(wide, high)
    return wide * resolution // short, high * resolution // short
