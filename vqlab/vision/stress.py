"""Two published experiments in small: the encoder's rate as a dial, and codes that start well.

``python -m vqlab.vision.stress``, or ``make stress``, writes data/stress.csv: a row for each run of
the small autoencoder. :mod:`vqlab.vision.trend` sets the rows beside what was published.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..drift.run import Run
from ..drift.store import fingerprint
from ..drift.sweep import sweep
from ..drift.table import summary
from ..measure.distortion import kmeans_optimum
from ..quantizers.codebooks import Table
from ..quantizers.neighbours import Attraction
from ..quantizers.quantizer import VectorQuantizer
from ..quantizers.revival import Revival
from ..quantizers.updates import CodebookLoss, Update
from .datasets import Images, digits, drawn_faces
from .experiment import Builder, train

if TYPE_CHECKING:
    import pandas as pd

SIZE: dict[str, Any] = {"dim": 16, "codebook_size": 64, "width": 16, "batch": 8}
STEPS, WARMUP, SEEDS = 150, 600, 5
RATES = (1.0, 10.0, 30.0)
HELD_OUT, FACES, SIDE = 64, 1000, 16  # pictures measured on; faces drawn; their pixels
FRAMES = (0, 1, 2, 4, 8, 15, 30, 60, 100)  # and the last step
MEMORY = 20  # steps in which a code must be used; runs are short, so it is, too
FORGET = 1 - 1 / MEMORY
COLUMNS = ["data", "method", "encoder", "start", "rate", "seed"]
DIGITS = {"started": 4, "utilization": 4, "perplexity": 4, "distortion": 5, "excess": 5,
          "mse": 5, "drift": 4, "churn": 4, "half_dead": 4}  # fmt: skip
MEASURES = list(DIGITS)


def replacing(
    dim: int, codebook_size: int, init: Any, seed: int, kernel: bool = False
) -> VectorQuantizer:
    r"""Plain VQ whose dead codes are put beside active ones; with ``kernel`` the follow-up's cure.

    The cure is the dense loss (softmax kernel, :math:`\alpha = 0.1`, :math:`\tau = 0.35`) and
    replacement. Dead is a running use (mean over ``MEMORY`` steps) below a tenth of the even share:
    ours, as no source gives the threshold.

    Args:
        dim: D. codebook_size: K. init: first codes, a name or (K, D). seed: of start and noise.
        kernel: the dense loss, too.

    Source: arXiv 2606.11363, secondary texts; a reconstruction where those are silent.
    """
    rules: list[Update] = [CodebookLoss()]
    if kernel:
        rules.append(Attraction("softmax", bandwidth=0.35, weight=0.1))
    rules.append(Revival(decay=FORGET, source="active", seed=seed))
    table = Table(codebook_size, dim, init, seed=seed)
    return VectorQuantizer(table, update=rules, channel_first=True)


def curing(dim: int, codebook_size: int, init: Any, seed: int) -> VectorQuantizer:
    """The follow-up's cure: :func:`replacing` with its kernel."""
    return replacing(dim, codebook_size, init, seed, kernel=True)


METHODS: dict[str, Any] = {
    "vq": "vq",
    "vq + replacement": replacing,
    "ema": "ema",
    "ema-revival": ("ema-revival", {"use_decay": FORGET}),
    "simvq": "simvq",
    "nsvq": "nsvq",
    "nsvq, follow-up": ("nsvq", {"form": "followup"}),
    "nsvq, propagation": ("nsvq", {"form": "propagation"}),
    "nsvq + replacement": curing,
    "transvq": ("transvq", {"width": 64}),
    "drift-adaptive": "drift-adaptive",
}
OWN = ("simvq", "transvq")  # have no table that could start on latents


@functools.cache
def pictures(data: str) -> Images:
    """The digits, or faces drawn once, with as many held out as are measured on.

    Raises:
        ValueError: another name.
    """
    if data not in ("digits", "faces"):
        raise ValueError(f"data must be 'digits' or 'faces', got {data!r}")
    whole = digits() if data == "digits" else drawn_faces(FACES, SIDE)
    return Images(whole.train, whole.test[:HELD_OUT])


def trial(
    method: str | Builder,
    *,
    data: str,
    encoder: str,
    start: str,
    encoder_rate: float,
    seed: int,
    steps: int = STEPS,
    warmup: int = WARMUP,
    options: Mapping[str, Any] | None = None,
) -> Run:
    """One training of the small autoencoder, see :func:`train`.

    Args:
        data: see :func:`pictures`. encoder: "trained" (``warmup`` steps without a quantizer) or
            "untrained". start: of the codes, "kmeans" or "first-batch".
    """
    return train(
        method, pictures(data), init=start, warmup=warmup if encoder == "trained" else 0,
        encoder_rate=encoder_rate, steps=steps, seed=seed, options=options, probe=None,
        record=[f for f in FRAMES if f < steps], progress=False, **SIZE,
    )  # fmt: skip


