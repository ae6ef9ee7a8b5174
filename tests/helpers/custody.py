"""Custody on one node and reading on two others, without a network."""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from noded.api.backend import StateAt, VersionToKeep
from noded.client.wraps import ReadTicket, ask
from noded.daemon.custody import Custody
from noded.daemon.reading import Reading
from noded.network.interface import Network, PeerUnavailable
from noded.types.ids import InstitutionId, PublicKey
from noded.types.medical import Compartment, KeyEpoch, Version
from noded.types.operations.consent import (
    AccessRelease,
    OneRecord,
    UnderConsent,
)
from noded.types.operations.identity import PatientRegister
from noded.types.operations.records import RecordContent
from noded.types.roles import Purpose
from tests.helpers.backend import TestBackend
from tests.helpers.ledger import START_MS, TestChain, make_genesis
from tests.helpers.medical import (
    CLINIC,
    CONSENT,
    DOCTOR,
    HOSPITAL,
    PATIENT,
    RECORD,
    make_content,
    make_record,
)
from tests.helpers.story import founders

CONTENT = b'{"resourceType": "Observation", "valueQuantity": {"value": 1.00}}' * 3000
VERSION = Version(1)


@dataclass
class Direct:
    """Hands a request straight to the custodian, in the name of whoever asks."""

    me: InstitutionId
    custody: Custody
    is_down: bool = False
    forged: bytes | None = None
    """What the custodian is made to answer."""

    async def request(self, peer: InstitutionId, kind: int, payload: bytes, timeout_s: float) -> bytes:
        assert peer == HOSPITAL.institution
        if self.is_down:
            raise PeerUnavailable("as the test says")
        return await self.custody.answer(self.me, kind, payload) if self.forged is None else self.forged


class Consortium:
    """The hospital's node keeps a record, the clinic's and the insurer's would read it."""

    def __init__(self, folder: Path) -> None:
        self.backend = TestBackend(TestChain(make_genesis(institutions=founders())))
        self.now_ms = int(START_MS)
        self.custody = Custody(
            home=_home(folder, "hospital"),
            reserve_bytes=0,
            data_key=bytes(range(32)),
            chain_id=self.backend.genesis.chain_id,
            me=HOSPITAL.institution,
            store=self.backend.store,
            look=self.look,
            clock_ms=lambda: self.now_ms,
        )
        self.folder = folder
        self.fetched_bytes = 0
        self._others: list[Custody] = []
        self.readers: dict[str, tuple[Reading, Direct]] = {}

    def look(self, query: Callable[[StateAt], Any]) -> Any:
        return self.backend.look(query)

    def reader(self, party: Any = CLINIC) -> tuple[Reading, Direct]:
        """A member's node; its wraps go to a store of its own."""
        name = party.id.decode().strip(".")
        if name not in self.readers:
            own = TestBackend(self.backend.chain)
            home = _home(self.folder, name)

            def look(query: Callable[[StateAt], Any]) -> Any:
                return self.backend.look(lambda at: query(replace(at, reader=own.store)))

            own_custody = Custody(
                home=home,
                reserve_bytes=0,
                data_key=bytes(32),
                chain_id=own.genesis.chain_id,
                me=party.institution,
                store=own.store,
                look=look,
                clock_ms=lambda: self.now_ms,
            )
            self._others.append(own_custody)
            direct = Direct(party.institution, self.custody)
            reading = Reading(
                home=home,
                reserve_bytes=0,
                me=party.institution,
                custody=own_custody,
                store=own.store,
                network=cast(Network, direct),
                look=look,
                clock_ms=lambda: self.now_ms,
                count_bytes=self._count,
            )
            self.readers[name] = reading, direct
        return self.readers[name]

    def close(self) -> None:
        for custody in (self.custody, *self._others):
            custody.close()

    def commit(self, *operations: Any, sender: PublicKey, cosigners: tuple[PublicKey, ...] = ()) -> None:
        self.backend.commit(self.backend.chain.transaction(*operations, sender=sender, cosigners=cosigners))
        (receipt,) = self.backend.chain.committed[-1].receipts
        assert receipt.error is None, receipt

    async def keep(self) -> RecordContent:
        """The record is kept, registered and open to the clinic by consent."""
        (kept,) = await self.custody.keep(
            [
                VersionToKeep(
                    record=RECORD,
                    version=VERSION,
                    content=CONTENT,
                    patient=PATIENT.patient,
                    compartment=Compartment(0),
                    key_epoch=KeyEpoch(0),
                )
            ]
        )
        content = make_content(
            commitment=kept.version.commitment,
            ciphertext_hash=kept.version.ciphertext,
            ciphertext_bytes=kept.version.ciphertext_bytes,
            wrap_hash=kept.wrap_hash,
        )
        self.commit(
            PatientRegister(patient=PATIENT.patient, key=PATIENT.key),
            make_record(content=content),
            sender=HOSPITAL.key,
            cosigners=(PATIENT.key,),
        )
        return content

    def request(self, target: Any = None, party: Any = CLINIC) -> ReadTicket:
        ticket = ask(
            os.urandom,
            target=target or OneRecord(record=RECORD, version=VERSION),
            basis=UnderConsent(consent=CONSENT),
            purpose=Purpose.TREAT,
            actor=DOCTOR,
        )
        self.commit(ticket.request, sender=party.key)
        return ticket

    async def release(self, ticket: ReadTicket) -> None:
        named = await self.custody.release(ticket.request.request)
        release = AccessRelease(request=ticket.request.request, wrap_hash=named)
        self.commit(release, sender=HOSPITAL.key)

    def _count(self, count: int) -> None:
        self.fetched_bytes += count


def _home(folder: Path, name: str) -> Path:
    home = folder / name
    home.mkdir()
    return home
