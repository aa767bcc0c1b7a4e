"""The lives of codes: when they die, whether they come back, and what precedes a death.

A code is *dead at a frame* when no training assignment chose it in the last W steps; W, the window,
is stated with every measure. A death is dated back to the step after the last hit, as that is when
the silence began; a rebirth is dated to the first frame that sees the code hit again. Between two
frames only the last hit is known, so a silence of W steps that begins and ends between two frames
is not seen: record frames at most W steps apart where that matters.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:  # a run is only read here; drift imports measures
    from ..drift.run import Run

Steps = NDArray[np.int64]


@dataclass(frozen=True)
class Lives:
    """Every life of every code in a run, one row a life, in order of code and time.

    Attributes:
        window: W, in steps.
        code: whose life. first: whether it began with the run (False after a rebirth).
        born, ended: steps; a death ends it at the step after the last hit.
        died: False if the code was not yet dead when the run ended; `ended` is then the step after
            its last hit, the last moment it is known to have lived (right censoring).
        duration: ended - born.
    """

    window: int
    code: Steps
    first: NDArray[np.bool_]
    born: Steps
    ended: Steps
    died: NDArray[np.bool_]

    @property
    def duration(self) -> Steps:
        """Length of each life in steps."""
        return self.ended - self.born


def silence(run: Run) -> Steps:
    """Steps since each code's last training hit, at each frame; since the start if never hit.

    Returns:
        (T, K) int64, 0 for a code hit in the step before the frame.
    """
    return run.steps[:, None] - (run.last_hit + 1)


def dead(run: Run, window: int) -> NDArray[np.bool_]:
    """Whether each code is dead at each frame: no hit in the last `window` steps.

    Args:
        window: W >= 1 steps. Before step W nobody can be dead.
    Returns:
        (T, K).
    Raises:
        ValueError: a window below 1 or longer than the run.
    """
    last = int(run.steps[-1])
    if int(window) != window or not 1 <= window <= last:
        raise ValueError(f"window must be from 1 to the run's {last} steps, got {window!r}")
    return silence(run) >= window


def lives(run: Run, window: int) -> Lives:
    """Splits each code's time into lives, from birth to death or to the end of the run.

    All codes are born at step 0. One never hit dies there, if the run lasts as long as the window.

    Args:
        window: W in steps, see :func:`dead`.
    Raises:
        ValueError: as :func:`dead`.
    """
    gone = dead(run, window)
    rows: list[tuple[int, bool, int, int, bool]] = []
    for code in range(gone.shape[1]):
        born, alive = 0, True
        for frame in range(1, len(gone)):
            if alive and gone[frame, code]:
                # The last hit can lie before the frame that saw the rebirth, never before it began.
                ended = max(int(run.last_hit[frame, code]) + 1, born)
                rows.append((code, born == 0, born, ended, True))
                alive = False
            elif not alive and not gone[frame, code]:
                born, alive = int(run.steps[frame]), True
        if alive:
            ended = max(int(run.last_hit[-1, code]) + 1, born)
            rows.append((code, born == 0, born, ended, False))
    columns = list(zip(*rows, strict=True))
    return Lives(
        window,
        np.array(columns[0], np.int64),
        np.array(columns[1], bool),
        np.array(columns[2], np.int64),
        np.array(columns[3], np.int64),
        np.array(columns[4], bool),
    )


def deaths(run: Run, window: int) -> tuple[Steps, Steps]:
    """The codes that died and the step at which the silence began, in order of time.

    Returns:
        codes (n,), steps (n,). A code may appear more than once.
    Raises:
        ValueError: as :func:`dead`.
    """
    all_lives = lives(run, window)
    code, step = all_lives.code[all_lives.died], all_lives.ended[all_lives.died]
    order = np.argsort(step, kind="stable")
    return code[order], step[order]


def rebirths(run: Run, window: int) -> tuple[Steps, Steps]:
    """The codes that were hit again after death, and the first frame's step that sees it.

    Returns:
        codes (n,), steps (n,), in order of time.
    Raises:
        ValueError: as :func:`dead`.
    """
    all_lives = lives(run, window)
    code, step = all_lives.code[~all_lives.first], all_lives.born[~all_lives.first]
    order = np.argsort(step, kind="stable")
    return code[order], step[order]


def age(run: Run, window: int) -> Steps:
    """Steps each code has lived since its birth or latest rebirth, at each frame; 0 while dead.

    Returns:
        (T, K) int64. A code silent for less than the window still ages.
    Raises:
        ValueError: as :func:`dead`.
    """
    gone = dead(run, window)
    born = np.zeros(gone.shape[1], np.int64)
    ages = np.zeros(gone.shape, np.int64)
    for frame in range(1, len(gone)):
        born[gone[frame - 1] & ~gone[frame]] = run.steps[frame]
        ages[frame] = np.where(gone[frame], 0, run.steps[frame] - born)
    return ages
