r"""Which code moves when another is hit, and which codes a codebook can reach at all.

A codebook is a map from its parameters to its K codes. A gradient step on the parameters moves

    delta c_j = -eta sum_k J_j J_k^T g_k,    J_j = d c_j / d theta  (D x P),  g_k = dL/dc_k

so J_j J_k^T says how far code j follows a gradient meant for code k. For free codes it is the
identity: a code that is not hit does not move. Everything is computed in float64, by automatic
differentiation, whatever precision the codebook is stored in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn
from torch.func import functional_call, jvp, vjp, vmap

from ..quantizers.codebooks import Table
from .distortion import cells

Array = NDArray[np.float64]
Parameters = dict[str, Tensor]

_BYTES = 128 << 20  # of parameter-sized vectors held at once
_LARGEST = 1 << 30  # bytes of Jacobian that may be formed


@dataclass(frozen=True)
class Rank:
    """How much of the space of codebooks the parameters reach, to first order.

    Attributes:
        rank: numerical rank of the Jacobian, singular values above ``tolerance``.
        coordinates: K D, its rows. parameters: P, its columns.
        tolerance: max(K D, P) * 2.2e-16 * largest singular value.
        singular_values: (min(K D, P),), falling.
    """

    rank: int
    coordinates: int
    parameters: int
    tolerance: float
    singular_values: Array

    @property
    def full(self) -> bool:
        """Whether every codebook nearby can be reached, so that a fixed point is k-means' own."""
        return self.rank == self.coordinates


@dataclass(frozen=True)
class FixedPoint:
    """How far a codebook is from rest, and how far from k-means' rest.

    Attributes:
        gradient: |g|, g_k = p_k (c_k - mean of its cell): zero where every used code is the mean.
        reachable: length of the part of g that the parameters can undo; zero at rest.
        share: reachable / gradient in [0, 1]; 0 if the gradient is zero.
    """

    gradient: float
    reachable: float
    share: float


def coupling_kernel(
    quantizer: nn.Module,
    reduce: Literal["trace", "norm"] = "trace",
    codes: Sequence[int] | None = None,
) -> Array:
    r"""How far code j moves when code k receives a unit gradient.

    .. math:: \kappa(j,k) = \tfrac1D \operatorname{tr}(J_j J_k^\top)
        \quad\text{or}\quad \tfrac{1}{\sqrt D}\,\|J_j J_k^\top\|_F

    Free codes: the identity, either way. An affine map of a frozen basis: basis_j . basis_k, plus 1
    with a bias. Codes moved by a rule instead of gradients (moving averages): the identity by
    definition, as each is moved by its own latents. What an update couples through its loss
    (neighbour attraction) is not in it: that depends on the latents, this on the codebook alone.

    Args:
        quantizer: a VectorQuantizer, or a codebook (a module that returns (K, D)).
        reduce: "trace" keeps the sign: negative moves away. "norm" is the size, whatever direction.
        codes: the hit codes k to compute, default all; each costs D passes back and forth.
    Returns:
        (K, number of codes) float64; symmetric and positive semi-definite for "trace" of all.
    Raises:
        ValueError: unknown ``reduce``, an index outside 0 .. K-1.
        TypeError: not a quantizer or codebook.
    """
    if reduce not in ("trace", "norm"):
        raise ValueError(f"reduce must be 'trace' or 'norm', got {reduce!r}")
    module, table, theta = _map(quantizer)
    size, dim = table(theta).shape
    hit = list(range(size)) if codes is None else [int(k) for k in codes]
    if any(not 0 <= k < size for k in hit):
        raise ValueError(f"codes must be indices from 0 to {size - 1}, got {hit}")
    if isinstance(module, Table) or not theta:
        return np.eye(size)[:, hit]
    pull = vjp(table, theta)[1]

    def moved(unit: Tensor) -> Tensor:
        return jvp(table, (theta,), (pull(unit)[0],))[1]

    at_once = _at_once(theta, dim)
    kernel = np.empty((size, len(hit)))
    for start in range(0, len(hit), at_once):
        part = hit[start : start + at_once]
        units = torch.zeros(len(part), dim, size, dim, dtype=torch.float64)
        for row, k in enumerate(part):
            units[row, :, k] = torch.eye(dim, dtype=torch.float64)
        block = vmap(moved)(units.flatten(0, 1)).unflatten(0, (len(part), dim))  # k, d', j, d
        if reduce == "trace":
            block = torch.einsum("kdjd->jk", block) / dim
        else:
            block = block.square().sum((1, 3)).div(dim).sqrt().T
        kernel[:, start : start + len(part)] = block.numpy()
    return kernel


def jacobian_rank(quantizer: nn.Module) -> Rank:
    r"""Rank of the Jacobian of the codebook with respect to its trainable parameters.

    .. math:: J = \partial\,\mathrm{vec}(C) / \partial \theta \in \mathbb R^{KD \times P}

    Rest means J^T g = 0. With full row rank that forces g = 0, so that every used code is the mean
    of its cell, as in k-means. An affine map in D dimensions has rank at most D (D + 1): 6 in the
    plane, however many codes it makes.

    Args:
        quantizer: a VectorQuantizer, or a codebook.
    Raises:
        ValueError: no trainable parameters (codes that a rule moves), or a Jacobian above 1 GiB.
        TypeError: not a quantizer or codebook.
    """
    jacobian = _jacobian(quantizer)
    _, values, tolerance = _column_space(jacobian)
    rows, columns = jacobian.shape
    return Rank(int((values > tolerance).sum()), rows, columns, tolerance, values)


