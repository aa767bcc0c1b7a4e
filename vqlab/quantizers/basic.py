"""The lines of the table for the methods that this laboratory began with."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from .codebooks import AffineCodebook, Table
from .moving_average import MovingAverage
from .neighbours import Attraction, Propagation
from .registry import Parts, published
from .revival import Revival
from .schedules import Schedule, Step
from .transformer import TransformerCodebook
from .updates import CodebookLoss, Update

FORMS = ("released", "figure", "followup", "propagation")
# Steps in an epoch of the paper's CelebA-HQ training: 22,500 images in batches of 16.
PAPER_EPOCH = 1406


@published(
    "vq",
    codebook="free table",
    update="codebook loss",
    paper="van den Oord et al., arXiv 1711.00937",
    year=2017,
    equation="Eq. 3",
)
def _vq(
    size: int, dim: int, seed: Any, *, init: str | Tensor = "uniform", weight: float = 1.0
) -> Parts:
    return Parts(Table(size, dim, init, seed=seed), [CodebookLoss(weight)])


@published(
    "ema",
    codebook="free table",
    update="moving average",
    paper="van den Oord et al., arXiv 1711.00937",
    year=2017,
    equation="Appendix A.1",
    note="a code without latents stays in place",
)
def _ema(
    size: int,
    dim: int,
    seed: Any,
    *,
    init: str | Tensor = "uniform",
    decay: float = 0.99,
    epsilon: float = 1e-5,
    freeze_unused: bool = True,
) -> Parts:
    table = Table(size, dim, init, trainable=False, seed=seed)
    return Parts(table, [MovingAverage(decay, epsilon, freeze_unused)])


@published(
    "ema-revival",
    codebook="free table",
    update="moving average + revival",
    paper="Zeghidour et al., arXiv 2107.03312",
    year=2021,
    equation="Sec. III-C",
    note="starts on latents of the first batch, not on their k-means (which needs K of them)",
)
def _ema_revival(
    size: int,
    dim: int,
    seed: Any,
    *,
    init: str | Tensor = "first-batch",
    decay: float = 0.99,
    threshold: float = 0.1,
    use_decay: float = 0.99,
    source: str = "latent",
    noise: float | None = None,
) -> Parts:
    table = Table(size, dim, init, trainable=False, seed=seed)
    start = seed.initial_seed() % 2**31 if seed is not None else 0
    revival = Revival(threshold, use_decay, source, noise, start)
    return Parts(table, [MovingAverage(decay), revival])


@published(
    "simvq",
    codebook="affine map of a frozen basis",
    update="codebook loss",
    paper="Zhu et al., arXiv 2411.02038",
    year=2024,
    equation="Sec. 4",
    note="bias as in the released code; the formula has none",
)
def _simvq(
    size: int,
    dim: int,
    seed: Any,
    *,
    bias: bool = True,
    trainable_basis: bool = False,
    start: str = "linear",
    weight: float = 1.0,
) -> Parts:
    codebook = AffineCodebook(size, dim, bias, trainable_basis, start, seed)
    return Parts(codebook, [CodebookLoss(weight)])


@published(
    "nsvq",
    codebook="free table",
    update="codebook loss + kernel attraction or propagation",
    paper="Lu et al., arXiv 2602.18896",
    year=2026,
    equation="repository figure and code",
    note="form= released, figure, followup (arXiv 2606.11363), propagation (reconstruction)",
)
def _nsvq(
    size: int,
    dim: int,
    seed: Any,
    *,
    form: str = "released",
    init: str | Tensor = "uniform",
    bandwidth: float | Schedule | None = None,
    strength: float | None = None,
    steps_per_epoch: int = PAPER_EPOCH,
    weight: float = 1.0,
    replacement: bool = False,
) -> Parts:
    if form not in FORMS:
        raise ValueError(f"unknown form {form!r} of nsvq; choose one of {', '.join(FORMS)}")
    # The paper's tau starts at 1 and is halved after every epoch.
    tau = Step(1.0, 0.5, every=steps_per_epoch) if bandwidth is None else bandwidth
    rule: Update
    if form == "released":
        rule = Attraction("softmax", tau, _or(strength, 0.01 * size), limit=1.0)
    elif form == "figure":
        rule = Attraction("gaussian", tau, _or(strength, 0.5))
    elif form == "followup":
        rule = Attraction("softmax", _or(bandwidth, 0.35), weight=_or(strength, 0.1))
    else:
        if strength is not None:
            raise ValueError("form 'propagation' carries the drift itself: it takes no strength")
        rule = Propagation(_or(bandwidth, 1.0))
    rules: list[Update] = [CodebookLoss(weight), rule]
    if replacement:  # part of the follow-up's schedule; its threshold is not known, this is ours
        start = seed.initial_seed() % 2**31 if seed is not None else 0
        rules.append(Revival(source="active", seed=start))
    return Parts(Table(size, dim, init, seed=seed), rules)


@published(
    "transvq",
    codebook="transformer of a frozen basis",
    update="codebook loss",
    paper="Lu et al., arXiv 2602.18896",
    year=2026,
    equation="repository figure and code",
    note="layer sizes from the released code",
)
def _transvq(
    size: int,
    dim: int,
    seed: Any,
    *,
    width: int = 256,
    depth: int = 1,
    positions: bool = True,
    weight: float = 1.0,
) -> Parts:
    codebook = TransformerCodebook(size, dim, width, depth, positions, seed)
    return Parts(codebook, [CodebookLoss(weight)])


def _or(value: Any, default: Any) -> Any:
    return default if value is None else value