def marks(run: Run) -> dict[str, float]:
    """What the file keeps of a run, on held-out pictures.

    ``utilization``, ``distortion`` and ``half_dead`` as in a sweep; ``perplexity`` as a share of K;
    ``started``: utilization before the first step; ``excess``: distortion over that of k-means on
    the same last latents; ``mse``: of the pictures; ``drift`` and ``churn``: per step, medians of
    the frames but the first.
    """
    whole = summary(run)
    best = kmeans_optimum(run.latents[-1], run.codes.shape[1], n_init=1)[0]
    return {
        **whole,
        "started": float(run.utilization[0]),
        "perplexity": whole["perplexity"] / run.codes.shape[1],
        "excess": whole["distortion"] / best if best else math.nan,
        "mse": float(run.terms["reconstruction"][-1]),
        "drift": float(np.median(run.drift[1:])),
        "churn": float(np.median(run.terms["churn"][1:])),
    }


def produce(
    seeds: int | Sequence[int] = SEEDS,
    *,
    data: Sequence[str] = ("digits", "faces"),
    methods: Sequence[str] | None = None,
    rates: Sequence[float] = RATES,
    steps: int = STEPS,
    warmup: int = WARMUP,
    store: str | Path | None = None,
    workers: int = 1,
    progress: bool = True,
) -> pd.DataFrame:
    """Both experiments; runs that the store holds are not repeated.

    1. *Dial*: every method, from a trained encoder and codes on k-means of its latents (those of
       ``OWN`` make their own), at every rate of the encoder.
    2. *Start*: plain VQ at the same rates, with one thing changed: codes drawn from the latents, or
       an untrained encoder (and k-means of its latents).

    Args:
        seeds: how many from 0 up, or which. data, methods, rates: parts of the whole.
        steps: of each run. warmup: of the trained encoder.
        store: folder that keeps finished runs. workers: processes. progress: bars.

    Returns:
        a DataFrame with COLUMNS and MEASURES, a row for each run; NaN where a run failed.

    Raises:
        ValueError: an unknown method or set of pictures.
    """
    import pandas as pd

    for name in data:
        pictures(name)
    if unknown := [name for name in methods or () if name not in METHODS]:
        raise ValueError(f"unknown method {', '.join(unknown)}; choose from {', '.join(METHODS)}")
    cast = {name: METHODS[name] for name in methods or METHODS}
    same: dict[str, Any] = {
        "seeds": seeds, "simulator": trial, "measure": marks, "steps": steps, "warmup": warmup,
        "store": store, "workers": workers, "progress": progress, "errors": "keep",
    }  # fmt: skip
    grid: dict[str, Sequence[Any]] = {"data": list(data), "encoder_rate": list(rates)}
    plan = [(cast, "trained", "kmeans")]
    if "vq" in cast:
        plan += [({"vq": "vq"}, "trained", "first-batch"), ({"vq": "vq"}, "untrained", "kmeans")]
    tables = []
    for some, encoder, start in plan:
        made = sweep(some, grid=grid, encoder=encoder, start=start, **same)
        tables.append(made.assign(encoder=encoder, start=start))
    whole = pd.concat(tables, ignore_index=True)
    whole["rate"] = whole.pop("encoder_rate")  # instead of the optimizer's, which none varies
    whole.loc[whole["method"].isin(OWN), "start"] = "own"
    return whole.reindex(columns=[*COLUMNS, *MEASURES])


def save(rows: pd.DataFrame, path: str | Path) -> None:
    """Writes the rows as CSV, rounded to what two machines may agree on."""
    out = rows[COLUMNS + MEASURES].copy()
    for name, many in DIGITS.items():
        out[name] = ["" if math.isnan(v) else f"{v:.{many}g}" for v in out[name]]
    out["rate"] = [f"{rate:g}" for rate in out["rate"]]
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    out.to_csv(path, index=False, lineterminator="\n")


def main(arguments: list[str] | None = None) -> None:
    """Reads the arguments, does what is not yet done, writes the file."""
    parser = argparse.ArgumentParser(prog="python -m vqlab.vision.stress", description=__doc__)
    parser.add_argument("--seeds", type=int, default=SEEDS, help="from 0 up (%(default)s)")
    parser.add_argument("--steps", type=int, default=STEPS, help="of each run (%(default)s)")
    parser.add_argument("--warmup", type=int, default=WARMUP,
                        help="steps of the trained encoder (%(default)s)")  # fmt: skip
    parser.add_argument("--methods", nargs="+", help="labels of the table; all if not given")
    parser.add_argument("--rates", nargs="+", type=float, default=list(RATES),
                        help="multipliers of the encoder's rate (%(default)s)")  # fmt: skip
    parser.add_argument("--workers", type=int, default=1, help="processes (%(default)s)")
    parser.add_argument("--out", type=Path, default=Path("data/stress.csv"),
                        help="the file (%(default)s)")  # fmt: skip
    parser.add_argument("--store", type=Path, default=Path("runs/stress"),
                        help="of finished runs: a second call continues (%(default)s)")  # fmt: skip
    given = parser.parse_args(arguments)
    began = time.monotonic()
    rows = produce(
        given.seeds, methods=given.methods, rates=given.rates, steps=given.steps,
        warmup=given.warmup, store=given.store / fingerprint(), workers=given.workers,
    )  # fmt: skip
    save(rows, given.out)
    failed = int(rows["utilization"].isna().sum())
    print(f"vqlab: {time.monotonic() - began:.0f} s, {len(rows)} runs ({failed} failed) written to "
          f"{given.out}")  # fmt: skip
    print(f"{given.out.name}: {hashlib.sha256(given.out.read_bytes()).hexdigest()}")


if __name__ == "__main__":
    # By its own name: runs are stored under the names of what made them.
    from vqlab.vision import stress

    stress.main()
