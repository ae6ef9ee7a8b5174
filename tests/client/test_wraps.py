"""L32: a wrap opens for its request only, and only if it is the one that the release names."""

from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from noded.client.wraps import ReadTicket, ask, context_of, decode_ticket, wrap_keys
from noded.crypto.errors import Undecryptable, UnusableKey
from noded.types.ids import ChainId, InstitutionId, TimestampMs
from noded.types.medical import (
    WRAP_BYTES_MAX,
    ActorId,
    Compartment,
    ConsentId,
    KeyEpoch,
    PatientId,
    ReaderKey,
    RecordId,
    RequestId,
    Version,
    WrapHash,
)
from noded.types.operations.consent import OneRecord, OwnRecord, UnderConsent, WholeCompartment
from noded.types.roles import Purpose
from noded.types.sidecar import SIDECAR_BYTES_MAX, WrapSidecar

CHAIN, READER = ChainId(b"c" * 32), InstitutionId(b"r" * 16)
KEYS = b"d" * 32 + b"s" * 32
RECORD = OneRecord(record=RecordId(b"1" * 16), version=Version(1))


def make_ticket(*, seed: int = 1, for_decades: bool = False) -> ReadTicket:
    return ask(
        Random(seed).randbytes,
        target=RECORD,
        basis=UnderConsent(consent=ConsentId(b"2" * 16)),
        purpose=Purpose.TREAT,
        actor=ActorId(b"3" * 16),
        for_decades=for_decades,
    )


def make_sidecar(ticket: ReadTicket, epoch: KeyEpoch | None = None) -> WrapSidecar:
    context = context_of(CHAIN, ticket.request, epoch)
    return wrap_keys(KEYS, context, recipient=READER, expires_ms=TimestampMs(1))


@pytest.mark.parametrize("for_decades", [False, True])
def test_there_and_back(for_decades: bool) -> None:
    ticket = make_ticket(for_decades=for_decades)
    sidecar = make_sidecar(ticket)

    assert ticket.open(CHAIN, sidecar, sidecar.wrap_hash, epoch=None) == KEYS
    assert sidecar.request == ticket.request.request
    assert KEYS[:8] not in sidecar.encode()
    assert len(sidecar.wrap) <= WRAP_BYTES_MAX
    assert len(sidecar.encode()) <= SIDECAR_BYTES_MAX


def test_requests_share_nothing() -> None:
    one, other = make_ticket(), make_ticket(seed=2)

    assert one.request.request != other.request.request
    assert one.request.reader_key != other.request.reader_key


CHANGES: list[Callable[[Any], Any]] = [
    lambda request: replace(request, request=RequestId(bytes(16))),
    lambda request: replace(request, target=replace(RECORD, version=Version(2))),
    lambda request: replace(request, target=replace(RECORD, record=RecordId(bytes(16)))),
    lambda request: replace(request, basis=OwnRecord()),
    lambda request: replace(request, basis=UnderConsent(consent=ConsentId(bytes(16)))),
    lambda request: replace(request, reader_key=ReaderKey(b"\x09" + bytes(31))),
]


@pytest.mark.parametrize("change", CHANGES)
def test_bound_to_all_of_the_request(change: Callable[[Any], Any]) -> None:
    ticket = make_ticket()
    sidecar = make_sidecar(ticket)
    changed = replace(ticket, request=change(ticket.request))

    with pytest.raises(Undecryptable):
        changed.open(CHAIN, sidecar, sidecar.wrap_hash, epoch=None)


def test_bound_to_chain_and_epoch() -> None:
    ticket = make_ticket()
    compartment = WholeCompartment(patient=PatientId(bytes(16)), compartment=Compartment(1))
    ticket = replace(ticket, request=replace(ticket.request, target=compartment))
    sidecar = make_sidecar(ticket, KeyEpoch(3))

    assert ticket.open(CHAIN, sidecar, sidecar.wrap_hash, epoch=KeyEpoch(3)) == KEYS
    for chain, epoch in ((ChainId(bytes(32)), KeyEpoch(3)), (CHAIN, KeyEpoch(2)), (CHAIN, None)):
        with pytest.raises(Undecryptable):
            ticket.open(chain, sidecar, sidecar.wrap_hash, epoch=epoch)


def test_must_be_the_one_that_the_release_names() -> None:
    ticket = make_ticket()
    sidecar, again = make_sidecar(ticket), make_sidecar(ticket)
    assert sidecar.wrap_hash != again.wrap_hash

    for forged in (again, replace(again, wrap_hash=sidecar.wrap_hash)):
        with pytest.raises(Undecryptable):
            ticket.open(CHAIN, forged, sidecar.wrap_hash, epoch=None)
    with pytest.raises(Undecryptable):
        ticket.open(CHAIN, sidecar, WrapHash(bytes(32)), epoch=None)


def test_only_the_private_key_opens() -> None:
    ticket = make_ticket()
    sidecar = make_sidecar(ticket)

    with pytest.raises(Undecryptable):
        replace(ticket, private_key=make_ticket(seed=2).private_key).open(
            CHAIN, sidecar, sidecar.wrap_hash, epoch=None
        )


@pytest.mark.parametrize("key", [bytes(32), bytes(40), bytes(1216)])
def test_unusable_reader_keys_are_refused(key: bytes) -> None:
    """Whatever a reader puts on the ledger as its key, the custodian is told and does not crash."""
    ticket = make_ticket()
    request = replace(ticket.request, reader_key=ReaderKey(key))
    context = context_of(CHAIN, request, None)

    with pytest.raises(UnusableKey):
        wrap_keys(KEYS, context, recipient=READER, expires_ms=TimestampMs(1))


def test_tickets_are_kept_as_bytes() -> None:
    for for_decades in (False, True):
        ticket = make_ticket(for_decades=for_decades)
        assert decode_ticket(ticket.encode()) == ticket
        assert repr(ticket.private_key) not in repr(ticket)
