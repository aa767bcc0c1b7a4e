"""Which method when: each answer with the number in the file that gives it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..quantizers.registry import method as method_line
from .entries import TOLD
from .results import Board

if TYPE_CHECKING:
    import pandas as pd

CHEAP = 1.5  # times the step of plain VQ
REST = "stationary"


def guide(board: Board) -> pd.DataFrame:
    """A row for each case: what to take, its number, and who comes next with theirs.

    The rules are fixed, the answers come from the file. Excess is the distortion over that of
    k-means, as the geometric mean over the motions that move (all but *stationary*). Methods that
    are told how the latents are about to move answer a row of their own, those without a table
    another. At rest another rate is right: there each has the best of its settings,
    on the tuning seeds. Copies of plain VQ are left out.

    Args:
        board: with the laboratory's track; the encoder's row is left out where that is missing.
    Raises:
        ValueError: a file without the laboratory.
    """
    import pandas as pd

    if "laboratory" not in board.about["tracks"]:
        raise ValueError("the guide needs the laboratory's runs, the file has none")
    notes = {label: one["note"] for label, one in board.about["entries"].items()}
    told = [label for label, note in notes.items() if note == TOLD]
    excess, use = board.means("excess"), board.means("utilization")
    drift, twins = moving(excess), board.twins()
    free = [label for label in drift.index if label not in [*told, *twins]]
    fixed = [label for label in drift.index if _fixed(board, label)]
    cost = board.cost()
    untuned = moving(board.means("excess", rows=board.published()))
    worst = use.min(axis=1)
    cases: list[tuple[str, Any, str]] = [
        ("the latents drift, nobody knows how", drift[free], "excess"),
        (f"a step may cost {CHEAP:g} of vq's", drift[[m for m in free if cost[m] <= CHEAP]],
         "excess"),
        ("nothing may be tuned", untuned[free], "excess, published setting"),
        ("no code may die on any motion", -worst[free], "codes in use, worst motion"),
        ("no table is to be trained", drift[fixed], "excess"),
        ("the codes are told where latents go", drift[[m for m in told if m not in fixed]],
         "excess"),
    ]  # fmt: skip
    if REST in excess:
        cases.insert(0, ("the latents rest", _resting(board)[free], "excess at rest, best rate"))
    if "encoder" in board.about["tracks"]:
        real = board.means("excess", "encoder")
        known = np.exp(np.log(real).mean(axis=1))
        cases.append(("a recorded encoder, D = 16", known[[m for m in known.index if m in free]],
                      "excess"))  # fmt: skip
    rows = []
    for case, scores, unit in cases:
        order = scores[np.isfinite(scores)].sort_values()
        if not len(order):
            continue
        says = [f"{m} ({-v:.0%})" if unit.startswith("codes") else f"{m} ({v:.2f})"
                for m, v in order.iloc[:3].items()]  # fmt: skip
        rows.append({"when": case, "take": says[0], "next": ", ".join(says[1:]), "number": unit})
    return pd.DataFrame(rows).set_index("when")


def moving(means: Any) -> Any:
    """The geometric mean over the motions that move; infinite for a method that failed on one."""
    kept = means.drop(columns=REST, errors="ignore")
    return np.exp(np.log(kept).mean(axis=1))


def _resting(board: Board) -> Any:
    """Excess at rest at the setting that is best there."""
    rows = board.rows
    still = rows[(rows.stage == "tune") & (rows.track == "laboratory") & (rows.motion == REST)]
    logs = np.log(still.set_index(["method", "setting"]).excess.fillna(np.inf))
    return np.exp(logs.groupby(["method", "setting"], sort=False).mean().groupby("method").min())


def _fixed(board: Board, label: str) -> bool:
    return "no table" in method_line(board.about["entries"][label]["method"]).codebook
