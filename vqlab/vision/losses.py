"""The adversarial part of a VQGAN-style training: a judge of patches, its loss, its weight."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import relu


class PatchDiscriminator(nn.Module):
    r"""Says for each patch of a picture how real it looks: (B, C, H, W) to (B, 1, h, w).

    Convolutions of 4 x 4: ``layers`` with stride 2, one with stride 1, one to a single channel;
    leaky ReLUs and, but at both ends, batch norm between them. With layers=3 a patch is 70 x 70.

    Args:
        channels: C. width: channels after the first layer, doubled by each further one to at most
            eight times as many. layers: convolutions with stride 2.
        seed: of the first weights, N(0, 0.02); torch's own generator is left as it was.

    Reference: Isola et al. 2017 (arXiv 1611.07004), Sec. 3.2.2.
    """

    def __init__(
        self, channels: int = 3, width: int = 64, layers: int = 3, *, seed: int = 0
    ) -> None:
        super().__init__()
        widths = [width * min(2**i, 8) for i in range(layers + 1)]
        parts: list[nn.Module] = [nn.Conv2d(channels, width, 4, 2, 1), nn.LeakyReLU(0.2)]
        for i in range(1, layers + 1):
            stride = 2 if i < layers else 1
            parts += [nn.Conv2d(widths[i - 1], widths[i], 4, stride, 1, bias=False)]
            parts += [nn.BatchNorm2d(widths[i]), nn.LeakyReLU(0.2)]
        self.judge = nn.Sequential(*parts, nn.Conv2d(widths[-1], 1, 4, 1, 1))
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for part in self.judge:
                if isinstance(part, nn.Conv2d):
                    part.weight.normal_(0, 0.02, generator=generator)
                    if part.bias is not None:
                        part.bias.zero_()
                elif isinstance(part, nn.BatchNorm2d):
                    part.weight.normal_(1, 0.02, generator=generator)

    def forward(self, pictures: Tensor) -> Tensor:
        """(B, C, H, W) in [0, 1] to logits (B, 1, h, w)."""
        logits: Tensor = self.judge(2 * pictures - 1)
        return logits


def hinge(real: Tensor, fake: Tensor) -> Tensor:
    r"""The judge's loss: zero where real patches score above 1 and drawn ones below -1.

    .. math:: \tfrac12\,\mathrm{mean}\,(1 - D(x))_+ + \tfrac12\,\mathrm{mean}\,(1 + D(\hat x))_+

    Args:
        real, fake: logits of any shape.
    Returns:
        scalar.

    Reference: Lim and Ye 2017 (arXiv 1705.02894); the half as in VQGAN's released code.
    """
    return 0.5 * (relu(1 - real).mean() + relu(1 + fake).mean())


def adaptive_weight(reconstruction: Tensor, adversarial: Tensor, last: Tensor) -> Tensor:
    r"""The weight at which both losses pull equally hard at the decoder's last layer.

    .. math:: \lambda = \min\!\left(\frac{\|\nabla_W L_{rec}\|}
        {\|\nabla_W L_{adv}\| + 10^{-4}},\ 10^4\right)

    Args:
        reconstruction, adversarial: scalar losses that depend on ``last``. last: W.
    Returns:
        scalar without a gradient. In a training of several processes it is each process's own.

    Reference: Esser et al. 2021 (VQGAN, arXiv 2012.09841), Eq. 7; constants of its released code.
    """
    (pull,) = torch.autograd.grad(reconstruction, last, retain_graph=True)
    (push,) = torch.autograd.grad(adversarial, last, retain_graph=True)
    return (pull.norm() / (push.norm() + 1e-4)).clamp(0, 1e4).detach()
