"""The file of results: a row for each run, and beside it what was run, with what, at which cost."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..measure.ranks import Ranks, ranks

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ["track", "stage", "method", "setting", "motion", "seed"]
DIGITS = {"utilization": 4, "perplexity": 4, "excess": 5}
MEASURES = list(DIGITS)


@dataclass(frozen=True)
class Board:
    """The leaderboard.

    Attributes:
        rows: a DataFrame, one row a run: track, stage ("tune" or "final"), method, setting (place
            in the list of settings), motion, seed, utilization, perplexity (as a share of K),
            excess (distortion over that of k-means).
        about: what was run: settings, motions, entries (method, options, settings, the chosen one
            by track, cost), skipped (reasons), failed (counts, reasons), versions, command.
    """

    rows: pd.DataFrame
    about: dict[str, Any]

    def final(self, track: str = "laboratory", methods: Sequence[str] | None = None) -> Any:
        """The fresh seeds at the one setting that tuning chose."""
        kept = self.rows[(self.rows.track == track) & (self.rows.stage == "final")]
        return kept if methods is None else kept[kept.method.isin(methods)]

    def published(self, track: str = "laboratory") -> Any:
        """The tuning seeds at the published setting."""
        tuned = self.rows[(self.rows.track == track) & (self.rows.stage == "tune")]
        return tuned[tuned.setting == 0]

    def means(self, value: str, track: str = "laboratory", rows: Any = None) -> Any:
        """Methods by motions, means over seeds; of ``excess`` the geometric mean.

        A run that failed counts: with an infinite excess, and with no code in use.
        """
        table = self.final(track) if rows is None else rows
        if value != "excess":
            filled = table.assign(**{value: table[value].fillna(0.0)})
            return filled.pivot_table(value, "method", "motion", sort=False)
        logs = table.assign(excess=np.log(table.excess.fillna(np.inf)))
        return np.exp(logs.pivot_table("excess", "method", "motion", sort=False))

    def ranks(self, value: str = "excess", track: str = "laboratory") -> tuple[Any, Ranks]:
        """Methods, best first, with their :func:`vqlab.measure.ranks` over the motions."""
        table = self.means(value, track)
        sign = 1.0 if value == "excess" else -1.0
        ranked = ranks(sign * table.to_numpy().T)
        order = np.argsort(ranked.mean, kind="stable")
        return table.index[order], ranked.take(order)

    def twins(self, of: str = "vq", track: str = "laboratory") -> list[str]:
        """Methods whose every run is that of another, number for number."""
        wide = self.final(track).pivot_table(MEASURES, "method", ["motion", "seed"])
        same = (wide == wide.loc[of]).all(axis=1)
        return [str(label) for label in wide.index[same] if label != of]

    def compare(self, live: Any, track: str = "laboratory") -> Any:
        """Runs made anew beside the file's: per method and motion, and whether they agree.

        Two processors may add in another order, and a code that lives or dies by a last digit takes
        others along. So they agree where each new run lies within four standard deviations of the
        file's seeds, and a tenth, in the logarithm of its excess.

        Args:
            live: rows as those of :func:`rerun`.
        Returns:
            a DataFrame with excess (file, live), identical (share of the runs) and agree.
        """
        import pandas as pd

        stored, rows = self.final(track), []
        for (method, motion), part in live.groupby(["method", "motion"], sort=False):
            known = stored[(stored.method == method) & (stored.motion == motion)]
            logs, new = (np.log(one.set_index("seed").excess) for one in (known, part))
            both = logs.reindex(new.index)
            far = np.abs(new - logs.mean()) - 4 * logs.std(ddof=0)
            rows.append({
                "method": method, "motion": motion, "file": np.exp(both.mean()),
                "live": np.exp(new.mean()), "identical": (abs(both - new) < 1e-4).mean(),
                "agree": bool((far <= np.log(1.1)).all()),
            })  # fmt: skip
        return pd.DataFrame(rows).set_index(["method", "motion"])

    def cost(self) -> dict[str, float]:
        """Processor time of a training step by method, plain VQ's = 1."""
        return {label: one["cost"][1] for label, one in self.about["entries"].items()}


def save(board: Board, path: str | Path) -> None:
    """Writes ``path`` (CSV) and beside it what was run (the same name, JSON).

    Raises:
        ValueError: a path that does not end in .csv.
    """
    target = _csv(path)
    rows = board.rows[COLUMNS + MEASURES].copy()
    for name, digits in DIGITS.items():
        rows[name] = [f"{value:.{digits}g}" for value in rows[name]]
    target.parent.mkdir(parents=True, exist_ok=True)
    rows.to_csv(target, index=False, lineterminator="\n")
    text = json.dumps(board.about, indent=1, ensure_ascii=False) + "\n"
    target.with_suffix(".json").write_text(text, encoding="utf-8")


def load(path: str | Path) -> Board:
    """Reads what :func:`save` wrote.

    Raises:
        ValueError: columns missing. FileNotFoundError: no such file.
    """
    import pandas as pd

    target = _csv(path)
    rows = pd.read_csv(target)
    if missing := [name for name in COLUMNS + MEASURES if name not in rows]:
        raise ValueError(f"{target.name} has no column {', '.join(missing)}: make leaderboard")
    about = json.loads(target.with_suffix(".json").read_text(encoding="utf-8"))
    return Board(rows, about)


def _csv(path: str | Path) -> Path:
    if Path(path).suffix != ".csv":
        raise ValueError(f"results are a .csv file, got {str(path)!r}")
    return Path(path)
