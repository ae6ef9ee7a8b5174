"""What a node loads to become ready: each library costs time at every start, and memory for good."""

import re
from pathlib import Path

import pytest

from noded.testnet.creating import create_testnet
from noded.testnet.processes import NodeProcess, Testnet

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("processes")]

UNUSED = (
    "aioquic",
    "blake3",
    "cryptography.x509",  # Figures read a certificate with it, where there is one.
    "fastapi",  # Describes the API when somebody asks.
    "fhir",
    "h2",
    "http.server",
    "libp2p.host",
    "logging.config",
    "mmh3",
    "multiprocessing",
    "numpy",
    "opentelemetry",
    "pygments",
    "rich.text",
    "urllib.request",
    "wsproto",
)
"""Modules that a node at work does not need, with all below them; a line is there also for one that could not be had."""


def loaded(node: NodeProcess) -> set[str]:
    """The modules that a process said it imported."""
    return set(re.findall(r"^import time: .*\| +(\S+)$", node.log, re.MULTILINE))


def test_a_ready_node_has_loaded_nothing_that_it_does_not_need(tmp_path: Path) -> None:
    create_testnet(tmp_path / "net", 1, encrypted=False)
    with Testnet(tmp_path / "net") as testnet:
        (node,) = testnet.nodes
        node.start(environment={"PYTHONPROFILEIMPORTTIME": "1"})
        node.wait_ready()
        modules = loaded(node)

    assert {"noded.daemon.main", "starlette.routing", "structlog"} <= modules
    assert [name for name in sorted(modules) if name.startswith(UNUSED)] == []
