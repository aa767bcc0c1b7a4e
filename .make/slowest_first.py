"""Print the notebooks, those first that take longest by their own account: no worker ends late.

The exercises are left out: tests/course runs them.
"""

import json

from lessons import ROOT, all_paths


def minutes(path):
    """To run, as `make notebooks` stored them; 0 where it has not."""
    about = json.loads(path.read_text(encoding="utf-8"))["metadata"]
    return about.get("vqlab", {}).get("minutes_to_run", 0)


lessons = [path for path in all_paths() if path.parent.name != "exercises"]
for path in sorted(lessons, key=minutes, reverse=True):
    print(path.relative_to(ROOT))
