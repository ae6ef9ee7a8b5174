"""Where keys are kept, with a passphrase and without."""

from pathlib import Path

import pytest

from tests.helpers.keystores import PASSPHRASE


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "keys"


@pytest.fixture(params=[PASSPHRASE, None], ids=["encrypted", "plain"])
def passphrase(request: pytest.FixtureRequest) -> bytes | None:
    passphrase: bytes | None = request.param
    return passphrase
