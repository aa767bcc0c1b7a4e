"""What data/README.md says of the data is so."""

import hashlib
import re
from importlib.resources import files
from pathlib import Path

import pytest

README = Path(__file__).resolve().parent.parent / "data/README.md"
LINES = re.findall(r"`([\w.]+)` \| `sklearn.* \| `([0-9a-f]{64})` \|$", README.read_text(), re.M)


def test_every_line_is_read():
    assert [name for name, _ in LINES] == ["digits.csv.gz", "china.jpg", "flower.jpg"]


@pytest.mark.parametrize(("name", "checksum"), LINES, ids=[name for name, _ in LINES])
def test_checksums(name, checksum):
    folder = "sklearn.datasets." + ("data" if name.endswith("gz") else "images")
    assert hashlib.sha256((files(folder) / name).read_bytes()).hexdigest() == checksum


def test_counts():
    from sklearn.datasets import load_digits, load_sample_images

    digits = load_digits()
    assert digits.images.shape == (1797, 8, 8)
    assert (digits.images.min(), digits.images.max(), len(set(digits.target))) == (0, 16, 10)
    assert [image.shape for image in load_sample_images().images] == [(427, 640, 3)] * 2
