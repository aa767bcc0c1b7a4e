"""Each number against its definition, over a whole set and not by batches."""

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from torch import nn

pytest.importorskip("torchmetrics", reason="training needs the extra 'train'")

from vqlab.vision.metrics import (  # noqa: E402
    DIRECTIONS,
    CodeUse,
    MeanLPIPS,
    direction,
    frechet,
    likeness,
)


def two(count=6, side=48, channels=3, seed=0):
    x = torch.rand(count, channels, side, side, generator=torch.Generator().manual_seed(seed))
    return x, (x + 0.2 * torch.rand(x.shape, generator=torch.Generator().manual_seed(1))).clamp(
        0, 1
    )


def test_psnr_is_of_the_mean_error_of_the_whole_set_with_a_range_of_one():
    """The released code gave no range: then a picture that is nearly black seems better."""
    x, y = (p / 10 for p in two())
    metric = likeness(48)["psnr"]
    for i in (0, 4):
        metric.update(x[i : i + 4], y[i : i + 4])  # batches of 4 and 2
    error = float((x.double() - y.double()).square().mean())
    assert float(metric.compute()) == pytest.approx(-10 * np.log10(error), rel=1e-5)


def test_ssim_is_its_formula_with_a_range_of_one():
    x, y = (p / 10 for p in two(2, 16, 1))
    metric = likeness(16)["ssim"]
    metric.update(x, y)
    taps = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    window = np.outer(taps, taps) / taps.sum() ** 2
    values = []
    for a, b in zip(x[:, 0].double().numpy(), y[:, 0].double().numpy(), strict=True):
        a, b = (np.pad(p, 5, mode="reflect") for p in (a, b))
        for i in range(16):
            for j in range(16):
                p, q = a[i : i + 11, j : j + 11], b[i : i + 11, j : j + 11]
                mp, mq = (window * p).sum(), (window * q).sum()
                vp, vq = (window * p * p).sum() - mp**2, (window * q * q).sum() - mq**2
                both = (window * p * q).sum() - mp * mq
                top = (2 * mp * mq + 1e-4) * (2 * both + 9e-4)
                values.append(top / ((mp**2 + mq**2 + 1e-4) * (vp + vq + 9e-4)))
    assert float(metric.compute()) == pytest.approx(np.mean(values), abs=1e-5)


def test_ms_ssim_has_three_scales_and_knows_equal_pictures():
    x, y = two()
    metric = likeness(48)["ms-ssim"]
    assert metric.betas == (0.4, 0.4, 0.2) and metric.data_range == 1.0
    metric.update(x, x)
    assert float(metric.compute()) == pytest.approx(1, abs=1e-6)
    metric.reset()
    metric.update(x, y)
    assert 0 < float(metric.compute()) < 1


def test_what_does_not_fit_small_pictures_is_left_out():
    assert set(likeness(8)) == {"psnr"}
    assert set(likeness(11)) == {"psnr", "ssim"}
    for side in (11, 44):
        x = torch.rand(2, 1, side, side)
        for metric in likeness(side).values():
            metric.update(x, 0.9 * x)
            assert metric.compute().isfinite()


def test_use_is_counted_over_the_whole_set():
    """Two halves that each use half the codes use all of them; the mean of halves says half."""
    use = CodeUse(8)
    use.update(torch.tensor([[0, 1], [2, 3]]))
    use.update(torch.tensor([[4, 5], [6, 7], [-1, -1]]))
    assert {k: float(v) for k, v in use.compute().items()} == pytest.approx(
        {"utilization": 1.0, "perplexity": 8.0}
    )
    use.reset()
    use.update(torch.tensor([3, 3, 3, 5]))
    share = np.array([0.75, 0.25])
    found = use.compute()
    assert float(found["utilization"]) == 0.25
    assert float(found["perplexity"]) == pytest.approx(np.exp(-(share * np.log(share)).sum()))


class Moments(nn.Module):
    num_features = 4

    def forward(self, x):
        x = x.double()
        return torch.stack([x[:, 0].mean((1, 2)), x[:, 1].std((1, 2)), x[:, 2, 3].mean(1),
                            x[:, 0, 0, 0]], 1).float() * 10  # fmt: skip


def distance(a, b):
    gap = a.mean(0) - b.mean(0)
    s, t = np.cov(a.T), np.cov(b.T)
    return float(gap @ gap + np.trace(s + t - 2 * sqrtm(s @ t).real))


def test_the_frechet_distance_is_its_formula_and_forgets_earlier_sets():
    """The released code kept the validation set's statistics when it tested."""
    extractor = Moments()
    metric = frechet(extractor=extractor)
    metric.update(two(40, 8, seed=7)[0] / 2, real=True)  # an earlier set
    metric.update(two(40, 8, seed=8)[0], real=False)
    metric.reset()
    x, y = two(40, 8)
    for i in (0, 20):
        metric.update(x[i : i + 20], real=True)
        metric.update(y[i : i + 20], real=False)
    a, b = (extractor(p).double().numpy() for p in (x, y))
    assert float(metric.compute()) == pytest.approx(distance(a, b), rel=1e-4)


def test_absent_parts_are_named_in_one_sentence(tmp_path):
    with pytest.raises((ImportError, FileNotFoundError), match="rFID needs Inception"):
        frechet(tmp_path / "none.pth")
    with pytest.raises(FileNotFoundError, match="download .*alexnet.* and give its path"):
        MeanLPIPS("alex", tmp_path / "none.pth")


def test_a_direction_is_known_or_refused():
    assert direction("val/psnr") == "max" and direction("val/mse") == "min"
    assert direction("rfid") == "min" and direction("val/ms-ssim") == "max"
    with pytest.raises(ValueError, match="which way 'val/speed' is better"):
        direction("val/speed")
    assert set(DIRECTIONS.values()) == {"min", "max"}
