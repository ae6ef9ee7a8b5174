"""
Whatever is sent in whatever order: rejections are `InvalidTransaction` and leave no trace.

Operations are drawn over few ids and few senders, so that they meet; time passes between them, so that every
deadline's function runs too.
"""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from noded.errors import InvalidTransaction
from noded.ledger.keys import get_key
from noded.ledger.modules.access import Access
from noded.ledger.modules.consent import ReadCount, read_count_key
from noded.types.conditions import Not, PurposeIn, ReadsBelow
from noded.types.ids import Root, TimestampMs
from noded.types.medical import Compartment, ConsentId, KeyEpoch, KindClass, Version
from noded.types.operations import OPERATIONS, Operation
from noded.types.operations import audit as a
from noded.types.operations import breakglass as b
from noded.types.operations import consent as c
from noded.types.operations import identity as i
from noded.types.operations import records as r
from noded.types.roles import Purpose, Role
from tests.helpers.medical import (
    AUDITOR,
    CLINIC,
    DAY_MS,
    DOCTOR,
    HOSPITAL,
    INSURER,
    LAB,
    NURSE,
    OTHER_PATIENT,
    PATIENT,
    READER_KEY,
    START_MS,
    STRANGER,
    WRAP_HASH,
    Party,
    World,
    make_content,
    make_terms,
)

MEMBERS = (HOSPITAL, CLINIC, LAB, INSURER, AUDITOR)
PEOPLE = (PATIENT, OTHER_PATIENT, STRANGER)

few: Any = st.sampled_from([bytes([1]) * 16, bytes([2]) * 16])
patients: Any = st.sampled_from([each.patient for each in PEOPLE])
keys: Any = st.sampled_from([each.key for each in PEOPLE])
versions: Any = st.sampled_from([Version(1), Version(2), Version(3)])
compartments: Any = st.sampled_from([Compartment(0), Compartment(1)])
contents = st.builds(make_content, number=st.integers(1, 3), epoch=st.integers(0, 1))
times: Any = st.integers(0, 90).map(lambda days: TimestampMs(START_MS + days * DAY_MS))
members: Any = st.lists(st.sampled_from([each.institution for each in MEMBERS]), min_size=1, max_size=3).map(
    tuple
)
kinds: Any = st.sampled_from([tuple(KindClass), (KindClass.LAB,)])
purposes: Any = st.sampled_from([Purpose.TREAT, Purpose.ETREAT, Purpose.HPAYMT])
grantees = st.one_of(
    st.sampled_from([c.ToOrganization(institution=each.institution) for each in (*MEMBERS, STRANGER)]),
    st.just(c.ToRole(role=Role.HOSPITAL)),
    st.builds(c.ToGroup, group=few, version=versions),
)
terms = st.builds(
    make_terms,
    grantee=grantees,
    kinds=kinds,
    compartments=compartments.map(lambda each: (each,)),
    mode=st.sampled_from(c.Mode),
    until_ms=times.map(lambda time: TimestampMs(time + 1)),
    condition=st.sampled_from([None, ReadsBelow(limit=2), Not(of=PurposeIn(purposes=(Purpose.HPAYMT,)))]),
)
targets = st.one_of(
    st.builds(c.OneRecord, record=few, version=versions),
    st.builds(c.WholeCompartment, patient=patients, compartment=compartments),
)
bases = st.one_of(
    st.builds(c.UnderConsent, consent=few), st.builds(c.InEmergency, opening=few), st.just(c.OwnRecord())
)

