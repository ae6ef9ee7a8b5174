"""Homes with a chain in them, made once and copied."""

import shutil
from pathlib import Path

import pytest

from noded.ops.home import STORE_NAME
from noded.types.genesis import Genesis
from tests.helpers.stored_chain import BLOCKS, make_store, short_epochs


@pytest.fixture(scope="session")
def genesis() -> Genesis:
    """Four founders, epochs of six blocks."""
    return short_epochs()


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory, genesis: Genesis) -> Path:
    folder = tmp_path_factory.mktemp("template")
    make_store(folder / STORE_NAME, BLOCKS, genesis=genesis)
    return folder


@pytest.fixture
def home(tmp_path: Path, template: Path) -> Path:
    """A home whose node has stopped in the third epoch."""
    return shutil.copytree(template, tmp_path / "home")


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """A home without a store."""
    (tmp_path / "other").mkdir()
    return tmp_path / "other"
