"""The table of methods: each is its four decisions, in a line written where it is built."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import nn

from .assignments import Cosine, Nearest
from .codebooks import Codebook
from .estimators import LookAhead, StraightThrough
from .frame import Quantizer
from .initialisation import seeded
from .quantizer import VectorQuantizer
from .updates import Update

if TYPE_CHECKING:
    from .costs import Cost

ASSIGNMENTS: dict[str, Callable[[], nn.Module]] = {"nearest": Nearest, "cosine": Cosine}
ESTIMATORS: dict[str, Callable[[], nn.Module]] = {
    "straight-through": StraightThrough,
    "look-ahead": LookAhead,
}


class Parts(NamedTuple):
    """The four decisions as modules; None for the assignment or estimator is the usual one.

    ``commitment`` is the method's own beta. ``around`` puts the quantizer into a larger one, such
    as linear maps before and after it, which then is what :func:`make` returns.
    """

    codebook: Codebook
    update: list[Update]
    assignment: nn.Module | None = None
    estimator: nn.Module | None = None
    commitment: float = 0.25
    around: Callable[[VectorQuantizer], Quantizer] | None = None


@dataclass(frozen=True)
class Method:
    """One line of the table.

    Attributes:
        name: for :func:`make`. codebook, assignment, estimator, update: its four decisions.
        paper, year, equation: where it is from. note: what is not from there.
        build: (codebook_size, dim, seed, **options) to its :class:`Parts`.
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

    @property
    def cost(self) -> Cost:
        """What it costs at a size where all are compared; counted once, in under a second."""
        from .costs import cost  # which makes quantizers, by this table

        return cost(self.name)


class Methods(list[Method]):
    """The lines of the table; ``print`` shows them with what each costs."""

    def __str__(self) -> str:
        rows: list[tuple[str, ...]] = [
            ("method", "codebook", "assignment", "estimator", "update", *COLUMNS)
        ]
        rows += [
            (m.name, m.codebook, m.assignment, m.estimator, m.update, *costs_of(m)) for m in self
        ]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
        return "\n".join(lines)


COLUMNS = ("trained", "kept", "products", "writes", "largest")


def costs_of(line: Method) -> tuple[str, ...]:
    """The columns of costs as text: two counts, then how often the work and array of ``vq``."""
    ours, least = line.cost, method("vq").cost
    ratios = (getattr(ours, name) / getattr(least, name) for name in COLUMNS[2:])
    return (f"{ours.trained:,}", f"{ours.kept:,}", *(f"{_two_digits(r)} x" for r in ratios))


def _two_digits(value: float) -> str:
    return f"{float(f'{value:.2g}'):g}"


_TABLE: dict[str, Method] = {}


def published(name: str, **line: Any) -> Callable[[Callable[..., Parts]], Callable[..., Parts]]:
    """Writes a line into the table; decorates the function that builds it (see :class:`Method`).

    Args:
        name: of the method. line: the other fields; nearest and straight-through if not given.
    """

    def register(build: Callable[..., Parts]) -> Callable[..., Parts]:
        defaults = {"assignment": "nearest", "estimator": "straight-through", "note": ""}
        _TABLE[name] = Method(name=name, build=build, **{**defaults, **line})
        return build

    return register


def methods() -> Methods:
    """The table of methods, in the order of the README; ``print`` shows it, with costs."""
    return Methods(_TABLE.values())


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
    assignment: str | nn.Module | None = None,
    estimator: str | nn.Module | None = None,
    commitment: float | None = None,
    channel_first: bool = False,
    seed: int | torch.Generator | None = None,
    **options: Any,
) -> Quantizer:
    """Builds a quantizer from its line in the table.

    Args:
        name: of the method, one of :func:`methods`.
        dim: D. codebook_size: K.
        assignment: "nearest", "cosine" or a module; None is the method's own.
        estimator: "straight-through", "look-ahead" or a module; None is the method's own.
        commitment: weight beta of the commitment loss; None is the method's own, mostly 0.25.
        channel_first: latents are (B, D, H, W).
        seed: int or torch.Generator for the start; None draws from torch's own generator.
        options: the method's own, see ``method(name).options``.

    Returns:
        A :class:`VectorQuantizer` in training mode, or one within linear maps
        (:class:`Projected`), which behaves alike.

    Raises:
        ValueError: unknown method or choice; no dimension or no code. TypeError: an option that
            the method does not have.
    """
    line = method(name)
    for what, number in {"dim": dim, "codebook_size": codebook_size}.items():
        # Before anything is derived from them: a grid or an exponent would fail in its own words.
        if int(number) != number or number < 1:
            raise ValueError(f"{what} must be an integer >= 1, got {number!r}")
    unknown = sorted(set(options) - set(line.options))
    if unknown:
        raise TypeError(
            f"{name} has no option {', '.join(unknown)}; it has {', '.join(line.options)}, "
            "and every method assignment, estimator, commitment, channel_first, seed"
        )
    parts = line.build(codebook_size, dim, seeded(seed), **options)
    quantizer = VectorQuantizer(
        parts.codebook,
        parts.assignment if assignment is None else _choice("assignment", assignment, ASSIGNMENTS),
        parts.estimator if estimator is None else _choice("estimator", estimator, ESTIMATORS),
        parts.update,
        parts.commitment if commitment is None else commitment,
    )
    whole = quantizer if parts.around is None else parts.around(quantizer)
    whole.channel_first = channel_first
    return whole


def _choice(
    kind: str, given: str | nn.Module, known: dict[str, Callable[[], nn.Module]]
) -> nn.Module:
    if isinstance(given, nn.Module):
        return given
    if given not in known:
        raise ValueError(f"unknown {kind} {given!r}; choose one of {', '.join(known)}")
    return known[given]()
