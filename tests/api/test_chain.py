from dataclasses import replace

import pytest

from noded.api.routes import chain
from noded.codec.schema import decode_value, encode_value
from noded.ops.rows import commit_batch
from noded.types.block import FinalityProof
from noded.types.genesis import GENESIS_BYTES_MAX, Genesis
from noded.types.ids import Bitmap, Signature
from noded.types.vote import Certificate, VoteKind
from tests.helpers.api import ServedApi
from tests.helpers.backend import TestBackend


async def test_blocks_are_listed_newest_first(served: ServedApi, backend: TestBackend) -> None:
    page = (await served.get("/v1/blocks?limit=2")).json
    older = (await served.get("/v1/blocks?start=1")).json

    assert [item["value"]["height"] for item in page["items"]] == [4, 3]
    assert page["items"][0]["id"] == backend.chain.tip.hex()
    assert [item["value"]["height"] for item in older["items"]] == [1, 0]
    assert older["next"] is None


async def test_a_block_has_header_and_body(served: ServedApi, backend: TestBackend) -> None:
    latest = (await served.get("/v1/blocks/latest")).json
    third = (await served.get("/v1/blocks/3")).json

    assert latest["hash"] == backend.chain.tip.hex()
    assert latest["header"]["parent_hash"] == third["hash"]
    assert len(third["body"]["payload"]) == 1


async def test_a_blocks_transactions_say_what_became_of_them(served: ServedApi) -> None:
    items = (await served.get("/v1/blocks/3/transactions")).json["items"]

    assert [item["value"]["position"] for item in items] == [0, 1]
    assert [each["type"] for each in items[0]["value"]["transaction"]["body"]["operations"]] == [
        "access.request",
        "breakglass.open",
    ]
    assert items[0]["value"]["receipt"] == {"error": None, "detail": "", "operation": None}


async def test_a_page_of_large_transactions_ends_early(
    served: ServedApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """W2: a full block in JSON has megabytes, for each client that reads slowly."""
    monkeypatch.setattr(chain, "PAGE_BYTES", 1)

    first = (await served.get("/v1/blocks/3/transactions")).json
    second = (await served.get(f"/v1/blocks/3/transactions?after={first['next']}")).json

    assert [[item["value"]["position"] for item in page["items"]] for page in (first, second)] == [[0], [1]]
    assert second["next"] is None


@pytest.mark.parametrize(
    "path", ["blocks/5", "blocks/5/transactions", "blocks/5/proof", "validators?epoch=2"]
)
async def test_what_is_yet_to_come_is_not_found(served: ServedApi, path: str) -> None:
    answer = await served.get(f"/v1/{path}")

    assert (answer.status, answer.reason) == (404, "NoSuchThing")


@pytest.mark.parametrize("path", ["blocks/-1", "blocks/x", f"blocks/{1 << 70}"])
async def test_what_is_no_height_is_refused(served: ServedApi, path: str) -> None:
    assert (await served.get(f"/v1/{path}")).status == 422


async def test_what_the_node_has_forgotten_is_gone_but_its_header(
    served: ServedApi, backend: TestBackend
) -> None:
    signed = backend.chain.committed[3].entries[0].hash
    backend.store.prune_blocks(4, 10)

    block = await served.get("/v1/blocks/3")
    transactions = await served.get("/v1/blocks/3/transactions")
    content = await served.get(f"/v1/txs/{signed.hex()}/content")
    outcome = await served.get(f"/v1/txs/{signed.hex()}")
    listed = await served.get("/v1/blocks?start=3&limit=1")

    assert block.json["body"] is None
    assert listed.json["items"][0]["value"]["is_pruned"]
    assert (transactions.status, transactions.reason) == (410, "Pruned")
    assert (content.status, content.reason) == (410, "Pruned")
    assert (outcome.json["height"], outcome.json["applied"]) == (3, True)


async def test_the_founding_document_is_given_whole(served: ServedApi, backend: TestBackend) -> None:
    document = (await served.get("/v1/genesis")).json
    encoding = (await served.get("/v1/genesis/encoding")).body

    assert document["name"] == "test"
    assert decode_value(Genesis, encoding, max_bytes=GENESIS_BYTES_MAX) == backend.genesis


async def test_parameters_are_those_in_force(served: ServedApi, backend: TestBackend) -> None:
    answer = (await served.get("/v1/parameters")).json

    assert answer["id"] == backend.genesis.chain_id.hex()
    assert answer["value"]["block_interval_ms"] == backend.genesis.parameters.block_interval_ms
    assert answer["value"]["routing"] == "auto"


async def test_validators_are_those_of_the_next_block(served: ServedApi, backend: TestBackend) -> None:
    table = (await served.get("/v1/validators")).json

    assert table["epoch"] == 1
    assert [row["id"] for row in table["validators"]] == [id.hex() for id in backend.chain.validators.ids()]
    assert (await served.get("/v1/validators?epoch=1")).json == table


async def test_the_policy_has_every_operation(served: ServedApi) -> None:
    rows = {row["operation"]: row for row in (await served.get("/v1/policy")).json}

    assert rows["breakglass.open"]["purposes"] == ["treat", "etreat"]
    assert rows["consent.revoke"]["keys"] == ["patient", "delegate"]


async def test_a_certified_block_has_its_proof(served: ServedApi, backend: TestBackend) -> None:
    committed = backend.chain.run()
    header = committed.block.header
    certificate = Certificate(
        kind=VoteKind.FINALIZE,
        epoch=header.epoch,
        view=header.view,
        block_hash=committed.block.hash,
        bitmap=Bitmap(b"\x01"),
        signatures=(Signature(bytes(64)),),
    )
    data = encode_value(FinalityProof(tail=(), finalization=certificate))
    backend.store.commit(commit_batch([replace(committed, finalization=certificate)]))

    assert (await served.get(f"/v1/blocks/{header.height}/proof")).body == data
    assert (await served.get(f"/v1/blocks?start={header.height}&limit=1")).json["items"][0]["value"][
        "is_certified"
    ]
