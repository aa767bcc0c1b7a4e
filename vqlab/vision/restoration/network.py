"""VQFR: a dictionary of textures, and a second decoder that fetches them into place."""

from __future__ import annotations

import math
from copy import deepcopy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, mse_loss, silu

from ..autoencoder import Autoencoder, Reconstruction
from ..models import NormedResidual
from .levels import pyramid, split
from .warping import Warp

Form = Literal["paper", "residual"]
EDGE = 0.01  # the picture enters the last layer as a logit, cut where that would be infinite


@dataclass
class Restored(Reconstruction):
    """What the restoration returns.

    Attributes:
        images: of the main branch, (B, C, H, W) in (0, 1).
        texture: of the texture branch, (B, C, H, W) in (0, 1).
        offsets: of each level in pixels, coarsest first, (B, 2 G n n, h, w).
        latents, indices: of the degraded pictures, as in :class:`Reconstruction`.
        loss: of the alignment where the clean pictures are given, else zero.
        terms: "alignment" and the quantizer's, unweighted.
    """

    texture: Tensor = field(default_factory=lambda: torch.empty(0))
    offsets: list[Tensor] = field(default_factory=list)


class Restorer(nn.Module):
    r"""Restores pictures with the codes of a dictionary that was trained on clean ones.

    .. math:: z = E(x_{lq}), \quad q = \text{nearest code}, \quad (T_f, y_{tex}) = D_{tex}(q), \quad
        W_f = \mathrm{warp}(P_f, T_f), \quad M_f = \mathrm{Res}([\mathrm{up}(M_{2f}); W_f])

    The texture branch sees the degraded picture through the codes alone. The main branch samples
    from its features, where the picture (P, a convolution of it) says. "paper", the first version:
    the texture decoder goes on learning, and the output is a convolution of M and of the picture.
    "residual", as in the second version: the texture decoder stays as it is, and

    .. math:: y(w) = D_{last}(T_1 + w\,\mathrm{conv}(M_1)), \qquad 0 \le w \le 1,

    so that w = 0 is the texture branch and w a knob between realism and fidelity. Codes and the
    clean encoder stay frozen. Without a quantizer in the dictionary (None) latents pass through as
    they are: the same network without a codebook.

    Args:
        dictionary: trained on clean pictures; copied.
        form: "paper" or "residual".
        warp: False holds all offsets at zero. groups: of offsets. taps: see :class:`Warp`.
        guide: channels of P.
        alignment: weight of :math:`\mathrm{mean}\,\lVert E(x_{lq}) - \mathrm{sg}\,q(E_{HQ}(x))
            \rVert^2` in the loss.
        seed: of the first weights; torch's own generator is left as it was.

    Raises:
        ValueError: an unknown form; groups that do not divide the decoder's widths.

    Reference: VQFR, Gu et al. 2022, arXiv 2205.06803; released code. Ours: pictures end in a
    sigmoid, so the picture joins the last layer as a logit; offsets begin at zero; the residual
    form chooses the nearest code (its released code trains a classifier) and begins at
    :math:`y(w) = y_{tex}`.
    """

    def __init__(
        self,
        dictionary: Autoencoder,
        *,
        form: Form = "paper",
        warp: bool = True,
        groups: int = 4,
        taps: int = 3,
        guide: int = 32,
        alignment: float = 1.0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if form not in ("paper", "residual"):
            raise ValueError(f"form must be 'paper' or 'residual', got {form!r}")
        self.form, self.alignment = form, alignment
        self.teacher = deepcopy(dictionary).requires_grad_(False).eval()
        self.encoder = deepcopy(dictionary.encoder).requires_grad_(True)
        self.decoder = deepcopy(dictionary.decoder).requires_grad_(form == "paper")
        with torch.no_grad():
            place = next(self.decoder.parameters())
            probe = torch.zeros(1, dictionary.dim, 2, 2, dtype=place.dtype, device=place.device)
            widths = [level.shape[1] for level in pyramid(self.decoder, probe)[0]]
        norms = [m for m in self.decoder if isinstance(m, nn.GroupNorm)]
        normed = norms[0].num_groups if norms else math.gcd(8, *widths)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.guide = nn.Conv2d(dictionary.channels, guide, 3, padding=1)
            self.guides = nn.ModuleList(
                [nn.Conv2d(guide, guide, 3, padding=1) for _ in widths[1:]] + [nn.Identity()]
            )
            self.warps = nn.ModuleList(
                Warp(width, guide, coarser=level > 0, groups=groups, taps=taps, normed=normed,
                     still=not warp)
                for level, width in enumerate(widths)
            )  # fmt: skip
            self.ups = nn.ModuleList(nn.Conv2d(w, w, 3, padding=1) for w in widths[:-1])
            self.joins = nn.ModuleList(
                NormedResidual(before + width, width, normed)
                for before, width in zip(widths, widths[1:], strict=False)
            )
            last = widths[-1]
            self.norm = nn.GroupNorm(normed, last)
            self.out: nn.Module = nn.Conv2d(last, last, 3, padding=1)
            if form == "paper":  # what ends a decoder: one layer that draws
                self.out = deepcopy(self.decoder[-1])
                cast(nn.Conv2d, self.out).reset_parameters()
                # A convolution of [M; x] is the sum of one of each.
                self.beside = nn.Conv2d(dictionary.channels, dictionary.channels, 3, padding=1)
        if form == "residual":
            for parameter in self.out.parameters():
                nn.init.zeros_(parameter)

    @property
    def channels(self) -> int:
        """C of the pictures."""
        return self.teacher.channels

    @property
    def quantizer(self) -> nn.Module | None:
        """The dictionary's, frozen; None without a codebook."""
        return self.teacher.quantizer

    @property
    def last_layer(self) -> nn.Parameter:
        """Weights of the last layer that learns."""
        return cast(nn.Parameter, self.out.weight)

    def train(self, mode: bool = True) -> Restorer:
        """The dictionary stays in evaluation mode: nothing in it moves."""
        super().train(mode)
        self.teacher.eval()
        return self

    @torch.no_grad()
    def target(self, clean: Tensor) -> Tensor:
        """The codes (B, D, h, w) that the frozen dictionary gives clean pictures."""
        z = self.teacher.encode(clean)
        return z if self.teacher.quantizer is None else self.teacher.quantizer(z).quantized

    def texture(self, codes: Tensor) -> tuple[list[Tensor], Tensor]:
        """The texture branch: features of each resolution, coarsest first, and its picture."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.form == "paper"):
            return pyramid(self.decoder, codes)

    def main(self, levels: list[Tensor], degraded: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The main branch up to its finest features M_1, and the offsets of each level."""
        seen = self.guide(degraded)
        offsets: list[Tensor] = []
        coarser: Tensor | None = None
        merged: Tensor | None = None
        for i, level in enumerate(levels):
            fits = seen.shape[2:] == level.shape[2:]
            size = list(level.shape[2:])
            small = seen if fits else interpolate(seen, size=size, mode="bilinear")
            warped, coarser, moved = self.warps[i](self.guides[i](small), level, coarser)
            offsets.append(moved)
            if merged is None:
                merged = warped
                continue
            up = interpolate(self.ups[i - 1](merged), scale_factor=2.0, mode="nearest")
            merged = self.joins[i - 1](torch.cat([up, warped], 1))
        assert merged is not None
        return merged, offsets

    def finish(
        self,
        merged: Tensor,
        levels: list[Tensor],
        texture: Tensor,
        degraded: Tensor,
        w: float = 1.0,
    ) -> Tensor:
        """The picture (B, C, H, W) in (0, 1) of the main branch's features and the knob."""
        fine = silu(self.norm(merged))
        if self.form == "paper":
            skip: Tensor = self.beside(degraded.clamp(EDGE, 1 - EDGE).logit())
            sharp = (self.out(fine) + skip).sigmoid()
            return sharp if w == 1 else texture + w * (sharp - texture)
        mixed = levels[-1] + w * self.out(fine)
        picture: Tensor = split(self.decoder)[1](mixed).sigmoid()
        return picture

    def forward(self, degraded: Tensor, clean: Tensor | None = None, w: float = 1.0) -> Restored:
        """Degraded pictures (B, C, H, W) in [0, 1] to :class:`Restored`.

        Args:
            degraded: sides divisible by the dictionary's factor.
            clean: the same pictures before; with them the loss is that of the alignment.
            w: the knob, 0 for the texture branch to 1 for the main branch: in the residual form
                between features; the paper's form has none, there it mixes the two pictures (ours).

        Raises:
            ValueError: w outside of [0, 1], or other shapes.
        """
        if not 0 <= w <= 1:
            raise ValueError(f"w lies in [0, 1], got {w}")
        if clean is not None and clean.shape != degraded.shape:
            raise ValueError(
                f"clean and degraded pictures must have one shape, got {tuple(clean.shape)} and "
                f"{tuple(degraded.shape)}"
            )
        factor = 2**self.teacher.halvings
        if (
            degraded.ndim != 4
            or degraded.shape[1] != self.channels
            or any(side % factor for side in degraded.shape[2:])
        ):
            raise ValueError(
                f"pictures of shape {tuple(degraded.shape)} given; expected "
                f"(B, {self.channels}, H, W) with H and W divisible by {factor}"
            )
        z = self.encoder(degraded)
        codes, indices, terms = z, None, dict[str, Tensor]()
        if self.teacher.quantizer is not None:
            found = self.teacher.quantizer(z)
            codes, indices, terms = found.quantized, found.indices, dict(found.terms)
        levels, texture = self.texture(codes)
        merged, offsets = self.main(levels, degraded)
        images = self.finish(merged, levels, texture, degraded, w)
        loss = z.new_zeros(())
        if clean is not None:
            terms["alignment"] = mse_loss(z, self.target(clean))
            loss = self.alignment * terms["alignment"]
        return Restored(images, z, indices, loss, terms, texture=texture, offsets=offsets)

    if TYPE_CHECKING:

        def __call__(
            self, degraded: Tensor, clean: Tensor | None = None, w: float = 1.0
        ) -> Restored: ...
