"""The story, scene by scene; each scene ends in checks that can fail."""

import os
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from noded.client.http import NodeClient
from noded.demo.damage import blob_damage, block_damage, proof_damage
from noded.demo.stage import Imported, Story, StoryBroken
from noded.fhir.documents import FhirRecord
from noded.ops.desk import Desk
from noded.ops.home import STORE_NAME
from noded.ops.importing import FIRST, NO_COMPARTMENT, import_records
from noded.ops.reading import read_own, read_released, release, request_access
from noded.types.ids import TimestampMs
from noded.types.medical import (
    CiphertextHash,
    Commitment,
    ConsentId,
    KeyEpoch,
    KindClass,
    OpeningId,
    PatientId,
    RecordId,
    RequestId,
)
from noded.types.operations.breakglass import BreakglassOpen, EmergencyReason
from noded.types.operations.consent import (
    Basis,
    ConsentGrant,
    ConsentRevoke,
    ConsentTerms,
    InEmergency,
    Mode,
    OneRecord,
    ToOrganization,
    UnderConsent,
)
from noded.types.operations.records import RecordContent, RecordRegister
from noded.types.roles import Purpose

ACTOR: Final = "the physician on duty"
CRASH_RECORDS: Final = 40
DAY_MS: Final = 86_400_000
PROBE_BYTES: Final = 48
"""Of each record, searched for on the disks: long enough to be nobody's by chance."""

AGREE_S: Final = 60.0
"""For all nodes to hold one block at a height, after one was killed."""

LOOK_S: Final = 0.2


def tell(story: Story, records: Sequence[FhirRecord]) -> None:
    """All scenes in order; raises `StoryBroken` where one cannot be told."""
    story.desks = [Desk(node.home) for node in story.testnet.nodes]
    story.say(f"{story.name(0)} imports {len(records)} records")
    scene_import(story, records)
    chosen = next((each for each in story.imported if each.registration.patient is not None), None)
    if chosen is None:
        chosen = _record_of_a_new_patient(story, records[-1])
    patient = chosen.registration.patient
    assert patient is not None
    story.say(f"the patient lets {story.name(1)} read")
    consent = scene_consent(story, patient, chosen)
    story.say(f"{story.name(3)} asks without consent")
    scene_refusals(story, patient, chosen, consent)
    story.say("an emergency: the patient cannot be asked")
    scene_emergency(story, patient, chosen)
    story.say("a node is killed in mid-run")
    scene_crash(story)
    story.say("bytes are changed where nobody should")
    scene_damage(story, chosen)
    story.say("every disk is searched for the records' words")
    scene_canary(story)


def scene_import(story: Story, records: Sequence[FhirRecord]) -> None:
    """Records become encrypted at the hospital and anchored in final blocks."""
    story.imported = _import(story, records)
    hospital, second = story.hospital, story.second
    anchored = wrong = 0
    for each in story.imported:
        row = second.entry("records", each.id)
        anchored += row["content"]["commitment"] == each.registration.content.commitment.hex()
        wrong += read_own(hospital, each.id, FIRST) != each.content
    total = len(records)
    story.check("records-anchored", anchored == total, f"{anchored} of {total} in final blocks")
    story.check("custodian-reads-exact-bytes", wrong == 0, f"{total - wrong} of {total} byte for byte")


def scene_consent(story: Story, patient: PatientId, record: Imported) -> ConsentId:
    """Consent, request, permit, release, and the very bytes at the second hospital."""
    consent = grant(story, patient)
    asked, access = _ask(story.second, record, UnderConsent(consent=consent), Purpose.TREAT)
    is_permitted = access["status"] != "denied"
    story.check("consent-permits-request", is_permitted, access["path"])
    if not is_permitted:
        raise StoryBroken(f"the request was denied at {access['path']}")
    release(story.hospital, asked)
    content = read_released(story.second, asked)
    story.check("second-hospital-decrypts-exact-bytes", content == record.content, f"{len(content)} bytes")
    log = _log_of(story, patient)
    story.check("patient-sees-who-read", asked.hex() in [row["id"] for row in log], f"{len(log)} entries")
    return consent


