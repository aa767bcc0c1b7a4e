"""Stands in for mamba where conda's servers are out of reach (test_binder.py).

    mamba_stand_in.py env update -p PREFIX --file environment.yml
    mamba_stand_in.py list -p PREFIX | clean …

Of an environment file it checks conda's part, that each package is installed in the range asked
for, and runs pip's part as conda does: from a file of requirements beside it, with -U. The Python
is taken as it is.
"""

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import yaml
from packaging.specifiers import SpecifierSet
from test_environment import CONDA_NAME, conda_packages

PIP_NAME = {conda: pip for pip, conda in CONDA_NAME.items()}


def update(prefix: Path, file: Path) -> None:
    for name, wanted in conda_packages(file).items():
        if name != "python":
            found = version(PIP_NAME.get(name, name))
            if not SpecifierSet(str(wanted), prereleases=True).contains(found):
                sys.exit(f"{name} {wanted} is asked for, {found} is installed")
    entries = yaml.safe_load(file.read_text())["dependencies"]
    lines = [line for part in entries if isinstance(part, dict) for line in part["pip"]]
    requirements = file.parent / "condaenv.requirements.txt"
    requirements.write_text("\n".join(lines))
    try:
        subprocess.run([prefix / "bin/python", "-m", "pip", "install", "-U", "-r", requirements,
                        "--exists-action=b"], cwd=file.parent, check=True)
    finally:
        requirements.unlink()


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["env", "update", "-p", prefix, "--file", file]:
            update(Path(prefix), Path(file).resolve())
        case ["list", "-p", prefix]:
            subprocess.run([f"{prefix}/bin/python", "-m", "pip", "list"], check=True)
        case ["clean", *_]:
            pass
        case other:
            sys.exit(f"mamba would know what to do with {other}; this does not")
