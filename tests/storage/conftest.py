"""Fixtures of these tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from noded.storage.store import Store
from tests.helpers.stores import Restartable


@pytest.fixture(params=["memory", "sqlite"])
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Restartable]:
    kept = Restartable(None if request.param == "memory" else tmp_path / "store.db")
    yield kept
    kept.store.close()


@pytest.fixture
def store(kept: Restartable) -> Store:
    return kept.store


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "wal"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"
