"""Genesis: the founding members and the parameters that all nodes must share; its hash names the chain."""

from dataclasses import field
from enum import IntEnum
from typing import Annotated, NewType

from noded.codec.schema import Limit, encode_value, restrict
from noded.crypto.hashing import tagged_hash
from noded.types.block import (
    BLOCK_VERSION,
    Block,
    BlockBody,
    BlockHeader,
    BlockKind,
    evidence_root,
    justify_root,
    payload_root,
)
from noded.types.frozen import frozen
from noded.types.ids import (
    VALIDATORS_MAX,
    ZERO_HASH,
    BlockHash,
    ChainId,
    Epoch,
    Height,
    InstitutionId,
    PublicKey,
    Root,
    StateRoot,
    TimestampMs,
    View,
    VotingPower,
)
from noded.types.roles import Role

GENESIS_DOMAIN = "noded/genesis/1"

ENDPOINTS_MAX = 4
"""Addresses of one member, for its node behind several lines."""

LEGAL_NAME_MAX = 128
"""Bytes of an institution's name: some words in any script."""

BLOCK_BYTES_MAX = 640 * 1024
"""Of a block's batches: with its proof, a block fits one message of block sync."""

GENESIS_BYTES_MAX = 4 * 1024 * 1024
"""4096 institutions of up to 1 KiB."""

EncryptionKey = NewType("EncryptionKey", bytes)
"""X25519 public key to which data keys are wrapped (HPKE); 32 bytes."""

Endpoint = NewType("Endpoint", str)
"""``host:port`` at which a node can be reached, ``[host]:port`` for IPv6."""

restrict(EncryptionKey, Limit(32, 32))
restrict(Endpoint, Limit(1, 128))


class Routing(IntEnum):
    """Who hears a vote first; safety does not depend on it."""

    ALL = 1
    """Everybody: final after 3 delays, about 2n² messages a block."""
    LINEAR = 2
    """Collectors: final after 5 delays, about 3.1n messages a block."""
    AUTO = 3
    """ALL up to 32 validators, else LINEAR."""


@frozen(kw_only=True)
class NetworkParameters:
    """What must be equal on all nodes; changed only by a vote of the members."""

    routing: Routing
    delta_ms: Annotated[int, Limit(1, 600_000)]
    """Bound on the delay of a message that timeouts assume."""
    block_interval_ms: Annotated[int, Limit(0, 600_000)]
    """Least time between a block and the next."""
    idle_interval_ms: Annotated[int, Limit(0, 3_600_000)]
    """How long a proposer with nothing to order waits before an empty block."""
    drift_ms: Annotated[int, Limit(1, 600_000)]
    """How far a block's time may be ahead of a voter's clock."""
    silent_views: Annotated[int, Limit(0, 64)]
    """Views of silence after which a proposer's view is nullified at once; 0 for never."""
    view_timeout_ms: Annotated[int, Limit(0, 600_000)] = 0
    """How long a proposer has when nothing went wrong lately (T0); 0 for twice `delta_ms` and `block_interval_ms`."""
    epoch_length: Annotated[int, Limit(4, 100_000)]
    """Heights in an epoch."""
    block_operations_max: Annotated[int, Limit(256, 1_000_000)]
    block_bytes_max: Annotated[int, Limit(512 * 1024, BLOCK_BYTES_MAX)]
    """Encodings of a block's batches together."""
    author_bytes_max: Annotated[int, Limit(512 * 1024, 1024 * 1024 * 1024)]
    """Unordered batches kept of one author."""
    batch_expiry_ms: Annotated[int, Limit(1_000, 86_400_000)]
    """Age at which a batch that no block names is dropped."""
    valid_until_max: Annotated[int, Limit(1, 1_000_000)]
    """How many heights ahead a transaction's end may lie (V)."""
    k_min: Annotated[int, Limit(1, VALIDATORS_MAX)]
    """Byzantine members that must be tolerated whatever the reputations are."""
    reputation: bool
    """Whether conduct moves powers and proposer shares; else powers are as at genesis and proposers take turns."""
    evidence_epochs: Annotated[int, Limit(1, 10_000)]
    """Epochs for which tables are kept and evidence is accepted."""
    trusting_ms: Annotated[int, Limit(1_000, 1 << 50)]
    """
    How long a light client may trust a table; shorter than `evidence_epochs` epochs last.

    Verifiers know the founding document's only: a later vote (L110) changes nothing for them.
    """
    release_ms: Annotated[int, Limit(1_000, 1 << 50)]
    """Time in which a custodian must answer a permitted request with a release."""
    review_ms: Annotated[int, Limit(1_000, 1 << 50)]
    """Time in which a use of break-glass must be reviewed."""
    proposal_ms: Annotated[int, Limit(1_000, 1 << 50)]
    """Time for which a governance proposal may be voted on."""


