"""P1–P4: a proof shows a value from the chain's id alone, and nothing else passes for one."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from noded.codec.schema import encode_value
from noded.crypto.hashing import tagged_hash
from noded.ledger.members import member_key
from noded.lightclient import (
    InvalidProof,
    LedgerProof,
    decode_proof,
    encode_proof,
    verify,
)
from noded.types.ids import ChainId, Root, StateRoot, TimestampMs, make_bitmap
from noded.types.messages import EpochEntry
from tests.helpers.ledger import member_id
from tests.helpers.proofs import ProvingChain, unequal_genesis, voting_genesis

KEY = member_key(member_id(2))
ABSENT = member_key(member_id(9))


def refused(proof: LedgerProof, chain: ProvingChain) -> InvalidProof:
    with pytest.raises(InvalidProof) as raised:
        verify(proof, chain.genesis.chain_id)
    return raised.value


class TestValid:
    """What holds is shown."""

    @pytest.mark.parametrize("tail", [1, 2, 5])
    def test_a_value_is_proven(self, tail: int) -> None:
        chain = ProvingChain()
        chain.run()

        shown = verify(chain.prove(KEY, tail=tail), chain.genesis.chain_id)

        assert (shown.height, shown.epoch, shown.key) == (1, 1, KEY)
        assert shown.value is not None
        assert encode_value(chain.genesis.institutions[1]) in shown.value

    def test_an_absence_is_proven(self) -> None:
        chain = ProvingChain()
        chain.run()

        assert verify(chain.prove(ABSENT), chain.genesis.chain_id).value is None

    def test_the_founding_state_is_proven(self) -> None:
        chain = ProvingChain()

        assert verify(chain.prove(KEY), chain.genesis.chain_id).height == 0

    def test_over_the_ends_of_epochs(self) -> None:
        chain = ProvingChain(voting_genesis(epoch_length=4))
        for _ in range(10):
            chain.run()

        shown = verify(chain.prove(KEY), chain.genesis.chain_id)

        assert (shown.height, shown.epoch) == (10, 3)

    def test_from_the_last_block_of_an_epoch_into_the_next(self) -> None:
        chain = ProvingChain(voting_genesis(epoch_length=4))
        for _ in range(4):
            chain.run()

        shown = verify(chain.prove(KEY), chain.genesis.chain_id)

        assert (shown.height, shown.epoch) == (4, 2)

    def test_a_bare_quorum_is_enough(self) -> None:
        chain = ProvingChain()
        proof = chain.prove(KEY)

        bare = replace(proof, finalization=chain.finalization(proof.tail[-1], voters=[0, 2, 3]))

        assert verify(bare, chain.genesis.chain_id).height == 0

    def test_comes_back_from_a_file(self) -> None:
        proof = ProvingChain().prove(KEY)

        assert decode_proof(encode_proof(proof)) == proof


class TestForged:
    """What does not hold is refused, and named."""

    def test_another_chain(self) -> None:
        proof = ProvingChain().prove(KEY)

        with pytest.raises(InvalidProof, match="it founds chain") as raised:
            verify(proof, ChainId(bytes(32)))

        assert raised.value.part == "genesis"

    def test_another_value(self) -> None:
        chain = ProvingChain()
        proof = chain.prove(KEY)

        assert refused(replace(proof, value=b"other"), chain).part == "state path"
        assert refused(replace(proof, value=None), chain).part == "state path"

    def test_a_value_where_there_is_none(self) -> None:
        chain = ProvingChain()

        assert refused(replace(chain.prove(ABSENT), value=b"other"), chain).part == "state path"

    def test_too_few_votes(self) -> None:
        chain = ProvingChain()
        proof = chain.prove(KEY)
        few = chain.finalization(proof.tail[-1], voters=[0, 1])

        error = refused(replace(proof, finalization=few), chain)

        assert (error.part, error.why) == ("finalization", "the votes make no quorum")

    def test_powers_count_not_heads(self) -> None:
        chain = ProvingChain(unequal_genesis([500, 500, 500, 500, 1000, 1000]))
        proof = chain.prove(KEY)
        light = [
            index
            for index, validator in enumerate(chain.chain.validators.table.validators)
            if validator.power == 500
        ]
        four_of_six = chain.finalization(proof.tail[-1], voters=light)

        assert len(light) == 4
        assert refused(replace(proof, finalization=four_of_six), chain).why == "the votes make no quorum"

    def test_a_vote_of_another_view(self) -> None:
        chain = ProvingChain()
        proof = chain.prove(KEY, tail=2)

        error = refused(replace(proof, finalization=chain.finalization(proof.tail[0])), chain)

        assert error.why == "the votes are not for the last header"

    def test_a_forged_signature_names_its_validator(self) -> None:
        chain = ProvingChain()
        proof = chain.prove(KEY)
        first, second, *others = proof.finalization.signatures
        swapped = replace(proof.finalization, signatures=(second, first, *others))

        error = refused(replace(proof, finalization=swapped), chain)

        assert chain.chain.validators.ids()[0].hex() in error.why

    def test_one_vote_counted_twice(self) -> None:
        chain = ProvingChain()
        proof = chain.prove(KEY)
        two = chain.finalization(proof.tail[-1], voters=[0, 1])
        doubled = replace(
            two, bitmap=make_bitmap([0, 1, 2, 3], 4), signatures=two.signatures + two.signatures
        )

        assert refused(replace(proof, finalization=doubled), chain).part == "finalization"

    def test_a_bitmap_beyond_the_table(self) -> None:
        chain = ProvingChain()
        proof = chain.prove(KEY)
        certificate = proof.finalization
        beyond = replace(certificate, bitmap=make_bitmap([0, 1, 2, 7], 8))

        assert refused(replace(proof, finalization=beyond), chain).part == "finalization"

    def test_a_header_that_does_not_follow(self) -> None:
        chain = ProvingChain()
        proof = chain.prove(KEY, tail=2)

        error = refused(replace(proof, tail=proof.tail[1:]), chain)

        assert error.why == "header 2 does not follow header 0"

    def test_a_header_with_another_state(self) -> None:
        chain = ProvingChain()
        proof = chain.prove(KEY)
        forged = replace(proof.tail[0], parent_state_root=StateRoot(tagged_hash("test", b"other")))

        assert refused(replace(proof, tail=(forged,)), chain).part == "finalization"

    @pytest.mark.parametrize(
        "change", [{"epoch_root": Root(bytes(32))}, {"chain_id": ChainId(bytes(32))}], ids=["table", "chain"]
    )
    def test_a_header_of_another_table_or_chain(self, change: dict[str, Any]) -> None:
        """A quorum signed it, and it says that others are to."""
        chain = ProvingChain()
        proof = chain.prove(KEY)
        other = replace(proof.tail[-1], **change)

        error = refused(replace(proof, tail=(other,), finalization=chain.finalization(other)), chain)

        assert error.why == "the last header is of another chain or epoch"

    def test_an_invented_time(self) -> None:
        chain = ProvingChain()
        proof = chain.prove(KEY)
        forged = replace(proof.header, time_ms=TimestampMs(proof.header.time_ms + 1))

        assert refused(replace(proof, header=forged), chain).part == "finalization"

    def test_an_invented_table(self) -> None:
        chain = ProvingChain(voting_genesis(epoch_length=4))
        for _ in range(5):
            chain.run()
        proof = chain.prove(KEY)
        (entry,) = proof.epochs
        first, *others = entry.table.validators
        forged = replace(entry.table, validators=(replace(first, share=first.share + 1), *others))

        error = refused(replace(proof, epochs=(replace(entry, table=forged),)), chain)

        assert error.part == "end of epoch 1"

    @pytest.mark.parametrize(
        "change", [lambda epochs: epochs[1:], lambda epochs: epochs[:1], lambda epochs: epochs[::-1]]
    )
    def test_an_epoch_left_out(
        self, change: Callable[[tuple[EpochEntry, ...]], tuple[EpochEntry, ...]]
    ) -> None:
        chain = ProvingChain(voting_genesis(epoch_length=4))
        for _ in range(9):
            chain.run()
        proof = chain.prove(KEY)
        assert len(proof.epochs) == 2

        refused(replace(proof, epochs=change(proof.epochs)), chain)

    def test_an_ordinary_block_as_the_end_of_an_epoch(self) -> None:
        chain = ProvingChain(voting_genesis(epoch_length=4))
        header = chain.run()
        while not chain.entries:
            chain.run()
        proof = chain.prove(KEY)
        entry = replace(chain.entries[0], terminal=header, finalization=chain.finalization(header))

        assert refused(replace(proof, epochs=(entry,)), chain).why == "its block does not end the epoch"

    def test_another_version(self) -> None:
        chain = ProvingChain()

        assert refused(replace(chain.prove(KEY), version=2), chain).part == "version"

    def test_every_flipped_byte_is_found(self) -> None:
        chain = ProvingChain(voting_genesis(epoch_length=4))
        for _ in range(5):
            chain.run()
        data = encode_proof(chain.prove(KEY))

        for position in range(0, len(data), 3):
            flipped = data[:position] + bytes((data[position] ^ 0x10,)) + data[position + 1 :]
            with pytest.raises(InvalidProof):
                verify(decode_proof(flipped), chain.genesis.chain_id)

    @pytest.mark.parametrize(
        "data", [b"", b"noded proof\n", b"something else", b"noded proof\n" + bytes(100)]
    )
    def test_other_files_are_refused(self, data: bytes) -> None:
        with pytest.raises(InvalidProof) as raised:
            decode_proof(data)

        assert raised.value.part == "encoding"
