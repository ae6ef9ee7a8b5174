"""Other publishers' data, which the project does not carry."""

import os
from pathlib import Path

import pytest


def shared_data_folder() -> Path:
    """The folder that NODED_SHARED_DATA names; the calling test is skipped if it names none."""
    folder = os.environ.get("NODED_SHARED_DATA")
    if not folder:
        pytest.skip("NODED_SHARED_DATA names no folder with other publishers' data")
    return Path(folder)
