"""Binder's steps, run from its builder's own recipe, as far as that goes without Docker and conda.

The builder (repo2docker) says what it would do with a copy of this repository; its steps then run
here. One program is not to be had without conda's servers: mamba_stand_in.py takes its place, which
compares conda's part of environment.yml with what is installed here, and runs pip's part.
"""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
from contextlib import suppress

import pytest
from lessons import ROOT
from test_environment import conda_packages

pytest.importorskip("repo2docker")


def sh(command, **options):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=300, **options)
    assert not done.returncode, done.stdout[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """What a clone of this repository would hold."""
    folder = tmp_path_factory.mktemp("binder") / "src"
    tracked = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    for name in sh(tracked, cwd=ROOT).split("\0")[:-1]:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError, IsADirectoryError):  # deleted, or by another test just now
            shutil.copy2(ROOT / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def recipe(copy):
    """The Dockerfile that Binder's builder would build."""
    return sh([sys.executable, "-m", "repo2docker", "--no-build", "--user-id", "1000",
               "--user-name", "binder", str(copy)])


def test_the_builder_reads_environment_yml_with_the_python_asked_for(recipe):
    asked = str(conda_packages()["python"]).removeprefix("==")
    assert f"Building conda environment for python={asked}\n" in recipe
    assert '--file "environment.yml"' in recipe
    # The repository is there before its environment is made: a part of it is installed.
    assert recipe.index("COPY --chown=1000:1000 src/") < recipe.index("env update")


def test_its_steps_make_an_environment_in_which_the_lessons_find_vqlab(copy, recipe, tmp_path):
    prefix = tmp_path / "notebook"
    venv.create(prefix)
    # conda's part is what is installed here, pip among it; but not vqlab itself, by this path.
    site = next(prefix.glob("lib/python*/site-packages"))
    (site / "conda.pth").write_text(sysconfig.get_path("purelib") + "\n")
    settings = {"MAMBA_EXE": f"{sys.executable} {ROOT / 'tests/mamba_stand_in.py'}",
                "NB_PYTHON_PREFIX": str(prefix), "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    steps = re.findall(r"^RUN ((?:.*\\\n)*.*)", recipe.split("# Run assemble scripts!")[1], re.M)
    assert steps
    for step in steps:
        said = sh(["bash", "-c", step], cwd=copy, env=os.environ | settings)
    assert re.findall(r"^Successfully installed (.*)", said, re.M) == ["vqlab-0.1.0"], said
    sh([str(prefix / "bin/python"), "-c", RUN, str(copy)], cwd=copy / "notebooks")


RUN = """
import sys, vqlab
assert vqlab.__file__.startswith(sys.argv[1]), vqlab.__file__
assert vqlab.simulate("vq", steps=2, progress=False).utilization[-1] > 0
"""
