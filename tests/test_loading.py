"""Libraries are loaded without others that they name, and nobody else notices."""

import importlib
import json
import subprocess
import sys

import pytest

from noded.loading import Absent, without


def test_whatever_is_taken_from_an_absent_module_is_there() -> None:
    with without("noded.nowhere"):
        module = importlib.import_module("noded.nowhere")

    assert module.Thing is module.Other is Absent


def test_nothing_is_below_an_absent_package() -> None:
    """So a library that can do without it sees that it must."""
    with without("noded.nowhere"), pytest.raises(ImportError):
        importlib.import_module("noded.nowhere.below")


def test_afterwards_all_is_as_before() -> None:
    modules = dict(sys.modules)

    with without("json", "noded.nowhere"):
        assert sys.modules["json"] is not json

    assert sys.modules == modules
    assert sys.modules["json"] is json


def test_what_was_left_out_can_still_be_loaded() -> None:
    """Other parts of the process may need it, as rich is needed for progress bars."""
    program = "import noded.daemon.main, h2.connection, rich.console, blake3, http.server, hypercorn.protocol.h2 as p; print(p.H2Protocol)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert "hypercorn.protocol.h2.H2Protocol" in done.stdout
