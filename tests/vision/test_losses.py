"""Judge, hinge, adaptive weight and LPIPS against their definitions."""

import pytest
import torch

from vqlab.vision.losses import PatchDiscriminator, adaptive_weight, hinge
from vqlab.vision.perceptual import URLS, Perceptual


def test_the_hinge_is_its_formula():
    real, fake = torch.tensor([2.0, 0.5, -1.0]), torch.tensor([-3.0, 0.25])
    expected = 0.5 * (0 + 0.5 + 2) / 3 + 0.5 * (0 + 1.25) / 2
    assert float(hinge(real, fake)) == pytest.approx(expected)


def test_the_adaptive_weight_balances_two_pulls():
    w = torch.tensor([3.0, 4.0], dtype=torch.float64, requires_grad=True)
    weight = adaptive_weight((w * w).sum(), w.sum(), w)
    assert float(weight) == pytest.approx(10 / (2**0.5 + 1e-4), rel=1e-12)
    assert not weight.requires_grad
    assert float(adaptive_weight((w * w).sum() * 1e9, w.sum(), w)) == 1e4


def test_a_judge_sees_patches_of_70_pixels():
    judge = PatchDiscriminator(1, 4).eval()
    picture = torch.rand(1, 1, 128, 128, requires_grad=True)
    logits = judge(picture)
    assert logits.shape == (1, 1, 14, 14)
    logits[0, 0, 7, 7].backward()
    rows = picture.grad[0, 0].abs().sum(1).nonzero().flatten()
    assert int(rows[-1] - rows[0]) + 1 == 70


def test_a_judges_seed_is_its_own():
    torch.manual_seed(1)
    one = PatchDiscriminator(1, 4, 2, seed=0)
    torch.manual_seed(2)
    same = PatchDiscriminator(1, 4, 2, seed=0)
    other = PatchDiscriminator(1, 4, 2, seed=1)
    first = [p for p in one.parameters()][0]
    assert torch.equal(first, next(same.parameters()))
    assert not torch.equal(first, next(other.parameters()))


@pytest.fixture(scope="module", params=["vgg", "alex"])
def network(request, tmp_path_factory):
    """Files of random weights in the real formats; the layers are torchvision's published plans."""
    folder, generator = tmp_path_factory.mktemp("weights"), torch.Generator().manual_seed(0)
    plans = {
        "vgg": [(0, 64, 3, 3), (2, 64, 64, 3), (5, 128, 64, 3), (7, 128, 128, 3), (10, 256, 128, 3),
                (12, 256, 256, 3), (14, 256, 256, 3), (17, 512, 256, 3), (19, 512, 512, 3),
                (21, 512, 512, 3), (24, 512, 512, 3), (26, 512, 512, 3), (28, 512, 512, 3)],
        "alex": [(0, 64, 3, 11), (3, 192, 64, 5), (6, 384, 192, 3), (8, 256, 384, 3),
                 (10, 256, 256, 3)],
    }  # fmt: skip
    state = {"classifier.6.weight": torch.zeros(10, 10), "classifier.6.bias": torch.zeros(10)}
    for i, after, before, side in plans[request.param]:
        if i:
            scale = (2 / (before * side**2)) ** 0.5
        else:
            before, scale = 3, (2 / (3 * side**2)) ** 0.5
        shape = (after, before, side, side) if i else (after, 3, side, side)
        state[f"features.{i}.weight"] = scale * torch.randn(shape, generator=generator)
        state[f"features.{i}.bias"] = 0.1 * torch.randn(after, generator=generator)
    widths = {"vgg": (64, 128, 256, 512, 512), "alex": (64, 192, 384, 256, 256)}[request.param]
    heads = {f"lin{i}.model.1.weight": torch.rand(1, w, 1, 1, generator=generator)
             for i, w in enumerate(widths)}  # fmt: skip
    torch.save(state, folder / "net.pth")
    torch.save(heads, folder / "heads.pth")
    return request.param, folder, state, heads


