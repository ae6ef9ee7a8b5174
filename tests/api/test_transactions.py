import json
from base64 import b64encode
from pathlib import Path

import pytest
import trio
import trio.testing

from noded.api.routes.transactions import POSTED_BYTES_MAX, POSTED_MAX
from noded.codec import cbor
from noded.daemon import waiting
from noded.types.ids import TimestampMs
from noded.types.operations.audit import AuditAnchor
from noded.types.transaction import SignedTransaction
from tests.helpers.api import serve
from tests.helpers.backend import TestBackend
from tests.helpers.ledger import START_MS

CBOR = "application/cbor"


def anchor(backend: TestBackend, number: int = 1) -> SignedTransaction:
    """A transaction that takes effect; any but number 1 is rejected at first."""
    operation = AuditAnchor(sequence=number, entries=0, root=None, until_ms=TimestampMs(START_MS + number))
    return backend.chain.transaction(operation)


def encoded(*transactions: SignedTransaction) -> bytes:
    return cbor.encode([each.encoding for each in transactions])


class TestPosting:
    async def test_each_transaction_is_taken_or_refused_for_itself(self, tmp_path: Path) -> None:
        backend = TestBackend()
        good = anchor(backend)
        async with serve(backend, tmp_path) as served:
            answer = await served.post("/v1/txs", cbor.encode([good.encoding, b"\x00"]), CBOR)

        assert answer.status == 200
        first, second = cbor.decode(answer.body, max_bytes=1000)
        assert first == [good.hash, None, "", None, None, None]
        assert second[1] == "Malformed"
        assert backend.pending == [good]

    async def test_people_may_write_base64(self, tmp_path: Path) -> None:
        backend = TestBackend()
        good = anchor(backend)
        body = json.dumps({"transactions": [b64encode(good.encoding).decode(), "AA=="]}).encode()
        async with serve(backend, tmp_path) as served:
            answer = await served.post("/v1/txs", body)

        first, second = answer.json["transactions"]
        assert (first["hash"], first["refused"], first["height"]) == (good.hash.hex(), None, None)
        assert second["refused"] == "Malformed"

    async def test_all_of_a_call_are_waited_for(self, tmp_path: Path) -> None:
        backend = TestBackend()
        applied, rejected = anchor(backend), anchor(backend, 7)
        async with serve(backend, tmp_path) as served, trio.open_nursery() as nursery:
            rows: list[list[object]] = []

            async def post() -> None:
                answer = await served.post("/v1/txs?wait=60", encoded(applied, rejected), CBOR)
                rows.extend(cbor.decode(answer.body, max_bytes=1000))

            nursery.start_soon(post)
            while len(backend.pending) < 2:
                await trio.sleep(0.01)
            backend.commit()

        assert rows[0] == [applied.hash, None, "", 1, 0, None]
        assert rows[1][3:] == [1, 1, "NotCurrent"]

    async def test_what_was_taken_is_not_refused_because_nobody_more_can_wait(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(waiting, "WAITERS_MAX", 0)
        backend = TestBackend()
        signed = anchor(backend)
        async with serve(backend, tmp_path) as served:
            answer = await served.post("/v1/txs?wait=60", encoded(signed), CBOR)

        assert answer.status == 200
        assert cbor.decode(answer.body, max_bytes=1000) == [[signed.hash, None, "", None, None, None]]

    async def test_who_does_not_want_to_wait_longer_gets_what_is_known(self, tmp_path: Path) -> None:
        backend = TestBackend()
        async with serve(backend, tmp_path) as served:
            answer = await served.post("/v1/txs?wait=0.01", encoded(anchor(backend)), CBOR)

        ((_, refused, _, height, _, _),) = cbor.decode(answer.body, max_bytes=1000)
        assert (refused, height) == (None, None)

    @pytest.mark.parametrize(
        ("body", "kind", "status", "reason"),
        [
            (b"", CBOR, 400, "BadBody"),
            (b"\x9f\xff", CBOR, 400, "BadBody"),  # A list without its length: not the one encoding.
            (b"\x01", CBOR, 400, "BadBody"),
            (b"\x80", CBOR, 422, "InvalidRequest"),
            (b"\x81\x01", CBOR, 422, "InvalidRequest"),
            (b"\x81\x80", CBOR, 400, "BadBody"),
            (cbor.encode([b"x"] * (POSTED_MAX + 1)), CBOR, 422, "InvalidRequest"),
            (bytes(POSTED_BYTES_MAX + 1), CBOR, 413, "BodyTooLarge"),
            (b"{", "application/json", 400, "BadBody"),
            (b"[" * 100_000, "application/json", 400, "BadBody"),
            (b"[]", "application/json", 422, "InvalidRequest"),
            (b'{"transactions": ["?"]}', "application/json", 422, "InvalidRequest"),
            (b'{"transactions": [1]}', "application/json", 422, "InvalidRequest"),
            (b'{"transactions": ["AA=="], "wait": 5}', "application/json", 422, "InvalidRequest"),
            (b"\x81\x41\x00", "text/plain", 415, "BodyUnsupported"),
        ],
    )
    async def test_what_is_no_list_of_transactions_is_refused(
        self, tmp_path: Path, body: bytes, kind: str, status: int, reason: str
    ) -> None:
        backend = TestBackend()
        async with serve(backend, tmp_path) as served:
            answer = await served.post("/v1/txs", body, kind)

        assert (answer.status, answer.reason) == (status, reason)
        assert backend.pending == []

    async def test_a_body_that_is_compressed_is_told_to_be(self, tmp_path: Path) -> None:
        async with serve(TestBackend(), tmp_path) as served:
            headers = {"content-type": CBOR, "content-encoding": "gzip"}
            answer = await served.ask("POST", "/v1/txs", b"\x1f\x8b", headers=headers)

        assert (answer.status, answer.reason) == (415, "BodyUnsupported")
        assert answer.json["detail"] == "the content encoding is 'gzip'; expected none"

    @pytest.mark.parametrize("wait", ["x", "-1", "61", "nan", "inf"])
    async def test_the_wait_has_an_end(self, tmp_path: Path, wait: str) -> None:
        async with serve(TestBackend(), tmp_path) as served:
            answer = await served.post(f"/v1/txs?wait={wait}", b"\x81\x41\x00", CBOR)

        assert (answer.status, answer.reason) == (422, "InvalidRequest")

    async def test_a_busy_node_says_so(self, tmp_path: Path) -> None:
        backend = TestBackend()
        backend.busy = True
        async with serve(backend, tmp_path) as served:
            answer = await served.post("/v1/txs", encoded(anchor(backend)), CBOR)

        assert (answer.status, answer.reason) == (503, "Busy")
        assert answer.headers["retry-after"] == "1"


class TestAsking:
    async def test_a_final_transaction_has_place_and_effect(self, tmp_path: Path) -> None:
        backend = TestBackend()
        applied, rejected = anchor(backend), anchor(backend, 7)
        backend.commit(applied, rejected)
        async with serve(backend, tmp_path) as served:
            good = await served.get(f"/v1/txs/{applied.hash.hex()}")
            bad = await served.get(f"/v1/txs/{rejected.hash.hex()}")

        assert good.json == {
            "hash": applied.hash.hex(),
            "height": 1,
            "position": 0,
            "applied": True,
            "error": None,
            "detail": "",
            "operation": None,
        }
        assert (bad.json["applied"], bad.json["error"], bad.json["operation"]) == (False, "NotCurrent", 0)
        assert bad.json["detail"]

    async def test_one_that_is_not_final_can_be_waited_for(self, tmp_path: Path) -> None:
        backend = TestBackend()
        wanted = anchor(backend)
        async with serve(backend, tmp_path) as served, trio.open_nursery() as nursery:
            heights: list[int] = []

            async def ask() -> None:
                answer = await served.get(f"/v1/txs/{wanted.hash.hex()}?wait=60")
                heights.append(answer.json["height"])

            nursery.start_soon(ask)
            while not backend.waiters._by_transaction:
                await trio.sleep(0.01)
            backend.commit(wanted)

        assert heights == [1]

    @pytest.mark.parametrize("target", [f"/v1/txs/{'0' * 64}", f"/v1/txs/{'0' * 64}?wait=0.01"])
    async def test_an_unknown_one_is_not_found(self, tmp_path: Path, target: str) -> None:
        async with serve(TestBackend(), tmp_path) as served:
            answer = await served.get(target)

        assert (answer.status, answer.reason) == (404, "NoSuchThing")

    async def test_its_content_is_what_was_signed(self, tmp_path: Path) -> None:
        backend = TestBackend()
        signed = anchor(backend)
        backend.commit(anchor(backend, 7), signed)
        async with serve(backend, tmp_path) as served:
            answer = await served.get(f"/v1/txs/{signed.hash.hex()}/content")

        assert answer.json["encoding"] == b64encode(signed.encoding).decode()
        (operation,) = answer.json["transaction"]["body"]["operations"]
        assert (operation["type"], operation["sequence"]) == ("audit.anchor", 1)
