"""What several tests of the command line begin with."""

from collections.abc import Iterator

import pytest

from noded.testnet.creating import create_testnet
from noded.testnet.processes import Testnet
from tests.helpers.command import Captured, told
from tests.helpers.consortium import SAMPLES, Consortium


@pytest.fixture(scope="module")
def consortium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Consortium]:
    folder = tmp_path_factory.mktemp("cli") / "net"
    genesis = create_testnet(folder, 4, encrypted=False)
    with Testnet(folder) as testnet:
        testnet.start()
        yield Consortium(testnet, genesis)


@pytest.fixture
def record(consortium: Consortium, capsys: Captured) -> dict[str, str]:
    """A record of a patient, imported for this test."""
    done = told(capsys, "fhir", "import", SAMPLES / "zoe-muster.json", "--home", consortium.north)
    found: dict[str, str] = next(each for each in done["records"] if each["patient"])
    consortium.agree()
    return found