def fixed_point_residual(quantizer: nn.Module, latents: ArrayLike | Tensor) -> FixedPoint:
    r"""How much of the codes' gradient the codebook's parameters can still undo.

    .. math:: g_k = p_k (c_k - \bar z_k), \qquad \text{reachable} = \|P_J\, g\|

    with P_J the projection on the column space of J and p_k the share of the latents in cell k. At
    rest the reachable part is gone; what is left of the gradient keeps the codes off their means.

    Args:
        quantizer: a VectorQuantizer, or a codebook. latents: (..., D).
    Raises:
        ValueError, TypeError: as :func:`jacobian_rank` and :func:`vqlab.measure.cells`.
    """
    _, table, theta = _map(quantizer)
    codes = table(theta).detach().numpy()
    held = cells(latents, codes)
    offset = np.where(held.counts[:, None] > 0, codes - held.means, 0.0)
    g = (held.counts[:, None] / held.counts.sum() * offset).ravel()
    left, values, tolerance = _column_space(_jacobian(quantizer))
    left = left[:, values > tolerance]
    whole, part = float(np.linalg.norm(g)), float(np.linalg.norm(left.T @ g))
    return FixedPoint(whole, part, part / whole if whole else 0.0)


def _map(quantizer: nn.Module) -> tuple[nn.Module, Callable[[Parameters], Tensor], Parameters]:
    """The codebook, the map from its trainable parameters to the codes, and those parameters."""
    module = getattr(quantizer, "codebook", quantizer)
    if not isinstance(module, nn.Module):
        raise TypeError(f"expected a quantizer or a codebook, got {type(quantizer).__name__}")
    named = dict(module.named_parameters())
    theta = {n: p.detach().cpu().double() for n, p in named.items() if p.requires_grad}
    rest = {n: p.detach().cpu() for n, p in named.items() if not p.requires_grad}
    rest |= {n: b.detach().cpu() for n, b in module.named_buffers()}
    fixed = {n: t.double() if t.is_floating_point() else t for n, t in rest.items()}

    def table(parameters: Parameters) -> Tensor:
        codes = functional_call(module, {**fixed, **parameters}, ())
        if not isinstance(codes, Tensor) or codes.ndim != 2:
            raise TypeError(f"{type(module).__name__} returns no (K, D) table of codes")
        return codes

    return module, table, theta


def _at_once(theta: Parameters, dim: int) -> int:
    """Codes whose D unit gradients are pulled back together."""
    return max(1, _BYTES // (8 * dim * sum(p.numel() for p in theta.values())))


def _jacobian(quantizer: nn.Module) -> Array:
    """(K D, P)."""
    module, table, theta = _map(quantizer)
    count = sum(p.numel() for p in theta.values())
    if not count:
        raise ValueError(
            f"{type(module).__name__} has no trainable parameters: its codes are moved by a rule, "
            "each by itself, and there is no Jacobian"
        )
    codes, pull = table(theta), vjp(table, theta)[1]
    rows = codes.numel()
    if 8 * rows * count > _LARGEST:
        raise ValueError(
            f"the Jacobian of {rows} coordinates by {count} parameters takes "
            f"{8 * rows * count / 2**30:.1f} GiB; 1 GiB is the limit, take fewer codes"
        )
    jacobian = np.empty((rows, count))
    step = _at_once(theta, 1)
    for start in range(0, rows, step):
        units = torch.zeros(min(step, rows - start), rows, dtype=torch.float64)
        units[torch.arange(len(units)), torch.arange(start, start + len(units))] = 1
        back = vmap(pull)(units.unflatten(1, codes.shape))[0]
        block = torch.cat([back[name].flatten(1) for name in theta], 1)
        jacobian[start : start + len(units)] = block.numpy()
    return jacobian


def _column_space(jacobian: Array) -> tuple[Array, Array, float]:
    """Left singular vectors, singular values, and the tolerance below which a value is zero."""
    tall = 4 * jacobian.shape[0]
    core = jacobian
    if jacobian.shape[1] > 2 * tall:
        # J = L Q: L has J's left singular vectors and values. By blocks of columns, as LAPACK's
        # factorization of a matrix this wide is bound by memory.
        core = np.zeros((jacobian.shape[0], 0))
        for start in range(0, jacobian.shape[1], tall):
            block = np.concatenate([core, jacobian[:, start : start + tall]], axis=1)
            core = np.asarray(np.linalg.qr(block.T, mode="r")).T
    left, values, _ = np.linalg.svd(core, full_matrices=False)
    tolerance = max(jacobian.shape) * np.finfo(np.float64).eps * values[0]
    return left, values.astype(np.float64), float(tolerance)
