"""Libraries are loaded without others that they name, and nobody else notices."""

import importlib
import json
import subprocess
import sys
from typing import Any

import pytest

from noded.loading import Absent, without


def test_names_of_an_absent_module_are_there() -> None:
    with without({"noded.nowhere": ("Thing",)}):
        module = importlib.import_module("noded.nowhere")

    assert module.Thing is Absent


def test_a_library_that_can_do_without_is_told_so() -> None:
    with without({"json": None}), pytest.raises(ImportError):
        import json  # noqa: F401


def test_afterwards_all_is_as_before() -> None:
    modules: dict[str, Any] = dict(sys.modules)

    with without({"json": (), "noded.nowhere": None}):
        pass

    assert sys.modules == modules
    assert sys.modules["json"] is json


def test_what_was_left_out_can_still_be_loaded() -> None:
    """Other parts of the process may need it, as rich is needed for progress bars."""
    program = "import noded.daemon.main, h2.connection, rich.console, hypercorn.protocol.h2 as p; print(p.H2Protocol)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert "hypercorn.protocol.h2.H2Protocol" in done.stdout
