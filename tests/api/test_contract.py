"""The API against its own description: no server error, no answer that the description does not have."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import schemathesis
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from noded.api.problems import Behind
from noded.api.routing import CBOR
from noded.api.serving import Api
from noded.api.tokens import Scope
from noded.blobs.custody import Custodian
from noded.blobs.keys import RecordKeys
from noded.blobs.sealed_file import SealedFile
from noded.client.http import NodeClient
from noded.types.ids import TransactionHash
from tests.api.test_serving import settings as api_settings
from tests.helpers.backend import TestBackend
from tests.helpers.blobs import make_store
from tests.helpers.story import tell_story

CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
)
ENDLESS = ("/v1/events",)
"""Streams; they have tests of their own."""


@schemathesis.serializer(CBOR)
def serialize_cbor(context: object, value: object) -> bytes:
    """Bytes of any kind: what stands for a body in CBOR is made by hypothesis."""
    return value if isinstance(value, bytes) else repr(value).encode()


class Impatient(TestBackend):
    """Nobody waits here: what is asked to wait for a minute is answered at once."""

    async def wait_transactions(self, transactions: Any, outcomes: Any) -> None:
        return

    async def wait_block(self) -> None:
        raise Behind("nobody waits here")


class Running:
    """The API in a thread of its own."""

    def __init__(self, folder: Path) -> None:
        home = folder / "home"
        home.mkdir()
        story = tell_story()
        backend = Impatient(story.chain)
        backend.store = story.store
        file = SealedFile(folder / "keys.sqlite", bytes(32))
        backend.custodian = Custodian(make_store(folder), RecordKeys(file))
        self._api = Api(
            backend,
            api_settings(
                home,
                listen=("127.0.0.1", 0),
                requests_per_s=1_000_000,
                requests_burst=1_000_000,
                connections_max=1000,
                connections_per_client_max=1000,
            ),
            clock_ms=lambda: 0,
        )
        _, self.token = self._api.tokens.create("contract", list(Scope), valid_ms=1000)
        self._ready = threading.Event()
        self._thread = threading.Thread(target=partial(trio.run, self._run))
        self._thread.start()
        assert self._ready.wait(60)

    async def _run(self) -> None:
        async with trio.open_nursery() as nursery:
            self._scope, self._portal = nursery.cancel_scope, trio.lowlevel.current_trio_token()
            addresses = await nursery.start(self._api.run)
            self.url = next(each for each in addresses if each.startswith("http"))
            self._ready.set()
            await trio.sleep_forever()

    def stop(self) -> None:
        self._portal.run_sync_soon(self._scope.cancel)
        self._thread.join(60)
        assert not self._thread.is_alive()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    running = Running(tmp_path_factory.mktemp("contract"))
    yield running
    running.stop()


def check(running: Running, modes: Sequence[GenerationMode], *, examples: int) -> int:
    """Call every operation with so many requests that its description allows or forbids; how many were made."""
    description = NodeClient.at(running.url).get("/openapi.json")
    del description["components"]["securitySchemes"]  # Or tokens would be made up.
    for operations in description["paths"].values():
        for described in operations.values():
            del described["security"]
    schema = schemathesis.openapi.from_dict(description).exclude(path=list(ENDLESS))
    headers = {"authorization": f"Bearer {running.token}"}
    made = 0
    for found, mode in product(schema.get_all_operations(), modes):
        operation = found.ok()

        @given(operation.as_strategy(generation_mode=mode))
        @settings(
            max_examples=examples,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        def call(case: Any) -> None:
            nonlocal made
            answer = case.call(base_url=running.url, headers=headers, timeout=60)
            case.validate_response(answer, checks=CHECKS)
            assert answer.status_code != 401
            made += 1

        with suppress(Unsatisfiable):  # Nothing can be wrong with a request that takes no parameters.
            call()
    return made


def test_answers_are_as_described(running: Running) -> None:
    assert check(running, [GenerationMode.POSITIVE], examples=2) > 100


@pytest.mark.slow
def test_many_answers_are_as_described(running: Running) -> None:
    assert check(running, [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], examples=50) > 2_500


def test_unknown_transactions_are_not_waited_for_here(running: Running) -> None:
    """Otherwise the tests above would take a minute for each."""
    assert trio.run(Impatient(None).wait_transactions, [TransactionHash(bytes(32))], {}) is None
