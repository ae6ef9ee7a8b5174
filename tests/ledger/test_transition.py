"""L5, L6, L8, L13: one transaction, as a whole or not at all."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from noded.codec.schema import decode_value, encode_value
from noded.ledger.admission import sequences_key
from noded.ledger.commit import DETAIL_BYTES_MAX, ERROR_BYTES_MAX, CommittedBlock, Events, Receipts
from noded.ledger.head import HEAD_KEY, block_key
from noded.ledger.roles import ROLE_TABLE
from noded.types.ids import Height, PublicKey
from noded.types.medical import PatientId
from noded.types.operations import OPERATIONS, Operation
from noded.types.operations.identity import PatientRegister
from noded.types.operations.membership import KeyUse, OrgKeyRotate, OrgSuspend, OrgUpdate
from noded.types.roles import KeyKind, Role
from tests.helpers.ledger import (
    TestChain,
    account,
    key_of,
    make_genesis,
    make_institution,
    member_id,
)
from tests.helpers.values import Values

UPDATE = OrgUpdate(legal_name="New name", endpoints=())
UNKNOWN = OrgSuspend(institution=member_id(99), reason="nobody")
PATIENT = key_of(1, "patient")


def changed_keys(committed: CommittedBlock) -> list[bytes]:
    """Keys that a block's transactions changed: all but those that every block changes."""
    height = committed.block.header.height
    own = (HEAD_KEY, block_key(height), block_key(Height(height - 1)))
    return sorted(write.key for write in committed.writes if write.key not in own and write.key != b"due/")


class TestRoles:
    """L5: the role table decides who may send an operation, and for what."""

    def test_role_without_a_row_is_refused(self) -> None:
        institutions = [make_institution(1), make_institution(2, role=Role.AUDITOR)]
        chain = TestChain(make_genesis(institutions=institutions))
        register = PatientRegister(patient=PatientId(b"p" * 16), key=PATIENT)

        receipt = chain.send(register, sender=account(2), cosigners=[PATIENT])

        assert (receipt.error, receipt.operation) == ("RoleNotAllowed", 0)
        assert receipt.detail == "patient.register may not be sent by a auditor"

    def test_patient_may_not_act_as_a_member(self) -> None:
        chain = TestChain()
        chain.send(PatientRegister(patient=PatientId(b"p" * 16), key=PATIENT), cosigners=[PATIENT])

        assert chain.send(UPDATE, sender=PATIENT).error == "RoleNotAllowed"


class TestAtomicity:
    """L6: all operations or none; a rejection uses the sequence and changes nothing else."""

    def test_failure_of_the_last_undoes_the_first(self) -> None:
        chain = TestChain()
        committed = chain.run(chain.transaction(UPDATE, UPDATE, UNKNOWN))

        assert committed.receipts[0].error == "UnknownInstitution"
        assert committed.receipts[0].operation == 2
        assert changed_keys(committed) == [sequences_key(account(1))]
        assert committed.events == ()
        assert committed.entries[0].applied is False

    def test_inadmissible_transaction_changes_nothing_at_all(self) -> None:
        chain = TestChain()
        committed = chain.run(chain.transaction(UPDATE, sender=key_of(99, "account")))

        assert changed_keys(committed) == []

    def test_failed_transaction_cannot_succeed_later(self) -> None:
        chain = TestChain()
        key = key_of(7, "network")
        premature = chain.transaction(OrgKeyRotate(use=KeyUse.NETWORK, key=key))
        assert chain.run(premature).receipts[0].error == "CosignatureMissing"

        assert chain.run(premature).receipts[0].error == "SequenceUsed"

    def test_later_transactions_of_a_block_see_earlier_ones(self) -> None:
        chain = TestChain()
        suspended = chain.transaction(OrgSuspend(institution=member_id(2), reason="x"), sender=account(2))
        update = chain.transaction(UPDATE, sender=account(2))

        assert [receipt.error for receipt in chain.run(suspended, update).receipts] == [
            None,
            "SenderInactive",
        ]


class TestKeys:
    """L8: a key belongs to one owner for ever."""

    def test_ended_account_key_is_never_given_again(self) -> None:
        chain = TestChain()
        new = key_of(1, "second account")
        rotate = OrgKeyRotate(use=KeyUse.ACCOUNT, key=new)
        assert chain.send(rotate, cosigners=[new]).error is None
        assert chain.send(UPDATE).error == "SenderInactive"
        assert chain.send(UPDATE, sender=new).error is None

        register = PatientRegister(patient=PatientId(b"p" * 16), key=account(1))
        assert chain.send(register, sender=account(2), cosigners=[account(1)]).error == "KeyTaken"


ROLES = (Role.HOSPITAL, Role.HOSPITAL, Role.LAB, Role.INSURER, Role.REGULATOR)
KEYS = [account(1), account(2), PATIENT, key_of(2, "patient"), key_of(1, "consensus")]
VALUES = Values([member_id(1), b"p" * 16, *KEYS])

OPERATION: st.SearchStrategy[Operation] = st.one_of(
    *(VALUES.of(cls) for cls in OPERATIONS.classes().values())
)


def entitled(op: Operation) -> list[PublicKey]:
    """Keys that the role table lets send an operation."""
    row = ROLE_TABLE[op.name]
    members = [account(number) for number, role in enumerate(ROLES, 1) if role in row.roles]
    return members + ([PATIENT] if KeyKind.PATIENT in row.keys else [])


class TestTotality:
    """L13: whatever is sent, the ledger applies it or rejects it; rejected, it leaves the state as it was."""

    @settings(suppress_health_check=list(HealthCheck), max_examples=40)
    @given(
        st.lists(
            st.tuples(OPERATION, st.booleans(), st.integers(0, 4), st.lists(OPERATION, max_size=1)),
            min_size=5,
            max_size=25,
        )
    )
    def test_apply_is_total(self, sent: list[tuple[Operation, bool, int, list[Operation]]]) -> None:
        institutions = [make_institution(number, role=role) for number, role in enumerate(ROLES, 1)]
        chain = TestChain(make_genesis(institutions=institutions))
        chain.send(PatientRegister(patient=PatientId(b"p" * 16), key=PATIENT), cosigners=[PATIENT])
        for op, honest, choice, more in sent:
            senders = entitled(op) if honest else KEYS
            sender = senders[choice % len(senders)]
            committed = chain.run(chain.transaction(op, *more, sender=sender, cosigners=KEYS))

            receipt = committed.receipts[0]
            if receipt.error is not None:
                assert changed_keys(committed) in ([], [sequences_key(sender)])
                assert all(event.position is None for event in committed.events)
            assert len((receipt.error or "").encode()) <= ERROR_BYTES_MAX
            assert len(receipt.detail.encode()) <= DETAIL_BYTES_MAX
            for kept in (Receipts(committed.receipts), Events(committed.events)):
                encoding = encode_value(kept)
                assert decode_value(type(kept), encoding, max_bytes=len(encoding)) == kept
