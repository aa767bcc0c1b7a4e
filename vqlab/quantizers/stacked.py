"""Several quantizers as one: each on what the last one left, or each on its share of the axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import chain
from typing import Any, cast

import torch
from torch import Tensor, nn

from .draws import hashed
from .estimators import StraightThrough, carrier
from .finite import finite
from .frame import Flat, Quantizer
from .quantizer import VectorQuantizer


class Stack(Quantizer):
    """Base: a list of quantizers, one index each in the indices' last axis.

    The same quantizer more than once in the list is a shared codebook.
    """

    def __init__(self, quantizers: Sequence[Quantizer], channel_first: bool = False) -> None:
        super().__init__(channel_first)
        given = list(quantizers)
        if not given:
            raise ValueError(f"{type(self).__name__} needs at least one quantizer")
        for q in given:
            if not isinstance(q, Quantizer):
                raise TypeError(f"expected quantizers, got {type(q).__name__}")
            if q.channel_first:
                raise ValueError("channel_first belongs to the stack, not to a quantizer in it")
            if q.working_dtype != given[0].working_dtype:
                raise ValueError("the quantizers of a stack must have one precision")
        self.quantizers = nn.ModuleList(given)
        self.shared = len({id(q) for q in given}) < len(given)
        self.levels = sum(q.levels or 1 for q in given)

    @property
    def members(self) -> list[Quantizer]:
        """The quantizers as a plain list."""
        return cast(list[Quantizer], list(self.quantizers))

    @property
    def sizes(self) -> tuple[int, ...]:
        """K of each place in the indices' last axis."""
        each = (q.sizes if isinstance(q, Stack) else (q.codebook_size,) for q in self.members)
        return tuple(chain.from_iterable(each))

    @property
    def codebook_size(self) -> int:
        """How many combinations of indices there are."""
        return math.prod(self.sizes)

    @property
    def working_dtype(self) -> torch.dtype:
        """That of the quantizers."""
        return self.members[0].working_dtype

    @property
    def rules(self) -> list[Any]:
        """The updates of all quantizers, of a shared one once."""
        return [rule for q in dict.fromkeys(self.members) for rule in q.rules]

    @property
    def codebook(self) -> Any:
        """None: each quantizer has its own, and their combinations are too many to list."""
        raise TypeError(
            f"{type(self).__name__} has no single table; see quantizers[i].codebook() or decode"
        )

    def _check_indices(self, indices: Tensor) -> None:
        if not indices.numel():
            return
        rows = indices.reshape(-1, indices.shape[-1])
        for place, (column, size) in enumerate(zip(rows.T, self.sizes, strict=True)):
            low, high = (int(v) for v in torch.aminmax(column))
            if low < -1 or high >= size:
                raise ValueError(
                    f"indices at place {place} run from {low} to {high}; expected 0 to {size - 1} "
                    "(or -1 for none)"
                )


class Residual(Stack):
    r"""Each quantizer takes what those before it left over; the output is the sum.

    .. math:: r_0 = z, \qquad q_i = Q_i(r_{i-1}), \qquad r_i = r_{i-1} - \mathrm{sg}\, q_i, \qquad
        \hat z = z + \mathrm{sg}\Big[\sum_i q_i - z\Big], \qquad L = \sum_i L_i

    The gradient passes once, by the sum. Without the sg every level after the first would give the
    encoder no commitment; with it, but with levels that each pass the gradient, the encoder would
    get it m times. Terms carry their level: "commitment/0".

    Args:
        quantizers: levels of one dimension D, with the straight-through estimator; the same one
            several times shares its codebook (its rules then take a step at each level).
        dropout: in training, each example of the batch (the latents' first axis) uses only its
            first n levels, n uniform on 1..m; the places behind hold the index -1.
        seed: of the dropout's counter. channel_first: latents are (B, D, H, W).

    ``decode`` takes -1 at any level as "left out": ``indices[..., 2:] = -1`` gives the coarse
    output of two levels.

    Raises:
        ValueError: no level, levels of different dimensions, or one that sends the task's gradient
            elsewhere than straight through (put :class:`Projected` around the whole stack).

    Reference: Zeghidour et al. 2021 (arXiv 2107.03312), Algorithm 1 and Sec. III-C (dropout); Lee
    et al. 2022 (arXiv 2203.01941). EnCodec's paper (2210.13438) sums the levels' losses, as here;
    its code takes their mean.
    """

    key: Tensor
    clock: Tensor

    def __init__(
        self,
        quantizers: Sequence[VectorQuantizer],
        dropout: bool = False,
        seed: int = 0,
        channel_first: bool = False,
    ) -> None:
        super().__init__(quantizers, channel_first)
        dims = [q.dim for q in self.members]
        if len(set(dims)) > 1:
            raise ValueError(f"the levels of a residual stack must have one dimension, got {dims}")
        for i, q in enumerate(quantizers):
            plain = isinstance(q, VectorQuantizer) and isinstance(q.estimator, StraightThrough)
            if not plain or q.uses_task_gradient:
                raise ValueError(
                    f"level {i} sends the task's gradient elsewhere than straight through, but a "
                    "residual stack passes it once, past the whole sum"
                )
        self.dropout = dropout
        # In the state, so that a resumed run draws on and runs under vmap draw each their own.
        self.register_buffer("key", torch.tensor(seed))
        self.register_buffer("clock", torch.zeros((), dtype=torch.int64))

    @property
    def dim(self) -> int:
        """D, of every level."""
        return self.members[0].dim

    def quantize_rows(self, z: Tensor, weights: Tensor | None, shape: torch.Size) -> Flat:
        """Level after level."""
        depth = self._depth(z, shape) if self.dropout and self.training else None
        residual, found, losses = z, [], []
        terms: dict[str, Tensor] = {}
        for i, q in enumerate(self.members):
            counted = weights
            if depth is not None:
                used = (depth > i).to(z)
                counted = used if weights is None else weights * used
            here = residual if counted is None else _kept(residual, counted)
            flat = q.quantize_rows(here, counted, shape)
            codes = flat.out.detach()
            residual = residual - (codes if counted is None else _kept(codes, counted))
            own = flat.indices
            found.append(own if counted is None else torch.where(counted > 0, own, -1))
            losses.append(flat.loss)
            terms |= {f"{name}/{i}": term for name, term in flat.terms.items()}
        indices = torch.stack(found, -1)
        # Looked up when all levels have moved: a shared table moves at each of them.
        out = self.look_up(indices).detach()
        out = out + carrier(z) if z.requires_grad else out
        return Flat(out, indices, torch.stack(losses).sum(), terms)

    def look_up(self, indices: Tensor) -> Tensor:
        """The sum of the codes (N, D) of indices (N, levels); -1 adds nothing."""
        pairs = zip(self.members, indices.unbind(-1), strict=True)
        return torch.stack([_codes(q, column) for q, column in pairs]).sum(0)

    def _depth(self, z: Tensor, shape: torch.Size) -> Tensor:
        """Levels in use for each latent, (N,)."""
        assert self.levels is not None
        self.clock += 1
        examples = shape[0] if len(shape) > 1 else 1
        drawn = 1 + hashed(self.key, self.clock, examples, stream=0).to(z.device) % self.levels
        return drawn.repeat_interleave(math.prod(shape[1:-1]))

    def extra_repr(self) -> str:
        """The options, for print()."""
        return f"dropout={self.dropout}, shared={self.shared}"


