"""A chain for tests of the ledger: members, blocks made by hand, a base in memory; signatures are not looked at."""

from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Any

from noded.ledger.admission import Sequences, next_sequence, sequences_key
from noded.ledger.base import MemoryBase
from noded.ledger.commit import CommittedBlock, Receipt
from noded.ledger.genesis import found
from noded.ledger.ledger import Ledger
from noded.ledger.state import Overlay
from noded.types.batch import Batch, SealedBatch, seal_batch
from noded.types.block import (
    BLOCK_VERSION,
    Block,
    BlockBody,
    BlockHeader,
    BlockKind,
    JustifyLeaf,
    LateCredit,
    evidence_root,
    justify_root,
    payload_root,
)
from noded.types.evidence import Evidence
from noded.types.genesis import (
    DEFAULT_PARAMETERS,
    EncryptionKey,
    FoundingValidator,
    Genesis,
    Institution,
    NetworkParameters,
)
from noded.types.ids import (
    Bitmap,
    BlockHash,
    Height,
    InstitutionId,
    PublicKey,
    Signature,
    TimestampMs,
    View,
    VotingPower,
    make_bitmap,
)
from noded.types.operations import Operation
from noded.types.roles import Role
from noded.types.transaction import (
    TRANSACTION_VERSION,
    Cosignature,
    SignedTransaction,
    TransactionBody,
    make_transaction,
)
from noded.types.validator_set import ValidatorSet, table_root
from noded.types.vote import VoteKind

START_MS = TimestampMs(1_700_000_000_000)
NO_SIGNATURE = Signature(bytes(64))
NO_EVIDENCE: tuple[Evidence, ...] = ()


def member_id(number: int) -> InstitutionId:
    """The id of member `number`; ids are in order of number."""
    return InstitutionId(number.to_bytes(2) * 8)


def key_of(number: int, use: str) -> PublicKey:
    return PublicKey(sha256(f"{number} {use}".encode()).digest())


def account(number: int) -> PublicKey:
    return key_of(number, "account")


def make_institution(number: int, **changes: Any) -> Institution:
    values: dict[str, Any] = {
        "id": member_id(number),
        "legal_name": f"Member {number}",
        "role": Role.HOSPITAL,
        "owner": "",
        "jurisdiction": "CH",
        "consensus_key": key_of(number, "consensus"),
        "network_key": key_of(number, "network"),
        "account_key": account(number),
        "encryption_key": EncryptionKey(key_of(number, "encryption")),
        "endpoints": (),
    }
    return Institution(**{**values, **changes})


def make_genesis(
    members: int = 4,
    *,
    validators: int | None = None,
    powers: Sequence[int] | None = None,
    institutions: Sequence[Institution] | None = None,
    **parameters: Any,
) -> Genesis:
    """Members 1…n, the first ones of whom vote."""
    institutions = institutions or [make_institution(number) for number in range(1, members + 1)]
    powers = powers or [1000] * (validators or len(institutions))
    return Genesis(
        name="test",
        time_ms=START_MS,
        parameters=replace(DEFAULT_PARAMETERS, **parameters),
        institutions=tuple(institutions),
        validators=tuple(
            FoundingValidator(id=institution.id, power=VotingPower(power))
            for institution, power in zip(institutions, powers, strict=False)
        ),
    )


