"""Competitive learning with neighbours: on a fixed grid, or by rank in distance."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from .ancestors import Competitive
from .codebooks import Codebook, Table
from .neighbours import BLOCK, distances
from .processes import summed
from .registry import Parts, published
from .schedules import Exponential, Schedule, as_schedule
from .updates import Cells, cell_sums

# Presentations over which the classical schedules run down; here, training steps.
PRESENTATIONS = 40_000


class SelfOrganizingMap(Competitive):
    r"""Draws the winner and the codes beside it on a fixed grid.

    .. math:: h_{nk} = \exp\!\left(-\frac{\|r_k - r_{k_n}\|^2}{2 \sigma(t)^2}\right)

    r_k is the place of code k on a grid of rows x columns, so neighbours stay neighbours however
    far apart their codes lie. The Gaussian is a product over the two axes: no K x K table is made.

    Args:
        rate: epsilon, a number or a schedule. radius: sigma in grid steps, likewise.
        grid: rows and columns, rows * columns = K; None is the squarest there is (a prime K gives
            a line).

    Raises:
        ValueError: a grid of another size.

    Reference: Kohonen 1982, Biol. Cybern. 43, 59-69. There the neighbourhood is a set of grid
    neighbours that shrinks; the Gaussian is later custom. We know both from later texts: the rule
    with the Gaussian from course notes on Kohonen's map (G. Ferrer, Hendrix College).
    """

    def __init__(
        self,
        rate: float | Schedule = 0.5,
        radius: float | Schedule = 1.0,
        grid: tuple[int, int] | None = None,
    ) -> None:
        super().__init__(rate)
        self.radius, self.grid = as_schedule(radius), grid

    def attach(self, codebook: Codebook) -> None:
        """Needs a free table, and a grid of its K codes."""
        super().attach(codebook)
        size = codebook.codebook_size
        self.grid = squarest(size) if self.grid is None else self.grid
        rows, columns = self.grid
        if rows < 1 or columns < 1 or rows * columns != size:
            raise ValueError(f"a grid of {rows} x {columns} places is not one of {size} codes")

    def drawn(self, batch: Cells, table: Tensor) -> tuple[Tensor, Tensor]:
        """The cells' counts and sums, blurred over the grid."""
        assert self.grid is not None
        sigma = self.radius(self.steps)
        values = torch.cat([batch.counts[:, None], cell_sums(batch)], 1)
        rows, columns = (_blur(length, sigma, values) for length in self.grid)
        field = torch.einsum("ij,kl,jld->ikd", rows, columns, values.reshape(*self.grid, -1))
        field = field.reshape(values.shape)
        return field[:, 0], field[:, 1:]

    def extra_repr(self) -> str:
        """The options, for print()."""
        return f"rate={self.rate}, radius={self.radius}, grid={self.grid}"


