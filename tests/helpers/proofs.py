"""Proofs over a chain made by hand, with real votes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from noded.crypto.signing import public_key_of, sign
from noded.ledger.ledger import Ledger
from noded.lightclient import PROOF_VERSION, LedgerProof
from noded.types.block import BlockHeader, BlockKind, header_hash
from noded.types.genesis import FoundingValidator, Genesis
from noded.types.ids import Epoch, PublicKey, Signature, VotingPower, make_bitmap
from noded.types.messages import EpochEntry
from noded.types.validator_set import ValidatorSet
from noded.types.vote import Certificate, VoteKind, vote_signing_bytes
from tests.helpers.ledger import TestChain, make_genesis, make_institution


def voter_seed(number: int) -> bytes:
    return sha256(f"voter {number}".encode()).digest()


def voting_genesis(members: int = 4, **parameters: Any) -> Genesis:
    """Members whose consensus keys are known."""
    institutions = [
        make_institution(number, consensus_key=PublicKey(public_key_of(voter_seed(number))))
        for number in range(1, members + 1)
    ]
    return make_genesis(institutions=institutions, **parameters)


@dataclass
class ProvingChain:
    """A chain of which every state can be proven while it is the last."""

    genesis: Genesis = field(default_factory=voting_genesis)

    def __post_init__(self) -> None:
        self.chain = TestChain(self.genesis)
        self.entries: list[EpochEntry] = []
        self._tables: dict[Epoch, ValidatorSet] = {}

    def finalization(self, header: BlockHeader, voters: Sequence[int] | None = None) -> Certificate:
        """A quorum's votes for a block; `voters` are indices in the table of its epoch."""
        validators = self._validators(header)
        chosen = list(range(len(validators))) if voters is None else list(voters)
        name = header_hash(header)
        signed = vote_signing_bytes(self.genesis.chain_id, VoteKind.FINALIZE, header.epoch, header.view, name)
        seeds = {public_key_of(voter_seed(number)): voter_seed(number) for number in range(1, 100)}
        keys = [validators.table.validators[index].public_key for index in chosen]
        return Certificate(
            kind=VoteKind.FINALIZE,
            epoch=header.epoch,
            view=header.view,
            block_hash=name,
            bitmap=make_bitmap(chosen, len(validators)),
            signatures=tuple(Signature(sign(seeds[key], signed)) for key in keys),
        )

    def run(self) -> BlockHeader:
        """Append an empty block."""
        before = self._ledger.validators_after(self.chain.tip)
        self._tables[before.epoch] = before
        header = self.chain.run().block.header
        if header.kind is BlockKind.TERMINAL:
            table = self._ledger.validators_after(self.chain.tip).table
            self.entries.append(
                EpochEntry(terminal=header, seals=(), finalization=self.finalization(header), table=table)
            )
        return header

    def prove(self, key: bytes, *, tail: int = 1) -> LedgerProof:
        """That the present state has what it has at a key; appends `tail` blocks, the last of which is final."""
        header = self.chain.committed[-1].block.header
        followers = [self.run()]
        proven = self._ledger.prove(key)
        assert proven.height == header.height
        while len(followers) < tail:
            followers.append(self.run())
        last = followers[-1]
        return LedgerProof(
            version=PROOF_VERSION,
            genesis=self.genesis,
            epochs=tuple(entry for entry in self.entries if entry.terminal.epoch < last.epoch),
            header=header,
            tail=tuple(followers),
            finalization=self.finalization(last),
            key=key,
            value=proven.value,
            path=proven.proof,
        )

    @property
    def _ledger(self) -> Ledger:
        return self.chain.ledger

    def _validators(self, header: BlockHeader) -> ValidatorSet:
        return self._tables[header.epoch]


def unequal_genesis(powers: Sequence[int]) -> Genesis:
    """As `voting_genesis`, with these powers."""
    genesis = voting_genesis(len(powers))
    return Genesis(
        name=genesis.name,
        time_ms=genesis.time_ms,
        parameters=genesis.parameters,
        institutions=genesis.institutions,
        validators=tuple(
            FoundingValidator(id=institution.id, power=VotingPower(power))
            for institution, power in zip(genesis.institutions, powers, strict=True)
        ),
    )
