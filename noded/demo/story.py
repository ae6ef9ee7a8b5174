"""The story, scene by scene; each scene ends in checks that can fail."""

import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from noded.demo.actors import Clock, Institution, PatientActor, StoryBroken, applied
from noded.demo.damage import blob_damage, block_damage, proof_damage
from noded.demo.importing import COMPARTMENT, EPOCH, FIRST, Imported, import_records
from noded.demo.reading import Asked, ask_for, read, release
from noded.fhir.documents import FhirRecord
from noded.ops.home import STORE_NAME
from noded.testnet.processes import Testnet
from noded.types.genesis import Genesis
from noded.types.ids import TimestampMs
from noded.types.medical import ConsentId, KindClass, OpeningId, RecordId
from noded.types.operations.breakglass import BreakglassOpen, EmergencyReason
from noded.types.operations.consent import (
    ConsentGrant,
    ConsentRevoke,
    ConsentTerms,
    InEmergency,
    Mode,
    ToOrganization,
    UnderConsent,
)
from noded.types.operations.records import RecordContent, RecordRegister
from noded.types.roles import Purpose

DAY_MS: Final = 86_400_000
PROBE_BYTES: Final = 48
"""Of each record, searched for on the disks: long enough to be nobody's by chance."""

AGREE_S: Final = 60.0
"""For all nodes to hold one block at a height, after one was killed."""

Say = Callable[[str], None]


@dataclass(slots=True)
class Check:
    """Something that the story promises, and whether it holds."""

    name: str
    ok: bool
    detail: str = ""


@dataclass(slots=True)
class Story:
    """All that the scenes share."""

    testnet: Testnet
    genesis: Genesis
    say: Say
    clock: Clock = field(default_factory=Clock)
    checks: list[Check] = field(default_factory=list)
    members: list[Institution] = field(default_factory=list)
    imported: list[Imported] = field(default_factory=list)

    @property
    def hospital(self) -> Institution:
        """Keeps the records."""
        return self.members[0]

    @property
    def second(self) -> Institution:
        """Another hospital, which treats the same patient."""
        return self.members[1]

    @property
    def insurer(self) -> Institution:
        """Would like to know."""
        return self.members[3]

    def check(self, name: str, ok: bool, detail: str = "") -> None:
        """Note whether a promise holds."""
        self.checks.append(Check(name, ok, detail))
        self.say(f"  {'✓' if ok else '✗'} {name}" + (f" ({detail})" if detail else ""))


def tell(story: Story, records: Sequence[FhirRecord]) -> None:
    """All scenes in order; raises `StoryBroken` where one cannot be told."""
    story.members = [
        Institution(process, story.genesis.chain_id, story.clock) for process in story.testnet.nodes
    ]
    story.say(f"{story.hospital.name} imports {len(records)} records")
    scene_import(story, records)
    chosen = next((each for each in story.imported if each.patient is not None), None)
    if chosen is None or chosen.patient is None:
        chosen = _record_of_a_new_patient(story)
    patient = chosen.patient
    assert patient is not None
    story.say(f"the patient lets {story.second.name} read")
    consent = scene_consent(story, patient, chosen)
    story.say(f"{story.insurer.name} asks without consent")
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
    story.imported = import_records(story.hospital, records)
    anchored = wrong = 0
    for each in story.imported:
        row = story.second.look_until(f"/v1/records/{each.id.hex()}")["value"]
        anchored += row["content"]["commitment"] == each.registration.content.commitment.hex()
        kept = story.hospital.client.get_bytes(
            f"/v1/custody/records/{each.id.hex()}/versions/{FIRST}/content"
        )
        wrong += kept != each.content
    total = len(records)
    story.check("records-anchored", anchored == total, f"{anchored} of {total} in final blocks")
    story.check("custodian-reads-exact-bytes", wrong == 0, f"{total - wrong} of {total} byte for byte")


def scene_consent(story: Story, patient: PatientActor, record: Imported) -> ConsentId:
    """Consent, request, permit, release, and the very bytes at the second hospital."""
    consent = grant(story, patient, record)
    asked = ask_for(story.second, record, UnderConsent(consent=consent), Purpose.TREAT)
    story.check("consent-permits-request", asked.is_permitted, asked.path)
    if not asked.is_permitted:
        raise StoryBroken(f"the request was denied at {asked.path}")
    named = release(story.hospital, asked.id)
    content = read(story.second, story.genesis.chain_id, asked, named, record)
    story.check("second-hospital-decrypts-exact-bytes", content == record.content, f"{len(content)} bytes")
    log = _log_of(story, patient)
    story.check("patient-sees-who-read", asked.id.hex() in [row["id"] for row in log], f"{len(log)} entries")
    return consent


def grant(story: Story, patient: PatientActor, record: Imported) -> ConsentId:
    """The patient lets the second hospital read for treatment."""
    consent = ConsentId(os.urandom(16))
    now_ms = time.time_ns() // 1_000_000
    terms = ConsentTerms(
        grantee=ToOrganization(institution=story.second.id),
        purposes=(Purpose.TREAT,),
        kinds=tuple(KindClass),
        compartments=(COMPARTMENT,),
        records=None,
        days=None,
        from_ms=TimestampMs(now_ms - DAY_MS),
        until_ms=TimestampMs(now_ms + 30 * DAY_MS),
        mode=Mode.RECEIPT,
        condition=None,
    )
    patient.do(
        ConsentGrant(consent=consent, patient=patient.wallet.patient_id(patient.custodian.id), terms=terms)
    )
    return consent


