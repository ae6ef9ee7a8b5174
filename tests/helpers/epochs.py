"""Real nodes over epochs of a few seconds: where they are, and how a member stands."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

from noded.client.http import NodeClient
from noded.testnet.processes import NodeProcess
from noded.types.genesis import DEFAULT_PARAMETERS, NetworkParameters
from tests.helpers.fleet import until

EPOCH_HEIGHTS: Final = 16

SHORT: Final = replace(
    DEFAULT_PARAMETERS,
    epoch_length=EPOCH_HEIGHTS,
    idle_interval_ms=100,
    block_interval_ms=100,
    delta_ms=300,
)
"""Epochs of two seconds, where the machine has time for them; blocks come whether there is work or not."""


def lengthened(heights: int) -> NetworkParameters:
    """The same with longer epochs."""
    return replace(SHORT, epoch_length=heights)


def get(node: NodeProcess, path: str, **query: Any) -> Any:
    """What a node that must run answers."""
    with NodeClient.in_home(node.home) as client:
        return client.get(path, **query)


def epoch_of(node: NodeProcess) -> int:
    """The epoch of the node's next block."""
    found: int = get(node, "/v1/epoch")["epoch"]
    return found


def until_epoch(nodes: Sequence[NodeProcess], epoch: int) -> None:
    """Wait until all of these nodes are in an epoch, or a later one."""
    for node in nodes:
        until(partial(_has_reached, node, epoch), f"{node.home.name} in epoch {epoch}")


def _has_reached(node: NodeProcess, epoch: int) -> bool:
    return epoch_of(node) >= epoch


def pass_epochs(nodes: Sequence[NodeProcess], count: int) -> int:
    """Wait until so many epochs that had not begun are over for all of these nodes; the epoch that goes on then."""
    target = epoch_of(nodes[0]) + 1 + count
    until_epoch(nodes, target)
    return target


def row(node: NodeProcess, member: bytes, epoch: int | None = None) -> dict[str, Any]:
    """A member's row in the table of an epoch, by default the present one; empty if it has none."""
    rows: list[dict[str, Any]] = get(node, "/v1/validators", epoch=epoch)["validators"]
    return next((each for each in rows if each["id"] == member.hex()), {})


def share(node: NodeProcess, member: bytes, epoch: int | None = None) -> float:
    """A member's part of all proposals in an epoch."""
    rows = get(node, "/v1/validators", epoch=epoch)["validators"]
    total: int = sum(each["share"] for each in rows)
    own: int = sum(each["share"] for each in rows if each["id"] == member.hex())
    return own / total


def report(node: NodeProcess, member: bytes, epoch: int) -> dict[str, Any]:
    """The arithmetic of a member in an epoch that is over."""
    items = get(node, f"/v1/institutions/{member.hex()}/reports", after=(epoch - 1).to_bytes(4).hex())[
        "items"
    ]
    [found] = [each["value"] for each in items if each["value"]["epoch"] == epoch]
    return dict(found)


def block_times(node: NodeProcess, epoch: int) -> list[int]:
    """The times of an epoch's blocks."""
    times = []
    after = None
    while True:
        page = get(node, "/v1/blocks", after=after, limit=100)
        for block in page["items"]:
            header = block["value"]["header"]
            if header["epoch"] == epoch:
                times.append(header["time_ms"])
            elif header["epoch"] < epoch:
                return times[::-1]
        after = page["next"]
        if after is None:
            return times[::-1]
