"""
Whatever is sent in whatever order: rejections are `InvalidTransaction` and leave no trace.

Operations are drawn over few ids and few senders, so that they meet; time passes between them, so that every
deadline's function runs too. Each story is a function of its seed.
"""

from collections import Counter
from random import Random
from typing import Any

import pytest

from noded.errors import InvalidTransaction
from noded.ledger.keys import get_key
from noded.ledger.modules.access import Access, AccessStatus, get_access
from noded.ledger.modules.consent import ReadCount, read_count_key
from noded.ledger.modules.erasure import Erasure
from noded.ledger.modules.records import Record, RecordStatus
from noded.types.conditions import Not, PurposeIn, ReadsBelow
from noded.types.ids import Root, TimestampMs
from noded.types.medical import Compartment, ConsentId, GroupId, KindClass, OpeningId, RecordId, Version
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
    party,
)

SEEDS = 20
STEPS = 800

MEMBERS = (HOSPITAL, CLINIC, LAB, INSURER, AUDITOR)
DELEGATE = party("delegate")
PEOPLE = (PATIENT, OTHER_PATIENT, STRANGER, DELEGATE)

IDS = [bytes([number]) * 16 for number in range(1, 6)]
REQUESTS = [bytes([number]) * 16 for number in range(1, 40)]
PATIENTS = [PATIENT.patient] * 8 + [OTHER_PATIENT.patient, STRANGER.patient]
KEYS = [each.key for each in PEOPLE]
VERSIONS = [1, 1, 2, 3]
COMPARTMENTS = [Compartment(0), Compartment(0), Compartment(1)]
KINDS = [tuple(KindClass), (KindClass.LAB,)]
PURPOSES = [Purpose.TREAT, Purpose.ETREAT, Purpose.HPAYMT]
TIMES = [TimestampMs(START_MS + days * DAY_MS) for days in (0, 1, 30, 90, 365, 900)]
GROUPS = [
    tuple(sorted(each.institution for each in some)) for some in (MEMBERS[:1], MEMBERS[:2], MEMBERS[1:4])
]
GRANTEES = [
    *(c.ToOrganization(institution=each.institution) for each in (CLINIC, CLINIC, CLINIC, INSURER, STRANGER)),
    *[c.ToRole(role=Role.HOSPITAL)] * 3,
    *(c.ToGroup(group=GroupId(id), version=Version(1)) for id in IDS[:2]),
]
TERMS = [
    make_terms(grantee=grantee, kinds=kinds, mode=mode, until_ms=TimestampMs(until + 1), condition=condition)
    for grantee in GRANTEES
    for kinds in KINDS
    for mode in c.Mode
    for until in TIMES[2:]
    for condition in (None, None, ReadsBelow(limit=2), Not(of=PurposeIn(purposes=(Purpose.HPAYMT,))))
]
TARGETS = [
    *(
        c.OneRecord(record=RecordId(id), version=Version(version))
        for id in IDS
        for version in (1, 1, 1, 1, 2)
    ),
    *(c.WholeCompartment(patient=each, compartment=Compartment(0)) for each in PATIENTS),
]
BASES = [
    *(c.UnderConsent(consent=ConsentId(id)) for id in IDS),
    *(c.InEmergency(opening=OpeningId(id)) for id in IDS[:3]),
    c.OwnRecord(),
]
CONTENTS = [make_content(number=number, epoch=epoch) for number in (1, 2) for epoch in (0, 0, 1)]

PATIENT_SIDE = (PATIENT, PATIENT, OTHER_PATIENT, DELEGATE)
CUSTODIANS = (HOSPITAL, HOSPITAL, HOSPITAL, CLINIC)
READERS = (CLINIC, CLINIC, CLINIC, HOSPITAL, INSURER, PATIENT)

