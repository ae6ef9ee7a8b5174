"""A node for tests of the API: a real ledger and store in memory; its blocks are made when a test says so."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from noded.api.backend import (
    Busy,
    Check,
    Kept,
    NotHere,
    NotPermitted,
    Outcome,
    StateAt,
    Status,
    ValidatorStatus,
    VersionToKeep,
    open_state,
)
from noded.api.chain_data import outcomes_of
from noded.blobs.custody import Custodian, NewVersion
from noded.blobs.errors import BlobMissing
from noded.blobs.manifest import Manifest
from noded.codec.errors import Malformed
from noded.daemon.waiting import Waiters
from noded.ledger.admission import stateless_checks
from noded.network.interface import LaneStatistics, PeerStatistics
from noded.node.effects import Submission
from noded.ops.rows import commit_batch
from noded.storage.memory import MemoryStore
from noded.types.genesis import Genesis
from noded.types.ids import InstitutionId, TransactionHash, View
from noded.types.medical import CiphertextHash, RecordId, RequestId, Version, WrapHash
from noded.types.sidecar import WrapSidecar
from noded.types.transaction import SignedTransaction
from tests.helpers.ledger import START_MS, TestChain, member_id

T = TypeVar("T")

LANE = LaneStatistics(
    bytes_in=1, bytes_out=2, messages_in=3, messages_out=4, dropped=0, queue_bytes=0, queue_messages=0
)


class TestBackend:
    """
    Implements `noded.api.backend.Backend` over a chain whose signatures nobody looks at.

    `commit` makes a block of what was submitted. Records are kept by a real custodian, if one is given.
    """

    __test__ = False

    def __init__(self, chain: TestChain | None = None, *, custodian: Custodian | None = None) -> None:
        self.chain = chain or TestChain()
        self.store = MemoryStore()
        self.store.commit(commit_batch(self.chain.committed))
        self.waiters = Waiters()
        self.custodian = custodian
        self.pending: list[SignedTransaction] = []
        self.requests: list[tuple[str, int]] = []
        self.ready = True
        self.busy = False
        self.commits_at_once = False
        self.reloads: list[str] = []
        self.proof = b"proof"

    # What tests do

    def commit(self, *transactions: SignedTransaction) -> None:
        """Append and store a block of these transactions and of what was submitted."""
        committed = self.chain.run(*self.pending, *transactions)
        self.pending = []
        self.store.commit(commit_batch([committed]))
        self.waiters.stored([committed])

    # What the API does

    @property
    def me(self) -> InstitutionId:
        return member_id(1)

    @property
    def genesis(self) -> Genesis:
        return self.chain.genesis

    def status(self) -> Status:
        validators = self.chain.validators
        rows = tuple(
            ValidatorStatus(
                id=row.id,
                power=int(row.power),
                share=row.share,
                reputation=row.reputation,
                debt=row.debt,
                connected=True,
                voted=True,
            )
            for row in validators.table.validators
        )
        return Status(
            height=self.chain.ledger.final_height,
            finalized_height=self.chain.ledger.final_height,
            epoch=validators.epoch,
            view=View(1),
            block_time_ms=START_MS,
            block_age_ms=7,
            validators=rows,
            quorum=validators.quorum,
            power_total=validators.total,
            power_connected=validators.total,
            faulty_power_max=(validators.total - 1) // 3,
            tolerated=1,
            standing=None,
            halted=None,
            silence=None,
            clock=None,
            syncing=False,
            unordered_bytes=0,
            started_ms=START_MS,
        )

    def readiness(self) -> Sequence[Check]:
        return (Check(name="in-sync", ok=self.ready, detail="as the test says"),)

    def peers(self) -> Sequence[PeerStatistics]:
        return [
            PeerStatistics(
                peer=member_id(2),
                connected=True,
                address="127.0.0.1:9",
                dialled=True,
                connected_s=1.5,
                rtt_ms=None,
                score=0.0,
                banned_s=0.0,
                last_fault=None,
                last_fault_detail="",
                lanes=(LANE, LANE),
            )
        ]

    def render_metrics(self) -> bytes:
        return b"noded_height 1\n"

    def observe_request(self, route: str, status: int, seconds: float) -> None:
        assert seconds >= 0
        self.requests.append((route, status))

    async def submit(self, transactions: tuple[bytes, ...]) -> Sequence[Submission]:
        if self.busy:
            raise Busy("as the test says")
        answers = []
        for encoding in transactions:
            try:
                signed, _ = stateless_checks(encoding)
            except Malformed as error:
                answers.append(Submission(TransactionHash(bytes(32)), "Malformed", str(error)))
                continue
            self.pending.append(signed)
            answers.append(Submission(signed.hash, None, ""))
        if self.commits_at_once:
            self.commit()
        return answers

    async def wait_transactions(
        self, transactions: Sequence[TransactionHash], outcomes: dict[TransactionHash, Outcome]
    ) -> None:
        def look(names: Sequence[TransactionHash]) -> Mapping[TransactionHash, Outcome]:
            return self.look(lambda at: outcomes_of(at, names))

        await self.waiters.transactions(transactions, look, outcomes)

    async def wait_block(self) -> None:
        await self.waiters.block()

    def look(self, query: Callable[[StateAt], T]) -> T:
        with self.store.snapshot():
            return query(open_state(self.store))

    async def read(self, query: Callable[[StateAt], T]) -> T:
        return self.look(query)

    async def prove(self, key: bytes) -> bytes:
        return self.proof + key

    async def keep(self, versions: Sequence[VersionToKeep]) -> Sequence[Kept]:
        assert self.custodian is not None
        kept = self.custodian.keep(
            [NewVersion(record=each.record, version=each.version, content=each.content) for each in versions]
        )
        return [Kept(version=each, wrap_hash=None) for each in kept]

    async def record_bytes(self, record: RecordId, version: Version) -> int:
        assert self.custodian is not None
        return self.custodian.keys.get(record, version).size

    async def read_record(
        self, record: RecordId, version: Version, *, start: int = 0, end: int | None = None
    ) -> bytes:
        assert self.custodian is not None
        return self.custodian.read(record, version, start=start, end=end)

    async def erase(self, record: RecordId) -> int:
        assert self.custodian is not None
        return self.custodian.erase(record)

    async def release(self, request: RequestId) -> WrapHash:
        raise NotPermitted(f"request {request.hex()} does not wait for this institution")

    async def wrap(self, request: RequestId) -> WrapSidecar:
        raise NotHere(f"the wrap of request {request.hex()} is not kept any more")

    async def sealed_keys(self, request: RequestId, record: RecordId, version: Version) -> bytes:
        raise NotHere("no such keys")

    async def fetch(self, request: RequestId, record: RecordId, version: Version) -> CiphertextHash:
        raise NotPermitted("no such request")

    async def manifest(self, ciphertext: CiphertextHash) -> Manifest:
        if self.custodian is None:
            raise BlobMissing(ciphertext=ciphertext)
        return self.custodian.store.manifest(ciphertext)

    async def segments(self, ciphertext: CiphertextHash, first: int, count: int) -> bytes:
        assert self.custodian is not None
        return self.custodian.store.read(ciphertext, first, count)

    async def reload(self) -> Sequence[str]:
        return self.reloads
