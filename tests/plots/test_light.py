"""A start without the grammar of addresses, and nothing is lost by it."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import vqlab.plots.light as light

PROGRAM = f"""
import runpy, sys
runpy.run_path({str(Path(light.__file__))!r})
assert "plotly.io._renderers" in sys.modules
assert "rfc3987_syntax" not in sys.modules
import jsonschema
checker = jsonschema.FormatChecker()
assert checker.conforms("http://a.b/é", "iri") and not checker.conforms("no address", "iri")
"""


@pytest.mark.skipif(find_spec("rfc3987_syntax") is None, reason="rfc3987-syntax is not installed")
def test_the_grammar_is_built_when_it_is_used():
    subprocess.run([sys.executable, "-c", PROGRAM], check=True)
