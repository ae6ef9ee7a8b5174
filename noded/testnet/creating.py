"""The homes of a network on one machine, ready to be started."""

import os
import random
import secrets
import socket
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from noded.errors import ConfigError
from noded.keys.files import make_private_folder, write_private
from noded.ops.founding import make_genesis, write_genesis
from noded.ops.home import GENESIS_NAME, HomeExists, Particulars, create_home
from noded.types.genesis import DEFAULT_PARAMETERS, Genesis, NetworkParameters
from noded.types.ids import TimestampMs
from noded.types.roles import Role

NODES_MAX: Final = 64
"""Each node is a process of some 60 MB."""

HOST: Final = "127.0.0.1"

PORTS: Final = range(20_000, 32_000)
"""Below the range from which the system takes ports for outgoing connections, so that none of those is in the way."""

PASSPHRASE_NAME: Final = "passphrase"
"""Beside the keys that it opens, as convenient as a testnet needs and as unsafe as production forbids."""

FOUNDERS: Final = (
    ("Hospital North", Role.HOSPITAL, "DE"),
    ("Hospital South", Role.HOSPITAL, "FR"),
    ("Laboratory East", Role.LAB, "DE"),
    ("Insurer West", Role.INSURER, "DE"),
    ("Pharmacy Central", Role.PHARMACY, "AT"),
    ("Research Institute", Role.RESEARCHER, "CH"),
    ("Health Regulator", Role.REGULATOR, "DE"),
    ("Audit Office", Role.AUDITOR, "DE"),
)
"""Who founds a testnet, in this order; after the last they begin again, with numbers."""

SETTINGS: Final[Mapping[str, Mapping[str, object]]] = {
    "log": {"format": "json"},
    "storage": {"reserve_mib": 64},
}
"""What differs from the defaults on a developer's machine: its disk is shared and may be small."""


class TooManyNodes(ConfigError):
    """A testnet of this size does not fit one machine."""

    def __init__(self, count: int) -> None:
        super().__init__(
            f"{count} nodes: a testnet on one machine has 1 to {NODES_MAX}; for more, use the simulator"
        )
        self.count = count


def create_testnet(
    folder: Path,
    count: int,
    *,
    name: str = "testnet",
    parameters: NetworkParameters = DEFAULT_PARAMETERS,
    encrypted: bool,
    settings: Mapping[str, Mapping[str, object]] | None = None,
) -> Genesis:
    """
    Make `count` homes, ``node1`` and so on, that found a chain together.

    Args:
        folder: A folder that is missing or empty.
        count: Nodes, each of an institution of its own.
        name: Of the chain.
        parameters: Of the chain.
        encrypted: Whether keys are sealed under a passphrase, which then stands in a file beside them.
        settings: Further values in place of the defaults, for all nodes alike.

    Raises:
        TooManyNodes: There are more than `NODES_MAX`, or none.
        HomeExists: The folder is not empty.
        StorageError: It cannot be written.
    """
    if not 1 <= count <= NODES_MAX:
        raise TooManyNodes(count)
    make_private_folder(folder)
    if any(folder.iterdir()):
        raise HomeExists(folder)
    institutions = []
    for number, port in enumerate(free_ports(count), start=1):
        address = f"{HOST}:{port}"
        home = folder / f"node{number}"
        passphrase = secrets.token_hex(16).encode() if encrypted else None
        source = f"file:{PASSPHRASE_NAME}" if encrypted else "none"
        own: Mapping[str, Mapping[str, object]] = {
            "network": {"listen": address},
            "node": {"passphrase": source},
        }
        merged = _merged(SETTINGS, own, settings or {})
        institutions.append(
            create_home(home, _founder(number, address), passphrase=passphrase, settings=merged)
        )
        if passphrase is not None:
            write_private(home / PASSPHRASE_NAME, passphrase + b"\n")
    now_ms = TimestampMs(time.time_ns() // 1_000_000)
    genesis = make_genesis(name, institutions, time_ms=now_ms, parameters=parameters)
    for home in homes(folder):
        write_genesis(home / GENESIS_NAME, genesis)
    return genesis


def homes(folder: Path) -> list[Path]:
    """The homes of a testnet, in order of their numbers."""
    found = [path for path in folder.glob("node*") if path.name.removeprefix("node").isdecimal()]
    return sorted(found, key=lambda path: int(path.name.removeprefix("node")))


def free_ports(count: int) -> list[int]:
    """Ports of the loopback address on which nobody listens now; drawn, so that testnets side by side differ."""
    drawn = random.Random(os.urandom(16)).sample(PORTS, len(PORTS))
    found: list[int] = []
    with ExitStack() as stack:
        for port in drawn:
            if len(found) == count:
                break
            try:
                stack.enter_context(socket.create_server((HOST, port)))
            except OSError:
                continue
            found.append(port)
    return found


def _founder(number: int, address: str) -> Particulars:
    turn, index = divmod(number - 1, len(FOUNDERS))
    legal_name, role, jurisdiction = FOUNDERS[index]
    return Particulars(
        legal_name=legal_name if turn == 0 else f"{legal_name} {turn + 1}",
        role=role,
        jurisdiction=jurisdiction,
        address=address,
    )


def _merged(*layers: Mapping[str, Mapping[str, object]]) -> dict[str, dict[str, object]]:
    """Settings of which later layers come first."""
    merged: dict[str, dict[str, object]] = {}
    for layer in layers:
        for section, entries in layer.items():
            merged.setdefault(section, {}).update(entries)
    return merged
