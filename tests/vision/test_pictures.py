"""The data module: whose picture is in which batch, and in which form."""

import numpy as np
import pytest
import torch
from PIL import Image

pytest.importorskip("lightning", reason="training needs the extra 'train'")

from vqlab.vision import Augment, Images, drawn_faces  # noqa: E402
from vqlab.vision.batches import Batches  # noqa: E402
from vqlab.vision.data import Parts, Pictures, as_floats  # noqa: E402


def numbers(batches):
    return [which.tolist() for _, which, _ in batches]


def source(count):
    return torch.arange(count, dtype=torch.uint8).view(-1, 1, 1, 1)


def test_an_epoch_holds_each_picture_once_and_every_epoch_another_order():
    batches = Batches(source(20), 4, shuffle=True, seed=1)
    epochs = [sum(numbers(batches), []) for _ in range(3)]
    assert all(sorted(epoch) == list(range(20)) for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2]
    assert sum(numbers(Batches(source(20), 4, shuffle=True, seed=1)), []) == epochs[0]
    assert sum(numbers(Batches(source(20), 4, shuffle=True, seed=2)), []) != epochs[0]


def test_a_training_batch_is_always_whole():
    batches = Batches(source(22), 4, shuffle=True)
    assert len(batches) == 5 and [len(w) for w in numbers(batches)] == [4] * 5


@pytest.mark.parametrize("workers", [0, 1])
def test_its_state_goes_on_where_it_stood(workers):
    whole = Batches(source(20), 4, shuffle=True, seed=1)
    expected = [numbers(whole) for _ in range(3)]
    stopped = Batches(source(20), 4, shuffle=True, seed=1, workers=workers)
    numbers(stopped)
    second = iter(stopped)
    for _ in range(3):
        next(second)
    state = stopped.state_dict()
    resumed = Batches(source(20), 4, shuffle=True, seed=1, workers=workers)
    resumed.load_state_dict(state)
    assert numbers(resumed) == expected[1][3:] and len(resumed) == 5
    assert numbers(resumed) == expected[2]
    for rest in second:
        del rest
    after = Batches(source(20), 4, shuffle=True, seed=1)
    after.load_state_dict(stopped.state_dict())  # the epoch is over
    assert numbers(after) == expected[2]


def test_an_epoch_cut_short_leaves_nothing_to_the_next():
    whole, cut = (Batches(source(20), 4, shuffle=True, workers=n) for n in (0, 1))
    expected = [numbers(whole) for _ in range(3)]
    next(iter(cut))  # the worker has read ahead
    assert [numbers(cut), numbers(cut)] == expected[1:]
    workers = {w.pid for w in cut.loader._iterator._workers}
    assert numbers(cut) and {w.pid for w in cut.loader._iterator._workers} == workers


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("count", [24, 22])
def test_processes_stretches_make_up_the_batch(count, shuffle):
    one = Batches(source(count), 8, shuffle, seed=3)
    three = [Batches(source(count), 8, shuffle, r, 3, seed=3) for r in range(3)]
    for whole, *shares in zip(numbers(one), *map(numbers, three), strict=True):
        assert sum(shares, []) == whole


def test_validation_sees_each_picture_on_one_process():
    shares = [Batches(source(5), 4, False, rank, 4) for rank in range(4)]
    seen = [sum(numbers(share), []) for share in shares]
    assert sorted(sum(seen, [])) == [0, 1, 2, 3, 4] and all(seen)
    with pytest.raises(ValueError, match="4 processes need as many pictures"):
        Batches(source(3), 4, False, 0, 4)


def test_a_picture_comes_with_its_number():
    for pictures, which, epoch in Batches(source(20), 4, shuffle=True):
        assert torch.equal(pictures.flatten().long(), which) and epoch == 0


def test_eight_bits_become_floats_and_floats_stay():
    assert as_floats(torch.tensor([[[[0, 51, 255]]]], dtype=torch.uint8)).flatten().tolist() == (
        pytest.approx([0, 0.2, 1])
    )
    x = torch.rand(2, 3, 8, 8)
    assert as_floats(x) is x
    assert as_floats(x, 8) is x and as_floats(x, 4).shape == (2, 3, 4, 4)
    torch.testing.assert_close(as_floats(torch.ones(1, 1, 9, 7) / 3, 4), torch.ones(1, 1, 4, 4) / 3)
    with pytest.raises(TypeError, match="uint8 or floats"):
        as_floats(torch.zeros(1, 1, 2, 2, dtype=torch.int64))


def test_parts_share_no_picture(images):
    parts = Pictures(images, batch=8, val_share=0.25).parts
    rows = [np.asarray(p[np.arange(len(p))]).reshape(len(p), -1) for p in parts]
    assert [len(r) for r in rows] == [30, 10, 20]
    assert len(np.unique(np.concatenate(rows), axis=0)) == 60
    assert np.array_equal(rows[2], images.test.flatten(1).numpy())
    other = Pictures(images, batch=8, val_share=0.25, seed=1).parts
    assert not np.array_equal(other.val.numbers, parts.val.numbers)


