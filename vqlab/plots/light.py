"""Loads plotly's renderers without a grammar that nobody needs here: seconds of every start.

plotly asks for nbformat, that for jsonschema, and this, where rfc3987-syntax is installed (as
Jupyter's server does), builds a parser of internationalized addresses when it is imported. Here the
parser is built when the first such address is checked.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import types
from typing import Any

GRAMMAR = "rfc3987_syntax"


def is_valid_syntax(*words: Any, **more: Any) -> Any:
    """The function of that name, loaded when it is called."""
    return importlib.import_module(GRAMMAR).is_valid_syntax(*words, **more)


def load() -> None:
    """Imports plotly's renderers; afterwards every module is what it would have been."""
    known = {GRAMMAR, "jsonschema._format", "plotly.io._renderers"} & sys.modules.keys()
    late = not known and importlib.util.find_spec(GRAMMAR) is not None
    if late:
        stand_in = types.ModuleType(GRAMMAR)
        stand_in.is_valid_syntax = is_valid_syntax  # type: ignore[attr-defined]
        sys.modules[GRAMMAR] = stand_in
    try:
        importlib.import_module("plotly.io._renderers")
    finally:
        if late:
            del sys.modules[GRAMMAR]


load()