class Grouped(Stack):
    r"""Product quantization: the axes in groups, a quantizer for each, side by side.

    .. math:: z = (z^{(1)}, \dots, z^{(G)}), \qquad \hat z = (Q_1(z^{(1)}), \dots, Q_G(z^{(G)})),
        \qquad K = \prod_g K_g, \qquad L = \sum_g \tfrac{D_g}{D} L_g

    The losses are weighted so that they are means over all D axes, as with one quantizer whose
    table is the product. Terms carry their group: "commitment/0".

    Args:
        quantizers: one for each group, in order, of the groups' dimensions; D is their sum. The
            same one several times shares its codebook. A :class:`Residual` may be one of them: its
            indices take as many places as it has levels.
        channel_first: latents are (B, D, H, W).

    Raises:
        ValueError: no group; quantizers of different precision or layout.

    Reference: Jégou et al. 2011, "Product quantization for nearest neighbor search", Eq. 8.
    """

    @property
    def dim(self) -> int:
        """D, the sum of the groups' dimensions."""
        return sum(q.dim for q in self.members)

    @property
    def uses_task_gradient(self) -> bool:
        """Whether any group's codes do."""
        return any(q.uses_task_gradient for q in self.members)

    def quantize_rows(self, z: Tensor, weights: Tensor | None, shape: torch.Size) -> Flat:
        """Group by group."""
        outs, found, losses = [], [], []
        terms: dict[str, Tensor] = {}
        parts = finite(z).split([q.dim for q in self.members], -1)
        for i, (q, part) in enumerate(zip(self.members, parts, strict=True)):
            flat = q.quantize_rows(part, weights, shape[:-1] + part.shape[-1:])
            outs.append(flat.out)
            found.append(flat.indices[:, None] if q.levels is None else flat.indices)
            losses.append(flat.loss * (q.dim / self.dim))
            terms |= {f"{name}/{i}": term for name, term in flat.terms.items()}
        out, indices = torch.cat(outs, -1), torch.cat(found, -1)
        if self.shared:  # the shared table may have moved since the first group's lookup
            out = self.look_up(indices).detach() + carrier(out)
        return Flat(out, indices, torch.stack(losses).sum(), terms)

    def look_up(self, indices: Tensor) -> Tensor:
        """The codes (N, D) of indices (N, levels); zeros in a group where the index is -1."""
        columns = indices.split([q.levels or 1 for q in self.members], -1)
        pairs = zip(self.members, columns, strict=True)
        codes = [_codes(q, own[:, 0]) if q.levels is None else q.look_up(own) for q, own in pairs]
        return torch.cat(codes, -1)


def _codes(quantizer: Quantizer, column: Tensor) -> Tensor:
    return _kept(quantizer.look_up(column.clamp_min(0)), column >= 0)


def _kept(rows: Tensor, weights: Tensor) -> Tensor:
    return torch.where(weights[:, None] > 0, rows, 0.0)
