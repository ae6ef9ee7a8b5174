"""L1–L4, and the signatures that need no state."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noded.codec.errors import Malformed
from noded.errors import InvalidTransaction
from noded.ledger.admission import (
    SEQUENCE_WINDOW,
    Sequences,
    next_sequence,
    open_batch,
    sequences_key,
    stateless_checks,
    use_sequence,
)
from noded.ledger.errors import SequenceTooOld, SequenceUsed
from noded.types.batch import Batch, seal_batch
from noded.types.genesis import Endpoint
from noded.types.ids import ChainId, Epoch, Height
from noded.types.operations.membership import OrgSuspend, OrgUpdate
from noded.types.transaction import transaction_signing_bytes
from tests.helpers.ledger import (
    NO_SIGNATURE,
    START_MS,
    TestChain,
    account,
    key_of,
    make_genesis,
    member_id,
)

UPDATE = OrgUpdate(legal_name="New name", endpoints=(Endpoint("127.0.0.1:1"),))


def rejection(chain: TestChain, **changes: Any) -> str | None:
    return chain.send(UPDATE, **changes).error


class TestEnvelope:
    """L1: a transaction is for one chain and of a known version."""

    def test_other_chain_is_refused(self) -> None:
        assert rejection(TestChain(), chain_id=ChainId(bytes(32))) == "WrongChain"

    def test_other_version_is_refused(self) -> None:
        assert rejection(TestChain(), version=2) == "UnknownVersion"


class TestWindow:
    """L2: a transaction ends, and not too far ahead."""

    @pytest.mark.parametrize(
        ("valid_until", "error"), [(0, "OutsideWindow"), (1, None), (11, None), (12, "OutsideWindow")]
    )
    def test_end_must_lie_in_the_window(self, valid_until: int, error: str | None) -> None:
        chain = TestChain(make_genesis(valid_until_max=10))

        assert rejection(chain, valid_until=Height(valid_until)) == error


class TestSender:
    """L3: the sender's key is on the ledger and active, and so is its institution."""

    def test_unknown_key_is_refused(self) -> None:
        assert rejection(TestChain(), sender=key_of(99, "account")) == "UnknownSender"

    def test_consensus_key_is_no_account_key(self) -> None:
        assert rejection(TestChain(), sender=key_of(1, "consensus")) == "UnknownSender"

    def test_suspended_member_is_refused(self) -> None:
        chain = TestChain()
        suspended = chain.send(OrgSuspend(institution=member_id(2), reason="test"), sender=account(2))

        assert suspended.error is None
        assert rejection(chain, sender=account(2)) == "SenderInactive"


class TestSequences:
    """L4: a sequence is used once; gaps are allowed, far stragglers are not."""

    def test_copy_has_no_effect(self) -> None:
        chain = TestChain()
        transaction = chain.transaction(UPDATE)
        first = chain.run(transaction, transaction)
        second = chain.run(transaction)

        assert [receipt.error for receipt in first.receipts] == [None, "SequenceUsed"]
        assert [receipt.error for receipt in second.receipts] == ["SequenceUsed"]

    def test_gaps_may_be_filled_later(self) -> None:
        chain = TestChain()

        assert [rejection(chain, sequence=sequence) for sequence in (5, 3, 5, 4, 3)] == [
            None,
            None,
            "SequenceUsed",
            None,
            "SequenceUsed",
        ]

    def test_straggler_beyond_the_window_is_refused(self) -> None:
        chain = TestChain()
        highest = 2 * SEQUENCE_WINDOW

        assert rejection(chain, sequence=highest) is None
        assert rejection(chain, sequence=highest - SEQUENCE_WINDOW) == "SequenceTooOld"
        assert rejection(chain, sequence=highest - SEQUENCE_WINDOW + 1) is None

    def test_senders_count_apart(self) -> None:
        chain = TestChain()

        assert rejection(chain, sequence=7) is None
        assert rejection(chain, sequence=7, sender=account(2)) is None

    def test_inadmissible_transaction_uses_no_sequence(self) -> None:
        chain = TestChain()
        rejection(chain, sequence=3, chain_id=ChainId(bytes(32)))

        assert chain.state.read(sequences_key(account(1)), Sequences) is None

    def test_next_sequence_follows_the_highest(self) -> None:
        chain = TestChain()
        assert next_sequence(chain.state.read(sequences_key(account(1)), Sequences)) == 0
        rejection(chain, sequence=41)

        assert next_sequence(chain.state.read(sequences_key(account(1)), Sequences)) == 42

    @given(st.lists(st.integers(0, 5000), max_size=60))
    def test_agrees_with_a_set(self, wanted: list[int]) -> None:
        used: set[int] = set()
        sequences: Sequences | None = None
        for sequence in wanted:
            expected: type[InvalidTransaction] | None = None
            if sequence in used:
                expected = SequenceUsed
            if used and sequence <= max(used) - SEQUENCE_WINDOW:
                expected = SequenceTooOld
            if expected is None:
                sequences = use_sequence(sequences, account(1), sequence)
                used.add(sequence)
            else:
                with pytest.raises(expected) as raised:
                    use_sequence(sequences, account(1), sequence)
                assert isinstance(raised.value, SequenceUsed | SequenceTooOld)
                assert raised.value.sequence == sequence


class TestSignatures:
    """What must be verified needs no state, and is what the signers signed."""

    @pytest.mark.parametrize("cosigners", [0, 1, 8])
    def test_checks_name_all_signers_and_their_bytes(self, cosigners: int) -> None:
        keys = [key_of(number, "any") for number in range(cosigners)]
        transaction = TestChain().transaction(UPDATE, cosigners=keys)

        signed, checks = stateless_checks(transaction.encoding)

        assert signed == transaction
        assert [check.public_key for check in checks] == [account(1), *keys]
        message = transaction_signing_bytes(transaction.transaction.body)
        assert all(check.message == message for check in checks)

    def test_batch_with_a_malformed_transaction_is_invalid(self) -> None:
        chain = TestChain()
        batch = Batch(
            author=member_id(1),
            epoch=Epoch(1),
            number=1,
            time_ms=START_MS,
            transactions=(chain.transaction(UPDATE).encoding, b"\x00"),
            signature=NO_SIGNATURE,
        )

        with pytest.raises(Malformed):
            open_batch(seal_batch(batch))

    def test_open_batch_counts_operations(self) -> None:
        chain = TestChain()
        batch = chain.batch(chain.transaction(UPDATE, UPDATE), chain.transaction(UPDATE))

        assert open_batch(batch).operations == 3
