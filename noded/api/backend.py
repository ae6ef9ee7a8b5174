"""What the routes need of the node; the daemon implements it, and tests over a ledger in memory."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Protocol, TypeVar

from noded.blobs.custody import KeptVersion
from noded.blobs.manifest import Manifest
from noded.codec.schema import Limit, decode_value
from noded.crypto.sparse_merkle import path_of
from noded.errors import NodedError
from noded.ledger.commit import Receipt
from noded.ledger.head import CHAIN_KEY, HEAD_KEY, Chain, Head
from noded.ledger.state import Overlay
from noded.network.interface import PeerStatistics
from noded.node.effects import Submission
from noded.storage.store import Reader
from noded.types.genesis import Genesis
from noded.types.ids import Epoch, Height, InstitutionId, TimestampMs, TransactionHash, ValidatorId, View
from noded.types.medical import (
    CiphertextHash,
    Compartment,
    KeyEpoch,
    PatientId,
    RecordId,
    RequestId,
    Version,
    WrapHash,
)
from noded.types.sidecar import WrapSidecar

T = TypeVar("T")

CONTENT_BYTES_MAX = 32 * 1024 * 1024
"""A record's content, and all of one call together: encrypting takes about twice as much, of a node's 200 MB."""


VERSIONS_MAX = 256
"""Versions kept by one call: as many as operations fit a transaction."""


class Busy(NodedError):
    """The node has as many calls of this kind as it takes; try again later."""


class NotPermitted(NodedError):
    """The ledger does not permit what was asked for, or not any more."""


class NotHere(NodedError):
    """The node does not hold what was asked for."""


class PeerFailed(NodedError):
    """Another member's node did not give what it owes, or could not be reached."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A final transaction."""

    height: Height
    position: int
    receipt: Receipt


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One condition of being ready."""

    name: str
    """Lower case with hyphens, such as ``chain-synced``."""
    ok: bool
    detail: str
    """What was found, with the figure and its threshold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidatorStatus:
    """A validator as this node sees it now."""

    id: ValidatorId
    power: int
    """In quorums."""
    share: int
    """Of proposals, among all shares."""
    reputation: int
    """Out of a million."""
    debt: int
    """Out of a million."""
    connected: bool
    """This node itself always is."""
    voted: bool
    """Whether a vote of it is known in the present view, or, while the chain is idle, of the last one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """How the node stands."""

    height: Height
    """Of the last block that is durable here."""
    finalized_height: Height
    """Of the last block known to be final; above `height` while it is being written or fetched."""
    epoch: Epoch
    view: View
    block_time_ms: TimestampMs
    """Of the last block."""
    block_age_ms: int
    """By this node's clock."""
    validators: tuple[ValidatorStatus, ...]
    quorum: int
    """Power that a certificate needs."""
    power_total: int
    power_connected: int
    """Of the validators connected to this node, and its own."""
    faulty_power_max: int
    """Power that may be Byzantine without harm."""
    tolerated: int
    """Validators, taken by descending power, that may be Byzantine all at once."""
    standing: str | None
    """Why the chain stands, in a sentence that names who is missing; None while it goes on or has nothing to do."""
    halted: str | None
    """Why this node does not vote any more; None while it does."""
    silence: str | None
    """Why this node does not vote in this epoch, halted or not; None while it does."""
    clock: str | None
    """What is wrong with this node's clock, as far as the last block tells; None if nothing is seen."""
    syncing: bool
    """Whether the node is fetching blocks that others have."""
    unordered_bytes: int
    """Transactions admitted and not yet in a block."""
    started_ms: TimestampMs


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionToKeep:
    """A version of a record that this institution shall keep."""

    record: RecordId
    version: Version
    content: Annotated[bytes, Limit(0, CONTENT_BYTES_MAX)]
    patient: PatientId | None
    """None for a record of the institution's own."""
    compartment: Compartment
    key_epoch: KeyEpoch
    """Of the compartment; 0 without a patient."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What a registration of a kept version says."""

    version: KeptVersion
    wrap_hash: WrapHash | None
    """Of its secrets wrapped under the compartment's key; None without a patient."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionsToKeep:
    """The body of the call that has versions kept."""

    versions: Annotated[tuple[VersionToKeep, ...], Limit(1, VERSIONS_MAX)]


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionsKept:
    """What became of it, in the same order."""

    versions: Annotated[tuple[Kept, ...], Limit(1, VERSIONS_MAX)]


@dataclass(frozen=True, slots=True, kw_only=True)
class StateAt:
    """The store as it was at one height; all reads of one answer see the same."""

    reader: Reader
    state: Overlay

    @property
    def head(self) -> Head:
        """What the ledger says of its last block; read when it is asked for."""
        encoding = self.state.get(HEAD_KEY)
        assert encoding is not None, "a store has at least the genesis block"
        return _decode_head(encoding)

    @property
    def height(self) -> Height:
        """Of the last block in it."""
        return self.head.height

    @property
    def chain(self) -> Chain:
        """The chain's id and the parameters in force."""
        chain = self.state.read(CHAIN_KEY, Chain)
        assert chain is not None
        return chain


