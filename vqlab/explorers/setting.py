"""What stands on an explorer's screen, as the call of ``simulate`` that gives it again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from vqlab.drift.motions import make_motion
from vqlab.drift.origin import Source
from vqlab.drift.presets import preset
from vqlab.drift.recording import Recorded
from vqlab.drift.sources import Mixture, make_source
from vqlab.quantizers.registry import method, methods

POINTS, FRAMES = 1000, 120
WIDTH = 64  # of the transformer: a quarter of the paper's, so that it answers within a few seconds

MOTIONS = ("stationary", "translate", "shrink", "expand", "rotate", "oscillate", "random-walk",
           "jump", "paper-shrink", "paper-translate", "paper-expand")  # fmt: skip
CHOICES: dict[str, tuple[Any, ...]] = {
    "method": tuple(line.name for line in methods()),
    "source": ("gaussian", "mixture", "ring", "two-moons"),
    "motion": MOTIONS,
    "speed": (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2),
    "codes": (2, 4, 8, 16, 32, 64, 128, 256),
    "rate": ("default", 0.001, 0.01, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 4.0, 8.0),
    "bandwidth": ("default", 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0),
    "start": ("normal", "uniform", "first-batch", "kmeans"),
    "steps": (100, 240, 400, 1000),
    "seed": tuple(range(10)),
}
DEFAULT: dict[str, Any] = {
    "method": "ema", "source": "gaussian", "motion": "translate", "speed": 0.02, "codes": 64,
    "rate": "default", "bandwidth": "default", "start": "normal", "steps": 400, "seed": 0,
}  # fmt: skip
_TOY = {"speed": 0.2, "codes": 16, "steps": 240}
_AWAY = {"motion": "translate", "speed": 0.05}
PRESETS: dict[str, dict[str, Any]] = {
    "make it collapse: drift": _AWAY,
    "make it collapse: a bad start": {
        "method": "vq", "motion": "stationary", "start": "uniform", "source": "mixture"},
    "a cure: carried by the drift": {"method": "drift-adaptive", **_AWAY},
    "paper's toy: shrink": {"motion": "paper-shrink", **_TOY},
    "paper's toy: translate": {"motion": "paper-translate", **_TOY},
    "paper's toy: expand": {"motion": "paper-expand", **_TOY},
    "paper's toy: shrink, nsvq, wide": {
        "method": "nsvq", "motion": "paper-shrink", "rate": 2.0, "bandwidth": 100.0, **_TOY},
}  # fmt: skip

Moved = Mapping[int, tuple[float, float]]


def checked(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The defaults with these settings on top.

    Raises:
        ValueError: an unknown setting, or a value that is not among the choices.
    """
    for name, value in settings.items():
        if name not in CHOICES:
            raise ValueError(f"unknown setting {name!r}: expected one of {', '.join(CHOICES)}")
        if value not in CHOICES[name]:
            given = ", ".join(map(str, CHOICES[name]))
            raise ValueError(f"{name}: expected one of {given}, got {value!r}")
    return {**DEFAULT, **settings}


def takes(name: str, control: str) -> bool:
    """Whether a control has an effect on a method."""
    has = method(name).options
    if control == "start":
        return "init" in has
    return control != "bandwidth" or "bandwidth" in has


def call(settings: Mapping[str, Any], codes: Moved, clusters: Moved) -> dict[str, Any]:
    """Arguments of ``simulate``; ``method`` among them.

    Args:
        settings: as ``checked`` gives them.
        codes: code -> where it starts, for those that were dragged.
        clusters: cluster -> by how much it was dragged.

    Raises:
        ValueError: a rate or a start that the method does not take.
    """
    moving = settings["motion"]
    has = method(settings["method"]).options
    rate = None if settings["rate"] == "default" else settings["rate"]
    options: dict[str, Any] = {}
    if settings["method"] == "transvq":
        options["width"] = WIDTH
    if settings["method"] in ("noise-substitution", "diveq", "gumbel"):
        options["weight"] = 1.0  # their codes learn from a task otherwise, and there is none
    if rate is not None and ("decay" in has or "rate" in has):
        if rate >= 1:
            raise ValueError(f"the rate of {settings['method']}'s mean lies below 1, got {rate:g}")
        options |= {"decay": 1 - rate} if "decay" in has else {"rate": rate}
    if settings["bandwidth"] != "default" and takes(settings["method"], "bandwidth"):
        options["bandwidth"] = settings["bandwidth"]
    out: dict[str, Any] = {
        "method": settings["method"],
        "source": settings["source"],
        "motion": moving if moving == "stationary" else _motion(moving, settings["speed"]),
        "codebook_size": settings["codes"],
        "points": POINTS,
        "steps": settings["steps"],
        "rate": rate,
        "init": settings["start"],
        "seed": settings["seed"],
        "record": FRAMES,
        "probe": POINTS,
        "options": options or None,
        "progress": False,
    }
    if clusters:
        cloud, member = first_latents(settings)
        for cluster, by in clusters.items():
            cloud[member == cluster] += by
        out["source"] = Recorded(cloud)
    if codes:
        if not takes(settings["method"], "start"):
            raise ValueError(f"{settings['method']} makes its codes by a rule: none can be dragged")
        table = first_codes(out)
        for code, place in codes.items():
            table[code] = place
        out["init"] = table
    return out


def first_codes(arguments: Mapping[str, Any]) -> Any:
    """(K, D) the codes that a call starts from."""
    from vqlab.drift.simulate import simulate

    return simulate(**{**arguments, "steps": 1, "record": 2}).codes[0]


