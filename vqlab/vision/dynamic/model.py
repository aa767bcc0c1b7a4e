"""The autoencoder with codes of variable length: DQ-VAE."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

import torch
from torch import Tensor, nn

from ...quantizers.frame import Quantizer
from ..autoencoder import Autoencoder, Reconstruction
from .grains import Map, bits_of, codes_of, copied, owners, spread
from .order import Row, pack, unpack
from .pyramid import Plan, parts
from .routers import Kind, make_router
from .routing import Fixed, Learned, budget_loss
from .thresholds import Entropy, between

Gradient = Literal["released", "mixture"]


@dataclass
class DynamicReconstruction(Reconstruction):
    """What the autoencoder returns; its indices and latents are on the finest grid.

    Attributes:
        grains: (B, h, w) int64, the grain of each region; 0 is the coarsest.
    """

    grains: Tensor | None = None


class DynamicAutoencoder(Autoencoder):
    r"""Gives each region of a picture one coarse code or four (sixteen) finer ones.

    .. math:: z(p) = h_{g(p)}(p)\ \max_k \text{gate}_k(p), \qquad
        z_q = \mathrm{quantizer}(z), \qquad \hat x = \sigma(D(z_q))

    Encoder with a tap at each grid; a router that chooses one of them in each region; one codebook
    for all; a decoder on the finest grid, where a coarse code is repeated. The factor is 1 and
    carries the router's gradient (``gradient="released"``). The losses of the quantizer are summed
    over codes and divided by the cells of the finest grid, so every code counts once, as in the
    paper. Ours: its statistics (moving averages, revivals, use) count every code once, too.

    Args:
        channels: C. dim: D. quantizer: as for :class:`Autoencoder`, any of the table.
        shares: wanted share of the regions for each grain but the coarsest: one number for two
            grains, two for three.
        router: "learned", "entropy", "random" or "fixed" (shares of 0 and 1).
        router_options: the router's own, such as warmup and cooling.
        budget: weight of :func:`budget_loss`; only for a router that learns.
        gradient: of the router. "released": as above. "mixture" (ours):
            :math:`z = \sum_k \text{gate}_k h_k`, which tells a gate, to first order, what the other
            grain would have changed; there the router sends the encoder no gradient.
        halvings: from the picture down to the finest grid.
        plan: "small" (:func:`small_parts`) or "resnet" (:func:`resnet_parts`). sizes: of the plan.
        seed: of the first weights and the router.

    Raises:
        ValueError: unknown names, with the choices; sizes, shares or options out of range; a
            quantizer whose indices have levels.

    Reference: Huang et al. 2023, DQ-VAE, arXiv 2305.11718, Sec. 3.1; where paper and released code
    differ the code is followed.
    """

    def __init__(
        self,
        channels: int = 3,
        dim: int = 16,
        quantizer: Quantizer | None = None,
        *,
        shares: Sequence[float] = (0.5,),
        router: Kind = "learned",
        router_options: Mapping[str, Any] | None = None,
        budget: float = 20.0,
        gradient: Gradient = "released",
        halvings: int = 2,
        plan: Plan = "small",
        seed: int = 0,
        **sizes: Any,
    ) -> None:
        nn.Module.__init__(self)
        numbers = {"channels": channels, "dim": dim, "halvings": halvings, **sizes}
        for name, value in numbers.items():
            if isinstance(value, int) and not isinstance(value, bool) and value < 1:
                raise ValueError(f"{name} must be an integer >= 1, got {value!r}")
        if gradient not in get_args(Gradient):
            raise ValueError(
                f"gradient must be one of {', '.join(get_args(Gradient))}, got {gradient!r}"
            )
        if not budget >= 0:
            raise ValueError(f"budget is a weight >= 0, got {budget}")
        self.channels, self.dim, self.budget, self.gradient = channels, dim, budget, gradient
        self.count = len(shares) + 1
        self.halvings = halvings + self.count - 1  # what a side must be divisible by
        pyramid, self.decoder = parts(plan, channels, dim, halvings, self.count, seed, **sizes)
        self.encoder = cast(nn.Sequential, pyramid)  # in all but its type, which is several grids
        side = 2**self.halvings
        self.router = make_router(router, shares, dim, side, seed + 1, **(router_options or {}))
        self.insert(quantizer)

    def insert(self, quantizer: Quantizer | None) -> None:
        """As for :class:`Autoencoder`.

        Raises:
            ValueError: another dimension or layout; several indices to a latent.
        """
        if quantizer is not None and quantizer.levels is not None:
            raise ValueError(
                f"one index to a code is needed; the quantizer has {quantizer.levels} levels"
            )
        super().insert(quantizer)

    def encode(self, images: Tensor) -> Tensor:
        """z (B, D, H, W) on the finest grid, routed."""
        return self._routed(images)[0]

    def route(self, images: Tensor) -> Tensor:
        """Grains (B, h, w) int64 of pictures."""
        return self._routed(images)[2]

    @torch.no_grad()
    def calibrate(self, images: Tensor) -> None:
        """Sets the thresholds of the router so that ``images`` meet its shares.

        Raises:
            ValueError: a router without thresholds; a learned one of three grains.
        """
        if isinstance(self.router, Entropy):
            self.router.calibrate(images)
            return
        if not isinstance(self.router, Learned) or self.count != 2:
            raise ValueError("only an entropy router, or a learned one of two grains, has one")
        self.router.offset -= between(self.ranking(images).flatten(), self.router.shares)[0]

    @torch.no_grad()
    def ranking(self, images: Tensor) -> Tensor:
        """How much each region asks for finer codes, (B, h, w): entropy, or finest less coarsest.

        Raises:
            ValueError: a router that does not look at the picture.
        """
        if isinstance(self.router, Entropy):
            return self.router.entropy(images)
        if not isinstance(self.router, Learned):
            raise ValueError("a fixed or random router ranks no region before another")
        scores = self.router.scores(images, self._taps(images))
        return scores[:, -1] - scores[:, 0]

    def _taps(self, images: Tensor) -> list[Tensor]:
        taps: Any = super().encode(images)
        return cast(list[Tensor], taps)

    def _routed(
        self, images: Tensor, grains: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        taps = self._taps(images)
        if grains is None:
            # The budget must not reach the encoder, whose reconstruction loss may be far smaller.
            own = taps if self.gradient == "released" else [h.detach() for h in taps]
            gates = self.router(images, own)
        else:
            gates = nn.functional.one_hot(grains, self.count).movedim(-1, 1).to(taps[0])
        chosen = gates.detach().argmax(1)
        finest = 2 ** (self.count - 1)
        full = [spread(h, finest // 2**grain) for grain, h in enumerate(taps)]
        if self.gradient == "mixture":
            wide = spread(gates, finest)
            z = torch.stack([wide[:, g, None] * h for g, h in enumerate(full)]).sum(0)
        else:
            here = spread(chosen, finest)[:, None]
            z = full[0]
            for grain in range(1, self.count):
                z = torch.where(here == grain, full[grain], z)
            if self.gradient == "released" and self.training and grains is None:
                z = z * spread(gates.gather(1, chosen[:, None]), finest)
        return z, gates, chosen

    def forward(self, images: Tensor, grains: Tensor | None = None) -> DynamicReconstruction:
        """Pictures (B, C, H, W) to :class:`DynamicReconstruction`.

        Args:
            images: in [0, 1]. grains: (B, h, w) int64 in place of the router's choice.
        """
        z, gates, chosen = self._routed(images, grains)
        loss, terms = z.new_zeros(()), {}
        if self.router.learns and grains is None:
            loss = budget_loss(gates, self.router.shares, self.budget)
            terms["budget"] = loss / self.budget if self.budget else loss
        indices, values = None, z
        if self.quantizer is not None:
            mask = owners(chosen, self.count)
            out = self.quantizer(z, mask)
            values = copied(out.quantized, chosen, self.count).contiguous()  # as decompress has it
            indices = copied(out.indices, chosen, self.count)
            loss = loss + out.loss * mask.float().mean()
            terms = {**out.terms, **terms}
        measured = self._measured(chosen)
        return DynamicReconstruction(self.decode(values), z, indices, loss, terms, measured, chosen)

    def _measured(self, grains: Tensor) -> dict[str, Tensor]:
        codes = codes_of(grains).float().mean()
        out = {"codes": codes, "fine": (grains == self.count - 1).float().mean()}
        if self.count > 2:
            out["median"] = (grains == 1).float().mean()
        if self.quantizer is not None:
            out["bits"] = self.bits(grains).float().mean()
        return out

    def bits(self, grains: Tensor, coding: Map = "raw") -> Tensor:
        """Bits of each picture (B,), map included, see :func:`bits_of`; a fixed grid has no map.

        Raises:
            ValueError: no quantizer, an unknown coding.
        """
        if self.quantizer is None:
            raise ValueError("without a quantizer there are no codes to count")
        size = self.quantizer.codebook_size
        if isinstance(self.router, Fixed):
            return codes_of(grains).double() * math.log2(size)
        return bits_of(grains, size, self.count, coding)

    @torch.no_grad()
    def compress(self, images: Tensor) -> Row:
        """Pictures to rows of codes, by the router's choice in evaluation.

        Raises:
            ValueError: no quantizer, or a model in training.
        """
        if self.training or self.quantizer is None:
            raise ValueError("codes are stored by a model with a quantizer, in evaluation mode")
        out = self(images)
        assert out.indices is not None and out.grains is not None
        return pack(out.indices, out.grains, self.quantizer.codebook_size, self.count)

    @torch.no_grad()
    def decompress(self, row: Row) -> Tensor:
        """Pictures (B, C, H, W) from rows of codes; the same as :meth:`forward` draws.

        Raises:
            ValueError: no quantizer; rows that are not whole.
        """
        if self.quantizer is None:
            raise ValueError("without a quantizer there are no codes to read")
        return self.decode(self.quantizer.decode(unpack(row)[0]).contiguous())

    if TYPE_CHECKING:

        def __call__(
            self, images: Tensor, grains: Tensor | None = None
        ) -> DynamicReconstruction: ...
