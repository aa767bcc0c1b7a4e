"""One truth about versions: pyproject.toml; environment.yml and the lock agree with it."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
RUNTIME = [Requirement(line) for line in PROJECT["dependencies"]]
EXTRAS = {name: [Requirement(line) for line in lines]
          for name, lines in PROJECT["optional-dependencies"].items()}

CONDA_NAME = {"torch": "pytorch-cpu"}
NOT_FOR_CONDA = {"playwright", "jupyter-repo2docker"}    # their tests are skipped without them


def plain(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def conda_packages(file=ROOT / "environment.yml"):
    """Name to version range, as environment.yml has it."""
    entries = yaml.safe_load(file.read_text())["dependencies"]
    found = {}
    for entry in entries:
        if isinstance(entry, str):
            name, version = re.fullmatch(r"([\w-]+)(.*)", entry).groups()
            # conda writes an exact version with one sign and a series without a star.
            exact = re.fullmatch(r"=([\d.]+)", version)
            found[name] = SpecifierSet(f"=={exact.group(1)}" if exact else version)
    return found


def locked():
    lines = (ROOT / ".constraints.txt").read_text().splitlines()
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


def imported(path):
    """Top-level modules that a file imports, and whether it does so as it is loaded."""
    tree = ast.parse(path.read_text())
    at_once = set(map(id, tree.body))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name.split(".")[0], id(node) in at_once) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            yield node.module.split(".")[0], id(node) in at_once


def test_the_library_imports_only_what_is_declared():
    declared = {plain(r.name) for r in RUNTIME}
    optional = {plain(r.name) for extra in EXTRAS.values() for r in extra}
    owners = packages_distributions()
    for path in (ROOT / "vqlab").rglob("*.py"):
        for module, at_once in imported(path):
            if module in sys.stdlib_module_names or module == "vqlab":
                continue
            names = {plain(name) for name in owners.get(module, [module])}
            allowed = declared if at_once else declared | optional
            assert names & allowed, f"{path.relative_to(ROOT)} imports {module}: not declared"


@pytest.mark.parametrize("needed", [*RUNTIME, *EXTRAS["test"]], ids=lambda r: r.name)
def test_conda_has_the_same_ranges(needed):
    if needed.name in NOT_FOR_CONDA:
        assert needed.name not in conda_packages()
    else:
        assert conda_packages()[CONDA_NAME.get(needed.name, needed.name)] == needed.specifier


def test_conda_has_nothing_else():
    expected = {CONDA_NAME.get(r.name, r.name) for r in [*RUNTIME, *EXTRAS["test"]]}
    assert set(conda_packages()) - {"python", "pip"} == expected - NOT_FOR_CONDA


def test_conda_takes_a_supported_python_from_one_channel():
    content = yaml.safe_load((ROOT / "environment.yml").read_text())
    assert content["name"] == "vqlab"
    assert content["channels"] == ["conda-forge", "nodefaults"]
    python = str(conda_packages()["python"]).removeprefix("==")
    assert SpecifierSet(PROJECT["requires-python"]).contains(python)
    assert {"pip": ["-e ."]} in content["dependencies"]


@pytest.mark.parametrize("needed", [*RUNTIME, *(r for e in EXTRAS.values() for r in e)],
                         ids=lambda r: r.name)
def test_the_lock_lies_within_the_ranges(needed):
    assert needed.specifier.contains(locked()[plain(needed.name)])


def test_the_lock_works_on_other_machines():
    content = (ROOT / ".constraints.txt").read_text()
    assert "://" not in content and "--hash" not in content and " @ " not in content
    assert not re.search(r"==\S*\+", content), "a local build (such as +cpu) is named"
    assert not re.search(r"^(nvidia|cuda|triton)", content, re.M), "PyTorch pins its own GPU parts"


def test_torch_is_pinned_once():
    pins = [path.name for path in ROOT.iterdir() if path.is_file()
            and re.search(r"\btorch==\d", path.read_text(errors="ignore"))]
    assert pins == [".constraints.txt"]


def test_the_tests_run_with_the_locked_torch():
    torch = pytest.importorskip("torch")
    if not (Path(torch.__file__).parents[4] / ".has-test").exists():
        pytest.skip("this environment was not made by make")
    assert torch.__version__.split("+")[0] == locked()["torch"]