class NeuralGas(Competitive):
    r"""Draws every code by its rank in distance from the latent: a neighbourhood without a scale.

    .. math:: h_{nk} = e^{-\rho_{nk} / \lambda(t)}, \qquad
        \rho_{nk} = \left|\{j : \|z_n - c_j\| < \|z_n - c_k\|\}\right|

    The winner has rank 0. Stretching latents and codes together changes no rank, which no kernel
    of a distance can say. Costs O(N K (D + log K)) time, in blocks; nothing N x K is kept.

    Args:
        rate: epsilon, a number or a schedule. reach: lambda in ranks, likewise.

    Reference: Martinetz and Schulten 1991 (Artificial Neural Networks, 397-402); Martinetz,
    Berkovich and Schulten 1993, IEEE Trans. Neural Networks 4(4), 558-569. Known to us from H.
    Hoffmann's thesis (2005, Sec. 2.2.4, Eq. 2.15: rule and schedules) and B. Fritzke's demogng.de.
    """

    def __init__(self, rate: float | Schedule = 0.5, reach: float | Schedule = 1.0) -> None:
        super().__init__(rate)
        self.reach = as_schedule(reach)

    def drawn(self, batch: Cells, table: Tensor) -> tuple[Tensor, Tensor]:
        """Sums over the latents, block by block."""
        z = batch.latents
        size = table.shape[0]
        center = z.mean(0) if z.shape[0] else 0.0
        place = torch.arange(size, device=z.device)
        fading = torch.exp(-place / self.reach(self.steps)).to(z.dtype)
        mass, sums = torch.zeros_like(table[:, 0]), torch.zeros_like(table)
        rows = max(1, BLOCK // size)
        for at in range(0, z.shape[0], rows):
            part = slice(at, at + rows)
            apart = distances((z[part] - center).double(), (table - center).double())
            # The winner is first by definition, also where the assignment is not the nearest.
            apart = apart.scatter(1, batch.indices[part, None], -1.0)
            order = apart.argsort(dim=1, stable=True)
            h = torch.zeros_like(apart, dtype=z.dtype).scatter(1, order, fading.expand(order.shape))
            if batch.weights is not None:
                h = h * batch.weights[part, None]
            mass = mass + h.sum(0)
            sums = sums + h.T @ z[part]
        return summed(mass), summed(sums)

    def extra_repr(self) -> str:
        """The options, for print()."""
        return f"rate={self.rate}, reach={self.reach}"


def squarest(size: int) -> tuple[int, int]:
    """Rows and columns of the squarest grid of ``size`` places, rows <= columns."""
    rows = next(r for r in range(math.isqrt(size), 0, -1) if size % r == 0)
    return rows, size // rows


def _blur(length: int, sigma: Tensor, like: Tensor) -> Tensor:
    place = torch.arange(length, device=like.device, dtype=torch.float64)
    return torch.exp(-0.5 * ((place[:, None] - place) / sigma).square()).to(like.dtype)


def _annealed(start: float, end: float) -> Schedule:
    return Exponential(start, end / start, PRESENTATIONS, floor=end)


@published(
    "som",
    codebook="free table",
    update="winner + grid neighbours",
    paper="Kohonen, Biol. Cybern. 43, 59-69",
    year=1982,
    equation="as course notes state it (Ferrer, Hendrix College)",
    note="Gaussian neighbourhood, its schedule (a quarter of the grid to 0.1) and the rate's: ours",
)
def _som(
    size: int,
    dim: int,
    seed: Any,
    *,
    init: str | Tensor = "uniform",
    rate: float | Schedule | None = None,
    radius: float | Schedule | None = None,
    grid: tuple[int, int] | None = None,
) -> Parts:
    places = squarest(size) if grid is None else grid
    wide = max(max(places) / 4, 0.1)
    rule = SelfOrganizingMap(
        _annealed(0.5, 0.005) if rate is None else rate,
        _annealed(wide, 0.1) if radius is None else radius,
        grid,
    )
    return Parts(Table(size, dim, init, trainable=False, seed=seed), [rule])


@published(
    "neural-gas",
    codebook="free table",
    update="all codes by rank",
    paper="Martinetz et al., IEEE Trans. Neural Networks 4(4), 558-569",
    year=1993,
    equation="as Hoffmann's thesis (2005, Eq. 2.15) and Fritzke's demogng.de state it",
    note="batches averaged (ours); its schedules run for 40,000 steps, constants suit a drift",
)
def _neural_gas(
    size: int,
    dim: int,
    seed: Any,
    *,
    init: str | Tensor = "first-batch",
    rate: float | Schedule | None = None,
    reach: float | Schedule | None = None,
) -> Parts:
    rule = NeuralGas(
        _annealed(0.5, 0.005) if rate is None else rate,
        _annealed(10.0, 0.01) if reach is None else reach,
    )
    return Parts(Table(size, dim, init, trainable=False, seed=seed), [rule])
