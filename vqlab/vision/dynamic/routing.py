"""Routers: which grain each region of a picture gets, under a budget."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, one_hot, silu

from ...quantizers.draws import Noise


def budget_loss(gates: Tensor, shares: Sequence[float], weight: float = 20.0) -> Tensor:
    r"""Pulls the share of each finer grain, in the mean over a batch, to what is wanted.

    .. math:: L = \gamma \sum_{g \ge 1} \Big(\frac{1}{Bn}\sum_{b,ij} \text{gate}_{b,g,ij}
        - r^*_g\Big)^2

    One picture may have more than its share and another less: that is the point.

    Args:
        gates: (B, G, h, w), one-hot with a straight-through gradient.
        shares: r* of the grains 1 to G - 1. weight: gamma.
    Returns:
        scalar.

    Reference: DQ-VAE, arXiv 2305.11718, released code: weight 10, added twice by its configuration,
    hence 20. Its three-grain model takes 1, on the finest alone; here one weight serves all.
    """
    wanted = gates.new_tensor(shares)
    return weight * (gates.mean((0, 2, 3))[1:] - wanted).square().sum()


class Router(nn.Module):
    """Base of the routers.

    Attributes:
        shares: wanted share of the regions for the grains 1 to G - 1; the rest is coarse.
        grains: G. learns: whether the budget is reached by a loss.
    """

    learns = False

    def __init__(self, shares: Sequence[float]) -> None:
        super().__init__()
        self.shares = tuple(float(s) for s in shares)
        if not self.shares or any(not 0 <= s <= 1 for s in self.shares) or sum(self.shares) > 1:
            raise ValueError(
                f"shares of the finer grains must lie in [0, 1] and add up to at most 1, "
                f"got {self.shares}"
            )
        self.grains = len(self.shares) + 1

    def scores(self, pictures: Tensor, latents: Sequence[Tensor]) -> Tensor:
        """(B, G, h, w), the largest wins; a router of one grain for all has no say."""
        raise NotImplementedError

    def forward(self, pictures: Tensor, latents: Sequence[Tensor]) -> Tensor:
        """Gates (B, G, h, w): one-hot.

        Args:
            pictures: (B, C, H, W). latents: one (B, D, h 2^g, w 2^g) for each grain g.
        """
        return hard(self.scores(pictures, latents))


def hard(scores: Tensor) -> Tensor:
    """One-hot (B, G, h, w) of the largest score; of equal ones the coarsest."""
    return one_hot(scores.argmax(1), scores.shape[1]).movedim(-1, 1).to(scores.dtype)


class Fixed(Router):
    """The same grain everywhere: an ordinary VQ-VAE. It sends no map.

    Args:
        shares: one of them 1, or all 0 for the coarsest grain.
    """

    def __init__(self, shares: Sequence[float]) -> None:
        super().__init__(shares)
        if not all(s in (0.0, 1.0) for s in self.shares):
            raise ValueError(f"a fixed grid has shares of 0 and 1 only, got {self.shares}")

    def scores(self, pictures: Tensor, latents: Sequence[Tensor]) -> Tensor:
        """Highest at the one grain."""
        wanted = latents[0].new_tensor((1 - sum(self.shares), *self.shares))
        batch, _, high, wide = latents[0].shape
        return wanted[None, :, None, None].expand(batch, -1, high, wide)


class Random(Router):
    """Draws the grain of each region by the shares, blind to the picture: the control.

    In evaluation the draws depend on the seed and the place in the batch alone.

    Args:
        shares: of the finer grains. seed: of the draws.
    """

    def __init__(self, shares: Sequence[float], seed: int | torch.Generator | None = None) -> None:
        super().__init__(shares)
        self.noise = Noise(seed)

    def scores(self, pictures: Tensor, latents: Sequence[Tensor]) -> Tensor:
        """Logarithms of the shares with Gumbel noise."""
        if self.training:
            self.noise.advance()
        return drawn(self.noise, self.shares, latents[0])


def drawn(noise: Noise, shares: Sequence[float], like: Tensor) -> Tensor:
    """Scores (B, G, h, w) whose largest is grain g with probability equal to its share."""
    batch, _, high, wide = like.shape
    wanted = like.new_tensor((1 - sum(shares), *shares)).clamp_min(0).log()
    flat = like.new_zeros(batch, len(wanted), high, wide)
    return wanted[None, :, None, None] + noise.gumbel(flat)


class Learned(Router):
    r"""Two layers look at both grids; Gumbel noise in training, the largest score in evaluation.

    .. math:: u_{ij} = [\mathrm{GN}(h_c)_{ij};\, \mathrm{avg}\,\mathrm{GN}(h_f)], \quad
        l = W_2\,\mathrm{SiLU}(W_1 u + b_1) + b_2, \quad
        g = \mathrm{onehot}\arg\max(l + s\,\text{noise})

    with the gradient of softmax((l + s noise) / tau). In the released code s = 1 throughout, so the
    budget holds the *sampled* share and the one of evaluation may wander. Ours: random gates in
    the first ``warmup`` steps, so that both grids learn before they are chosen from; then s falls
    to 0 over ``cooling`` steps, so that at the end training chooses as evaluation does. Batches are
    small samples, so the share may still miss: ``offset`` is added to the finest grain's score, see
    :meth:`DynamicAutoencoder.calibrate`.

    Args:
        shares: of the finer grains. dim: D of the latents.
        warmup, cooling: steps of training; cooling=0 keeps s = 1.
        temperature: tau. seed: of the first weights and the noise.

    Raises:
        ValueError: steps below 0, a temperature that is not positive.

    Reference: DQ-VAE, arXiv 2305.11718, released code (RouterDual); tau 1, hidden width G D.
    """

    learns = True
    offset: Tensor

    def __init__(
        self,
        shares: Sequence[float],
        dim: int,
        *,
        warmup: int = 0,
        cooling: int = 0,
        temperature: float = 1.0,
        seed: int = 0,
    ) -> None:
        super().__init__(shares)
        if min(warmup, cooling) < 0 or temperature <= 0:
            raise ValueError(
                f"warmup and cooling are steps >= 0 and temperature is > 0, "
                f"got {warmup}, {cooling}, {temperature}"
            )
        self.warmup, self.cooling, self.temperature = warmup, cooling, temperature
        wide = self.grains * dim
        self.norms = nn.ModuleList(nn.GroupNorm(math.gcd(32, dim), dim) for _ in range(self.grains))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.first, self.second = nn.Conv2d(wide, wide, 1), nn.Conv2d(wide, self.grains, 1)
        self.noise = Noise(seed)
        self.register_buffer("offset", torch.zeros(()))

    def scores(self, pictures: Tensor, latents: Sequence[Tensor]) -> Tensor:
        """Logits l (B, G, h, w)."""
        seen = [norm(h) for norm, h in zip(self.norms, latents, strict=True)]
        seen = [avg_pool2d(h, 2**grain) if grain else h for grain, h in enumerate(seen)]
        out: Tensor = self.second(silu(self.first(torch.cat(seen, 1))))
        return torch.cat([out[:, :-1], out[:, -1:] + self.offset], 1)

    @property
    def heat(self) -> Tensor:
        """s at this step, scalar."""
        done = (self.noise.clock - self.warmup).clamp_min(0) / max(self.cooling, 1)
        return (1 - done).clamp_min(0) if self.cooling else torch.ones_like(done)

    def forward(self, pictures: Tensor, latents: Sequence[Tensor]) -> Tensor:
        """Gates; straight-through in training, without gradient in evaluation."""
        scores = self.scores(pictures, latents)
        if not self.training:
            return hard(scores.detach())
        blind = drawn(self.noise, self.shares, latents[0])
        noisy = scores + self.heat.to(scores) * self.noise.gumbel(scores)
        soft = (noisy / self.temperature).softmax(1)
        learned = hard(noisy.detach()) - soft.detach() + soft
        early = self.noise.clock < self.warmup
        self.noise.advance()
        return torch.where(early, hard(blind), learned)