OPERATIONS_OF: dict[type[Operation], st.SearchStrategy[Any]] = {
    i.PatientRegister: st.builds(i.PatientRegister, patient=patients, key=keys),
    i.PatientRotate: st.builds(i.PatientRotate, patient=patients, key=keys),
    i.DelegateSet: st.builds(i.DelegateSet, patient=patients, key=keys, until_ms=times),
    i.DelegateClear: st.builds(i.DelegateClear, patient=patients, key=keys),
    i.GroupCreate: st.builds(i.GroupCreate, group=few, members=members),
    i.GroupUpdate: st.builds(i.GroupUpdate, group=few, replaces=versions, members=members),
    r.RecordRegister: st.builds(
        r.RecordRegister,
        record=few,
        patient=st.none() | patients,
        kind=st.sampled_from(KindClass),
        compartment=compartments,
        content=contents,
    ),
    r.RecordAmend: st.builds(
        r.RecordAmend, record=few, replaces=versions, reason=st.sampled_from(r.AmendReason), content=contents
    ),
    r.RecordWithdraw: st.builds(
        r.RecordWithdraw, record=few, version=versions, reason=st.sampled_from(r.WithdrawReason)
    ),
    c.ConsentGrant: st.builds(c.ConsentGrant, consent=few, patient=patients, terms=terms),
    c.ConsentAmend: st.builds(c.ConsentAmend, consent=few, replaces=versions, terms=terms),
    c.ConsentRevoke: st.builds(c.ConsentRevoke, consent=few),
    c.AccessRequest: st.builds(
        c.AccessRequest,
        request=few,
        target=targets,
        basis=bases,
        purpose=purposes,
        actor=st.sampled_from([DOCTOR, None]),
        reader_key=st.just(READER_KEY),
        uses=st.just(()),
        tags=st.just(()),
    ),
    c.AccessRelease: st.builds(c.AccessRelease, request=few, wrap_hash=st.just(WRAP_HASH)),
    c.AccessReceipt: st.builds(c.AccessReceipt, request=few, result=st.sampled_from(c.ReceiptResult)),
    c.KeyEpochBegin: st.builds(
        c.KeyEpochBegin, patient=patients, compartment=compartments, epoch=st.integers(0, 2).map(KeyEpoch)
    ),
    b.BreakglassOpen: st.builds(
        b.BreakglassOpen,
        opening=few,
        patient=patients,
        reason=st.sampled_from(b.EmergencyReason),
        purpose=purposes,
        actor=st.just(NURSE),
        kinds=kinds,
    ),
    b.BreakglassClose: st.builds(b.BreakglassClose, opening=few),
    b.BreakglassReview: st.builds(
        b.BreakglassReview,
        opening=few,
        verdict=st.sampled_from(b.Verdict),
        actor=st.sampled_from([DOCTOR, NURSE]),
    ),
    a.AuditAnchor: st.builds(
        a.AuditAnchor,
        sequence=st.integers(1, 3),
        entries=st.just(1),
        root=st.just(Root(bytes(32))),
        until_ms=times,
    ),
    a.ErasureRequest: st.builds(a.ErasureRequest, record=few),
    a.ErasureAttest: st.builds(a.ErasureAttest, record=few),
}

steps = st.tuples(
    st.sampled_from((*MEMBERS, *PEOPLE)),
    st.lists(st.one_of(list(OPERATIONS_OF.values())), min_size=1, max_size=3),
    st.sampled_from([0, 0, 0, 1000, DAY_MS, 40 * DAY_MS]),
)


def test_every_medical_operation_is_drawn() -> None:
    medical = {cls for tag, cls in OPERATIONS.classes().items() if 20 <= tag < 110}

    assert medical == set(OPERATIONS_OF)


@settings(max_examples=150)
@given(st.lists(steps, max_size=30))
def test_no_sequence_of_operations_breaks_the_ledger(story: list[tuple[Party, list[Operation], int]]) -> None:
    world = World()
    for sender, ops, pause_ms in story:
        if pause_ms:
            world.advance(pause_ms)
        entry = get_key(world.state, sender.key)
        if entry is None or entry.until is not None:
            continue
        before = world.snapshot()
        try:
            world.apply(sender, *ops, cosigners=PEOPLE)
        except InvalidTransaction:
            assert world.snapshot() == before
    check(world)


def check(world: World) -> None:
    """What holds in every state that the operations can lead to."""
    reads: dict[bytes, int] = {}
    for key in list(world.state.encodings):
        if key.startswith(b"req/"):
            access = world.state.read(key, Access)
            assert access is not None
            is_denied = access.status.name == "DENIED"
            assert is_denied == (access.due_ms is None)
            assert (access.wrap_hash is not None) == (
                access.status.name in ("RELEASED", "READ", "UNREADABLE")
            )
            if isinstance(access.basis, c.UnderConsent) and access.status.name not in ("DENIED", "LAPSED"):
                reads[access.basis.consent] = reads.get(access.basis.consent, 0) + 1
    for consent in (bytes([1]) * 16, bytes([2]) * 16):
        count = world.state.read(read_count_key(ConsentId(consent)), ReadCount)
        assert (0 if count is None else count.reads) == reads.get(consent, 0)
