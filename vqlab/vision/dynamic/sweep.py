"""Dynamic codes against fixed grids at equal bits: what is run, and the table of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ...drift.sweep import sweep
from ...quantizers.registry import make
from ..datasets import Images, drawn_faces, photo_patches
from ..training import fit
from .model import DynamicAutoencoder
from .thresholds import Entropy

if TYPE_CHECKING:
    import pandas as pd

CODES, BUDGETS, STEPS = 128, (0.25, 0.5, 0.75), (250, 1000)
WIDTH, DIM, SIDE = 16, 8, 8  # channels, D, pixels of a region
BATCH = {"photos": 32, "faces": 16}
# Chosen on seeds 100 and 101, which are not among those reported.
LEARNED: dict[str, Any] = {"budget": 0.3}
MEASURES = ("mse", "bits", "bits_entropy", "fine_train", "fine_test", "fine_sampled", "used")


@cache
def pictures(name: str) -> Images:
    """The two sets: 2,080 photo patches of 16 pixels, or 1,200 drawn faces of 32.

    Raises:
        ValueError: another name.
    """
    if name == "photos":
        return photo_patches(16)
    if name == "faces":
        return drawn_faces(1200, 32)
    raise ValueError(f"unknown pictures {name!r}; choose photos or faces")


def codes_at(share: float, codes: int = CODES) -> int:
    r"""K of a fixed fine grid that takes at least the bits of dynamic codes at this share.

    .. math:: 4 n \log_2 K' \ge n (1 + 3 f) \log_2 K + n

    Args:
        share: f. codes: K of the dynamic codes.
    """
    each = ((1 + 3 * share) * math.log2(codes) + 1) / 4
    return math.ceil(2**each)


def plan(
    budgets: Sequence[float] = BUDGETS, codes: int = CODES
) -> dict[str, tuple[str, dict[str, Any]]]:
    """What takes part: label to router and options.

    Fixed: for each budget all fine, with so few codes that it takes the same bits or a few more.
    Dynamic: the entropy router at each budget; the learned and the blind one at the middle one.
    """
    out: dict[str, tuple[str, dict[str, Any]]] = {}
    middle = budgets[len(budgets) // 2]
    for share in budgets:
        out[f"entropy {share:g}"] = ("entropy", {"share": share, "codes": codes})
        out[f"fixed {share:g}"] = ("fixed", {"share": 1.0, "codes": codes_at(share, codes)})
    for router in ("learned", "random"):
        out[f"{router} {middle:g}"] = (router, {"share": middle, "codes": codes})
    return out


def built(
    router: str, share: float, codes: int = CODES, *, steps: int = 250, seed: int = 0
) -> DynamicAutoencoder:
    """The small model of the comparison, untrained; all routers begin with the same convolutions.

    Args:
        router: by name. share: of fine regions. codes: K. steps: of the training to come (the
            learned router is blind in the first third, then cools for half of them). seed: of all.
    """
    learns: dict[str, Any] = {}
    if router == "learned":
        times = {"warmup": steps // 3, "cooling": steps // 2}
        learns = {**LEARNED, "router_options": times}
    quantizer = make("ema-revival", DIM, codes, channel_first=True, seed=seed)
    return DynamicAutoencoder(
        3, DIM, quantizer, shares=(share,), router=router,  # type: ignore[arg-type]
        width=WIDTH, seed=seed, **learns,
    )  # fmt: skip


def trained(
    router: str,
    images: str | Images,
    share: float,
    codes: int = CODES,
    *,
    steps: int = 250,
    batch: int = 32,
    rate: float = 2e-3,
    seed: int = 0,
) -> DynamicAutoencoder:
    """The model of :func:`built` after training, in evaluation mode.

    Args:
        images: "photos", "faces" or :class:`Images`. batch: pictures in a step.
        rate: Adam's. router, share, codes, steps, seed: as for :func:`built`.
    """
    data = pictures(images) if isinstance(images, str) else images
    model = built(router, share, codes, steps=steps, seed=seed)
    if isinstance(model.router, Entropy):
        model.router.calibrate(data.train)
    fit(model, data, steps=steps, batch=batch, rate=rate, ramp=50, seed=seed, record=2, probe=1,
        progress=False)  # fmt: skip
    return model.eval()


@torch.no_grad()
def judged(model: DynamicAutoencoder, data: Images) -> dict[str, float]:
    """Held-out error and bits of a model, and what its router did with the budget.

    Returns:
        mse; bits (a picture, raw map), bits_entropy (entropy-coded map); the share of fine regions
        by the choice of evaluation on training and on held-out pictures (fine_train, fine_test),
        and as training draws it (fine_sampled); used, the codes that some held-out picture holds.
    """
    out = model.eval()(data.test)
    assert out.indices is not None and out.grains is not None
    kept = {name: value.clone() for name, value in model.router.state_dict().items()}
    model.router.train()
    sampled = model.route(data.train).float().mean()
    model.eval().router.load_state_dict(kept)
    return {
        "mse": float((out.images - data.test).square().mean()),
        "bits": float(model.bits(out.grains).mean()),
        "bits_entropy": float(model.bits(out.grains, "entropy").mean()),
        "fine_train": float(model.route(data.train).float().mean()),
        "fine_test": float(out.grains.float().mean()),
        "fine_sampled": float(sampled),
        "used": float(len(out.indices.unique())),
    }


def trial(
    method: str, images: str, *, options: Mapping[str, Any], steps: int, seed: int
) -> dict[str, float]:
    """One run of the comparison: trains, and judges.

    Args:
        method: the router. images: "photos" or "faces". options: share and codes.
        steps, seed: as for :func:`trained`.
    """
    data = pictures(images)
    model = trained(method, data, **options, steps=steps, batch=BATCH[images], seed=seed)
    return judged(model, data)


def compare(
    seeds: Sequence[int] = range(5),
    *,
    images: Sequence[str] = ("photos", "faces"),
    steps: Sequence[int] = STEPS,
    only: Sequence[str] | None = None,
    store: str | Path | None = None,
    workers: int | None = 1,
    progress: bool = True,
) -> pd.DataFrame:
    """All of :func:`plan` on both sets, one row a run; with a store a second call continues.

    Args:
        seeds: of network, codes and batches. images: sets. steps: lengths of training.
        only: labels; None = all. store, workers, progress: as for :func:`vqlab.sweep`.
    Raises:
        ValueError: an unknown label.
    """
    cast = plan()
    if only is not None:
        if unknown := [label for label in only if label not in cast]:
            raise ValueError(f"unknown {', '.join(unknown)}; choose from {', '.join(cast)}")
        cast = {label: cast[label] for label in only}
    grid: dict[str, Sequence[Any]] = {"images": list(images), "steps": list(steps)}
    table = sweep(cast, seeds=seeds, grid=grid, measure=_as_it_is, simulator=trial, store=store,
                  workers=workers, progress=progress)  # fmt: skip
    table.insert(1, "codes", [cast[label][1]["codes"] for label in table.method])
    wanted = ["images", "steps", "method", "codes", "seed", *MEASURES]
    return table[wanted]


def _as_it_is(marks: Any) -> Mapping[str, float]:
    """A trial has measured already."""
    out: Mapping[str, float] = marks
    return out
