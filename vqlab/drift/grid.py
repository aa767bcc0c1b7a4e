"""The combinations of a sweep: what is varied, what each value is called, the key of each run."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import inspect
import itertools
import json
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np

from .motions import Motion, make_motion
from .origin import Source, checksum

Axis = list[tuple[Any, dict[str, Any]]]  # label and keyword arguments of each value


@dataclass(frozen=True)
class Cell:
    """One run of a sweep.

    Attributes:
        columns: what the table says of it.
        settings: the simulator's keyword arguments.
        plain: the same as JSON types; arrays as checksums.
        key: hash of `plain`, of the simulator's name and of the measure's source.
        turn: place in the order of execution: first seeds first.
    """

    columns: dict[str, Any]
    settings: dict[str, Any]
    plain: dict[str, Any]
    key: str
    turn: int

    @property
    def text(self) -> str:
        """The settings to read."""
        return ", ".join(f"{name}={json.dumps(value)}" for name, value in self.plain.items())


def cells(
    simulator: Callable[..., Any],
    measure: Callable[..., Any],
    methods: Any,
    motions: Any,
    speeds: Any,
    rates: Any,
    codebook_sizes: Any,
    seeds: Any,
    grid: Mapping[str, Sequence[Any]],
    paired: bool,
    settings: dict[str, Any],
) -> list[Cell]:
    """All runs of a sweep in the order of its table; the arguments are those of `sweep`.

    Raises:
        ValueError: a thing given twice or by the name of one run's keyword (speed for speeds), an
            empty axis, a bad motion or speed.
        TypeError: a keyword the simulator does not know, with those it does.
    """
    _check_keywords(simulator, {**settings, **grid})
    fixed = dict(settings)
    axes = _axes(methods, motions, speeds, rates, codebook_sizes, seeds, grid, fixed)
    if motions is None and speeds is None and not _takes(simulator, "motion"):
        del axes["motion"]  # an encoder that trains moves its latents itself
    if "progress" in _parameters(simulator):
        fixed.setdefault("progress", False)  # one bar is enough
    identity = {"simulator": _name(simulator), "measure": _source(measure)}
    turns = {id(value): turn for turn, value in enumerate(axes["seed"])}
    result = []
    for combination in itertools.product(*axes.values()):
        columns: dict[str, Any] = {}
        keywords, options = dict(fixed), dict(fixed.get("options") or {})
        for name, (label, part) in zip(axes, combination, strict=True):
            columns |= label if isinstance(label, dict) else {name: label}
            options |= part.get("options") or {}
            keywords |= part
        if options:
            keywords["options"] = options
        if not paired:  # from the name, not the place: adding a method changes no other's seeds
            own = zlib.crc32(columns["method"].encode())
            columns["seed"] = keywords["seed"] = keywords["seed"] + own
        plain = {name: describe(value) for name, value in keywords.items() if name != "progress"}
        text = json.dumps({**identity, "settings": plain}, sort_keys=True)
        key = hashlib.sha256(text.encode()).hexdigest()[:32]
        result.append(Cell(columns, keywords, plain, key, turns[id(combination[-1])]))
    return result


def _axes(
    methods: Any,
    motions: Any,
    speeds: Any,
    rates: Any,
    codebook_sizes: Any,
    seeds: Any,
    grid: Mapping[str, Sequence[Any]],
    fixed: dict[str, Any],
) -> dict[str, Axis]:
    """What is varied, in the order of the columns; what is not stays in `fixed`."""
    given = {"motion": motions, "rate": rates, "codebook_size": codebook_sizes}
    for name in (*given, "method", "seed"):
        if name in grid or (name in fixed and name not in given):
            raise ValueError(f"{name} has an argument of its own, {name}s=")
    for name, values in {**given, **grid}.items():
        if name in fixed and name != "options" and values is not None:
            to_try = f"{name}s={values!r}" if name in given else f"{values!r} in grid="
            raise ValueError(f"{name} is given twice: {to_try}, and {name}={fixed[name]!r}")
        if name in given and values is None:
            given[name] = fixed.pop(name, None)
    axes = {
        "method": _methods(methods),
        "motion": _motions("stationary" if given["motion"] is None else given["motion"], speeds),
        "rate": _values("rate", given["rate"]),
        "codebook_size": _values("codebook_size", given["codebook_size"]),
        **{name: _values(name, list(values)) for name, values in grid.items()},
        "seed": _values("seed", range(seeds) if isinstance(seeds, (int, np.integer)) else seeds),
    }
    for name, axis in axes.items():
        if not axis:
            raise ValueError(f"there is no {name} to run: give at least one")
    return axes


def describe(value: Any) -> Any:
    """A setting as JSON types that are equal exactly when the setting is."""
    if isinstance(value, (Motion, Source)):
        return value.to_dict()
    if isinstance(value, np.ndarray):
        return {"shape": list(value.shape), "checksum": checksum(value)}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping):
        return {str(name): describe(one) for name, one in value.items()}
    if isinstance(value, (list, tuple, range)):
        return [describe(one) for one in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if dataclasses.is_dataclass(value):  # a schedule
        return {type(value).__name__: describe(vars(value))}
    if isinstance(value, Path):
        return str(value)
    return {"pickle": hashlib.sha256(cloudpickle.dumps(value)).hexdigest()}


def _methods(methods: Any) -> Axis:
    axis: Axis = []
    for label, value in _named(methods):
        method, options = value if isinstance(value, tuple) else (value, {})
        if not isinstance(options, Mapping):
            raise TypeError(f"a method is a name or a pair (name, dict of options), got {value!r}")
        text = ", ".join(f"{name}={one}" for name, one in options.items())
        name = method if isinstance(method, str) else type(method).__name__
        part = {"method": method, "options": dict(options)} if options else {"method": method}
        axis.append((label or (f"{name}({text})" if text else name), part))
    return _distinct(axis)


def _motions(motions: Any, speeds: Any) -> Axis:
    made = [(label, make_motion(motion)) for label, motion in _named(motions)]
    axis: Axis = []
    for name, part in _distinct([(n or _motion_name(m), {"motion": m}) for n, m in made]):
        still = part["motion"].name == "stationary"  # which no speed could change
        for speed in [None] if speeds is None or still else several(speeds):
            motion = make_motion(part["motion"], speed)
            shown = 0.0 if still else getattr(motion, "speed", None)
            axis.append(({"motion": name, "speed": shown}, {"motion": motion}))
    return axis


def _motion_name(motion: Motion) -> str:
    parts = getattr(motion, "parts", ())
    return "+".join(_motion_name(part) for part in parts) if parts else motion.name


def _values(name: str, values: Any) -> Axis:
    """An axis of plain values; None alone leaves the simulator's default."""
    if values is None:
        return [(None, {})]
    plain = [value.item() if isinstance(value, np.generic) else value for value in several(values)]
    return _distinct([(_label(value), {name: value}) for value in plain])


