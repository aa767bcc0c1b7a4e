"""What data/README.md says of the data is so."""

import hashlib
import re
from importlib.resources import files
from pathlib import Path

import pytest

README = Path(__file__).resolve().parent.parent / "data/README.md"
LINES = re.findall(r"`([\w.]+)` \| `sklearn.* \| `([0-9a-f]{64})` \|$", README.read_text(), re.M)
OWN = re.findall(
    r"`((?:leaderboard|stress)\.\w+)` \| .* \| `([0-9a-f]{64})` \|$", README.read_text(), re.M)


def test_every_line_is_read():
    assert [name for name, _ in LINES] == ["digits.csv.gz", "china.jpg", "flower.jpg"]


@pytest.mark.parametrize(("name", "checksum"), LINES, ids=[name for name, _ in LINES])
def test_checksums(name, checksum):
    folder = "sklearn.datasets." + ("data" if name.endswith("gz") else "images")
    assert hashlib.sha256((files(folder) / name).read_bytes()).hexdigest() == checksum


@pytest.mark.parametrize(("name", "checksum"), OWN, ids=[name for name, _ in OWN])
def test_checksums_of_our_own(name, checksum):
    content = (README.parent / name).read_bytes()
    assert hashlib.sha256(content).hexdigest() == checksum, "made again? say so in data/README.md"
    assert len(content) < 500_000


def test_the_leaderboard_is_whole():
    from vqlab import methods
    from vqlab.leaderboard import load

    assert [name for name, _ in OWN] == ["leaderboard.csv", "leaderboard.json", "stress.csv"]
    board = load(README.parent / "leaderboard.csv")
    taking_part = {one["method"] for one in board.about["entries"].values()}
    assert {line.name for line in methods()} <= taking_part | set(board.about["skipped"])
    final = board.rows[board.rows.stage == "final"]
    counts = final.groupby(["track", "method", "motion"]).size().groupby("track").unique()
    assert {t: n.tolist() for t, n in counts.items()} == {
        t: [n] for t, n in board.about["seeds"].items()}
    assert (board.rows.utilization.dropna().between(0.0156, 1)).all()
    assert (board.rows.excess.dropna() > 0.8).all()


def test_counts():
    from sklearn.datasets import load_digits, load_sample_images

    digits = load_digits()
    assert digits.images.shape == (1797, 8, 8)
    assert (digits.images.min(), digits.images.max(), len(set(digits.target))) == (0, 16, 10)
    assert [image.shape for image in load_sample_images().images] == [(427, 640, 3)] * 2