class TestChain:
    """One node's ledger and what it is fed; every block is committed and folded unless told otherwise."""

    __test__ = False

    def __init__(self, genesis: Genesis | None = None, *, memo: dict[Any, Any] | None = None) -> None:
        self.genesis = genesis or make_genesis()
        founding = found(self.genesis)
        self.base = MemoryBase(founding)
        self.ledger = Ledger(self.genesis, self.base, memo=memo)
        self.committed: list[CommittedBlock] = [founding]
        self._sequences: dict[PublicKey, int] = {}
        self._batches = 0

    @property
    def tip(self) -> BlockHash:
        return self.ledger.final_hash

    @property
    def state(self) -> Overlay:
        return self.ledger.latest()

    @property
    def validators(self) -> ValidatorSet:
        """Of the next block's epoch."""
        return self.ledger.validators_after(self.tip)

    @property
    def parameters(self) -> NetworkParameters:
        return self.genesis.parameters

    def transaction(
        self,
        *operations: Operation,
        sender: PublicKey | None = None,
        cosigners: Sequence[PublicKey] = (),
        **changes: Any,
    ) -> SignedTransaction:
        """A transaction of member 1, or of another key, with that key's next sequence."""
        sender = account(1) if sender is None else sender
        if "sequence" not in changes:
            on_chain = next_sequence(self.state.read(sequences_key(sender), Sequences))
            changes["sequence"] = max(on_chain, self._sequences.get(sender, 0))
            self._sequences[sender] = changes["sequence"] + 1
        values: dict[str, Any] = {
            "version": TRANSACTION_VERSION,
            "chain_id": self.genesis.chain_id,
            "sender": sender,
            "valid_until": Height(self.ledger.final_height + 100),
            "operations": operations,
        }
        body = TransactionBody(**{**values, **changes})
        return make_transaction(
            body, NO_SIGNATURE, tuple(Cosignature(signer=key, signature=NO_SIGNATURE) for key in cosigners)
        )

    def batch(self, *transactions: SignedTransaction) -> SealedBatch:
        self._batches += 1
        return seal_batch(
            Batch(
                author=member_id(1),
                epoch=self.ledger.epoch_after(self.tip),
                number=self._batches,
                time_ms=START_MS,
                transactions=tuple(each.encoding for each in transactions),
                signature=NO_SIGNATURE,
            )
        )

    def block(
        self,
        *batches: SealedBatch,
        parent: BlockHash | None = None,
        voters: Sequence[int] | None = None,
        skipped: Sequence[View] = (),
        credits: Sequence[LateCredit] = (),
        evidence: Sequence[Evidence] = NO_EVIDENCE,
        view: int | None = None,
        after_ms: int = 1000,
        proposer: InstitutionId | None = None,
    ) -> Block:
        """
        A block on top of an executed one: of the right height, epoch, kind and roots.

        `voters` are the indices in the parent's certificate, by default all.
        """
        parent = self.tip if parent is None else parent
        ledger = self.ledger
        head = ledger.head(parent)
        validators = ledger.validators_after(parent)
        first = head.terminal
        parent_view = View(0) if first else View(head.height - head.first_height + 1)
        view = parent_view + 1 if view is None else view
        indices = list(range(len(validators))) if voters is None else list(voters)
        body = BlockBody(
            payload=tuple(batch.hash for batch in batches),
            parent=None if first else self._leaf(VoteKind.NOTARIZE, parent_view, parent, indices, validators),
            skipped=tuple(
                self._leaf(VoteKind.NULLIFY, View(each), None, range(len(validators)), validators)
                for each in skipped
            ),
            credits=tuple(credits),
            evidence=tuple(evidence),
        )
        kind = ledger.kind_after(parent)
        header = BlockHeader(
            version=BLOCK_VERSION,
            chain_id=self.genesis.chain_id,
            epoch=ledger.epoch_after(parent),
            view=View(view),
            height=Height(head.height + 1),
            parent_hash=parent,
            parent_view=parent_view,
            proposer=validators.proposer(View(view)) if proposer is None else proposer,
            kind=kind,
            payload_root=payload_root(body.payload),
            parent_state_root=ledger.state_root_after(parent),
            justify_root=justify_root(body),
            evidence_root=evidence_root(body.evidence),
            time_ms=TimestampMs(head.time_ms + after_ms),
            epoch_root=validators.root,
            next_epoch_root=table_root(ledger.next_table(parent)) if kind is BlockKind.TERMINAL else None,
        )
        return Block(header=header, body=body)

    def append(
        self, block: Block, batches: Sequence[SealedBatch] = (), *, fold: bool = True
    ) -> CommittedBlock:
        """Execute and commit a block."""
        self.ledger.execute(block, batches)
        committed = self.ledger.commit(block)
        self.committed.append(committed)
        if fold:
            self.base.fold(committed)
            self.ledger.folded(block.header.height)
        return committed

    def run(self, *transactions: SignedTransaction, **block: Any) -> CommittedBlock:
        """Append a block with these transactions."""
        batches = [self.batch(*transactions)] if transactions else []
        return self.append(self.block(*batches, **block), batches)

    def send(
        self,
        *operations: Operation,
        sender: PublicKey | None = None,
        cosigners: Sequence[PublicKey] = (),
        **changes: Any,
    ) -> Receipt:
        """Append a block with one transaction, and return what became of it."""
        transaction = self.transaction(*operations, sender=sender, cosigners=cosigners, **changes)
        return self.run(transaction).receipts[0]

    def finish_epoch(self, **block: Any) -> None:
        """Append blocks up to and with the present epoch's terminal block."""
        while self.ledger.kind_after(self.tip) is not BlockKind.TERMINAL:
            self.run(**block)
        self.run(**block)

    def _leaf(
        self,
        kind: VoteKind,
        view: View,
        block_hash: BlockHash | None,
        indices: Sequence[int],
        validators: ValidatorSet,
    ) -> JustifyLeaf:
        bitmap: Bitmap = make_bitmap(list(indices), len(validators))
        return JustifyLeaf(
            kind=kind, view=view, block_hash=block_hash, bitmap=bitmap, signatures_hash=bytes(32)
        )
