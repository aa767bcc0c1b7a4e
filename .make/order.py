"""Print the lessons and the files of tests in the order that keeps all workers busy to the end.

The lessons in turn with the tests: lessons take the processor, and tests of browsers, trainings and
courses wait for other programs most of their time. Each kind with the longest first, as one begun
last would run alone: lessons by their own account, tests by what their folder does.
The exercises are left out: tests/course runs them.
"""

import json
from itertools import zip_longest

from lessons import ROOT, lesson_paths

WAITING = ["browser", "vision", "course", "leaderboard"]


def minutes(path):
    """To run, as `make notebooks` stored them; 0 where it has not."""
    about = json.loads(path.read_text(encoding="utf-8"))["metadata"]
    return about.get("vqlab", {}).get("minutes_to_run", 0)


def waits(path):
    folder = path.parent.name
    return WAITING.index(folder) if folder in WAITING else len(WAITING)


lessons = sorted(lesson_paths(), key=minutes, reverse=True)
tests = sorted(sorted((ROOT / "tests").rglob("test_*.py")), key=waits)
for pair in zip_longest(lessons, tests):
    for path in filter(None, pair):
        print(path.relative_to(ROOT))
