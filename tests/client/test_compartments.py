"""L46: a compartment's key opens what is there, never what comes under a later one."""

from dataclasses import replace

import pytest

from noded.client.compartments import (
    EPOCHS_MAX,
    Place,
    compartment_key,
    earlier_key,
    open_keys,
    seal_keys,
)
from noded.crypto.errors import Undecryptable, UnusableKey
from noded.types.medical import Compartment, KeyEpoch, PatientId, RecordId, Version
from noded.types.sidecar import wrap_hash

SECRET = bytes(range(32))
PATIENT = PatientId(b"p" * 16)
PLACE = Place(
    patient=PATIENT,
    compartment=Compartment(2),
    epoch=KeyEpoch(5),
    record=RecordId(b"r" * 16),
    version=Version(1),
)
KEYS = b"k" * 64


def key(epoch: int, compartment: int = 2, patient: PatientId = PATIENT) -> bytes:
    return compartment_key(SECRET, patient, Compartment(compartment), KeyEpoch(epoch))


def test_earlier_keys_follow_from_later_ones() -> None:
    assert earlier_key(key(9), 4) == key(5)
    assert earlier_key(key(9), 0) == key(9)
    assert earlier_key(key(EPOCHS_MAX - 1), EPOCHS_MAX - 1) == key(0)


def test_there_is_none_beyond_the_last() -> None:
    with pytest.raises(UnusableKey, match="compartment 2"):
        key(EPOCHS_MAX)


def test_keys_differ() -> None:
    keys = {
        key(epoch, compartment, patient)
        for epoch in (0, 1)
        for compartment in (0, 1)
        for patient in (PATIENT, PatientId(bytes(16)))
    }

    assert len(keys) == 8


def test_there_and_back() -> None:
    sealed, hash = seal_keys(key(5), KEYS, PLACE)

    assert open_keys(key(5), sealed, PLACE) == KEYS
    assert hash == wrap_hash(sealed)
    assert KEYS not in sealed


def test_holders_of_an_earlier_key_are_shut_out() -> None:
    sealed, _ = seal_keys(key(5), KEYS, PLACE)

    assert open_keys(earlier_key(key(8), 3), sealed, PLACE) == KEYS
    with pytest.raises(Undecryptable):
        open_keys(key(4), sealed, PLACE)


@pytest.mark.parametrize(
    "place",
    [
        replace(PLACE, patient=PatientId(bytes(16))),
        replace(PLACE, compartment=Compartment(3)),
        replace(PLACE, epoch=KeyEpoch(4)),
        replace(PLACE, record=RecordId(bytes(16))),
        replace(PLACE, version=Version(2)),
    ],
)
def test_sealed_keys_open_in_their_place_only(place: Place) -> None:
    sealed, _ = seal_keys(key(5), KEYS, PLACE)

    with pytest.raises(Undecryptable):
        open_keys(key(5), sealed, place)
    with pytest.raises(Undecryptable):
        open_keys(key(5), sealed[:-1] + bytes([sealed[-1] ^ 1]), PLACE)
