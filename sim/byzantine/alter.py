"""Alter: one stored value is another than its blocks say, as if the node computed otherwise than all others."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TypeVar

from noded.codec.schema import decode_value, encode_value
from noded.crypto.sparse_merkle import path_of
from noded.ledger.conduct import UNBLEMISHED, Conduct, conduct_key
from noded.ledger.head import HEAD_KEY, Head, table_key
from noded.ledger.participation import POINTS_FULL, read_counters, write_counters
from noded.types.ids import InstitutionId, VotingPower
from noded.types.validator_set import ValidatorTable
from sim.archive import Archive
from sim.byzantine.base import Behaviour
from sim.cluster import Cluster
from sim.host import Host
from sim.scenario.model import Altered

T = TypeVar("T")

LATER_NS = 100_000_000
"""An epoch's last block counts no more: then the node is altered this much later."""

STATE_BYTES_MAX = 4 << 20


class Alter(Behaviour):
    """Follows the protocol with what it believes."""


def alter(cluster: Cluster, host: Host, what: Altered) -> None:
    """Change a value in the store of a node that is up, and start the node again."""
    head = _read(host.archive, HEAD_KEY, Head)
    assert head is not None
    if head.terminal or not host.is_up:
        cluster.engine.at(cluster.engine.now + LATER_NS, partial(alter, cluster, host, what))
        return
    cluster.faults.crash(host, "kept")
    head = _read(host.archive, HEAD_KEY, Head)
    assert head is not None
    key, value = ALTERATIONS[what](host.archive, head, host.name)
    host.archive.alter(path_of(key), value)
    cluster.faults.restart(host)


def _counters(archive: Archive, head: Head, me: InstitutionId) -> tuple[bytes, bytes]:
    """The first validator voted once more."""
    points = read_counters(head.points)
    points[0] += POINTS_FULL
    return HEAD_KEY, encode_value(replace(head, points=write_counters(points)))


def _table(archive: Archive, head: Head, me: InstitutionId) -> tuple[bytes, bytes]:
    """The first validator has a little more power."""
    key = table_key(head.epoch)
    table = _read(archive, key, ValidatorTable)
    assert table is not None
    first, *others = table.validators
    first = replace(first, power=VotingPower(first.power + 1))
    return key, encode_value(replace(table, validators=(first, *others)))


def _conduct(archive: Archive, head: Head, me: InstitutionId) -> tuple[bytes, bytes]:
    """One more dispute was lost by the node's own institution: no count of blocks tells, the next table does."""
    key = conduct_key(me)
    conduct = _read(archive, key, Conduct) or UNBLEMISHED
    return key, encode_value(replace(conduct, lost=conduct.lost + 1))


def _read(archive: Archive, key: bytes, type_: type[T]) -> T | None:
    value = archive.get(path_of(key))
    return None if value is None else decode_value(type_, value, max_bytes=STATE_BYTES_MAX)


ALTERATIONS: dict[Altered, Callable[[Archive, Head, InstitutionId], tuple[bytes, bytes]]] = {
    "counters": _counters,
    "table": _table,
    "conduct": _conduct,
}
