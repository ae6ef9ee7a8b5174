"""Data that others published, from the folder that NODED_SHARED_DATA names; its tests skip without it."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


def shared_path(name: str) -> Path:
    """A file or folder of the shared data; skips the test when there is none."""
    folder = os.environ.get("NODED_SHARED_DATA")
    if folder is None:
        pytest.skip("NODED_SHARED_DATA names no folder with outside test data")
    path = Path(folder, name)
    if not path.exists():
        pytest.skip(f"the outside test data lack {name}")
    return path


def wycheproof(name: str) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Each (group, test) of a Wycheproof file."""
    for group in json.loads(shared_path(f"wycheproof/{name}_test.json").read_text())["testGroups"]:
        for test in group["tests"]:
            yield group, test
