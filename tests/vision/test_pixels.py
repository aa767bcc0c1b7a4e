"""Files of every kind become the colours that were put in; damaged ones are named."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from vqlab.vision import BadPicture
from vqlab.vision.pixels import FILTERS, checked, decoded

RAMP = np.arange(0, 256, dtype=np.uint8).reshape(16, 16)


def file(picture, kind="PNG", **options):
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def colours(seed=0, shape=(16, 16, 3)):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def png16(values):
    """A PNG of 16 bits a channel, (H, W, 3): Pillow writes none in colour."""

    def chunk(kind, content):
        crc = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + crc

    high, wide, _ = values.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    head = struct.pack(">IIBBBBB", wide, high, 16, 2, 0, 0, 0)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows))
            + chunk(b"IEND", b""))  # fmt: skip


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_what_has_the_size_already_keeps_every_value(kind):
    x = colours()
    out = decoded(file(Image.fromarray(x), kind, lossless=True), 16)
    assert out.dtype == np.uint8 and np.array_equal(out, x.transpose(2, 0, 1))


def test_a_jpeg_is_what_pillow_reads():
    content = file(Image.fromarray(colours()), "JPEG", quality=90)
    expected = np.asarray(Image.open(io.BytesIO(content))).transpose(2, 0, 1)
    assert np.array_equal(decoded(content, 16), expected)


def test_grey_and_black_and_white():
    assert np.array_equal(decoded(file(Image.fromarray(RAMP)), 16), np.stack([RAMP] * 3))
    coins = Image.fromarray(RAMP % 2 * 255).convert("1")
    assert np.array_equal(decoded(file(coins), 16), np.stack([RAMP % 2 * 255] * 3))


def test_a_palette():
    picture = Image.fromarray(RAMP % 4).convert("L")
    picture = Image.frombytes("P", (16, 16), picture.tobytes())
    table = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [9, 8, 7]], np.uint8)
    picture.putpalette(table.tobytes())
    assert np.array_equal(decoded(file(picture), 16), table[RAMP % 4].transpose(2, 0, 1))
    table[2] = 255  # the third entry is transparent, and white lies behind
    found = decoded(file(picture, transparency=2), 16)
    assert np.array_equal(found, table[RAMP % 4].transpose(2, 0, 1))


def test_ink_is_light_that_lacks():
    ink = np.zeros((16, 16, 4), np.uint8)
    ink[:8, :, 0], ink[8:, :, 3] = 255, 102
    picture = Image.frombytes(
        "CMYK", (16, 16), ink.tobytes()
    )
    out = decoded(file(picture, "JPEG", quality=100), 16).astype(int)
    assert abs(out[:, 2, 5] - [0, 255, 255]).max() <= 2  # cyan lacks red
    assert abs(out[:, 12, 5] - 153).max() <= 2  # 40 % of black


@pytest.mark.parametrize("colour", ["white", "#204060"])
@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_what_is_transparent_lies_over_the_background(mode, colour):
    x = colours(1, (16, 16, len(mode)))
    x[0, 0, -1], x[0, 1, -1] = 0, 255
    picture = Image.frombytes(mode, (16, 16), x.tobytes())
    behind = np.array([255] * 3 if colour == "white" else [0x20, 0x40, 0x60])[:, None, None]
    alpha = x[..., -1] / 255.0
    expected = alpha * x[..., :-1].transpose(2, 0, 1) + (1 - alpha) * behind
    out = decoded(file(picture), 16, background=colour)
    assert abs(out - expected).max() <= 1
    assert np.array_equal(out[:, 0, 0], behind[:, 0, 0])
    assert np.array_equal(out[:, 0, 1], np.broadcast_to(x[0, 1, :-1], 3))


def test_a_colour_that_means_transparent():
    grey = file(Image.fromarray(RAMP), transparency=7)
    expected = np.where(RAMP == 7, 255, RAMP)
    assert np.array_equal(decoded(grey, 16), np.stack([expected] * 3))
    x = colours()
    x[4:6] = 10, 20, 30
    found = decoded(file(Image.fromarray(x), transparency=(10, 20, 30)), 16, background="black")
    x[4:6] = 0
    assert np.array_equal(found, x.transpose(2, 0, 1))


def test_of_several_frames_the_first():
    frames = [Image.fromarray(colours(seed)) for seed in range(3)]
    for kind in ("PNG", "WEBP"):
        content = file(frames[0], kind, save_all=True, append_images=frames[1:], lossless=True)
        assert np.array_equal(decoded(content, 16), colours(0).transpose(2, 0, 1))


def test_sixteen_bits_are_scaled_and_not_clipped():
    deep = np.linspace(0, 65535, 256).round().astype(np.uint16).reshape(16, 16)
    out = decoded(file(Image.fromarray(deep)), 16)
    assert np.array_equal(out, np.stack([RAMP] * 3))  # 257 apart
    wide = np.random.default_rng(0).integers(0, 65536, (16, 16, 3), dtype=np.uint16)
    expected = (wide / 257.0).transpose(2, 0, 1)
    assert abs(decoded(png16(wide), 16) - expected).max() <= 1


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "JPEG"])
@pytest.mark.parametrize("turn", range(1, 9))
def test_a_photograph_stands_upright(kind, turn):
    x = np.kron(np.array([[0, 80], [160, 240]], np.uint8), np.ones((8, 8), np.uint8))
    turned = [x, x[:, ::-1], x[::-1, ::-1], x[::-1], x.T, x.T[:, ::-1], x.T[::-1, ::-1], x.T[::-1]]
    # EXIF's number says how the stored picture is to be read; the inverse of 6 is 8.
    stored = turned[{6: 8, 8: 6}.get(turn, turn) - 1]
    exif = Image.Exif()
    exif[0x0112] = turn
    content = file(Image.fromarray(np.ascontiguousarray(stored)), kind, exif=exif, quality=100)
    out = decoded(content, 16)
    assert abs(out[0].astype(int) - x).max() <= 8


@pytest.mark.parametrize(("wide", "high"), [(50, 33), (33, 50), (40, 40), (9, 21), (2000, 16)])
@pytest.mark.parametrize("name", FILTERS)
def test_the_shorter_side_is_scaled_and_the_middle_kept(wide, high, name):
    picture = Image.fromarray(colours(2, (high, wide, 3)))
    short = min(wide, high)
    scaled = picture.resize((wide * 16 // short, high * 16 // short), FILTERS[name])
    left, top = (scaled.width - 16) // 2, (scaled.height - 16) // 2
    expected = np.asarray(scaled)[top : top + 16, left : left + 16].transpose(2, 0, 1)
    assert np.array_equal(decoded(file(picture), 16, name), expected)


@pytest.mark.parametrize("name", FILTERS)
def test_fine_stripes_become_grey_and_do_not_alias(name):
    stripes = np.tile(np.array([0, 255], np.uint8), (128, 64))
    out = decoded(file(Image.fromarray(stripes)), 16, name)
    assert abs(out[:, 2:-2, 2:-2].astype(int) - 127).max() <= 3


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "JPEG"])
@pytest.mark.parametrize("share", [0.0, 0.05, 0.5, 0.9])
def test_a_file_that_is_cut_off_is_named(kind, share):
    whole = file(Image.fromarray(colours(3, (64, 64, 3))), kind)
    with pytest.raises(BadPicture, match="^holiday/7.jpg is no whole picture: .+") as found:
        decoded(whole[: int(share * len(whole))], 16, name="holiday/7.jpg")
    assert found.value.name == "holiday/7.jpg"


def test_what_is_no_picture_is_named(monkeypatch):
    for content in (b"\x89PNG\r\n\x1a\nrubbish", b"<html>404</html>", bytes(100)):
        with pytest.raises(BadPicture, match="a.png"):
            decoded(content, 16, name="a.png")
    floats = file(Image.fromarray(np.ones((4, 4), np.float32)), "TIFF")
    with pytest.raises(BadPicture, match="floating point"):
        decoded(floats, 4)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    with pytest.raises(BadPicture, match="bomb"):
        decoded(file(Image.fromarray(RAMP)), 16)


def test_settings_that_cannot_be():
    for resolution in (0, 4097, 8.0, True, "64"):
        with pytest.raises(ValueError, match="1 to 4096"):
            checked(resolution, "box", "white")
    with pytest.raises(ValueError, match="unknown filter 'nearest'; choose one of lanczos"):
        checked(8, "nearest", "white")
    for colour in ("whitish", None, 3):
        with pytest.raises(ValueError, match="must be a colour"):
            checked(8, "box", colour)
    assert checked(8, "box", "red") == {
        "resolution": 8, "filter": "box", "background": "#ff0000"}  # fmt: skip
