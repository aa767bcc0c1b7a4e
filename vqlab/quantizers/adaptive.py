"""Our rule: k-means that is carried along by the drift it measures, and lends out idle codes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from .ancestors import Competitive
from .codebooks import Codebook, Table
from .draws import normal
from .finite import finite
from .neighbours import BLOCK, distances
from .processes import summed
from .registry import Parts, published
from .search import nearest
from .updates import Cells, cell_sums

WINDOW = 0.95  # decay by step of what is known of the drift
SLOWEST = 0.02  # share of its innovation that a group follows at least, so that it finds its mean
FASTEST = 0.5  # share of a running mean that one batch may replace
LENT = 16  # at most every so manieth code is lent in a step
APART = 0.1  # halves start so far from their code, in standard deviations of its cell
FILLED = 0.6  # nothing is lent before the running means are filled so far


class DriftAdaptive(Competitive):
    r"""Carries the codes with the measured drift, lends idle codes, and else is a running k-means.

    Before the choice, for groups g of latents and codes by their nearest anchor a_g, once for
    all as one group and once for a few:

    .. math::
        c_k \leftarrow c_k + G\, \delta_{g(k)}, \quad a_g \leftarrow a_g + G\, \delta_g, \qquad
        \delta_g = \bar z_g - a_g, \quad
        G = \max\Big(0,\; 1 - m \frac{\langle \mathrm{var}_g / n_g \rangle}
        {\langle \|\delta_g\|^2 \rangle}\Big)

    G is a Kalman filter's gain, read off its own innovations: what the means of groups move
    beyond what sampling explains. At rest it is zero, under a fast drift near one. (Anchors follow
    at least by 0.02.) After the choice, with |S_k| latents of mean z_k in the cell and q = N/(K H):

    .. math:: n_k \leftarrow (1-q)\, n_k + q \tfrac{K |S_k|}{N}, \quad
        c_k \leftarrow c_k + \frac{q}{n_k} \tfrac{K |S_k|}{N} (\bar z_k - c_k)

    Running means of each cell's error E_k (squared distances to the code) and worth W_k (what the
    error would grow by without the code: squared distances to the second nearest, less) decide on
    lending. Before the next choice a code leaves its place and halves the cell of another j, if

    .. math:: \frac{W_k}{\mathrm{median}(W)} \le \theta \frac{E_j}{\mathrm{median}(E)}

    least worth to largest error, at most K/16 pairs a step. All of it is ratios: stretching latents
    and codes changes nothing. Costs 2 N K D in blocks; nothing N x K is kept.

    Args:
        memory: H, latents per code over which codes are means. patience: the same, for E and W.
        groups: how many groups each carry takes; () carries nothing.
        margin: m, how many times the sampling's noise is no drift yet.
        threshold: theta; 0 lends nothing. Without both, this is a moving average.
        seed: of the directions in which cells are halved.

    Raises:
        ValueError: options out of range; a codebook that is not a free, untrained table.

    Reference: ours. Lending by worth and error is close to B. Fritzke's LBG-U (1997).
    """

    key: Tensor
    counts: Tensor
    error: Tensor
    worth: Tensor
    filled: Tensor
    anchors: Tensor
    drift: Tensor  # of each carry: mean square of the innovation, and of its noise
    gain: Tensor

    def __init__(
        self,
        memory: float = 10.0,
        patience: float = 30.0,
        groups: Sequence[int] = (1, 4),
        margin: float = 2.0,
        threshold: float = 0.1,
        seed: int = 0,
    ) -> None:
        super().__init__(1.0)
        if not (memory >= 1 and patience >= 1):
            raise ValueError(f"memory and patience are latents >= 1, got {memory} and {patience}")
        if any(int(count) != count or count < 1 for count in groups):
            raise ValueError(f"groups are integers >= 1, got {groups}")
        if not margin >= 1 or not threshold >= 0:
            raise ValueError(f"margin must be >= 1, threshold >= 0; got {margin} and {threshold}")
        self.memory, self.patience, self.groups = memory, patience, tuple(groups)
        self.margin, self.threshold = margin, threshold
        self.register_buffer("key", torch.tensor(seed))

    def attach(self, codebook: Codebook) -> None:
        """Needs a free table that no optimizer moves."""
        super().attach(codebook)
        assert isinstance(codebook, Table)
        zero = torch.zeros_like(codebook.table[:, 0])
        self.groups = tuple(min(count, codebook.codebook_size) for count in self.groups)
        self.register_buffer("counts", zero + 1)
        self.register_buffer("error", zero.clone())
        self.register_buffer("worth", zero.clone())
        self.register_buffer("filled", zero[0].clone())
        self.register_buffer("anchors", torch.zeros(sum(self.groups), codebook.dim).to(zero))
        self.register_buffer("drift", torch.zeros(len(self.groups), 2).to(zero))
        self.register_buffer("gain", torch.zeros(len(self.groups)).to(zero))

    def reset(self, reborn: Tensor, table: Tensor) -> None:
        """A reborn code is taken for an average one."""
        self.counts.copy_(torch.where(reborn, 1.0, self.counts))
        for known in (self.error, self.worth):
            known.copy_(torch.where(reborn, _median_used(known), known))

    def prepare(self, latents: Tensor, weights: Tensor | None, codebook: Codebook) -> None:
        """Carries all codes and lends idle ones; halves keep the memory of their whole."""
        assert isinstance(codebook, Table)
        # Latents that are not finite are refused here, before anything has moved.
        if self.groups:
            codebook.table.copy_(self._carried(latents, weights, codebook.table))
        else:
            latents = finite(latents)
        if self.threshold:
            codebook.table.copy_(self._lend(codebook.table))

    def move(self, batch: Cells, codebook: Codebook) -> None:
        """One step of all running means; the codes follow."""
        assert isinstance(codebook, Table)
        table, share = codebook.table, batch.counts.mean()
        use = batch.counts / share.clamp_min(torch.finfo(share.dtype).tiny)
        q = (share / self.patience).clamp_max(FASTEST)
        if self.threshold:
            error, worth = self._told(batch, table)
            self.error.add_(q * (error - self.error))
            self.worth.add_(q * (worth - self.worth))
            self.filled.add_(q * (1 - self.filled))
        q = (share / self.memory).clamp_max(FASTEST)
        self.counts.copy_((1 - q) * self.counts + q * use)
        means = cell_sums(batch) / batch.counts.clamp_min(1.0)[:, None]
        step = (q * use / self.counts.clamp_min(1e-9)).clamp_max(1.0)
        table.copy_(torch.where((use > 0)[:, None], table + step[:, None] * (means - table), table))

    def _carried(self, z: Tensor, weights: Tensor | None, table: Tensor) -> Tensor:
        first = self.steps == 0
        ones = torch.ones_like(z[:, 0]) if weights is None else weights
        carry = torch.zeros_like(table[:1])  # of all as one group, which takes later anchors along
        anchors: list[Tensor] = []
        known: list[Tensor] = []
        gains: list[Tensor] = []
        for level, count in enumerate(self.groups):
            spread = table[:: table.shape[0] // count][:count]
            at = sum(self.groups[:level])
            old = torch.where(first, spread, self.anchors[at : at + count] + carry)
            of_z, of_codes = nearest(z, old), nearest(table, old)
            away = (z - old.index_select(0, of_z)) * ones[:, None]
            told = torch.cat([away, away.square().sum(1, keepdim=True), ones[:, None]], 1)
            told = summed(z.new_zeros(count, told.shape[1]).index_add(0, of_z, told))
            n, mean = told[:, -1], told[:, :-2] / told[:, -1:].clamp_min(1.0)
            # Groups weigh as they have latents: n times the variance of a mean is the variance.
            several, square = (n > 1).to(n), n * mean.square().sum(1)
            variance = (told[:, -2] - square).clamp_min(0) / (n - 1).clamp_min(1.0)
            new = (torch.stack([square, variance], 1) * several[:, None]).sum(0)
            drift, gain = self._gain(self.drift[level], new / n.sum().clamp_min(1.0), first)
            anchors.append(old + torch.where(first, 1.0, gain.clamp_min(SLOWEST)) * mean)
            table = table + (gain * mean).index_select(0, of_codes)
            carry = carry + gain * mean if count == 1 else carry
            known.append(drift)
            gains.append(gain)
        self.anchors.copy_(torch.cat(anchors))
        self.drift.copy_(torch.stack(known))
        self.gain.copy_(torch.stack(gains))
        return table

    def _gain(self, known: Tensor, new: Tensor, first: Tensor) -> tuple[Tensor, Tensor]:
        # The first batch places the anchors, and says how large the noise is, but no motion.
        later = WINDOW * known + (1 - WINDOW) * new
        now = torch.where(new[1] > 0, torch.where(first, new[1], later), known)
        gain = 1 - self.margin * now[1] / now[0].clamp_min(torch.finfo(now.dtype).tiny)
        return now, torch.where(first | (now[1] == 0), 0.0, gain.clamp_min(0.0))

    def _lend(self, table: Tensor) -> Tensor:
        count, tiny = max(1, table.shape[0] // LENT), torch.finfo(table.dtype).tiny
        idle = self.worth.topk(count, largest=False).indices
        needy = self.error.topk(count).indices
        error = self.error[needy]
        each = (idle[:, None] == needy) & (error > 0)
        usual, typical = _median_used(self.worth), _median_used(self.error)
        # No code lends and borrows at once; a code that is worth nothing always lends.
        go = (self.worth[idle] * typical <= self.threshold * error * usual) & (error > 0)
        go = go & ~each.any(0) & ~each.any(1) & (self.filled > FILLED)
        spread = (error / self.counts[needy].clamp_min(1e-9) / table.shape[1]).sqrt()
        offset = normal(self.key, self.steps, table[:count]) * (APART * spread)[:, None]
        # Without one half, the other would take the whole cell: a worth as usual for its error.
        halves = (self.counts[needy] / 2, error / 2, error * usual / typical.clamp_min(tiny))
        for known, half in zip((self.counts, self.error, self.worth), halves, strict=True):
            known.copy_(_set(_set(known, idle, half, go), needy, half, go))
        whole = table[needy]
        return _set(_set(table, idle, whole + offset, go), needy, whole - offset, go)

    def _told(self, batch: Cells, table: Tensor) -> tuple[Tensor, Tensor]:
        z, indices = batch.latents, batch.indices
        center = z.mean(0) if z.shape[0] else 0.0
        codes, own, second = table - center, [], []
        for part, chosen in zip(
            z.split(rows := max(1, BLOCK // table.shape[0])), indices.split(rows), strict=True
        ):
            apart = distances(part - center, codes)
            own.append(apart.gather(1, chosen[:, None])[:, 0])
            second.append(apart.scatter(1, chosen[:, None], torch.inf).amin(1))
        near, next_ = torch.cat(own), torch.cat(second)
        lost = torch.where(next_.isfinite(), next_ - near, 0.0).clamp_min(0)
        told = torch.stack([near, lost], 1)
        if batch.weights is not None:
            told = told * batch.weights[:, None]
        sums = summed(torch.zeros_like(table[:, :2]).index_add(0, indices, told))
        share = batch.counts.mean().clamp_min(torch.finfo(told.dtype).tiny)
        return sums[:, 0] / share, sums[:, 1] / share

    def extra_repr(self) -> str:
        """The options, for print()."""
        return (
            f"memory={self.memory}, patience={self.patience}, groups={self.groups}, "
            f"margin={self.margin}, threshold={self.threshold}"
        )


def _median_used(values: Tensor) -> Tensor:
    """The median of the values above zero; 0 where there are none."""
    order = values.sort(descending=True).values
    return order.gather(0, ((values > 0).sum() // 2).clamp_max(len(order) - 1)[None])[0]


def _set(values: Tensor, at: Tensor, to: Tensor, where: Tensor) -> Tensor:
    """A copy of ``values`` with the rows ``at`` replaced by ``to``, only where ``where``."""
    chosen = where.reshape(-1, *[1] * (values.ndim - 1))
    return values.index_copy(0, at, torch.where(chosen, to, values[at]))


@published(
    "drift-adaptive",
    codebook="free table",
    update="moving average, carried by the measured drift + idle codes lent",
    paper="ours",
    year=2026,
    equation="see lesson 13",
    note="one setting for every motion of the laboratory",
)
def _drift_adaptive(
    size: int,
    dim: int,
    seed: Any,
    *,
    init: str | Tensor = "first-batch",
    memory: float = 10.0,
    patience: float = 30.0,
    groups: Sequence[int] = (1, 4),
    margin: float = 2.0,
    threshold: float = 0.1,
) -> Parts:
    start = seed.initial_seed() % 2**31 if seed is not None else 0
    rule = DriftAdaptive(memory, patience, groups, margin, threshold, start)
    return Parts(Table(size, dim, init, trainable=False, seed=seed), [rule])
