"""Published splits: as many pictures as they say, each in one part, and the right ones."""

import numpy as np
import pytest

from vqlab.vision.splits import COUNTS, SPLITS, Parts, Subset, divided, set_aside

NAMES = [f"{i}.jpg" for i in range(30_000)]  # sorted as words they are in another order
ORDER = sorted(range(30_000), key=str)


@pytest.fixture(scope="module")
def lists(tmp_path_factory):
    """Files such as CelebA's users have, with a partition drawn here."""
    folder = tmp_path_factory.mktemp("lists")
    rng = np.random.default_rng(0)
    part = rng.permutation(np.repeat([0, 1, 2], COUNTS["official"]))
    original = rng.permutation(202_599)[:30_000] + 1
    mapping = ["idx orig_idx orig_file"]
    mapping += [f"{i}   {o - 1}  {o:06d}.jpg" for i, o in enumerate(original)]
    (folder / "mapping.txt").write_text("\n".join(mapping) + "\n")
    rows = sorted(f"{o:06d}.jpg {p}" for o, p in zip(original, part, strict=True))
    (folder / "partition.txt").write_text("\n".join(rows))
    order = rng.permutation(30_000)
    (folder / "train.txt").write_text("\n".join(f"imgHQ{i:05d}.npy" for i in order[:25_000]))
    (folder / "test.txt").write_text("\n".join(f"imgHQ{i:05d}.npy" for i in order[25_000:]))
    return folder, part, order


def files(folder, *names):
    return {name: str(folder / f"{name}.txt") for name in names}


@pytest.mark.parametrize("split", ["paper", "taming", "nvae"])
def test_by_sorted_names(split):
    parts = divided(NAMES[::-1], split, celeba=True)
    assert tuple(len(part) for part in parts) == COUNTS[split]
    assert [29_999 - i for i in np.concatenate(parts)] == ORDER  # the names came backwards


@pytest.mark.parametrize(
    ("name", "first"), [("{}.jpg", 0), ("train/celeba-7_{:05d}.webp", 1)]
)
def test_official_goes_by_the_number_in_the_name(lists, name, first):
    folder, part, _ = lists
    names = sorted(name.format(i + first) for i in range(30_000))
    parts = divided(names, "official", files(folder, "mapping", "partition"))
    assert tuple(len(p) for p in parts) == (24_183, 2_993, 2_824)
    for k, numbers in enumerate(parts):
        found = [int("".join(filter(str.isdigit, names[i].split("_")[-1]))) for i in numbers]
        assert found == [i + first for i in np.flatnonzero(part == k)]


def test_lists_name_the_pictures(lists):
    folder, _, order = lists
    train, test = divided(NAMES, "taming", files(folder, "train", "test"))
    assert np.array_equal(train, order[:25_000]) and np.array_equal(test, order[25_000:])
    with pytest.raises(ValueError, match="has 27,000 / 3,000 pictures, found 25,000 / 5,000"):
        divided(NAMES, "nvae", files(folder, "train", "test"))


def test_by_folder_or_file():
    names = ["train/a.png", "val-0/b.png", "test-00000-of-00002/c.png", "train-1/d.png"]
    assert [part.tolist() for part in divided(names, "own")] == [[0, 3], [1], [2]]
    assert [part.tolist() for part in divided(["train/a", "validation/b"], "own")] == [[0], [1]]
    with pytest.raises(ValueError, match="training/a is in none"):
        divided(["training/a", "test/b"], "own")
    with pytest.raises(ValueError, match="part empty: 0 / 1 / 1"):
        divided(["val/a", "test/b"], "own")


