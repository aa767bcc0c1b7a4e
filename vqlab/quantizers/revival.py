"""Revival: a code that nobody uses starts again, on a latent or beside an active code."""

from __future__ import annotations

from functools import cache
from typing import Any
from weakref import WeakSet

import torch
from torch import Tensor, nn
from torch.optim.optimizer import Optimizer, register_optimizer_step_pre_hook

from .codebooks import Codebook, Table
from .draws import hashed, normal, picked
from .processes import agreed, chosen, several, spread
from .updates import Cells, Update

SOURCES = ("latent", "active")


class Replacement(Update):
    """Base of the rules that put a code elsewhere at once, without a gradient.

    The optimizer's moments of such a row start anew before the optimizer's next step, for any
    torch.optim optimizer: old momentum would throw the code away from its new place.
    """

    moves = True
    reborn: Tensor

    def attach(self, codebook: Codebook) -> None:
        """Needs a free table: the row of a shared map cannot be set alone."""
        if not isinstance(codebook, Table):
            name = type(self).__name__
            raise ValueError(f"{name} needs a free Table, got {type(codebook).__name__}")
        size = codebook.codebook_size
        self.register_buffer("reborn", torch.zeros(size, dtype=torch.bool), persistent=False)
        self._codebook = (codebook,)  # in a tuple, so that it is not this module's child
        _watch(self)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        _watch(self)  # a copy has its own table, hence its own moments

    def forget(self, replaced: Tensor, codebook: Table) -> None:
        """Marks the codes in the (K,) bool mask, whose moments the optimizer forgets next."""
        if isinstance(codebook.table, nn.Parameter):
            self.reborn |= replaced  # until the optimizer's next step


class Revival(Replacement):
    r"""Replaces each code whose use has fallen under a share of the uniform use.

    .. math:: u_k \leftarrow \gamma u_k + (1-\gamma) \frac{K |S_k|}{N}, \qquad
        u_k < \theta \;\Rightarrow\; c_k \leftarrow \text{a latent, or an active code plus noise}

    It acts before the assignment, so that a code reborn on a latent is the nearest to it in the
    same step. Its running sums start anew, and so do the optimizer's moments of its row (before the
    optimizer's next step, for any torch.optim optimizer): old momentum would throw it away.

    Args:
        threshold: theta in [0, 1): 1 would be uniform use. (SoundStream: 2 hits in a batch.)
        decay: gamma of the running use; use starts at 1, so nothing is reborn in the first
            log(theta)/log(gamma) steps.
        source: "latent" (a random latent of the batch) or "active" (a random used code plus noise).
        noise: standard deviation of the noise, as a share of the batch's spread per coordinate;
            default 0 for latents, 0.01 for active codes.
        seed: of the choice, a pure function of seed and step, the same on every process.

    Raises:
        ValueError: options out of range; a codebook that is not a free table.

    Reference: Zeghidour et al. 2021 (SoundStream, arXiv 2107.03312), Sec. III-C (source "latent");
    arXiv 2606.11363 (source "active").
    """

    key: Tensor
    use: Tensor
    clock: Tensor

    def __init__(
        self,
        threshold: float = 0.1,
        decay: float = 0.99,
        source: str = "latent",
        noise: float | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if not 0 <= threshold < 1:
            raise ValueError(f"threshold is a share of uniform use in [0, 1), got {threshold}")
        if not 0 <= decay < 1:
            raise ValueError(f"decay must lie in [0, 1), got {decay}")
        if source not in SOURCES:
            raise ValueError(f"unknown source {source!r}; choose one of {', '.join(SOURCES)}")
        if noise is not None and noise < 0:
            raise ValueError(f"noise must be >= 0, got {noise}")
        self.threshold, self.decay, self.source = threshold, decay, source
        self.noise = noise if noise is not None else {"latent": 0.0, "active": 0.01}[source]
        # In the state, so that a resumed run draws on and runs under vmap draw each their own.
        self.register_buffer("key", torch.tensor(seed))

    def attach(self, codebook: Codebook) -> None:
        """Needs a free table."""
        super().attach(codebook)
        self.register_buffer("use", torch.ones(codebook.codebook_size))
        self.register_buffer("clock", torch.zeros((), dtype=torch.int64))

    def prepare(self, latents: Tensor, weights: Tensor | None, codebook: Codebook) -> Tensor | None:
        """Replaces the dead codes in place; their mask (K,)."""
        assert isinstance(codebook, Table)
        self.clock += 1
        if latents.shape[0] == 0 and not several():
            return None
        fresh, any_row = self._replacements(latents, weights, codebook.table.detach())
        dead = (self.use < self.threshold) & any_row
        codebook.table.copy_(torch.where(dead[:, None], fresh, codebook.table))
        self.forget(dead, codebook)
        return dead

    def reset(self, reborn: Tensor, table: Tensor) -> None:
        """A reborn code counts as used."""
        self.use.copy_(torch.where(reborn, 1.0, self.use))

    def move(self, batch: Cells, codebook: Codebook) -> None:
        """Updates the running use; no code moves."""
        total = batch.counts.sum().clamp_min(1.0)
        share = batch.counts * (codebook.codebook_size / total)
        self.use.mul_(self.decay).add_(share, alpha=1 - self.decay)

    def _replacements(
        self, latents: Tensor, weights: Tensor | None, table: Tensor
    ) -> tuple[Tensor, Tensor]:
        # One candidate for every code, kept where the code is dead: shapes never depend on data,
        # and every process asks the others the same, whether it sees a dead code or not.
        size, _ = table.shape
        draw = agreed(hashed(self.key, self.clock, size, stream=0).to(table.device))
        fresh, any_row = chosen(draw, latents, weights)
        if self.source == "active":
            active = (self.use >= self.threshold).to(table)
            fresh = table.index_select(0, picked(draw, active, size))
        if self.noise:
            noise = normal(self.key, self.clock, table)
            fresh = fresh + self.noise * spread(latents) * agreed(noise)
        # Latents are refused as non-finite only by the search that follows; no code starts on one.
        finite = fresh.isfinite().all(1, keepdim=True)
        return torch.where(finite, fresh.to(table.dtype), table), any_row

    def extra_repr(self) -> str:
        """The options, for print()."""
        return (
            f"threshold={self.threshold}, decay={self.decay}, source={self.source!r}, "
            f"noise={self.noise}"
        )


_WATCHED: WeakSet[Replacement] = WeakSet()


def _watch(rule: Replacement) -> None:
    _install()
    _WATCHED.add(rule)


@cache
def _install() -> None:
    register_optimizer_step_pre_hook(_clear_moments)


def _clear_moments(optimizer: Optimizer, args: Any, kwargs: Any) -> None:
    trained = {id(p): p for group in optimizer.param_groups for p in group["params"]}
    for rule in list(_WATCHED):
        table = trained.get(id(rule._codebook[0].table))
        if table is None:
            continue
        for moment in optimizer.state.get(table, {}).values():
            if isinstance(moment, Tensor) and moment.shape == table.shape:
                moment.masked_fill_(rule.reborn[:, None], 0)
        rule.reborn.zero_()