@lru_cache(maxsize=2)
def _decode_head(encoding: bytes) -> Head:
    """Every answer names its height, and there are many between two blocks."""
    return decode_value(Head, encoding, max_bytes=len(encoding))


def open_state(reader: Reader) -> StateAt:
    """The state in a store; to be used within `reader.snapshot()`."""
    return StateAt(reader=reader, state=Overlay(lambda key: reader.state_get(path_of(key))))


class Backend(Protocol):
    """The node, as the API sees it. All methods may raise StorageError: the disk failed, and the node will stop."""

    @property
    def me(self) -> InstitutionId:
        """The institution whose node this is."""

    @property
    def genesis(self) -> Genesis:
        """The founding document."""

    # How it stands

    def status(self) -> Status:
        """How the node stands now."""

    def readiness(self) -> Sequence[Check]:
        """The conditions of being ready; the node is ready if all hold."""

    def peers(self) -> Sequence[PeerStatistics]:
        """The other members, by id."""

    def render_metrics(self) -> bytes:
        """All figures in the text format of Prometheus; called in a thread."""

    def observe_request(self, route: str, status: int, seconds: float) -> None:
        """Count an answer of the API; routes are paths of its description, or "none"."""

    # Transactions

    async def submit(self, transactions: tuple[bytes, ...]) -> Sequence[Submission]:
        """
        Hand in encoded transactions; what became of each, in order.

        Raises:
            Busy: Too many calls wait.
        """

    async def wait_transactions(
        self, transactions: Sequence[TransactionHash], outcomes: dict[TransactionHash, Outcome]
    ) -> None:
        """
        Wait until transactions are final, and note what became of each as soon as it is known.

        Those that are final already are found as well. A caller that has waited long enough cancels the call and
        takes what is noted.

        Raises:
            Busy: Too many others wait.
        """

    async def wait_block(self) -> None:
        """Wait until the next block is durable."""

    # Reading

    def look(self, query: Callable[[StateAt], T]) -> T:
        """Run a short query here and now: some single reads of 5 to 50 µs."""

    async def read(self, query: Callable[[StateAt], T]) -> T:
        """Run a longer query in a thread: a page of a list, a block with its transactions."""

    async def prove(self, key: bytes) -> bytes:
        """
        That the state has a value at a key, or none: `noded.lightclient.encode_proof` of it.

        The state's root stands in the next block's header, so this waits for one where the latest block made the state.

        Raises:
            NotHere: The node lacks a header or table that the proof takes.
        """

    # Records of this institution, and those it may read

    async def keep(self, versions: Sequence[VersionToKeep]) -> Sequence[Kept]:
        """
        Encrypt and keep versions, all or none; durable on return. Registering them comes after.

        Raises:
            BlobError: One of them cannot be kept; nothing was.
        """

    async def record_bytes(self, record: RecordId, version: Version) -> int:
        """How many bytes a record has that this institution keeps; errors as `read_record`."""

    async def read_record(
        self, record: RecordId, version: Version, *, start: int = 0, end: int | None = None
    ) -> bytes:
        """
        Bytes of a record that this institution keeps.

        Raises:
            BlobError: It is not here, or damaged; the error names which.
        """

    async def erase(self, record: RecordId) -> int:
        """Destroy ciphertext and keys of all versions of a record, fetched ones too; how many were kept."""

    async def release(self, request: RequestId) -> WrapHash:
        """
        Wrap the key that a permitted request asks this institution for, and keep the wrap for its reader.

        The transaction that names the hash comes after; the wrap opens nothing without the permit it is bound to.

        Raises:
            NotPermitted: The request is none of this institution's to answer, or not waiting for an answer.
            BlobError: The keys are not here, or damaged.
        """

    async def wrap(self, request: RequestId) -> WrapSidecar:
        """
        The wrapped key that answers a released request of this institution, or of a patient of it.

        Raises:
            NotPermitted: The request is another's, or was not released.
            NotHere: The wrap has expired.
            PeerFailed: The custodian did not give it.
        """

    async def sealed_keys(self, request: RequestId, record: RecordId, version: Version) -> bytes:
        """
        A record's keys sealed under its compartment's, for a reader that was given the compartment's.

        Raises:
            NotPermitted: No such request of this institution, or no release of it.
            NotHere: The custodian has no such keys.
            PeerFailed: The custodian could not be reached.
        """

    async def fetch(self, request: RequestId, record: RecordId, version: Version) -> CiphertextHash:
        """
        Have a version's ciphertext here, fetched from its custodian under a released request.

        Raises:
            NotPermitted: No such request of this institution, or no release of it.
            BlobError: It cannot be kept here.
            PeerFailed: The custodian did not give it; calling again goes on where this ended.
        """

    async def manifest(self, ciphertext: CiphertextHash) -> Manifest:
        """
        The manifest of ciphertext that is here, kept or fetched.

        Raises:
            NotHere: It is not.
            BlobError: It is damaged.
        """

    async def segments(self, ciphertext: CiphertextHash, first: int, count: int) -> bytes:
        """Some segments of ciphertext that is here, each checked; errors as `manifest`."""

    # Operation

    async def reload(self) -> Sequence[str]:
        """
        Read the settings again; the keys that need a restart to take effect.

        Raises:
            ConfigError: The new ones cannot be used; the old ones stay in force.
        """
