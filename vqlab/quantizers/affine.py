"""VQ-STE++'s affine codes: a free table that wears the mean and spread of the latents."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from .codebooks import Codebook
from .estimators import LookAhead
from .initialisation import seeded
from .processes import summed
from .registry import Parts, published
from .updates import CodebookLoss, Update


class MatchedCodebook(Codebook):
    r"""Codes that are standardized and then given the latents' running mean and spread.

    .. math:: C'_{kd} = \frac{C_{kd} - \mu^C_d}{\sigma^C_d}\, \sigma^z_d + \mu^z_d

    Where the latents move or grow as a whole, all codes go with them, unused ones too; only the
    arrangement within the cloud is left to learn. :class:`RunningStatistics` keeps the means and
    spreads; no gradient flows through them. Until the first training batch C' = C.

    Args:
        codebook_size: K. dim: D.
        seed: int or torch.Generator for C, standard normal; None draws from torch's own generator.

    Source: VQ-STE++, Huh et al. 2023 (arXiv 2305.08842), affine re-parameterization. The paper's
    text was not available: this is a reconstruction from its abstract and its authors' library,
    vqtorch, which has this form and, by default there, one with a learned scale and shift.
    """

    latent_mean: Tensor
    latent_std: Tensor
    code_mean: Tensor
    code_std: Tensor

    def __init__(
        self, codebook_size: int, dim: int, seed: int | torch.Generator | None = None
    ) -> None:
        super().__init__(codebook_size, dim)
        self.table = nn.Parameter(torch.randn(codebook_size, dim, generator=seeded(seed)))
        for owner in ("latent", "code"):
            self.register_buffer(f"{owner}_mean", torch.zeros(dim))
            self.register_buffer(f"{owner}_std", torch.ones(dim))

    @property
    def stored(self) -> Tensor:
        """The free table C."""
        return self.table

    def forward(self) -> Tensor:
        """(K, D)."""
        scale = self.latent_std / self.code_std
        return (self.table - self.code_mean) * scale + self.latent_mean


class RunningStatistics(Update):
    r"""Keeps the means and spreads of a :class:`MatchedCodebook`, before each assignment.

    .. math:: \mu \leftarrow \gamma \mu + (1-\gamma) \bar\mu, \qquad
        \sigma^2 \leftarrow \gamma \sigma^2 + (1-\gamma) \bar\sigma^2

    with the batch's and the table's own mean and variance; the first batch sets them.

    Args:
        decay: gamma for the latents. code_decay: gamma for the table.

    Raises:
        ValueError: a decay outside [0, 1); a codebook of another kind.

    Source: as the codebook's, a reconstruction.
    """

    moves = True
    seen: Tensor

    def __init__(self, decay: float = 0.99, code_decay: float = 0.9) -> None:
        super().__init__()
        for name, value in (("decay", decay), ("code_decay", code_decay)):
            if not 0 <= value < 1:
                raise ValueError(f"{name} must lie in [0, 1), got {value}")
        self.decay, self.code_decay = decay, code_decay
        self.register_buffer("seen", torch.tensor(False))

    def attach(self, codebook: Codebook) -> None:
        """Needs a codebook that has such statistics."""
        if not isinstance(codebook, MatchedCodebook):
            name = type(codebook).__name__
            raise ValueError(f"RunningStatistics needs a MatchedCodebook, got {name}")

    def prepare(self, latents: Tensor, weights: Tensor | None, codebook: Codebook) -> Tensor | None:
        """One step of the statistics."""
        assert isinstance(codebook, MatchedCodebook)
        valid = torch.ones_like(latents[:, :1]) if weights is None else weights[:, None]
        count = summed(valid.sum())
        mean = summed((latents * valid).sum(0)) / count.clamp_min(1.0)
        variance = summed(((latents - mean).square() * valid).sum(0)) / count.clamp_min(1.0)
        # Padding alone, or a batch that the search is about to refuse, changes nothing.
        usable = (count > 0) & mean.isfinite().all() & variance.isfinite().all()
        self._step(codebook.latent_mean, codebook.latent_std, mean, variance, self.decay, usable)
        table = codebook.table.detach()
        code_variance = table.var(0, correction=0)
        if codebook.codebook_size == 1:
            code_variance = torch.ones_like(code_variance)  # one code has no spread to divide by
        self._step(
            codebook.code_mean,
            codebook.code_std,
            table.mean(0),
            code_variance,
            self.code_decay,
            usable,
        )
        self.seen.copy_(self.seen | usable)
        return None

    def _step(
        self,
        mean: Tensor,
        std: Tensor,
        new_mean: Tensor,
        new_variance: Tensor,
        decay: float,
        usable: Tensor,
    ) -> None:
        share = torch.where(self.seen, 1 - decay, 1.0)
        variance = torch.lerp(std.square(), new_variance, share.to(std))
        tiny = math.sqrt(torch.finfo(std.dtype).tiny)  # a coordinate that never varies
        mean.copy_(torch.where(usable, torch.lerp(mean, new_mean, share.to(mean)), mean))
        std.copy_(torch.where(usable, variance.sqrt().clamp_min(tiny), std))

    def extra_repr(self) -> str:
        """The options, for print()."""
        return f"decay={self.decay}, code_decay={self.code_decay}"


@published(
    "affine-vq",
    codebook="free table, matched to the latents' statistics",
    estimator="straight-through or, with sync, synchronized",
    update="codebook loss + running statistics",
    paper="VQ-STE++, Huh et al., arXiv 2305.08842",
    year=2023,
    equation="affine re-parameterization",
    note="reconstruction of the running-statistics form; sync= the synchronized update's nu; "
    "without the paper's alternating optimization",
)
def _affine_vq(
    size: int,
    dim: int,
    seed: Any,
    *,
    decay: float = 0.99,
    code_decay: float = 0.9,
    sync: float = 0.0,
    weight: float = 1.0,
) -> Parts:
    """Reconstruction from the abstract and from libraries' options.

    The paper's third cure steps the codes to their latents several times for each step of the
    encoder. That is a matter of the training loop, not of the quantizer, and is not here.
    """
    rules: list[Update] = [CodebookLoss(weight), RunningStatistics(decay, code_decay)]
    estimator = LookAhead(sync, whole=True) if sync else None
    return Parts(MatchedCodebook(size, dim, seed), rules, estimator=estimator)
