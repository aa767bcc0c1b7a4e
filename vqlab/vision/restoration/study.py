"""What a dictionary is worth to restoration, and a collapsed one: the runs behind lesson 31.

``python -m vqlab.vision.restoration.study`` writes ``data/restoration/results.csv``, a row for each
seed, damage, network and setting of the knob, and the lowest seed's pictures. Started again it goes
on with what is missing. The same seed has the same pictures, batches and first weights for every
network and both damages.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Callable, Container, Iterator
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...measure.distortion import kmeans_optimum
from ...quantizers.registry import make
from ..autoencoder import Autoencoder
from ..datasets import Images
from ..faces import synthetic_faces
from ..metrics import likeness
from ..training import fit
from .degradation import Degradation
from .measures import detail, gradient_distance, patch_frechet
from .network import Restorer
from .training import fit_restorer, restore
from .wiener import Wiener

HELD_OUT = slice(300_000, 300_120)  # faces that no seed trains on
SHOWN = 6  # of them, as pictures
KNOB = (0.0, 0.25, 0.5, 0.75, 1.0)
# Tried on seed 100, 32 pixels, mild damage, scored on faces 200,000 to 200,119: none is reported.
RATE, STYLE = 3e-3, 20.0
FACTOR = {"mild": (1.5, 3.5), "heavy": (4.0, 6.0)}  # times fewer pixels a side; all else is alike
# name -> (dictionary, offsets may move)
NETWORKS = {
    "codes": ("codes", True),
    "codes, no warp": ("codes", False),
    "collapsed": ("collapsed", True),
    "no codebook": ("none", True),
}
COLUMNS = ("seed", "damage", "network", "w",
           "psnr", "ssim", "edges", "frechet", "detail", "used", "agreed")  # fmt: skip


@dataclass(frozen=True)
class Sizes:
    """Sizes of a run; the defaults are those of the stored results."""

    side: int = 24
    faces: int = 1500
    codes: int = 128
    dim: int = 16
    width: int = 32
    warm: int = 600  # steps without a quantizer
    first: int = 250  # steps with it
    second: int = 220  # steps of the restoration
    batch: int = 8


def degradation(damage: str = "mild", up: Any = "bilinear") -> Degradation:
    """The study's ranges, for faces of 24 pixels.

    Args:
        damage: "mild" or "heavy". up: how the small picture is enlarged.
    """
    return Degradation(
        (0.3, 1.6), FACTOR[damage], (0.0, 15.0), (50, 95), kernel=11, up=up, seed=31
    )


def faces(where: slice, side: int) -> Tensor:
    """Drawn faces (N, 3, side, side) in [0, 1]."""
    return synthetic_faces(where, side).float() / 255


def dictionaries(train: Tensor, sizes: Sizes, seed: int) -> dict[str, Autoencoder]:
    """Three autoencoders from one warm-up: healthy codes, collapsed ones, and none.

    "codes" begins on the k-means of the latents and is re-estimated once, as VQFR's recipe does
    (there nine times). "collapsed" is plain VQ from codes near the origin, as VQ-VAE's usual start.
    """
    plain = Autoencoder(3, sizes.dim, width=sizes.width, halvings=2, seed=seed)
    data = Images(train, train[:8])
    common: dict[str, Any] = {
        "batch": sizes.batch, "rate": 2e-3, "record": 2, "probe": 8, "progress": False
    }  # fmt: skip
    fit(plain, data, steps=sizes.warm, seed=seed, **common)
    with torch.no_grad():
        rows = plain.encode(train).movedim(1, -1).reshape(-1, sizes.dim)
    rows = rows[np.random.default_rng(seed).permutation(len(rows))[:8192]]
    centres = torch.from_numpy(
        kmeans_optimum(rows, sizes.codes, n_init=1, seed=seed)[1].astype(np.float32)
    )
    again = max(1, sizes.first // 2)
    quantizers = {
        "codes": make("kmeans-reinit", sizes.dim, sizes.codes, channel_first=True, seed=seed,
                      init=centres, every=again, until=again),
        "collapsed": make("vq", sizes.dim, sizes.codes, channel_first=True, seed=seed),
        "none": None,
    }  # fmt: skip
    out: dict[str, Autoencoder] = {}
    for name, quantizer in quantizers.items():
        model = deepcopy(plain)
        model.insert(quantizer)
        fit(model, data, steps=sizes.first, seed=seed + 1000, **common)
        out[name] = model.eval()
    return out


def scores(pictures: Tensor, clean: Tensor) -> dict[str, float]:
    """PSNR in dB, SSIM, the perceptual proxy, the Fréchet distance of patches, and the detail."""
    found = {name: metric.to("cpu") for name, metric in likeness(clean.shape[-1]).items()}
    for metric in found.values():
        metric.update(pictures, clean)
    return {
        "psnr": float(found["psnr"].compute()),
        "ssim": float(found["ssim"].compute()) if "ssim" in found else float("nan"),
        "edges": float(gradient_distance(pictures, clean)),
        "frechet": patch_frechet(pictures, clean),
        "detail": detail(pictures),
    }


def run(
    seed: int,
    sizes: Sizes,
    done: Container[tuple[str, str]] = (),
    pictures: dict[str, Any] | None = None,
) -> Iterator[list[dict[str, Any]]]:
    """The rows of one seed, damage by damage, network by network; what is ``done`` is left out.

    Args:
        done: pairs of damage and network, or damage and "baselines".
        pictures: takes the first held-out faces as uint8 (N, H, W, 3), by "damage: network, w".
    """
    train = faces(slice(seed * 5000, seed * 5000 + sizes.faces), sizes.side)
    trained = cache(lambda: dictionaries(train, sizes, seed))  # if anything is missing
    for damage in FACTOR:
        left = [name for name in ("baselines", *NETWORKS) if (damage, name) not in done]
        for found in _damaged(damage, left, train, trained, sizes, seed, pictures):
            yield [{"seed": seed, "damage": damage, **row} for row in found]


def _damaged(
    damage: str,
    left: list[str],
    train: Tensor,
    trained: Callable[[], dict[str, Autoencoder]],
    sizes: Sizes,
    seed: int,
    pictures: dict[str, Any] | None,
) -> Iterator[list[dict[str, Any]]]:
    """What is left of one damage."""
    spoil, clean = degradation(damage), faces(HELD_OUT, sizes.side)
    keys, nan = torch.arange(len(clean)), float("nan")
    degraded = spoil(clean, keys, clock=10**6)

    def row(name: str, w: float, drawn: Tensor, **more: float) -> dict[str, Any]:
        if pictures is not None:
            kept = (drawn[:SHOWN] * 255).round().to(torch.uint8).movedim(1, -1)
            pictures[f"{damage}: {name}" + f", {w:g}" * (w == w)] = kept.numpy()
        rounded = {k: round(v, 5) for k, v in {**scores(drawn, clean), **more}.items()}
        return {"network": name, "w": w, **rounded}

    for name in left:
        if name == "baselines":
            pairs = spoil(train, torch.arange(len(train)))
            yield [
                row("truth", nan, clean),
                row("input", nan, degraded),
                row("bicubic", nan, degradation(damage, "bicubic")(clean, keys, clock=10**6)),
                row("wiener", nan, Wiener(pairs, train)(degraded)),
            ]
            continue
        which, moves = NETWORKS[name]
        source = trained()[which]
        rows = []
        if moves:  # what the dictionary makes of the clean pictures: the most the codes can do
            with torch.no_grad():
                ideal = source(clean)
            rows.append(row(f"{name}, from clean", nan, ideal.images, **_used(ideal)))
        model = Restorer(source, warp=moves, groups=4, taps=1, guide=8, seed=seed)
        fit_restorer(
            model, train, spoil, steps=sizes.second, batch=sizes.batch, rate=RATE,
            style=STYLE, seed=seed,
        )  # fmt: skip
        with torch.no_grad():
            wanted = model.teacher(clean).indices
        sharp, texture, indices = restore(model, degraded)
        more = {}
        if indices is not None and wanted is not None:
            more = {"used": float(len(indices.unique())),
                    "agreed": float((indices == wanted).float().mean())}  # fmt: skip
        for w in KNOB:
            rows.append(row(name, w, texture + w * (sharp - texture), **more))
        yield rows


def _used(out: Any) -> dict[str, float]:
    return {} if out.indices is None else {"used": float(len(out.indices.unique()))}


def load(path: str | Path) -> Any:
    """The table as a pandas.DataFrame, a row for each seed, network and w."""
    import pandas as pd

    return pd.read_csv(path)


def main(arguments: list[str] | None = None) -> None:
    """Runs what is missing.

    Raises:
        SystemExit: unknown words.
    """
    words = argparse.ArgumentParser(prog="python -m vqlab.vision.restoration.study")
    words.add_argument("--out", default="data/restoration", help="folder of the results")
    words.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    given = words.parse_args(arguments)
    folder, seeds = Path(given.out), given.seeds
    folder.mkdir(parents=True, exist_ok=True)
    table = folder / "results.csv"
    torch.set_num_threads(1)
    done: dict[int, set[tuple[str, str]]] = {}
    if table.is_file():
        with table.open(newline="") as file:
            for line in csv.DictReader(file):
                first = "baselines" if line["network"] == "truth" else line["network"]
                done.setdefault(int(line["seed"]), set()).add((line["damage"], first))
    else:
        table.write_text(",".join(COLUMNS) + "\n")
    shown = min({*done, *seeds})
    for seed in seeds:
        pictures: dict[str, Any] = {}
        for rows in run(seed, Sizes(), done.get(seed, set()), pictures):
            with table.open("a", newline="") as file:  # a network's rows at once: whole or absent
                csv.DictWriter(file, COLUMNS, restval="").writerows(rows)
            print(f"seed {seed}, {rows[-1]['damage']}: {rows[-1]['network']}", flush=True)
            if seed == shown:
                _keep(folder / "pictures.npz", pictures)


def _keep(path: Path, pictures: dict[str, Any]) -> None:
    """Adds pictures to those that an interrupted run left."""
    before: dict[str, Any] = {}
    if path.is_file():
        with np.load(path) as stored:
            before = dict(stored)
    np.savez_compressed(path, **{**before, **pictures})


if __name__ == "__main__":
    main()