def grant(story: Story, patient: PatientId) -> ConsentId:
    """The patient lets the second hospital read for treatment."""
    consent = ConsentId(os.urandom(16))
    now_ms = time.time_ns() // 1_000_000
    terms = ConsentTerms(
        grantee=ToOrganization(institution=story.second.me),
        purposes=(Purpose.TREAT,),
        kinds=tuple(KindClass),
        compartments=(NO_COMPARTMENT,),
        records=None,
        days=None,
        from_ms=TimestampMs(now_ms - DAY_MS),
        until_ms=TimestampMs(now_ms + 30 * DAY_MS),
        mode=Mode.RECEIPT,
        condition=None,
    )
    hospital = story.hospital
    wallet = hospital.patients.wallet_of(patient)
    hospital.send_as(wallet, hospital.me, ConsentGrant(consent=consent, patient=patient, terms=terms))
    return consent


def scene_refusals(story: Story, patient: PatientId, record: Imported, consent: ConsentId) -> None:
    """Who has no consent is refused by the condition's name; so is everybody once it is revoked."""
    basis = UnderConsent(consent=consent)
    _, refused = _ask(story.insurer, record, basis, Purpose.HPAYMT)
    _check_refused(story, "insurer-without-consent-refused", refused)
    hospital = story.hospital
    wallet = hospital.patients.wallet_of(patient)
    hospital.send_as(wallet, hospital.me, ConsentRevoke(consent=consent))
    _, late = _ask(story.second, record, basis, Purpose.TREAT)
    _check_refused(story, "request-after-revocation-refused", late)


def scene_emergency(story: Story, patient: PatientId, record: Imported) -> None:
    """Break-glass works without the patient, and leaves an entry and a deadline."""
    opening = OpeningId(os.urandom(16))
    opened = BreakglassOpen(
        opening=opening,
        patient=patient,
        reason=EmergencyReason.UNCONSCIOUS,
        purpose=Purpose.ETREAT,
        actor=story.second.actor(ACTOR),
        kinds=tuple(KindClass),
    )
    story.second.send(opened)
    asked, access = _ask(story.second, record, InEmergency(opening=opening), Purpose.ETREAT)
    if access["status"] == "denied":
        story.check("break-glass-opens-record", False, access["path"])
        return
    release(story.hospital, asked)
    content = read_released(story.second, asked)
    story.check("break-glass-opens-record", content == record.content)
    row = story.hospital.entry("openings", opening)
    due_ms, opened_ms = row["review_due_ms"], row["opened_ms"]
    story.check(
        "break-glass-has-review-deadline", due_ms > opened_ms, f"{(due_ms - opened_ms) // 3_600_000} h"
    )
    log = _log_of(story, patient)
    story.check("break-glass-leaves-audit-entry", asked.hex() in [each["id"] for each in log])


def scene_crash(story: Story) -> None:
    """One node is killed while records arrive, restarts, and ends where the others are."""
    victim, hospital = story.testnet.nodes[2], story.hospital
    failures: list[str] = []

    def work() -> None:
        try:
            for _ in range(CRASH_RECORDS):
                hospital.send(_own_record())
        except Exception as error:  # Shown below, in the story's own thread.
            failures.append(str(error))

    worker = threading.Thread(target=work)
    worker.start()
    time.sleep(0.5)
    victim.kill()
    time.sleep(0.5)
    victim.start()
    victim.wait_ready()
    worker.join()
    story.check("chain-goes-on-without-a-node", not failures, "; ".join(failures[:1]))
    height, roots = _roots(story)
    story.check("killed-node-has-same-state-root", len(frozenset(roots)) == 1, f"height {height}")


