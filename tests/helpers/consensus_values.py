"""Keys, tables, blocks and votes for tests of consensus; signatures are hashes that only their key's holder makes."""

from functools import cache
from hashlib import sha256
from typing import Any

from noded.consensus.params import ConsensusParams
from noded.types.block import (
    BLOCK_VERSION,
    Block,
    BlockBody,
    BlockHeader,
    BlockKind,
    evidence_root,
    justify_leaf,
    justify_root,
    payload_root,
)
from noded.types.checks import SignatureCheck
from noded.types.evidence import proposal_signing_bytes
from noded.types.genesis import Routing
from noded.types.ids import (
    ZERO_HASH,
    BatchHash,
    Bitmap,
    BlockHash,
    ChainId,
    Epoch,
    Height,
    PublicKey,
    Root,
    Signature,
    StateRoot,
    TimestampMs,
    ValidatorId,
    View,
    VotingPower,
)
from noded.types.messages import Proposal
from noded.types.validator_set import Validator, ValidatorSet, ValidatorTable
from noded.types.vote import Certificate, Vote, VoteKind, vote_signing_bytes

CHAIN_ID = ChainId(sha256(b"chain of the tests").digest())

START_MS = TimestampMs(1_000_000)
"""When simulated time begins."""


def validator_id(number: int) -> ValidatorId:
    """The name of validator `number`; names are in order of number."""
    return ValidatorId(number.to_bytes(2, "big") * 8)


def secret_of(validator: ValidatorId) -> bytes:
    """What only the holder of a key knows; here it is also what verifies."""
    return sha256(b"secret" + validator).digest()


def public_key_of(validator: ValidatorId) -> PublicKey:
    return PublicKey(secret_of(validator))


def sign(validator: ValidatorId, message: bytes) -> Signature:
    return Signature(sha256(secret_of(validator) + message).digest() * 2)


def is_good(check: SignatureCheck) -> bool:
    return check.signature == Signature(sha256(check.public_key + check.message).digest() * 2)


def bad_signature() -> Signature:
    return Signature(b"\xee" * 64)


class TestSigner:
    """Signs whatever it is asked to: that nothing conflicting is asked for is what tests show."""

    __test__ = False

    def __init__(self, me: ValidatorId) -> None:
        self._me = me
        self.public_key = public_key_of(me)

    def switch_to(self, key: PublicKey) -> bool:
        return key == self.public_key

    def sign_vote(
        self,
        kind: VoteKind,
        epoch: Epoch,
        view: View,
        block_hash: BlockHash | None,
        signing_bytes: bytes,
    ) -> Signature:
        return sign(self._me, signing_bytes)

    def sign_proposal(
        self, epoch: Epoch, view: View, block_hash: BlockHash, signing_bytes: bytes
    ) -> Signature:
        return sign(self._me, signing_bytes)


def make_set(
    powers: tuple[int, ...],
    *,
    epoch: int = 1,
    shares: tuple[int, ...] | None = None,
    round_robin: bool = True,
    seed: bytes = bytes(32),
) -> ValidatorSet:
    """A table with these powers; by default proposers take turns: validator `view % n` proposes."""
    return ValidatorSet(
        ValidatorTable(
            epoch=Epoch(epoch),
            seed=seed,
            round_robin=round_robin,
            validators=tuple(
                Validator(
                    id=validator_id(number),
                    public_key=public_key_of(validator_id(number)),
                    power=VotingPower(power),
                    raw_power=VotingPower(power),
                    share=power if shares is None else shares[number],
                    reputation=0,
                    debt=0,
                )
                for number, power in enumerate(powers)
            ),
        )
    )


@cache
def equal_set(n: int, epoch: int = 1) -> ValidatorSet:
    return make_set((1,) * n, epoch=epoch)


def make_params(
    *,
    routing: Routing = Routing.ALL,
    delta_ms: int = 100,
    block_interval_ms: int = 0,
    idle_interval_ms: int = 0,
    drift_ms: int = 500,
    epoch_length: int = 1000,
    silent_views: int = 0,
    view_timeout_ms: int | None = None,
) -> ConsensusParams:
    return ConsensusParams(
        routing=routing,
        delta_ms=delta_ms,
        block_interval_ms=block_interval_ms,
        idle_interval_ms=idle_interval_ms,
        drift_ms=drift_ms,
        epoch_length=epoch_length,
        silent_views=silent_views,
        view_timeout_ms=view_timeout_ms,
    )


