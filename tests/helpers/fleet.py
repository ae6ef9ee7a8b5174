"""Real nodes on loopback: waiting for what they say, and judging what they left on their disks."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from noded.bench.load import Sender, make_sender
from noded.client.answers import NodeUnreachable, Refused
from noded.client.http import NodeClient
from noded.client.transactions import key_pair
from noded.codec.schema import decode_value
from noded.keys.keystore import open_keystore
from noded.keys.names import ACCOUNT
from noded.ledger.ledger import Ledger
from noded.ops.founding import read_genesis
from noded.ops.home import GENESIS_NAME, KEYS_NAME, STORE_NAME, WAL_NAME
from noded.ops.rows import STORED_BYTES_MAX, StoreBase, read_header
from noded.storage.sqlite import SqliteStore
from noded.storage.wal import Wal
from noded.testnet.creating import create_testnet
from noded.testnet.processes import NodeProcess, Testnet
from noded.types.block import BlockBody, header_hash
from noded.types.genesis import DEFAULT_PARAMETERS, Genesis
from noded.types.ids import BlockHash, Epoch, Height, ValidatorId, View, bitmap_indices
from noded.types.records import RECORDS, CertificateRecord, ProposalRecord, VoteRecord
from noded.types.vote import Certificate, VoteKind

PATIENCE_S: Final = 120.0
"""For whatever is certain to come; many share the machine, so this judges no speed."""

LOOK_S: Final = 0.05

_RECORD_BYTES_MAX: Final = 2 * 1024 * 1024


@contextmanager
def fleet(folder: Path, count: int = 4, **creating: Any) -> Iterator[tuple[Testnet, Genesis]]:
    """A testnet all of whose nodes are ready."""
    genesis = create_testnet(folder, count, encrypted=False, **creating)
    with Testnet(folder) as testnet:
        testnet.start()
        yield testnet, genesis


def ask(node: NodeProcess, path: str, **query: Any) -> Any:
    """What a node answers now, or None if it does not."""
    with NodeClient.in_home(node.home) as client:
        try:
            return client.get(path, **query)
        except (NodeUnreachable, Refused):
            return None


def status(node: NodeProcess) -> dict[str, Any]:
    """How a node that must run stands."""
    with NodeClient.in_home(node.home) as client:
        found: dict[str, Any] = client.get("/v1/status")["status"]
        return found


def until(reached: Callable[[], object], what: str) -> None:
    """Look again and again until something holds."""
    deadline = time.monotonic() + PATIENCE_S
    while not reached():
        assert time.monotonic() < deadline, f"not in {PATIENCE_S:.0f} s: {what}"
        time.sleep(LOOK_S)


def until_height(nodes: Sequence[NodeProcess], height: int) -> None:
    """Wait until all of these nodes have stored a height."""
    for node in nodes:
        until(partial(_has_height, node, height), f"{node.home.name} at height {height}")


def _has_height(node: NodeProcess, height: int) -> bool:
    reached: bool = status(node)["height"] >= height
    return reached


def figure(node: NodeProcess, name: str) -> float:
    """The sum of a metric over its labels; 0 for one that is not there."""
    with NodeClient.in_home(node.home) as client:
        lines = client.get_bytes("/metrics").decode().splitlines()
    return sum(
        float(line.rpartition(" ")[2]) for line in lines if line.partition(" ")[0].split("{")[0] == name
    )


def labels(node: NodeProcess, name: str) -> dict[str, float]:
    """A metric's values by the text of their labels."""
    with NodeClient.in_home(node.home) as client:
        lines = client.get_bytes("/metrics").decode().splitlines()
    found = (line.rpartition(" ") for line in lines if line.startswith(name + "{"))
    return {series[len(name) :]: float(value) for series, _, value in found}


def rss_bytes(node: NodeProcess) -> int:
    """Memory of a node's process."""
    text = Path(f"/proc/{node.pid}/status").read_text()
    [line] = [line for line in text.splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1]) * 1024


def open_files(node: NodeProcess) -> int:
    """Descriptors that a node's process has open."""
    return sum(1 for _ in Path(f"/proc/{node.pid}/fd").iterdir())


