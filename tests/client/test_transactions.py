"""Transactions as the ledger accepts them."""

from itertools import count

from noded.client.transactions import CHUNK_BYTES_MAX, TransactionBuilder, chunks, key_pair
from noded.crypto.signing import verify
from noded.types.batch import TRANSACTION_BYTES_MAX
from noded.types.ids import ChainId, Height
from noded.types.medical import Day, DayRange, RecordId
from noded.types.operations import OPERATIONS
from noded.types.transaction import (
    OPERATIONS_MAX,
    Cosignature,
    decode_transaction,
    transaction_signing_bytes,
)
from tests.helpers.medical import make_content, make_grant, make_record, make_terms

CHAIN = ChainId(b"c" * 32)
HOSPITAL, PATIENT = key_pair(b"h" * 32), key_pair(b"p" * 32)


def make_builder() -> TransactionBuilder:
    return TransactionBuilder(
        chain_id=CHAIN, key=HOSPITAL, next_sequence=count(5).__next__, valid_until=lambda: Height(100)
    )


def test_signed_by_all() -> None:
    signed = make_builder().build(make_record(), cosigners=[PATIENT])

    body = signed.transaction.body
    message = transaction_signing_bytes(body)
    assert (body.chain_id, body.sender, body.sequence, body.valid_until) == (CHAIN, HOSPITAL.public, 5, 100)
    assert verify(HOSPITAL.public, message, signed.transaction.signature)
    assert [each.signer for each in signed.transaction.cosignatures] == [PATIENT.public]
    assert verify(PATIENT.public, message, signed.transaction.cosignatures[0].signature)
    assert decode_transaction(signed.encoding).hash == signed.hash


def test_cosigner_elsewhere() -> None:
    builder = make_builder()
    body = builder.body(make_record())
    signature = Cosignature(signer=PATIENT.public, signature=PATIENT.sign(body))

    signed = builder.finish(body, [signature])
    assert signed.transaction.body == body
    assert signed.transaction.cosignatures == (signature,)


def test_each_has_its_sequence() -> None:
    builder = make_builder()

    assert [builder.build(make_record()).transaction.body.sequence for _ in range(3)] == [5, 6, 7]


def test_secrets_are_not_shown() -> None:
    assert HOSPITAL.secret.hex() not in repr(HOSPITAL)
    assert repr(HOSPITAL.secret) not in repr(HOSPITAL)


class TestChunks:
    def test_by_count(self) -> None:
        ops = [make_record(number.to_bytes(16)) for number in range(2 * OPERATIONS_MAX + 1)]
        portions = list(chunks(ops))

        assert [len(portion) for portion in portions] == [OPERATIONS_MAX, OPERATIONS_MAX, 1]
        assert [op for portion in portions for op in portion] == ops

    def test_by_size(self) -> None:
        records = tuple(RecordId(number.to_bytes(16)) for number in range(64))
        ops = [make_grant(number.to_bytes(16), terms=make_terms(records=records)) for number in range(250)]
        portions = list(chunks(ops))

        assert len(portions) > 1
        for portion in portions:
            assert sum(len(OPERATIONS.encode(op)) for op in portion) <= CHUNK_BYTES_MAX
            assert len(make_builder().build(*portion).encoding) < TRANSACTION_BYTES_MAX
        assert [op for portion in portions for op in portion] == ops

    def test_none(self) -> None:
        assert list(chunks([])) == []


def test_a_full_transaction_of_records_fits() -> None:
    """Registering is the busiest operation: 256 of them with everything set are one transaction."""
    far = DayRange(first=Day(-100_000), end=Day(100_000))
    content = make_content(days=far, wrap_hash=bytes(32), ciphertext_bytes=1 << 40)
    ops = [make_record(number.to_bytes(16), content=content) for number in range(OPERATIONS_MAX)]

    assert len(list(chunks(ops))) == 1
    assert len(make_builder().build(*ops, cosigners=[PATIENT] * 8).encoding) < TRANSACTION_BYTES_MAX
