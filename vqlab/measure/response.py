r"""Who moves when one code is hit, measured: for rules that move codes without gradients, too.

The coupling kernel is read off a codebook's parameters. Moving averages, neighbour attraction, maps
of neighbours, anchors and revivals couple codes as well, or do not, by what their rule does with a
batch. So the batch is the probe: latents that lie on one code only, nudged a little, one update.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from ..quantizers.frame import Quantizer
from .distortion import points_of

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Response:
    """What one update does to every code when the latents of a single code move.

    Attributes:
        blocks: (K, D, K, D), [j, a, k, b]: motion of code j along axis a, for each unit by which
            the latents of code k move along axis b.
        jumps: (K, D, K), [j, a, k]: motion of code j when the latents lie exactly on code k.
        codes: (K, D) before the update.
        on_target: (K,), share of the nudged batches that chose code k and no other.
    """

    blocks: Array
    jumps: Array
    codes: Array
    on_target: Array

    @property
    def carried(self) -> Array:
        """(K, K): (1/D) trace of the blocks, row j moves when column k is hit; signed."""
        return np.einsum("jaka->jk", self.blocks) / self.codes.shape[1]

    @property
    def fetched(self) -> Array:
        """(K, K): share of the way from code j to code k that one hit on k brings j nearer."""
        way = self.codes.T[None] - self.codes[:, :, None]  # j, a, k: from j to k
        length = np.maximum((way**2).sum(1), np.finfo(np.float64).tiny)
        share: Array = (self.jumps * way).sum(1) / length
        np.fill_diagonal(share, 0.0)
        return share

    @property
    def relative(self) -> Array:
        """(K, K): ``carried`` over the mean of its diagonal; 1 is how far a hit code moves.

        Raises:
            ValueError: no code moves when it is hit itself.
        """
        own = float(np.diag(self.carried).mean())
        if abs(own) < 1e-12:
            raise ValueError("no code moves when it is hit, so there is nothing to compare to")
        return self.carried / own

    @property
    def shared(self) -> float:
        """Share of all |carried| that lies off the diagonal, 0 to 1."""
        size = np.abs(self.carried)
        whole = float(size.sum())
        return 1 - float(np.trace(size)) / whole if whole else 0.0


@torch.enable_grad()
def response(
    quantizer: Quantizer,
    nudge: float = 1e-4,
    rate: float = 1.0,
    batch: int = 64,
) -> Response:
    r"""Hits one code at a time and measures how far every code moves in one update.

    .. math:: R_{ja,kb} = \frac{\Delta c_{ja}(c_k + \epsilon e_b) - \Delta c_{ja}(c_k - \epsilon
        e_b)}{2 \epsilon}

    A batch of equal latents at :math:`c_k \pm \epsilon e_b` is quantized in training mode by a copy
    in float64; then the parameters take one step of plain gradient descent. For codebooks that only
    the codebook loss moves, trace R / D is ``rate`` times the coupling kernel. What is measured is
    the state as given: a rule that watches for unused codes does nothing while all are in use.

    Args:
        quantizer: left as it is. Its draws are repeated, so that both signs see the same ones.
        nudge: epsilon, in units of the latents; keep it well below half the gap between two codes.
        rate: eta, with the factor 2 / D of the mean squared error taken out. Adam is not measured:
            its first step has a size of its own, whatever the gradient.
        batch: number of equal latents.
    Returns:
        :class:`Response`.
    Raises:
        ValueError: nudge, rate or batch not positive, or codes that still wait for a first batch.

    Reference: ours. For rules that learn from the task's gradient the task is the motion itself.
    """
    if not (nudge > 0 and rate > 0 and batch >= 1):
        raise ValueError(
            f"nudge, rate and batch must be > 0, got {nudge!r}, {rate!r} and {batch!r}"
        )
    if not getattr(quantizer.codebook, "initialized", True):
        raise ValueError("the codes still wait for their first training batch: give it one")
    origin = copy.deepcopy(quantizer).double().train()
    with torch.no_grad():
        codes = origin.codebook().detach().clone()
    size, dim = codes.shape
    blocks, jumps = np.empty((size, dim, size, dim)), np.empty((size, dim, size))
    on_target = np.zeros(size)
    for k in range(size):
        jumps[:, :, k] = _update(origin, codes, codes[k], torch.zeros(dim), rate, batch)[0]
        for b in range(dim):
            step = torch.zeros(dim, dtype=torch.float64)
            step[b] = nudge
            ahead, first = _update(origin, codes, codes[k], step, rate, batch)
            back, second = _update(origin, codes, codes[k], -step, rate, batch)
            blocks[:, :, k, b] = (ahead - back) / (2 * nudge)
            on_target[k] += ((first == k) + (second == k)) / (2 * dim)
    return Response(blocks, jumps, codes.numpy(), on_target)


def followed(blocks: ArrayLike, field: ArrayLike, hit: ArrayLike) -> float:
    r"""How well the codes that are not hit follow a motion which only the hit ones see.

    .. math:: f = \frac{\sum_{j \notin H} \langle m_j, v_j\rangle / \sum_{j \notin H} |v_j|^2}
        {\sum_{j \in H} \langle m_j, v_j\rangle / \sum_{j \in H} |v_j|^2},
        \qquad m_j = \sum_{k \in H} R_{jk} v_k

    0: they stay. 1: they come along as well as those that are hit. Below 0: they go the wrong way.

    Args:
        blocks: (K, D, K, D), R. field: (K, D), the motion v that each code would have to make.
        hit: (K,) bool, H; at least one code in it and one outside.
    Raises:
        ValueError: shapes that do not fit, H empty or everything, a field that is zero on a side,
            or hit codes that do not move along the field.
    """
    r, v = np.asarray(blocks, dtype=np.float64), points_of(field, "field")
    chosen = np.asarray(hit, dtype=bool)
    if r.shape != (*v.shape, *v.shape) or chosen.shape != (len(v),):
        raise ValueError(
            f"blocks {r.shape}, field {v.shape} and hit {chosen.shape} do not fit; expected "
            "(K, D, K, D), (K, D) and (K,)"
        )
    if chosen.all() or not chosen.any():
        raise ValueError("some codes must be hit and some not")
    moved = np.einsum("jakb,kb->ja", r[:, :, chosen], v[chosen])
    needed, along = (v**2).sum(1), (moved * v).sum(1)
    if not (needed[chosen].any() and needed[~chosen].any()):
        raise ValueError("the field is zero on the codes that are hit, or on the others")
    own = along[chosen].sum() / needed[chosen].sum()
    if own <= 0:
        raise ValueError("the codes that are hit do not move along the field themselves")
    return float(along[~chosen].sum() / needed[~chosen].sum() / own)


def _update(
    origin: Quantizer,
    codes: torch.Tensor,
    place: torch.Tensor,
    step: torch.Tensor,
    rate: float,
    batch: int,
) -> tuple[Array, int]:
    """Motion (K, D) of the codes in one update, and the code that was chosen."""
    trial = copy.deepcopy(origin)
    step = step.double()
    z = (place + step).expand(batch, -1).clone()
    out = trial(z)
    lr = rate * codes.shape[1] / 2
    if trial.uses_task_gradient and out.quantized.requires_grad:
        # As in the simulator: the gradient whose own step makes the latents' motion.
        task = (step / -lr).expand_as(out.quantized)
        torch.autograd.backward((out.loss, out.quantized), (None, task))
    elif out.loss.requires_grad:
        out.loss.backward()
    with torch.no_grad():
        for parameter in trial.parameters():
            if parameter.requires_grad and parameter.grad is not None:
                parameter.sub_(parameter.grad, alpha=lr)
        moved = (trial.codebook() - codes).numpy()
    return moved, int(out.indices[0])
