"""The table of methods: each published method is its four decisions, in one place."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from .assignments import Cosine, Nearest
from .codebooks import AffineCodebook, Codebook, Table, TransformerCodebook
from .estimators import LookAhead, StraightThrough
from .initialisation import seeded
from .neighbours import Attraction, Propagation
from .quantizer import VectorQuantizer
from .revival import Revival
from .schedules import Schedule, Step
from .updates import CodebookLoss, MovingAverage, Update

ASSIGNMENTS: dict[str, Callable[[], nn.Module]] = {"nearest": Nearest, "cosine": Cosine}
ESTIMATORS: dict[str, Callable[[], nn.Module]] = {
    "straight-through": StraightThrough,
    "look-ahead": LookAhead,
}
FORMS = ("released", "figure", "followup", "propagation")
# Steps in an epoch of the paper's CelebA-HQ training: 22,500 images in batches of 16.
PAPER_EPOCH = 1406

Parts = tuple[Codebook, list[Update]]


@dataclass(frozen=True)
class Method:
    """One line of the table.

    Attributes:
        name: for :func:`make`. codebook, assignment, estimator, update: its four decisions.
        paper, year, equation: where it is from. note: what is not from there.
        build: (codebook_size, dim, seed, **options) to its codebook and updates.
    """

    name: str
    codebook: str
    assignment: str
    estimator: str
    update: str
    paper: str
    year: int
    equation: str
    note: str
    build: Callable[..., Parts]

    @property
    def options(self) -> dict[str, Any]:
        """The method's own options and their defaults."""
        signature = inspect.signature(self.build)
        return {
            p.name: p.default for p in signature.parameters.values() if p.kind is p.KEYWORD_ONLY
        }


_TABLE: dict[str, Method] = {}


def _method(name: str, **line: Any) -> Callable[[Callable[..., Parts]], Callable[..., Parts]]:
    def register(build: Callable[..., Parts]) -> Callable[..., Parts]:
        defaults = {"assignment": "nearest", "estimator": "straight-through", "note": ""}
        _TABLE[name] = Method(name=name, build=build, **{**defaults, **line})
        return build

    return register


@_method(
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
    return Table(size, dim, init, seed=seed), [CodebookLoss(weight)]


@_method(
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
    return table, [MovingAverage(decay, epsilon, freeze_unused)]


@_method(
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
    return table, [MovingAverage(decay), Revival(threshold, use_decay, source, noise, start)]


@_method(
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
    return AffineCodebook(size, dim, bias, trainable_basis, start, seed), [CodebookLoss(weight)]


@_method(
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
    return Table(size, dim, init, seed=seed), [CodebookLoss(weight), rule]


@_method(
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
    return TransformerCodebook(size, dim, width, depth, positions, seed), [CodebookLoss(weight)]


def methods() -> list[Method]:
    """The table of methods, in the order of the README."""
    return list(_TABLE.values())


def method(name: str) -> Method:
    """The line of one method.

    Raises:
        ValueError: unknown name; the known ones are listed.
    """
    if name not in _TABLE:
        raise ValueError(f"unknown method {name!r}; choose one of {', '.join(_TABLE)}")
    return _TABLE[name]


def make(
    name: str,
    dim: int,
    codebook_size: int,
    *,
    assignment: str | nn.Module = "nearest",
    estimator: str | nn.Module = "straight-through",
    commitment: float = 0.25,
    channel_first: bool = False,
    seed: int | torch.Generator | None = None,
    **options: Any,
) -> VectorQuantizer:
    """Builds a quantizer from its line in the table.

    Args:
        name: of the method, one of :func:`methods`.
        dim: D. codebook_size: K.
        assignment: "nearest", "cosine" or a module. estimator: "straight-through", "look-ahead" or
            a module.
        commitment: weight beta of the commitment loss.
        channel_first: latents are (B, D, H, W).
        seed: int or torch.Generator for the start; None draws from torch's own generator.
        options: the method's own, see ``method(name).options``.

    Returns:
        A :class:`VectorQuantizer` in training mode.

    Raises:
        ValueError: unknown method or choice. TypeError: an option that the method does not have.
    """
    line = method(name)
    unknown = sorted(set(options) - set(line.options))
    if unknown:
        raise TypeError(
            f"{name} has no option {', '.join(unknown)}; it has {', '.join(line.options)}, "
            "and every method assignment, estimator, commitment, channel_first, seed"
        )
    codebook, update = line.build(codebook_size, dim, seeded(seed), **options)
    return VectorQuantizer(
        codebook,
        _choice("assignment", assignment, ASSIGNMENTS),
        _choice("estimator", estimator, ESTIMATORS),
        update,
        commitment,
        channel_first,
    )


def _choice(
    kind: str, given: str | nn.Module, known: dict[str, Callable[[], nn.Module]]
) -> nn.Module:
    if isinstance(given, nn.Module):
        return given
    if given not in known:
        raise ValueError(f"unknown {kind} {given!r}; choose one of {', '.join(known)}")
    return known[given]()


def _or(value: Any, default: Any) -> Any:
    return default if value is None else value
