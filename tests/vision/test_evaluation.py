"""What is reported of a comparison, against sums done by hand; and the clock."""

import time

import numpy as np
import pandas as pd
import pytest
import torch

pytest.importorskip("lightning", reason="training needs the extra 'train'")

from vqlab.measure.distortion import kmeans_optimum  # noqa: E402
from vqlab.vision.comparison import Comparison  # noqa: E402
from vqlab.vision.evaluation import (  # noqa: E402
    INCEPTION,
    caption,
    evaluate,
    mean_and_spread,
    within_reach,
)
from vqlab.vision.pace import pace  # noqa: E402
from vqlab.vision.setting import Setting  # noqa: E402

SETTING = Setting(
    source="digits", size=8, batch=200, steps=3, codebook_size=16, dim=4, network="small",
    network_options={"width": 8}, augment=False, frames=3, pictures=8, logs=False,
)  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    made = Comparison(tmp_path_factory.mktemp("made"), SETTING, ["vq", "ema-revival"])
    with pytest.raises(ValueError, match="0 of 3 steps"):
        evaluate(made)
    made.run()
    return made


@pytest.mark.parametrize("part", ["val", "test"])
def test_numbers_are_those_of_the_whole_part(made, part):
    table = evaluate(made, part, samples=1024).set_index("method")
    held = getattr(made.pictures(0).parts, part)
    pictures = torch.as_tensor(np.asarray(held[np.arange(len(held))]))
    for label in table.index:
        with torch.no_grad():
            out = made.trained(label, 0)(pictures)
        error = (out.images.double() - pictures.double()).square().mean().item()
        share = np.bincount(out.indices.flatten().numpy(), minlength=16) / out.indices.numel()
        entropy = -(share[share > 0] * np.log(share[share > 0])).sum()
        row = table.loc[label]
        assert row.pictures == len(pictures) and row.resolution == 8 and row.part == part
        assert row.psnr == pytest.approx(-10 * np.log10(error), abs=1e-3)
        assert row.utilization == pytest.approx((share > 0).mean())
        assert row.perplexity == pytest.approx(np.exp(entropy), rel=1e-5)
    assert ("excess-distortion" in table) == (part == "val")


def test_distortion_over_that_of_kmeans(made):
    row = evaluate(made, samples=100_000).set_index("method").loc["vq"]
    pictures = made.pictures(0).parts.val
    module = made.trained("vq", 0)
    with torch.no_grad():
        z = module.model.encode(torch.as_tensor(np.asarray(pictures[np.arange(len(pictures))])))
    z = z.movedim(1, -1).reshape(-1, 4).double()
    codes = module.model.quantizer.codebook().detach().double()
    nearest = torch.cdist(z, codes).square().min(1).values.mean().item()
    assert row.distortion == pytest.approx(nearest, rel=0.02)  # a sample of the latents
    best = kmeans_optimum(z, 16, n_init=1)[0]
    assert row["excess-distortion"] == pytest.approx(nearest / best, rel=0.05)


def test_what_was_measured_is_read_again(made, monkeypatch):
    before = evaluate(made)
    monkeypatch.setattr("vqlab.vision.evaluation._measured", None)
    assert evaluate(made).equals(before)
    with pytest.raises(ValueError, match="'val' or 'test'"):
        evaluate(made, "train")


def test_a_table_says_what_it_is_of(made):
    table = evaluate(made, "test")
    assert f"test: N = {table.pictures[0]:,} pictures of 8 pixels" in caption(table)
    assert "3 steps; seeds 0;" in caption(table)
    two = pd.DataFrame({"method": ["vq", "vq", "ema"], "psnr": [20.0, 22.0, 21.5]})
    assert mean_and_spread(two)["psnr"].tolist() == ["21 ± 1.41", "21.5"]


def test_what_lacks_is_said_in_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    found, sentence = within_reach()
    assert found == {"lpips": False, "rfid": False}
    assert sentence.count(".") >= 1 and "alexnet-owt-7be5be79.pth" in sentence
    assert INCEPTION in sentence
    kept = tmp_path / "hub" / "checkpoints"
    kept.mkdir(parents=True)
    (kept / "alexnet-owt-7be5be79.pth").touch()
    assert within_reach()[0]["lpips"] and "LPIPS" not in within_reach()[1]


class Slow:
    """Pictures that take their time."""

    def __init__(self, source, seconds):
        self.source, self.seconds = source, seconds

    def __len__(self):
        return len(self.source)

    def __getitem__(self, which):
        time.sleep(self.seconds)
        return self.source[which]


def test_the_clock_finds_the_slow_part(made):
    def measured(loading, quantizing):
        data = made.pictures(0)
        data._parts = data.parts._replace(train=Slow(data.parts.train, loading))
        module = made.module("vq", 0, data)
        module.model.quantizer.register_forward_pre_hook(lambda *_: time.sleep(quantizing))
        return pace(module, data, steps=2, warmup=1, device="cpu")

    slow = 0.1
    waits, thinks = measured(slow, 0), measured(0, slow)
    assert waits.waiting > 0.5 > waits.quantizer
    assert thinks.quantizer > 0.5 > thinks.waiting
    assert waits.images == pytest.approx(200 / waits.step) and waits.step > slow
    assert waits.peak > 1e7 and "CPU" in waits.device
    with pytest.raises(ValueError, match="steps"):
        pace(made.module("vq", 0, made.pictures(0)), made.pictures(0), steps=0)