def scene_refusals(story: Story, patient: PatientActor, record: Imported, consent: ConsentId) -> None:
    """Who has no consent is refused by the condition's name; so is everybody once it is revoked."""
    refused = ask_for(story.insurer, record, UnderConsent(consent=consent), Purpose.HPAYMT)
    _check_refused(story, "insurer-without-consent-refused", refused)
    patient.do(ConsentRevoke(consent=consent))
    late = ask_for(story.second, record, UnderConsent(consent=consent), Purpose.TREAT)
    _check_refused(story, "request-after-revocation-refused", late)


def scene_emergency(story: Story, patient: PatientActor, record: Imported) -> None:
    """Break-glass works without the patient, and leaves an entry and a deadline."""
    opening = OpeningId(os.urandom(16))
    opened = BreakglassOpen(
        opening=opening,
        patient=patient.wallet.patient_id(patient.custodian.id),
        reason=EmergencyReason.UNCONSCIOUS,
        purpose=Purpose.ETREAT,
        actor=story.second.actor,
        kinds=tuple(KindClass),
    )
    story.second.do(opened)
    asked = ask_for(story.second, record, InEmergency(opening=opening), Purpose.ETREAT)
    if not asked.is_permitted:
        story.check("break-glass-opens-record", False, asked.path)
        return
    named = release(story.hospital, asked.id)
    content = read(story.second, story.genesis.chain_id, asked, named, record)
    story.check("break-glass-opens-record", content == record.content)
    row = story.hospital.look(f"/v1/openings/{opening.hex()}")["value"]
    due_ms, opened_ms = row["review_due_ms"], row["opened_ms"]
    story.check(
        "break-glass-has-review-deadline", due_ms > opened_ms, f"{(due_ms - opened_ms) // 3_600_000} h"
    )
    log = _log_of(story, patient)
    story.check("break-glass-leaves-audit-entry", asked.id.hex() in [each["id"] for each in log])


def scene_crash(story: Story) -> None:
    """One node is killed while records arrive, restarts, and ends where the others are."""
    victim = story.members[2]
    failures: list[str] = []

    def work() -> None:
        try:
            for _ in range(40):
                applied(story.hospital.send(story.hospital.build(_own_record()))[0])
        except Exception as error:  # Shown below, in the story's own thread.
            failures.append(str(error))

    worker = threading.Thread(target=work)
    worker.start()
    time.sleep(0.5)
    victim.process.kill()
    time.sleep(0.5)
    victim.process.start()
    victim.process.wait_ready()
    worker.join()
    story.check("chain-goes-on-without-a-node", not failures, "; ".join(failures[:1]))
    height, roots = _roots(story)
    story.check("killed-node-has-same-state-root", len(frozenset(roots)) == 1, f"height {height}")


def scene_damage(story: Story, record: Imported) -> None:
    """A byte flipped in a blob, a proof or a block is found, and named."""
    found = blob_damage(story.hospital.process.home / "records", record.registration.content.ciphertext_hash)
    story.check("flipped-byte-in-blob-detected", found is not None, found or "")
    proof = story.second.client.get_bytes(f"/v1/records/{record.id.hex()}/proof")
    tried, refused = proof_damage(proof, story.genesis)
    story.check("flipped-byte-in-proof-detected", tried == refused, f"{refused} of {tried} changes")
    named = block_damage(story.second.process.home / STORE_NAME, story.genesis)
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


def _check_refused(story: Story, name: str, asked: Asked) -> None:
    story.check(name, not asked.is_permitted and bool(asked.path), f"failed condition: {asked.path}")


def _log_of(story: Story, patient: PatientActor) -> list[dict[str, Any]]:
    who = patient.wallet.patient_id(patient.custodian.id).hex()
    return list(story.hospital.client.pages(f"/v1/patients/{who}/access"))


def _own_record() -> RecordRegister:
    """A record of the hospital's own, of which only the anchor matters here."""
    from noded.types.medical import CiphertextHash, Commitment

    return RecordRegister(
        record=RecordId(os.urandom(16)),
        patient=None,
        kind=KindClass.DOCUMENT,
        compartment=COMPARTMENT,
        content=RecordContent(
            commitment=Commitment(os.urandom(32)),
            ciphertext_hash=CiphertextHash(os.urandom(32)),
            ciphertext_bytes=1,
            days=None,
            key_epoch=EPOCH,
            wrap_hash=None,
        ),
    )


def _record_of_a_new_patient(story: Story) -> Imported:
    """Where the documents name no patient, one is registered for the last of them."""
    from dataclasses import replace

    last = story.imported[-1].record
    attribution = replace(last.attribution, patient="Patient/demo")
    return import_records(story.hospital, [replace(last, attribution=attribution)])[0]


def _roots(story: Story) -> tuple[int, list[str]]:
    """A height that all nodes have, and the state root that each says came before that block."""
    deadline = time.monotonic() + AGREE_S
    target = max(int(each.look("/v1/status")["status"]["height"]) for each in story.members)
    while time.monotonic() < deadline:
        heights = [int(each.look("/v1/status")["status"]["height"]) for each in story.members]
        if min(heights) >= target:
            break
        time.sleep(0.2)
    blocks = [each.look(f"/v1/blocks/{target}") for each in story.members]
    return target, [_header(block)["parent_state_root"] for block in blocks]


def _header(block: dict[str, Any]) -> dict[str, Any]:
    found = block.get("header") or block["block"]["header"]
    assert isinstance(found, dict)
    return found


def _probe(content: bytes) -> bytes:
    middle = max(0, len(content) // 2 - PROBE_BYTES // 2)
    return content[middle : middle + PROBE_BYTES]