def test_official_may_be_how_the_files_lie_but_the_counts_are_looked_at():
    names = [f"{part}-0/{i}.jpg" for part, n in zip(
        ("train", "validation", "test"), COUNTS["official"], strict=True
    ) for i in range(n)]  # fmt: skip
    parts = divided(names, "official")
    assert tuple(len(p) for p in parts) == COUNTS["official"]
    moved = [names[-1].replace("test", "train"), *names[:-1]]
    with pytest.raises(ValueError, match="24,183 / 2,993 / 2,824 pictures, found 24,184 / 2,993 /"):
        divided(moved, "official")
    with pytest.raises(ValueError, match="or name the files 'mapping' and 'partition'"):
        divided(NAMES, "official")


def test_other_counts_are_refused():
    for split in COUNTS:
        with pytest.raises(ValueError, match="30,000 pictures, found 29,999"):
            divided(NAMES[:-1], split, celeba=True)
    assert [len(p) for p in divided(NAMES[:10], "paper")] == [7, 1, 2]
    with pytest.raises(ValueError, match="part empty: 1 / 0 / 1"):
        divided(NAMES[:2], "paper")


def test_lists_that_do_not_fit(lists, tmp_path):
    folder, _, _ = lists
    good = files(folder, "mapping", "partition")

    def changed(name, text):
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}x.txt"
        path.write_text(text)
        return {**good, name: str(path)}

    partition = (folder / "partition.txt").read_text()
    for wrong, words in [
        (changed("partition", partition.replace(" 1\n", " 0\n")), "found 27,176 / 0 / 2,824"),
        (changed("partition", "\n".join(partition.splitlines()[1:])), "does not name"),
        (changed("partition", "a b c"), "lines such as '000001.jpg 0', got 'a b c'"),
        (changed("mapping", "idx orig_idx orig_file\n40000 1 000002.jpg"), "got '40000 1"),
        (changed("mapping", "\n"), "x.txt is empty"),
    ]:
        with pytest.raises(ValueError, match=words):
            divided(NAMES, "official", wrong)
    with pytest.raises(FileNotFoundError):
        divided(NAMES, "official", {**good, "mapping": str(tmp_path / "none")})
    with pytest.raises(ValueError, match="'official' takes mapping and partition, got mapping"):
        divided(NAMES, "official", {"mapping": "a"})
    with pytest.raises(ValueError, match="'paper' takes no files, got train"):
        divided(NAMES, "paper", {"train": "a"})
    twice = {name: str(folder / "train.txt") for name in ("train", "test")}
    with pytest.raises(ValueError, match="names a picture twice"):
        divided(NAMES, "taming", twice)
    pair = {**files(folder, "train"), "test": changed("test", "30000.jpg")["test"]}
    with pytest.raises(ValueError, match="x.txt does not fit .* names number 30000"):
        divided(NAMES, "taming", pair)


def test_names_without_numbers(lists):
    pair = files(lists[0], "train", "test")
    with pytest.raises(ValueError, match="'anna.jpg' holds no number"):
        divided([*NAMES[:-1], "anna.jpg"], "taming", pair)
    with pytest.raises(ValueError, match="'train-0/row 029999' holds no number"):
        divided([*NAMES[:-1], "train-0/row 029999"], "taming", pair)
    with pytest.raises(ValueError, match="0 to 29,999 or 1 to 30,000.*from 0 to 30,001"):
        divided([*NAMES[:-1], "30001.jpg"], "taming", pair)
    with pytest.raises(ValueError, match="unknown split 'celeba'; choose one of " + SPLITS[0]):
        divided(NAMES, "celeba")


def test_what_to_choose_by_is_set_aside_once():
    source = np.arange(1000)
    train, val = set_aside(Subset(source, np.arange(500, 700)), 0.1, seed=3)
    both = np.concatenate([train[np.arange(180)], val[np.arange(20)]])
    assert sorted(both) == list(range(500, 700)) and train.source is source
    again = set_aside(Subset(source, np.arange(500, 700)), 0.1, seed=4)
    assert not np.array_equal(again[1].numbers, val.numbers)
    assert len(Parts(train, val, source).test) == 1000
