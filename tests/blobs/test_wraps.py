"""Wraps open for one reader, one purpose, one place (L32), and for nothing else."""

from dataclasses import replace
from typing import Any

import pytest

from noded.blobs.keys import RecordSecrets
from noded.blobs.wraps import (
    CompartmentContext,
    ReleaseContext,
    hash_wrap,
    unwrap_compartment_key,
    unwrap_in_compartment,
    unwrap_secrets,
    wrap_compartment_key,
    wrap_in_compartment,
    wrap_secrets,
)
from noded.crypto.errors import Undecryptable, UnusableKey
from noded.crypto.hpke import HYBRID_PRIVATE_BYTES, X25519_PRIVATE_BYTES, wrapping_key_of
from noded.types.ids import ChainId
from noded.types.medical import (
    WRAP_BYTES_MAX,
    Compartment,
    ConsentId,
    KeyEpoch,
    OpeningId,
    PatientId,
    ReaderKey,
    RecordId,
    RequestId,
    Version,
)
from noded.types.operations.consent import InEmergency, OneRecord, UnderConsent, WholeCompartment

SECRETS = RecordSecrets(data_key=b"d" * 32, salt_key=b"s" * 32)
PRIVATE = bytes(range(X25519_PRIVATE_BYTES))
RECORD = RecordId(b"r" * 16)


def make_context(private_key: bytes = PRIVATE) -> ReleaseContext:
    return ReleaseContext(
        chain_id=ChainId(b"c" * 32),
        request=RequestId(b"q" * 16),
        target=OneRecord(record=RECORD, version=Version(1)),
        basis=UnderConsent(consent=ConsentId(b"k" * 16)),
        reader_key=ReaderKey(wrapping_key_of(private_key)),
    )


IN_COMPARTMENT = CompartmentContext(
    chain_id=ChainId(b"c" * 32),
    patient=PatientId(b"p" * 16),
    compartment=Compartment(2),
    epoch=KeyEpoch(0),
    record=RECORD,
    version=Version(1),
)


class TestRelease:
    @pytest.mark.parametrize(
        "private_key", [PRIVATE, bytes(range(HYBRID_PRIVATE_BYTES))], ids=["X25519", "hybrid"]
    )
    def test_its_reader_opens_it(self, private_key: bytes) -> None:
        context = make_context(private_key)

        wrap = wrap_secrets(context, SECRETS)

        assert unwrap_secrets(context, private_key, wrap) == SECRETS
        assert len(wrap) <= WRAP_BYTES_MAX
        assert SECRETS.data_key not in wrap

    @pytest.mark.parametrize(
        "change",
        [
            {"chain_id": ChainId(b"x" * 32)},
            {"request": RequestId(b"x" * 16)},
            {"target": OneRecord(record=RecordId(b"x" * 16), version=Version(1))},
            {"target": OneRecord(record=RECORD, version=Version(2))},
            {"target": WholeCompartment(patient=PatientId(b"r" * 16), compartment=Compartment(1))},
            {"basis": UnderConsent(consent=ConsentId(b"x" * 16))},
            {"basis": InEmergency(opening=OpeningId(b"k" * 16))},
            {"reader_key": ReaderKey(wrapping_key_of(bytes(32)))},
        ],
        ids=lambda change: next(iter(change)),
    )
    def test_anything_else_than_what_was_permitted_does_not_open_it(self, change: dict[str, Any]) -> None:
        wrap = wrap_secrets(make_context(), SECRETS)

        with pytest.raises(Undecryptable):
            unwrap_secrets(replace(make_context(), **change), PRIVATE, wrap)

    def test_another_key_and_a_changed_byte_do_not_open_it(self) -> None:
        wrap = wrap_secrets(make_context(), SECRETS)

        for private_key, changed in (
            (bytes(32), wrap),
            (PRIVATE, wrap[:-1] + bytes([wrap[-1] ^ 1])),
            (PRIVATE, b""),
        ):
            with pytest.raises(Undecryptable):
                unwrap_secrets(make_context(), private_key, changed)

    def test_a_compartments_key_is_no_versions_secrets(self) -> None:
        wrap = wrap_compartment_key(make_context(), b"e" * 32)

        assert unwrap_compartment_key(make_context(), PRIVATE, wrap) == b"e" * 32
        with pytest.raises(Undecryptable, match="to something else"):
            unwrap_secrets(make_context(), PRIVATE, wrap)

    def test_a_key_that_is_none_is_refused(self) -> None:
        with pytest.raises(UnusableKey):
            wrap_secrets(replace(make_context(), reader_key=ReaderKey(bytes(33))), SECRETS)


class TestInCompartment:
    def test_the_compartments_key_opens_it(self) -> None:
        wrap = wrap_in_compartment(IN_COMPARTMENT, b"e" * 32, SECRETS, b"n" * 12)

        assert unwrap_in_compartment(IN_COMPARTMENT, b"e" * 32, wrap) == SECRETS
        assert len(wrap) <= WRAP_BYTES_MAX

    @pytest.mark.parametrize(
        "change",
        [
            {"chain_id": ChainId(b"x" * 32)},
            {"patient": PatientId(b"x" * 16)},
            {"compartment": Compartment(3)},
            {"epoch": KeyEpoch(1)},
            {"record": RecordId(b"x" * 16)},
            {"version": Version(2)},
        ],
        ids=lambda change: next(iter(change)),
    )
    def test_another_place_does_not_open_it(self, change: dict[str, Any]) -> None:
        wrap = wrap_in_compartment(IN_COMPARTMENT, b"e" * 32, SECRETS, b"n" * 12)

        with pytest.raises(Undecryptable):
            unwrap_in_compartment(replace(IN_COMPARTMENT, **change), b"e" * 32, wrap)

    @pytest.mark.parametrize("key", [b"x" * 32])
    @pytest.mark.parametrize("wrap", [b"", b"short", bytes(92)])
    def test_garbage_does_not_open(self, key: bytes, wrap: bytes) -> None:
        with pytest.raises(Undecryptable):
            unwrap_in_compartment(IN_COMPARTMENT, key, wrap)


def test_a_wraps_hash_names_it() -> None:
    assert hash_wrap(b"one") != hash_wrap(b"other")
    assert len(hash_wrap(b"one")) == 32