def _label(value: Any) -> Any:
    if isinstance(value, (Motion, Source)):
        return value.name
    plain = describe(value)
    if dataclasses.is_dataclass(value):
        return repr(value)
    return plain if not isinstance(plain, (dict, list)) else json.dumps(plain)


def _distinct(axis: Axis) -> Axis:
    """Values that share a label are told apart by those of their settings that are not usual."""
    labels = [label for label, _ in axis]
    return [
        (label if labels.count(label) == 1 else f"{label}({_unusual(part)})", part)
        for label, part in axis
    ]


def _unusual(part: dict[str, Any]) -> str:
    (value,) = list(part.values())[:1]
    if not isinstance(value, (Motion, Source)):
        return json.dumps(describe(part), sort_keys=True)
    usual = {one.name: one.default for one in dataclasses.fields(value)}
    settings = value.to_dict().items()
    given = [(name, one) for name, one in settings if one != usual.get(name, value.name)]
    return ", ".join(f"{name}={one}" for name, one in given)


def _named(values: Any) -> list[tuple[str | None, Any]]:
    """Values with the labels a dict gives them; the stored form of one motion is one value."""
    if isinstance(values, Mapping) and "motion" not in values:
        return list(values.items())
    return [(None, one) for one in several(values)]


def several(values: Any) -> list[Any]:
    """Several values, or the one."""
    pair = isinstance(values, tuple) and len(values) == 2 and isinstance(values[1], Mapping)
    if pair or isinstance(values, (str, Mapping)) or not isinstance(values, Iterable):
        return [values]
    return list(values)


def _parameters(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    return dict(inspect.signature(function).parameters)


def _takes(function: Callable[..., Any], keyword: str) -> bool:
    known = _parameters(function)
    any_at_all = any(one.kind is inspect.Parameter.VAR_KEYWORD for one in known.values())
    return keyword in known or any_at_all


def _check_keywords(simulator: Callable[..., Any], keywords: Iterable[str]) -> None:
    if unknown := sorted(name for name in set(keywords) if not _takes(simulator, name)):
        if "speed" in unknown:
            raise ValueError("speed has an argument of its own, speeds=")
        raise TypeError(
            f"unknown setting {unknown} for {_name(simulator)}; "
            f"choose from {list(_parameters(simulator))}"
        )


def _name(function: Any) -> str:
    return f"{getattr(function, '__module__', '')}.{getattr(function, '__qualname__', function)}"


def _source(function: Any) -> str:
    """What a measure does, as text: a store must not answer for a measure that has been edited."""
    if isinstance(function, functools.partial):
        return f"{_source(function.func)} {describe(function.args)} {describe(function.keywords)}"
    try:
        return f"{_name(function)} {inspect.getsource(function)}"
    except (OSError, TypeError):
        return _name(function)