def sender_of(node: NodeProcess, genesis: Genesis) -> Sender:
    """The institution of a home, as it signs records."""
    key = key_pair(open_keystore(node.home / KEYS_NAME, None).secret(ACCOUNT))
    valid_until = Height(DEFAULT_PARAMETERS.valid_until_max // 2)
    return make_sender(node.institution.id, key, genesis.chain_id, valid_until)


# On disk, while no process runs.


@dataclass(frozen=True, slots=True, kw_only=True)
class Remains:
    """What a node that has stopped left in its store."""

    height: int
    state_root: bytes
    """After the last block, computed from the state that is there."""
    hashes: tuple[bytes, ...]
    """Of all blocks, by height."""
    parent_state_roots: tuple[bytes, ...]
    """What each header says of the state before it."""
    evidence: int
    """Pieces in all blocks."""


def remains(home: Path) -> Remains:
    """Read a node's store."""
    genesis = read_genesis(home / GENESIS_NAME)
    with closing(SqliteStore(home / STORE_NAME)) as store:
        tip = store.tip()
        assert tip is not None
        ledger = Ledger(genesis, StoreBase(store))
        headers = [read_header(store, height) for height in range(tip.height + 1)]
        evidence = 0
        for height in range(tip.height + 1):
            stored = store.block(height)
            assert stored is not None
            assert stored.body is not None
            evidence += len(decode_value(BlockBody, stored.body, max_bytes=STORED_BYTES_MAX).evidence)
        known = [header for header in headers if header is not None]
        assert len(known) == tip.height + 1
        return Remains(
            height=tip.height,
            state_root=ledger.state_root_after(BlockHash(tip.hash)),
            hashes=tuple(header_hash(header) for header in known),
            parent_state_roots=tuple(header.parent_state_root for header in known),
            evidence=evidence,
        )


def check_agreement(homes: Sequence[Path], *, is_blamed: bool = False) -> Remains:
    """
    All stores have one chain, and each one's state is what the chain says; returns the longest.

    Args:
        homes: Of nodes that have stopped.
        is_blamed: Whether somebody did equivocate: evidence is on the chain then, else there is none.
    """
    found = [remains(home) for home in homes]
    longest = max(found, key=lambda each: each.height)
    for home, each in zip(homes, found, strict=True):
        assert each.hashes == longest.hashes[: each.height + 1], f"{home} has another chain"
        said = (
            longest.state_root
            if each.height == longest.height
            else longest.parent_state_roots[each.height + 1]
        )
        assert each.state_root == said, f"{home} has another state at height {each.height}"
        assert (each.evidence > 0) is is_blamed, f"{home} has {each.evidence} pieces of evidence"
    return longest


Signed = dict[tuple[ValidatorId, Epoch, View, VoteKind], BlockHash | None]


def check_signatures(homes: Sequence[Path], *, logs: Sequence[Path] = ()) -> int:
    """
    No key voted twice in conflict, by the logs of all nodes; returns how many votes were found.

    Args:
        homes: Of nodes that have stopped.
        logs: Further folders of logs, that stood in one of these homes before.
    """
    votes: Signed = {}
    proposals: dict[tuple[ValidatorId, Epoch, View], BlockHash] = {}
    genesis = read_genesis(homes[0] / GENESIS_NAME)
    with closing(SqliteStore(homes[0] / STORE_NAME)) as store:
        ledger = Ledger(genesis, StoreBase(store))
        for folder in (*(home / WAL_NAME for home in homes), *logs):
            with closing(Wal(folder, genesis.chain_id)) as wal:
                for entry in wal.replay():
                    record = RECORDS.decode(entry.payload, max_bytes=_RECORD_BYTES_MAX)
                    if isinstance(record, VoteRecord):
                        vote = record.vote
                        _note(votes, vote.voter, vote.epoch, vote.view, vote.kind, vote.block_hash)
                    elif isinstance(record, CertificateRecord):
                        _note_certificate(votes, ledger, record.certificate)
                    elif isinstance(record, ProposalRecord):
                        header = record.proposal.block.header
                        place = (header.proposer, header.epoch, header.view)
                        known = proposals.setdefault(place, record.proposal.block.hash)
                        assert known == record.proposal.block.hash, f"two proposals of {place}"
    return len(votes)


def _note_certificate(votes: Signed, ledger: Ledger, certificate: Certificate) -> None:
    validators = ledger.validators_of(certificate.epoch)
    if validators is None:
        return
    ids = validators.ids()
    for index in bitmap_indices(certificate.bitmap):
        _note(
            votes, ids[index], certificate.epoch, certificate.view, certificate.kind, certificate.block_hash
        )


def _note(
    votes: Signed,
    voter: ValidatorId,
    epoch: Epoch,
    view: View,
    kind: VoteKind,
    block_hash: BlockHash | None,
) -> None:
    known = votes.setdefault((voter, epoch, view, kind), block_hash)
    assert known == block_hash, f"{voter.hex()} signed two {kind.name} votes in view {view}"
    if kind is not VoteKind.NOTARIZE:
        other = VoteKind.NULLIFY if kind is VoteKind.FINALIZE else VoteKind.FINALIZE
        rival = (voter, epoch, view, other)
        assert rival not in votes, f"{voter.hex()} signed NULLIFY and FINALIZE in view {view}"
