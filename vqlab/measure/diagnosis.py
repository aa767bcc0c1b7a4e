"""What is wrong with a codebook, in words: decided by what was measured, not by the method's name.

A code is *silent* when nothing chose it during the last W steps, W so long that even users of equal
rank would all have come up (16 assignments for each code). Each silent code is put down to what its
own record shows: it never lived, it was left behind by latents that moved away or drew together, it
lies on another code, or the steps brought too few latents to reach it. Causes stand in the order of
the codes they explain. The thresholds are ours; each has its reason beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from .evidence import CROWDED, HALVED, Evidence, evidence

if TYPE_CHECKING:  # drift imports measures
    from ..drift.run import Run

Kind = Literal[
    "healthy", "too few samples", "initialisation", "drift", "merged codes", "encoder shrinking",
    "unexplained",
]  # fmt: skip
NOTABLE = 0.1  # a tenth of the codes: less is the tail that any finite window leaves
FULL = 1 - NOTABLE  # ceiling below which the window is too short, or the table too large, to judge

REMEDIES: dict[str, str] = {
    "healthy": "none needed",
    "too few samples": "more latents a step (batch, resolution), a smaller codebook, or a longer "
    "look before judging; count usage over a whole data set, against its ceiling",
    "initialisation": "start the codes on latents (k-means or a sample of the first batch), bring "
    "latents to the codes' scale (a normalisation before the quantizer), or replace dead codes",
    "drift": "slow the encoder (lower rate, warm-up of the optimizer), let codes follow faster "
    "(smaller decay), move codes that are not chosen (nsvq, transvq, simvq), or replace dead ones",
    "merged codes": "weaken what pulls all codes to one place (kernel width, shared map, decay), "
    "add an entropy or diversity term, or replace the doubles by latents",
    "encoder shrinking": "hold the latents' scale (a normalisation before the quantizer, a smaller "
    "commitment weight), or let the codes scale with them (affine, simvq, transvq)",
    "unexplained": "look at the run: vqlab.plots.animate_cloud(monitor.run()), lifelines",
}


@dataclass(frozen=True)
class Finding:
    """One cause, or that there is none.

    Attributes:
        kind: of collapse. where: name of the codebook.
        codes: how many it explains. share: of all codes.
        evidence: the numbers it rests on. remedy: what may help.
        confidence: "clear", "likely" or "borderline", by how far the numbers pass the thresholds.
    """

    kind: Kind
    where: str
    codes: int
    share: float
    evidence: str
    remedy: str
    confidence: str

    def __str__(self) -> str:
        at = f"{self.where}: " if self.where else ""
        return f"{at}{self.kind} ({self.confidence}). {self.evidence}\n  Remedy: {self.remedy}."


@dataclass(frozen=True, repr=False)
class Diagnosis:
    """Findings in the order of what they explain, and notes on what was not seen."""

    findings: tuple[Finding, ...]
    notes: tuple[str, ...] = ()

    @property
    def first(self) -> Finding:
        """The finding that explains most."""
        return self.findings[0]

    @property
    def healthy(self) -> bool:
        """Whether no codebook has a finding against it."""
        return all(f.kind == "healthy" for f in self.findings)

    def __repr__(self) -> str:
        return "\n".join([*map(str, self.findings), *(f"Note: {n}" for n in self.notes)])


def diagnose(run: Run, where: str = "") -> Diagnosis:
    """Names the causes of a collapse that a run shows, with evidence and remedy.

    Args:
        run: of a monitor, :func:`vqlab.simulate` or :func:`vqlab.vision.fit`. where: what to call
            the codebook.
    Returns:
        :class:`Diagnosis`; one finding "healthy" where there is nothing to mend.
    Raises:
        ValueError: a run of fewer than two frames, or without a code or an assignment.
    """
    seen = evidence(run)
    size = run.codebook_size
    few = _few(seen)
    causes = (few, _initial(seen, few is not None), _moved(seen), _shrunk(seen), _merged(seen))
    found = [cause for cause in causes if cause is not None]
    explained = sum(f[1] for f in found)
    rest = seen.missing - explained
    if seen.missing > NOTABLE * size and rest > max(NOTABLE * size, 0.5 * seen.missing):
        words = (
            f"{rest} of {size} codes were not chosen in the last {seen.window} steps, although "
            "latents neither moved nor narrowed much and codes lie apart"
        )
        found.append(("unexplained", rest, words, 1.0))
    if not found:
        words = (
            f"{seen.alive} of {size} codes were chosen in the last {seen.window} steps (equal use "
            f"would reach {seen.ceiling:.0%}); latents went {_said(seen.travelled)} code spacings "
            f"from the first frame, their spread is {_said(seen.spread_ratio)} of its peak"
        )
        margin = seen.alive / size / (seen.ceiling * (1 - NOTABLE))
        found.append(("healthy", size, words, 3.0 if margin > 1.05 else 1.0))
    found.sort(key=lambda f: -f[1])
    findings = tuple(
        Finding(kind, where, count, count / size, words, REMEDIES[kind], _confidence(strength))
        for kind, count, words, strength in found
    )
    return Diagnosis(findings, _notes(run, where))


Found = tuple[Kind, int, str, float]  # kind, codes, evidence, how far beyond the threshold


def _few(seen: Evidence) -> Found | None:
    """Codes that even equal users could not have reached, or that no latent is left for."""
    size, n = seen.size, seen.per_step
    unseen = round((1 - seen.ceiling) * size)
    if seen.ceiling < FULL and seen.missing:
        words = (
            f"{n:.0f} latents a step for {size} codes: in {seen.window} steps equal use of all "
            f"codes reaches {seen.ceiling:.0%}, seen were {seen.alive / size:.0%}"
        )
        return "too few samples", min(unseen, seen.missing), words, (1 - seen.ceiling) / (1 - FULL)
    # Pigeonholes: the same latents come back, each with a code of its own, and no more can live.
    if n < size * (1 - NOTABLE) and n / 2 <= seen.alive <= min(n, 1.1 * seen.at_once):
        words = (
            f"each step brings {n:.0f} latents for {size} codes, and the {seen.alive} codes of one "
            f"step are those of all {seen.window}: the same few latents, a code for each"
        )
        return "too few samples", size - round(n), words, size / n
    return None


def _initial(seen: Evidence, few: bool) -> Found | None:
    """Codes that nobody has ever chosen, and the first picture shows why.

    Where the latents are too few for all codes, being within reach and never chosen is no surprise.
    """
    count, stuck = int(seen.stillborn.sum()), int(seen.stuck.sum())
    # What a short look did not see may have lived unseen; codes in a crowd need no such doubt.
    if count <= (NOTABLE + seen.chance) * seen.size and stuck <= NOTABLE * seen.size:
        return None
    away = int((seen.stillborn & seen.outside_first).sum())
    words = f"{count} of {seen.size} codes never came to life. "
    if away > 0.5 * count:
        words += (
            f"In the first frame {away} of them lie farther from every latent than latents do from "
            f"their own neighbours (median {_said(seen.gap_first)} against "
            f"{_said(seen.reach_first, seen.gap_first)})"
        )
        strength = seen.gap_first / max(seen.reach_first, 1e-30)
    elif seen.crowding < CROWDED:
        words += (
            f"In the first frame the codes lie in one spot: {_said(seen.crowding)} of the spacing "
            "that as many latents have, so that a few of them hide the others"
        )
        strength = CROWDED / max(seen.crowding, 1e-30)
    elif few:
        return None
    else:
        words += "The first frame does not show why: they lie within the latents' reach"
        strength = 1.0
    return "initialisation", count, words, strength


def _moved(seen: Evidence) -> Found | None:
    """Codes that lived until the latents went away by more than a cell is wide."""
    count = int(seen.left.sum())
    if count <= NOTABLE * seen.size:
        return None
    words = (
        f"{count} of {seen.size} codes were used and then died when the latents moved by "
        f"{_said(seen.went)} code spacings (median since their last use); they now lie "
        f"{_said(seen.gap_last, seen.reach_last)} from the nearest latent, where latents have "
        f"neighbours within {_said(seen.reach_last, seen.gap_last)}. Lag of the live codes: "
        f"{_said(seen.lag_first)} spacings at the start, {_said(seen.lag_last)} now"
    )
    return "drift", count, words, seen.went


def _shrunk(seen: Evidence) -> Found | None:
    """Codes outside a cloud that drew together."""
    count = int(seen.shrunk.sum())
    if count <= NOTABLE * seen.size:
        return None
    words = (
        f"{count} of {seen.size} codes were used and now lie outside: since then the latents' "
        f"spread fell to {_said(seen.narrower)} of what it was, the codes' to "
        f"{_said(seen.codes_narrower)}"
    )
    return "encoder shrinking", count, words, HALVED / seen.narrower


def _merged(seen: Evidence) -> Found | None:
    """Codes that came to lie on each other."""
    count = int(seen.merged.sum())
    if count <= NOTABLE * seen.size:
        return None
    words = (
        f"{count} of {seen.size} codes have come closer than a tenth of the spacing to another one "
        f"(median {_said(seen.pair_gap, seen.spacing_last)}; as many latents stand "
        f"{_said(seen.spacing_last, seen.pair_gap)} apart)"
    )
    return "merged codes", count, words, 0.1 * seen.spacing_last / max(seen.pair_gap, 1e-30)


def _said(value: float, beside: float = 1.0) -> str:
    """Two digits; 0 for what is float noise beside the number that it is compared with."""
    return "0" if abs(value) <= 1e-6 * abs(beside) else f"{value:.2g}"


def _confidence(strength: float) -> str:
    return "clear" if strength >= 3 else "likely" if strength >= 1.5 else "borderline"


def _notes(run: Run, where: str) -> tuple[str, ...]:
    at, notes = f"{where}: " if where else "", []
    if run.settings.get("world", 1) > 1:
        notes.append(f"{at}seen by process {run.settings['rank']} of {run.settings['world']} only")
    if run.settings.get("broken", -1) >= 0:
        notes.append(f"{at}NaN or Inf among latents or codes at step {run.settings['broken']}")
    if not run.settings.get("paired", True):
        notes.append(f"{at}without a probe, motion is the least that samples of batches prove")
    return tuple(notes)
