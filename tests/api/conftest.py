"""A chain on which all has happened, served."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.helpers.api import ServedApi, serve
from tests.helpers.backend import TestBackend
from tests.helpers.story import tell_story


@pytest.fixture
def backend() -> TestBackend:
    return tell_story()


@pytest.fixture
async def served(backend: TestBackend, tmp_path: Path) -> AsyncIterator[ServedApi]:
    async with serve(backend, tmp_path) as served:
        yield served
