"""Whether a picture of a page looks as the stored one: fonts may differ, what is drawn may not."""

import os
from pathlib import Path

import numpy as np
from lessons import ROOT
from PIL import Image
from scipy.ndimage import gaussian_filter

STORED = Path(__file__).parent / "browser/shots"
LEFT = Path(os.environ.get("SCREENSHOTS", ROOT / "screenshots"))
HALF = 2  # stored pictures are so many times smaller
# Standard deviations of the blur, down and along; what a pixel may differ by after it. With them
# another font, a narrow one and tighter letters came to 0.2 to 0.7 of the bound; what test_likeness
# breaks comes to 1.3 and more.
WORDS, LIGHT, HUE = (2, 32), 32.0, 40.0


def soft(picture):
    """Lightness, blurred along the lines of text, and colour, blurred a little."""
    x = np.asarray(picture, dtype=float)
    hue = np.stack([x[..., 0] - x[..., 1], x[..., 1] - x[..., 2]], -1)
    return gaussian_filter(x.min(-1), WORDS), gaussian_filter(hue, (2, 2, 0))


def unlike(picture, reference):
    """How much a picture differs, as a share of what may be, and where: (H, W) of the same share.

    Another font makes text some 15 % longer or shorter; a blur along the line makes that small, and
    lightness is compared after it. Data have colours and text has not: with colours a place counts.
    """
    if picture.size != reference.size:
        return np.inf, np.full((reference.height, reference.width), np.inf)
    (light, hue), (other, color) = soft(picture), soft(reference)
    where = np.maximum(abs(light - other) / LIGHT, abs(hue - color).max(-1) / HUE)
    return float(where.max()), where


def small(picture):
    """Half as large, in at most 256 colours: what is stored."""
    size = min(480, picture.width // HALF), picture.height // HALF
    return picture.convert("RGB").resize(size, Image.Resampling.BOX)


def compare(name, picture):
    """Raises where a picture is unlike its reference; leaves both halves of the evidence."""
    path, picture = STORED / f"{name}.png", small(picture)
    if os.environ.get("SHOTS") == "renew":
        STORED.mkdir(exist_ok=True)
        picture.quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)
        return ""
    share, where = unlike(picture, Image.open(path).convert("RGB"))
    if share <= 1:
        return ""
    LEFT.mkdir(exist_ok=True)
    picture.save(LEFT / f"{name}.png")
    red = np.uint8(255 * (1 - np.minimum(where / min(share, 1e9), 1)))  # of another size: all of it
    Image.fromarray(np.stack([np.full_like(red, 255), red, red], -1)).save(
        LEFT / f"{name}_difference.png")
    return f"{LEFT / name}.png is unlike {path} ({share:.1f} times what may be)"
