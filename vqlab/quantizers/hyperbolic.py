"""HyperVQ: codes that stand for the classes of a multinomial logistic regression on a hyperbolic
ball, and the same regression in flat space as its control.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from .codebooks import Codebook
from .finite import finite
from .initialisation import seeded
from .logits import IndexBackpropagation
from .poincare import TINY, length
from .reconstruction import Reconstruction
from .registry import Parts, published

if TYPE_CHECKING:
    from .quantizer import VectorQuantizer


class HyperplaneCodebook(Codebook):
    r"""One code per hyperplane: the point of it that is nearest to the origin.

    .. math:: c_k = r_k a_k, \qquad a_k = w_k / \|w_k\|

    The same w_k and r_k are class k's weights in the regression that chooses, so that choosing and
    representing are tied; |w_k| is the steepness of its logit. Entries of w start as N(0, s^2/D).

    Args:
        codebook_size: K. dim: D.
        offset: first r of every code, > 0. All codes with r = 0 would be the origin; all r equal
            and positive makes every code choose itself at the start (which training may undo).
        steepness: s, the root mean square length of w at the start.
        seed: int or torch.Generator; None draws from torch's own generator.

    Raises:
        ValueError: an offset or steepness that is not > 0.
    """

    def __init__(
        self,
        codebook_size: int,
        dim: int,
        offset: float = 0.5,
        steepness: float = 1.0,
        seed: int | torch.Generator | None = None,
    ) -> None:
        super().__init__(codebook_size, dim)
        for name, value in (("offset", offset), ("steepness", steepness)):
            if not (math.isfinite(value) and value > 0):
                raise ValueError(
                    f"{name} must be a finite number > 0, got {value}"
                    + ("; at 0 all codes are the origin" if name == "offset" else "")
                )
        normals = torch.randn(codebook_size, dim, generator=seeded(seed))
        self.normals = nn.Parameter(normals * (steepness / math.sqrt(dim)))
        self.offsets = nn.Parameter(torch.full((codebook_size,), float(offset)))

    @property
    def stored(self) -> Tensor:
        """The normals."""
        return self.normals

    def hyperplanes(self) -> tuple[Tensor, Tensor, Tensor]:
        """Unit normals a (K, D), steepness |w| (K,) and offsets r (K,)."""
        # Half-precision parameters are used in float32.
        working = self.working_dtype
        normals, offsets = self.normals.to(working), self.offsets.to(working)
        steepness = length(normals)
        return normals / steepness, steepness[:, 0], offsets

    def forward(self) -> Tensor:
        """(K, D)."""
        units, _, offsets = self.hyperplanes()
        return units * offsets[:, None]


class EuclideanLogits(nn.Module):
    r"""The class with the largest logit of a linear multinomial regression: the flat control.

    .. math:: v_k(z) = 4 \|w_k\| (a_k \cdot z - r_k), \qquad k_n = \arg\max_k v_k(z_n)

    It is the limit c -> 0 of :class:`HyperbolicLogits`, factor 4 included. Keeps an N x K table.

    Args:
        codebook: whose hyperplanes are meant.
        clip: largest length of a latent in the logits, longer ones are shortened to it; None not.

    Raises:
        ValueError: a clip that is not > 0; in a quantizer, codes of another codebook.
        TypeError: a codebook without hyperplanes.
    """

    gives_logits = True

    def __init__(self, codebook: HyperplaneCodebook, clip: float | None = None) -> None:
        super().__init__()
        if not isinstance(codebook, HyperplaneCodebook):
            raise TypeError(f"logits need a HyperplaneCodebook, got {type(codebook).__name__}")
        if clip is not None and not clip > 0:
            raise ValueError(f"clip must be > 0 or None, got {clip}")
        self.clip = clip
        self._codebook = (codebook,)  # in a tuple, so that it is not this module's child

    def check(self, quantizer: VectorQuantizer) -> None:
        """Needs to choose by the hyperplanes that the codes are made of."""
        if quantizer.codebook is not self._codebook[0]:
            raise ValueError(
                f"{type(self).__name__} was given another codebook than the quantizer's "
                f"{type(quantizer.codebook).__name__}"
            )

    def forward(self, latents: Tensor, codes: Tensor) -> tuple[Tensor, Tensor]:
        """Indices (N,) int64 and logits (N, K) of latents (N, D)."""
        latents = finite(latents)
        if self.clip is not None:
            latents = latents * (self.clip / length(latents)).clamp_max(1.0)
        logits = self.logits(latents)
        return logits.detach().argmax(1), logits

    def logits(self, latents: Tensor) -> Tensor:
        """(N, K) from latents (N, D), which are not clipped here."""
        units, steepness, offsets = self._codebook[0].hyperplanes()
        return 4 * steepness * (latents @ units.T - offsets)

    def extra_repr(self) -> str:
        """The clip, for print()."""
        return f"clip={self.clip}"


class HyperbolicLogits(EuclideanLogits):
    r"""The class with the largest logit of a multinomial regression on the Poincare ball.

    .. math::
        v_k(z) = \frac{2 \|w_k\|}{\sqrt c}\, \mathrm{arsinh}\big(
            \tfrac{\sinh 2\rho}{\rho} \sqrt c\, (a_k \cdot z) \cosh R_k - \cosh 2\rho\, \sinh R_k
        \big), \quad \rho = \sqrt c \|z\|,\; R_k = 2 \sqrt c\, r_k

    It is 2 |w_k| times the signed distance of exp_0(z) from hyperplane k, with the exponential map
    carried out by hand: the usual form divides by 1 - c|x|^2, which rounds to 0 near the rim.
    A code lies on its own hyperplane: v_k(c_k) = 0. Keeps tables N x K; needs no Riemannian step.

    Args:
        codebook: whose hyperplanes are meant.
        c: minus the curvature, > 0.
        clip: largest length of a latent in the logits; None is 15/sqrt(c), where tanh has long been
            1 and sinh is still finite in float32.

    Raises:
        ValueError: a curvature or clip that is not > 0.

    Reference: Goswami, Mukuta and Harada 2024 (HyperVQ, arXiv 2403.13015), known from its abstract
    and from reviews: a reconstruction. Logits: Shimizu et al. 2021 (HNN++, arXiv 2006.08210).
    """

    def __init__(
        self, codebook: HyperplaneCodebook, c: float = 1.0, clip: float | None = None
    ) -> None:
        if not (math.isfinite(c) and c > 0):
            raise ValueError(f"c must be a finite number > 0, got {c}")
        super().__init__(codebook, 15 / math.sqrt(c) if clip is None else clip)
        self.c = c

    def logits(self, latents: Tensor) -> Tensor:
        """(N, K) from latents (N, D), which are not clipped here."""
        units, steepness, offsets = self._codebook[0].hyperplanes()
        root = math.sqrt(self.c)
        rho = (self.c * latents.square().sum(1, keepdim=True)).clamp_min(TINY).sqrt()
        far = 2 * root * offsets
        along = (root * latents * (torch.sinh(2 * rho) / rho)) @ units.T
        inner = along * torch.cosh(far) - torch.cosh(2 * rho) * torch.sinh(far)
        return 2 / root * steepness * torch.asinh(inner)

    def extra_repr(self) -> str:
        """The options, for print()."""
        return f"c={self.c}, clip={self.clip}"


def _parts(
    codebook: HyperplaneCodebook, logits: EuclideanLogits, temperature: float, weight: float
) -> Parts:
    estimator = IndexBackpropagation(temperature)
    return Parts(codebook, [Reconstruction(logits, estimator, weight)], logits, estimator)


@published(
    "hyper-vq",
    codebook="hyperplanes' nearest points",
    assignment="hyperbolic regression's logits",
    estimator="index backpropagation",
    update="reconstruction",
    paper="Goswami et al., arXiv 2403.13015",
    year=2024,
    equation="abstract; logits of arXiv 2006.08210",
    note="reconstruction; ours: c, clip, first offset, temperature, no noise, loss on the latents",
)
def _hyper_vq(
    size: int,
    dim: int,
    seed: Any,
    *,
    c: float = 1.0,
    clip: float | None = None,
    offset: float = 0.5,
    temperature: float = 1.0,
    weight: float = 1.0,
) -> Parts:
    codebook = HyperplaneCodebook(size, dim, offset, 1 / math.sqrt(c) if c > 0 else 1.0, seed)
    return _parts(codebook, HyperbolicLogits(codebook, c, clip), temperature, weight)


@published(
    "mlr-vq",
    codebook="hyperplanes' nearest points",
    assignment="linear regression's logits",
    estimator="index backpropagation",
    update="reconstruction",
    paper="Goswami et al., arXiv 2403.13015",
    year=2024,
    equation="ours",
    note="not in the paper: our control of hyper-vq in flat space (curvature 0)",
)
def _mlr_vq(
    size: int,
    dim: int,
    seed: Any,
    *,
    clip: float | None = None,
    offset: float = 0.5,
    temperature: float = 1.0,
    weight: float = 1.0,
) -> Parts:
    codebook = HyperplaneCodebook(size, dim, offset, seed=seed)
    return _parts(codebook, EuclideanLogits(codebook, clip), temperature, weight)