DRAWN: dict[type[Operation], tuple[tuple[Party, ...], dict[str, Any]]] = {
    i.PatientRegister: (CUSTODIANS, {"patient": PATIENTS, "key": KEYS}),
    i.PatientRotate: ((OTHER_PATIENT,), {"patient": PATIENTS, "key": KEYS}),
    i.DelegateSet: (PATIENT_SIDE, {"patient": PATIENTS, "key": [DELEGATE.key] * 3 + KEYS, "until_ms": TIMES}),
    i.DelegateClear: (PATIENT_SIDE, {"patient": PATIENTS, "key": KEYS}),
    i.GroupCreate: (CUSTODIANS, {"group": IDS[:2], "members": GROUPS}),
    i.GroupUpdate: (CUSTODIANS, {"group": IDS[:2], "replaces": VERSIONS, "members": GROUPS}),
    r.RecordRegister: (
        CUSTODIANS,
        {
            "record": IDS,
            "patient": [*PATIENTS, None],
            "kind": list(KindClass),
            "compartment": COMPARTMENTS,
            "content": CONTENTS,
        },
    ),
    r.RecordAmend: (
        CUSTODIANS,
        {"record": IDS, "replaces": VERSIONS, "reason": list(r.AmendReason), "content": CONTENTS},
    ),
    r.RecordWithdraw: (CUSTODIANS, {"record": IDS, "version": VERSIONS, "reason": list(r.WithdrawReason)}),
    c.ConsentGrant: (PATIENT_SIDE, {"consent": IDS, "patient": PATIENTS, "terms": TERMS}),
    c.ConsentAmend: (PATIENT_SIDE, {"consent": IDS, "replaces": VERSIONS, "terms": TERMS}),
    c.ConsentRevoke: (PATIENT_SIDE, {"consent": IDS}),
    c.AccessRequest: (
        READERS,
        {
            "request": REQUESTS,
            "target": TARGETS,
            "basis": BASES,
            "purpose": PURPOSES,
            "actor": [DOCTOR] * 6 + [None],
            "reader_key": [READER_KEY],
            "uses": [()],
            "tags": [()],
        },
    ),
    c.AccessRelease: (
        CUSTODIANS,
        {"request": REQUESTS, "wrap_hash": [WRAP_HASH]},
    ),
    c.AccessReceipt: (
        READERS,
        {
            "request": REQUESTS,
            "result": list(c.ReceiptResult),
        },
    ),
    c.KeyEpochBegin: (CUSTODIANS, {"patient": PATIENTS, "compartment": COMPARTMENTS, "epoch": [1, 2]}),
    b.BreakglassOpen: (
        READERS,
        {
            "opening": IDS[:4],
            "patient": PATIENTS,
            "reason": list(b.EmergencyReason),
            "purpose": PURPOSES,
            "actor": [NURSE],
            "kinds": KINDS,
        },
    ),
    b.BreakglassClose: (READERS, {"opening": IDS[:4]}),
    b.BreakglassReview: (
        (*CUSTODIANS, AUDITOR),
        {"opening": IDS[:4], "verdict": list(b.Verdict), "actor": [DOCTOR, NURSE]},
    ),
    a.AuditAnchor: (
        CUSTODIANS,
        {"sequence": [1, 2, 3], "entries": [1], "root": [Root(bytes(32))], "until_ms": TIMES},
    ),
    a.ErasureRequest: (PATIENT_SIDE, {"record": IDS[2:]}),
    a.ErasureAttest: ((*CUSTODIANS, INSURER), {"record": IDS[2:]}),
}
"""By operation: who mostly sends it, and what its fields are drawn from."""

WEIGHTS = {c.AccessRequest: 8, c.AccessRelease: 8, c.AccessReceipt: 6, c.ConsentGrant: 6, r.RecordRegister: 6}
PAUSES_MS = [0] * 120 + [1000, DAY_MS, 4 * DAY_MS, 40 * DAY_MS]


def test_every_medical_operation_is_drawn() -> None:
    medical = {cls for tag, cls in OPERATIONS.classes().items() if 20 <= tag < 110}

    assert medical == set(DRAWN)