def first_latents(settings: Mapping[str, Any]) -> tuple[Any, Any]:
    """The points (N, 2) that ``simulate`` draws at this seed, and the cluster of each."""
    source = make_source(settings["source"], dim=2)
    stream = np.random.SeedSequence(settings["seed"]).spawn(1)[0]
    cloud = source.sample(POINTS, np.random.default_rng(stream))
    return cloud, _cluster(source, cloud)


def _cluster(source: Source, cloud: Any) -> Any:
    if not isinstance(source, Mixture):
        return np.zeros(len(cloud), np.int64)
    return ((cloud[:, None] - source.centers) ** 2).sum(2).argmin(1)


def _motion(name: str, speed: float) -> Any:
    if name.startswith("paper-"):
        return preset(name)["motion"].with_speed(speed)
    return make_motion(name, speed=speed)


def as_code(settings: Mapping[str, Any], codes: Moved, clusters: Moved) -> str:
    """A program that ends with the run in ``run``, equal to the last bit."""
    arguments = call(settings, {}, {})
    name, speed = settings["motion"], settings["speed"]
    lines, imports = [], []
    words = {key: repr(value) for key, value in arguments.items() if value is not None}
    if name.startswith("paper-"):
        imports.append("preset")
        words["motion"] = f'preset("{name}")["motion"].with_speed({speed!r})'
    elif name != "stationary":
        imports.append("make_motion")
        words["motion"] = f'make_motion("{name}", speed={speed!r})'
    if clusters:
        imports += ["Recorded", "make_source"]
        lines += [
            f"source = make_source({settings['source']!r})",
            f"stream = np.random.SeedSequence({settings['seed']}).spawn(1)[0]",
            f"cloud = source.sample({POINTS}, np.random.default_rng(stream))",
        ]
        mixed = settings["source"] == "mixture"
        if mixed:
            lines.append("cluster = ((cloud[:, None] - source.centers) ** 2).sum(2).argmin(1)")
        for cluster, by in clusters.items():
            where = f"cluster == {cluster}" if mixed else ":"
            lines.append(f"cloud[{where}] += {tuple(map(float, by))}")
        words["source"] = "Recorded(cloud)"
    text = ",\n".join(f"    {key}={value}" for key, value in words.items() if key != "method")
    if codes:
        lines += [f"setting = dict(\n{text},\n)",
                  f"codes = simulate({words['method']}, **{{**setting, 'steps': 1, 'record': 2}})"
                  ".codes[0]"]  # fmt: skip
        lines += [f"codes[{k}] = {tuple(map(float, place))}" for k, place in codes.items()]
        lines.append(f"run = simulate({words['method']}, **{{**setting, 'init': codes}})")
    else:
        lines.append(f"run = simulate(\n    {words['method']},\n{text},\n)")
    head = ["import numpy as np\n"] if clusters else []
    head.append("from vqlab import simulate")
    if imports:
        head.append(f"from vqlab.drift import {', '.join(sorted(imports))}")
    return "\n".join([*head, "", *lines]) + "\n"


def as_title(settings: Mapping[str, Any]) -> str:
    """A few words above the picture."""
    speed = "" if settings["motion"] == "stationary" else f" at {settings['speed']:g}"
    return f"{settings['motion']}{speed}, K = {settings['codes']}, seed {settings['seed']}"


def as_text(settings: Mapping[str, Any], codes: Moved, clusters: Moved) -> str:
    """One line that ``from_text`` reads: what differs from the defaults, and what was dragged."""
    parts = [f"{k}={v}" for k, v in settings.items() if v != DEFAULT[k]]
    for name, moved in (("moved", codes), ("clusters", clusters)):
        if moved:
            each = [f"{k}:{x!r},{y!r}" for k, (x, y) in moved.items()]
            parts.append(f"{name}={';'.join(each)}")
    return " ".join(["vqlab", *parts])


def from_text(text: str) -> tuple[dict[str, Any], dict[int, Any], dict[int, Any]]:
    """Settings, dragged codes and dragged clusters of a line that ``as_text`` wrote.

    Raises:
        ValueError: a text that is none, with the word that is not understood.
    """
    first, *parts = text.split() or [""]
    if first != "vqlab":
        raise ValueError(f"expected a text that begins with vqlab, got {text[:40]!r}")
    settings: dict[str, Any] = {}
    moved: dict[str, dict[int, Any]] = {"moved": {}, "clusters": {}}
    for part in parts:
        name, _, word = part.partition("=")
        if name in moved:
            try:
                for one in word.split(";"):
                    key, _, place = one.partition(":")
                    x, y = map(float, place.split(","))
                    moved[name][int(key)] = (x, y)
            except ValueError:
                raise ValueError(f"cannot read {part!r}: expected {name}=3:0.5,-1.0;…") from None
            continue
        found = [v for v in CHOICES.get(name, ()) if str(v) == word]
        if not found:
            known = ", ".join(map(str, CHOICES.get(name, CHOICES)))
            raise ValueError(f"cannot read {part!r}: expected one of {known}")
        settings[name] = found[0]
    whole = checked(settings)
    if wrong := [k for k in moved["moved"] if not 0 <= k < whole["codes"]]:
        raise ValueError(f"moved: there is no code {wrong[0]} of {whole['codes']}")
    if moved["clusters"]:
        count = int(first_latents(whole)[1].max()) + 1
        if wrong := [k for k in moved["clusters"] if not 0 <= k < count]:
            raise ValueError(f"clusters: there is no cluster {wrong[0]} of {count}")
    return whole, moved["moved"], moved["clusters"]
