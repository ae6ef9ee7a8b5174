"""Four institutions on this machine, and what tests have them do by the command line."""

from importlib.resources import files
from pathlib import Path
from uuid import uuid4

from noded.testnet.processes import Testnet
from noded.types.genesis import Genesis
from tests.helpers.command import Captured, told
from tests.helpers.fleet import status, until_height

SAMPLES = Path(str(files("noded.demo") / "samples"))


class Consortium:
    """Two hospitals, a laboratory and an insurer, and what was imported at the first."""

    def __init__(self, testnet: Testnet, genesis: Genesis) -> None:
        self.nodes = testnet.nodes
        self.genesis = genesis
        self.north, self.south, self.lab, self.insurer = (node.home for node in testnet.nodes)
        self.ids = {node.home: node.institution.id.hex() for node in testnet.nodes}

    def agree(self) -> None:
        """Wait until all have what is final at one of them: each may be a block behind."""
        until_height(self.nodes, max(status(node)["height"] for node in self.nodes))


def grant(consortium: Consortium, capsys: Captured, record: dict[str, str], *more: str) -> str:
    to = consortium.ids[consortium.south]
    granted = told(
        capsys, "consent", "grant", "--patient", record["patient"], "--to", to, *more,
        "--home", consortium.north,
    )  # fmt: skip
    consortium.agree()
    return str(granted["consent"])


def ask(consortium: Consortium, capsys: Captured, record: dict[str, str], *basis: str) -> str:
    return ask_for(consortium, capsys, record["record"], *basis)


def ask_for(consortium: Consortium, capsys: Captured, *what: str) -> str:
    asked = told(capsys, "access", "request", *what, "--actor", "dr-south", "--home", consortium.south)
    assert asked["status"] == "permitted"
    consortium.agree()
    return str(asked["request"])


def import_new_patient(consortium: Consortium, capsys: Captured, folder: Path) -> dict[str, str]:
    """Import a small record of a patient whom nobody knows yet; what is told of it."""
    path = folder / "record.json"
    path.write_text(f'{{"resourceType": "Patient", "id": "{uuid4()}"}}')
    found: dict[str, str]
    (found,) = told(capsys, "fhir", "import", path, "--home", consortium.north)["records"]
    consortium.agree()
    return found


def read_own_record(
    capsys: Captured, record: dict[str, str], out: Path, signs: tuple[str, ...], home: tuple[str, str]
) -> bytes:
    """What somebody gets who asks for a record as the one whom it is about."""
    name = record["record"]
    request = told(capsys, "access", "request", name, "--own", *signs, *home)["request"]
    told(capsys, "access", "release", request, *home)
    told(capsys, "record", "get", name, "--request", request, "--out", out, *signs, *home)
    return out.read_bytes()