def draw(random: Random) -> tuple[Party, Operation]:
    (op,) = random.choices(list(DRAWN), [WEIGHTS.get(each, 1) for each in DRAWN])
    senders, fields = DRAWN[op]
    sender = random.choice(senders if random.random() < 0.9 else (*MEMBERS, *PEOPLE))
    return sender, op(**{name: random.choice(values) for name, values in fields.items()})


def follow(world: World, sender: Party, op: Operation) -> list[tuple[Party, Operation]]:
    """What mostly comes after a permit."""
    if not isinstance(op, c.AccessRequest):
        return []
    access = get_access(world.state, op.request)
    if access.status is not AccessStatus.PERMITTED:
        return []
    custodian = next(each for each in MEMBERS if each.id == access.custodian)
    return [
        (custodian, c.AccessRelease(request=op.request, wrap_hash=WRAP_HASH)),
        (sender, c.AccessReceipt(request=op.request, result=c.ReceiptResult.READ)),
    ]


def tell(seed: int) -> Counter[str]:
    """One story; returns how often each operation was applied and each reason met."""
    random, world, told = Random(seed), World(), Counter[str]()
    planned: list[tuple[Party, Operation]] = []
    for _ in range(STEPS):
        pause_ms = random.choice(PAUSES_MS)
        if pause_ms:
            world.advance(pause_ms)
        sender, op = planned.pop(0) if planned and random.random() < 0.5 else draw(random)
        ops = [op] if random.random() < 0.8 else [op, draw(random)[1]]
        entry = get_key(world.state, sender.key)
        if entry is None or entry.until is not None:
            continue
        before = world.snapshot()
        try:
            world.apply(sender, *ops, cosigners=PEOPLE)
            told.update(each.name for each in ops)
            planned += follow(world, sender, op)
        except InvalidTransaction as error:
            told[type(error).__name__] += 1
            assert world.snapshot() == before
    world.advance(1000 * DAY_MS)
    check(world)
    told.update(world.events())
    return told


@pytest.mark.parametrize("seed", range(SEEDS))
def test_no_story_breaks_the_ledger(seed: int) -> None:
    told = tell(seed)

    assert told["access.request"] > 0


def test_stories_get_everywhere() -> None:
    """The stories together apply every operation, and let every deadline fire."""
    told: Counter[str] = Counter()
    for seed in range(SEEDS):
        told += tell(seed)

    assert [op.name for op in DRAWN if not told[op.name]] == []
    fired = ("delegate.ended", "consent.expired", "access.lapsed", "breakglass.review-overdue")
    also = ("audit.anchor-overdue", "erasure.overdue", "access.released", "access.read", "access.denied")
    assert [name for name in (*fired, *also) if not told[name]] == []


def check(world: World) -> None:
    """What holds in every state that operations can lead to."""
    reads: Counter[bytes] = Counter()
    for key in list(world.state.encodings):
        if key.startswith(b"req/"):
            access = world.state.read(key, Access)
            assert access is not None
            assert (access.status is AccessStatus.DENIED) == (access.due_ms is None)
            went_out = (
                AccessStatus.RELEASED,
                AccessStatus.READ,
                AccessStatus.UNREADABLE,
                AccessStatus.UPHELD,
            )
            assert (access.wrap_hash is not None) == (access.status in went_out)
            assert access.status is not AccessStatus.PERMITTED, "its deadline has passed"
            if isinstance(access.basis, c.UnderConsent) and access.status in went_out:
                reads[access.basis.consent] += 1
        elif key.startswith(b"ers/"):
            erasure = world.state.read(key, Erasure)
            record = world.state.read(b"rec/" + RecordId(key[4:]), Record)
            assert erasure is not None
            assert record is not None
            is_erased = record.status is RecordStatus.ERASED
            assert is_erased == (record.custodian in erasure.attested)
            assert not set(erasure.owing) & set(erasure.attested)
            assert erasure.overdue or not erasure.owing
    for id in IDS:
        count = world.state.read(read_count_key(ConsentId(id)), ReadCount)
        assert (0 if count is None else count.reads) == reads[id]
