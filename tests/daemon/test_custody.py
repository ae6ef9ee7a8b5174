"""A record from its custodian to a reader and back to bytes: custody on one node, reading on another."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from noded.api.backend import NotHere, NotPermitted, PeerFailed, VersionToKeep
from noded.blobs.errors import BlobCorrupt, RecordNotHeld
from noded.blobs.keys import unpack_secrets
from noded.blobs.sealing import open_content
from noded.blobs.store import BlobStore
from noded.client.compartments import EPOCHS_MAX, Place, open_keys
from noded.codec.errors import Malformed
from noded.codec.schema import encode_value
from noded.crypto.errors import UnusableKey
from noded.daemon.custody import REQUEST_BLOB, REQUEST_KEYS, KeysQuestion
from noded.network.interface import NetworkError, RequestRefused
from noded.types.medical import Compartment, KeyEpoch, RecordId
from noded.types.operations import Operation
from noded.types.operations.audit import ErasureRequest
from noded.types.operations.consent import (
    ConsentRevoke,
    Mode,
    WholeCompartment,
)
from tests.helpers.blobs import blob_path, flip
from tests.helpers.custody import CONTENT, VERSION, Consortium
from tests.helpers.medical import (
    CLINIC,
    CONSENT,
    DAY_MS,
    HOSPITAL,
    INSURER,
    PATIENT,
    RECORD,
    make_grant,
)


@pytest.fixture
def consortium(tmp_path: Path) -> Iterator[Consortium]:
    made = Consortium(tmp_path)
    yield made
    made.close()


class TestOneRecord:
    async def test_the_reader_gets_exactly_the_bytes_that_went_in(self, consortium: Consortium) -> None:
        content = await consortium.keep()
        consortium.commit(make_grant(), sender=PATIENT.key)
        ticket = consortium.request()
        await consortium.release(ticket)
        reading, _ = consortium.reader()
        request = ticket.request.request

        sidecar = await reading.wrap(request)
        name = await reading.fetch(request, RECORD, VERSION)

        keys = ticket.open(consortium.backend.genesis.chain_id, sidecar, sidecar.wrap_hash, epoch=None)
        assert name == content.ciphertext_hash
        opened = open_content(
            BlobStore(consortium.folder / "clinic" / "fetched", reserve_bytes=0),
            name,
            unpack_secrets(keys),
            record=RECORD,
            version=VERSION,
            commitment=content.commitment,
        )
        assert opened == CONTENT
        assert consortium.fetched_bytes > len(CONTENT)

    async def test_what_was_fetched_and_is_damaged_since_can_be_fetched_again(
        self, consortium: Consortium
    ) -> None:
        await consortium.keep()
        consortium.commit(make_grant(), sender=PATIENT.key)
        ticket = consortium.request()
        await consortium.release(ticket)
        reading, _ = consortium.reader()
        wanted = (ticket.request.request, RECORD, VERSION)
        name = await reading.fetch(*wanted)
        count = (await reading.manifest(name)).segments
        whole = await reading.segments(name, 0, count)
        flip(blob_path(BlobStore(consortium.folder / "clinic" / "fetched", reserve_bytes=0), name), -1)

        with pytest.raises(BlobCorrupt):
            await reading.segments(name, 0, count)
        await reading.fetch(*wanted)

        assert await reading.segments(name, 0, count) == whole

    async def test_the_wrap_is_kept_by_the_reader_once_it_came(self, consortium: Consortium) -> None:
        await consortium.keep()
        consortium.commit(make_grant(), sender=PATIENT.key)
        ticket = consortium.request()
        await consortium.release(ticket)
        reading, direct = consortium.reader()
        first = await reading.wrap(ticket.request.request)
        direct.is_down = True

        assert await reading.wrap(ticket.request.request) == first

    async def test_where_a_key_is_missing_for_one_nothing_is_kept(self, consortium: Consortium) -> None:
        """A compartment has had as many keys as it may have."""
        own = VersionToKeep(
            record=RecordId(bytes(16)),
            version=VERSION,
            content=b"own",
            patient=None,
            compartment=Compartment(0),
            key_epoch=KeyEpoch(0),
        )
        last = replace(own, record=RECORD, patient=PATIENT.patient, key_epoch=KeyEpoch(EPOCHS_MAX))

        with pytest.raises(UnusableKey):
            await consortium.custody.keep([own, last])
        for record in (own.record, RECORD):
            with pytest.raises(RecordNotHeld):
                await consortium.custody.read_record(record, VERSION)

    async def test_without_a_release_there_is_nothing(self, consortium: Consortium) -> None:
        await consortium.keep()
        consortium.commit(make_grant(), sender=PATIENT.key)
        ticket = consortium.request()
        reading, _ = consortium.reader()

        with pytest.raises(NotPermitted, match="permitted"):
            await reading.wrap(ticket.request.request)
        with pytest.raises(NotPermitted):
            await reading.fetch(ticket.request.request, RECORD, VERSION)

    async def test_a_denied_request_is_never_released(self, consortium: Consortium) -> None:
        await consortium.keep()
        ticket = consortium.request()

        with pytest.raises(NotPermitted, match="it is denied"):
            await consortium.custody.release(ticket.request.request)

    async def test_after_a_revocation_nothing_is_fetched(self, consortium: Consortium) -> None:
        await consortium.keep()
        consortium.commit(make_grant(), sender=PATIENT.key)
        ticket = consortium.request()
        await consortium.release(ticket)
        consortium.commit(ConsentRevoke(consent=CONSENT), sender=PATIENT.key)
        reading, _ = consortium.reader()

        with pytest.raises(NotPermitted):
            await reading.fetch(ticket.request.request, RECORD, VERSION)

    @pytest.mark.parametrize("end", [ConsentRevoke(consent=CONSENT), ErasureRequest(record=RECORD)])
    async def test_a_wrap_that_was_not_fetched_in_time_does_not_go_out(
        self, consortium: Consortium, end: Operation
    ) -> None:
        """L58, L85: a key that has not left its custodian stays there, released or not."""
        await consortium.keep()
        consortium.commit(make_grant(), sender=PATIENT.key)
        ticket = consortium.request()
        await consortium.release(ticket)
        consortium.commit(end, sender=PATIENT.key)
        reading, _ = consortium.reader()
        question = encode_value(KeysQuestion(request=ticket.request.request, record=None, version=VERSION))

        assert await consortium.custody.answer(CLINIC.institution, REQUEST_KEYS, question) == b""
        with pytest.raises(NotPermitted, match="brings nothing any more"):
            await reading.wrap(ticket.request.request)

    async def test_a_consent_ends_by_the_clock_where_no_block_comes(self, consortium: Consortium) -> None:
        """L44, L58: also while the chain stands."""
        await consortium.keep()
        consortium.commit(make_grant(), sender=PATIENT.key)
        ticket = consortium.request()
        await consortium.release(ticket)
        reading, _ = consortium.reader()
        question = encode_value(KeysQuestion(request=ticket.request.request, record=None, version=VERSION))
        consortium.now_ms += 31 * DAY_MS

        assert await consortium.custody.answer(CLINIC.institution, REQUEST_KEYS, question) == b""
        with pytest.raises(NotPermitted):
            await reading.fetch(ticket.request.request, RECORD, VERSION)

    async def test_another_member_gets_neither_wrap_nor_ciphertext(self, consortium: Consortium) -> None:
        await consortium.keep()
        consortium.commit(make_grant(), sender=PATIENT.key)
        ticket = consortium.request()
        await consortium.release(ticket)
        request = ticket.request.request
        stranger, _ = consortium.reader(INSURER)
        question = encode_value(KeysQuestion(request=request, record=None, version=VERSION))

        with pytest.raises(NotPermitted):
            await stranger.wrap(request)
        with pytest.raises(NotPermitted):
            await stranger.fetch(request, RECORD, VERSION)
        assert await consortium.custody.answer(INSURER.institution, REQUEST_KEYS, question) == b""
        assert await consortium.custody.answer(CLINIC.institution, REQUEST_KEYS, question) != b""

    async def test_what_is_erased_cannot_be_released(self, consortium: Consortium) -> None:
        await consortium.keep()
        consortium.commit(make_grant(), sender=PATIENT.key)
        ticket = consortium.request()

        assert await consortium.custody.erase(RECORD) == 1
        with pytest.raises(RecordNotHeld):
            await consortium.custody.release(ticket.request.request)


class TestCompartment:
    async def test_one_wrap_opens_all_records_in_it(self, consortium: Consortium) -> None:
        content = await consortium.keep()
        consortium.commit(make_grant(mode=Mode.STANDING), sender=PATIENT.key)
        target = WholeCompartment(patient=PATIENT.patient, compartment=Compartment(0))
        ticket = consortium.request(target)
        await consortium.release(ticket)
        reading, _ = consortium.reader()
        request = ticket.request.request

        sidecar = await reading.wrap(request)
        sealed = await reading.sealed_keys(request, RECORD, VERSION)

        chain_id = consortium.backend.genesis.chain_id
        key = ticket.open(chain_id, sidecar, sidecar.wrap_hash, epoch=KeyEpoch(0))
        place = Place(
            patient=PATIENT.patient,
            compartment=Compartment(0),
            epoch=KeyEpoch(0),
            record=RECORD,
            version=VERSION,
        )
        secrets = unpack_secrets(open_keys(key, sealed, place))
        opened = open_content(
            consortium.custody.kept,
            content.ciphertext_hash,
            secrets,
            record=RECORD,
            version=VERSION,
            commitment=content.commitment,
        )
        assert opened == CONTENT

    async def test_its_key_goes_out_no_more_after_a_revocation(self, consortium: Consortium) -> None:
        """L58."""
        await consortium.keep()
        consortium.commit(make_grant(mode=Mode.STANDING), sender=PATIENT.key)
        ticket = consortium.request(WholeCompartment(patient=PATIENT.patient, compartment=Compartment(0)))
        await consortium.release(ticket)
        consortium.commit(ConsentRevoke(consent=CONSENT), sender=PATIENT.key)
        question = encode_value(KeysQuestion(request=ticket.request.request, record=None, version=VERSION))

        assert await consortium.custody.answer(CLINIC.institution, REQUEST_KEYS, question) == b""

    async def test_keys_under_it_go_to_nobody_else(self, consortium: Consortium) -> None:
        await consortium.keep()
        consortium.commit(make_grant(mode=Mode.STANDING), sender=PATIENT.key)
        target = WholeCompartment(patient=PATIENT.patient, compartment=Compartment(0))
        ticket = consortium.request(target)
        await consortium.release(ticket)

        args = ticket.request.request, RECORD, VERSION
        assert await consortium.custody.sealed_keys(INSURER.institution, *args) == b""
        assert await consortium.custody.sealed_keys(CLINIC.institution, *args) != b""


class TestFaultsOfPeers:
    async def test_a_custodian_that_is_away_is_named(self, consortium: Consortium) -> None:
        await consortium.keep()
        consortium.commit(make_grant(), sender=PATIENT.key)
        ticket = consortium.request()
        await consortium.release(ticket)
        reading, direct = consortium.reader()
        direct.is_down = True

        with pytest.raises(PeerFailed, match=HOSPITAL.id.hex()):
            await reading.wrap(ticket.request.request)

    @pytest.mark.parametrize("forged", [b"\x00", b"\x85" + bytes(40)])
    async def test_a_forged_answer_is_not_believed(self, consortium: Consortium, forged: bytes) -> None:
        await consortium.keep()
        consortium.commit(make_grant(), sender=PATIENT.key)
        ticket = consortium.request()
        await consortium.release(ticket)
        reading, direct = consortium.reader()
        direct.forged = forged

        with pytest.raises(PeerFailed):
            await reading.wrap(ticket.request.request)

    async def test_a_wrap_that_expired_is_told(self, consortium: Consortium) -> None:
        await consortium.keep()
        consortium.commit(make_grant(), sender=PATIENT.key)
        ticket = consortium.request()
        await consortium.release(ticket)
        reading, _ = consortium.reader()
        consortium.backend.store.prune_sidecars(1 << 60, 100)

        with pytest.raises(NotHere):
            await reading.wrap(ticket.request.request)

    @pytest.mark.parametrize("kind", [REQUEST_BLOB, REQUEST_KEYS])
    @pytest.mark.parametrize("payload", [b"", b"\x00", bytes(1000)])
    async def test_questions_that_are_none_are_the_peers_fault(
        self, consortium: Consortium, kind: int, payload: bytes
    ) -> None:
        with pytest.raises(Malformed):
            await consortium.custody.answer(CLINIC.institution, kind, payload)

    async def test_other_kinds_are_refused(self, consortium: Consortium) -> None:
        with pytest.raises(RequestRefused, match="kind 9"):
            await consortium.custody.answer(CLINIC.institution, 9, b"")
        assert issubclass(RequestRefused, NetworkError)


async def test_no_plaintext_comes_to_disk(consortium: Consortium) -> None:
    await consortium.keep()

    files = [path.read_bytes() for path in consortium.folder.rglob("*") if path.is_file()]

    assert files
    assert not any(CONTENT[:40] in data for data in files)


async def test_the_chart_is_read_by_its_own_institution(consortium: Consortium) -> None:
    await consortium.keep()

    assert await consortium.custody.read_record(RECORD, VERSION) == CONTENT
    assert await consortium.custody.read_record(RECORD, VERSION, start=5, end=9) == CONTENT[5:9]
    with pytest.raises(RecordNotHeld):
        await consortium.custody.read_record(RecordId(bytes(16)), VERSION)
