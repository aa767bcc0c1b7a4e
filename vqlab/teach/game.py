"""A game for a class: whose rule keeps a codebook alive under drifts that nobody was shown?"""

from __future__ import annotations

import csv
import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ..drift import Motion, Run, make_motion, simulate
from ..measure.distortion import kmeans_optimum
from ..quantizers import VectorQuantizer
from ..quantizers.codebooks import Table
from ..quantizers.frame import Quantizer
from ..quantizers.updates import Update
from .own_rule import Array, OwnRule, Rule

if TYPE_CHECKING:
    import pandas as pd

Method = str | tuple[str, Mapping[str, Any]] | Rule | Update

CODES, POINTS, BATCH, STEPS = 32, 640, 64, 240
DRIFTS = 3
LOOKS = (160, 200, 240)  # when a codebook is judged: the start is nobody's merit
BASELINES = ("vq", "ema", "nsvq", "drift-adaptive")
PUBLIC = b"vqlab challenge"

# Speeds around those of the laboratory's hard presets; each draw is half to twice as fast.
KINDS: dict[str, dict[str, Any]] = {
    "translate": {"speed": 0.02},
    "shrink": {"speed": 0.05, "scale": 0.1},
    "expand": {"speed": 0.05},
    "rotate": {"speed": 0.05, "center": (3.0, 0.0)},
    "shear": {"speed": 0.02},
    "split-merge": {"speed": 0.05},
    "random-walk": {"speed": 0.2},
    "jump": {"speed": 3.0},
}
DIRECTED = ("translate", "split-merge", "jump")


@dataclass(frozen=True)
class Score:
    """What a method reached.

    Attributes:
        player: whose it is.
        points: 100 utilization / excess; 100 = every code in use, and as good as k-means.
        utilization: share of the codes that are some latent's nearest, mean over drifts and looks.
        excess: distortion over k-means' of as many codes, mean over drifts and looks.
    """

    player: str
    points: float
    utilization: float
    excess: float

    def __str__(self) -> str:
        return (
            f"{self.player}: {self.points:.0f} points ({self.utilization:.0%} of the codes in use, "
            f"{self.excess:.2f} x the distortion of k-means)"
        )


class Challenge:
    """Three secret drifts, and a table of who follows them best; made by :func:`challenge`.

    Args:
        name: letters, digits, "-" and "_"; the drifts, clouds and first codes follow from it.
        key: further secret that they follow from; see :func:`challenge`.
        folder: where the table is kept, as ``NAME.scores.csv``.
    """

    def __init__(self, name: str, key: str = "", folder: str | Path = ".") -> None:
        if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
            raise ValueError(f"a name has letters, digits, '-' and '_' only, got {name!r}")
        self.name, self.file = name, Path(folder) / f"{name}.scores.csv"
        self._key = key.encode() or PUBLIC
        self._baselines: list[Score] | None = None

    def __repr__(self) -> str:
        return f"challenge({self.name!r})"

    def practice(self, method: Method, seed: int = 0) -> Run:
        """A run on a drift of the same family that is not one of the secret ones.

        Args:
            method: as for :meth:`score`. seed: which drift, cloud and first codes.

        Returns:
            a :class:`vqlab.Run` of all steps, for every figure and measure of the library.
        """
        motion, first, inner = _world(np.random.default_rng([seed, 2]))
        return _run(method, motion, first, inner, record="all")

    def score(self, method: Method, player: str = "me") -> Score:
        r"""Runs a method on the three secret drifts.

        .. math:: \text{points} = 100\, U / E

        with U the mean utilization and E the mean distortion over k-means', at three looks in the
        last third of each of the three runs.

        Args:
            method: a name ("ema"), a pair (name, options), a function
                ``rule(codes (K, D), latents (B, D), indices (B,)) -> codes (K, D)``, an object that
                can be called like one, or an :class:`~vqlab.quantizers.updates.Update`.
            player: whose it is.

        Raises:
            ValueError, TypeError: no method, or a rule that returned no table of codes.
        """
        used, excess = [], []
        for motion, first, inner in self._secret():
            run = _run(method, motion, first, inner, record=LOOKS)
            used += run.utilization[1:].tolist()  # the first frame is the start
            for z, reached in zip(run.latents[1:], run.distortion[1:], strict=True):
                excess.append(float(reached) / kmeans_optimum(z, CODES, n_init=2)[0])
        u, e = float(np.mean(used)), float(np.mean(excess))
        return Score(player, 100 * u / e, u, e)

    def submit(self, method: Method, player: str = "me") -> Score:
        """Scores a method and writes the result into the table's file.

        Args:
            method: as for :meth:`score`. player: the name in the table, not that of a baseline.

        Raises:
            ValueError: an empty name, a baseline's name, or as :meth:`score`.
        """
        player = " ".join(player.split())
        if not player or player in BASELINES:
            raise ValueError(f"a player has a name that is no baseline's, got {player!r}")
        reached = self.score(method, player)
        new = not self.file.exists()
        with self.file.open("a", newline="", encoding="utf-8") as out:
            line = csv.DictWriter(out, list(asdict(reached)))
            if new:
                line.writeheader()
            line.writerow(asdict(reached))
        return reached

    def baselines(self) -> list[Score]:
        """The scores of vq, ema, nsvq and drift-adaptive as published, computed at first asking."""
        if self._baselines is None:
            self._baselines = [self.score(name, name) for name in BASELINES]
        return list(self._baselines)

    def table(self) -> pd.DataFrame:
        """Baselines and the best submission of each player, highest points first.

        Returns:
            one row each: player, points, utilization, excess, and whether it is a baseline.

        Raises:
            ValueError: a row of the file that is none, with its number.
        """
        import pandas as pd  # not at the top: a fifth of what importing this takes

        rows = [{**asdict(one), "baseline": True} for one in self.baselines()]
        rows += [{**asdict(one), "baseline": False} for one in self._submitted()]
        table = pd.DataFrame(rows).sort_values("points", ascending=False, kind="stable")
        return table.drop_duplicates("player").reset_index(drop=True)

    def _submitted(self) -> list[Score]:
        if not self.file.exists():
            return []
        out = []
        with self.file.open(newline="", encoding="utf-8") as lines:
            for number, row in enumerate(csv.DictReader(lines), 2):
                try:
                    numbers = [float(row[n]) for n in ("points", "utilization", "excess")]
                    out.append(Score(str(row["player"]), *numbers))
                except (KeyError, TypeError, ValueError):
                    raise ValueError(f"{self.file}, line {number}, is no score: {row}") from None
        return out

    def _secret(self) -> list[tuple[Motion, Array, int]]:
        digest = hmac.new(self._key, self.name.encode(), hashlib.sha256).digest()
        rng = np.random.default_rng(list(digest))
        kinds = rng.permutation(list(KINDS))[:DRIFTS]
        return [_world(rng, str(kind)) for kind in kinds]


