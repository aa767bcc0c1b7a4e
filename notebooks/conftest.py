"""How nbval reads the lessons; see also sanitize.cfg. The tests are run by `make test`."""

import os
from collections.abc import Generator
from typing import Any
from unittest.mock import patch

import pytest

collect_ignore_glob = ["**/.ipynb_checkpoints/*"]

# Kernels inherit this: no browser is started for the pictures beside the figures.
os.environ["PLOTLY_RENDERER"] = "plotly_mimetype"
os.environ.pop("VQLAB_PUBLISH", None)

# Figures hold random ids and binary arrays, and stderr holds timings. They are tested as data in
# tests/plots; here a figure must only appear. The PNG beside it exists in stored outputs alone.
NOT_COMPARED = ("application/vnd.plotly.v1+json", "text/html", "stderr")


def pytest_collectstart(collector: Any) -> None:
    if getattr(collector, "skip_compare", None) is not None:
        collector.skip_compare = (*collector.skip_compare, *NOT_COMPARED)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup() -> Generator[None, None, None]:
    """Starts the kernel. Sweeps run in it, not in workers of their own: the tests take the cores,
    and what a run remembers serves the next."""
    with patch.dict(os.environ, LOKY_MAX_CPU_COUNT="1"):
        return (yield)