def scene_damage(story: Story, record: Imported) -> None:
    """A byte flipped in a blob, a proof or a block is found, and named."""
    hospital, second = story.hospital, story.second
    found = blob_damage(hospital.home / "records", record.registration.content.ciphertext_hash)
    story.check("flipped-byte-in-blob-detected", found is not None, found or "")
    proof = second.node.get_bytes(f"/v1/records/{record.id.hex()}/proof")
    tried, refused = proof_damage(proof, story.genesis)
    story.check("flipped-byte-in-proof-detected", tried == refused, f"{refused} of {tried} changes")
    named = block_damage(second.home / STORE_NAME, story.genesis)
    story.check("flipped-byte-in-block-detected", named is not None, named or "")


def scene_canary(story: Story) -> None:
    """No plaintext of any record stands on any disk: homes, stores, logs."""
    probes = {_probe(each.content) for each in story.imported}
    probes.discard(b"")
    leaks: list[str] = []
    searched = 0
    for path in sorted(story.testnet.folder.rglob("*")):
        if not path.is_file():
            continue
        data = path.read_bytes()
        searched += len(data)
        if any(probe in data for probe in sorted(probes)):
            leaks.append(str(path.relative_to(story.testnet.folder)))
    detail = ", ".join(leaks[:3]) or f"{len(probes)} probes in {searched / 1e6:.0f} MB"
    story.check("no-plaintext-on-any-disk", not leaks and searched > 0, detail)


def _import(story: Story, records: Sequence[FhirRecord]) -> list[Imported]:
    """Have the hospital keep and register records; all is final on return."""
    done = import_records(story.hospital, records, compartment=NO_COMPARTMENT)
    return [
        Imported(each.registration, record.slice.content) for each, record in zip(done, records, strict=True)
    ]


def _ask(desk: Desk, record: Imported, basis: Basis, purpose: Purpose) -> tuple[RequestId, dict[str, Any]]:
    target = OneRecord(record=record.id, version=FIRST)
    return request_access(desk, target, basis, purpose=purpose, actor=ACTOR)


def _check_refused(story: Story, name: str, access: dict[str, Any]) -> None:
    is_refused = access["status"] == "denied" and bool(access["path"])
    story.check(name, is_refused, f"failed condition: {access['path']}")


def _log_of(story: Story, patient: PatientId) -> list[dict[str, Any]]:
    return list(story.hospital.node.pages(f"/v1/patients/{patient.hex()}/access"))


def _own_record() -> RecordRegister:
    """A record of the hospital's own, of which only the anchor matters here."""
    return RecordRegister(
        record=RecordId(os.urandom(16)),
        patient=None,
        kind=KindClass.DOCUMENT,
        compartment=NO_COMPARTMENT,
        content=RecordContent(
            commitment=Commitment(os.urandom(32)),
            ciphertext_hash=CiphertextHash(os.urandom(32)),
            ciphertext_bytes=1,
            days=None,
            key_epoch=KeyEpoch(0),
            wrap_hash=None,
        ),
    )


def _record_of_a_new_patient(story: Story, record: FhirRecord) -> Imported:
    """Where the documents name no patient, one is registered for the last of them."""
    attribution = replace(record.attribution, patient="Patient/demo")
    return _import(story, [replace(record, attribution=attribution)])[0]


def _roots(story: Story) -> tuple[int, list[str]]:
    """A height that all nodes have, and the state root that each says came before that block."""
    nodes = [desk.node for desk in story.desks]
    for node in nodes:
        node.at_least = None
    target = max(map(_height, nodes))
    deadline = time.monotonic() + AGREE_S
    while min(map(_height, nodes)) < target and time.monotonic() < deadline:
        time.sleep(LOOK_S)
    return target, [_header(node.get(f"/v1/blocks/{target}"))["parent_state_root"] for node in nodes]


def _height(node: NodeClient) -> int:
    return int(node.get("/v1/status")["status"]["height"])


def _header(block: dict[str, Any]) -> dict[str, Any]:
    found = block.get("header") or block["block"]["header"]
    assert isinstance(found, dict)
    return found


def _probe(content: bytes) -> bytes:
    middle = max(0, len(content) // 2 - PROBE_BYTES // 2)
    return content[middle : middle + PROBE_BYTES]
