"""O7: a bundle shows how a node stands, and no secret, token or word of a patient, wherever one stands in the home."""

import json
import shutil
import stat
import tarfile
from pathlib import Path

import pytest

from noded.api.tokens import Scope, Tokens
from noded.config import load
from noded.keys.names import NODE_KEYS
from noded.ops.bundle import make_bundle
from noded.ops.home import STORE_NAME, open_keys
from noded.ops.log_lines import redact_line, redact_traceback
from noded.storage.errors import DiskFull
from noded.testnet.creating import PASSPHRASE_NAME, create_testnet
from tests.helpers.limits import file_size_limit

CANARY = "Maria Musterfrau, HIV positive"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, template: Path) -> Path:
    """Canaries wherever somebody could have put them."""
    folder = tmp_path_factory.mktemp("net") / "net"
    create_testnet(folder, 1, encrypted=True)
    home = folder / "node1"
    shutil.copy(template / STORE_NAME, home / STORE_NAME)
    (home / "records" / "ab").mkdir(parents=True)
    (home / "records" / "ab" / ("ab" * 32)).write_text(CANARY)
    (home / "patients.sealed").write_text(CANARY)
    return home


def secrets(home: Path) -> list[bytes]:
    """Everything that must not be in a bundle, raw and as text."""
    keystore = open_keys(load(home, {}))
    raw = [keystore.secret(name) for name in NODE_KEYS]
    passphrase = (home / PASSPHRASE_NAME).read_bytes().strip()
    return [*raw, *(each.hex().encode() for each in raw), passphrase, CANARY.encode()]


def write_log(home: Path, token: str) -> None:
    exception = f'Traceback (most recent call last):\n  File "/x/a.py", line 3, in run\n    go("{CANARY}")\nValueError: {CANARY}'
    lines: list[object] = [
        {"event": "ready", "logger": "noded", "level": "info", "height": 7, "patient": CANARY},
        {"event": "a request failed", "logger": "noded.api", "path": f"/v1/{token}", "exception": exception},
        {"event": CANARY, "logger": "fhir.resources", "level": "warning"},
        {"event": "peer down", "logger": "noded", "reason": "PeerSilent", "error": token},
    ]
    text = "\n".join(map(json.dumps, lines))
    (home / "node.log").write_text(f"{text}\n{CANARY}\nAuthorization: Bearer {token}\n")


def contents(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as tar:
        return {
            member.name: file.read()
            for member in tar.getmembers()
            if (file := tar.extractfile(member)) is not None
        }


def test_no_secret_is_in_it(home: Path, tmp_path: Path) -> None:
    tokens = Tokens(home / "tokens.json", clock_ms=lambda: 0)
    _, token = tokens.create("ward", [Scope.READ], valid_ms=1)
    write_log(home, token)

    make_bundle(home, tmp_path / "bundle.tar.gz", {}, now_s=1)

    everything = b"".join(contents(tmp_path / "bundle.tar.gz").values())
    assert len(everything) > 1000
    for secret in [*secrets(home), token.encode(), token.split("_", 2)[2].encode(), b"abababab"]:
        assert secret not in everything
    assert stat.S_IMODE((tmp_path / "bundle.tar.gz").stat().st_mode) == 0o600


def test_what_helps_is_in_it(home: Path, tmp_path: Path) -> None:
    write_log(home, "token")
    make_bundle(home, tmp_path / "bundle.tar.gz", {}, now_s=1)

    parts = {
        name.removeprefix("noded-debug/"): json.loads(data)
        for name, data in contents(tmp_path / "bundle.tar.gz").items()
    }
    assert parts["config.json"]["node"]["passphrase"] == "file"
    assert {each["name"] for each in parts["keys.json"]} == set(NODE_KEYS)
    assert "state" in {each["name"] for each in parts["store.json"]["tables"]}
    assert parts["home.json"]["blobs"] == 1
    assert parts["status.json"] == {"failed": "NodeUnreachable"}
    assert parts["log.json"]["left_out"] == 2
    assert [each.get("event") for each in parts["log.json"]["events"]] == [
        "ready",
        "a request failed",
        None,
        "peer down",
    ]
    assert "noded" in parts["versions.json"]


def test_a_home_with_nothing_in_it_gives_one_too(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()

    make_bundle(tmp_path / "home", tmp_path / "bundle.tar.gz", {}, now_s=1)
    assert json.loads(contents(tmp_path / "bundle.tar.gz")["noded-debug/store.json"]) == {
        "failed": "StoreMissing"
    }


@pytest.mark.parametrize("line", ["", "text", "[1]", "null", "[" * 100_000])
def test_lines_that_are_no_events_go(line: str) -> None:
    assert redact_line(line) is None


def test_a_traceback_keeps_places_and_class() -> None:
    text = f'Traceback (most recent call last):\n  File "/x/a.py", line 3, in run\n    go("{CANARY}")\na.Bad: {CANARY}'

    assert redact_traceback(text) == ['File "/x/a.py", line 3, in run', "a.Bad"]


def test_where_there_is_no_space_nothing_is_left(home: Path, tmp_path: Path) -> None:
    target = tmp_path / "bundle.tar.gz"
    with file_size_limit(100), pytest.raises(DiskFull):
        make_bundle(home, target, {}, now_s=0)

    assert not target.exists()
