"""LPIPS: how far two pictures are apart for a network that knows photographs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

Net = Literal["vgg", "alex"]

URLS = {
    "vgg": "https://download.pytorch.org/models/vgg16-397923af.pth",
    "alex": "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",
}
# Channels of the convolutions; "M" is a pooling, "|" a place where features are compared.
_VGG: list[object] = [64, 64, "|", "M", 128, 128, "|", "M", 256, 256, 256, "|", "M",
                      512, 512, 512, "|", "M", 512, 512, 512, "|"]  # fmt: skip
_ALEX: list[object] = [(64, 11, 4, 2), "|", "M", (192, 5, 1, 2), "|", "M", (384, 3, 1, 1), "|",
                       (256, 3, 1, 1), "|", (256, 3, 1, 1), "|"]  # fmt: skip
_PLANS: dict[str, list[object]] = {"vgg": _VGG, "alex": _ALEX}
_POOL = {"vgg": (2, 2), "alex": (3, 2)}
# The colours that the networks were trained on, in units of [-1, 1].
_SHIFT, _SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)


class Perceptual(nn.Module):
    r"""LPIPS between pictures in [0, 1], averaged over the batch.

    .. math:: \mathrm{mean}_b \sum_l \frac{1}{H_l W_l} \sum_{h,w} w_l \cdot
        (\hat f_l(x) - \hat f_l(y))^2_{hw}

    with f_l the features after layer l, scaled to length 1 at each position. Both pictures are
    brought to [-1, 1] here, which LPIPS expects; grey ones are repeated in three colours.
    Gradients go to the pictures only.

    Args:
        net: "vgg" (usual as a loss) or "alex" (usual as a metric).
        weights: file of the network's weights for ImageNet in torchvision's format; None downloads
            them to torch's cache.
        heads: file of the weights w_l; None takes those that torchmetrics carries.

    Raises:
        FileNotFoundError: weights that are neither given nor to be downloaded; the sentence says
            from where. ValueError: a file that does not hold them.

    Reference: Zhang et al. 2018 (arXiv 1801.03924), version 0.1 of its weights.
    """

    shift: Tensor
    scale: Tensor

    def __init__(
        self, net: Net = "vgg", weights: str | Path | None = None, heads: str | Path | None = None
    ) -> None:
        super().__init__()
        if net not in URLS:
            raise ValueError(f"net must be 'vgg' or 'alex', got {net!r}")
        self.parts, widths = _features(net)
        self.heads = nn.ParameterList([nn.Parameter(torch.ones(width)) for width in widths])
        self.register_buffer("shift", torch.tensor(_SHIFT).view(3, 1, 1), persistent=False)
        self.register_buffer("scale", torch.tensor(_SCALE).view(3, 1, 1), persistent=False)
        self._load(net, _read(net, weights), _heads(net, heads))
        self.requires_grad_(False).eval()

    def _load(self, net: str, network: Mapping[str, Tensor], heads: Mapping[str, Tensor]) -> None:
        layers = [m for part in self.parts for m in part.children()]
        convolutions = [m for m in layers if isinstance(m, nn.Conv2d)]
        names = [n.removesuffix(".weight") for n in network if n.endswith(".weight")]
        names = [n for n in names if n.startswith("features.") and network[n + ".weight"].ndim == 4]
        names.sort(key=lambda n: int(n.split(".")[1]))
        shapes = [tuple(network[n + ".weight"].shape) for n in names]
        if shapes != [tuple(c.weight.shape) for c in convolutions]:
            raise ValueError(f"the file of weights holds no {net} in torchvision's format")
        with torch.no_grad():
            for conv, name in zip(convolutions, names, strict=True):
                conv.weight.copy_(network[name + ".weight"])
                assert conv.bias is not None
                conv.bias.copy_(network[name + ".bias"])
            for i, head in enumerate(self.heads):
                head.copy_(heads[f"lin{i}.model.1.weight"].flatten())

    def train(self, mode: bool = True) -> Perceptual:
        """Stays in evaluation mode."""
        return super().train(False)

    def forward(self, pictures: Tensor, targets: Tensor) -> Tensor:
        """Distance of (B, C, H, W) from (B, C, H, W), both in [0, 1]; a scalar."""
        return self.each(pictures, targets).mean()

    def each(self, pictures: Tensor, targets: Tensor) -> Tensor:
        """(B,) distances."""
        x, y = (
            (2 * p.expand(-1, 3, -1, -1) - 1 - self.shift) / self.scale for p in (pictures, targets)
        )
        total = x.new_zeros(len(x))
        for part, head in zip(self.parts, self.heads, strict=True):
            x, y = part(x), part(y)
            gap = (_unit(x) - _unit(y)).square()
            total = total + (gap * head[:, None, None]).sum(1).mean((1, 2))
        return total


def _unit(features: Tensor) -> Tensor:
    return features / (features.square().sum(1, keepdim=True) + 1e-8).sqrt()


def _features(net: str) -> tuple[nn.ModuleList, list[int]]:
    parts, layers, widths, before = nn.ModuleList(), list[nn.Module](), list[int](), 3
    for item in _PLANS[net]:
        if item == "|":
            parts.append(nn.Sequential(*layers))
            widths.append(before)
            layers = []
        elif item == "M":
            layers.append(nn.MaxPool2d(*_POOL[net]))
        else:
            after, size, stride, padding = item if isinstance(item, tuple) else (item, 3, 1, 1)
            layers += [nn.Conv2d(before, after, size, stride, padding), nn.ReLU()]
            before = after
    return parts, widths


def _read(net: str, weights: str | Path | None) -> Mapping[str, Tensor]:
    try:
        if weights is None:
            found = torch.hub.load_state_dict_from_url(
                URLS[net], map_location="cpu", check_hash=True, progress=False, weights_only=True
            )
        else:
            found = torch.load(weights, map_location="cpu", weights_only=True)
    except OSError as error:
        raise FileNotFoundError(
            f"LPIPS needs the weights of {net}, which are not at {weights or 'torch hub'} and "
            f"could not be fetched: download {URLS[net]} and give its path as weights="
        ) from error
    return dict(found)


def _heads(net: str, heads: str | Path | None) -> Mapping[str, Tensor]:
    if heads is None:
        try:
            import torchmetrics
        except ImportError as error:
            raise FileNotFoundError(
                "LPIPS takes its heads from torchmetrics, which is not installed: "
                "pip install -e '.[train]', or give their path as heads="
            ) from error
        folder = Path(torchmetrics.__file__).parent / "functional" / "image" / "lpips_models"
        heads = folder / f"{net}.pth"
    return dict(torch.load(heads, map_location="cpu", weights_only=True))
