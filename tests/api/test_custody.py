from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio

from noded.api.backend import VersionsKept, VersionsToKeep, VersionToKeep
from noded.api.routes import custody
from noded.api.routes.custody import BODY_BYTES_MAX, UPLOADS_MAX
from noded.blobs.custody import Custodian
from noded.blobs.keys import RecordKeys
from noded.blobs.manifest import decode_manifest
from noded.blobs.sealed_file import SealedFile
from noded.codec.schema import decode_value, encode_value
from noded.crypto.segments import SEALED_SEGMENT_BYTES, SEGMENT_BYTES
from noded.types.medical import Compartment, KeyEpoch, RecordId, Version
from tests.helpers.api import ServedApi, serve
from tests.helpers.backend import TestBackend
from tests.helpers.blobs import flip, make_store
from tests.helpers.medical import RECORD, REQUEST

CBOR = "application/cbor"
CONTENT = bytes(range(256)) * (9 * SEGMENT_BYTES // 256) + b"end"


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[ServedApi]:
    home = tmp_path / "home"
    home.mkdir()
    file = SealedFile(tmp_path / "keys.sqlite", bytes(32))
    custodian = Custodian(make_store(tmp_path), RecordKeys(file))
    async with serve(TestBackend(custodian=custodian), home) as served:
        yield served
    file.close()


def body(*contents: bytes, record: bytes = RECORD) -> bytes:
    """A body that has these kept as versions 1, 2 …"""
    return encode_value(
        VersionsToKeep(
            versions=tuple(
                VersionToKeep(
                    record=RecordId(record),
                    version=Version(number),
                    content=content,
                    patient=None,
                    compartment=Compartment(0),
                    key_epoch=KeyEpoch(0),
                )
                for number, content in enumerate(contents, start=1)
            )
        )
    )


async def keep(served: ServedApi, *contents: bytes) -> VersionsKept:
    answer = await served.post("/v1/custody/versions", body(*contents), CBOR)
    assert answer.status == 200, answer
    return decode_value(VersionsKept, answer.body, max_bytes=100_000)


def content_path(version: int = 1) -> str:
    return f"/v1/custody/records/{RECORD.hex()}/versions/{version}/content"


class TestKeeping:
    async def test_what_is_kept_comes_back_byte_for_byte(self, served: ServedApi) -> None:
        kept = await keep(served, CONTENT, b"second")

        assert [each.version.version for each in kept.versions] == [1, 2]
        assert (await served.get(content_path())).body == CONTENT
        assert (await served.get(content_path(2))).body == b"second"

    async def test_a_version_is_kept_once(self, served: ServedApi) -> None:
        await keep(served, b"first")
        again = await served.post("/v1/custody/versions", body(b"other"), CBOR)

        assert (again.status, again.reason) == (409, "RecordHeld")
        assert (await served.get(content_path())).body == b"first"

    @pytest.mark.parametrize(
        ("data", "kind", "status", "reason"),
        [
            (b"", CBOR, 400, "BadBody"),
            (b"\x81\x80", CBOR, 400, "BadBody"),
            (body(b"x")[:-1], CBOR, 400, "BadBody"),
            (body(b"x"), "application/json", 415, "BodyUnsupported"),
        ],
    )
    async def test_what_is_no_version_is_refused(
        self, served: ServedApi, data: bytes, kind: str, status: int, reason: str
    ) -> None:
        answer = await served.post("/v1/custody/versions", data, kind)

        assert (answer.status, answer.reason) == (status, reason)

    async def test_a_body_has_a_limit(self, served: ServedApi) -> None:
        async with await served.connect() as stream:
            await stream.send_all(
                b"POST /v1/custody/versions HTTP/1.1\r\nhost: x\r\ncontent-type: application/cbor\r\n"
                b"content-length: %d\r\n\r\n" % (BODY_BYTES_MAX + 1)
            )
            answer = await stream.receive_some(1000)

        assert answer.startswith(b"HTTP/1.1 413 ")

    async def test_few_are_taken_at_a_time_and_the_next_waits_for_its_turn(
        self, served: ServedApi, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """W2: each may have 32 MiB."""
        monkeypatch.setattr(custody, "UPLOAD_WAIT_S", 0.2)
        data = body(b"content")
        head = b"POST /v1/custody/versions HTTP/1.1\r\nhost: x\r\ncontent-type: application/cbor\r\n"
        head += b"content-length: %d\r\n\r\n" % len(data)
        slow = [await served.connect() for _ in range(UPLOADS_MAX)]
        for stream in slow:
            await stream.send_all(head + data[:-1])
        await trio.sleep(0.05)

        refused = await served.post("/v1/custody/versions", data, CBOR)
        await slow[0].aclose()
        taken = await served.post("/v1/custody/versions", data, CBOR)

        assert (refused.status, refused.reason, refused.headers["retry-after"]) == (503, "Busy", "1")
        assert taken.status == 200
        await slow[1].aclose()

    async def test_what_is_erased_is_gone(self, served: ServedApi) -> None:
        kept = await keep(served, b"first", b"second")
        erased = await served.post(f"/v1/custody/records/{RECORD.hex()}/erase")
        content = await served.get(content_path())
        blob = await served.get(f"/v1/blobs/{kept.versions[0].version.ciphertext.hex()}")

        assert erased.json == {"versions": 2}
        assert (content.status, content.reason) == (404, "RecordNotHeld")
        assert (blob.status, blob.reason) == (404, "BlobMissing")


class TestRanges:
    @pytest.mark.parametrize(
        ("asked", "start", "end"),
        [
            ("bytes=0-0", 0, 1),
            (f"bytes={SEGMENT_BYTES - 1}-{SEGMENT_BYTES}", SEGMENT_BYTES - 1, SEGMENT_BYTES + 1),
            ("bytes=100-", 100, None),
            ("bytes=5-999999999", 5, None),
            (f"bytes={len(CONTENT) - 1}-", len(CONTENT) - 1, None),
        ],
    )
    async def test_a_part_is_given(self, served: ServedApi, asked: str, start: int, end: int | None) -> None:
        kept = await keep(served, CONTENT)
        name = kept.versions[0].version.ciphertext.hex()
        headers = {"range": asked}
        whole = (await served.get(f"/v1/blobs/{name}")).body

        part = await served.get(content_path(), headers=headers)
        sealed = await served.get(f"/v1/blobs/{name}", headers=headers)

        assert (part.status, part.body) == (206, CONTENT[start:end])
        assert (sealed.status, sealed.body) == (206, whole[start:end])
        for answer, all_bytes in ((part, CONTENT), (sealed, whole)):
            last = start + len(answer.body) - 1
            assert answer.headers["content-range"] == f"bytes {start}-{last}/{len(all_bytes)}"

    @pytest.mark.parametrize(("asked", "start"), [("bytes=-5", -5), ("bytes=-999999999", 0)])
    async def test_the_last_bytes_may_be_asked_for(self, served: ServedApi, asked: str, start: int) -> None:
        await keep(served, CONTENT)

        part = await served.get(content_path(), headers={"range": asked})

        assert (part.status, part.body) == (206, CONTENT[start:])

    @pytest.mark.parametrize(("method", "asked"), [("GET", "lines=1-2"), ("GET", ""), ("HEAD", "bytes=0-0")])
    async def test_of_other_units_and_methods_it_means_nothing(
        self, served: ServedApi, method: str, asked: str
    ) -> None:
        """RFC 9110 §14.2."""
        await keep(served, b"short")

        head = f"{method} {content_path()} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nrange: {asked}\r\n\r\n"
        answer = await served.exchange(head.encode())

        assert answer.startswith(b"HTTP/1.1 200 ")
        assert b"\r\ncontent-length: 5\r\n" in answer

    @pytest.mark.parametrize("asked", ["bytes=99999999-", "bytes=99999999-99999999", "bytes=-0"])
    async def test_there_is_nothing_behind_the_end(self, served: ServedApi, asked: str) -> None:
        kept = await keep(served, b"short")
        name = kept.versions[0].version.ciphertext.hex()
        for path in (content_path(), f"/v1/blobs/{name}"):
            answer = await served.get(path, headers={"range": asked})

            assert (answer.status, answer.reason) == (416, "RangeBeyondEnd")
            assert answer.headers["content-range"].startswith("bytes */")

    @pytest.mark.parametrize(
        "asked",
        ["bytes=", "bytes=-", "bytes=2-1", "bytes=0-1,2-3", "Bytes=x", "bytes=" + "9" * 99 + "-"],
    )
    async def test_other_ranges_are_refused(self, served: ServedApi, asked: str) -> None:
        await keep(served, b"short")

        answer = await served.get(content_path(), headers={"range": asked})

        assert (answer.status, answer.reason) == (422, "InvalidRequest")


class TestBlobs:
    async def test_ciphertext_fits_its_manifest(self, served: ServedApi) -> None:
        kept = await keep(served, CONTENT)
        name = kept.versions[0].version.ciphertext

        blob = await served.get(f"/v1/blobs/{name.hex()}")
        manifest = decode_manifest((await served.get(f"/v1/blobs/{name.hex()}/manifest")).body)

        assert manifest.name == name
        assert manifest.size == len(blob.body) == kept.versions[0].version.ciphertext_bytes
        for segment in range(manifest.segments):
            at = segment * SEALED_SEGMENT_BYTES
            assert manifest.is_segment(segment, blob.body[at : at + SEALED_SEGMENT_BYTES])
        assert blob.headers["etag"] == f'"{name.hex()}"'

    async def test_damage_is_named_and_not_served(self, served: ServedApi, tmp_path: Path) -> None:
        kept = await keep(served, CONTENT)
        name = kept.versions[0].version.ciphertext.hex()
        (file,) = tmp_path.rglob(name)
        flip(file, -1)

        answer = await served.get(content_path())

        assert (answer.status, answer.reason) == (500, "BlobCorrupt")
        assert "segment" in answer.json["detail"]


@pytest.mark.parametrize(
    ("method", "path", "status", "reason"),
    [
        ("POST", f"/v1/custody/requests/{REQUEST.hex()}/release", 403, "NotPermitted"),
        ("GET", f"/v1/reads/{REQUEST.hex()}/wrap", 404, "NotHere"),
        ("GET", f"/v1/reads/{REQUEST.hex()}/keys/{RECORD.hex()}/1", 404, "NotHere"),
        ("POST", f"/v1/reads/{REQUEST.hex()}/fetch/{RECORD.hex()}/1", 403, "NotPermitted"),
    ],
)
async def test_the_ledger_decides_who_reads(
    served: ServedApi, method: str, path: str, status: int, reason: str
) -> None:
    answer = await served.ask(method, path)

    assert (answer.status, answer.reason) == (status, reason)