DEFAULT_PARAMETERS = NetworkParameters(
    routing=Routing.AUTO,
    delta_ms=500,
    block_interval_ms=100,
    idle_interval_ms=10_000,
    drift_ms=2_000,
    silent_views=3,
    epoch_length=600,
    block_operations_max=20_000,
    block_bytes_max=BLOCK_BYTES_MAX,
    author_bytes_max=32 * 1024 * 1024,
    batch_expiry_ms=300_000,
    valid_until_max=100_000,
    k_min=1,
    reputation=True,
    evidence_epochs=64,
    trusting_ms=14 * 86_400_000,
    release_ms=86_400_000,
    review_ms=72 * 3_600_000,
    proposal_ms=30 * 86_400_000,
)
"""What `noded testnet` and the simulator start from."""


@frozen(kw_only=True)
class Institution:
    """What a member is admitted with."""

    id: InstitutionId
    legal_name: Annotated[str, Limit(1, LEGAL_NAME_MAX)]
    role: Role
    owner: Annotated[str, Limit(0, LEGAL_NAME_MAX)]
    """Members with the same owner share one cap on voting power; empty for a member on its own."""
    jurisdiction: Annotated[str, Limit(2, 8)]
    """ISO 3166 code of the country or its part."""
    consensus_key: PublicKey
    network_key: PublicKey
    account_key: PublicKey
    encryption_key: EncryptionKey
    endpoints: Annotated[tuple[Endpoint, ...], Limit(0, ENDPOINTS_MAX)]


@frozen(kw_only=True)
class FoundingValidator:
    """A member that votes from the first epoch on."""

    id: InstitutionId
    power: VotingPower
    """Before the cap; 1000 for equals."""


@frozen(kw_only=True)
class Genesis:
    """The document that all founders agree on; members and validators are in order of id."""

    name: Annotated[str, Limit(1, 64)]
    time_ms: TimestampMs
    parameters: NetworkParameters
    institutions: Annotated[tuple[Institution, ...], Limit(1, VALIDATORS_MAX)]
    validators: Annotated[tuple[FoundingValidator, ...], Limit(1, VALIDATORS_MAX)]
    _chain_id: ChainId | None = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_chain_id", None)

    @property
    def chain_id(self) -> ChainId:
        """The hash that names the chain; computed once."""
        known = self._chain_id
        if known is None:
            known = ChainId(tagged_hash(GENESIS_DOMAIN, encode_value(self)))
            object.__setattr__(self, "_chain_id", known)
        return known


def genesis_block(genesis: Genesis, state_root: StateRoot, epoch_root: Root) -> Block:
    """
    The block at height 0, which no one proposes and every node makes itself.

    It is the terminal block of an epoch 0 that never was, and commits to the table of epoch 1 and, as its parent state
    root, to the founding state.
    """
    body = BlockBody(payload=(), parent=None, skipped=(), credits=(), evidence=())
    header = BlockHeader(
        version=BLOCK_VERSION,
        chain_id=genesis.chain_id,
        epoch=Epoch(0),
        view=View(0),
        height=Height(0),
        parent_hash=BlockHash(ZERO_HASH),
        parent_view=View(0),
        proposer=genesis.validators[0].id,
        kind=BlockKind.TERMINAL,
        payload_root=payload_root(body.payload),
        parent_state_root=state_root,
        justify_root=justify_root(body),
        evidence_root=evidence_root(body.evidence),
        time_ms=genesis.time_ms,
        epoch_root=epoch_root,
        next_epoch_root=epoch_root,
    )
    return Block(header=header, body=body)
