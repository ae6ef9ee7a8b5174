"""Clients of a real node's HTTP API that mean no good: refused, and the chain does not mind."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from noded.api.connection import HEAD_S
from noded.cli.tokens import SCOPES
from noded.client.answers import Refused
from noded.client.http import NodeClient
from noded.testnet.creating import HOST, create_testnet, free_ports
from noded.testnet.processes import NodeProcess, Testnet
from tests.helpers.command import Captured, told
from tests.helpers.fleet import labels, open_files, rss_bytes, status, until
from tests.helpers.steady_load import SteadyLoad

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("processes")]

ATTACK_S = HEAD_S + 8.0
"""Long enough for a client that is slow to be cut off."""

PER_S = 4
"""Requests of one client that the attacked node serves in a second: few, so that a busy machine sends more."""

READERS = 12
"""Files of connections to the store that a node opens as it needs them; the attackers have 32 sockets."""

GROWTH_BYTES = 48 * 1024 * 1024
"""That the attacked node may grow by: buffers of 32 clients, and the ledger itself under load."""


def nullifications(node: NodeProcess) -> float:
    """Views that a node gave up."""
    return sum(value for names, value in labels(node, "noded_votes_total").items() if "nullify" in names)


def check_revocation(node: NodeProcess, url: str, token: str, capsys: Captured) -> None:
    """A token is listed without its secret, and opens nothing once it is revoked."""
    [listed] = told(capsys, "tokens", "list", "--home", node.home)["tokens"]
    assert (listed["name"], sorted(listed["scopes"])) == ("tests", sorted(SCOPES))
    assert token.split("_", 2)[2] not in json.dumps(listed)
    told(capsys, "tokens", "revoke", listed["id"], "--home", node.home)
    assert told(capsys, "tokens", "list", "--home", node.home)["tokens"] == []
    until(lambda: refusal_of(url, token) == "NotAuthenticated", "the token opens nothing any more")


def refusal_of(url: str, token: str) -> str | None:
    """Why a read is refused; TooManyRequests for a while after the attack."""
    with NodeClient.at(url, token=token) as client:
        try:
            client.get("/v1/status")
        except Refused as refused:
            return refused.reason
    return None


def test_they_are_refused_and_blocks_go_on(tmp_path: Path, capsys: Captured) -> None:
    genesis = create_testnet(tmp_path / "net", 4, encrypted=False)
    [port] = free_ports(1)
    limits = {"NODED_API__LISTEN": f"{HOST}:{port}", "NODED_API__REQUESTS_PER_S": str(PER_S)}
    with Testnet(tmp_path / "net") as testnet:
        attacked, *others = testnet.nodes
        attacked.start(environment=limits | {"NODED_API__REQUESTS_BURST": str(PER_S)})
        for node in others:
            node.start()
        for node in testnet.nodes:
            node.wait_ready()
        options = [each for scope in SCOPES for each in ("--scope", scope)]
        token = told(capsys, "tokens", "create", "tests", *options, "--home", attacked.home)["token"]

        with SteadyLoad(testnet.nodes, genesis) as load:
            load.until_more(50)
            files, rss = open_files(attacked), rss_bytes(attacked)
            views = nullifications(attacked)
            quiet, quiet_s = len(load.final), time.monotonic()
            load.until_more(200)
            quiet_per_s = (len(load.final) - quiet) / (time.monotonic() - quiet_s)

            began, before = time.monotonic(), len(load.final)
            with subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "tests.helpers.hostile_clients",
                    HOST,
                    str(port),
                    token,
                    str(ATTACK_S),
                ],
                stdout=subprocess.PIPE,
                cwd=Path(__file__).parents[2],
            ) as attackers:
                load.until_more(200)
                said, _ = attackers.communicate(timeout=120)
            attacked_per_s = (len(load.final) - before) / (time.monotonic() - began)

            until(lambda: open_files(attacked) < files + READERS, "the attackers' connections are closed")
            grown = rss_bytes(attacked) - rss
            assert status(attacked)["standing"] is None
            given_up = nullifications(attacked) - views
        check_revocation(attacked, f"http://{HOST}:{port}", token, capsys)
        codes = testnet.stop()

    outcomes = json.loads(said)
    pace = f"{quiet_per_s:.0f} tx/s alone, {attacked_per_s:.0f} under attack"
    print(f"{pace}, {given_up:.0f} views given up: {outcomes}")
    assert attackers.returncode == 0
    assert outcomes["unauthorised"].keys() <= {"401", "429"}
    assert outcomes["oversize"].keys() <= {"413", "429", "closed"}
    assert outcomes["flooding"].keys() <= {"200", "429"}
    assert outcomes["slow"].keys() == {"closed"}
    assert outcomes["unauthorised"]["429"] > outcomes["unauthorised"]["401"] > 0
    assert outcomes["flooding"]["429"] > 0
    assert grown < GROWTH_BYTES
    assert codes == [0] * 4