def challenge(name: str, *, key: str = "", folder: str | Path = ".") -> Challenge:
    """A game: keep the codes alive under three drifts that follow from its name.

    Thirty-two codes, 640 latents in the plane, batches of 64, 240 steps. The drifts are of
    different kinds, of half to twice the speed of the laboratory's hard presets, and begin within
    the first third.

    **It is a game, and no secret in earnest.** Neither ``print`` nor a figure shows the drifts, but
    who reads this file can compute them from the name, a rule sees the latents that it is given,
    and the table is a text file that anybody can edit. A teacher who wants a contest gives each run
    that counts a ``key`` that the players do not know, and runs their rules himself.

    Args:
        name: which challenge, such as "week1".
        key: a word that the drifts follow from, too.
        folder: where the table's file is.

    Raises:
        ValueError: a name with other characters than letters, digits, "-" and "_".

    Example:
        >>> print(challenge("week1"))
        challenge('week1')
    """
    return Challenge(name, key, folder)


def _world(rng: np.random.Generator, kind: str | None = None) -> tuple[Motion, Array, int]:
    """A motion, the first codes (K, 2), and the seed of cloud and batches."""
    name = str(rng.choice(list(KINDS))) if kind is None else kind
    options = dict(KINDS[name])
    options["speed"] *= 2 ** rng.uniform(-1, 1)
    if name == "random-walk":
        options["seed"] = int(rng.integers(2**31))
    if name in DIRECTED:
        angle = rng.uniform(0, 2 * np.pi)
        options["direction"] = (float(np.cos(angle)), float(np.sin(angle)))
    motion = make_motion(name, **options, start=float(rng.integers(0, STEPS // 3)))
    return motion, rng.standard_normal((CODES, 2)), int(rng.integers(2**31))


def _run(method: Method, motion: Motion, first: Array, seed: int, record: Any) -> Run:
    named: Any = method
    options: dict[str, Any] = {}
    if isinstance(method, tuple):
        named, options = method[0], dict(method[1])
    elif isinstance(method, Quantizer):
        raise TypeError("a quantizer brings codes of its own; submit its update rule, or its name")
    elif isinstance(method, Update) or (callable(method) and not isinstance(method, str)):
        rule = method if isinstance(method, Update) else OwnRule(method)
        free = Table(CODES, 2, init=torch.from_numpy(first).float(), trainable=False)
        named = VectorQuantizer(free, update=[rule])
    elif not isinstance(method, str):
        raise TypeError(
            "a method is a name, a pair (name, options), or a rule(codes, latents, indices) that "
            f"returns codes; got {type(method).__name__}"
        )
    return simulate(
        named, "gaussian", motion, codebook_size=CODES, points=POINTS, batch=BATCH, steps=STEPS,
        init=first, seed=seed, record=record, probe=POINTS, options=options, progress=False,
    )  # fmt: skip
