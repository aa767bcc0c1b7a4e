"""Write .constraints.txt: the exact version of every package, found by pip's resolver.

Nothing is installed. Run by `make lock` with the oldest supported Python (and for its first patch
release, which systems still carry), because a version that installs there installs on newer ones,
too. PyTorch's version is kept as it stands in the file, the one place where it is pinned, unless
`TORCH=` names another.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FILE = ROOT / ".constraints.txt"
OLDEST = (3, 11)
HEADER = """\
# The versions that the tests run with, for every extra. Written by `make lock`; do not edit,
# but for the line of torch, which `make lock` keeps. Used as pip's constraints: a package that
# only another platform or a newer Python needs is not listed and stays free.
"""
# Drivers and compilers that PyTorch's build for one kind of GPU pins by itself, and the installer.
LEFT_OUT = re.compile(r"^(nvidia-|cuda-|triton|pip$|wheel$|vqlab$)")


def torch_pin() -> str:
    """The version of torch asked for, else the one in the file."""
    if os.environ.get("TORCH"):
        return os.environ["TORCH"]
    found = re.search(r"^torch==(\S+)$", FILE.read_text() if FILE.exists() else "", re.M)
    if not found:
        sys.exit("lock: no torch version in .constraints.txt; name one: make lock TORCH=2.13.0")
    return found.group(1)


def wanted() -> list[str]:
    """Everything that pyproject.toml names."""
    import tomllib  # not at the top: an older Python shall reach the message about its age

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return sum(project["optional-dependencies"].values(), project["dependencies"])


def resolve(torch: str) -> dict[str, str]:
    """Name and version of everything that pip would install for all extras."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run",
                   "--ignore-installed", "--report", str(report), "--target", folder,
                   "--python-version", ".".join(map(str, OLDEST)) + ".0", "--only-binary", ":all:",
                   f"torch=={torch}", *wanted()]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        if done.returncode:
            sys.exit("lock: pip found no set of versions\n" + done.stderr[-2000:])
        packages = [item["metadata"] for item in json.loads(report.read_text())["install"]]
    return {re.sub(r"[-_.]+", "-", p["name"]).lower(): p["version"].split("+")[0]
            for p in packages}


def main() -> None:
    if sys.version_info[:2] != OLDEST:
        oldest = ".".join(map(str, OLDEST))
        sys.exit(f"lock: use Python {oldest}, the oldest supported: PYTHON=python{oldest}")
    versions = resolve(torch_pin())
    lines = [f"{name}=={version}" for name, version in sorted(versions.items())
             if not LEFT_OUT.match(name)]
    FILE.write_text(HEADER + "\n".join(lines) + "\n")
    print(f"lock: {len(lines)} versions written to {FILE.name}")


if __name__ == "__main__":
    main()
