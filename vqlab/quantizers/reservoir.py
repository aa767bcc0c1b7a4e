"""Re-estimation: all codes start again on the k-means of a fair sample of past latents."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import Tensor

from .codebooks import Codebook, Table
from .draws import hashed
from .initialisation import first_codes
from .processes import agreed, any_rows, several
from .registry import Parts, published
from .revival import Replacement
from .search.operator import transformed
from .updates import CodebookLoss

# Latents in the reservoir for each code, unless told otherwise.
PER_CODE = 16


def sampled(pool: Tensor, seen: Tensor, latents: Tensor, weights: Tensor, draw: Tensor) -> Tensor:
    r"""One batch through a reservoir of R latents: all latents so far are in it equally likely.

    .. math:: \text{latent } i = 0, 1, \dots: \quad i < R \Rightarrow \text{row } i; \qquad
        i \ge R \Rightarrow \text{row } j \sim U\{0..i\} \text{ if } j < R, \text{ else none}

    Args:
        pool: (R, D), changed in place. seen: scalar int64, latents that came before.
        latents: (N, D), N >= 1.
        weights: (N,), 0 for a latent that is not to count.
        draw: (N,) random integers much larger than any i.

    Returns:
        The new count; the first of so many rows of the pool are filled, at most R.

    Reference: Algorithm R (Waterman), Vitter 1985, ACM Trans. Math. Software 11(1), 37-57.
    """
    size, count = pool.shape[0], latents.shape[0]
    place = torch.arange(count, device=latents.device)
    valid = (weights > 0).to(place.dtype)
    rank = valid.cumsum(0) - 1
    i = seen + rank
    # By rank and not by place in the batch, so that padding changes no draw.
    row = torch.where(i < size, i, draw.index_select(0, rank.clamp_min(0)) % (i + 1).clamp_min(1))
    row = torch.where((valid > 0) & (row < size), row, size)
    # Where two latents of the batch fall on one row, the later stays: both write it. A latent that
    # is not taken writes what row 0 is to hold.
    last = torch.full_like(draw[:1], -1).expand(size + 1).scatter_reduce(0, row, place, "amax")
    row = torch.where(row < size, row, 0)
    writer = last.index_select(0, row)
    fresh = latents.index_select(0, writer.clamp_min(0)).to(pool.dtype)
    pool[row] = torch.where((writer >= 0)[:, None], fresh, pool[:1])
    return seen + valid.sum()


def reestimated(codes: Tensor, pool: Tensor, filled: Tensor, due: Tensor, seed: Tensor) -> Tensor:
    """The k-means of the first ``filled`` rows of the pool where ``due``, else the codes.

    An operator of its own: whether to run k-means is decided by a value, which the code around it
    may not do under torch.compile and torch.func.vmap.

    Args:
        codes: (K, D). pool: (R, D). filled, due, seed: scalars, int64, bool, int64.

    Returns:
        (K, D), of the codes' dtype. With fewer distinct latents than codes, some codes coincide.
    """
    given = (codes, pool, filled, due, seed)
    return _operator(*given) if transformed(*given) else _reestimated(*given)


def _reestimated(codes: Tensor, pool: Tensor, filled: Tensor, due: Tensor, seed: Tensor) -> Tensor:
    if not bool(due):
        return codes
    generator = torch.Generator().manual_seed(int(seed))
    with warnings.catch_warnings():
        # Of codes that coincide: here an encoder has collapsed, and training goes on.
        warnings.filterwarnings("ignore", "Number of distinct clusters")
        found = first_codes("kmeans", pool[: int(filled)], codes.shape[0], generator)
    return found.to(codes.dtype)


@torch.library.custom_op(
    "vqlab::reestimated_codes", mutates_args=(), tags=[torch.Tag.cudagraph_unsafe]
)
def _operator(codes: Tensor, pool: Tensor, filled: Tensor, due: Tensor, seed: Tensor) -> Tensor:
    return _reestimated(codes, pool, filled, due, seed).clone()  # an operator returns no argument


@_operator.register_fake
def _(codes: Tensor, pool: Tensor, filled: Tensor, due: Tensor, seed: Tensor) -> Tensor:
    return torch.empty_like(codes)


@_operator.register_vmap
def _(info: Any, in_dims: tuple[int | None, ...], *given: Tensor) -> tuple[Tensor, int]:
    parts = [
        [value] * info.batch_size if at is None else value.unbind(at)
        for value, at in zip(given, in_dims, strict=True)
    ]
    return torch.stack([_operator(*one) for one in zip(*parts, strict=True)]), 0


class Reestimation(Replacement):
    r"""Puts all codes on the k-means of a sample of past latents, every few steps, early on.

    .. math:: t \in \{T, 2T, \dots\},\; t \le t_{\max} \;\Rightarrow\;
        C \leftarrow \text{k-means}_K(\text{reservoir}), \quad \text{reservoir} \leftarrow \{\}

    The reservoir is a uniform sample of all latents since the last re-estimation, those of the
    batch at hand included (:func:`sampled`). K-means is scikit-learn's, one start by k-means++. It
    acts before the assignment. Running sums start anew, and so do the optimizer's moments of the
    codes. Between due steps nothing moves. With fewer latents than codes in it, the reservoir goes
    on filling until the next due step.

    It costs O(N D) time at each step for the reservoir, also after t_max, a k-means of R latents at
    each due one, and on CUDA a wait for the device at each step: such a step cannot be captured in
    a CUDA graph by hand (torch.compile leaves it out of its own). Over several processes the sample
    is that of the first one's latents, sent to the others.

    Args:
        every: T in steps. until: t_max in steps.
        size: R, latents in the reservoir; None is 16 K.
        seed: of sample and k-means, a pure function of seed and step.

    Raises:
        ValueError: options out of range, a reservoir smaller than the codebook; a codebook that is
            not a free table.

    Reference: Lancucki et al. 2020 (arXiv 2005.08520), periodic data-dependent re-initialization;
    the emptied reservoir, the skip and the stop as in its released code. R = 16 K as in VQFR's
    released script, which re-estimates every 2,000 of its first 30,000 steps, of 800,000. T and
    t_max are ours, for runs of a thousand steps: the stop lies well before their end, because codes
    that have just been put on the k-means say nothing about how they would have followed.
    """

    key: Tensor
    clock: Tensor
    pool: Tensor
    seen: Tensor

    def __init__(
        self, every: int = 100, until: int = 500, size: int | None = None, seed: int = 0
    ) -> None:
        super().__init__()
        if every < 1 or until < 0:
            raise ValueError(f"every must be >= 1 and until >= 0, got {every} and {until}")
        self.every, self.until, self.size = every, until, size
        # In the state, so that a resumed run draws on and runs under vmap draw each their own.
        self.register_buffer("key", torch.tensor(seed))

    def attach(self, codebook: Codebook) -> None:
        """Needs a free table, and room for as many latents as codes."""
        super().attach(codebook)
        codes = codebook.codebook_size
        self.size = PER_CODE * codes if self.size is None else self.size
        if self.size < codes:
            raise ValueError(f"a reservoir of {self.size} latents is too small for {codes} codes")
        table = codebook.stored.detach()
        self.register_buffer("pool", table.new_zeros(self.size, codebook.dim))
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))
        self.register_buffer("clock", torch.zeros((), dtype=torch.int64))

    def prepare(self, latents: Tensor, weights: Tensor | None, codebook: Codebook) -> Tensor | None:
        """Takes the batch into the reservoir, and re-estimates if due; all codes or none, (K,)."""
        assert isinstance(codebook, Table)
        if latents.shape[0] == 0 and not several():
            return None
        latents, weights = any_rows(latents, weights)
        # Padding and a batch that the search is about to refuse count for nothing.
        usable = latents.isfinite().all()
        counted = torch.ones_like(latents[:, 0]) if weights is None else weights
        counted = torch.where(usable, counted, 0.0)
        usable = usable & (counted.sum() > 0)
        draw = hashed(self.key, self.clock, latents.shape[0], stream=0).to(latents.device)
        seen = sampled(self.pool, self.seen, latents, counted, draw)
        agreed(self.pool)
        seen, usable = agreed(seen), agreed(usable.to(torch.uint8)) > 0
        self.clock += usable
        size = codebook.codebook_size
        due = (self.clock % self.every == 0) & (self.clock <= self.until) & (seen >= size)
        due = due & usable
        start = hashed(self.key, self.clock, 1, stream=1)[0]
        table = codebook.table.detach()
        filled = seen.clamp_max(self.pool.shape[0])
        codebook.table.copy_(reestimated(table, self.pool, filled, due, start))
        self.seen.copy_(torch.where(due, 0, seen))
        everything = due.expand(size)
        self.forget(everything, codebook)
        return everything

    def extra_repr(self) -> str:
        """The options, for print()."""
        return f"every={self.every}, until={self.until}, size={self.size}"


@published(
    "kmeans-reinit",
    codebook="free table",
    update="codebook loss + k-means of a reservoir",
    paper="Łańcucki et al., arXiv 2005.08520",
    year=2020,
    equation="abstract and released code",
    note="without the paper's own learning rate for the codes; its interval here is ours",
)
def _kmeans_reinit(
    size: int,
    dim: int,
    seed: Any,
    *,
    init: str | Tensor = "uniform",
    every: int = 100,
    until: int = 500,
    reservoir: int | None = None,
    weight: float = 1.0,
) -> Parts:
    start = seed.initial_seed() % 2**31 if seed is not None else 0
    rule = Reestimation(every, until, reservoir, start)
    return Parts(Table(size, dim, init, seed=seed), [CodebookLoss(weight), rule])
