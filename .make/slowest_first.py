"""Print the notebooks, those first that take longest by their own account: no worker ends late."""

import nbformat
from lessons import ROOT, all_paths

minutes = {path: nbformat.read(path, as_version=4).metadata.get("vqlab", {}).get("minutes_to_run", 0)
           for path in all_paths()}
for path in sorted(minutes, key=lambda path: -minutes[path]):
    print(path.relative_to(ROOT))