def brute_force(name, state, heads, x, y):
    """LPIPS layer by layer, in float64, from the published plan."""
    shift = torch.tensor([-0.030, -0.088, -0.188], dtype=torch.float64).view(3, 1, 1)
    scale = torch.tensor([0.458, 0.448, 0.450], dtype=torch.float64).view(3, 1, 1)
    plan = {
        "vgg": "0 2 | M 5 7 | M 10 12 14 | M 17 19 21 | M 24 26 28 |",
        "alex": "0 | M 3 | M 6 | 8 | 10 |",
    }[name].split()
    size, step = {"vgg": (2, 2), "alex": (3, 2)}[name]
    shape = {("alex", "0"): (4, 2), ("alex", "3"): (1, 2)}
    a, b = (((2 * p.double() - 1) - shift) / scale for p in (x, y))
    total, level = 0.0, 0
    for item in plan:
        if item == "M":
            a, b = (torch.nn.functional.max_pool2d(f, size, step) for f in (a, b))
        elif item == "|":
            units = [f / f.pow(2).sum(1, keepdim=True).sqrt() for f in (a, b)]
            units = [u.nan_to_num(0.0) for u in units]
            w = heads[f"lin{level}.model.1.weight"].double()
            total = total + ((units[0] - units[1]) ** 2 * w).sum(1).mean((1, 2))
            level += 1
        else:
            stride, padding = shape.get((name, item), (1, 1))
            weight, bias = (state[f"features.{item}.{k}"].double() for k in ("weight", "bias"))
            a, b = (
                torch.nn.functional.conv2d(f, weight, bias, stride, padding).relu() for f in (a, b)
            )
    return total


def test_lpips_is_its_formula(network):
    name, folder, state, heads = network
    model = Perceptual(name, folder / "net.pth", folder / "heads.pth")
    x, y = torch.rand(2, 2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    expected = brute_force(name, state, heads, x, y)
    # float32 through up to 13 layers
    torch.testing.assert_close(model.each(x, y).double(), expected, rtol=1e-3, atol=1e-6)
    torch.testing.assert_close(model(x, y), model.each(x, y).mean())
    assert torch.equal(model.each(x, x), torch.zeros(2))


def test_lpips_takes_pictures_in_0_1_and_gives_them_its_gradient(network):
    """The released code feeds [0, 1] where [-1, 1] is expected, which makes LPIPS too small."""
    name, folder, state, heads = network
    model = Perceptual(name, folder / "net.pth", folder / "heads.pth").train()
    assert not model.training and not any(p.requires_grad for p in model.parameters())
    x, y = torch.rand(2, 1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    wrong = brute_force(name, state, heads, (x + 1) / 2, (y + 1) / 2)  # [0, 1] taken as [-1, 1]
    assert float(wrong[0]) < 0.9 * float(model(x, y))
    x.requires_grad_()
    model(x, y).backward()
    assert x.grad.isfinite().all() and x.grad.abs().sum() > 0
    grey = torch.rand(1, 1, 64, 64)
    torch.testing.assert_close(model(grey, y), model(grey.expand(-1, 3, -1, -1), y))


def test_absent_weights_are_named_in_one_sentence(tmp_path):
    with pytest.raises(FileNotFoundError, match=f"download {URLS['vgg']} and give its path"):
        Perceptual("vgg", tmp_path / "none.pth")
    torch.save({"features.0.weight": torch.zeros(1, 1, 1, 1)}, tmp_path / "other.pth")
    torch.save({}, tmp_path / "heads.pth")
    with pytest.raises(ValueError, match="no alex in torchvision's format"):
        Perceptual("alex", tmp_path / "other.pth", tmp_path / "heads.pth")
    with pytest.raises(ValueError, match="'vgg' or 'alex'"):
        Perceptual("squeeze")