@cache
def make_genesis(validators: ValidatorSet) -> Block:
    """The chain's genesis block, before epoch 1 of these validators."""
    body = BlockBody(payload=(), parent=None, skipped=(), credits=(), evidence=())
    return Block(
        header=BlockHeader(
            version=BLOCK_VERSION,
            chain_id=CHAIN_ID,
            epoch=Epoch(0),
            view=View(0),
            height=Height(0),
            parent_hash=BlockHash(ZERO_HASH),
            parent_view=View(0),
            proposer=validators.ids()[0],
            kind=BlockKind.TERMINAL,
            payload_root=payload_root(()),
            parent_state_root=StateRoot(ZERO_HASH),
            justify_root=justify_root(body),
            evidence_root=evidence_root(()),
            time_ms=TimestampMs(START_MS - 1),
            epoch_root=validators.root,
            next_epoch_root=validators.root,
        ),
        body=body,
    )


def state_root_after(block_hash: BlockHash) -> StateRoot:
    """The state that a block leaves; SEALs leave their terminal block's."""
    return StateRoot(sha256(b"state" + block_hash).digest())


def make_block(
    validators: ValidatorSet,
    *,
    view: int,
    parent: Block,
    parent_view: int | None = None,
    parent_certificate: Certificate | None = None,
    nullifications: tuple[Certificate, ...] = (),
    payload: tuple[bytes, ...] = (),
    time_ms: int | None = None,
    **header: Any,
) -> Block:
    """A valid block on top of `parent`, but for what is overridden in its header."""
    is_first = parent.header.epoch != validators.epoch
    body = BlockBody(
        payload=tuple(BatchHash(name) for name in payload),
        parent=None if parent_certificate is None else justify_leaf(parent_certificate),
        skipped=tuple(justify_leaf(certificate) for certificate in nullifications),
        credits=(),
        evidence=(),
    )
    fields: dict[str, Any] = {
        "version": BLOCK_VERSION,
        "chain_id": CHAIN_ID,
        "epoch": validators.epoch,
        "view": View(view),
        "height": Height(parent.header.height + 1),
        "parent_hash": parent.hash,
        "parent_view": View((0 if is_first else parent.header.view) if parent_view is None else parent_view),
        "proposer": validators.proposer(View(view)),
        "kind": BlockKind.NORMAL,
        "payload_root": payload_root(body.payload),
        "parent_state_root": state_root_after(parent.hash),
        "justify_root": justify_root(body),
        "evidence_root": evidence_root(()),
        "time_ms": TimestampMs(parent.header.time_ms + 1 if time_ms is None else time_ms),
        "epoch_root": validators.root,
        "next_epoch_root": None,
    }
    return Block(header=BlockHeader(**(fields | header)), body=body)


def make_proposal(
    block: Block,
    *,
    parent: Certificate | None = None,
    nullifications: tuple[Certificate, ...] = (),
    finalization: Certificate | None = None,
    signature: Signature | None = None,
) -> Proposal:
    """A block as its proposer offers it."""
    header = block.header
    return Proposal(
        block=block,
        signature=sign(
            header.proposer, proposal_signing_bytes(CHAIN_ID, header.epoch, header.view, block.hash)
        )
        if signature is None
        else signature,
        parent=parent,
        nullifications=nullifications,
        finalization=finalization,
    )


def make_vote(
    voter: int,
    kind: VoteKind = VoteKind.NOTARIZE,
    *,
    view: int = 1,
    block: Block | BlockHash | None = None,
    epoch: int = 1,
    signature: Signature | None = None,
) -> Vote:
    """A signed vote of validator `voter`."""
    block_hash = block.hash if isinstance(block, Block) else block
    name = validator_id(voter)
    if signature is None:
        signing_bytes = vote_signing_bytes(CHAIN_ID, kind, Epoch(epoch), View(view), block_hash)
        signature = sign(name, signing_bytes)
    return Vote(
        kind=kind,
        epoch=Epoch(epoch),
        view=View(view),
        block_hash=block_hash,
        voter=name,
        signature=signature,
    )


def make_certificate(
    validators: ValidatorSet,
    kind: VoteKind,
    *,
    view: int,
    block: Block | BlockHash | None = None,
    voters: tuple[int, ...] | None = None,
    forged: tuple[int, ...] = (),
) -> Certificate:
    """A certificate by these voters, by default the first that make a quorum; `forged` ones did not sign."""
    if voters is None:
        power, chosen = 0, []
        for number, weight in enumerate(validators.powers):
            if power >= validators.quorum:
                break
            chosen.append(number)
            power += weight
        voters = tuple(chosen)
    block_hash = block.hash if isinstance(block, Block) else block
    votes = [
        make_vote(
            voter,
            kind,
            view=view,
            block=block_hash,
            epoch=validators.epoch,
            signature=bad_signature() if voter in forged else None,
        )
        for voter in sorted(voters)
    ]
    mask = sum(1 << voter for voter in voters)
    return Certificate(
        kind=kind,
        epoch=validators.epoch,
        view=View(view),
        block_hash=block_hash,
        bitmap=Bitmap(mask.to_bytes((len(validators) + 7) // 8, "little")),
        signatures=tuple(vote.signature for vote in votes),
    )


def epoch_root_of(validators: ValidatorSet) -> Root:
    return validators.root