def test_any_source_by_index_will_do(tmp_path):
    """A memory map of eight-bit pictures: read a batch at a time."""
    stack = np.random.default_rng(0).integers(0, 256, (30, 3, 4, 4), dtype=np.uint8)
    np.save(tmp_path / "p.npy", stack)
    mapped = np.load(tmp_path / "p.npy", mmap_mode="r")
    data = Pictures(Parts(mapped[:20], mapped[20:25], mapped[25:]), batch=4)
    assert data.channels == 3 and data.steps_per_epoch == 5
    batch = next(iter(data.test_dataloader()))
    assert torch.equal(batch[0], torch.from_numpy(stack[25:29]))
    out = data.on_after_batch_transfer(batch, 0)
    assert torch.equal(out, torch.from_numpy(stack[25:29]).float() / 255)


@pytest.fixture
def folder(tmp_path):
    """Forty pictures of 12 x 10 pixels, each of one colour: its number."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for i in range(40):
        Image.new("RGB", (12, 10), (i, 0, 255)).save(folder / f"{i:02d}.png")
    return folder


def test_a_folder_is_prepared_once_and_divided(folder):
    data = Pictures("folder", path=str(folder), size=8, batch=4)
    data.prepare_data()
    assert (data.channels, data.steps_per_epoch) == (3, 7)
    seen = [torch.cat([b[:, 0, 0, 0] for b, _, _ in loader]).tolist()
            for loader in (data.val_dataloader(), data.test_dataloader())]  # fmt: skip
    assert seen == [list(range(30, 34)), list(range(34, 40))]
    batch = next(iter(data.train_dataloader()))
    assert batch[0].shape == (4, 3, 8, 8) and batch[0].dtype == torch.uint8
    floats = data.on_after_batch_transfer(batch, 0)
    assert torch.equal(floats[:, 0, 3, 3], batch[0][:, 0, 3, 3] / 255)
    kept = data.parts.train.source.folder
    again = Pictures("prepared", path=str(kept), batch=4)
    assert np.array_equal(again.parts.test[np.arange(6)], data.parts.test[np.arange(6)])
    options = {"resolution": 10, "bad": "skip"}
    larger = Pictures("folder", options, path=str(folder), size=8, batch=4)
    assert larger.parts.train.source.resolution == 10  # as_floats scales


def test_loading_processes_read_the_same_array(folder):
    data = Pictures("folder", path=str(folder), size=8, batch=4, workers=1)
    seen = torch.cat([pictures[:, 0, 0, 0] for pictures, _, _ in data.train_dataloader()])
    assert set(seen.tolist()) < set(range(30)) and len(set(seen.tolist())) == 28


def test_faces_by_name_are_those_drawn_in_memory():
    data = Pictures("faces", {"count": 30, "test_share": 0.3, "seed": 1}, size=16, batch=4)
    train, test = drawn_faces(30, 16, 0.3, 1)
    kept = as_floats(torch.from_numpy(data.parts.test[np.arange(9)]))
    assert torch.equal(kept, test)
    numbers = np.arange(len(data.parts.train))
    drawn = Pictures(Images(train, test), batch=4).parts.train[numbers]
    assert torch.equal(as_floats(torch.from_numpy(data.parts.train[numbers])), drawn)


def test_paths_and_splits_that_cannot_be(folder):
    for wrong, words in [
        ({"source": "folder"}, "'folder' needs a path"),
        ({"source": "digits", "path": "x"}, "'digits' takes no path"),
        ({"source": "folder", "path": "x", "split": "half"}, "unknown split 'half'; choose one"),
    ]:
        with pytest.raises(ValueError, match=words):
            Pictures(**wrong)
    where = {"path": str(folder), "size": 8, "batch": 4}
    for more, words in [
        ({"split": "official"}, "30,000 pictures, found 40"),
        ({"split": "own"}, "00.png is in none"),
        ({"split_files": {"train": "x"}}, "'paper' takes no files"),
        ({"options": {"filter": "nearest"}}, "unknown filter"),
    ]:
        with pytest.raises(ValueError, match=words):
            Pictures("folder", **{**where, **more}).prepare_data()


def test_what_cannot_be_is_refused(images):
    for wrong, words in [
        ({"source": "celeba"}, "unknown source"),
        ({"batch": 0}, "batch must"),
        ({"val_share": 1.0}, "val_share"),
        ({"size": 0}, "size must"),
    ]:
        with pytest.raises(ValueError, match=words):
            Pictures(**wrong)
    with pytest.raises(ValueError, match="as many training pictures"):
        Pictures(images, batch=64).train_dataloader()
    with pytest.raises(ValueError, match="0, 1"):
        Pictures(Images(images.train * 2, images.test), batch=4).train_dataloader()


def test_only_training_pictures_are_changed(images):
    class Trainer:
        training = False

    data = Pictures(images, batch=8, augment=Augment())
    data.trainer = Trainer()
    batch = next(iter(Batches(data.parts.train, 8, True)))
    assert torch.equal(data.on_after_batch_transfer(batch, 0), batch[0])
    data.trainer.training = True
    assert not torch.equal(data.on_after_batch_transfer(batch, 0), batch[0])
