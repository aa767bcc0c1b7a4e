"""The entropy of binary codes: each latent decided, the codes evenly used."""

from __future__ import annotations

import torch
from torch import Tensor

from .codebooks import Codebook
from .entropy import ChoiceEntropy, order, shares_of
from .updates import Batch

WIDEST = 9  # bits of a group by default: a table of N x 512, as the released code of BSQ has it


class CodeEntropy(ChoiceEntropy):
    r"""Wants every latent sure of its code and all codes used alike.

    .. math::
        L = \tfrac1N \sum_n H(p_n) - \gamma \sum_g H\!\left(\tfrac1N \sum_n p_n^{(g)}\right), \qquad
        p_n(c) \propto e^{2 \tau\, z_n \cdot c}

    over the corners c of a cube of side 2a. There p_n is a product of D sigmoids of
    4 tau a z_ni, one a bit, so the first entropy is the exact sum of D binary ones, without the 2^D
    codes. The second is taken over groups of bits as if they were independent of each other: an
    upper bound on the entropy of use, exact with one group of all D bits. The loss lies between
    -gamma D log 2 and D log 2: below zero is where it should be. In training over several
    processes each takes its own batch.

    Args:
        weight: of the loss. diversity: gamma. sharpness: tau, an inverse temperature.
        group: bits of a group, a divisor of D; memory N x 2^group. None is the largest up to 9.

    Raises:
        ValueError: a negative weight, gamma or tau; a group that does not divide D; a codebook that
            is no :class:`BinaryCube`.

    Reference: Yu et al. 2023 (arXiv 2310.05737), Sec. 3.1, entropy penalty; Zhao et al. 2024
    (arXiv 2406.07548), Sec. 3, and its released code for the groups.
    """

    def __init__(
        self,
        weight: float = 0.1,
        diversity: float = 1.0,
        sharpness: float = 100.0,
        group: int | None = None,
    ) -> None:
        super().__init__(weight, diversity)
        if not sharpness > 0:
            raise ValueError(f"the sharpness of CodeEntropy must be > 0, got {sharpness}")
        self.sharpness, self.group = sharpness, group

    def attach(self, codebook: Codebook) -> None:
        """Needs bits."""
        side = getattr(codebook, "side", None)
        if side is None:
            raise ValueError(f"CodeEntropy needs a BinaryCube, got {type(codebook).__name__}")
        bits = codebook.dim
        if self.group is None:
            self.group = max(g for g in range(1, WIDEST + 1) if bits % g == 0)
        if self.group < 1 or bits % self.group:
            raise ValueError(f"group must divide the {bits} bits, got {self.group}")
        self.side: float = side

    def terms(self, batch: Batch) -> dict[str, Tensor]:
        """{"entropy": the loss above, in nats}."""
        logits = (4 * self.sharpness * self.side) * batch.latents
        shares = shares_of(batch)
        sure = (_binary(logits) * shares[:, None]).sum()
        return {"entropy": sure + self.diversity * self._order(logits, shares)}

    def _order(self, logits: Tensor, shares: Tensor) -> Tensor:
        group = self.group
        assert group is not None
        numbers = torch.arange(2**group, device=logits.device)
        bits = (numbers[:, None] >> torch.arange(group, device=logits.device)) & 1
        # Dropping what all corners share leaves the logit of a corner as the sum of its set bits'.
        p = (logits.unflatten(1, (-1, group)) @ bits.to(logits).T).softmax(-1)
        return order((p.flatten(1) * shares[:, None]).sum(0))

    def extra_repr(self) -> str:
        """The options, for print()."""
        return (
            f"weight={self.weight}, diversity={self.diversity}, sharpness={self.sharpness}, "
            f"group={self.group}"
        )


def _binary(logits: Tensor) -> Tensor:
    """The entropy of a bit whose log odds are given, without the overflow of log p."""
    # H = log(1 + e^-|x|) + |x| sigmoid(-|x|), even in x.
    size = logits.abs()
    return torch.nn.functional.softplus(-size) + size * torch.sigmoid(-size)
