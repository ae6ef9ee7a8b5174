"""
A real Prometheus scrapes four real nodes: panels have series, alerts fire when provoked and clear after repair.

It scrapes each second, and the three alerts that are provoked wait for seconds where the committed ones wait for
minutes: `SHORTER` has all differences. The committed times are tested by promtool (tests/configs/test_prometheus.py).
"""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import trio

from noded.client.http import NodeClient
from noded.crypto.signing import secret_of, sign
from noded.keys.keystore import open_keystore
from noded.keys.names import CONSENSUS
from noded.ops.home import KEYS_NAME
from noded.testnet.creating import HOST, create_testnet, free_ports
from noded.testnet.processes import NodeProcess, Testnet
from noded.types.genesis import DEFAULT_PARAMETERS, Genesis
from noded.types.ids import BlockHash, Epoch, Signature, ValidatorId, View
from noded.types.messages import Votes
from noded.types.vote import Vote, VoteKind, vote_signing_bytes
from tests.helpers.dashboards import expression, queries
from tests.helpers.fleet import sender_of, status, until
from tests.helpers.hostile_member import HostileMember
from tests.helpers.prometheus import CONFIGS, Prometheus, shortened

pytestmark = [
    pytest.mark.integration,
    pytest.mark.slow,
    pytest.mark.xdist_group("prometheus"),
    pytest.mark.skipif(shutil.which("prometheus") is None, reason="prometheus is not installed"),
]

DASHBOARDS = Path(__file__).parents[2] / "grafana" / "dashboards"

SHORTER = {
    "60 + 2 * noded_idle_interval_seconds\n        for: 1m": "5 + 2 * noded_idle_interval_seconds\n        for: 1s",
    "noded_height > 20\n        for: 2m": "noded_height > 20\n        for: 1s",
    "noded_equivocations_total[15m]": "noded_equivocations_total[10s]",
}

PARAMETERS = replace(DEFAULT_PARAMETERS, idle_interval_ms=250)
"""An idle chain makes four blocks a second, so that heights part quickly."""


class Watched:
    """Four nodes, and the Prometheus that scrapes them."""

    def __init__(self, testnet: Testnet, genesis: Genesis, folder: Path) -> None:
        self.genesis = genesis
        self.nodes = list(testnet.nodes)
        ports = free_ports(len(self.nodes))
        self.addresses = {
            node.home.name: f"{HOST}:{port}" for node, port in zip(self.nodes, ports, strict=True)
        }
        alerts = shortened((CONFIGS / "alerts.yml").read_text("utf-8"), SHORTER)
        self.prometheus = Prometheus(folder, self.addresses, alerts=alerts)

    def start(self, node: NodeProcess, **settings: str) -> None:
        """Start a node that shows its figures."""
        shown = {"NODED_METRICS__LISTEN": self.addresses[node.home.name]}
        node.start(environment={**shown, **settings})


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    folder = tmp_path_factory.mktemp("watched")
    genesis = create_testnet(folder / "net", 4, encrypted=False, parameters=PARAMETERS)
    with Testnet(folder / "net") as testnet:
        found = Watched(testnet, genesis, folder / "prometheus")
        for node in found.nodes:
            found.start(node)
        for node in found.nodes:
            node.wait_ready()
        sender = sender_of(found.nodes[0], genesis)
        with NodeClient.in_home(found.nodes[0].home) as client:
            [posted] = client.post_transactions([sender.register_patient().encoding], wait_s=60)
        assert posted.is_applied
        with found.prometheus:
            until(lambda: len(found.prometheus.query("up == 1")) == 4, "all four are scraped")
            yield found


def test_the_figures_are_named_well(watched: Watched) -> None:
    with NodeClient.in_home(watched.nodes[0].home) as client:
        figures = client.get_bytes("/metrics")
    done = subprocess.run(["promtool", "check", "metrics"], input=figures, capture_output=True, check=False)

    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


@pytest.mark.parametrize(
    "name", sorted(path.stem for path in DASHBOARDS.glob("*.json") if path.stem != "simulation")
)
def test_every_panel_has_series(watched: Watched, name: str) -> None:
    page = json.loads((DASHBOARDS / f"{name}.json").read_text("utf-8"))
    for title, expr in queries(page):
        filled = expression(expr, interval="10s")
        until(partial(watched.prometheus.query, filled), f"{name}, {title}: {filled}")


def test_the_choices_of_the_dashboards_are_filled(watched: Watched) -> None:
    series = watched.prometheus.query("noded_height")

    assert {each["metric"]["instance"] for each in series} == set(watched.addresses)
    assert {each["metric"]["job"] for each in series} == {"noded"}


def test_prometheus_evaluates_every_rule(watched: Watched) -> None:
    until(
        lambda: all(rule["health"] == "ok" for rule in watched.prometheus.rules()),
        "no rule is unknown or in error",
    )


def test_a_node_that_is_cut_off_is_behind(watched: Watched) -> None:
    away = watched.nodes[3]
    away.stop()
    dead = [f"{HOST}:{port}" for port in free_ports(4)]
    peers = [f"{node.institution.id.hex()}@{at}" for node, at in zip(watched.nodes[:3], dead, strict=False)]
    watched.start(away, NODED_NETWORK__LISTEN=dead[3], NODED_NETWORK__BOOTSTRAP=",".join(peers))

    watched.prometheus.until_fires("NodeBehind", "node4")
    assert watched.prometheus.firing("NodeBehind") == {"node4"}

    away.stop()
    watched.start(away)
    away.wait_ready()
    watched.prometheus.until_clear("NodeBehind")
    watched.prometheus.until_clear("ChainStalled")


def test_without_a_quorum_the_chain_stalls(watched: Watched) -> None:
    lost = watched.nodes[2:]
    assert watched.prometheus.firing("ChainStalled") == set()
    for node in lost:
        node.kill()

    watched.prometheus.until_fires("ChainStalled", "node1", "node2")

    for node in lost:
        watched.start(node)
    for node in watched.nodes:
        node.wait_ready()
    watched.prometheus.until_clear("ChainStalled")


def test_a_validator_that_contradicts_itself_is_told(watched: Watched) -> None:
    culprit = watched.nodes[3]
    culprit.stop()
    assert watched.prometheus.firing("Equivocation") == set()

    trio.run(_contradict, watched, culprit)

    watched.prometheus.until_fires("Equivocation", "")
    watched.start(culprit)
    culprit.wait_ready()
    watched.prometheus.until_clear("Equivocation")


async def _contradict(watched: Watched, culprit: NodeProcess) -> None:
    """Tell each of the others that two blocks are good, in one view that is to come."""
    member = HostileMember(culprit.home, watched.genesis.chain_id)
    seed = open_keystore(culprit.home / KEYS_NAME, None).secret(CONSENSUS)
    target = watched.nodes[0]
    async with member.visit(target.institution) as visit:
        while not watched.prometheus.query("noded_equivocations_total > 0"):
            found = await trio.to_thread.run_sync(status, target)
            epoch, view = Epoch(found["epoch"]), View(found["view"] + 3)
            for _ in range(2):
                block_hash = BlockHash(os.urandom(32))
                signed = vote_signing_bytes(
                    watched.genesis.chain_id, VoteKind.NOTARIZE, epoch, view, block_hash
                )
                vote = Vote(
                    kind=VoteKind.NOTARIZE,
                    epoch=epoch,
                    view=view,
                    block_hash=block_hash,
                    voter=ValidatorId(member.institution.id),
                    signature=Signature(sign(secret_of(seed), signed)),
                )
                await visit.send(Votes(votes=(vote,), certificates=()))
            await trio.sleep(1)
