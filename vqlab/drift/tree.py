"""A source in which near means related: a tree laid out in the Poincare disc, seen from its root.

The number of nodes within r edges of the root grows exponentially in r, and so does the room within
r of a point of hyperbolic space, but not that of a plane. So a tree lies in the disc with all edges
of one length and its branches apart, and in the plane only crowded.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from ..quantizers.poincare import add, exp0, log0
from .origin import Array, Source

# Beyond it 1 - |p|^2 holds fewer than six digits of its own in float64.
FARTHEST = 24.0


@dataclass(frozen=True)
class Tree(Source):
    r"""The nodes of a regular tree, as an encoder would hold them: images under log_0, with noise.

    .. math:: x = a \log_0\big(p \oplus \exp_0(\sigma\, g / 2)\big), \quad g \sim N(0, I_2)

    p is a node, each drawn equally often; a makes the root mean square size 1 per coordinate. In
    units of x the disc has curvature -c, c = 1/a^2 (:attr:`curvature`). The root is the origin and
    has children + 1 branches, every other inner node one parent and ``children`` children: all look
    the same to a walker.

    Args:
        dim: D, which must be 2.
        children: of a node, >= 1.
        levels: edges from the root to a leaf, >= 1.
        edge: length of an edge in the disc of curvature -1. With short ones branches come near each
            other.
        noise: sigma, standard deviation in each direction, as a length in that disc.

    Raises:
        ValueError: another dimension, counts below 1, an edge that is not > 0, a tree or noise that
            reaches the rim in float64.

    Layout: Sarkar 2011 (Low distortion Delaunay embedding of trees in hyperbolic plane).
    """

    name: ClassVar[str] = "tree"
    smallest_dim: ClassVar[int] = 2
    children: int = 2
    levels: int = 4
    edge: float = 1.2
    noise: float = 0.15

    def __post_init__(self) -> None:
        super().__post_init__()
        self._at_least("children", 1)
        self._at_least("levels", 1)
        if self.dim != 2:
            raise ValueError(f"tree: it is laid out in a disc, dim must be 2, got {self.dim}")
        if self.edge == 0:
            raise ValueError("tree: edge must be > 0, got 0")
        if self.levels * self.edge + 5 * self.noise > FARTHEST:
            raise ValueError(
                f"tree: levels * edge + 5 noise must be at most {FARTHEST:g} (the rim of the disc "
                f"in float64), got {self.levels * self.edge + 5 * self.noise:g}"
            )

    @property
    def nodes(self) -> Array:
        """Where the nodes are without noise, (nodes, 2), root first, level by level."""
        return self._scale * _plane(self._laid[0])

    @property
    def parents(self) -> NDArray[np.int64]:
        """Each node's parent, (nodes,); -1 for the root."""
        return self._laid[1]

    @property
    def depths(self) -> NDArray[np.int64]:
        """Edges between each node and the root, (nodes,)."""
        out = np.zeros(len(self.parents), dtype=np.int64)
        for node in range(1, len(out)):
            out[node] = out[self.parents[node]] + 1
        return out

    @property
    def curvature(self) -> float:
        """c > 0: in units of the sample, ``exp0(x, c)`` is the point of the disc of curvature -c.

        An edge has the length ``edge / sqrt(c)`` there.
        """
        return 1 / self._scale**2

    @cached_property
    def _laid(self) -> tuple[Array, NDArray[np.int64]]:
        """Nodes in the disc of curvature -1, and their parents."""
        places, parents = [np.zeros((1, 2))], [np.full(1, -1)]
        around, first = self.children + 1, 0
        for level in range(self.levels):
            above = places[-1]
            if level == 0:
                turns = 2 * np.pi * np.arange(around)[None] / around
            else:
                # Seen from a node, its parent lies towards the origin of a moved disc: the
                # children take the other places of an even star.
                back = _moved(-above, places[-2][parents[-1] - (first - len(places[-2]))])
                angle = np.arctan2(back[:, 1], back[:, 0])
                turns = angle[:, None] + 2 * np.pi * np.arange(1, around) / around
            star = np.tanh(self.edge / 2) * np.stack([np.cos(turns), np.sin(turns)], axis=-1)
            places.append(_moved(above[:, None], star).reshape(-1, 2))
            parents.append(np.repeat(first + np.arange(len(above)), turns.shape[1]))
            first += len(above)
        return np.concatenate(places), np.concatenate(parents)

    @cached_property
    def _scale(self) -> float:
        """a: sqrt(2 / mean of |log_0|^2), by quadrature over the noise's length and direction."""
        far = 2 * np.linalg.norm(_plane(self._laid[0]), axis=1)[:, None, None]
        turn = np.cos(np.pi * (np.arange(64) + 0.5) / 64)
        at, weight = np.polynomial.laguerre.laggauss(48)  # half a squared length is exponential
        long = self.noise * np.sqrt(2 * at)[:, None]
        # Law of cosines of the disc, with 1 taken off: near the root arcosh would lose digits.
        cross = np.sinh(far) * np.sinh(long) * (1 - turn)
        reach = 2 * np.arcsinh(np.sqrt(np.sinh((far - long) / 2) ** 2 + cross / 2))
        square = np.einsum("nla,l->n", (reach / 2) ** 2, weight) / 64
        return math.sqrt(2 / float(square.mean()))

    def _sample(self, n: int, rng: np.random.Generator) -> Array:
        places = self._laid[0]
        count = len(places)
        rest = rng.choice(count, n % count, replace=False)
        node = rng.permutation(np.concatenate([np.repeat(np.arange(count), n // count), rest]))
        step = exp0(torch.from_numpy(0.5 * self.noise * rng.standard_normal((n, 2)))).numpy()
        return self._scale * _plane(_moved(places[node], step))


def _moved(x: Array, y: Array) -> Array:
    return np.asarray(add(torch.from_numpy(x), torch.from_numpy(y)).numpy())


def _plane(points: Array) -> Array:
    return np.asarray(log0(torch.from_numpy(points)).numpy())
